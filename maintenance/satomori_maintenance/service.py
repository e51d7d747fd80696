"""The maintenance service: every two seconds, follow findings, explain alerts, plan messages, write status.

Each step is its own short transaction. Nothing is kept in memory that a restart would miss.
"""

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from satomori_core.clock import SECOND_US, now_us
from satomori_core.errors import UnavailableError
from satomori_core.logs import get_logger
from satomori_maintenance.audience import Audience
from satomori_maintenance.courier import Courier
from satomori_maintenance.first_looks import FirstLooks
from satomori_maintenance.outgoing import plan_messages
from satomori_maintenance.publish import EventWriter, StatusStore, StatusWriter
from satomori_maintenance.receivers import Notifier
from satomori_maintenance.rows import FindingReader, explain
from satomori_maintenance.settings import MaintenanceSettings
from satomori_store.databases import advisory_lock, writing

_LOCK = 5_326_021  # one maintenance process plans at a time, should two run on one PostgreSQL
_STOP_WITHIN_S = 3.0


class Maintenance:
    """One process's work. `notifiers`: by the receiver's name."""

    def __init__(
        self,
        engine: Engine,
        store: StatusStore,
        settings: MaintenanceSettings,
        notifiers: Mapping[str, Notifier],
        clock: Callable[[], int] = now_us,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._log = get_logger("maintenance")
        self._findings = FindingReader()
        self._first_looks = FirstLooks()
        self._audience = Audience(self._log)
        self._status = StatusWriter(engine, store, settings)
        self._events = EventWriter(engine, store)
        self._store_away = False
        give_up_after_us = round(settings.give_up_after_s * SECOND_US)
        self.couriers = [
            Courier(engine, name, notifier, give_up_after_us=give_up_after_us, clock=clock, log=self._log)
            for name, notifier in notifiers.items()
        ]

    def look(self) -> None:
        """One round: follow what was found, plan what to tell, write how things stand."""
        more = True
        while more:
            with self._writing() as session:
                happened, more = self._findings.follow(session, self._clock(), self._settings.hold_us)
                told = [(h.event, h.alert.id, h.alert.fingerprint, h.alert.level, h.alert.historical) for h in happened]
            for event, alert, fingerprint, level, historical in told:
                if not historical:
                    self._log.info("alert", event_=str(event), alert=alert, fingerprint=fingerprint, level=level)
        with self._writing() as session:
            explain(session, self._clock(), self._settings.hold_us)
            planned = plan_messages(session, self._settings, self._audience, self._clock())
            planned += self._first_looks.plan(session, self._settings, self._audience, self._clock())
            words = [(row.receiver, row.id, row.reason, len(row.alert_ids)) for row in planned]
        for receiver, number, reason, alerts in words:
            self._log.info("message planned", receiver=receiver, notification=number, reason=reason, alerts=alerts)
        for courier in self.couriers:
            courier.wake()
        self._publish()

    def _publish(self) -> None:
        """A store that is away keeps nobody from being told; the log says it once."""
        try:
            self._status.write(self._clock())
            while self._events.write():
                pass
        except UnavailableError as error:
            if not self._store_away:
                self._log.warning("status waits for what is away", error=str(error))
            self._store_away = True
            return
        if self._store_away:
            self._log.info("status is written again")
        self._store_away = False

    @contextmanager
    def _writing(self) -> Generator[Session]:
        """A session within one write transaction that holds from its first statement on."""
        with writing(self._engine) as connection, Session(connection) as session:
            advisory_lock(connection, _LOCK)
            yield session
            session.flush()

    def run(self, stop: threading.Event) -> None:
        """Until `stop`. A registry that is away is waited for; it is told in the log once."""
        for courier in self.couriers:
            courier.start()
        away = False
        while not stop.is_set():
            wait_s = self._settings.loop_s
            try:
                self.look()
            except UnavailableError as error:
                if not away:
                    self._log.warning("registry away", error=str(error))
                away, wait_s = True, max(wait_s, error.retry_after_s)
            else:
                if away:
                    self._log.info("registry back")
                away = False
            if any(courier.died for courier in self.couriers):
                raise RuntimeError("a courier died; the process ends so that it is started afresh")
            stop.wait(wait_s)
        for courier in self.couriers:
            courier.stop()
        for courier in self.couriers:
            courier.join(_STOP_WITHIN_S / len(self.couriers))
