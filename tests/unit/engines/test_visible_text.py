"""Reasoning and invented dialogue are not spoken, however a model's text is cut into pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.engines.llm.visible_text import VisibleText

CASES = [
    ("Hello there. How are you?", "Hello there. How are you?"),
    ("<think>The user greets.\nUser: hi</think>\n\nHello.", "Hello."),
    ("<thinking>One < two.</thinking>Two.", "Two."),
    ("First. <think>and then</think>Second.", "First. Second."),
    ("</think>Hello.", "Hello."),
    ("<think>It never comes to an end", ""),
    ("2 < 3, and <b> is bold, and a < b", "2 < 3, and <b> is bold, and a < b"),
    ("It ends with <", "It ends with <"),
    ("<|channel|>analysis<|message|>They ask for two.<|end|><|start|>assistant<|channel|>final<|message|>Two.", "Two."),
    ("<|channel|>commentary to=functions.clock <|constrain|>json<|message|>{}<|call|>Now.", "Now."),
    ("Two.<|return|>", "Two."),
    ("Assistant: Hello.", "Hello."),
    ("Which city?\nUser: Berlin.\nAssistant: It is noon there.", "Which city?\n"),
    ("Which city?\n\nHuman : Berlin", "Which city?\n\n"),
    ("¿En qué ciudad?\nUsuario: En Madrid.", "¿En qué ciudad?\n"),
    ("कौन सा शहर?\nउपयोगकर्ता: दिल्ली", "कौन सा शहर?\n"),
    ("Which city?<|start|>user<|message|>Berlin", "Which city?"),
    ("Which city?\n**User:** Berlin.", "Which city?\n"),
    ("Human: a being that thinks.", "a being that thinks."),
    ("[THINK]They greet me.[/THINK]Hello.", "Hello."),
    ("**Stars** are bright. * one", "**Stars** are bright. * one"),
    ("User friendly: that is what it is.\nUsed: twice", "User friendly: that is what it is.\nUsed: twice"),
    ("Ask the user: who?", "Ask the user: who?"),
    ("", ""),
]


def spoken(text: str, cuts: list[int]) -> str:
    visible = VisibleText()
    places = [0, *sorted(cuts), len(text)]
    pieces = [text[begin:end] for begin, end in pairwise(places)]
    return "".join([*(visible.push(piece) for piece in pieces), visible.finish()])


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_only_text_meant_for_the_user_is_spoken(text: str, expected: str) -> None:
    assert spoken(text, []) == expected
    assert spoken(text, list(range(len(text)))) == expected


@given(st.sampled_from(CASES), st.data())
def test_the_spoken_text_is_the_same_however_the_stream_is_cut(case: tuple[str, str], data: st.DataObject) -> None:
    text, expected = case
    assert spoken(text, data.draw(st.lists(st.integers(0, len(text))))) == expected


def test_text_is_held_back_only_where_a_speaker_label_may_begin() -> None:
    visible = VisibleText()
    assert [visible.push(piece) for piece in ("Hello", " there", ". ", "Us", "e ", "it.\n", "As", " ever")] == [
        *("Hello", " there", ". ", "Us", "e ", "it.\n", "", "As ever"),
    ]


def test_a_complete_label_of_the_user_ends_the_bots_text_at_once() -> None:
    visible = VisibleText()
    visible.push("Which city?\nUser")
    assert not visible.over
    visible.push(": Berlin")
    assert visible.over


@pytest.mark.parametrize("model", ["deepseek-r1:8b", "qwq-32b", "Qwen3-4B-Thinking-2507", "magistral-small"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [("Okay, the user greets me.</think>\n\nHello.", "Hello."), ("Hello. How are you?", "Hello. How are you?")],
)
def test_reasoning_without_an_opening_tag_is_removed_for_models_known_to_omit_it(
    model: str, text: str, expected: str
) -> None:
    """The second text comes from a server that has already removed the reasoning."""
    visible = VisibleText(model)
    assert "".join([*(visible.push(char) for char in text), visible.finish()]) == expected


@pytest.mark.parametrize("model", ["gpt-6-luna", "qwen3:8b", "openai/gpt-oss-120b", "war10", ""])
def test_the_text_of_other_models_passes_at_once(model: str) -> None:
    assert VisibleText(model).push("Hello there") == "Hello there"
