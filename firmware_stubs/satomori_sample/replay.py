"""Sends a recording as its device would have: SenML packs with stream and numbers, until each is acknowledged."""

import asyncio
import json
import math
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import aiomqtt
import click

from satomori_sample.broker import Broker, Tell, end, stay_connected, together
from satomori_sample.feed import Feed, Job, drain, receive
from satomori_sample.recording import Map, Recording
from satomori_sample.wire import count, encode_pack, seconds, topic

PACK_VALUES_MAX = 500
PACK_SPAN_S = 0.2  # of playing time in one pack
FRESH_S = 60.0
REPORT_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Replay:
    """`speed`: seconds of the recording a second; infinite: as fast as it is acknowledged."""

    recording: Recording
    map: Map
    speed: float

    async def run(self, broker: Broker, tell: Tell, patience_s: float) -> Feed:
        """Raise click.ClickException where nothing is acknowledged for `patience_s` though something is on its way."""
        stream = f"replay-{uuid.uuid4().hex[:16]}"
        feed = Feed(self.map.gateway, stream, list(self._jobs(time.monotonic())))
        sending = asyncio.create_task(
            stay_connected(lambda: broker.client(f"sample-{stream}"), lambda client: self._talk(client, feed), tell)
        )
        acked, since_s = 0, time.monotonic()
        while not sending.done():
            await asyncio.wait({sending}, timeout=REPORT_EVERY_S)
            if count(feed.acked) != acked or self._is_between_rows(feed):
                acked, since_s = count(feed.acked), time.monotonic()
            elif time.monotonic() - since_s > patience_s and not sending.done():
                await end([sending])
                raise click.ClickException(
                    f"nothing was acknowledged for {patience_s:.0f} s ({acked} of {self.total} values were before): "
                    f"is the broker at {broker.url}, and does `satomori ingest` run?"
                )
            tell({"progress": round(acked / self.total, 4), "sent": feed.sent, "acked": acked, "total": self.total})
        sending.result()
        return feed

    @property
    def total(self) -> int:
        return sum(map(len, self.recording.rows)) - self.recording.empty

    def _is_between_rows(self, feed: Feed) -> bool:
        """Whether all that was due is acknowledged, so that silence is no fault."""
        return not feed.flights and feed.sent > 0

    async def _talk(self, client: aiomqtt.Client, feed: Feed) -> None:
        feed.disconnected()
        await client.subscribe(topic(feed.gateway, "ack"), qos=1)
        receiving = asyncio.create_task(receive(client, {feed.gateway: feed}), name="replay acks")
        await together(receiving, drain(client, feed, lambda job, again: self.encode(feed.stream, job, again=again)))

    def encode(self, stream: str, job: Job, *, again: bool) -> tuple[str, bytes]:
        """(topic, pack): by the lane that its newest value belongs to."""
        times, rows = self.recording.at_us[job.rows], self.recording.rows[job.rows]
        records = [
            json.dumps(
                {"n": f"{column.device}/{column.metric}", "u": column.unit, "t": seconds(at_us), "v": value},
                separators=(",", ":"),
            )
            for at_us, row in zip(times, rows, strict=True)
            for column, value in zip(self.map.columns, row, strict=True)
            if not math.isnan(value)
        ]
        lane = "telemetry" if time.time() - times[-1] / 1e6 <= FRESH_S else "backlog"
        return topic(self.map.gateway, lane), encode_pack(records, stream, [(job.first, job.last)], again=again)

    def _jobs(self, start_s: float) -> Iterator[Job]:
        """Rows that are played within PACK_SPAN_S go together, up to PACK_VALUES_MAX values."""
        at_us, rows = self.recording.at_us, self.recording.rows
        height = max(PACK_VALUES_MAX // len(self.map.columns), 1)
        number, begin = 1, 0
        while begin < len(rows):
            end = begin + 1
            while end < len(rows) and end - begin < height and self._played_s(at_us[end] - at_us[begin]) < PACK_SPAN_S:
                end += 1
            amount = sum(1 for row in rows[begin:end] for value in row if not math.isnan(value))
            if amount:
                due_s = start_s + self._played_s(at_us[end - 1] - at_us[0])
                yield Job("", slice(begin, end), number, number + amount - 1, due_s)
            number, begin = number + amount, end

    def _played_s(self, recorded_us: int) -> float:
        return recorded_us / 1e6 / self.speed
