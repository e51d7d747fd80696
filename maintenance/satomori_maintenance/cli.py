"""`satomori maintenance`: the service; `… report`: the alarm report; `… test NAME`: try a receiver."""

import signal
import threading

import click
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from satomori_core.cli import Invocation, common_options, print_rows
from satomori_core.clock import DAY_US, now_us
from satomori_core.errors import SettingsError, UnavailableError
from satomori_core.logs import get_logger
from satomori_core.vocabulary import Priority
from satomori_maintenance.receivers import open_receiver
from satomori_maintenance.report import Told, alarm_report
from satomori_maintenance.service import Maintenance
from satomori_maintenance.settings import load_maintenance
from satomori_store.databases import reading
from satomori_store.models import Alert, Finding
from satomori_store.opening import open_registry, open_store
from satomori_store.port import ObservationStore


@click.group(invoke_without_command=True)
@click.pass_context
@common_options
def maintenance(invocation: Invocation, context: click.Context) -> None:
    """Turn findings into alerts, tell people, write status."""
    # What is said before the subcommand's name holds for the subcommand too.
    said = {"state": invocation.state, "config": invocation.config, "as_json": invocation.json}
    context.default_map = dict.fromkeys(("report", "test"), said)
    if context.invoked_subcommand is None:
        _run(invocation)


def _run(invocation: Invocation) -> None:
    settings = load_maintenance(invocation.config)
    notifiers = {receiver.name: open_receiver(receiver) for receiver in settings.receiver}
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log = get_logger("maintenance")
    opened = _open(invocation, stop)
    if opened is None:
        return
    engine, store = opened
    log.info("started", receivers=len(notifiers))
    try:
        Maintenance(engine, store, settings, notifiers).run(stop)
    finally:
        store.close()
        engine.dispose()
    log.info("stopped")


def _open(invocation: Invocation, stop: threading.Event) -> tuple[Engine, ObservationStore] | None:
    """Registry and store, waited for while they are away; None where we are told to stop before."""
    told = False
    while not stop.is_set():
        try:
            return open_registry(invocation.state, invocation.config), open_store(invocation.state, invocation.config)
        except UnavailableError as error:
            if not told:
                get_logger("maintenance").warning("registry or store away, waiting", error=str(error))
            told = True
            stop.wait(error.retry_after_s)
    return None


@maintenance.command()
@click.option("--days", type=click.FloatRange(min=0, min_open=True), default=30.0, show_default=True)
@click.option("--crews", type=click.IntRange(min=1), default=1, show_default=True, help="Who shares the alerts.")
@click.option("--historical", is_flag=True, help="Count what was found in old data too, though nobody was told.")
@common_options
def report(invocation: Invocation, days: float, crews: int, historical: bool) -> None:
    """How much people are asked to look at (EEMUA 191, ISA-18.2)."""
    until_us = now_us()
    from_us = until_us - round(days * DAY_US)
    engine = open_registry(invocation.state, invocation.config)
    alerts = select(Alert).where(Alert.inhibited_by.is_(None), Alert.opened_us >= from_us)
    spells = select(Finding.fingerprint, Finding.since_us, Finding.until_us).where(Finding.since_us >= from_us)
    if not historical:
        alerts = alerts.where(Alert.historical.is_(False))
        spells = spells.where(Finding.historical.is_(False))
    with reading(engine) as connection, Session(connection) as session:
        told = [
            Told(row.fingerprint, row.asset_id, Priority(row.priority), row.opened_us, row.resolved_us)
            for row in session.scalars(alerts)
        ]
        rows = alarm_report(told, session.execute(spells).all(), from_us, until_us, crews)
    print_rows(rows, as_json=invocation.json)


@maintenance.command("test")
@click.argument("receiver")
@common_options
def try_receiver(invocation: Invocation, receiver: str) -> None:
    """Send a test message to RECEIVER."""
    settings = load_maintenance(invocation.config)
    named = {r.name: r for r in settings.receiver}
    if receiver not in named:
        raise SettingsError(f"there is no receiver {receiver!r}; known are {', '.join(sorted(named)) or 'none'}")
    title, body = {
        "ja": ("【試験】里守からの通知", "この通知が読めれば、設定は正しく働いています。\n"),
        "en": ("[TEST] A message from Satomori", "If you can read this, the settings work.\n"),
    }[named[receiver].language]
    open_receiver(named[receiver]).deliver(title, body)
    print_rows([{"receiver": receiver, "delivered": True}], as_json=invocation.json)
