"""Randomness as a pure function of (key, index): the same number whatever is asked before it, in any order.

So a value at a time depends on the seed and the time alone, and a restart goes on exactly where it was.
"""

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Index = NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def key_of(seed: int, *names: object) -> int:
    """64 bits that stand for these names under this seed."""
    text = "/".join(str(name) for name in (seed, *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def uniform(key: int, index: Index) -> Floats:
    """In (0, 1). The mixing is splitmix64's (Steele, Lea, Flood 2014)."""
    z = (index.astype(np.uint64) + np.uint64(1)) * _GOLDEN + np.uint64(key)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return np.asarray(((z >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53)


def gauss(key: int, index: Index) -> Floats:
    """Mean 0, standard deviation 1, never beyond ±4, so that noise alone is no outlier."""
    u = uniform(key, index)
    v = uniform(key ^ 0x5DEECE66D, index)
    return np.asarray(np.clip(np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * v), -4.0, 4.0))


def decaying(source: Callable[[Index], Floats], index: Index, steps: float) -> Floats:
    """Σ source(i - k)·exp(-k/steps) at each of consecutive indexes: what a leaky store holds of what came in."""
    taps = int(5 * steps) + 1
    kernel = np.exp(-np.arange(taps) / steps)
    reaching = np.arange(index[0] - taps + 1, index[-1] + 1, dtype=np.int64)
    return np.convolve(source(reaching), kernel, "valid")


def wandering(key: int, index: Index, steps: float) -> Floats:
    """Autocorrelated noise of standard deviation 1 whose memory is `steps` long."""
    held = decaying(lambda i: gauss(key, i), index, steps)
    return np.asarray(held * float(np.sqrt(1.0 - np.exp(-2.0 / steps))))
