"""What isn't a leak: growth in proportion, public holidays, and what comes after a long silence; bursts still are."""

import numpy as np
import pytest
from numpy.typing import NDArray

from satomori_analytics.detectors import district
from satomori_analytics.detectors.leak import LeakStep, find_leaks
from satomori_core.clock import HOUR_US

JAPAN_US = 9 * HOUR_US
Hours = NDArray[np.int64]
HOLIDAYS = np.array(
    [
        "2025-05-05", "2025-05-06", "2025-07-21", "2025-08-11", "2025-09-15",
        "2026-04-29", "2026-05-03", "2026-05-04", "2026-05-05", "2026-05-06",
    ],
    "datetime64[D]",
).astype(np.int64)  # fmt: skip


def hours_from(date: str, days: int) -> Hours:
    return int(np.datetime64(date, "h").astype(np.int64)) + np.arange(days * 24)


def use(hours: Hours, *, holidays: bool = True) -> NDArray[np.float64]:
    """Mean hourly use around 100 m3/h with 1 % noise; rest days (weekends, holidays) rise late and are higher."""
    clock, day = hours % 24, hours // 24
    rest = ((day + 3) % 7 >= 5) | (holidays & np.isin(day, HOLIDAYS))
    morning = np.exp(-(((clock - np.where(rest, 10, 7)) / 2.0) ** 2) / 2) * np.where(rest, 1.3, 1.0)
    evening = np.exp(-(((clock - 19) / 2.5) ** 2) / 2)
    noise = np.random.default_rng(903).normal(1, 0.01, len(hours))
    return np.asarray(100 * (0.4 + morning + evening) * noise)


def began(detector: LeakStep, hours: Hours, flow: NDArray[np.float64]) -> list[int]:
    """Rows at which an alarm begins."""
    alarm = detector.score(hours * HOUR_US - JAPAN_US, flow[:, None]).alarm[:, 0]
    return [int(row) for row in np.flatnonzero(alarm & ~np.concatenate([[False], alarm[:-1]]))]


def test_growth_in_proportion_is_no_leak_and_hides_none() -> None:
    """Use that grows by 10 % in 28 days; then the same with a burst of 7 % of the mean on the 26th day."""
    hours = hours_from("2026-06-01", 30)
    flow = use(hours) * (1 + 0.1 * np.arange(len(hours)) / (28 * 24))
    assert began(LeakStep(), hours, flow) == []
    burst = np.arange(len(hours)) >= 26 * 24
    (row,) = began(LeakStep(), hours, flow + 0.07 * flow.mean() * burst)
    assert 26 * 24 <= row <= 27 * 24


def test_a_public_holiday_is_a_rest_day() -> None:
    hours = hours_from("2026-04-13", 26)
    assert began(LeakStep(), hours, use(hours)) == []


def test_a_holiday_on_which_all_work_is_no_leak() -> None:
    """Three holidays in a row are as working days are; the burst on the day after them is told."""
    hours = hours_from("2026-04-13", 27)
    flow = use(hours, holidays=False)
    assert began(LeakStep(), hours, flow) == []
    at = 24 * 24 + 10
    (row,) = began(LeakStep(), hours, flow + 15 * (np.arange(len(hours)) >= at))
    assert at <= row <= at + 24


@pytest.mark.parametrize("shift_h", [9, 48])
def test_rest_days_need_not_be_the_calendars(shift_h: int) -> None:
    """The week's pattern comes so many hours later: another zone's days, rest on others. No alarm; a burst is told."""
    hours = hours_from("2026-06-01", 27)
    flow = use(hours - shift_h, holidays=False)
    at = 25 * 24 + 3
    (row,) = began(
        LeakStep(false_alarms_per_month=0.1), hours, flow + 0.1 * flow.mean() * (np.arange(len(hours)) >= at)
    )
    assert at <= row <= at + 24


def test_noise_that_persists_is_learned_as_such() -> None:
    """Of noise of 5 % that keeps seven tenths of itself from hour to hour, and of a day's own level of 3 %."""
    hours = hours_from("2026-06-01", 42)
    rng = np.random.default_rng(904)
    noise = np.zeros(len(hours))
    for i in range(1, len(hours)):
        noise[i] = 0.7 * noise[i - 1] + rng.normal(0, 0.05 * np.sqrt(1 - 0.7**2))
    persists = district.fit(hours, use(hours) * (1 + noise), int(hours[-1]) + 1)
    assert persists.phi == pytest.approx(0.7, abs=0.12)
    levels = rng.normal(0, 0.03, 42)[np.arange(len(hours)) // 24]
    unrest = district.fit(hours, use(hours) * (1 + levels), int(hours[-1]) + 1)
    assert unrest.day_level == pytest.approx(0.03, rel=0.4)
    assert unrest.phi < 0.5


def test_evidence_hour_by_hour_is_generalised_least_squares() -> None:
    """The sums that each hour adds give the estimate of the whole covariance at once."""
    hours = hours_from("2026-06-01", 21)
    flow = use(hours) + 5 * (hours >= hours[18 * 24])
    learn, late = hours[: 14 * 24], hours[14 * 24 :]
    usual = district.fit(learn, flow[: len(learn)], int(late[0]))
    evidence = district.Evidence(usual)
    for cut in (slice(0, 100), slice(100, 101), slice(101, None)):
        evidence.add(late[cut], flow[len(learn) :][cut])
    design = usual.design(late)
    covariance = usual.apart(late, late) + design @ usual.spread @ design.T
    residual = (flow[len(learn) :] - usual.expected(late)) / usual.scale
    for start, shape, told in (
        (late[96], late >= late[96], evidence.step(late[96:97])),
        (late[72], np.maximum(late - late[72], 0) / (late[-1] - late[72]), evidence.ramp(late[72:73])),
    ):
        solved = np.linalg.solve(covariance, np.column_stack([shape, residual]).astype(float))
        assert told.since == start
        assert told.size == pytest.approx(usual.scale * (shape @ solved[:, 1]) / (shape @ solved[:, 0]))
        assert told.error == pytest.approx(usual.scale / np.sqrt(shape @ solved[:, 0]))


@pytest.mark.parametrize("silent_days", [43, 90])
def test_after_a_long_silence_the_usual_is_learned_anew(silent_days: int) -> None:
    """Use is higher by a quarter afterwards: nothing is said; a burst after 17 days is told."""
    before, after = hours_from("2025-05-05", 21), hours_from("2025-05-26", 19) + silent_days * 24
    flow = np.concatenate([use(before), 1.25 * use(after)])
    at = len(before) + 17 * 24
    flow[at:] += 15
    hours, detector = np.concatenate([before, after]), LeakStep()
    assert began(detector, hours[:at], flow[:at]) == []
    assert detector.anew_since_us is None
    detector, soon = LeakStep(), len(before) + 13 * 24
    detector.score(hours[:soon] * HOUR_US - JAPAN_US, flow[:soon, None])
    assert detector.anew_since_us == after[0] * HOUR_US - JAPAN_US
    (row,) = began(LeakStep(), hours, flow)
    assert at <= row <= at + 24


def test_a_meter_that_reads_too_much_rises_in_proportion_and_a_leak_does_not() -> None:
    hours = hours_from("2026-06-01", 19)
    late = hours >= hours[16 * 24 + 5]
    for flow, in_proportion in ((use(hours) * (1 + 0.15 * late), True), (use(hours) + 10 * late, False)):
        (told,) = find_leaks(hours * HOUR_US - JAPAN_US, flow)
        assert told.until_us is None
        assert told.leak.in_proportion is in_proportion
