"""What every source is: a name, a count of errors, and a `run` that goes on whatever the line does.

The promises that all keep (tests/edge/test_source_promises.py): a missing line is told once and tried again ever more
slowly; when it is back that is told once; noise yields no reading; when cancelled, the port is free at once.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from satomori_core.errors import UnavailableError
from satomori_core.logs import get_logger
from satomori_core.readings import Reading
from satomori_edge.marks import Mark
from satomori_edge.sources.jobs import Jobs, Registers, TextLine

RETRY_FIRST_S = 0.5
RETRY_MAX_S = 30.0

log = get_logger("edge")


class Sink(Protocol):
    """Hands readings to the outbox; returns when they are durable, and with them the `mark` that they reach."""

    async def __call__(self, readings: Sequence[Reading], mark: Mark | None = None, /) -> None: ...


class Source(Protocol):
    """`errors`: what went wrong on the line since the start (no answer, bad checksum, not a number …)."""

    name: str
    errors: int

    async def run(self, sink: Sink) -> None:
        """Read until cancelled."""

    def registers_of(self, device: str) -> tuple[Jobs[Registers], int] | None:
        """Where work for the registers of `device` is handed in, and its unit."""
        del device
        return None

    def text_line(self, port: str) -> Jobs[TextLine] | None:
        """Where work for the line at `port` is handed in."""
        del port
        return None

    def sample(self, device: str, interval_s: float) -> bool:
        """Read `device` so often from now on; False where it is not ours or is not asked but speaks by itself."""
        del device, interval_s
        return False


@dataclass(slots=True)
class Line:
    """Whether a line is there, told once per change, and how long to wait before it is tried again."""

    source: str
    retry_max_s: float = RETRY_MAX_S
    is_away: bool = False
    attempts: int = 0

    def up(self) -> None:
        if self.is_away:
            log.info("source is back", source=self.source)
        self.is_away = False
        self.attempts = 0

    def down(self, why: str) -> float:
        """Seconds to wait, with jitter so that many lines don't come back in one instant."""
        if not self.is_away:
            log.warning("source is away", source=self.source, why=why)
        self.is_away = True
        self.attempts += 1
        longest = min(self.retry_max_s, RETRY_FIRST_S * 2 ** min(self.attempts, 16))
        return random.uniform(longest / 2, longest)  # noqa: S311 - jitter, no secret


async def keep_running(source: Source, line: Line, attempt: Callable[[], Awaitable[None]]) -> None:
    """Run `attempt` again and again; it calls `line.up()` when the line works, and raises UnavailableError."""
    while True:
        try:
            await attempt()
        except UnavailableError as error:
            source.errors += 1
            await asyncio.sleep(line.down(str(error)))


def scaled(raw: float, scale: float, offset: float) -> float:
    """`raw * scale + offset` without the tail that binary fractions leave (234 * 0.1 is 23.4)."""
    if scale == 1.0 and offset == 0.0:
        return float(raw)
    return float(f"{raw * scale + offset:.12g}")
