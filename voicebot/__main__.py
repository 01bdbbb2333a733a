"""Starts Voice Bot: `voicebot`, `python -m voicebot` or `python app.py`. `--help` lists the options."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys

import voicebot
from voicebot.bootstrap import zero_gpu
from voicebot.bootstrap.discovery import discover, with_costs
from voicebot.bootstrap.engines import build, check
from voicebot.engines.errors import EngineError
from voicebot.runtime.hiding import hidden
from voicebot.settings import config, logs
from voicebot.settings import names as setting_names
from voicebot.web.port import bind


def port_number(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError("the port must be a number from 0 to 65535")
    return int(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="voicebot",
        description="A voice bot you can interrupt. It reads its settings from the environment and from .env.",
    )
    parser.add_argument("--host", help="address to listen on (default: GRADIO_SERVER_NAME or 127.0.0.1)")
    parser.add_argument(
        "--port", type=port_number, help="port (default: GRADIO_SERVER_PORT or the first free one from 7860)"
    )
    parser.add_argument(
        "--share", action="store_true", help="make a public link (its voice needs TURN: see docs/deployment.md)"
    )
    parser.add_argument("--check", action="store_true", help="try every service and engine once, report, and end")
    parser.add_argument("--version", action="version", version=f"%(prog)s {voicebot.__version__}")
    return parser.parse_args()


def main() -> int:
    """Runs the command with the arguments of this process and returns its exit status."""
    options = arguments()
    try:
        gc.disable()  # what is loaded is no garbage, and collections take a tenth of the start's time
        if options.check:
            from voicebot.check import run  # loads the settings itself, and exits

            run(setting_names.misspelt())
        settings = config.load()
        logs.set_up(settings.log_level)
        found = discover(settings)
        check(settings, found)
        for message in (*setting_names.misspelt(), *found.remarks):
            logging.getLogger("voicebot").warning("%s", message)
        settings = with_costs(settings, found)
        zero_gpu.report_start(settings)
        host = options.host or settings.gradio_server_name
        settings = settings.model_copy(update={"gradio_server_name": host})
        listener = bind(host, settings.gradio_server_port if options.port is None else options.port)
        # Loading the packages below takes seconds, so the settings and the port are checked before.
        engines = build(settings, found)
        with hidden("mcp"):  # Gradio would load it, which takes 0.3 s of CPU
            from voicebot.bootstrap import application as bootstrap
            from voicebot.web import server

        asyncio.run(server.serve(bootstrap.application(settings, engines), listener, share=options.share))
    except config.SettingsError as error:
        # A misspelt name may be the reason.
        sys.stderr.write("\n".join(["Voice Bot can't start.", str(error), *setting_names.misspelt(), ""]))
        return 1
    except (EngineError, OSError) as error:
        sys.stderr.write(f"Voice Bot can't start.\n{error}\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
