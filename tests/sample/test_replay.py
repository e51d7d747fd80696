"""A recording arrives value for value, at its own times or shifted, at any speed; a fault is told by its line."""

import asyncio
import json
import math
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from satomori_sample.broker import Broker
from satomori_sample.cli import simulate
from satomori_sample.recording import Map, Recording, load_map, read_recording
from satomori_sample.replay import Replay
from satomori_store.opening import open_registry
from satomori_store.registry import import_registry, load_lookup
from support.acking_peer import Peer, acking
from support.mosquitto import mosquitto

SKAB = Path(__file__).parents[3] / "shared" / "benchmarks" / "skab" / "valve1" / "1.csv"
HEAD = (
    "datetime;Accelerometer1RMS;Accelerometer2RMS;Current;Pressure;Temperature;Thermocouple;Voltage;"
    "Volume Flow RateRMS;anomaly"
)
ROWS = (
    "2020-03-09 10:34:33;0.0270797;0.039615;0.871339;0.054711;75.4955;25.8338;244.091;32.0;0.0",
    "2020-03-09 10:34:34;0.026995;0.0387587;1.30128;;75.5445;25.8408;224.17;nan;0.0",
    "2020-03-09 10:34:34;1e-7;0.1;0.30000000000000004;-0.273216;75.5;25.8;224;32;1",
)
FIRST_US = 1_583_750_073_000_000  # 2020-03-09T10:34:33Z


def recorded(folder: Path, *rows: str, head: str = HEAD) -> Path:
    path = folder / "run.csv"
    path.write_text("\n".join([head, *(rows or ROWS)]) + "\n", encoding="utf-8")
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(simulate, [str(argument) for argument in arguments])


def test_every_cell_is_the_double_that_the_file_says(tmp_path: Path) -> None:
    recording = read_recording(recorded(tmp_path), load_map("pump_rig"))
    assert recording.rows[0] == [0.0270797, 0.039615, 0.871339, 0.054711, 75.4955, 25.8338, 244.091, 32.0]
    assert recording.rows[2][:3] == [1e-7, 0.1, 0.30000000000000004]
    assert math.isnan(recording.rows[1][3])
    assert recording.empty == 2


def test_two_rows_of_one_time_are_kept_apart_by_a_microsecond_as_an_outbox_does(tmp_path: Path) -> None:
    recording = read_recording(recorded(tmp_path), load_map("pump_rig"))
    assert recording.at_us == [FIRST_US, FIRST_US + 1_000_000, FIRST_US + 1_000_001]


@pytest.mark.parametrize(
    ("head", "row", "told"),
    [
        (HEAD, "2020-03-09 10:34:33;x;1;1;1;1;1;1;1;0", "line 2.*'x'"),
        (HEAD, "yesterday;1;1;1;1;1;1;1;1;0", "line 2.*yesterday"),
        (HEAD, "2020-03-09 10:34:33;1;1", "line 2.*3 cells"),
        ("datetime;Current", "2020-03-09 10:34:33;1", "Accelerometer1RMS.*heading"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, head: str, row: str, told: str) -> None:
    with pytest.raises(click.UsageError, match=told):
        read_recording(recorded(tmp_path, row, head=head), load_map("pump_rig"))


@pytest.mark.parametrize(
    ("time_format", "cell", "at_us"),
    [
        ("iso", "2020-03-09T10:34:33.000001", FIRST_US + 1 - 9 * 3_600_000_000),
        ("iso", "2020-03-09T10:34:33+00:00", FIRST_US),
        ("unix_s", "1583750073.25", FIRST_US + 250_000),
        ("unix_ms", "1583750073001", FIRST_US + 1000),
        ("%d.%m.%Y %H:%M", "09.03.2020 19:34", FIRST_US - 33_000_000),
    ],
)
def test_times_in_any_format(tmp_path: Path, time_format: str, cell: str, at_us: int) -> None:
    made = tmp_path / "map.toml"
    made.write_text(
        f'gateway = "g"\n[time]\ncolumn = "t"\nformat = "{time_format}"\nzone = "Asia/Tokyo"\n'
        '[[column]]\nname = "v"\ndevice = "d"\nmetric = "rain"\nunit = "mm"\n',
        encoding="utf-8",
    )
    path = tmp_path / "x.csv"
    path.write_text(f"t,v\n{cell},1\n", encoding="utf-8-sig")
    assert read_recording(path, load_map(str(made))).at_us == [at_us]


def test_a_map_that_is_no_map_is_told(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text('gateway = "g"\n', encoding="utf-8")
    with pytest.raises(click.UsageError, match="time"):
        load_map(str(tmp_path / "m.toml"))
    with pytest.raises(click.UsageError, match="pump_rig"):
        load_map("no-such-map")


def test_the_registry_fragment_is_one_that_satomori_imports(tmp_path: Path) -> None:
    """In the recording's own units, so that what is stored is what was recorded."""
    fragment = tmp_path / "pump.toml"
    done = run("--replay", recorded(tmp_path), "--map", "pump_rig", "--write-registry", fragment)
    assert done.exit_code == 0, done.output
    engine = open_registry(tmp_path / "state", None)
    assert import_registry(engine, fragment).errors == []
    lookup = load_lookup(engine)
    for column in load_map("pump_rig").columns:
        route = lookup.route("gw-pump-rig", column.device, column.metric, FIRST_US)
        assert (route.asset_id, route.unit, route.scale, route.offset) == ("pump-rig", column.unit, 1.0, 0.0)
    engine.dispose()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--speed", "-1"], "--speed"),
        (["--speed", "fast"], "--speed"),
        (["--from", "now", "--until", "now"], "not both"),
        (["--until", "tomorrow"], "tomorrow"),
        (["--broker-url", "http://x"], "mqtt://"),
        (["--broker-url", "mqtt://x", "--mqtt-port", "1"], "not both"),
    ],
)
def test_wrong_arguments_are_told(tmp_path: Path, arguments: list[str], told: str) -> None:
    done = run("--replay", recorded(tmp_path), "--map", "pump_rig", *arguments)
    assert done.exit_code == 2
    assert told in done.output


def test_the_map_is_asked_for(tmp_path: Path) -> None:
    done = run("replay", recorded(tmp_path))
    assert done.exit_code == 2
    assert "--map" in done.output


def a_replay(recording: Recording, speed: float, chosen: Map | None = None) -> Replay:
    return Replay(recording, chosen or load_map("pump_rig"), speed)


def test_fast_play_fills_packs_and_slow_play_sends_each_row_by_itself(tmp_path: Path) -> None:
    rows = [ROWS[0].replace("10:34:33", f"10:{i // 60:02d}:{i % 60:02d}") for i in range(300)]
    recording = read_recording(recorded(tmp_path, *rows), load_map("pump_rig"))
    fast, slow = ([*a_replay(recording, speed)._jobs(0.0)] for speed in (math.inf, 1.0))
    assert len(fast) == math.ceil(300 / 62)
    assert {job.due_s for job in fast} == {0.0}
    assert [job.due_s for job in slow] == list(range(300))
    assert fast[-1].last == slow[-1].last == 2400


@pytest.mark.servers
async def test_a_recording_arrives_value_for_value_in_its_own_times(tmp_path: Path) -> None:
    path = SKAB if SKAB.exists() else recorded(tmp_path)
    recording = read_recording(path, load_map("pump_rig"))
    peer = await _played(tmp_path, recording, math.inf)
    assert _by_time(peer) == _expected(recording)
    assert set(peer.lanes) == {"backlog"}
    assert set(peer.streams.values()) == {"gw-pump-rig"}
    assert peer.gaps() == {}


@pytest.mark.servers
async def test_what_was_recorded_now_travels_as_fresh_and_the_speed_is_kept(tmp_path: Path) -> None:
    recording = read_recording(recorded(tmp_path, *[_at_second(i) for i in range(10)]), load_map("pump_rig"))
    now = recording.shifted(time.time_ns() // 1000 - recording.at_us[0])
    began = time.monotonic()
    peer = await _played(tmp_path, now, 10.0)
    assert 0.9 <= time.monotonic() - began < 9  # what it would take at its own pace
    assert _by_time(peer) == _expected(now)
    assert peer.lanes["telemetry"] >= 5
    assert "backlog" not in peer.lanes


@pytest.mark.servers
async def test_the_command_shifts_to_now_and_ends_when_all_is_acknowledged(tmp_path: Path) -> None:
    """As a user types it, with the option's spelling."""
    path = recorded(tmp_path)
    (tmp_path / "mosquitto").mkdir()
    with mosquitto(tmp_path / "mosquitto") as server:
        async with acking(Peer(), server.port) as peer:
            before_us = time.time_ns() // 1000
            done = await _command(
                "simulate", "--replay", path, "--map", "pump_rig", "--speed", "max", "--until", "now",
                "--broker-url", server.url,
            )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told[-1]["ready"] is True
    assert (told[-1]["sent"], told[-1]["empty_cells"]) == (22, 2)
    newest = max(reading.observed_at_us for reading in peer.kept.values())
    assert before_us <= newest <= time.time_ns() // 1000
    assert len(peer.kept) == 22


@pytest.mark.servers
async def test_without_anybody_who_acknowledges_it_gives_up_and_says_where_to_look(tmp_path: Path) -> None:
    (tmp_path / "mosquitto").mkdir()
    with mosquitto(tmp_path / "mosquitto") as server:
        done = await _command(
            "simulate", "replay", recorded(tmp_path), "--map", "pump_rig", "--speed", "max", "--patience-s", "1",
            "--broker-url", server.url,
        )  # fmt: skip
    assert done.returncode == 1
    assert "ingest" in done.stderr


def _at_second(i: int) -> str:
    return ROWS[0].replace("10:34:33", f"10:34:{33 + i:02d}")


async def _played(tmp_path: Path, recording: Recording, speed: float) -> Peer:
    (tmp_path / "mosquitto").mkdir()
    with mosquitto(tmp_path / "mosquitto") as server:
        async with acking(Peer(), server.port) as peer:
            feed = await a_replay(recording, speed).run(Broker(server.url), lambda _: None, 60)
    assert feed.set_aside == 0
    return peer


def _by_time(peer: Peer) -> dict[tuple[int, str], float]:
    return {(reading.observed_at_us, reading.metric): reading.value for reading in peer.kept.values()}


def _expected(recording: Recording) -> dict[tuple[int, str], float]:
    metrics = [column.metric for column in load_map("pump_rig").columns]
    return {
        (at, metric): value
        for at, row in zip(recording.at_us, recording.rows, strict=True)
        for metric, value in zip(metrics, row, strict=True)
        if not math.isnan(value)
    }


async def _command(*words: object) -> subprocess.CompletedProcess[str]:
    call: Callable[..., Awaitable[subprocess.CompletedProcess[str]]] = asyncio.to_thread
    return await call(
        subprocess.run,
        [sys.executable, "-m", "satomori_core", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
