"""What to look at first: the order's properties, the formulas, the rules, and the command on the sample region."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from satomori_analytics.settings import AnalyticsSettings
from satomori_analytics.triage import shaking
from satomori_analytics.triage.cli import triage
from satomori_analytics.triage.order import Event, Quake, Ranked, Subject, order, parse_told
from satomori_analytics.triage.region import gauged_rain, load_subjects
from satomori_analytics.triage.rules import HAZARDS, Hazard, load_rules
from satomori_core.classes import classes
from satomori_core.clock import HOUR_US, MINUTE_US, now_us
from satomori_core.errors import RejectedError, SettingsError
from satomori_core.vocabulary import Cause, Level, Quality
from satomori_sample.prepare import registry_text
from satomori_sample.region import build_region
from satomori_store.models import Finding
from satomori_store.opening import open_registry
from satomori_store.port import AssetStatus
from satomori_store.registry import import_registry
from satomori_store.transactions import transaction
from support.analytics_region import Region

RULES = load_rules()
BRIDGE = Subject("b", "bridge", "ueno", "一番橋", "First Bridge", 34.0, 134.0, 1962, {"健全度": "Ⅲ"})
RATINGS = ("I", "II", "III", "IV")


def told(hazard: Hazard, **places: float) -> Event:
    return Event({hazard: places})


def ranks(event: Event, subjects: Sequence[Subject]) -> dict[str, Ranked]:
    return {each.asset_id: each for each in order(event, subjects, RULES)}


subjects = st.builds(
    Subject,
    id=st.just("a"),
    class_=st.sampled_from([*RULES.general.assets, "lighthouse"]),
    municipality=st.just("ueno"),
    name=st.just("甲"),
    name_en=st.just("A"),
    latitude=st.floats(33, 36),
    longitude=st.floats(132, 137),
    built_year=st.none() | st.integers(1600, 2026),
    attributes=st.fixed_dictionaries(
        {}, optional={"健全度": st.sampled_from(["Ⅰ", "II", "Ⅲ", "IV", "?"]), "重要度": st.sampled_from("ABC高")}
    ),
    level=st.sampled_from(Level),
    findings=st.integers(0, 9),
)
TOP = {"earthquake": 7.5, "rain": 1000.0, "wind": 60.0, "flood": 10.0, "river": 5.0}


@given(subject=subjects, hazard=st.sampled_from(HAZARDS), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_stronger_event_never_ranks_lower(subject: Subject, hazard: Hazard, shares: tuple[float, float]) -> None:
    """Of two assets that differ in nothing but the event's strength, the one that was hit harder never stands after."""
    weak, strong = (TOP[hazard] * share for share in sorted(shares))
    first, second = replace(subject, id="b", municipality="strong"), replace(subject, id="a", municipality="weak")
    found = ranks(told(hazard, strong=strong, weak=weak), [first, second])
    # Where points are the same (as for a class that it is no matter for), the id decides.
    assert found["b"].rank < found["a"].rank or (found["b"].verdict, found["b"].score) == (
        found["a"].verdict,
        found["a"].score,
    )


@given(
    subject=subjects,
    magnitude=st.floats(4, 9),
    depth=st.floats(0, 300),
    kms=st.tuples(st.floats(0, 900), st.floats(0, 900)),
)
def test_nearer_never_ranks_lower(subject: Subject, magnitude: float, depth: float, kms: tuple[float, float]) -> None:
    """North of the epicentre by so many km: the nearer of two equal assets never stands after the other."""
    near, far = (34 + math.degrees(km / shaking.EARTH_KM) for km in sorted(kms))
    first = replace(subject, id="b", latitude=near, longitude=134.0)
    second = replace(subject, id="a", latitude=far, longitude=134.0)
    found = ranks(Event(quake=Quake(34.0, 134.0, magnitude, depth)), [first, second])
    assert found["b"].rank < found["a"].rank or found["b"].score == found["a"].score


@given(
    subject=subjects,
    strength=st.floats(0, 7.5),
    ratings=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    levels=st.tuples(st.sampled_from(Level), st.sampled_from(Level)),
    findings=st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
def test_a_worse_state_never_ranks_lower(
    subject: Subject,
    strength: float,
    ratings: tuple[int, int],
    levels: tuple[Level, Level],
    findings: tuple[int, int],
) -> None:
    """A worse rating, a worse level, more findings: each alone never moves an asset back."""
    changes: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"attributes": {"健全度": RATINGS[max(ratings)]}}, {"attributes": {"健全度": RATINGS[min(ratings)]}}),
        ({"level": max(levels)}, {"level": min(levels)}),
        ({"findings": max(findings)}, {"findings": min(findings)}),
    ]
    for worse, better in changes:
        pair = [replace(subject, id="b", **worse), replace(subject, id="a", **better)]
        found = ranks(told("earthquake", ueno=strength), pair)
        assert found["b"].rank < found["a"].rank or found["b"].score == found["a"].score, worse


def test_each_thing_that_is_known_moves_an_asset_forward() -> None:
    """Not only never lower: each of these alone puts the bridge before its twin."""
    twin = replace(BRIDGE, built_year=1995, attributes={"健全度": "I"})
    changes: tuple[dict[str, Any], ...] = (
        {"attributes": {"健全度": "II"}},
        {"attributes": {"判定区分": "ⅳ"}},
        {"attributes": {}},
        {"attributes": {"健全度": "I", "重要度": "Ａ"}},
        {"built_year": 1962},
        {"built_year": None},
        {"level": Level.WATCH},
        {"findings": 1},
    )
    for change in changes:
        changed = replace(twin, id="z", **change)
        assert order(told("earthquake", ueno=5.0), [twin, changed], RULES)[0].asset_id == "z", change


def test_the_reasons_are_said_in_both_languages() -> None:
    subject = replace(BRIDGE, findings=1, level=Level.WARNING, attributes={"健全度": "Ⅲ", "importance": "A"})
    [ranked] = order(told("earthquake", ueno=5.9), [subject], RULES)
    assert " · ".join(ranked.reasons_ja) == "震度6弱 · 健全度III · 1962年 · 状態: 警戒 · 開いた所見1件 · 重要度A"
    assert " · ".join(ranked.reasons_en) == (
        "JMA intensity 6-lower · health III · built 1962 · stands at warning · 1 open finding · importance A"
    )
    # 2.8 steps beyond 震度5弱; rating 1, age 1, level 1, finding 0.25, importance 1
    assert (ranked.verdict, ranked.score) == ("look", 7.05)
    assert "支承" in ranked.look_ja
    assert "bearings" in ranked.look_en


def test_all_bridges_are_looked_at_from_5_lower_and_bad_ones_earlier() -> None:
    """震度5弱 calls for the best bridge; 震度4 only for one in a bad state; 震度3 for none, however bad."""
    best = replace(BRIDGE, built_year=2015, attributes={"健全度": "I"})
    worst = replace(BRIDGE, attributes={"健全度": "IV"}, level=Level.DANGER, findings=9)
    verdicts = {
        (value, name): order(told("earthquake", ueno=value), [subject], RULES)[0].verdict
        for value in (4.5, 4.4, 3.5, 3.4)
        for name, subject in (("best", best), ("worst", worst))
    }
    assert [verdicts[value, "best"] for value in (4.5, 4.4, 3.5, 3.4)] == ["look", "wait", "wait", "wait"]
    assert [verdicts[value, "worst"] for value in (4.5, 4.4, 3.5, 3.4)] == ["look", "look", "look", "wait"]


def test_age_counts_where_a_design_standard_does() -> None:
    """A bridge from before the seismic standard stands before a newer one after an earthquake, not after rain."""
    pair = [replace(BRIDGE, id="a", built_year=1995), replace(BRIDGE, id="b", built_year=1962)]
    shaken, wet = (order(event, pair, RULES) for event in (told("earthquake", ueno=5.0), told("rain", ueno=100)))
    assert [each.asset_id for each in shaken] == ["b", "a"]
    assert [each.score for each in wet] == [1.5, 1.5]
    assert wet[1].reasons_en == ("24-hour rain 100 mm", "health III", "built 1962")


def test_a_class_that_an_event_is_no_matter_for_stands_last() -> None:
    """However bad it is, behind what was looked into and found to wait; without points."""
    slope = replace(BRIDGE, id="slope", class_="slope", level=Level.DANGER)
    found = order(told("flood", ueno=0.1), [slope, replace(BRIDGE, attributes={"健全度": "I"})], RULES)
    assert [(each.asset_id, each.verdict, each.score) for each in found] == [
        ("b", "wait", -0.8),
        ("slope", "wait", None),
    ]


def test_a_full_river_calls_for_bridges_and_levees_then_for_pumps_and_for_no_slope() -> None:
    classes = ("bridge", "levee", "slope", "pump_station")
    subjects = [replace(BRIDGE, id=name, class_=name, attributes={"健全度": "I"}) for name in classes]
    for level, called in ((1.0, set()), (2.0, {"bridge", "levee"}), (3.0, {"bridge", "levee", "pump_station"})):
        found = ranks(told("river", ueno=level), subjects)
        assert {name for name, each in found.items() if each.verdict == "look"} == called
    assert found["levee"].reasons_ja[0] == "河川水位レベル3"


def test_a_pond_with_a_high_dam_has_its_own_intensity() -> None:
    """神戸市's rule: 震度4 where the dam is 15 m high, as an attribute says; nonsense there is none."""
    pond = Subject("p", "irrigation_pond", "ueno", "池", "Pond", 34, 134, 1990, {"健全度": "I"})
    for own, verdict in ((3.5, "look"), ("3.5", "look"), ("高い", "wait"), (None, "wait")):
        subject = replace(pond, attributes={"健全度": "I", "look_from_intensity": own})
        assert order(told("earthquake", ueno=3.6), [subject], RULES)[0].verdict == verdict


def test_where_nobody_knows_is_between_going_and_waiting() -> None:
    """An asset of a municipality of which nothing was told is neither safe nor hit; the worse one stands first."""
    hit, calm = replace(BRIDGE, id="hit"), replace(BRIDGE, id="calm", municipality="kawabe")
    dark = [replace(BRIDGE, id=f"dark-{r}", municipality="oku", attributes={"健全度": r}) for r in ("I", "IV")]
    found = order(told("rain", ueno=100, kawabe=5), [calm, *dark, hit], RULES)
    assert [(each.asset_id, each.verdict) for each in found] == [
        ("hit", "look"), ("dark-IV", "unknown"), ("dark-I", "unknown"), ("calm", "wait"),
    ]  # fmt: skip
    assert found[1].score is None
    assert found[1].reasons_ja[0] == "強さ不明"


def test_of_several_kinds_of_event_the_worst_calls() -> None:
    """A greenhouse in rain and wind: both are said, the one that is more beyond its limit says what to look at."""
    house = Subject("g", "greenhouse", "ueno", "棟", "House", 34, 134)
    [ranked] = order(Event({"rain": {"ueno": 125}, "wind": {"ueno": 28}}), [house], RULES)
    assert ranked.reasons_ja == ("24時間雨量125 mm", "最大風速28 m/s")
    assert "被覆の破れ" in ranked.look_ja
    assert ranked.score == 2.6


def test_an_observed_intensity_stands_before_the_estimate() -> None:
    quake = Quake(34.0, 134.0, 7.0, 10)
    near = replace(BRIDGE, latitude=34.05)
    event = Event({"earthquake": {"ueno": 3.0}}, quake)
    found = ranks(event, [near, replace(near, id="other", municipality="kawabe")])
    assert found["b"].verdict == "wait"
    assert found["other"].reasons_ja[0] == "震度6弱（推定、震央から6 km）"


@pytest.mark.parametrize(
    ("magnitude", "depth_km", "epicentral_km", "expected"),
    [(7.0, 10, 5, 5.79), (7.0, 10, 100, 3.90), (5.0, 10, 10, 3.58), (6.5, 50, 30, 4.19), (9.0, 24, 150, 6.38)],
)
def test_estimated_intensities(magnitude: float, depth_km: float, epicentral_km: float, expected: float) -> None:
    """The formulas written a second time, as products instead of logarithms; no published table was at hand."""
    mw = magnitude - 0.171
    x = max(math.sqrt(epicentral_km**2 + depth_km**2) - 10 ** (0.5 * mw - 1.85) / 2, 3)
    pgv600 = 10 ** (0.58 * mw + 0.0038 * depth_km - 1.29 - 0.002 * x) / (x + 0.0028 * 10 ** (0.5 * mw))
    again = 2.68 + 1.72 * math.log10(1.31 * pgv600)
    found = shaking.intensity(magnitude, depth_km, epicentral_km)
    assert found == pytest.approx(again, abs=1e-9)
    assert found == pytest.approx(expected, abs=0.006)
    assert shaking.intensity(magnitude, depth_km, epicentral_km, 2.0) == pytest.approx(found + 0.518, abs=0.001)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5.6", 5.6),
        ("6弱", 5.75),
        ("震度６弱", 5.75),
        ("6-lower", 5.75),
        ("5強", 5.25),
        ("4", 4.0),
        ("7", 7.0),
        ("0", 0.0),
    ],
)
def test_intensities_as_people_write_them(text: str, value: float) -> None:
    assert shaking.parse_intensity(text) == value
    ja, en = shaking.name_of(value)
    assert shaking.name_of(shaking.parse_intensity(ja)) == shaking.name_of(shaking.parse_intensity(en)) == (ja, en)


@pytest.mark.parametrize("text", ["", "8", "-1", "nan", "inf", "強い", "5弱強"])
def test_what_is_no_intensity_is_refused(text: str) -> None:
    with pytest.raises(RejectedError, match="JMA intensity"):
        shaking.parse_intensity(text)


@pytest.mark.parametrize("texts", [["ueno"], ["=5"], ["ueno="], ["ueno=much"], ["ueno=5", "ueno=6"]])
def test_what_is_not_told_well_is_refused(texts: list[str]) -> None:
    with pytest.raises(RejectedError):
        parse_told("rain", texts)


def test_events_that_can_not_be_are_refused() -> None:
    for make in (
        Event,
        lambda: told("rain", ueno=-1),
        lambda: told("rain", ueno=math.nan),
        lambda: told("wind", ueno=math.inf),
        lambda: Quake(95, 134, 6, 10),
        lambda: Quake(34, math.nan, 6, 10),
        lambda: Quake(34, 134, 12, 10),
        lambda: Quake(34, 134, 6, -1),
        lambda: Quake(34, 134, 6, 10, 0),
    ):
        with pytest.raises(RejectedError):
            make()
    with pytest.raises(RejectedError, match="no asset lies in ueo; municipalities are ueno"):
        order(told("rain", ueo=100), [BRIDGE], RULES)


# ------------------------------------------------------------------ rules


def test_every_class_has_rules_with_sources_in_both_languages() -> None:
    assert set(RULES.general.assets) == set(classes())
    for each in RULES.general.assets.values():
        for look in each.after.values():
            assert all((look.source, look.ja, look.en))
            assert look.ja != look.en


def test_a_municipality_lays_its_own_keys_over(tmp_path: Path) -> None:
    (tmp_path / "all.toml").write_text("[condition]\nrating_iv = 3.0\n")
    (tmp_path / "ueno.toml").write_text("[assets.bridge.after.earthquake]\nlook_from = 3.5\n")
    book = load_rules(tmp_path)
    assert book.of("kawabe") is book.general
    assert [book.of(place).assets["bridge"].after["earthquake"].look_from for place in ("ueno", "kawabe")] == [3.5, 4.5]
    assert [book.of(place).condition.rating_iv for place in ("ueno", "kawabe")] == [3.0, 3.0]
    assert RULES.general.condition.rating_iv == 2.0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[condition]\nrating_iv = 0.1\n", "a worse rating"),
        ("[condition]\ndanger = 0.1\n", "a worse level"),
        ("[condition]\nold = -1\n", "negative"),
        ("[hazard.rain]\nstep = 0\n", "step"),
        ("[hazard.rain]\nsteps = 1\n", "did you mean 'step'"),
        ("[assets.bridge.after.quake]\nlook_from = 4\nsource = 'x'\nja = 'x'\nen = 'x'\n", "kinds of event"),
        ("[assets.tower.after.wind]\nlook_from = 4\n", "'source' is missing"),
    ],
)
def test_wrong_rules_are_refused_with_their_file(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "ueno.toml").write_text(text)
    with pytest.raises(SettingsError, match=complaint) as caught:
        load_rules(tmp_path)
    assert "ueno.toml" in str(caught.value)


def test_a_municipality_reads_what_holds_for_it(tmp_path: Path) -> None:
    """`satomori triage rules`: ours with their sources, and of its own file what differs."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "ueno.toml").write_text("[assets.bridge.after.earthquake]\nlook_from = 3.5\n")
    config = tmp_path / "satomori.toml"
    config.write_text(f"[analytics]\ntriage_dir = '{tmp_path / 'rules'}'\n")
    rows = json.loads(run(tmp_path, "rules", "--config", str(config), "--json").output)
    assert len(rows) == sum(len(each.after) for each in RULES.general.assets.values()) + 1
    assert all(row["source"] for row in rows)
    assert [(row["municipality"], row["class"], row["after"], row["look_from"]) for row in rows[-1:]] == [
        ("ueno", "bridge", "earthquake", 3.5)
    ]


def test_a_folder_that_is_not_there_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such folder"):
        load_rules(tmp_path / "nowhere")
    assert AnalyticsSettings().triage_dir is None


# ------------------------------------------------------------------ the region


def put_finding(region: Region, asset: str, level: Level, cause: Cause, **more: Any) -> None:
    row: dict[str, Any] = {
        "fingerprint": f"{asset}{level}{cause}{more}", "kind": "limit", "cause": cause.value, "asset_id": asset,
        "datastream_id": None, "gateway_id": None, "detector": "x", "level": int(level), "confidence": 1.0,
        "since_us": 1, "until_us": None, "found_us": 1, "updated_us": 1, "historical": False, "text_ja": "x",
        "text_en": "x", "advice_ja": "x", "advice_en": "x",
    }  # fmt: skip
    with transaction(region.registry) as session:
        session.add(Finding(**{**row, **more}))


def test_an_asset_stands_at_its_fresh_status_or_at_worse_findings(region: Region) -> None:
    """A stale status says nothing; ended, historical and sensor findings do not count."""
    now = now_us()
    for name in ("fresh", "stale", "found"):
        region.add_asset(name, "bridge", ["tilt"])
    for name, at_us in (("fresh", now - MINUTE_US), ("stale", now - HOUR_US), ("found", now)):
        point = AssetStatus(at_us, name, "bridge", "town", int(Level.WATCH), "x", at_us, 35.0, 139.0)
        region.store.write_status([point])
    put_finding(region, "found", Level.WARNING, Cause.ASSET)
    put_finding(region, "found", Level.WATCH, Cause.ASSET)
    put_finding(region, "stale", Level.DANGER, Cause.SENSOR)
    put_finding(region, "stale", Level.DANGER, Cause.ASSET, historical=True)
    put_finding(region, "stale", Level.DANGER, Cause.ASSET, until_us=2)
    found = {s.id: (s.level, s.findings) for s in load_subjects(region.registry, region.store, now)}
    assert found == {
        "fresh": (Level.WATCH, 0),
        "stale": (Level.UNKNOWN, 0),
        "found": (Level.WARNING, 2),
        "gw": (Level.UNKNOWN, 0),
    }


def test_the_regions_gauges_tell_the_rain(region: Region) -> None:
    """The wettest gauge of a municipality over 24 hours, without what failed and what fell before."""
    now = now_us()
    region.add_asset("slope", "slope", ["rain", "tilt"])
    region.add_asset("pond", "irrigation_pond", ["rain"])
    region.put("slope", "rain", [(now - hour * HOUR_US, 4.0) for hour in range(1, 24)])
    region.put("slope", "rain", [(now - 25 * HOUR_US, 100.0)])
    region.put("slope", "rain", [(now - MINUTE_US, 150.0)], quality=Quality.FAIL)
    region.put("slope", "tilt", [(now - MINUTE_US, 70.0)])
    region.put("pond", "rain", [(now - MINUTE_US, 1.5)])
    assert gauged_rain(region.registry, region.store, now) == {"town": 92.0}
    done = run(region.state, "storm", "--gauges", "--json")
    found = {row["asset_id"]: row for row in json.loads(done.output)}
    assert found["slope"]["reasons_ja"][0] == "24時間雨量92 mm"
    assert found["slope"]["verdict"] == found["pond"]["verdict"] == "look"
    done = run(region.state, "storm", "--gauges", "--rain", "town=10", "--json")
    assert {row["verdict"] for row in json.loads(done.output)} == {"wait"}


def run(state: Path, *arguments: str) -> Result:
    return CliRunner().invoke(triage, [*arguments, "--state", str(state)], catch_exceptions=True)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample region's registry, without any reading."""
    state = tmp_path_factory.mktemp("sample") / "state"
    file = state.parent / "region.toml"
    file.write_text(registry_text(build_region(), 600), encoding="utf-8")
    engine = open_registry(state, None)
    assert import_registry(engine, file).ok
    engine.dispose()
    return state


def test_an_earthquake_under_the_sample_region(sample: Path) -> None:
    """M 6.3 off the port, 震度6弱 observed in みなと: its bridges by rating, then old ponds; paddies late."""
    done = run(
        sample, "earthquake", "--latitude", "34.05", "--longitude", "133.60", "--magnitude", "6.3",
        "--intensity", "minato=6弱", "--json",
    )  # fmt: skip
    rows = json.loads(done.output)
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    assert {row["asset_id"] for row in rows} >= set(build_region().assets)
    assert [row["asset_id"] for row in rows[:4]] == ["minato-bridge-2", "minato-bridge-1", "oike", "shin-ike"]
    assert rows[0]["reasons_ja"] == ["震度6弱", "健全度III", "1966年"]
    assert rows[0]["class"] == "bridge"
    by_id = {row["asset_id"]: row for row in rows}
    assert by_id["aoba-bridge-1"]["reasons_ja"][0].startswith("震度5")
    assert "推定" in by_id["aoba-bridge-1"]["reasons_ja"][0]
    assert by_id["aoba-bridge-1"]["rank"] < by_id["aoba-bridge-2"]["rank"]  # 1974 and rated II, 1983 and I
    assert by_id["tanaka-paddy-1"]["rank"] > by_id["minato-manhole-1"]["rank"]


@pytest.mark.parametrize(("language", "word", "look"), [("ja", "まず見る", "洗掘"), ("en", "look first", "Scour")])
def test_the_table_speaks_the_asked_language(sample: Path, language: str, word: str, look: str) -> None:
    done = run(sample, "storm", "--rain", "minato=120", "--language", language)
    line = next(line for line in done.output.splitlines() if "minato-bridge-2" in line)
    assert word in line
    assert look in line


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["earthquake"], "say what happened"),
        (["storm"], "say what happened"),
        (["earthquake", "--latitude", "34"], "go together"),
        (["earthquake", "--intensity", "minato=9"], "JMA intensity"),
        (["earthquake", "--intensity", "inaho=5.5"], "no asset lies in inaho; municipalities are aoba, hikari, minato"),
        (["storm", "--rain", "minato"], "MUNICIPALITY=VALUE"),
        (["storm", "--rain", "minato=-3"], "0 to 3000"),
        (["storm", "--gauges"], "say what happened"),
    ],
)
def test_wrong_arguments_are_told(sample: Path, arguments: list[str], complaint: str) -> None:
    """A settings error, so the program ends with 2. Without any rain gauged, --gauges alone says nothing either."""
    done = run(sample, *arguments)
    assert isinstance(done.exception, SettingsError)
    assert complaint in str(done.exception)
