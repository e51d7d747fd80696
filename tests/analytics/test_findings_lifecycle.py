"""The life of findings on a real store: opened, updated, closed, judged again; killed jobs; silence by the clock."""

import numpy as np
import pytest
from sqlalchemy import text

from satomori_core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from satomori_core.vocabulary import Level
from satomori_store.databases import writing
from satomori_store.models import Finding
from satomori_store.transactions import changing
from support.analytics_region import NOON_US, Region


def every(step_us: int, values: list[float], start_us: int = NOON_US) -> list[tuple[int, float]]:
    return [(start_us + i * step_us, value) for i, value in enumerate(values)]


def test_a_finding_opens_rises_and_closes_as_one_row(region: Region) -> None:
    """Warning, then danger, then over: one finding with one fingerprint, its level the worst in the end."""
    region.add_asset(
        "pond", "irrigation_pond", ["water_level"], attributes={"level_warning_m": 2.0, "level_danger_m": 2.5}
    )
    analyst = region.digest(NOON_US)
    region.put("pond", "water_level", every(MINUTE_US, [1.8, 2.1, 2.15, 2.2]))
    region.digest(NOON_US + 4 * MINUTE_US, analyst)
    (finding,) = region.findings("limit")
    assert (finding.level, finding.until_us, finding.historical) == (Level.WARNING, None, False)
    assert finding.since_us == NOON_US + MINUTE_US
    assert "7月15日12:01から" in finding.text_ja
    assert "The pond (Kamigo)" in finding.text_en
    assert finding.advice_ja
    assert finding.advice_en

    region.put("pond", "water_level", every(MINUTE_US, [2.6, 2.7, 2.7], NOON_US + 4 * MINUTE_US))
    region.digest(NOON_US + 7 * MINUTE_US, analyst)
    (finding,) = region.findings("limit")
    assert (finding.level, finding.until_us) == (Level.DANGER, None)

    region.put("pond", "water_level", every(MINUTE_US, [2.4, 1.9, 1.8], NOON_US + 7 * MINUTE_US))
    region.digest(NOON_US + 10 * MINUTE_US, analyst)
    (finding,) = region.findings("limit")
    assert (finding.level, finding.until_us) == (Level.DANGER, NOON_US + 8 * MINUTE_US)
    assert finding.evidence["worst"] == 2.7


def test_a_killed_job_run_again_makes_no_double(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cursor moves last: a second analyst that starts from the old cursor finds the same and adds nothing."""
    region.add_asset("pond", "irrigation_pond", ["water_level"], attributes={"level_warning_m": 2.0})
    region.put("pond", "water_level", every(MINUTE_US, [1.0, 2.1, 2.2, 2.2]))
    killed = region.analyst()
    monkeypatch.setattr(killed, "_save_cursor", lambda *_: None)
    killed.round(NOON_US + 4 * MINUTE_US)
    before = [(f.id, f.fingerprint) for f in region.findings()]
    region.digest(NOON_US + 5 * MINUTE_US)
    assert [(f.id, f.fingerprint) for f in region.findings()] == before
    assert len(before) == 1


def test_changes_that_the_ledger_has_forgotten_are_made_up_for(region: Region) -> None:
    """After a long rest the past weeks are judged whole, once."""
    region.add_asset("pond", "irrigation_pond", ["water_level"], attributes={"level_warning_m": 2.0})
    region.put("pond", "water_level", every(MINUTE_US, [1.0, 2.1, 2.2, 2.2, 1.0]))
    region.put("pond", "water_level", every(MINUTE_US, [1.0, 1.0], NOON_US + 5 * MINUTE_US))
    with writing(region.ledger.engine) as connection:
        connection.execute(text("DELETE FROM change WHERE change_id = 1"))
    analyst = region.digest(NOON_US + 8 * MINUTE_US)
    assert [f.since_us for f in region.findings("limit")] == [NOON_US + MINUTE_US]
    assert analyst.round(NOON_US + 9 * MINUTE_US).changes == 0


def test_late_data_are_judged_again(region: Region) -> None:
    """A finding that rested on a hole in the data is put right when the missing values arrive."""
    region.add_asset("barn", "cattle_barn", ["ammonia"])
    analyst = region.digest(NOON_US)
    region.put("barn", "ammonia", [(NOON_US, 25.0), (NOON_US + 40 * MINUTE_US, 25.0)])
    region.digest(NOON_US + 41 * MINUTE_US, analyst)
    assert [f.until_us for f in region.findings("limit")] == [None]
    region.put("barn", "ammonia", [(NOON_US + 20 * MINUTE_US, 5.0)])
    region.digest(NOON_US + 42 * MINUTE_US, analyst)
    (finding,) = region.findings("limit")
    assert finding.until_us == NOON_US + 20 * MINUTE_US
    assert finding.evidence["withdrawn"]


def test_old_data_make_historical_findings(region: Region) -> None:
    """What was already old when it was judged is history; what goes on into the present is not."""
    region.add_asset("pond", "irrigation_pond", ["water_level"], attributes={"level_warning_m": 2.0})
    now_us = NOON_US + DAY_US
    region.put("pond", "water_level", every(MINUTE_US, [1.0, 2.1, 2.2, 1.0]))
    analyst = region.digest(now_us)
    assert [f.historical for f in region.findings("limit")] == [True]
    region.put("pond", "water_level", every(MINUTE_US, [2.1, 2.2], now_us - 2 * MINUTE_US))
    region.digest(now_us, analyst)
    assert [f.historical for f in region.findings("limit")] == [True, False]


def test_a_flood_behind_a_slow_clock_is_no_history(region: Region) -> None:
    """Once the clock is found, what its device says counts from when it really was."""
    region.add_asset("pond", "irrigation_pond", ["water_level"], attributes={"level_warning_m": 2.0})
    now_us = NOON_US + DAY_US
    region.put("pond", "water_level", every(MINUTE_US, [1.0, 2.1, 2.2], now_us - 5 * HOUR_US - 3 * MINUTE_US))
    analyst = region.digest(now_us)
    assert [f.historical for f in region.findings("limit")] == [True]
    with changing(region.registry) as session:
        session.add(
            Finding(
                fingerprint="clock:pond", kind="clock", cause="sensor", asset_id="pond", detector="checks", level=1,
                confidence=1.0, since_us=NOON_US, found_us=now_us, updated_us=now_us, historical=False,
                evidence={"hours": -5.0, "inputs": [region.streams["pond", "water_level"]]},
                text_ja="時計", text_en="clock", advice_ja="", advice_en="",
            )
        )  # fmt: skip
    region.put("pond", "water_level", every(MINUTE_US, [2.3], now_us - 5 * HOUR_US))
    region.digest(now_us, analyst)
    assert [f.historical for f in region.findings("limit")] == [False]


def test_qc_is_written_and_failed_values_do_not_count(region: Region) -> None:
    """A lone spike is failed in qc and raises no limit; its neighbours stay good."""
    region.add_asset("pond", "irrigation_pond", ["water_level"], attributes={"level_warning_m": 2.0})
    region.put("pond", "water_level", every(MINUTE_US, [1.0, 1.0, 1.01, 9.0, 1.0, 1.01, 1.0]))
    region.digest(NOON_US + 7 * MINUTE_US)
    columns = region.store.read([region.streams["pond", "water_level"]], 0, NOON_US + HOUR_US)
    assert columns.qc.tolist()[2:6] == [1, 4, 1, 1]
    assert region.findings("limit") == []


def test_the_job_is_the_same_by_pieces_and_at_once(region: Region) -> None:
    """Findings do not depend on how the data came in."""
    rng = np.random.default_rng(5)
    values = (2.0 + 0.6 * np.sin(np.arange(300) / 20) + rng.normal(0, 0.03, 300)).tolist()
    for name in ("whole", "pieces"):
        region.add_asset(
            name, "irrigation_pond", ["water_level"], attributes={"level_warning_m": 2.2, "level_danger_m": 2.5}
        )
    region.put("whole", "water_level", every(MINUTE_US, values))
    analyst = region.digest(NOON_US + 300 * MINUTE_US)
    for start in range(0, 300, 7):
        region.put("pieces", "water_level", every(MINUTE_US, values[start : start + 7], NOON_US + start * MINUTE_US))
        analyst.round(NOON_US + (start + 7) * MINUTE_US)
    found = {
        name: [
            (f.since_us, f.until_us, f.level)
            for f in region.findings("limit")
            if f.asset_id == name and "level:" in f.fingerprint
        ]
        for name in ("whole", "pieces")
    }
    assert found["whole"] == found["pieces"]
    assert len(found["whole"]) == 3


def test_a_silent_sensor_and_a_silent_gateway(region: Region) -> None:
    """While its gateway speaks, a sensor's silence is the sensor's; when all is silent it is the gateway's alone."""
    region.add_asset("pond", "irrigation_pond", ["water_level", "rain"])
    for metric in ("water_level", "rain"):
        region.put("pond", metric, every(MINUTE_US, [0.5] * 3))
    now_us = NOON_US + 3 * MINUTE_US
    analyst = region.digest(now_us)
    for minute in range(10):  # the rain gauge falls silent, the level goes on
        now_us += MINUTE_US
        region.put("pond", "water_level", [(now_us, 0.5 + minute / 100)])
        analyst.round(now_us)
    (sensor,) = region.findings("silent")
    assert (sensor.cause, sensor.until_us, sensor.since_us) == ("sensor", None, NOON_US + 2 * MINUTE_US)
    # Its last values, and the time without any.
    (shown,) = sensor.evidence["picture"]["channels"]
    assert shown["observed"] == [0.5, 0.5, 0.5, None]
    assert shown["at_us"][-2] == sensor.since_us < shown["at_us"][-1] == sensor.evidence["seen_us"]
    for _ in range(17):
        now_us += MINUTE_US
        analyst.round(now_us)
    gateway = region.findings("silent")[-1]
    assert (gateway.cause, gateway.asset_id, gateway.level) == ("gateway", "gw", Level.WARNING)
    assert gateway.evidence["picture"]["channels"][0]["observed"][-2:] == [0.59, None]
    assert len(region.findings("silent")) == 2
    now_us += MINUTE_US
    for metric in ("water_level", "rain"):
        region.put("pond", metric, [(now_us, 0.5)])
    for _ in range(2):
        analyst.round(now_us)
        now_us += 10 * SECOND_US
    closed = region.findings("silent")
    assert [f.until_us is None for f in closed] == [False, False]
    # While it lasts its picture is drawn until now; once it is over, until then.
    assert [sensor.evidence["picture"]["lasts"], *(f.evidence["picture"]["lasts"] for f in closed)] == [
        True, False, False,
    ]  # fmt: skip
    assert all(f.evidence["picture"]["channels"][0]["at_us"][-1] == f.until_us for f in closed)
    assert len(region.digest(now_us)._silence._told) == 0


def test_a_clock_that_was_set_back(region: Region) -> None:
    """It was a year ahead for a while: silence is judged by the right time again, not only once that year is over."""
    region.add_asset("pond", "irrigation_pond", ["water_level"])
    region.put("pond", "water_level", every(MINUTE_US, [0.5] * 3))
    analyst = region.digest(NOON_US + 365 * DAY_US)
    analyst.round(NOON_US + 365 * DAY_US + HOUR_US)
    assert region.findings("silent")
    region.put("pond", "water_level", [(NOON_US + 3 * MINUTE_US, 0.6)])
    now_us = NOON_US + 3 * MINUTE_US
    for _ in range(3):
        analyst.round(now_us)
        now_us += MINUTE_US
    assert not [f for f in region.findings("silent") if f.until_us is None]
    for _ in range(30):
        analyst.round(now_us)
        now_us += MINUTE_US
    (open_one,) = [f for f in region.findings("silent") if f.until_us is None]
    assert open_one.cause == "gateway"


def test_a_valve_fault_on_a_pump_rig(region: Region) -> None:
    """Eight channels at 1 s: 400 rows of learning, normal running without a finding, then a fault within a minute."""
    metrics = ["acceleration_1", "acceleration_2", "motor_current", "pressure", "motor_temperature",
               "bearing_temperature", "motor_voltage", "flow"]  # fmt: skip
    region.add_asset("pumps", "pump_station", metrics, interval_s=1)
    rng = np.random.default_rng(3)
    rows = np.array([0.02, 0.04, 1.3, 5.0, 79, 26, 233, 32]) + rng.normal(0, 1, (1200, 8)) * [
        0.001, 0.001, 0.1, 0.2, 0.2, 0.02, 3, 0.4,
    ]  # fmt: skip
    rows[900:, 7] -= 4.0
    analyst = region.digest(NOON_US)
    for start in range(0, 1200, 100):
        for column, metric in enumerate(metrics):
            region.put(
                "pumps",
                metric,
                every(SECOND_US, rows[start : start + 100, column].tolist(), NOON_US + start * SECOND_US),
            )
        region.digest(NOON_US + (start + 100) * SECOND_US, analyst)
    (finding,) = region.findings("multichannel")
    assert NOON_US + 900 * SECOND_US < finding.since_us < NOON_US + 960 * SECOND_US
    assert finding.until_us is None
    assert next(iter(finding.evidence["deviations"])) == "flow"
    assert finding.historical is False
