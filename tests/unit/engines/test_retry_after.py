"""The header Retry-After, in seconds or as a date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from voicebot.engines.retry_after import retry_after_s


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), ("", None), ("0", 0), (" 120 ", 120), ("1.5", 1.5), ("-3", None), ("soon", None), ("1e3", None)],
)
def test_a_plain_number_is_read_as_seconds_and_other_text_is_ignored(value: str | None, expected: float | None) -> None:
    assert retry_after_s(value) == expected


def test_a_date_is_read_as_the_seconds_until_then_and_a_past_date_as_zero() -> None:
    in_a_minute = datetime.now(UTC) + timedelta(seconds=60)
    assert retry_after_s(format_datetime(in_a_minute, usegmt=True)) == pytest.approx(60, abs=3)
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
