"""The uplink against a real Mosquitto and a peer that loses, delays and repeats: nothing is lost; two lanes."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import aiomqtt
import pytest

from satomori_core.broker import BrokerAddress
from satomori_core.clock import now_us
from satomori_core.readings import Reading
from satomori_core.senml import Ack, encode_ack
from satomori_edge.actuators.operator import operating
from satomori_edge.keeper import Keeper
from satomori_edge.settings import EdgeSettings, OutboxSettings, UplinkSettings
from satomori_edge.uplink import Uplink
from support.edge import Peer, nowhere, peer, until
from support.mosquitto import Mosquitto, mosquitto
from support.patience import cancelled
from support.wire import Wire, wire

pytestmark = pytest.mark.servers
FAST = UplinkSettings(
    pack_age_s=0.02, ack_timeout_s=0.2, ack_timeout_max_s=0.8, pack_readings_max=20, reconnect_max_s=0.3
)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as one:
        yield one


def some(count: int, start: int = 0, device: str = "a") -> list[Reading]:
    at_us = now_us()
    return [Reading(device, "rain", at_us + start + i, float(start + i), "mm") for i in range(count)]


@asynccontextmanager
async def uplink(
    folder: Path, port: int, settings: UplinkSettings = FAST, outbox: OutboxSettings | None = None
) -> AsyncIterator[Keeper]:
    """A keeper and an uplink for the length of the block."""
    keeper = Keeper(folder / "outbox.sqlite", outbox or OutboxSettings())
    await keeper.open()
    async with operating(EdgeSettings("gw"), [], folder, lambda: True) as operator:
        address = BrokerAddress("127.0.0.1", port)
        task = asyncio.create_task(Uplink(keeper, settings, "gw", address, operator).run())
        try:
            yield keeper
            assert not task.done()
        finally:
            await cancelled(task)
            await keeper.close()


def assert_all(one: Peer, count: int) -> None:
    assert sorted(r.value for r in one.readings.values()) == [float(i) for i in range(count)]


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_every_reading_arrives_and_leaves_the_outbox(
    tmp_path: Path, broker: Mosquitto, protocol: Literal["3.1.1", "5"]
) -> None:
    settings = UplinkSettings(protocol=protocol, pack_age_s=0.02)
    async with peer(Peer("gw"), broker.host, broker.port) as one:
        async with uplink(tmp_path, broker.port, settings) as keeper:
            await keeper.put(some(50))
            await until("all there", lambda: len(one.readings) == 50)
            await until("the outbox empty", lambda: not keeper.count)
            await keeper.put(some(10, 50))
            await until("the outbox empty again", lambda: len(one.readings) == 60 and not keeper.count)
        await until("told that it is offline", lambda: one.statuses[-1]["online"] is False)
    assert_all(one, 60)
    assert set(one.copies.values()) == {1}
    assert [status["online"] for status in one.statuses] == [True, False]
    assert one.statuses[0]["gateway"] == "gw"
    assert {"at", "version"} <= one.statuses[0].keys()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_lost_late_and_partial_acknowledgements_lose_nothing(
    tmp_path: Path, broker: Mosquitto, seed: int
) -> None:
    """Of each pack's numbers some, all or none are acknowledged; what was not is sent again, and says so."""
    chance = random.Random(seed)

    def decide(_: int, seqs: list[int]) -> list[int]:
        return [seq for seq in seqs if chance.random() < 0.5] if chance.random() < 0.6 else []

    async with peer(Peer("gw", decide), broker.host, broker.port) as one, uplink(tmp_path, broker.port) as keeper:
        for start in range(0, 100, 10):
            await keeper.put(some(10, start))
        await until("all there", lambda: len(one.readings) == 100)
        one.decide = lambda _, seqs: seqs
        await until("the outbox empty", lambda: not keeper.count)
    assert_all(one, 100)
    assert max(one.copies.values()) > 1
    assert any(again for *_, again in one.packs)


async def test_a_resend_backs_off(tmp_path: Path, broker: Mosquitto) -> None:
    """Ingest is there, and for some reason never acknowledges one pack: it comes again ever more rarely.

    After 0.2, 0.4 and then each 0.8 s; at the first pace all five would be there after 0.8 s.
    """
    async with (
        peer(Peer("gw", lambda *_: []), broker.host, broker.port) as one,
        uplink(tmp_path, broker.port) as keeper,
    ):
        await keeper.put(some(3))
        await until("five times", lambda: len(one.packs) >= 5)
    assert one.pack_times[4] - one.pack_times[0] > 1.2
    assert [again for *_, again in one.packs] == [False] + [True] * (len(one.packs) - 1)


async def test_nothing_is_sent_before_ingest_has_answered(tmp_path: Path, broker: Mosquitto) -> None:
    """Only questions, ever more rarely, as resends are; once one is answered, everything goes out."""
    deaf = Peer("gw", answers=False)
    async with peer(deaf, broker.host, broker.port), uplink(tmp_path, broker.port) as keeper:
        await keeper.put(some(100))
        await until("asked five times", lambda: len(deaf.questions) >= 5)
        assert not deaf.packs
        assert deaf.questions[4][0] - deaf.questions[0][0] > 1.2
        deaf.answers = True
        await until("the outbox empty", lambda: deaf.packs and not keeper.count)
    assert_all(deaf, 100)


@pytest.mark.parametrize("flaps", [False, True])
async def test_a_long_silence_of_ingest_leaves_one_window_and_few_questions_in_the_broker(
    tmp_path: Path, broker: Mosquitto, *, flaps: bool
) -> None:
    """Ingest's session is kept by the broker while it is away, for 25 times as long as an acknowledgement may take.

    Readings go on, the edge is started again once, and with `flaps` its connection breaks again and again. A second
    listener counts what is queued for ingest. When ingest is back each reading is stored.
    """
    settings = UplinkSettings(
        pack_age_s=0.02, ack_timeout_s=0.2, ack_timeout_max_s=1.0, pack_readings_max=10, fresh_window=3,
        backlog_window=2, reconnect_max_s=0.05,
    )  # fmt: skip
    one, queued = Peer("gw"), Peer("gw", lambda *_: [], answers=False, name="counter")
    async with wire(broker.port) as line, peer(queued, broker.host, broker.port):
        async with uplink(tmp_path, line.port, settings) as keeper:
            async with peer(one, broker.host, broker.port):
                await keeper.put(some(10))
                await until("acknowledged", lambda: one.packs and not keeper.count)
            # Each of them hears the same, so then nothing from before is on its way to the counter.
            await until("counted", lambda: len(queued.packs) == len(one.packs))
            queued.packs.clear()
            queued.questions.clear()
            began_s = time.monotonic()
            await _readings_go_on(keeper, 10, line if flaps else None)
        async with uplink(tmp_path, line.port, settings) as keeper:
            await _readings_go_on(keeper, 260, line if flaps else None)
            await until("a window and questions are queued", lambda: queued.packs and len(queued.questions) >= 2)
            in_queue, asked, took_s = len(queued.packs), len(queued.questions), time.monotonic() - began_s
            async with peer(one, broker.host, broker.port):
                await until("the outbox empty", lambda: not keeper.count)
    assert 1 <= in_queue <= settings.fresh_window
    # In each life a few at once and as its line breaks, then one for each longest time; not five a second.
    assert asked <= 2 * 5 + took_s / settings.ack_timeout_max_s
    assert_all(one, 510)


async def _readings_go_on(keeper: Keeper, first: int, breaking: Wire | None) -> None:
    """For 2.5 s, 250 of them."""
    for start in range(first, first + 250, 10):
        await keeper.put(some(10, start))
        if breaking and start % 40 == 0:
            breaking.cut()
        await asyncio.sleep(0.1)


async def test_what_is_fresh_and_cannot_keep_up_becomes_backlog(tmp_path: Path, broker: Mosquitto) -> None:
    """Ingest answers the first question late: then the newest come first, and nothing comes twice."""
    settings = UplinkSettings(pack_age_s=0.02, pack_readings_max=10, fresh_window=3, ack_timeout_s=300)
    one = Peer("gw", answers=False)
    async with peer(one, broker.host, broker.port), uplink(tmp_path, broker.port, settings) as keeper:
        for start in range(0, 500, 10):
            await keeper.put(some(10, start))
        await until("asked", lambda: one.questions)
        async with aiomqtt.Client(broker.host, broker.port) as late:
            await late.publish("satomori/v1/gw/ack", encode_ack(Ack(one.questions[0][1])), qos=1)
        await until("the outbox empty", lambda: one.packs and not keeper.count)
    assert_all(one, 500)
    assert set(one.copies.values()) == {1}
    fresh = [number for (_, number), lane in one.lanes.items() if lane == "telemetry"]
    assert min(fresh) > 500 - 2 * settings.pack_readings_max
    assert max(fresh) == 500


async def test_unacknowledged_packs_are_bounded_in_each_lane(tmp_path: Path, broker: Mosquitto) -> None:
    """Windows of 3 and 2 packs of 5: so many different readings are on their way, whatever waits."""
    settings = UplinkSettings(pack_age_s=0.02, pack_readings_max=5, fresh_window=3, backlog_window=2)
    keeper = Keeper(tmp_path / "outbox.sqlite", OutboxSettings())
    await keeper.open()
    await keeper.put(some(100))
    await keeper.close()
    async with (
        peer(Peer("gw", lambda *_: []), broker.host, broker.port) as one,
        uplink(tmp_path, broker.port, settings) as keeper,
    ):
        await until("the backlog's window full", lambda: len(one.readings) == 10)
        await keeper.put(some(15, 100))
        await until("both windows full", lambda: len(one.readings) == 25)
        await keeper.put(some(100, 115))
        await asyncio.sleep(0.3)
    assert len(one.readings) == 25
    lanes = list(one.lanes.values())
    assert (lanes.count("telemetry"), lanes.count("backlog")) == (15, 10)


async def test_a_backlog_does_not_delay_what_is_fresh(tmp_path: Path, broker: Mosquitto) -> None:
    """20,000 readings from before drain at a slow ingest; no fresh one waits for even a quarter of them."""
    keeper = Keeper(tmp_path / "outbox.sqlite", OutboxSettings())
    await keeper.open()
    await keeper.put(some(20_000))
    await keeper.close()
    settings = UplinkSettings(pack_age_s=0.05, pack_readings_max=500)
    async with peer(Peer("gw"), broker.host, broker.port) as one, uplink(tmp_path, broker.port, settings) as keeper:
        await until("the backlog flows", lambda: len(one.readings) > 500)
        while keeper.count > 2000:
            await keeper.put([Reading("live", "flow", now_us(), 1.0)])
            await asyncio.sleep(0.02)
        await until("everything there", lambda: not keeper.count)
    fresh = {key: reading for key, reading in one.readings.items() if reading.device == "live"}
    assert len(fresh) > 5
    delays = [one.times[key] - reading.observed_at_us / 1e6 for key, reading in fresh.items()]
    assert {one.lanes[key] for key in fresh} == {"telemetry"}
    assert {one.lanes[key] for key in one.readings if key not in fresh} == {"backlog"}
    arrivals = [at_s for key, at_s in one.times.items() if key not in fresh]
    assert max(delays) < (max(arrivals) - min(arrivals)) / 4, sorted(delays)[-5:]


async def test_a_broker_that_dies_and_forgets_everything_costs_nothing(tmp_path: Path, broker: Mosquitto) -> None:
    """Three times, while readings arrive. What was on its way goes again by the backlog lane."""
    one = Peer("gw", lambda count, seqs: seqs if count % 2 else [])
    async with uplink(tmp_path, broker.port) as keeper:
        for life in range(3):
            async with peer(one, broker.host, broker.port):
                for start in range(life * 100, life * 100 + 50, 10):
                    await keeper.put(some(10, start))
                await until("something there", lambda life=life: len(one.readings) > life * 100)  # type: ignore[misc]
            await asyncio.to_thread(broker.kill)
            await keeper.put(some(50, life * 100 + 50))
            await asyncio.to_thread(broker.start)
        one.decide = lambda _, seqs: seqs
        async with peer(one, broker.host, broker.port):
            await until("the outbox empty", lambda: not keeper.count)
    assert_all(one, 300)
    assert "backlog" in one.lanes.values()


async def test_losses_are_told_and_acknowledged(tmp_path: Path, broker: Mosquitto) -> None:
    """Thinned while nobody listened: in the end each number came as a reading or as a loss."""
    keeper = Keeper(tmp_path / "outbox.sqlite", OutboxSettings(readings_max=100))
    await keeper.open()
    for start in range(0, 200, 10):
        await keeper.put(some(10, start))
    await keeper.close()
    async with (
        peer(Peer("gw"), broker.host, broker.port) as one,
        uplink(tmp_path, broker.port, outbox=OutboxSettings(readings_max=100)) as keeper,
    ):
        [outbox] = keeper.outboxes()
        await until("nothing left", outbox.is_empty)
    assert one.losses
    assert not one.missing()
    assert len(one.readings) <= 100


async def test_a_wrong_acknowledgement_deletes_nothing_that_was_not_sent(tmp_path: Path, broker: Mosquitto) -> None:
    async with (
        peer(Peer("gw", lambda _, seqs: [*seqs, *range(1000, 1100)]), broker.host, broker.port) as one,
        uplink(tmp_path, broker.port) as keeper,
    ):
        await keeper.put(some(10))
        await until("acknowledged", lambda: one.packs and not keeper.count)
        for start in range(10, 1200, 119):
            await keeper.put(some(119, start))
        await until("all there", lambda: len(one.readings) == 1200)
    assert_all(one, 1200)


async def test_noise_on_the_ack_topic_is_harmless(tmp_path: Path, broker: Mosquitto) -> None:
    async with peer(Peer("gw"), broker.host, broker.port) as one, uplink(tmp_path, broker.port) as keeper:
        async with aiomqtt.Client(broker.host, broker.port) as client:
            for payload in (b"", b"\xff", b"[]", b'{"stream": 1}', b'{"stream": "x", "stored": [[5, 1]]}'):
                await client.publish("satomori/v1/gw/ack", payload, qos=1)
        await keeper.put(some(10))
        await until("the outbox empty", lambda: one.packs and not keeper.count)
    assert_all(one, 10)


async def test_without_a_broker_everything_is_kept(tmp_path: Path) -> None:
    async with uplink(tmp_path, nowhere()) as keeper:
        await keeper.put(some(100))
        await asyncio.sleep(0.5)
        assert keeper.count == 100
