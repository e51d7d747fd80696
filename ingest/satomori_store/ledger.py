"""The ledger: what became of every sequence number, what was stored when, and what was set aside.

It commits with the observations where those are in SQLite, and after them elsewhere. Change ids ascend in the order of
their commits, so a reader that has seen one has seen all before it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import Connection, Engine, RowMapping, func, insert, select, text, update

from satomori_core.clock import DAY_US, HOUR_US
from satomori_core.ranges import Range, intersect, merge, subtract
from satomori_core.vocabulary import SequenceState
from satomori_store.databases import advisory_lock, execute_many, insert_many, is_sqlite, reading, writing
from satomori_store.fates import Fate, overlay
from satomori_store.ledger_tables import change_table, quarantine_table, range_table, stream_table
from satomori_store.port import AlreadyStoredError, Batch, Change, LedgerEntry, QuarantineRow, Rows

# A reader of changes that was away for longer reads its datastreams whole.
CHANGES_KEPT_US = 14 * DAY_US
# Observations of a datastream in one batch that lie further apart make two changes, so that nobody judges a month anew
# because a backlog's last pack and a fresh reading came together.
CHANGE_GAP_US = 6 * HOUR_US
_RANGE_GAP = 1000
_PRUNED_ROWS_MAX = 200_000
_IDS_PER_STATEMENT = 500  # SQLite takes at most 32,766 parameters in a statement
_LOCK = 5_326_002
T = TypeVar("T")

_SEEN = (
    "INSERT INTO ledger_stream (stream, gateway, first_seen_us, last_seen_us) VALUES {rows} "
    "ON CONFLICT (stream) DO UPDATE SET gateway = excluded.gateway, last_seen_us = excluded.last_seen_us"
)
_COUNT = (
    "INSERT INTO ledger_count (datastream, stream, readings) VALUES {rows} "
    "ON CONFLICT (datastream, stream) DO UPDATE SET readings = ledger_count.readings + excluded.readings"
)
_CHANGE = "INSERT INTO change (datastream, from_us, until_us, stored_at_us) VALUES {rows}"

_NEAR = (
    "WITH wanted(stream, low, high) AS (VALUES {wanted}) "
    'SELECT r.stream, r."first", r."last", r.state, r.reason FROM wanted w JOIN ledger_range r '
    'ON r.stream = w.stream AND r."first" <= w.high AND r."last" >= w.low'
)
_FORGET = 'DELETE FROM ledger_range WHERE stream = ? AND "first" = ?'
_KEEP = (
    'INSERT INTO ledger_range (stream, "first", "last", state, reason) VALUES {rows} '
    'ON CONFLICT (stream, "first") DO UPDATE SET "last" = excluded."last", state = excluded.state, '
    "reason = excluded.reason"
)
_PRUNE = text(
    "DELETE FROM change WHERE change_id <= (SELECT MAX(change_id) FROM (SELECT change_id, stored_at_us FROM change "
    "ORDER BY change_id LIMIT :rows) oldest WHERE stored_at_us < :before_us) "
    "AND change_id < (SELECT MAX(change_id) FROM change)"
)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One stream's numbers. `gaps`: numbers below the highest known one of which nothing is known (yet).

    `resent`: how many numbers came again although they had an entry; they were not stored twice.
    """

    gateway: str
    stream: str
    first_seen_us: int
    last_seen_us: int
    stored: Sequence[Range]
    gaps: Sequence[Range]
    set_aside: Sequence[Fate]
    lost: Sequence[Fate]
    resent: int


@dataclass(frozen=True, slots=True)
class ReadingCount:
    """`numbered`: readings that came with sequence numbers; `unnumbered`: those without, which may have come twice."""

    numbered: int
    unnumbered: int


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    id: int
    row: QuarantineRow
    replayed_at_us: int | None


@dataclass(frozen=True, slots=True)
class QuarantineCount:
    """How many messages or records wait for one reason; `detail` is the newest one's."""

    reason: str
    gateway: str
    device: str
    metric: str
    count: int
    first_us: int
    last_us: int
    detail: str


class Ledger:
    """Usable from several threads; `record` needs the caller's write transaction."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # The highest number known of each stream: what lies above is new, without a query. Only where this process is
        # the one that writes, as with SQLite.
        self._highest: dict[str, int] = {}
        self._pruned_us = 0

    # ------------------------------------------------------------------ writing

    def record(self, connection: Connection, batch: Batch, stored_at_us: int) -> None:
        """Ledger, counts, changes and quarantine of `batch`, in the transaction that `connection` is in.

        Raise AlreadyStoredError, for which the transaction has to be rolled back.
        """
        advisory_lock(connection, _LOCK)
        if batch.ledger:
            self._record_fates(connection, batch.ledger, stored_at_us)
        if resent := {stream: number for stream, number in batch.resent.items() if number}:
            _record_resent(connection, resent, stored_at_us)
        if batch.counts:
            insert_many(connection, _COUNT, [(d, s, n) for (s, d), n in batch.counts.items()])
        if changes := changes_of(batch.rows):
            insert_many(connection, _CHANGE, [(*change, stored_at_us) for change in changes])
        if batch.quarantine:
            connection.execute(insert(quarantine_table), [_quarantine_values(row) for row in batch.quarantine])
        self._prune(connection, stored_at_us)

    def _record_fates(self, connection: Connection, ledger: Sequence[LedgerEntry], at_us: int) -> None:
        by_stream: dict[str, list[LedgerEntry]] = {}
        for entry in ledger:
            by_stream.setdefault(entry.stream, []).append(entry)
        insert_many(connection, _SEEN, [(s, e[-1].gateway, at_us, at_us) for s, e in by_stream.items()])
        near = _near(connection, [(s, low - 1, high + 1) for s, e in by_stream.items() for low, high in _clusters(e)])
        gone: list[tuple[str, int]] = []
        fresh: list[tuple[str, int, int, str, str]] = []
        twice: dict[str, list[Range]] = {}
        for stream, entries in by_stream.items():
            there = near.get(stream, set())
            new = [Fate(e.first, e.last, e.state, e.reason) for e in entries]
            if both := intersect(_stored(there), _stored(new)):
                twice[stream] = both
            after = set(overlay([*there, *new]))
            gone += [(stream, first) for first in {f.first for f in there} - {f.first for f in after}]
            fresh += [(stream, f.first, f.last, f.state.value, f.reason) for f in after - there]
            highest = max(entry.last for entry in entries)
            if stream in self._highest:  # else the database may know a higher one
                self._highest[stream] = max(highest, self._highest[stream])
        if twice:
            raise AlreadyStoredError(twice)
        if gone:
            execute_many(connection, _FORGET, gone)
        if fresh:
            insert_many(connection, _KEEP, fresh)

    def mark_replayed(self, ids: Sequence[int], at_us: int) -> int:
        """These were sent again; they stay listed as history. Returns how many were still waiting."""
        marked = 0
        with writing(self.engine) as connection:
            for part in _parts(ids):
                waiting = quarantine_table.c.id.in_(part) & quarantine_table.c.replayed_at_us.is_(None)
                marked += connection.execute(
                    update(quarantine_table).where(waiting).values(replayed_at_us=at_us)
                ).rowcount
        return marked

    def _prune(self, connection: Connection, now_us: int) -> None:
        if now_us - self._pruned_us < HOUR_US:
            return
        self._pruned_us = now_us
        # The oldest rows only, so that one batch never pays for a long sweep. The newest row stays whatever its age,
        # so that `last_change_id` never falls.
        connection.execute(_PRUNE, {"before_us": now_us - CHANGES_KEPT_US, "rows": _PRUNED_ROWS_MAX})

    # ------------------------------------------------------------------ reading

    def known_of(self, numbered: Iterable[tuple[str, Sequence[Range]]]) -> dict[str, list[Range]]:
        """By stream: ranges that have an entry, at least all that meet the given ones. One question for all."""
        bounds: dict[str, tuple[int, int]] = {}
        for stream, ranges in numbered:
            low, high = bounds.get(stream, (ranges[0][0], 0))
            bounds[stream] = (
                min(low, *(first for first, _ in ranges)),
                max(high, *(last for _, last in ranges)),
            )
        asked = [(stream, low, high) for stream, (low, high) in bounds.items() if not self._is_new(stream, low)]
        if not asked:
            return {}
        with reading(self.engine) as connection:
            near = _near(connection, asked)
        return {stream: [(fate.first, fate.last) for fate in fates] for stream, fates in near.items()}

    def known(self, stream: str, ranges: Sequence[Range]) -> list[Range]:
        """What of `ranges` already has an entry: stored, set aside or lost."""
        return intersect(ranges, self.known_of([(stream, ranges)]).get(stream, ())) if ranges else []

    def _is_new(self, stream: str, first: int) -> bool:
        if not is_sqlite(self.engine):
            return False
        if stream not in self._highest:
            with reading(self.engine) as connection:
                found = connection.execute(
                    select(func.max(range_table.c.last)).where(range_table.c.stream == stream)
                ).scalar()
            self._highest[stream] = found or 0
        return first > self._highest[stream]

    def changes_after(self, change_id: int, limit: int = 1000) -> list[Change]:
        """Changes with greater ids, in order. Where the next one is missing, it was pruned: see `oldest_change_id`."""
        columns = change_table.c
        query = select(columns.change_id, columns.datastream, columns.from_us, columns.until_us)
        with reading(self.engine) as connection:
            rows = connection.execute(
                query.where(columns.change_id > change_id).order_by(columns.change_id).limit(limit)
            )
            return [Change(*row) for row in rows]

    def last_change_id(self) -> int:
        """0 where nothing was ever stored."""
        with reading(self.engine) as connection:
            return connection.execute(select(func.max(change_table.c.change_id))).scalar() or 0

    def oldest_change_id(self) -> int:
        """A reader whose cursor is below this minus one has missed some: it reads its datastreams whole."""
        with reading(self.engine) as connection:
            return connection.execute(select(func.min(change_table.c.change_id))).scalar() or 1

    def audit(self, gateway: str | None = None) -> list[AuditRow]:
        """Every stream's ranges, by gateway and age; of one gateway if named."""
        streams = select(stream_table).order_by(stream_table.c.gateway, stream_table.c.first_seen_us)
        ranges = select(range_table).order_by(range_table.c.stream, range_table.c.first)
        if gateway is not None:
            streams = streams.where(stream_table.c.gateway == gateway)
            ranges = ranges.where(
                range_table.c.stream.in_(select(stream_table.c.stream).where(stream_table.c.gateway == gateway))
            )
        fates: dict[str, list[Fate]] = {}
        with reading(self.engine) as connection:
            for row in connection.execute(ranges):
                fates.setdefault(row.stream, []).append(Fate(row.first, row.last, SequenceState(row.state), row.reason))
            rows = connection.execute(streams).mappings().all()
        return [_audit_row(row, fates.get(row["stream"], [])) for row in rows]

    def reading_counts(self) -> dict[int, ReadingCount]:
        """How many readings the ledger says were stored, by datastream."""
        query = text(
            "SELECT datastream, SUM(CASE WHEN stream <> '' THEN readings ELSE 0 END) AS numbered, "
            "SUM(CASE WHEN stream = '' THEN readings ELSE 0 END) AS unnumbered FROM ledger_count GROUP BY datastream"
        )
        with reading(self.engine) as connection:
            return {
                row.datastream: ReadingCount(int(row.numbered), int(row.unnumbered))
                for row in connection.execute(query)
            }

    def quarantine(
        self,
        limit: int = 100,
        offset: int = 0,
        reason: str | None = None,
        *,
        gateway: str | None = None,
        device: str | None = None,
        replayed: bool | None = False,
    ) -> list[QuarantineEntry]:
        """What was set aside, newest first; `replayed`: False = still waiting, True = sent again, None = both."""
        columns = quarantine_table.c
        query = select(quarantine_table).order_by(columns.id.desc()).limit(limit).offset(offset)
        for column, wanted in ((columns.reason, reason), (columns.gateway, gateway), (columns.device, device)):
            if wanted is not None:
                query = query.where(column == wanted)
        if replayed is not None:
            query = query.where(columns.replayed_at_us.is_not(None) if replayed else columns.replayed_at_us.is_(None))
        with reading(self.engine) as connection:
            return [_quarantine_entry(row) for row in connection.execute(query).mappings()]

    def quarantine_summary(self) -> list[QuarantineCount]:
        """What waits, counted by reason, gateway, device and metric; most first."""
        query = text(
            "SELECT q.*, n.detail FROM (SELECT reason, gateway, device, metric, COUNT(*) AS number, "
            "MIN(received_at_us) AS first_us, MAX(received_at_us) AS last_us, MAX(id) AS newest FROM quarantine "
            "WHERE replayed_at_us IS NULL GROUP BY reason, gateway, device, metric) q "
            "JOIN quarantine n ON n.id = q.newest ORDER BY q.number DESC, q.reason, q.gateway, q.device, q.metric"
        )
        with reading(self.engine) as connection:
            return [
                QuarantineCount(r.reason, r.gateway, r.device, r.metric, r.number, r.first_us, r.last_us, r.detail)
                for r in connection.execute(query)
            ]

    def take_quarantine(self, ids: Sequence[int]) -> list[QuarantineEntry]:
        """The entries with these ids that still wait, oldest first, to be replayed; then `mark_replayed` them."""
        taken: list[QuarantineEntry] = []
        columns = quarantine_table.c
        with reading(self.engine) as connection:
            for part in _parts(sorted(ids)):
                query = select(quarantine_table).where(columns.id.in_(part), columns.replayed_at_us.is_(None))
                taken += [_quarantine_entry(row) for row in connection.execute(query.order_by(columns.id)).mappings()]
        return taken

    def close(self) -> None:
        self.engine.dispose()


def changes_of(rows: Rows) -> list[tuple[int, int, int]]:
    """(datastream, from, until) of what `rows` touch, by datastream, then time."""
    if not len(rows):
        return []
    rows = rows.ordered()
    breaks = (np.diff(rows.datastream) != 0) | (np.diff(rows.observed_at_us) > CHANGE_GAP_US)
    firsts = np.flatnonzero(np.append(True, breaks))
    lasts = np.append(firsts[1:] - 1, len(rows) - 1)
    columns = rows.datastream[firsts], rows.observed_at_us[firsts], rows.observed_at_us[lasts]
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _near(connection: Connection, asked: Sequence[tuple[str, int, int]]) -> dict[str, set[Fate]]:
    """By stream: what meets one of the (stream, low, high). One question for all of them."""
    near: dict[str, set[Fate]] = {}
    for part in _parts(asked):
        wanted = ", ".join(["(?, CAST(? AS BIGINT), CAST(? AS BIGINT))"] * len(part))
        statement = _NEAR.format(wanted=wanted)
        if not is_sqlite(connection):
            statement = statement.replace("?", "%s")
        parameters = tuple(value for row in part for value in row)
        for stream, first, last, state, reason in connection.exec_driver_sql(statement, parameters):
            near.setdefault(stream, set()).add(Fate(first, last, SequenceState(state), reason))
    return near


def _stored(fates: Iterable[Fate]) -> list[Range]:
    return [(fate.first, fate.last) for fate in fates if fate.state is SequenceState.STORED]


def _clusters(entries: Iterable[LedgerEntry]) -> list[Range]:
    """Spans of numbers that are looked at together: a backlog's and a fresh reading's lie far apart."""
    return [(first, last - _RANGE_GAP) for first, last in merge((e.first, e.last + _RANGE_GAP) for e in entries)]


def _record_resent(connection: Connection, resent: dict[str, int], at_us: int) -> None:
    connection.execute(
        text("UPDATE ledger_stream SET resent = resent + :number, last_seen_us = :at_us WHERE stream = :stream"),
        [{"stream": stream, "number": number, "at_us": at_us} for stream, number in resent.items()],
    )


def _audit_row(row: RowMapping, fates: Sequence[Fate]) -> AuditRow:
    every = [(fate.first, fate.last) for fate in fates]
    whole = [(1, max(last for _, last in every))] if every else []
    return AuditRow(
        gateway=row["gateway"],
        stream=row["stream"],
        first_seen_us=row["first_seen_us"],
        last_seen_us=row["last_seen_us"],
        stored=[(f.first, f.last) for f in fates if f.state is SequenceState.STORED],
        gaps=subtract(whole, every),
        set_aside=[f for f in fates if f.state is SequenceState.SET_ASIDE],
        lost=[f for f in fates if f.state is SequenceState.LOST],
        resent=row["resent"],
    )


def _quarantine_values(row: QuarantineRow) -> dict[str, Any]:
    return {
        "received_at_us": row.received_at_us, "topic": _clean(row.topic), "gateway": _clean(row.gateway),
        "device": _clean(row.device), "metric": _clean(row.metric), "reason": row.reason,
        "detail": _clean(row.detail), "payload": row.payload, "stream": _clean(row.stream), "seq": row.seq,
    }  # fmt: skip


def _clean(words: str) -> str:
    """PostgreSQL's text takes neither NUL nor half of a surrogate pair, and bad input may hold either."""
    return words.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


def _quarantine_entry(row: RowMapping) -> QuarantineEntry:
    words = ("topic", "gateway", "reason", "detail", "device", "metric", "stream", "seq")
    content = {word: row[word] for word in words}
    return QuarantineEntry(
        row["id"],
        QuarantineRow(received_at_us=row["received_at_us"], payload=bytes(row["payload"]), **content),
        row["replayed_at_us"],
    )


def _parts(ids: Sequence[T]) -> list[Sequence[T]]:
    return [ids[start : start + _IDS_PER_STATEMENT] for start in range(0, len(ids), _IDS_PER_STATEMENT)]
