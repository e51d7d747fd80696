"""In how many years what is measured reaches the playbook's own limits, if it goes on as it did. Pure."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from satomori_analytics.condition.measured import Kind, Measured
from satomori_analytics.limits import number
from satomori_analytics.playbook import Limit, Playbook
from satomori_core.clock import DAY_US

# Of these what is drawn is the metric itself, as a limit reads it.
_AS_MEASURED: frozenset[Kind] = frozenset({"movement", "vibration", "hydrogen_sulfide"})
# No further ahead than was looked back, since the season is still in the rate; with a whole year, so far. Our choice.
_YEARS_MAX, _YEAR_D = 20.0, 365.25


@dataclass(frozen=True, slots=True)
class Reach:
    """`bound` of the limit `name` in so many `years`, 90 % interval `low` to `high`; all 0 where it is passed."""

    metric: str
    name: str
    level: str
    bound: float
    unit: str
    years: float
    low: float
    high: float
    source: str


def reaches(found: Measured, playbook: Playbook | None, attributes: Mapping[str, Any]) -> list[Reach]:
    """Of each of `limits_of`.

    Only where the trend towards it is sure (its 90 % interval holds no other direction).
    """
    seen = (found.last_us - found.first_us) / DAY_US / _YEAR_D
    horizon = _YEARS_MAX if seen >= 1 else seen
    made = []
    for name, limit, bound in limits_of(found, playbook, attributes):
        years = _years(found, bound, 1.0 if limit.side == "high" else -1.0)
        if years is not None and years[0] <= horizon:
            made.append(Reach(found.metric, name, limit.level, bound, found.unit, *years, limit.source))
    return made


def limits_of(
    found: Measured, playbook: Playbook | None, attributes: Mapping[str, Any]
) -> Iterator[tuple[str, Limit, float]]:
    """(name, limit, bound) of each limit of the metric that holds all year."""
    if playbook is None or found.kind not in _AS_MEASURED:
        return
    for name, limit in playbook.limit.items():
        if limit.on == found.metric and limit.enabled and not limit.months and limit.unit in (None, found.unit):
            yield name, limit, _bound(limit, attributes)


def _bound(limit: Limit, attributes: Mapping[str, Any]) -> float:
    """The asset's own value, which stands before the playbook's."""
    own = number(attributes.get(limit.attribute)) if limit.attribute else None
    given = limit.high if limit.high is not None else limit.low
    return own if own is not None else float(given if given is not None else math.nan)


def _years(found: Measured, bound: float, sign: float) -> tuple[float, float, float] | None:
    """(middle, low, high); `sign` 1 for a bound from below. None without a sure trend towards a finite bound.

    The interval of the way that is left over the rate, by Fieller's theorem: the newest value's own interval counts as
    the rate's does, as if they were independent. Low is 0 where the bound lies within the value's interval.
    """
    gap = sign * (bound - found.value)
    if not math.isfinite(gap):
        return None
    if gap <= 0:
        return 0.0, 0.0, 0.0
    if found.rate is None:
        return None
    slow, fast = sorted((sign * found.rate.low, sign * found.rate.high))
    if slow <= 0:
        return None
    rate = sign * found.rate.rate
    half = (found.high - found.low) / 2 if math.isfinite(found.high - found.low) else 0.0
    inner = gap * gap - half * half
    spare_slow, spare_fast = rate**2 - (rate - slow) ** 2, rate**2 - (fast - rate) ** 2
    soonest = inner / (gap * rate + math.sqrt((gap * rate) ** 2 - spare_fast * inner)) if inner > 0 else 0.0
    latest = (gap * rate + math.sqrt((gap * rate) ** 2 - spare_slow * inner)) / spare_slow
    return gap / rate, soonest, latest
