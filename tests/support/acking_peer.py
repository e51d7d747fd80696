"""A small ingest for tests: keeps what comes, acknowledges it, and loses some acknowledgements on purpose."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiomqtt

from satomori_core import senml
from satomori_core.clock import now_us
from satomori_core.ranges import count
from satomori_core.readings import Reading
from satomori_core.topics import parse_topic
from satomori_sample.broker import end


@dataclass(slots=True)
class Peer:
    """`kept`: by stream and number, once each. `lanes`: how many packs came in each."""

    loss: float = 0.0
    seed: int = 1
    kept: dict[tuple[str, int], Reading] = field(default_factory=dict)
    streams: dict[str, str] = field(default_factory=dict)  # stream -> gateway
    lanes: dict[str, int] = field(default_factory=dict)
    statuses: list[tuple[str, bytes]] = field(default_factory=list)
    again: int = 0
    doubled: int = 0
    differing: int = 0

    def take(self, topic: str, payload: bytes) -> bytes | None:
        """The acknowledgement, or None where it gets lost."""
        at = parse_topic(topic)
        pack = senml.decode(payload)
        assert pack.stream is not None
        self.streams[pack.stream] = at.gateway
        self.lanes[at.channel] = self.lanes.get(at.channel, 0) + 1
        self.again += pack.again
        numbers = [n for first, last in pack.seq for n in range(first, last + 1)]
        assert len(numbers) == len(pack.readings) == count(pack.seq)
        for number, reading in zip(numbers, pack.readings, strict=True):
            there = self.kept.setdefault((pack.stream, number), reading)
            self.doubled += there is not reading
            self.differing += there != reading
        if random.Random(f"{self.seed}/{len(self.kept)}/{self.doubled}").random() < self.loss:
            return None
        return senml.encode_ack(senml.Ack(pack.stream, pack.seq, at_us=now_us()))

    def numbers(self, stream: str) -> list[int]:
        return sorted(number for name, number in self.kept if name == stream)

    def gaps(self) -> Mapping[str, list[int]]:
        """By stream, the numbers that never came."""
        missing = {}
        for stream in self.streams:
            there = self.numbers(stream)
            lacking = sorted(set(range(1, there[-1] + 1)) - set(there))
            if lacking:
                missing[stream] = lacking
        return missing


@asynccontextmanager
async def acking(peer: Peer, port: int) -> AsyncIterator[Peer]:
    """`peer` at the broker for the length of the block."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        for channel in ("telemetry", "backlog", "status"):
            await client.subscribe(f"satomori/v1/+/{channel}", qos=1)

        async def serve() -> None:
            async for message in client.messages:
                topic, payload = str(message.topic), bytes(message.payload)
                if topic.endswith("/status"):
                    peer.statuses.append((topic, payload))
                    continue
                ack = peer.take(topic, payload)
                if ack is not None:
                    await client.publish(topic.rpartition("/")[0] + "/ack", ack, qos=1)

        serving = asyncio.create_task(serve())
        try:
            yield peer
        finally:
            await end([serving])
            if not serving.cancelled():
                serving.result()
