"""Once a day each structure's year is read and what it says kept, so that a list of thousands answers at once."""

import time
from collections.abc import Callable, Generator
from dataclasses import replace

import numpy as np
from sqlalchemy import Engine

from satomori_analytics.condition.kept import Kept, keep, load_kept
from satomori_analytics.condition.measured import FREQUENCY, Days, measure
from satomori_analytics.condition.reference import YEAR_DAYS, Reference, learn
from satomori_analytics.condition.region import DAYS_MAX, Streams, column, days_in_parts, load_streams, load_structures
from satomori_core.clock import DAY_US, MINUTE_US
from satomori_store.models import Asset
from satomori_store.port import ObservationStore

# The last values of a day arrive a little after it.
_DELAY_US = 10 * MINUTE_US
_BUDGET_S = 0.5
_HISTORY_DAYS = 20 * 366  # as far back as a bridge's first days are looked for


class Keeper:
    """`round` does a part of what is due, half a second at most beyond the first part, so that nothing fresh waits.

    A whole year is read anew each day, so what came late is in it the day after.
    """

    def __init__(self, registry: Engine, store: ObservationStore) -> None:
        self._registry, self._store = registry, store
        self._day = -1
        self._due: list[Asset] = []
        self._looking: Generator[None, None, Kept] | None = None
        self._kept: dict[str, Kept] = {}
        self._streams: dict[str, dict[str, list[int]]] = {}

    def round(self, now_us: int, stop: Callable[[], bool] = lambda: False) -> int:
        """How many structures were looked at."""
        day = (now_us - _DELAY_US) // DAY_US
        if day != self._day:  # also an earlier one: the clock may be set back
            self._begin(day)
        done, until = 0, time.monotonic() + _BUDGET_S
        first = True
        while self._due and not stop() and (first or time.monotonic() < until):
            first, asset = False, self._due[-1]
            if self._looking is None:
                streams, before = self._streams.get(asset.id, {}), self._kept.get(asset.id)
                self._looking = look(self._store, asset, streams, before, day * DAY_US)
            try:
                next(self._looking)
            except StopIteration as end:
                keep(self._registry, asset.id, end.value)
                self._looking = None
                self._due.pop()
                done += 1
        return done

    @property
    def waiting(self) -> int:
        return len(self._due)

    def _begin(self, day: int) -> None:
        structures = load_structures(self._registry)
        self._kept = load_kept(self._registry, [asset.id for asset in structures])
        self._due = [
            asset for asset in structures if asset.id not in self._kept or self._kept[asset.id].until_us != day * DAY_US
        ]
        self._streams = load_streams(self._registry, [asset.id for asset in self._due])
        self._day, self._looking = day, None


def look(
    store: ObservationStore, asset: Asset, streams: Streams, before: Kept | None, until_us: int
) -> Generator[None, None, Kept]:  # fmt: skip
    """In parts what an asset's days until then say; a frequency's reference is `before`'s with the same probes."""
    days = yield from days_in_parts(store, asset, streams, until_us - DAYS_MAX * DAY_US, DAYS_MAX)
    reference = None
    if set(FREQUENCY) <= set(days.streams):
        reference = _reference(store, days, None if before is None else before.reference, until_us)
    measured = tuple(measure(asset.class_, replace(days, reference=reference)))
    return Kept(until_us, measured, days.known, reference)


def _reference(store: ObservationStore, days: Days, before: Reference | None, until_us: int) -> Reference | None:
    """Learned from the first days there are; anew once its first year is whole; then kept."""
    streams = tuple(days.streams[metric] for metric in FREQUENCY)
    same = before if before is not None and before.streams == streams else None
    if same is not None and (same.whole or until_us < same.from_us + YEAR_DAYS * DAY_US):
        return same
    if same is None:
        start_us, end_us = max(until_us - _HISTORY_DAYS * DAY_US, 0), until_us
    else:
        start_us, end_us = same.from_us, same.from_us + YEAR_DAYS * DAY_US
    found = store.read(sorted(streams), start_us, end_us, DAY_US, "mean")
    if not len(found.observed_at_us):
        return same
    first_us = int(found.observed_at_us.min()) // DAY_US * DAY_US
    count = (end_us - first_us) // DAY_US
    frequency, temperature = (column(found, number, first_us, DAY_US, count) for number in streams)
    if not np.isfinite(frequency + temperature).any():
        return same
    learned = learn(first_us, frequency, temperature)
    if learned is None or (same is not None and not learned.whole):
        return same
    return replace(learned, streams=streams)
