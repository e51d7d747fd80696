"""Importing registries and asset ledgers, and the lookup that follows from them; on SQLite and PostgreSQL."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from satomori_core.classes import GATEWAY, classes
from satomori_core.errors import RejectedError, SettingsError
from satomori_core.metrics import EDGE_HEALTH
from satomori_store.cells import asset_class
from satomori_store.models import (
    Actuator,
    Asset,
    Calibration,
    Datastream,
    Device,
    GroupMember,
    Organisation,
    Placement,
    Share,
)
from satomori_store.registry import changing, import_registry, load_lookup, registry_version

REGION = """
[[organisation]]
id = "town"
kind = "municipality"
name = "里町"
name_en = "Sato Town"

[[organisation]]
id = "farm"
kind = "farm"
name = "佐藤農園"

[[site]]
id = "north"
organisation = "farm"
name = "北の里"
latitude = 36.1
longitude = 138.2

[[asset]]
id = "paddy-1"
site = "north"
municipality = "town"
class = "paddy"
name = "一号田"
name_en = "Paddy 1"
attributes = { area_m2 = 3000 }

[[asset]]
id = "paddy-2"
site = "north"
municipality = "town"
class = "paddy"
name = "二号田"

[[group]]
id = "north-paddies"
name = "北の水田群"
members = ["paddy-1", "paddy-2"]

[[gateway]]
id = "gw-1"
site = "north"
kind = "edge"
name = "親機"

[[gateway]]
id = "gw-2"
site = "north"
kind = "direct"
name = "単独機"

[[device]]
id = "node-1"
gateway = "gw-1"
name = "水位計"

[[datastream]]
asset = "paddy-1"
device = "node-1"
metric = "water_level"
source_unit = "mm"
offset = 0.5
interval_s = 60
high = 2

[[share]]
organisation = "farm"
with = "town"
group = "north-paddies"
"""
HEADS = "施設番号,種別,名称,英語名,所有者,市町村,拠点,緯度,経度,建設年,橋長"
DAY_1, DAY_2 = 1_790_000_000_000_000, 1_790_086_400_000_000


def _file(folder: Path, text: str, name: str = "region.toml", encoding: str = "utf-8") -> Path:
    file = folder / name
    file.write_bytes(text.encode(encoding))
    return file


@pytest.fixture
def region(registry: Engine, tmp_path: Path) -> Engine:
    report = import_registry(registry, _file(tmp_path, REGION), DAY_1)
    assert report.errors == []
    return registry


def _reason(engine: Engine, gateway: str, device: str, metric: str, at_us: int = DAY_1) -> str:
    with pytest.raises(RejectedError) as caught:
        load_lookup(engine).route(gateway, device, metric, at_us)
    return caught.value.reason


def _count(engine: Engine, model: type) -> int:
    with Session(engine) as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


# ------------------------------------------------------------------ TOML


def test_an_import_makes_what_readings_need(region: Engine) -> None:
    route = load_lookup(region).route("gw-1", "node-1", "water_level", DAY_1)
    assert (route.asset_id, route.unit, route.source_unit, route.scale, route.offset) == ("paddy-1", "m", "mm", 1, 0.5)
    assert (route.low, route.high) == (-5.0, 2.0)  # the catalogue's, and the file's
    with Session(region) as session:
        asset = session.get_one(Asset, "paddy-1")
        assert (asset.organisation_id, asset.municipality_id, asset.latitude) == ("farm", "town", 36.1)
        assert asset.attributes == {"area_m2": 3000}
        assert session.get_one(Asset, "paddy-2").name_en == "二号田"
        assert len(session.scalars(select(GroupMember)).all()) == 2
        share = session.scalars(select(Share)).one()
        assert (share.organisation_id, share.with_id, share.group_id) == ("farm", "town", "north-paddies")


def test_a_gateway_has_its_own_asset_and_device_and_an_edge_its_health(region: Engine) -> None:
    lookup = load_lookup(region)
    assert {lookup.route("gw-1", "gw-1", metric, DAY_1).asset_id for metric in EDGE_HEALTH} == {"gw-1"}
    assert _reason(region, "gw-2", "gw-2", EDGE_HEALTH[0]) == "unknown_metric"
    with Session(region) as session:
        assert {session.get_one(Asset, g).class_ for g in ("gw-1", "gw-2")} == {"gateway"}
        assert {session.get_one(Asset, g).municipality_id for g in ("gw-1", "gw-2")} == {"town"}


def test_a_second_import_changes_nothing_and_raises_no_version(region: Engine, tmp_path: Path) -> None:
    version = registry_version(region)
    report = import_registry(region, tmp_path / "region.toml", DAY_2)
    assert (report.ok, report.changed, report.notes) == (True, False, [])
    assert report.unchanged["datastream"] == 1 + len(EDGE_HEALTH)
    assert registry_version(region) == version
    assert (_count(region, Placement), _count(region, Calibration)) == (3, 1)


def test_a_changed_file_updates(region: Engine, tmp_path: Path) -> None:
    version = registry_version(region)
    changed = REGION.replace("一号田", "壱号田").replace("offset = 0.5", "offset = 0.75").replace('"paddy-1", ', "")
    report = import_registry(region, _file(tmp_path, changed), DAY_2)
    assert dict(report.updated) == {"asset": 1, "datastream": 1, "group": 1}
    assert registry_version(region) == version + 1
    lookup = load_lookup(region)
    before = lookup.route("gw-1", "node-1", "water_level", DAY_2 - 1)
    after = lookup.route("gw-1", "node-1", "water_level", DAY_2)
    assert (before.offset, after.offset) == (0.5, 0.75)
    assert before.datastream_id == after.datastream_id


def test_a_datastreams_asset_is_fixed_for_its_life(region: Engine, tmp_path: Path) -> None:
    """The probe now stands in another paddy: a new datastream begins, the old one keeps its observations."""
    changed = REGION.replace('asset = "paddy-1"\ndevice', 'asset = "paddy-2"\ndevice')
    report = import_registry(region, _file(tmp_path, changed), DAY_2)
    assert report.created["datastream"] == 1
    assert "ended" in report.notes[0]
    lookup = load_lookup(region)
    before = lookup.route("gw-1", "node-1", "water_level", DAY_2 - 1)
    after = lookup.route("gw-1", "node-1", "water_level", DAY_2)
    assert (before.asset_id, after.asset_id) == ("paddy-1", "paddy-2")
    assert before.datastream_id != after.datastream_id


def test_a_device_may_move_behind_another_gateway(region: Engine, tmp_path: Path) -> None:
    moved = REGION.replace('gateway = "gw-1"\nname = "水位計"', 'gateway = "gw-2"\nname = "水位計"')
    report = import_registry(region, _file(tmp_path, moved), DAY_2)
    assert report.notes == ["device 'node-1' moved from gateway 'gw-1' to 'gw-2'"]
    lookup = load_lookup(region)
    assert lookup.route("gw-1", "node-1", "water_level", DAY_2 - 1) == lookup.route(
        "gw-2", "node-1", "water_level", DAY_2
    )
    assert _reason(region, "gw-1", "node-1", "water_level", DAY_2) == "not_behind_gateway"
    assert (lookup.gateway_of("node-1", DAY_1), lookup.gateway_of("node-1", DAY_2)) == ("gw-1", "gw-2")


def test_the_lookup_says_what_the_registry_lacks(region: Engine) -> None:
    assert _reason(region, "nowhere", "node-1", "water_level") == "unknown_gateway"
    assert _reason(region, "gw-1", "node-9", "water_level") == "unknown_device"
    assert _reason(region, "gw-2", "node-1", "water_level") == "not_behind_gateway"
    assert _reason(region, "gw-1", "node-1", "rain") == "unknown_metric"
    with changing(region) as session:
        session.scalars(select(Datastream).where(Datastream.metric == "water_level")).one().until_us = DAY_2
    assert load_lookup(region).route("gw-1", "node-1", "water_level", DAY_2 - 1).metric == "water_level"
    assert _reason(region, "gw-1", "node-1", "water_level", DAY_2) == "retired"


def test_a_change_that_fails_raises_no_version(registry: Engine) -> None:
    def fail() -> None:
        with changing(registry) as session:
            session.add(Organisation(id="x", kind="farm", name="x", name_en="x"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert registry_version(registry) == 0
    assert _count(registry, Organisation) == 0


# ------------------------------------------------------------------ faults


def test_every_fault_is_told_with_its_place_and_nothing_is_imported(registry: Engine, tmp_path: Path) -> None:
    wrong = (
        REGION.replace('class = "paddy"\nname = "二号田"', 'class = "pady"\nname = "二号田"\nlatitude = 360.1')
        .replace('metric = "water_level"', 'metric = "water_levle"')
        .replace('with = "town"', 'with = "twon"')
        .replace('id = "gw-2"', 'id = "gw-1"')
        .replace('[[group]]\nid = "north-paddies"', '[[group]]\nidd = "north-paddies"')
        + '[[devices]]\nid = "x"\n'
    )
    report = import_registry(registry, _file(tmp_path, wrong))
    told = [str(error) for error in report.errors]
    lines = wrong.splitlines()
    line = lines.index('name = "二号田"') - 4
    for words in (
        f"region.toml, line {line}, class: unknown class 'pady'; did you mean 'paddy'?",
        f"region.toml, line {line}, latitude: 360.1 is not a latitude",
        "metric: unknown metric 'water_levle'; did you mean 'water_level'?",
        "idd: unknown column; did you mean 'id'?",
        "gateway 'gw-1' is already in line",
        "devices: unknown table",
        "with: unknown organisation 'twon'; did you mean 'town'?",
    ):
        assert any(words in one for one in told), (words, told)
    assert not report.changed
    assert [_count(registry, model) for model in (Organisation, Asset, Device)] == [0, 0, 0]
    assert registry_version(registry) == 0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('source_unit = "mm"', 'source_unit = "kPa"', "source_unit: unit 'kPa' can't be converted to 'm'"),
        ('source_unit = "mm"', 'unit = "furlong"', "unit: unit 'furlong' is neither"),
        ('source_unit = "mm"', "scale = 0", "scale: 0 would make every value the same"),
        ("high = 2", "low = 3\nhigh = 2", "low: 3 is not below high = 2"),
        ('id = "node-1"', 'id = "node 1"', "id: 'node 1' is not an id"),
        ('id = "node-1"', 'id = "gw-2"', "id: 'gw-2' is a gateway"),
        ('id = "gw-2"', 'id = "paddy-2"', "id: 'paddy-2' is already an asset"),
        ('municipality = "town"', 'municipality = "farm"', "municipality: 'farm' is a farm, not a municipality"),
        ('kind = "farm"', 'kind = "ranch"', "kind: 'ranch' is none of farm, municipality"),
        ("interval_s = 60", "interval_s = 0", "interval_s: 0 is not a time in seconds"),
        ("latitude = 36.1", "latitude = nan", "latitude: nan is not a number"),
        ('members = ["paddy-1", "paddy-2"]', 'members = ["paddy-3"]', "members: unknown asset 'paddy-3'"),
        ("longitude = 138.2", 'longitude = 138.2\ntime_zone = "Asia/Tokio"', "time_zone: unknown time zone"),
        ('device = "node-1"\n', 'device = "node-2"\n', "device: unknown device 'node-2'; did you mean 'node-1'?"),
    ],
)
def test_a_fault_is_told(registry: Engine, tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in REGION
    report = import_registry(registry, _file(tmp_path, REGION.replace(old, new)))
    assert any(words in str(error) for error in report.errors), list(map(str, report.errors))
    assert _count(registry, Organisation) == 0


def test_two_devices_with_one_name_are_told(registry: Engine, tmp_path: Path) -> None:
    twice = REGION + '[[device]]\nid = "node-1"\ngateway = "gw-2"\nname = "別の水位計"\n'
    report = import_registry(registry, _file(tmp_path, twice))
    [error] = report.errors
    first = REGION.splitlines().index('id = "node-1"')
    assert str(error).endswith(f"id: device 'node-1' is already in line {first}; give each its own id")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.toml", None, "No such file"),
        ("region.xlsx", b"PK", "should end in .toml"),
        ("bad.toml", b"[[asset]\n", "not valid TOML"),
        ("sjis.toml", "名前 = 1".encode("cp932"), "not UTF-8"),
        ("bad.csv", b"\xff\xff\x81", "neither UTF-8 nor Shift_JIS"),
    ],
)
def test_a_file_that_is_none_is_told(
    registry: Engine, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError, match=words):
        import_registry(registry, tmp_path / name)


# ------------------------------------------------------------------ CSV


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_an_asset_ledger_comes_in_as_municipalities_keep_it(region: Engine, tmp_path: Path, encoding: str) -> None:
    """Japanese heads, names instead of ids, full-width digits, 和暦, unknown columns kept as attributes."""
    ledger = (
        f"{HEADS}\r\n"
        'br-1,橋梁,"里橋, 上り",Sato Bridge,里町,里町,北の里,３６．２,138.25,昭和45年,52.5\r\n'
        ",,,,,,,,,,\r\n"
        "pd-9,水田,九号田,,佐藤農園,town,,,,,\r\n"
    )
    report = import_registry(region, _file(tmp_path, ledger, "台帳.csv", encoding))
    assert list(map(str, report.errors)) == []
    assert report.created == {"asset": 2}
    with Session(region) as session:
        bridge, paddy = session.get_one(Asset, "br-1"), session.get_one(Asset, "pd-9")
        assert (bridge.name, bridge.class_, bridge.organisation_id, bridge.site_id) == (
            "里橋, 上り",
            "bridge",
            "town",
            "north",
        )
        assert (bridge.latitude, bridge.longitude, bridge.built_year) == (36.2, 138.25, 1970)
        assert bridge.attributes == {"橋長": "52.5"}
        assert (paddy.name_en, paddy.organisation_id, paddy.site_id, paddy.latitude) == (
            "九号田",
            "farm",
            "north",
            36.1,
        )


def test_each_class_comes_in_by_every_name_that_ledgers_have_for_it() -> None:
    """A gateway is no asset that a ledger may name."""
    for kind in classes().values():
        for name in (kind.id, kind.ja, *kind.also):
            if kind.id == GATEWAY:
                with pytest.raises(ValueError, match="unknown class"):
                    asset_class(name)
            else:
                assert asset_class(name) == kind.id


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp932"])
def test_a_wrong_row_is_told_by_line_and_column_and_none_is_imported(
    region: Engine, tmp_path: Path, encoding: str
) -> None:
    ledger = (
        f"{HEADS}\n"
        '"br-1",橋梁,"里橋\n二行目",,里町,里町,北の里,36.2,138.2,1970,\n'
        "br-2,吊橋り,里橋2,,里町,里町,北の里,138.2,36.2,明後日,\n"
        "br-1,橋梁,里橋3,,里村,里町,北の里,36.2,138.2,1970,\n"
        "br-4,橋梁,里橋4,,里町,里町,北の里,36.2,138.2,1970,9,8,7\n"
    )
    before = _count(region, Asset)
    report = import_registry(region, _file(tmp_path, ledger, "assets.csv", encoding))
    assert [(error.row, error.column) for error in report.errors] == [
        (4, "class"), (4, "latitude"), (4, "built_year"), (5, "id"), (5, "organisation"), (6, ""),
    ]  # fmt: skip
    assert "exchanged" in str(report.errors[1])
    assert _count(region, Asset) == before


def test_a_ledger_without_a_needed_column_is_told(region: Engine, tmp_path: Path) -> None:
    report = import_registry(region, _file(tmp_path, "施設番号,名称,名称\n1,a,b\n", "x.csv"))
    told = sorted(str(error) for error in report.errors)
    assert "x.csv, line 1, class: no such column; its head may be class/種別" in told[0]
    assert "x.csv, line 1, municipality: no such column" in told[1]
    assert "x.csv, line 1, name: the columns 名称 and 名称 both mean this" in told[2]


def test_an_actuator_gets_its_asset_and_keeps_what_its_gateway_said(registry: Engine, tmp_path: Path) -> None:
    """Moving it to another asset is an update; an asset that is not there is told by its line."""
    extra = '\n[[actuator]]\ngateway = "gw-1"\nname = "gate"\nasset = "{asset}"\nlabel = "水門"\n'
    path = tmp_path / "region.toml"
    path.write_text(REGION + extra.format(asset="paddy-1"), encoding="utf-8")
    assert import_registry(registry, path).created["actuator"] == 1
    with changing(registry) as session:
        session.get_one(Actuator, ("gw-1", "gate")).allows = {"name": "gate", "values": [0, 1]}
    path.write_text(REGION + extra.format(asset="paddy-2"), encoding="utf-8")
    assert import_registry(registry, path).updated["actuator"] == 1
    with Session(registry) as session:
        row = session.get_one(Actuator, ("gw-1", "gate"))
        assert (row.asset_id, row.label, row.allows) == ("paddy-2", "水門", {"name": "gate", "values": [0, 1]})
    path.write_text(REGION + extra.format(asset="paddy-9"), encoding="utf-8")
    [error] = import_registry(registry, path).errors
    assert (error.column, "paddy-9" in error.problem) == ("asset", True)


def test_a_share_may_let_others_operate_and_may_take_it_back(registry: Engine, tmp_path: Path) -> None:
    """`operate` is false unless written, and follows the file."""
    path = tmp_path / "region.toml"
    share = '\n[[share]]\norganisation = "farm"\nwith = "town"\ngroup = "north-paddies"\n'
    for line, expected in (("", False), ("operate = true\n", True), ("operate = false\n", False)):
        path.write_text(REGION.split("[[share]]", maxsplit=1)[0] + share + line, encoding="utf-8")
        assert import_registry(registry, path).ok
        with Session(registry) as session:
            assert session.scalars(select(Share.operate).where(Share.with_id == "town")).all() == [expected]
    path.write_text(REGION.split("[[share]]", maxsplit=1)[0] + share + 'operate = "yes"\n', encoding="utf-8")
    assert "true nor false" in import_registry(registry, path).errors[0].problem
