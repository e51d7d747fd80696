"""What a wandering channel may be by now: ordinary kriging in time from its past means, a power law as variogram.

The variogram γ(h) = a·h^p is half the mean square of what a channel changes over a lag h. White noise has p = 0: its
past mean holds for ever. A random walk has p = 1: its last value holds, and ever more vaguely. Prediction and its
variance follow from a and p alone (Cressie 1993, Statistics for Spatial Data, §3.2; recalled, not checked).
"""

from dataclasses import dataclass

import numpy as np

from satomori_analytics.detectors.base import Floats

LAGS = np.array([1, 2, 4, 8, 16])  # blocks
# Over so few lags an exponent is uncertain: drawn to 0 by this much of log²(lag), and a random walk's at most.
_RIDGE, _EXPONENT_MAX = 1.0, 1.0
_LAG_MIN = 0.5  # of a block: within one, a mean is compared with half-new values


def variogram(squares: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """(a, p) of each channel, from summed half squares of changes and their numbers, both [lags, channels]."""
    known = counts > 0
    gamma = np.maximum(squares / np.where(known, counts, 1), 1e-30)
    weight, height = known.astype(float), np.log(gamma)
    place = np.log(LAGS)[:, None] * np.ones_like(gamma)
    total = np.maximum(weight.sum(axis=0), 1)
    place_mean, height_mean = (weight * place).sum(axis=0) / total, (weight * height).sum(axis=0) / total
    off = weight * (place - place_mean)
    exponent = np.clip((off * height).sum(axis=0) / ((off * place).sum(axis=0) + _RIDGE), 0, _EXPONENT_MAX)
    return np.exp(height_mean - exponent * place_mean), exponent


@dataclass(frozen=True, slots=True)
class Kriging:
    """Solved once for knots at `places` [n] (in blocks) with `values` [channels, n], NaN where not known."""

    places: Floats
    values: Floats
    known: Floats  # [channels, n]
    inverse: Floats  # [channels, n + 1, n + 1]
    scale: Floats
    exponent: Floats

    @classmethod
    def solve(cls, places: Floats, values: Floats, scale: Floats, exponent: Floats) -> "Kriging":
        channels, n = values.shape
        known = np.isfinite(values)
        lags = np.maximum(np.abs(places[:, None] - places), _LAG_MIN)
        off_diagonal = ~np.eye(n, dtype=bool)
        both = known[:, :, None] & known[:, None, :] & off_diagonal
        system = np.zeros((channels, n + 1, n + 1))
        system[:, :n, :n] = np.where(both, lags ** exponent[:, None, None], 0.0)
        # A knot that is not known has an equation of its own, weight = 0; so has a channel without any.
        system[:, range(n), range(n)] = np.where(known, -1e-9, 1.0)
        system[:, :n, n] = system[:, n, :n] = known
        system[:, n, n] = ~known.any(axis=1)
        return cls(
            places, np.where(known, values, 0.0), known.astype(float), np.linalg.inv(system), scale, exponent
        )  # fmt: skip

    def at(self, place: float) -> tuple[Floats, Floats]:
        """(expected mean, variance) of each channel at a place; NaN for a channel without knots."""
        lags = np.maximum(place - self.places, _LAG_MIN)
        asked = np.concatenate([self.known * lags ** self.exponent[:, None], np.ones((len(self.known), 1))], axis=1)
        weights = (self.inverse * asked[:, None, :]).sum(axis=2)
        some = np.where(self.known.any(axis=1), 1.0, np.nan)
        expected = (weights[:, :-1] * self.values).sum(axis=1) * some
        return expected, self.scale * np.maximum((weights * asked).sum(axis=1), 0.0) * some
