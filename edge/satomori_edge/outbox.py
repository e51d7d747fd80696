"""The outbox: every reading, durable and numbered, until ingest has acknowledged it. One SQLite file, one owner.

What durability costs and when it is paid: `put` is one transaction with `synchronous=FULL`, thus one fsync for all
readings of a poll round (and of whatever else arrived meanwhile). Deleting what is acknowledged needs no fsync of its
own: a delete that a power cut undoes costs a resend, never a reading.

Numbers start at 1 and are never used again in the life of a stream, also after everything was deleted (AUTOINCREMENT).
Readings from before the time was known (clock.py) bear the time since boot, below zero. They are held, and what comes
after them waits behind them, until `stamp` gives them their time.

Times are unique per device and metric, to the µs: a later reading of the same time is moved by 1 µs. This looks at what
is still in the outbox and at the newest that ever was; an older time that is already acknowledged may come again, and
then overwrites at the store.

When a bound is reached, the older half is thinned, a block after another: of each datastream and interval the minimum,
the maximum and the last stay. The interval is as short as it can be for most of the block to go, so each sweep
makes the past coarser instead of cutting it off. Where nothing can be thinned, the oldest are dropped. Either is a loss
that is kept, sent and acknowledged like a reading.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from satomori_core.clock import SECOND_US, now_us, to_iso
from satomori_core.errors import SatomoriError, SettingsError, UnavailableError
from satomori_core.logs import get_logger
from satomori_core.ranges import Range, merge, subtract, to_ranges
from satomori_core.readings import Reading
from satomori_core.senml import Loss
from satomori_edge.clock import SINCE_BOOT
from satomori_edge.marks import LIVES_MAX, Mark
from satomori_edge.salvage import Note, is_stream, open_damaged, read_note, set_aside, write_note
from satomori_edge.tally import Tally
from satomori_edge.thinning import WIDTH_MIN_US, thin

# What each version of the file added: one that an older Satomori wrote is brought up to date.
_VERSIONS = (
    """
    CREATE TABLE identity (stream TEXT NOT NULL);
    CREATE TABLE series (
        id INTEGER PRIMARY KEY, device TEXT NOT NULL, metric TEXT NOT NULL, unit TEXT NOT NULL,
        newest_us INTEGER NOT NULL, UNIQUE (device, metric, unit)
    );
    CREATE TABLE reading (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, series INTEGER NOT NULL, observed_at_us INTEGER NOT NULL,
        value REAL NOT NULL, UNIQUE (series, observed_at_us)
    );
    CREATE TABLE loss (stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, reason TEXT NOT NULL);
    INSERT INTO identity VALUES (lower(hex(randomblob(16))));
    """,
    """
    CREATE TABLE mark (device TEXT NOT NULL, life INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (device, life));
    """,
    # Found by number, and small, since there may be as many losses as readings: '' stands for this file's own stream.
    """
    ALTER TABLE loss RENAME TO loss_2;
    CREATE TABLE loss (
        stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (stream, first)
    ) WITHOUT ROWID;
    INSERT OR IGNORE INTO loss SELECT CASE WHEN stream IN (SELECT stream FROM identity) THEN '' ELSE stream END,
        first, last, reason FROM loss_2;
    DROP TABLE loss_2;
    """,
    "CREATE TABLE boot (id TEXT PRIMARY KEY, first INTEGER NOT NULL);",
)
_OWN = ""
_HELD_FROM = "SELECT min(seq) FROM reading WHERE observed_at_us < 0"
_FAR = 2**62
BLOCK_READINGS_MAX = 2000  # thinned at a time: little memory, a short transaction
BLOCKS_MAX = 10  # as many are looked at, one after another, before something is dropped
DISK_RETRY_S = 10.0
NOTED_AHEAD = 1000

log = get_logger("edge")


@dataclass(frozen=True, slots=True)
class Numbered:
    """A reading with its number."""

    seq: int
    reading: Reading


@dataclass(frozen=True, slots=True)
class StreamLoss:
    """A loss of this stream, or of one that ended with a damaged file."""

    stream: str
    loss: Loss


class OutboxDamagedError(SatomoriError):
    """The file is not what SQLite wrote; `begin_anew` is what helps."""


class Outbox:
    """Not for several threads at a time. `path` None: in memory, for the time that the disk can't be written.

    Each operation raises UnavailableError where the disk is full, read-only or failing (nothing is changed then), and
    OutboxDamagedError.
    """

    def __init__(self, path: Path | None, *, readings_max: int, bytes_max: int, boot: str = "") -> None:
        self._path = path
        self._boot = boot
        self._readings_max = readings_max
        self._bytes_max = bytes_max
        self._series: dict[tuple[str, str, str], int] = {}
        self._newest: dict[int, int] = {}
        self._count = 0
        self._held_from: int | None = None  # the number of the first reading whose time is not known
        self._gone = {reason: Tally() for reason in ("thinned", "dropped", "clock")}
        self.width_us = WIDTH_MIN_US  # of the intervals that were thinned last
        try:
            self._connect()
        except OutboxDamagedError as error:
            self.begin_anew(str(error))

    def _connect(self) -> None:
        with _translated():
            self._connection = sqlite3.connect(
                self._path or ":memory:", isolation_level=None, check_same_thread=False, cached_statements=32
            )
            self._connection.execute("PRAGMA cache_size=-512")  # kB: an edge is small
            found = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
            if found > len(_VERSIONS):
                raise SettingsError(f"{self._path} was written by a newer Satomori; update this one")
            if found == 0 and self._path is not None and read_note(self._path) is not None:
                raise OutboxDamagedError("it is empty, and was not")
            if found < len(_VERSIONS):
                self._update(found)
            verdict = str(self._connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            if verdict != "ok":
                raise OutboxDamagedError(verdict)
            identity = self._connection.execute("SELECT stream FROM identity").fetchall()
            if len(identity) != 1 or not is_stream(identity[0][0]):
                raise OutboxDamagedError("it does not say which stream it is")
            self.stream = str(identity[0][0])
            self._count = int(self._connection.execute("SELECT count(*) FROM reading").fetchone()[0])
            rows = self._connection.execute("SELECT id, device, metric, unit, newest_us FROM series").fetchall()
            self._series = {(device, metric, unit): number for number, device, metric, unit, _ in rows}
            self._newest = {number: newest for number, *_, newest in rows}
            self._held_from = self._connection.execute(_HELD_FROM).fetchone()[0]
            self._swept_to = 0  # the number up to which this sweep has thinned …
            self._swept = 0  # … and how many readings it has passed
            self._noted = read_note(self._path) if self._path else None
            self._keep_note(self.next_seq())

    def _update(self, found: int) -> None:
        """Add what the version `found` lacks; 0 is an empty file."""
        self._connection.execute("PRAGMA journal_mode=WAL")
        with self._transaction(durable=True):
            for script in _VERSIONS[found:]:
                for statement in script.split(";")[:-1]:
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version={len(_VERSIONS)}")

    def close(self) -> None:
        self._connection.close()

    # ------------------------------------------------------------------ writing

    @contextlib.contextmanager
    def _transaction(self, *, durable: bool) -> Iterator[None]:
        """Everything or nothing, in the file and in what is remembered of it."""
        before = dict(self._series), dict(self._newest), self._count, self._held_from
        with _translated():
            self._connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._series, self._newest, self._count, self._held_from = before
                with contextlib.suppress(sqlite3.Error):  # on a full disk SQLite may have rolled back already
                    self._connection.execute("ROLLBACK")
                raise

    def put(self, readings: Sequence[Reading], marks: Sequence[Mark] = ()) -> None:
        """Durable when it returns. Bounds are kept in the same transaction. Values are finite."""
        with self._transaction(durable=True):
            if any(reading.observed_at_us < 0 for reading in readings):
                first = self.next_seq()
                self._connection.execute("INSERT OR IGNORE INTO boot VALUES (?, ?)", (self._boot, first))
                self._held_from = self._held_from or first
            for reading in readings:
                self._insert(reading)
            self._count += len(readings)
            self._keep_note(self.next_seq())
            while self._count and (self._count > self._readings_max or self._bytes() > self._bytes_max):
                self._shrink()
            self._keep_newest({self._series[_key(reading)] for reading in readings})
            for mark in marks:
                self._set(mark)

    def _keep_note(self, next_seq: int) -> None:
        """Ahead of the numbers, so that it is written for one put in many."""
        is_true = self._noted is not None and self._noted.stream == self.stream and self._noted.last >= next_seq
        if self._path is not None and not is_true:
            self._noted = Note(self.stream, next_seq + NOTED_AHEAD)
            write_note(self._path, self._noted)

    def _keep_newest(self, series: Iterable[int]) -> None:
        rows = [(self._newest[number], number) for number in series]
        self._connection.executemany("UPDATE series SET newest_us = ? WHERE id = ?", rows)

    def stamp(self, boot_at_us: int) -> bool:
        """Give some of what is held its time, by when the machine was started; whether there is more.

        Held readings of an earlier boot have none, and are lost.
        """
        if self._held_from is None:
            return False
        with self._transaction(durable=True):
            row = self._connection.execute("SELECT first FROM boot WHERE id = ?", (self._boot,)).fetchone()
            first = int(row[0]) if row else _FAR
            query = "SELECT seq, series, observed_at_us FROM reading WHERE seq >= ? AND observed_at_us < 0 LIMIT ?"
            rows = self._connection.execute(query, (self._held_from, BLOCK_READINGS_MAX)).fetchall()
            if lost := [seq for seq, *_ in rows if seq < first]:
                self._lose(lost, "clock")
            held = [row for row in rows if row[0] >= first]
            times = [(self._free_time(series, at_us - SINCE_BOOT + boot_at_us), seq) for seq, series, at_us in held]
            self._connection.executemany("UPDATE reading SET observed_at_us = ? WHERE seq = ?", times)
            self._keep_newest({series for _, series, _ in held})
            self._held_from = rows[-1][0] + 1 if len(rows) == BLOCK_READINGS_MAX else None
            if self._held_from is None:
                self._connection.execute("DELETE FROM boot")
        return self._held_from is not None

    @property
    def holds(self) -> bool:
        """Whether there are readings whose time is not known."""
        return self._held_from is not None

    def _set(self, mark: Mark) -> None:
        self._connection.execute("REPLACE INTO mark VALUES (?, ?, ?)", (mark.device, mark.life, mark.seq))
        self._connection.execute(
            "DELETE FROM mark WHERE device = ?1 AND rowid NOT IN "
            "(SELECT rowid FROM mark WHERE device = ?1 ORDER BY rowid DESC LIMIT ?2)",
            (mark.device, LIVES_MAX),
        )

    def _insert(self, reading: Reading) -> None:
        key = _key(reading)
        series = self._series.get(key)
        if series is None:
            cursor = self._connection.execute("INSERT INTO series VALUES (NULL, ?, ?, ?, -1)", key)
            series = self._series[key] = int(cursor.lastrowid or 0)
            self._newest[series] = -1
        row = series, self._free_time(series, reading.observed_at_us), reading.value
        self._connection.execute("INSERT INTO reading VALUES (NULL, ?, ?, ?)", row)

    def _free_time(self, series: int, at_us: int) -> int:
        """The time, or the first after it that no other reading has."""
        newest = self._newest[series]
        if self._is_taken(series, at_us) and newest - at_us < SECOND_US:
            at_us = newest + 1  # a device that tells whole seconds: the n-th of a second is found in one step
        while self._is_taken(series, at_us):
            at_us += 1
        self._newest[series] = max(newest, at_us)
        return at_us

    def _is_taken(self, series: int, at_us: int) -> bool:
        if at_us >= self._newest[series]:
            return at_us == self._newest[series]
        query = "SELECT 1 FROM reading WHERE series = ? AND observed_at_us = ?"
        return self._connection.execute(query, (series, at_us)).fetchone() is not None

    def _bytes(self) -> int:
        pages, free, size = (
            int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    # ------------------------------------------------------------------ losses

    def _shrink(self) -> None:
        """Thin the next block of the older half, or drop the oldest hundredth where there is nothing to thin."""
        for _ in range(BLOCKS_MAX):
            if self._swept >= self._count // 2:
                self._swept_to = self._swept = 0
            block = min(max(self._count // 4, 1), BLOCK_READINGS_MAX)
            query = "SELECT seq, series, observed_at_us, value FROM reading WHERE seq > ? ORDER BY seq LIMIT ?"
            rows = self._connection.execute(query, (self._swept_to, block)).fetchall()
            if not rows:
                self._swept = self._count
                continue
            gone, self.width_us = thin(rows, len(rows) * 3 // 4, max(WIDTH_MIN_US, self.width_us // 4))
            self._swept_to = rows[-1][0]
            self._swept += len(rows) - len(gone)
            if len(gone) > len(rows) // 10:
                self._lose(gone, "thinned")
                return
        query = "SELECT seq FROM reading ORDER BY seq LIMIT ?"
        rows = self._connection.execute(query, (max(self._count // 100, 1),)).fetchall()
        self._lose([seq for (seq,) in rows], "dropped")

    def _lose(self, gone: Sequence[int], reason: str) -> None:
        self._connection.executemany("DELETE FROM reading WHERE seq = ?", [(seq,) for seq in gone])
        self._count -= len(gone)
        self._add_losses(gone, reason)
        total = self._gone[reason].add(len(gone))
        if total is not None:
            every_s = self.width_us // SECOND_US if reason == "thinned" else None
            log.warning("readings are lost", reason=reason, readings=total, interval_s=every_s, left=self._count)

    def _add_losses(self, numbers: Sequence[int], reason: str) -> None:
        """Joined with their neighbours, so that there are never more losses than gaps between kept readings."""
        near = [row for row in self._losses_near(_OWN, numbers[0] - 1, numbers[-1] + 1) if row[2] == reason]
        self._delete_losses(_OWN, near)
        self._insert_losses(_OWN, merge([*(row[:2] for row in near), *to_ranges(numbers)]), reason)

    def _losses_near(self, stream: str, low: int, high: int) -> list[tuple[int, int, str]]:
        """(first, last, reason) of those that meet low…high. Losses of a stream never overlap."""
        query = (
            "SELECT first, last, reason FROM loss WHERE stream = ? AND last >= ? AND first <= ? AND first >= "
            "coalesce((SELECT max(first) FROM loss WHERE stream = ? AND first <= ?), 0)"
        )
        return self._connection.execute(query, (stream, low, high, stream, low)).fetchall()

    def _delete_losses(self, stream: str, losses: Sequence[tuple[int, int, str]]) -> None:
        rows = [(stream, first) for first, *_ in losses]
        self._connection.executemany("DELETE FROM loss WHERE stream = ? AND first = ?", rows)

    def _insert_losses(self, stream: str, ranges: Sequence[Range], reason: str) -> None:
        rows = [(stream, first, last, reason) for first, last in ranges]
        self._connection.executemany("INSERT INTO loss VALUES (?, ?, ?, ?)", rows)

    def begin_anew(self, why: str) -> None:
        """Set the damaged file aside, begin a new stream, and bring over what can still be read.

        What is brought over gets new numbers; the old ones are told as lost, since the old stream ends here. (What of
        them ingest had already stored stays stored.)
        """
        if self._path is None:
            raise AssertionError(why)
        with contextlib.suppress(sqlite3.Error, AttributeError):  # AttributeError: it was never opened
            self._connection.close()
        aside = set_aside(self._path, to_iso(now_us()).replace(":", ""))
        self._connect()
        saved = 0
        with open_damaged(aside) as old:
            for readings in old.readings():
                self.put(readings)
                saved += len(readings)
            self.put([], old.marks())
            losses = old.losses()
            if old.stream is not None and old.last >= old.first:
                told = [(first, last) for stream, first, last, _ in losses if stream == old.stream]
                rest = subtract([(old.first, old.last)], told)
                losses += [(old.stream, first, last, "outbox_damaged") for first, last in rest]
            with self._transaction(durable=True):
                self._connection.executemany("INSERT INTO loss VALUES (?, ?, ?, ?)", losses)
            log.error(
                "outbox was damaged, a new stream begins",
                why=why,
                set_aside=str(aside),
                old_stream=old.stream,
                lost=[old.first, old.last],
                saved_readings=saved,
                new_stream=self.stream,
            )

    # ------------------------------------------------------------------ reading

    @property
    def is_durable(self) -> bool:
        return self._path is not None

    @property
    def count(self) -> int:
        """Readings that wait."""
        return self._count

    def is_empty(self) -> bool:
        """Whether nothing waits, neither readings nor losses."""
        with _translated():
            return not self._count and self._connection.execute("SELECT 1 FROM loss").fetchone() is None

    def next_seq(self) -> int:
        """The number that the next reading will have."""
        with _translated():
            row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'reading'").fetchone()
        return int(row[0]) + 1 if row else 1

    def marks(self) -> list[Mark]:
        """The oldest first."""
        with _translated():
            rows = self._connection.execute("SELECT device, life, seq FROM mark ORDER BY rowid").fetchall()
        return [Mark(*row) for row in rows]

    def peek(self, after: int, before: int | None, limit: int) -> list[Numbered]:
        """Up to `limit` readings with after < seq < before, in order."""
        end = min(before or _FAR, self._held_from or _FAR)
        return self._select("r.seq > ? AND r.seq < ? ORDER BY r.seq LIMIT ?", (after, end, limit))

    def within(self, ranges: Sequence[Range]) -> list[Numbered]:
        """What is still there of `ranges`, for a resend."""
        return [row for span in ranges for row in self._select("r.seq BETWEEN ? AND ? ORDER BY r.seq", span)]

    def _select(self, where: str, arguments: tuple[int, ...]) -> list[Numbered]:
        with _translated():
            rows = self._connection.execute(
                "SELECT r.seq, s.device, s.metric, r.observed_at_us, r.value, s.unit "  # noqa: S608 - both are ours
                f"FROM reading r JOIN series s ON s.id = r.series WHERE {where}",
                arguments,
            ).fetchall()
        return [Numbered(seq, Reading(d, m, at_us, value, unit or None)) for seq, d, m, at_us, value, unit in rows]

    def oldest_us(self) -> int | None:
        """When the reading that waits longest was observed."""
        with _translated():
            row = self._connection.execute("SELECT observed_at_us FROM reading ORDER BY seq LIMIT 1").fetchone()
        return int(row[0]) if row else None

    def losses(self, limit: int) -> list[StreamLoss]:
        """Up to `limit` losses, all of one stream."""
        with _translated():
            rows = self._connection.execute(
                "SELECT stream, first, last, reason FROM loss WHERE stream = (SELECT max(stream) FROM loss) "
                "ORDER BY first LIMIT ?",
                (limit,),
            ).fetchall()
        return [StreamLoss(stream or self.stream, Loss(first, last, reason)) for stream, first, last, reason in rows]

    # ------------------------------------------------------------------ acknowledging

    def acknowledge(self, stream: str, ranges: Sequence[Range]) -> int:
        """Delete what is acknowledged, readings and losses; how many readings went.

        A reading that was thinned while it was on its way and is acknowledged after all is no loss any more.
        """
        with self._transaction(durable=False):
            gone = 0
            if stream == self.stream:
                for span in ranges:
                    gone += self._connection.execute("DELETE FROM reading WHERE seq BETWEEN ? AND ?", span).rowcount
                self._count -= gone
            self._acknowledge_losses(stream, ranges)
        return gone

    def _acknowledge_losses(self, stream: str, ranges: Sequence[Range]) -> None:
        of = _OWN if stream == self.stream else stream
        low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
        for loss in self._losses_near(of, low, high):
            left = subtract([loss[:2]], ranges)
            if left != [loss[:2]]:
                self._delete_losses(of, [loss])
                self._insert_losses(of, left, loss[2])


def _key(reading: Reading) -> tuple[str, str, str]:
    return reading.device, reading.metric, reading.unit or ""


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        kind = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if kind in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}:  # ERROR: a table is missing
            raise OutboxDamagedError(str(error)) from None
        if isinstance(error, sqlite3.OperationalError):
            raise UnavailableError(f"the outbox can't be used: {error}", DISK_RETRY_S) from None
        raise
