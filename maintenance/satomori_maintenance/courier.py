"""A thread for each receiver that carries its messages, so that a mail server that hangs holds up nobody else."""

import threading
from collections.abc import Callable

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from satomori_core.errors import UnavailableError
from satomori_maintenance.outgoing import Claimed, claim_next, record_failed, record_sent
from satomori_maintenance.receivers import Notifier
from satomori_store.databases import reading, writing
from satomori_store.models import Notification

# How long a courier sleeps when nobody wakes it; messages that wait for their next attempt wake nobody.
IDLE_S = 1.0


class Courier:
    """Claims a message, sends it outside of any transaction, records what became of it."""

    def __init__(
        self,
        engine: Engine,
        receiver: str,
        notifier: Notifier,
        *,
        give_up_after_us: int,
        clock: Callable[[], int],
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._engine = engine
        self._receiver = receiver
        self._notifier = notifier
        self._give_up_after_us = give_up_after_us
        self._clock = clock
        self._log = log.bind(receiver=receiver)
        self._away = False
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"courier {receiver}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    def stop(self) -> None:
        """Take no further message; one that is being sent is not waited for long, it is in doubt then."""
        self._stopping = True
        self._wake.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    @property
    def died(self) -> bool:
        """Whether a bug has ended the thread; the whole process should end then."""
        return self._thread.ident is not None and not self._thread.is_alive() and not self._stopping

    def deliver_next(self) -> bool:
        """Make one attempt at one message, if one is due; return whether there was one."""
        if not self._something_due():
            return False
        with writing(self._engine) as connection, Session(connection) as session:
            message = claim_next(session, self._receiver, self._clock())
        if message is None:
            return False
        try:
            self._notifier.deliver(message.title, message.body)
        except UnavailableError as error:
            self._failed(message, str(error))
        else:
            self._sent(message)
        return True

    def _something_due(self) -> bool:
        """A look without a write transaction, since there is nothing to do nearly always."""
        with reading(self._engine) as connection, Session(connection) as session:
            due = (
                session.query(Notification.id)
                .filter(Notification.receiver == self._receiver, Notification.sent_us.is_(None))
                .filter(Notification.gave_up_us.is_(None), Notification.next_attempt_us <= self._clock())
            )
            return due.first() is not None

    def _sent(self, message: Claimed) -> None:
        with writing(self._engine) as connection, Session(connection) as session:
            record_sent(session, message, self._clock())
        if self._away:
            self._log.info("receiver back")
        self._away = False
        self._log.info("told", notification=message.id, title=message.title, attempts=message.attempts)

    def _failed(self, message: Claimed, error: str) -> None:
        with writing(self._engine) as connection, Session(connection) as session:
            given_up = record_failed(session, message, error, self._give_up_after_us, self._clock())
        if not self._away:
            self._log.warning("receiver away, trying again with growing pauses", notification=message.id, error=error)
        self._away = True
        if given_up:
            self._log.error("gave a message up", notification=message.id, attempts=message.attempts, error=error)

    def _run(self) -> None:
        while not self._stopping:
            try:
                busy = self.deliver_next()
            except UnavailableError as error:
                # The registry is away; the service says so. A message sent just now is in doubt and goes out again.
                self._log.debug("registry away", error=str(error))
                busy = False
            if not busy:
                self._wake.wait(IDLE_S)
                self._wake.clear()
