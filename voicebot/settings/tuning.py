"""Figures that operators need not set, each with its source. Only tests use other values."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Tuning(BaseModel):
    """The figures. The end of a name is the unit: `_s` seconds, `_kb` kilobytes, `_mb` megabytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    llm_temperature: float = 0.7
    """The temperature that the specification prescribes."""
    llm_timeout_s: float = 30.0
    """The specification's time limit for a whole answer of a model service."""
    llm_retries: int = 3
    """How many times a model service is asked again before its first token, as the specification says."""
    history_max_tokens: int = 6_000
    """The longest history that a model gets. It holds 20 minutes of talk and fits the context of small models."""
    tool_filler_s: float = 0.7
    """After this time at work a tool is covered by a spoken filler, as the specification says."""

    first_output_timeout_s: float = 5.0
    """How long an engine may take for its first output if another engine could take over. Services take under 1 s."""
    engine_rest_s: float = 30.0
    """How long an engine is not used after its first failure. Retries cover shorter outages."""

    vad_threshold: float = 0.5
    """The speech probability from which sound is speech; the value that Silero recommends."""
    vad_start_s: float = 0.096
    """How much speech begins an utterance: three detector windows, as clicks can fill two."""
    debounce_s: float = 0.05
    """Utterances with no longer a gap between them are one turn, as the specification says."""
    verdict_timeout_s: float = 1.5
    """How long after the end of speech a verdict is given even without words, as the specification says."""
    transcript_timeout_s: float = 10.0
    """How long the final text may take. All retries and fallbacks together take less."""
    idle_goodbye_s: float = 30.0
    """How long the bot waits after "are you still there?" before it says goodbye."""

    tts_sentence_max_chars: int = 240
    """A longer sentence is split at a clause. ElevenLabs and Google accept more, but their first sound comes later."""
    tts_prefetch: int = 2
    """How many sentences are synthesized ahead. One covers a slow request, two cover a retry."""
    tts_queue_max: int = 50
    """How many sentences may wait for the synthesizer. That is about five minutes of speech."""

    messages_per_s: float = 10.0
    """How many messages a client may send per second. The page sends fewer than one."""
    max_body_kb: int = 1_024
    """The largest body of a request. The largest of the page, an imported conversation, has about 300 kB."""
    max_text_chars: int = 2_000
    """The longest text that a user may type. It takes two minutes to say."""
    ws_max_audio_mb: float = 5.0
    """The largest recording of an utterance over `/ws`, as the specification says."""
    media_timeout_s: float = 15.0
    """A connection counts as lost if for this long no media arrives, or the client reads nothing."""
