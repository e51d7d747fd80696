"""Many gateways as one process: each sends numbered packs, so many at a time, until ingest has acknowledged them all.

`run_gateways` starts it and returns what it took. All packs are made, and all gateways connected, before the first is
sent. What ingest needs to know of them is `registry`.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from satomori_core.broker import BrokerAddress
from satomori_core.clock import SECOND_US, now_us
from satomori_core.ranges import count
from satomori_core.readings import Reading
from satomori_core.senml import Pack, decode_ack, encode
from satomori_core.topics import Topic
from satomori_ingest.broker_session import Subscription
from satomori_ingest.protocol import Identity, Message
from satomori_ingest.session import Session
from support.small_registry import TOWN, asset, datastream, device, gateway

METRICS = ("air_temperature", "relative_humidity", "soil_temperature", "soil_moisture", "co2")
TIMEOUT_S = 120.0


def registry(gateways: int, datastreams: int = 10) -> str:
    """A registry file: so many datastreams behind each gateway."""
    text = [TOWN, asset()]
    for g in range(gateways):
        text.append(gateway(f"gw-{g}"))
        for d in range(-(-datastreams // len(METRICS))):
            text.append(device(f"g{g}-d{d}", f"gw-{g}"))
            text += [datastream(f"g{g}-d{d}", metric) for metric in METRICS]
    return "".join(text)


def packs(gateway: int, number: int, per_pack: int = 100, datastreams: int = 10, stream: str = "stream") -> list[bytes]:
    """Rounds of all its datastreams, a second apart, compressed as an edge does with more than 512 bytes."""
    start_us = now_us() - (number * per_pack // datastreams + 10) * SECOND_US
    names = [(f"g{gateway}-d{i // len(METRICS)}", METRICS[i % len(METRICS)]) for i in range(datastreams)]
    return [
        encode(
            Pack(
                [
                    Reading(*names[i % datastreams], start_us + i // datastreams * SECOND_US, 20.0 + 7 * i % 100 / 10)
                    for i in range(n * per_pack, (n + 1) * per_pack)
                ],
                f"{stream}-{gateway}",
                [(n * per_pack + 1, (n + 1) * per_pack)],
            ),
            compress=per_pack > 8,
        )
        for n in range(number)
    ]


@dataclass(frozen=True, slots=True)
class Load:
    """`packs` of each gateway, of `per_pack` readings; `window`: so many of them without an acknowledgement."""

    gateways: int = 50
    packs: int = 100
    per_pack: int = 100
    datastreams: int = 10
    window: int = 16
    stream: str = "stream"


class _Gateway:
    def __init__(self, port: int, number: int, load: Load) -> None:
        self._topic = Topic(f"gw-{number}", "telemetry").encode()
        self._packs = packs(number, load.packs, load.per_pack, load.datastreams, load.stream)
        self._load = load
        self._sent = self._acknowledged = 0
        self.done = asyncio.Event()
        subscription = Subscription([Topic(f"gw-{number}", "ack").encode()])
        self.session = Session(BrokerAddress("127.0.0.1", port), Identity(f"gw-{number}"), subscription, self._take)

    def send(self) -> None:
        last = min(len(self._packs), self._acknowledged // self._load.per_pack + self._load.window)
        if last > self._sent:
            self.session.publish([(self._topic, pack) for pack in self._packs[self._sent : last]], qos=1)
            self._sent = last

    def _take(self, messages: list[Message]) -> None:
        self.session.release(messages)
        self._acknowledged += sum(count(decode_ack(message.payload).stored) for message in messages)
        self.send()
        if self._acknowledged >= len(self._packs) * self._load.per_pack:
            self.done.set()


@dataclass(frozen=True, slots=True)
class Taken:
    """`seconds`: from the first pack sent to the last acknowledgement. `busy_s`: of all processors of the machine."""

    seconds: float
    values: int
    busy_s: float


def _busy_s() -> float:
    times = psutil.cpu_times()
    return times.user + times.nice + times.system


async def send_all(port: int, load: Load) -> Taken:
    every = [_Gateway(port, number, load) for number in range(load.gateways)]
    tasks = [asyncio.create_task(one.session.run()) for one in every]
    for one in every:
        await one.session.ready.wait()
    started, busy_s = time.perf_counter(), _busy_s()
    for one in every:
        one.send()
    async with asyncio.timeout(TIMEOUT_S):
        for one in every:
            await one.done.wait()
    taken = Taken(time.perf_counter() - started, load.gateways * load.packs * load.per_pack, _busy_s() - busy_s)
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return taken


def run_gateways(port: int, load: Load) -> Taken:
    """As a process of its own."""
    words = [sys.executable, "-m", "support.gateways", str(port), json.dumps(asdict(load))]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=TIMEOUT_S + 60, env=environment)
    return Taken(**json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(send_all(int(sys.argv[1]), Load(**json.loads(sys.argv[2])))))))
