"""Reading observations for people: bounded, in pages where raw, in intervals where long."""

import queue
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from satomori_api.views import LatestView, Observations
from satomori_core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from satomori_core.errors import RejectedError, UnavailableError
from satomori_store.port import Aggregate, AssetStatus, Change, Columns, ObservationStore

TURN_MOST_S = 20.0  # how long a request waits for a store that others use
AUTO_POINTS = 600  # per datastream: about what a chart on a desk's screen can show
NICE_STEPS_US = tuple(
    n * unit
    for unit, numbers in (
        (SECOND_US, (10, 30)),
        (MINUTE_US, (1, 2, 5, 10, 15, 30)),
        (HOUR_US, (1, 3, 6, 12)),
        (DAY_US, (1, 2, 7, 14, 30, 90, 365)),
    )
    for n in numbers
)
_TIME = re.compile(r"-?[0-9]{1,18}")
_FIRST_WINDOW_US = 10 * SECOND_US  # per row of a page: the densest that sensors usually are
_STALE_AT_LEAST_US = 2 * MINUTE_US


class Observing:
    """Stores shared by many threads: each serves one at a time, so that a long read leaves the others free."""

    def __init__(self, stores: Sequence[ObservationStore], observations_max: int) -> None:
        self.rows_max = observations_max
        self._stores: queue.LifoQueue[ObservationStore] = queue.LifoQueue()
        for store in stores:
            self._stores.put(store)

    @contextmanager
    def store(self) -> Generator[ObservationStore]:
        """One that nobody else uses meanwhile. Raise UnavailableError."""
        try:
            store = self._stores.get(timeout=TURN_MOST_S)
        except queue.Empty:
            raise UnavailableError("many long reads are going on; ask again", retry_after_s=5.0) from None
        try:
            yield store
        finally:
            self._stores.put(store)

    def asset_statuses(self) -> Mapping[str, AssetStatus]:
        with self.store() as store:
            points = store.read_status("asset_status")
        return {point.asset: point for point in points if isinstance(point, AssetStatus)}

    def latest(self, intervals_s: Mapping[int, int], now_us: int) -> dict[int, LatestView]:
        """The newest observation of each datastream (id → its interval) that has any."""
        if not intervals_s:
            return {}
        with self.store() as store:
            columns = store.latest(sorted(intervals_s))
        return {
            datastream: LatestView(
                datastream,
                at,
                value,
                quality,
                qc,
                worse_flag(quality, qc),
                is_stale(at, intervals_s[datastream], now_us),
            )
            for datastream, at, value, quality, qc in rows_of(columns)
        }

    def ready(self) -> None:
        """Raise UnavailableError where the store can't be read."""
        with self.store() as store:
            store.read_status("asset_status")

    def stored(self, changes: Sequence[Change]) -> dict[int, Columns]:
        """Change id → its observations, for changes that span little time. One read for those of about one time."""
        together: dict[int, list[Change]] = {}
        for change in changes:
            together.setdefault(change.from_us // HOUR_US, []).append(change)
        found: dict[int, Columns] = {}
        for part in together.values():
            from_us, until_us = min(c.from_us for c in part), max(c.until_us for c in part) + 1
            with self.store() as store:
                columns = store.read(sorted({c.datastream for c in part}), from_us, until_us)
            for change in part:
                found[change.change_id] = _within(columns, change)
        return found

    def aggregated(
        self, datastreams: Sequence[int], from_us: int, until_us: int, every_us: int, aggregate: Aggregate
    ) -> Observations:
        points = len(datastreams) * -(-(until_us - from_us) // every_us)
        if points > self.rows_max:
            raise RejectedError(
                "too_many", f"that would be up to {points} values, more than {self.rows_max}; ask for a longer `every`"
            )
        with self.store() as store:
            columns = store.read(sorted(datastreams), from_us, until_us, every_us, aggregate)
        return Observations(columns, every_us, aggregate)

    def raw(
        self, datastreams: Sequence[int], from_us: int, until_us: int, limit: int, cursor: str | None
    ) -> Observations:
        """One page. `cursor` is the former page's `next_cursor`; ordered by datastream, then time."""
        ordered = sorted(datastreams)
        begin, at_us = _parse_cursor(cursor, ordered, from_us)
        parts: list[Columns] = []
        missing = limit + 1  # one more tells whether there is another page
        for datastream in ordered[begin:]:
            for part in self._windows(datastream, max(at_us, from_us), until_us, missing):
                parts.append(part)
                missing -= len(part.value)
            at_us = from_us
            if missing <= 0:
                break
        columns = joined(parts)
        following = None
        if len(columns.value) > limit:
            following = f"{columns.datastream[limit]}.{columns.observed_at_us[limit]}"
            columns = cut(columns, limit)
        return Observations(columns, None, "mean", following)

    def _windows(self, datastream: int, from_us: int, until_us: int, rows: int) -> Iterator[Columns]:
        """Read forward until `rows` are there, in windows that grow while they bring little."""
        width = rows * _FIRST_WINDOW_US
        while from_us < until_us and rows > 0:
            end = min(from_us + width, until_us)
            with self.store() as store:
                part = store.read([datastream], from_us, end)
            part = cut(part, rows)
            yield part
            rows -= len(part.value)
            from_us, width = end, width * 8


def auto_step_us(from_us: int, until_us: int) -> int | None:
    """The interval that makes a chart of the range; None (raw) where even values every 10 s are few enough."""
    wanted = (until_us - from_us) // AUTO_POINTS
    if wanted < NICE_STEPS_US[0]:
        return None
    return next((step for step in NICE_STEPS_US if step >= wanted), NICE_STEPS_US[-1])


def worse_flag(quality: int, qc: int) -> int:
    """The worse of the two flags; an unknown qc (no check has run) says nothing against a good value."""
    return quality if qc == 2 else max(quality, qc)


def is_stale(observed_at_us: int, interval_s: int, now_us: int) -> bool:
    return now_us - observed_at_us > max(3 * interval_s * SECOND_US, _STALE_AT_LEAST_US)


def rows_of(columns: Columns) -> Iterator[tuple[int, int, float, int, int]]:
    return zip(
        columns.datastream.tolist(),
        columns.observed_at_us.tolist(),
        columns.value.tolist(),
        columns.quality.tolist(),
        columns.qc.tolist(),
        strict=True,
    )


def _within(columns: Columns, change: Change) -> Columns:
    """Columns are ordered by datastream, then time."""
    first, last = np.searchsorted(columns.datastream, [change.datastream, change.datastream + 1])
    times = columns.observed_at_us[first:last]
    start = first + np.searchsorted(times, change.from_us)
    end = first + np.searchsorted(times, change.until_us, side="right")
    return Columns(
        columns.datastream[start:end],
        columns.observed_at_us[start:end],
        columns.value[start:end],
        columns.quality[start:end],
        columns.qc[start:end],
    )


def cut(columns: Columns, rows: int) -> Columns:
    return Columns(
        columns.datastream[:rows],
        columns.observed_at_us[:rows],
        columns.value[:rows],
        columns.quality[:rows],
        columns.qc[:rows],
    )


def joined(parts: Sequence[Columns]) -> Columns:
    return Columns(
        np.concatenate([p.datastream for p in parts] or [np.empty(0, np.int64)]),
        np.concatenate([p.observed_at_us for p in parts] or [np.empty(0, np.int64)]),
        np.concatenate([p.value for p in parts] or [np.empty(0, np.float64)]),
        np.concatenate([p.quality for p in parts] or [np.empty(0, np.int8)]),
        np.concatenate([p.qc for p in parts] or [np.empty(0, np.int8)]),
    )


def _parse_cursor(cursor: str | None, ordered: Sequence[int], from_us: int) -> tuple[int, int]:
    """Which datastream to begin with (its place in `ordered`) and when."""
    if cursor is None:
        return 0, from_us
    datastream, _, at_us = cursor.partition(".")
    if datastream.isascii() and datastream.isdigit() and _TIME.fullmatch(at_us) and int(datastream) in ordered:
        return ordered.index(int(datastream)), int(at_us)
    raise RejectedError("cursor", f"cursor {cursor!r} is not one that this query gave")
