"""Work of others on a source's line, such as an actuator's: between the source's polls, before its next one.

The source holds the line for one turn at a time; who has work waits for the end of that turn and is served before the
next, since an asyncio lock is handed on in the order of asking. Nothing here knows which wire it is.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Generic, Literal, Protocol, TypeVar

from satomori_core.errors import UnavailableError
from satomori_edge.settings import RegisterKind

W = TypeVar("W")
T = TypeVar("T")


class Registers(Protocol):
    """The slaves of a bus. Raise UnavailableError where one does not answer, RejectedError where it says no."""

    async def read(self, unit: int, kind: RegisterKind, address: int, count: int) -> list[int]: ...

    async def write(self, unit: int, kind: Literal["coil", "holding"], address: int, values: Sequence[int]) -> None: ...


class TextLine(Protocol):
    """A line of text. Raise UnavailableError where no line that matches `reply` comes in time."""

    async def exchange(self, command: bytes, reply: re.Pattern[str], timeout_s: float) -> re.Match[str]: ...


class Jobs(Generic[W]):
    """`quiet_s`: after a request without an answer the line is left alone so long, so that a late one is not taken."""

    def __init__(self, name: str, quiet_s: float) -> None:
        self._name = name
        self._quiet_s = quiet_s
        self._quiet_until_s = 0.0
        self._line: W | None = None
        self.turn = asyncio.Lock()

    @contextlib.contextmanager
    def open(self, line: W) -> Iterator[None]:
        """`line` is there for the length of the block."""
        self._line = line
        try:
            yield
        finally:
            self._line = None

    def failed(self) -> None:
        """A request went without an answer."""
        self._quiet_until_s = time.monotonic() + self._quiet_s

    async def do(self, work: Callable[[W], Awaitable[T]]) -> T:
        """What `work` gives when its turn has come. Raise UnavailableError where the line is away."""
        async with self.turn:
            await asyncio.sleep(max(0.0, self._quiet_until_s - time.monotonic()))
            if self._line is None:
                raise UnavailableError(f"{self._name} is away")
            try:
                return await work(self._line)
            except (UnavailableError, asyncio.CancelledError):
                self.failed()
                raise
