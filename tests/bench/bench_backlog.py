"""A gateway that was cut off for a day: how fast its backlog drains, and what fresh readings feel of it.

And what a reading costs on the wire, both ways: every byte that the TCP connection carries. The edge is a real agent
with a day's readings of ten datastreams, one a second each; Mosquitto and ingest with SQLite run on the same machine.
"""

import asyncio
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from satomori_core.clock import SECOND_US, now_us
from satomori_core.readings import Reading
from satomori_edge.outbox import Outbox
from satomori_store.registry import load_lookup
from support.edge import Agent, agent, until
from support.figures import Figure, held, plain, processor_s
from support.gateways import METRICS, registry
from support.ingest_process import IngestProcess, ingest_process
from support.mosquitto import mosquitto
from support.serial import cable
from support.wire import Wire, wire

DATASTREAMS = 10
READINGS = 86_400 * DATASTREAMS
TIMES_REAL_MIN = 500.0
DRAIN_MAX_S = 600.0
WIRE_READINGS = 20_000
WIRE_BYTES_MAX = 12.0
FRESH_EVERY_S = 0.2
FRESH_S = 15.0
FRESH_RATIO_MAX = 2.0
LOOK_S = 0.01
SETTLE_S = 2.0  # after a start, before it is measured


def run() -> Iterator[Figure]:
    yield from asyncio.run(_wire())
    yield from asyncio.run(_drain())


@dataclass
class _Place:
    """A gateway's folder and line, and what it talks to."""

    folder: Path
    ingest: IngestProcess
    way: Wire
    text_port: Path
    config: Path


@asynccontextmanager
async def _place(uplink: str) -> AsyncIterator[_Place]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        broker = stack.enter_context(mosquitto(folder))
        line = stack.enter_context(cable(folder))
        settings = f'[broker]\nurl = "{broker.url}"\n'
        ingest = stack.enter_context(ingest_process(folder, settings, registry(1, DATASTREAMS + len(METRICS))))
        async with wire(broker.port) as way:
            config = folder / "edge.toml"
            config.write_text(
                f'[broker]\nurl = "mqtt://127.0.0.1:{way.port}"\n[edge]\ngateway = "gw-0"\nhealth_interval_s = 86400\n'
                f'[edge.uplink]\npack_age_s = 0.1\n{uplink}\n[[edge.text]]\nport = "{line.near}"\ndevice = "g0-d2"\n'
                f'fields = [{{ index = 0, metric = "{METRICS[0]}" }}]\n',
                encoding="utf-8",
            )
            yield _Place(folder, ingest, way, line.far, config)


def _fill(folder: Path, readings: int) -> None:
    """An outbox with rounds of all datastreams, a second apart, values of one decimal, up to a minute ago."""
    folder.mkdir()
    outbox = Outbox(folder / "outbox.sqlite", readings_max=10**7, bytes_max=10**9)
    start_us = now_us() - (readings // DATASTREAMS + 60) * SECOND_US
    chance = random.Random(1)
    batch: list[Reading] = []
    for first in range(0, readings, len(METRICS)):
        device = f"g0-d{first // len(METRICS) % (DATASTREAMS // len(METRICS))}"
        at_us = start_us + first // DATASTREAMS * SECOND_US + chance.randrange(20_000)  # a bus is never quite in time
        batch += [Reading(device, metric, at_us, chance.randrange(150, 300) / 10) for metric in METRICS]
        if len(batch) >= 10_000:
            outbox.put(batch)
            batch.clear()
    outbox.put(batch)
    outbox.close()


# ------------------------------------------------------------------ bytes


async def _wire() -> list[Figure]:
    """In packs of 100, acknowledgements and questions included, from the connection's first byte on."""
    async with _place("pack_readings_max = 100\nbacklog_window = 2") as place:
        _fill(place.folder / "edge", WIRE_READINGS)
        with agent(place.config, place.folder / "edge"):
            await until("all stored", lambda: _stored(place.ingest) >= WIRE_READINGS, 120)
            await asyncio.sleep(1)  # the last acknowledgements
        up, down = place.way.up / WIRE_READINGS, place.way.down / WIRE_READINGS
    return [
        plain("edge_wire_up_per_reading", up, "By"),
        plain("edge_wire_down_per_reading", down, "By"),
        held("edge_wire_per_reading", up + down, "By, both ways, in packs of 100", "at_most", WIRE_BYTES_MAX),
    ]


def _stored(ingest: IngestProcess) -> int:
    return sum(one.numbered for one in ingest.stores.ledger.reading_counts().values())


# ------------------------------------------------------------------ a day


async def _drain() -> list[Figure]:
    async with _place("") as place:
        with agent(place.config, place.folder / "quiet") as edge:
            alone = await _fresh(place, edge, lambda: False)
        _fill(place.folder / "edge", READINGS)
        before = _stored(place.ingest)
        with agent(place.config, place.folder / "edge") as edge:
            await until("the backlog flows", lambda: _stored(place.ingest) > before, 30)
            began_s, began, cpu_s = time.monotonic(), _stored(place.ingest), edge.cpu_s()
            ingest_s = _processor_s(place.ingest)
            last_s = began_s + DRAIN_MAX_S
            amid = await _fresh(
                place, edge, lambda: _stored(place.ingest) < before + READINGS and time.monotonic() < last_s
            )
            readings, seconds = _stored(place.ingest) - began, time.monotonic() - began_s
            cpu_s, rss = edge.cpu_s() - cpu_s, edge.rss_bytes()
            ingest_s = _processor_s(place.ingest) - ingest_s
    rate = readings / seconds
    return [
        held("backlog_times_real", rate / DATASTREAMS, "times as fast as it came", "at_least", TIMES_REAL_MIN),
        plain("backlog_rate", rate, "readings/s, stored"),
        plain("backlog_edge_cpu_per_reading", cpu_s / readings * 1e6, "us"),
        plain("backlog_ingest_cpu_per_reading", ingest_s / readings * 1e6, "us"),
        held("backlog_edge_rss", rss / 1e6, "MB", "at_most", 45.0),
        plain("fresh_p99_alone", alone, "s"),
        held("fresh_p99_ratio_amid_backlog", amid / alone, "times that without a backlog", "at_most", FRESH_RATIO_MAX),
    ]


def _processor_s(ingest: IngestProcess) -> float:
    return processor_s(psutil.Process(ingest.pid))


async def _fresh(place: _Place, edge: Agent, goes_on: Callable[[], bool]) -> float:
    """The 99th percentile of the time from the line to the store, for at least `FRESH_S`, in seconds."""
    await until("connected", lambda: edge.events("connected"))
    lookup = load_lookup(place.ingest.stores.registry)
    number = lookup.route("gw-0", "g0-d2", METRICS[0], now_us()).datastream_id
    start_us, began_s, said_s = 0, time.monotonic(), 0.0
    seen: dict[int, float] = {}
    port = os.open(place.text_port, os.O_RDWR | os.O_NOCTTY)
    try:
        while time.monotonic() - began_s < FRESH_S or goes_on():
            if time.monotonic() - said_s >= FRESH_EVERY_S:
                said_s = time.monotonic()
                os.write(port, b"21.5\n")
            if not start_us and time.monotonic() - began_s > SETTLE_S:
                start_us = now_us()
            from_us = max(start_us, max(seen, default=0) - 5 * SECOND_US)
            found = place.ingest.stores.observations.read([number] if start_us else [], from_us, 2**60)
            for at_us in found.observed_at_us.tolist():
                seen.setdefault(at_us, (now_us() - at_us) / 1e6)
            await asyncio.sleep(LOOK_S)
    finally:
        os.close(port)
    return float(np.quantile(list(seen.values()), 0.99))
