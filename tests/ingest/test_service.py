"""`satomori ingest` as a process on real brokers: kills, floods, bad input, a full disk. The ledger counts."""

import asyncio
import json
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import pytest
from sqlalchemy import select

from satomori_core.clock import now_us
from satomori_core.readings import Reading
from satomori_core.senml import Pack, encode
from satomori_core.topics import STORED
from satomori_core.vocabulary import Lane
from satomori_store.models import Gateway
from satomori_store.registry import transaction
from support.broker import embedded_broker
from support.edge import until
from support.ingest_process import IngestProcess, ingest_process
from support.ingesting import pack, write_registry
from support.mosquitto import mosquitto
from support.patience import PATIENCE_S
from support.small_edge import SmallEdge
from support.small_registry import datastream, device

pytestmark = pytest.mark.servers


@dataclass(frozen=True)
class Running:
    port: int
    ingest: IngestProcess


@pytest.fixture(params=["mosquitto", "embedded"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    if request.param == "mosquitto":
        with mosquitto(tmp_path) as broker, ingest_process(tmp_path, f'[broker]\nurl = "{broker.url}"\n') as ingest:
            yield Running(broker.port, ingest)
    else:
        with embedded_broker(tmp_path) as embedded, ingest_process(tmp_path, embedded.table) as ingest:
            yield Running(embedded.port, ingest)


@pytest.fixture
def on_mosquitto(tmp_path: Path) -> Iterator[Running]:
    with mosquitto(tmp_path) as broker, ingest_process(tmp_path, f'[broker]\nurl = "{broker.url}"\n') as ingest:
        yield Running(broker.port, ingest)


def check_whole(ingest: IngestProcess, readings: int, stream: str = "s1") -> None:
    """No gap, and each reading stored and counted exactly once."""
    [audit] = [row for row in ingest.stores.ledger.audit() if row.stream == stream]
    assert (list(audit.stored), list(audit.gaps), list(audit.set_aside)) == ([(1, readings)], [], [])
    counts = ingest.stores.ledger.reading_counts()
    assert sum(count.numbered for count in counts.values()) == readings
    stored = ingest.stores.observations.read(list(counts), 0, 2**60)
    assert len(stored.value) == readings


async def test_killed_again_and_again_nothing_is_lost_or_doubled(running: Running) -> None:
    edge = SmallEdge(running.port, 6000)
    sending = asyncio.create_task(edge.run())
    for part in (1, 2, 3):
        while edge.acknowledged_count < part * 1200 and not sending.done():
            await asyncio.sleep(0.005)
        running.ingest.kill()
        await asyncio.sleep(0.05)
        await asyncio.to_thread(running.ingest.start)
    await sending
    check_whole(running.ingest, 6000)
    assert running.ingest.stop() == 0


async def test_a_broker_killed_in_between_loses_nothing(tmp_path: Path) -> None:
    """The embedded broker forgets everything; the edge still has what is not acknowledged."""
    with embedded_broker(tmp_path) as first, ingest_process(tmp_path, first.table) as ingest:
        edge = SmallEdge(first.port, 4000)
        sending = asyncio.create_task(edge.run())
        while edge.acknowledged_count < 1000:
            await asyncio.sleep(0.005)
        first.process.kill()
        first.process.wait()
        with embedded_broker(tmp_path, (first.port, first.mqtt5_port)):
            await sending
        check_whole(ingest, 4000)


async def test_bad_input_disturbs_nobody(on_mosquitto: Running) -> None:
    """5 MB, what is no SenML, unknown devices and units, other people's devices: each is set aside with its reason."""
    edge = SmallEdge(on_mosquitto.port, 2000, resend_s=PATIENCE_S)
    sending = asyncio.create_task(edge.run())
    topic = "satomori/v1/gw-2/telemetry"
    record = {"n": "dev-2/air_temperature", "t": now_us() / 1e6, "v": 1.0}
    bad = {
        "too_large": b"x" * 5_000_000,
        "not_json": b"hello",
        "not_senml": b'{"temperature": 20}',
        "unit": json.dumps([record | {"u": "furlong"}]).encode(),
        "unknown_device": json.dumps([record | {"n": "dev-9/air_temperature"}]).encode(),
        "not_behind_gateway": json.dumps([record | {"n": "dev-1/air_temperature"}]).encode(),
        "not_finite": json.dumps([record | {"v": float("nan")}]).encode(),
        "time_unset": json.dumps([record | {"t": 9e8}]).encode(),
        "future": json.dumps([record | {"t": 4e9}]).encode(),
    }
    async with aiomqtt.Client("127.0.0.1", on_mosquitto.port) as client:
        for payload in bad.values():
            await client.publish(topic, payload, qos=1, timeout=PATIENCE_S)
    await sending
    ledger = on_mosquitto.ingest.stores.ledger
    on_mosquitto.ingest.wait("quarantine", lambda: len(ledger.quarantine()) == len(bad))
    assert {entry.row.reason for entry in ledger.quarantine()} == set(bad)
    [large] = ledger.quarantine(reason="too_large")
    assert "5000000 bytes" in large.row.detail
    assert len(large.row.payload) == 4096
    check_whole(on_mosquitto.ingest, 2000)
    assert edge.resent == 0


async def test_the_embedded_broker_turns_away_what_is_too_large(tmp_path: Path) -> None:
    """Its limit is above ours, so that what is between is set aside with its reason; beyond it the line is cut."""
    with embedded_broker(tmp_path) as broker, ingest_process(tmp_path, broker.table) as ingest:
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.publish("satomori/v1/gw-1/telemetry", b"x" * 1_900_000, qos=1, timeout=PATIENCE_S)
        ledger = ingest.stores.ledger
        ingest.wait("quarantine", lambda: [e.row.reason for e in ledger.quarantine()] == ["too_large"])
        with pytest.raises(aiomqtt.MqttError):
            async with aiomqtt.Client("127.0.0.1", broker.port) as client:
                await client.publish("satomori/v1/gw-1/telemetry", b"x" * 5_000_000, qos=1, timeout=3)
        await SmallEdge(broker.port, 100).run()
        check_whole(ingest, 100)


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
async def test_a_full_disk_keeps_what_came_until_there_is_room(on_mosquitto: Running) -> None:
    """Nothing is acknowledged meanwhile, and the process goes on."""
    ingest = on_mosquitto.ingest
    soft, hard = resource.prlimit(ingest.pid, resource.RLIMIT_FSIZE)
    log_bytes = (ingest.folder / "ingest.log").stat().st_size
    resource.prlimit(ingest.pid, resource.RLIMIT_FSIZE, (log_bytes + 100_000, hard))
    edge = SmallEdge(on_mosquitto.port, 5000, per_pack=100)
    sending = asyncio.create_task(edge.run())
    await asyncio.to_thread(ingest.wait, "store away", lambda: "store away" in ingest.log())
    counts = ingest.stores.ledger.reading_counts
    await until("what is stored", lambda: edge.acknowledged_count == sum(c.numbered for c in counts().values()))
    acknowledged = edge.acknowledged_count
    await asyncio.sleep(0.5)
    assert edge.acknowledged_count == acknowledged < 5000
    resource.prlimit(ingest.pid, resource.RLIMIT_FSIZE, (soft, hard))
    await sending
    check_whole(ingest, 5000)
    assert ingest.starts == 1


async def test_a_backlog_does_not_delay_what_is_fresh(on_mosquitto: Running) -> None:
    """While a backlog drains, a fresh reading is acknowledged in a small part of the time that it takes."""
    backlog = SmallEdge(on_mosquitto.port, 100_000, per_pack=500, lane=Lane.BACKLOG)
    draining = asyncio.create_task(backlog.run())
    began = asyncio.get_running_loop().time()
    while backlog.acknowledged_count < 1000:
        await asyncio.sleep(0.01)
    took = []
    for first in range(5):
        fresh = SmallEdge(on_mosquitto.port, 1, first=200_000 + first, stream="s2", gateway="gw-2", device="dev-2")
        started = asyncio.get_running_loop().time()
        await fresh.run()
        took.append(asyncio.get_running_loop().time() - started)
    assert not draining.done()
    await draining
    assert sorted(took)[2] < (asyncio.get_running_loop().time() - began) / 5
    [audit] = [row for row in on_mosquitto.ingest.stores.ledger.audit() if row.stream == "s1"]
    assert list(audit.stored) == [(1, 100_000)]


async def test_status_is_in_the_registry_and_the_last_will_too(running: Running) -> None:
    def gateway() -> tuple[bool | None, int | None]:
        with transaction(running.ingest.stores.registry) as session:
            row = session.scalars(select(Gateway).where(Gateway.id == "gw-1")).one()
            return row.online, row.seen_us

    topic = "satomori/v1/gw-1/status"
    will = aiomqtt.Will(topic, b'{"online": false}', 1, True)
    started = now_us()
    async with aiomqtt.Client("127.0.0.1", running.port, will=will) as client:
        await client.publish(topic, b'{"online": true, "at": "2026-01-01T00:00:00Z"}', qos=1, retain=True)
        await client.publish("satomori/v1/gw-2/status", b"nonsense", qos=1, retain=True)
        await asyncio.to_thread(running.ingest.wait, "online", lambda: gateway()[0] is True)
        seen_us = gateway()[1]
        assert seen_us is not None
        assert started <= seen_us <= now_us()
        client._client._sock_close()  # without a DISCONNECT
        await asyncio.to_thread(running.ingest.wait, "offline", lambda: gateway()[0] is False)
        assert gateway()[1] == seen_us
        with pytest.raises(aiomqtt.MqttError):
            await client.publish(topic, b"", qos=1, timeout=1)
    assert "status not understood" in running.ingest.log()


async def test_a_device_that_is_registered_is_known_at_once(running: Running) -> None:
    """What comes right after the registration is not set aside for a registry that was read a moment before."""
    extra = device("dev-3", "gw-1") + datastream("dev-3", "air_temperature")
    await SmallEdge(running.port, 10, device="dev-3").run()
    assert len(running.ingest.stores.ledger.quarantine()) == 10
    write_registry(running.ingest.stores, running.ingest.folder, extra)
    await SmallEdge(running.port, 10, first=11, device="dev-3").run()
    [audit] = running.ingest.stores.ledger.audit()
    assert list(audit.stored) == [(11, 20)]


async def test_who_waits_is_woken_and_devices_can_not_wake(running: Running) -> None:
    """After each batch a word on the internal topic; what others say there is nobody's reading."""
    async with aiomqtt.Client("127.0.0.1", running.port) as client:
        await client.subscribe(STORED)
        await client.publish("satomori/v1/gw-1/telemetry", pack(7), qos=1)
        async with asyncio.timeout(PATIENCE_S):
            message = await anext(aiter(client.messages))
        assert isinstance(message.payload, bytes)
        assert json.loads(message.payload) == {"values": 7}
        await client.publish("satomori-internal/v1/telemetry", pack(7, 8), qos=1)
    await SmallEdge(running.port, 3, stream="s9").run()
    counts = running.ingest.stores.ledger.reading_counts()
    assert sum(c.numbered for c in counts.values()) == 10


async def test_third_parties_formats_are_read_by_their_tables(tmp_path: Path) -> None:
    settings = """
[[ingest.tasmota]]
gateway = "gw-1"
fields = [{ path = "SR04.Distance", metric = "water_level" }]

[[ingest.mapping]]
name = "vendor"
topic = "vendor/{device}/up"
device = "{device}"
gateway = "gw-1"
time_field = "at"
time_format = "unix_ms"
fields = [{ path = "temp", metric = "air_temperature", unit = "Cel" }]
"""
    with embedded_broker(tmp_path) as broker, ingest_process(tmp_path, broker.table + settings) as ingest:
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            for payload in (b'{"temp": 21.5, "at": %d}' % (now_us() // 1000), b"nonsense"):
                await client.publish("vendor/dev-1/up", payload, qos=1)
            await client.publish("tele/dev-1/SENSOR", b'{"Time":"2026-06-01T03:00:00","SR04":{"Distance":42.0}}')
        ledger = ingest.stores.ledger
        ingest.wait("stored", lambda: [c.unnumbered for c in ledger.reading_counts().values()] == [1, 1])
        ingest.wait("set aside", lambda: [e.row.reason for e in ledger.quarantine()] == ["not_json"])


async def test_readings_of_a_plain_device_are_stored(on_mosquitto: Running) -> None:
    """A device without an outbox: no numbers, no acknowledgement but the broker's."""
    reading = Reading("dev-1", "air_temperature", now_us(), 20.0, "Cel")
    async with aiomqtt.Client("127.0.0.1", on_mosquitto.port) as client:
        await client.publish("satomori/v1/gw-1/telemetry", encode(Pack([reading]), compress=True), qos=0)
    ledger = on_mosquitto.ingest.stores.ledger
    on_mosquitto.ingest.wait("stored", lambda: [c.unnumbered for c in ledger.reading_counts().values()] == [1])
