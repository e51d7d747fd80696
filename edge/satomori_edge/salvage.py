"""What can still be read of a damaged outbox, and where its file goes."""

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from satomori_core.readings import Reading
from satomori_edge.marks import Mark

BATCH_READINGS = 1000


def set_aside(path: Path, when: str) -> Path:
    """Rename the file with its journal and its note; the new name of the file."""
    aside = path.with_name(f"{path.name}.damaged-{when}")
    for suffix in ("", "-wal", "-shm", "-stream"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


@dataclass(slots=True)
class Damaged:
    """`first`…`last`: the numbers that the file may have held; none if `last` is the smaller one."""

    connection: sqlite3.Connection
    stream: str | None = None
    first: int = 1
    last: int = 0

    def readings(self) -> Iterator[list[Reading]]:
        """Some at a time. Searched by number, since a damaged page ends a scan but not a search beyond it."""
        series: dict[int, tuple[str, str, str]] = {}
        with contextlib.suppress(sqlite3.Error):
            rows = self.connection.execute("SELECT id, device, metric, unit FROM series")
            series.update({number: (device, metric, unit) for number, device, metric, unit in rows})
        batch: list[Reading] = []
        for seq in range(self.first, self.last + 1):
            with contextlib.suppress(sqlite3.Error):
                query = "SELECT series, observed_at_us, value FROM reading WHERE seq = ?"
                number, at_us, value = self.connection.execute(query, (seq,)).fetchone() or (None, 0, 0.0)
                if number in series and isinstance(at_us, int) and at_us >= 0 and isinstance(value, float):
                    device, metric, unit = series[number]
                    batch.append(Reading(device, metric, at_us, value, unit or None))
            if len(batch) == BATCH_READINGS:
                yield batch
                batch = []
        if batch:
            yield batch

    def losses(self) -> list[tuple[str, int, int, str]]:
        """(stream, first, last, reason) of those that were not acknowledged yet, also of streams that ended before."""
        with contextlib.suppress(sqlite3.Error):
            query = "SELECT CASE stream WHEN '' THEN ? ELSE stream END, first, last, reason FROM loss"
            return [loss for loss in self.connection.execute(query, (self.stream,)) if loss[0] is not None]
        return []

    def marks(self) -> list[Mark]:
        """Without them, what a node sends again would be taken for new."""
        with contextlib.suppress(sqlite3.Error):
            query = (
                "SELECT device, life, seq FROM mark "
                "WHERE typeof(device) = 'text' AND typeof(life) = 'integer' AND typeof(seq) = 'integer' ORDER BY rowid"
            )
            return [Mark(*row) for row in self.connection.execute(query).fetchall()]
        return []


@dataclass(frozen=True, slots=True)
class Note:
    """Beside an outbox, for the day that its own pages can't say it: its stream, and how far that may have come."""

    stream: str
    last: int


@contextlib.contextmanager
def open_damaged(path: Path) -> Iterator[Damaged]:
    """Any page may be the damaged one, so what can't be read is taken from the note."""
    note = read_note(path)
    connection = sqlite3.connect(path)
    try:
        damaged = Damaged(connection, note.stream if note else None)
        with contextlib.suppress(sqlite3.Error, TypeError):  # TypeError: the row is not there
            [stream] = connection.execute("SELECT stream FROM identity").fetchone()
            damaged.stream = stream if is_stream(stream) else damaged.stream
        last = _number(connection, "SELECT seq FROM sqlite_sequence WHERE name = 'reading'")
        damaged.last = last if last is not None else note.last if note else 0
        first = _number(connection, "SELECT coalesce(min(seq), 0) FROM reading")
        damaged.first = 1 if first is None else first or damaged.last + 1
        yield damaged
    finally:
        connection.close()


def _number(connection: sqlite3.Connection, question: str) -> int | None:
    with contextlib.suppress(sqlite3.Error, TypeError):
        [answer] = connection.execute(question).fetchone()
        return answer if isinstance(answer, int) else None
    return None


def is_stream(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch("[0-9a-f]{32}", text) is not None


def read_note(path: Path) -> Note | None:
    """The note beside the outbox `path`; None where there is none that makes sense."""
    with contextlib.suppress(OSError, ValueError):
        stream, last = _note(path).read_text(encoding="ascii").split()
        return Note(stream, int(last)) if is_stream(stream) else None
    return None


def write_note(path: Path, note: Note) -> None:
    with contextlib.suppress(OSError), _note(path).open("w", encoding="ascii") as file:  # the disk is full: next time
        file.write(f"{note.stream} {note.last}\n")
        file.flush()
        os.fsync(file.fileno())


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}-stream")
