"""How things stand: levels from findings, staleness, groups, alert events, and when they are written."""

from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from satomori_core.clock import HOUR_US, MINUTE_US, SECOND_US
from satomori_core.vocabulary import Cause, Level
from satomori_maintenance.alerts import acknowledge
from satomori_maintenance.service import Maintenance
from satomori_maintenance.settings import MaintenanceSettings
from satomori_maintenance.status import IN_ORDER, NO_SENSOR, NO_VALUE, STALE, Trouble, Watched, judge
from satomori_store.databases import writing
from satomori_store.models import Finding
from support.region import BRIDGE_STRAIN, BRIDGE_TILT, GATEWAY_CPU, PADDY_LEVEL, finding, make_region
from support.status_sink import StatusSink

NOW = 500_000 * HOUR_US
BRIDGE = Watched("bridge-1", "bridge", "ueno", 36.5, 139.0, ("bridges",), {1: 3 * MINUTE_US, 2: 3 * MINUTE_US})
FRESH = {1: NOW - MINUTE_US, 2: NOW - HOUR_US}
DANGER = Trouble(Level.DANGER, Cause.ASSET, NOW - HOUR_US, "危ない", "dangerous")


def test_fresh_and_without_trouble_is_good() -> None:
    assert judge(BRIDGE, [], FRESH, NOW).level is Level.GOOD
    assert judge(BRIDGE, [], FRESH, NOW).reason == IN_ORDER


def test_stale_is_unknown_never_good() -> None:
    """One fresh datastream is enough; at the limit it still counts, a microsecond later it does not."""
    at_limit = {1: NOW - 3 * MINUTE_US}
    assert judge(BRIDGE, [], at_limit, NOW).level is Level.GOOD
    verdict = judge(BRIDGE, [], at_limit, NOW + 1)
    assert (verdict.level, verdict.reason, verdict.since_us) == (Level.UNKNOWN, STALE, NOW - 3 * MINUTE_US)
    assert judge(BRIDGE, [], {}, NOW).reason == NO_VALUE
    assert judge(replace(BRIDGE, stale_after_us={}), [], FRESH, NOW).reason == NO_SENSOR


def test_the_worst_trouble_stands_even_where_values_are_stale() -> None:
    watch = replace(DANGER, level=Level.WATCH)
    verdict = judge(BRIDGE, [watch, DANGER], {}, NOW)
    assert (verdict.level, verdict.reason, verdict.since_us) == (Level.DANGER, "危ない / dangerous", NOW - HOUR_US)


def test_a_faulty_sensor_and_what_it_reports_make_the_asset_unknown() -> None:
    stuck = Trouble(Level.WATCH, Cause.SENSOR, NOW - HOUR_US, "固着", "stuck")
    verdict = judge(BRIDGE, [stuck, replace(DANGER, explained=True)], FRESH, NOW)
    assert verdict.level is Level.UNKNOWN


def _rounds(engine: Engine, sink: StatusSink, minutes: list[float]) -> None:
    now = [NOW]
    service = Maintenance(engine, sink, MaintenanceSettings(), {}, lambda: now[0])
    for minute in minutes:
        now[0] = NOW + round(minute * MINUTE_US)
        service.look()


def test_status_is_written_at_the_start_on_change_and_every_five_minutes(tmp_path: Path) -> None:
    engine, sink = make_region(tmp_path / "registry.sqlite"), StatusSink()
    sink.newest = dict.fromkeys((BRIDGE_STRAIN, BRIDGE_TILT, PADDY_LEVEL, GATEWAY_CPU), NOW + HOUR_US)
    _rounds(engine, sink, [0, 1, 2, 4.9, 5, 6])
    assert [(p.at_us - NOW) // MINUTE_US for p in sink.asset("bridge-1")] == [0, 5]
    with writing(engine) as connection, Session(connection) as session:
        session.add(finding(at_us=NOW))
        session.flush()
    sink.points.clear()
    _rounds(engine, sink, [7, 7.5])
    (status,) = sink.asset("bridge-1")
    assert (status.level, status.class_, status.municipality, status.since_us) == (3, "bridge", "ueno", NOW)
    assert sink.groups(group="bridges")[0].counts == (0, 0, 0, 1, 0)
    assert sink.groups(municipality="ueno", class_="bridge")[0].level == 3
    assert sink.groups(municipality="kawabe", class_="paddy")[0].counts == (1, 0, 0, 0, 0)


def test_an_asset_whose_values_stop_turns_unknown(tmp_path: Path) -> None:
    """The bridge sends each minute; three minutes after the last value it is unknown, within the lookup's 15 s."""
    engine, sink = make_region(tmp_path / "registry.sqlite"), StatusSink()
    sink.newest = {BRIDGE_STRAIN: NOW}
    _rounds(engine, sink, [n / 10 for n in range(40)])
    changes = [((p.at_us - NOW) / MINUTE_US, p.level) for p in sink.asset("bridge-1")]
    assert changes[0] == (0, int(Level.GOOD))
    assert changes[1][1] == int(Level.UNKNOWN)
    assert 3.0 < changes[1][0] <= 3.3


def test_a_gateway_is_as_fresh_as_what_comes_through_it(tmp_path: Path) -> None:
    engine, sink = make_region(tmp_path / "registry.sqlite"), StatusSink()
    sink.newest = {BRIDGE_TILT: NOW}
    _rounds(engine, sink, [0])
    assert sink.asset("gw-1")[0].level == Level.GOOD
    assert sink.asset("paddy-1")[0].level == Level.UNKNOWN


def test_alert_events_are_written_once_with_their_own_times(tmp_path: Path) -> None:
    engine, sink = make_region(tmp_path / "registry.sqlite"), StatusSink()
    now = [NOW]
    with writing(engine) as connection, Session(connection) as session:
        row = finding(at_us=NOW)
        session.add(row)
        session.flush()
        number = row.id
    service = Maintenance(engine, sink, MaintenanceSettings(), {}, lambda: now[0])
    for _ in range(3):
        service.look()
        now[0] += MINUTE_US
    assert [(e.event, e.at_us) for e in sink.events()] == [("opened", NOW + 1)]
    with writing(engine) as connection, Session(connection) as session:
        acknowledge(session, 1, "yamada", None, now[0])
        found = session.get_one(Finding, number)
        found.until_us = found.updated_us = now[0] + SECOND_US
        session.flush()
    now[0] += 2 * SECOND_US
    sink.points.clear()
    service.look()
    assert {e.event for e in sink.events()} == {"opened", "acknowledged", "resolved"}
    assert len({e.at_us for e in sink.events()}) == 3


def test_a_store_that_is_away_loses_no_event(tmp_path: Path) -> None:
    engine, sink = make_region(tmp_path / "registry.sqlite"), StatusSink()
    with writing(engine) as connection, Session(connection) as session:
        session.add(finding(at_us=NOW))
        session.flush()
    service = Maintenance(engine, sink, MaintenanceSettings(), {}, lambda: NOW)
    sink.away = True
    service.look()
    service.look()
    sink.away = False
    service.look()
    assert [e.event for e in sink.events()] == ["opened"]
    assert sink.asset("bridge-1")[0].level == Level.WARNING
