"""`satomori ingest` at work: a session per lane, a thread that drafts batches, one that stores them, then the acks.

Each lane has an MQTT session of its own, since acknowledgements must go out in the order of arrival: so neither waits
for the other. Batches are stored one at a time, fresh before backlog, and a backlog's batch is bounded: what happens
now waits for two such batches at most, one that is being stored and one that is drafted already. Each third party's
broker is a lane of its own, with a session of its own: what is away there keeps nothing else waiting.
"""

import asyncio
import gc
import random
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from sqlalchemy import Engine, select

from satomori_core.broker import BrokerAddress, BrokerSettings, broker_address
from satomori_core.clock import now_us
from satomori_core.errors import RejectedError, UnavailableError
from satomori_core.logs import get_logger
from satomori_core.senml import encode_ack
from satomori_core.topics import EVENT, STORED, Topic, subscription
from satomori_core.vocabulary import Lane
from satomori_ingest.broker_session import BrokerSession, Subscription
from satomori_ingest.commander import Commander
from satomori_ingest.connections import BrokerConnection, ProtocolVersion, carried_elsewhere
from satomori_ingest.decoders import Decoder, Decoders
from satomori_ingest.decoders.sparkplug import SparkplugDecoder
from satomori_ingest.draft import Draft
from satomori_ingest.filters import matches
from satomori_ingest.formats import make_decoders
from satomori_ingest.gateways import Gateways
from satomori_ingest.pipeline import Pipeline
from satomori_ingest.protocol import Identity, Message
from satomori_ingest.session import Session
from satomori_ingest.session311 import Session311
from satomori_ingest.settings import IngestSettings
from satomori_ingest.sparkplug_host import SparkplugHost
from satomori_store.databases import reading
from satomori_store.ledger import Ledger
from satomori_store.ledger_tables import stream_table
from satomori_store.opening import open_ledger, open_registry, open_store
from satomori_store.port import ObservationStore
from satomori_store.registry import load_lookup, registry_version

POLL_S = 1.0
RETRY_MAX_S = 30.0
# A batch takes at most so many messages, however little they say, and waits no longer when so many have come:
# a broker may send no more than 100 before it is acknowledged (rumqttd).
BATCH_MESSAGES_MAX = 5000
RIPE_MESSAGES = 100
NOT_IN_REGISTRY = {"unknown_gateway", "unknown_device", "not_behind_gateway", "unknown_metric", "retired"}

log = get_logger("ingest")


@dataclass(frozen=True, slots=True)
class Stores:
    """What ingest writes to and looks up in."""

    registry: Engine
    ledger: Ledger
    observations: ObservationStore


@dataclass(slots=True)
class _Lane:
    """What has come and is not drafted yet, in order; `since` is the loop's time when the first of it came.

    `told`: that its broker sends what nobody asked for.
    """

    name: str
    session: BrokerSession = field(init=False)
    waiting: deque[Message] = field(default_factory=deque)
    since: float = 0.0
    told: bool = False


@dataclass(frozen=True, slots=True)
class _Broker:
    """How a broker is spoken to. `optional`: ingest goes on where it refuses us."""

    address: BrokerAddress
    protocol: ProtocolVersion
    client_id: str | None = None
    qos: int = 1
    optional: bool = False


@dataclass(frozen=True, slots=True)
class _Batch:
    """What `messages` of `lane` say, drafted and not yet stored."""

    lane: _Lane
    messages: Sequence[Message]
    draft: Draft


def open_stores(state: Path, config: Path | None) -> Stores:
    registry, ledger = open_registry(state, config), open_ledger(state, config)
    return Stores(registry, ledger, open_store(state, config, ledger))


def make_pipeline(settings: IngestSettings, stores: Stores) -> Pipeline:
    return Pipeline(
        stores.observations,
        stores.ledger,
        Decoders(make_decoders(settings)),
        load_lookup(stores.registry),
        lambda stream: owner_of_stream(stores.ledger, stream),
        future_max_s=settings.future_max_s,
    )


def owner_of_stream(ledger: Ledger, stream: str) -> str | None:
    query = select(stream_table.c.gateway).where(stream_table.c.stream == stream)
    with reading(ledger.engine) as connection:
        return connection.execute(query).scalar()


class Service:
    """`run` until cancelled: then what came until then is stored and acknowledged first."""

    def __init__(self, settings: IngestSettings, address: BrokerAddress, stores: Stores) -> None:
        self._settings = settings
        self._stores = stores
        self._pipeline = make_pipeline(settings, stores)
        self._registry_version = -1
        self._gateways = Gateways()
        self._arrived = asyncio.Event()
        self._statuses: deque[Message] = deque()
        self._presences: deque[tuple[str, bool, int]] = deque()
        self._sessions: list[BrokerSession] = []
        self._ending = asyncio.Event()
        self._stored: asyncio.Task[bool]  # the newest batch's, since the start an empty one
        main = _Broker(address, settings.protocol)
        elsewhere = carried_elsewhere(settings.broker)
        _, *third_parties = make_decoders(settings)
        here = [decoder for decoder in third_parties if decoder.name not in elsewhere]
        telemetry, self._backlog = _Lane(Lane.TELEMETRY), _Lane(Lane.BACKLOG)
        self._fresh = deque([telemetry])
        for lane, decoders in ((telemetry, here), (self._backlog, [])):
            filters = [subscription(lane.name, settings.share), *self._filters(decoders, alone=False)]
            lane.session = self._session(main, lane.name, filters, self._receiver(lane), self._host(decoders))
        self._main_session = telemetry.session
        expiring = settings.protocol == "5" and not address.embedded
        self._commander = Commander(stores.registry, stores.ledger, expiring=expiring)
        replies = [subscription("reply", settings.share), self._shared(EVENT)]
        self._command_session = self._session(main, "command", replies, self._commander.take)
        # Not shared: a shared subscription gets no retained messages, and each worker may know who is there.
        self._status_session = self._session(main, "status", [subscription("status")], self._take_statuses)
        for connection in settings.broker:
            if connection.worker in {None, settings.worker}:
                carried = [decoder for decoder in third_parties if decoder.name in connection.carries]
                self._fresh.append(self._third_partys(connection, carried))

    def _shared(self, pattern: str) -> str:
        return f"$share/{self._settings.share}/{pattern}" if self._settings.share else pattern

    def _filters(self, decoders: Sequence[Decoder], *, alone: bool) -> list[str]:
        """What this worker subscribes. `alone`: no other is on that broker."""
        filters: list[str] = []
        for decoder in decoders:
            if alone or self._settings.share is None:
                filters += decoder.filters
            elif not isinstance(decoder, SparkplugDecoder):
                filters += [self._shared(pattern) for pattern in decoder.filters]
            elif decoder.worker == self._settings.worker:
                filters += decoder.filters
        return filters

    def _host(self, decoders: Sequence[Decoder]) -> SparkplugHost | None:
        sparkplug = [decoder for decoder in decoders if isinstance(decoder, SparkplugDecoder)]
        return SparkplugHost(sparkplug, lambda *presence: self._presences.append(presence)) if sparkplug else None

    def _third_partys(self, connection: BrokerConnection, decoders: Sequence[Decoder]) -> _Lane:
        """Its lane. What it sends beyond what was asked for is not read: it may not speak for our own gateways."""
        lane = _Lane(connection.name)
        table = f"[ingest] broker {connection.name!r}"
        where = BrokerSettings(connection.url, connection.username, connection.password, connection.ca_file)
        address = broker_address(where, mqtt5=connection.protocol == "5", table=table)
        receive = self._receiver(lane)
        patterns = [pattern for decoder in decoders for pattern in decoder.filters]

        def receive_asked_for(messages: list[Message]) -> None:
            asked: list[Message] = []
            strange: list[Message] = []
            for message in messages:
                known = any(matches(pattern, message.topic) for pattern in patterns)
                (asked if known else strange).append(message)
            if strange:
                if not lane.told:
                    log.warning("a broker sends what we did not ask for", broker=lane.name, topic=strange[0].topic)
                lane.told = True
                lane.session.release(strange)
            if asked:
                receive(asked)

        filters = self._filters(decoders, alone=connection.worker is not None)
        broker = _Broker(address, connection.protocol, connection.client_id, connection.qos, optional=True)
        lane.session = self._session(broker, lane.name, filters, receive_asked_for, self._host(decoders))
        return lane

    def _session(
        self,
        broker: _Broker,
        name: str,
        filters: Sequence[str],
        on_messages: Callable[[list[Message]], None],
        host: SparkplugHost | None = None,
    ) -> BrokerSession:
        settings = self._settings
        identity = Identity(
            broker.client_id or f"satomori-ingest-{settings.worker}-{name}",
            broker.address.username,
            broker.address.password,
            settings.session_expiry_s,
            settings.keep_alive_s,
            settings.receive_max,
        )
        kind = Session if broker.protocol == "5" else Session311
        subscribed = Subscription(filters, settings.held_bytes_max, broker.qos, host.prepare if host else None)
        session = kind(broker.address, identity, subscribed, on_messages, optional=broker.optional)
        if host is not None:
            host.session = session
        self._sessions.append(session)
        return session

    # ------------------------------------------------------------------ receiving

    def _receiver(self, lane: _Lane) -> Callable[[list[Message]], None]:
        def receive(messages: list[Message]) -> None:
            if self._ending.is_set():
                return
            if lane.waiting and lane.waiting[0].epoch != messages[0].epoch and lane.session.session_kept:
                # The broker sends these again on the new connection; two of each would not hurt, but not fit either.
                again = [m for m in lane.waiting if m.packet_id is not None and m.epoch != messages[0].epoch]
                lane.session.release(again)
                lane.waiting = deque(m for m in lane.waiting if m.packet_id is None or m.epoch == messages[0].epoch)
            if not lane.waiting:
                lane.since = asyncio.get_running_loop().time()
            lane.waiting.extend(messages)
            self._arrived.set()

        return receive

    def _take_statuses(self, messages: list[Message]) -> None:
        self._statuses.extend(messages)
        self._status_session.release(messages)

    # ------------------------------------------------------------------ running

    async def run(self) -> NoReturn:
        """Raise SettingsError where the broker can't be used with these settings."""
        with ThreadPoolExecutor(1, thread_name_prefix="draft") as thread:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch_registry(thread), name="registry")
                group.create_task(self._commander.run(self._command_session), name="commands")
                for session in self._sessions:
                    group.create_task(session.run(), name=f"session {session.name}")
                # Not a task of the group: it ends first, so that what it has just stored is still acknowledged.
                await self._write_batches(thread)

    async def _watch_registry(self, thread: ThreadPoolExecutor) -> NoReturn:
        loop = asyncio.get_running_loop()
        away = False
        while True:
            try:
                await loop.run_in_executor(thread, self._look_at_registry)
                away = False
            except UnavailableError as error:
                if not away:
                    log.warning("registry away, going on with what is known of it", reason=str(error))
                away = True
            await asyncio.sleep(POLL_S)

    def _look_at_registry(self) -> None:
        while self._statuses:
            message = self._statuses.popleft()
            try:
                self._gateways.take_status(message)
            except RejectedError as error:
                # It is retained and comes again with each connection, so it is told and not kept.
                log.warning("status not understood", topic=message.topic, reason=str(error))
        while self._presences:
            gateway, online, at_us = self._presences.popleft()
            self._gateways.tell(gateway, online=online, seen_us=at_us)
        self._gateways.write(self._stores.registry)
        self._reload_registry()

    def _reload_registry(self) -> bool:
        """In the thread. Whether it had changed."""
        if registry_version(self._stores.registry) == self._registry_version:
            return False
        lookup = load_lookup(self._stores.registry)
        self._pipeline.use(lookup)
        # The registry stays: the collector of cycles need not look through it again and again.
        gc.collect()
        gc.freeze()
        self._registry_version = lookup.version
        log.info("registry loaded", version=lookup.version, datastreams=len(lookup.datastreams))
        return True

    # ------------------------------------------------------------------ writing

    async def _write_batches(self, drafting: ThreadPoolExecutor) -> NoReturn:
        """While one batch is being stored, the next one is drafted: they wait for different things.

        Before we end, what we hold is stored and acknowledged, since a message of QoS 0 does not come again. A store
        that is away is not waited for; then nothing is stored of what was drafted after.
        """
        self._stored = asyncio.create_task(asyncio.sleep(0, result=True), name="store")
        drafted = asyncio.create_task(self._next_batch(drafting), name="draft")
        with ThreadPoolExecutor(1, thread_name_prefix="store") as storing:
            try:
                while True:
                    batch = await asyncio.shield(drafted)
                    await asyncio.shield(self._stored)
                    drafted = self._go_on(drafting, storing, batch)
            finally:
                self._ending.set()
                self._arrived.set()
                while await self._stored and (batch := await drafted) is not None:
                    drafted = self._go_on(drafting, storing, batch)
                drafted.cancel()

    def _go_on(
        self, drafting: ThreadPoolExecutor, storing: ThreadPoolExecutor, batch: _Batch | None
    ) -> asyncio.Task[_Batch | None]:
        """Begin to store this batch, and to draft the next."""
        if batch is not None:
            self._stored = asyncio.create_task(self._store(storing, batch), name="store")
            self._stored.add_done_callback(lambda _: self._arrived.set())
        return asyncio.create_task(self._next_batch(drafting), name="draft")

    async def _next_batch(self, drafting: ThreadPoolExecutor) -> _Batch | None:
        """None: we are ending, and there is nothing more that can be stored."""
        retry_s = 0.0
        while (lane := await self._next_lane()) is not None:
            messages = [lane.waiting.popleft() for _ in range(min(len(lane.waiting), BATCH_MESSAGES_MAX))]
            try:
                draft = await asyncio.get_running_loop().run_in_executor(drafting, self._draft, lane, messages)
            except UnavailableError as error:
                if self._ending.is_set():
                    return None
                lane.waiting.extendleft(reversed(messages))
                retry_s = min(RETRY_MAX_S, max(error.retry_after_s, retry_s * 2))
                log.warning("ledger away, keeping what came", lane=lane.name, reason=str(error), retry_s=retry_s)
                await self._pause(retry_s)
            else:
                lane.waiting.extendleft(reversed(messages[draft.messages :]))
                return _Batch(lane, messages[: draft.messages], draft)
        return None

    async def _pause(self, wait_s: float) -> None:
        """So long, or until we end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_jittered(wait_s)):
                await self._ending.wait()

    async def _next_lane(self) -> _Lane | None:
        """The first lane that has a batch ready: it is old enough, or large enough. The fresh lanes take turns.

        While another batch is being stored there is no hurry, and a larger batch costs less a value. When we end,
        whatever waits is ready, and None is that nothing does.
        """
        loop = asyncio.get_running_loop()
        while True:
            is_free = self._stored.done()
            if is_free:
                self._stored.result()
            ages = []
            if self._ending.is_set():
                return next((lane for lane in (*self._fresh, self._backlog) if lane.waiting), None)
            for lane in (*self._fresh, self._backlog):
                if lane.waiting:
                    left_s = lane.since + self._settings.batch_age_s - loop.time()
                    ripe = RIPE_MESSAGES if is_free else max(RIPE_MESSAGES, self._settings.receive_max // 8)
                    if (is_free and left_s <= 0) or len(lane.waiting) >= ripe:
                        if lane is not self._backlog:
                            self._fresh.remove(lane)
                            self._fresh.append(lane)
                        return lane
                    ages += [left_s] if is_free else []
            self._arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(ages, default=None)):
                    await self._arrived.wait()

    def _draft(self, lane: _Lane, messages: list[Message]) -> Draft:
        """In the thread for drafts."""
        at_us = now_us()
        settings = self._settings
        values_max = settings.backlog_batch_values_max if lane is self._backlog else settings.batch_values_max
        draft = self._pipeline.draft(messages, at_us, values_max)
        if any(row.reason in NOT_IN_REGISTRY for row in draft.quarantine):
            # It may have been told to the registry since we last looked: nobody should have to replay for that.
            with suppress(UnavailableError):
                if self._reload_registry():
                    draft = self._pipeline.draft(messages, at_us, values_max)
        for gateway in {part.gateway for part in draft.parts}:
            self._gateways.see(gateway, at_us)
        self._pipeline.expect(draft)
        return draft

    async def _store(self, storing: ThreadPoolExecutor, batch: _Batch) -> bool:
        """Again and again until it is stored, then settle it. What was drafted since counts on it.

        False: we are ending, and the store is away.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        retry_s = 0.0
        while True:
            try:
                await loop.run_in_executor(storing, self._pipeline.write, batch.draft)
                break
            except UnavailableError as error:
                if self._ending.is_set():
                    return False
                retry_s = min(RETRY_MAX_S, max(error.retry_after_s, retry_s * 2))
                log.warning("store away, keeping what came", lane=batch.lane.name, reason=str(error), retry_s=retry_s)
                await self._pause(retry_s)
        self._settle(batch)
        log.info(
            "batch stored",
            lane=batch.lane.name,
            messages=batch.draft.messages,
            values=len(batch.draft.rows),
            set_aside=len(batch.draft.quarantine),
            resent=sum(batch.draft.resent.values()),
            waiting=len(batch.lane.waiting),
            took_ms=round((loop.time() - started) * 1000, 1),
        )
        return True

    def _settle(self, batch: _Batch) -> None:
        """It is stored: acknowledge it to the broker and to the edges, wake who waits for it."""
        session = batch.lane.session
        session.release(batch.messages)
        at_us = now_us() // 1000 * 1000
        acks = [(Topic(gateway, "ack").encode(), replace(ack, at_us=at_us)) for gateway, ack in batch.draft.acks()]
        session.publish([(topic, encode_ack(ack)) for topic, ack in acks], qos=1)
        if len(batch.draft.rows):
            self._main_session.publish([(STORED, b'{"values":%d}' % len(batch.draft.rows))])


def _jittered(wait_s: float) -> float:
    return wait_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not cryptography
