"""Judgements over long windows: aggregates of days or weeks, and references learned from an asset's first rows.

They wait in a queue until the fresh data are judged, and are done a few at a time: nothing fresh waits for them.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from satomori_analytics import detectors
from satomori_analytics.derive import derive
from satomori_analytics.episodes import Episode, Floats, Times
from satomori_analytics.evidence import grid
from satomori_analytics.findings import Judged, Standing
from satomori_analytics.leaks import judge_leaks, learning
from satomori_analytics.playbook import Derived, Playbook, Watch
from satomori_analytics.pools import Job
from satomori_analytics.redundancy import Neighbourhood, Redundancy, fingerprints, judge_redundancy
from satomori_analytics.sensitivity import added_us
from satomori_analytics.sharing import PAST_DAYS, Around, around
from satomori_analytics.views import View, key_of, quantity_of
from satomori_analytics.watching import Gap, Rows, Watched, judge_alone, judge_joint, learn, roll, to_rows
from satomori_analytics.work import Outcome, Task, judge_derived, resting_on, stream_of
from satomori_analytics.world import Stream, WatchedAsset
from satomori_core.clock import DAY_US, HOUR_US
from satomori_core.errors import UnavailableError
from satomori_core.logs import get_logger
from satomori_core.vocabulary import Quality
from satomori_store.port import Aggregate, ObservationStore

_REFERENCE_DAYS_MAX = 400
# Raised where the shape of detectors' states changes: what was kept in another is learned anew.
_STATES = 7
# A detector that goes on learning sees so many rows a judgement at most beyond those it judges: seconds of work.
_ROLL_ROWS_MAX = 20_000
# Its state is kept for so many days, one a day, so that what arrives late is judged by what was known then.
_ROLLED_DAYS = 4
# A series alone is judged anew over so long, from a state that was kept: what a finding's picture shows, and an alarm's
# beginning. Its states lag behind by as much, and are rolled on once a day.
_LEAD_US, _ROLL_US = 2 * DAY_US, DAY_US
_DISK_AGAIN_S = 30.0

log = get_logger("analytics")


@dataclass(frozen=True, slots=True)
class Item:
    """A derived series or a detector of one asset's playbook; `stream` where a detector takes one series alone."""

    asset: str
    name: str
    stream: int | None = None


@dataclass(slots=True)
class _Known:
    """All whole buckets in from…until that are in the store."""

    from_us: int
    until_us: int
    times: Times
    values: Floats


class Aggregates:
    """Aggregated series as read so far; only what is new or was touched since is read. Bounded by what is watched."""

    def __init__(self, store: ObservationStore) -> None:
        self._store = store
        self._known: dict[int, dict[tuple[int, Aggregate], _Known]] = {}

    def forget(self, stream: int, from_us: int) -> None:
        """Its observations or their qc have changed from there on."""
        for (every_us, _), known in self._known.get(stream, {}).items():
            known.until_us = max(min(known.until_us, from_us // every_us * every_us), known.from_us)
            before = known.times < known.until_us
            known.times, known.values = known.times[before], known.values[before]

    def read(
        self, stream: int, every_us: int, aggregate: Aggregate, window: tuple[int, int]
    ) -> tuple[Times, Floats]:  # fmt: skip
        """Whole buckets in the window. What lies before it is not held any longer."""
        start, end = window[0] // every_us * every_us, window[1] // every_us * every_us
        of_stream = self._known.setdefault(stream, {})
        known = of_stream.get((every_us, aggregate))
        if known is None or known.until_us < start or known.from_us > end:
            known = of_stream[every_us, aggregate] = _Known(start, start, np.empty(0, np.int64), np.empty(0))
        times, values = [known.times], [known.values]
        if start < known.from_us:
            head = self._store.read([stream], start, known.from_us, every_us, aggregate)
            times.insert(0, head.observed_at_us)
            values.insert(0, head.value)
        if known.until_us < end:
            tail = self._store.read([stream], known.until_us, end, every_us, aggregate)
            times.append(tail.observed_at_us)
            values.append(tail.value)
        known.times, known.values = np.concatenate(times), np.concatenate(values)
        held = known.times >= start
        known.times, known.values = known.times[held], known.values[held]
        known.from_us, known.until_us = start, max(known.until_us, end)
        asked = known.times < end
        return known.times[asked], known.values[asked]


class References:
    """What detectors learned from their first rows, and `rolled`: what they went on to learn; a JSON file each.

    It can be learned anew from the store.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, dict[str, Any]] = {}

    def load(self, key: str, watch: Watch, channels: tuple[int, ...]) -> dict[str, Any] | None:
        """None where nothing was learned yet, or for another detector, other options or other datastreams."""
        reference = self._known.get(key) or self._read(key)
        if reference.get("for") != _identity(watch, channels):
            return None
        self._known[key] = reference
        return reference

    def save(self, key: str, watch: Watch, channels: tuple[int, ...], reference: Mapping[str, Any]) -> dict[str, Any]:
        return self._keep(key, {**reference, "for": _identity(watch, channels), "rolled": []})

    def roll(self, key: str, rolled: Mapping[str, Any]) -> None:
        """Keep a state beside the first: the newest, and the first of each of the days before it.

        One that is older than the newest, since late rows were judged, is not kept.
        """
        reference = self._known[key]
        before = reference.get("rolled", [])
        if before and before[-1]["until_us"] >= rolled["until_us"]:
            return
        self._keep(key, {**reference, "rolled": _day_by_day(before, rolled)})

    def states(self, key: str, identity: list[Any]) -> list[dict[str, Any]]:
        """What the detector of one series went on to learn, oldest first. Not held in memory: there are many series."""
        kept = self._read(key)
        states: list[dict[str, Any]] = kept["rolled"] if kept.get("for") == identity else []
        return states

    def roll_alone(self, key: str, rolled: Mapping[str, Any]) -> None:
        """Keep a state of one series' detector; those that had seen rows from `touched_us` on are wrong by now."""
        before = [s for s in self.states(key, rolled["for"]) if s["until_us"] < rolled["touched_us"]]
        state = {"until_us": rolled["until_us"], "state": rolled["state"]}
        self._write(key, {"for": rolled["for"], "rolled": _day_by_day(before, state)})

    def _keep(self, key: str, reference: dict[str, Any]) -> dict[str, Any]:
        """On disk first: where that fails, memory knows no more than the next process would."""
        self._write(key, reference)
        self._known[key] = reference
        return reference

    def _read(self, key: str) -> dict[str, Any]:
        """Empty where nothing was kept, or nothing that can be read: it is learned anew."""
        path = self._folder / f"{key}.json"
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except ValueError:
            kept = None
        if not isinstance(kept, dict):
            log.warning("what was learned can't be read, learning anew", file=str(path))
            return {}
        return kept

    def _write(self, key: str, kept: Mapping[str, Any]) -> None:
        """Whole or not at all: on the disk before it takes the old one's name, so that a power cut leaves one of them.

        Raise UnavailableError where the disk takes no more; what was there stays.
        """
        path = self._folder / f"{key}.json"
        draft = path.with_suffix(".new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with draft.open("w", encoding="utf-8") as file:
                file.write(json.dumps(kept))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise UnavailableError(
                f"{path}: {error.strerror}; detectors keep there what they learn", _DISK_AGAIN_S
            ) from None


def latest(reference: Mapping[str, Any], before_us: int) -> Mapping[str, Any]:
    """Of the first state and those rolled from it the newest that has seen no row from `before_us` on."""
    return next((s for s in reversed(reference.get("rolled", [])) if s["until_us"] < before_us), reference)


def _day_by_day(states: Sequence[Mapping[str, Any]], new: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The newest state, and the first of each of the days before it."""
    ordered = sorted((*(s for s in states if s["until_us"] != new["until_us"]), new), key=lambda s: s["until_us"])
    newest, days = ordered[-1], dict[int, Mapping[str, Any]]()
    for state in ordered[:-1]:
        if state["until_us"] > newest["until_us"] - _ROLLED_DAYS * DAY_US:
            days.setdefault(state["until_us"] // DAY_US, state)
    return [*days.values(), newest]


def _key(item: Item) -> str:
    return f"{item.asset}.{item.name}" if item.stream is None else f"{item.asset}.{item.name}.{item.stream}"


def _identity(watch: Watch, channels: tuple[int, ...]) -> list[Any]:
    return [_STATES, watch.detector, dict(watch.options), watch.every_s, list(channels)]


What = Derived | Watch | Redundancy


def items_of(asset: WatchedAsset, playbook: Playbook, stream: Stream) -> list[tuple[Item, What]]:
    """What has to be judged anew when this datastream of the asset has new values."""
    found: list[tuple[Item, What]] = [(Item(asset.id, "redundancy"), _redundancy_of(asset))]
    found += [
        (Item(asset.id, name), derived)
        for name, derived in playbook.derived.items()
        if derived.every_s and stream.metric in derived.inputs.values()
    ]
    for name, watch in playbook.watch.items():
        if watch.enabled and stream.metric in watch.on:
            joint = detectors.find(watch.detector).joint
            found.append((Item(asset.id, name, None if joint else stream.id), watch))
    return found


def _redundancy_of(asset: WatchedAsset) -> Redundancy:
    """Over so much more of the past as a finding has to last longer."""
    usual = Redundancy()
    return replace(usual, history_s=usual.history_s + added_us(asset.factor_most) // 1_000_000)


@dataclass(frozen=True, slots=True)
class Due:
    """One item that has to be judged again, with all that it needs to know. `touched`: first and last µs."""

    item: Item
    what: What
    asset: WatchedAsset
    playbook: Playbook
    touched: tuple[int, int]
    standing: tuple[Standing, ...]
    peers: Mapping[int, Sequence[Stream]] = field(default_factory=dict)

    @property
    def window(self) -> tuple[int, int]:
        """From how far back, and until when, it has to be read."""
        step_us = max(self.what.every_s, 1) * 1_000_000
        return self.touched[0] - self.what.history_s * 1_000_000, self.touched[1] + step_us


@dataclass(frozen=True, slots=True)
class Slow:
    """Reads what a judgement needs and no more, and gives it as a job for any process."""

    store: ObservationStore
    references: References
    false_alarms_per_asset_month: float
    aggregates: Aggregates
    # Of neighbours too, over other windows: apart, so that neither makes the other read anew.
    neighbours: Aggregates

    @classmethod
    def of(cls, store: ObservationStore, folder: Path, false_alarms_per_asset_month: float) -> Self:
        return cls(store, References(folder), false_alarms_per_asset_month, Aggregates(store), Aggregates(store))

    def forget(self, touched: Iterable[tuple[int, int]]) -> None:
        """(datastream, from when on): what was read of it is out of date."""
        for stream, from_us in touched:
            self.aggregates.forget(stream, from_us)
            self.neighbours.forget(stream, from_us)

    def prepare(self, due: Due) -> Job | None:
        """None where there is nothing to say yet."""
        if isinstance(due.what, Derived):
            return self._derived(due, due.what)
        if isinstance(due.what, Redundancy):
            return self._redundancy(due)
        if due.item.stream is None and detectors.find(due.what.detector).learns_rows:
            return self._joint(due, due.what)
        if due.item.stream is None:
            return self._leaks(due, due.what)
        return self._alone(due, due.what)

    def _derived(self, due: Due, derived: Derived) -> Job | None:
        every_us, inputs = derived.every_s * 1_000_000, {}
        for argument, metric in derived.inputs.items():
            stream = stream_of(due.asset, metric)
            if stream is None:
                return None
            aggregate = derived.aggregates.get(argument, derived.aggregate)
            times, values = self.aggregates.read(stream.id, every_us, aggregate, due.window)
            # A bucket is known at its end.
            inputs[metric] = (times + every_us, values, float(max(derived.every_s, stream.interval_s)))
        task = Task(due.asset, due.playbook, {}, {}, due.window[1], due.standing)
        return partial(_do_derived, task, due.item.name, derived, inputs, due.touched[0])

    def _redundancy(self, due: Due) -> Job:
        streams = {s.id: s for s in (*due.asset.streams, *(p for peers in due.peers.values() for p in peers))}
        until_us = due.touched[1] + 1
        window = (due.window[0], until_us)
        columns = []
        for number in streams:
            (at_us, mean), (_, high), (_, low) = (
                self.neighbours.read(number, HOUR_US, aggregate, window) for aggregate in ("mean", "max", "min")
            )
            columns.append((at_us, mean, high - low))
        column = {number: place for place, number in enumerate(streams)}
        near = Neighbourhood(due.asset, due.playbook, due.peers, grid(columns, *window), column, due.touched[1])
        return partial(_do_redundancy, near, (due.touched[0], until_us))

    def _alone(self, due: Due, watch: Watch) -> Job | None:
        stream = next((s for s in due.asset.streams if s.id == due.item.stream), None)
        if stream is None:
            return None
        quantity = quantity_of(stream)
        watched = Watched(due.asset, due.item.name, watch, key_of(due.asset, quantity), self._share(due, watch))
        window, told = due.window, (due.touched[0], due.window[1])
        if window[0] + _ROLL_US > due.touched[0] - _LEAD_US:  # too short a past to keep anything of
            at_us, values = self._values(stream, watch, window)
            if not len(at_us):
                return None
            judge = partial(judge_alone, watched, View(due.asset, quantity, at_us, values))
            return partial(_do_watch, watched, told, partial(judge, near=self._around(due, watch, stream)))
        every_us, identity = max(watch.every_s, 1) * 1_000_000, _identity(watch, (stream.id,))
        touched_us = due.touched[0] // every_us * every_us
        start_us = (touched_us - _LEAD_US) // every_us * every_us
        states = self.references.states(_key(due.item), identity)
        known = next((s for s in reversed(states) if window[0] <= s["until_us"] + 1 <= start_us), None)
        from_us = window[0] // every_us * every_us if known is None else known["until_us"] + 1
        at_us, values = self._values(stream, watch, (from_us, window[1]))
        if not len(at_us):
            return None
        late = any(s["until_us"] >= touched_us for s in states)
        rolling = None
        if known is None or late or start_us - from_us >= _ROLL_US:
            passed = at_us < start_us
            rows, at_us, values = Rows(at_us[passed], values[passed, None]), at_us[~passed], values[~passed]
            rolling = partial(
                _roll_alone, watched, known, rows, start_us - 1, {"for": identity, "touched_us": touched_us}
            )
        judge = partial(judge_alone, watched, View(due.asset, quantity, at_us, values))
        near = self._around(due, watch, stream)
        return partial(_do_rolling, watched, told, known, rolling, partial(judge, near=near))

    def _around(self, due: Due, watch: Watch, stream: Stream) -> Around | None:
        """None where nothing may be shared, or there are fewer than two neighbours."""
        peers = due.peers.get(stream.id, ())
        if not watch.shared_within_km or len(peers) < 2:
            return None
        every_us = watch.every_s * 1_000_000
        window = (due.touched[0] - _LEAD_US - (PAST_DAYS + 1) * DAY_US, due.window[1])
        columns = [
            self.neighbours.read(number, every_us, "mean", window)
            for number in (stream.id, *(peer.id for peer in peers))
        ]
        return around(every_us, columns, *window)

    def keep(self, item: Item, rolled: Mapping[str, Any]) -> None:
        """What the job of this item has learned on the way."""
        if item.stream is None:
            self.references.roll(_key(item), rolled)
        else:
            self.references.roll_alone(_key(item), rolled)

    def _share(self, due: Due, watch: Watch) -> float | None:
        """Of the asset's budget: each series watched alone has the same as channels watched together have."""
        if not detectors.find(watch.detector).budgeted:
            return None
        shares = 0
        for other in due.playbook.watch.values():
            kind, streams = detectors.find(other.detector), sum(s.metric in other.on for s in due.asset.streams)
            if other.enabled and kind.budgeted:
                shares += int(streams >= other.least) if kind.joint else streams
        return self.false_alarms_per_asset_month / max(shares, 1)

    def _joint(self, due: Due, watch: Watch) -> Job | None:
        streams = [stream for metric in watch.on if (stream := stream_of(due.asset, metric)) is not None]
        if len(streams) < watch.least:
            return None
        watched = Watched(due.asset, due.item.name, watch, due.asset.id, self._share(due, watch))
        ids = tuple(stream.id for stream in streams)
        key = _key(due.item)
        reference = self.references.load(key, watch, ids)
        if reference is None:
            learned = self._learn(watched, streams, due.touched[1])
            if learned is None:
                return None
            reference = self.references.save(key, watch, ids, learned)
        every_us = max(int(watch.every_s or min(stream.interval_s for stream in streams)), 1) * 1_000_000
        start_us = max(due.window[0] // every_us * every_us, int(reference["until_us"]) + 1)
        known, passed, passed_until_us = latest(reference, start_us), None, 0
        next_us, gap = int(known["until_us"]) + 1, True
        if watched.build_learned().adapts:
            if start_us - next_us > watch.history_s * 1_000_000:
                passed_until_us = min(start_us, (next_us // every_us + _ROLL_ROWS_MAX) * every_us) - 1
                passed = self._rows(streams, watch, (next_us, passed_until_us + 1))
                gap = passed_until_us + 1 < start_us
            else:
                start_us, gap = next_us, False
        rows = self._rows(streams, watch, (start_us, due.window[1]))
        open_since = (
            s.on.get("score") for s in due.standing if s.fingerprint == watched.fingerprint and s.until_us is None
        )
        channels = [quantity_of(s) for s in streams]
        judge = partial(judge_joint, watched, channels, rows, Gap(next(open_since, None)) if gap else None)
        # A machine's channels together outlive one bad sensor; a pair does not.
        rests = tuple(streams) if len(streams) == 2 else ()
        first = {"until_us": known["until_us"], "state": known["state"]}
        rolling = None if passed is None else partial(roll, watched, first, passed, passed_until_us)
        return partial(
            _do_rolling, watched, (due.touched[0], due.window[1]), first, rolling, partial(_rested, rests, judge)
        )

    def _leaks(self, due: Due, watch: Watch) -> Job | None:
        """The first metric's newest datastream, then all datastreams of the others: a district has several gauges."""
        flow = stream_of(due.asset, watch.on[0])
        if flow is None:
            return None
        streams = [flow, *(stream for stream in due.asset.streams if stream.metric in watch.on[1:])]
        rows = self._rows(streams, watch, due.window)
        watched = Watched(due.asset, due.item.name, watch, due.asset.id, self._share(due, watch))
        judge = partial(judge_leaks, watched, [quantity_of(stream) for stream in streams], rows)
        return partial(_do_leaks, watched, (due.touched[0], due.window[1]), judge)

    def _learn(self, watched: Watched, streams: Sequence[Stream], until_us: int) -> dict[str, Any] | None:
        """From the first rows in the store: of the hours that may hold enough of them, then of twice as many."""
        ids, end_us = [stream.id for stream in streams], until_us + 1
        counted = self.store.read(ids, until_us - _REFERENCE_DAYS_MAX * DAY_US, end_us, HOUR_US, "count")
        hours, place = np.unique(counted.observed_at_us, return_inverse=True)
        enough = watched.build_learned().learn_rows
        # Each observation may be a row of its own.
        tried = int(np.searchsorted(np.cumsum(np.bincount(place, counted.value)), enough)) + 1
        while tried <= len(hours):
            rows = self._rows(streams, watched.watch, (int(hours[0]), min(int(hours[tried - 1]) + HOUR_US, end_us)))
            # The last row may lack what came in the next hour.
            if len(rows.at_us) > enough or tried == len(hours):
                return learn(watched, rows)
            tried = min(2 * tried, len(hours))
        return None

    def _rows(self, streams: Sequence[Stream], watch: Watch, window: tuple[int, int]) -> Rows:
        channels = [self._values(stream, watch, window) for stream in streams]
        return to_rows(channels, float(watch.every_s or min(stream.interval_s for stream in streams)))

    def _values(self, stream: Stream, watch: Watch, window: tuple[int, int]) -> tuple[Times, Floats]:
        if watch.every_s:
            return self.aggregates.read(stream.id, watch.every_s * 1_000_000, "mean", window)
        columns = self.store.read([stream.id], *window)
        good = (columns.quality < Quality.FAIL) & (columns.qc < Quality.FAIL)
        return columns.observed_at_us, np.where(good, columns.value, np.nan)


def _do_derived(
    task: Task, name: str, derived: Derived, inputs: Mapping[str, tuple[Times, Floats, float]], from_us: int
) -> Outcome:
    times, values = derive(derived, inputs)
    if not len(times):
        return Outcome()
    return Outcome(judged=[judge_derived(task, name, derived, (times, values), from_us)])


def _do_watch(watched: Watched, window: tuple[int, int], judge: Callable[[], list[Episode]]) -> Outcome:
    return Outcome(judged=[Judged(frozenset({watched.fingerprint}), *window, judge())])


def _do_leaks(watched: Watched, window: tuple[int, int], judge: Callable[[], list[Episode]]) -> Outcome:
    return Outcome(judged=[Judged(frozenset({watched.fingerprint, learning(watched)}), *window, judge())])


def _roll_alone(
    watched: Watched, known: Mapping[str, Any] | None, rows: Rows, until_us: int, kept_as: Mapping[str, Any]
) -> dict[str, Any]:
    return {**roll(watched, known, rows, until_us), **kept_as}


def _do_rolling(
    watched: Watched, window: tuple[int, int], known: Mapping[str, Any] | None,
    rolling: Callable[[], dict[str, Any]] | None, judge: Callable[..., list[Episode]],
) -> Outcome:  # fmt: skip
    rolled = rolling() if rolling else None
    judged = Judged(frozenset({watched.fingerprint}), *window, judge(rolled or known))
    return Outcome(judged=[judged], rolled=rolled)


def _rested(
    rests: tuple[Stream, ...], judge: Callable[[Mapping[str, Any]], list[Episode]], known: Mapping[str, Any]
) -> list[Episode]:
    return [resting_on(episode, rests) if rests else episode for episode in judge(known)]


def _do_redundancy(near: Neighbourhood, window: tuple[int, int]) -> Outcome:
    return Outcome(judged=[Judged(fingerprints(near.asset), *window, judge_redundancy(near))])
