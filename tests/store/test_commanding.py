"""What becomes of a command, as a pure function of replies and time, and what an actuator takes."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_core.clock import SECOND_US
from satomori_core.commands import Action, Outcome, Reply
from satomori_core.errors import RejectedError
from satomori_store.commanding import (
    GRACE_US,
    NOT_SENT,
    RESEND_US,
    Allowed,
    Course,
    State,
    answered,
    check,
    from_json,
    next_step,
    parse_allowed,
)

EXPIRES_US = 30 * SECOND_US
GIVE_UP_US = EXPIRES_US + GRACE_US
GATE = {"name": "gate", "values": [0, 1], "unit": "1", "fail_safe": 0, "run_s_max": 600, "settle_s": 5, "device": "io"}
VALVE = {"name": "valve", "min": 0, "max": 100, "unit": "%", "fail_safe": 0}


def step(course: Course, at_us: int, *, can_send: bool = True, can_hear: bool = True) -> Course | None:
    return next_step(course, EXPIRES_US, GIVE_UP_US, at_us, can_send=can_send, can_hear=can_hear)


def reply(outcome: Outcome = Outcome.DONE, **more: object) -> Reply:
    return replace(Reply("c1", 5 * SECOND_US, outcome), **more)  # type: ignore[arg-type]


def test_it_is_sent_again_until_it_expires_and_then_it_is_lost() -> None:
    """Each two seconds; the last time before it expires; given up only after the grace."""
    course, sent = Course(), []
    for at_us in range(0, GIVE_UP_US + SECOND_US, SECOND_US // 4):
        course_now = step(course, at_us)
        if course_now is not None and course_now.sent_count > course.sent_count:
            sent.append(at_us)
        elif course_now is not None:
            assert (course_now.state, at_us) == (State.LOST, GIVE_UP_US)
        course = course_now or course
    assert sent == list(range(0, EXPIRES_US, RESEND_US))
    assert course.state is State.LOST


def test_what_could_never_be_sent_is_expired_and_not_lost() -> None:
    """The broker was away: nothing was carried out, and that is said."""
    assert step(Course(), EXPIRES_US - 1, can_send=False) is None
    expired = step(Course(), EXPIRES_US)
    assert expired is not None
    assert (expired.state, expired.reason, expired.sent_count) == (State.EXPIRED, NOT_SENT, 0)


def test_nothing_is_said_to_be_lost_by_one_who_can_not_hear() -> None:
    sent = Course(State.SENT, 1, 0)
    assert step(sent, GIVE_UP_US * 2, can_hear=False) is None
    lost = step(sent, GIVE_UP_US * 2)
    assert lost is not None
    assert lost.state is State.LOST


@pytest.mark.parametrize("outcome", Outcome)
def test_a_reply_settles_it(outcome: Outcome) -> None:
    """Nothing is due any more, however late it gets."""
    course = answered(Course(State.SENT, 1, 0), reply(outcome, reason="why", read_back=1.0), SECOND_US)
    assert (course.state.value, course.outcome, course.reason) == (outcome.value, outcome, "why")
    assert (course.read_back, course.replied_us, course.late) == (1.0, SECOND_US, False)
    assert step(course, GIVE_UP_US * 2) is None


def test_a_reply_after_it_was_said_lost_is_told_as_late() -> None:
    course = answered(Course(State.LOST, 15, 28 * SECOND_US), reply(), GIVE_UP_US + SECOND_US)
    assert (course.state, course.late) == (State.DONE, True)
    assert answered(course, reply(repeated=True), GIVE_UP_US + 2 * SECOND_US).late


def test_the_first_outcome_stays_and_what_comes_later_adds_to_it() -> None:
    """A repeated reply is counted; the end of a run and what is read then are taken."""
    course = answered(Course(State.SENT, 1, 0), reply(read_back=1.0, until_us=60), 10)
    course = answered(course, reply(Outcome.EXPIRED, repeated=True, read_back=9.0, reason="other"), 20)
    assert (course.state, course.reason, course.read_back, course.replies) == (State.DONE, "", 1.0, 2)
    course = answered(course, reply(read_back=0.0, ended_us=60, ended_why="run_time"), 30)
    assert (course.read_back, course.until_us, course.ended_us, course.ended_why) == (0.0, 60, 60, "run_time")
    assert (course.replies, course.replied_us, course.last_reply_us) == (3, 10, 30)
    again = answered(course, reply(repeated=True, read_back=1.0, until_us=60), 40)
    assert (again.ended_us, again.read_back) == (60, 0.0)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("time"), st.integers(0, 20 * SECOND_US), st.booleans()),
            st.tuples(st.sampled_from(Outcome), st.integers(0, SECOND_US), st.booleans()),
        ),
        max_size=40,
    )
)
def test_whatever_happens_an_outcome_is_final_and_nothing_settled_is_sent(events: list[tuple[str, int, bool]]) -> None:
    course, at_us = Course(), 0
    for what, wait_us, flag in events:
        at_us += wait_us
        before = course
        if what == "time":
            course = step(course, at_us, can_send=flag) or course
            if course.sent_count > before.sent_count:
                assert before.outcome is None
                assert before.state in {State.WAITING, State.SENT}
                assert at_us < EXPIRES_US
        else:
            course = answered(course, reply(Outcome(what), repeated=flag), at_us)
            assert course.replies == before.replies + 1
        if before.outcome is not None:
            assert (course.outcome, course.state, course.late) == (before.outcome, before.state, before.late)


@pytest.mark.parametrize("document", [GATE, VALVE, {**GATE, "label": "水門", "extra": [1]}])
def test_what_a_gateway_says_is_kept_as_said(document: dict[str, object]) -> None:
    allowed = parse_allowed(document)
    assert from_json(json.loads(json.dumps(allowed.to_json()))) == allowed


@pytest.mark.parametrize(
    "document",
    [
        None, [], {}, {"name": "a b", "values": [1]}, {"name": "g"}, {"name": "g", "min": 0},
        {"name": "g", "values": "01"}, {"name": "g", "values": ["1"]}, {"name": "g", "values": [True]},
        {"name": "g", "values": [float("nan")]}, {"name": "g", "values": [10**400]}, {**GATE, "settle_s": 1e300},
        {**GATE, "settle_s": -1},
        {"name": "g", "values": [1] * 51}, {"name": "g", "values": [1], "unit": 3},
        {"name": "g", "values": [1], "run_s_max": "long"},
    ],
)  # fmt: skip
def test_what_is_no_actuator_is_turned_away(document: object) -> None:
    with pytest.raises(RejectedError) as told:
        parse_allowed(document)
    assert told.value.reason == "actuator"


TEXTS = st.sampled_from(["", "%", "水門", "a\0b", "\ud800", "x" * 500])
ANY = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.lists(st.floats(), max_size=3)
KEYS = ("label", "device", "unit", "values", "min", "max", "fail_safe", "run_s_max", "settle_s")


@given(st.dictionaries(st.sampled_from(KEYS), ANY))
def test_whatever_a_status_says_is_kept_or_turned_away(document: dict[str, object]) -> None:
    """And what is kept can be written and read as JSON that any database takes."""
    try:
        allowed = parse_allowed({"name": "g", **document})
    except RejectedError:
        return
    assert from_json(json.loads(json.dumps(allowed.to_json(), allow_nan=False))) == allowed


@pytest.mark.parametrize(
    ("document", "action", "value", "run_s", "reason"),
    [
        (GATE, Action.SET, 1.0, 600.0, None),
        (GATE, Action.SET, 1.0, None, "run_s"),
        (GATE, Action.SET, 0.0, None, None),
        (GATE, Action.STOP, None, None, None),
        (GATE, Action.SET, 0.5, None, "value"),
        (GATE, Action.SET, None, None, "value"),
        (GATE, Action.SET, 1.0, 601.0, "run_s"),
        (GATE, Action.STOP, 1.0, None, "value"),
        (GATE, Action.STOP, None, 5.0, "value"),
        (VALVE, Action.SET, 100.0, None, None),
        (VALVE, Action.SET, 100.0, 1.0, "run_s"),
        (VALVE, Action.SET, 100.1, None, "value"),
        (VALVE, Action.SET, -0.1, None, "value"),
    ],
)
def test_what_an_actuator_takes(
    document: dict[str, object], action: Action, value: float | None, run_s: float | None, reason: str | None
) -> None:
    """The gateway's own words: its values or its span, its longest run if its runs are timed; a stop takes nothing."""
    allowed = parse_allowed(document)
    assert isinstance(allowed, Allowed)
    if reason is None:
        check(allowed, action, value, run_s)
        return
    with pytest.raises(RejectedError) as told:
        check(allowed, action, value, run_s)
    assert told.value.reason == reason
