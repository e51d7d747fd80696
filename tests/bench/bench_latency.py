"""From the cable to the store: 1,000 values/s over ten serial lines, a real edge agent, Mosquitto, ingest and SQLite.

A value's time is when its answer was read from the line; it counts as stored when another process can read it from the
database, as the ledger's changes tell. That is looked for every 10 ms, which is in the figures.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import numpy as np
from sqlalchemy import select

from satomori_core.clock import now_us
from satomori_store.databases import reading
from satomori_store.ledger_tables import change_table
from support.edge import agent, slaves, until
from support.figures import Figure, held, plain
from support.gateways import METRICS, registry
from support.ingest_process import IngestProcess, ingest_process
from support.mosquitto import mosquitto
from support.serial import cable

LINES = 10
REGISTERS = 100  # of each line's slave, each second
SECONDS = 20.0
LOOK_S = 0.01
P99_S_MAX = 1.0


def run() -> Iterator[Figure]:
    yield from asyncio.run(_measure())


async def _measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        broker = stack.enter_context(mosquitto(folder))
        text = f'[broker]\nurl = "{broker.url}"\n'
        ingest = stack.enter_context(ingest_process(folder, text, registry(1, LINES * REGISTERS)))
        lines = [stack.enter_context(cable(folder, f"tty{n}")) for n in range(LINES)]
        async with AsyncExitStack() as running:
            for line in lines:
                await running.enter_async_context(slaves(line.far, {1: list(range(200, 200 + REGISTERS))}))
            config = _config(folder, broker.url, [line.near for line in lines])
            with agent(config, folder / "edge"):
                watch = _Watch(ingest)
                await until("values from all lines", lambda: watch.look() >= 2 * LINES * REGISTERS, 60)
                watch.delays_s.clear()
                started = time.monotonic()
                while time.monotonic() - started < SECONDS:
                    await asyncio.sleep(LOOK_S)
                    watch.look()
                rate = len(watch.delays_s) / (time.monotonic() - started)
    median, p99 = np.quantile(watch.delays_s, [0.5, 0.99])
    return [
        plain("cable_to_store_rate", rate, "values/s over ten serial lines"),
        plain("cable_to_store_median", float(median), "s"),
        held("cable_to_store_p99", float(p99), "s", "at_most", P99_S_MAX),
    ]


class _Watch:
    """Reads what is new in the store, as its changes tell."""

    def __init__(self, ingest: IngestProcess) -> None:
        self._stores = ingest.stores
        self._cursor = 0
        self._seen: set[tuple[int, int]] = set()
        self.delays_s: list[float] = []

    def look(self) -> int:
        """How many values were seen so far."""
        query = select(change_table).where(change_table.c.change_id > self._cursor).order_by(change_table.c.change_id)
        with reading(self._stores.ledger.engine) as connection:
            changes = connection.execute(query).all()
        if changes:
            seen_us = now_us()
            self._cursor = changes[-1].change_id
            from_us, until_us = min(c.from_us for c in changes), max(c.until_us for c in changes)
            found = self._stores.observations.read([c.datastream for c in changes], from_us, until_us + 1)
            new = set(zip(found.datastream.tolist(), found.observed_at_us.tolist(), strict=True)) - self._seen
            self._seen |= new
            self.delays_s += [(seen_us - at_us) / 1e6 for _, at_us in new]
        return len(self.delays_s)


def _config(folder: Path, url: str, ports: list[Path]) -> Path:
    tables = []
    for n, port in enumerate(ports):
        first = n * REGISTERS
        registers = ",\n".join(
            f'{{ address = {i}, scale = 0.1, metric = "{METRICS[(first + i) % len(METRICS)]}", '
            f'device = "g0-d{(first + i) // len(METRICS)}" }}'
            for i in range(REGISTERS)
        )
        tables.append(
            f'[[edge.modbus]]\nport = "{port}"\nbaudrate = 115200\ninterval_s = 1\n'
            f'[[edge.modbus.slaves]]\nunit = 1\ndevice = "g0-d{first // len(METRICS)}"\nregisters = [{registers}]\n'
        )
    config = folder / "edge.toml"
    config.write_text(f'[broker]\nurl = "{url}"\n[edge]\ngateway = "gw-0"\n{"".join(tables)}', encoding="utf-8")
    return config
