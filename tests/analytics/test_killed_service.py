"""The service is killed with -9 in the middle of its work, again and again: nothing doubles, nothing is missing."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from satomori_core.clock import DAY_US, MINUTE_US, SECOND_US, now_us
from satomori_store.databases import reading
from satomori_store.events import record_event
from satomori_store.models import Cursor, Finding, FirstLook, Forecast
from satomori_store.port import Batch, Rows
from satomori_store.transactions import transaction
from support.analytics_region import Region
from support.patience import PATIENCE_S

PONDS = 40


def fill(region: Region) -> None:
    """Ponds that have crossed their level, a sewer with a flood three days ago, a farm, an earthquake: all judged."""
    end_us = now_us() // MINUTE_US * MINUTE_US
    for number in range(PONDS):
        region.add_asset(f"pond{number:02}", "irrigation_pond", ["water_level"], attributes={"level_warning_m": 2.0})
    region.add_asset("manhole", "sewer_manhole", ["water_level"], interval_s=600)
    region.add_asset("orchard", "orchard", ["air_temperature", "relative_humidity"], interval_s=3600)
    for name, step_us, count in (("pond", MINUTE_US, 80), ("manhole", 600 * SECOND_US, 6 * 144)):
        at_us = end_us - np.arange(count)[::-1] * step_us
        usual = 0.3 + 0.01 * np.random.default_rng(3).normal(size=count)
        usual[count // 2 : count // 2 + 30] += 2.2 if name == "pond" else 0.9
        for (asset, _), stream in region.streams.items():
            if asset.startswith(name):
                rows = Rows(np.full(count, stream), at_us, usual, np.ones(count, np.int8))
                region.store.write(Batch(rows=rows, received_at_us=end_us))
    with transaction(region.registry) as session:
        record_event(session, {"id": "eq-1", "kind": "earthquake", "intensity": {"town": "6弱"}}, "mqtt", end_us)


@contextmanager
def service(region: Region) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "satomori_core", "analytics", "--state", str(region.state)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[bytes], true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 3 * PATIENCE_S
    while not true():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def count(region: Region, *columns: Any) -> Counter[Any]:
    """How often each combination of these columns stands there."""
    with reading(region.registry) as connection, Session(connection) as session:
        return Counter(session.execute(select(*columns)).all())


def has_found(region: Region, number: int) -> bool:
    return len(count(region, Finding.id)) >= number


def cursors(region: Region) -> set[int]:
    return {change_id for (change_id,) in count(region, Cursor.change_id)}


def test_killed_in_the_middle_nothing_is_doubled_and_nothing_is_missing(region: Region) -> None:
    """With the first findings, then with the first slow one: one row each of all that is found or made."""
    fill(region)
    last = region.ledger.last_change_id()
    for number in (1, PONDS + 1):
        with service(region) as process:
            until(process, partial(has_found, region, number))
            process.kill()
    with service(region) as process:
        until(process, lambda: cursors(region) == {last} and bool(count(region, Forecast.id)))
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    found = count(region, Finding.fingerprint, Finding.since_us)
    assert set(found.values()) == {1}
    assert sum(fingerprint.startswith("limit:pond") for fingerprint, _ in found) == PONDS
    assert [f.asset_id for f in region.findings("univariate")] == ["manhole"]
    assert all(f.until_us is not None for f in region.findings("limit"))
    assert set(count(region, Forecast.asset_id, Forecast.kind, Forecast.made_us).values()) == {1}
    looks = count(region, FirstLook.rank)
    assert looks == Counter((rank,) for rank in range(1, len(looks) + 1))
    assert sorted(path.suffix for path in (region.state / "analytics").iterdir()) == [".json"]
    assert DAY_US < now_us() - region.findings("univariate")[0].since_us < 5 * DAY_US
