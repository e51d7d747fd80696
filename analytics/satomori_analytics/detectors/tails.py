"""How rare a statistic is against its own past: the tail above a quantile, taken as exponential."""

from dataclasses import dataclass

import numpy as np

from satomori_analytics.detectors.base import Floats


@dataclass(frozen=True, slots=True)
class Tail:
    """P(S > s) = share * exp(-(s - threshold) / excess) above the threshold (peaks over threshold, shape 0)."""

    share: float
    threshold: float
    excess: float

    @classmethod
    def fit(cls, past: Floats, quantile: float = 0.9) -> "Tail":
        threshold = float(np.quantile(past, quantile))
        beyond = past[past > threshold] - threshold
        excess = float(beyond.mean()) if len(beyond) else 0.0
        return cls(1 - quantile, threshold, max(excess, 1e-3 * abs(threshold), 1e-9))

    def rarity(self, statistic: Floats) -> Floats:
        """-log10 of the tail probability; below the threshold it falls to 0 with the statistic."""
        at_threshold = -np.log10(self.share)
        above = at_threshold + (statistic - self.threshold) / (self.excess * np.log(10))
        below = at_threshold * np.maximum(statistic, 0) / max(self.threshold, 1e-12)
        return np.asarray(np.where(statistic > self.threshold, above, below), dtype=np.float64)

    def statistic(self, rarity: float) -> float:
        """The statistic that is so rare: the inverse of `rarity`."""
        at_threshold = -float(np.log10(self.share))
        if rarity > at_threshold:
            return self.threshold + (rarity - at_threshold) * self.excess * float(np.log(10))
        return self.threshold * rarity / at_threshold
