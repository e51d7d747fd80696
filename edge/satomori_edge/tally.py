"""For the log: what happens often is summed up and said at most once in a while."""

import time

EVERY_S = 60.0


class Tally:
    """`add` returns the sum when it is time to say it, else None. The first is said at once."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._sum = 0
        self._said_s = -every_s

    def add(self, count: int, now_s: float | None = None) -> int | None:
        now_s = time.monotonic() if now_s is None else now_s
        self._sum += count
        if now_s - self._said_s < self._every_s:
            return None
        total, self._sum, self._said_s = self._sum, 0, now_s
        return total
