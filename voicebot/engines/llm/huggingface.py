"""Hugging Face's Inference Providers: one service before many, with OpenAI's chat completions.

Sources: docs/inference-providers/index.md, hub-api.md and pricing.md, and docs/hub/security-tokens.md, in
github.com/huggingface/hub-docs.
"""

from __future__ import annotations

import json
from typing import Any

import httpx

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.compatible import CompatibleChat, CompatibleService, errors_for
from voicebot.engines.llm.connection import as_http, tls
from voicebot.engines.llm.failures import failure, status_failure
from voicebot.engines.llm.models import Listed, Models, listed_by, none_listed
from voicebot.engines.llm.request_fields import OPENAI_FIELDS

NAME = "huggingface"

ROUTER = "https://router.huggingface.co"
HUB = "https://huggingface.co"

PERMISSION = "inference.serverless.write"
"""The permission "Make calls to Inference Providers" of an access token."""

MAY_NOT = "the token of HF_TOKEN does not have the permission “Make calls to Inference Providers”"


class HuggingFace(CompatibleService):
    """The service and its `model`.

    `base_url` is that of a gateway, with or without `/v1`, which passes on the question about the token, too
    (`/api/whoami-v2`). A model may be named with a provider or a policy ("openai/gpt-oss-120b:cheapest").
    """

    name = NAME

    def __init__(
        self,
        token: str,
        *,
        base_url: str | None = None,
        models: Models,
        temperature: float = 0.7,
        timeout_s: float = 30.0,
    ) -> None:
        self._token = token
        self._base_url = base_url
        super().__init__(
            _Chat,
            api_key=token,
            address=f"{_root(base_url) or ROUTER}/v1",
            models=models,
            fields=OPENAI_FIELDS,
            temperature=temperature,
            timeout_s=timeout_s,
        )

    async def probe(self) -> None:
        """Is the token permitted, and which model is there? Raises EngineError.

        Anybody may list the models, so that the list says nothing of the token. Where the question about the token is
        not answered, the first request will tell.
        """
        try:
            permitted = await may_infer(self._token, self._base_url)
        except EngineError as error:
            if error.fault is Fault.DENIED:
                raise
        else:
            if not permitted:
                raise EngineError(NAME, MAY_NOT, fault=Fault.DENIED)
        if not await self.choose_model():
            raise none_listed(self.name, self.models)

    async def choose_model(self) -> bool:
        with self._errors.as_engine_errors():
            listed = await listed_by(self._sdk)
        known = {model.name for model in listed}
        # The service lists models without the provider or the policy that a request may name.
        named = [Listed(name) for name in self.models.names if ":" in name and name.partition(":")[0] in known]
        return self.models.choose([*named, *listed])


async def may_infer(token: str, base_url: str | None = None) -> bool:
    """Does the Hub say that this token may be used for inference? Raises EngineError if it does not answer that.

    Tokens of the older roles "read" and "write" may be, by Hugging Face's documents, but nothing says that they were
    meant for it: people have them for downloads, uploads and relays. For them the answer is no.
    """
    request = httpx.Request(
        "GET", f"{_root(base_url) or HUB}/api/whoami-v2", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        async with httpx.AsyncClient(verify=tls()) as client:
            response = await client.send(request)
    except httpx.TimeoutException as error:
        raise failure(NAME, Fault.TIMEOUT) from error
    except (httpx.ConnectError, httpx.ProxyError) as error:
        raise failure(NAME, Fault.UNREACHABLE) from error
    except httpx.HTTPError as error:
        raise failure(NAME, Fault.BROKEN) from error
    if response.status_code != 200:
        raise status_failure(NAME, response.status_code, response.headers)
    try:
        return _permits(json.loads(response.content))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise failure(NAME, Fault.BROKEN) from error


def _permits(who: Any) -> bool:
    """Whether the answer of `/api/whoami-v2` names the permission: for everything, or for the user's own account.

    The permission to spend an organisation's credits is another one: such a request would have to name that.
    """
    rights = who["auth"]["accessToken"].get("fineGrained") or {}
    if PERMISSION in _listed(rights.get("global")):
        return True
    own = [scope for scope in _listed(rights.get("scoped")) if (scope.get("entity") or {}).get("type") == "user"]
    return any(PERMISSION in _listed(scope.get("permissions")) for scope in own)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _root(base_url: str | None) -> str | None:
    """The address without the `/v1` that it may end in."""
    return None if base_url is None else as_http(base_url).rstrip("/").removesuffix("/v1")


class _Chat(CompatibleChat):
    errors = errors_for(NAME)
