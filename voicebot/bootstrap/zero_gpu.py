"""Tells ZeroGPU that the app has started, as the hardware of Hugging Face's free accounts ends one that does not.

The bot needs no GPU. ZeroGPU, however, ends every Space whose start-up report does not come ("No @spaces.GPU function
detected during startup"), and Hugging Face's package `spaces` sends that report only if a function is marked for the
GPU, and only from Gradio's `Blocks.launch`, which a server of one's own never calls. So one function is marked that
nothing calls: the bot asks for no GPU and uses up no visitor's quota.
"""

from __future__ import annotations

import logging

from voicebot.settings.config import Settings

logger = logging.getLogger(__name__)


def report_start(settings: Settings) -> None:
    """Sends ZeroGPU's start-up report; elsewhere does nothing. To be called before the server's port opens.

    `Blocks.launch` keeps that order too: whoever answers before the report counts as an app without a GPU function.
    Blocks while the device API on the same machine answers, `spaces` waits 60 s for it at most.
    """
    if not settings.spaces_zero_gpu:
        return
    try:
        import spaces  # Hugging Face installs it on every Space with Gradio's SDK
        import spaces.zero

        spaces.GPU(_unused)
        spaces.zero.startup()
    except Exception as error:  # noqa: BLE001 (the inside of another package; the bot itself can do without the report)
        logger.error(
            "ZeroGPU got no start-up report (%s: %s): Hugging Face will probably end this Space soon; restart it, or "
            "see docs/space.md for the other kinds of Spaces",
            type(error).__name__,
            error,
        )
    else:
        logger.info("ZeroGPU has the start-up report")


def _unused() -> None:
    """Stands where other Spaces have their work for the GPU."""
