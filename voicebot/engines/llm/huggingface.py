"""Hugging Face's Inference Providers: one router to many providers, with OpenAI's chat completions.

Sources: docs/inference-providers/index.md, hub-api.md and pricing.md, and docs/hub/security-tokens.md, in
github.com/huggingface/hub-docs.
"""

from __future__ import annotations

import json
from typing import Any

import httpx

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.clients import as_http, tls
from voicebot.engines.llm.compatible import CompatibleChat, CompatibleService, errors_for
from voicebot.engines.llm.failures import failure, status_failure
from voicebot.engines.llm.models import ListedModel, Models, listed_by, none_listed
from voicebot.engines.llm.request_fields import OPENAI_FIELDS

NAME = "huggingface"

ROUTER = "https://router.huggingface.co"
HUB = "https://huggingface.co"

PERMISSION = "inference.serverless.write"
"""The permission "Make calls to Inference Providers" of an access token."""

NOT_PERMITTED = "the token of HF_TOKEN does not have the permission “Make calls to Inference Providers”"


class HuggingFace(CompatibleService):
    """The service and its LangChain `model`.

    `base_url` is that of a gateway, with or without `/v1`, which must also forward `/api/whoami-v2`, the request for
    the token's permissions. A model's name may end in a provider or a policy ("openai/gpt-oss-120b:cheapest").
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
            _HuggingFaceChat,
            api_key=token,
            address=f"{_root(base_url) or ROUTER}/v1",
            models=models,
            fields=OPENAI_FIELDS,
            temperature=temperature,
            timeout_s=timeout_s,
        )

    async def probe(self) -> None:
        """Checks the token's permission and chooses the model. Raises EngineError.

        The list of models needs no token, so it does not prove that the token works. If the check of the token gets no
        answer, the first request shows whether the token works.
        """
        try:
            permitted = await may_infer(self._token, self._base_url)
        except EngineError as error:
            if error.fault is Fault.DENIED:
                raise
        else:
            if not permitted:
                raise EngineError(NAME, NOT_PERMITTED, fault=Fault.DENIED)
        if not await self.choose_model():
            raise none_listed(self.name, self.models)

    async def choose_model(self) -> bool:
        with self._errors.as_engine_errors():
            listed = await listed_by(self._sdk)
        known = {model.name for model in listed}
        # The list holds no providers or policies, which a request may add to the name of a model.
        named = [ListedModel(name) for name in self.models.names if ":" in name and name.partition(":")[0] in known]
        return self.models.choose([*named, *listed])


async def may_infer(token: str, base_url: str | None = None) -> bool:
    """Asks the Hub whether this token may be used for inference. Raises EngineError if it gives no answer.

    Returns False for tokens with the older roles "read" and "write". Hugging Face's documents allow inference with
    them, but their owners may have made them only for downloads, uploads or relays.
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
    """Returns True if the answer of `/api/whoami-v2` has the permission, globally or for the user's own account.

    A permission to spend an organisation's credits does not count: such a request would have to name the organisation.
    """
    rights = who["auth"]["accessToken"].get("fineGrained") or {}
    if PERMISSION in _listed(rights.get("global")):
        return True
    own = [scope for scope in _listed(rights.get("scoped")) if (scope.get("entity") or {}).get("type") == "user"]
    return any(PERMISSION in _listed(scope.get("permissions")) for scope in own)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _root(base_url: str | None) -> str | None:
    """Returns the address without a `/v1` at its end."""
    return None if base_url is None else as_http(base_url).rstrip("/").removesuffix("/v1")


class _HuggingFaceChat(CompatibleChat):
    errors = errors_for(NAME)
