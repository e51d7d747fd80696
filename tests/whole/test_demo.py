"""The demo as a newcomer sees it: `satomori up --sample`, from the first second to Ctrl-C."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from paho.mqtt import publish
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from playwright.sync_api import expect

from satomori_api.accounts import hash_token
from satomori_core.clock import DAY_US, now_us
from satomori_core.topics import EVENT
from satomori_store.models import Session, User
from satomori_store.opening import open_registry
from satomori_store.registry import changing
from support.chromium import SCREENS, chromium, need_chromium, open_context
from support.patience import PATIENCE_S
from support.running import Up, running, satomori, wait_for
from support.screenshots import NAMES, SIZE_MOST, log_in, take

# Also on a busy machine; how fast it is, the bench tells.
CONSOLE_WITHIN_S = 60
HISTORY_WITHIN_S = 240
ALERT_WITHIN_S = 240
QUAKE = {"id": "eq-1", "kind": "earthquake", "latitude": 34.12, "longitude": 133.7, "magnitude": 6.5}
PARTS = ("broker", "ingest", "api", "analytics", "maintenance", "simulate", "edge")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("demo"), "--sample") as up:
        yield up


def test_the_console_answers_soon(demo: Up) -> None:
    wait_for("the console's login page", lambda: demo.answers("/login"), CONSOLE_WITHIN_S)
    assert demo.said_with("login"), demo.said


def test_the_history_is_in_and_nobody_was_told_of_it(demo: Up) -> None:
    ready = wait_for("ready", lambda: demo.said_with("ready"), HISTORY_WITHIN_S + CONSOLE_WITHIN_S, every_s=0.5)
    progress = [record["at_s"] for record in demo.said if "progress" in record]
    assert ready["at_s"] - progress[0] <= HISTORY_WITHIN_S
    [(stored,)] = demo.observations("SELECT count(*) FROM observation")
    assert stored > 600_000
    assert demo.registry("SELECT count(*) FROM notification") == [(0,)]


def test_a_fault_becomes_an_alert(demo: Up) -> None:
    alerts = wait_for(
        "a first alert",
        lambda: demo.registry(
            "SELECT id, level, text_ja, text_en, advice_ja FROM alert WHERE NOT historical AND level >= 3"
        ),
        ALERT_WITHIN_S,
    )
    _, level, text_ja, text_en, advice_ja = alerts[0]
    assert level >= 3
    assert text_ja
    assert text_en
    assert advice_ja


@pytest.mark.browser
def test_pictures_of_the_live_region_for_the_readme(demo: Up, tmp_path: Path) -> None:
    """The console as a person sees it now, with the alert in it, and after an earthquake of which two are looked at.

    Kept where SATOMORI_SCREENSHOTS names a folder.
    """
    publish.single(EVENT, json.dumps(QUAKE), qos=1, hostname="127.0.0.1", port=demo.mqtt_port)
    wait_for("what to look at first", lambda: demo.registry("SELECT 1 FROM hazard_event WHERE state = 'ordered'"))
    base = f"http://127.0.0.1:{demo.api_port}"
    link = (demo.state / "first-login.txt").read_text(encoding="utf-8").strip()
    with chromium(need_chromium()) as browser, open_context(browser, "desk") as context:
        logged_in = log_in(context, base, link)
        page = context.new_page()
        page.goto(f"{base}/look")
        page.wait_for_function("() => window.socket && window.socket.connected")
        for place in (1, 2):
            page.locator("li.look-place").nth(place).get_by_role("button", name="異常なし").click()
            expect(page.locator("li.look-place").nth(place)).to_contain_text("に確認", timeout=PATIENCE_S * 1000)
        taken = take(browser, base, logged_in, Path(os.environ.get("SATOMORI_SCREENSHOTS") or tmp_path))
    assert len(taken) == len(SCREENS) * len(NAMES)
    assert all(0 < picture.stat().st_size <= SIZE_MOST for picture in taken)


def test_a_pump_is_started_and_stopped_from_afar(demo: Up) -> None:
    """By the API and a real edge agent: the coil of the sample's slave is read back, and the run's end is told."""
    offered = "SELECT 1 FROM actuator WHERE name = 'pump-1' AND allows IS NOT NULL"
    wait_for("the gateway offers its pump", lambda: demo.registry(offered), HISTORY_WITHIN_S)
    engine = open_registry(demo.state, demo.config)
    with changing(engine) as rows:
        rows.add(User(id="operator", name="当番", role="admin"))
        rows.flush()
        rows.add(Session(token_hash=hash_token("token-of-operator"), user_id="operator", expires_us=now_us() + DAY_US))
    engine.dispose()
    headers = {"Authorization": "Bearer token-of-operator"}
    base = f"http://127.0.0.1:{demo.api_port}/api/v1"
    with httpx.Client(headers=headers, timeout=PATIENCE_S) as client:

        def order(key: str, **more: object) -> str:
            body = {"actuator": "pump-1", "why": "試し運転", "idempotency_key": key, **more}
            answer = client.post(f"{base}/assets/aoba-pump-1/commands", json=body)
            assert answer.status_code == 202, answer.text
            return str(answer.json()["id"])

        def is_so(id_: str, **wanted: object) -> bool:
            found: dict[str, object] = client.get(f"{base}/commands/{id_}").json()
            return wanted.items() <= found.items()

        run = order("1", value=1, run_s=600)
        wait_for("the pump is on", lambda: is_so(run, state="done", read_back=1.0))
        stop = order("2", action="stop")
        wait_for("the pump is off", lambda: is_so(stop, state="done", read_back=0.0))
        wait_for("the run's end is told", lambda: is_so(run, ended_why="stopped"))


def test_a_second_up_on_the_same_state_is_refused(demo: Up) -> None:
    second = satomori("up", *demo.options)
    assert second.returncode == 2
    assert str(demo.process.pid) in second.stderr
    assert demo.process.poll() is None


BAD_MESSAGES: dict[str, tuple[str, bytes]] = {
    "not_json": ("telemetry", b"\xff\xfe not JSON"),
    "not_senml": ("telemetry", b'{"temperature": 21.5}'),
    "unknown_device": ("telemetry", b'[{"n":"nobody/rain","v":1}]'),
    "unit": ("telemetry", b'[{"n":"%(device)s/%(metric)s","u":"furlong","v":1}]'),
    "not_finite": ("telemetry", b'[{"n":"%(device)s/%(metric)s","v":1e999}]'),
    "time_unset": ("telemetry", b'[{"n":"%(device)s/%(metric)s","t":300000000,"v":1}]'),
    "future": ("telemetry", b'[{"n":"%(device)s/%(metric)s","t":4102444800,"v":1}]'),
    "too_large": ("telemetry", b" " * 1_500_000),
}


def test_bad_messages_are_set_aside_with_their_reason_and_disturb_nothing(demo: Up) -> None:
    """Each kind of bad message is in quarantine by its name, values keep arriving; 5 MB the broker itself refuses."""
    [(gateway, device, metric)] = demo.registry(
        "SELECT p.gateway_id, d.device_id, d.metric FROM datastream d JOIN placement p ON p.device_id = d.device_id "
        "JOIN gateway g ON g.id = p.gateway_id WHERE g.kind = 'direct' LIMIT 1"
    )
    words = {b"device": device.encode(), b"metric": metric.encode()}
    messages: list[Any] = [
        {
            "topic": f"satomori/v1/{gateway}/{channel}",
            "payload": payload % words if b"%(" in payload else payload,
            "qos": 1,
        }
        for channel, payload in BAD_MESSAGES.values()
    ]
    publish.multiple(messages, hostname="127.0.0.1", port=demo.mqtt_port)
    _publish_huge(f"satomori/v1/{gateway}/telemetry", demo.mqtt_port)

    def reasons() -> set[str]:
        done = satomori("quarantine", "list", "--json", *demo.options)
        assert done.returncode == 0, done.stderr
        return {row["reason"] for row in json.loads(done.stdout)}

    wait_for("all reasons in quarantine", lambda: set(BAD_MESSAGES) <= reasons(), every_s=1)
    [(newest,)] = demo.observations("SELECT max(observed_at_us) FROM observation")
    wait_for(
        "values keep arriving",
        lambda: demo.observations("SELECT 1 FROM observation WHERE observed_at_us > ? LIMIT 1", newest + 5_000_000),
    )


def _publish_huge(topic: str, port: int) -> None:
    """5 MB in one message, on a connection of its own, which the broker may close on it."""
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.publish(topic, b" " * 5_000_000)
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and client.loop(0.2) == MQTTErrorCode.MQTT_ERR_SUCCESS:
        pass
    client.disconnect()


@pytest.mark.parametrize("part", PARTS)
def test_a_part_killed_with_9_comes_back_while_data_flow(demo: Up, part: str) -> None:
    name = next(key for key in demo.children() if key.startswith(part))
    victim = demo.children()[name]
    victim.send_signal(signal.SIGKILL)

    def is_back() -> bool:
        back = demo.children().get(name)
        return back is not None and back.pid != victim.pid

    wait_for(f"{name} started again", is_back)
    [(newest,)] = demo.observations("SELECT max(observed_at_us) FROM observation")
    wait_for(
        "new values in the store",
        lambda: demo.observations("SELECT 1 FROM observation WHERE observed_at_us > ? LIMIT 1", newest + 5_000_000),
    )


def test_no_reading_is_missing_or_double_after_all_those_kills(demo: Up) -> None:
    """The ledger against the store, while data keep flowing; what is on its way is given two minutes."""
    rows = demo.audit()
    assert len(rows) > 10
    wait_for("an audit without gaps, excess or missing", lambda: not demo.faults_of_audit(), 2 * PATIENCE_S, every_s=2)


def test_ctrl_c_leaves_no_process_behind(demo: Up) -> None:
    family = psutil.Process(demo.process.pid).children(recursive=True)
    assert len(family) > 8
    assert demo.stop() == 0
    _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
    assert alive == []
