"""What ElevenLabs says when it refuses a request, in plain words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.retry_after import retry_after_s

MISSING_PERMISSIONS = "missing_permissions"

_MEANINGS: dict[str, tuple[Fault, str]] = {
    "invalid_api_key": (Fault.DENIED, "the key is not accepted"),
    MISSING_PERMISSIONS: (Fault.DENIED, "the key may not be used for speech"),
    "quota_exceeded": (Fault.UNPAID, "the account's quota is used up"),
    "detected_unusual_activity": (Fault.DENIED, "the account is blocked for unusual activity"),
    "only_for_creator+": (Fault.DENIED, "the account's plan does not have this voice"),
    "voice_not_found": (Fault.REJECTED, "there is no such voice"),
    "model_not_found": (Fault.REJECTED, "there is no such model"),
    "max_character_limit_exceeded": (Fault.REJECTED, "the text is too long"),
    "too_many_concurrent_requests": (Fault.LIMITED, "too many requests at once"),
    "concurrent_limit_exceeded": (Fault.LIMITED, "too many requests at once"),
    "rate_limit_exceeded": (Fault.LIMITED, "too many requests"),
    "system_busy": (Fault.LIMITED, "the service is busy"),
}
"""Source: "Error messages" in ElevenLabs' documentation; the same code has come with status 400 and with 401."""

_CODE = re.compile(r"[a-z0-9_+]{1,60}")


def code_of(body: bytes) -> str | None:
    """The name of the error in a refusal's body: `detail.status`, or `detail.code`; None if there is none."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    detail = answer.get("detail") if isinstance(answer, dict) else None
    if not isinstance(detail, dict):
        return None
    codes = (detail.get("status"), detail.get("code"))
    return next((code for code in codes if isinstance(code, str) and _CODE.fullmatch(code)), None)


def failure(engine: str, status: int, headers: Mapping[str, str], body: bytes) -> EngineError:
    """The error that an answer with a status other than 200 is."""
    code = code_of(body)
    unknown = f"the service answered with status {status}" + (f" ({code})" if code else "")
    fault, message = _MEANINGS.get(code or "", (Fault.of_status(status), unknown))
    return EngineError(engine, message, fault=fault, retry_after_s=retry_after_s(headers.get("retry-after")))
