"""The person at the other end of a handover: prints what the webhook brings, and says what is typed.

    .venv/bin/python examples/handover/console.py [PORT]

Type a line to say it. An empty line gives the conversation back to the bot, and Ctrl-C ends the program. It needs no
package.
"""

from __future__ import annotations

import json
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORT = 8700
START_CHARS = 10
"""A message that begins as a line that was typed is that line. Of an interrupted one the rest may be missing."""


class Desk:
    """The one conversation that this person has. Another one is told that everybody is busy."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.say_url = ""
        self.typed: list[str] = []

    def take(self, event: dict[str, Any]) -> bool:
        """Takes an event of the webhook; returns False if the person is busy with another conversation."""
        with self.lock:
            if event["event"] == "handover" and not self.say_url:
                self.say_url, self.typed = event["say_url"], []
                print("* A user asks for a person. This was said so far:")
                for message in event["transcript"]:
                    print(f"  {'user' if message['role'] == 'user' else ' bot'}: {message['text']}")
            elif event["say_url"] != self.say_url:
                return False
            elif event["event"] == "message":
                message = event["message"]
                cut = " (interrupted)" if message["interrupted"] else ""
                print(f"{self.who(message)}: {message['text']}{cut}")
            elif event["event"] == "ended":
                self.say_url = ""
                print(f"* The conversation has ended for you: {event['reason']}.")
            sys.stdout.flush()
            return True

    def who(self, message: dict[str, Any]) -> str:
        """Returns who has said the message: the user, this person, or the bot, which says its reply to the end."""
        if message["role"] == "user":
            return "user"
        start = message["text"].rstrip(" -–—…")[:START_CHARS]
        return " you" if any(line.startswith(start) for line in self.typed) else " bot"

    def say(self, line: str) -> None:
        """Has the bot say the line; an empty line gives the conversation back."""
        if not self.say_url:
            print("* Nobody is on the line.")
            return
        self.typed.append(line)
        body = json.dumps({"text": line}).encode() if line else None
        request = urllib.request.Request(
            self.say_url, body, {"Content-Type": "application/json"}, method="POST" if line else "DELETE"
        )
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except urllib.error.HTTPError as error:
            print(f"* Not said: {json.load(error)['error']}")
        except OSError as error:
            print(f"* The bot can't be reached: {error}")


class Webhook(BaseHTTPRequestHandler):
    """Takes the events that the bot posts."""

    desk: Desk

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204 if self.desk.take(event) else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Prints nothing, because the terminal is for the conversation."""


def main() -> None:
    Webhook.desk = Desk()
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else PORT), Webhook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        print(f"* Waiting at http://127.0.0.1:{server.server_port}", flush=True)
        for line in sys.stdin:
            Webhook.desk.say(" ".join(line.split()))
            sys.stdout.flush()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
