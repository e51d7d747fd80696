"""After a long pause the newest values are those since it, however the rows come."""

import json
from typing import Any

import numpy as np

from satomori_analytics.detectors.univariate import Univariate
from satomori_analytics.detectors.windows import Pauses, Windows
from satomori_core.clock import DAY_US, HOUR_US

START_US = 1_767_571_200_000_000
ROWS, AT = 400, 250


def paused(pause_us: int) -> tuple[np.ndarray, np.ndarray]:
    """Hourly noise, which is higher after the pause."""
    at_us = START_US + np.arange(ROWS, dtype=np.int64) * HOUR_US
    at_us[AT:] += pause_us
    values = np.random.default_rng(1).normal(0, 1, (ROWS, 2))
    values[AT:] += 3
    return at_us, values


def statistics(windows: Windows, pauses: Pauses, at_us: np.ndarray, values: np.ndarray) -> np.ndarray:
    counts, times = np.full(2, len(at_us)), np.repeat(at_us[:, None], 2, axis=1)
    return np.stack(windows.measure(times, values, counts, pauses.rows_since(times, counts)))


def test_no_window_reaches_across_a_long_pause() -> None:
    """After ten days in an hourly series all statistics are as if it began there; after a day they are not."""
    for pause_us, cut in ((10 * DAY_US, True), (DAY_US, False)):
        at_us, values = paused(pause_us)
        windows, pauses = Windows(2), Pauses(2)
        statistics(windows, pauses, at_us[: AT - 5], values[: AT - 5])
        pauses.refit(np.arange(2))
        after = statistics(windows, pauses, at_us[AT - 5 :], values[AT - 5 :])[:, 5:]
        anew = statistics(Windows(2), Pauses(2), at_us[AT:], values[AT:])
        assert np.array_equal(after, anew, equal_nan=True) == cut
        assert np.isfinite(after[:, 128:]).all() or cut


def test_a_pause_comes_out_the_same_however_rows_and_series_are_cut() -> None:
    at_us, values = paused(10 * DAY_US)
    values[AT - 3 : AT + 2, 1] = np.nan
    whole = Univariate(quiet_s=0.0).score(at_us, values).score
    np.testing.assert_array_equal(Univariate(quiet_s=0.0).score(at_us, values[:, 1:]).score, whole[:, 1:])
    pieces, state, start = [], dict[str, Any](), 0
    for size in (200, 49, 1, 1, 7, ROWS):
        detector = Univariate(quiet_s=0.0)
        detector.restore(state)
        pieces.append(detector.score(at_us[start : start + size], values[start : start + size]).score)
        state, start = json.loads(json.dumps(detector.state(), allow_nan=False)), start + size
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
