"""The Moonshine models: encoder (16 kHz sound to features) and decoder (features to text, and scores of given texts).

The weights of tiny-en are in the wheel `moonshine_voice`. Its Python code is not imported, as it would load a library
of 42 MB; onnxruntime reads the weights instead. Every method may be called from several threads at once. While it runs
it uses one core, and hardly holds the interpreter lock.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil, exp
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import SPEECH_RATE_HZ, Samples
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.stt.moonshine.tokenizer import END, START, PhraseNode, PhraseTree, Tokenizer

ENGINE = "moonshine"

INSTEAD = "to talk to the bot all the same, set DEEPGRAM_API_KEY"
"""The advice where the model is not available, as on Intel Macs."""

Features = npt.NDArray[np.float32]
"""The encoder's output: float32 of shape (frames, 288), one frame for each `FRAME_SAMPLES`. A larger model has more
than 288 features."""

FRAME_SAMPLES = 384
"""The encoder's three convolutions have strides of 64, 3 and 2, so one frame of features is 24 ms of sound."""

PADDING_S = 0.3
"""The silence that is added before and after every sound. Without it the model drops short words at the edges."""

TOKENS_PER_S = 6.5
"""The model's authors allow at most this many tokens per second of sound. More of them are a loop."""

_LOOP = 8
"""A phrase that is repeated this often is a loop of the model, and ends the decoding at once."""
_LOOP_AT_LIMIT = 3
"""The same for a text that has reached the limit of tokens."""
_LOOP_TOKENS = 12
"""The limit of tokens ends loops of longer phrases than this."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of a model, and the SHA-256 hashes that it may have."""

    name: str
    sha256: tuple[str, ...]


ENCODER = ModelFile(
    "encoder_model.ort",
    (
        "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
        "e091ae52fc2a912197af8f7b7ae2e8365b656ff58463313e0660cce59d9e81d3",
    ),
)
DECODER = ModelFile(
    "decoder_model_merged.ort",
    (
        "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
        "b40193912d8f4af041f2f3e9f7ff23d45b63a1c15a9c7d35fcbebeab3c4273b2",
    ),
)
TOKENS = ModelFile("tokenizer.bin", ("6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",))
"""The files of tiny-en. The first hash is of moonshine-voice 0.1.0; the second is of 0.0.4, the last version for older
systems. The weights differ only in their rounding, and each version has the same files on all platforms."""


@dataclass(frozen=True, slots=True)
class DecodedText:
    """The most likely text of a sound (greedy search)."""

    text: str
    tokens: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    """Natural logarithms: one for each token, and one for the end of the text if the model has ended it itself."""

    @property
    def log_probability(self) -> float:
        """The natural logarithm of the whole text's probability, as `Model.score` returns it."""
        return sum(self.log_probabilities)

    @property
    def confidence(self) -> float:
        """The geometric mean of the tokens' probabilities, 0 to 1."""
        return exp(self.log_probability / len(self.log_probabilities))


def wheel_folder() -> Path:
    """Returns the folder of the weights inside the installed wheel. Raises EngineError if the wheel is missing."""
    spec = find_spec("moonshine_voice")
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(ENGINE, f"the package moonshine-voice is not installed; {INSTEAD}", fault=Fault.MISSING)
    return Path(spec.submodule_search_locations[0]) / "assets" / "tiny-en"


class Model:
    """A loaded model."""

    def __init__(self, encoder: Any, decoder: Any, tokenizer: Tokenizer) -> None:
        import onnxruntime

        self._encoder, self._decoder = encoder, decoder
        self.tokenizer = tokenizer
        self._memory_returning = onnxruntime.RunOptions()
        """Options for runs that take much memory: they return it. After thirty utterances of up to 15 s, two at a time,
        86 to 99 MB were kept without this, and 22 to 36 MB with it. No difference in time was measured."""
        self._memory_returning.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._outputs = [output.name for output in decoder.get_outputs()]
        self._no_past = {
            each.name: np.zeros((1, each.shape[1], 0, each.shape[3]), np.float32)
            for each in decoder.get_inputs()
            if each.name.startswith("past_key_values.")
        }

    @classmethod
    def load(cls, folder: Path | None = None) -> Model:
        """Loads the weights from the folder, or from the wheel if none is given. Takes about half a second.

        Raises EngineError if a file is missing or not the expected one, or if onnxruntime can't load it.
        """
        folder = wheel_folder() if folder is None else folder
        for file in (ENCODER, DECODER, TOKENS):
            _check(folder, file)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> Model:
        """Loads the weights of any model of this family from files that were checked. Raises EngineError."""
        tokenizer = Tokenizer.from_bytes((folder / TOKENS.name).read_bytes())
        return cls(_session(folder / ENCODER.name), _session(folder / DECODER.name), tokenizer)

    def encode(self, sound: Samples) -> Features:
        """Returns the features of a 16 kHz sound (int16 of shape (samples,)) with `PADDING_S` of silence around it."""
        padding = round(PADDING_S * SPEECH_RATE_HZ)
        values = np.zeros((1, len(sound) + 2 * padding), np.float32)
        values[0, padding : padding + len(sound)] = sound.astype(np.float32) / 32_768
        mask = np.ones(values.shape, np.int64)
        feed = {"input_values": values, "attention_mask": mask}
        features: Features = self._encoder.run(None, feed, self._memory_returning)[0][0]
        return features

    def decode(self, features: Features, stop: threading.Event | None = None) -> DecodedText:
        """Returns the most likely text, found by greedy search. The text of silence is mostly empty.

        Soon after `stop` is set, returns the text so far.
        """
        limit = ceil(len(features) * FRAME_SAMPLES / SPEECH_RATE_HZ * TOKENS_PER_S)
        tokens: list[int] = []
        logs: list[float] = []
        past = self._no_past
        token = START
        ended = False
        while len(tokens) < limit and (stop is None or not stop.is_set()):
            logits, past = self._step(features, [token], past)
            token = int(np.argmax(logits[-1]))
            logs.append(_log_probability(logits[-1], token))
            if token == END:
                ended = True
                break
            tokens.append(token)
            if _loop(tokens, _LOOP) is not None:
                break
        if not ended and (loop := _loop(tokens, _LOOP_AT_LIMIT)) is not None:
            del tokens[loop:], logs[loop:]
        return DecodedText(self.tokenizer.decode(tokens), tuple(tokens), tuple(logs))

    def score(self, features: Features, text: str) -> float:
        """Returns the natural logarithm of the probability of exactly this text, its end included."""
        tokens = [*self.tokenizer.encode(text), END]
        logits, _ = self._step(features, [START, *tokens[:-1]], self._no_past)
        return sum(_log_probability(row, token) for row, token in zip(logits, tokens, strict=True))

    def score_phrases(self, features: Features, tree: PhraseTree, floor: float) -> dict[str, float]:
        """Returns the natural logarithm of the probability of each phrase of the tree, with any end.

        Phrases below `floor` are left out. A branch is given up as soon as it falls below it, so a high floor is fast.
        """
        found: dict[str, float] = {}
        live = [(0.0, tree.root)]
        logits, present = self._step(features, [START], self._no_past)
        shared = {name: value for name, value in present.items() if ".encoder." in name}
        while True:
            logs = logits - logits.max(axis=1, keepdims=True)
            logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
            next_live: list[tuple[int, int, float, PhraseNode]] = []
            for row, (log_so_far, node) in enumerate(live):
                if node.phrase is not None:
                    found[node.phrase] = log_so_far + float(np.log(np.exp(logs[row, tree.endings]).sum()))
                for token, following in node.following.items():
                    log = log_so_far + float(logs[row, token])
                    if log >= floor:
                        next_live.append((row, token, log, following))
            if not next_live:
                return {phrase: log for phrase, log in found.items() if log >= floor}
            rows = [row for row, *_ in next_live]
            live = [(log, node) for _, _, log, node in next_live]
            batch = len(live)
            logits, *values = self._decoder.run(
                None,
                {
                    "input_ids": np.array([[token] for _, token, _, _ in next_live], np.int64),
                    "encoder_hidden_states": np.repeat(features[None], batch, axis=0),
                    "encoder_attention_mask": np.ones((batch, len(features) * FRAME_SAMPLES), np.int64),
                    "use_cache_branch": np.array([True]),
                    **{name: np.repeat(value, batch, axis=0) for name, value in shared.items()},
                    **{name: value[rows] for name, value in present.items() if ".decoder." in name},
                },
                self._memory_returning,
            )
            logits = logits[:, -1]
            present = {
                name.replace("present", "past_key_values"): value
                for name, value in zip(self._outputs[1:], values, strict=True)
            }

    def _step(
        self, features: Features, tokens: list[int], past: dict[str, npt.NDArray[np.float32]]
    ) -> tuple[npt.NDArray[np.float32], dict[str, npt.NDArray[np.float32]]]:
        """Runs the decoder on these tokens.

        Returns the logits after each token, shape (tokens, vocabulary), and the key/value cache to pass as `past` next.
        The encoder's keys and values are made in the first step and stay the same. The mask is one for each sample of
        the sound: the decoder itself takes every `FRAME_SAMPLES`th of it.
        """
        first = past is self._no_past
        feed: dict[str, npt.NDArray[Any]] = {
            "input_ids": np.array([tokens], np.int64),
            "encoder_hidden_states": features[None],
            "encoder_attention_mask": np.ones((1, len(features) * FRAME_SAMPLES), np.int64),
            "use_cache_branch": np.array([not first]),
            **past,
        }
        logits, *present = self._decoder.run(None, feed, self._memory_returning if first else None)
        named = {
            name.replace("present", "past_key_values"): value
            for name, value in zip(self._outputs[1:], present, strict=True)
            if first or ".decoder." in name
        }
        return logits[0], named if first else {**past, **named}


def _check(folder: Path, file: ModelFile) -> None:
    """Raises EngineError if the file is missing or has another hash."""
    try:
        with (folder / file.name).open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        message = f"its model file {file.name} can't be read ({error.strerror})"
        raise EngineError(ENGINE, message, fault=Fault.MISSING) from None
    if found not in file.sha256:
        message = f"its model file {file.name} is not the expected one (wrong sha256); install moonshine-voice==0.1.0"
        raise EngineError(ENGINE, message)


def _session(file: Path) -> Any:
    """Returns an onnxruntime session that uses one thread and does not spin while it waits."""
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineError(ENGINE, f"onnxruntime can't be loaded ({error}); {INSTEAD}", fault=Fault.MISSING) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - boundary: onnxruntime's errors have no common class of their own
        raise EngineError(ENGINE, f"onnxruntime can't use its model ({type(error).__name__})") from None


def _log_probability(logits: npt.NDArray[np.float32], token: int) -> float:
    highest = logits.max()
    return float(logits[token] - highest - np.log(np.exp(logits - highest).sum()))


def _loop(tokens: list[int], times: int) -> int | None:
    """Returns where the first repetition begins if the tokens end in a phrase that stands there `times` times.

    Returns None if they don't.
    """
    for size in range(1, min(_LOOP_TOKENS, len(tokens) // times) + 1):
        phrase = tokens[-size:]
        start = len(tokens)
        while tokens[max(0, start - size) : start] == phrase:
            start -= size
        if len(tokens) - start >= times * size:
            return start + size
    return None
