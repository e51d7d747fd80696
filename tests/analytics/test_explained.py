"""Each finding of every kind says what it saw against what it expected, in Japanese and English, and draws it."""

import ast
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import satomori_analytics
from satomori_analytics.checks import Flat, Spike
from satomori_analytics.detectors import find
from satomori_analytics.episodes import Episode
from satomori_analytics.findings import Judged, keep
from satomori_analytics.forecasts.keeping import Forecaster
from satomori_analytics.judge import judge_series
from satomori_analytics.leaks import judge_leaks
from satomori_analytics.peers.comparing import Difference
from satomori_analytics.peers.grouping import Member
from satomori_analytics.peers.region import Comparison, Peer
from satomori_analytics.peers.telling import episode
from satomori_analytics.playbook import Evidence, Metric, Sensor
from satomori_analytics.playbook_files import load_playbooks
from satomori_analytics.sensors import judge_sensor
from satomori_analytics.sentences import Place
from satomori_analytics.settings import AnalyticsSettings
from satomori_analytics.views import Quantity, Series, View, quantity_of
from satomori_analytics.watching import Rows, Watched, judge_alone, judge_joint, learn
from satomori_analytics.world import Stream, WatchedAsset
from satomori_core.clock import DAY_US, HOUR_US, MINUTE_US
from support.analytics_region import NOON_US, Region
from support.explained import assert_explained
from support.farm_weather import at, hours
from support.witnesses import HOUR, LATE, judged, stream, weather

CODE = Path(satomori_analytics.__file__).parent
PLACE = Place("一の池", "Pond 1", "上郷", "Kamigo", "Asia/Tokyo")


def kinds_in_code() -> set[str]:
    """What is given as `kind` anywhere, the sensor faults that are named, the detectors that playbooks watch with."""
    found = set[str]()
    for path in CODE.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            named = [k.value for k in call.keywords if k.arg == "kind" and call.func.id in {"Subject", "Finding"}]
            named += call.args[:1] if call.func.id == "SensorFault" else []
            found |= {str(each.value) for each in named if isinstance(each, ast.Constant)}
    general = load_playbooks().general
    return found | {watch.detector for playbook in general.values() for watch in playbook.watch.values()}


def asset(class_: str, *metrics: str, interval_s: int = 600) -> WatchedAsset:
    streams = tuple(
        Stream(n, "a", metric, "1", interval_s, "node", "水位計", "Gauge", "gw") for n, metric in enumerate(metrics, 1)
    )
    return WatchedAsset("a", class_, "town", PLACE, {"level_warning_m": 2.0}, streams)


def watched(class_: str, name: str, *metrics: str, **options: float) -> Watched:
    watch = load_playbooks().general[class_].watch[name]
    share = 0.8 if find(watch.detector).budgeted else None
    return Watched(asset(class_, *metrics), name, replace(watch, options={**watch.options, **options}), "a", share)


def _limit() -> list[Episode]:
    pond = asset("irrigation_pond", "water_level", interval_s=60)
    at_us, flags = NOON_US + np.arange(60) * MINUTE_US, np.ones(60, np.int8)
    values = 1.0 + np.arange(60) / 40
    return judge_series(
        pond, load_playbooks().general[pond.class_], pond.streams[0], Series(at_us, values, flags, flags)
    ).episodes


def _sensor(values: list[float]) -> list[Episode]:
    of = asset("paddy", "water_temperature")
    at_us = NOON_US + np.arange(len(values)) * 10_000_000
    view = View(of, Quantity("water_temperature", "Cel", "水温", "Water", of.streams[0]), at_us, np.array(values))
    return judge_sensor(view, Metric(spike=Spike(3, 8), flat=Flat(600, 1200), quiet=0.0), Sensor())


def _stuck() -> list[Episode]:
    return _sensor([12 + 0.01 * (i % 3) for i in range(50)] + [11.0] * 130)


def _spike() -> list[Episode]:
    return _sensor([24.0 if i in {20, 30, 31, 45} else 12 + 0.01 * (i % 3) for i in range(100)])


def _univariate() -> list[Episode]:
    one = watched("sewer_manhole", "level_seasonal", "water_level")
    values = 0.3 + np.random.default_rng(1).normal(0, 0.01, 900)
    values[700:730] += 1
    at_us = NOON_US + np.arange(900) * 600_000_000
    return judge_alone(one, View(one.asset, quantity_of(one.asset.streams[0]), at_us, values))


def _together(one: Watched, rows: Rows) -> list[Episode]:
    known = learn(one, rows)
    assert known is not None
    return judge_joint(one, [quantity_of(each) for each in one.asset.streams], rows, None, known)


def _multichannel() -> list[Episode]:
    metrics = ["acceleration_1", "acceleration_2", "motor_current", "pressure", "motor_temperature", "flow"]
    values = np.random.default_rng(2).normal(5, 0.1, (700, 6))
    values[600:, 3] += 3
    at_us = NOON_US + np.arange(700) * 1_000_000
    return _together(watched("pump_station", "machine", *metrics), Rows(at_us, values))


def _residual() -> list[Episode]:
    warm = 15 + 8 * np.sin(np.arange(1300) / 144 * 2 * np.pi)
    values = np.stack([4 - 0.007 * warm + np.random.default_rng(8).normal(0, 0.004, 1300), warm], axis=1)
    values[1150:, 0] -= 0.05
    rows = Rows(NOON_US + np.arange(1300) * 600_000_000, values)
    return _together(watched("bridge", "frequency_shift", "natural_frequency", "structure_temperature"), rows)


def _leak() -> list[Episode]:
    short = {"learn_days": 5, "window_days": 4, "memory_days": 8, "relearn_days": 16}
    one = watched("district_meter_area", "leak", "flow", **short)
    place = np.arange(9 * 96)
    flow = 20 + 8 * np.sin(place / 96 * 2 * np.pi) + np.random.default_rng(3).normal(0, 0.5, len(place))
    flow[7 * 96 :] += 10
    rows = Rows(NOON_US + place * 900_000_000, flow[:, None])
    return judge_leaks(one, [quantity_of(one.asset.streams[0])], rows)


def _peers() -> list[Episode]:
    difference = Difference(0.5, 1.0, 0.9, 1.1, 1e-4, 5)
    found = Comparison("a", "natural_frequency", "change", "log", 5, 3, ("material",), 90, 60, difference)
    member = Member("a", "bridge", "town", {}, {})
    return [episode(Peer(member, "town", PLACE, {"natural_frequency": 1}), found, NOON_US)]


def _drift() -> list[Episode]:
    mean, spread = weather()
    mean[LATE, 0] += (HOUR[LATE] - HOUR[LATE][0]) / 240
    return judged(mean, spread)


def _noise() -> list[Episode]:
    mean, spread = weather()
    spread[LATE, 0] += 4
    return judged(mean, spread)


def _clock() -> list[Episode]:
    mean, spread = weather()
    mean[LATE, 0] = np.roll(mean[:, 0], -9)[LATE]
    return judged(mean[:-24], spread[:-24])


def _swapped() -> list[Episode]:
    mean, spread = weather()
    mean[:, 1] += 8
    mean[LATE, 0], mean[LATE, 1] = mean[LATE, 1].copy(), mean[LATE, 0].copy()
    return judged(mean, spread)


def _battery() -> list[Episode]:
    mean = 3.6 + 0.003 * np.random.default_rng(3).normal(size=(len(HOUR), 1))
    mean[HOUR >= 240, 0] -= (HOUR[HOUR >= 240] - 240) * 0.010 / 24
    return judged(mean, np.full(mean.shape, 0.01), (stream(1, "battery", unit="V"),))


def _divergence() -> list[Episode]:
    mean, spread = weather()
    mean[LATE, 0] += 5
    return judged(mean, spread, water_temperature=Evidence(least=1.5, source="x", alone="asset"))


PURE: dict[str, Callable[[], Sequence[Episode]]] = {
    "limit": _limit, "stuck": _stuck, "spike": _spike, "univariate": _univariate, "multichannel": _multichannel,
    "residual": _residual, "leak": _leak, "peers": _peers, "drift": _drift, "noise": _noise, "clock": _clock,
    "swapped": _swapped, "battery": _battery, "divergence": _divergence,
}  # fmt: skip


def test_no_kind_is_left_out() -> None:
    """Whoever adds a kind of finding shows here what it tells."""
    assert kinds_in_code() == {*PURE, "silent", "forecast"}


@pytest.mark.parametrize("kind", PURE)
def test_a_finding_shows_values_against_what_was_expected(region: Region, kind: str) -> None:
    """As it stands in the registry, so that all of it can be kept."""
    region.add_asset("a", "irrigation_pond", ["water_level"])
    for found in PURE[kind]():
        each = replace(found, subject=replace(found.subject, datastream=None, gateway=None))  # which are not registered
        names, end_us = frozenset({each.subject.fingerprint}), each.seen_us
        keep(region.registry, [Judged(names, each.since_us, end_us, [each])], end_us, DAY_US)
    assert region.findings(kind)
    for finding in region.findings(kind):
        assert_explained(finding)


def test_silence_shows_what_came_before(region: Region) -> None:
    region.add_asset("pond", "irrigation_pond", ["water_level"])
    region.put("pond", "water_level", [(NOON_US + i * MINUTE_US, 1.0) for i in range(5)])
    analyst = region.digest(NOON_US + 5 * MINUTE_US)
    for hour in (1, 2):
        analyst.round(NOON_US + hour * HOUR_US)
    (finding,) = region.findings("silent")
    assert_explained(finding)


def test_a_forecast_shows_its_band_and_limits(region: Region) -> None:
    metrics = ["air_temperature", "relative_humidity"]
    region.add_asset("orchard", "orchard", metrics, interval_s=3600, attributes={"frost_watch_c": 30.0})
    known = hours(5, "2025-01-20", 80)
    for metric in metrics:
        values = known.columns[metric][: 64 * 24].tolist()
        region.put("orchard", metric, [(known.start_us + i * HOUR_US, value) for i, value in enumerate(values)])
    forecaster = Forecaster(region.registry, region.store, region.playbooks, AnalyticsSettings())
    now_us = at("2025-01-20", 62, 20) + 5 * MINUTE_US
    forecaster.round(now_us)
    while forecaster.waiting:
        forecaster.round(now_us)
    (finding,) = region.findings("forecast")
    assert_explained(finding)
