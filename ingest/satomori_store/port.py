"""The store's port: what ingest writes and everybody reads, whatever holds it. See `sqlite.py` and `influx.py`.

Adapters are synchronous and may be used from any one thread at a time. They raise UnavailableError where the other
side is away, and nothing else on purpose. A write is always safe to repeat.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from satomori_core.vocabulary import SequenceState

StatusKind = Literal["asset_status", "group_status", "alert"]
Aggregate = Literal["mean", "min", "max", "last", "count", "sum"]

# datastream id, observed_at_us, value, quality
Row = tuple[int, int, float, int]


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
    """What is stored together. `rows` need not be ordered and may repeat a point: the last one stands.

    `counts`: (stream or "" without an outbox, datastream) -> how many readings of it are in `rows`, for the audit.
    `resent`: stream -> how many sequence numbers came again although the ledger has them.
    """

    rows: Sequence[Row] = ()
    received_at_us: int = 0
    ledger: Sequence[LedgerEntry] = ()
    counts: dict[tuple[str, int], int] = field(default_factory=dict)
    resent: dict[str, int] = field(default_factory=dict)
    quarantine: Sequence[QuarantineRow] = ()


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
    kept: Sequence[Row] = ()


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
        """Store rows, then ledger, counts, changes and quarantine, durably; see WriteOutcome."""
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
