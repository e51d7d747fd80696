"""kill -9 in the middle of writing: whatever `put` had returned from is there, in order, and numbers go on."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from satomori_edge.outbox import Outbox

WRITER = """
import sys
from pathlib import Path
from satomori_core.readings import Reading
from satomori_edge.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), readings_max=1_000_000, bytes_max=10**9)
i = int(sys.argv[2])
while True:
    outbox.put([Reading("a", "rain", i + k, float(i + k)) for k in range(7)])
    i += 7
    print(i, flush=True)
    if i % 5 == 0 and i > 400:
        outbox.acknowledge(outbox.stream, [(i - 400, i - 300)])
"""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_was_committed_survives_kill_9(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "outbox.sqlite"
    told, stream = 0, None
    for life in range(3):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(told)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(random.Random(seed * 10 + life).uniform(0.01, 0.2))
        process.kill()
        lines = [first, *process.stdout.read().splitlines()]
        process.stdout.close()
        process.wait(60)
        told = int(lines[-1])
        outbox = Outbox(path, readings_max=1_000_000, bytes_max=10**9)
        assert stream in (None, outbox.stream)
        stream = outbox.stream
        rows = outbox.peek(0, None, 10**6)
        # A round is there whole or not at all; the one that was being written may or may not be.
        assert rows[-1].seq in (told, told + 7)
        assert [row.seq - 1.0 for row in rows] == [row.reading.value for row in rows]
        missing = set(range(told - 250, told)) - {row.seq for row in rows}
        assert not {m for m in missing if m > 0}
        told = rows[-1].seq
        outbox.close()
