"""What explains what: a silent gateway its sensors, a faulty sensor the trouble it reports."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from satomori_core.clock import MINUTE_US
from satomori_core.vocabulary import Cause
from satomori_maintenance.inhibit import Candidate, explanations

HOLD = 10 * MINUTE_US
T0 = 10_000 * MINUTE_US

GATEWAY = Candidate(1, Cause.GATEWAY, "silent", since_us=T0, gateway="gw-1")
SILENT = Candidate(
    2, Cause.SENSOR, "silent", since_us=T0 - MINUTE_US, datastream=5, gateway="gw-1", interval_us=MINUTE_US
)
STUCK = Candidate(3, Cause.SENSOR, "stuck", since_us=T0, datastream=6, gateway="gw-1", interval_us=MINUTE_US)
TROUBLE = Candidate(
    4, Cause.ASSET, "limit", since_us=T0 + MINUTE_US, datastream=6, gateway="gw-1", interval_us=MINUTE_US
)


def test_a_silent_gateway_explains_the_silence_of_its_sensors() -> None:
    assert explanations([GATEWAY, SILENT], T0, HOLD) == {2: 1}


def test_it_does_not_explain_the_silence_behind_another_gateway() -> None:
    assert explanations([GATEWAY, replace(SILENT, gateway="gw-2")], T0, HOLD) == {}


def test_it_does_not_explain_a_sensor_that_was_silent_long_before() -> None:
    assert explanations([GATEWAY, replace(SILENT, since_us=T0 - 60 * MINUTE_US)], T0, HOLD) == {}


def test_it_explains_silence_only_not_a_stuck_sensor() -> None:
    assert explanations([GATEWAY, STUCK], T0, HOLD) == {}


def test_a_faulty_sensor_explains_the_trouble_it_reports() -> None:
    assert explanations([STUCK, TROUBLE], T0, HOLD) == {4: 3}


def test_a_faulty_sensor_does_not_explain_what_another_one_reports() -> None:
    assert explanations([STUCK, replace(TROUBLE, datastream=7)], T0, HOLD) == {}


def test_danger_seen_before_the_sensor_went_silent_stays_a_danger() -> None:
    """The flood that takes the gauge away must not take the alarm away."""
    gone = replace(STUCK, kind="silent", since_us=T0 + 2 * MINUTE_US)
    assert explanations([gone, TROUBLE], T0 + 5 * MINUTE_US, HOLD) == {}


def test_sensors_that_come_back_a_little_later_stay_explained_for_the_hold_time() -> None:
    back_us = T0 + 20 * MINUTE_US
    back = replace(GATEWAY, resolved_us=back_us)
    assert explanations([back, SILENT], back_us + HOLD - 1, HOLD) == {2: 1}
    assert explanations([back, SILENT], back_us + HOLD, HOLD) == {}


def test_what_began_after_the_explanation_ended_is_not_explained() -> None:
    back = replace(GATEWAY, resolved_us=T0 + MINUTE_US)
    later = replace(SILENT, since_us=T0 + 2 * MINUTE_US)
    assert explanations([back, later], T0 + 3 * MINUTE_US, HOLD) == {}


candidates = st.lists(
    st.builds(
        Candidate,
        alert_id=st.integers(1, 40),
        cause=st.sampled_from(Cause),
        kind=st.sampled_from(["silent", "stuck", "limit"]),
        since_us=st.integers(T0, T0 + 30 * MINUTE_US),
        resolved_us=st.none() | st.integers(T0 + 30 * MINUTE_US, T0 + 60 * MINUTE_US),
        datastream=st.none() | st.integers(1, 3),
        gateway=st.none() | st.sampled_from(["gw-1", "gw-2"]),
        interval_us=st.sampled_from([0, MINUTE_US]),
    ),
    max_size=20,
    unique_by=lambda c: c.alert_id,
)


def test_what_is_derived_of_a_faulty_sensor_is_explained_by_it() -> None:
    """An index of temperature and humidity rests on both; a device's clock takes all of its datastreams along."""
    index = replace(TROUBLE, datastream=None, inputs=frozenset({5, 6}))
    assert explanations([STUCK, index], T0, HOLD) == {4: 3}
    assert explanations([STUCK, replace(index, inputs=frozenset({5}))], T0, HOLD) == {}
    clock = replace(STUCK, kind="clock", datastream=None, inputs=frozenset({6, 7}))
    seldom = replace(TROUBLE, kind="univariate")
    assert explanations([clock, seldom], T0, HOLD) == {4: 3}
    derived = replace(TROUBLE, datastream=None, inputs=frozenset({7, 9}))
    assert explanations([clock, derived], T0, HOLD) == {4: 3}
    assert explanations([clock, TROUBLE], T0, HOLD) == {}, "gas measured at a wrong time is gas"


@given(candidates, st.integers(T0 + 30 * MINUTE_US, T0 + 80 * MINUTE_US))
def test_explanations_lead_up_and_never_in_circles(alerts: list[Candidate], now_us: int) -> None:
    """Asset ← sensor ← gateway: a gateway is never explained, asset trouble explains nothing, so somebody is told."""
    by_id = {c.alert_id: c for c in alerts}
    rank = {Cause.ASSET: 0, Cause.SENSOR: 1, Cause.GATEWAY: 2}
    for alert, explanation in explanations(alerts, now_us, HOLD).items():
        assert rank[by_id[explanation].cause] == rank[by_id[alert].cause] + 1


@given(candidates, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(alerts: list[Candidate], random: object) -> None:
    shuffled = list(alerts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert explanations(shuffled, T0 + 30 * MINUTE_US, HOLD) == explanations(alerts, T0 + 30 * MINUTE_US, HOLD)
