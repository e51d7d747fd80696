"""The store's port: what ingest writes and everybody reads, whatever holds it. See `sqlite.py` and `influx.py`.

Adapters are synchronous and may be used from any one thread at a time. They raise UnavailableError where the other
side is away, and nothing else on purpose. A write is always safe to repeat.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from satomori_core.errors import SatomoriError
from satomori_core.ranges import Range
from satomori_core.vocabulary import SequenceState

StatusKind = Literal["asset_status", "group_status", "alert"]
Aggregate = Literal["mean", "min", "max", "last", "count", "sum"]

# datastream id, observed_at_us, value, quality
Row = tuple[int, int, float, int]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What ingest writes: parallel arrays of one length, in any order; of a repeated point the last one stands.

    Columns, since there are hundreds of thousands in a second. As a sequence they are `Row` tuples.
    """

    datastream: NDArray[np.int64]
    observed_at_us: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.int8]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Self:
        columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
        return cls(*(np.array(c, kind) for c, kind in zip(columns, ("i8", "i8", "f8", "i1"), strict=True)))

    def __len__(self) -> int:
        return len(self.datastream)

    def __iter__(self) -> Iterator[Row]:
        yield from zip(*self.lists(), strict=True)

    def lists(self) -> tuple[list[int], list[int], list[float], list[int]]:
        """The columns as lists of plain numbers."""
        return (
            self.datastream.tolist(),
            self.observed_at_us.tolist(),
            self.value.tolist(),
            self.quality.tolist(),
        )

    def take(self, which: NDArray[np.int64] | NDArray[np.bool_] | slice) -> "Rows":
        """Those at these indexes, or where the mask is true."""
        return Rows(self.datastream[which], self.observed_at_us[which], self.value[which], self.quality[which])

    def joined(self, more: "Rows") -> "Rows":
        if not len(self):
            return more
        return Rows(
            np.append(self.datastream, more.datastream),
            np.append(self.observed_at_us, more.observed_at_us),
            np.append(self.value, more.value),
            np.append(self.quality, more.quality),
        )

    def ordered(self) -> "Rows":
        """By datastream, then time, each point once: its last one."""
        if len(self) < 2:
            return self
        rows = self
        if not rows._is_ordered():
            rows = rows.take(np.lexsort((rows.observed_at_us, rows.datastream)))
        repeated = (rows.datastream[1:] == rows.datastream[:-1]) & (rows.observed_at_us[1:] == rows.observed_at_us[:-1])
        return rows.take(np.append(~repeated, True)) if repeated.any() else rows

    def _is_ordered(self) -> bool:
        step, same = np.diff(self.datastream), self.datastream[1:] == self.datastream[:-1]
        return bool((step >= 0).all() and (np.diff(self.observed_at_us)[same] >= 0).all())


NO_ROWS = Rows.of(())


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What became of sequence numbers first…last of one stream; `reason` for what was lost or set aside."""

    stream: str
    gateway: str
    first: int
    last: int
    state: SequenceState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """A message or a record of one that can't be accepted, whole enough to be replayed.

    `payload` is a complete message for `topic`: for one bad record among good ones, a pack of that record alone.
    """

    received_at_us: int
    topic: str
    gateway: str
    reason: str
    detail: str
    payload: bytes
    device: str = ""
    metric: str = ""
    stream: str = ""
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What is stored together.

    `counts`: (stream or "" without an outbox, datastream) -> how many readings of it are in `rows`, for the audit.
    `resent`: stream -> how many sequence numbers came again although the ledger has them.
    """

    rows: Rows = NO_ROWS
    received_at_us: int = 0
    ledger: Sequence[LedgerEntry] = ()
    counts: dict[tuple[str, int], int] = field(default_factory=dict)
    resent: dict[str, int] = field(default_factory=dict)
    quarantine: Sequence[QuarantineRow] = ()


class AlreadyStoredError(SatomoriError):
    """Nothing of the batch is recorded: take these numbers and their rows out of it and write the rest at once.

    Another writer has stored them since the batch was drafted: a second worker that was sent the same pack, or a
    second replay. Counting them again would make the ledger say more than there is. `ranges`: by stream.
    """

    def __init__(self, ranges: Mapping[str, Sequence[Range]]) -> None:
        super().__init__(f"stored meanwhile by another writer: {dict(ranges)}")
        self.ranges = ranges


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """What became of a batch's rows.

    accepted: stored durably, ledger and changes too; may be acknowledged. rejected: bad and will stay bad, with
    the store's reason; the caller sets them aside. kept: not stored yet, write them again.

    A batch is recorded whole or not at all, since its ledger entries speak of all its rows: where any row is
    rejected, `accepted` is 0, nothing is in the ledger, and all others are `kept`. The caller sets the rejected ones
    aside in the batch (entry, count, quarantine) and writes it again at once; that is always safe.
    """

    accepted: int
    rejected: Sequence[tuple[Row, str]] = ()
    kept: Rows = NO_ROWS


@dataclass(frozen=True, slots=True)
class Columns:
    """Observations as parallel arrays of one length, ordered by datastream, then time.

    quality and qc are QARTOD flags; qc is 2 (unknown) where no check has run. Where `read` aggregated,
    `observed_at_us` is the start of the interval, quality and qc are the worst in it, and an interval without
    any value is absent. Values that quality or qc calls fail (4) are left out of an aggregate where others exist.
    """

    datastream: NDArray[np.int64]
    observed_at_us: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.int8]
    qc: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class QcMark:
    """The verdict of the checks that need neighbours, for one stored observation. Ingest never touches it."""

    datastream: int
    observed_at_us: int
    qc: int


@dataclass(frozen=True, slots=True)
class AssetStatus:
    """Measurement `asset_status`: tags asset, class, municipality; `level` a Level."""

    at_us: int
    asset: str
    class_: str
    municipality: str
    level: int
    reason: str
    since_us: int
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """Measurement `group_status`: tags group (a 群), or municipality and class. `level`: the worst member's.

    `counts[level]`: how many assets stand at each Level, 0 to 4.
    """

    at_us: int
    group: str
    municipality: str
    class_: str
    level: int
    counts: tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """Measurement `alert`: tags asset, class, municipality, priority; an event: opened, acknowledged, resolved."""

    at_us: int
    alert: int
    asset: str
    class_: str
    municipality: str
    priority: str
    level: int
    event: str
    text_ja: str
    text_en: str


StatusPoint = AssetStatus | GroupStatus | AlertEvent


class ObservationStore(Protocol):
    def write(self, batch: Batch) -> WriteOutcome:
        """Store rows, then ledger, counts, changes and quarantine, durably; see WriteOutcome.

        Raise AlreadyStoredError where the ledger has numbers as stored that the batch would store.
        """
        ...

    def read(
        self,
        datastreams: Sequence[int],
        from_us: int,
        until_us: int,
        every_us: int | None = None,
        aggregate: Aggregate = "mean",
    ) -> Columns:
        """Observations with from ≤ observed_at < until, raw or one per `every_us` (aligned to the epoch)."""
        ...

    def latest(self, datastreams: Sequence[int]) -> Columns:
        """The newest observation (by observed_at) of each datastream that has any."""
        ...

    def write_qc(self, marks: Sequence[QcMark]) -> None:
        """Set qc of observations that are stored; appends no change."""
        ...

    def write_status(self, points: Sequence[StatusPoint]) -> None:
        """Status as data, for dashboards."""
        ...

    def read_status(self, kind: StatusKind) -> list[StatusPoint]:
        """The newest point of each asset, group (with municipality and class) or alert."""
        ...

    def count(self, datastreams: Sequence[int]) -> dict[int, int]:
        """How many observations of each datastream lie in the store, asked of the store itself: for the audit."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Change:
    """Observations of a datastream with from ≤ observed_at ≤ until were stored or stored anew."""

    change_id: int
    datastream: int
    from_us: int
    until_us: int
