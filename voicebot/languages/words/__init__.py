"""What people say while somebody else speaks, by language. To add one: a module like `en`, and its line here."""

from __future__ import annotations

from voicebot.languages.words.de import GERMAN
from voicebot.languages.words.en import ENGLISH, INTERNATIONAL
from voicebot.languages.words.es import SPANISH
from voicebot.languages.words.fr import FRENCH
from voicebot.languages.words.hi import HINDI
from voicebot.languages.words.vocabulary import Vocabulary, Words

_LANGUAGES: dict[str, tuple[Words, ...]] = {
    "en": (INTERNATIONAL, ENGLISH),
    "es": (INTERNATIONAL, SPANISH),
    "de": (INTERNATIONAL, GERMAN),
    "fr": (INTERNATIONAL, FRENCH),
    "hi": (INTERNATIONAL, ENGLISH, HINDI),
}
"""Hindi has the English words too: its speakers mix them."""


def vocabulary_of(code: str) -> Vocabulary:
    """The words of a language by its code ("en", "de-AT"); English for one that is not listed."""
    return _VOCABULARIES.get(code.replace("_", "-").partition("-")[0].casefold(), _VOCABULARIES["en"])


_VOCABULARIES = {code: Vocabulary(*languages) for code, languages in _LANGUAGES.items()}
"""Made at once, so that no verdict has to wait for it."""
