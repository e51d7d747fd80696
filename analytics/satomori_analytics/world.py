"""The registry as the jobs need it: assets with their places and datastreams, gateways with what is behind them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from satomori_analytics.sentences import Place
from satomori_store.databases import translated
from satomori_store.feedback import load_steps
from satomori_store.models import Asset, Datastream, Device, Gateway, GroupMember, Placement, Site


@dataclass(frozen=True, slots=True)
class Stream:
    """A datastream that is in use. `gateway` is where its device is now."""

    id: int
    asset: str
    metric: str
    unit: str
    interval_s: int
    device: str
    device_name: str
    device_name_en: str
    gateway: str | None


@dataclass(frozen=True, slots=True)
class WatchedAsset:
    """`group`: the first of the groups (群) that it is in, or empty.

    `steps`: fingerprint → how often people have halved the sensitivity to that cause.
    """

    id: str
    class_: str
    municipality: str
    place: Place
    attributes: Mapping[str, Any] = field(default_factory=dict)
    streams: tuple[Stream, ...] = ()
    group: str = ""
    steps: Mapping[str, int] = field(default_factory=dict)
    latitude: float = math.nan
    longitude: float = math.nan

    def factor(self, fingerprint: str) -> int:
        """By how much the sensitivity to this cause is lowered: 1 as the playbook says, else 2, 4 or 8."""
        return 1 << self.steps.get(fingerprint, 0)

    @property
    def factor_most(self) -> int:
        return 1 << max(self.steps.values(), default=0)


@dataclass(frozen=True, slots=True)
class WatchedGateway:
    """`asset`: the gateway's own, where it has one."""

    id: str
    name: str
    name_en: str
    silent_after_s: int
    asset: str | None


@dataclass(frozen=True, slots=True)
class World:
    assets: Mapping[str, WatchedAsset]
    streams: Mapping[int, Stream]
    gateways: Mapping[str, WatchedGateway]


def load_world(engine: Engine, now_us: int) -> World:
    """What the registry says now; datastreams whose validity has ended are left out."""
    with translated(engine), Session(engine) as session:
        sites = {site.id: site for site in session.scalars(select(Site))}
        devices = {device.id: device for device in session.scalars(select(Device))}
        behind = {
            placement.device_id: placement.gateway_id
            for placement in session.scalars(select(Placement).order_by(Placement.from_us))
            if placement.from_us <= now_us and (placement.until_us is None or placement.until_us > now_us)
        }
        streams = {
            row.id: Stream(
                row.id, row.asset_id, row.metric, row.unit, row.interval_s, row.device_id,
                devices[row.device_id].name, devices[row.device_id].name_en, behind.get(row.device_id),
            )
            for row in session.scalars(select(Datastream).order_by(Datastream.id))
            if row.until_us is None or row.until_us > now_us
        }  # fmt: skip
        of_asset: dict[str, list[Stream]] = {}
        for stream in streams.values():
            of_asset.setdefault(stream.asset, []).append(stream)
        members = session.execute(
            select(GroupMember.asset_id, func.min(GroupMember.group_id).label("first")).group_by(GroupMember.asset_id)
        )
        groups = {row.asset_id: row.first for row in members}
        assets = {
            row.id: WatchedAsset(
                row.id, row.class_, row.municipality_id, _place(row, sites[row.site_id]),
                row.attributes, tuple(of_asset.get(row.id, ())), groups.get(row.id, ""),
                latitude=row.latitude, longitude=row.longitude,
            )
            for row in session.scalars(select(Asset))
        }  # fmt: skip
        gateways = {
            row.id: WatchedGateway(
                row.id, row.name, row.name_en, row.silent_after_s, row.id if row.id in assets else None
            )
            for row in session.scalars(select(Gateway))
        }
    return World(assets, streams, gateways)


def load_sensitivity(engine: Engine) -> dict[str, dict[str, int]]:
    """Asset → fingerprint → how often its sensitivity is halved; without what is as the playbook says."""
    with translated(engine), Session(engine) as session:
        return load_steps(session)


def with_sensitivity(world: World, steps: Mapping[str, Mapping[str, int]]) -> World:
    assets = {
        name: asset if asset.steps == steps.get(name, {}) else replace(asset, steps=steps.get(name, {}))
        for name, asset in world.assets.items()
    }
    return replace(world, assets=assets)


def load_seen(engine: Engine) -> dict[str, int]:
    """When each gateway last said that it is there; without those that never did."""
    with translated(engine), Session(engine) as session:
        rows = session.execute(select(Gateway.id, Gateway.seen_us).where(Gateway.seen_us.is_not(None)))
        return {row.id: row.seen_us for row in rows}


def _place(asset: Asset, site: Site) -> Place:
    return Place(asset.name, asset.name_en, site.name, site.name_en, site.time_zone)
