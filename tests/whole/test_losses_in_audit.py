"""What an edge could not keep, in the audit: every number of every stream has one fate, and each loss its reason."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from satomori_core.clock import SECOND_US, now_us
from satomori_core.readings import Reading
from satomori_edge.clock import SINCE_BOOT
from satomori_edge.outbox import Outbox
from support.edge import agent, until
from support.ingest_process import ingest_process
from support.mosquitto import mosquitto
from support.running import satomori
from support.serial import cable

BOUND = 100


def spoilt_outbox(path: Path) -> tuple[str, str]:
    """An outbox that was thinned, then damaged, then had to drop, then lived through a boot without the time.

    The streams before and after the damage.
    """
    start_us = now_us() - 3600 * SECOND_US
    one = Outbox(path, readings_max=BOUND, bytes_max=10**9)
    for first in range(0, 300, 10):
        one.put([Reading("dev-1", "air_temperature", start_us + n * SECOND_US, 20.0) for n in range(first, first + 10)])
    [[page]] = one._connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'reading'")
    one._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    one.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xde\xad" * 2048)
    two = Outbox(path, readings_max=BOUND, bytes_max=10**9, boot="a boot without the time")
    two.put([Reading(f"stranger-{n}", "air_temperature", start_us, 20.0) for n in range(BOUND)])
    two.put([Reading("dev-1", "air_temperature", start_us + (400 + n) * SECOND_US, 20.0) for n in range(10)])
    two.put([Reading("dev-1", "air_temperature", SINCE_BOOT + n * SECOND_US, 20.0) for n in range(5)])
    two.close()
    return one.stream, two.stream


@pytest.mark.servers
async def test_thinned_dropped_damaged_and_timeless_readings_are_in_the_audit_with_their_reasons(
    tmp_path: Path,
) -> None:
    """And what the registry does not know is set aside; no number is a gap; points are counted in the store itself."""
    edge = tmp_path / "edge"
    edge.mkdir()
    before, after = spoilt_outbox(edge / "outbox.sqlite")
    (tmp_path / "ingest").mkdir()
    with (
        mosquitto(tmp_path) as broker,
        cable(tmp_path) as line,
        ingest_process(tmp_path / "ingest", f'[broker]\nurl = "{broker.url}"\n') as ingest,
    ):
        config = tmp_path / "edge.toml"
        config.write_text(
            f'[broker]\nurl = "{broker.url}"\n[edge]\ngateway = "gw-1"\nhealth_interval_s = 86400\n'
            f"outbox = {{ readings_max = {BOUND} }}\n"
            f'[[edge.text]]\nport = "{line.near}"\ndevice = "dev-1"\n'
            'fields = [{ index = 0, metric = "air_temperature" }]\n',
            encoding="utf-8",
        )
        with agent(config, edge) as running:
            await until("everything told", lambda: not waiting(edge / "outbox.sqlite"))
            assert running.stop() == 0
        streams, points = audited(ingest.folder, ingest.config)
        assert streams.keys() == {before, after}
        assert set(counted(streams[before]["lost"])) == {"thinned", "outbox_damaged"}
        assert sum(counted(streams[before]["lost"]).values()) == 300
        lost = counted(streams[after]["lost"])
        assert lost["clock"] == 5
        assert set(lost) <= {"clock", "dropped", "thinned"}
        assert lost["dropped"] > 0
        assert counted(streams[after]["set_aside"])["unknown_device"] > 0
        assert not streams[before]["gaps"]
        assert not streams[after]["gaps"]
        assert points["points"] == points["readings"] == streams[after]["stored_count"] >= 10


def waiting(outbox: Path) -> int:
    with closing(sqlite3.connect(f"file:{outbox}?mode=ro", uri=True)) as connection:
        [[count]] = connection.execute("SELECT (SELECT count(*) FROM reading) + (SELECT count(*) FROM loss)")
    return int(count)


def counted(fates: list[list[Any]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for first, last, reason in fates:
        counts[reason] += last - first + 1
    return counts


def audited(state: Path, config: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Streams by their ids, and the row of the only datastream that was heard of."""
    done = satomori("audit", "--json", "--state", str(state), "--config", str(config))
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    [datastream] = [row for row in rows if row["kind"] == "datastream" and (row["readings"] or row["points"])]
    return {row["stream"]: row for row in rows if row["kind"] == "stream"}, datastream
