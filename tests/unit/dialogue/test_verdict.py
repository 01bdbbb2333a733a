"""Verdicts on speech over a reply: whether it interrupts the bot, and whether it is answered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.dialogue.interruption.verdict import Decision, Speech, VerdictContext, give_verdict
from voicebot.dialogue.preferences import Sensitivity

TALKING = VerdictContext(sentence="Once upon a time there was a cat.", words_heard=5)
ASKING = VerdictContext(sentence="Shall I go on?", words_heard=4)
ASKING_WHAT = VerdictContext(sentence="What is your name?", words_heard=4)
NOTHING_HEARD = VerdictContext()
OF_ITSELF = VerdictContext(sentence="I keep a list of your favourite songs.", words_heard=8)
NEGATIVE = VerdictContext(sentence="There are no trains on Sunday, and the bus doesn't stop there.", words_heard=11)

TIMED_LIKE_ECHO = Speech(duration_s=0.5, outlasted_s=0.2)


def ruled(text: str, context: VerdictContext = TALKING) -> tuple[Decision, str]:
    verdict = give_verdict(text, context, final=True)
    return verdict.decision, verdict.rule


def sounding(speech: Speech, context: VerdictContext = TALKING) -> VerdictContext:
    return replace(context, speech=speech)


@pytest.mark.parametrize(
    "text",
    [
        "uh-huh",
        "Uh huh.",
        "Mm-hmm",
        "okay",
        "OK!",
        "yeah yeah",
        "Okay, go ahead",
        "I see",
        "hm right",
        "YEAHHHH",
        "thaaat's so coool",
    ],
)
def test_backchannels_let_the_bot_go_on(text: str) -> None:
    assert ruled(text) == (Decision.RESUME, "backchannel")


def test_a_word_that_may_have_been_a_backchannel_lets_the_bot_go_on() -> None:
    doubtful = replace(TALKING, backchannel="Cool.")
    assert ruled("school", doubtful) == (Decision.RESUME, "backchannel")
    assert give_verdict("school", doubtful, final=True).reason == "“school” was probably “Cool”"
    assert ruled("um", doubtful) == (Decision.RESUME, "backchannel")
    assert ruled("school", replace(doubtful, sensitivity=Sensitivity.EASY)) == (Decision.REGENERATE, "words")
    assert ruled("school", replace(ASKING, backchannel="Cool.")) == (Decision.REGENERATE, "words")
    assert ruled("school", replace(NOTHING_HEARD, backchannel="Cool.")) == (Decision.REGENERATE, "words")


@pytest.mark.parametrize("text", ["did it?", "oh was it", "it really was", "yeah, it sure was", "I'm sure it was"])
def test_short_sentences_about_what_the_bot_said_let_it_go_on(text: str) -> None:
    assert ruled(text) == (Decision.RESUME, "backchannel")


def test_a_question_to_the_bot_is_asked_back_only_if_the_bot_spoke_of_itself() -> None:
    assert ruled("do you", OF_ITSELF) == (Decision.RESUME, "backchannel")
    assert ruled("do you", TALKING) == (Decision.REGENERATE, "words")
    assert ruled("do you have any jazz", OF_ITSELF) == (Decision.REGENERATE, "words")
    assert ruled("is it good", OF_ITSELF) == (Decision.REGENERATE, "words")


def test_a_modal_verb_asks_back_only_if_the_bot_said_it() -> None:
    able = VerdictContext(sentence="I can read it to you.", words_heard=6)
    assert ruled("can you", able) == (Decision.RESUME, "backchannel")
    assert ruled("could you", able) == (Decision.REGENERATE, "words")
    assert ruled("can you", OF_ITSELF) == (Decision.REGENERATE, "words")


@pytest.mark.parametrize("text", ["no", "nope", "no, no", "no, it doesn't", "probably not", "no, that's true"])
def test_a_denial_agrees_with_a_negative_statement_and_contradicts_another(text: str) -> None:
    assert ruled(text, NEGATIVE) == (Decision.RESUME, "backchannel")
    assert ruled(text, TALKING) == (Decision.REGENERATE, "words")


def test_an_agreeing_sentence_contradicts_a_negative_statement() -> None:
    assert ruled("yes it does", NEGATIVE) == (Decision.REGENERATE, "words")
    assert ruled("it is", NEGATIVE) == (Decision.REGENERATE, "words")


def test_only_a_negation_in_the_last_main_clause_makes_a_statement_negative() -> None:
    before = VerdictContext(sentence="There are no trains on Sunday, but you can take the bus.", words_heard=12)
    assert ruled("no", before) == (Decision.REGENERATE, "words")
    begun = replace(before, words_heard=8)
    assert ruled("no", begun) == (Decision.RESUME, "backchannel"), "too little of the second clause was heard"


@pytest.mark.parametrize(
    "text", ["that's, that's great", "that's, um, that's great", "I know, I know it", "it, it was"]
)
def test_words_said_twice_count_once(text: str) -> None:
    assert ruled(text) == (Decision.RESUME, "backchannel")


@pytest.mark.parametrize(
    "text", ["yeah, but", "right, and um", "yeah um", "well I", "so the, uh", "let's see", "and", "okay, let me think"]
)
def test_words_that_announce_more_interrupt(text: str) -> None:
    verdict = give_verdict(text, TALKING, final=True)
    assert verdict.decision is Decision.REGENERATE
    assert verdict.reason == f"“{text}” begins what you want to say"
    assert verdict.answer


def test_words_that_announce_more_do_not_interrupt_if_they_may_be_an_echo_or_somebody_elses() -> None:
    joining = VerdictContext(sentence="He went home and slept.", words_heard=4)
    assert ruled("and", joining) == (Decision.RESUME, "hesitation"), "the bot has just said it"
    assert ruled("but", sounding(Speech(duration_s=0.5, echo=0.9, outlasted_s=0.1)))[0] is Decision.RESUME
    assert ruled("yeah, but", sounding(Speech(duration_s=0.5, level_db=-15.0)))[0] is Decision.RESUME
    assert ruled("yeah, but", replace(TALKING, sensitivity=Sensitivity.HARD))[0] is Decision.RESUME
    assert ruled("but", replace(TALKING, backchannel="Right."))[0] is Decision.RESUME


@pytest.mark.parametrize("text", ["I hope so", "oh well", "and then?", "uh-huh, um", "that's good though"])
def test_a_phrase_that_ends_with_such_a_word_announces_nothing(text: str) -> None:
    assert ruled(text) == (Decision.RESUME, "backchannel") or ruled(text) == (Decision.RESUME, "hesitation")


def test_a_repeated_word_of_the_bot_with_a_backchannel_lets_it_go_on_however_long_it_sounds() -> None:
    long = Speech(duration_s=4.0, outlasted_s=2.0)
    opening = VerdictContext(sentence="It opens at eight on Saturday.", words_heard=6, speech=long)
    assert ruled("Saturday, okay", opening) == (Decision.RESUME, "backchannel")
    assert ruled("Saturday", opening) == (Decision.REGENERATE, "words")
    assert ruled("Sunday, okay", opening) == (Decision.REGENERATE, "words")
    asking = replace(opening, sentence="Shall I take Friday or Saturday?")
    assert ruled("Saturday, okay", asking) == (Decision.REGENERATE, "words")


@pytest.mark.parametrize(
    ("language", "sentence", "agreeing", "asking"),
    [
        ("de", "Die Bäckerei macht um sechs Uhr auf.", "ja, das tut sie", "macht sie?"),
        ("es", "El faro es muy antiguo y hermoso.", "sí, lo es", "¿lo es?"),
        ("fr", "Le phare est très ancien et très beau.", "oui, il l'est", "ah oui, il l'est ?"),
        ("hi", "यह मीनार दो सौ साल पुरानी है।", "हाँ, है तो", "है क्या?"),
    ],
)
def test_short_sentences_have_the_word_order_of_the_language(
    language: str, sentence: str, agreeing: str, asking: str
) -> None:
    context = VerdictContext(language, sentence, words_heard=len(sentence.split()))
    assert ruled(agreeing, context) == (Decision.RESUME, "backchannel")
    assert ruled(asking, context) == (Decision.RESUME, "backchannel")


def test_the_first_words_of_a_message_that_could_be_a_short_sentence_hold_it_back_by_one_word() -> None:
    assert give_verdict("do you", OF_ITSELF, final=False).decision is Decision.WAIT
    assert give_verdict("do you have", OF_ITSELF, final=False).decision is Decision.REGENERATE
    assert give_verdict("I'm sure it", TALKING, final=False).decision is Decision.WAIT
    assert give_verdict("I'm sure it was in another story", TALKING, final=False).decision is Decision.REGENERATE


@pytest.mark.parametrize("text", ["stop", "no", "um no", "who", "what now", "tell me", "okay wait"])
def test_a_stop_word_refusal_question_or_request_is_never_judged_a_backchannel(text: str) -> None:
    assert ruled(text, replace(TALKING, backchannel="Yeah."))[0] is Decision.REGENERATE


def test_words_that_may_have_been_a_backchannel_do_not_interrupt_while_the_user_speaks() -> None:
    text = "bright gold schools"
    assert give_verdict(text, TALKING, final=False).decision is Decision.REGENERATE
    assert give_verdict(text, replace(TALKING, backchannel="Right."), final=False).decision is Decision.WAIT


@pytest.mark.parametrize("text", ["", "...", "[noise]", "(coughs) <unk>", "++NOISE++", "♪ ♪", "?!"])
def test_noises_let_the_bot_go_on(text: str) -> None:
    assert ruled(text) == (Decision.RESUME, "no words")
    assert ruled(text, ASKING) == (Decision.RESUME, "no words")


@pytest.mark.parametrize(
    "text", ["book it", "token", "okay stop that and listen", "what time is it", "no", "rightly so", "I see a problem"]
)
def test_a_text_that_is_not_entirely_a_backchannel_interrupts_and_is_answered(text: str) -> None:
    verdict = give_verdict(text, TALKING, final=True)
    assert verdict.decision is Decision.REGENERATE
    assert verdict.answer


@pytest.mark.parametrize("text", ["yes", "Okay.", "yeah sure", "go ahead", "no", "that'd be great"])
def test_a_short_reply_after_the_bots_question_is_an_answer(text: str) -> None:
    assert ruled(text, ASKING) == (Decision.REGENERATE, "answer")


@pytest.mark.parametrize("text", ["hm", "uh", "oh", "um, well", "haha"])
def test_a_listening_sound_or_hesitation_is_no_answer_to_the_bots_question(text: str) -> None:
    assert give_verdict(text, ASKING, final=True).decision is Decision.RESUME


def test_a_hum_that_means_yes_answers_only_a_yes_or_no_question() -> None:
    assert ruled("uh-huh", ASKING) == (Decision.REGENERATE, "answer")
    assert ruled("mm-hmm", ASKING_WHAT) == (Decision.RESUME, "backchannel")
    assert ruled("hmm hmm", VerdictContext("hi", "क्या मैं आगे सुनाऊँ?", 4)) == (Decision.REGENERATE, "answer")


def test_a_question_awaits_an_answer_once_half_of_it_was_heard() -> None:
    question = VerdictContext(sentence="Shall I tell you about the cat?", previous="Fine.")
    assert ruled("okay", replace(question, words_heard=2)) == (Decision.RESUME, "backchannel")
    assert ruled("okay", replace(question, words_heard=5)) == (Decision.REGENERATE, "answer")


def test_a_question_no_longer_awaits_an_answer_after_four_further_words() -> None:
    after = VerdictContext(sentence="There is a lot to tell.", previous="Shall I go on?")
    assert ruled("okay", replace(after, words_heard=3)) == (Decision.REGENERATE, "answer")
    assert ruled("okay", replace(after, words_heard=4)) == (Decision.RESUME, "backchannel")


def test_a_question_before_another_sentence_awaits_an_answer_but_a_quoted_one_does_not() -> None:
    assert ruled("okay", VerdictContext(sentence="Shall I go on? There is more.", words_heard=5))[1] == "answer"
    assert ruled("okay", VerdictContext(sentence="“Who is there?” asked the cat.", words_heard=4))[1] == "backchannel"


@pytest.mark.parametrize(
    "text", ["stop", "Stop! Stop!", "be quiet", "That's enough.", "okay wait please", "hold on", "never mind"]
)
def test_stop_words_interrupt_without_a_new_reply(text: str) -> None:
    verdict = give_verdict(text, TALKING, final=True)
    assert (verdict.decision, verdict.rule, verdict.answer) == (Decision.REGENERATE, "stop word", False)


def test_words_that_follow_a_stop_word_are_answered() -> None:
    verdict = give_verdict("stop, what time is it", TALKING, final=True)
    assert (verdict.decision, verdict.answer) == (Decision.REGENERATE, True)


@pytest.mark.parametrize("text", ["don't stop", "no, don't stop, go on", "please, do not stop"])
def test_a_request_not_to_stop_lets_the_bot_go_on(text: str) -> None:
    assert ruled(text) == (Decision.RESUME, "backchannel")


@pytest.mark.parametrize("text", ["I can't wait to see it", "is it non-stop", "where is the bus stop", "fair enough"])
def test_stop_words_inside_other_phrases_are_not_stop_words(text: str) -> None:
    assert ruled(text)[1] != "stop word"


def test_before_any_playback_words_interrupt_but_backchannels_and_hesitations_do_not() -> None:
    assert ruled("uh-huh", NOTHING_HEARD) == (Decision.RESUME, "backchannel")
    assert ruled("um, well", NOTHING_HEARD) == (Decision.RESUME, "hesitation")
    assert ruled("in Paris", NOTHING_HEARD) == (Decision.REGENERATE, "words")


def test_the_bots_own_words_are_an_echo_only_if_they_end_soon_after_the_bots_voice() -> None:
    echo = "there was"
    assert ruled(echo, sounding(TIMED_LIKE_ECHO)) == (Decision.RESUME, "echo")
    assert ruled(echo, sounding(Speech(duration_s=1.5, outlasted_s=1.2))) == (Decision.REGENERATE, "words")
    assert ruled(echo, sounding(Speech(duration_s=3.0))) == (Decision.REGENERATE, "words")
    assert ruled(echo, sounding(Speech(duration_s=0.5, echo=0.0))) == (Decision.REGENERATE, "words")


def test_garbled_words_of_the_bot_are_an_echo_only_if_they_sound_like_the_bot() -> None:
    assert ruled("one pond a tame", sounding(Speech(echo=0.6, outlasted_s=0.1))) == (Decision.RESUME, "echo")
    assert ruled("one pond a tame") == (Decision.REGENERATE, "words")


def test_speech_that_sounds_like_the_bot_is_an_echo_except_stop_words_and_long_messages() -> None:
    loud = sounding(Speech(duration_s=1.2, echo=0.9, outlasted_s=0.1))
    brief = sounding(Speech(duration_s=0.5, echo=0.9, outlasted_s=0.1))
    assert ruled("bone", loud) == (Decision.RESUME, "echo")
    assert ruled("what was that for", brief) == (Decision.RESUME, "echo"), (
        "a long text in a short sound must be an echo"
    )
    assert ruled("stop", brief) == (Decision.REGENERATE, "stop word")
    assert ruled("what is two plus two", loud) == (Decision.REGENERATE, "words")
    assert ruled("stop", loud) == (Decision.REGENERATE, "stop word")


def test_a_stop_word_that_the_bot_said_is_an_echo_only_if_it_sounds_like_the_bot() -> None:
    bus = VerdictContext(sentence="Get off at the next bus stop.", words_heard=7)
    assert ruled("stop", bus) == (Decision.REGENERATE, "stop word")
    assert ruled("stop", sounding(Speech(echo=0.8, outlasted_s=0.1), bus)) == (Decision.RESUME, "echo")


def test_an_offered_choice_that_the_user_repeats_is_no_echo() -> None:
    offering = VerdictContext(sentence="Tea or coffee?", words_heard=3)
    assert ruled("coffee", offering) == (Decision.REGENERATE, "words")
    assert give_verdict("coffee", offering, final=True).answer, (
        "the words must count as an answer to the bot's question"
    )
    telling = VerdictContext(sentence="They drink tea or coffee.", words_heard=5)
    assert ruled("coffee", telling) == (Decision.RESUME, "echo")


def test_a_hardly_recognised_word_does_not_interrupt_unless_an_answer_or_a_stop_word() -> None:
    unsure = Speech(duration_s=0.3, level_db=-18.0)
    assert ruled("hair", replace(TALKING, confidence=0.2, speech=unsure)) == (Decision.RESUME, "unclear")
    sure = replace(unsure, level_db=-3.0)
    assert ruled("hair", replace(TALKING, confidence=0.9, speech=sure)) == (Decision.REGENERATE, "words")
    assert ruled("nine", replace(ASKING, confidence=0.2, speech=unsure)) == (Decision.REGENERATE, "words")
    assert ruled("stop", replace(TALKING, confidence=0.2, speech=unsure)) == (Decision.REGENERATE, "stop word")


@pytest.mark.parametrize("text", ["liza", "why is it", "one minute"])
def test_unsure_words_in_a_short_sound_that_may_be_an_echo_do_not_interrupt(text: str) -> None:
    short = Speech(duration_s=0.4, echo=0.45, outlasted_s=0.35)
    assert ruled(text, replace(TALKING, confidence=0.55, speech=short)) == (Decision.RESUME, "echo")
    assert ruled(text, replace(TALKING, confidence=0.9, speech=short))[0] is Decision.REGENERATE
    assert ruled(text, replace(TALKING, confidence=0.55, speech=replace(short, echo=0.2)))[0] is Decision.REGENERATE
    assert ruled("stop", replace(TALKING, confidence=0.55, speech=short)) == (Decision.REGENERATE, "stop word")


def test_an_unsure_stop_word_in_a_certain_echo_does_not_interrupt() -> None:
    certain = Speech(duration_s=0.4, echo=0.9, outlasted_s=0.3)
    assert ruled("wait", replace(TALKING, confidence=0.3, speech=certain)) == (Decision.RESUME, "echo")
    assert ruled("wait", replace(TALKING, confidence=0.9, speech=certain)) == (Decision.REGENERATE, "stop word")


def test_an_echo_in_the_sound_may_outlast_the_bot_longer_than_an_echo_in_the_words() -> None:
    late = Speech(duration_s=0.7, echo=0.9, outlasted_s=0.8)
    assert ruled("i'm saying", sounding(late)) == (Decision.RESUME, "echo")
    assert ruled("i'm saying", sounding(replace(late, outlasted_s=1.2))) == (Decision.REGENERATE, "words")
    assert ruled("there was", sounding(replace(late, echo=None))) == (Decision.REGENERATE, "words")


@pytest.mark.parametrize("text", ["are we going to the shop later", "he never told me that", "hello"])
def test_a_voice_much_softer_than_the_users_does_not_interrupt(text: str) -> None:
    far = replace(TALKING, confidence=0.9, speech=Speech(duration_s=2.0, level_db=-13.0))
    assert ruled(text, far) == (Decision.RESUME, "faint")
    assert give_verdict(text, far, final=False).decision is Decision.WAIT


def test_slightly_softer_speech_interrupts_and_so_does_a_faint_stop_word_or_answer() -> None:
    softer, far = Speech(duration_s=2.0, level_db=-11.0), Speech(duration_s=0.5, level_db=-15.0)
    assert ruled("are we going to the shop later", replace(TALKING, speech=softer))[0] is Decision.REGENERATE
    assert give_verdict("are we going to the shop later", replace(TALKING, speech=softer), final=False).decision is (
        Decision.REGENERATE
    )
    assert ruled("stop", replace(TALKING, speech=far)) == (Decision.REGENERATE, "stop word")
    assert ruled("yes", replace(ASKING, speech=far)) == (Decision.REGENERATE, "answer")


def test_the_sensitivity_sets_how_soft_speech_may_be_and_still_interrupt() -> None:
    speech = Speech(duration_s=2.0, level_db=-13.0)
    easy = replace(TALKING, speech=speech, sensitivity=Sensitivity.EASY)
    assert ruled("he never told me that", easy)[0] is Decision.REGENERATE
    hard = replace(TALKING, speech=replace(speech, level_db=-8.5), sensitivity=Sensitivity.HARD)
    assert ruled("he never told me that", hard) == (Decision.RESUME, "faint")


@pytest.mark.parametrize("text", ["", "uh-huh", "okay", "no", "what", "there was a", "don't", "hold", "that's so"])
def test_ambiguous_first_words_wait_while_the_user_speaks(text: str) -> None:
    assert give_verdict(text, TALKING, final=False).decision is Decision.WAIT


@pytest.mark.parametrize("text", ["stop", "um wait", "okay hold on", "what is", "can you", "actually play some music"])
def test_clear_first_words_interrupt_while_the_user_still_speaks(text: str) -> None:
    assert give_verdict(text, TALKING, final=False).decision is Decision.REGENERATE


def test_words_of_low_confidence_do_not_interrupt_while_the_user_still_speaks() -> None:
    assert give_verdict("what is two plus two", replace(TALKING, confidence=0.3), final=False).decision is Decision.WAIT


def test_backchannels_depend_on_the_language_and_an_unknown_language_counts_as_english() -> None:
    assert ruled("ja genau", replace(TALKING, language="de-AT"))[0] is Decision.RESUME
    assert ruled("ja genau", replace(TALKING, language="en"))[0] is Decision.REGENERATE
    assert ruled("that's funny", replace(TALKING, language="xx"))[0] is Decision.RESUME
    assert ruled("uh-huh", replace(TALKING, language="pt_BR"))[0] is Decision.RESUME


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("es", ["sí", "si", "SÍ!"]),
        ("hi", ["हाँ", "हां", "haan", "han"]),
        ("fr", ["d’accord", "d'accord", "daccord", "d accord"]),
    ],
)
def test_every_spelling_of_a_backchannel_lets_the_bot_go_on(language: str, texts: list[str]) -> None:
    for text in texts:
        assert ruled(text, replace(TALKING, language=language)) == (Decision.RESUME, "backchannel"), text


def test_every_verdict_has_a_rule_and_a_reason() -> None:
    for text in ("", "uh-huh", "okay", "stop", "what"):
        verdict = give_verdict(text, TALKING, final=True)
        assert verdict.rule
        assert verdict.reason
        assert verdict.text == text


@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from(["stop", "yeah", "uh", "[", "हाँ", "no", "there", "é"])).map(" ".join)
    ),
    st.text(),
    st.integers(-3, 50),
    st.sampled_from(["en", "es", "de", "fr", "hi", ""]),
    st.none() | st.floats(0, 1),
    st.booleans(),
)
def test_any_text_gets_a_verdict(
    text: str, sentence: str, words_heard: int, language: str, share: float | None, final: bool
) -> None:
    speech = Speech(echo=share, outlasted_s=share)
    context = VerdictContext(language, sentence, words_heard, sentence, confidence=share, speech=speech)
    verdict = give_verdict(text, context, final=final)
    assert verdict.text == text
    assert verdict == give_verdict(text, context, final=final)
    assert (verdict.decision is Decision.WAIT) <= (not final)
    assert (verdict.decision is Decision.RESUME) <= final


@pytest.mark.parametrize("text", ["yeah " * 20_000, "a" * 100_000, "[" * 100_000 + "x", "stop " * 20_000])
def test_a_very_long_text_interrupts_the_bot(text: str) -> None:
    assert give_verdict(text, TALKING, final=True).decision is Decision.REGENERATE
