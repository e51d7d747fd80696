"""Whoever judges, the findings are the same, also where a worker is killed: processes, or a real Dask cluster."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client

from satomori_analytics.pools import Cluster, Here, Partition, Pool, Processes, by_group
from satomori_analytics.work import Outcome
from satomori_core.clock import DAY_US, MINUTE_US
from satomori_core.errors import UnavailableError
from support.analytics_region import NOON_US, Region, open_region
from support.pool_jobs import die, mark

_ASSETS = 6


def numbers(outcomes: Iterator[Outcome]) -> list[int]:
    return [each.datastream for outcome in outcomes for each in outcome.marks]


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """A scheduler and two workers, processes of their own on 127.0.0.1, each with a nanny; the scheduler's address.

    They are all there: one that is asked before it has workers says so after a while, as it should.
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            log = stack.enter_context((folder / f"{arguments[0]}.log").open("ab"))
            command = [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]]
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process

        note = folder / "scheduler.json"
        start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(note))
        until(lambda: address_in(note))
        address = address_in(note)
        for name in ("one", "two"):
            options = ["--nthreads", "1", "--no-dashboard", "--name", name, "--host", "127.0.0.1"]
            start("worker", address, *options)
        with Client(address, set_as_default=False, timeout=60) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(2, timeout=60)
        yield address


def address_in(note: Path) -> str:
    """Empty while the note is not written to its end."""
    try:
        return str(json.loads(note.read_text(encoding="utf-8"))["address"])
    except (FileNotFoundError, ValueError):
        return ""


def until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def pool_of(kind: str, folder: Path) -> Iterator[Pool]:
    with ExitStack() as stack:
        if kind == "dask":
            made: Pool = Cluster(stack.enter_context(cluster(folder)))
        else:
            made = Processes(2) if kind == "processes" else Here()
        stack.callback(made.close)
        yield made


def fill(region: Region) -> None:
    """Ponds that cross their warning level one after another."""
    for number in range(_ASSETS):
        name = f"pond{number}"
        region.add_asset(name, "irrigation_pond", ["water_level"], attributes={"level_warning_m": 2.0})
        values = [(NOON_US + i * MINUTE_US, 1.0 + (i - number) / 10) for i in range(20)]
        region.put(name, "water_level", values)


@pytest.mark.filterwarnings("default")  # Dask's own
@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_the_findings_are_those_of_one_process(tmp_path: Path, kind: str) -> None:
    found = {}
    for judge in ("here", kind):
        folder = tmp_path / judge
        folder.mkdir()
        region = open_region(folder / "state")
        fill(region)
        with pool_of(judge, folder) as pool:
            region.digest(NOON_US + 20 * MINUTE_US, region.analyst(pool))
        found[judge] = [(f.asset_id, f.since_us, f.level, f.text_ja, f.evidence) for f in region.findings()]
        region.close()
    assert found[kind] == found["here"]
    assert len(found["here"]) == _ASSETS


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_a_killed_worker_costs_nothing(tmp_path: Path, kind: str) -> None:
    """A worker is killed while it judges: all outcomes come all the same, once and in order."""
    jobs = [(partial(mark, i, once=tmp_path / "killed" if i == 5 else None),) for i in range(12)]
    with pool_of(kind, tmp_path) as pool:
        assert numbers(pool.run(jobs)) == list(range(12))
        assert (tmp_path / "killed").exists()
        assert numbers(pool.run(jobs[:3])) == [0, 1, 2]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_what_kills_every_worker_is_given_up_for_now(tmp_path: Path, kind: str) -> None:
    """No endless loop: the round fails, and says what to do; its jobs are due again in the next one."""
    jobs: list[Partition] = [(partial(mark, 1),), (die,), (partial(mark, 2),)]
    with pool_of(kind, tmp_path) as pool, pytest.raises(UnavailableError, match=r"worker|Killed"):
        list(pool.run(jobs))


def test_partitions_are_of_one_group_and_bounded() -> None:
    jobs = [("", partial(mark, 1)), *(("a", partial(mark, i)) for i in range(45)), ("b", partial(mark, 2))]
    assert [len(partition) for partition in by_group(jobs)] == [1, 20, 20, 5, 1]


def test_workers_take_no_more_than_they_can_do() -> None:
    """Windows are read as workers come free, so that a long backlog is not held in memory."""
    given = []

    def jobs() -> Iterator[tuple[partial[Outcome], ...]]:
        for number in range(50):
            given.append(number)
            yield (partial(mark, number),)

    pool = Processes(1)
    try:
        first = next(pool.run(jobs()))
        assert first.marks[0].datastream == 0
        assert len(given) <= 3
    finally:
        pool.close()


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """The service is killed with -9: no worker stays behind."""
    script = (
        "from functools import partial\nfrom satomori_analytics.pools import Processes\n"
        "from support.pool_jobs import mark\nif __name__ == '__main__':\n"
        "    list(Processes(2).run([(partial(mark, i),) for i in range(8)]))\n"
        "    print('ready', flush=True)\n    input()\n"
    )
    path = tmp_path / "parent.py"
    path.write_text(script, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, str(path)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        children = psutil.Process(parent.pid).children(recursive=True)
        assert children
        parent.kill()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


def test_no_scheduler_is_said() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(UnavailableError, match="no Dask scheduler"):
            Cluster(f"tcp://127.0.0.1:{bound.getsockname()[1]}")


def test_slow_judgements_that_were_due_survive_a_kill(region: Region) -> None:
    """The process ends after the fresh was judged and before the slow was: the next one does it, once."""
    region.add_asset("manhole", "sewer_manhole", ["water_level", "hydrogen_sulfide"], interval_s=600)
    values = [(NOON_US + i * 600_000_000, 0.3 + (i % 144) / 1000 + (0.9 if i > 2900 else 0.0)) for i in range(2930)]
    region.put("manhole", "water_level", values)
    now = NOON_US + 21 * DAY_US
    stopped = region.analyst()
    while stopped.round(now).changes:
        pass
    assert stopped.waiting
    before = len(region.findings())
    region.digest(now)
    found = region.findings()
    assert len(found) > before
    region.digest(now, region.analyst())
    assert len(region.findings()) == len(found)
