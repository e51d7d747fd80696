"""What to do with the values of each name and unit that a gateway sends, remembered from the registry as columns.

A plan says which datastream, the factor and offset to what is stored, the range in which nothing is to be said against
a value, and from when until when all this holds. So the values of a whole batch are judged at once. Plan 0 is for what
has no plan (yet): it holds for no value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from sys import float_info

import numpy as np
from numpy.typing import NDArray

from satomori_core.errors import RejectedError
from satomori_core.units import conversion
from satomori_ingest.decoders import Value, Values
from satomori_ingest.quality import EARLIEST_US
from satomori_store.registry import Lookup, Route

PLANS_MAX = 1_000_000
LAYOUTS_MAX = 20_000
_MOST = float_info.max  # a limit that every finite value keeps
_NONE: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class _Layout:
    """The names and units of a pack, and the plan of each."""

    names: list[str]
    units: list[str | None]
    plans: NDArray[np.intp]


class Plans:
    """Columns of one length, by plan; only what lies below `count` is in use."""

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self._of: dict[str, dict[str | None, dict[str, int]]] = {}
        self._layouts: dict[tuple[str, int, str, str], _Layout] = {}
        self._routes: list[Route | None] = [None]
        self._allocate(1024)

    def _allocate(self, size: int) -> None:
        self.datastream = np.zeros(size, np.int64)
        self.factor, self.offset = np.ones(size), np.zeros(size)
        self.low, self.high = np.full(size, inf), np.full(size, -inf)
        self.from_us, self.until_us = np.zeros(size, np.int64), np.zeros(size, np.int64)

    def find(self, gateway: str, values: Values) -> NDArray[np.intp]:
        """The plan of each value, made where there was none; 0 where there can be none.

        A gateway says the same names in the same order again and again: to see that is cheaper than to look each up.
        """
        names, units = values.names, values.units
        key = gateway, len(names), names[0], names[-1]
        layout = self._layouts.get(key)
        if layout is not None and layout.names == names and layout.units == units:
            return layout.plans
        of = self._of.setdefault(gateway, {})
        try:
            plans = np.array([of[unit][name] for name, unit in zip(names, units, strict=True)], np.intp)
        except KeyError:
            plans = np.array([self._find_one(gateway, value) for value in values], np.intp)
        if plans.all():
            if len(self._layouts) >= LAYOUTS_MAX:
                self._layouts.clear()
            self._layouts[key] = _Layout(names, units, plans)
        return plans

    def _find_one(self, gateway: str, value: Value) -> int:
        name, at_us, _, unit = value
        try:
            return self._of.get(gateway, {}).get(unit, _NONE).get(name, 0) or self.make(gateway, name, unit, at_us)
        except RejectedError:
            return 0

    def make(self, gateway: str, name: str, unit: str | None, at_us: int) -> int:
        """The plan that holds at `at_us`, made if need be. Raise RejectedError with what the registry lacks."""
        plan = self._of.get(gateway, {}).get(unit, _NONE).get(name, 0)
        if plan and self.from_us[plan] <= at_us < self.until_us[plan]:
            return plan
        device, _, metric = name.partition("/")
        if not device or not metric:
            raise RejectedError("name", f"name {name!r} is not <device>/<metric>")
        route, from_us, until_us = self.lookup.span(gateway, device, metric, at_us)
        factor, offset = conversion(unit or route.source_unit or route.unit, route.unit)
        low, high, suspect_low, suspect_high = limits(route)
        plan = plan or self._next()
        self._routes[plan] = route
        self.datastream[plan] = route.datastream_id
        self.factor[plan], self.offset[plan] = factor * route.scale, offset * route.scale + route.offset
        self.low[plan], self.high[plan] = max(low, suspect_low), min(high, suspect_high)
        self.from_us[plan], self.until_us[plan] = max(from_us, EARLIEST_US), until_us
        self._of.setdefault(gateway, {}).setdefault(unit, {})[name] = plan
        return plan

    def route(self, plan: int) -> Route:
        found = self._routes[plan]
        if found is None:
            raise KeyError(plan)
        return found

    def _next(self) -> int:
        """A new one; where there are too many (names and units that senders made up), all are forgotten first."""
        if len(self._routes) > PLANS_MAX:
            self._of.clear()
            self._layouts.clear()
            del self._routes[1:]
            self._allocate(1024)
        if len(self._routes) == len(self.datastream):
            columns = ("datastream", "factor", "offset", "low", "high", "from_us", "until_us")
            before: Sequence[NDArray[np.int64 | np.float64]] = [getattr(self, column) for column in columns]
            self._allocate(2 * len(self._routes))
            for column, old in zip(columns, before, strict=True):
                getattr(self, column)[: len(old)] = old
        self._routes.append(None)
        return len(self._routes) - 1


def limits(route: Route) -> tuple[float, float, float, float]:
    """Low, high, suspect low, suspect high; where the registry names none, what every finite value keeps."""
    return (
        -_MOST if route.low is None else route.low,
        _MOST if route.high is None else route.high,
        -_MOST if route.suspect_low is None else route.suspect_low,
        _MOST if route.suspect_high is None else route.suspect_high,
    )
