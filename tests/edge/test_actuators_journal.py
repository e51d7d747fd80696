"""The journal: what was written down is there after kill -9 at each step; replies stay until the broker has them."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from satomori_core.clock import DAY_US, SECOND_US
from satomori_core.commands import Ended, Outcome, Reason, Reply, reason_of
from satomori_core.errors import UnavailableError
from satomori_edge.actuators.books import Books
from satomori_edge.actuators.journal import COMMANDS_MAX, Journal
from satomori_edge.clock import CLOCK

DONE = Reply("c", 5, Outcome.DONE, read_back=1.0, until_us=9)

# Each life does the first `sys.argv[2]` steps of a run and is then killed, without a chance to tidy up.
STEPS = """
import os, signal, sys
from pathlib import Path
from satomori_core.commands import Ended, Outcome, Reply
from satomori_edge.actuators.books import Books
from satomori_edge.actuators.journal import Journal
journal = Journal(Path(sys.argv[1]))
steps = [
    lambda: journal.accept("c", 100),
    lambda: journal.begin_run("gate", "c", 4),
    lambda: journal.answer(Reply("c", 5, Outcome.DONE, read_back=1.0, until_us=9)),
    lambda: journal.delivered(journal.due(10)[0]),
    lambda: journal.end_run("gate", 9, Ended.RUN_TIME),
    lambda: journal.delivered(journal.due(10)[0]),
]
for step in steps[: int(sys.argv[2])]:
    step()
os.kill(os.getpid(), signal.SIGKILL)
"""
ACCEPTING = """
import sys
from pathlib import Path
from satomori_edge.actuators.books import Books
from satomori_edge.actuators.journal import Journal
journal = Journal(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), 10**6):
    journal.accept(f"c-{number}", 100)
    print(number, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "actuators.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    one = Journal(path)
    yield one
    one.close()


@pytest.mark.parametrize("steps", range(7))
def test_after_kill_9_at_each_step_the_next_start_knows_what_was(path: Path, steps: int) -> None:
    """No step is lost; what moved and was not brought home is known to have, and its sender is told how it ended."""
    life = subprocess.run([sys.executable, "-c", STEPS, str(path), str(steps)], check=False, timeout=60)
    assert life.returncode == -signal.SIGKILL
    journal = Journal(path)
    journal.answer_interrupted(7)
    assert journal.knows("c") == (steps >= 1)
    assert journal.last_start_us("gate") == (4 if steps >= 2 else None)
    assert journal.runs() == (["gate"] if steps in {2, 3, 4} else [])
    journal.end_run("gate", 8, Ended.RESTART)  # as the worker does when the fail-safe position is read back
    replies = [due.reply for due in journal.due(10)]
    journal.close()
    if steps == 0:
        assert replies == []
    elif steps in {1, 2}:
        assert [(r.outcome, reason_of(r.reason)) for r in replies] == [(Outcome.FAILED, Reason.INTERRUPTED)]
        assert replies[0].ended_why == ("" if steps == 1 else Ended.RESTART)
    elif steps in {3, 4}:
        assert replies == [replace(DONE, ended_us=8, ended_why=Ended.RESTART)]
    else:
        assert replies == ([replace(DONE, ended_us=9, ended_why=Ended.RUN_TIME)] if steps == 5 else [])


@pytest.mark.parametrize("seed", [1, 2])
def test_an_id_that_was_accepted_is_known_after_kill_9_in_the_midst(path: Path, seed: int) -> None:
    told = -1
    for life in range(3):
        process = subprocess.Popen([sys.executable, "-c", ACCEPTING, str(path), str(told + 2)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(random.Random(seed * 10 + life).uniform(0.0, 0.1))
        process.kill()
        numbers = [int(line) for line in [first, *process.stdout.read().splitlines()]]
        process.stdout.close()
        process.wait(60)
        journal = Journal(path)
        assert all(journal.knows(f"c-{number}") for number in numbers)
        told = numbers[-1]
        journal.close()


def test_a_reply_stays_until_the_broker_has_that_very_one(journal: Journal) -> None:
    """Where the run ended while the first was on its way, the second is still to go."""
    journal.accept("c", 100)
    journal.begin_run("gate", "c", 4)
    journal.answer(DONE)
    [first] = journal.due(10)
    journal.end_run("gate", 9, Ended.STOPPED)
    journal.delivered(first)
    [second] = journal.due(10)
    assert second.reply == replace(DONE, ended_us=9, ended_why=Ended.STOPPED)
    journal.delivered(second)
    assert journal.due(10) == []
    journal.ask_again("c")
    assert [due.reply for due in journal.due(10)] == [replace(second.reply, repeated=True)]


def test_a_run_that_takes_anothers_place_ends_it(journal: Journal) -> None:
    """It is no start of its own: the pause between starts counts from the first."""
    for id_, at_us in (("c", 4), ("d", 6)):
        journal.accept(id_, 100)
        journal.begin_run("gate", id_, at_us)
        journal.answer(replace(DONE, id=id_))
    ended = {due.reply.id: due.reply.ended_why for due in journal.due(10)}
    assert ended == {"c": Ended.REPLACED, "d": ""}
    assert journal.last_start_us("gate") == 4


def test_an_id_is_forgotten_when_it_can_not_come_again_and_its_reply_is_out(journal: Journal) -> None:
    journal.accept("c", 100)
    journal.answer(DONE)
    journal.forget(101)
    assert journal.knows("c")  # the broker does not have its reply
    journal.delivered(journal.due(10)[0])
    journal.forget(99)
    assert journal.knows("c")
    journal.forget(101)
    assert not journal.knows("c")


async def test_no_id_is_forgotten_while_the_time_is_not_known(path: Path) -> None:
    """A wall clock that is years ahead would forget what comes again when it is set right."""
    books = Books(path)
    await books.run(lambda journal: journal.accept("c", CLOCK.now_us() - SECOND_US))
    await books.answer(DONE)
    await books.delivered((await books.due())[0])
    known_by = CLOCK.origin
    try:
        CLOCK.origin = "unknown"
        await books.due()
        assert await books.run(lambda journal: journal.knows("c"))
    finally:
        CLOCK.origin = known_by
    await books.due()
    assert not await books.run(lambda journal: journal.knows("c"))
    await books.close()


def test_it_is_bounded(journal: Journal) -> None:
    """Full, it refuses instead of forgetting an id; a reply that no broker takes is kept for a month."""
    for number in range(COMMANDS_MAX):
        journal.accept(f"c-{number}", 100)
    assert journal.is_full()
    with pytest.raises(UnavailableError):
        journal.refuse(DONE, 100)
    journal.forget(100 + 31 * DAY_US)
    assert not journal.is_full()


def test_a_refusal_of_a_known_id_says_what_became_of_it_then(journal: Journal) -> None:
    journal.accept("c", 100)
    journal.answer(DONE)
    journal.refuse(Reply("c", 8, Outcome.REFUSED, "not_command: …"), 100)
    assert [due.reply for due in journal.due(10)] == [replace(DONE, repeated=True)]


def test_a_damaged_file_is_set_aside_and_its_memory_begins_anew(path: Path) -> None:
    """What was commanded before is refused from then on (decide.py: forgotten)."""
    path.write_bytes(b"no database at all, but long enough to be looked at as one" * 100)
    began_s = time.time()
    journal = Journal(path)
    assert journal.began_us >= (began_s - 1) * 1e6
    assert not journal.knows("c")
    journal.close()
    assert list(path.parent.glob("actuators.sqlite.damaged-*"))


def test_a_disk_that_can_not_be_written_is_unavailable(path: Path) -> None:
    """So that nothing is done that could not be written down."""
    journal = Journal(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    journal._connection.execute("PRAGMA busy_timeout = 10")
    with pytest.raises(UnavailableError):
        journal.accept("c", 100)
    other.execute("ROLLBACK")
    other.close()
    journal.accept("c", 100)
    journal.close()
