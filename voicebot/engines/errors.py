"""Why an engine failed, in terms that tell what to try next."""

from __future__ import annotations

from enum import StrEnum

from voicebot.dialogue.errors import ErrorCode, ErrorReport


class Fault(StrEnum):
    """The kind of an engine's failure, which decides what to try next."""

    DENIED = "denied"
    """The key is not accepted (401, 403), and will not be accepted soon."""
    UNPAID = "unpaid"
    """The account has no credit left (402, or a code that says so), and will not have any soon."""
    REJECTED = "rejected"
    """The request is not accepted (another 4xx), and would not be the next time."""
    MISSING = "missing"
    """The service does not have the model (404), and will not have it soon."""
    LIMITED = "limited"
    """There were too many requests (429), or a request is too large for the account's model limits (413)."""
    UNREACHABLE = "unreachable"
    """There is no connection: it was refused, the host is unknown, or there is no network."""
    SERVER = "server"
    """The service failed (5xx)."""
    TIMEOUT = "timeout"
    """Nothing came in time."""
    BROKEN = "broken"
    """The output was cut short or made no sense, or the engine itself failed."""
    UNSUITABLE = "unsuitable"
    """The engine works, but cannot do this one request, such as Russian text with an English voice."""

    @classmethod
    def of_status(cls, status: int) -> Fault:
        """Returns the fault that an HTTP status of 400 or more means."""
        if status in (401, 403):
            return cls.DENIED
        if status == 402:
            return cls.UNPAID
        if status == 429:
            return cls.LIMITED
        if status in (408, 504):
            return cls.TIMEOUT
        return cls.SERVER if status >= 500 else cls.REJECTED

    @property
    def error_code(self) -> ErrorCode:
        """The code that users and clients get for this fault."""
        if self in (Fault.DENIED, Fault.UNPAID):
            return ErrorCode.CREDENTIALS
        if self in (Fault.UNREACHABLE, Fault.SERVER, Fault.TIMEOUT, Fault.LIMITED):
            return ErrorCode.UNAVAILABLE
        return ErrorCode.ENGINE


class EngineError(Exception):
    """An engine failed. The message says which engine and why, is safe to show to users, and holds no key.

    `retry_after_s` is how long a rate-limited service asks to wait; None if it does not say. `repeatable` is False if
    the request has had effects outside that must not happen twice.
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

    @property
    def report(self) -> ErrorReport:
        """What users and clients are told of this error."""
        return ErrorReport(self.fault.error_code, str(self))


class GraphError(EngineError):
    """An operator's own graph failed, or the factory that makes it; the model that the bot gave to it may well work."""
