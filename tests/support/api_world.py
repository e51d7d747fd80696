"""The API on a small region: two municipalities, two farms, a contractor, with and without shares.

What each may know of is told by marked words: an asset's id stands in everything that belongs to it (its datastream's
device, its finding, its alert, its quarantined message), so a test only looks for foreign ids in an answer's text.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session

from satomori_api.accounts import Accounts, hash_token
from satomori_api.app import create_app
from satomori_api.context import ApiContext
from satomori_api.queries import Queries
from satomori_api.settings import ApiSettings
from satomori_core.clock import DAY_US, MINUTE_US, now_us
from satomori_core.vocabulary import SequenceState
from satomori_store.models import (
    Actuator,
    Alert,
    Asset,
    Datastream,
    Device,
    Finding,
    Forecast,
    Gateway,
    Group,
    GroupMember,
    Organisation,
    Placement,
    Share,
    Site,
    User,
)
from satomori_store.models import Session as Login
from satomori_store.opening import open_ledger, open_registry, open_store
from satomori_store.port import AssetStatus, Batch, LedgerEntry, ObservationStore, QuarantineRow, Rows
from satomori_store.registry import changing
from satomori_store.transactions import transaction

URL = "http://127.0.0.1:8686"
PASSWORD = "a long enough one"  # noqa: S105 - of the test's users
# asset -> (class, owner, municipality); its gateway's asset has the same owner
ASSETS = {
    "ueno-bridge": ("bridge", "ueno", "ueno"),
    "ueno-sewer": ("sewer_manhole", "ueno", "ueno"),
    "kawabe-bridge": ("bridge", "kawabe", "kawabe"),
    "sato-paddy": ("paddy", "sato", "kawabe"),
    "mori-barn": ("cattle_barn", "mori", "ueno"),
}
KINDS = {"ueno": "municipality", "kawabe": "municipality", "sato": "farm", "mori": "farm", "doken": "contractor"}
GATE = {"values": [0, 1], "fail_safe": 0, "run_s_max": 600, "unit": "1"}  # of every asset's actuator gate-<asset>
# user -> (organisation, role)
USERS = {
    "u-viewer": ("ueno", "viewer"),
    "u-crew": ("ueno", "crew"),
    "u-engineer": ("ueno", "engineer"),
    "k-crew": ("kawabe", "crew"),
    "s-viewer": ("sato", "viewer"),
    "m-viewer": ("mori", "viewer"),
    "d-crew": ("doken", "crew"),
    "root": (None, "admin"),
}
# What a finding keeps to be drawn: three values, the last of them beyond its band.
PICTURE = {
    "from_us": 2, "until_us": 3, "limits": [],
    "channels": [{
        "ja": "値", "en": "value", "unit": "m", "at_us": [1, 2, 3],
        "observed": [0.0, 0.1, 1.0], "low": [-0.2, -0.2, -0.2], "high": [0.2, 0.2, 0.2],
    }],
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """The app, its context, the store that ingest would write, a client per user, and when all was made."""

    app: FastAPI
    context: ApiContext
    writer: ObservationStore
    at_us: int
    streams: dict[str, int]
    alerts: dict[str, int]
    tokens: dict[str, str]

    def client(self, user: str | None) -> httpx.AsyncClient:
        """Speaks to the app without a network; a bug in the app is raised."""
        headers = {"Authorization": f"Bearer {self.tokens[user]}"} if user else {}
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=URL, headers=headers)

    async def ask(self, user: str | None, method: str, path: str, **more: Any) -> httpx.Response:
        async with self.client(user) as client:
            return await client.request(method, path, **more)


def fill_region(state: Path, at_us: int) -> None:
    """Rows as the importer, analytics and maintenance write them."""
    engine = open_registry(state, None)
    with changing(engine) as session:
        _fill_registry(session)
    with transaction(engine) as session:
        _fill_findings(session, at_us)
    engine.dispose()


def _fill_registry(session: Session) -> None:
    session.add_all(Organisation(id=o, kind=k, name=f"{o} 町", name_en=f"{o} town") for o, k in KINDS.items())
    session.flush()
    for owner in {owner for _, owner, _ in ASSETS.values()}:
        place = {"latitude": 36.1, "longitude": 138.2}
        session.add(Site(id=f"{owner}-site", organisation_id=owner, name=owner, name_en=owner, **place))
    session.add_all([Group(id="bridges", name="橋の群", name_en="Bridges"), Group(id="water", name="水", name_en="W")])
    session.flush()
    for asset, (class_, owner, municipality) in ASSETS.items():
        _fill_asset(session, asset, class_, owner, municipality)
    session.add_all(GroupMember(group_id="bridges", asset_id=a) for a in ("ueno-bridge", "kawabe-bridge"))
    session.add(GroupMember(group_id="water", asset_id="sato-paddy"))
    # The contractor sees ueno's bridges, kawabe sees all of the farm sato.
    session.add(Share(organisation_id="ueno", with_id="doken", group_id="bridges"))
    session.add(Share(organisation_id="sato", with_id="kawabe", group_id=None))
    for user, (organisation, role) in USERS.items():
        session.add(User(id=user, name=f"name of {user}", organisation_id=organisation, role=role))
        session.flush()
        session.add(Login(token_hash=hash_token(f"token-of-{user}"), user_id=user, expires_us=now_us() + 30 * DAY_US))
    session.flush()


def _fill_asset(session: Session, asset: str, class_: str, owner: str, municipality: str) -> None:
    place = {"latitude": 36.1, "longitude": 138.2}
    common = {"site_id": f"{owner}-site", "organisation_id": owner, "municipality_id": municipality, **place}
    names = {"name": f"{asset} の名", "name_en": f"{asset} name"}
    session.add(Asset(id=asset, class_=class_, **names, **common))
    session.add(Asset(id=f"gw-{asset}", class_="gateway", **names, **common))
    session.add(Gateway(id=f"gw-{asset}", organisation_id=owner, site_id=f"{owner}-site", kind="edge", **names))
    session.add_all(Device(id=d, **names) for d in (f"dev-{asset}", f"gw-{asset}"))
    session.flush()
    session.add_all(Placement(device_id=d, gateway_id=f"gw-{asset}") for d in (f"dev-{asset}", f"gw-{asset}"))
    gate = f"gate-{asset}"
    session.add(Actuator(gateway_id=f"gw-{asset}", name=gate, asset_id=asset, allows={"name": gate, **GATE}))
    session.add(Datastream(asset_id=asset, device_id=f"dev-{asset}", metric="water_level", unit="m", interval_s=60))
    session.flush()


def _fill_findings(session: Session, at_us: int) -> None:
    for asset, (_, owner, _municipality) in ASSETS.items():
        texts = {"text_ja": f"{asset} 異常", "text_en": f"{asset} bad", "advice_ja": "点検", "advice_en": "inspect"}
        stream = session.query(Datastream).where(Datastream.asset_id == asset).one()
        found = Finding(
            fingerprint=f"limit/{asset}", kind="limit", cause="asset", asset_id=asset, datastream_id=stream.id,
            detector="limit", level=3, confidence=0.9, since_us=at_us, found_us=at_us, updated_us=at_us,
            historical=False, evidence={"value": 1.0, "picture": PICTURE}, **texts,
        )  # fmt: skip
        session.add(found)
        for made_us in (at_us - 60 * MINUTE_US, at_us):
            session.add(
                Forecast(
                    asset_id=asset,
                    kind="frost",
                    made_us=made_us,
                    for_from_us=at_us,
                    for_until_us=at_us + DAY_US,
                    status="made",
                    value=1.0,
                    low=0.0,
                    high=2.0,
                    unit="Cel",
                    level=2,
                    chances={"watch": 0.5},
                    inputs={},
                    source="test",
                    picture=PICTURE if made_us == at_us else None,
                    **texts,
                )
            )
        session.flush()
        session.add(
            Alert(
                fingerprint=f"limit/{asset}",
                asset_id=asset,
                organisation_id=owner,
                finding_id=found.id,
                level=3,
                priority="medium",
                cause="asset",
                since_us=at_us,
                opened_us=at_us,
                updated_us=at_us,
                **texts,
            )
        )
    session.flush()


def fill_store(store: ObservationStore, streams: dict[str, int], at_us: int) -> None:
    """Three values a minute apart per asset, one in quarantine, one never heard of, and a status."""
    for asset, stream in streams.items():
        rows = [(stream, at_us - i * MINUTE_US, 1.5 + i, 1) for i in range(3)]
        gateway = f"gw-{asset}"
        aside = QuarantineRow(at_us, f"satomori/v1/{gateway}/telemetry", gateway, "unknown_metric", asset, b"[]")
        ledger = [LedgerEntry(f"stream-{asset}", gateway, 1, 3, SequenceState.STORED)]
        counts = {(f"stream-{asset}", stream): 3}
        store.write(Batch(rows=Rows.of(rows), received_at_us=at_us, ledger=ledger, counts=counts, quarantine=[aside]))
    stranger = QuarantineRow(at_us, "satomori/v1/stranger/telemetry", "stranger", "unknown_gateway", "?", b"{}")
    store.write(Batch(received_at_us=at_us, quarantine=[stranger]))


def status_of(asset: str, level: int, at_us: int) -> AssetStatus:
    class_, _, municipality = ASSETS[asset]
    return AssetStatus(at_us, asset, class_, municipality, level, f"{asset} status", at_us, 36.1, 138.2)


def make_context(state: Path) -> ApiContext:
    settings = ApiSettings(streams_max=3)
    engine, store, ledger = open_registry(state, None), open_store(state, None), open_ledger(state, None)
    return ApiContext(
        engine, store, ledger, Queries(engine, store, ledger), Accounts(engine), settings, state, None
    )  # fmt: skip


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A state folder with the region in it, to be copied; and its time."""
    state, at_us = tmp_path_factory.mktemp("api") / "state", now_us()
    fill_region(state, at_us)
    store, engine = open_store(state, None), open_registry(state, None)
    with Session(engine) as session:
        streams = {row.asset_id: row.id for row in session.query(Datastream)}
    fill_store(store, streams, at_us)
    store.close()
    engine.dispose()
    return state, at_us


@pytest.fixture
def world(filled: tuple[Path, int], tmp_path: Path) -> Iterator[World]:
    with _world(filled, tmp_path / "state") as one:
        yield one


@pytest.fixture(scope="module")
def still_world(filled: tuple[Path, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """For tests that change nothing."""
    with _world(filled, tmp_path_factory.mktemp("still") / "state") as one:
        yield one


@contextmanager
def _world(filled: tuple[Path, int], state: Path) -> Iterator[World]:
    template, at_us = filled
    shutil.copytree(template, state)
    context, writer = make_context(state), open_store(state, None)
    with Session(context.engine) as session:
        streams = {row.asset_id: row.id for row in session.query(Datastream)}
        alerts = {row.asset_id: row.id for row in session.query(Alert)}
    tokens = {user: f"token-of-{user}" for user in USERS}
    yield World(create_app(context, mounts=False), context, writer, at_us, streams, alerts, tokens)
    writer.close()
    context.close()
