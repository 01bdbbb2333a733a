"""Starts Voice Bot from the project's folder: `python app.py` does what the command `voicebot` does."""

from __future__ import annotations

import sys

from voicebot.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
