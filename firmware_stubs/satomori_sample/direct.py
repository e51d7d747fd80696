"""A gateway that speaks MQTT itself: status with a last will, two lanes, packs sent until they are acknowledged."""

import asyncio
import contextlib
import json
import math
import time
from dataclasses import dataclass

import aiomqtt

from satomori_sample.broker import Broker, Tell, stay_connected, together
from satomori_sample.outbox import Kept, Outbox
from satomori_sample.wire import (
    Span,
    WireError,
    covered,
    decode_ack,
    encode_losses,
    encode_pack,
    merged,
    topic,
)

PACK_VALUES_MAX = 200
WINDOW = 8
ACK_TIMEOUT_S = 10.0
ACK_TIMEOUT_MAX_S = 300.0
FRESH_S = 60.0


@dataclass(slots=True)
class _Flight:
    spans: list[Span]
    due_s: float
    timeout_s: float


class DirectGateway:
    def __init__(self, gateway: str, outbox: Outbox, broker: Broker) -> None:
        self.gateway = gateway
        self._outbox = outbox
        self._broker = broker
        self._stream = outbox.stream_of(gateway)
        self._tried = outbox.last_number(gateway)  # an earlier run may have sent so many
        self._cursor = 0
        self._flights: list[_Flight] = []
        self._news = asyncio.Event()
        self._reachable = asyncio.Event()
        self._reachable.set()

    def kept_more(self) -> None:
        """The outbox has new values of ours."""
        self._news.set()

    def cut_off(self, cut: bool) -> None:
        """While the line is cut, nothing is sent; the outbox keeps all."""
        if cut == (not self._reachable.is_set()):
            return
        if cut:
            self._reachable.clear()
        else:
            self._reachable.set()
        self._news.set()

    async def run(self, tell: Tell) -> None:
        will = aiomqtt.Will(topic(self.gateway, "status"), _status(online=False), qos=1, retain=True)
        while True:
            await self._reachable.wait()
            await stay_connected(lambda: self._broker.client(f"sample-{self._stream}", will), self._talk, tell)

    async def _talk(self, client: aiomqtt.Client) -> None:
        """Until the line is cut."""
        self._cursor, self._flights = 0, []
        await client.subscribe(topic(self.gateway, "ack"), qos=1)
        await client.publish(topic(self.gateway, "status"), _status(online=True), qos=1, retain=True)
        receiving = asyncio.create_task(self._receive(client), name=f"{self.gateway} acks")
        try:
            await together(receiving, self._send(client))
        finally:
            with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await client.publish(topic(self.gateway, "status"), _status(online=False), qos=1, retain=True)

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            try:
                stream, stored, aside = decode_ack(bytes(message.payload))
            except WireError:
                continue
            if stream == self._stream:
                self._outbox.forget(self.gateway, [*stored, *aside])
                self._land([*stored, *aside])
                self._news.set()

    def _land(self, acked: list[Span]) -> None:
        gone = merged(acked)
        for flight in self._flights:
            flight.spans = [span for span in flight.spans if not covered(gone, *span)]
        self._flights = [flight for flight in self._flights if flight.spans]

    async def _send(self, client: aiomqtt.Client) -> None:
        while self._reachable.is_set():
            self._news.clear()
            now_s = time.monotonic()
            await self._resend(client, now_s)
            while len(self._flights) < WINDOW and await self._send_next(client, now_s):
                pass
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._wait_s()):
                    await self._news.wait()

    def _wait_s(self) -> float:
        """How long nothing will be due, if there is no news."""
        return min(max(min((flight.due_s for flight in self._flights), default=math.inf) - time.monotonic(), 0.01), 2.0)

    async def _send_next(self, client: aiomqtt.Client, now_s: float) -> bool:
        """Whether there was a pack to send."""
        losses = self._outbox.losses(self.gateway)
        if losses and not any(flight.spans == [losses[0][:2]] for flight in self._flights):
            await client.publish(topic(self.gateway, "backlog"), encode_losses(self._stream, losses[:1]), qos=1)
            self._flights.append(_Flight([losses[0][:2]], now_s + ACK_TIMEOUT_S, ACK_TIMEOUT_S))
            return True
        kept = self._outbox.read(self.gateway, self._cursor + 1, 2**62, PACK_VALUES_MAX)
        if not kept:
            return False
        spans = await self._publish(client, kept, again=kept[0].number <= self._tried)
        self._cursor = kept[-1].number
        self._tried = max(self._tried, self._cursor)
        self._flights.append(_Flight(spans, now_s + ACK_TIMEOUT_S, ACK_TIMEOUT_S))
        return True

    async def _resend(self, client: aiomqtt.Client, now_s: float) -> None:
        for flight in [flight for flight in self._flights if flight.due_s <= now_s]:
            kept = self._outbox.read(self.gateway, flight.spans[0][0], flight.spans[-1][1], PACK_VALUES_MAX)
            if not kept:  # given up in the meantime: it is told as a loss
                self._flights.remove(flight)
                continue
            flight.spans = await self._publish(client, kept, again=True)
            flight.timeout_s = min(2 * flight.timeout_s, ACK_TIMEOUT_MAX_S)
            flight.due_s = now_s + flight.timeout_s

    async def _publish(self, client: aiomqtt.Client, kept: list[Kept], *, again: bool) -> list[Span]:
        spans = merged((item.number, item.number) for item in kept)
        is_late = time.time() - kept[0].at_us / 1e6 > FRESH_S
        payload = encode_pack([item.record for item in kept], self._stream, spans, again=again)
        await client.publish(topic(self.gateway, "backlog" if is_late else "telemetry"), payload, qos=1)
        return spans


def _status(*, online: bool) -> bytes:
    return json.dumps({"online": online}).encode()
