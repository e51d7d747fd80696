"""The little outbox of a device that speaks MQTT itself: durable, numbered, bounded.

A value gets the next number of its gateway's stream and is kept until that is acknowledged. Past `values_max` the
oldest are given up, and that is reported as a loss with its reason.
"""

import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from satomori_sample.wire import Span, Value, encode_record

VALUES_MAX = 200_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS stream (
  gateway TEXT PRIMARY KEY, id TEXT NOT NULL, next INTEGER NOT NULL, last_us INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS kept (
  gateway TEXT, number INTEGER, at_us INTEGER NOT NULL, record TEXT NOT NULL, PRIMARY KEY (gateway, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lost (gateway TEXT, first INTEGER, last INTEGER, PRIMARY KEY (gateway, first)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Kept:
    number: int
    at_us: int
    record: str


class Outbox:
    def __init__(self, path: Path, values_max: int = VALUES_MAX) -> None:
        self._values_max = values_max
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")  # a number that was used must never be used again
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def stream_of(self, gateway: str) -> str:
        row = self._db.execute("SELECT id FROM stream WHERE gateway = ?", (gateway,)).fetchone()
        if row is None:
            self._db.execute("INSERT INTO stream VALUES (?, ?, 1, -1)", (gateway, uuid.uuid4().hex))
            return self.stream_of(gateway)
        return str(row[0])

    def last_number(self, gateway: str) -> int:
        return self._last(gateway)[0]

    def _last(self, gateway: str) -> tuple[int, int]:
        """The last number and the newest time."""
        row = self._db.execute("SELECT next, last_us FROM stream WHERE gateway = ?", (gateway,)).fetchone()
        return (0, -1) if row is None else (int(row[0]) - 1, int(row[1]))

    def keep(self, values: Mapping[str, Sequence[Value]]) -> None:
        """Values by gateway, in one transaction. What is no newer than what was kept before is passed over.

        A device that starts again within one interval would else say one moment twice, under two numbers.
        """
        for gateway in values:
            self.stream_of(gateway)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for gateway, said in values.items():
                number, last_us = self._last(gateway)
                fresh = [value for value in said if value.at_us > last_us]
                self._db.executemany(
                    "INSERT INTO kept VALUES (?, ?, ?, ?)",
                    [(gateway, number + 1 + i, value.at_us, encode_record(value)) for i, value in enumerate(fresh)],
                )
                newest_us = max((value.at_us for value in fresh), default=last_us)
                self._db.execute(
                    "UPDATE stream SET next = next + ?, last_us = ? WHERE gateway = ?", (len(fresh), newest_us, gateway)
                )
                self._bound(gateway)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _bound(self, gateway: str) -> None:
        [amount, first] = self._db.execute(
            "SELECT count(*), min(number) FROM kept WHERE gateway = ?", (gateway,)
        ).fetchone()
        if amount <= self._values_max:
            return
        over = amount - self._values_max
        [last] = self._db.execute(
            "SELECT number FROM kept WHERE gateway = ? ORDER BY number LIMIT 1 OFFSET ?", (gateway, over - 1)
        ).fetchone()
        self._db.execute("DELETE FROM kept WHERE gateway = ? AND number <= ?", (gateway, last))
        self._db.execute("INSERT INTO lost VALUES (?, ?, ?)", (gateway, first, last))

    def read(self, gateway: str, first: int, last: int, limit: int) -> list[Kept]:
        """What is still kept of these numbers, in order."""
        rows = self._db.execute(
            "SELECT number, at_us, record FROM kept WHERE gateway = ? AND number BETWEEN ? AND ? ORDER BY 1 LIMIT ?",
            (gateway, first, last, limit),
        )
        return [Kept(*row) for row in rows]

    def losses(self, gateway: str) -> list[tuple[int, int, str]]:
        rows = self._db.execute("SELECT first, last FROM lost WHERE gateway = ? ORDER BY first", (gateway,))
        return [(first, last, "dropped") for first, last in rows]

    def forget(self, gateway: str, spans: Sequence[Span]) -> None:
        """These numbers are acknowledged."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(
            "DELETE FROM kept WHERE gateway = ? AND number BETWEEN ? AND ?", [(gateway, *span) for span in spans]
        )
        self._db.executemany(
            "DELETE FROM lost WHERE gateway = ? AND first >= ? AND last <= ?", [(gateway, *span) for span in spans]
        )
        self._db.execute("COMMIT")
