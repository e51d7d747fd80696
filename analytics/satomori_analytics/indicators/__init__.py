"""Domain formulas by name. The list below is the registry: nothing registers itself by being imported."""

import difflib

from satomori_analytics.indicators import (
    air,
    alarms,
    crops,
    evapotranspiration,
    quality,
    running,
    series,
    structures,
    water,
)
from satomori_analytics.indicators.base import Indicator, call
from satomori_core.errors import NotFoundError

ALL: tuple[Indicator, ...] = (
    *air.INDICATORS,
    *evapotranspiration.INDICATORS,
    *crops.INDICATORS,
    *running.INDICATORS,
    *water.INDICATORS,
    *structures.INDICATORS,
    *series.INDICATORS,
    *quality.INDICATORS,
    *alarms.INDICATORS,
)
_BY_NAME = {indicator.name: indicator for indicator in ALL}


def find(name: str) -> Indicator:
    """Raise NotFoundError, with the nearest name, for one that is not there."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    close = difflib.get_close_matches(name, _BY_NAME, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "see `satomori indicator --list`"
    raise NotFoundError(f"no indicator {name!r}; {hint}")


__all__ = ["ALL", "Indicator", "call", "find"]
