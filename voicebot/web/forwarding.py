"""What one worker asks of the others for its clients: the answer to an offer, a recording, a session, their load."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from voicebot.access.admission import MINUTE_S, RefusedError
from voicebot.access.rates import AddressBuckets
from voicebot.access.refusal import Reason, RefusalCounter
from voicebot.session.conversation import conversation_key
from voicebot.session.services import AppServices
from voicebot.transports.webrtc.server import Offer
from voicebot.web.application import Application, Readiness
from voicebot.workers.siblings import ANSWER_S, SiblingAnswer, SiblingError, Siblings

LOAD_S = 0.1
"""For how long the loads of the siblings are known. Offers that are passed on meanwhile are added to them."""

OFFER_S = 15.0
"""How long a sibling may take to answer an offer, if it answers short questions meanwhile. A STUN server that does not
answer takes 5 s, as does a database."""

OFFERED_TO = 3
"""At most this many workers are asked to answer an offer. It bounds what a full server does for each offer."""

AGAIN_S = 2.0
"""When another attempt makes sense after a sibling was too slow."""

PASSED_OVER = (Reason.FULL, Reason.ENGINES, Reason.MOVING)
"""A worker that refuses an offer for one of these reasons does not speak for the others."""

REASON_HEADER = "voicebot-refusal"
"""Tells the worker that passes an answer on for which reason its sibling has refused the request."""

HEADERS = ("content-type", "content-disposition", "cache-control", "retry-after")
"""The headers of a sibling's answer that are passed on."""


class WorkerLoad(BaseModel):
    """What a worker does at this moment."""

    worker: int
    pid: int
    status: Readiness
    sessions: int
    connecting: int
    """The clients that are connecting, and may become sessions."""
    turns_today: int
    underruns: int


@dataclass(slots=True, eq=False)
class _Candidate:
    """A sibling that may answer an offer."""

    socket: Path
    load: WorkerLoad
    clients: int
    """Its sessions and the clients that are connecting, with those that were passed on to it since."""


def own_load(application: Application) -> WorkerLoad:
    """Returns the load of this process."""
    services = application.services
    return WorkerLoad(
        worker=0 if services.place is None else services.place.number,
        pid=os.getpid(),
        status=application.readiness,
        sessions=services.admission.sessions,
        connecting=services.admission.pending,
        turns_today=services.turns.used,
        underruns=sum(session.underruns for session in services.sessions),
    )


class Loads:
    """The loads of all workers. The siblings are asked when somebody needs them, once for all who do."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._siblings = application.services.siblings
        self._asking: asyncio.Task[list[_Candidate]] | None = None
        self._asked_s = 0.0

    async def all(self) -> list[WorkerLoad]:
        """Returns the loads of all workers that answer, by their numbers. An ending one comes after its replacement."""
        loads = [own_load(self._application), *(each.load for each in await self.candidates())]
        return sorted(loads, key=lambda load: (load.worker, load.status is Readiness.DRAINING))

    async def candidates(self) -> list[_Candidate]:
        """Returns the siblings that answer, as they were at most `LOAD_S` ago."""
        now_s = time.monotonic()
        if self._asking is None or (self._asking.done() and now_s - self._asked_s > LOAD_S):
            self._asked_s = now_s
            self._asking = asyncio.create_task(self._ask(), name="loads of the workers")
        return await asyncio.shield(self._asking)

    async def _ask(self) -> list[_Candidate]:
        found = []
        for answer in await self._siblings.ask_all("GET", "/load"):
            if isinstance(answer, SiblingAnswer) and answer.status == 200:
                load = WorkerLoad.model_validate_json(answer.content)
                found.append(_Candidate(answer.sibling, load, load.sessions + load.connecting))
        return found


def processes(loads: list[WorkerLoad]) -> dict[int, str]:
    """Returns the number of the worker of each process id. Workers that are ending and replaced are left out."""
    newest: dict[int, int] = {}
    for load in loads:
        newest.setdefault(load.worker, load.pid)
    return {pid: str(worker) for worker, pid in newest.items()}


class OfferForwarding:
    """Has the worker with the fewest sessions answer each offer.

    An offer that goes on with a conversation is answered by the worker that has it, if that worker takes sessions: so
    the last words, the place and a hand-over are passed on within one process.
    """

    def __init__(self, application: Application, loads: Loads, counter: RefusalCounter) -> None:
        self._webrtc, self._services = application.webrtc, application.services
        self._application, self._loads, self._counter = application, loads, counter
        per_minute = application.services.settings.offers_per_minute
        self._rates = AddressBuckets(per_minute / MINUTE_S, per_minute)

    async def answer(self, offer: Offer, client: str) -> Response:
        """Returns the answer to the client at the address `client`, or a sibling's refusal. Raises RefusedError.

        A worker that is full, has no working engine or ends meanwhile is passed over. The last refusal counts.

        The worker that answers counts the offer for the limits. This one has the same rate for what it passes on, or an
        address could have all workers asked as often as it likes.
        """
        if self._services.place is not None and not (bucket := self._rates.of(client)).take():
            raise RefusedError(429, Reason.RATE, "You are connecting too often. Please wait a little.", bucket.wait_s)
        refusals: list[RefusedError | SiblingAnswer] = []
        for candidate in await self._candidates(offer):
            try:
                if candidate is None:
                    return JSONResponse(await self._webrtc.answer(offer, client))
                answer = await self._forward(offer, client, candidate)
                if reason_of(answer) not in PASSED_OVER:
                    return passed_on(answer, self._counter)
                refusals.append(answer)
            except RefusedError as error:
                if error.reason not in PASSED_OVER:
                    raise
                refusals.append(error)
            except SiblingError:
                continue
            if len(refusals) == OFFERED_TO:
                break
        last = refusals[-1]
        if isinstance(last, SiblingAnswer):
            return passed_on(last, self._counter)
        raise last

    async def _forward(self, offer: Offer, client: str, candidate: _Candidate) -> SiblingAnswer:
        """Returns the sibling's answer. Raises SiblingError, and soon if its event loop stops meanwhile."""
        candidate.clients += 1
        siblings = self._services.siblings
        answering = asyncio.create_task(
            siblings.ask(candidate.socket, "POST", "/webrtc/offer", client=client, content=offer, within_s=OFFER_S),
            name="pass an offer on",
        )
        try:
            while not (await asyncio.wait([answering], timeout=ANSWER_S))[0]:
                await siblings.ask(candidate.socket, "GET", "/load")
            return await answering
        finally:
            answering.cancel()

    async def _candidates(self, offer: Offer) -> list[_Candidate | None]:
        """Returns the workers that may answer, the best one first. None stands for this one."""
        if self._services.place is None:
            return [None]
        own = own_load(self._application)
        siblings = await self._loads.candidates()
        holder = await self._holder(offer.conversation)
        ranks: dict[_Candidate | None, tuple[bool, bool, int, bool]] = {
            each: _rank(each.load.status, each.clients, has_it=each.socket == holder, is_here=False)
            for each in siblings
            if each.load.status is not Readiness.DRAINING
        }
        clients, has_it = own.sessions + own.connecting, self._holds(offer.conversation)
        ranks[None] = _rank(own.status, clients, has_it=has_it, is_here=True)
        return sorted(ranks, key=ranks.__getitem__)

    def _holds(self, conversation: str | None) -> bool:
        return conversation is not None and has_conversation(self._services, conversation_key(conversation))

    async def _holder(self, conversation: str | None) -> Path | None:
        """Returns the socket of the sibling that has the conversation; None if none has."""
        if conversation is None or self._holds(conversation):
            return None
        try:
            path = f"/conversations/{conversation_key(conversation)}"
            answer = await self._services.siblings.find("HEAD", path)
        except SiblingError:
            return None
        return None if answer is None else answer.sibling


def _rank(status: Readiness, clients: int, *, has_it: bool, is_here: bool) -> tuple[bool, bool, int, bool]:
    """Returns what a worker is sorted by, the best one first. `has_it` if it has the conversation that goes on.

    A full worker can go on with its own conversations, as the new session gets the place of the old one.
    """
    can = status is Readiness.READY or (has_it and status is Readiness.FULL)
    return not can, not has_it, clients, not is_here


def has_conversation(services: AppServices, key: str) -> bool:
    """Returns whether this process has a conversation's session, invitations to it, or its import in memory."""
    held = services.conversations.held_imports
    return services.invitations.know(key) or any(conversation_key(id) == key for id in held)


async def session_lives(services: AppServices, session_id: str) -> bool:
    """Returns whether the session goes on, here or in another worker. Raises RefusedError if that is not known."""
    if services.sessions.has(session_id):
        return True
    try:
        return await services.siblings.find("GET", f"/webrtc/sessions/{session_id}") is not None
    except SiblingError:
        raise too_slow() from None


class ForwardedDownload(Response):
    """The recording of a sibling, passed on piece by piece. If it breaks off, the archive ends incomplete."""

    def __init__(self, siblings: Siblings, sibling: Path, path: str, client: str, counter: RefusalCounter) -> None:
        super().__init__()
        self._siblings, self._sibling, self._path, self._client = siblings, sibling, path, client
        self._counter = counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False
        try:
            async with self._siblings.stream(self._sibling, self._path, client=self._client) as answer:
                if answer.is_error:
                    content = await answer.aread()
                    refusal = SiblingAnswer(self._sibling, answer.status_code, answer.headers, content)
                    await passed_on(refusal, self._counter)(scope, receive, send)
                    return
                headers = _headers(answer.headers)
                started = True
                await StreamingResponse(answer.aiter_raw(), headers=headers)(scope, receive, send)
        except SiblingError:
            if not started:
                raise too_slow() from None


def passed_on(answer: SiblingAnswer, counter: RefusalCounter) -> Response:
    """Returns the answer of a sibling as the answer to a client. Counts it if it is a refusal: siblings do not."""
    if (reason := reason_of(answer)) is not None:
        counter.count_refusal(reason)
    return Response(answer.content, answer.status, _headers(answer.headers))


def reason_of(answer: SiblingAnswer) -> Reason | None:
    """Returns the reason of a sibling's refusal; None for any other answer."""
    return Reason(answer.headers[REASON_HEADER]) if REASON_HEADER in answer.headers else None


def too_slow() -> RefusedError:
    message = "A part of the server does not answer just now. Please try again in a moment."
    return RefusedError(503, Reason.FULL, message, AGAIN_S)


def _headers(headers: httpx.Headers) -> dict[str, str]:
    return {name: headers[name] for name in HEADERS if name in headers}
