"""What is held against the sensor: it stands still, or it keeps jumping; and what is not."""

import numpy as np

from satomori_analytics.checks import Flat, Spike
from satomori_analytics.playbook import Metric, Sensor
from satomori_analytics.sensors import judge_sensor
from satomori_analytics.sentences import Place
from satomori_analytics.views import Quantity, View
from satomori_analytics.world import Stream, WatchedAsset
from satomori_core.clock import SECOND_US
from satomori_core.vocabulary import Cause, Level
from support.analytics_region import NOON_US

STREAM = Stream(7, "a", "water_temperature", "Cel", 10, "node", "水温計", "Thermometer", "gw")
ASSET = WatchedAsset("a", "paddy", "town", Place("一の田", "Paddy 1", "上郷", "Kamigo", "Asia/Tokyo"), {}, (STREAM,))
METRIC = Metric(spike=Spike(3, 8), flat=Flat(600, 1200), quiet=0.0)


def view(values: list[float]) -> View:
    at_us = NOON_US + np.arange(len(values), dtype=np.int64) * 10 * SECOND_US
    return View(
        ASSET, Quantity("water_temperature", "Cel", "水温", "Water temperature", STREAM), at_us, np.array(values)
    )


def wobble(count: int) -> list[float]:
    return [12 + 0.01 * (i % 3) for i in range(count)]


def test_a_spiky_sensor() -> None:
    """Three excursions there and back within half an hour, one or two values wide, are the sensor's fault."""
    values = wobble(100)
    for place in (20, 30, 31, 45):
        values[place] += 12
    (episode,) = judge_sensor(view(values), METRIC, Sensor())
    assert (episode.subject.kind, episode.subject.cause, episode.level) == ("spike", Cause.SENSOR, Level.WATCH)
    assert episode.since_us == NOON_US + 460 * SECOND_US
    ja, en = episode.texts(episode.level, episode.since_us)
    assert "水温計の水温" in ja
    assert "3 times within 30 min" in en
    (channel,) = episode.evidence["picture"]["channels"]
    assert max(channel["observed"]) > 23.9


def test_a_real_rise_and_fall_is_none() -> None:
    values = wobble(100)
    values[30:60] = [v + 12 for v in values[30:60]]
    assert judge_sensor(view(values), METRIC, Sensor()) == []


def test_a_stuck_sensor_from_the_start_of_its_run() -> None:
    """The finding's beginning is where the value froze, not where that became certain; it ends when it moves."""
    values = wobble(50) + [11.0] * 130 + wobble(20)
    (episode,) = judge_sensor(view(values), METRIC, Sensor())
    assert episode.subject.kind == "stuck"
    assert (episode.since_us, episode.until_us) == (NOON_US + 500 * SECOND_US, NOON_US + 1800 * SECOND_US)
    shown = episode.evidence["picture"]
    assert (shown["from_us"], shown["until_us"]) == (episode.since_us, episode.seen_us)
    (channel,) = shown["channels"]
    frozen = [v for at, v in zip(channel["at_us"], channel["observed"], strict=True) if episode.since_us <= at]
    assert frozen[0] == frozen[-2] == 11.0
    assert channel["observed"][0] > 11.9
    assert judge_sensor(view([0.0] * 500), METRIC, Sensor()) == []


def test_missing_values_neither_stick_nor_jump() -> None:
    values = wobble(100)
    values[10:90:2] = [float("nan")] * 40
    assert judge_sensor(view(values), METRIC, Sensor()) == []
    assert judge_sensor(view([float("nan")] * 50), METRIC, Sensor()) == []
