"""A small region on a real SQLite store for the analytics tests: assets, datastreams, readings put in at will."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from satomori_analytics.jobs import Analyst
from satomori_analytics.playbook import Playbooks
from satomori_analytics.playbook_files import load_playbooks
from satomori_analytics.pools import Pool
from satomori_analytics.settings import AnalyticsSettings
from satomori_core.clock import SECOND_US
from satomori_core.metrics import catalogue
from satomori_store.ledger import Ledger
from satomori_store.models import Asset, Datastream, Device, Finding, Gateway, Organisation, Placement, Site
from satomori_store.opening import open_ledger, open_registry, open_store
from satomori_store.port import Batch, ObservationStore, Rows
from satomori_store.transactions import changing

# 2026-07-15 12:00 in Japan: a summer day, so that what holds in some months only holds.
NOON_US = 1_784_084_400 * SECOND_US


@dataclass
class Region:
    state: Path
    registry: Engine
    ledger: Ledger
    store: ObservationStore
    streams: dict[tuple[str, str], int] = field(default_factory=dict)
    playbooks: Playbooks = field(default_factory=load_playbooks)

    def add_asset(
        self,
        name: str,
        class_: str,
        metrics: Sequence[str],
        *,
        interval_s: int = 60,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        """An asset with a device of its own, behind the gateway `gw`."""
        with changing(self.registry) as session:
            session.add(_asset(name, class_, f"{name}の名", f"The {name}", attributes or {}))
            session.add(Device(id=f"{name}-node", name=f"{name}センサー", name_en=f"{name} sensor", model=None))
            session.flush()
            session.add(Placement(device_id=f"{name}-node", gateway_id="gw", until_us=None))
            for metric in metrics:
                row = Datastream(
                    asset_id=name, device_id=f"{name}-node", metric=metric, unit=catalogue()[metric].unit,
                    interval_s=interval_s, low=None, high=None, suspect_low=None, suspect_high=None, until_us=None,
                )  # fmt: skip
                session.add(row)
                session.flush()
                self.streams[name, metric] = row.id

    def replace_probe(self, asset: str, metric: str) -> None:
        """From now on `put` writes what a device of another make measures there."""
        with changing(self.registry) as session:
            session.add(Device(id="second", name="新しい計器", name_en="second", model=None))
            session.flush()
            row = Datastream(
                asset_id=asset, device_id="second", metric=metric, unit=catalogue()[metric].unit,
                low=None, high=None, suspect_low=None, suspect_high=None, until_us=None,
            )  # fmt: skip
            session.add(row)
            session.flush()
            self.streams[asset, metric] = row.id

    def put(self, asset: str, metric: str, observations: Iterable[tuple[int, float]], quality: int = 1) -> None:
        stream = self.streams[asset, metric]
        rows = [(stream, at_us, float(value), quality) for at_us, value in observations]
        outcome = self.store.write(Batch(rows=Rows.of(rows), received_at_us=rows[-1][1] if rows else 0))
        assert outcome.accepted == len(rows)

    def analyst(self, pool: Pool | None = None, **settings: Any) -> Analyst:
        """A fresh one, as after a restart."""
        chosen = AnalyticsSettings(**{"silence_grace_s": 0.0, **settings})
        return Analyst(
            self.registry, self.ledger, self.store,
            playbooks=self.playbooks, settings=chosen, folder=self.state / "analytics", pool=pool,
        )  # fmt: skip

    def digest(self, now_us: int, analyst: Analyst | None = None) -> Analyst:
        """Rounds until nothing is left to judge."""
        analyst = analyst or self.analyst()
        for _ in range(200):
            if not analyst.round(now_us).changes and not analyst.waiting:
                return analyst
        raise AssertionError("there is always more to judge")

    def findings(self, kind: str | None = None) -> list[Finding]:
        with Session(self.registry) as session:
            rows = list(session.scalars(select(Finding).order_by(Finding.since_us, Finding.id)))
        return [row for row in rows if kind is None or row.kind == kind]

    def close(self) -> None:
        self.store.close()
        self.ledger.close()
        self.registry.dispose()


def open_region(state: Path) -> Region:
    region = Region(state, open_registry(state, None), open_ledger(state, None), open_store(state, None))
    with changing(region.registry) as session:
        session.add(Organisation(id="town", kind="municipality", name="里守町", name_en="Satomori Town"))
        session.flush()
        session.add(
            Site(id="site", organisation_id="town", name="上郷", name_en="Kamigo", latitude=35.0, longitude=139.0)
        )
        session.flush()
        session.add(
            Gateway(
                id="gw", organisation_id="town", site_id="site", kind="edge", name="上郷局", name_en="Kamigo gateway",
                silent_after_s=900, online=None, seen_us=None,
            )
        )  # fmt: skip
        session.add(_asset("gw", "gateway", "上郷局", "Kamigo gateway", {}))
    return region


def _asset(name: str, class_: str, ja: str, en: str, attributes: dict[str, Any]) -> Asset:
    return Asset(
        id=name, site_id="site", organisation_id="town", municipality_id="town", class_=class_, name=ja, name_en=en,
        latitude=35.0, longitude=139.0, built_year=None, attributes=attributes,
    )  # fmt: skip
