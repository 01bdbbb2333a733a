"""The example of a persona: the app starts with it, offers it, and gives its text to the model."""

from __future__ import annotations

from pathlib import Path

from tests.realtime.examples.conftest import EXAMPLES
from tests.simulators.chat import ChatSimulator
from tests.support.app_process import forked_app
from tests.support.rtc_client import RtcClient
from voicebot.agent.personas import personas

RECEPTIONIST = EXAMPLES / "persona" / "receptionist.md"


async def test_the_model_answers_as_the_persona_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "people").symlink_to(RECEPTIONIST.parent)
    async with ChatSimulator() as model:
        settings = {"groq_api_key": "gsk_simulated", "groq_base_url": model.url, "persona": "./people/receptionist.md"}
        with forked_app(tmp_path, None, tts_engine="espeak", llm_engine="groq", **settings) as app:
            async with RtcClient(app.url) as client:
                connected = await client.wait_for_message(lambda message: message["type"] == "connected")
                client.send({"type": "text", "text": "Hello?"})
                await client.heard.wait_for_sound()
        asked = model.completions[-1].body["messages"]
    options = connected["options"]
    assert options["default"]["persona"] == "receptionist"
    assert {each["value"]: each["label"] for each in options["persona"]}["receptionist"] == (
        "Alma, who answers the telephone at Birchwood Dental"
    )
    assert asked[0]["role"] == "system"
    assert asked[0]["content"].startswith(personas(RECEPTIONIST)["receptionist"].prompt)
    assert "<!--" not in asked[0]["content"]
