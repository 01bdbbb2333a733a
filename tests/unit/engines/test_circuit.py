"""The circuit breaker lets an engine rest after a failure."""

from __future__ import annotations

import pytest

from tests.support.manual_clock import Clock
from voicebot.engines.circuit import LONGEST_REST_S, UNUSED, CircuitBreaker
from voicebot.engines.errors import EngineError, Fault


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(10.0, clock)


def broken(fault: Fault = Fault.SERVER, retry_after_s: float | None = None) -> EngineError:
    return EngineError("gtts", "it broke", fault=fault, retry_after_s=retry_after_s)


def test_a_failure_opens_the_circuit_until_the_rest_is_over(circuit: CircuitBreaker, clock: Clock) -> None:
    assert circuit.closed
    circuit.failed(broken())
    clock.now_s += 9.9
    assert not circuit.closed
    assert circuit.remaining_s == pytest.approx(0.1)
    clock.now_s += 0.2
    assert circuit.closed


def test_unsuitable_work_does_not_open_the_circuit(circuit: CircuitBreaker) -> None:
    """This holds for any number of such requests."""
    for _ in range(5):
        circuit.failed(broken(Fault.UNSUITABLE))
    assert circuit.closed
    assert circuit.error is None


def test_each_further_failure_doubles_the_rest_up_to_a_limit(circuit: CircuitBreaker, clock: Clock) -> None:
    rests = []
    for _ in range(9):
        circuit.failed(broken())
        rests.append(circuit.remaining_s)
        clock.now_s += circuit.remaining_s
    assert rests == [10, 20, 40, 80, 160, 320, LONGEST_REST_S, LONGEST_REST_S, LONGEST_REST_S]


def test_failures_while_the_circuit_is_open_count_as_one_failure(circuit: CircuitBreaker, clock: Clock) -> None:
    for _ in range(8):
        circuit.failed(broken())
        clock.now_s += 0.1
    assert circuit.remaining_s == pytest.approx(9.9)
    clock.now_s += 9.9
    circuit.failed(broken())
    assert circuit.remaining_s == pytest.approx(20)


def test_any_number_of_failures_keeps_the_rest_at_its_limit(circuit: CircuitBreaker, clock: Clock) -> None:
    for _ in range(2_000):
        circuit.failed(broken())
        clock.now_s += circuit.remaining_s
    circuit.failed(broken(Fault.DENIED))
    assert circuit.remaining_s == LONGEST_REST_S


def test_a_shorter_rest_does_not_end_a_longer_one(circuit: CircuitBreaker) -> None:
    circuit.failed(broken(Fault.DENIED))
    circuit.failed(broken())
    assert circuit.remaining_s == 10 * UNUSED


def test_success_closes_the_circuit_and_resets_the_failure_count(circuit: CircuitBreaker, clock: Clock) -> None:
    circuit.failed(broken())
    circuit.failed(broken())
    circuit.worked()
    assert circuit.closed
    assert circuit.error is None
    circuit.failed(broken())
    assert circuit.remaining_s == 10


def test_a_good_probe_closes_the_circuit_but_keeps_the_failure_count(circuit: CircuitBreaker) -> None:
    circuit.failed(broken())
    circuit.may_work()
    assert circuit.closed
    circuit.failed(broken())
    assert circuit.remaining_s == 20


@pytest.mark.parametrize("fault", [Fault.DENIED, Fault.UNPAID, Fault.MISSING])
def test_a_fault_that_only_an_operator_can_fix_causes_a_longer_rest(circuit: CircuitBreaker, fault: Fault) -> None:
    circuit.failed(broken(fault))
    assert circuit.remaining_s == 10 * UNUSED


def test_a_service_may_ask_for_a_longer_rest(circuit: CircuitBreaker) -> None:
    circuit.failed(broken(Fault.LIMITED, retry_after_s=45))
    assert circuit.remaining_s == 45


def test_a_single_rejected_request_does_not_open_the_circuit(circuit: CircuitBreaker) -> None:
    circuit.failed(broken(Fault.REJECTED))
    assert circuit.closed
    assert circuit.error is not None


def test_rejected_requests_in_a_row_open_the_circuit(circuit: CircuitBreaker, clock: Clock) -> None:
    circuit.failed(broken(Fault.REJECTED))
    circuit.failed(broken(Fault.REJECTED))
    assert circuit.remaining_s == 10
    clock.now_s += 10
    circuit.worked()
    circuit.failed(broken(Fault.REJECTED))
    assert circuit.closed


def test_a_rejected_probe_closes_the_circuit_but_leaves_its_error(circuit: CircuitBreaker) -> None:
    circuit.failed(broken())
    circuit.may_work(doubt=broken(Fault.REJECTED))
    assert circuit.closed
    assert circuit.error is not None
