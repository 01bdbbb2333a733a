"""Routes to read and delete stored conversations. A conversation's name is the secret that gives access to it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Path, Request, Response

from voicebot.access.address import client_address
from voicebot.access.admission import MINUTE_S, RefusedError
from voicebot.access.rates import AddressBuckets
from voicebot.access.refusal import Reason
from voicebot.dialogue.state import State
from voicebot.dialogue.view import view
from voicebot.session.conversation import conversation_key
from voicebot.session.services import AppServices
from voicebot.storage.conversations import ID_PATTERN, RETRY_S
from voicebot.storage.database import StoreError

Name = Annotated[str, Path(pattern=ID_PATTERN)]


def add_conversations(app: FastAPI, services: AppServices) -> None:
    """Adds the routes. They have the same rate limit for each address as offers."""
    settings, conversations = services.settings, services.conversations
    rates = AddressBuckets(settings.offers_per_minute / MINUTE_S, settings.offers_per_minute)

    def count(request: Request) -> None:
        bucket = rates.of(client_address(request.scope, settings.trusted_proxies))
        if not bucket.take():
            raise RefusedError(429, Reason.RATE, "You are asking too often. Please wait a little.", bucket.wait_s)

    @app.get("/conversations/{conversation}")
    async def read_conversation(conversation: Name, request: Request, response: Response) -> dict[str, Any]:
        """Answers with the state message of a session that has just continued the conversation."""
        count(request)
        try:
            record = await conversations.read(conversation)
        except StoreError:
            raise store_unreachable() from None
        if record is None:
            raise RefusedError(404, Reason.REQUEST, "conversation: none with this name exists (any more)")
        response.headers["Cache-Control"] = "no-store"
        return view(State(history=record.history, calls=record.calls))

    @app.delete("/conversations/{conversation}", status_code=204)
    async def delete_conversation(conversation: Name, request: Request) -> None:
        """Answers in the same way if there is no such conversation, because the result is the same."""
        count(request)
        services.invitations.clear(conversation_key(conversation))
        try:
            await conversations.delete(conversation)
        except StoreError:
            raise store_unreachable() from None


def store_unreachable() -> RefusedError:
    message = "The conversations can't be reached just now. Please try again in a moment."
    return RefusedError(503, Reason.STORE, message, RETRY_S)
