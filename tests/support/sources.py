"""A source running for the length of a block."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from satomori_core.readings import Reading
from satomori_edge.marks import Mark
from satomori_edge.settings import ModbusSettings
from satomori_edge.sources.base import Source
from satomori_edge.sources.modbus import ModbusSource
from support.edge import until
from support.patience import cancelled


@asynccontextmanager
async def reading(source: Source) -> AsyncIterator[list[Reading]]:
    """What it reads; at the end of the block it is cancelled, and stops."""
    got: list[Reading] = []

    async def sink(readings: Sequence[Reading], _mark: Mark | None = None, /) -> None:
        got.extend(readings)

    task = asyncio.create_task(source.run(sink))
    try:
        yield got
        assert not task.done(), "a source never ends by itself"
    finally:
        await cancelled(task)


async def read_once(settings: ModbusSettings) -> dict[str, float]:
    """One round of a Modbus source, by metric."""
    async with reading(ModbusSource(settings)) as got:
        await until("a round of readings", lambda: got)
    return {one.metric: one.value for one in got}
