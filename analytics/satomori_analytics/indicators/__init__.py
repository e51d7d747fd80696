"""Domain formulas by name. The list below is the registry: nothing registers itself by being imported."""

import difflib
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Domain:
    ja: str
    en: str
    indicators: tuple[Indicator, ...]


DOMAINS: tuple[Domain, ...] = (
    Domain("空気・霜・家畜の暑さ", "Air, frost, heat of livestock", air.INDICATORS),
    Domain("蒸発散", "Evapotranspiration", evapotranspiration.INDICATORS),
    Domain("土壌水分・作物・病害", "Soil water, crops, diseases", crops.INDICATORS),
    Domain("病害の毎時の判定", "Diseases hour by hour", running.INDICATORS),
    Domain("水道・ポンプ・下水・浄化槽・河川", "Water mains, pumps, sewers, septic tanks, rivers", water.INDICATORS),
    Domain("橋・斜面・管路・舗装・機械", "Bridges, slopes, sewer spans, pavements, machines", structures.INDICATORS),
    Domain("時系列", "Over time", series.INDICATORS),
    Domain("観測値の品質", "Quality of observations", quality.INDICATORS),
    Domain("警報の量と優先度", "Alarm load and priority", alarms.INDICATORS),
)
ALL: tuple[Indicator, ...] = tuple(each for domain in DOMAINS for each in domain.indicators)
_BY_NAME = {indicator.name: indicator for indicator in ALL}


def find(name: str) -> Indicator:
    """Raise NotFoundError, with the nearest name, for one that is not there."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    close = difflib.get_close_matches(name, _BY_NAME, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "see `satomori indicator --list`"
    raise NotFoundError(f"no indicator {name!r}; {hint}")


__all__ = ["ALL", "DOMAINS", "Domain", "Indicator", "call", "find"]
