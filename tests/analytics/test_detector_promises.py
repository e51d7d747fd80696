"""The promises that every registered detector keeps. A new one joins by being in `detectors.ALL`."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from satomori_analytics import detectors
from satomori_analytics.detectors import Detector, DetectorKind
from satomori_core.clock import SECOND_US
from satomori_core.errors import SettingsError

ROWS = 1500
START_US = 1_700_000_000 * SECOND_US
# So that each detector has learned well before the recording ends.
OPTIONS: dict[str, dict[str, float]] = {
    "limit": {"high": 3.0, "hysteresis": 0.5, "for_s": 1200},
    "stuck": {"stuck_s": 3600},
    "silent": {"longest_s": 1900},
    "multichannel": {"learn_rows": 400, "utc_offset_s": 0, "holidays": 1},
    "residual": {"learn_rows": 400, "knee": 0.0},
    "leak": {"learn_days": 5, "window_days": 4, "memory_days": 8, "relearn_days": 16},
    # Quiet after an event on purpose; here it is asked what it has learned.
    "univariate": {"quiet_s": 0.0, "utc_offset_s": 0, "holidays": 1},
}

Times = NDArray[np.int64]
Floats = NDArray[np.float64]
every_detector = pytest.mark.parametrize("kind", detectors.ALL, ids=lambda kind: kind.name)


def build(kind: DetectorKind) -> Detector:
    return kind.build(OPTIONS.get(kind.name, {}), where="test")


def recording(seed: int = 1, *, holes: bool = True) -> tuple[Times, Floats]:
    """Two channels every ten minutes or so, with a day's wave, an event, a standstill, and some values missing."""
    rng = np.random.default_rng(seed)
    at_us = START_US + np.cumsum(rng.integers(590, 611, ROWS)) * SECOND_US
    wave = np.sin(at_us / SECOND_US / 86400 * 2 * np.pi)
    values = np.stack([wave + rng.normal(0, 0.1, ROWS), 5 + wave + rng.normal(0, 0.1, ROWS)], axis=1)
    values[1000:1060] += 6.0
    values[1200:1230, 0] = 0.25
    if holes:
        values[rng.random(values.shape) < 0.05] = np.nan
        values[700:710] = np.nan
    return at_us, values


@every_detector
def test_causal(kind: DetectorKind) -> None:
    """Scores of rows do not change when later rows are cut off or replaced."""
    at_us, values = recording()
    whole = build(kind).score(at_us, values)
    for cut in (1, 399, 401, 1001, 1010):
        part = build(kind).score(at_us[:cut], values[:cut])
        np.testing.assert_array_equal(part.score, whole.score[:cut])
        np.testing.assert_array_equal(part.alarm, whole.alarm[:cut])


@every_detector
def test_batch_and_stream_give_the_same_numbers(kind: DetectorKind) -> None:
    """However the rows are cut into calls: at once, in odd pieces, one by one."""
    at_us, values = recording()
    whole = build(kind).score(at_us, values)
    for sizes in ((1,), (7, 1, 61), (400, 13)):
        detector, start, pieces = build(kind), 0, []
        turn = 0
        while start < ROWS:
            size = sizes[turn % len(sizes)]
            pieces.append(detector.score(at_us[start : start + size], values[start : start + size]))
            start, turn = start + size, turn + 1
        np.testing.assert_array_equal(np.concatenate([p.score for p in pieces]), whole.score)
        np.testing.assert_array_equal(np.concatenate([p.alarm for p in pieces]), whole.alarm)


@every_detector
def test_scores_are_numbers_from_0_to_1_whatever_comes(kind: DetectorKind) -> None:
    """NaN rows, constant rows, huge values: a score each, one column per series (one in all for a joint detector)."""
    at_us, values = recording()
    hostile = values.copy()
    hostile[::3] = np.nan
    hostile[500:520] = 1e15
    hostile[520:540] = -1e15
    for rows in (values, hostile, np.full_like(values, np.nan), np.zeros_like(values)):
        scores = build(kind).score(at_us, rows)
        assert scores.score.shape == scores.alarm.shape == (ROWS, 1 if kind.make.joint else 2)  # type: ignore[attr-defined]
        assert np.isfinite(scores.score).all()
        assert scores.score.min() >= 0
        assert scores.score.max() <= 1
        assert scores.alarm.dtype == bool
        if scores.low is not None and scores.high is not None:
            assert scores.low.shape == scores.high.shape == rows.shape
            assert not (scores.low > scores.high).any()


@every_detector
def test_a_series_has_the_same_numbers_alone_and_among_others(kind: DetectorKind) -> None:
    """Of detectors of single series: no neighbour, and no row without a value of its own, changes its scores."""
    if kind.make.joint:  # type: ignore[attr-defined]
        return
    at_us, values = recording()
    among = build(kind).score(at_us, np.concatenate([values[:, ::-1], values * 3], axis=1))
    for column in (0, 1):
        alone = build(kind).score(at_us, values[:, [column]])
        np.testing.assert_array_equal(among.score[:, [1 - column]], alone.score)
        known = np.isfinite(values[:, column])
        without = build(kind).score(at_us[known], values[known][:, [column]])
        if kind.name != "silent":  # which begins to count at the first row, observed or not
            np.testing.assert_array_equal(alone.score[known], without.score)


@every_detector
def test_no_rows_is_no_trouble(kind: DetectorKind) -> None:
    at_us, values = recording()
    detector = build(kind)
    detector.score(at_us[:0], values[:0])
    whole = build(kind).score(at_us, values)
    np.testing.assert_array_equal(detector.score(at_us, values).score, whole.score)


@every_detector
@pytest.mark.parametrize("cut", [3, 395, 1005])
def test_state_is_saved_and_taken_up_as_json(kind: DetectorKind, cut: int) -> None:
    """A new detector with the state of an old one goes on with the same numbers."""
    at_us, values = recording()
    whole = build(kind).score(at_us, values)
    first, second = build(kind), build(kind)
    first.score(at_us[:cut], values[:cut])
    second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
    np.testing.assert_array_equal(second.score(at_us[cut:], values[cut:]).score, whole.score[cut:])


@every_detector
def test_state_is_bounded(kind: DetectorKind) -> None:
    """Ten times as many rows make no larger state, once everything has been seen."""
    at_us, values = recording()
    detector = build(kind)
    sizes = []
    for turn in range(8):
        detector.score(at_us + turn * 11 * 86400 * SECOND_US, values)
        sizes.append(len(json.dumps(detector.state())))
    assert sizes[-1] < 1.1 * max(sizes[:4])


@every_detector
def test_does_not_learn_from_its_own_anomalies(kind: DetectorKind) -> None:
    """After an event that it alarmed on, normal rows are judged as if the event had not been."""
    at_us, values = recording(holes=False)
    values[1200:1230, 0] = values[1199, 0] + np.arange(30) / 100
    calm = values.copy()
    calm[1000:1060] -= 6.0
    with_event, without = build(kind).score(at_us, values), build(kind).score(at_us, calm)
    difference = np.abs(with_event.score[1300:] - without.score[1300:])
    assert difference.max() < 0.2
    assert difference.mean() < 0.02


@pytest.mark.parametrize("name", ["limit", "multichannel", "univariate"])
def test_the_event_is_found(name: str) -> None:
    """What the recording holds is seen where it is, and the quiet rows before it are not alarming."""
    at_us, values = recording(holes=False)
    scores = build(detectors.find(name)).score(at_us, values)
    assert scores.alarm[1000:1060, 0].any()
    assert scores.alarm[500:1000, 0].mean() < 0.03


def test_a_frequency_shift_shows_once_temperature_is_allowed_for() -> None:
    """Ten degrees move the frequency more than the damage does; only the damage is an alarm."""
    rng = np.random.default_rng(4)
    at_us = START_US + np.arange(3000) * 600 * SECOND_US
    temperature = 12 + 14 * np.sin(np.arange(3000) / 144 * 2 * np.pi) + rng.normal(0, 0.2, 3000)
    frequency = (
        5.0 - 0.008 * np.maximum(temperature, 0) - 0.03 * np.minimum(temperature, 0) + rng.normal(0, 0.005, 3000)
    )
    frequency[2000:] -= 0.06
    detector = detectors.find("residual").build({"learn_rows": 1008, "for_s": 21600, "probability": 1e-6}, where="test")
    alarm = detector.score(at_us, np.stack([frequency, temperature], axis=1)).alarm[:, 0]
    assert not alarm[:2000].any()
    assert alarm[2100:].all()


def test_silence_and_standstill_in_a_file() -> None:
    """A long pause shows at the row after it; a frozen value once it has lasted."""
    at_us, values = recording(holes=False)
    late = at_us.copy()
    late[800:] += 7200 * SECOND_US
    assert build(detectors.find("silent")).score(late, values).alarm[800].all()
    stuck = build(detectors.find("stuck")).score(at_us, values).alarm
    assert stuck[1210:1230, 0].all()
    assert not stuck[:1200].any()


def test_an_unknown_option_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="no option hihg; it has high, low, hysteresis, for_s"):
        detectors.find("limit").build({"hihg": 3.0}, where="test")
