"""What became of sequence numbers, as ranges that never overlap. Pure."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from satomori_core.vocabulary import SequenceState

# Of two accounts of one number the better one stands: a replayed record was set aside and is then stored.
_RANK = {SequenceState.STORED: 0, SequenceState.SET_ASIDE: 1, SequenceState.LOST: 2}


@dataclass(frozen=True, slots=True)
class Fate:
    first: int
    last: int
    state: SequenceState
    reason: str = ""


def overlay(fates: Sequence[Fate]) -> list[Fate]:
    """`fates` without overlaps, sorted, joined where they touch and agree; among equals the earlier one stands."""
    bounds = sorted({bound for fate in fates for bound in (fate.first, fate.last + 1)})
    waiting = sorted(range(len(fates)), key=lambda index: fates[index].first, reverse=True)
    active: list[tuple[int, int]] = []  # a heap of (rank, index): the one that stands is on top
    result: list[Fate] = []
    for start, end in pairwise(bounds):
        while waiting and fates[waiting[-1]].first <= start:
            index = waiting.pop()
            heapq.heappush(active, (_RANK[fates[index].state], index))
        while active and fates[active[0][1]].last < start:
            heapq.heappop(active)
        if active:
            _append(result, start, end - 1, fates[active[0][1]])
    return result


def _append(result: list[Fate], first: int, last: int, fate: Fate) -> None:
    if result:
        before = result[-1]
        if before.last + 1 == first and (before.state, before.reason) == (fate.state, fate.reason):
            result[-1] = Fate(before.first, last, fate.state, fate.reason)
            return
    result.append(Fate(first, last, fate.state, fate.reason))
