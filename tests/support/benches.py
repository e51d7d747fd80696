"""A bench for each kind of source: a real line that a test can pull out, put back and disturb."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import aiomqtt

from satomori_edge.marks import Mark
from satomori_edge.settings import (
    FrameMetric,
    FrameNode,
    FramesSettings,
    JsonField,
    ModbusSettings,
    MqttMapping,
    MqttSettings,
    NmeaField,
    NmeaSettings,
    Register,
    Sdi12Sensor,
    Sdi12Settings,
    Sdi12Value,
    Slave,
    TextField,
    TextSettings,
)
from satomori_edge.sources.base import Source
from satomori_edge.sources.framed import FramesSource
from satomori_edge.sources.frames import Report, Value, on_the_line
from satomori_edge.sources.modbus import ModbusSource
from satomori_edge.sources.mqtt import MqttSource
from satomori_edge.sources.nmea import NmeaSource
from satomori_edge.sources.sdi12_bus import Sdi12Source
from satomori_edge.sources.text import TextSource
from support.edge import slaves
from support.mosquitto import mosquitto
from support.patience import PATIENCE_S
from support.ports import free_ports
from support.sdi12_sensors import Sensor, sensors
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
            await asyncio.wait_for(met.wait(), PATIENCE_S)
        await plug()

    settings = ModbusSettings(host="127.0.0.1", tcp_port=port, slaves=ONE_SLAVE, timeout_s=0.1, interval_s=0.1)
    async with stack:
        yield Bench(ModbusSource(settings, retry_max_s=0.1), plug, unplug, speak, disturb)


@asynccontextmanager
async def lines_bench(folder: Path, make: Callable[[str], Source], line: bytes) -> AsyncIterator[Bench]:
    """A device that sends `line` by itself."""
    cable = Cable(folder)

    async def plug() -> None:
        cable.plug()

    async def unplug() -> None:
        cable.unplug()

    async def speak() -> None:
        await asyncio.to_thread(cable.disturb, b"\n" + line + b"\r\n")

    async def disturb() -> None:
        await asyncio.to_thread(cable.disturb, NOISE)

    try:
        yield Bench(make(str(cable.near)), plug, unplug, speak, disturb)
    finally:
        cable.unplug()


def text_bench(folder: Path) -> AbstractAsyncContextManager[Bench]:
    fields = (TextField(1, "air_temperature", "Cel"),)
    return lines_bench(
        folder,
        lambda port: TextSource(TextSettings(port, fields, device="a", checksum="xor", start="$A"), retry_max_s=0.1),
        b"$A,21.5*75",
    )


def nmea_bench(folder: Path) -> AbstractAsyncContextManager[Bench]:
    fields = (NmeaField("XDR", "air_temperature", transducer="C,0", unit="Cel"),)
    return lines_bench(
        folder, lambda port: NmeaSource(NmeaSettings(port, "a", fields), retry_max_s=0.1), b"$WIXDR,C,21.5,C,0*78"
    )


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
        yield Bench(FramesSource(settings, [Mark("a", 1, 0)], retry_max_s=0.1), plug, unplug, speak, disturb)
    finally:
        cable.unplug()


@asynccontextmanager
async def sdi12_bench(folder: Path) -> AsyncIterator[Bench]:
    cable = Cable(folder)
    stack = ExitStack()

    async def plug() -> None:
        cable.plug()
        stack.enter_context(sensors(cable.far, Sensor("0", {"M": ["+21.5"]})))

    async def unplug() -> None:
        stack.close()
        cable.unplug()

    async def speak() -> None:
        """It speaks when it is asked."""

    async def disturb() -> None:
        await asyncio.to_thread(cable.disturb, NOISE)

    wanted = Sdi12Sensor("0", "a", (Sdi12Value(0, "air_temperature", "Cel"),), crc=True)
    settings = Sdi12Settings(str(cable.near), (wanted,), timeout_s=0.1, interval_s=0.1)
    try:
        yield Bench(Sdi12Source(settings, retry_max_s=0.1), plug, unplug, speak, disturb)
    finally:
        await unplug()


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


# Every kind of source; each reads 21.5 Cel of device `a`.
BENCHES = (modbus_bench, modbus_tcp_bench, sdi12_bench, text_bench, nmea_bench, frames_bench, mqtt_bench)
