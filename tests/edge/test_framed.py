"""The frames' source on a real line: what it answers, when, and what it tells."""

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import structlog

from satomori_core.readings import Reading
from satomori_edge.marks import Mark
from satomori_edge.settings import FrameMetric, FrameNode, FramesSettings
from satomori_edge.sources.framed import FramesSource
from satomori_edge.sources.frames import DELIMITER, Ack, Report, Value, on_the_line
from support.edge import until
from support.patience import cancelled


@dataclass
class Bench:
    """A source, the other end of its line, and a sink that is open or not."""

    source: FramesSource
    line: int
    is_open: asyncio.Event = field(default_factory=asyncio.Event)
    begun: list[Mark | None] = field(default_factory=list)
    kept: list[Reading] = field(default_factory=list)
    answers: bytes = b""

    async def sink(self, readings: Sequence[Reading], mark: Mark | None = None, /) -> None:
        self.begun.append(mark)
        await self.is_open.wait()
        self.kept.extend(readings)

    def say(self, *reports: Report | Ack) -> None:
        os.write(self.line, b"".join(on_the_line(one.to_bytes()) for one in reports))

    def acks(self) -> list[int]:
        with suppress(BlockingIOError):
            self.answers += os.read(self.line, 4096)
        return [Ack.from_bytes(frame).seq for frame in self.answers.split(DELIMITER) if frame]


@asynccontextmanager
async def bench(newest: int = 0) -> AsyncIterator[Bench]:
    line, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(line, False)
    settings = FramesSettings(os.ttyname(slave), (FrameNode(1, "a"),), (FrameMetric(1, "tilt", "deg"),))
    one = Bench(FramesSource(settings, [Mark("a", 9, newest)], retry_max_s=0.1), line)
    one.is_open.set()
    task = asyncio.create_task(one.source.run(one.sink))
    try:
        await asyncio.sleep(0)  # its first step opens the port, which forgets what came before
        yield one
    finally:
        await cancelled(task)
        os.close(line)
        os.close(slave)


def report(seq: int, *, node: int = 1, boot: int = 9, metric: int = 1) -> Report:
    return Report(node, boot, seq, 0, 2, (Value(metric, seq),))


async def test_a_frame_is_acknowledged_only_when_its_readings_are_durable() -> None:
    """While the outbox writes nothing is said; a copy that comes meanwhile is none the less a copy."""
    async with bench() as one:
        one.is_open.clear()
        one.say(report(1), report(1))
        await until("the outbox writes", lambda: one.begun)
        await asyncio.sleep(0.1)
        assert one.acks() == []
        one.is_open.set()
        await until("both are acknowledged", lambda: len(one.acks()) == 2)
    assert one.begun == [Mark("a", 9, 1)]
    assert [reading.value for reading in one.kept] == [1.0]


async def test_what_an_earlier_life_of_the_edge_kept_is_acknowledged_and_not_kept_again() -> None:
    async with bench(newest=2) as one:
        one.say(report(2), report(3))
        await until("both are acknowledged", lambda: one.acks() == [2, 3])
    assert [reading.value for reading in one.kept] == [3.0]
    assert one.source.errors == 0


async def test_missing_frames_are_errors_and_told() -> None:
    """Of a life that is new here the first frame has to be said twice."""
    with structlog.testing.capture_logs() as logged:
        async with bench() as one:
            one.say(report(1), report(4), report(1, boot=10), report(1, boot=10))
            await until("all are acknowledged", lambda: one.acks() == [1, 4, 1])
    assert one.source.errors == 2
    [told] = [record for record in logged if record["event"] == "frames are missing"]
    assert (told["device"], told["frames"], told["before"], told["dropped_by_node"]) == ("a", 2, 4, 2)
    assert [record["boot"] for record in logged if record["event"] == "node begins a new life"] == ["0000000a"]


async def test_a_stranger_is_not_acknowledged_so_it_keeps_what_it_has() -> None:
    """Nor is what the edge hears of itself an error; an unknown metric is told, and its frame is done with."""
    with structlog.testing.capture_logs() as logged:
        async with bench() as one:
            one.say(report(1, node=2), report(1, node=2), Ack(1, 9, 1), report(1, metric=7), report(2))
            await until("the known node is acknowledged", lambda: one.acks() == [1, 2])
    assert [reading.value for reading in one.kept] == [2.0]
    assert one.source.errors == 3
    assert [record["reason"] for record in logged if record["event"] == "frame is wrong"] == ["node", "metric"]
