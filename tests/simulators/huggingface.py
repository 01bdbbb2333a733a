"""Simulates Hugging Face: the router of its Inference Providers, and the Hub's answer about a token.

Written from docs/inference-providers/hub-api.md and pricing.md in github.com/huggingface/hub-docs, and from published
answers of `/api/whoami-v2` and published refusals (CSOAI-ORG/councilof-ai issue 1102; the tests of projects that read
the permissions of tokens).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.chat import ChatSimulator
from tests.simulators.faults import Fault, Faults
from tests.simulators.http_connection import HttpConnection, Received

TOKEN = "hf_secret_4711"

INFERENCE = "inference.serverless.write"

WHOAMI = "/api/whoami-v2"


def token_info(
    role: str = "fineGrained", *, everywhere: Sequence[str] = (), own: Sequence[str] = (), of_org: Sequence[str] = ()
) -> dict[str, Any]:
    """Returns the Hub's answer about a token: its permissions for everything, the user's account, an organisation."""
    token: dict[str, Any] = {"displayName": "bot", "role": role, "createdAt": "2026-09-01T10:00:00.000Z"}
    if role == "fineGrained":
        scopes = (("user", "me", own), ("org", "acme", of_org))
        token["fineGrained"] = {
            "canReadGatedRepos": False,
            "global": [*everywhere],
            "scoped": [
                {"entity": {"_id": "65f0", "type": kind, "name": name}, "permissions": [*permissions]}
                for kind, name, permissions in scopes
                if permissions
            ],
        }
    return {
        "type": "user",
        "id": "65f0",
        "name": "me",
        "isPro": False,
        "auth": {"type": "access_token", "accessToken": token},
    }


FOR_TURN = token_info()
PERMITTED = token_info(own=[INFERENCE])


@dataclass
class HuggingFaceSimulator(ChatSimulator):
    """Serves both at one address, as a gateway does. `info` is the Hub's answer about the token.

    `hub` has the faults of that answer.
    """

    key: str | None = TOKEN
    models: tuple[str, ...] = ("openai/gpt-oss-120b", "deepseek-ai/DeepSeek-V4-Pro")
    info: dict[str, Any] = field(default_factory=lambda: PERMITTED)
    hub: Faults = field(default_factory=Faults)

    async def respond(self, http: HttpConnection, request: Received) -> bool:
        permitted = INFERENCE in str(self.info)
        if request.path == WHOAMI:
            await self._tell(http, request)
        elif request.path == "/v1/models":  # This route needs no key.
            await http.json(200, {"object": "list", "data": [self._offered(model) for model in self.models]})
        elif request.path == "/v1/chat/completions" and not permitted:
            message = "This authentication method does not have sufficient permissions to call Inference Providers"
            await http.json(403, {"error": f"{message} on behalf of user me"})
        else:
            return False
        return True

    async def _tell(self, http: HttpConnection, request: Received) -> None:
        planned = self.hub.next()
        match None if planned is None else planned.fault:
            case None:
                if request.headers.get("authorization") == f"Bearer {TOKEN}":
                    await http.json(200, self.info)
                else:
                    await http.json(401, {"error": "Invalid username or password."})
            case Fault.HANG:
                await asyncio.Event().wait()
            case Fault.GARBAGE:
                await http.text(200, "<html>Sign in</html>", {"Content-Type": "text/html"})
            case Fault.REFUSE:
                http.abort()
            case fault:
                assert fault is not None
                assert fault.status is not None
                await http.json(fault.status, {"error": "Invalid credentials in Authorization header"})

    @staticmethod
    def _offered(model: str) -> dict[str, Any]:
        providers = [{"provider": "groq", "status": "live", "context_length": 131_072, "supports_tools": True}]
        owner = model.partition("/")[0]
        return {"id": model, "object": "model", "created": 0, "owned_by": owner, "providers": providers}
