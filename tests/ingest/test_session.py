"""The sessions of both protocol versions on real brokers: Mosquitto and the embedded one."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
import pytest

from satomori_core.broker import BrokerAddress
from satomori_core.errors import SettingsError
from satomori_ingest.broker_session import BrokerSession, Subscription
from satomori_ingest.protocol import Identity, Message
from satomori_ingest.session import Session
from satomori_ingest.session311 import Session311
from support.broker import embedded_broker
from support.mosquitto import mosquitto
from support.patience import PATIENCE_S, cancelled
from support.ports import free_ports

pytestmark = pytest.mark.servers


@dataclass(frozen=True)
class Ports:
    """`ours`: where a session of `kind` connects; `v4`: where the others do."""

    v4: int
    ours: int
    kind: type[BrokerSession] = Session


@pytest.fixture(params=["mosquitto", "embedded", "mosquitto-3.1.1", "embedded-3.1.1"])
def ports(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ports]:
    name, _, old = request.param.partition("-")
    if name == "mosquitto":
        with mosquitto(tmp_path) as broker:
            yield Ports(broker.port, broker.port, Session311 if old else Session)
    else:
        with embedded_broker(tmp_path) as embedded:
            yield Ports(embedded.port, embedded.port, Session311) if old else Ports(embedded.port, embedded.mqtt5_port)


@dataclass
class Got:
    messages: list[Message] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, messages: list[Message]) -> None:
        self.messages += messages
        self.news.set()

    async def until(self, number: int, timeout_s: float = PATIENCE_S) -> list[bytes]:
        async with asyncio.timeout(timeout_s):
            while len(self.messages) < number:
                self.news.clear()
                await self.news.wait()
        return [m.payload for m in self.messages]


@asynccontextmanager
async def session(
    ports: Ports, got: Got, filters: tuple[str, ...] = ("t/#",), *, held_bytes_max: int = 64_000_000, expiry_s: int = 60
) -> AsyncIterator[BrokerSession]:
    """Connected within the block, which ends it without a word of thanks from the broker."""
    identity = Identity("worker", session_expiry_s=expiry_s)
    address = BrokerAddress("127.0.0.1", ports.ours)
    one = ports.kind(address, identity, Subscription(filters, held_bytes_max), got.take, seed=1)
    task = asyncio.create_task(one.run(), name="session")
    try:
        async with asyncio.timeout(PATIENCE_S):
            await one.ready.wait()
        yield one
    finally:
        await cancelled(task)


async def publish(port: int, topic: str, *payloads: bytes, qos: int = 1) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        for payload in payloads:
            await client.publish(topic, payload, qos=qos)


async def said(port: int, one: BrokerSession) -> None:
    """Until the broker has all that it has said so far, since it passes on what is said after."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("said", qos=1)
        one.publish([("said", b"")], qos=1)
        async with asyncio.timeout(PATIENCE_S):
            await anext(aiter(client.messages))


async def test_what_is_not_acknowledged_comes_again(ports: Ports) -> None:
    """And what is acknowledged does not: the session is resumed under the same client id."""
    payloads = [b"%d" % i for i in range(10)]
    first, second = Got(), Got()
    async with session(ports, first) as one:
        await publish(ports.v4, "t/a", *payloads)
        assert await first.until(10) == payloads
        one.release(first.messages[:4])
        await said(ports.v4, one)
    async with session(ports, second) as two:
        assert two.session_kept
        assert (await second.until(6))[:6] == payloads[4:]
        two.release(second.messages)


async def test_what_comes_while_away_is_kept_for_us(ports: Ports) -> None:
    got = Got()
    async with session(ports, Got()):
        pass
    await publish(ports.v4, "t/a", b"1", b"2")
    async with session(ports, got):
        assert await got.until(2) == [b"1", b"2"]


async def test_a_flood_waits_in_the_broker(ports: Ports) -> None:
    """What we hold keeps to its bound but for what one read brings, and everything arrives in the end."""
    got = Got()
    payloads = [b"%04d" % i + b"x" * 10_000 for i in range(300)]
    async with session(ports, got, held_bytes_max=100_000) as one:
        await publish(ports.v4, "t/a", *payloads)
        await asyncio.sleep(0.3)
        if isinstance(one, Session311):
            assert one._client is not None
            assert len(one._client.messages) < 50  # what aiomqtt has read already: it would read on by itself
        released = 0
        while released < len(payloads):
            await got.until(released + 1)
            assert sum(len(m.payload) for m in got.messages[released:]) < 100_000 + 300_000
            new = got.messages[released:]
            released += len(new)
            one.release(new)
            await asyncio.sleep(0)
        assert [m.payload for m in got.messages] == payloads


async def test_a_shared_subscription_divides_the_messages(ports: Ports) -> None:
    ours, theirs = Got(), Got()
    other = ports.kind(
        BrokerAddress("127.0.0.1", ports.ours), Identity("other"), Subscription(["$share/g/t/+"]), theirs.take
    )
    task = asyncio.create_task(other.run())
    async with session(ports, ours, ("$share/g/t/+",)) as one:
        await asyncio.wait_for(other.ready.wait(), PATIENCE_S)
        await publish(ports.v4, "t/a", *[b"%d" % i for i in range(100)])
        async with asyncio.timeout(PATIENCE_S):
            while len(ours.messages) + len(theirs.messages) < 100:
                one.release(ours.messages)
                await asyncio.sleep(0.05)
        assert ours.messages
        assert theirs.messages
        payloads = {m.payload for m in [*ours.messages, *theirs.messages]}
        assert len(payloads) == 100
    await cancelled(task)


async def test_retained_messages_are_told_from_new_ones(ports: Ports) -> None:
    got = Got()
    async with aiomqtt.Client("127.0.0.1", ports.v4) as client:
        await client.publish("t/status", b"kept", qos=1, retain=True)
        async with session(ports, got):
            await got.until(1)
            await client.publish("t/status", b"new", qos=1, retain=True)
            await got.until(2)
    assert [(m.payload, m.retained) for m in got.messages] == [(b"kept", True), (b"new", False)]


async def test_what_we_publish_arrives_on_either_version(ports: Ports) -> None:
    got = Got()
    async with aiomqtt.Client("127.0.0.1", ports.v4) as client, session(ports, got, ()) as one:
        await client.subscribe("ack/#", qos=1)
        assert one.publish([("ack/x", b"%d" % i) for i in range(500)], qos=1) == 500
        received = []
        async with asyncio.timeout(PATIENCE_S):
            async for message in client.messages:
                received.append(message.payload)
                if len(received) == 500:
                    break
        assert received == [b"%d" % i for i in range(500)]


@pytest.mark.parametrize("kind", [Session, Session311])
async def test_a_broker_that_comes_late_or_again_is_found(tmp_path: Path, kind: type[BrokerSession]) -> None:
    v4, v5 = free_ports(2)
    got = Got()
    identity = Identity("worker", session_expiry_s=60)
    address = BrokerAddress("127.0.0.1", v5 if kind is Session else v4)
    one = kind(address, identity, Subscription(["t/#"]), got.take, seed=1)
    task = asyncio.create_task(one.run())
    await asyncio.sleep(0.2)
    for number in (1, 2):
        with embedded_broker(tmp_path, (v4, v5)):
            await asyncio.wait_for(one.ready.wait(), PATIENCE_S)
            await publish(v4, "t/a", b"%d" % number)
            await got.until(number)
        async with asyncio.timeout(PATIENCE_S):
            while one.ready.is_set():
                await asyncio.sleep(0.02)
    await cancelled(task)
    assert [m.epoch for m in got.messages] == sorted({m.epoch for m in got.messages})


@pytest.mark.parametrize("kind", [Session, Session311])
async def test_a_wrong_password_stops_the_first_start(tmp_path: Path, kind: type[BrokerSession]) -> None:
    """It will not get better by itself: the operator is told which settings to look at."""
    with mosquitto(tmp_path, anonymous=False) as broker:
        address = BrokerAddress("127.0.0.1", broker.port, "us", "wrong")
        one = kind(address, Identity("w", "us", "wrong"), Subscription(["t"]), lambda _: None)
        with pytest.raises(SettingsError, match="password"):
            await asyncio.wait_for(one.run(), PATIENCE_S)
