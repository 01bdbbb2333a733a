"""Separates the part of a model's text that is meant for the user from reasoning and invented dialogue.

A model's reasoning reaches the text where a server does not take it out: between `<think>` and `</think>`, or, with the
gpt-oss family, in channels that are marked by `<|…|>` tokens (github.com/openai/harmony). Some models also go on after
their answer with what the user might say to it ("User: …"), and answer that. None of this may be spoken.
"""

from __future__ import annotations

import re

from voicebot.languages.loader import user_labels

USERS = user_labels()
"""How models name the user at the start of a line of an invented dialogue."""

_LABELS = (*USERS, "Assistant")

THINKS_FIRST = re.compile(r"(^|[^a-z0-9])(r1|qwq|magistral)([^a-z0-9]|$)|thinking", re.IGNORECASE)
"""Models whose template opens the reasoning, so that only its end is in the text."""

_MARKER = re.compile(
    r"<(?P<opening>think|thinking|reasoning)>|</(?:think|thinking|reasoning)>|(?P<bracket>\[THINK\])|\[/THINK\]"
    r"|<\|channel\|>(?P<channel>[a-z]+)(?:[^<]|<\|constrain\|>)*<\|message\|>|<\|start\|>(?P<role>[a-z]*)(?![a-z])|<\|(?!channel|start)[a-z_]+\|>"
    rf"|(?<=\n)[ \t]*\**(?P<label>{'|'.join(_LABELS)})\**[ \t]*:\**[ \t]*"
)
_THOUGHT_END = re.compile(r"</(?:think|thinking|reasoning)>|\[/THINK\]")
_CHANNEL_END = re.compile(r"<\|(?:end|return|call)\|>|(?=<\|(?:channel|start)\|>)")

_HEADER_BEGUN = re.compile(r"<\|(?:channel|start)\|>(?:[^<]|<\|constrain\|>){0,80}(?:<[|a-z]{0,12})?\Z")
_MARKER_BEGUN = re.compile(r"(?:<[|/]?[a-z_]{0,12}\|?|\[/?[THINK]{0,5})\Z")
_LABEL_BEGUN = re.compile(r"(?<=\n)[ \t]*\**(?P<begun>[^\s:*]*)\**[ \t]*\Z")


LONGEST_END = 12
"""Letters of the longest text that ends a hidden part, `</reasoning>`."""


class VisibleText:
    """Takes a model's text piece by piece and gives back what may be spoken of it, with as little delay as possible.

    `over` is True once the model has begun to write the user's part: what follows is not worth waiting for.
    """

    def __init__(self, model: str = "") -> None:
        self.over = False
        self._held = ""
        """Text that may be the beginning of a marker."""
        self._before = "\n"
        """The last character that was given back: labels stand at the start of a line."""
        self._hidden_until: re.Pattern[str] | None = None
        self._begun = False
        self._first: str | None = "" if THINKS_FIRST.search(model) else None
        """The text so far of a model that thinks first, until its reasoning ends; None for others, and after it."""

    def push(self, text: str) -> str:
        """The next piece of the model's text; returns what can be spoken by now."""
        if self._first is not None:
            self._first += text
            if (end := _THOUGHT_END.search(self._first)) is None:
                return ""
            text, self._first = self._first[end.end() :], None
        self._held += text
        visible = "".join(self._parts())
        if not self._begun:
            visible = visible.lstrip()  # what stands between reasoning and answer
            self._begun = bool(visible)
        self._before = visible[-1:] or self._before
        return visible

    def finish(self) -> str:
        """The text has ended; returns what was held back and turned out to be no marker."""
        if self._first is not None:  # its server has taken the reasoning out: all of this is the answer
            whole, self._first = self._first, None
            return self.push(whole) + self.finish()
        held, self._held = self._held, ""
        return "" if self.over or self._hidden_until is not None or held.startswith("<|") else held

    def _parts(self) -> list[str]:
        parts: list[str] = []
        while self._held and not self.over:
            if self._hidden_until is not None:
                end = self._hidden_until.search(self._held)
                if end is None:
                    # Its end may have begun to come.
                    self._held = self._held[-LONGEST_END:]
                    return parts
                self._held = self._held[end.end() :]
                self._hidden_until = None
                continue
            text = ("".join(parts)[-1:] or self._before) + self._held
            decided = self._decided(text)
            marker = _MARKER.search(text, 0, decided)
            if marker is None:
                parts.append(text[1:decided])
                self._held = text[decided:]
                return parts
            parts.append(text[1 : marker.start()])
            self._held = text[marker.end() :]
            self._pass(marker, said=bool("".join(parts).strip()))
        return parts

    def _pass(self, marker: re.Match[str], *, said: bool) -> None:
        """Take note of a marker, which is never spoken itself."""
        if marker["opening"] or marker["bracket"]:
            self._hidden_until = _THOUGHT_END
        elif marker["channel"] and marker["channel"] != "final":
            self._hidden_until = _CHANNEL_END
        elif marker["role"] == "user" or marker["label"] in USERS:
            # Before anything was said it is only a label, as "Assistant:" is.
            self.over = marker["role"] == "user" or self._begun or said

    @staticmethod
    def _decided(text: str) -> int:
        """Up to where the text can be judged: what comes after may be the beginning of a marker."""
        label = _LABEL_BEGUN.search(text)
        if label is not None and label[0].strip() and any(each.startswith(label["begun"]) for each in _LABELS):
            return label.start()
        begun = _HEADER_BEGUN.search(text) or _MARKER_BEGUN.search(text)
        return len(text) if begun is None else max(1, begun.start())
