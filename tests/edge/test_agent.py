"""The agent as a process: small, stopped cleanly, one for one outbox, and back after kill -9 with nothing missing."""

import asyncio
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from satomori_core.metrics import EDGE_HEALTH
from support.edge import Peer, agent, nowhere, peer, slaves, until
from support.edge_config import other_sources, write_config
from support.mosquitto import mosquitto
from support.running import satomori, wait_for
from support.serial import Cable, cable


@pytest.mark.servers
async def test_an_agent_with_all_sources_reports_its_health_and_stops_cleanly(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, cable(tmp_path) as line, other_sources(tmp_path, broker.url) as more:
        config = write_config(tmp_path, broker.url, line, more=more, interval_s=0.05)
        async with slaves(line.far, {1: [3, 4]}), peer(Peer("gw"), broker.host, broker.port) as one:
            with agent(config, tmp_path / "state") as edge:
                await until("health twice", lambda: len(one.values("gw", "outbox_readings")) >= 2)
                assert edge.stop() == 0
                await until("told that it is offline", lambda: one.statuses[-1]["online"] is False)
    assert {r.metric for r in one.readings.values() if r.device == "gw"} == set(EDGE_HEALTH)
    assert set(one.values("gw", "bus_errors")) == {0.0}
    assert all(abs(offset) < 1 for offset in one.values("gw", "clock_offset"))
    assert set(one.values("a", "rain")) == {3.0}


@pytest.mark.servers
async def test_killed_with_9_again_and_again_no_number_is_missing(tmp_path: Path) -> None:
    """Every number of the stream came, as often as it may be; the last will says offline; a new life goes on."""
    with mosquitto(tmp_path) as broker, cable(tmp_path) as line:
        config = write_config(tmp_path, broker.url, line)
        async with slaves(line.far, {1: [3, 4]}), peer(Peer("gw"), broker.host, broker.port) as one:
            for life in range(4):
                with agent(config, tmp_path / "state") as edge:
                    before = len(one.readings)
                    await until("readings of this life", lambda before=before: len(one.readings) > before + 20)  # type: ignore[misc]
                    await asyncio.sleep(0.05 * life)
                    edge.process.send_signal(signal.SIGKILL)
                    edge.process.wait(10)
                await until("the last will", lambda: one.statuses[-1]["online"] is False)
            with agent(config, tmp_path / "state") as edge:
                await until("online again", lambda: one.statuses[-1]["online"] is True)
                await until("the outbox almost empty", lambda: one.values("gw", "outbox_readings")[-1] < 20)
                await until("what is late as well", lambda: not one.missing())
                edge.stop()
    assert not one.missing()
    assert len({stream for stream, _ in one.readings}) == 1
    assert set(one.values("a", "flow")) == {4.0}


def test_a_second_agent_on_the_same_state_is_refused(tmp_path: Path) -> None:
    with cable(tmp_path) as line:
        config = write_config(tmp_path, f"mqtt://127.0.0.1:{nowhere()}", line)
        with agent(config, tmp_path / "state") as first:
            wait_for("the first", lambda: first.events("edge starts"))
            second = satomori("edge", "--config", str(config), "--state", str(tmp_path / "state"))
            assert second.returncode == 2
            assert str(first.process.pid) in second.stderr
            assert first.process.poll() is None
            assert first.stop(signal.SIGINT) == 0


async def test_without_broker_and_port_it_waits_and_keeps_its_health(tmp_path: Path) -> None:
    """Neither is a reason to end: both are told, and tried again."""
    line = Cable(tmp_path)
    config = write_config(tmp_path, f"mqtt://127.0.0.1:{nowhere()}", line)
    with agent(config, tmp_path / "state") as edge:
        await until("the port told", lambda: edge.events("source is away"))
        await until("the broker told", lambda: edge.events("broker is away"))
        outbox = tmp_path / "state" / "outbox.sqlite"
        await until("two rounds of health kept", lambda: kept(outbox) >= 2 * len(EDGE_HEALTH))
        assert edge.process.poll() is None
        assert edge.stop() == 0
    assert edge.events("edge stopped")[0]["waiting"] >= 2 * len(EDGE_HEALTH)
    assert len(edge.events("source is away")) == len(edge.events("broker is away")) == 1


def kept(outbox: Path) -> int:
    with closing(sqlite3.connect(f"file:{outbox}?mode=ro", uri=True)) as connection:
        [[count]] = connection.execute("SELECT count(*) FROM reading")
    return int(count)


@pytest.mark.servers
async def test_it_stops_in_time_though_the_broker_is_frozen(tmp_path: Path) -> None:
    """The broker takes bytes but answers nothing, neither to the uplink nor to the MQTT source.

    Left to themselves the libraries would wait 10 s for a last message and 10 s for the goodbye.
    """
    with mosquitto(tmp_path) as broker, cable(tmp_path) as line, other_sources(tmp_path, broker.url) as more:
        config = write_config(tmp_path, broker.url, line, more=more)
        with agent(config, tmp_path / "state") as edge:
            await until("connected", lambda: edge.events("connected"))
            await asyncio.sleep(0.5)
            assert broker._process is not None
            broker._process.send_signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(0.3)
                began = time.monotonic()
                assert edge.stop() == 0
                assert time.monotonic() - began < 20
            finally:
                broker._process.send_signal(signal.SIGCONT)
