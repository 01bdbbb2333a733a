"""Figures that no operator can set well, each with its source. Only tests use other values than these."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Tuning(BaseModel):
    """Times in seconds, sizes in the unit of their names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    llm_temperature: float = 0.7
    """The specification's: lively, and still to the point."""
    llm_timeout_s: float = 30.0
    """The specification's limit for a whole answer of a model service."""
    llm_retries: int = 3
    """How many times a model service is asked again before its first token, as the specification says."""
    history_max_tokens: int = 6_000
    """The longest history that a model gets: twenty minutes of talk, and within the context of small local models."""
    tool_filler_s: float = 0.7
    """A tool that works longer than this is covered by a spoken filler, as the specification says."""

    first_output_timeout_s: float = 5.0
    """How long an engine may take for its first output while another engine is left. Services answer within 1 s."""
    engine_rest_s: float = 30.0
    """How long an engine rests after its first failure: outages that are over sooner are mended by a retry."""

    vad_threshold: float = 0.5
    """Silero's own threshold. How easily the bot is interrupted is a preference of each user."""
    vad_start_s: float = 0.096
    """Speech of three detector windows begins an utterance: two let clicks through."""
    debounce_s: float = 0.05
    """Two utterances this close together are one turn, as the specification says."""
    verdict_timeout_s: float = 1.5
    """How long after the user fell silent a verdict is given without words, as the specification says."""
    transcript_timeout_s: float = 10.0
    """How long a recogniser may take for the final text: longer than all retries and fallbacks together."""
    idle_goodbye_s: float = 30.0
    """How long the bot waits after "are you still there?" before it says goodbye."""

    tts_sentence_max_chars: int = 240
    """A longer sentence is cut at a clause. ElevenLabs and Google take more, but the first sound would come later."""
    tts_prefetch: int = 2
    """How many sentences are synthesized ahead: one covers a slow request, two cover a retry."""
    tts_queue_max: int = 50
    """How many sentences may wait for the synthesizer: some five minutes of speech."""

    messages_per_s: float = 10.0
    """How many messages a client may send. The page sends fewer than one."""
    max_body_kb: int = 1_024
    """The largest body of a request. The largest one of the page, an imported conversation, has some 300 kB."""
    max_text_chars: int = 2_000
    """The longest text that a user may type: two minutes of speech."""
    ws_max_audio_mb: float = 5.0
    """The largest recording of an utterance over `/ws`, as the specification says."""
    media_timeout_s: float = 15.0
    """After this long without media, or with a client that reads nothing, a connection counts as lost."""
