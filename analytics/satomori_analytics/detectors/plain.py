"""Detectors that need no learning: beyond a limit, stuck, silent."""

from typing import Any, ClassVar

import numpy as np

from satomori_analytics.detectors.base import Floats, Latch, Scores, Times


class Limit:
    """Beyond a limit, with hysteresis, for long enough. 0.5 means beyond, but not yet for long enough."""

    joint: ClassVar[bool] = False

    def __init__(
        self, *, high: float = np.inf, low: float = -np.inf, hysteresis: float = 0.0, for_s: float = 0.0
    ) -> None:
        self.high, self.low, self.hysteresis = high, low, hysteresis
        self._latch = Latch(for_s)

    def score(self, at_us: Times, values: Floats) -> Scores:
        beyond, clear = beyond_limit(values, self.high, self.low, self.hysteresis)
        on, since = self._latch.run(at_us, beyond, clear)
        alarm = on & (at_us[:, None] - np.where(on, since, 0) >= int(self._latch.for_s * 1e6))
        return Scores(np.where(alarm, 1.0, np.where(on, 0.5, 0.0)), alarm)

    def state(self) -> dict[str, Any]:
        return self._latch.state()

    def restore(self, state: dict[str, Any]) -> None:
        self._latch.restore(state)


def beyond_limit(values: Floats, high: float, low: float, hysteresis: float) -> tuple[Any, Any]:
    """At or beyond a limit; back inside by more than the hysteresis (without one: back inside)."""
    beyond = (values >= high) | (values <= low)
    clear = (values <= high - hysteresis) & (values >= low + hysteresis) & ~beyond
    return beyond, clear


class Stuck:
    """No value further than `tolerance` from the one where the run began, for `stuck_s`; `quiet` values may stand."""

    joint: ClassVar[bool] = False

    def __init__(self, *, stuck_s: float = 7200.0, tolerance: float = 1e-6, quiet: float | None = None) -> None:
        self.stuck_s, self.tolerance, self.quiet = stuck_s, tolerance, quiet
        self._runs: list[tuple[float, int, int]] = []  # a column: where its run began, when, and how many values
        self.lasted_us: Floats = np.empty((0, 0))  # of each row of the latest call; not part of the state

    def score(self, at_us: Times, values: Floats) -> Scores:
        if not self._runs:
            self._runs = [(float("nan"), 0, 0)] * values.shape[1]
        lasted: Floats = np.zeros(values.shape)
        for column in range(values.shape[1]):
            lasted[:, column] = self._run(column, at_us.tolist(), values[:, column].tolist())
        self.lasted_us = lasted
        share: Floats = lasted / (self.stuck_s * 1e6)
        return Scores(np.minimum(share, 1.0) / 2 + (share >= 1) / 2, share >= 1)

    def _run(self, column: int, times: list[int], values: list[float]) -> list[float]:
        anchor, begun, count = self._runs[column]
        lasted = [0.0] * len(times)
        for i, (at, value) in enumerate(zip(times, values, strict=True)):
            if value != value:  # noqa: PLR0124 - NaN, and this loop is per value
                continue
            if abs(value - anchor) <= self.tolerance:
                count += 1
                still = self.quiet is not None and abs(value - self.quiet) <= self.tolerance
                # Three values are the least that can be called a run.
                lasted[i] = 0.0 if still or count < 3 else at - begun
            else:
                anchor, begun, count = value, at, 1
        self._runs[column] = (anchor, begun, count)
        return lasted

    def state(self) -> dict[str, Any]:
        return {"runs": [[None if n == 0 else anchor, at, n] for anchor, at, n in self._runs]}

    def restore(self, state: dict[str, Any]) -> None:
        self._runs = [(float("nan") if anchor is None else anchor, at, n) for anchor, at, n in state["runs"]]


class Silent:
    """How long before a row its series was last heard, against `longest_s`.

    In a file, silence is seen at the next row; a service asks the clock as well (`satomori_analytics.silence`).
    """

    joint: ClassVar[bool] = False

    def __init__(self, *, longest_s: float = 1800.0) -> None:
        self.longest_s = longest_s
        self._heard_us: list[int] = []

    def score(self, at_us: Times, values: Floats) -> Scores:
        columns = values.shape[1]
        heard = np.where(np.isfinite(values), at_us[:, None], np.iinfo(np.int64).min)
        before = np.array(self._heard_us or [int(at_us[0]) if len(at_us) else 0] * columns, np.int64)
        heard = np.maximum.accumulate(np.concatenate([before[None], heard]), axis=0)
        if len(at_us):
            self._heard_us = heard[-1].tolist()
        silence = (at_us[:, None] - heard[:-1]) / 1e6
        share = silence / self.longest_s
        return Scores(np.minimum(share, 2.0) / 2 if share.size else share, share > 1)

    def state(self) -> dict[str, Any]:
        return {"heard_us": self._heard_us}

    def restore(self, state: dict[str, Any]) -> None:
        self._heard_us = list(state["heard_us"])
