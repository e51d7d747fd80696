"""What people say of alerts lowers the sensitivity to a cause, never to a danger; what is undone leaves no trace."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, select

from satomori_analytics import detectors, jobs, sensitivity
from satomori_analytics.checks import Flat
from satomori_analytics.judge import judge_series
from satomori_analytics.limits import judge_limits
from satomori_analytics.playbook import Limit, Metric, Playbook
from satomori_analytics.playbook_files import load_playbooks
from satomori_analytics.sentences import Place
from satomori_analytics.silence import Heard, judge_silence
from satomori_analytics.slow import items_of
from satomori_analytics.views import Quantity, Series, View
from satomori_analytics.watching import Watched
from satomori_analytics.world import Stream, WatchedAsset, load_sensitivity, load_world, with_sensitivity
from satomori_core.clock import DAY_US, MINUTE_US, SECOND_US
from satomori_core.vocabulary import Level
from satomori_maintenance.alerts import judge, unjudge
from satomori_maintenance.rows import FindingReader
from satomori_store.models import Alert
from satomori_store.opening import open_ledger, open_registry, open_store
from satomori_store.transactions import raise_feedback, transaction
from support.analytics_region import NOON_US, Region, open_region

PLACE = Place("一の池", "Pond 1", "上郷", "Kamigo", "Asia/Tokyo")
STREAM = Stream(1, "a", "water_level", "m", 60, "node", "水位計", "Gauge", "gw")
TEXTS: dict[str, Any] = dict.fromkeys(("source", "ja", "en", "advice_ja", "advice_en"), "x")
LIMITS = Playbook(
    "x", "x",
    limit={
        "w": Limit(on="water_level", level="warning", high=2.0, for_s=600, **TEXTS),
        "d": Limit(on="water_level", level="danger", high=3.0, for_s=60, **TEXTS),
    },
)  # fmt: skip


def asset(**steps: int) -> WatchedAsset:
    return WatchedAsset("a", "irrigation_pond", "town", PLACE, {}, (STREAM,), steps=steps)


def minutes(asset_: WatchedAsset, values: Sequence[float]) -> View:
    at_us = NOON_US + np.arange(len(values), dtype=np.int64) * MINUTE_US
    return View(asset_, Quantity("water_level", "m", "水位", "Water level"), at_us, np.array(values, np.float64))


def beyond(minutes_: int, level_m: float, steps: int) -> list[Level]:
    told = asset(**{"limit:a:water_level:high": steps}) if steps else asset()
    return [e.level for e in judge_limits(minutes(told, [1.0] + [level_m] * (minutes_ + 1) + [1.0]), LIMITS)]


def test_a_limit_below_danger_waits_longer_and_is_told_in_the_end() -> None:
    """Ten minutes by the playbook: twenty, forty, eighty after one, two, three false alarms."""
    for steps, wait in enumerate((10, 20, 40, 80)):
        assert beyond(wait, 2.5, steps) == [Level.WARNING], steps
        assert beyond(wait - 1, 2.5, steps) == [], steps


def test_a_danger_is_told_as_soon_as_ever() -> None:
    """However often people said false of the same cause, its other level's included."""
    for steps in range(4):
        assert beyond(1, 3.5, steps) == [Level.DANGER]
        assert beyond(0, 3.5, steps) == []


def test_what_has_no_time_gets_one_and_none_gets_more_than_a_day() -> None:
    assert [sensitivity.longer_s(0, factor) for factor in (1, 2, 8)] == [0, 300, 2100]
    assert sensitivity.longer_s(10 * 86400, 8) == 11 * 86400


def test_only_the_series_that_was_judged_is_less_sensitive() -> None:
    other = asset(**{"limit:a:flow:high": 3, "limit:a:water_level:low": 3})
    assert [e.level for e in judge_limits(minutes(other, [1.0] + [2.5] * 11 + [1.0]), LIMITS)] == [Level.WARNING]


def test_a_stuck_sensor_is_told_later() -> None:
    """An hour by the playbook; after a false alarm 90 minutes are none, and after two hours it is told."""
    playbook = Playbook("x", "x", metric={"water_level": Metric(flat=Flat(suspect_s=1800, fail_s=3600, tolerance=0))})
    for steps, told in ((0, 1), (1, 0)):
        judged = asset(**{"stuck:a:water_level:1": steps})
        for still, expected in ((90, told), (125, 1)):
            value = np.concatenate([np.arange(60) % 7, np.full(still, 3.3)]).astype(np.float64)
            at_us = NOON_US + np.arange(len(value), dtype=np.int64) * MINUTE_US
            good = np.ones(len(value), np.int8)
            found = judge_series(judged, playbook, STREAM, Series(at_us, value, good, good)).episodes
            assert [e.subject.kind for e in found] == ["stuck"] * expected, (steps, still)


def test_detectors_that_learn_get_less_of_the_budget_or_wait_longer() -> None:
    """An eighth of the share, or of a budget of its own; one without a budget waits."""
    playbooks = load_playbooks()
    seasonal = playbooks.general["sewer_manhole"].watch["level_seasonal"]
    key = "a:water_level:1"
    for steps in range(4):
        judged = asset(**{f"level_seasonal:{key}": steps})
        built = Watched(judged, "level_seasonal", seasonal, key, 0.4).build()
        assert isinstance(built, detectors.BY_NAME["univariate"].make)  # type: ignore[arg-type]
        assert 10**built.log_budget == pytest.approx(0.4 / 2**steps)  # type: ignore[attr-defined]
        own = replace(seasonal, options={**seasonal.options, "false_alarms_per_month": 0.1})
        built = Watched(judged, "level_seasonal", own, key, 0.4).build()
        assert 10**built.log_budget == pytest.approx(0.1 / 2**steps)  # type: ignore[attr-defined]
        danger = Watched(
            judged, "level_seasonal", replace(seasonal, level="danger", shared_within_km=0.0), key, 0.4
        ).build()
        assert 10**danger.log_budget == pytest.approx(0.4)  # type: ignore[attr-defined]
    shift = playbooks.general["bridge"].watch["frequency_shift"]
    usual = Watched(asset(), "frequency_shift", shift, "a").build()
    later = Watched(asset(**{"frequency_shift:a": 1}), "frequency_shift", shift, "a").build()
    assert later.for_s == sensitivity.longer_s(usual.for_s, 2) > usual.for_s  # type: ignore[attr-defined]


def test_what_rests_on_days_is_read_for_longer() -> None:
    playbook = load_playbooks().general["paddy"]
    usual, lowered = (items_of(a, playbook, STREAM)[0][1].history_s for a in (asset(), asset(**{"drift:x": 2})))
    assert lowered - usual == 3 * 86400


def test_silence_is_told_later_where_it_was_no_trouble(region: Region) -> None:
    for name in ("pond", "other"):
        region.add_asset(name, "irrigation_pond", ["water_level"], interval_s=60)
    told_after = next(m for m in range(1, 600) if _silent(region, m, 0))
    assert not _silent(region, 2 * told_after - 2, 1)
    assert _silent(region, 2 * told_after + 10, 1)


def _silent(region: Region, minutes_: int, steps: int) -> bool:
    """Whether the pond's gauge is silent so long after its last word, while the other one goes on."""
    name, now_us = "silent:pond:pond-node", NOON_US + minutes_ * MINUTE_US
    world = with_sensitivity(load_world(region.registry, NOON_US), {"pond": {name: steps}} if steps else {})
    pond, other = region.streams["pond", "water_level"], region.streams["other", "water_level"]
    heard = Heard({pond: NOON_US, other: now_us}, {pond: NOON_US, other: now_us}, {})
    return name in judge_silence(world, region.playbooks, heard, now_us)


@pytest.mark.parametrize("kind", ["univariate", "multichannel", "limit", "stuck", "drift", "peers", "silent"])
def test_each_effect_is_told_in_both_languages(kind: str) -> None:
    texts = {sensitivity.effect(kind, f"{kind}:name", Level.WATCH, factor) for factor in (1, 2, 4, 8)}
    assert len(texts) == 4
    assert all(ja != en for ja, en in texts)


def test_the_danger_limit_is_said_to_be_unchanged() -> None:
    ja, en = sensitivity.effect("limit", "limit:high", Level.DANGER, 2)
    assert "危険の基準は変わりません" in ja
    assert "danger limit is unchanged" in en


def test_what_has_no_knob_is_said_to_have_none() -> None:
    assert "no sensitivity" in sensitivity.effect("unheard-of", "unheard-of", Level.WATCH, 8)[1]


def test_a_detector_that_tells_of_a_danger_is_said_to_stay_as_it_is() -> None:
    """As it does: see the budget of one whose level is danger, above."""
    assert "not lowered" in sensitivity.effect("leak", "leak:leak", Level.DANGER, 8)[1]


# ------------------------------------------------------------------ the service

HISTORY, LIVE = 16 * 144, 4 * 144


def levels(rng: np.random.Generator, start: int, count: int) -> np.ndarray:
    return 0.3 + 0.15 * np.sin(np.arange(start, start + count) / 144 * 2 * np.pi) + rng.normal(0, 0.01, count)


def with_history(state: Path) -> None:
    """Sixteen days of a sewer's daily wave with four floods, judged."""
    region = open_region(state)
    region.add_asset("manhole", "sewer_manhole", ["water_level"], interval_s=600)
    level = levels(np.random.default_rng(2), 0, HISTORY)
    for flood in (1100, 1400, 1700, 2000):
        level[flood : flood + 6] += 0.8
    put(region, level, 0)
    region.digest(NOON_US + HISTORY * 600 * SECOND_US)
    region.close()


def put(region: Region, level: np.ndarray, start: int) -> None:
    at_us = NOON_US + (start + np.arange(len(level), dtype=np.int64)) * 600 * SECOND_US
    region.put("manhole", "water_level", list(zip(at_us.tolist(), level.tolist(), strict=True)))


def live(state: Path, words: int, *, undone: bool = False) -> list[tuple[int, int | None, float]]:
    """Four days more, after `words` times "false": (since, until, confidence) of univariate findings in them."""
    stream = {("manhole", "water_level"): 1}
    region = Region(state, open_registry(state, None), open_ledger(state, None), open_store(state, None), stream)
    now_us = NOON_US + HISTORY * 600 * SECOND_US
    with transaction(region.registry) as session:
        FindingReader().follow(session, now_us, 0)
        query = select(Alert.id).where(Alert.fingerprint.like("level_seasonal:%")).order_by(Alert.id)
        alerts = session.scalars(query).all()
        assert len(alerts) >= 3
        for place, alert in enumerate(alerts[:words]):
            judge(session, alert, "false", "yamada", note=None, now_us=now_us + place)
        if undone:
            for alert in alerts[:words]:
                unjudge(session, alert, "suzuki", now_us + 10)
    name = "level_seasonal:manhole:water_level:1"
    assert load_sensitivity(region.registry) == ({"manhole": {name: words}} if words and not undone else {})
    level = levels(np.random.default_rng(3), HISTORY, LIVE)
    level[20:26] += 0.8  # a flood like those before
    level[300:360] -= 5.0  # like nothing before
    put(region, level, HISTORY)
    region.digest(now_us + 4 * DAY_US)
    found = [(f.since_us, f.until_us, f.confidence) for f in region.findings("univariate") if f.since_us >= now_us]
    region.close()
    return found


def test_what_people_said_is_read_when_it_is_new_and_not_in_each_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    region, read = open_region(tmp_path), []

    def counted(engine: Engine) -> dict[str, dict[str, int]]:
        read.append(1)
        return load_sensitivity(engine)

    monkeypatch.setattr(jobs, "load_sensitivity", counted)
    analyst = region.analyst()
    for word, so_far in ((False, 1), (True, 2), (False, 2)):
        if word:
            with transaction(region.registry) as session:
                raise_feedback(session)
        for _ in range(3):
            analyst.round(NOON_US)
        assert len(read) == so_far
    region.close()


def test_false_alarms_make_fewer_alarms_and_undoing_them_restores_all(tmp_path: Path) -> None:
    """The same four days after no word, after three times "false", and after that was undone."""
    with_history(tmp_path / "history")
    for name in ("plain", "lowered", "undone"):
        shutil.copytree(tmp_path / "history", tmp_path / name)
    plain = live(tmp_path / "plain", 0)
    lowered = live(tmp_path / "lowered", 3)
    assert [since for since, *_ in lowered] == [since for since, *_ in plain][1:]  # what nobody can miss is left
    assert len(plain) == 2
    assert live(tmp_path / "undone", 3, undone=True) == plain
