"""`satomori simulate` as a process: what it prints, how it stops, and that a kill costs nothing."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from satomori_sample.cli import simulate
from satomori_sample.live import TRUTH
from satomori_sample.plan import Plan, load_plan, read_plan
from satomori_sample.region import build_region
from support.acking_peer import Peer, acking
from support.mosquitto import mosquitto
from support.patience import PATIENCE_S

SAMPLE = Path(__file__).parents[2] / "firmware_stubs" / "satomori_sample" / "sample.toml"
STREAMS = len(build_region().streams)


@asynccontextmanager
async def simulating(*words: object) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "satomori_core", "simulate", *map(str, words),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def said(process: asyncio.subprocess.Process, wanted: Callable[[dict[str, object]], bool]) -> dict[str, object]:
    """The first line that is wanted."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        while line := await process.stdout.readline():
            record: dict[str, object] = json.loads(line)
            if wanted(record):
                return record
    raise AssertionError((await process.stderr.read()).decode() if process.stderr else "")


def prepared(folder: Path, url: str, *options: str) -> Path:
    arguments = ["prepare", str(folder), "--broker-url", url, "--days", "0.5", "--interval", "1", *options]
    done = CliRunner().invoke(simulate, arguments)
    assert done.exit_code == 0, done.output
    return folder


@pytest.mark.servers
async def test_history_then_ready_then_live_with_a_fault_and_a_clean_stop(tmp_path: Path) -> None:
    (tmp_path / "mosquitto").mkdir()
    with mosquitto(tmp_path / "mosquitto") as server:
        folder = prepared(tmp_path / "sample", server.url)
        plan = (folder / "plan.toml").read_text(encoding="utf-8").replace("start_s = 20\n", "start_s = 1\n")
        (folder / "plan.toml").write_text(plan, encoding="utf-8")
        async with acking(Peer(), server.port) as peer, simulating("run", folder) as process:
            first = await said(process, lambda record: "progress" in record)
            assert first == {"progress": 0.0, "sent": 0, "acked": 0, "total": STREAMS * 72}
            await said(process, lambda record: record.get("ready") is True)
            assert sum(1 for stream, _ in peer.kept if stream.startswith("history-")) == STREAMS * 72
            await _until((folder / TRUTH).exists)
            await _until(lambda: '"phase": "live"' in (folder / TRUTH).read_text(encoding="utf-8"))
            await _until(lambda: "telemetry" in peer.lanes)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE_S):
                assert await process.wait() == 0
            assert not list(folder.glob("tty-*"))
    assert peer.gaps() == {}
    assert {"telemetry", "backlog"} == set(peer.lanes)


@pytest.mark.servers
async def test_killed_and_started_again_no_number_is_missing_and_none_has_two_values(tmp_path: Path) -> None:
    (tmp_path / "mosquitto").mkdir()
    with mosquitto(tmp_path / "mosquitto") as server:
        folder = prepared(tmp_path / "sample", server.url, "--days", "3")
        async with acking(Peer(loss=0.02), server.port) as peer:
            for kept in (5_000, 20_000, 40_000):
                async with simulating("run", folder) as process:
                    await _until(lambda least=kept: len(peer.kept) >= least)  # type: ignore[misc]
                    os.kill(process.pid, signal.SIGKILL)
                    with contextlib.suppress(ProcessLookupError):
                        await process.wait()
            async with simulating("run", folder) as process:
                await said(process, lambda record: record.get("ready") is True)
                live = {stream for stream in peer.streams if not stream.startswith("history-")}
                at_start = {stream: len(peer.numbers(stream)) for stream in live}
                await _until(lambda: all(len(peer.numbers(s)) > at_start[s] for s in live))
                await _until(lambda: peer.gaps() == {})
                process.terminate()
                assert await process.wait() == 0
    assert sum(1 for stream, _ in peer.kept if stream.startswith("history-")) == STREAMS * 144 * 3
    assert peer.differing == 0
    assert len(live) == sum(wire.kind == "senml" for wire in build_region().wires)


def test_the_sample_settings_load_and_show_the_defaults() -> None:
    plan, default = read_plan(SAMPLE), Plan()
    assert (plan.seed, plan.broker, plan.history_days) == (default.seed, default.broker, default.history_days)
    assert (plan.history_interval_s, plan.live_interval_s, plan.repeat_s) == (600.0, 10.0, default.repeat_s)
    assert plan.history_faults == default.history_faults[:1]
    assert plan.live_faults == default.live_faults[:1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed = ", "plan.toml"),
        ("sede = 1", "sede"),
        ("history_days = -1", "history_days"),
        ('[[live_faults]]\ntarget = "x"\nmetric = ""\nkind = "dead"\nstart_s = 1\nduration_s = 1', "'x'"),
        ('[[live_faults]]\ntarget = "oike"\nmetric = "rain"\nkind = "melt"\nstart_s = 1\nduration_s = 1', "melt"),
    ],
)
def test_a_wrong_plan_is_told_with_what_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "plan.toml").write_text(text, encoding="utf-8")
    with pytest.raises(click.UsageError, match=told):
        load_plan(tmp_path)


def test_a_folder_that_is_not_prepared_is_told_how(tmp_path: Path) -> None:
    done = CliRunner().invoke(simulate, ["run", str(tmp_path)])
    assert done.exit_code == 2
    assert "simulate prepare" in done.output


async def _until(holds: Callable[[], bool], timeout_s: float = 2 * PATIENCE_S) -> None:
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.02)
