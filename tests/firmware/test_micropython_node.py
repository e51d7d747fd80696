"""The MicroPython node as it runs: its own binary, a real Mosquitto, a real ingest; killed, restarted, overfilled."""

import json
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from micropython_node.sensors import Simulated
from satomori_core.clock import now_us
from satomori_store.lookup import load_lookup
from support.ingest_process import IngestProcess, ingest_process
from support.micropython import ROOT, command, environment
from support.mosquitto import Mosquitto, mosquitto
from support.running import satomori

INTERVAL_MS = 50
METRICS = {"air_temperature": "Cel", "water_level": "cm"}
pytestmark = pytest.mark.servers


class Node:
    """`start` again after `kill`: its flash (a folder) stays."""

    def __init__(self, folder: Path, port: int, **more: object) -> None:
        self._folder = folder
        folder.mkdir()
        settings = {
            "gateway": "gw-1",
            "device": "dev-1",
            "broker": {"host": "127.0.0.1", "port": port},
            "interval_ms": INTERVAL_MS,
            "sensor": "simulated",
            "seed": 7,
            "metrics": [{"metric": metric, "unit": unit} for metric, unit in METRICS.items()],
            "buffer": {"path": str(folder / "flash"), "values_max": 4000, "segment_values": 40},
        }
        (folder / "config.json").write_text(json.dumps(settings | more), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder / "node.log").open("ab") as log:
            arguments = command("-m", "micropython_node", self._folder / "config.json")
            self._process = subprocess.Popen(arguments, env=environment(), stdout=log, stderr=log)

    def check_alive(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "node.log").read_text()

    def kill(self) -> None:
        """As a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(5)
            self._process = None


@contextmanager
def running(folder: Path, port: int, **more: object) -> Iterator[Node]:
    node = Node(folder, port, **more)
    try:
        node.start()
        yield node
    finally:
        node.kill()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as one:
        yield one


@pytest.fixture
def ingest(broker: Mosquitto, tmp_path: Path) -> Iterator[IngestProcess]:
    with ingest_process(tmp_path, f'[broker]\nurl = "{broker.url}"\n') as one:
        yield one


def stored(ingest: IngestProcess, metric: str = "air_temperature") -> list[tuple[int, float]]:
    """(µs, value) in order of time."""
    route = load_lookup(ingest.stores.registry).route("gw-1", "dev-1", metric, now_us())
    columns = ingest.stores.observations.read([route.datastream_id], 0, 2**60)
    return [(int(t), float(v)) for t, v in zip(columns.observed_at_us, columns.value, strict=True)]


def audit(ingest: IngestProcess) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What `satomori audit` says: (streams, datastreams of the node)."""
    done = satomori("audit", "--json", "--state", str(ingest.folder), "--config", str(ingest.config))
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    of_node = [row for row in rows if row.get("device") == "dev-1"]
    return [row for row in rows if row["kind"] == "stream"], of_node


def wait_gapless(ingest: IngestProcess) -> None:
    """Until the backlog is through: then nothing below the newest number is on its way."""
    ingest.wait("no gaps", lambda: not any(row.gaps for row in ingest.stores.ledger.audit()))


def check_whole(ingest: IngestProcess) -> list[dict[str, Any]]:
    """No gap, nothing set aside, each numbered reading a point of its own; the streams."""
    streams, datastreams = audit(ingest)
    assert all(stream["gaps"] == [] and stream["set_aside"] == [] for stream in streams), streams
    assert len(datastreams) == len(METRICS)
    assert all(row["missing"] == row["excess"] == 0 for row in datastreams), datastreams
    assert sum(row["points"] for row in datastreams) == sum(stream["stored_count"] for stream in streams)
    return streams


def walk(count: int, metric: str = "air_temperature") -> list[float]:
    """The first values that the simulated sensor says."""
    sensor = Simulated(7, metric)
    return [sensor.read() or 0.0 for _ in range(count)]


def lives(values: list[float]) -> list[int]:
    """How many values each start of the node gave; the walk begins anew with each."""
    lengths = []
    while values:
        same = [a == b for a, b in zip(values, walk(len(values)), strict=True)]
        lengths.append(same.index(False) if False in same else len(same))
        assert lengths[-1], values[:5]
        values = values[lengths[-1] :]
    return lengths


def test_each_value_once_whatever_is_killed(broker: Mosquitto, ingest: IngestProcess, tmp_path: Path) -> None:
    """Ingest, the broker (which forgets everything) and the node itself, by kill -9; the stream goes on from flash."""
    with running(tmp_path / "node", broker.port) as node:

        def more(count: int) -> None:
            seen = len(stored(ingest))
            ingest.wait(f"{count} more", lambda: len(stored(ingest)) >= seen + count)
            node.check_alive()

        more(20)
        ingest.kill()
        time.sleep(0.5)
        ingest.start()
        more(20)
        broker.kill()
        time.sleep(0.5)
        broker.start()
        more(20)
        node.kill()
        node.start()
        more(20)
        node.kill()
        node.start()
        more(20)
        wait_gapless(ingest)
        node.kill()
    [stream] = check_whole(ingest)
    assert stream["lost"] == []
    found = stored(ingest)
    assert len(lives([value for _, value in found])) == 3
    gaps_ms = sorted((b - a) / 1000 for (a, _), (b, _) in pairwise(found))
    assert gaps_ms[len(gaps_ms) // 2] == pytest.approx(INTERVAL_MS, abs=2)


def test_an_overflow_is_told_as_lost(broker: Mosquitto, ingest: IngestProcess, tmp_path: Path) -> None:
    """With ingest away, what the ring can't hold is dropped, oldest first, and the audit says so."""
    ring = {"path": str(tmp_path / "node" / "flash"), "values_max": 60, "segment_values": 20}
    with running(tmp_path / "node", broker.port, buffer=ring) as node:
        ingest.wait("the first", lambda: len(stored(ingest)) >= 10)
        ingest.kill()
        broker.kill()  # which would keep for ingest what is on its way
        time.sleep(2)
        broker.start()
        ingest.start()
        before = now_us()
        ingest.wait("fresh ones", lambda: stored(ingest)[-1][0] > before + 500_000)
        node.check_alive()
        wait_gapless(ingest)
    [stream] = check_whole(ingest)
    assert {reason for _, _, reason in stream["lost"]} == {"dropped"}
    lost = sum(last - first + 1 for first, last, _ in stream["lost"])
    assert lost >= 40


def test_in_memory_each_start_is_a_stream(broker: Mosquitto, ingest: IngestProcess, tmp_path: Path) -> None:
    """Without flash, numbers begin anew: never the same number of the same stream for two readings."""
    with running(tmp_path / "node", broker.port, buffer={}) as node:
        for life in (1, 2):
            ingest.wait(f"values of life {life}", lambda life=life: len(stored(ingest)) >= 15 * life)  # type: ignore[misc]
            node.kill()
            node.start()
    streams = check_whole(ingest)
    assert len(streams) >= 2


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
        thread.join(10)


def test_nothing_is_sent_before_the_time_is_known(broker: Mosquitto, ingest: IngestProcess, tmp_path: Path) -> None:
    """Earlier readings are stamped afterwards; those that had no room are told as lost."""
    buffer = {"path": str(tmp_path / "node" / "flash"), "waiting_max": 8}
    with time_server(behind_s=3600, delay_s=0.9) as port:
        ntp = {"host": "127.0.0.1", "port": port}
        began = now_us() - 3_600_000_000
        with running(tmp_path / "node", broker.port, buffer=buffer, ntp=ntp) as node:
            ingest.wait("values", lambda: len(stored(ingest)) >= 20)
            node.check_alive()
    found = stored(ingest)
    streams, _ = audit(ingest)
    assert {reason for _, _, reason in streams[0]["lost"]} == {"clock_unknown"}
    lost = sum(last - first + 1 for first, last, _ in streams[0]["lost"]) // len(METRICS)
    assert [value for _, value in found] == walk(lost + len(found))[lost:]
    # The first samples left are those of about 0.4 s before the answer, by a clock that is half of 0.9 s uncertain.
    assert 0 <= found[0][0] - began <= 5_000_000
    assert all(b - a < 200_000 for (a, _), (b, _) in pairwise(found[:12]))


def test_the_settings_in_the_folder_are_whole() -> None:
    """What is copied to a board names everything that the node asks for."""
    settings = json.loads((ROOT / "firmware_stubs" / "micropython_node" / "config.json").read_text(encoding="utf-8"))
    assert {"gateway", "device", "broker", "wifi", "ntp", "interval_ms", "sensor", "metrics", "buffer"} == set(settings)
