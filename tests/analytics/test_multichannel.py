"""When the alarm of channels judged together begins and ends, and how far its budget holds on normal rows."""

import numpy as np
import pytest

from satomori_analytics.detectors.multichannel import Multichannel
from satomori_core.clock import SECOND_US

START_US = 1_700_000_000 * SECOND_US


def test_an_alarm_ends_once_a_whole_window_is_clear() -> None:
    """A fault that pauses for less than the window is one alarm; it ends `window` clear rows after the last."""
    values = np.random.default_rng(3).normal(0, 1, (700, 4))
    values[500:520, 0] += 20
    values[527:540, 0] += 20
    at_us = START_US + np.arange(700) * SECOND_US
    alarm = Multichannel().score(at_us, values).alarm[:, 0]
    (begin, end) = np.flatnonzero(np.diff(alarm.astype(int))) + 1
    assert 500 <= begin < 503
    assert 540 + 10 <= end <= 540 + 20  # the mean holds rows of the fault for up to `window` more


@pytest.mark.parametrize("seed", [0, 1])
def test_the_limit_is_kept_row_by_row_on_normal_rows(seed: int) -> None:
    """At so loose a budget that each row may alarm by 1 %, normal rows do so within a factor of three."""
    rows = 6000
    values = np.random.default_rng(seed).normal(0, 1, (rows, 6))
    at_us = START_US + np.arange(rows) * SECOND_US
    detector = Multichannel(false_alarms_per_month=1e6)
    beyond = detector.score(at_us, values).score[400:, 0] >= 0.5
    assert detector.limit == 2.0
    assert 0.01 / 3 < beyond.mean() < 0.01 * 3  # variances are known from forty looks only
