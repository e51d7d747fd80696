"""The rhythm of a bus in simulated time: a dead slave is asked ever more rarely and holds up nobody."""

import itertools

import pytest

from satomori_edge.sources.schedule import Schedule

ANSWER_S = 0.02


def simulate(intervals: dict[str, float], dead: set[str], timeout_s: float, until_s: float) -> dict[str, list[float]]:
    """When each was asked, where each answer takes ANSWER_S and each silence the timeout."""
    now_s = 0.0
    schedule = Schedule(list(intervals.items()), timeout_s, now_s)
    asked: dict[str, list[float]] = {who: [] for who in intervals}
    while now_s < until_s:
        turn, wait_s = schedule.next(now_s)
        if wait_s:
            now_s += wait_s
            continue
        asked[turn.who].append(now_s)
        if turn.who in dead:
            now_s += timeout_s
            schedule.failed(turn, now_s)
        else:
            now_s += ANSWER_S
            schedule.answered(turn, now_s)
    return asked


def test_everyone_keeps_a_fixed_rhythm() -> None:
    asked = simulate({"a": 1.0, "b": 2.5}, set(), 0.5, 100)
    assert len(asked["a"]) == 100
    assert all(abs(at - round(at)) < 2 * ANSWER_S for at in asked["a"])
    assert len(asked["b"]) == 40


def test_a_dead_slave_holds_up_nobody_after_its_first_silences() -> None:
    asked = simulate({"a": 1.0, "dead": 1.0, "b": 1.0}, {"dead"}, 0.5, 3600)
    for who in ("a", "b"):
        late = [at for at in asked[who] if at % 1.0 > 2.5 * ANSWER_S]
        assert len(asked[who]) == 3600
        assert len(late) <= 2  # the two silences that it takes to know


def test_a_dead_slave_is_asked_ever_more_rarely_but_never_forgotten() -> None:
    asked = simulate({"a": 1.0, "dead": 1.0}, {"dead"}, 0.5, 3600)["dead"]
    gaps = [b - a for a, b in itertools.pairwise(asked)]
    assert len(asked) < 25
    assert max(gaps) < 320


def test_a_bus_without_room_is_held_up_now_and_then() -> None:
    """Answers every 0.2 s leave no room for a silence of 0.5 s."""
    asked = simulate({"a": 0.2, "dead": 0.2}, {"dead"}, 0.5, 600)
    assert 3 < len(asked["dead"]) < 60
    assert len(asked["a"]) > 2900


def test_only_dead_slaves() -> None:
    asked = simulate({"x": 1.0, "y": 1.0}, {"x", "y"}, 0.5, 600)
    assert all(3 < len(times) < 25 for times in asked.values())


def test_one_that_is_back_has_its_rhythm_again() -> None:
    schedule = Schedule([("a", 1.0)], 0.5, 0.0)
    turn, _ = schedule.next(0.0)
    assert [schedule.failed(turn, 0.5), schedule.failed(turn, 1.5), schedule.failed(turn, 4.0)] == [False, True, False]
    assert schedule.answered(turn, turn.due_s + 0.1)
    following, wait_s = schedule.next(turn.due_s - 0.4)
    assert following is turn
    assert wait_s == pytest.approx(0.4)
