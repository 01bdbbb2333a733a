"""A cookie by which the lock knows a browser that has logged in before."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from voicebot.access.address import forwarded_values
from voicebot.runtime import limits
from voicebot.settings.config import Settings

COOKIE = "voicebot-known"


class KnownBrowsers:
    """Gives browsers names, and knows its own again after a restart: a name is signed with a key made of the password.

    The cookie opens nothing: it only spares its browser the waiting, so that nobody else's wrong passwords concern it.
    With another password or user name all cookies are void. The key is made slowly (scrypt), so that a stolen cookie
    is of little use for guessing the password elsewhere.
    """

    def __init__(self, settings: Settings) -> None:
        assert settings.app_username is not None
        assert settings.app_password is not None
        password = settings.app_password.get_secret_value().encode("utf-8", "surrogatepass")
        salt = b"voicebot known browsers\0" + settings.app_username.encode("utf-8", "surrogatepass")
        self._key = hashlib.scrypt(password, salt=salt, n=2**14, r=8, p=1)
        self._trusted_proxies = settings.trusted_proxies
        self._on_a_space = settings.space_id is not None

    def find(self, scope: Scope) -> str | None:
        """The name of a request's browser; None if it has none, or one that is not ours."""
        for line in Headers(scope=scope).getlist("cookie"):
            name, _, signature = cookie_parser(line).get(COOKIE, "").partition(".")
            if hmac.compare_digest(signature.encode(), self._sign(name).encode()):
                return name
        return None

    def introduce(self, scope: Scope) -> str:
        """The `Set-Cookie` header for a browser that has just logged in, with a new name."""
        name = secrets.token_urlsafe(16)
        attributes = [f"{COOKIE}={name}.{self._sign(name)}", "Path=/", "HttpOnly"]
        attributes.append(f"Max-Age={limits.KNOWN_DAYS * 86_400}")
        if self._on_a_space:
            # Hugging Face shows the page in a frame, to which browsers send no other cookies
            attributes += ["SameSite=None", "Secure", "Partitioned"]
        else:
            attributes += ["SameSite=Lax", *(["Secure"] if self._is_https(scope) else [])]
        return "; ".join(attributes)

    def _is_https(self, scope: Scope) -> bool:
        forwarded = forwarded_values(scope, "x-forwarded-proto", self._trusted_proxies)
        return scope["scheme"] in ("https", "wss") or "https" in [each.lower() for each in forwarded]

    def _sign(self, name: str) -> str:
        return hmac.new(self._key, name.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
