"""PocketSphinx in a process of its own (it holds the GIL while it decodes): PCM and pauses in, words out."""

from __future__ import annotations

from voicebot.engines.base import Transcript
from voicebot.engines.stt.recognizer import Recognizer
from voicebot.engines.stt.utterance import Utterance
from voicebot.engines.worker.child import Handler, Parent, serve
from voicebot.engines.worker.frames import Kind, Message, Value


def load() -> Handler:
    recognizer = Recognizer()

    def handle(_start: Message, parent: Parent) -> None:
        utterance = Utterance(recognizer)
        while True:
            message = parent.poll()
            if message is None:
                transcript = utterance.work()
                if transcript is not None:
                    parent.send(_message(transcript))
                message = parent.receive()
            match message:
                case Message(kind=Kind.DATA, fields={"pause": int(number)}):
                    utterance.pause(number)
                case Message(kind=Kind.DATA, body=body):
                    utterance.push(body)
                case Message(kind=Kind.END):
                    parent.send(_message(utterance.finish()))
                    return
                case _:
                    utterance.abandon()
                    return

    return handle


def _message(transcript: Transcript) -> Message:
    fields: dict[str, Value] = {
        "text": transcript.text,
        "final": int(transcript.final),
        "confidence": transcript.confidence,
        "pause": transcript.pause,
    }
    return Message(Kind.DATA, fields)


if __name__ == "__main__":
    serve(load)
