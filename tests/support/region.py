"""A small region in a registry of its own: two municipalities, a farm, a bridge, a paddy, and their gateways."""

from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from satomori_store.databases import sqlite_engine, writing
from satomori_store.models import (
    Asset,
    Base,
    Datastream,
    Device,
    Finding,
    Gateway,
    Group,
    GroupMember,
    Organisation,
    Placement,
    Site,
    Version,
)

BRIDGE_STRAIN, BRIDGE_TILT, PADDY_LEVEL, GATEWAY_CPU = 1, 2, 3, 4


def make_region(path: Path) -> Engine:
    """The registry's engine, on a new SQLite file."""
    engine = sqlite_engine(path)
    Base.metadata.create_all(engine)
    fill_region(engine)
    return engine


def fill_region(engine: Engine) -> None:
    with writing(engine) as connection, Session(connection) as session:
        for rows in _rows():
            session.add_all(rows)
            session.flush()
        if session.get(Version, 1) is None:
            session.add(Version(id=1, version=1))
        session.flush()


def _rows() -> list[list[object]]:
    organisations: list[object] = [
        Organisation(id="ueno", kind="municipality", name="上野町", name_en="Ueno Town"),
        Organisation(id="kawabe", kind="municipality", name="川辺村", name_en="Kawabe Village"),
        Organisation(id="sato-farm", kind="farm", name="佐藤農園", name_en="Sato Farm"),
    ]
    sites: list[object] = [
        Site(
            id="ueno-river", organisation_id="ueno", name="上野川", name_en="Ueno River", latitude=36.5, longitude=139.0
        ),
        Site(
            id="sato",
            organisation_id="sato-farm",
            name="佐藤圃場",
            name_en="Sato field",
            latitude=36.6,
            longitude=139.1,
        ),
    ]
    assets: list[object] = [
        _asset("bridge-1", "ueno-river", "ueno", "ueno", "bridge", "一番橋", "First Bridge"),
        _asset("paddy-1", "sato", "sato-farm", "kawabe", "paddy", "南の田", "South paddy"),
        _asset("gw-1", "ueno-river", "ueno", "ueno", "gateway", "川の中継機", "River gateway"),
    ]
    groups: list[object] = [Group(id="bridges", name="橋の群", name_en="Bridges")]
    members: list[object] = [GroupMember(group_id="bridges", asset_id="bridge-1")]
    gateways: list[object] = [
        Gateway(
            id="gw-1",
            organisation_id="ueno",
            site_id="ueno-river",
            kind="edge",
            name="川の中継機",
            name_en="River gateway",
        )
    ]
    devices: list[object] = [
        Device(id=name, name=name, name_en=name) for name in ("strain-1", "tilt-1", "level-1", "gw-1")
    ]
    placements: list[object] = [Placement(device_id=name, gateway_id="gw-1") for name in ("strain-1", "tilt-1", "gw-1")]
    datastreams: list[object] = [
        _stream(BRIDGE_STRAIN, "bridge-1", "strain-1", "strain"),
        _stream(BRIDGE_TILT, "bridge-1", "tilt-1", "tilt"),
        _stream(PADDY_LEVEL, "paddy-1", "level-1", "water_level"),
        _stream(GATEWAY_CPU, "gw-1", "gw-1", "outbox_rows"),
    ]
    return [organisations, sites, assets, groups, members, gateways, devices, placements, datastreams]


def _asset(id_: str, site: str, owner: str, municipality: str, class_: str, name: str, name_en: str) -> Asset:  # noqa: PLR0917 - a table row
    return Asset(
        id=id_,
        site_id=site,
        organisation_id=owner,
        municipality_id=municipality,
        class_=class_,
        name=name,
        name_en=name_en,
        latitude=36.5,
        longitude=139.0,
    )


def _stream(number: int, asset: str, device: str, metric: str) -> Datastream:
    return Datastream(id=number, asset_id=asset, device_id=device, metric=metric, unit="1", interval_s=60)


def finding(fingerprint: str = "limit/bridge-1/strain", *, at_us: int, **changed: object) -> Finding:
    """An open limit finding of the bridge's strain, as analytics would write it at `at_us`."""
    values: dict[str, object] = {
        "fingerprint": fingerprint,
        "kind": "limit",
        "cause": "asset",
        "asset_id": "bridge-1",
        "datastream_id": BRIDGE_STRAIN,
        "gateway_id": None,
        "detector": "limit",
        "level": 3,
        "confidence": 0.9,
        "since_us": at_us,
        "until_us": None,
        "found_us": at_us,
        "updated_us": at_us,
        "historical": False,
        "evidence": {"value": 412.3, "limit": 350.0, "unit": "um/m", "source": "道路橋示方書"},
        "text_ja": "ひずみが基準を超えています",
        "text_en": "The strain is above its limit",
        "advice_ja": "通行を確認し、現地で点検してください",
        "advice_en": "Check the traffic and inspect on site",
    }
    return Finding(**(values | changed))
