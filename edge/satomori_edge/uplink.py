"""The way up: packs of readings to ingest through the broker, until ingest has acknowledged each of them.

Fresh is what arrived since the connection is up; what was left from before goes by the backlog lane. Each lane has a
window and a task of its own, so that a backlog never delays what is happening now. What is fresh and can't keep up
becomes backlog. The broker's acknowledgement means nothing here: a row is deleted when ingest says that it is stored or
durably set aside. A connection begins with a question to ingest, and nothing is sent before it is answered.
"""

import asyncio
import contextlib
import gzip
import json
import random
import time
from collections.abc import Sequence
from functools import partial

from satomori_core import __version__
from satomori_core.broker import BrokerAddress
from satomori_core.cancellation import mind_cancellation
from satomori_core.clock import to_iso
from satomori_core.errors import RejectedError, UnavailableError
from satomori_core.logs import get_logger
from satomori_core.ranges import Range, count, numbers, to_ranges
from satomori_core.senml import Ack, Pack, decode_ack, encode, encode_ask
from satomori_core.topics import Topic
from satomori_core.vocabulary import Lane
from satomori_edge.actuators.operator import Operator
from satomori_edge.clock import CLOCK, told_us
from satomori_edge.keeper import Keeper
from satomori_edge.lanes import Contact, Flight, Sent, Window
from satomori_edge.outbox import Numbered, Outbox, StreamLoss
from satomori_edge.session import Incoming, Outgoing, Session, connect
from satomori_edge.settings import UplinkSettings
from satomori_edge.tally import Tally

RECONNECT_FIRST_S = 1.0
LOSSES_MAX = 200  # in one message
GOODBYE_S = 1.0
IDLE_S = 60.0  # a lane looks again at least so often

log = get_logger("edge")


class Uplink:
    """`run` until cancelled. The keeper is open already."""

    def __init__(
        self, keeper: Keeper, settings: UplinkSettings, gateway: str, address: BrokerAddress, operator: Operator
    ) -> None:
        self._keeper = keeper
        self._operator = operator
        self._settings = settings
        self._gateway = gateway
        self._address = address
        self._contact = Contact(settings.ack_timeout_s, settings.ack_timeout_max_s)
        self._sent = Sent()
        for stream, last in keeper.earlier.items():
            self._sent.add(stream, [(1, last)])  # maybe, by an earlier life of this agent
        self._is_away = False

    async def run(self) -> None:
        """Connect, converse, and after each end wait with full jitter before the next attempt."""
        attempts = 0
        while True:
            started_s = time.monotonic()
            why = ""
            # A task of its own: in Python 3.11 one that had a failing task group counts as cancelled ever after.
            connection = asyncio.create_task(self._connection(), name="connection")
            try:
                await connection
            except* UnavailableError as group:
                why = "; ".join(str(error) for error in _leaves(group))
            self._operator.link.down()
            mind_cancellation()
            if not self._is_away:
                log.warning("broker is away", broker=f"{self._address.host}:{self._address.port}", why=why)
            self._is_away = True
            attempts = 0 if time.monotonic() - started_s > self._settings.reconnect_max_s else min(attempts + 1, 16)
            longest_s = min(self._settings.reconnect_max_s, RECONNECT_FIRST_S * 2**attempts)
            await asyncio.sleep(random.uniform(0, longest_s))  # noqa: S311 - jitter, no secret

    async def _connection(self) -> None:
        async with connect(
            self._address,
            client_id=f"satomori-edge-{self._gateway}",
            mqtt5=self._settings.protocol == "5",
            will=self._status(online=False),
            keepalive_s=self._settings.keepalive_s,
        ) as session:
            await session.subscribe(Topic(self._gateway, "ack").encode())
            await session.subscribe(Topic(self._gateway, "command").encode())
            await session.publish(self._status(online=True))
            log.info("connected", broker=f"{self._address.host}:{self._address.port}", waiting=self._keeper.count)
            self._is_away = False
            self._operator.link.up()
            conversation = _Conversation(
                self._keeper,
                self._settings,
                self._gateway,
                sent=self._sent,
                contact=self._contact,
                session=session,
                operator=self._operator,
            )
            try:
                await conversation.run()
            except asyncio.CancelledError:
                # A clean end keeps the will from being sent, so it is said here.
                with contextlib.suppress(UnavailableError, TimeoutError):
                    async with asyncio.timeout(GOODBYE_S):
                        await session.publish(self._status(online=False))
                raise

    def _status(self, *, online: bool) -> Outgoing:
        """Of the will, `at` is when the connection began: nobody can know when it will break."""
        document = {
            "online": online,
            "at": to_iso(told_us()),
            "gateway": self._gateway,
            "version": __version__,
            "actuators": self._operator.describe(),
        }
        return Outgoing(Topic(self._gateway, "status").encode(), json.dumps(document).encode(), retain=True)


def _leaves(group: BaseExceptionGroup[UnavailableError]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


class _Conversation:
    """One connection: what is fresh is counted from its beginning."""

    def __init__(
        self,
        keeper: Keeper,
        settings: UplinkSettings,
        gateway: str,
        *,
        sent: Sent,
        contact: Contact,
        session: Session,
        operator: Operator,
    ) -> None:
        self._keeper = keeper
        self._operator = operator
        self._settings = settings
        self._gateway = gateway
        self._sent = sent
        self._contact = contact
        self._session = session
        self._fresh_from: dict[str, int] = {}
        self._set_aside = Tally()
        self._resent = Tally()
        self._unanswered = Tally()
        self._windows = [
            Window(lane, flights_max, settings.ack_timeout_s, settings.ack_timeout_max_s)
            for lane, flights_max in (
                (Lane.TELEMETRY, settings.fresh_window),
                (Lane.BACKLOG, settings.backlog_window),
            )
        ]
        self._fresh = self._windows[0]
        self._wake = {window.lane: asyncio.Event() for window in self._windows}
        self._in_doubt = asyncio.Event()

    async def run(self) -> None:
        for outbox in self._keeper.outboxes():
            await self._boundary(outbox)
        self._contact.connected(time.monotonic())
        async with asyncio.TaskGroup() as group:
            for window in self._windows:
                group.create_task(self._drive(window), name=f"lane {window.lane}")
            group.create_task(self._gather(), name="gather")
            group.create_task(self._ask(), name="ask")
            group.create_task(self._take_messages(), name="messages")
            group.create_task(self._operator.send_replies(self._reply), name="replies")

    async def _boundary(self, outbox: Outbox) -> int:
        """The first number that is fresh. An outbox in memory begins while we are running, so all of it is."""
        if outbox.stream not in self._fresh_from:
            next_seq = await self._keeper.run(outbox, outbox.next_seq)
            self._fresh_from[outbox.stream] = next_seq if outbox.is_durable else 1
        return self._fresh_from[outbox.stream]

    async def _gather(self) -> None:
        """Let what arrives wait for company, no longer than `pack_age_s`."""
        while True:
            await self._keeper.arrived.wait()
            await asyncio.sleep(self._settings.pack_age_s)
            self._keeper.arrived.clear()
            for event in self._wake.values():
                event.set()

    # ------------------------------------------------------------------ sending

    async def _ask(self) -> None:
        """While ingest may not be there: the only thing that is sent."""
        while True:
            self._in_doubt.clear()
            outboxes = self._keeper.outboxes()
            now_s = time.monotonic()
            if outboxes and self._contact.may_ask(now_s):
                self._contact.asked(now_s, random.random())  # noqa: S311 - jitter, no secret
                if self._contact.asks > 1:
                    total = self._unanswered.add(1)
                    if total is not None:
                        log.warning("ingest does not answer", waiting=self._keeper.count, asked=self._contact.asks)
                await self._session.publish(
                    Outgoing(Topic(self._gateway, Lane.TELEMETRY).encode(), encode_ask(outboxes[0].stream))
                )
            wait_s = IDLE_S if self._contact.is_open or not outboxes else self._contact.due_s - time.monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(max(wait_s, 0.0), IDLE_S)):
                    await self._in_doubt.wait()

    async def _drive(self, window: Window) -> None:
        """Send while there is something and room for it; else wait for news or for an overdue acknowledgement."""
        wake = self._wake[window.lane]
        while True:
            wake.clear()
            due_s = None
            if self._contact.is_open:
                flight = window.due(time.monotonic())
                if flight is not None:
                    await self._overdue(window, flight)
                    continue
                if window.has_room() and await self._send_next(window):
                    continue
                due_s = window.next_due_s()
            wait_s = IDLE_S if due_s is None else max(0.0, due_s - time.monotonic())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait_s, IDLE_S)):
                    await wake.wait()

    async def _overdue(self, window: Window, flight: Flight) -> None:
        """Send it again, or ask first where ingest has said nothing since it was sent."""
        if self._contact.heard_s >= flight.sent_s:
            await self._send_again(window, flight)
            return
        self._contact.doubt(time.monotonic())
        self._in_doubt.set()

    async def _send_next(self, window: Window) -> bool:
        """Whether there was anything."""
        for outbox in self._keeper.outboxes():
            if window.lane is Lane.BACKLOG and not window.has_losses():
                losses = await self._keeper.run(outbox, lambda outbox=outbox: outbox.losses(LOSSES_MAX))  # type: ignore[misc]
                if losses:
                    await self._send_losses(window, losses)
                    return True
            rows = await self._peek(outbox, window)
            if rows:
                ranges = to_ranges(row.seq for row in rows)
                again = bool(self._sent.of(outbox.stream, ranges))
                window.cursors[outbox.stream] = rows[-1].seq
                window.sent(outbox.stream, ranges, time.monotonic())
                await self._send(window.lane, outbox.stream, rows, ranges, again=again)
                return True
        return False

    async def _peek(self, outbox: Outbox, window: Window) -> list[Numbered]:
        is_fresh = window is self._fresh
        limit = self._settings.pack_readings_max
        while True:
            boundary = await self._boundary(outbox)
            after = window.cursors.get(outbox.stream, boundary - 1 if is_fresh else 0)
            rows = await self._keeper.run(outbox, partial(outbox.peek, after, None if is_fresh else boundary, limit))
            if is_fresh and len(rows) == limit and await self._lags(outbox, after):
                continue
            # What became backlog may be on its way still.
            under_way = frozenset() if is_fresh else frozenset(numbers(self._fresh.in_flight(outbox.stream)))
            left = [row for row in rows if row.seq not in under_way]
            if left or not rows:
                return left
            window.cursors[outbox.stream] = rows[-1].seq

    async def _lags(self, outbox: Outbox, after: int) -> bool:
        """Whether more than a window waits to be sent as fresh: then all but the newest of it becomes backlog."""
        limit = self._settings.pack_readings_max
        newest = await self._keeper.run(outbox, outbox.next_seq) - 1
        if newest - after <= limit * self._fresh.flights_max:
            return False
        self._fresh_from[outbox.stream] = newest - limit + 1
        self._fresh.cursors[outbox.stream] = newest - limit
        self._wake[Lane.BACKLOG].set()
        return True

    async def _send_again(self, window: Window, flight: Flight) -> None:
        """What of it is still there: meanwhile some may have been thinned."""
        if flight.are_losses:
            window.forget(flight)  # and is found again as the next to send
            return
        outbox = self._keeper.outbox(flight.stream)
        rows = await self._keeper.run(outbox, lambda: outbox.within(flight.outstanding)) if outbox else []
        if not rows:
            window.forget(flight)
            return
        ranges = to_ranges(row.seq for row in rows)
        window.resent(flight, ranges, time.monotonic(), random.random())  # noqa: S311 - jitter, no secret
        total = self._resent.add(len(rows))
        if total is not None:
            log.warning("not acknowledged, sent again", lane=window.lane, stream=flight.stream, readings=total)
        await self._send(window.lane, flight.stream, rows, ranges, again=True)

    async def _send(
        self, lane: Lane, stream: str, rows: Sequence[Numbered], ranges: Sequence[Range], *, again: bool
    ) -> None:
        self._sent.add(stream, ranges)
        await self._publish(lane, Pack([row.reading for row in rows], stream, ranges, again=again))

    async def _send_losses(self, window: Window, losses: Sequence[StreamLoss]) -> None:
        stream = losses[0].stream
        ranges = [(one.loss.first, one.loss.last) for one in losses]
        self._sent.add(stream, ranges)
        window.sent(stream, ranges, time.monotonic(), are_losses=True)
        await self._publish(window.lane, Pack(stream=stream, losses=[one.loss for one in losses]))

    async def _publish(self, lane: Lane, pack: Pack) -> None:
        payload = encode(pack)
        if len(payload) >= self._settings.gzip_bytes_min:
            payload = gzip.compress(payload, compresslevel=6, mtime=0)
        await self._session.publish(Outgoing(Topic(self._gateway, lane).encode(), payload))

    async def _reply(self, payload: bytes) -> None:
        await self._session.publish(Outgoing(Topic(self._gateway, "reply").encode(), payload))

    # ------------------------------------------------------------------ what comes

    async def _take_messages(self) -> None:
        async for message in self._session.messages():
            if message.topic == Topic(self._gateway, "command").encode():
                await self._operator.receive(message.payload, is_retained=message.is_retained)
            else:
                await self._take_ack(message)

    async def _take_ack(self, message: Incoming) -> None:
        ack = _decode(message)
        if ack is None or not (self._keeper.outbox(ack.stream) or self._sent.knows(ack.stream)):
            return
        self._heard()
        if ack.at_us is not None:
            CLOCK.learn(ack.at_us)
        # Only what may have been sent: a wrong acknowledgement must not empty the outbox.
        ranges = self._sent.of(ack.stream, [*ack.stored, *ack.set_aside])
        if not ranges:
            return
        aside = self._set_aside.add(count(ack.set_aside)) if ack.set_aside else None
        if aside is not None:
            log.warning("ingest set readings aside", stream=ack.stream, readings=aside)
        await self._keeper.acknowledge(ack.stream, ranges)
        self._sent.remove(ack.stream, ranges)
        for window in self._windows:
            window.acknowledged(ack.stream, ranges)
            self._wake[window.lane].set()

    def _heard(self) -> None:
        now_s = time.monotonic()
        if self._contact.heard(now_s):
            for window in self._windows:
                window.contact_is_back(now_s)
                self._wake[window.lane].set()


def _decode(message: Incoming) -> Ack | None:
    try:
        return decode_ack(message.payload)
    except RejectedError as error:
        log.warning("not an acknowledgement", why=str(error))
        return None
