"""Sensor or asset: each kind of sensor fault told from a fault of the asset, causally, and never without evidence."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import delete

from satomori_analytics import evidence
from satomori_analytics.episodes import Episode, Floats
from satomori_analytics.evidence import Hours
from satomori_analytics.playbook import Evidence
from satomori_core.clock import DAY_US, HOUR_US
from satomori_core.vocabulary import Cause
from satomori_store.models import Cursor, Finding
from satomori_store.transactions import changing
from support.analytics_region import NOON_US, Region
from support.witnesses import DAYS, FROM_DAY, HOUR, LATE, OWN, RULE, judged, stream, weather


def kinds(episodes: list[Episode]) -> list[tuple[str, Cause]]:
    return [(episode.subject.kind, episode.subject.cause) for episode in episodes]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_held_against_sensors_in_order(seed: int) -> None:
    assert judged(*weather(seed)) == []


def test_a_drift_shows_against_its_neighbours() -> None:
    """A tenth of a degree a day is found before it is three degrees, and dated to within the first two weeks of it."""
    mean, spread = weather()
    mean[LATE, 0] += (HOUR[LATE] - FROM_DAY * 24) / 240
    (episode,) = judged(mean, spread)
    assert kinds([episode]) == [("drift", Cause.SENSOR)]
    days = (episode.evidence["spoke_us"] - NOON_US) / DAY_US - FROM_DAY
    assert days < 29
    assert abs(episode.since_us - NOON_US - FROM_DAY * DAY_US) < 14 * DAY_US
    assert episode.until_us is None
    ja, en = episode.texts(episode.level, episode.since_us)
    assert "水温計" in ja
    assert "Thermometer" in en
    # Drawn against what the witnesses say: within their band until it drifts, above it now.
    (shown,) = episode.evidence["picture"]["channels"]
    assert shown["observed"][-1] > shown["high"][-1]
    known = [x < high for x, high in zip(shown["observed"], shown["high"], strict=True) if high is not None]
    assert all(known[: len(known) // 4])


def test_a_neighbour_that_drifts_is_not_held_against_this_one() -> None:
    mean, spread = weather()
    mean[LATE, 3] += (HOUR[LATE] - FROM_DAY * 24) / 120
    assert judged(mean, spread) == []


def test_what_moves_for_all_is_the_weather() -> None:
    mean, spread = weather()
    mean[LATE] += 6
    assert judged(mean, spread) == []


def test_without_witnesses_a_drift_is_not_told() -> None:
    """Where no evidence exists it can't be told, and is not."""
    mean, spread = weather()
    mean[LATE, 0] += (HOUR[LATE] - FROM_DAY * 24) / 120
    assert judged(mean, spread, air_temperature=RULE) == []
    mean[:, 1:] = np.nan
    assert judged(mean, spread) == []


def test_what_two_channels_say_together_is_the_asset() -> None:
    """The same divergence is the sensor's alone, and the asset's where a related channel has left its own witnesses."""
    mean, spread = weather()
    other, _ = weather(5)
    own = (OWN, stream(7, "ammonia", unit="[ppm]"), stream(8, "relative_humidity", unit="%"), stream(9, "co2"))
    mean[LATE, 0] += 4
    columns = np.concatenate([mean[:, :1], other[:, :3], mean[:, 1:]], axis=1)
    spreads = np.concatenate([spread[:, :1], np.ones((len(spread), 3)), spread[:, 1:]], axis=1)
    rule = Evidence(least=1.5, source="x", alike=False, partners=("relative_humidity", "co2"))
    rules = {"water_temperature": replace(RULE, together=("ammonia",)), "ammonia": replace(rule, alone="asset")}
    assert kinds(judged(columns, spreads, own, **rules)) == [("drift", Cause.SENSOR)]
    columns[LATE, 1] += 5
    found = judged(columns, spreads, own, **rules)
    assert kinds(found) == [("divergence", Cause.ASSET)] * 2
    assert found[0].evidence["together"]


def test_noise_is_more_scatter_on_the_same_level() -> None:
    mean, spread = weather()
    spread[LATE, 0] += 4
    (episode,) = judged(mean, spread)
    assert kinds([episode]) == [("noise", Cause.SENSOR)]
    # Drawn is the width of its hours, in the band of the past weeks: before inside it, now three times as wide.
    (shown,) = episode.evidence["picture"]["channels"]
    assert "1時間の幅" in shown["ja"]
    assert shown["observed"][0] <= shown["high"][0] * 1.5
    assert shown["observed"][-1] > 3 * shown["high"][-1] > 0 == shown["low"][-1]
    assert episode.evidence["spoke_us"] - NOON_US < (FROM_DAY + 2) * DAY_US


def test_single_values_that_jump_away_and_return_are_spikes() -> None:
    """Noise widens every hour; a bad contact leaves the hours between its jumps as calm as ever."""
    mean, spread = weather()
    jumps = np.flatnonzero(LATE)[np.random.default_rng(4).random(np.count_nonzero(LATE)) < 0.55]
    spread[jumps, 0] += 9
    found = judged(mean, spread)
    assert found
    assert set(kinds(found)) == {("spike", Cause.SENSOR)}
    assert {episode.subject.fingerprint.split(":")[0] for episode in found} == {"jumps"}


def test_restless_weather_is_no_noise() -> None:
    """What scatters more at all neighbours is the weather."""
    mean, spread = weather()
    spread[LATE] += 4
    assert judged(mean, spread) == []


def test_a_machine_that_shakes_more_is_no_noise() -> None:
    """Scatter that comes with another level is the asset's; so is what two channels do together."""
    mean, spread = weather()
    spread[LATE, 0] += 4
    mean[LATE, 0] += 30
    assert "noise" not in [kind for kind, _ in kinds(judged(mean, spread, air_temperature=RULE))]
    mean, spread = weather()
    own = (OWN, stream(7, "ammonia"))
    columns, spreads = np.insert(mean, 1, 5.0, axis=1), np.insert(spread, 1, 0.5 + spread[:, 0] / 9, axis=1)
    spreads[LATE, :2] += 4
    assert judged(columns, spreads, own, air_temperature=RULE) == []


@pytest.mark.parametrize("hours", [9, 3])
def test_a_clock_that_is_behind(hours: int) -> None:
    """Local time sent as UTC is nine hours; the neighbours' waves stay, this one's comes too early."""
    mean, spread = weather()
    mean[LATE, 0] = np.roll(mean[:, 0], -hours)[LATE]
    found = judged(mean[:-24], spread[:-24])
    assert kinds(found) == [("clock", Cause.SENSOR)]
    assert found[0].evidence["hours"] == pytest.approx(-hours, abs=1.2)
    assert found[0].evidence["inputs"] == [1]
    (wave,) = found[0].evidence["picture"]["channels"]
    off = [not low <= x <= high for x, low, high in zip(wave["observed"], wave["low"], wave["high"], strict=True)]
    assert len(off) == 60
    assert sum(off) > 20
    # It was seen when it really was: nine hours after what the clock says.
    assert found[0].seen_us > NOON_US // DAY_US * DAY_US + (DAYS - 1) * DAY_US + (hours - 2) * HOUR_US


@pytest.mark.parametrize(("behind", "away"), [([1], [3, 4, 5]), ([1, 2], [5])])
def test_a_neighbour_whose_clock_is_behind_is_not_held_against_this_one(behind: list[int], away: list[int]) -> None:
    """One of two, or two of four: what half of the neighbours say has no majority, and its own wave keeps its place."""
    mean, spread = weather()
    for column in behind:
        mean[LATE, column] = np.roll(mean[:, column], -9)[LATE]
    mean[:, away] = np.nan
    assert judged(mean[:-24], spread[:-24]) == []


def test_a_clock_whose_wave_fades_is_held_against_nobody_any_more() -> None:
    """What cannot be read says nothing: the finding ends, instead of standing as long as the sky is overcast."""
    mean, spread = weather()
    mean[LATE, 0] = np.roll(mean[:, 0], -9)[LATE]
    mean[HOUR >= (FROM_DAY + 10) * 24, 0] = 15 + np.random.default_rng(1).normal(0, 1, 20 * 24)
    (episode,) = (e for e in judged(mean, spread) if e.subject.kind == "clock")
    assert episode.until_us is not None
    assert episode.until_us < NOON_US + (FROM_DAY + 17) * DAY_US


def test_two_sensors_that_have_changed_places() -> None:
    mean, spread = weather()
    mean[:, 1] += 8
    mean[LATE, 0], mean[LATE, 1] = mean[LATE, 1].copy(), mean[LATE, 0].copy()
    (episode,) = judged(mean, spread)
    assert kinds([episode]) == [("swapped", Cause.SENSOR)]
    assert episode.evidence["with"] == 2
    # Side by side, what each says: the other's level, eight degrees away.
    own, other = episode.evidence["picture"]["channels"]
    assert other["observed"][-1] == pytest.approx(own["observed"][-1] - 8, abs=2)


@pytest.mark.parametrize("apart", [0.4, -0.4])
def test_gauges_of_two_ponds_that_rise_and_fall_together_have_changed_places(apart: float) -> None:
    """Both move by ten times what lies between them: neither's own past tells them apart, their difference does."""
    rng = np.random.default_rng(3)
    mean = 3 + 2 * np.sin(HOUR / 300)[:, None] + rng.normal(0, 0.01, (len(HOUR), 6)) + np.linspace(-1, 1, 6) * apart
    spread = np.full(mean.shape, 0.02) + 0.002 * rng.random(mean.shape)
    mean[LATE, 0], mean[LATE, 1] = mean[LATE, 1].copy(), mean[LATE, 0].copy()
    assert kinds(judged(mean, spread)) == [("swapped", Cause.SENSOR)]


@pytest.mark.parametrize("days", [0, 8])
def test_one_pond_that_falls_below_its_neighbour_is_no_exchange(days: int) -> None:
    """At once or by and by: their difference changes its sign, but their mean has moved with it."""
    rng = np.random.default_rng(3)
    mean = 3 + rng.normal(0, 0.01, (len(HOUR), 6))
    mean[:, 0] += 0.2
    mean[:, 0] -= np.clip((HOUR - FROM_DAY * 24) / max(days * 24, 1), 0, 1) * 0.4
    course = evidence.swapped(mean, 0, 1, [2, 3, 4, 5])
    assert (course.off > 0).any()
    assert not course.alarm.any()


def test_a_battery_is_told_weeks_before() -> None:
    """A slope of 10 mV a day from 3.6 V reaches 3.0 V in sixty days: told thirty days before, with the day."""
    own = (stream(1, "battery", unit="V"),)
    mean = 3.6 + 0.003 * np.random.default_rng(3).normal(size=(len(HOUR), 1))
    assert judged(mean, np.full(mean.shape, 0.01), own) == []
    mean[HOUR >= 240, 0] -= (HOUR[HOUR >= 240] - 240) * 0.010 / 24
    (episode,) = judged(mean, np.full(mean.shape, 0.01), own)
    assert episode.subject.kind == "battery"
    start_us = NOON_US // DAY_US * DAY_US
    assert (episode.since_us - start_us) / DAY_US == pytest.approx(40, abs=3)
    # Five days on, its trend is drawn on to the day at which it will stop.
    (early,) = judged(mean[: 45 * 24], np.full((45 * 24, 1), 0.01), own)
    (shown,), (low_v,) = (early.evidence["picture"][key] for key in ("channels", "limits"))
    assert (shown["at_us"][-1], shown["observed"][-1]) == (early.evidence["empty_us"], None)
    assert shown["low"][-2:] == shown["high"][-2:] == [shown["observed"][-2], low_v]


def _drift(mean: Floats, _: Floats) -> Floats:
    alike = np.ones(5, bool)
    days = evidence.daily(mean)
    return evidence.divergence(days[:, 0], days[:, 1:], least=1.5, alike=alike).off


def _clock(mean: Floats, _: Floats) -> Floats:
    phases = evidence.phase_h(mean)
    return evidence.clock(phases[:, :1], [phases[:, 1:]]).off


@pytest.mark.parametrize(
    "figures",
    [
        _drift,
        _clock,
        lambda mean, spread: evidence.noise(Hours(0, mean, spread), 0).course.off,
        lambda mean, _: evidence.swapped(mean, 0, 1, [2, 3, 4, 5]).off,
    ],
    ids=["drift", "clock", "noise", "swapped"],
)
def test_what_is_said_of_a_step_never_changes(figures: Callable[[Floats, Floats], Floats]) -> None:
    """Cut off anywhere, the figures before are the same: nothing rests on later rows."""
    mean, spread = weather()
    mean[:, 1] += 8
    mean[LATE, 0] += 3
    whole = figures(mean, spread)
    assert np.isfinite(whole).any()
    for end in (40 * 24, 61 * 24 + 6, 70 * 24 + 12):
        cut = figures(mean[:end], spread[:end])
        np.testing.assert_allclose(whole[: len(cut)], cut)


def test_on_a_real_store_and_judged_late(region: Region) -> None:
    """Through the jobs: a drifting thermometer among four is the sensor's; what came weeks late is history."""
    rng = np.random.default_rng(4)
    common = 15 + 4 * np.cos((HOUR - 6) * 2 * np.pi / 24)
    for name in ("a", "b", "c", "d"):
        region.add_asset(name, "paddy", ["water_temperature"], interval_s=3600)
        values = common + rng.normal(0, 0.2, len(HOUR))
        if name == "a":
            values[LATE] += (HOUR[LATE] - FROM_DAY * 24) / 200
        region.put(name, "water_temperature", [(NOON_US + int(h) * HOUR_US, float(values[h])) for h in HOUR])
    region.digest(NOON_US + DAYS * DAY_US)
    (finding,) = region.findings()
    assert (finding.kind, finding.cause, finding.asset_id) == ("drift", "sensor", "a")
    assert (finding.until_us, finding.historical) == (None, False)
    # The same is history where it is first judged a month later.
    with changing(region.registry) as session:
        session.execute(delete(Finding))
        session.execute(delete(Cursor))
    region.digest(NOON_US + (DAYS + 30) * DAY_US)
    assert [row.historical for row in region.findings("drift")] == [True]
