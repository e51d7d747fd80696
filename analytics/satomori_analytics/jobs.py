"""The scheduler: follows the ledger's changes with a cursor and has all that they touch judged, in event time.

A round judges, writes qc and findings, and only then moves the cursor, so a job that was killed runs again, and
doubles nothing. Nothing here holds a transaction while it judges.
"""

import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from sqlalchemy import Engine

from satomori_analytics.episodes import Episode
from satomori_analytics.findings import Judged, Standing, keep, load_standing
from satomori_analytics.playbook import Derived, Playbook, Playbooks, Watch
from satomori_analytics.pools import Here, Job, Pool, by_group
from satomori_analytics.redundancy import by_class, peers_of
from satomori_analytics.sensitivity import more_lookback_s
from satomori_analytics.settings import AnalyticsSettings
from satomori_analytics.silence import Heard, judge_silence, with_picture
from satomori_analytics.slow import Due, Item, Slow, What, items_of
from satomori_analytics.standing_silence import SilenceKeeper
from satomori_analytics.views import Series
from satomori_analytics.work import Task, do
from satomori_analytics.world import (
    Stream,
    WatchedAsset,
    World,
    load_seen,
    load_sensitivity,
    load_world,
    with_sensitivity,
)
from satomori_core.clock import DAY_US
from satomori_core.logs import get_logger
from satomori_store.ledger import Ledger
from satomori_store.models import Cursor
from satomori_store.port import Change, ObservationStore
from satomori_store.transactions import feedback_version, registry_version, transaction

CURSOR = "analytics"
# Up to here nothing slow is still due.
SLOW_CURSOR = "analytics-slow"
# One round's slow judgements take so long at most, so that the fresh are never far behind.
_SLOW_BUDGET_S = 1.0
# History that arrives is judged once it has paused for so long, or this many rounds have waited for it.
_QUIET_ROUNDS, _WAIT_ROUNDS = 3, 20

# So many assets' fresh judgements, or slow ones, are written in one transaction.
_ASSETS_PER_WRITE = 20
# What has gone silent is drawn with so many of its last intervals.
_LAST_VALUES = 48
# So far back is judged anew where changes were missed.
_ANEW_US = 35 * DAY_US

log = get_logger("analytics")
Touched = dict[int, tuple[int, int]]
_Name = TypeVar("_Name", int, str)


@dataclass(slots=True)
class _Waiting:
    """Slow judgements that are due, with the span that was touched; and for how many rounds nothing was added.

    `after_change`: the change that was done before the first that made it due; from there a restart takes it up again.
    """

    what: What
    touched: tuple[int, int]
    quiet_rounds: int = 0
    rounds: int = 0
    after_change: int = 0


@dataclass(slots=True)
class Round:
    """What a round did, for the log and for how long to rest."""

    changes: int = 0
    marks: int = 0
    findings: int = 0
    slow: int = 0
    backlog: bool = False
    seconds: float = field(default=0.0)


def _until(times: Mapping[_Name, int], now_us: int) -> dict[_Name, int]:
    return {name: min(at_us, now_us) for name, at_us in times.items()}


class Analyst:
    """One for a registry: two would judge everything twice, though to the same findings."""

    def __init__(
        self,
        registry: Engine,
        ledger: Ledger,
        store: ObservationStore,
        *,
        playbooks: Playbooks,
        settings: AnalyticsSettings,
        folder: Path,
        pool: Pool | None = None,
    ) -> None:
        """`folder`: where the detectors' references lie. `pool`: who judges; None: this process."""
        self._registry, self._ledger, self._store = registry, ledger, store
        self._playbooks, self._settings, self._pool = playbooks, settings, pool or Here()
        self._slow = Slow.of(store, folder, settings.false_alarms_per_asset_month)
        self._waiting: dict[Item, _Waiting] = {}
        self._judged_until: dict[Item, int] = {}
        self._version = -1
        self._world = World({}, {}, {})
        self._like: Mapping[str, Sequence[WatchedAsset]] = {}
        self._peers: dict[tuple[str, float], Mapping[int, Sequence[Stream]]] = {}
        self._said = -1
        self._steps: dict[str, dict[str, int]] = {}
        self._heard: dict[int, int] = {}
        self._arrived: dict[int, int] = {}
        self._gateways: dict[str, int] = {}
        self._silence = SilenceKeeper(registry)
        self._silence_due_us = 0
        self._cursor = self._load_cursor(CURSOR)
        self._slow_cursor = self._load_cursor(SLOW_CURSOR)
        self._resumed = False

    # ------------------------------------------------------------------ a round

    def round(self, now_us: int, stop: Callable[[], bool] = lambda: False) -> Round:
        """Judge what was stored since the last round, then who is silent, then some of what waits."""
        began, done, before = time.monotonic(), Round(), self._cursor
        self._follow_clock(now_us)
        self._reload(now_us)
        self._resume()
        changes = self._missed(now_us) or self._ledger.changes_after(self._cursor, self._settings.changes_per_round)
        self._slow.forget((change.datastream, change.from_us) for change in changes)
        done.changes = len(changes)
        done.backlog = len(changes) == self._settings.changes_per_round
        old_us = now_us - self._settings.historical_after_s * 1_000_000
        live = self._merge(change for change in changes if change.until_us >= old_us)
        old = self._merge(change for change in changes if change.until_us < old_us)
        for touched in (live, old):
            if touched and not stop():
                self._judge(touched, now_us, done)
        if stop():
            return done
        if changes:
            self._hear(changes, now_us)
            self._cursor = changes[-1].change_id
            self._save_cursor(CURSOR, self._cursor)
        if now_us >= self._silence_due_us:
            self._judge_silence(now_us, done)
        self._queue(live, old, before)
        self._do_slow(now_us, done, stop)
        done.seconds = time.monotonic() - began
        return done

    @property
    def waiting(self) -> int:
        """How many slow judgements are due."""
        return len(self._waiting)

    def _missed(self, now_us: int) -> list[Change]:
        """After so long a rest that the ledger has forgotten changes: the past weeks count as changed."""
        oldest = self._ledger.oldest_change_id()
        if self._cursor + 1 >= oldest:
            return []
        log.warning("changes missed, judging anew", cursor=self._cursor, oldest=oldest)
        return [Change(oldest - 1, number, now_us - _ANEW_US, now_us) for number in self._world.streams]

    def _merge(self, changes: Iterable[Change]) -> Touched:
        touched: Touched = {}
        for change in changes:
            if change.datastream in self._world.streams:
                low, high = touched.get(change.datastream, (change.from_us, change.until_us))
                touched[change.datastream] = (min(low, change.from_us), max(high, change.until_us))
        return touched

    # ------------------------------------------------------------------ series by series

    def _judge(self, touched: Touched, now_us: int, done: Round) -> None:
        outcomes = self._pool.run(by_group((task.asset.group, partial(do, task)) for task in self._tasks(touched)))
        # Some assets at a time: one transaction for their marks and one for their findings, each short.
        while part := list(itertools.islice(outcomes, _ASSETS_PER_WRITE)):
            marks = [mark for outcome in part for mark in outcome.marks]
            if marks:
                self._store.write_qc(marks)
                self._slow.forget((mark.datastream, mark.observed_at_us) for mark in marks)
            done.marks += len(marks)
            done.findings += self._keep([judged for outcome in part for judged in outcome.judged], now_us)

    def _keep(self, judged: Sequence[Judged], now_us: int) -> int:
        return keep(self._registry, judged, now_us, self._settings.historical_after_s * 1_000_000)

    def _tasks(self, touched: Touched) -> Iterable[Task]:
        by_asset: dict[str, list[Stream]] = {}
        for stream in (self._world.streams[number] for number in touched):
            by_asset.setdefault(stream.asset, []).append(stream)
        earliest = min(low for low, _ in touched.values()) - 2 * 86400 * 1_000_000
        standing = load_standing(self._registry, by_asset, earliest)
        for name, streams in sorted(by_asset.items(), key=lambda each: self._world.assets[each[0]].group):
            asset = self._world.assets[name]
            playbook = self._playbooks.of(asset.class_, asset.municipality)
            if playbook is not None:
                yield self._task(asset, playbook, streams, touched, tuple(standing.get(name, ())))

    def _task(
        self, asset: WatchedAsset, playbook: Playbook, streams: list[Stream], touched: Touched,
        standing: tuple[Standing, ...],
    ) -> Task:  # fmt: skip
        needed = {stream.id: stream for stream in streams}
        metrics = {stream.metric for stream in streams}
        lookback_s = max(playbook.lookback_s(stream.metric, stream.interval_s) for stream in streams)
        for derived_name, derived in playbook.derived.items():
            if not derived.every_s and metrics & set(derived.inputs.values()):
                lookback_s = max(lookback_s, derived.history_s, playbook.lookback_s(derived_name))
                needed |= {s.id: s for s in asset.streams if s.metric in derived.inputs.values()}
        slowest_s = max(stream.interval_s for stream in streams)
        lookback_us = int((lookback_s + more_lookback_s(playbook, slowest_s, asset.factor_most)) * 1e6)
        from_us = min(touched[s.id][0] for s in streams) - lookback_us
        until_us = max(touched[s.id][1] for s in streams) + lookback_us
        columns = self._store.read(sorted(needed), from_us, until_us)
        starts = np.searchsorted(columns.datastream, sorted(needed), side="left").tolist()
        ends = [*starts[1:], len(columns.datastream)]
        series = {
            number: Series(columns.observed_at_us[a:b], columns.value[a:b], columns.quality[a:b], columns.qc[a:b])
            for number, a, b in zip(sorted(needed), starts, ends, strict=True)
        }
        return Task(asset, playbook, {s.id: touched[s.id][0] for s in streams}, series, until_us, standing)

    # ------------------------------------------------------------------ long windows

    def _resume(self) -> None:
        """What was due when the last process ended is due again."""
        if self._resumed:
            return
        self._resumed = True
        reached = max(self._slow_cursor, self._ledger.oldest_change_id() - 1)
        while reached < self._cursor:
            changes = self._ledger.changes_after(reached, self._settings.changes_per_round)
            self._queue({}, self._merge(c for c in changes if c.change_id <= self._cursor), self._slow_cursor)
            reached = changes[-1].change_id if changes else self._cursor

    def _queue(self, live: Touched, old: Touched, after_change: int) -> None:
        for waiting in self._waiting.values():
            waiting.quiet_rounds += 1
            waiting.rounds += 1
        for touched, fresh in ((old, False), (live, True)):
            for number, span in touched.items():
                stream = self._world.streams[number]
                asset = self._world.assets[stream.asset]
                playbook = self._playbooks.of(asset.class_, asset.municipality)
                for item, what in items_of(asset, playbook, stream) if playbook else ():
                    self._add(item, _Waiting(what, span, _QUIET_ROUNDS if fresh else 0, after_change), fresh=fresh)

    def _add(self, item: Item, new: _Waiting, *, fresh: bool) -> None:
        every_us = new.what.every_s * 1_000_000
        if fresh and every_us:
            first, last = new.touched
            until_us = self._judged_until.get(item)
            # Aggregates speak when they are complete: nothing new before the next one, unless the past has changed.
            if until_us is not None and last // every_us == until_us // every_us and first >= until_us - every_us:
                return
            self._judged_until[item] = max(last, until_us or last)
            new.touched = (first - every_us, last)
        waiting = self._waiting.setdefault(item, new)
        waiting.touched = (min(waiting.touched[0], new.touched[0]), max(waiting.touched[1], new.touched[1]))
        waiting.quiet_rounds = waiting.quiet_rounds if fresh else 0

    def _do_slow(self, now_us: int, done: Round, stop: Callable[[], bool]) -> None:
        begun: deque[Item] = deque()
        outcomes = self._pool.run((job,) for job in self._slow_jobs(begun, stop))
        while part := list(itertools.islice(outcomes, _ASSETS_PER_WRITE)):
            done.findings += self._keep([judged for outcome in part for judged in outcome.judged], now_us)
            done.slow += len(part)
            for outcome in part:
                item = begun.popleft()
                if outcome.rolled is not None:  # after the findings: killed in between, it starts where it did
                    self._slow.keep(item, outcome.rolled)
                self._waiting.pop(item)
        reached = min((waiting.after_change for waiting in self._waiting.values()), default=self._cursor)
        if reached != self._slow_cursor:
            self._slow_cursor = reached
            self._save_cursor(SLOW_CURSOR, reached)

    def _slow_jobs(self, begun: deque[Item], stop: Callable[[], bool]) -> Iterator[Job]:
        """Jobs of what is ready until the time is up, at least one; each item joins `begun` with its job."""
        until = time.monotonic() + _SLOW_BUDGET_S
        # What costs little and may be urgent first: detectors on raw rows.
        ready = [i for i, w in self._waiting.items() if w.quiet_rounds >= _QUIET_ROUNDS or w.rounds >= _WAIT_ROUNDS]
        ready.sort(key=lambda i: self._waiting[i].what.every_s)
        first, standing = True, dict[str, list[Standing]]()
        for place, item in enumerate(ready):
            if stop() or not (first or time.monotonic() < until):
                return
            if place % _ASSETS_PER_WRITE == 0:
                some = ready[place : place + _ASSETS_PER_WRITE]
                earliest_us = min(self._waiting[each].touched[0] for each in some)
                standing = load_standing(self._registry, {each.asset for each in some}, earliest_us)
            waiting = self._waiting[item]
            asset = self._world.assets.get(item.asset)
            playbook = self._playbooks.of(asset.class_, asset.municipality) if asset else None
            job = None
            if asset is not None and playbook is not None:
                peers, on = self._peers_of(asset, waiting.what), tuple(standing.get(asset.id, ()))
                due = Due(item, waiting.what, asset, playbook, waiting.touched, on, peers)
                job = self._slow.prepare(due)
            if job is None:
                del self._waiting[item]
                continue
            begun.append(item)
            first = False
            yield job

    def _peers_of(self, asset: WatchedAsset, what: What) -> Mapping[int, Sequence[Stream]]:
        """None for what looks at no neighbours. Looked for once for each state of the registry."""
        within_km = what.shared_within_km if isinstance(what, Watch) else math.inf
        if isinstance(what, Derived) or not within_km:
            return {}
        if (asset.id, within_km) not in self._peers:
            self._like = self._like or by_class(self._world)
            self._peers[asset.id, within_km] = peers_of(self._like[asset.class_], asset, within_km)
        return self._peers[asset.id, within_km]

    # ------------------------------------------------------------------ silence

    def _hear(self, changes: list[Change], now_us: int) -> None:
        for change in changes:
            stream = self._world.streams.get(change.datastream)
            if stream is not None:
                self._heard[stream.id] = max(self._heard.get(stream.id, 0), change.until_us)
                self._arrived[stream.id] = now_us
                if stream.gateway is not None:
                    # That anything arrives is a sign of life, however old what it tells.
                    self._gateways[stream.gateway] = now_us

    def _follow_clock(self, now_us: int) -> None:
        """A clock that was set back: nothing was heard later than now, and silence has its grace again."""
        rest_us = int(max(self._settings.silence_every_s, self._settings.silence_grace_s) * 1e6)
        if self._silence_due_us - now_us <= rest_us:
            return
        log.warning("the clock was set back", by_s=(self._silence_due_us - now_us) // 1_000_000)
        self._silence_due_us = 0
        self._heard, self._arrived, self._gateways = (
            _until(self._heard, now_us), _until(self._arrived, now_us), _until(self._gateways, now_us),
        )  # fmt: skip

    def _judge_silence(self, now_us: int, done: Round) -> None:
        if not self._silence_due_us:  # the start: what is on its way may arrive first
            self._silence_due_us = now_us + int(self._settings.silence_grace_s * 1e6)
            return
        self._silence_due_us = now_us + int(self._settings.silence_every_s * 1e6)
        for gateway, seen_us in load_seen(self._registry).items():
            self._gateways[gateway] = max(self._gateways.get(gateway, 0), seen_us)
        heard = Heard(self._heard, self._arrived, self._gateways)
        silent = judge_silence(self._world, self._playbooks, heard, now_us)
        done.findings += self._silence.keep(silent, heard, now_us, self._with_last_values)

    def _with_last_values(self, episode: Episode) -> Episode:
        stream = self._world.streams.get(episode.evidence["last"] or 0)
        if stream is None:
            return episode
        until_us = self._heard.get(stream.id, episode.since_us) + 1
        last = self._store.read([stream.id], until_us - int(_LAST_VALUES * stream.interval_s * 1e6), until_us)
        return with_picture(episode, stream, last.observed_at_us, last.value)

    # ------------------------------------------------------------------ what was known

    def _reload(self, now_us: int) -> None:
        version, said = registry_version(self._registry), feedback_version(self._registry)
        if said != self._said:
            self._said, self._steps = said, load_sensitivity(self._registry)
            self._world = with_sensitivity(self._world, self._steps)
            log.info("sensitivity read", assets=len(self._steps))
        if version != self._version:
            self._version, self._like, self._peers = version, {}, {}
            self._world = with_sensitivity(load_world(self._registry, now_us), self._steps)
            self._hear_latest()
            log.info(
                "registry loaded", version=version, assets=len(self._world.assets), datastreams=len(self._world.streams)
            )

    def _hear_latest(self) -> None:
        unheard = [number for number in self._world.streams if number not in self._heard]
        latest = self._store.latest(unheard)
        for number, at_us in zip(latest.datastream.tolist(), latest.observed_at_us.tolist(), strict=True):
            self._heard[number] = at_us
            behind = self._world.streams[number].gateway
            if behind is not None:
                self._gateways[behind] = max(self._gateways.get(behind, 0), at_us)

    def _load_cursor(self, name: str) -> int:
        with transaction(self._registry) as session:
            cursor = session.get(Cursor, name)
            if cursor is None:
                session.add(Cursor(name=name, change_id=0))
            return cursor.change_id if cursor else 0

    def _save_cursor(self, name: str, change_id: int) -> None:
        with transaction(self._registry) as session:
            session.merge(Cursor(name=name, change_id=change_id))
