"""The console's pure parts: words, numbers, charts, the matrix, settings; and what its pages need of the browser."""

import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from satomori_analytics.condition.ageing import expect, fit
from satomori_analytics.condition.measured import Measured
from satomori_analytics.condition.rates import load_rates
from satomori_analytics.condition.reach import Reach
from satomori_analytics.condition.region import Condition
from satomori_analytics.condition.trend import Trend
from satomori_analytics.condition.urgency import worst_of
from satomori_api.formatting import moment, number, with_unit
from satomori_api.views import AssetView, AuditView, ForecastView, LookView, OrganisationView, QuarantineView
from satomori_core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, from_iso
from satomori_core.errors import SettingsError
from satomori_core.settings import load_settings
from satomori_core.vocabulary import Level
from satomori_dashboards.console import chart
from satomori_dashboards.console.app import STATIC, TilesAllowed
from satomori_dashboards.console.asset import Coming, coming_of, condition_of, evident_limits
from satomori_dashboards.console.assets import parse_level
from satomori_dashboards.console.condition import standing_of
from satomori_dashboards.console.devices import adopt_commands, piles_of, ranges, streams_of
from satomori_dashboards.console.formatting import age
from satomori_dashboards.console.gate import Gate, local_path
from satomori_dashboards.console.look import moved_words, pin_of, urgency
from satomori_dashboards.console.look_form import told_of
from satomori_dashboards.console.region import matrix_of, region_of
from satomori_dashboards.console.settings import ConsoleSettings
from satomori_dashboards.console.texts import LANGUAGES, TEXTS, class_word, metric_word, text
from satomori_store.port import Columns
from support.api_world import make_context

CONSOLE = STATIC.parent
NOW = from_iso("2026-07-03T05:20:00Z")
ASSET = AssetView(
    id="bridge-1", name="一番橋", name_en="First Bridge", class_="bridge", organisation_id="ueno",
    municipality_id="ueno", site_id="s", latitude=36.5, longitude=139.0, built_year=1970, attributes={},
    time_zone="Asia/Tokyo", level=Level.GOOD, level_reason="", since_us=None, groups=(),
)  # fmt: skip
NAMES = {"ueno": "上野町", "kawabe": "川辺村"}


# ------------------------------------------------------------------ condition

CREEP = Measured("movement", "tilt", "deg", 1.2, 1.1, 1.3, Trend(0.5, 0.4, 0.6), None, 90, (), (), "")
SHAKES = replace(CREEP, kind="vibration", metric="vibration", unit="mm/s", rate=None, grade="A")
LIMIT = Reach("tilt", "tilt_high", "warning", 2.2, "deg", 2.0, 1.7, 2.5, "")


def test_the_worst_measured_is_of_the_worst_class_then_the_nearest_to_a_limit_then_surely_changing() -> None:
    still = replace(CREEP, metric="crack_width", rate=Trend(0.1, -0.2, 0.4))
    assert worst_of([], []) is None
    assert worst_of([still, CREEP], []) == CREEP
    assert worst_of([CREEP, still], [replace(LIMIT, metric="crack_width")]) == still
    assert worst_of([CREEP, SHAKES], [LIMIT]) == CREEP
    bad = replace(SHAKES, grade="D")
    assert worst_of([CREEP, bad], [LIMIT]) == bad


def test_a_structures_line_tells_the_nearest_limit_and_ten_years_and_nothing_that_is_not_known() -> None:
    ageing = tuple(expect(1, None, fit(load_rates().general.general)))
    found = Condition("bridge-1", "bridge", "ueno", "II", None, 1, 1970, (SHAKES, CREEP), ageing,
                      (replace(LIMIT, years=9.0), LIMIT))  # fmt: skip
    ja, en = (standing_of(language, found, ASSET, NAMES) for language in LANGUAGES)
    assert (ja.name, ja.sub, ja.href, ja.rating) == ("一番橋", "上野町 · 橋梁", "/asset/bridge-1", "II")
    assert "1年あたり +0.5（+0.4〜+0.6" in ja.measured
    assert "約2年で達する" in ja.reach
    assert "about 2 years" in en.reach
    assert ja.ageing.startswith("10年後に健全度III以上")
    bare = standing_of("ja", replace(found, rating=None, measured=(), ageing=(), reaches=()), ASSET, NAMES)
    assert (bare.rating, bare.measured, bare.reach, bare.ageing) == ("", "", "", "")


def test_an_assets_card_says_what_its_ledger_lacks_and_what_of_it_cannot_be_read() -> None:
    found = Condition("bridge-1", "bridge", "ueno", "II", None, 1, 1970, (), (), (), ("2019 5月 II",),
                      (("mains_km が台帳にない", "the ledger lacks mains_km"),))  # fmt: skip
    ja, en = ([said for said, *_ in condition_of(language, [found], None, ASSET, 0)] for language in LANGUAGES)
    assert ja[1:] == ["mains_km が台帳にない", "読めない点検履歴: 2019 5月 II（「2019-05-30 II」のように書く）"]
    assert en[1] == "the ledger lacks mains_km"
    assert "2019 5月 II" in en[2]


def test_a_slip_in_a_playbook_leaves_the_pages_whole(tmp_path: Path) -> None:
    """Without the limits, which the page then says; they are back when the file is right again."""
    folder, config = tmp_path / "playbooks", tmp_path / "satomori.toml"
    folder.mkdir()
    config.write_text(f'[analytics]\nplaybooks_dir = "{folder}"\n', encoding="utf-8")
    with closing(replace(make_context(tmp_path / "state"), config=config)) as context:
        gate = Gate(context, ConsoleSettings())
        (folder / "bridge.toml").write_text("[limit.tilt_hihg]\nhigh = 1\n", encoding="utf-8")
        assert gate.playbooks() is None
        (folder / "bridge.toml").unlink()
        playbooks = gate.playbooks()
        assert playbooks is not None
        assert playbooks.of("bridge", "ueno") is not None


# ------------------------------------------------------------------ words


def test_every_text_has_both_languages_and_the_same_places() -> None:
    for key, (ja, en) in TEXTS.items():
        assert ja, key
        assert en, key
        assert sorted(re.findall(r"{\w+}", ja)) == sorted(re.findall(r"{\w+}", en)), key


# Beginnings of keys that pages end at run time.
PUT_TOGETHER = (
    "age.", "alerts.acknowledged", "alerts.none_", "alerts.open", "alerts.resolved", "asset.range_", "assets.",
    "cause.", "chart.", "devices.", "judge.hint.", "level.", "look.", "nav.", "operate.ended.",
    "operate.reason.", "operate.state.", "priority.", "quality.", "reason.", "role.", "span.", "verdict.",
)  # fmt: skip


def test_pages_ask_for_every_text_in_the_table_and_for_no_other() -> None:
    places = "|".join({key.split(".")[0] for key in TEXTS})
    asked = {
        key
        for file in CONSOLE.glob("*.py")
        if file.name != "texts.py"
        for key in re.findall(rf"""["']((?:{places})\.[a-z_0-9]+)["']""", file.read_text(encoding="utf-8"))
    }
    assert asked - set(TEXTS) == set()
    assert {key for key in TEXTS if not key.startswith(PUT_TOGETHER)} - asked == set()


def test_what_the_tables_do_not_know_keeps_its_own_name() -> None:
    assert class_word("ja", "wind_turbine") == "wind_turbine"
    assert metric_word("en", "blade_pitch") == "blade_pitch"
    assert metric_word("ja", "soil_ec") == "土壌EC"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (0.00412, "0.004"),
        (3.4212, "3.42"),
        (12.345, "12.3"),
        (20.0, "20"),
        (1234.56, "1,235"),
        (-2.5, "−2.5"),
        (-0.0001, "0"),
        (float("nan"), "–"),
        (3.2e9, "3.2e+09"),
    ],
)
def test_numbers_have_as_many_digits_as_people_read(value: float, shown: str) -> None:
    assert number(value) == shown


def test_units_are_written_as_people_write_them() -> None:
    assert with_unit(21.5, "Cel") == "21.5 °C"
    assert with_unit(64.0, "%") == "64%"
    assert with_unit(6.1, "{pF}") == "6.1 pF"
    assert with_unit(3.0, "furlong") == "3 furlong"


def test_ages_are_coarse_and_never_of_the_future() -> None:
    assert age("ja", NOW - 20 * SECOND_US, NOW) == "たった今"
    assert age("ja", NOW - 59 * MINUTE_US, NOW) == "59分前"
    assert age("en", NOW - 30 * HOUR_US, NOW) == "30 h ago"
    assert age("ja", NOW - 3 * DAY_US, NOW) == "3日前"
    assert age("en", NOW + HOUR_US, NOW) == "in the future"


def test_moments_are_in_the_assets_zone_with_the_day_where_it_is_another() -> None:
    assert moment("ja", NOW - 5 * HOUR_US, "Asia/Tokyo", NOW) == "09:20"
    assert moment("ja", NOW - 15 * HOUR_US, "Asia/Tokyo", NOW) == "7月2日 23:20"
    assert moment("en", NOW - 15 * HOUR_US, "America/Lima", NOW) == "Jul 2 09:20"
    assert moment("ja", from_iso("2025-07-03T00:00:00Z"), "Nowhere/Land", NOW) == "2025年7月3日 09:00"


# ------------------------------------------------------------------ the region


def test_the_matrix_has_the_worst_municipality_first_and_counts_its_worst() -> None:
    assets = [
        ASSET,
        replace(ASSET, id="bridge-2", level=Level.WATCH),
        replace(ASSET, id="paddy-1", municipality_id="kawabe", class_="paddy", level=Level.WARNING),
        replace(ASSET, id="paddy-2", municipality_id="kawabe", class_="paddy", level=Level.WARNING),
    ]
    matrix = matrix_of("ja", assets, NAMES)
    assert matrix.rows == ("川辺村", "上野町")
    assert matrix.columns == ("水田", "橋梁")
    paddies, none = matrix.cells[0]
    assert none is None
    assert paddies is not None
    assert (paddies.level, paddies.count, paddies.total) == (Level.WARNING, 2, 2)
    assert paddies.href == "/assets?municipality=kawabe&class=paddy"
    bridges = matrix.cells[1][1]
    assert bridges is not None
    assert bridges.label == "上野町・橋梁：注意 1、全2"


def test_a_well_gateway_does_not_hide_what_stands_where_it_stands() -> None:
    gateway = replace(ASSET, id="gw", class_="gateway")
    organisations = [OrganisationView("ueno", "municipality", "上野町", "Ueno")]
    for level, drawn in ((Level.GOOD, 0), (Level.WATCH, 1)):
        region = region_of("ja", [replace(gateway, level=level)], organisations, [], alerts=[], at_us=NOW)
        assert len(region.markers) == drawn


def test_a_region_without_assets_is_empty_and_no_error() -> None:
    region = region_of("en", [], [], [], alerts=[], at_us=NOW)
    assert region.counts == (0, 0, 0, 0, 0)
    assert region.matrix.rows == ()


@pytest.mark.parametrize(
    ("given", "level"), [("4", Level.DANGER), ("0", Level.GOOD), ("5", None), ("", None), ("２", None)]
)
def test_a_level_in_an_address_is_one_of_ours_or_none(given: str, level: Level | None) -> None:
    assert parse_level(given) == level


# ------------------------------------------------------------------ charts


def _columns(*rows: tuple[int, float, int, int]) -> Columns:
    at, value, quality, qc = zip(*rows, strict=True)
    return Columns(
        np.full(len(rows), 7, np.int64), np.array(at, np.int64), np.array(value, float),
        np.array(quality, np.int8), np.array(qc, np.int8),
    )  # fmt: skip


def _drawn(points: chart.Points, metric: str = "strain", limits: tuple[float, ...] = ()) -> list[dict[str, object]]:
    ends = (points.at_ms[0], points.at_ms[0] + DAY_US // 1000)
    drawing = chart.Drawing("ja", metric, "µε", points, ends, 20 * MINUTE_US, limits)
    series: list[dict[str, object]] = chart.options(drawing)["series"]
    return series


def test_suspect_and_failed_values_are_marked_and_what_failed_is_not_joined_by_the_line() -> None:
    minute = MINUTE_US
    points = chart.points_of(
        _columns(
            (NOW, 1.0, 1, 2),
            (NOW + 5 * minute, 2.0, 1, 3),
            (NOW + 10 * minute, 900.0, 4, 2),
            (NOW + 15 * minute, 3.0, 1, 1),
        ),
        7,
        "Asia/Tokyo",
    )
    line, suspect, fail = _drawn(points)
    assert [value for _, value in line["data"]] == [1.0, 2.0, None, 3.0]  # type: ignore[attr-defined]
    assert [value for _, _, value in suspect["data"]] == [2.0]  # type: ignore[attr-defined]
    assert [value for _, _, value in fail["data"]] == [900.0]  # type: ignore[attr-defined]
    assert all(place < 10 for _, place, _ in fail["data"]), "it stands at the frame's edge"  # type: ignore[attr-defined]
    assert chart.axis_extent(points, ())[1] < 10, "a failed value does not flatten the others"


def test_silence_is_a_gap_in_the_line() -> None:
    points = chart.points_of(_columns((NOW, 1.0, 1, 2), (NOW + HOUR_US, 2.0, 1, 2)), 7, "Asia/Tokyo")
    assert [value for _, value in _drawn(points)[0]["data"]] == [1.0, None, 2.0]  # type: ignore[attr-defined]


def test_times_are_the_assets_wall_clock() -> None:
    points = chart.points_of(_columns((NOW, 1.0, 1, 2)), 7, "Asia/Tokyo")
    assert points.at_ms == ((NOW + 9 * HOUR_US) // 1000,)


def test_a_limit_is_drawn_where_it_is_near_and_left_out_where_it_would_flatten_the_line() -> None:
    points = chart.Points((0, 1, 2), (10.0, 12.0, 14.0), (1, 1, 1))
    near, far = _drawn(points, limits=(16.0,))[0], _drawn(points, limits=(4000.0,))[0]
    assert [mark["yAxis"] for mark in near["markLine"]["data"]] == [16.0]  # type: ignore[index]
    assert far["markLine"]["data"] == []  # type: ignore[index]


@pytest.mark.parametrize("values", [(0.0, 0.0), (5.0,), (-3.0, -3.0), (1e-9, 2e-9), (1e6, 1e6 + 1)])
def test_an_axis_has_room_whatever_the_values(values: tuple[float, ...]) -> None:
    points = chart.Points(tuple(range(len(values))), values, tuple(1 for _ in values))
    low, high, step = chart.rounded(*chart.axis_extent(points, ()))
    assert low < high
    assert low <= min(values) <= max(values) <= high
    assert 1 <= (high - low) / step <= 8


def test_rain_is_bars_that_stand_on_zero() -> None:
    points = chart.Points((0, 1), (0.0, 0.0), (1, 1))
    assert _drawn(points, "rain")[0]["type"] == "bar"
    assert chart.aggregate_of("rain") == "sum"


def test_limits_are_read_from_a_findings_evidence_whatever_its_shape() -> None:
    assert evident_limits({"limit": 350.0}) == {350.0}
    assert evident_limits({"limits": [1, 2.5]}) == {1.0, 2.5}
    assert evident_limits({"limit": {"low": 1, "high": 9, "source": "x"}}) == {1.0, 9.0}
    assert evident_limits({"limit": "none", "limits": True, "value": 4}) == set()


# ------------------------------------------------------------------ devices


def test_ranges_are_told_shortly() -> None:
    assert ranges([(1, 5), (9, 9)]) == "1–5, 9"
    assert ranges([(1, 1), (3, 3), (5, 5), (7, 7)]) == "1, 3, 5 …"


def test_streams_that_miss_something_come_first() -> None:
    well = AuditView("gw-1", "s1", 0, NOW, 100, 0, 0, 0, 0, (), {})
    lossy = replace(well, gateway_id="gw-2", lost=3, reasons={"thinned": 3})
    first, second = streams_of("ja", [well, lossy], {"gw-2": "川の中継機"}, NOW)
    assert (first.gateway, first.reasons) == ("川の中継機", "間引き 3")
    assert second.gateway == "gw-1"


def test_quarantine_is_counted_by_reason_and_sender_and_tells_the_cure_only_where_it_cures() -> None:
    row = QuarantineView(1, NOW, "t", "gw-1", "soil-7", "soil_ec", "unknown_device", "who?", "", "", None, None)
    noise = replace(row, device="", metric="", reason="not_json")
    piles = piles_of("en", [row, replace(row, id=2), noise], NOW)
    assert [(pile.reason, pile.count) for pile in piles] == [("Unknown device", 2), ("Not JSON", 1)]
    assert piles[0].commands == (
        "satomori registry adopt soil-7 --gateway gw-1 --asset ASSET --metric soil_ec",
        "satomori quarantine replay --device soil-7",
    )
    assert piles[1].commands == ()
    assert adopt_commands("time", "gw-1", "soil-7", ["soil_ec"]) == ()
    assert adopt_commands("unknown_metric", "gw-1", "soil-7", ["moonlight"]) == ()


# ------------------------------------------------------------------ settings and safety


def test_the_sample_settings_are_the_defaults() -> None:
    sample = Path(__file__).parents[2] / "dashboards" / "sample.toml"
    assert load_settings(sample, "console", ConsoleSettings) == ConsoleSettings()


@pytest.mark.parametrize("line", ["refresh_s = 0.1", 'tiles_url = "ftp://x"', "alerts_max = 0", "colour = 3"])
def test_senseless_settings_are_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "satomori.toml"
    file.write_text(f"[console]\n{line}\n", encoding="utf-8")
    with pytest.raises(SettingsError):
        load_settings(file, "console", ConsoleSettings)


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "https://evil.example", "evil", "", "/a\nb"])
def test_no_form_sends_people_elsewhere(path: str) -> None:
    assert local_path(path) == "/"
    assert local_path("/asset/bridge-1?x=1") == "/asset/bridge-1?x=1"


async def test_only_the_tiles_site_of_the_settings_is_let_in() -> None:
    async def app(_scope: object, _receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]

    sent: list[dict[str, list[tuple[bytes, bytes]]]] = []

    async def send(message: object) -> None:
        sent.append(message)  # type: ignore[arg-type]

    async def receive() -> dict[str, object]:
        return {}

    for url in (ConsoleSettings().tiles_url, "", "https://{s}.tiles.example/{z}/{x}/{y}.png"):
        await TilesAllowed(app, tiles_url=url)({"type": "http"}, receive, send)
    assert [bool(message["headers"]) for message in sent] == [False, False, True]
    assert b"https://*.tiles.example" in sent[2]["headers"][0][1]


def test_the_pages_ask_no_foreign_site_for_anything_but_tiles() -> None:
    for file in STATIC.iterdir():
        assert not re.search(r"https?://(?!www\.w3\.org)", file.read_text(encoding="utf-8")), file.name


def test_level_words_differ_in_both_languages() -> None:
    for language in LANGUAGES:
        assert len({text(language, f"level.{int(level)}") for level in Level}) == len(Level)


def test_a_form_that_is_sent_twice_tells_of_one_event_and_of_another_with_other_words() -> None:
    values = {("rain", "aoba"): " 80 ", ("wind", "aoba"): "", ("river", "aoba"): "高い"}
    told = told_of("20260703-052000-ab12", "storm", {}, values, " 橋は通行止め ")
    assert told == {
        "id": told["id"], "kind": "storm", "gauges": True, "rain": {"aoba": 80.0}, "river": {"aoba": "高い"},
        "note": "橋は通行止め",
    }  # fmt: skip
    assert told_of("20260703-052000-ab12", "storm", {}, values, "橋は通行止め") == told
    assert told_of("20260703-052000-ab12", "storm", {}, values, "")["id"] != told["id"]
    assert told_of("20260703-052001-ab12", "storm", {}, values, "橋は通行止め")["id"] != told["id"]
    quake = told_of("x", "earthquake", {"latitude": 0.0, "depth": None}, {("intensity", "aoba"): "5強"}, "")
    assert quake == {"id": quake["id"], "kind": "earthquake", "latitude": 0.0, "intensity": {"aoba": "5強"}}


@pytest.mark.parametrize(
    ("changed", "level", "pin"),
    [
        ({"score": 2.0}, Level.DANGER, "3"),
        ({"score": 1.0}, Level.WARNING, "3"),
        ({"score": 0.0}, Level.WATCH, "3"),
        ({"score": 2.0, "result": "fine"}, Level.GOOD, "✓"),
        ({"score": 2.0, "result": "needs_work"}, Level.DANGER, "!"),
        ({"verdict": "unknown", "score": None}, Level.UNKNOWN, ""),
        ({"verdict": "wait"}, Level.GOOD, ""),
    ],
)
def test_a_place_in_the_order_is_numbered_by_urgency_until_somebody_has_looked(
    changed: dict[str, object], level: Level, pin: str
) -> None:
    look = LookView(
        "eq-1", 3, "bridge-1", "一番橋", "First Bridge", "bridge", "aoba", "aoba", 36.1, 138.1, "look", 1.0, (), (), "",
        "", "", None, (), (), (), (), None, None, None, None, None,
    )  # fmt: skip
    look = replace(look, **changed)  # type: ignore[arg-type]
    assert (urgency(look), pin_of(look)) == (level, pin)


def test_a_move_in_the_order_says_from_where_and_why_and_one_without_says_nothing() -> None:
    look = LookView(
        "eq-1", 2, "bridge-1", "一番橋", "First Bridge", "bridge", "aoba", "aoba", 36.1, 138.1, "look", 1.0, (), (), "",
        "", "", 12, ("開いた所見1件",), ("1 open finding",), (), ("no health rating",), NOW, None, None, None, None,
    )  # fmt: skip
    assert moved_words("ja", look, NOW) == "↑ 12番から2番へ（14:20）：開いた所見1件"
    english = moved_words("en", replace(look, rank=15), NOW)
    assert english == "↓ from 12 to 15 (14:20): 1 open finding (was: no health rating)"
    assert moved_words("ja", replace(look, rank_before=None), NOW) == ""


def test_what_is_to_come_is_told_and_what_is_past_is_not() -> None:
    """A sentence for each forecast whose time has not passed; one quiet line for those that can't be made."""

    def foretold(kind: str, status: str, until_us: int) -> ForecastView:
        return ForecastView(
            1, "a", kind, kind, 0, 0, until_us, status, 1.0, 0.0, 2.0, "Cel", Level.WATCH, {}, f"{kind} text", "do", "",
            "", "", "", {}, "",
        )  # fmt: skip

    found = [foretold("heat", "made", 30), foretold("frost", "made", 20), foretold("blast", "made", 10)]
    lacking = [foretold("heading", "missing", 5), foretold("harvest", "off", 5)]
    line = {"ja": "気温", "en": "Air", "unit": "Cel", "at_us": [1, 2, 3], "observed": [1.0, 2.0, 1.0]}
    drawn = {1: {"channels": [line], "limits": []}}
    coming = coming_of("en", [*found, *lacking], drawn, "Asia/Tokyo", 10)
    assert [(level, name, text) for level, name, text, *_ in coming.told] == [
        (Level.WATCH, "frost", "frost text"), (Level.WATCH, "heat", "heat text"),
    ]  # fmt: skip
    assert coming.missing == "Forecasts that can't be made yet — heading: heading text"
    assert all('class="observed"' in drawing for *_, drawing in coming.told)
    assert [drawing for *_, drawing in coming_of("en", found, {}, "Asia/Tokyo", 10).told] == ["", ""]
    assert coming_of("ja", [], {}, "Asia/Tokyo", 10) == Coming()
