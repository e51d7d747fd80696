"""An earthquake told by one MQTT message: kept, ordered, told to each receiver once, shown on the console's page."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from paho.mqtt import publish
from playwright.sync_api import expect

from satomori_api.accounts import hash_token
from satomori_core.clock import DAY_US, now_us
from satomori_core.topics import EVENT
from satomori_store.models import Asset, Session, User
from satomori_store.opening import open_registry
from satomori_store.registry import changing
from support.chromium import chromium, need_chromium, open_context
from support.patience import PATIENCE_S
from support.region import fill_region
from support.running import Up, running, wait_for
from support.screenshots import log_in
from support.webhook import Hook, webhook

TOKEN = "token-of-engineer"  # noqa: S105 - of this test's own region
QUAKE = {"id": "eq-1", "kind": "earthquake", "intensity": {"ueno": "6弱", "kawabe": "6弱"}, "note": "県道は通行止め"}
STORM = {"id": "rain-1", "kind": "storm", "rain": {"ueno": 200, "kawabe": 200}}
WITHIN_S = 4 * PATIENCE_S  # several programs start, maybe on a busy machine
RECEIVERS = {"ueno": "ja", "sato-farm": "en"}


@dataclass(frozen=True)
class Told:
    up: Up
    hooks: dict[str, Hook]

    def say(self, event: object) -> None:
        publish.single(EVENT, json.dumps(event), qos=1, hostname="127.0.0.1", port=self.up.mqtt_port)

    def posts(self) -> dict[str, int]:
        return {name: len(hook.posts) for name, hook in self.hooks.items()}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A bridge of the town's and a greenhouse of the farm's, each with a receiver that sees its own alone."""
    folder = tmp_path_factory.mktemp("told")
    engine = open_registry(folder / "state", None)
    fill_region(engine)
    with changing(engine) as rows:
        rows.add(Asset(
            id="green-1", site_id="sato", organisation_id="sato-farm", municipality_id="kawabe", class_="greenhouse",
            name="東ハウス", name_en="East greenhouse", latitude=36.6, longitude=139.1,
        ))  # fmt: skip
        rows.add(User(id="engineer", name="技師", role="engineer", organisation_id="ueno"))
        rows.flush()
        rows.add(Session(token_hash=hash_token(TOKEN), user_id="engineer", expires_us=now_us() + DAY_US))
    engine.dispose()
    settings = "[maintenance]\nloop_s = 0.5\n"
    with ExitStack() as stack:
        hooks = {name: stack.enter_context(webhook()) for name in RECEIVERS}
        for name, language in RECEIVERS.items():
            (folder / name).write_text(f"json://127.0.0.1:{hooks[name].port}/hook\n", encoding="utf-8")
            settings += (
                f'[[maintenance.receiver]]\nname = "{name}"\norganisations = ["{name}"]\nlanguage = "{language}"\n'
                f'url = {{ file = "{folder / name}" }}\n'
            )
        up = stack.enter_context(running(folder, settings=settings))
        # What is published before somebody listens is nobody's.
        wait_for("ingest listens", lambda: "broker connected" in up.log("ingest"), WITHIN_S)
        wait_for("the API", up.answers, WITHIN_S)
        yield Told(up, hooks)


def test_one_message_tells_each_receiver_once_what_of_its_own_to_look_at(told: Told) -> None:
    """Sent twice, the parts that order and tell killed in between: the next event is the next message."""
    told.say(QUAKE)
    wait_for("one message each", lambda: all(told.posts().values()), WITHIN_S)
    # Killed between sending and writing it down, it would rightly send again.
    sent = "SELECT 1 FROM notification WHERE sent_us IS NOT NULL"
    wait_for("both written down", lambda: len(told.up.registry(sent)) == len(RECEIVERS))
    told.say(QUAKE)
    for part in ("analytics", "maintenance"):
        told.up.children()[part].kill()
    told.say(STORM)
    wait_for("a second message each", lambda: all(count >= 2 for count in told.posts().values()), WITHIN_S)
    assert told.up.registry("SELECT id, state, told_by FROM hazard_event ORDER BY told_us") == [
        ("eq-1", "ordered", "mqtt"), ("rain-1", "ordered", "mqtt"),
    ]  # fmt: skip
    first, second = told.hooks["ueno"].posts
    assert first["title"] == "【まず見る所】震度6弱（上野町）: 2件"
    assert first["message"].startswith("県道は通行止め\n1. 一番橋")
    assert "2. 川の中継機" in first["message"]
    assert "東ハウス" not in first["message"]
    assert "24時間雨量200 mm" in second["title"]
    first, second = told.hooks["sato-farm"].posts
    assert "JMA intensity 6-lower" in first["title"]
    assert "1. East greenhouse" in first["message"]
    assert "First Bridge" not in first["message"]
    assert "24-hour rain 200 mm" in second["title"]


@pytest.mark.browser
def test_the_link_in_the_message_opens_the_order(told: Told) -> None:
    told.say(QUAKE)
    wait_for("a message", lambda: told.hooks["ueno"].posts, WITHIN_S)
    link = next(word for word in told.hooks["ueno"].posts[0]["message"].split() if "/look?event=" in word)
    base = f"http://127.0.0.1:{told.up.api_port}"
    with chromium(need_chromium()) as browser, open_context(browser, "phone") as context:
        log_in(context, base, TOKEN)
        page = context.new_page()
        page.goto(base + link[link.index("/look") :])
        first = page.locator("li.look-place").first
        expect(first).to_contain_text("1. 一番橋", timeout=PATIENCE_S * 1000)
        expect(first).to_contain_text("震度6弱")
        expect(page.locator("main.page")).not_to_contain_text("東ハウス")
