"""Commands on their way down, replies and told events on their way up: what is due is sent, what comes is written.

The registry is asked each quarter of a second; that a command is sent is written down before it is. It is not retained
and the broker throws it away when it has expired (not the embedded one), so that an old one hardly ever arrives; where
one does, the gateway refuses it by its own clock. Only a connected session sends. A reply is acknowledged to the broker
after it is written, and one that says nothing of a command of ours is set aside. So is a message of an earthquake or a
storm that can't be read; what is wrong in one that can is told with the event.
"""

import asyncio
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NoReturn

from sqlalchemy import Engine
from sqlalchemy.orm import Session as Rows

from satomori_core.clock import SECOND_US, now_us
from satomori_core.commands import COMMAND_BYTES_MAX, decode_reply, encode_command
from satomori_core.errors import RejectedError, UnavailableError
from satomori_core.logs import get_logger
from satomori_core.topics import EVENT, Topic, parse_topic
from satomori_ingest.broker_session import BrokerSession
from satomori_ingest.protocol import Message
from satomori_store.commands import Outgoing, take_reply, take_steps
from satomori_store.databases import writing
from satomori_store.events import decode_event, record_event
from satomori_store.ledger import Ledger
from satomori_store.port import Batch, QuarantineRow
from satomori_store.registry import transaction

POLL_S = 0.25
REPLIES_AT_ONCE = 500
HEARS_AFTER_S = 3.0  # after a connection: by then the broker has sent what it had kept

log = get_logger("ingest")


class Commander:
    """`take` is what its session calls with replies; `run` sends on that session.

    `expiring`: the broker takes a message expiry.
    """

    def __init__(self, registry: Engine, ledger: Ledger, *, expiring: bool) -> None:
        self._registry = registry
        self._ledger = ledger
        self._expiring = expiring
        self._replies: list[Message] = []
        self._came = asyncio.Event()

    def take(self, messages: list[Message]) -> None:
        self._replies.extend(messages)
        self._came.set()

    async def run(self, session: BrokerSession) -> NoReturn:
        loop = asyncio.get_running_loop()
        away = False
        deaf_s = loop.time()  # when it last could not hear
        with ThreadPoolExecutor(1, thread_name_prefix="command") as thread:
            while True:
                replies = self._replies[:REPLIES_AT_ONCE]
                can_send = session.ready.is_set()
                deaf_s = deaf_s if can_send else loop.time()
                can_hear = can_send and not replies and loop.time() - deaf_s > HEARS_AFTER_S
                try:
                    outgoing = await loop.run_in_executor(thread, self._turn, replies, can_send, can_hear)
                except UnavailableError as error:
                    if not away:
                        log.warning("registry away, commands and replies wait", reason=str(error))
                    away = True
                    await asyncio.sleep(error.retry_after_s)
                    continue
                away = False
                del self._replies[: len(replies)]
                session.release(replies)
                self._send(session, outgoing)
                with suppress(TimeoutError):
                    async with asyncio.timeout(0 if self._replies else POLL_S):
                        await self._came.wait()
                self._came.clear()

    def _send(self, session: BrokerSession, outgoing: Sequence[Outgoing]) -> None:
        for one in outgoing:
            command = one.command
            left_s = max(1, math.ceil((command.expires_at_us - now_us()) / SECOND_US))
            message = (Topic(one.gateway, "command").encode(), encode_command(command))
            session.publish([message], qos=1, expiry_s=left_s if self._expiring else None)
            log.info("command sent", id=command.id, gateway=one.gateway, action=command.action.value)

    def _turn(self, replies: Sequence[Message], can_send: bool, can_hear: bool) -> list[Outgoing]:
        """In the thread. Raise UnavailableError, after which the same replies may be given again."""
        if replies:
            self._write(replies)
        return take_steps(self._registry, now_us(), can_send=can_send, can_hear=can_hear)

    def _write(self, replies: Sequence[Message]) -> None:
        refused: list[QuarantineRow] = []
        at_us = now_us()
        with transaction(self._registry) as session:
            for message in replies:
                gateway = ""
                try:
                    if message.topic == EVENT:
                        _take_event(session, message)
                        continue
                    gateway = parse_topic(message.topic).gateway
                    row = take_reply(session, gateway, decode_reply(message.payload), message.received_at_us)
                except RejectedError as error:
                    log.warning("set aside", topic=message.topic, reason=str(error))
                    refused.append(_set_aside(message, gateway, error))
                else:
                    log.info("reply", id=row.id, gateway=gateway, state=row.state, reason=row.reason, late=row.late)
        if refused:
            with writing(self._ledger.engine) as connection:
                self._ledger.record(connection, Batch(received_at_us=at_us, quarantine=refused), at_us)


def _take_event(session: Rows, message: Message) -> None:
    told = decode_event(message.payload)
    if record_event(session, told, "mqtt", message.received_at_us):
        log.info("event told", id=told["id"])


def _set_aside(message: Message, gateway: str, error: RejectedError) -> QuarantineRow:
    return QuarantineRow(
        received_at_us=message.received_at_us,
        topic=message.topic,
        gateway=gateway,
        reason=error.reason,
        detail=str(error),
        payload=message.payload[:COMMAND_BYTES_MAX],
    )
