"""What the bot says of itself, when there is no agent's answer, in the languages it knows."""

from __future__ import annotations

import math

HOUR_S = 3_600

ASK_AGAIN = {
    "en": "Sorry, I didn't catch that. Could you say it again?",
    "es": "Perdona, no te he entendido. ¿Puedes repetirlo?",
    "hi": "माफ़ कीजिए, मैं समझ नहीं पाया। क्या आप फिर से कहेंगे?",
    "de": "Entschuldigung, das habe ich nicht verstanden. Kannst du es noch einmal sagen?",
    "fr": "Pardon, je n'ai pas compris. Tu peux répéter ?",
}

APOLOGY = {
    "en": "Sorry, something went wrong while I was thinking. Please try again.",
    "es": "Perdona, algo ha fallado mientras pensaba. Inténtalo otra vez, por favor.",
    "hi": "माफ़ कीजिए, सोचते समय कुछ गड़बड़ हो गई। कृपया फिर से कोशिश कीजिए।",
    "de": "Entschuldigung, beim Nachdenken ist etwas schiefgegangen. Bitte versuche es noch einmal.",
    "fr": "Pardon, un problème est survenu pendant que je réfléchissais. Réessaie, s'il te plaît.",
}

STILL_THERE = {
    "en": "Are you still there?",
    "es": "¿Sigues ahí?",
    "hi": "क्या आप अब भी वहाँ हैं?",
    "de": "Bist du noch da?",
    "fr": "Tu es toujours là ?",
}

GOODBYE = {
    "en": "I'll leave it there for now. Goodbye!",
    "es": "Lo dejamos aquí por ahora. ¡Adiós!",
    "hi": "अभी के लिए यहीं रुकते हैं। नमस्ते!",
    "de": "Dann machen wir hier erst einmal Schluss. Tschüss!",
    "fr": "On va s'arrêter là pour le moment. Au revoir !",
}

NO_ANSWERS_LEFT = {
    "en": "I have given all my answers for today. I'll be back in {time}. Goodbye!",
    "es": "Ya he dado todas mis respuestas de hoy. Vuelvo en {time}. ¡Adiós!",
    "hi": "आज के मेरे सारे जवाब पूरे हो गए हैं। मैं {time} में वापस आऊँगा। नमस्ते!",
    "de": "Für heute habe ich alle meine Antworten gegeben. In {time} bin ich wieder da. Tschüss!",
    "fr": "J'ai donné toutes mes réponses pour aujourd'hui. Je serai de retour dans {time}. Au revoir !",
}

UNDER_AN_HOUR = {
    "en": "less than an hour",
    "es": "menos de una hora",
    "hi": "एक घंटे से भी कम समय",
    "de": "weniger als einer Stunde",
    "fr": "moins d'une heure",
}

HOURS = {
    "en": "about {hours} hours",
    "es": "unas {hours} horas",
    "hi": "लगभग {hours} घंटे",
    "de": "etwa {hours} Stunden",
    "fr": "environ {hours} heures",
}


def apology(language: str) -> str:
    """Said in place of an answer, or of its rest, if the agent fails; English where the language is not known."""
    return APOLOGY.get(language, APOLOGY["en"])


def ask_again(language: str) -> str:
    """Said when the user spoke and no words came of it; English where the language is not known."""
    return ASK_AGAIN.get(language, ASK_AGAIN["en"])


def still_there(language: str) -> str:
    """Asked when nobody has said anything for a while; English where the language is not known."""
    return STILL_THERE.get(language, STILL_THERE["en"])


def goodbye(language: str) -> str:
    """Said when that was not answered; English where the language is not known."""
    return GOODBYE.get(language, GOODBYE["en"])


def no_answers_left(language: str, back_in_s: float) -> str:
    """Said in place of an answer when the day's turns are used up; English where the language is not known."""
    text = NO_ANSWERS_LEFT.get(language, NO_ANSWERS_LEFT["en"])
    return text.format(time=about(language, back_in_s))


def about(language: str, duration_s: float) -> str:
    """A duration in words, in whole hours and rather too long than too short, as somebody may wait for its end."""
    times = UNDER_AN_HOUR if duration_s <= HOUR_S else HOURS
    return times.get(language, times["en"]).format(hours=math.ceil(duration_s / HOUR_S))
