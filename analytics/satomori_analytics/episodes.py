"""Episodes: stretches of time in which something is wrong, as the pure judgements yield them; findings keep them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from satomori_analytics.sentences import Place, Span, sentences
from satomori_core.vocabulary import Cause, Level

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Subject:
    """What an episode is about, the same from its first to its last row. `fingerprint` is the cause's name.

    `wrong`, `advice`: (Japanese, English) by level, since a worse level may read and ask otherwise.
    """

    fingerprint: str
    kind: str
    cause: Cause
    asset: str
    place: Place
    detector: str
    wrong: Mapping[Level, tuple[str, str]]
    advice: Mapping[Level, tuple[str, str]]
    datastream: int | None = None
    gateway: str | None = None


@dataclass(frozen=True, slots=True)
class Episode:
    """`level`: now, or the worst where it has ended. `seen_us`: the newest row that still belongs to it."""

    subject: Subject
    level: Level
    since_us: int
    until_us: int | None
    seen_us: int
    confidence: float
    figures: tuple[str, str]
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def texts(self, level: Level, since_us: int) -> tuple[str, str]:
        """(Japanese, English), told at a level and from a time that the finding knows better."""
        span = Span(since_us, self.until_us, self.seen_us)
        wrong = self.subject.wrong.get(level, self.subject.wrong[self.level])
        return sentences(self.subject.place, level, wrong, self.figures, span)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows first..last (inclusive) of a run that is on; `ended`: the row after it is off."""

    first: int
    last: int
    ended: bool


def stretches(on: NDArray[np.bool_]) -> list[Stretch]:
    """The runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(np.int8)))
    return [Stretch(int(a), int(b) - 1, bool(b < len(on))) for a, b in zip(edges[::2], edges[1::2], strict=True)]
