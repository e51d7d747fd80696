"""What is done to whom and when: a pure function of the seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

GAP_S = (2.0, 6.0)  # from one fault's beginning to the next one's: they overlap
REST_S = 3.0  # how long a part is left alone after a fault of its own
SETTLE_S = 5.0  # before the first fault

EDGES = ("edge-1", "edge-2", "edge-3")


class Stored(StrEnum):
    """Where an episode's observations and its ledger lie."""

    SQLITE = "SQLite"
    INFLUX_SQLITE = "InfluxDB, ledger in SQLite"
    INFLUX_POSTGRES = "InfluxDB, ledger in PostgreSQL, two workers"

    @property
    def workers(self) -> tuple[str, ...]:
        return ("ingest-1", "ingest-2") if self is Stored.INFLUX_POSTGRES else ("ingest-1",)

    @property
    def has_influx(self) -> bool:
        return self is not Stored.SQLITE


class Kind(NamedTuple):
    """`who`: the parts that it may strike, one at a time. `for_s`: how long it may last."""

    name: str
    who: tuple[str, ...]
    for_s: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Fault:
    """`amount`: what a kind needs besides (the seconds of a step of the clock, the seed of a damage)."""

    at_s: float
    for_s: float
    kind: str
    who: str
    amount: int = 0


@dataclass(frozen=True, slots=True)
class Episode:
    stored: Stored
    faults: Sequence[Fault]

    @property
    def length_s(self) -> float:
        return max((fault.at_s + fault.for_s for fault in self.faults), default=SETTLE_S) + REST_S


def kinds(stored: Stored) -> list[Kind]:
    """Everything that may happen in an episode."""
    edge_lines = tuple(f"line {edge}" for edge in EDGES)
    workers = stored.workers
    worker_lines = tuple(f"line {worker}" for worker in workers)
    found = [
        Kind("kill edge", EDGES, (1.0, 4.0)),
        Kind("pause edge", EDGES, (1.0, 6.0)),
        Kind("restart edge", EDGES, (1.0, 2.0)),
        Kind("edge's disk full", EDGES, (3.0, 8.0)),
        Kind("edge's clock steps", ("edge-1",), (2.0, 6.0)),
        Kind("outbox damaged", ("edge-2",), (4.0, 6.0)),
        Kind("kill broker", ("broker",), (0.5, 6.0)),
        Kind("pause broker", ("broker",), (1.0, 6.0)),
        Kind("kill ingest", workers, (0.5, 4.0)),
        Kind("pause ingest", workers, (1.0, 6.0)),
        Kind("restart ingest", workers, (0.5, 2.0)),
        *(
            Kind(f"edge's line {mode}", edge_lines, (3.0, 8.0))
            for mode in ("late", "slow", "reset", "half open", "cut")
        ),
        *(
            Kind(f"ingest's line {mode}", worker_lines, (3.0, 8.0))
            for mode in ("late", "slow", "reset", "half open", "cut")
        ),
    ]
    if stored is not Stored.INFLUX_POSTGRES:
        found.append(Kind("ingest's disk full", ("ingest-1",), (3.0, 8.0)))
    if stored.has_influx:
        found += [Kind("kill InfluxDB", ("influx",), (0.5, 4.0)), Kind("pause InfluxDB", ("influx",), (1.0, 6.0))]
        found += [
            Kind(f"store's line {mode}", ("line influx",), (3.0, 8.0))
            for mode in ("late", "slow", "reset", "half open", "cut", "says 500 after storing", "ends after storing")
        ]
    if stored is Stored.INFLUX_POSTGRES:
        found += [
            Kind("kill PostgreSQL", ("postgres",), (0.5, 3.0)),
            *(Kind(f"ledger's line {mode}", ("line postgres",), (3.0, 8.0)) for mode in ("late", "reset", "cut")),
        ]
    return found


def make_plan(seed: int, faults: int, stores: Sequence[Stored]) -> list[Episode]:
    """`faults` shared out among `stores`. Every kind comes up before any comes up again."""
    shares = [faults // len(stores) + (index < faults % len(stores)) for index in range(len(stores))]
    return [
        Episode(stored, _faults(random.Random(f"{seed}/{stored}"), share, kinds(stored)))
        for stored, share in zip(stores, shares, strict=True)
    ]


def _faults(chance: random.Random, number: int, known: Sequence[Kind]) -> list[Fault]:
    faults: list[Fault] = []
    bag: list[Kind] = []
    free_at_s: dict[str, float] = {}
    at_s = SETTLE_S
    while len(faults) < number:
        if not bag:
            bag = chance.sample(known, len(known))
        choices = [(kind, who) for kind in bag for who in kind.who if free_at_s.get(who, 0.0) <= at_s]
        if choices:
            kind = choices[0][0]
            who = chance.choice([who for one, who in choices if one is kind])
            for_s = round(chance.uniform(*kind.for_s), 2)
            faults.append(Fault(round(at_s, 2), for_s, kind.name, who, _amount(chance, kind.name)))
            bag.remove(kind)
            free_at_s[who] = at_s + for_s + REST_S
        at_s += chance.uniform(*GAP_S)
    return faults


def _amount(chance: random.Random, kind: str) -> int:
    if kind == "edge's clock steps":
        return chance.choice([-86_400 * 365 * 40, -86_400, -3600, -2, 2, 200, 3600, 86_400])
    return chance.randrange(2**16) if kind == "outbox damaged" else 0
