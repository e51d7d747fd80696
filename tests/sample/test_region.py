"""The sample region's size and shape, and that its registry file is one that Satomori imports."""

import tomllib
from collections import Counter
from pathlib import Path

from satomori_core.metrics import catalogue
from satomori_sample.physics import LAWS
from satomori_sample.places import CONTRACTOR, GROUPS, ORGANISATIONS, PREFECTURE, SHARES, SITES
from satomori_sample.plan import Plan
from satomori_sample.prepare import members, prepare, registry_text
from satomori_sample.region import GATEWAYS, WIRES, build_region
from satomori_store.opening import open_registry
from satomori_store.registry import import_registry, load_lookup

REGION = build_region()


def test_three_municipalities_and_the_number_of_things_that_the_demo_speaks_of() -> None:
    kinds = Counter(kind for _, kind, *_ in ORGANISATIONS)
    assert kinds == {"prefecture": 1, "municipality": 3, "farm": 5, "contractor": 1}
    assert len(REGION.assets) == 42
    assert {asset.class_ for asset in REGION.assets.values()} == set(LAWS)
    assert len(REGION.streams) == 166
    assert Counter(kind for _, kind, *_ in GATEWAYS)["edge"] == 5


def test_everything_named_is_there_and_in_two_languages() -> None:
    organisations = {row[0] for row in ORGANISATIONS}
    sites = {row[0] for row in SITES}
    gateways = {row[0] for row in GATEWAYS}
    for asset in REGION.assets.values():
        assert asset.site in sites
        assert asset.municipality in organisations
        assert asset.name
        assert asset.name_en.isascii()
        assert 34.0 < asset.latitude < 34.3
        assert 133.64 < asset.longitude < 133.9
    assert {row[2] for row in WIRES} == gateways
    assert {device.asset for device in REGION.devices.values()} == set(REGION.assets)
    assert len(REGION.devices) == len(REGION.assets) + 2  # the gates
    for id_, name, name_en, of in GROUPS:
        assert set(members(REGION, of)) <= set(REGION.assets), id_
        assert name
        assert name_en
    assert {name for owner, other, _ in SHARES for name in (owner, other)} <= organisations
    assert {PREFECTURE, CONTRACTOR} <= organisations


def test_groups_reach_across_municipalities() -> None:
    across = [id_ for id_, _, _, of in GROUPS if len({REGION.assets[m].municipality for m in members(REGION, of)}) == 3]
    assert {"bridges", "ponds"} <= set(across)


def test_units_are_those_that_the_catalogue_stores() -> None:
    for stream in REGION.streams:
        assert stream.unit == catalogue()[stream.metric].unit, stream


def test_satomori_imports_the_registry_file_and_finds_every_datastream(tmp_path: Path) -> None:
    prepare(tmp_path / "sample", Plan())
    engine = open_registry(tmp_path / "state", None)
    report = import_registry(engine, tmp_path / "sample" / "region.toml")
    assert report.errors == []
    assert report.created["asset"] == 42 + len(GATEWAYS)
    lookup = load_lookup(engine)
    for stream in REGION.streams:
        route = lookup.route(stream.gateway, stream.device, stream.metric, 1_790_000_000_000_000)
        assert (route.asset_id, route.unit) == (stream.asset, stream.unit)
    again = import_registry(engine, tmp_path / "sample" / "region.toml")
    assert not again.changed
    engine.dispose()


def test_the_registry_file_is_the_same_each_time() -> None:
    text = registry_text(REGION, 10)
    assert text == registry_text(build_region(), 10)
    assert len(tomllib.loads(text)["datastream"]) == len(REGION.streams)
