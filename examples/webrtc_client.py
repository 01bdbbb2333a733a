"""Talks to the bot over WebRTC. Each argument is a text or a WAV file. Records the bot's voice to heard.wav.

python examples/webrtc_client.py http://127.0.0.1:7860 "What time is it in Tokyo?"
python examples/webrtc_client.py http://127.0.0.1:7860 "Tell me a long story." --interrupt-after 3
"""

import argparse
import asyncio
import json
import sys
import time
import uuid
from fractions import Fraction

import av
import httpx
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRecorder

RATE_HZ, FRAME = 48_000, 960  # A frame lasts 20 ms.


class Microphone(MediaStreamTrack):
    """Sends the file that it was told to say, then silence, as fast as a sound card would record it."""

    kind = "audio"

    def __init__(self):
        super().__init__()
        self.sound, self.sent, self.began_s = np.zeros(0, np.int16), 0, 0.0

    def say(self, path):
        resampler = av.AudioResampler("s16", "mono", RATE_HZ)
        with av.open(path) as file:
            frames = [part for frame in [*file.decode(audio=0), None] for part in resampler.resample(frame)]
        self.sound = np.concatenate([frame.to_ndarray()[0] for frame in frames])

    async def recv(self):
        self.began_s = self.began_s or time.monotonic()
        await asyncio.sleep(self.began_s + self.sent / RATE_HZ - time.monotonic())
        samples, self.sound = self.sound[:FRAME], self.sound[FRAME:]
        frame = av.AudioFrame.from_ndarray(np.pad(samples, (0, FRAME - len(samples))).reshape(1, -1), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, self.sent, Fraction(1, RATE_HZ)
        self.sent += FRAME
        return frame


async def connect(url, microphone, recorder):
    """Returns the connection, its data channel, and a queue of the messages that come."""
    async with httpx.AsyncClient(base_url=url) as http:
        config = (await http.get("/webrtc/config")).raise_for_status().json()
        peer = RTCPeerConnection(RTCConfiguration([RTCIceServer(**server) for server in config["iceServers"]]))
        peer.addTrack(microphone)
        peer.on("track", recorder.addTrack)
        channel, messages = peer.createDataChannel("text"), asyncio.Queue()
        channel.on("message", lambda text: messages.put_nowait(json.loads(text)))
        channel.on("close", lambda: messages.put_nowait({"type": "closed", "reason": "The connection was lost."}))
        await peer.setLocalDescription(await peer.createOffer())
        offer = {"sdp": peer.localDescription.sdp, "type": "offer", "webrtc_id": uuid.uuid4().hex}
        answer = await http.post("/webrtc/offer", json=offer)
        if answer.is_error:
            sys.exit(f"{answer.status_code}: {answer.json()['error']}")
        await peer.setRemoteDescription(RTCSessionDescription(**answer.json()))
        await recorder.start()
        return peer, channel, messages


async def talk(url, unsaid, interrupt_after_s):
    microphone, recorder = Microphone(), MediaRecorder("heard.wav")
    peer, channel, messages = await connect(url, microphone, recorder)

    def send(message):
        channel.send(json.dumps(message))

    message, phase, shown = {"type": ""}, "", 0
    while message["type"] != "closed":
        message = await messages.get()
        if message["type"] in ("error", "closed"):
            print(message["type"], message.get("reason") or message.get("message"))
        if message["type"] != "state" or message["phase"] == phase:
            continue
        phase = message["phase"]
        print("state:", phase)
        if phase == "speaking" and interrupt_after_s:
            asyncio.get_running_loop().call_later(interrupt_after_s, send, {"type": "interrupt"})
        if phase != "idle":
            continue
        # The bot is silent and listens.
        for each in message["chat"][shown:]:
            print("you:" if each["role"] == "user" else "bot:", each.get("text") or each["heard"])
        shown = len(message["chat"])
        if not unsaid:
            send({"type": "bye"})
        elif unsaid[0].endswith(".wav"):
            microphone.say(unsaid.pop(0))
        else:
            send({"type": "text", "text": unsaid.pop(0)})
    await recorder.stop()
    await peer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="the address of the bot")
    parser.add_argument("unsaid", nargs="+", help="a text to send, or a WAV file to say, once the bot is silent")
    parser.add_argument("--interrupt-after", type=float, help="seconds after which each answer is interrupted")
    arguments = parser.parse_args()
    asyncio.run(talk(arguments.url, arguments.unsaid, arguments.interrupt_after))
