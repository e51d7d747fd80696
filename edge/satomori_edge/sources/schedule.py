"""Who is asked next on a bus. Pure: the time is an argument.

Those who answer keep a fixed rhythm. One that missed SILENT_AFTER rounds is asked ever more rarely, and only where the
wait for its silence fits before the next of the others is due; a bus without such room is held up for it now and then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

SILENT_AFTER = 2  # one miss is noise on the line
SILENT_MAX_S = 300.0

T = TypeVar("T")


@dataclass(slots=True)
class Turn(Generic[T]):
    """`failures`: rounds in a row without an answer. `overdue_s`: from when on it holds up the others."""

    who: T
    interval_s: float
    due_s: float
    failures: int = 0
    overdue_s: float = 0.0

    @property
    def is_silent(self) -> bool:
        return self.failures >= SILENT_AFTER


class Schedule(Generic[T]):
    """`timeout_s`: how long an unanswered request takes."""

    def __init__(self, members: list[tuple[T, float]], timeout_s: float, now_s: float) -> None:
        self._timeout_s = timeout_s
        self._turns = [Turn(who, interval_s, now_s) for who, interval_s in members]

    def turns(self) -> Sequence[Turn[T]]:
        return self._turns

    def next(self, now_s: float) -> tuple[Turn[T], float]:
        """Whose turn is next, and in how many seconds (0: now)."""
        answering = [turn for turn in self._turns if not turn.is_silent]
        silent = [turn for turn in self._turns if turn.is_silent]
        first = min(answering, key=lambda turn: turn.due_s, default=None)
        probe = min(silent, key=lambda turn: turn.due_s, default=None)
        if probe is None or first is None:
            turn = first or probe
            if turn is None:
                raise ValueError("a schedule without members")
            return turn, max(0.0, turn.due_s - now_s)
        start_s = max(now_s, probe.due_s)
        fits = start_s + self._timeout_s <= first.due_s or start_s >= probe.overdue_s
        turn = probe if fits and start_s <= max(first.due_s, now_s) else first
        return turn, max(0.0, turn.due_s - now_s)

    def change(self, turn: Turn[T], interval_s: float, now_s: float) -> None:
        """Its rhythm from now on."""
        turn.interval_s = interval_s
        turn.due_s = min(turn.due_s, now_s + interval_s)

    def answered(self, turn: Turn[T], now_s: float) -> bool:
        """Plan its next turn on its own grid; whether it had been silent."""
        was_silent = turn.is_silent
        turn.failures = 0
        _advance(turn, now_s)
        return was_silent

    def failed(self, turn: Turn[T], now_s: float) -> bool:
        """Ask it again later, ever more so; whether it is silent from now on."""
        turn.failures += 1
        if not turn.is_silent:
            _advance(turn, now_s)
            return False
        doublings = min(turn.failures - SILENT_AFTER + 1, 16)
        turn.due_s = now_s + min(turn.interval_s * 2**doublings, max(SILENT_MAX_S, turn.interval_s))
        turn.overdue_s = turn.due_s + min(SILENT_MAX_S, 10 * (turn.interval_s + self._timeout_s))
        return turn.failures == SILENT_AFTER


def _advance(turn: Turn[T], now_s: float) -> None:
    """To the next point of its grid that is not over."""
    missed = max(0, int((now_s - turn.due_s) // turn.interval_s))
    turn.due_s += (missed + 1) * turn.interval_s
