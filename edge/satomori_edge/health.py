"""What the edge says of itself, as readings of a device with the gateway's id.

`clock_offset`: by how much the wall clock has been stepped since the start, that is its difference from the monotonic
clock. Readings from before a step bear times that are wrong by that much. A clock that was wrong from the beginning
and never set can't be seen here; ingest sees it, since the times of arrival are its own.
"""

import time
from collections.abc import Sequence

from satomori_core.clock import now_us
from satomori_core.readings import Reading
from satomori_edge.keeper import Keeper
from satomori_edge.sources.base import Source


class Clock:
    """Begins when the agent does."""

    def __init__(self) -> None:
        self._began_s = self._difference_s()

    @staticmethod
    def _difference_s() -> float:
        return time.time() - time.monotonic()

    def offset_s(self) -> float:
        """Whole milliseconds: less than that is the reading of two clocks after another."""
        return round(self._difference_s() - self._began_s, 3)


async def look(gateway: str, keeper: Keeper, sources: Sequence[Source], clock: Clock) -> list[Reading]:
    """Raise UnavailableError where the disk can't be read."""
    at_us = now_us()
    oldest_us = await keeper.oldest_us()
    values = {
        "outbox_readings": float(keeper.count),
        "outbox_oldest_age": 0.0 if oldest_us is None else max(0.0, round((at_us - oldest_us) / 1e6, 1)),
        "bus_errors": float(sum(source.errors for source in sources)),
        "clock_offset": clock.offset_s(),
    }
    return [Reading(gateway, metric, at_us, value) for metric, value in values.items()]
