"""How long a login has to wait after wrong passwords: doubling, bounded in memory.

Three counts: of one user from one address (few attempts are free), of one address and of one user (many are free, so
that neither a town hall behind one address nor a user under attack is locked out by others' mistakes).
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator

from satomori_core.clock import HOUR_US, SECOND_US

FREE_OF_BOTH = 5
FREE_OF_ONE = 50
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 900.0
FORGOTTEN_AFTER_US = HOUR_US
KEYS_MAX = 10_000

Key = tuple[str, str]  # user and address; "" for any


class Backoff:
    """Beyond the free attempts each has to wait twice as long as the one before, 15 minutes at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: OrderedDict[Key, tuple[int, int]] = OrderedDict()  # how many, the last one's time

    def wait_s(self, user: str, address: str, now_us: int) -> float:
        """How long from now the next attempt has to wait; 0 for not at all."""
        with self._lock:
            return max(self._wait_s(key, free, now_us) for key, free in _keys(user, address))

    def tried(self, user: str, address: str, now_us: int) -> None:
        """Counts as failed until it is said to have succeeded, so that many attempts at once gain nothing."""
        with self._lock:
            for key, _ in _keys(user, address):
                count, at_us = self._failures.pop(key, (0, now_us))
                self._failures[key] = (1 if now_us - at_us > FORGOTTEN_AFTER_US else count + 1, now_us)
            while len(self._failures) > KEYS_MAX:
                self._failures.popitem(last=False)

    def succeeded(self, user: str, address: str) -> None:
        with self._lock:
            self._failures.pop((user, address), None)
            for key in ((user, ""), ("", address)):
                count, at_us = self._failures.get(key, (1, 0))
                if count > 1:
                    self._failures[key] = (count - 1, at_us)
                else:
                    self._failures.pop(key, None)

    def _wait_s(self, key: Key, free: int, now_us: int) -> float:
        count, at_us = self._failures.get(key, (0, now_us))
        if count < free or now_us - at_us > FORGOTTEN_AFTER_US:
            return 0.0
        wait_s = min(FIRST_WAIT_S * 2.0 ** min(count - free, 20), LONGEST_WAIT_S)
        return max(0.0, wait_s - (now_us - at_us) / SECOND_US)


def _keys(user: str, address: str) -> Iterator[tuple[Key, int]]:
    yield (user, address), FREE_OF_BOTH
    yield (user, ""), FREE_OF_ONE
    yield ("", address), FREE_OF_ONE
