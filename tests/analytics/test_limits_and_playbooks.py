"""Playbooks load and override; each one's limits speak at the right time, in both languages, and not before."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from satomori_analytics.limits import judge_limits
from satomori_analytics.playbook import LEVELS, Limit, Playbook, Watch
from satomori_analytics.playbook_files import load_playbooks
from satomori_analytics.sentences import Place, Span, amount, sentences
from satomori_analytics.views import Quantity, View
from satomori_analytics.world import WatchedAsset
from satomori_core.classes import classes
from satomori_core.clock import MINUTE_US, SECOND_US
from satomori_core.errors import SettingsError
from satomori_core.metrics import catalogue
from satomori_core.vocabulary import Level
from support.analytics_region import NOON_US

PLACE = Place("一の池", "Pond 1", "上郷", "Kamigo", "Asia/Tokyo")
PLAYBOOKS = load_playbooks()
ALL_LIMITS = [
    pytest.param(class_, name, id=f"{class_}-{name}") for class_, p in PLAYBOOKS.general.items() for name in p.limit
]


def asset(attributes: dict[str, Any]) -> WatchedAsset:
    return WatchedAsset("a", "irrigation_pond", "town", PLACE, attributes)


def view(values: list[float], step_us: int = MINUTE_US, **attributes: Any) -> View:
    at_us = NOON_US + np.arange(len(values), dtype=np.int64) * step_us
    return View(
        asset(attributes),
        Quantity("water_level", "m", "水位", "Water level"),
        at_us,
        np.array(values, dtype=np.float64),
    )


def playbook_with(**limits: dict[str, Any]) -> Playbook:
    texts: dict[str, Any] = dict.fromkeys(("source", "ja", "en", "advice_ja", "advice_en"), "x")
    made = {
        name: Limit(**{"on": "water_level", "level": "warning", **texts, **limit}) for name, limit in limits.items()
    }
    return Playbook("x", "x", limit=made)


def test_every_class_has_a_playbook_with_sources_and_advice_in_both_languages() -> None:
    assert set(PLAYBOOKS.general) == set(classes())
    for class_, playbook in PLAYBOOKS.general.items():
        assert playbook.limit, class_
        entries: list[Limit | Watch] = [*playbook.limit.values(), *playbook.watch.values()]
        for limit in entries:
            assert all((limit.source, limit.ja, limit.en, limit.advice_ja, limit.advice_en))
            assert limit.ja != limit.en


@pytest.mark.parametrize(("class_", "name"), ALL_LIMITS)
def test_each_limit_of_each_playbook_on_a_synthetic_series(class_: str, name: str) -> None:
    """Inside nothing; beyond, a finding of its level after `for_s`; back inside by the hysteresis, its end."""
    playbook = PLAYBOOKS.general[class_]
    limit = replace(playbook.limit[name], enabled=True)
    at = limit.high if limit.high is not None else limit.low
    attributes = {}
    if at is None or not np.isfinite(at):
        assert limit.attribute, "a limit without a number needs an attribute"
        at = attributes[limit.attribute] = 5.0
    sign = 1 if limit.side == "high" else -1
    beyond = at + sign * 1e-6
    inside = at - sign * (limit.hysteresis * 1.01 + 1e-6)
    step_us = max(int(limit.for_s), 60) * SECOND_US
    series = view([inside] * 3 + [beyond] * 3 + [inside] * 2, step_us)
    only = Playbook("x", "x", derived=playbook.derived, limit={name: limit})
    seen = View(asset(attributes), Quantity(limit.on, "1", "量", "quantity"), series.at_us, series.values)
    if limit.months:
        seen = View(seen.asset, seen.quantity, seen.at_us - (7 - limit.months[0]) * 30 * 86400 * SECOND_US, seen.values)
    (episode,) = judge_limits(seen, only)
    assert episode.level == LEVELS[limit.level]
    assert (episode.since_us, episode.until_us) == (seen.at_us[3], seen.at_us[6])
    ja, en = episode.texts(episode.level, episode.since_us)
    assert limit.ja in ja
    assert limit.en in en
    assert judge_limits(View(seen.asset, seen.quantity, seen.at_us[:4], seen.values[:4]), only) == [] or not limit.for_s


def test_hysteresis_holds_and_duration_waits() -> None:
    """Chatter around the limit is one episode; a short crossing is none."""
    playbook = playbook_with(high={"high": 2.0, "hysteresis": 0.2, "for_s": 120})
    (episode,) = judge_limits(view([1.0, 2.0, 1.9, 2.1, 1.85, 2.0, 1.7, 1.9]), playbook)
    assert (episode.since_us, episode.until_us) == (NOON_US + MINUTE_US, NOON_US + 6 * MINUTE_US)
    assert judge_limits(view([1.0, 2.5, 2.5, 1.0, 2.5, 1.0]), playbook) == []


def test_levels_of_one_side_are_one_episode() -> None:
    endless = {"high": float("inf"), "level": "watch"}  # where the asset's attribute is missing: no line to draw
    playbook = playbook_with(w={"high": 2.0, "level": "warning"}, d={"high": 3.0, "level": "danger"}, e=endless)
    (going,) = judge_limits(view([1, 2.5, 3.5, 2.5]), playbook)
    assert (going.level, going.evidence["worst_level"], going.evidence["worst"]) == (Level.WARNING, Level.DANGER, 3.5)
    drawn = going.evidence["picture"]
    assert (drawn["limits"], drawn["limit_words"]) == ([2.0, 3.0], [["警戒", "warning"], ["危険", "danger"]])
    (over,) = judge_limits(view([1, 2.5, 3.5, 1]), playbook)
    assert over.level == Level.DANGER


def test_missing_values_say_nothing() -> None:
    playbook = playbook_with(high={"high": 2.0})
    (episode,) = judge_limits(view([1, 3, float("nan"), 3, 1]), playbook)
    assert episode.until_us == NOON_US + 4 * MINUTE_US


def test_an_assets_own_threshold_stands_before_the_playbooks() -> None:
    playbook = playbook_with(high={"high": 2.0, "attribute": "level_warning_m"})
    assert judge_limits(view([2.5, 2.5], level_warning_m=3.0), playbook) == []
    assert len(judge_limits(view([3.5, 3.5], level_warning_m=3.0), playbook)) == 1


@pytest.mark.parametrize("written", [3.0, 3, "3.00", "３．０"])
def test_a_threshold_from_a_ledger_kept_as_csv_is_a_number_too(written: Any) -> None:
    """Where it is no number at all, the playbook's stands."""
    playbook = playbook_with(high={"high": 2.0, "attribute": "level_warning_m"})
    assert judge_limits(view([2.5, 2.5], level_warning_m=written), playbook) == []
    assert len(judge_limits(view([3.5, 3.5], level_warning_m=written), playbook)) == 1
    for nonsense in ("未定", True, None):
        assert len(judge_limits(view([2.5, 2.5], level_warning_m=nonsense), playbook)) == 1


def test_a_carried_limit_stays_on_between_the_limits() -> None:
    """A window that begins in the middle of a finding knows that it was on."""
    playbook = playbook_with(high={"high": 2.0, "hysteresis": 0.5, "for_s": 600})
    carried = {"limit:a:water_level:high": {"high": NOON_US - 3600 * SECOND_US}}
    (episode,) = judge_limits(view([1.7, 1.8, 1.4]), playbook, carried)
    assert episode.until_us == NOON_US + 2 * MINUTE_US
    assert judge_limits(view([1.7, 1.8, 1.4]), playbook) == []


def test_a_municipality_overrides_one_threshold(tmp_path: Path) -> None:
    """Only the keys that differ; for everybody, or for one municipality."""
    (tmp_path / "cattle_barn.toml").write_text("[limit.thi_watch]\nhigh = 70\nsource = 'our vet'\n", encoding="utf-8")
    (tmp_path / "satomori").mkdir()
    (tmp_path / "satomori" / "paddy.toml").write_text("[limit.level_low_watch]\nenabled = false\n", encoding="utf-8")
    playbooks = load_playbooks(tmp_path)
    barn = playbooks.of("cattle_barn", "elsewhere")
    assert barn is not None
    assert barn.limit["thi_watch"].high == 70
    assert barn.limit["thi_warning"].high == 79
    mine, theirs = playbooks.of("paddy", "satomori"), playbooks.of("paddy", "elsewhere")
    assert mine is not None
    assert theirs is not None
    assert (mine.limit["level_low_watch"].enabled, theirs.limit["level_low_watch"].enabled) == (False, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[limit.thi_watch]\nhihg = 70\n", "unknown key 'hihg'; did you mean 'high'"),
        ("[limit.new]\non = 'thi'\n", "limit.new.*a new one needs level, source"),
        ("[limit.thi_watch]\non = 'thii'\n", "unknown metric thii"),
        ("[limit.thi_watch]\nlow = 3\n", "exactly one of high and low"),
        ("[derived.thi]\nindicator = 'thj'\n", "no indicator 'thj'; did you mean 'thi'"),
        ("[metric.ammonia]\nspike = { suspect = 'x', fail = 2 }\n", "'x' is not a number"),
        ("[limit.thi_watch]\nlevel = 'severe'\n", "level"),
        (
            "[watch.w]\ndetector='seasonl'\non=['ammonia']\nlevel='watch'\nsource='s'\nja='a'\nen='b'\nadvice_ja='c'\nadvice_en='d'",
            "no detector 'seasonl'",
        ),
        ("= 3", "not valid TOML"),
    ],
)  # fmt: skip
def test_a_wrong_playbook_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "cattle_barn.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=message) as caught:
        load_playbooks(tmp_path)
    assert "cattle_barn.toml" in str(caught.value)


def test_a_missing_folder_is_said() -> None:
    with pytest.raises(SettingsError, match="no such folder"):
        load_playbooks(Path("/nowhere/at/all"))


def test_what_where_since_when_and_how_bad_in_both_languages() -> None:
    """In the site's own time zone: noon in Japan is half past noon in Adelaide."""
    span = Span(NOON_US, None, NOON_US + 95 * MINUTE_US)
    ja, en = sentences(PLACE, Level.DANGER, ("水位が高い", "the water is high"), ("水位 3 m", "Water 3 m"), span)
    assert ja == "【危険】一の池（上郷）: 水位が高い。水位 3 m。7月15日12:00から1時間35分続いています。"
    assert en == "[danger] Pond 1 (Kamigo): the water is high. Water 3 m, since 12:00 on 15 Jul, for 1 h 35 min."
    there = Place("一の池", "Pond 1", "一の池", "Pond 1", "Australia/Adelaide")
    over = Span(NOON_US, NOON_US + 30 * SECOND_US, NOON_US)
    ja, en = sentences(there, Level.WATCH, ("乾く", "dry"), ("0", "0"), over)
    assert ja == "【注意】一の池: 乾く。0。7月15日12:30から7月15日12:30まで（1分未満）。"
    assert en.endswith("since 12:30 on 15 Jul until 12:30 on 15 Jul (less than 1 min).")


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (32.04, "Cel", "32℃"),
        (0.0123, "deg/h", "0.0123°/h"),
        (1234.5, "m3/h", "1234 m³/h"),
        (7, "{pF}", "7 pF"),
        (72.3, "1", "72.3"),
    ],
)
def test_amounts_read_as_people_write_them(value: float, unit: str, shown: str) -> None:
    assert amount(value, unit) == shown


def test_playbooks_name_only_metrics_of_the_catalogue() -> None:
    for playbook in PLAYBOOKS.general.values():
        assert set(playbook.metric) <= set(catalogue())


def test_a_worse_limit_confirms_the_lesser_ones() -> None:
    """A short, severe event that ends slowly is one episode from its first limit to its last, not two."""
    playbook = playbook_with(
        watch={"high": 2.0, "for_s": 600, "level": "watch"}, danger={"high": 4.0, "for_s": 60, "level": "danger"}
    )
    (episode,) = judge_limits(view([1, 2.5, 4.5, 4.5, 4.5, 3, 3, 3, 3, 1]), playbook)
    assert (episode.since_us, episode.until_us) == (NOON_US + MINUTE_US, NOON_US + 9 * MINUTE_US)
    assert episode.level == Level.DANGER
