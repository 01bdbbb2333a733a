"""Parses the Retry-After header, by which a service says when to try again."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_s(value: str | None, now: datetime | None = None) -> float | None:
    """Returns the seconds from `now` on that a Retry-After header asks for (RFC 9110, 10.2.3).

    The header holds a number or a date. Returns None if it holds neither.
    """
    if value is None:
        return None
    value = value.strip()
    if value.replace(".", "", 1).isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    date = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
