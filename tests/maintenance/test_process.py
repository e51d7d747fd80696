"""The real process: tells a real webhook, survives kill -9 without telling twice, stops cleanly."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from satomori_core.clock import now_us
from satomori_store.databases import writing
from satomori_store.events import record_event
from satomori_store.models import Finding, FirstLook, HazardEvent
from satomori_store.opening import open_registry
from support.patience import PATIENCE_S
from support.ports import free_ports
from support.region import fill_region, finding
from support.running import satomori, wait_for
from support.webhook import Hook, webhook

SETTINGS = """
[maintenance]
loop_s = 0.2
hold_s = 0.5
group_wait_s = 0.2
group_interval_s = 0.2
[[maintenance.receiver]]
name = "hook"
url = { env = "HOOK_URL" }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "satomori.toml").write_text(SETTINGS, encoding="utf-8")
    monkeypatch.setenv("HOOK_URL", "json://127.0.0.1:1/hook")
    return tmp_path


@contextmanager
def maintenance(folder: Path) -> Generator[subprocess.Popen[str]]:
    with (folder / "log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "satomori_core", "maintenance", "--state", "state", "--config", "satomori.toml"],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_S)


def add(engine: Engine, row: Finding) -> int:
    with writing(engine) as connection, Session(connection) as session:
        session.add(row)
        session.flush()
        return row.id


def end(engine: Engine, number: int) -> None:
    with writing(engine) as connection, Session(connection) as session:
        row = session.get_one(Finding, number)
        row.until_us = row.updated_us = now_us()
        session.flush()


def count(hook: Hook, number: int) -> bool:
    return len(hook.posts) >= number


def test_killed_and_started_again_it_tells_everything_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told; kill -9; a new finding and an end while it is dead; started again: exactly those two are told."""
    with webhook() as hook:
        monkeypatch.setenv("HOOK_URL", f"json://127.0.0.1:{hook.port}/hook")
        engine = open_registry(folder / "state", None)
        fill_region(engine)
        first = add(engine, finding(at_us=now_us()))
        with maintenance(folder) as process:
            wait_for("the first message", lambda: count(hook, 1))
            wait_for("its record", lambda: '"told"' in (folder / "log").read_text())
            os.kill(process.pid, signal.SIGKILL)
            process.wait(PATIENCE_S)
        add(engine, finding("limit/bridge-1/tilt", at_us=now_us(), datastream_id=2, text_ja="傾き"))
        end(engine, first)
        with maintenance(folder) as process:
            wait_for("the second message", lambda: count(hook, 2))
            wait_for("the end", lambda: any("おさまった警報 1件" in p["message"] for p in hook.posts))
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        engine.dispose()
        assert sum("新しい警報" in p["message"] for p in hook.posts) == 2
        assert len({p["message"].rsplit("通知番号", 1)[1] for p in hook.posts}) == len(hook.posts)
        lines = [json.loads(line) for line in (folder / "log").read_text(encoding="utf-8").splitlines()]
        assert lines[-1]["event"] == "stopped"


def test_a_receiver_that_is_away_is_logged_once_and_told_when_it_is_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("HOOK_URL", f"json://127.0.0.1:{port}/hook")
    engine = open_registry(folder / "state", None)
    fill_region(engine)
    add(engine, finding(at_us=now_us()))
    with maintenance(folder):
        wait_for("the complaint", lambda: "receiver away" in (folder / "log").read_text())
        with webhook(port) as hook:
            wait_for("the message", lambda: count(hook, 1))
            wait_for("the relief", lambda: "receiver back" in (folder / "log").read_text())
    engine.dispose()
    assert (folder / "log").read_text().count("receiver away") == 1


def test_report_and_test_commands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--state", str(folder / "state"), "--config", str(folder / "satomori.toml")]
    done = satomori("maintenance", "report", "--json", *options)
    assert done.returncode == 0, done.stderr
    assert {row["name"] for row in json.loads(done.stdout)} >= {"alerts", "rate", "chattering"}
    with webhook() as hook:
        monkeypatch.setenv("HOOK_URL", f"json://127.0.0.1:{hook.port}/hook")
        done = satomori("maintenance", *options, "test", "hook")
        assert done.returncode == 0, done.stderr
        assert hook.posts[0]["title"] == "【試験】里守からの通知"
    done = satomori("maintenance", "test", "nobody", *options)
    assert done.returncode == 2
    assert "known are hook" in done.stderr


def test_after_an_event_a_receiver_is_told_once_what_to_look_at_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One message for all assets; killed and started again, and with a new order, nobody is told again."""
    with webhook() as hook:
        monkeypatch.setenv("HOOK_URL", f"json://127.0.0.1:{hook.port}/hook")
        engine = open_registry(folder / "state", None)
        fill_region(engine)
        with writing(engine) as connection, Session(connection) as session:
            record_event(session, {"id": "eq-1", "kind": "earthquake"}, "mqtt", now_us())
            session.flush()
            event = session.get_one(HazardEvent, "eq-1")
            event.state, event.said_ja, event.said_en = "ordered", "震度6弱（上野町）", "JMA intensity 6-lower"
            for rank, (asset, verdict) in enumerate((("bridge-1", "look"), ("paddy-1", "unknown")), 1):
                session.add(FirstLook(
                    event_id="eq-1", asset_id=asset, rank=rank, verdict=verdict, score=1.0, reasons_ja=["震度6弱"],
                    reasons_en=["felt"], look_ja="支承を見る", look_en="the bearings",
                ))  # fmt: skip
            session.flush()
        with maintenance(folder) as process:
            wait_for("the message", lambda: count(hook, 1))
            wait_for("its record", lambda: '"told"' in (folder / "log").read_text())
            os.kill(process.pid, signal.SIGKILL)
            process.wait(PATIENCE_S)
        # What is told after the restart shows that the round was made which would have told the event again.
        add(engine, finding(at_us=now_us()))
        with maintenance(folder):
            wait_for("an alert", lambda: count(hook, 2))
        engine.dispose()
    [first, second] = hook.posts
    assert first["title"] == "【まず見る所】震度6弱（上野町）: 1件"
    assert "1. 一番橋 (上野町)" in first["message"]
    assert "支承を見る" in first["message"]
    assert "強さ不明 1件" in first["message"]
    assert "/look?event=eq-1" in first["message"]
    assert "新しい警報" in second["message"]
