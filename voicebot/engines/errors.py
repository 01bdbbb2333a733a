"""Why an engine failed, in terms that tell what to try next."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """Why an engine failed, as far as it matters for what to try next."""

    DENIED = "denied"
    """The key is not accepted (401, 403): it will not be soon."""
    UNPAID = "unpaid"
    """The account has no credit left (402, or a code that says so): it will not have any soon."""
    REJECTED = "rejected"
    """The request is not accepted (another 4xx): the same one will not be."""
    MISSING = "missing"
    """The service has no such model (404): it will not have it soon."""
    LIMITED = "limited"
    """Too many requests (429), or, of a model, one that is too large for the account (413)."""
    UNREACHABLE = "unreachable"
    """No connection: refused, no such host, no network."""
    SERVER = "server"
    """The service failed (5xx)."""
    TIMEOUT = "timeout"
    """Nothing came in time."""
    BROKEN = "broken"
    """What came was cut short or made no sense; or the engine itself failed."""
    UNSUITABLE = "unsuitable"
    """The engine cannot do this one piece of work, such as saying Russian in an English voice. It is well otherwise."""

    @classmethod
    def of_status(cls, status: int) -> Fault:
        """What an HTTP status of 400 or more means."""
        if status in (401, 403):
            return cls.DENIED
        if status == 402:
            return cls.UNPAID
        if status == 429:
            return cls.LIMITED
        if status in (408, 504):
            return cls.TIMEOUT
        return cls.SERVER if status >= 500 else cls.REJECTED


class EngineError(Exception):
    """An engine could not do its work. The text says which engine and why, is safe to show, and holds no key.

    `retry_after_s` is what a service that was asked too often said about when to come back; None if it said nothing.
    Not `repeatable` is what has had effects outside by then, which must not come twice.
    """

    def __init__(
        self,
        engine: str,
        message: str,
        *,
        fault: Fault = Fault.BROKEN,
        retry_after_s: float | None = None,
        repeatable: bool = True,
    ) -> None:
        super().__init__(f"{engine}: {message}")
        self.engine = engine
        self.message = message
        self.fault = fault
        self.retry_after_s = retry_after_s
        self.repeatable = repeatable
