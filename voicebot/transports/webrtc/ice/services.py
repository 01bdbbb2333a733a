"""The services that make TURN credentials, and what each of them wants to be asked.

They are the same requests that FastRTC's functions make (a test compares them), but not through those:
`get_hf_turn_credentials` warns that it is deprecated; `get_cloudflare_turn_credentials_async` ignores the client that
it is given, takes `HF_TOKEN` from the environment rather than the keys it is called with, and raises a bare Exception
with the service's whole answer in its text; Twilio's blocks, needs the package `twilio`, and knows no expiry.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass, field
from typing import Literal, assert_never
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from voicebot.settings.config import Settings

CLOUDFLARE = "https://rtc.live.cloudflare.com"
HUGGING_FACE = "https://turn.fastrtc.org"
TWILIO = "https://api.twilio.com"

CLOUDFLARE_MAX_TTL_S = 172_800
TWILIO_MAX_TTL_S = 86_400
"""Longer ones are refused."""

Name = Literal["none", "static", "cloudflare", "twilio", "hf"]


@dataclass(frozen=True, slots=True)
class CredentialService:
    """A service that makes credentials of a wanted life. `keys` names the settings that hold its keys."""

    name: Name
    keys: str
    max_ttl_s: int
    url: str
    headers: dict[str, str] = field(repr=False)
    ttl_goes_in: Literal["json", "query", "form"]
    """Where a request says how long the credentials are to live."""

    def request(self, ttl_s: int) -> httpx.Request:
        """Returns the request for credentials that live `ttl_s` seconds."""
        match self.ttl_goes_in:
            case "json":
                return httpx.Request("POST", self.url, headers=self.headers, json={"ttl": ttl_s})
            case "query":
                return httpx.Request("GET", self.url, headers=self.headers, params={"ttl": ttl_s})
            case "form":
                return httpx.Request("POST", self.url, headers=self.headers, data={"Ttl": str(ttl_s)})
            case _:
                assert_never(self.ttl_goes_in)


def chosen(settings: Settings) -> Name:
    """Whose relay is used: what is forced, else the first whose keys are there.

    An `HF_TOKEN` is there for many reasons: only on a Space does it mean that the relay is wanted.
    """
    if settings.turn_provider != "auto":
        return settings.turn_provider
    if settings.turn_url is not None:
        return "static"
    if settings.cloudflare_turn_key_id is not None:
        return "cloudflare"
    if settings.twilio_account_sid is not None:
        return "twilio"
    if settings.hf_token is not None and settings.space_id is not None:
        return "hf"
    return "none"


def credential_service(settings: Settings) -> CredentialService | None:
    """The chosen service; None if there is nobody to ask."""
    match name := chosen(settings):
        case "cloudflare":
            return _cloudflare(settings)
        case "twilio":
            return _twilio(settings)
        case "hf":
            return _hugging_face(settings)
        case "static" | "none":
            return None
        case _:
            assert_never(name)


def _cloudflare(settings: Settings) -> CredentialService:
    """A TURN key of one's own: developers.cloudflare.com/realtime/turn/generate-credentials."""
    key_id, headers = _quoted(settings.cloudflare_turn_key_id), _bearer(settings.cloudflare_turn_key_api_token)
    url = f"{settings.turn_api_url or CLOUDFLARE}/v1/turn/keys/{key_id}/credentials/generate-ice-servers"
    keys = "CLOUDFLARE_TURN_KEY_ID and CLOUDFLARE_TURN_KEY_API_TOKEN"
    return CredentialService("cloudflare", keys, CLOUDFLARE_MAX_TTL_S, url, headers, "json")


def _hugging_face(settings: Settings) -> CredentialService:
    """Cloudflare's relay on a Hugging Face token, 10 GB a month: fastrtc.org/deployment."""
    url, headers = f"{settings.turn_api_url or HUGGING_FACE}/credentials", _bearer(settings.hf_token)
    return CredentialService("hf", "HF_TOKEN", CLOUDFLARE_MAX_TTL_S, url, headers, "query")


def _twilio(settings: Settings) -> CredentialService:
    """A token of the Network Traversal Service: twilio.com/docs/stun-turn/api."""
    login = f"{settings.twilio_account_sid}:{_shown(settings.twilio_auth_token)}"
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
    url = f"{settings.turn_api_url or TWILIO}/2010-04-01/Accounts/{_quoted(settings.twilio_account_sid)}/Tokens.json"
    keys = "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
    return CredentialService("twilio", keys, TWILIO_MAX_TTL_S, url, headers, "form")


def signed_login(secret: str, ttl_s: int, now_s: float | None = None) -> tuple[str, str]:
    """User name and password that a TURN server with the same secret takes for so long.

    coturn's `use-auth-secret`, from "A REST API For Access To TURN Services" (draft-uberti-behave-turn-rest).
    """
    username = f"{int((time.time() if now_s is None else now_s) + ttl_s)}:voicebot"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()


def _bearer(token: SecretStr | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {_shown(token)}"}


def _quoted(name: str | None) -> str:
    return quote(name or "", safe="")


def _shown(secret: SecretStr | None) -> str:
    return "" if secret is None else secret.get_secret_value()
