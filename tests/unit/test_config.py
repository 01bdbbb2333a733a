"""Settings: where they come from, what is refused, and that .env.example lists all of them with their defaults."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.support.paths import PROJECT
from tools.documents.settings import sections
from voicebot.dialogue.end_of_turn.estimate import DELAYS
from voicebot.dialogue.preferences import Endpointing
from voicebot.settings import config, registry, space
from voicebot.settings.config import SETTINGS, Settings, SettingsError
from voicebot.settings.registry import ServiceFacts

EXAMPLE = PROJECT / ".env.example"
STT_NAMES = ", ".join(f"'{name}'" for name in ("auto", *(entry.name for entry in registry.STT[:-1])))


def example() -> dict[str, str]:
    lines = EXAMPLE.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))


def test_the_env_example_sets_every_setting_to_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    default = config.load()
    assert sorted(example()) == sorted(name.upper() for name in SETTINGS)
    for name, value in example().items():
        monkeypatch.setenv(name, value)
    assert config.load() == default


def test_every_setting_is_described_and_belongs_to_a_group() -> None:
    assert [name for name in SETTINGS if not Settings.model_fields[name].description] == []
    assert [name for section in sections() for name in section.names] == list(SETTINGS)


def test_the_described_endpointing_delays_are_those_of_the_code() -> None:
    balanced, patient = (config.load(endpointing=each).rules.endpointing_delays for each in ("balanced", "patient"))
    described = " ".join((Settings.model_fields["endpointing"].description or "").split())
    for words in (f"{balanced.least_s * 1000:.0f} ms", f"{balanced.most_s:g} s", f"{patient.most_s:g} s"):
        assert words in described


@pytest.mark.parametrize("endpointing", Endpointing)
def test_endpointing_holds_for_words_for_silence_and_for_the_preferences(endpointing: Endpointing) -> None:
    settings = config.load(endpointing=endpointing.value)
    assert settings.rules.endpointing_delays == DELAYS[endpointing]
    assert settings.endpoint_rules.stop_s == DELAYS[endpointing].even_s
    assert settings.preferences.endpointing is endpointing


def test_an_env_file_that_cannot_be_read_is_an_error_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_bytes("GROQ_API_KEY=schlüssel\n".encode("latin-1"))
    monkeypatch.setitem(Settings.model_config, "env_file", str(file))
    with pytest.raises(SettingsError, match="not in UTF-8") as error:
        config.load()
    assert "GROQ" not in str(error.value), "the file may hold keys"


def test_the_environment_comes_before_the_env_file_even_with_a_blank_value(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text("GROQ_API_KEY=of-the-file\nOPENAI_API_KEY=of-the-file\nMAX_SESSIONS=3\nSPACE_ID=me/bot\n")
    monkeypatch.setitem(Settings.model_config, "env_file", str(file))
    monkeypatch.setenv("GROQ_API_KEY", "")
    monkeypatch.setenv("openai_api_key", "of-the-environment")
    settings = config.load()
    assert settings.groq_api_key is None
    assert settings.openai_api_key == SecretStr("of-the-environment")
    assert settings.max_sessions == 3, "a setting in the file must count more than a default of Spaces"


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("STT_ENGINE", "whisper", STT_NAMES),
        ("STT_ENGINE", "deepgram,whisper", STT_NAMES),
        ("LLM_ENGINE", "", "must name an engine"),
        ("LLM_ENGINE", "groq,groq", "different engines"),
        ("TTS_ENGINE", "auto,espeak", "must be `auto`, or different engines"),
        ("GROQ_API_KEY", "two words", "must be ASCII without spaces"),
        ("GROQ_BASE_URL", "api.groq.com", "must be an address such as"),
        ("DEEPGRAM_BASE_URL", "http://", "must be an address such as"),
        ("OPENAI_BASE_URL", "ftp://host", "must be an address such as"),
        ("DEEPGRAM_BASE_URL", "https://api..deepgram.com", "must be an address such as"),
        ("ELEVENLABS_BASE_URL", "http://host:99999", "must be an address such as"),
        ("DEEPGRAM_MODEL", "nova 3", "pattern"),
        ("IDLE_TIMEOUT_S", "soon", "valid number"),
        ("ENDPOINTING", "500", "'quick', 'balanced' or 'patient'"),
        ("LANGUAGE", "english", "pattern"),
        ("PERSONA", "", "must be a name such as assistant, or the path of a file"),
        ("PERSONA", "captain flint", "must be a name such as assistant, or the path of a file"),
        ("TURN_URL", "http://example.org", "must begin with turn: or turns:"),
        ("STUN_URL", "example.org", "must begin with stun: or stuns:"),
        ("APP_USERNAME", "an:na", "without a colon"),
        ("ALLOWED_ORIGINS", "https://a.example/page", "without a path"),
        ("ALLOWED_ORIGINS", "*", "must be an address such as"),
        ("ALLOWED_HOSTS", "https://bot.example", "without a scheme"),
        ("ALLOWED_HOSTS", "bot.example:7860", "without a scheme, a port"),
        ("ALLOWED_HOSTS", "*.example", "must be names such as"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ws://127.0.0.1:4318", "http://127.0.0.1:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4318", "must be an address such as"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a-key", "name=value pairs"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=a%0Akey", "name=value pairs"),
        ("OTEL_SERVICE_NAME", "", "at least 1 character"),
        ("TRUSTED_PROXIES", "-1", "greater than or equal to 0"),
        ("MAX_SESSIONS", "0", "greater than or equal to 1"),
        ("GRADIO_SERVER_PORT", "99999", "less than or equal to 65535"),
        ("LOG_LEVEL", "LOUD", "'DEBUG', 'INFO'"),
        ("INTERRUPTED_HISTORY", "forget", "'heard' or 'merge'"),
    ],
)
def test_an_invalid_setting_is_refused_with_one_line_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        config.load()
    (line,) = str(raised.value).splitlines()
    assert line.startswith(f"{name}: ")
    assert complaint in line


def test_all_invalid_settings_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENDPOINTING", "x")
    monkeypatch.setenv("LOG_LEVEL", "x")
    with pytest.raises(SettingsError) as raised:
        config.load()
    assert len(str(raised.value).splitlines()) == 2


def test_settings_ignore_letter_case_and_surrounding_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"STT_ENGINE": " Auto ", "LOG_LEVEL": "debug", "GROQ_API_KEY": "  ", "LANGUAGE": "EN"}.items():
        monkeypatch.setenv(name, value)
    settings = config.load()
    assert (settings.stt_engine, settings.log_level, settings.language) == (("auto",), "DEBUG", "en")
    assert settings.groq_api_key is None


@pytest.mark.parametrize(
    ("value", "name", "file"),
    [
        (" Sales ", "sales", None),
        ("./People/Flint.md", "Flint", Path("People/Flint.md")),
        ("flint.md", "flint", Path("flint.md")),
    ],
)
def test_a_persona_is_a_name_or_the_path_of_a_file(value: str, name: str, file: Path | None) -> None:
    settings = config.load(persona=value)
    assert (settings.persona_name, settings.persona_file) == (name, file)
    assert settings.preferences.persona == name


def test_the_end_of_turn_model_is_named_or_is_the_path_of_a_file() -> None:
    assert (config.load().end_of_turn_model, config.load().turn_model_file) == ("", None)
    assert config.load(end_of_turn_model=" Smart-Turn ").end_of_turn_model == "smart-turn"
    assert config.load(end_of_turn_model="smart-turn").turn_model_file is None
    assert config.load(end_of_turn_model="./Own.onnx").turn_model_file == Path("Own.onnx")
    with pytest.raises(SettingsError, match="END_OF_TURN_MODEL: The value must be smart-turn, or the path of a file"):
        config.load(end_of_turn_model="smart")


def test_engine_lists_are_split_at_commas_and_addresses_lose_their_trailing_slash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TTS_ENGINE", " gTTS , espeak,")
    monkeypatch.setenv("DEEPGRAM_BASE_URL", "ws://127.0.0.1:8080/ ")
    monkeypatch.setenv("GROQ_API_KEY", " gsk_x\n")
    settings = config.load()
    assert settings.tts_engine == ("gtts", "espeak")
    assert settings.deepgram_base_url == "ws://127.0.0.1:8080"
    assert settings.groq_api_key is not None
    assert settings.groq_api_key.get_secret_value() == "gsk_x"


def test_the_refusal_of_an_invalid_key_does_not_show_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "gsk_secret with spaces")
    with pytest.raises(SettingsError) as raised:
        config.load()
    assert "gsk_secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["mysql://u:hush@h/d", "hush", "sqlite://", "sqlite:///:memory:", "postgresql://u:hush@h"]
)
def test_an_invalid_database_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingsError) as raised:
        config.load(database_url=SecretStr(url))
    assert str(raised.value).startswith("DATABASE_URL: The value must be an address such as")
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("APP_USERNAME", "APP_PASSWORD: This setting is missing, but APP_USERNAME is set"),
        ("APP_PASSWORD", "APP_PASSWORD: This setting needs APP_USERNAME"),
    ],
)
def test_a_username_without_a_password_or_a_password_without_a_username_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, line: str
) -> None:
    monkeypatch.setenv(name, "secret words")
    with pytest.raises(SettingsError) as raised:
        config.load()
    assert str(raised.value) == line


@pytest.mark.parametrize("half", [{}, {"turn_username": "ann"}, {"turn_credential": "hush"}])
def test_a_relay_without_a_login_is_refused(half: dict[str, str]) -> None:
    """Browsers do not connect at all if they are given one."""
    with pytest.raises(SettingsError, match="TURN_SECRET: TURN_URL needs this setting"):
        config.load(turn_url="turn:relay.example:3478", **half)
    assert (
        config.load(turn_url="turn:relay.example:3478", turn_username="ann", turn_credential="hush").turn_secret is None
    )


def test_the_settings_show_no_secrets_when_printed() -> None:
    login = {"app_username": "ann", "app_password": SecretStr("hush")}
    settings = config.load(groq_api_key=SecretStr("gsk_hidden"), turn_credential=SecretStr("hush"), **login)
    assert "gsk_hidden" not in f"{settings} {settings!r}"
    assert "hush" not in f"{settings} {settings!r}"


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"CLOUDFLARE_TURN_KEY_API_TOKEN": "hush"},
            "CLOUDFLARE_TURN_KEY_API_TOKEN: This setting needs CLOUDFLARE_TURN_KEY_ID",
        ),
        (
            {"CLOUDFLARE_TURN_KEY_ID": "key"},
            "CLOUDFLARE_TURN_KEY_API_TOKEN: This setting is missing, but CLOUDFLARE_TURN_KEY_ID is set",
        ),
        ({"TURN_PROVIDER": "hf"}, "TURN_PROVIDER: The provider hf needs HF_TOKEN"),
        ({"TURN_PROVIDER": "static"}, "TURN_PROVIDER: The provider static needs TURN_URL"),
        ({"TURN_PROVIDER": "cloudflare"}, "TURN_PROVIDER: The provider cloudflare needs CLOUDFLARE_TURN_KEY_ID"),
    ],
)
def test_a_turn_relay_without_its_credentials_is_refused(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], line: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        config.load()
    assert str(raised.value) == line


def test_a_hugging_face_space_has_its_own_defaults_for_unset_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = config.load()
    monkeypatch.setenv("SPACE_ID", "me/voice-bot")
    monkeypatch.setenv("SPACE_HOST", "me-voice-bot.hf.space")
    monkeypatch.setenv("SESSION_MINUTES", "3")
    settings = config.load()
    assert settings.session_minutes == 3, "a setting that is given must count"
    assert (settings.gradio_server_name, settings.gradio_server_port) == ("0.0.0.0", 7860)
    assert settings.trusted_proxies == 1
    assert 0 < settings.minutes_per_day_per_address <= 60
    assert settings.max_sessions_per_address < usual.max_sessions_per_address
    assert settings.space_host == "me-voice-bot.hf.space"
    assert set(space.DEFAULTS) <= set(SETTINGS)
    monkeypatch.setenv("SPACE_ID", " ")
    assert config.load().trusted_proxies == 0


def test_a_space_with_the_key_of_a_paid_service_limits_the_turns_per_day(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.load(space_id="me/bot").turns_per_day == 0, "the embedded engines need no limit"
    assert config.load(space_id="me/bot", groq_api_key="  ").turns_per_day == 0
    for key in registry.PAID_KEYS:
        assert config.load(**{"space_id": "me/bot", key: "secret"}).turns_per_day == 500
        assert config.load(**{key: "secret"}).turns_per_day == 0, "only a Space has this default"
    monkeypatch.setenv("GROQ_API_KEY", "gsk_x")
    monkeypatch.setenv("SPACE_ID", "me/bot")
    assert config.load().turns_per_day == 500
    monkeypatch.setenv("TURNS_PER_DAY", "0")
    assert config.load().turns_per_day == 0, "a setting that is given must count"


@pytest.mark.parametrize(
    ("setting", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        (":8090", "http://127.0.0.1:8090"),
        ("gpu.lan:1234", "http://gpu.lan:1234"),
        ("http://gpu.lan", "http://gpu.lan:80"),
        ("https://gpu.lan/", "https://gpu.lan:443"),
        ("[::]:11434", "http://[::1]:11434"),
        ("::1", "http://[::1]:11434"),
    ],
)
def test_the_ollama_host_variable_becomes_a_complete_address(setting: str, address: str) -> None:
    assert config.load(ollama_host=setting).ollama_host == address


@pytest.mark.parametrize("setting", ["ftp://gpu.lan", "me:secret@gpu.lan", "gpu.lan:none", "http://"])
def test_an_invalid_ollama_host_is_refused_without_showing_its_value(setting: str) -> None:
    with pytest.raises(SettingsError, match="OLLAMA_HOST: The value must be") as raised:
        config.load(ollama_host=setting)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("name", registry.ALL)
def test_the_env_example_names_every_engine(name: str) -> None:
    assert re.search(rf"(?<![\w-]){name}(?![\w-])", EXAMPLE.read_text("utf-8"))


@pytest.mark.parametrize("facts", registry.SERVICES.values(), ids=registry.SERVICES)
def test_the_settings_of_a_service_exist(facts: ServiceFacts) -> None:
    assert {*facts.model_settings, facts.key, facts.address_setting} - {None} <= set(SETTINGS)
