"""What a list of structures costs by what the last look kept, against reading each one's 400 days of hours."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from satomori_analytics.condition.keeping import Keeper
from satomori_analytics.condition.region import DAYS_MAX, by_urgency, conditions, load_structures
from satomori_analytics.playbook_files import load_playbooks
from satomori_core.clock import DAY_US, HOUR_US
from support.analytics_region import NOON_US, Region, open_region
from support.figures import Figure, compared

STRUCTURES = 100
TIMES_AT_LEAST = 10.0


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        region = open_region(Path(folder))
        _fill(region)
        keeper = Keeper(region.registry, region.store)
        keeper.round(NOON_US)
        while keeper.waiting:
            keeper.round(NOON_US)
        read_s, kept_s = (min(_listed_s(region, drawn=drawn) for _ in range(3)) for drawn in (True, False))
        region.close()
    rates = STRUCTURES / kept_s, ("reading 400 days of hours", STRUCTURES / read_s)
    yield compared("condition_list", rates[0], "structures/s and core", rates[1], TIMES_AT_LEAST)


def _fill(region: Region) -> None:
    """Slopes, an hour's tilt each."""
    rng = np.random.default_rng(3)
    hours = DAYS_MAX * 24
    at_us = (NOON_US // DAY_US * DAY_US - np.arange(hours, 0, -1) * HOUR_US).tolist()
    for number in range(STRUCTURES):
        region.add_asset(f"slope-{number}", "slope", ["tilt"], interval_s=3600, attributes={"健全度": "II"})
        tilt = 1e-5 * np.arange(hours) + rng.normal(0, 0.01, hours)
        region.put(f"slope-{number}", "tilt", zip(at_us, tilt.tolist(), strict=True))


def _listed_s(region: Region, *, drawn: bool) -> float:
    playbooks, started = load_playbooks(), time.process_time()
    structures = load_structures(region.registry)
    by_urgency(
        conditions(region.registry, region.store, structures, NOON_US, playbooks=playbooks, drawn=drawn)
    )  # fmt: skip
    return time.process_time() - started
