"""Voice Bot: `python app.py [--host HOST] [--port PORT] [--share]`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys

from voicebot import config, logs, zero_gpu
from voicebot.build import build
from voicebot.engines.base import EngineError


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A voice bot you can interrupt. Settings: see .env.example.")
    parser.add_argument("--host", help="address to listen on (default: GRADIO_SERVER_NAME or 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port (default: GRADIO_SERVER_PORT or the first free one from 7860)")
    parser.add_argument("--share", action="store_true", help="make a public link (its voice needs TURN: see README)")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    try:
        gc.disable()  # what is loaded stays: looking through it again and again takes a tenth of the start
        settings = config.load()
        logs.set_up(settings.log_level)
        engines = build(settings)
        from voicebot import server  # takes seconds to load: what is wrong with the settings is said before

        zero_gpu.report_start(settings)
        host = options.host or settings.gradio_server_name
        port = settings.gradio_server_port if options.port is None else options.port
        asyncio.run(server.serve(settings, engines, server.bind(host, port), share=options.share))
    except (config.SettingsError, EngineError, OSError) as error:
        sys.stderr.write(f"Voice Bot can't start.\n{error}\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
