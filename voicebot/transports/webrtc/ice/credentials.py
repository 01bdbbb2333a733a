"""The ICE servers that the settings name, and TURN credentials from the service that issues them.

FastRTC has functions for the same two requests. They are not used: `get_cloudflare_turn_credentials_async` prefers an
`HF_TOKEN` from the environment to the Cloudflare key that it is called with, its address can't be changed for a test,
and it raises a bare Exception with the service's whole answer in its text. A test compares the requests.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from typing import Any, Literal, assert_never
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from voicebot.settings.config import Settings

CLOUDFLARE_URL = "https://rtc.live.cloudflare.com"
HUGGING_FACE_URL = "https://turn.fastrtc.org"

REQUEST_TIMEOUT_S = 5.0

BLOCKED_PORT = "53"
"""Cloudflare also offers this port, but browsers never use it and wait in vain. Its documentation says to leave it
out."""

Provider = Literal["none", "static", "cloudflare", "hf"]


class CredentialsError(Exception):
    """A service issued no usable credentials. The text says why, without any key or credential."""


class IceServer(BaseModel):
    """One STUN or TURN server under one or more URLs. Its `repr` hides the credentials."""

    model_config = ConfigDict(frozen=True)

    urls: tuple[str, ...]
    username: str | None = Field(default=None, repr=False)
    credential: str | None = Field(default=None, repr=False)

    @field_validator("urls", mode="before")
    @classmethod
    def _wrap_single_url(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @property
    def is_relay(self) -> bool:
        return any(url.startswith(("turn:", "turns:")) for url in self.urls)

    def as_json(self) -> dict[str, Any]:
        """Returns the server as WebRTC's RTCIceServer."""
        return self.model_dump(mode="json", exclude_none=True)


class _CredentialsAnswer(BaseModel):
    """The answer of Cloudflare, which Hugging Face passes on. In an older form it holds a single server."""

    servers: list[IceServer] = Field(alias="iceServers")

    @field_validator("servers", mode="before")
    @classmethod
    def _wrap_single_server(cls, value: Any) -> Any:
        return [value] if isinstance(value, dict) else value


def choose_provider(settings: Settings) -> Provider:
    """Returns the provider that TURN_PROVIDER names, or else the first one whose keys are set.

    People have an HF_TOKEN for many reasons. Only on a Space does it mean that the relay is wanted.
    """
    if settings.turn_provider != "auto":
        return settings.turn_provider
    if settings.turn_url is not None:
        return "static"
    if settings.cloudflare_turn_key_id is not None:
        return "cloudflare"
    if settings.hf_token is not None and settings.space_id is not None:
        return "hf"
    return "none"


async def issue_relays(settings: Settings, lifetime_s: int) -> list[IceServer]:
    """Returns the relays, and what STUN servers come with them. Raises CredentialsError."""
    match provider := choose_provider(settings):
        case "none":
            return []
        case "static":
            return [own_relay(settings, lifetime_s)]
        case "cloudflare":
            keys = "CLOUDFLARE_TURN_KEY_ID and CLOUDFLARE_TURN_KEY_API_TOKEN"
            return await _fetch_relays(cloudflare_request(settings, lifetime_s), keys)
        case "hf":
            return await _fetch_relays(hugging_face_request(settings, lifetime_s), "HF_TOKEN")
        case _:
            assert_never(provider)


def own_relay(settings: Settings, lifetime_s: int) -> IceServer:
    """Returns the relay of TURN_URL, with a new login if there is a TURN_SECRET."""
    urls = (settings.turn_url or "",)
    if settings.turn_secret is not None:
        username, password = signed_login(settings.turn_secret.get_secret_value(), lifetime_s)
        return IceServer(urls=urls, username=username, credential=password)
    credential = None if settings.turn_credential is None else settings.turn_credential.get_secret_value()
    return IceServer(urls=urls, username=settings.turn_username, credential=credential)


def signed_login(secret: str, lifetime_s: int, now_s: float | None = None) -> tuple[str, str]:
    """Returns a user name and a password that coturn's `use-auth-secret` accepts for `lifetime_s` seconds.

    The scheme is "A REST API For Access To TURN Services" (draft-uberti-behave-turn-rest).
    """
    username = f"{int((time.time() if now_s is None else now_s) + lifetime_s)}:voicebot"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()


def cloudflare_request(settings: Settings, lifetime_s: int) -> httpx.Request:
    """See developers.cloudflare.com/realtime/turn/generate-credentials."""
    key_id = quote(settings.cloudflare_turn_key_id or "", safe="")
    url = f"{CLOUDFLARE_URL}/v1/turn/keys/{key_id}/credentials/generate-ice-servers"
    headers = _bearer(settings.cloudflare_turn_key_api_token)
    return httpx.Request("POST", url, headers=headers, json={"ttl": lifetime_s})


def hugging_face_request(settings: Settings, lifetime_s: int) -> httpx.Request:
    """Hugging Face lends Cloudflare's relay, 10 GB a month for each token: see fastrtc.org/deployment."""
    url = f"{HUGGING_FACE_URL}/credentials"
    return httpx.Request("GET", url, headers=_bearer(settings.hf_token), params={"ttl": lifetime_s})


def _bearer(token: SecretStr | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {'' if token is None else token.get_secret_value()}"}


async def _fetch_relays(request: httpx.Request, keys: str) -> list[IceServer]:
    """Sends the request. `keys` names the settings whose values the service checks. Raises CredentialsError."""
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_S), httpx.AsyncClient(timeout=REQUEST_TIMEOUT_S) as client:
            response = await client.send(request)
    except TimeoutError:
        raise CredentialsError(f"no answer within {REQUEST_TIMEOUT_S:g} s") from None
    except httpx.HTTPError as error:
        raise CredentialsError(f"it can't be reached ({type(error).__name__})") from None
    if response.status_code in (401, 403):
        raise CredentialsError(f"it does not accept {keys} ({response.status_code})")
    if not response.is_success:
        raise CredentialsError(f"it answers with status {response.status_code}")
    return parse_relays(response.content)


def parse_relays(answer: bytes) -> list[IceServer]:
    """Reads a service's answer. Raises CredentialsError if it names no TURN server with credentials."""
    try:
        servers = _CredentialsAnswer.model_validate_json(answer).servers
    except ValidationError:
        raise CredentialsError("its answer lists no ICE servers") from None
    if not any(server.is_relay and server.username and server.credential for server in servers):
        raise CredentialsError("its answer names no TURN server with credentials")
    usable = [server.model_copy(update={"urls": _without_blocked_port(server.urls)}) for server in servers]
    return [server for server in usable if server.urls]


def _without_blocked_port(urls: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(url for url in urls if url.split("?")[0].rpartition(":")[2] != BLOCKED_PORT)
