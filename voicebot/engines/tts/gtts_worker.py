"""gTTS in a process of its own: text in, one MP3 out for each of its requests, each as soon as it is there.

gTTS is a blocking client that keeps its connection to itself. Python tells of the connection all the same (PEP 578), so
that a job which is given up can shut it down: the request ends at once, and the process is there for the next job.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
import socket
import sys
import threading
from typing import Any

from gtts import gTTS, gTTSError  # type: ignore[import-untyped]
from gtts.tokenizer import pre_processors  # type: ignore[import-untyped]
from urllib3.exceptions import NewConnectionError, ProxyError, SSLError

from voicebot.engines.errors import Fault
from voicebot.engines.retry_after import retry_after_s
from voicebot.engines.worker.child import Parent, serve
from voicebot.engines.worker.frames import Kind, Message, Value
from voicebot.speech_text.speakable import has_words

_CLAUSE = re.compile(r".+?(?:[.,;:!?…।]+[\"'”’»)\]]*(?:\s+|$)|[。，、！？；：]+|$)", re.DOTALL)
_PRE_PROCESSORS = [pre_processors.end_of_line, pre_processors.abbreviations, pre_processors.word_sub]
"""gTTS's own but for `tone_marks`, which parts a question mark from the quotation mark after it."""


def parts(text: str) -> list[str]:
    """A long text cut at the ends of clauses, each part as many clauses as fit into a request.

    gTTS itself cuts at every comma: after a short first clause the listener would wait for the second request.
    """
    joined = [""]
    for clause in _CLAUSE.findall(text):
        if len(joined[-1]) + len(clause.rstrip()) > gTTS.GOOGLE_TTS_MAX_CHARS:
            joined.append("")
        joined[-1] += clause
    return [part for part in joined if has_words(part)]


class Line:
    """The process's one connection: whichever was opened last."""

    def __init__(self) -> None:
        self._descriptor = -1
        self._cut = False
        sys.addaudithook(self._hear)

    @property
    def was_cut(self) -> bool:
        return self._cut

    def restore(self) -> None:
        self._cut = False

    def cut(self) -> None:
        """Shuts the connection down under whoever reads from it. No other can be opened until `restore`."""
        self._cut = True
        if self._descriptor < 0:
            return
        with contextlib.suppress(OSError):  # it is closed already
            connection = socket.socket(fileno=self._descriptor)
            try:
                connection.shutdown(socket.SHUT_RDWR)
            finally:
                connection.detach()

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            self._descriptor = arguments[0].fileno()
            if self._cut:
                raise ConnectionAbortedError("this job was given up")


class GttsHandler:
    """gTTS, in whichever voice is asked for."""

    def __init__(self) -> None:
        # gTTS verifies no certificate, but has OpenSSL read all of them for each request: that takes 40 to 70 ms of
        # processor time.
        os.putenv("SSL_CERT_FILE", os.devnull)
        self._line = Line()
        gc.freeze()  # what is there now stays for good: collecting the rest takes no time

    def handle(self, start: Message, parent: Parent) -> None:
        """Sends the MP3 of each request, then a message with the field `ended`, or why it failed."""
        self._line.restore()
        # It reads from the parent while this thread writes to it: the two sides share nothing.
        watching = threading.Thread(target=self._watch, args=(parent,), daemon=True)
        watching.start()
        outcome = self._send(start, parent)
        if not self._line.was_cut:
            parent.send(Message(Kind.DATA, outcome))
        if "fault" in outcome:
            # An error of requests is a knot of references, in which the connection before it hangs, still open.
            gc.collect()
        watching.join()

    def _watch(self, parent: Parent) -> None:
        message = parent.receive()
        if message is None or message.kind is not Kind.END:
            self._line.cut()

    def _send(self, start: Message, parent: Parent) -> dict[str, Value]:
        speech = gTTS(
            start.text("text"),
            tld=start.text("top_level_domain"),
            lang=start.text("language"),
            lang_check=False,
            pre_processor_funcs=_PRE_PROCESSORS,
            tokenizer_func=parts,
        )
        try:
            missing = len(speech.get_bodies())
            for mp3 in speech.stream():
                parent.send(Message(Kind.DATA, body=mp3))
                missing -= 1
        except AssertionError:
            return {"ended": 1}  # nothing in the text can be spoken
        except gTTSError as error:
            return _failure(error)
        except ValueError:  # from its decoding of UTF-8, ASCII and base64
            return _broken("its answer made no sense")
        return {"ended": 1} if not missing else _broken("there is no sound in its answer")


def _failure(error: gTTSError) -> dict[str, Value]:
    response = error.rsp
    if response is not None and response.status_code >= 400:
        status = response.status_code
        return {
            "fault": Fault.of_status(status),
            "message": "too many requests" if status == 429 else f"the service answered with status {status}",
            "retry_after_s": retry_after_s(response.headers.get("Retry-After")),
        }
    if response is not None:
        return _broken("there is no sound in its answer")
    # gTTS makes one error of all that can happen on the way; what happened is the error's context.
    causes = _causes(error.__context__)
    connected = not any(isinstance(cause, NewConnectionError | ProxyError | SSLError) for cause in causes)
    # With a proxy, urllib3 blames the proxy for a connection that breaks later, too.
    if connected or isinstance(causes[-1], ConnectionResetError):
        return _broken("the connection broke")
    return {"fault": Fault.UNREACHABLE, "message": "no connection", "retry_after_s": None}


def _broken(message: str) -> dict[str, Value]:
    return {"fault": Fault.BROKEN, "message": message, "retry_after_s": None}


def _causes(error: BaseException | None) -> list[BaseException]:
    """An error and what it was made of, innermost last: requests and urllib3 put causes into `reason` and arguments."""
    causes: list[BaseException] = []
    while error is not None:
        causes.append(error)
        inside = (getattr(error, "reason", None), *error.args, error.__context__)
        error = next((each for each in inside if isinstance(each, BaseException) and each not in causes), None)
    return causes


if __name__ == "__main__":
    serve(GttsHandler)
