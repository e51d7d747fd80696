"""What every source promises, each on a real line: pseudo-terminals, a Mosquitto."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiomqtt
import pytest
import structlog

from satomori_core.readings import Reading
from satomori_edge.marks import Mark
from satomori_edge.settings import (
    FrameMetric,
    FrameNode,
    FramesSettings,
    JsonField,
    ModbusSettings,
    MqttMapping,
    MqttSettings,
    Register,
    Slave,
    TextField,
    TextSettings,
)
from satomori_edge.sources.base import Source
from satomori_edge.sources.framed import FramesSource
from satomori_edge.sources.frames import Report, Value, on_the_line
from satomori_edge.sources.modbus import ModbusSource
from satomori_edge.sources.mqtt import MqttSource
from satomori_edge.sources.text import TextSource
from support.edge import slaves, until
from support.mosquitto import mosquitto
from support.ports import free_ports
from support.serial import Cable

NOISE = random.Random(11).randbytes(100_000)


@dataclass
class Bench:
    """A source of one kind on a line that the test can pull out, put back and disturb."""

    source: Source
    plug: Callable[[], Awaitable[None]]
    unplug: Callable[[], Awaitable[None]]
    speak: Callable[[], Awaitable[None]]
    disturb: Callable[[], Awaitable[None]]


ONE_SLAVE = (Slave(1, "a", (Register(0, "air_temperature", scale=0.1, unit="Cel"),)),)


@asynccontextmanager
async def modbus_bench(folder: Path) -> AsyncIterator[Bench]:
    cable = Cable(folder)
    stack = AsyncExitStack()

    async def plug() -> None:
        cable.plug()
        await stack.enter_async_context(slaves(cable.far, {1: [215]}))

    async def unplug() -> None:
        await stack.aclose()
        cable.unplug()

    async def speak() -> None:
        """It speaks when it is asked."""

    async def disturb() -> None:
        await asyncio.to_thread(cable.disturb, NOISE)

    settings = ModbusSettings(str(cable.near), ONE_SLAVE, timeout_s=0.1, interval_s=0.1)
    try:
        yield Bench(ModbusSource(settings, retry_max_s=0.1), plug, unplug, speak, disturb)
    finally:
        await unplug()


@asynccontextmanager
async def modbus_tcp_bench(_: Path) -> AsyncIterator[Bench]:
    """The peer may also be another program than the one that was meant: it talks noise, and goes."""
    [port] = free_ports(1)
    stack = AsyncExitStack()

    async def plug() -> None:
        await stack.enter_async_context(slaves(port, {1: [215]}))

    async def unplug() -> None:
        await stack.aclose()

    async def speak() -> None:
        """It speaks when it is asked."""

    async def disturb() -> None:
        async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                for start in range(0, len(NOISE), 1000):
                    writer.write(NOISE[start : start + 1000])
                    await writer.drain()
            writer.close()
            met.set()

        met = asyncio.Event()
        await unplug()
        async with await asyncio.start_server(talk, "127.0.0.1", port):
            await asyncio.wait_for(met.wait(), 10)
        await plug()

    settings = ModbusSettings(host="127.0.0.1", tcp_port=port, slaves=ONE_SLAVE, timeout_s=0.1, interval_s=0.1)
    async with stack:
        yield Bench(ModbusSource(settings, retry_max_s=0.1), plug, unplug, speak, disturb)


@asynccontextmanager
async def text_bench(folder: Path) -> AsyncIterator[Bench]:
    cable = Cable(folder)

    async def plug() -> None:
        cable.plug()

    async def unplug() -> None:
        cable.unplug()

    async def speak() -> None:
        await asyncio.to_thread(cable.disturb, b"\n$A,21.5*75\n")

    async def disturb() -> None:
        await asyncio.to_thread(cable.disturb, NOISE)

    fields = (TextField(1, "air_temperature", "Cel"),)
    settings = TextSettings(str(cable.near), fields, device="a", checksum="xor", start="$A")
    try:
        yield Bench(TextSource(settings, retry_max_s=0.1), plug, unplug, speak, disturb)
    finally:
        cable.unplug()


@asynccontextmanager
async def frames_bench(folder: Path) -> AsyncIterator[Bench]:
    cable = Cable(folder)
    numbers = itertools.count(1)

    async def plug() -> None:
        cable.plug()

    async def unplug() -> None:
        cable.unplug()

    async def speak() -> None:
        report = Report(node=7, boot=1, seq=next(numbers), age_ms=0, dropped=0, values=(Value(1, 215),))
        await asyncio.to_thread(cable.disturb, on_the_line(report.to_bytes()))

    async def disturb() -> None:
        await asyncio.to_thread(cable.disturb, NOISE)

    metrics = (FrameMetric(1, "air_temperature", "Cel", scale=0.1),)
    settings = FramesSettings(str(cable.near), (FrameNode(7, "a"),), metrics)
    try:
        yield Bench(FramesSource(settings, retry_max_s=0.1), plug, unplug, speak, disturb)
    finally:
        cable.unplug()


@asynccontextmanager
async def mqtt_bench(folder: Path) -> AsyncIterator[Bench]:
    stack = ExitStack()
    with ExitStack() as first:
        broker = first.enter_context(mosquitto(folder))

    async def publish(payloads: Sequence[bytes]) -> None:
        async with aiomqtt.Client(broker.host, broker.port) as client:
            for payload in payloads:
                await client.publish("z/a", payload, qos=1)

    async def plug() -> None:
        await asyncio.to_thread(broker.start)
        stack.callback(broker.kill)

    async def unplug() -> None:
        await asyncio.to_thread(broker.kill)

    async def speak() -> None:
        await publish([b'{"t": 21.5}'])

    async def disturb() -> None:
        await publish([NOISE[start : start + 1000] for start in range(0, len(NOISE), 1000)])

    mapping = MqttMapping("z/+", (JsonField("t", "air_temperature", "Cel"),), device_level=1)
    settings = MqttSettings(broker.url, (mapping,))
    with stack:
        yield Bench(MqttSource(settings, "edge-test", ZoneInfo("UTC"), retry_max_s=0.1), plug, unplug, speak, disturb)


@pytest.fixture(
    params=[
        modbus_bench,
        modbus_tcp_bench,
        text_bench,
        frames_bench,
        pytest.param(mqtt_bench, marks=pytest.mark.servers),
    ]
)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with request.param(tmp_path) as one:
        yield one


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    with structlog.testing.capture_logs() as records:
        yield records  # type: ignore[misc]


@asynccontextmanager
async def reading(source: Source) -> AsyncIterator[list[Reading]]:
    """The source runs for the length of the block; at its end it is cancelled, and stops at once."""
    got: list[Reading] = []

    async def sink(readings: Sequence[Reading], _mark: Mark | None = None, /) -> None:
        got.extend(readings)

    task = asyncio.create_task(source.run(sink))
    try:
        yield got
        assert not task.done(), "a source never ends by itself"
    finally:
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=2)
        assert done, "a source stops when it is cancelled"


def events(logged: list[dict[str, Any]], event: str) -> int:
    return sum(record["event"] == event for record in logged)


async def speak_until(bench: Bench, got: list[Reading], count: int) -> None:
    for _ in range(200):
        if len(got) >= count:
            return
        await bench.speak()
        await asyncio.sleep(0.05)
    raise AssertionError(f"{len(got)} readings instead of {count}")


def good(got: Sequence[Reading]) -> bool:
    return all((r.device, r.metric, r.value, r.unit) == ("a", "air_temperature", 21.5, "Cel") for r in got)


async def test_it_reads(bench: Bench) -> None:
    await bench.plug()
    async with reading(bench.source) as got:
        await speak_until(bench, got, 2)
    assert good(got)


async def test_a_missing_line_is_told_once_and_tried_again(bench: Bench, logged: list[dict[str, Any]]) -> None:
    """Also a line that is pulled out and put back: told once when it goes and once when it is back."""
    async with reading(bench.source) as got:
        await until("told that it is away", lambda: events(logged, "source is away"))
        await until("tried more than once", lambda: bench.source.errors >= 3)
        assert events(logged, "source is away") == 1
        await bench.plug()
        await speak_until(bench, got, 2)
        assert events(logged, "source is back") == 1
        await bench.unplug()
        await until("told that it is away again", lambda: events(logged, "source is away") == 2)
        before = len(got)
        await bench.plug()
        await speak_until(bench, got, before + 2)
    assert (events(logged, "source is away"), events(logged, "source is back")) == (2, 2)
    assert good(got)


async def test_100_kb_of_noise_yields_no_reading_and_what_follows_is_read(bench: Bench) -> None:
    await bench.plug()
    async with reading(bench.source) as got:
        await speak_until(bench, got, 1)
        await bench.disturb()
        before = len(got)
        await speak_until(bench, got, before + 2)
    assert good(got)


async def test_after_a_stop_the_line_is_free(bench: Bench) -> None:
    await bench.plug()
    for _ in range(2):
        async with reading(bench.source) as got:
            await speak_until(bench, got, 1)
