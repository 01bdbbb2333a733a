"""Separates the part of a model's text that is meant for the user from reasoning and invented dialogue.

Some servers leave a model's reasoning in its text: between `<think>` and `</think>`, or, with the gpt-oss family, in
channels that `<|…|>` tokens mark (github.com/openai/harmony). Some models also continue after their answer with what
the user might say next ("User: …"), and answer that. None of this may be spoken.
"""

from __future__ import annotations

import re

from voicebot.languages.loader import user_labels

USERS = user_labels()
"""How models name the user at the start of a line of an invented dialogue."""

_LABELS = (*USERS, "Assistant")

THINKS_FIRST = re.compile(r"(^|[^a-z0-9])(r1|qwq|magistral)([^a-z0-9]|$)|thinking", re.IGNORECASE)
"""Matches models whose template opens the reasoning, so that the text holds only its end."""

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
"""The length of `</reasoning>`, the longest text that ends a hidden part."""


class VisibleText:
    """Filters a model's text, piece by piece and with as little delay as possible.

    `over` is True once the model has begun to write the user's part. The rest of the text can be dropped.
    """

    def __init__(self, model: str = "") -> None:
        self.over = False
        self._held = ""
        """Text that may be the start of a marker."""
        self._before = "\n"
        """The last character that was returned: labels stand only at the start of a line."""
        self._hidden_until: re.Pattern[str] | None = None
        self._begun = False
        self._first: str | None = "" if THINKS_FIRST.search(model) else None
        """The text so far of a model that thinks first; None after its reasoning, and for other models."""

    def push(self, text: str) -> str:
        """Takes the next piece of the model's text. Returns what can be spoken by now."""
        if self._first is not None:
            self._first += text
            if (end := _THOUGHT_END.search(self._first)) is None:
                return ""
            text, self._first = self._first[end.end() :], None
        self._held += text
        visible = "".join(self._parts())
        if not self._begun:
            visible = visible.lstrip()  # drops blank lines between reasoning and answer
            self._begun = bool(visible)
        self._before = visible[-1:] or self._before
        return visible

    def finish(self) -> str:
        """Ends the text. Returns what was held back and turned out to be no marker."""
        if self._first is not None:  # the server has removed the reasoning: all of this is the answer
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
                    # The kept part may be the start of the end marker.
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
        """Updates the state for a marker, which itself is never spoken."""
        if marker["opening"] or marker["bracket"]:
            self._hidden_until = _THOUGHT_END
        elif marker["channel"] and marker["channel"] != "final":
            self._hidden_until = _CHANNEL_END
        elif marker["role"] == "user" or marker["label"] in USERS:
            # Before any text it is only a label, as "Assistant:" is.
            self.over = marker["role"] == "user" or self._begun or said

    @staticmethod
    def _decided(text: str) -> int:
        """Returns the position after which the text may be the start of a marker."""
        label = _LABEL_BEGUN.search(text)
        if label is not None and label[0].strip() and any(each.startswith(label["begun"]) for each in _LABELS):
            return label.start()
        begun = _HEADER_BEGUN.search(text) or _MARKER_BEGUN.search(text)
        return len(text) if begun is None else max(1, begun.start())
