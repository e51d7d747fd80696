"""What judging costs, in processor time of one core: the detector for single series, checks and limits."""

import time
from collections.abc import Iterator

import numpy as np

from satomori_analytics import checks
from satomori_analytics.checks import Checks, Flat, Spike
from satomori_analytics.detectors import Detector, find
from satomori_analytics.detectors.base import Floats, Times
from satomori_core.clock import SECOND_US
from support.figures import Figure, held

POINT_US_MAX = 100.0
ROUND_S_MAX = 5.0
OBSERVATIONS_MIN = 1_000_000
_STEP_US = 600 * SECOND_US
_START_US = 1_700_000_000 * SECOND_US
CHECKED = Checks(Spike(3.0, 6.0), 0.01, Flat(7200.0, 14400.0), "air_temperature")


def run() -> Iterator[Figure]:
    yield from _one_series()
    yield from _many_series()
    yield from _checks_and_limits()


def _values(rows: int, series: int) -> tuple[Times, Floats]:
    rng = np.random.default_rng(5)
    at_us = _START_US + np.arange(rows) * _STEP_US
    return at_us, 10 + 5 * np.sin(np.arange(rows) / 144 * 2 * np.pi)[:, None] + rng.normal(0, 0.5, (rows, series))


def _scored_s(detector: Detector, at_us: Times, values: Floats) -> float:
    started = time.process_time()
    detector.score(at_us, values)
    return time.process_time() - started


def _one_series() -> Iterator[Figure]:
    at_us, values = _values(6000, 1)
    spent_s = _scored_s(find("univariate").build({}, where="bench"), at_us, values)
    yield held("univariate_one_series", spent_s / len(at_us) * 1e6, "µs a point and series", "at_most", POINT_US_MAX)
    at_us, values = _values(2000, 200)
    spent_s = _scored_s(find("univariate").build({}, where="bench"), at_us, values)
    yield held("univariate_200_series", spent_s / values.size * 1e6, "µs a point and series", "at_most", POINT_US_MAX)


def _many_series() -> Iterator[Figure]:
    """One new point each, on the dearest row of all: the one at which every series' tails are fitted anew."""
    at_us, values = _values(160 + 17, 10_000)
    detector = find("univariate").build({}, where="bench")
    detector.score(at_us[:160], values[:160])
    rounds = [_scored_s(detector, at_us[k : k + 1], values[k : k + 1]) for k in range(160, 160 + 17)]
    yield held("univariate_10000_series_one_point", max(rounds), "s, the slowest of 17 rounds", "at_most", ROUND_S_MAX)


def _checks_and_limits() -> Iterator[Figure]:
    at_us, values = _values(1_000_000, 1)
    started = time.process_time()
    checks.run_checks(at_us, values[:, 0], CHECKED, 600.0)
    spent_s = time.process_time() - started
    yield held("checks", len(at_us) / spent_s, "observations/s and core", "at_least", OBSERVATIONS_MIN)
    for name, options in (("limit", {"high": 14.0, "hysteresis": 0.5, "for_s": 1200.0}), ("stuck", {})):
        detector = find(name).build(options, where="bench")
        spent_s = _scored_s(detector, at_us, values)
        yield held(name, len(at_us) / spent_s, "observations/s and core", "at_least", OBSERVATIONS_MIN)
