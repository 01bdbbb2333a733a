"""The rule by which a microphone counts as silent."""

from __future__ import annotations

from voicebot.session.quiet import LOOK_AGAIN_S, QUIET_S, QuietWatch

FRAME_S = 0.02


def test_a_microphone_that_stops_sending_counts_as_silent_after_a_short_delay() -> None:
    watch = QuietWatch()
    quiet = [watch.is_quiet(frame * FRAME_S, heard_s=0.0) for frame in range(30)]
    first = quiet.index(True) * FRAME_S
    assert QUIET_S + LOOK_AGAIN_S - 0.001 <= first <= QUIET_S + LOOK_AGAIN_S + 2 * FRAME_S
    assert all(quiet[quiet.index(True) :])


def test_a_stall_of_the_event_loop_does_not_count_as_a_silent_microphone() -> None:
    watch = QuietWatch()
    assert not watch.is_quiet(1.0, heard_s=1.0)
    assert not watch.is_quiet(1.8, heard_s=1.0), "the event loop stalled for 0.8 s, so that nothing could be read"
    assert not watch.is_quiet(1.82, heard_s=1.81)
    assert not watch.is_quiet(2.2, heard_s=1.82), "the loop stalled again after the microphone was heard"
    assert watch.is_quiet(2.2 + LOOK_AGAIN_S, heard_s=1.82)
