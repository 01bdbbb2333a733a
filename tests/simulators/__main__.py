"""`python -m tests.simulators` runs all simulated services on local ports, to try the app without a key or a network.

It prints the command with which the app uses the services, which run until Ctrl-C, and the faults that are on. The
services understand real speech with the embedded recogniser and speak with espeak-ng. `--fault` makes one of them fail
from the start, for example `--fault elevenlabs=500`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from tests.simulators import deepgram, elevenlabs, huggingface
from tests.simulators.chat import ChatSimulator
from tests.simulators.deepgram import DeepgramSimulator, EmbeddedRecogniser, Setting
from tests.simulators.elevenlabs import ElevenLabsSimulator
from tests.simulators.faults import Fault, Faults
from tests.simulators.gtts import GttsSimulator
from tests.simulators.huggingface import HuggingFaceSimulator
from tests.simulators.local_servers import OllamaModel, OllamaSimulator
from tests.simulators.realtime import RealtimeSimulator
from tests.simulators.voices import espeak_of
from voicebot.engines.stt.moonshine import Moonshine

ANY_KEY = "any-key-will-do"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulators", description=__doc__)
    parser.add_argument("--fault", action="append", default=[], metavar="SERVICE=FAULT", help="for example gtts=hang")
    return parser.parse_args()


def plan(requested: list[str], services: dict[str, Faults]) -> list[str]:
    """Makes the services that the command line names fail, and returns a line on each. Raises ValueError."""
    lines = []
    for each in requested:
        service, _, fault = each.partition("=")
        if service not in services or fault not in list(Fault):
            raise ValueError(f"--fault {each}: SERVICE is {', '.join(services)}; FAULT is {', '.join(Fault)}")
        services[service].always(Fault(fault))
        lines.append(f"# Fault: every request to {service} meets the fault {fault}")
    return lines


def instructions(settings: Mapping[str, str], remarks: Sequence[str]) -> str:
    """Returns the command that starts the app with these settings, and the remarks after it."""
    lines = [f"{name}={value} \\" for name, value in settings.items()]
    return "\n".join([*lines, ".venv/bin/python app.py", "", *remarks, ""])


async def serve(faults: list[str]) -> None:
    async with AsyncExitStack() as running:
        recogniser = Moonshine()
        running.push_async_callback(recogniser.close)
        await recogniser.start()
        session = await running.enter_async_context(recogniser.session())
        hears = await running.enter_async_context(
            DeepgramSimulator(Setting(make_recogniser=lambda: EmbeddedRecogniser(session)))
        )
        chat = await running.enter_async_context(ChatSimulator(first_token_s=0.15, token_s=0.025))
        realtime = await running.enter_async_context(RealtimeSimulator(first_token_s=0.15, token_s=0.025))
        router = await running.enter_async_context(HuggingFaceSimulator(first_token_s=0.15, token_s=0.025))
        library = [OllamaModel("llama3.2:latest")]
        ollama = await running.enter_async_context(OllamaSimulator(library=library, load_s=3.0, token_s=0.05))
        speaks = await running.enter_async_context(ElevenLabsSimulator(espeak_of))
        reads = await running.enter_async_context(GttsSimulator(espeak_of))
        services = {
            "deepgram": hears.faults,
            "groq": chat.faults,  # Both URLs belong to the same simulator.
            "openai": chat.faults,
            "openai-realtime": realtime.faults,
            "huggingface": router.faults,
            "local": ollama.faults,
            "elevenlabs": speaks.faults,
            "gtts": reads.faults,
        }
        failing = plan(faults, services)
        settings = {
            "DEEPGRAM_API_KEY": deepgram.KEY,
            "DEEPGRAM_BASE_URL": hears.url,
            "GROQ_API_KEY": ANY_KEY,
            "GROQ_BASE_URL": chat.url,
            "OPENAI_API_KEY": ANY_KEY,
            "OPENAI_BASE_URL": f"{chat.url}/v1",
            "ELEVENLABS_API_KEY": elevenlabs.KEY,
            "ELEVENLABS_BASE_URL": speaks.url,
            "HTTPS_PROXY": reads.url,
            "NO_PROXY": "127.0.0.1,localhost",
        }
        hints = (
            f"# OpenAI Realtime: OPENAI_BASE_URL={realtime.url}/v1 LLM_ENGINE=openai-realtime",
            f"# Hugging Face: HF_TOKEN={huggingface.TOKEN} HUGGINGFACE_BASE_URL={router.url}/v1 LLM_ENGINE=huggingface",
            f"# A local model, as Ollama has it: OLLAMA_HOST={ollama.url} LLM_ENGINE=local",
            "# gTTS: TTS_ENGINE=gtts,espeak      Flux: DEEPGRAM_MODEL=flux-general-en",
        )
        sys.stdout.write(f"{instructions(settings, [*failing, *hints])}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(arguments().fault))
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
