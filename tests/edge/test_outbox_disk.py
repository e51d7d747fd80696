"""A disk that is really full, and a power cut: what was durable is there, the rest is told or was never promised."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from satomori_edge.outbox import Outbox

ON_A_SMALL_DISK = """
import asyncio, json, sys
from pathlib import Path
from satomori_core.readings import Reading
from satomori_edge.keeper import Keeper
from satomori_edge.settings import OutboxSettings

folder = Path(sys.argv[1])
given = []

async def put(keeper, count):
    values = [float(len(given) + i) for i in range(count)]
    await keeper.put([Reading("a", "rain", int(v) * 1_000_000, v) for v in values])
    given.extend(values)

def found(outbox):
    lost = sum(one.loss.last - one.loss.first + 1 for one in outbox.losses(10**6))
    return {"values": [row.reading.value for row in outbox.peek(0, None, 10**6)], "lost": lost}

async def main():
    keeper = Keeper(folder / "o.sqlite", OutboxSettings(memory_readings_max=500))
    await keeper.open()
    await put(keeper, 100)
    with (folder / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            pass
    while len(keeper.outboxes()) == 1:
        await put(keeper, 50)
    on_disk = len(given) - 50
    for _ in range(40):
        await put(keeper, 50)
    (folder / "filler").unlink()
    keeper._retry_at_s = 0.001  # ten seconds are over
    before = len(given)
    await put(keeper, 100)
    memory = found(keeper.outboxes()[1])
    await keeper.close()
    keeper = Keeper(folder / "o.sqlite", OutboxSettings())
    await keeper.open()
    disk = found(keeper.outboxes()[0])
    await keeper.close()
    print(json.dumps({"given": given, "on_disk": on_disk, "before": before, "disk": disk, "memory": memory}))

asyncio.run(main())
"""


def test_on_a_really_full_disk_readings_go_on_and_are_durable_when_there_is_room_again(tmp_path: Path) -> None:
    """A file system of 1 MB, filled by something else. What memory had no room for was thinned and is told."""
    inside = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" "$1"'
    private = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    done = subprocess.run(
        [*private, "sh", "-c", inside, "sh", str(tmp_path), sys.executable, ON_A_SMALL_DISK],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *log, last = done.stdout.splitlines()
    told = json.loads(last)
    given, in_memory = told["given"], told["given"][told["on_disk"] : told["before"]]
    assert told["disk"]["values"] == [*given[: told["on_disk"]], *given[told["before"] :]]
    assert told["disk"]["lost"] == 0
    assert set(told["memory"]["values"]) <= set(in_memory)
    assert len(told["memory"]["values"]) + told["memory"]["lost"] == len(in_memory) > 2000
    assert len(told["memory"]["values"]) <= 500
    assert sum("disk can't be written" in line for line in log) == 1
    assert sum("disk can be written again" in line for line in log) == 1


WRITER = """
import os, sys
from pathlib import Path
from satomori_core.readings import Reading
from satomori_edge.outbox import Outbox
path = Path(sys.argv[1])
outbox = Outbox(path, readings_max=2000, bytes_max=10**9)
i = 0
while True:
    outbox.put([Reading("a", "rain", (i + k) * 1_000_000, float(i + k)) for k in range(7)])
    i += 7
    print(i, path.with_name(path.name + "-wal").stat().st_size, flush=True)
    if i % 70 == 0:
        outbox.acknowledge(outbox.stream, [(i // 2, i // 2 + 3)])
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_the_files_as_a_power_cut_may_leave_them_hold_everything_that_was_durable(tmp_path: Path, seed: int) -> None:
    """The writer is frozen at arbitrary instants, at times while it thins, and its files are copied as they are.

    A power cut may also take from the journal's end what was not yet forced to the disk: the copy's is cut off at a
    random place after the last round that was told durable. (What a drive does that lies about fsync is not shown.)
    """
    chance = random.Random(seed)
    path = tmp_path / "outbox.sqlite"
    cuts = 0
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            for snapshot in range(12):
                for _ in range(chance.randrange(10, 120)):
                    line = process.stdout.readline()
                for _ in range(chance.randrange(20_000)):
                    pass
                process.send_signal(signal.SIGSTOP)
                durable, journal_bytes = map(int, line.split())
                folder = tmp_path / str(snapshot)
                folder.mkdir()
                for part in tmp_path.glob("outbox.sqlite*"):
                    if not part.name.endswith("-shm"):
                        shutil.copy(part, folder)
                process.send_signal(signal.SIGCONT)
                journal = folder / "outbox.sqlite-wal"
                if (length := journal.stat().st_size) > journal_bytes:
                    os.truncate(journal, chance.randrange(journal_bytes, length))
                    cuts += 1
                _assert_all_there(folder / "outbox.sqlite", durable)
        finally:
            process.kill()
    print(f"seed {seed}: {cuts} journals cut")


def _assert_all_there(path: Path, durable: int) -> None:
    """Each number up to `durable` is kept, told as lost or acknowledged, and whole rounds only."""
    outbox = Outbox(path, readings_max=10**6, bytes_max=10**9)
    rows = outbox.peek(0, None, 10**6)
    assert outbox.next_seq() > durable
    assert (outbox.next_seq() - 1) % 7 == 0
    assert all(row.reading.value == row.seq - 1.0 for row in rows)
    there = {row.seq for row in rows}
    for one in outbox.losses(10**6):
        assert one.loss.reason == "thinned"
        there |= set(range(one.loss.first, one.loss.last + 1))
    # The writer may be far ahead of what we have read of its lines.
    acknowledged = {number for i in range(70, outbox.next_seq(), 70) for number in range(i // 2, i // 2 + 4)}
    assert set(range(1, durable + 1)) <= there | acknowledged
    assert not list(path.parent.glob("*.damaged-*"))
    outbox.close()
