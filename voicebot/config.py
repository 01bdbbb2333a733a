"""The settings: the only reader of the environment."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from voicebot.core.endpoint import EndpointRules
from voicebot.core.state import InterruptedHistory, Rules
from voicebot.core.turn_end import PatienceRules


def _none_if_blank(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


Secret = Annotated[SecretStr | None, BeforeValidator(_none_if_blank)]
Text = Annotated[str | None, BeforeValidator(_none_if_blank)]
Milliseconds = Annotated[int, Field(ge=0, le=600_000)]


class SettingsError(Exception):
    """The settings can't be used. One line for each thing that is wrong; no values of secrets."""


class Settings(BaseSettings):
    """Read once, at start, from the environment and the file `.env`; frozen after that."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    # Engines: `auto` takes the best that can work here.
    stt_engine: Literal["auto", "pocketsphinx"] = "auto"
    llm_engine: Literal["auto", "offline"] = "auto"
    tts_engine: Literal["auto", "espeak"] = "auto"
    language: str = Field(default="en", pattern=r"^[a-z]{2}$")
    persona: str = Field(default="assistant", pattern=r"^[a-z0-9_-]+$")
    espeak_voice: Text = None
    stt_workers: int = Field(default=2, ge=1, le=64)

    # Keys: the cloud engines come with a later version; /health says whether their keys are there.
    deepgram_api_key: Secret = None
    groq_api_key: Secret = None
    groq_model: str = "llama-3.3-70b-versatile"

    # Turn-taking.
    vad_threshold: float = Field(default=0.5, gt=0.15, lt=1, allow_inf_nan=False)
    vad_start_ms: int = Field(default=96, ge=32, le=1_000)
    vad_stop_ms: int = Field(default=500, ge=64, le=5_000)
    debounce_ms: Milliseconds = 50
    decision_timeout_ms: int = Field(default=1_500, ge=100, le=30_000)
    eager_replies: bool = True
    resume_rewind: Literal["none", "word"] = "none"
    transcript_timeout_ms: int = Field(default=10_000, ge=500, le=120_000)
    interrupted_history: InterruptedHistory = InterruptedHistory.HEARD

    # Speech out.
    tts_sentence_max_chars: int = Field(default=240, ge=40, le=5_000)
    tts_prefetch: int = Field(default=2, ge=1, le=20)
    tts_queue_max: int = Field(default=50, ge=1, le=1_000)

    # WebRTC: a TURN relay, for networks that let no media through, and STUN, for servers behind a NAT.
    stun_url: Text = None
    turn_url: Text = None
    turn_username: Text = None
    turn_credential: Secret = None

    # The web server: Gradio's own names. Without a port the first free one from 7860 on is taken.
    gradio_server_name: str = "127.0.0.1"
    gradio_server_port: Annotated[int | None, BeforeValidator(_none_if_blank)] = Field(default=None, ge=0, le=65_535)

    # Limits.
    max_sessions: int = Field(default=8, ge=1, le=1_000)
    session_minutes: float = Field(default=30, gt=0, le=24 * 60, allow_inf_nan=False)
    media_timeout_s: float = Field(default=15, ge=1, le=600, allow_inf_nan=False)
    max_text_chars: int = Field(default=2_000, ge=1, le=100_000)

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("language", "persona", "stt_engine", "llm_engine", "tts_engine", "resume_rewind", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.strip().upper() if isinstance(value, str) else value

    @field_validator("turn_url")
    @classmethod
    def _is_turn(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("turn:", "turns:")):
            raise ValueError("must begin with turn: or turns:")
        return value

    @field_validator("stun_url")
    @classmethod
    def _is_stun(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("stun:", "stuns:")):
            raise ValueError("must begin with stun: or stuns:")
        return value

    @property
    def rules(self) -> Rules:
        return Rules(
            language=self.language,
            debounce_s=self.debounce_ms / 1000,
            patience=self._patience,
            eager_replies=self.eager_replies,
            speech_timeout_s=self.endpoint_rules.longest_s + 5,
            decision_timeout_s=self.decision_timeout_ms / 1000,
            transcript_timeout_s=self.transcript_timeout_ms / 1000,
            interrupted_history=self.interrupted_history,
        )

    @property
    def endpoint_rules(self) -> EndpointRules:
        return EndpointRules(
            start_s=self.vad_start_ms / 1000,
            stop_s=self.vad_stop_ms / 1000,
            sure_s=self._patience.unknown_s,
            threshold=self.vad_threshold,
        )

    @property
    def _patience(self) -> PatienceRules:
        return PatienceRules().scaled(self.vad_stop_ms / 1000)

    @property
    def ice_servers(self) -> list[dict[str, str]]:
        """In the form browsers and aiortc take; empty if nothing is set, so that nobody waits for a server."""
        servers: list[dict[str, str]] = []
        if self.stun_url is not None:
            servers.append({"urls": self.stun_url})
        if self.turn_url is not None:
            turn = {"urls": self.turn_url}
            if self.turn_username is not None and self.turn_credential is not None:
                turn |= {"username": self.turn_username, "credential": self.turn_credential.get_secret_value()}
            servers.append(turn)
        return servers


def load(**overrides: Any) -> Settings:
    """The settings, or a SettingsError whose text names each variable that is wrong and why."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False, include_input=False):
            name = "_".join(str(part) for part in problem["loc"]).upper() or "settings"
            lines.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}")
        raise SettingsError("\n".join(lines)) from None
