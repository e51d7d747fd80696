"""Judging with two worker processes against one: rounds of fresh values, and the long windows of a history.

Store, service and workers share the machine: what the machine itself leaves for a second worker is measured in the same
run, by jobs that read and write nothing.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

from satomori_analytics.jobs import Analyst
from satomori_analytics.pools import Partition, Processes
from satomori_analytics.settings import AnalyticsSettings
from satomori_core.clock import SECOND_US
from satomori_core.logs import configure_logs
from satomori_store.port import Batch, Rows
from support.analytics_region import NOON_US, Region, open_region
from support.figures import Figure, compared, plain, processor_s
from support.pool_jobs import busy

PONDS, ROUNDS = 200, 6
MANHOLES, DAYS = 24, 12


def run() -> Iterator[Figure]:
    configure_logs("error")  # stdout is for the figures
    for part in (_bare, _fresh, _long):
        with tempfile.TemporaryDirectory() as folder:
            yield from part(Path(folder))


def _bare(_: Path) -> Iterator[Figure]:
    """What a second worker could win at most on this machine as it is."""
    jobs: list[Partition] = [(busy,)] * 100
    seconds = {}
    for workers in (1, 2):
        pool = Processes(workers)
        list(pool.run(jobs[:8]))
        started = time.monotonic()
        list(pool.run(jobs))
        seconds[workers] = time.monotonic() - started
        pool.close()
    yield compared("judging_two_workers_bare", 100 / seconds[2], "jobs/s", ("one worker", 100 / seconds[1]))


def _fresh(folder: Path) -> Iterator[Figure]:
    """Ten minutes of a value a minute of each pond a round; both judge each round, in turn the first."""
    region = open_region(folder)
    for number in range(PONDS):
        region.add_asset(f"pond{number:03}", "irrigation_pond", ["water_level"], attributes={"level_warning_m": 2.0})
    analysts = {workers: _analyst(region, folder, workers) for workers in (1, 2)}
    spent, parent_s = dict.fromkeys(analysts, 0.0), dict.fromkeys(analysts, 0.0)
    service = psutil.Process()
    for number in range(ROUNDS + 1):
        now_us = _put(region, NOON_US + number * 600 * SECOND_US, 10, 60)
        for workers in sorted(analysts, reverse=number % 2 == 0):
            began, own_s = time.monotonic(), processor_s(service)
            analysts[workers][0].round(now_us)
            if number:  # the first one starts the workers
                spent[workers] += time.monotonic() - began
                parent_s[workers] += processor_s(service) - own_s
    _close(region, analysts)
    values = PONDS * 10 * ROUNDS
    yield compared("judging_two_workers_fresh", values / spent[2], "values/s", ("one worker", values / spent[1]))
    yield plain("judging_fresh_service_cpu", parent_s[1] / values * 1e6, "µs a value, of the service itself")


def _long(folder: Path) -> Iterator[Figure]:
    """Levels of some days, every ten minutes, that arrive at once: detectors and neighbours over all of it."""
    region = open_region(folder)
    for number in range(MANHOLES):
        region.add_asset(f"manhole{number:02}", "sewer_manhole", ["water_level"], interval_s=600)
    analysts = {workers: _analyst(region, folder, workers) for workers in (1, 2)}
    now_us, jobs, spent = _put(region, NOON_US, DAYS * 144, 600), dict.fromkeys(analysts, 0), {}
    for workers, (analyst, pool) in analysts.items():
        list(pool.run([(busy,)] * 2 * workers))  # they have started
        began = time.monotonic()
        while (done := analyst.round(now_us)).changes or analyst.waiting:
            jobs[workers] += done.slow
        spent[workers] = time.monotonic() - began
    _close(region, analysts)
    one, two = (jobs[workers] / spent[workers] for workers in (1, 2))
    yield compared("judging_two_workers_long", two, "jobs/s", ("one worker", one))


def _analyst(region: Region, folder: Path, workers: int) -> tuple[Analyst, Processes]:
    """Each keeps what it learns apart."""
    pool, settings = Processes(workers), AnalyticsSettings(changes_per_round=100_000)
    analyst = Analyst(
        region.registry, region.ledger, region.store,
        playbooks=region.playbooks, settings=settings, folder=folder / str(workers), pool=pool,
    )  # fmt: skip
    return analyst, pool


def _put(region: Region, start_us: int, count: int, step_s: int) -> int:
    """So many values of each datastream; the time of the last."""
    streams = np.array(list(region.streams.values()))
    at_us = start_us + np.arange(count) * step_s * SECOND_US
    values = 1 + 0.01 * np.random.default_rng(start_us % 997).normal(size=len(streams) * count)
    flags = np.ones(len(values), np.int8)
    rows = Rows(np.repeat(streams, count), np.tile(at_us, len(streams)), values, flags)
    region.store.write(Batch(rows=rows, received_at_us=int(at_us[-1])))
    return int(at_us[-1])


def _close(region: Region, analysts: dict[int, tuple[Analyst, Processes]]) -> None:
    for _, pool in analysts.values():
        pool.close()
    region.close()
