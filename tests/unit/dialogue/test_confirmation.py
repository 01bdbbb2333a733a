"""What counts as a clear yes to the question whether a tool may be called."""

from __future__ import annotations

import pytest

from voicebot.dialogue.confirmation import MAX_WORDS, ends_with_question, is_clear_yes, may_repeat

LANGUAGES = ("de", "en", "es", "fr", "hi")

CLEAR = {
    "en": """Yes. | yes please | Yeah. | yep, go ahead | Go ahead! | do it | That's right. | sure, go ahead | um, yes
        | Okay, do it. | Yes, yes, thank you very much. | yes ma'am | of course | okay yes | Absolutely, please do.
        | Yes, book it, please. | YES | [laughs] yes | Perfect, yes. | Uh, yes, that's correct. | I confirm""",
    "de": """Ja. | ja bitte | Ja, gerne. | Genau. | mach das | Okay, ja. | ähm ja | na klar | Ja, das ist richtig.
        | Machen Sie das bitte. | auf jeden Fall | Ja, buch das.""",
    "es": """Sí. | si | sí por favor | claro que sí | Adelante. | hazlo | Sí, sí, gracias. | Eso es. | vale, sí
        | Sí, confírmalo, por favor. | eh sí""",
    "fr": """Oui. | oui s'il vous plaît | bien sûr | allez-y | Vas-y ! | c'est ça | euh oui | d'accord, oui | oui oui
        | Oui, je confirme. | Faites-le.""",
    "hi": """हाँ। | हां | जी हाँ | haan ji | कर दीजिए | yes please | ठीक है, हाँ | बिल्कुल | हाँ, कर दो | उम्म हाँ | Yes.""",
}

UNCLEAR = {
    "en": """uh-huh | mhm | mm-hmm | hmm | okay | Okay. | ok | right | fine | good | all right | yeah right | yeah yeah
        | Yes? | Shall I book it? | yes but | yes no | no | nope | not yes | yes, not now | maybe | I think so
        | I guess so | yes, for three people | do it tomorrow | yes, do it tomorrow | don't do it | please | thanks
        | yes um | go on | that's fine | no problem | why not | I said yes | yes or no | [laughs] | perfect
        | the yes man | could be | if you want""",
    "de": """mhm | hm | okay | gut | in Ordnung | passt | alles klar | joa | ja ja | jaja | ja gut | ja aber | ja schon
        | ja nein | nein | vielleicht | Ja? | ja, aber morgen | bitte | bitte? | mach das nicht | von mir aus""",
    "es": """ajá | mhm | vale | bueno | de acuerdo | ya | sí pero | sí no | no | ¿Sí? | quizás | sí, para tres
        | no lo hagas | por favor""",
    "fr": """hum | mhm | d'accord | ok | c'est bon | mouais | ouais ouais | oui mais | oui non | non | peut-être
        | Oui ? | oui pour trois | si | s'il vous plaît | ne le fais pas""",
    "hi": """हम्म | हूँ | जी | ठीक है | अच्छा | acha | ok | हाँ लेकिन | हाँ नहीं | नहीं | शायद | हाँ? | बिल्कुल नहीं
        | मत करो | uh-huh""",
}


def cases(texts: dict[str, str]) -> list[tuple[str, str]]:
    return [(language, " ".join(text.split())) for language, many in texts.items() for text in many.split("|")]


@pytest.mark.parametrize(("language", "text"), cases(CLEAR))
def test_a_yes_and_nothing_else_is_clear(language: str, text: str) -> None:
    assert is_clear_yes(text, language)


@pytest.mark.parametrize(("language", "text"), cases(UNCLEAR))
def test_a_hum_a_doubt_a_question_and_anything_more_are_unclear(language: str, text: str) -> None:
    assert not is_clear_yes(text, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_silence_says_nothing(language: str) -> None:
    assert not is_clear_yes("", language)
    assert not is_clear_yes(" ... ", language)


def test_a_language_without_words_of_its_own_takes_the_english_ones() -> None:
    assert is_clear_yes("yes please", "it")
    assert not is_clear_yes("sì", "it")
    assert is_clear_yes("ja bitte", "de-AT")


def test_a_long_text_is_unclear_whatever_it_says() -> None:
    assert is_clear_yes("yes " * MAX_WORDS, "en")
    assert not is_clear_yes("yes " * (MAX_WORDS + 1), "en")


def test_a_question_was_heard_if_the_words_heard_end_with_it() -> None:
    question = "Shall I book a table for two?"
    assert ends_with_question("Good. Shall I book  a table for two?", question)
    assert not ends_with_question("Good. Shall I book a table", question)
    assert not ends_with_question("Shall I book a table for two? Or for three?", question)
    assert not ends_with_question("It is noon.", question)
    assert not ends_with_question("It is noon.", " ")


def test_only_the_last_words_of_a_question_can_come_back_as_an_echo() -> None:
    question = "Shall I book a table for two? Please say yes or no."
    assert may_repeat("yes or no", question)
    assert may_repeat("Yes.", question)
    assert not may_repeat("Shall I", question)
    assert not may_repeat("yes please", question)
