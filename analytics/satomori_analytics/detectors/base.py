"""What a detector is: it scores rows in time order, from each row and earlier ones only, and learns as it goes.

The same numbers come out however the rows are cut into calls: one at a time (a stream) or all at once (a file).
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
Marks = NDArray[np.bool_]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scores:
    """[rows, series], or [rows, 1] from a joint detector. `score` 0 to 1, the alarm limit at 0.5; never NaN.

    `low`, `high`: the band in which each value would have been normal, shaped as the values; NaN where the detector had
    no expectation. None from a detector that never has one.
    """

    score: Floats
    alarm: Marks
    low: Floats | None = None
    high: Floats | None = None


class Detector(Protocol):
    """`joint`: the columns are channels of one thing, scored together; else each column is a series of its own."""

    joint: ClassVar[bool]

    def score(self, at_us: Times, values: Floats) -> Scores:
        """Judge rows [n] × columns [n, k], NaN where nothing was observed, then learn from what was normal.

        `at_us` rises strictly, over calls too, and k is the same in all calls.
        """
        ...

    def state(self) -> dict[str, Any]:
        """All that was learned, as plain JSON values of bounded size."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a `state()`; later scores are as if this detector had seen those rows."""
        ...


def squash(distance: Floats, limit: float) -> Floats:
    """Distances to scores: 0 → 0, the limit → 0.5, far beyond → 1; NaN → 0."""
    safe = np.where(np.isfinite(distance), np.maximum(distance, 0.0), 0.0)
    return np.asarray(safe / (safe + limit), dtype=np.float64)


@dataclass(slots=True)
class Latch:
    """On above a limit, off below a lower one, and since when: hysteresis and duration for columns of a kind.

    `on` and `since_us` are the state between calls, one entry a column.
    """

    for_s: float = 0.0
    on: Marks | None = None
    since_us: Times | None = None

    def run(self, at_us: Times, beyond: Marks, clear: Marks) -> tuple[Marks, Times]:
        """For each row and column: whether it is on, and since when (meaningless where it is off).

        Where neither `beyond` nor `clear` holds (between the two limits, or NaN) it stays as it was.
        """
        rows, columns = beyond.shape
        before_on = self.on if self.on is not None else np.zeros(columns, bool)
        before_since = self.since_us if self.since_us is not None else np.zeros(columns, np.int64)
        said = np.concatenate([np.ones((1, columns), bool), beyond | clear])
        place = np.maximum.accumulate(np.where(said, np.arange(rows + 1)[:, None], 0), axis=0)
        on = np.take_along_axis(np.concatenate([before_on[None], beyond]), place, axis=0)
        starts = np.where(on[1:] & ~on[:-1], at_us[:, None], np.iinfo(np.int64).min)
        since = np.maximum.accumulate(np.concatenate([before_since[None], starts]), axis=0)
        self.on, self.since_us = on[-1], since[-1]
        return on[1:], since[1:]

    def alarm(self, at_us: Times, beyond: Marks, clear: Marks) -> Marks:
        """On for `for_s` or longer."""
        on, since = self.run(at_us, beyond, clear)
        return on & (at_us[:, None] - np.where(on, since, 0) >= int(self.for_s * 1e6))

    def state(self) -> dict[str, Any]:
        return {
            "on": None if self.on is None else self.on.tolist(),
            "since_us": None if self.since_us is None else self.since_us.tolist(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.on = None if state["on"] is None else np.array(state["on"], bool)
        self.since_us = None if state["since_us"] is None else np.array(state["since_us"], np.int64)
