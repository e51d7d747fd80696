"""From a person's hand to a coil in the field and back: console, API, ingest, broker, a real edge, a Modbus slave."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect
from sqlalchemy.orm import Session as Rows

from satomori_api.accounts import hash_token
from satomori_api.auth import COOKIE
from satomori_core.clock import DAY_US, now_us
from satomori_store.models import Actuator, Session, User
from satomori_store.registry import changing
from support.api_server import ApiServer, api_server
from support.broker import embedded_broker
from support.chromium import Complaints, chromium, need_chromium, open_context
from support.field import Field, field
from support.ingest_process import IngestProcess, ingest_process
from support.ingesting import registry_text
from support.patience import PATIENCE_S
from support.running import wait_for

pytestmark = pytest.mark.servers
TOKEN = "token-of-ito"  # noqa: S105 - of this test's own registry
FIELD = """
[[gateway]]
id = "gw-field"
site = "field"
kind = "edge"
name = "水門の親機"

[[device]]
id = "gate-1"
gateway = "gw-field"
name = "水門の計器"

[[actuator]]
gateway = "gw-field"
name = "gate"
asset = "paddy-1"
"""


@dataclass(frozen=True)
class House:
    """Everything that runs, with a crew's login."""

    ingest: IngestProcess
    api: ApiServer
    field: Field

    def ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        answer = httpx.request(
            method,
            f"{self.api.url}/api/v1/{path}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=PATIENCE_S,
            **more,
        )
        assert answer.status_code < 300, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def order(self, key: str, **more: Any) -> str:
        body = {"actuator": "gate", "value": 1, "run_s": 60, "why": "試験", "idempotency_key": key, **more}
        id_: str = self.ask("POST", "assets/paddy-1/commands", json=body)["id"]
        return id_

    def sample(self, why: str, interval_s: float) -> str:
        body = {"interval_s": interval_s, "why": why, "idempotency_key": why}
        id_: str = self.ask("POST", "devices/gate-1/commands", json=body)["id"]
        return id_

    def becomes(self, command: str, **wanted: object) -> dict[str, Any]:
        """The command, as soon as it is so."""

        def look() -> dict[str, Any] | None:
            found = self.ask("GET", f"commands/{command}")
            return found if wanted.items() <= found.items() else None

        return wait_for(f"{wanted}, not {self.ask('GET', f'commands/{command}')}", look)


@contextmanager
def house(folder: Path, table: str, url: str) -> Iterator[House]:
    settings = f"{table}[console]\nrefresh_s = 1.0\n"
    with ingest_process(folder, settings, registry_text(FIELD)) as ingest:
        with changing(ingest.stores.registry) as rows:
            rows.add(User(id="ito", name="伊藤", organisation_id="town", role="crew"))
            rows.flush()
            rows.add(Session(token_hash=hash_token(TOKEN), user_id="ito", expires_us=now_us() + DAY_US))
        with field(folder, url) as gate, api_server(folder, "--config", str(ingest.config)) as api:
            ingest.wait("what the gateway allows", lambda: _is_offered(ingest))
            yield House(ingest, api, gate)


def _is_offered(ingest: IngestProcess) -> bool:
    with Rows(ingest.stores.registry) as rows:
        return rows.get_one(Actuator, ("gw-field", "gate")).allows is not None


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for all tests here, each of which leaves the gate closed and the slave well."""
    folder = tmp_path_factory.mktemp("home")
    with (
        embedded_broker(folder) as broker,
        house(folder, broker.table, f"mqtt://127.0.0.1:{broker.port}") as all_of_it,
    ):
        yield all_of_it


def test_a_device_is_asked_as_often_as_ordered_until_its_edge_starts_again(home: House) -> None:
    """By the slave's own count; beyond the edge's bounds nothing changes, and the reply says why."""
    gate = home.field
    asked_again(gate, "each 0.5 s, as its settings say")
    too_often = home.becomes(home.sample("too often", 0.2), state="refused")
    assert too_often["reason"] == "interval: 0.2 s is not between 1 and 86400"
    asked_again(gate, "as before")
    done = home.becomes(home.sample("hourly", 3600), state="done", read_back=3600.0)
    assert done.items() >= {"device_id": "gate-1", "asset_id": None, "user_id": "ito", "why": "hourly"}.items()
    asked = gate.slave.reads
    time.sleep(2)
    assert gate.slave.reads <= asked + 1  # one was due already; 4 at the old interval
    home.becomes(home.sample("each second", 1), state="done", read_back=1.0)
    asked_again(gate, "each second")
    home.becomes(home.sample("hourly again", 3600), state="done")
    gate.kill()
    gate.start()
    asked_again(gate, "each 0.5 s again, as its settings say")
    listed = home.ask("GET", "devices/gate-1/commands")["items"]
    assert [row["why"] for row in listed] == ["hourly again", "each second", "hourly", "too often"]


def asked_again(gate: Field, what: str) -> None:
    asked = gate.slave.reads
    wait_for(what, lambda: gate.slave.reads >= asked + 3, every_s=0.05)


def test_what_is_killed_on_the_way_leaves_no_doubt_of_what_became_of_an_order(home: House) -> None:
    """Ingest dies as the order goes out: it is done once. The edge dies in the run: its next life tells the end."""
    gate, ingest = home.field, home.ingest
    id_ = home.order("1")
    wait_for("the coil", lambda: gate.slave.coil, every_s=0.01)
    ingest.kill()
    ingest.start()
    done = home.becomes(id_, state="done", read_back=1.0)
    assert (done["late"], done["user_id"], done["why"]) == (False, "ito", "試験")
    assert sum(values == [1] for _, address, values in gate.slave.writes if address == 0) == 1
    gate.kill()
    assert gate.slave.coil
    gate.start()
    ended = home.becomes(id_, ended_why="restart")
    assert (ended["state"], gate.slave.coil) == ("done", False)
    assert home.order("1") == id_
    again = home.becomes(home.order("2"), state="done")
    assert gate.slave.coil
    home.becomes(home.order("3", action="stop", value=None, run_s=None), state="done", read_back=0.0)
    home.becomes(again["id"], ended_why="stopped")
    assert not gate.slave.coil


@pytest.mark.browser
def test_a_gate_is_opened_from_the_page_and_closes_by_itself(home: House) -> None:
    """The coil moves, the page shows what was read back, when it ends and that it did; a dead slave is a failure.

    How often its device is asked is ordered from the devices' page.
    """
    chromium_path, slave = need_chromium(), home.field.slave
    with chromium(chromium_path) as browser, open_context(browser, "phone", base_url=home.api.url) as context:
        context.add_cookies([{"name": COOKIE, "value": TOKEN, "url": home.api.url}])
        page = context.new_page()
        complaints = Complaints(page)
        dialog = page.locator(".dialog")
        page.goto("/devices")
        card = page.locator(".gateway").filter(has_text="gw-field")
        card.locator("summary").click()
        card.get_by_role("button", name="水門の計器: 測定間隔").click()
        dialog.get_by_label("測定間隔（秒）").fill("1.5")
        dialog.get_by_label("理由").fill("大雨の間")
        dialog.get_by_role("button", name="指示する").click()
        sampling = card.locator(".told li").first
        expect(sampling).to_contain_text("実行 · 読み返し 1.5 s")
        expect(sampling).to_contain_text("水門の計器: 1.5 s ごとに測定")
        page.goto("/asset/paddy-1")
        newest = page.locator(".told li").first
        page.get_by_role("button", name="東ゲート: 1 にする").click()
        dialog.get_by_label("運転時間（分）").fill("0.1")
        dialog.get_by_label("理由").fill("田植え前の入水")
        assert not slave.coil
        writes = len(slave.writes)
        dialog.get_by_role("button", name="指示する").click()
        expect(newest).to_contain_text("田植え前の入水")
        expect(newest).to_contain_text("実行 · 読み返し 1 · ")
        assert (5, 0, [1]) in slave.writes[writes:]
        assert slave.timer_s is not None
        assert 0 < slave.timer_s <= 6
        expect(newest).to_contain_text("伊藤")
        expect(newest).to_contain_text("終了（時間どおり）")
        assert not slave.coil
        expect(page.locator(".machine")).to_contain_text("位置 0（")
        slave.is_dead = True
        page.get_by_role("button", name="東ゲート: 1 にする").click()
        dialog.get_by_label("理由").fill("もう一度")
        dialog.get_by_role("button", name="指示する").click()
        expect(newest).to_contain_text("もう一度")
        expect(newest).to_contain_text("失敗 · 機器が答えない")
        assert complaints.found == []
