"""What the sensors said against what is stored: one fate for each value. Pure.

A value that a sensor said is either stored exactly once, or it has one of these reasons, each by its own evidence:

- set aside: it lies in quarantine, by its number.
- told as lost: its gateway's losses in the ledger are at least as many as its values that are nowhere.
- not taken: no edge was there to take it. A text line that nobody held the line open for (a wire without
  acknowledgement: the node does not know), or the first one after that, which opening a port throws away; a Modbus
  answer between the end of an edge and its next start, to the question of a dead one.
- in flight: the edge was ended before it can have been durable. Of each bus its last answer before the end; of each
  text line what was said in the second before. A pause of the edge counts as an end for the bus only, since the
  answer may then be too late for it.
- in memory: said while the edge's disk was full (or before it was tried again), and the edge was ended afterwards:
  the one case in which the edge promises nothing.

Everything else is lost. A node that keeps what it said until it is acknowledged has none of these but the last: what it
said is never taken too late.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

LINE_IN_FLIGHT_S = 1.0
START_MAX_S = 30.0  # until an edge that was started has its ports open
DISK_TRIED_AGAIN_S = 12.0
MEMORY_S = 60.0


class Fate(StrEnum):
    STORED = "stored"
    ASIDE = "set aside"
    TOLD = "told as lost"
    NOT_TAKEN = "not taken"
    IN_FLIGHT = "in flight"
    IN_MEMORY = "in memory"
    LOST = "LOST"


@dataclass(frozen=True, slots=True)
class Said:
    """`heard`: somebody held the line open, and the line took it."""

    at_s: float
    device: str
    number: int
    heard: bool


@dataclass(frozen=True, slots=True)
class Device:
    """`bus`: the Modbus line that it shares; None for a node, which has its line to itself.

    `keeps`: it keeps what it said until that is acknowledged.
    """

    gateway: str
    bus: str | None = None
    keeps: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    from_s: float
    until_s: float

    def holds(self, at_s: float, *, after_s: float = 0.0) -> bool:
        return self.from_s <= at_s < self.until_s + after_s


@dataclass(slots=True)
class Edge:
    """What was done to one edge: without a process, paused, without room on its disk."""

    ended: list[Span] = field(default_factory=list)
    paused: list[Span] = field(default_factory=list)
    full: list[Span] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Evidence:
    """`stored`, `aside`: by device, how often each number is there. `told`: by gateway, how many are told as lost."""

    devices: Mapping[str, Device]
    said: Sequence[Said]
    stored: Mapping[str, Counter[int]]
    aside: Mapping[str, Counter[int]]
    told: Mapping[str, int]
    edges: Mapping[str, Edge]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`fates`: one for each of `Evidence.said`. `double`: copies too many. `strange`: stored and never said.

    `untrue`: by gateway, losses told of what is not missing. After a damaged outbox that is no fault: its numbers are
    told as lost, and what could be read of it came under new ones.
    """

    fates: Sequence[Fate]
    double: Mapping[str, int]
    strange: Mapping[str, int]
    untrue: Mapping[str, int]

    @property
    def lost(self) -> int:
        return sum(fate is Fate.LOST for fate in self.fates)


def compare(evidence: Evidence) -> Verdict:
    excuses = _excuses(evidence)
    fates = [
        Fate.STORED
        if evidence.stored[said.device][said.number]
        else Fate.ASIDE
        if evidence.aside[said.device][said.number]
        else excuses.get(index, Fate.LOST)
        for index, said in enumerate(evidence.said)
    ]
    untrue: dict[str, int] = {}
    for gateway in sorted({device.gateway for device in evidence.devices.values()}):
        told = evidence.told.get(gateway, 0)
        mine = [i for i, said in enumerate(evidence.said) if evidence.devices[said.device].gateway == gateway]
        for index in [i for i in mine if fates[i] is Fate.LOST][:told]:
            fates[index] = Fate.TOLD
        # What has an excuse may have been durable all the same, and thinned later.
        missing = sum(fates[i] not in {Fate.STORED, Fate.ASIDE} for i in mine)
        untrue[gateway] = max(0, told - missing)
    double, strange = _copies(evidence)
    return Verdict(fates, double, strange, untrue)


def _copies(evidence: Evidence) -> tuple[dict[str, int], dict[str, int]]:
    """Copies too many, and values that nobody said, by device."""
    said: defaultdict[str, set[int]] = defaultdict(set)
    for one in evidence.said:
        said[one.device].add(one.number)
    double, strange = {}, {}
    for device in evidence.devices:
        there = evidence.stored[device] + evidence.aside[device]
        double[device] = there.total() - len(there)
        strange[device] = len(there.keys() - said[device])
    return double, strange


def _excuses(evidence: Evidence) -> dict[int, Fate]:
    """By place in `said`, why a value need not be anywhere."""
    found: dict[int, Fate] = {}
    last_heard: dict[str, bool] = {}
    for index, said in enumerate(evidence.said):
        device = evidence.devices[said.device]
        edge = evidence.edges[device.gateway]
        is_first = not last_heard.get(said.device, False)
        last_heard[said.device] = said.heard
        fate = None
        if not device.keeps:
            fate = _of_bus(said, edge) if device.bus else _of_node(said, edge, is_first=is_first)
        if fate is None and _was_in_memory(said, edge):
            fate = Fate.IN_MEMORY
        if fate is not None:
            found[index] = fate
    for index in _last_on_bus(evidence):
        found.setdefault(index, Fate.IN_FLIGHT)
    return found


def _of_bus(said: Said, edge: Edge) -> Fate | None:
    if any(span.holds(said.at_s) for span in edge.ended):
        return Fate.NOT_TAKEN
    return Fate.IN_FLIGHT if any(span.holds(said.at_s) for span in edge.paused) else None


def _of_node(said: Said, edge: Edge, *, is_first: bool) -> Fate | None:
    if (is_first or not said.heard) and any(span.holds(said.at_s, after_s=START_MAX_S) for span in edge.ended):
        return Fate.NOT_TAKEN
    # An edge that was told to stop holds its line open a little longer than it listens.
    if any(span.from_s - LINE_IN_FLIGHT_S <= said.at_s < span.until_s for span in edge.ended):
        return Fate.IN_FLIGHT
    return None


def _was_in_memory(said: Said, edge: Edge) -> bool:
    return any(
        full.holds(said.at_s, after_s=DISK_TRIED_AGAIN_S) and said.at_s <= end.from_s < said.at_s + MEMORY_S
        for full in edge.full
        for end in edge.ended
    )


def _last_on_bus(evidence: Evidence) -> Iterable[int]:
    """The last answer of each bus before each end and each pause of its edge."""
    places: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for index, said in enumerate(evidence.said):
        device = evidence.devices[said.device]
        if device.bus:
            places[device.gateway, device.bus].append(index)
    for (gateway, _), indexes in places.items():
        edge = evidence.edges[gateway]
        for span in (*edge.ended, *edge.paused):
            before = [index for index in indexes if evidence.said[index].at_s < span.from_s]
            yield from before[-1:]
