"""Devices that speak MQTT themselves, without an outbox: where the broker's word is kept, and where it is not.

Each reading has a time of its own, so that one that comes twice is one point.
"""

from pathlib import Path

import aiomqtt
import pytest

from satomori_core.broker import BrokerAddress
from satomori_core.clock import SECOND_US, now_us
from satomori_core.readings import Reading
from satomori_core.senml import Pack, encode
from satomori_store.auditing import audit
from satomori_store.lookup import load_lookup
from support.broker import embedded_broker
from support.ingest_process import IngestProcess, ingest_process
from support.mosquitto import mosquitto

pytestmark = pytest.mark.servers


async def say(address: BrokerAddress, first: int, count: int) -> None:
    """As a good device does: a stable id, a session that is kept, QoS 1, on when the broker has the one before."""
    start_us = now_us() // SECOND_US * SECOND_US - 86_400 * SECOND_US
    async with aiomqtt.Client(address.host, address.port, identifier="node-1", clean_session=False) as client:
        for number in range(first, first + count):
            reading = Reading("dev-1", "air_temperature", start_us + number * SECOND_US, 20.0, "Cel")
            await client.publish("satomori/v1/gw-1/telemetry", encode(Pack([reading])), qos=1)


def points(ingest: IngestProcess) -> int:
    """By the store's own count, as `audit` sees it; it says that it can't count the readings."""
    stores = ingest.stores
    found = audit(stores.observations, stores.ledger, load_lookup(stores.registry), now_us(), device="dev-1")
    [row] = [row for row in found.datastreams if row.metric == "air_temperature"]
    assert not row.countable or not row.points
    return row.points


async def test_mosquitto_with_persistence_keeps_its_word_while_ingest_is_killed(tmp_path: Path) -> None:
    """With 9, in the middle of what comes; and Mosquitto is stopped and started while ingest is away."""
    (tmp_path / "broker").mkdir()
    with (
        mosquitto(tmp_path / "broker", persistence=True) as broker,
        ingest_process(tmp_path, f'[broker]\nurl = "{broker.url}"\n') as ingest,
    ):
        address = BrokerAddress(broker.host, broker.port)
        await say(address, 0, 200)
        ingest.kill()
        await say(address, 200, 200)
        broker.stop()
        broker.start()
        ingest.start()
        await say(address, 400, 200)
        ingest.wait("all stored", lambda: points(ingest) == 600)


async def test_the_embedded_broker_forgets_what_it_has_acknowledged_when_it_ends(tmp_path: Path) -> None:
    """What a device was told is kept, is lost: so such devices belong behind an edge or a broker with persistence."""
    with embedded_broker(tmp_path) as broker, ingest_process(tmp_path, broker.table) as ingest:
        address = BrokerAddress(broker.host, broker.port)
        await say(address, 0, 50)
        ingest.wait("the first stored", lambda: points(ingest) == 50)
        ingest.kill()
        await say(address, 50, 50)
        broker.process.kill()
        broker.process.wait(10)
        with embedded_broker(tmp_path, (broker.port, broker.mqtt5_port)):
            ingest.start()
            await say(address, 100, 50)
            ingest.wait("what came since stored", lambda: points(ingest) >= 100)
            assert points(ingest) == 100, "the broker has learnt to remember: tell the documents"
