"""An edge's uplink in little: sends numbered packs and sends them again until ingest has acknowledged each number."""

import asyncio
import math
from contextlib import suppress

import aiomqtt

from satomori_core.clock import SECOND_US, now_us
from satomori_core.ranges import count, merge, subtract
from satomori_core.readings import Reading
from satomori_core.senml import Pack, decode_ack, encode
from satomori_core.topics import Topic
from satomori_core.vocabulary import Lane
from satomori_sample.broker import end
from support.patience import PATIENCE_S

WINDOW = 20


class SmallEdge:
    """`readings` air temperatures of one device, a second apart, `per_pack` in a pack, numbered from `first` on."""

    def __init__(
        self, port: int, readings: int, *, per_pack: int = 20, lane: Lane = Lane.TELEMETRY, first: int = 1,
        stream: str = "s1", gateway: str = "gw-1", device: str = "dev-1",
        resend_s: float = 1.0,
    ) -> None:  # fmt: skip
        self._port = port
        self._topic = Topic(gateway, lane).encode()
        self._gateway = gateway
        self._device = device
        self._stream = stream
        self._resend_s = resend_s
        self._start_us = now_us() - (readings + first + 10) * SECOND_US
        self._packs = {n: min(per_pack, first + readings - n) for n in range(first, first + readings, per_pack)}
        self._all = [(first, first + readings - 1)]
        self.acknowledged: list[tuple[int, int]] = []
        self.resent = 0
        self._news = asyncio.Event()

    @property
    def done(self) -> bool:
        return not subtract(self._all, self.acknowledged)

    @property
    def acknowledged_count(self) -> int:
        return count(self.acknowledged)

    async def run(self, timeout_s: float = 3 * PATIENCE_S) -> None:
        """Until all is acknowledged, through whatever happens to the broker."""
        async with asyncio.timeout(timeout_s):
            while not self.done:
                with suppress(aiomqtt.MqttError):
                    await self._connected()
                await asyncio.sleep(0.1)

    async def _connected(self) -> None:
        async with aiomqtt.Client("127.0.0.1", self._port, identifier=f"{self._gateway}-{self._topic[-4:]}") as client:
            await client.subscribe(Topic(self._gateway, "ack").encode(), qos=1)
            listening = asyncio.create_task(self._listen(client))
            try:
                sent_at: dict[int, float] = {}
                while not self.done:
                    await self._send(client, sent_at)
                    self._news.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), 0.2)
                    if listening.done():
                        return
            finally:
                await end([listening])

    async def _send(self, client: aiomqtt.Client, sent_at: dict[int, float]) -> None:
        now = asyncio.get_running_loop().time()
        open_packs = [n for n, size in self._packs.items() if subtract([(n, n + size - 1)], self.acknowledged)]
        for number in open_packs[:WINDOW]:
            if now - sent_at.get(number, -math.inf) < self._resend_s:
                continue
            again = number in sent_at
            self.resent += again
            sent_at[number] = now
            await client.publish(self._topic, self._pack(number, again=again), qos=1, timeout=5)

    def _pack(self, first: int, *, again: bool) -> bytes:
        last = first + self._packs[first] - 1
        readings = [
            Reading(self._device, "air_temperature", self._start_us + n * SECOND_US, 15.0 + n % 10, "Cel")
            for n in range(first, last + 1)
        ]
        return encode(Pack(readings, self._stream, [(first, last)], again))

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            ack = decode_ack(bytes(message.payload) if isinstance(message.payload, bytes) else b"")
            if ack.stream == self._stream:
                self.acknowledged = merge([*self.acknowledged, *ack.stored, *ack.set_aside])
                self._news.set()
