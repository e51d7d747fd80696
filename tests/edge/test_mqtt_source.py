"""The local MQTT source against real brokers: what was sent while the edge was away; acknowledging after the disk."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import aiomqtt
import pytest

from satomori_core.readings import Reading
from satomori_edge.marks import Mark
from satomori_edge.settings import JsonField, MqttMapping, MqttSettings
from satomori_edge.sources.base import Sink
from satomori_edge.sources.mqtt import MqttSource
from support.broker import embedded_broker
from support.edge import until
from support.mosquitto import mosquitto
from support.patience import PATIENCE_S, cancelled

pytestmark = pytest.mark.servers
MAPPINGS = (
    MqttMapping("z/+", (JsonField("t", "air_temperature"),), device_level=1),
    MqttMapping("y/+/state", (JsonField("h", "relative_humidity"),), device_path="id"),
)


@contextmanager
def ports(kind: str, folder: Path) -> Iterator[tuple[int, int]]:
    """For MQTT 3.1.1 and 5."""
    if kind == "mosquitto":
        with mosquitto(folder) as broker:
            yield broker.port, broker.port
    else:
        with embedded_broker(folder) as embedded:
            yield embedded.port, embedded.mqtt5_port


@asynccontextmanager
async def running(port: int, protocol: Literal["3.1.1", "5"], sink: Sink) -> AsyncIterator[None]:
    settings = MqttSettings(f"mqtt://127.0.0.1:{port}", MAPPINGS, protocol)
    task = asyncio.create_task(MqttSource(settings, "edge-mqtt-test", ZoneInfo("UTC")).run(sink))
    try:
        yield
    finally:
        await cancelled(task)


async def publish(port: int, messages: Sequence[tuple[str, object]]) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        for topic, document in messages:
            await client.publish(topic, json.dumps(document), qos=1)


async def say_until(port: int, messages: Sequence[tuple[str, object]], is_heard: Callable[[], bool]) -> None:
    """Again and again: what is said before the subscription stands is heard by nobody."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_heard():
            await publish(port, messages)
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
@pytest.mark.parametrize("kind", ["mosquitto", "embedded"])
async def test_messages_of_all_topics_become_readings(
    tmp_path: Path, kind: str, protocol: Literal["3.1.1", "5"]
) -> None:
    got: list[Reading] = []

    async def sink(readings: Sequence[Reading], _mark: Mark | None = None, /) -> None:
        got.extend(readings)

    with ports(kind, tmp_path) as (v4, v5):
        async with running(v5 if protocol == "5" else v4, protocol, sink):
            ready: list[tuple[str, object]] = [("z/ready", {"t": 0}), ("y/b/state", {"id": "ready", "h": 0})]
            await say_until(v4, ready, lambda: len({reading.metric for reading in got}) == 2)
            got.clear()
            await publish(v4, [("z/a", {"t": i}) for i in range(150)] + [("y/b/state", {"id": "c", "h": 60})])
            await until("all messages", lambda: sum(r.device in "ac" for r in got) == 151)
    assert [r.value for r in got if r.device == "a"] == [float(i) for i in range(150)]
    assert [(r.metric, r.value) for r in got if r.device == "c"] == [("relative_humidity", 60.0)]


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_what_was_not_durable_yet_is_sent_again_after_a_restart(
    tmp_path: Path, protocol: Literal["3.1.1", "5"]
) -> None:
    """A message is acknowledged to its broker after the disk has it; the session also keeps what comes meanwhile."""
    with mosquitto(tmp_path) as broker:
        stuck: list[float] = []

        async def never(readings: Sequence[Reading], _mark: Mark | None = None, /) -> None:
            stuck.extend(reading.value for reading in readings)
            await asyncio.Event().wait()

        async with running(broker.port, protocol, never):
            await say_until(broker.port, [("z/a", {"t": 0})], lambda: bool(stuck))
        await publish(broker.port, [("z/a", {"t": 1000 + i}) for i in range(30)])
        got: list[float] = []

        async def sink(readings: Sequence[Reading], _mark: Mark | None = None, /) -> None:
            got.extend(reading.value for reading in readings)

        async with running(broker.port, protocol, sink):
            await until("all messages", lambda: 1029.0 in got)
    assert stuck[0] in got
    assert got[-30:] == [1000.0 + i for i in range(30)]
