"""What the bot says of itself, when there is no agent's answer, in the languages it knows."""

from __future__ import annotations

ASK_AGAIN = {
    "en": "Sorry, I didn't catch that. Could you say it again?",
    "es": "Perdona, no te he entendido. ¿Puedes repetirlo?",
    "hi": "माफ़ कीजिए, मैं समझ नहीं पाया। क्या आप फिर से कहेंगे?",
    "de": "Entschuldigung, das habe ich nicht verstanden. Kannst du es noch einmal sagen?",
    "fr": "Pardon, je n'ai pas compris. Tu peux répéter ?",
}


def ask_again(language: str) -> str:
    """Said when the user spoke and no words came of it; English where the language is not known."""
    return ASK_AGAIN.get(language, ASK_AGAIN["en"])
