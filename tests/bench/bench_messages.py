"""Single messages: received by our session and by aiomqtt, and made durable with each of them before the same pipeline.

What is only received is told per second of the receiver's own processor time, so that a busy machine flatters neither
side. What is made durable is told per second, with broker, sender and SQLite on the same cores, and beside it what the
broker and the sender reach with a receiver that stores nothing.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from satomori_core.broker import BrokerAddress
from satomori_core.logs import configure_logs
from satomori_core.senml import Ack, encode_ack
from satomori_core.topics import Topic, parse_topic
from satomori_ingest.broker_session import Subscription
from satomori_ingest.decoders.senml import numbering
from satomori_ingest.protocol import Identity, Message
from satomori_ingest.session import Session
from support.figures import Figure, compared
from support.gateways import Load, registry, run_gateways
from support.ingest_process import ingest_process
from support.mosquitto import mosquitto

MESSAGES = 20_000


# Messages of 4 values: of 50 gateways in all 40,000, or 5,000 where aiomqtt receives.
SINGLES = Load(gateways=50, packs=800, per_pack=4)
FEWER_SINGLES = Load(gateways=50, packs=100, per_pack=4)
SINGLES_RATIO_MIN = 5.0


def run() -> Iterator[Figure]:
    configure_logs("error")  # stdout is for the figures
    yield from _received()
    yield from _stored()


def _received() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, mosquitto(Path(folder)) as broker:
        rates = {}
        for receiver in ("aiomqtt", "session"):
            _child(receiver, "subscribe", broker.port)
            asyncio.run(_publish(broker.port))
            rates[receiver] = float(_child(receiver, "receive", broker.port))
    yield compared("mqtt_receive", rates["session"], "messages/s of one core, QoS 1", ("aiomqtt", rates["aiomqtt"]), 10)


def _stored() -> Iterator[Figure]:
    ours, by_aiomqtt = _through_ingest("5", SINGLES), _through_ingest("3.1.1", FEWER_SINGLES)
    unit = "messages/s of 4 values, durable, QoS 1"
    yield compared("singles_to_sqlite", ours, unit, ("the same pipeline on aiomqtt", by_aiomqtt), SINGLES_RATIO_MIN)
    yield compared("singles_against_broker", ours, unit, ("a receiver that stores nothing", _past_ingest(SINGLES)))


def _through_ingest(protocol: str, load: Load) -> float:
    """Messages/s, with MQTT 5 by our session and 3.1.1 by aiomqtt."""
    with tempfile.TemporaryDirectory() as folder, mosquitto(Path(folder)) as broker:
        settings = f'[broker]\nurl = "{broker.url}"\n[ingest]\nprotocol = "{protocol}"\n'
        with ingest_process(Path(folder), settings, registry(load.gateways)):
            return load.gateways * load.packs / run_gateways(broker.port, load).seconds


def _past_ingest(load: Load) -> float:
    """Messages/s that broker and sender are capable of."""
    with tempfile.TemporaryDirectory() as folder, mosquitto(Path(folder)) as broker:
        words = [sys.executable, __file__, "acknowledge", "", str(broker.port)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
        with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment) as receiver:
            assert receiver.stdout is not None
            receiver.stdout.readline()  # it has subscribed
            rate = load.gateways * load.packs / run_gateways(broker.port, load).seconds
            receiver.terminate()
    return rate


async def _acknowledge(port: int) -> None:
    """Only acknowledges, until it is terminated."""

    def take(messages: list[Message]) -> None:
        session.release(messages)
        acks = []
        for message in messages:
            numbers = numbering(message.payload)
            assert numbers is not None
            topic = Topic(parse_topic(message.topic).gateway, "ack").encode()
            acks.append((topic, encode_ack(Ack(numbers.stream, numbers.seq))))
        session.publish(acks, qos=1)

    identity = Identity("acknowledge", receive_max=1000)
    session = Session(BrokerAddress("127.0.0.1", port), identity, Subscription(["satomori/v1/+/telemetry"]), take)
    task = asyncio.create_task(session.run())
    await session.ready.wait()
    print("ready", flush=True)
    await task


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
    if receiver == "acknowledge":
        asyncio.run(_acknowledge(port))
    receive = {"aiomqtt": _receive_by_aiomqtt, "session": _receive_by_session}[receiver]
    started = time.process_time()
    asyncio.run(receive(port, MESSAGES if action == "receive" else 0))
    print(MESSAGES / (time.process_time() - started))


if __name__ == "__main__":
    _as_child(sys.argv[1], sys.argv[2], int(sys.argv[3]))
