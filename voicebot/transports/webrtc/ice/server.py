"""An ICE server: STUN or TURN, as browsers and aiortc take it, and as the services that make credentials give it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator

BLOCKED_PORT = "53"
"""Cloudflare offers it too, but browsers never use it, and wait in vain (its documentation says to leave it out)."""


class AnswerError(Exception):
    """A service's answer that holds no ICE servers. The text tells what is wrong with it, without its values."""


@dataclass(frozen=True, slots=True)
class IceServer:
    """One server under one or more addresses; `repr` hides what lets one in."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None

    @property
    def is_relay(self) -> bool:
        return any(url.startswith(("turn:", "turns:")) for url in self.urls)

    def __repr__(self) -> str:
        return f"IceServer({self.urls})"

    def as_json(self) -> dict[str, Any]:
        """WebRTC's RTCIceServer."""
        login = {"username": self.username, "credential": self.credential}
        return {"urls": list(self.urls)} | {name: value for name, value in login.items() if value is not None}


class _Given(BaseModel):
    """A server in any form that is given: `urls` may be one or a list; Twilio calls it `url`, too."""

    urls: list[str] = Field(default_factory=list)
    url: str | None = None
    username: str | None = None
    credential: str | None = None

    @field_validator("urls", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class _Answer(BaseModel):
    """Cloudflare and Hugging Face write `iceServers`, in an older form with a single one; Twilio `ice_servers`."""

    servers: list[_Given] = Field(min_length=1)

    @field_validator("servers", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, dict) else value


def ice_servers(answer: Any) -> tuple[IceServer, ...]:
    """The servers of a service's answer. Raises AnswerError: without a relay and its credentials it is of no use."""
    if not isinstance(answer, dict):
        raise AnswerError("it is no JSON object")
    try:
        given = _Answer.model_validate({"servers": answer.get("iceServers", answer.get("ice_servers"))}).servers
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        raise AnswerError(f"it lists no ICE servers ({where})") from None
    servers = [_server(each) for each in given]
    if not any(server.is_relay and server.username and server.credential for server in servers):
        raise AnswerError("it names no TURN server with credentials")
    return tuple(server for server in servers if server.urls)


def _server(given: _Given) -> IceServer:
    urls = given.urls or ([given.url] if given.url else [])
    usable = (url for url in urls if url.split("?")[0].rpartition(":")[2] != BLOCKED_PORT)
    return IceServer(tuple(usable), given.username or None, given.credential or None)
