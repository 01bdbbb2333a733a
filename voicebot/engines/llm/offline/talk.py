"""What the offline engine says where the words are always the same. Nothing here may be untrue of it."""

from __future__ import annotations

from collections.abc import Mapping

from voicebot.engines.llm.messages import MODEL_AWAY, MODEL_STILL_AWAY
from voicebot.engines.llm.offline.topics import GUESSES, Topic

WITHOUT_MODEL = "For that I need a language model, which a key for Groq or OpenAI or a local Ollama would give me."

OFFER = "Ask me for the time somewhere, a sum, a joke or a story."

SAID: Mapping[Topic, str] = {
    Topic.DISTRESS: (
        "I'm so sorry that you feel like this. I'm only a simple program, but you should not be alone with it. "
        "Please call someone you trust, or your local emergency number, right now."
    ),
    Topic.STOP: "Okay.",
    Topic.NO: "All right.",
    Topic.YES: f"All right. {OFFER}",
    Topic.MORE: f"Gladly, but of what? {OFFER}",
    Topic.CONTINUE: f"There is nothing that I had left unfinished. {OFFER}",
    Topic.REPEAT: "So far I have not said anything.",
    Topic.INTERRUPTING: (
        "Just start speaking while I talk. My voice pauses at once, and if you only cough or say uh-huh, it goes on "
        "where it stopped. To try it, ask for a long story."
    ),
    Topic.HEARING: "Yes, your words reach me.",
    Topic.PRIVACY: (
        "My answers are made on this machine, and nothing of what you say is sent anywhere for them. "
        "The engines that listen and speak are named on the page."
    ),
    Topic.LANGUAGES: f"English is the only language that I understand, and I can't translate. {OFFER}",
    Topic.VOICE: "I can't change my voice from within our talk, sorry.",
    Topic.WEATHER: (
        "I can't see the weather, because I have no connection to the outside. "
        "The time and the date I can tell you, anywhere."
    ),
    Topic.NEWS: (
        "I have no news, scores or prices, because I have no connection to the outside. "
        "What I know by myself are the time, sums, jokes and stories."
    ),
    Topic.WEB: f"I can't search the web, because I have no connection to the outside. {OFFER}",
    Topic.DEEDS: f"I can't do that, because I can only talk: no music, no timers, no messages and no orders. {OFFER}",
    Topic.GOODBYE: "Goodbye! It was nice talking to you.",
    Topic.HOW_ARE_YOU: "I'm doing fine, thank you.",
    Topic.WHAT_DOING: "I'm listening to you, and that is all I do.",
    Topic.GREETING: "Hello!",
    Topic.THANKS: "You're welcome.",
    Topic.NAME: "Nice to meet you",
    Topic.SADNESS: "I'm sorry to hear that. There is not much that I can do, but would you like to hear a joke?",
    Topic.GLADNESS: "I'm glad to hear that.",
    Topic.BLAME: "I'm sorry about that. I think by simple rules, and they are often not enough.",
    Topic.PRAISE: "Thank you, that is kind of you.",
    Topic.SORRY: "No harm done.",
    Topic.IDENTITY: (
        "I'm Voice Bot, an open voice bot and not a person. I think by simple rules, wholly on this machine, "
        "with no key and no internet. You can interrupt me whenever you like."
    ),
    Topic.CAPABILITIES: (
        "I can tell you the time and the date anywhere in the world, work out sums, tell jokes and long stories, and "
        "repeat what I said. You can interrupt me at any time: just speak."
    ),
    Topic.MODEL: (
        "Put a key for Groq or OpenAI into the file dot env, or name a local server such as Ollama there, and start me "
        "again. Then a language model answers you, and not my simple rules. The read-me file says how."
    ),
    Topic.ABOUT_ME: f"I'm only a voice bot that thinks by simple rules, so there is not much to tell about me. {OFFER}",
    Topic.KNOWLEDGE: f"I can't answer that, sorry, because I know very little of the world. {OFFER} {WITHOUT_MODEL}",
    Topic.REQUEST: f"That is more than I can do, sorry. {OFFER} {WITHOUT_MODEL}",
    Topic.QUESTION: f"I have no answer to that, sorry. {OFFER} {WITHOUT_MODEL}",
}

UNKNOWN = (
    f"I'm sorry, I did not understand that. {OFFER} {WITHOUT_MODEL}",
    "Sorry, that was too hard for me. I think by simple rules. You could ask what time it is in Tokyo, for example.",
    "I did not get that either, I'm afraid. You could ask what is seventeen times three, or for a joke.",
)
"""Said in turn, so that a user who is not understood again hears an example of what can be asked."""

REFUSALS = frozenset((Topic.LANGUAGES, Topic.WEATHER, Topic.NEWS, Topic.WEB, Topic.DEEDS)) | GUESSES
"""Refusals that are explained only once. After that, only their first sentence is said."""

READY = "What can I do for you?"
STORY_GOES_ON = "Where was I?"
STORIES_ALL_TOLD = "You have heard all my stories, so here is one of them again."

AWAY = (
    f"{MODEL_AWAY} just now. Until it is back I can tell you the time and the date anywhere in the world, "
    "work out sums, and tell jokes and stories."
)
"""Said once when the engine begins to answer in the place of a model that failed."""

BEYOND = "What you just said is beyond me without it."
STILL_BEYOND = f"{MODEL_STILL_AWAY}, and what you just said is beyond me without it."
"""Said to a question that only a model could answer: the second one where an earlier answer has said `AWAY`."""

LEFT_TO_THE_MODEL = REFUSALS | {Topic.UNKNOWN}
"""Topics that are left to the model: the engine has no answer, or none that is true of the model as well."""

SAID_TO_THE_MODEL = frozenset((Topic.YES, Topic.MORE, Topic.CONTINUE))
"""Replies to the answer before, which the engine cannot continue if that answer was the model's."""

SAID_STANDING_IN: Mapping[Topic, str] = {
    Topic.PRIVACY: "The page tells which engines listen, think and speak here, and where your words go.",
    Topic.MODEL: "I have a language model, but it is away. The page says why.",
    Topic.BLAME: "I'm sorry about that. Simple rules answer you just now, and they are often not enough.",
    Topic.IDENTITY: (
        "I'm Voice Bot, an open voice bot and not a person. Simple rules answer you just now, until my language model "
        "is back. You can interrupt me whenever you like."
    ),
}
"""Replaces texts of `SAID` that are not true while the engine stands in for a model."""
