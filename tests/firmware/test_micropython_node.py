"""The MicroPython node as it runs: its own binary, a real Mosquitto, a real ingest; killed, restarted, overfilled."""

import asyncio
import json
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from micropython_node.sensors import Simulated
from satomori_core.clock import now_us
from satomori_store.lookup import load_lookup
from support.ingest_process import IngestProcess, ingest_process
from support.ingesting import METRICS as METRICS_MORE
from support.ingesting import registry_text
from support.micropython import ROOT, command, environment
from support.mosquitto import Mosquitto, mosquitto
from support.patience import PATIENCE_S
from support.running import satomori
from support.small_registry import datastream, device, gateway

INTERVAL_MS = 50
METRICS = {"air_temperature": "Cel", "water_level": "cm"}
SEED = 7
pytestmark = pytest.mark.servers


@dataclass(frozen=True)
class World:
    """One broker and one ingest for all tests: each has a gateway of its own, and leaves both running."""

    broker: Mosquitto
    ingest: IngestProcess


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    rows: list[str] = []
    for n in (3, 4):
        rows += [gateway(f"gw-{n}"), device(f"dev-{n}", f"gw-{n}")]
        rows += [datastream(f"dev-{n}", metric, more=METRICS_MORE[metric]) for metric in METRICS]
    with mosquitto(folder) as broker:
        settings = f'[broker]\nurl = "{broker.url}"\n'
        with ingest_process(folder, settings, registry_text("".join(rows))) as ingest:
            yield World(broker, ingest)


class Node:
    """`start` again after `kill`: its flash (a folder) stays."""

    def __init__(self, world: World, folder: Path, number: int, more: dict[str, object]) -> None:
        self.world = world
        self.gateway, self.device = f"gw-{number}", f"dev-{number}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        settings = {
            "gateway": self.gateway,
            "device": self.device,
            "broker": {"host": "127.0.0.1", "port": world.broker.port},
            "interval_ms": INTERVAL_MS,
            "sensor": "simulated",
            "seed": SEED,
            "metrics": [{"metric": metric, "unit": unit} for metric, unit in METRICS.items()],
            "buffer": {"path": str(folder / "flash"), "values_max": 4000, "segment_values": 40},
        }
        (folder / "config.json").write_text(json.dumps(settings | more), encoding="utf-8")

    def start(self) -> None:
        with (self._folder / "node.log").open("ab") as log:
            arguments = command("-m", "micropython_node", self._folder / "config.json")
            self._process = subprocess.Popen(arguments, env=environment(), stdout=log, stderr=log)

    def kill(self) -> None:
        """As a power cut would; it was alive till then."""
        if self._process is not None:
            ended = self._process.poll()
            self._process.kill()
            self._process.wait(PATIENCE_S)
            self._process = None
            assert ended is None, (self._folder / "node.log").read_text()

    def stored(self) -> list[tuple[int, float]]:
        """(µs, value) of its first metric, in order of time."""
        lookup, ingest = load_lookup(self.world.ingest.stores.registry), self.world.ingest
        route = lookup.route(self.gateway, self.device, next(iter(METRICS)), now_us())
        columns = ingest.stores.observations.read([route.datastream_id], 0, 2**60)
        return [(int(t), float(v)) for t, v in zip(columns.observed_at_us, columns.value, strict=True)]

    def wait_more(self, count: int) -> None:
        seen = len(self.stored())
        self.world.ingest.wait(f"{count} more", lambda: len(self.stored()) >= seen + count)

    def restart(self) -> int:
        """When that was, in µs; a value measured since is stored by now."""
        self.kill()
        start_us = now_us()
        self.start()
        self.world.ingest.wait("a fresh value", lambda: self.stored()[-1][0] > start_us + 500_000)
        return start_us

    def wait_gapless(self) -> None:
        """Until the backlog is through: then nothing below the newest number is on its way."""
        ledger = self.world.ingest.stores.ledger
        self.world.ingest.wait("no gaps", lambda: not any(row.gaps for row in ledger.audit(self.gateway)))

    def audited(self) -> list[dict[str, Any]]:
        """Its streams, as `satomori audit` says: no gap, nothing set aside, each reading a point of its own."""
        ingest = self.world.ingest
        done = satomori("audit", "--json", "--state", str(ingest.folder), "--config", str(ingest.config))
        assert done.returncode == 0, done.stderr
        rows = json.loads(done.stdout)
        streams = [row for row in rows if row["kind"] == "stream" and row["gateway"] == self.gateway]
        points = [row for row in rows if row["kind"] == "datastream" and row["device"] == self.device]
        assert all(stream["gaps"] == [] and stream["set_aside"] == [] for stream in streams), streams
        assert len(points) == len(METRICS)
        assert all(row["missing"] == row["excess"] == 0 for row in points), points
        assert sum(row["points"] for row in points) == sum(stream["stored_count"] for stream in streams)
        return streams


@contextmanager
def running(world: World, folder: Path, number: int, **more: object) -> Iterator[Node]:
    node = Node(world, folder, number, more)
    try:
        node.start()
        yield node
    finally:
        node.kill()


def walk(count: int) -> list[float]:
    """The first values that the simulated sensor says."""
    sensor = Simulated(SEED, next(iter(METRICS)))
    return [sensor.read() or 0.0 for _ in range(count)]


def test_each_value_once_whatever_is_killed(world: World, tmp_path: Path) -> None:
    """Ingest, the broker (which forgets everything) and the node itself, by kill -9; the stream goes on from flash."""
    with running(world, tmp_path, 1) as node:
        node.wait_more(20)
        world.ingest.kill()
        time.sleep(0.5)
        world.ingest.start()
        node.wait_more(20)
        world.broker.kill()
        time.sleep(0.5)
        world.broker.start()
        node.wait_more(20)
        starts_us = [0, node.restart(), node.restart()]
        node.wait_gapless()
    [stream] = node.audited()
    assert stream["lost"] == []
    found = node.stored()
    for begin_us, end_us in pairwise([*starts_us, now_us()]):  # the walk begins anew with each start
        values = [value for at_us, value in found if begin_us <= at_us < end_us]
        assert values == walk(len(values))
        assert values
    gaps_ms = sorted((b - a) / 1000 for (a, _), (b, _) in pairwise(found))
    assert gaps_ms[len(gaps_ms) // 2] == pytest.approx(INTERVAL_MS, abs=10)


def test_an_overflow_is_told_as_lost(world: World, tmp_path: Path) -> None:
    """With ingest away, what the ring can't hold is dropped, oldest first, and the audit says so."""
    ring = {"path": str(tmp_path / "flash"), "values_max": 80, "segment_values": 20}
    with running(world, tmp_path, 2, buffer=ring, interval_ms=25) as node:
        node.wait_more(10)
        world.ingest.kill()
        time.sleep(2.5)
        world.ingest.start()
        node.wait_more(20)
        node.wait_gapless()
    [stream] = node.audited()
    assert {reason for _, _, reason in stream["lost"]} == {"dropped"}
    assert sum(last - first + 1 for first, last, _ in stream["lost"]) >= 1


def test_in_memory_each_start_is_a_stream(world: World, tmp_path: Path) -> None:
    """Without flash, numbers begin anew: never the same number of the same stream for two readings."""
    with running(world, tmp_path, 3, buffer={}) as node:
        node.wait_more(15)
        node.restart()
        node.wait_gapless()
    assert len(node.audited()) == 2


@contextmanager
def time_server(behind_s: float, delay_s: float) -> Iterator[int]:
    """SNTP that answers after `delay_s` with a time that is `behind_s` before ours."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            question, peer = server.recvfrom(48)
            time.sleep(delay_s)
            seconds, fraction = divmod(time.time() - behind_s + 2_208_988_800, 1)
            stamp = struct.pack(">II", int(seconds), int(fraction * 2**32))
            server.sendto(b"\x24\x02" + bytes(22) + question[40:48] + bytes(8) + stamp, peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(PATIENCE_S)


def test_nothing_is_sent_before_the_time_is_known(world: World, tmp_path: Path) -> None:
    """Earlier readings are stamped afterwards; those that had no room are told as lost."""
    buffer = {"path": str(tmp_path / "flash"), "waiting_max": 8, "samples_per_write": 3}
    with time_server(behind_s=3600, delay_s=0.9) as port:
        ntp = {"host": "127.0.0.1", "port": port}
        began_us = now_us() - 3_600_000_000
        with running(world, tmp_path, 4, buffer=buffer, ntp=ntp) as node:
            node.wait_more(20)
            node.wait_gapless()
    [stream] = node.audited()
    assert {reason for _, _, reason in stream["lost"]} == {"clock_unknown"}
    lost = sum(last - first + 1 for first, last, _ in stream["lost"]) // len(METRICS)
    found = node.stored()
    assert [value for _, value in found] == walk(lost + len(found))[lost:]
    assert found[0][0] >= began_us
    assert found[-1][0] <= now_us() - 3_599_000_000


async def test_who_is_there(world: World, tmp_path: Path) -> None:
    """The retained status says that it is on line and where its ring is; the last will, that it is gone.

    Meanwhile it sends what another program writes; a metric that is not in that file, or is no number, it leaves out.
    """
    said = tmp_path / "said.json"
    said.write_text('{"air_temperature": 21.5, "water_level": "high"}', encoding="utf-8")
    async with aiomqtt.Client("127.0.0.1", world.broker.port) as client:
        await client.subscribe("satomori/v1/gw-3/status", qos=1)

        async def status(online: bool) -> dict[str, Any]:
            async with asyncio.timeout(PATIENCE_S):
                async for message in client.messages:
                    document: dict[str, Any] = json.loads(bytes(message.payload))
                    if document["online"] is online:
                        return document
            raise AssertionError

        with running(world, tmp_path, 3, sensor="file", file=str(said)) as node:
            assert await status(online=True) == {"online": True, "gateway": "gw-3", "buffer": "flash"}
            start_us = now_us()
            world.ingest.wait("its value", lambda: [v for t, v in node.stored() if t > start_us])
            assert {value for at_us, value in node.stored() if at_us > start_us} == {21.5}
        assert (await status(online=False))["online"] is False


def test_the_settings_in_the_folder_are_whole() -> None:
    """What is copied to a board names everything that the node asks for."""
    settings = json.loads((ROOT / "firmware_stubs" / "micropython_node" / "config.json").read_text(encoding="utf-8"))
    assert {"gateway", "device", "broker", "wifi", "ntp", "interval_ms", "sensor", "metrics", "buffer"} == set(settings)
