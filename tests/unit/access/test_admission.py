"""Client addresses, session limits, daily minutes and rates, on a clock that the tests set."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.manual_clock import Clock
from tests.support.shared_places import SharedInMemory
from voicebot.access import rates
from voicebot.access.address import client_address
from voicebot.access.admission import DAY_S, Admission, RefusedError, SessionSlot
from voicebot.access.close_codes import CloseCode, SessionClosed
from voicebot.access.rates import AddressBuckets, FloodError, MessageRate, TokenBucket
from voicebot.runtime import limits
from voicebot.settings import config

ANN, BOB = "192.0.2.1", "192.0.2.2"


MIDNIGHT_S = 20_000.0 * DAY_S


def admission(clock: Clock | None = None, **settings: Any) -> Admission:
    clock = clock or Clock(MIDNIGHT_S)
    return Admission(config.load(**settings), clock, clock)


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "address"),
    [
        ("192.0.2.9", None, 0, "192.0.2.9"),
        ("192.0.2.9", "1.1.1.1", 0, "192.0.2.9"),
        ("10.0.0.1", "1.1.1.1", 1, "1.1.1.1"),
        ("10.0.0.1", "6.6.6.6, 1.1.1.1", 1, "1.1.1.1"),
        ("10.0.0.1", "6.6.6.6, 1.1.1.1, 10.0.0.2", 2, "1.1.1.1"),
        ("10.0.0.1", "1.1.1.1", 2, "10.0.0.1"),
        ("10.0.0.1", None, 1, "10.0.0.1"),
        ("10.0.0.1", "<script>", 1, "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1:5678", 1, "1.1.1.1"),
        ("10.0.0.1", "[2001:db8:1:2:3::4]:5678", 1, "2001:db8:1:2::/64"),
        ("::ffff:1.1.1.1", None, 0, "1.1.1.1"),
        ("2001:db8:1:2:aaaa::1", None, 0, "2001:db8:1:2::/64"),
        (None, None, 0, "unknown"),
    ],
)
def test_the_client_address_trusts_only_the_configured_number_of_proxies(
    peer: str | None, forwarded: str | None, proxies: int, address: str
) -> None:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    scope = {"type": "websocket", "client": None if peer is None else (peer, 1), "headers": headers}
    assert client_address(scope, proxies) == address


async def test_sessions_are_limited_in_total_and_for_each_address() -> None:
    register = admission(max_sessions=3, max_sessions_per_address=2)
    first, second = await register.take_slot(ANN), await register.take_slot(ANN)
    with pytest.raises(RefusedError, match="You have 2 sessions open") as refused:
        await register.take_slot(ANN)
    assert refused.value.status == 429
    await register.take_slot(BOB)
    with pytest.raises(RefusedError, match="All 3 places are taken") as refused:
        await register.take_slot(BOB)
    assert refused.value.status == 503
    first.release()
    first.release()
    assert register.sessions == 2
    await register.take_slot(ANN)
    second.release()


async def test_a_session_hands_its_place_to_the_session_that_replaces_it() -> None:
    register = admission(max_sessions=2, max_sessions_per_address=1)
    old = await register.take_slot(ANN)
    new = await register.take_slot(ANN, old)
    with pytest.raises(RefusedError, match="You have"):
        await register.take_slot(ANN, old)
    old.release()
    new.release()
    assert register.sessions == 0


async def test_zero_sessions_per_address_means_no_limit() -> None:
    register = admission(max_sessions=6, max_sessions_per_address=0)
    assert len([await register.take_slot(ANN) for _ in range(6)]) == 6


async def test_a_session_ends_after_its_time_limit() -> None:
    clock = Clock(MIDNIGHT_S)
    slot = await admission(clock, session_minutes=2).take_slot(ANN)
    clock.now_s += 119
    assert slot.closed_by_limit() is None
    clock.now_s += 2
    assert slot.closed_by_limit() == SessionClosed(CloseCode.TIME, "The time limit of 2 minutes is over.")


async def test_the_time_left_obeys_the_session_limit_and_the_daily_minutes() -> None:
    clock = Clock(MIDNIGHT_S)
    register = admission(clock, session_minutes=20, minutes_per_day_per_address=30)
    first = await register.take_slot(ANN)
    assert first.left_s == 20 * 60
    clock.now_s += 10 * 60
    assert first.left_s == 10 * 60
    second = await register.take_slot(ANN)
    assert second.left_s == 10 * 60, "both sessions share the 20 minutes that are left of the day"
    clock.now_s += 25 * 60
    assert (first.left_s, second.left_s) == (0, 0)
    assert (await admission(clock, session_minutes=20).take_slot(ANN)).left_s == 20 * 60


async def test_daily_minutes_are_summed_over_all_sessions_of_an_address() -> None:
    clock = Clock(MIDNIGHT_S)
    clock.now_s += DAY_S / 2
    register = admission(clock, minutes_per_day_per_address=10)
    slot = await register.take_slot(ANN)
    clock.now_s += 4 * 60
    slot.release()
    clock.now_s += 3_600
    both = [await register.take_slot(ANN), await register.take_slot(ANN)]
    clock.now_s += 2.9 * 60
    assert [each.closed_by_limit() for each in both] == [None, None]
    clock.now_s += 0.2 * 60
    assert all("used the 10 minutes" in str(each.closed_by_limit()) for each in both)
    for each in both:
        each.release()
    with pytest.raises(RefusedError, match="10 minutes") as refused:
        await register.take_slot(ANN)
    assert refused.value.status == 429
    assert refused.value.headers == {"Retry-After": str(DAY_S // 2 - 3_600 - 426)}
    (await register.take_slot(BOB)).release()
    clock.now_s += DAY_S / 2
    await register.take_slot(ANN)


async def test_a_session_over_midnight_is_charged_to_both_days() -> None:
    clock = Clock(MIDNIGHT_S)
    clock.now_s += DAY_S - 9 * 60
    slot = await admission(clock, minutes_per_day_per_address=10).take_slot(ANN)
    clock.now_s += 18 * 60
    assert slot.closed_by_limit() is None
    clock.now_s += 2 * 60
    assert slot.closed_by_limit() is not None


async def test_an_address_that_connects_too_often_has_to_wait() -> None:
    clock = Clock(MIDNIGHT_S)
    register = admission(clock, offers_per_minute=3)
    for _ in range(3):
        (await register.take_slot(ANN)).release()
    with pytest.raises(RefusedError, match="too often") as refused:
        await register.take_slot(ANN)
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "20"})
    (await register.take_slot(BOB)).release()
    clock.now_s += 20
    (await register.take_slot(ANN)).release()


# Clients that are connecting --------------------------------------------------------------------------------------


async def test_an_offer_holds_no_place_until_its_client_has_connected() -> None:
    register = admission(max_sessions=1)
    asking = [await register.add_pending(ANN), await register.add_pending(BOB), await register.add_pending("192.0.2.3")]
    assert (register.sessions, register.pending) == (0, 3)
    asking[1].occupy()
    assert (register.sessions, register.pending) == (1, 2)
    with pytest.raises(RefusedError, match="All 1 places are taken"):
        asking[0].occupy()
    with pytest.raises(RefusedError, match="All 1 places are taken"):
        await register.add_pending(BOB)
    asking[1].release()
    asking[2].occupy()
    assert (register.sessions, register.pending) == (1, 1)


async def test_the_oldest_offer_of_an_address_is_dropped_for_a_new_one_above_the_limit() -> None:
    register = admission(max_sessions_per_address=2)
    asking = [await register.add_pending(ANN) for _ in range(limits.PENDING_OFFERS_PER_ADDRESS)]
    for lost in (1, 2):
        asking.append(await register.add_pending(ANN))
        assert [slot.displaced for slot in asking] == [number < lost for number in range(len(asking))]
    assert register.pending == limits.PENDING_OFFERS_PER_ADDRESS


async def test_a_full_offer_list_drops_the_oldest_offer_of_the_address_with_most_offers() -> None:
    register = admission(max_sessions_per_address=0, max_sessions=2)
    honest = await register.add_pending(BOB)
    greedy = [await register.add_pending(ANN) for _ in range(limits.PENDING_OFFERS - 1)]
    late = await register.add_pending("192.0.2.3")
    assert [slot.displaced for slot in greedy[:2]] == [True, False]
    assert not honest.displaced
    assert not late.displaced
    assert register.pending == limits.PENDING_OFFERS
    honest.occupy()
    late.occupy()


async def test_pending_offers_never_end_a_running_session() -> None:
    register = admission(max_sessions=2, max_sessions_per_address=0, offers_per_minute=1_000)
    session = await register.add_pending(ANN)
    session.occupy()
    for number in range(3 * limits.PENDING_OFFERS):
        await register.add_pending(f"192.0.2.{number}")
    assert not session.displaced
    assert session.closed_by_limit() is None
    assert register.sessions == 1


async def test_the_time_of_a_session_begins_when_its_client_has_connected() -> None:
    clock = Clock(MIDNIGHT_S)
    slot = await admission(clock, session_minutes=2).add_pending(ANN)
    clock.now_s += 10
    slot.occupy()
    assert slot.left_s == 120


# Several processes ------------------------------------------------------------------------------------------------


def two_processes(shared: SharedInMemory, clock: Clock | None = None, **settings: Any) -> list[Admission]:
    clock, loaded = clock or Clock(MIDNIGHT_S), config.load(**settings)
    return [Admission(loaded, clock, clock, shared=shared, processes=2) for _ in range(2)]


async def talk(register: Admission, address: str = ANN, conversation: str | None = None) -> SessionSlot:
    """Begins a session of `/ws`."""
    slot = await register.take_slot(address, None, conversation)
    try:
        await slot.confirm(conversation)
    except RefusedError:
        slot.release()
        raise
    return slot


async def test_the_limits_hold_for_two_processes_whose_clients_come_at_once() -> None:
    shared = SharedInMemory()
    registers = two_processes(shared, max_sessions=5, max_sessions_per_address=2)
    asking = [talk(registers[number % 2], f"192.0.2.{number % 4}") for number in range(40)]
    results = await asyncio.gather(*asking, return_exceptions=True)
    slots = [each for each in results if isinstance(each, SessionSlot)]
    assert len(slots) == sum(register.sessions for register in registers) == shared.taken == 5
    assert {type(each) for each in results} == {SessionSlot, RefusedError}
    assert [register.is_full for register in registers] == [True, True]
    slots[0].release()
    assert [register.is_full for register in registers] == [False, False]
    await talk(registers[0], slots[0].address)
    with pytest.raises(RefusedError, match="All 5 places are taken"):
        await talk(registers[1], "192.0.2.9")
    assert shared.taken == 5


async def test_an_offer_is_refused_while_another_process_has_the_last_place_and_displaces_nobody() -> None:
    shared = SharedInMemory()
    first, second = two_processes(shared, max_sessions=1)
    pending = [await first.add_pending(ANN) for _ in range(limits.PENDING_OFFERS_PER_ADDRESS)]
    slot = await talk(second, BOB, "conversation")
    with pytest.raises(RefusedError, match="All 1 places are taken"):
        await first.add_pending(ANN)
    assert not any(each.displaced for each in pending)
    pending[0].occupy()
    with pytest.raises(RefusedError, match="All 1 places are taken"):
        await pending[0].confirm("another")
    pending[0].release()
    await (await first.add_pending(ANN, conversation="conversation")).confirm("conversation")
    slot.release()


async def test_a_process_without_database_admits_its_share_and_ends_nobody() -> None:
    shared = SharedInMemory()
    first, second = two_processes(shared, max_sessions=5, max_sessions_per_address=0)
    before = [await talk(first) for _ in range(4)]
    shared.away = True
    with pytest.raises(RefusedError, match="All 5 places are taken"):
        await talk(first)
    for _ in range(3):
        await talk(second)
    with pytest.raises(RefusedError, match="All 5 places are taken"):
        await talk(second)
    assert [each.closed_by_limit() for each in before] == [None] * 4
    assert (first.sessions, second.sessions) == (4, 3)


async def test_a_session_replaces_its_own_place_while_the_database_is_away() -> None:
    shared = SharedInMemory(away=True)
    register, _ = two_processes(shared, max_sessions=2)
    old = await talk(register)
    new = await register.take_slot(ANN, old)
    await new.confirm(None)
    assert register.sessions == 2
    old.release()


async def test_the_minutes_of_an_address_are_summed_over_processes() -> None:
    clock, shared = Clock(MIDNIGHT_S), SharedInMemory()
    first, second = two_processes(shared, clock, minutes_per_day_per_address=10)
    slots = [await talk(first), await talk(second)]
    clock.now_s += 299
    assert [slot.closed_by_limit() for slot in slots] == [None, None]
    clock.now_s += 1.5
    assert slots[0].closed_by_limit() is None, "the other one has not charged its last seconds yet"
    assert slots[1].closed_by_limit() is not None
    assert slots[0].closed_by_limit() is not None
    for slot in slots:
        slot.release()
    with pytest.raises(RefusedError, match="10 minutes"):
        await talk(second)
    await talk(second, BOB)
    clock.now_s += DAY_S
    await talk(second)


# Jumps of the wall clock ------------------------------------------------------------------------------------------


async def test_a_wall_clock_jump_neither_ends_a_session_nor_delays_a_new_one() -> None:
    clock, wall = Clock(MIDNIGHT_S), Clock(MIDNIGHT_S)
    register = Admission(config.load(session_minutes=20, offers_per_minute=1), clock, wall)
    slot = await register.take_slot(ANN)
    for step_s in (3_600, 10 * DAY_S, -20 * DAY_S):
        wall.now_s += step_s
        assert slot.closed_by_limit() is None
        assert slot.left_s == 20 * 60
    clock.now_s += 60
    await register.take_slot(ANN)


async def test_a_wall_clock_set_back_grants_no_new_daily_minutes() -> None:
    clock, wall = Clock(MIDNIGHT_S), Clock(MIDNIGHT_S)
    wall.now_s += DAY_S / 2
    register = Admission(config.load(minutes_per_day_per_address=10), clock, wall)
    slot = await register.take_slot(ANN)
    clock.now_s += 601
    slot.release()
    for step_s in (-3_600, -DAY_S, DAY_S, -DAY_S, DAY_S):
        wall.now_s += step_s
        with pytest.raises(RefusedError, match="10 minutes"):
            await register.take_slot(ANN)
    wall.now_s -= 5 * DAY_S
    clock.now_s += DAY_S
    await register.take_slot(ANN)


async def test_a_wall_clock_set_forward_by_a_day_begins_exactly_one_new_day() -> None:
    clock, wall = Clock(MIDNIGHT_S), Clock(MIDNIGHT_S)
    register = Admission(config.load(minutes_per_day_per_address=10), clock, wall)
    for _ in range(2):
        slot = await register.take_slot(ANN)
        clock.now_s += 601
        slot.release()
        with pytest.raises(RefusedError, match="10 minutes"):
            await register.take_slot(ANN)
        wall.now_s = 20_001.0 * DAY_S
    wall.now_s = 20_000.0 * DAY_S
    with pytest.raises(RefusedError, match="10 minutes"):
        await register.take_slot(ANN)
    wall.now_s = 20_001.0 * DAY_S
    with pytest.raises(RefusedError, match="10 minutes"):
        await register.take_slot(ANN)


# Rates ------------------------------------------------------------------------------------------------------------


def test_a_token_bucket_refills_up_to_its_capacity() -> None:
    clock = Clock(MIDNIGHT_S)
    bucket = TokenBucket(2.0, 3.0, clock)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_s == 0.5
    clock.now_s += 0.5
    assert bucket.wait_s == 0
    assert [bucket.take(), bucket.take()] == [True, False]
    clock.now_s += 100
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_tokens_that_others_have_taken_are_missing_and_come_back() -> None:
    clock = Clock(MIDNIGHT_S)
    bucket = TokenBucket(1.0, 3.0, clock)
    bucket.miss(2)
    assert [bucket.take(), bucket.take()] == [True, False]
    bucket.miss(1)
    assert not bucket.take(), "it knows of more that are missing"
    bucket.miss(5)
    assert bucket.wait_s == 3.0
    clock.now_s += 3
    assert bucket.take()


def test_tokens_that_are_given_back_can_be_taken_again_but_never_overfill_the_bucket() -> None:
    bucket = TokenBucket(1.0, 2.0, Clock(MIDNIGHT_S))
    assert [bucket.take(), bucket.take()] == [True, True]
    bucket.give_back()
    assert [bucket.take(), bucket.take()] == [True, False]
    bucket.give_back(5)
    assert [bucket.take(2), bucket.take()] == [True, False]


def test_address_buckets_forget_the_least_recent_address_when_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_ADDRESSES", 2)
    buckets = AddressBuckets(1.0, 1.0, Clock(MIDNIGHT_S))
    first, second = buckets.of("a"), buckets.of("b")
    assert buckets.of("a") is first
    buckets.of("c")
    assert buckets.of("a") is first
    assert buckets.of("b") is not second, "the least recent address must be forgotten"


def test_messages_above_the_rate_are_refused_and_a_flood_raises_an_error() -> None:
    clock = Clock(MIDNIGHT_S)
    rate = MessageRate(10.0, clock)
    assert [rate.refusal() for _ in range(50)] == [None] * 50
    refused = [rate.refusal() for _ in range(500)]
    assert set(refused) == {"too many messages: 10 a second are allowed; this one was ignored"}
    with pytest.raises(FloodError):
        rate.refusal()


def test_messages_at_the_allowed_rate_are_never_refused() -> None:
    clock = Clock(MIDNIGHT_S)
    rate = MessageRate(10.0, clock)
    for _ in range(2_000):
        clock.now_s += 0.1001
        assert rate.refusal() is None
