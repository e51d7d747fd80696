"""Data that come late are judged in event time: in any order they come the same is found, and no old news is told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from satomori_core.clock import DAY_US, HOUR_US, MINUTE_US
from satomori_core.settings import Secret
from satomori_maintenance.service import Maintenance
from satomori_maintenance.settings import MaintenanceSettings, ReceiverSettings
from satomori_store.models import Alert, Notification
from support.analytics_region import NOON_US, Region, open_region
from support.status_sink import StatusSink

LEVELS = {"level_warning_m": 2.2, "level_danger_m": 2.5}


def found_of(state: Path, batches: list[list[int]], level: list[float]) -> tuple[list[Any], list[int]]:
    """What stands in the end, and the verdicts of the checks, where the values come in these batches."""
    region = open_region(state)
    region.add_asset("pond", "irrigation_pond", ["water_level"], attributes=LEVELS)
    now_us, analyst = NOON_US + len(level) * MINUTE_US, region.analyst()
    for places in batches:
        region.put("pond", "water_level", [(NOON_US + i * MINUTE_US, level[i]) for i in places])
        region.digest(now_us, analyst)
    found = [
        (f.fingerprint, f.since_us, f.until_us, f.level, f.historical, f.until_us and f.evidence["worst"])
        for f in region.findings("limit")
        if "withdrawn" not in f.evidence
    ]
    qc = region.store.read([region.streams["pond", "water_level"]], 0, now_us).qc.tolist()
    region.close()
    return found, qc


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_whatever_the_order_the_same_is_found(tmp_path: Path, seed: int) -> None:
    """Rows out of order within a batch, hours late, between rows that were judged: as if all had come at once."""
    rng, count = np.random.default_rng(seed), 330
    level = 2.1 + 0.6 * np.sin(np.arange(count) / 20) + rng.normal(0, 0.03, count)
    level[rng.integers(0, count, 3)] += 4  # spikes, which the checks fail by their neighbours
    comes = np.arange(count) + np.where(rng.random(count) < 0.3, rng.integers(0, 120, count), 0)
    cuts = np.sort(rng.integers(1, count, 9))
    batches = [rng.permutation(part).tolist() for part in np.split(np.argsort(comes), cuts) if len(part)]
    in_order = found_of(tmp_path / "in-order", [list(range(count))], level.tolist())
    assert len(in_order[0]) >= 3
    assert found_of(tmp_path / "late", batches, level.tolist()) == in_order


class Heard:
    """A receiver that writes down what it hears."""

    def __init__(self) -> None:
        self.titles: list[str] = []

    def deliver(self, title: str, body: str) -> None:
        self.titles.append(f"{title} {body}")


class Night:
    """The maintenance of the region, with one receiver; its clock is moved on."""

    def __init__(self, region: Region) -> None:
        self.region, self.now_us, self.heard = region, NOON_US, Heard()
        settings = MaintenanceSettings(receiver=(ReceiverSettings(name="crew", url=Secret(env="NONE")),))
        self.service = Maintenance(region.registry, StatusSink(), settings, {"crew": self.heard}, lambda: self.now_us)

    def told(self) -> set[str]:
        """The causes of which anybody was told by now, an hour on."""
        for _ in range(6):
            self.service.look()
            for courier in self.service.couriers:
                while courier.deliver_next():
                    pass
            self.now_us += HOUR_US // 6
        with Session(self.region.registry) as session:
            causes = dict(session.execute(select(Alert.id, Alert.fingerprint)).all())
            return {causes[n] for row in session.scalars(select(Notification)) for n, *_ in row.alert_ids}


def test_a_month_that_comes_after_an_outage_wakes_nobody(region: Region) -> None:
    """The silence is told. The floods of the month are found, as history; one that stands now is told."""
    region.add_asset("pond", "irrigation_pond", ["water_level"], interval_s=600, attributes=LEVELS)
    step_us, count = HOUR_US // 6, 31 * 144
    level = 1.5 + 0.01 * np.sin(np.arange(count))
    for day in range(2, 30, 4):
        level[day * 144 : day * 144 + 20] += 1.2
    rows = [(NOON_US + i * step_us, float(v)) for i, v in enumerate(level)]
    night, analyst = Night(region), region.analyst()
    region.put("pond", "water_level", rows[:144])
    region.digest(rows[143][0], analyst)
    for hour in (1, 2):
        night.now_us = rows[143][0] + hour * HOUR_US
        analyst.round(night.now_us)
    assert night.told() == {"silent:gw"}
    night.now_us = now_us = rows[-1][0]
    for part in np.array_split(np.random.default_rng(1).permutation(np.arange(144, count)), 5):
        region.put("pond", "water_level", [rows[i] for i in part])
        region.digest(now_us, analyst)
        assert night.told() == {"silent:gw"}
    floods = [f for f in region.findings("limit") if "withdrawn" not in f.evidence]
    assert len(floods) == 7
    assert all(f.historical for f in region.findings("limit"))
    assert not [f for f in region.findings("silent") if f.until_us is None]
    # The last values are high, and a high one has just come.
    night.now_us = max(night.now_us, now_us + DAY_US)
    region.put("pond", "water_level", [(now_us + i * step_us, 2.7) for i in range(1, 145)])
    region.digest(night.now_us, analyst)
    assert night.told() == {"silent:gw", floods[0].fingerprint}
