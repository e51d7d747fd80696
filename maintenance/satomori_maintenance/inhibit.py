"""Which alert explains which: people are told of the cause, not of what follows from it. Pure.

- A silent gateway explains the silence of the sensors behind it.
- A sensor found faulty explains trouble that its own datastream reports, or that is derived of it. A wrong clock
  explains no limit of what is measured: the time of a value is off, the value is right.

Only what began no earlier than its explanation is explained by it: a bridge that was in danger before the flood
took its sensor stays in danger, and a sensor that was dead before its gateway went is its own cause.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from satomori_core.vocabulary import Cause

SILENT, CLOCK, LIMIT = "silent", "clock", "limit"  # kinds of findings


@dataclass(frozen=True, slots=True)
class Candidate:
    """An open or lately resolved alert. `gateway`: the silent one, or the one that its sensor is behind.

    `inputs`: further datastreams that it is made of, or (a device's clock) that it takes along. `interval_us`: how
    often its datastream brings a value, hence how sure `since_us` is.
    """

    alert_id: int
    cause: Cause
    kind: str
    since_us: int
    resolved_us: int | None = None
    datastream: int | None = None
    gateway: str | None = None
    interval_us: int = 0
    inputs: frozenset[int] = frozenset()

    @property
    def datastreams(self) -> frozenset[int]:
        return self.inputs | ({self.datastream} if self.datastream is not None else set())


def explanations(candidates: Iterable[Candidate], now_us: int, hold_us: int) -> dict[int, int]:
    """Alert id → id of the alert that explains it.

    An explanation holds on for `hold_us` after its end, because what followed from it ends a little later.
    """
    candidates = list(candidates)
    gateways: dict[str, list[Candidate]] = {}
    sensors: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        if candidate.resolved_us is not None and now_us - candidate.resolved_us >= hold_us:
            continue
        if candidate.cause is Cause.GATEWAY and candidate.gateway is not None:
            gateways.setdefault(candidate.gateway, []).append(candidate)
        elif candidate.cause is Cause.SENSOR:
            for datastream in candidate.datastreams:
                sensors.setdefault(datastream, []).append(candidate)
    explained = {c.alert_id: _explanation(c, gateways, sensors) for c in candidates}
    return {alert: by.alert_id for alert, by in explained.items() if by is not None}


def _explanation(
    alert: Candidate, gateways: Mapping[str, Sequence[Candidate]], sensors: Mapping[int, Sequence[Candidate]]
) -> Candidate | None:
    if alert.cause is Cause.SENSOR and alert.kind == SILENT and alert.gateway is not None:
        possible = [g for g in gateways.get(alert.gateway, ()) if _may_follow(alert, g)]
    elif alert.cause is Cause.ASSET:
        possible = [s for d in alert.datastreams for s in sensors.get(d, ()) if _may_follow(alert, s)]
    else:
        return None
    return min(possible, key=lambda c: (c.resolved_us is not None, c.since_us, c.alert_id), default=None)


def _may_follow(effect: Candidate, cause: Candidate) -> bool:
    """Whether `effect` began while `cause` was there and may come of it.

    A silence is dated from the last value, which may lie two intervals back; a sensor's silence itself can bring
    forth no value, so trouble seen before it is no product of it.
    """
    if effect.cause is Cause.ASSET and cause.kind == SILENT:
        slack_us = 0
    elif cause.kind == CLOCK and effect.kind == LIMIT and effect.datastream is not None:
        return False
    else:
        slack_us = 2 * max(effect.interval_us, cause.interval_us)
    began_in_time = effect.since_us >= cause.since_us - slack_us
    return began_in_time and (cause.resolved_us is None or effect.since_us <= cause.resolved_us)
