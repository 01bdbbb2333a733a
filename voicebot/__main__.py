"""Starts Voice Bot: `voicebot`, `python -m voicebot` or `python app.py`. `--help` lists the options."""

from __future__ import annotations

import argparse
import gc
import sys

import voicebot
from voicebot.bootstrap import process, zero_gpu
from voicebot.engines.errors import EngineError
from voicebot.settings import config
from voicebot.settings import names as setting_names
from voicebot.settings.cores import cores
from voicebot.web.port import bind


def port_number(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError("the port must be a number from 0 to 65535")
    return int(text)


def worker_count(text: str) -> int:
    if text.lower() == "auto":
        return min(config.MAX_WORKERS, cores())
    if not text.isdecimal() or not 1 <= int(text) <= config.MAX_WORKERS:
        raise argparse.ArgumentTypeError(f"there must be 1 to {config.MAX_WORKERS} workers, or auto")
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
        "--workers",
        type=worker_count,
        metavar="N",
        help="serve with N processes, or with one for each core: auto (default: WORKERS or 1)",
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
        prepared = process.prepare(options.host)
        settings = prepared.settings
        zero_gpu.report_start(settings)
        listener = bind(
            settings.gradio_server_name, settings.gradio_server_port if options.port is None else options.port
        )
        count = settings.workers if options.workers is None else options.workers
        if count == 1:
            process.run(prepared, listener, share=options.share)
        else:
            from voicebot.workers.supervisor import supervise

            return supervise(prepared, listener, count, host=options.host, share=options.share)
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
