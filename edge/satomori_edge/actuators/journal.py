"""What became of commands, durable before anything moves. One SQLite file, one thread.

An id is written down before its command is carried out, and a run before the device is told: after a crash in between,
the next start finds it, brings the actuator to its fail-safe position and says so. Replies stay until the broker has
them. Ids are kept until their command has expired for long, so a command that comes twice is not done twice.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from satomori_core.clock import DAY_US, to_iso
from satomori_core.commands import Ended, Outcome, Reason, Reply, decode_reply, encode_reply
from satomori_core.errors import SettingsError, UnavailableError
from satomori_core.logs import get_logger
from satomori_edge.clock import told_us
from satomori_edge.salvage import set_aside

COMMANDS_MAX = 2000
UNDELIVERED_US_MAX = 30 * DAY_US  # how long a reply waits for a broker
DISK_RETRY_S = 10.0
_VERSION = 1
# `due`: 0 the broker has the reply, 1 it has not, 2 it was asked for again.
_SCHEMA = """
CREATE TABLE identity (began_us INTEGER NOT NULL);
CREATE TABLE command (
    id TEXT PRIMARY KEY, keep_until_us INTEGER NOT NULL, reply BLOB, due INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE run (actuator TEXT PRIMARY KEY, command TEXT NOT NULL);
CREATE TABLE start (actuator TEXT PRIMARY KEY, at_us INTEGER NOT NULL);
"""

log = get_logger("edge")


@dataclass(frozen=True, slots=True)
class Due:
    """A reply for the broker."""

    reply: Reply
    kept: bytes = b""


class Journal:
    """Each operation is one transaction and raises UnavailableError where the disk is full or failing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise UnavailableError(f"{path}: {error}", DISK_RETRY_S) from None
            self._connection.close()
            aside = set_aside(path, to_iso(told_us()).replace(":", ""))
            log.error("journal of commands is damaged and begun anew", why=str(error), kept_as=str(aside))  # noqa: TRY400 - the disk's fault, not ours
            self._connect()

    def _connect(self) -> None:
        self._connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        run = self._connection.execute
        run("PRAGMA cache_size=-128")
        found = int(run("PRAGMA user_version").fetchone()[0])
        if found > _VERSION:
            raise SettingsError(f"{self._path} was written by a newer Satomori; update this one")
        run("PRAGMA journal_mode=WAL")
        run("PRAGMA synchronous=FULL")
        if found == 0:
            run("BEGIN IMMEDIATE")
            for statement in _SCHEMA.split(";")[:-1]:
                run(statement)
            run("INSERT INTO identity VALUES (?)", (told_us(),))
            run(f"PRAGMA user_version={_VERSION}")
            run("COMMIT")
        verdict = str(run("PRAGMA quick_check(1)").fetchone()[0])
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        self.began_us = int(run("SELECT began_us FROM identity").fetchone()[0])

    def close(self) -> None:
        self._connection.close()

    # ------------------------------------------------------------------ reading

    def knows(self, id_: str) -> bool:
        with _translated():
            return self._connection.execute("SELECT 1 FROM command WHERE id = ?", (id_,)).fetchone() is not None

    def is_full(self) -> bool:
        with _translated():
            return int(self._connection.execute("SELECT count(*) FROM command").fetchone()[0]) >= COMMANDS_MAX

    def last_start_us(self, actuator: str) -> int | None:
        with _translated():
            row = self._connection.execute("SELECT at_us FROM start WHERE actuator = ?", (actuator,)).fetchone()
            return None if row is None else int(row[0])

    def runs(self) -> list[str]:
        """Actuators that are out of their fail-safe position, for all that is known."""
        with _translated():
            return [str(row[0]) for row in self._connection.execute("SELECT actuator FROM run")]

    def due(self, limit: int) -> list[Due]:
        """The oldest replies that the broker does not have."""
        with _translated():
            rows = self._connection.execute(
                "SELECT reply, due FROM command WHERE due > 0 AND reply IS NOT NULL ORDER BY rowid LIMIT ?", (limit,)
            ).fetchall()
        return [Due(replace(decode_reply(kept), repeated=due == 2), kept) for kept, due in rows]

    # ------------------------------------------------------------------ writing

    def accept(self, id_: str, keep_until_us: int) -> None:
        """Before it is carried out."""
        with self._transaction():
            self._connection.execute("INSERT INTO command (id, keep_until_us) VALUES (?, ?)", (id_, keep_until_us))

    def refuse(self, reply: Reply, keep_until_us: int) -> None:
        """Of an id that is known already, the reply that there is goes out again."""
        if self.is_full():
            raise UnavailableError("journal of commands is full", 0.0)
        with self._transaction():
            self._connection.execute(
                "INSERT INTO command VALUES (?, ?, ?, 1)"
                " ON CONFLICT (id) DO UPDATE SET due = max(due, 2 * (reply IS NOT NULL))",
                (reply.id, keep_until_us, encode_reply(reply)),
            )

    def answer(self, reply: Reply) -> None:
        """What became of what was accepted."""
        with self._transaction():
            query = "UPDATE command SET reply = ?, due = 1 WHERE id = ?"
            self._connection.execute(query, (encode_reply(reply), reply.id))

    def ask_again(self, id_: str) -> None:
        """Its reply goes out once more, if there is one already."""
        with self._transaction():
            self._connection.execute("UPDATE command SET due = 2 WHERE id = ? AND due = 0", (id_,))

    def delivered(self, due: Due) -> None:
        """Unless it changed meanwhile."""
        with self._transaction():
            query = "UPDATE command SET due = 0 WHERE id = ? AND reply = ?"
            self._connection.execute(query, (due.reply.id, due.kept))

    def begin_run(self, actuator: str, id_: str, at_us: int) -> None:
        """Before the device is told. A run that it replaces ends by it; one from rest is a start."""
        with self._transaction():
            if not self._end(actuator, at_us, Ended.REPLACED):
                self._connection.execute("INSERT OR REPLACE INTO start VALUES (?, ?)", (actuator, at_us))
            self._connection.execute("INSERT INTO run VALUES (?, ?)", (actuator, id_))

    def end_run(self, actuator: str, at_us: int, why: Ended) -> None:
        """Its fail-safe position was read back. A command that has no reply was interrupted by the edge's end."""
        with self._transaction():
            self._end(actuator, at_us, why)

    def _end(self, actuator: str, at_us: int, why: Ended) -> bool:
        run = self._connection.execute
        row = run("SELECT command, reply FROM run JOIN command ON id = command WHERE actuator = ?", (actuator,))
        found = row.fetchone()
        run("DELETE FROM run WHERE actuator = ?", (actuator,))
        if found is None:
            return False
        id_, kept = found
        reply = _interrupted(id_, at_us) if kept is None else decode_reply(kept)
        ended = encode_reply(replace(reply, ended_us=at_us, ended_why=why))
        run("UPDATE command SET reply = ?, due = 1 WHERE id = ?", (ended, id_))
        return True

    def answer_interrupted(self, at_us: int) -> None:
        """At the start: what was accepted and not answered, except runs, whose end answers them."""
        with self._transaction():
            query = "SELECT id FROM command WHERE reply IS NULL AND id NOT IN (SELECT command FROM run)"
            for (id_,) in self._connection.execute(query).fetchall():
                reply = encode_reply(_interrupted(id_, at_us))
                self._connection.execute("UPDATE command SET reply = ?, due = 1 WHERE id = ?", (reply, id_))

    def forget(self, at_us: int) -> None:
        """What can't come again, once the broker has its reply or was away for too long."""
        with self._transaction():
            self._connection.execute(
                "DELETE FROM command WHERE (due = 0 AND reply IS NOT NULL AND keep_until_us < ? OR keep_until_us < ?)"
                " AND id NOT IN (SELECT command FROM run)",
                (at_us, at_us - UNDELIVERED_US_MAX),
            )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with _translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise


def _interrupted(id_: str, at_us: int) -> Reply:
    return Reply(id_, at_us, Outcome.FAILED, Reason.INTERRUPTED.text("the edge ended before it was read back"))


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise UnavailableError(f"journal of commands: {error}", DISK_RETRY_S) from None
