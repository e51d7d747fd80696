"""A bus's schedule on the running clock. Others may change a device's rhythm while its turn is waited for."""

import asyncio
import contextlib
import time
from typing import Generic, Protocol, TypeVar

from satomori_edge.sources.schedule import Schedule, Turn


class Member(Protocol):
    """What is asked on a bus."""

    @property
    def device(self) -> str: ...


M = TypeVar("M", bound=Member)


class Turns(Generic[M]):
    """`members`: who is asked, and how often; `timeout_s`: how long silence takes."""

    def __init__(self, members: list[tuple[M, float]], timeout_s: float) -> None:
        self._schedule = Schedule(members, timeout_s, time.monotonic())
        self._changed = asyncio.Event()

    def next(self) -> tuple[Turn[M], float]:
        """Whose turn is next, and in how many seconds (0: now)."""
        return self._schedule.next(time.monotonic())

    async def wait(self, wait_s: float) -> None:
        """Not longer, but until a rhythm is changed: then another may come first."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._changed.wait()

    def answered(self, turn: Turn[M]) -> bool:
        """Whether it had been silent."""
        return self._schedule.answered(turn, time.monotonic())

    def failed(self, turn: Turn[M]) -> bool:
        """Whether it is silent from now on."""
        return self._schedule.failed(turn, time.monotonic())

    def sample(self, device: str, interval_s: float) -> bool:
        """Ask `device` so often from now on; False where it is not on this bus."""
        turn = next((turn for turn in self._schedule.turns() if turn.who.device == device), None)
        if turn is None:
            return False
        self._schedule.change(turn, interval_s, time.monotonic())
        self._changed.set()
        return True
