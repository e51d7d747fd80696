"""The running service: rounds of the Analyst until it is told to stop. The only module here that asks the clock."""

import os
import signal
import threading
from contextlib import ExitStack
from pathlib import Path

from satomori_analytics.condition.keeping import Keeper
from satomori_analytics.forecasts.keeping import Forecaster
from satomori_analytics.jobs import Analyst, Round
from satomori_analytics.peers.keeping import Comparer
from satomori_analytics.playbook_files import load_playbooks
from satomori_analytics.pools import Cluster, Here, Pool, Processes
from satomori_analytics.settings import AnalyticsSettings
from satomori_analytics.triage.events import Looker
from satomori_core.clock import now_us
from satomori_core.errors import UnavailableError
from satomori_core.logs import get_logger
from satomori_store.opening import open_ledger, open_registry, open_store

log = get_logger("analytics")
_REST_MAX_S = 5.0


def run(state: Path, config: Path | None, settings: AnalyticsSettings) -> None:
    """Until SIGTERM or SIGINT. It polls the ledger each `poll_s`, which costs one indexed query."""
    playbooks = load_playbooks(settings.playbooks_dir)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    os.nice(settings.nice)
    with ExitStack() as stack:
        registry = open_registry(state, config)
        ledger = open_ledger(state, config)
        store = open_store(state, config)
        stack.callback(registry.dispose)
        stack.callback(ledger.close)
        stack.callback(store.close)
        pool = _pool(settings)
        stack.callback(pool.close)
        analyst = Analyst(
            registry, ledger, store, playbooks=playbooks, settings=settings, folder=state / "analytics", pool=pool
        )
        forecaster = Forecaster(registry, store, playbooks, settings)
        comparer = Comparer(registry, store, settings)
        keeper = Keeper(registry, store)
        looker = Looker(registry, store, settings.triage_dir)
        judging = settings.dask or (f"{settings.workers} processes" if settings.workers else "here")
        log.info("analytics started", classes=len(playbooks.general), own=len(playbooks.own), judging=judging)
        away = False
        while not stop.is_set():
            try:
                # Somebody waits for these after an earthquake, so they come before everything.
                looker.round(now_us())
                done = analyst.round(now_us(), stop.is_set)
                # A backlog comes first: forecasts and comparisons stand on what it brings.
                forecasts = 0 if done.backlog else forecaster.round(now_us(), stop.is_set)
                unlike = 0 if done.backlog else comparer.round(now_us(), stop.is_set)
                looked = 0 if done.backlog else keeper.round(now_us(), stop.is_set)
            except UnavailableError as error:
                if not away:
                    log.warning("away", error=str(error))
                away = True
                stop.wait(error.retry_after_s)
                continue
            if away:
                log.info("back")
                away = False
            _say(done, analyst)
            if unlike:
                log.info("compared with their like", findings=unlike)
            if looked and not keeper.waiting:
                log.info("looked at the condition of structures")
            if forecasts:
                log.info("forecasts made", count=forecasts, waiting=forecaster.waiting)
            stop.wait(_rest_s(done, settings, waiting=analyst.waiting))
        log.info("analytics stopped")


def _pool(settings: AnalyticsSettings) -> Pool:
    if settings.dask:
        return Cluster(settings.dask)
    return Processes(settings.workers) if settings.workers else Here()


def _rest_s(done: Round, settings: AnalyticsSettings, *, waiting: int) -> float:
    """After work on a backlog as long as it took, so that ingest keeps the machine; else until the next poll."""
    if done.backlog or (waiting and done.slow):
        return min(done.seconds * settings.rest, _REST_MAX_S)
    return max(settings.poll_s - done.seconds, settings.poll_s / 10)


def _say(done: Round, analyst: Analyst) -> None:
    if done.changes or done.findings or done.slow:
        log.info(
            "judged", changes=done.changes, marks=done.marks, findings=done.findings, slow=done.slow,
            waiting=analyst.waiting, seconds=round(done.seconds, 3),
        )  # fmt: skip
