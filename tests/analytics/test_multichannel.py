"""When the alarm of channels judged together begins and ends, and how far its budget holds on normal rows."""

import numpy as np
import pytest
from numpy.typing import NDArray

from satomori_analytics.detectors.multichannel import Multichannel
from satomori_core.clock import SECOND_US

START_US = 1_700_000_000 * SECOND_US


def test_an_alarm_ends_once_rows_were_clear_for_two_windows() -> None:
    """A fault that pauses for less is one alarm."""
    values = np.random.default_rng(3).normal(0, 1, (700, 4))
    values[500:520, 0] += 20
    values[537:550, 0] += 20
    at_us = START_US + np.arange(700) * SECOND_US
    alarm = Multichannel().score(at_us, values).alarm[:, 0]
    (begin, end) = np.flatnonzero(np.diff(alarm.astype(int))) + 1
    assert 500 <= begin < 503
    assert 550 + 20 <= end <= 550 + 30  # the mean holds rows of the fault for up to `window` more


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


def _barn(seed: int, days: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Four channels every ten minutes with one day's wave, larger on some days, and noise that lasts hours."""
    rng = np.random.default_rng(seed)
    at_us = START_US + np.arange(days * 144) * 600 * SECOND_US
    larger = np.repeat(1 + 0.1 * rng.normal(0, 1, days), 144)
    wave = 3 * larger * np.sin(2 * np.pi * np.arange(days * 144) / 144)
    noise = rng.normal(0, 0.05, (days * 144, 4))
    for row in range(1, len(noise)):
        noise[row] += 0.9 * noise[row - 1]
    return at_us, wave[:, None] * (1 - 0.2 * np.arange(4)) + noise + rng.normal(0, 0.1, noise.shape)


def test_a_step_smaller_than_the_days_wave_is_seen_within_hours() -> None:
    """Once the day is known: a step of half the wave's amplitude on one channel; few alarms before it."""
    at_us, values = _barn(5, 24)
    step = 20 * 144 + 30
    values[step:, 2] -= 0.9
    alarm = Multichannel(utc_offset_s=0).score(at_us, values).alarm[:, 0]
    begins = np.flatnonzero(np.diff(alarm[: step - 1].astype(int)) > 0)
    assert len(begins) <= 3
    assert not alarm[step - 1]
    assert alarm[step : step + 18].any()
