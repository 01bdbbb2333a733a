"""Routes for people and programs outside who were invited to have the bot say something in a conversation."""

from __future__ import annotations

import re

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict

from voicebot.access.address import client_address
from voicebot.access.admission import MINUTE_S, RefusedError
from voicebot.access.basic_auth import OPEN_FOLDER
from voicebot.access.rates import AddressBuckets, TokenBucket
from voicebot.access.refusal import Reason
from voicebot.engines.conversation import TextError, TooManyTextsError, UserAwayError
from voicebot.session.conversation import checked_text
from voicebot.session.invitations import CAPABILITY_PATTERN, UnknownInvitationError
from voicebot.session.services import AppServices
from voicebot.web.forwarding import passed_on, too_slow
from voicebot.workers.siblings import SiblingAnswer, SiblingError, Siblings

AGAIN_S = 5.0
"""When another attempt makes sense if the user is away, or if too many texts wait."""


class SayRequest(BaseModel):
    """What the bot shall say."""

    model_config = ConfigDict(extra="forbid")

    text: str


async def say_here(services: AppServices, capability: str, body: SayRequest) -> Response:
    """Has the bot say the text, as soon as it is its turn. Raises RefusedError, 404 if this process has no such
    invitation: an ended one looks like one that never was."""
    try:
        text = checked_text(body.text, services.settings.tuning.max_text_chars)
        await services.invitations.say_by(capability, text)
    except UnknownInvitationError:
        raise RefusedError(404, Reason.REQUEST, "say: there is no such invitation (any more)") from None
    except TextError as error:
        raise RefusedError(422, Reason.REQUEST, str(error)) from None
    except UserAwayError as error:
        raise RefusedError(409, Reason.REQUEST, str(error), AGAIN_S) from None
    except TooManyTextsError as error:
        raise RefusedError(429, Reason.RATE, str(error), AGAIN_S) from None
    return Response(status_code=202)


def add_say(app: FastAPI, services: AppServices) -> None:
    """Adds the routes. The capability in the path is enough: no login is asked for.

    Each invitation has the rate limit of a user who types. Requests with an unknown capability are limited by address.
    """
    settings, siblings = services.settings, services.siblings
    misses = AddressBuckets(settings.offers_per_minute / MINUTE_S, settings.offers_per_minute)

    @app.post(f"{OPEN_FOLDER}{{capability}}", status_code=202)
    async def say(capability: str, body: SayRequest, request: Request) -> Response:
        """Answers as soon as the text waits for its turn. Another worker answers if the invitation is there."""
        try:
            return await say_here(services, capability, body)
        except RefusedError as refused:
            if refused.status != 404:
                raise
            bucket = misses.of(client_address(request.scope, settings.trusted_proxies))
            if not bucket.take():
                raise _too_often(bucket) from None
            if (answer := await _say_elsewhere(siblings, capability, body)) is not None:
                bucket.give_back()
                return passed_on(answer, services.telemetry.metrics)
            raise

    @app.delete(f"{OPEN_FOLDER}{{capability}}", status_code=204)
    async def withdraw(capability: str, request: Request) -> None:
        """Ends the invitation; after a handover the bot answers again. Answers in the same way if there is none."""
        if services.invitations.withdraw(capability) or not re.fullmatch(CAPABILITY_PATTERN, capability):
            return
        bucket = misses.of(client_address(request.scope, settings.trusted_proxies))
        if not bucket.take():
            raise _too_often(bucket)
        await siblings.ask_all("DELETE", f"{OPEN_FOLDER}{capability}")


def _too_often(bucket: TokenBucket) -> RefusedError:
    return RefusedError(429, Reason.RATE, "You are asking too often. Please wait a little.", bucket.wait_s)


async def _say_elsewhere(siblings: Siblings, capability: str, body: SayRequest) -> SiblingAnswer | None:
    """Returns the answer of the worker that has the invitation; None if none has. Raises RefusedError."""
    if not re.fullmatch(CAPABILITY_PATTERN, capability):
        return None
    try:
        return await siblings.find("POST", f"{OPEN_FOLDER}{capability}", content=body)
    except SiblingError:
        raise too_slow() from None
