"""Sends ZeroGPU the report that the app has started. ZeroGPU is the hardware of Hugging Face's free accounts.

ZeroGPU ends every Space that sends no start-up report ("No @spaces.GPU function detected during startup"). Hugging
Face's package `spaces` sends it only if a function is marked for the GPU, and only from Gradio's `Blocks.launch`, which
this app does not use. The bot needs no GPU, so it marks a function that is never called. It therefore requests no GPU
and uses up no visitor's quota.
"""

from __future__ import annotations

import logging

from voicebot.settings.config import Settings

logger = logging.getLogger(__name__)


def report_start(settings: Settings) -> None:
    """Sends the start-up report on ZeroGPU, and does nothing elsewhere. Call it before the server's port opens.

    An app that answers requests before the report counts as one without a GPU function; `Blocks.launch` keeps to that
    order too. The call blocks until the device API on the same machine has answered, for 60 s at most.
    """
    if not settings.spaces_zero_gpu:
        return
    try:
        import spaces  # Hugging Face installs it on every Space with Gradio's SDK
        import spaces.zero

        spaces.GPU(_unused)
        spaces.zero.startup()
    except Exception as error:  # noqa: BLE001 (internals of another package; the bot itself works without the report)
        logger.error(
            "no start-up report was sent to ZeroGPU (%s: %s). Hugging Face will probably end this Space soon; restart "
            "it, or see docs/space.md for other kinds of Spaces",
            type(error).__name__,
            error,
        )
    else:
        logger.info("the start-up report was sent to ZeroGPU")


def _unused() -> None:
    """Is marked for the GPU and never called."""
