"""Ingest: messages received against aiomqtt, and values made durable against what the databases alone can do.

Each server is started for the bench. The received rate is per second of the receiver's own core, so that a busy
machine does not flatter either side.
"""

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import aiomqtt
import psutil
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from satomori_core.broker import BrokerAddress
from satomori_core.clock import SECOND_US, now_us
from satomori_core.logs import configure_logs
from satomori_core.ranges import count
from satomori_core.readings import Reading
from satomori_core.senml import Pack, decode_ack, encode
from satomori_ingest.broker_session import Subscription
from satomori_ingest.protocol import Identity, Message
from satomori_ingest.session import Session
from support.influx import Influx, influx_server
from support.ingest_process import IngestProcess, ingest_process
from support.ingesting import REGISTRY
from support.mosquitto import Mosquitto, mosquitto

MESSAGES = 20_000
PER_PACK = 100
DEVICES, METRICS = 20, ("air_temperature", "relative_humidity", "soil_temperature", "soil_moisture", "co2")
SQLITE_PACKS = 3000
INFLUX_PACKS = 1500
ROWS_PER_TRANSACTION = 10_000
CPU_TARGET_US = 3.0  # beside what the database itself needs
Figure = dict[str, object]


def run() -> Iterator[Figure]:
    configure_logs("error")  # stdout is for the figures
    with tempfile.TemporaryDirectory() as folder:
        yield from _receiving(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        yield from _into_sqlite(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        yield from _into_influx(Path(folder))


# ------------------------------------------------------------------ messages received


def _receiving(folder: Path) -> Iterator[Figure]:
    with mosquitto(folder) as broker:
        rates = {}
        for receiver in ("aiomqtt", "session"):
            _child(receiver, "subscribe", broker.port)
            asyncio.run(_publish(broker.port))
            rates[receiver] = float(_child(receiver, "receive", broker.port))
    yield _compared(
        "mqtt_receive", rates["session"], "messages/s of one core, QoS 1", ("aiomqtt", rates["aiomqtt"]), target=10.0
    )


def _compared(name: str, value: float, unit: str, reference: tuple[str, float], *, target: float | None) -> Figure:
    ratio = value / reference[1]
    figure: Figure = {
        "name": name, "value": round(value), "unit": unit, "reference": reference[0],
        "reference_value": round(reference[1]), "ratio": round(ratio, 2),
    }  # fmt: skip
    return figure if target is None else figure | {"target": target, "met": ratio >= target}


def _child(receiver: str, action: str, port: int) -> str:
    """A process of its own, since the measure is its processor time."""
    words = [sys.executable, __file__, receiver, action, str(port)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60, env=environment)
    return done.stdout.splitlines()[-1]


async def _publish(port: int) -> None:
    """They wait in the broker, for a client that has subscribed and is away."""
    payload = b"x" * 100
    address = BrokerAddress("127.0.0.1", port)
    session = Session(address, Identity("publisher"), Subscription([]), lambda _: None)
    task = asyncio.create_task(session.run())
    await session.ready.wait()
    sent = 0
    while sent < MESSAGES:
        sent += session.publish([(f"bench/{n % 100}", payload) for n in range(min(1000, MESSAGES - sent))], qos=1)
        await asyncio.sleep(0.01)
    await asyncio.sleep(1.0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _receive_by_session(port: int, wanted: int) -> None:
    done = asyncio.Event()
    number = 0

    def take(messages: list[Message]) -> None:
        nonlocal number
        session.release(messages)
        number += len(messages)
        if number >= wanted:
            done.set()

    identity = Identity("session", session_expiry_s=600, receive_max=1000)
    session = Session(BrokerAddress("127.0.0.1", port), identity, Subscription(["bench/+"]), take)
    task = asyncio.create_task(session.run())
    await session.ready.wait()
    if wanted:
        await asyncio.wait_for(done.wait(), 40)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _receive_by_aiomqtt(port: int, wanted: int) -> None:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 600
    properties.ReceiveMaximum = 1000
    async with aiomqtt.Client(
        "127.0.0.1", port, identifier="aiomqtt", protocol=aiomqtt.ProtocolVersion.V5, clean_start=False,
        properties=properties,
    ) as client:  # fmt: skip
        await client.subscribe("bench/+", qos=1)
        if wanted:
            messages = aiter(client.messages)
            for _ in range(wanted):
                await anext(messages)


def _as_child(receiver: str, action: str, port: int) -> None:
    receive = {"aiomqtt": _receive_by_aiomqtt, "session": _receive_by_session}[receiver]
    started = time.process_time()
    asyncio.run(receive(port, MESSAGES if action == "receive" else 0))
    print(MESSAGES / (time.process_time() - started))


# ------------------------------------------------------------------ values stored


def _registry_text() -> str:
    devices = "".join(
        f'\n[[device]]\nid = "d{d}"\ngateway = "gw-1"\nname = "機器{d}"\nname_en = "Device {d}"\n'
        for d in range(DEVICES)
    )
    datastreams = "".join(
        f'\n[[datastream]]\nasset = "paddy-1"\ndevice = "d{d}"\nmetric = "{metric}"\n'
        for d in range(DEVICES)
        for metric in METRICS
    )
    return REGISTRY + devices + datastreams


def _packs(number: int) -> list[bytes]:
    """A minute's values of all devices in each, as an edge sends them."""
    start_us = now_us() - (number + 10) * SECOND_US
    return [
        encode(
            Pack(
                [
                    Reading(f"d{d}", metric, start_us + n * SECOND_US, 20.0 + (n % 100) / 10)
                    for d in range(DEVICES)
                    for metric in METRICS
                ],
                "bench",
                [(n * PER_PACK + 1, (n + 1) * PER_PACK)],
            )
        )
        for n in range(number)
    ]


async def _send_until_acknowledged(port: int, packs: Sequence[bytes]) -> float:
    """Seconds from the first pack sent to the last number acknowledged."""
    async with aiomqtt.Client("127.0.0.1", port, identifier="edge", max_inflight_messages=1000) as client:
        await client.subscribe("satomori/v1/gw-1/ack", qos=1)
        acknowledged = asyncio.create_task(_acknowledged(client, len(packs) * PER_PACK))
        started = time.perf_counter()
        for pack in packs:
            await client.publish("satomori/v1/gw-1/telemetry", pack, qos=1)
        async with asyncio.timeout(60):
            await acknowledged
        return time.perf_counter() - started


async def _acknowledged(client: aiomqtt.Client, wanted: int) -> None:
    got = 0
    async for message in client.messages:
        if isinstance(message.payload, bytes):
            got += count(decode_ack(message.payload).stored)
        if got >= wanted:
            return


def _through_ingest(broker: Mosquitto, folder: Path, settings: str, packs: int) -> tuple[float, float]:
    """(values per second, µs of processor time for each value) of a real ingest process."""
    text = f'[broker]\nurl = "{broker.url}"\n{settings}'
    with ingest_process(folder, text, _registry_text()) as ingest:
        before = _processor_s(ingest)
        seconds = asyncio.run(_send_until_acknowledged(broker.port, _packs(packs)))
        processor_s = _processor_s(ingest) - before
    return packs * PER_PACK / seconds, processor_s / (packs * PER_PACK) * 1e6


def _processor_s(ingest: IngestProcess) -> float:
    times = psutil.Process(ingest.pid).cpu_times()
    return times.user + times.system


def _into_sqlite(folder: Path) -> Iterator[Figure]:
    with mosquitto(folder) as broker:
        rate, cpu_us = _through_ingest(broker, folder, "", SQLITE_PACKS)
    ceiling, alone_us = _sqlite_alone(folder / "alone.sqlite", SQLITE_PACKS * PER_PACK)
    yield _compared(
        "mqtt_to_sqlite", rate, "values/s, durable", ("executemany with synchronous=FULL", ceiling), target=None
    )
    yield {
        "name": "ingest_cpu_per_value", "value": round(cpu_us, 2), "unit": "µs (MQTT, decode, check, ledger, SQLite)",
        "reference": "executemany alone", "reference_value": round(alone_us, 2), "ratio": round(cpu_us / alone_us, 2),
    }  # fmt: skip
    yield {
        "name": "ingest_cpu_beside_sqlite", "value": round(cpu_us - alone_us, 2), "unit": "µs per value",
        "target": CPU_TARGET_US, "met": cpu_us - alone_us <= CPU_TARGET_US,
    }  # fmt: skip


def _sqlite_alone(path: Path, rows: int) -> tuple[float, float]:
    """(values per second, µs of processor time for each): the same rows into the same table by the driver alone."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE observation (datastream INTEGER, observed_at_us INTEGER, value REAL, quality INTEGER, "
        "qc INTEGER DEFAULT 2, received_at_us INTEGER, "
        "PRIMARY KEY (datastream, observed_at_us)) WITHOUT ROWID"
    )
    streams = DEVICES * len(METRICS)
    start_us = now_us()
    values = [(n % streams, start_us + n // streams * SECOND_US, 20.0, 1, start_us) for n in range(rows)]
    started, processor_s = time.perf_counter(), time.process_time()
    for first in range(0, rows, ROWS_PER_TRANSACTION):
        connection.execute("BEGIN IMMEDIATE")
        part = values[first : first + ROWS_PER_TRANSACTION]
        connection.executemany(
            "INSERT INTO observation (datastream, observed_at_us, value, quality, received_at_us) "
            "VALUES (?, ?, ?, ?, ?)",
            part,
        )
        connection.execute("COMMIT")
    seconds, processor_s = time.perf_counter() - started, time.process_time() - processor_s
    connection.close()
    return rows / seconds, processor_s / rows * 1e6


def _into_influx(folder: Path) -> Iterator[Figure]:
    with influx_server(folder / "influx") as influx:
        with mosquitto(folder) as broker:
            rate, _ = _through_ingest(broker, folder, influx.toml(), INFLUX_PACKS)
        ceiling = _influx_alone(influx, INFLUX_PACKS * PER_PACK)
    yield _compared(
        "mqtt_to_influxdb", rate, "values/s, durable", ("line protocol made before, posted straight in", ceiling),
        target=None,
    )  # fmt: skip


def _influx_alone(influx: Influx, rows: int) -> float:
    streams = DEVICES * len(METRICS)
    lines = [
        f"{METRICS[n % 5]},asset=paddy-1,datastream={n % streams},device=d{n % streams // 5} "
        f"value={20.0 + n % 100},quality=1i {1_600_000_000_000_000 + n // streams * SECOND_US}"
        for n in range(rows)
    ]
    bodies = ["\n".join(lines[i : i + ROWS_PER_TRANSACTION]).encode() for i in range(0, rows, ROWS_PER_TRANSACTION)]
    target = f"{influx.server_url}/write?db={influx.database}&precision=u"
    started = time.perf_counter()
    for body in bodies:
        urllib.request.urlopen(target, body, timeout=30).close()
    return rows / (time.perf_counter() - started)


if __name__ == "__main__":
    _as_child(sys.argv[1], sys.argv[2], int(sys.argv[3]))
