"""`satomori ingest` at work: a session per lane, a thread that drafts batches, one that stores them, then the acks.

Each lane has an MQTT session of its own, since acknowledgements must go out in the order of arrival: so neither waits
for the other. Batches are stored one at a time, fresh before backlog, and a backlog's batch is bounded: what happens
now waits for two such batches at most, one that is being stored and one that is drafted already. Each third party's
broker is a lane of its own, with a session of its own: what is away there keeps nothing else waiting.
"""

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NoReturn

from satomori_core.broker import BrokerAddress
from satomori_core.clock import now_us
from satomori_core.errors import UnavailableError
from satomori_core.logs import get_logger
from satomori_core.senml import encode_ack
from satomori_core.topics import STORED, Topic
from satomori_ingest.commander import Commander
from satomori_ingest.draft import Draft
from satomori_ingest.lanes import Lanes, WaitingLane
from satomori_ingest.protocol import Message
from satomori_ingest.registry_watch import RegistryWatch
from satomori_ingest.settings import IngestSettings
from satomori_ingest.stores import Stores, make_pipeline
from satomori_ingest.subscribing import Sessions

RETRY_MAX_S = 30.0
BATCH_MESSAGES_MAX = 5000  # however little they say
NOT_IN_REGISTRY = {"unknown_gateway", "unknown_device", "not_behind_gateway", "unknown_metric", "retired"}

log = get_logger("ingest")


@dataclass(frozen=True, slots=True)
class _Batch:
    """What `messages` of `lane` say, drafted and not yet stored."""

    lane: WaitingLane
    messages: Sequence[Message]
    draft: Draft


class Service:
    """`run` until cancelled: then what came until then is stored and acknowledged first."""

    def __init__(self, settings: IngestSettings, address: BrokerAddress, stores: Stores) -> None:
        self._settings = settings
        self._pipeline = make_pipeline(settings, stores)
        self._registry = RegistryWatch(stores.registry, self._pipeline)
        self._commander = Commander(
            stores.registry, stores.ledger, expiring=settings.protocol == "5" and not address.embedded
        )
        self._stored: asyncio.Task[bool]  # the newest batch's, since the start an empty one
        self._lanes = Lanes(settings.batch_age_s, settings.receive_max)
        self._sessions = Sessions(
            settings,
            address,
            self._lanes,
            on_presence=self._registry.take_presence,
            on_replies=self._commander.take,
            on_statuses=self._registry.take_statuses,
        )

    async def run(self) -> NoReturn:
        """Raise SettingsError where the broker can't be used with these settings."""
        with ThreadPoolExecutor(1, thread_name_prefix="draft") as thread:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._registry.run(thread), name="registry")
                group.create_task(self._commander.run(self._sessions.command), name="commands")
                for session in self._sessions.all:
                    group.create_task(session.run(), name=f"session {session.name}")
                # Not a task of the group: it ends first, so that what it has just stored is still acknowledged.
                await self._write_batches(thread)

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
                self._lanes.end()
                while await self._stored and (batch := await drafted) is not None:
                    drafted = self._go_on(drafting, storing, batch)
                drafted.cancel()

    def _go_on(
        self, drafting: ThreadPoolExecutor, storing: ThreadPoolExecutor, batch: _Batch | None
    ) -> asyncio.Task[_Batch | None]:
        """Begin to store this batch, and to draft the next."""
        if batch is not None:
            self._stored = asyncio.create_task(self._store(storing, batch), name="store")
            self._stored.add_done_callback(lambda _: self._lanes.look_again())
        return asyncio.create_task(self._next_batch(drafting), name="draft")

    async def _next_batch(self, drafting: ThreadPoolExecutor) -> _Batch | None:
        """None: we are ending, and there is nothing more that can be stored."""
        retry_s = 0.0
        while (lane := await self._lanes.next(self._is_free)) is not None:
            messages = [lane.waiting.popleft() for _ in range(min(len(lane.waiting), BATCH_MESSAGES_MAX))]
            try:
                draft = await asyncio.get_running_loop().run_in_executor(drafting, self._draft, lane, messages)
            except UnavailableError as error:
                if self._lanes.ending:
                    return None
                lane.waiting.extendleft(reversed(messages))
                retry_s = min(RETRY_MAX_S, max(error.retry_after_s, retry_s * 2))
                log.warning("ledger away, keeping what came", lane=lane.name, reason=str(error), retry_s=retry_s)
                await self._lanes.pause(_jittered(retry_s))
            else:
                lane.waiting.extendleft(reversed(messages[draft.messages :]))
                return _Batch(lane, messages[: draft.messages], draft)
        return None

    def _is_free(self) -> bool:
        """Whether no batch is being stored; raise what the last one ended with."""
        if not self._stored.done():
            return False
        self._stored.result()
        return True

    def _draft(self, lane: WaitingLane, messages: list[Message]) -> Draft:
        """In the thread for drafts."""
        at_us = now_us()
        settings = self._settings
        values_max = settings.backlog_batch_values_max if lane is self._lanes.backlog else settings.batch_values_max
        draft = self._pipeline.draft(messages, at_us, values_max)
        if any(row.reason in NOT_IN_REGISTRY for row in draft.quarantine):
            # It may have been told to the registry since we last looked: nobody should have to replay for that.
            with suppress(UnavailableError):
                if self._registry.reload():
                    draft = self._pipeline.draft(messages, at_us, values_max)
        for gateway in {part.gateway for part in draft.parts}:
            self._registry.see(gateway, at_us)
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
                if self._lanes.ending:
                    return False
                retry_s = min(RETRY_MAX_S, max(error.retry_after_s, retry_s * 2))
                log.warning("store away, keeping what came", lane=batch.lane.name, reason=str(error), retry_s=retry_s)
                await self._lanes.pause(_jittered(retry_s))
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
            self._sessions.main.publish([(STORED, b'{"values":%d}' % len(batch.draft.rows))])


def _jittered(wait_s: float) -> float:
    return wait_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not cryptography
