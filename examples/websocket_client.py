"""Talks to the bot over /ws. Each argument is a text or a WAV file; a later one interrupts the answer, if that is long.

python examples/websocket_client.py ws://127.0.0.1:7860/ws "Tell me a long story." "What time is it in Tokyo?"
"""

import json
import sys
from base64 import b64decode, b64encode
from pathlib import Path
from time import monotonic

from websockets.sync.client import connect

unsaid, clips, began_s, event, phase = sys.argv[2:], [], 0.0, "", ""  # The first clip has played since `began_s`.

with connect(sys.argv[1], max_size=None) as socket, open("heard.mp3", "wb") as heard:

    def send(type, **fields):
        socket.send(json.dumps({"type": type, **fields}))

    def say(line):
        if not line.endswith(".wav"):
            return send("text", text=line)
        send("speech_start")
        send("speech_end", audio=b64encode(Path(line).read_bytes()).decode())

    while event != "closed":
        try:
            message = json.loads(socket.recv(began_s + clips[0]["duration_ms"] / 1000 - monotonic() if clips else None))
        except TimeoutError:
            message = {"event": "clip ended"}
        before, phase = phase, message.get("phase", phase)
        match event := message["event"]:
            case "play_audio":
                clips or send("client_playback_started")
                began_s = began_s if clips else monotonic()
                clips.append(message)
            case "clip ended":
                clip, began_s = clips.pop(0), monotonic()
                send("clip_played", sequence=clip["sequence"])
                heard.write(b64decode(clip["audio"]))
                print("bot:", clip["text"])
                if unsaid and clip["text"] and len(clips) > 1:  # In the middle of a long answer.
                    say(unsaid.pop(0))
            case "stop_playback" if clips:
                send("clip_played", sequence=clips[0]["sequence"], played_ms=round((monotonic() - began_s) * 1000))
                clips.clear()
            case "state" if before != phase == "idle":  # The bot has fallen silent, so it is the user's turn.
                say(unsaid.pop(0)) if unsaid else send("bye")
            case "asr.final" | "verdict" | "error" | "closed":
                print(event, *(message[key] for key in ("decision", "text", "reason", "message") if key in message))
