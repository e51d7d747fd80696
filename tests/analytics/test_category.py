"""How far values are from all that was seen: what is new, and what is learned from that."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from satomori_analytics.detectors.category import Category
from satomori_core.clock import SECOND_US

ROWS = 1000
AT_US = 1_700_000_000 * SECOND_US + np.arange(ROWS) * 600 * SECOND_US
FAR = 0.02  # of the range


def two_levels() -> NDArray[np.float64]:
    """A pump: about 0 when off, about 10 when on, an hour each."""
    return np.where(np.arange(ROWS) // 6 % 2, 10.0, 0.0) + np.random.default_rng(7).normal(0, 0.05, ROWS)


def distances(*series: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.nan_to_num(Category().distance(AT_US[:, None], np.stack(series, axis=1)))


def test_a_value_between_two_known_levels_is_new_once() -> None:
    """Inside the range but far from all that was seen; the same again is known."""
    values = two_levels()
    values[800] = values[804] = 5.0
    far = distances(values)[:, 0]
    assert far[800] > FAR
    assert far[804] < FAR
    assert not (distances(two_levels())[400:] > FAR).any()


def test_a_glitch_does_not_blind_it() -> None:
    """After one absurd value the range is what it was: a value that was new without it is as new with it."""
    values = two_levels()
    values[900] = 14.0
    glitch = values.copy()
    glitch[300] = 1e6
    far = distances(values, glitch)
    assert far[300, 1] > FAR
    assert far[900, 0] == pytest.approx(far[900, 1], abs=0.01)
    assert far[900, 0] > FAR


def test_a_drift_shows_in_the_level_before_any_single_value_is_new() -> None:
    """The mean of sixteen rows of noise moves while each value stays within what was seen."""
    noise = np.random.default_rng(8).uniform(-1, 1, ROWS)
    values = noise.copy()
    values[900:] = 0.2 + 0.8 * np.abs(noise[900:])
    assert distances(values)[900:930, 0].max() > FAR
    assert not (distances(noise)[800:] > FAR).any()


def test_rounding_noise_on_a_constant_is_nothing_new() -> None:
    """A thousandth of a percent is not the whole range of a series that stood still."""
    values = np.full(ROWS, 20.0)
    values[500::7] += 1e-4
    assert not (distances(values) > FAR).any()


def test_many_series_at_once_are_judged_as_each_alone() -> None:
    """Vectorised over series with holes of their own."""
    rng = np.random.default_rng(9)
    values = np.cumsum(rng.normal(0, 1, (ROWS, 5)), axis=0)
    values[rng.random(values.shape) < 0.2] = np.nan
    together = Category().distance(AT_US[:, None], values)
    for column in range(5):
        np.testing.assert_array_equal(together[:, [column]], Category().distance(AT_US[:, None], values[:, [column]]))
    assert (together > FAR).any()


def test_the_number_of_categories_is_bounded() -> None:
    """Values that are all new, and far apart, leave sixteen categories a feature, in order and apart."""
    category = Category()
    category.distance(AT_US[:, None], np.random.default_rng(10).standard_cauchy((ROWS, 1)))
    for feature in json.loads(json.dumps(category.state()))["categories"][0]:
        low, high = np.array(feature)[:, 0], np.array(feature)[:, 1]
        assert len(feature) == 16
        assert (low <= high).all()
        assert (high[:-1] < low[1:]).all()
