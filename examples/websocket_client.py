"""A client of /ws. It says each argument, a WAV file or a text, and interrupts the bot with the second and later ones.

python examples/websocket_client.py ws://127.0.0.1:7860/ws "Tell me a long story." "What time is it in Tokyo?"
"""

import asyncio, base64, json, sys, time  # noqa: E401
