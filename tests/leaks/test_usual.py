"""What isn't a leak: growth in proportion, public holidays, and what comes after a long silence; bursts still are."""

import numpy as np
import pytest
from numpy.typing import NDArray

from satomori_analytics.detectors.leak import LeakStep
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


def use(hours: Hours) -> NDArray[np.float64]:
    """Mean hourly use around 100 m3/h with 1 % noise; rest days (weekends, holidays) rise late and are higher."""
    clock, day = hours % 24, hours // 24
    rest = ((day + 3) % 7 >= 5) | np.isin(day, HOLIDAYS)
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


@pytest.mark.parametrize("silent_days", [43, 90])
def test_after_a_long_silence_the_usual_is_learned_anew(silent_days: int) -> None:
    """Use is higher by a quarter afterwards: nothing is said; a burst after 17 days is told."""
    before, after = hours_from("2025-05-05", 21), hours_from("2025-05-26", 19) + silent_days * 24
    flow = np.concatenate([use(before), 1.25 * use(after)])
    at = len(before) + 17 * 24
    flow[at:] += 15
    (row,) = began(LeakStep(), np.concatenate([before, after]), flow)
    assert at <= row <= at + 24
