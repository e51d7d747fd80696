"""What the edge says of itself, as readings of a device with the gateway's id.

`clock_offset`: by how much the system's clock is off, or was stepped since the start (clock.py).
"""

from collections.abc import Sequence

from satomori_core.readings import Reading
from satomori_edge.clock import Clock
from satomori_edge.keeper import Keeper
from satomori_edge.sources.base import Source


async def look(gateway: str, keeper: Keeper, sources: Sequence[Source], clock: Clock) -> list[Reading]:
    """Raise UnavailableError where the disk can't be read."""
    at_us = clock.now_us()
    oldest_us = await keeper.oldest_us()
    values = {
        "outbox_readings": float(keeper.count),
        "outbox_oldest_age": _age_s(oldest_us, at_us),
        "bus_errors": float(sum(source.errors for source in sources)),
        "clock_offset": clock.offset_s(),
    }
    return [Reading(gateway, metric, at_us, value) for metric, value in values.items()]


def _age_s(oldest_us: int | None, at_us: int) -> float:
    """Of two times on one clock; across the moment when the time becomes known nothing can be said."""
    if oldest_us is None or (oldest_us < 0) != (at_us < 0):
        return 0.0
    return max(0.0, round((at_us - oldest_us) / 1e6, 1))
