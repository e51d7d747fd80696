"""Thirty days of the past, sent as a backlog: numbered packs for each gateway, each sent until it is acknowledged.

What is sent follows from the seed and the end of history, which the state file keeps: a restart sends the same packs
under the same numbers, and only those that are not acknowledged yet.
"""

import asyncio
import math
import time
from collections.abc import Iterator

import aiomqtt
import numpy as np

from satomori_sample.broker import Broker, Tell, stay_connected, together
from satomori_sample.faults import history_faults
from satomori_sample.feed import Encode, Feed, Job, drain, receive
from satomori_sample.plan import Plan
from satomori_sample.region import Region
from satomori_sample.state import State
from satomori_sample.wire import count, topic
from satomori_sample.world import World

PACK_VALUES_MAX = 500
PROGRESS_EVERY_S = 0.5


class History:
    """`run` returns when every value is acknowledged. Values are kept as numbers, and encoded as they go out."""

    def __init__(self, plan: Plan, region: Region, state: State, now_s: float) -> None:
        self._state = state
        self._plan = plan
        self._region = region
        step_s = plan.history_interval_s
        end_s = state.begin_history(math.floor(now_s / step_s) * step_s)
        self.at_s = end_s - step_s * np.arange(round(plan.history_days * 86_400 / step_s), dtype=np.float64)[::-1]
        self.faults = history_faults(plan.history_faults, end_s)
        self.values = World(plan.seed, region, step_s).values(self.at_s, self.faults)
        self.total = int(np.isfinite(self.values).sum())
        self._places = {device: [place for place, _ in region.streams_of(device)] for device in region.devices}
        self.feeds = {
            gateway: Feed(gateway, state.stream_of(gateway), list(self._jobs(gateway)), state.acked_of(gateway))
            for gateway in dict.fromkeys(device.gateway for device in region.devices.values())
        }

    async def run(self, broker: Broker, tell: Tell) -> None:
        began_s = time.monotonic()
        tell(self._progress())
        reporting = asyncio.create_task(self._report(tell), name="history progress")
        try:
            await stay_connected(lambda: broker.client(f"sample-history-{self._state.id}"), self._talk, tell)
        finally:
            reporting.cancel()
            self._save()
        set_aside = sum(feed.set_aside for feed in self.feeds.values())
        tell({**self._progress(), "set_aside": set_aside, "history_s": round(time.monotonic() - began_s, 1)})
        self._state.end_history()

    async def _talk(self, client: aiomqtt.Client) -> None:
        for gateway, feed in self.feeds.items():
            feed.disconnected()
            await client.subscribe(topic(gateway, "ack"), qos=1)
        receiving = asyncio.create_task(receive(client, self.feeds), name="history acks")
        await together(receiving, *(drain(client, feed, self._encoder(feed)) for feed in self.feeds.values()))

    def _encoder(self, feed: Feed) -> Encode:
        address = topic(feed.gateway, "backlog")
        return lambda job, again: (address, self.encode(feed.stream, job, again=again))

    def encode(self, stream: str, job: Job, *, again: bool) -> bytes:
        """A SenML pack whose base name is the device. Written directly, since it is 700,000 records."""
        places = self._places[job.device]
        streams = [self._region.streams[place] for place in places]
        heads = [f'{{"n":"{s.metric}","u":"{s.unit}","t":' for s in streams]
        rows = self.values[places, job.rows].T.tolist()
        records = [
            f'{head}{at:.0f},"v":{value!r}}}'
            for at, row in zip(self.at_s[job.rows].tolist(), rows, strict=True)
            for head, value in zip(heads, row, strict=True)
            if math.isfinite(value)
        ]
        resent = ',"again":true' if again else ""
        numbering = f'"stream":"{stream}","seq":[[{job.first},{job.last}]]{resent}'
        records[0] = f'{{"bn":"{job.device}/",{numbering},{records[0][1:]}'
        return f"[{','.join(records)}]".encode()

    def _jobs(self, gateway: str) -> Iterator[Job]:
        """Day after day, each device's values of the day in as many packs as it takes."""
        devices = [device.id for device in self._region.devices.values() if device.gateway == gateway]
        a_day = max(round(86_400 / self._plan.history_interval_s), 1)
        number = 1
        for day in range(0, len(self.at_s), a_day):
            for device in devices:
                places = self._places[device]
                height = max(PACK_VALUES_MAX // len(places), 1)
                end = min(day + a_day, len(self.at_s))
                for start in range(day, end, height):
                    rows = slice(start, min(start + height, end))
                    amount = int(np.isfinite(self.values[places, rows]).sum())
                    if amount:
                        yield Job(device, rows, number, number + amount - 1)
                        number += amount

    def _progress(self) -> dict[str, object]:
        acked = sum(count(feed.acked) for feed in self.feeds.values())
        sent = sum(feed.sent for feed in self.feeds.values())
        share = acked / self.total if self.total else 1.0
        return {"progress": round(share, 4), "sent": sent, "acked": acked, "total": self.total}

    async def _report(self, tell: Tell) -> None:
        while True:
            await asyncio.sleep(PROGRESS_EVERY_S)
            self._save()
            tell(self._progress())

    def _save(self) -> None:
        self._state.save_acked({gateway: feed.acked for gateway, feed in self.feeds.items()})
