"""How a structure may age: the chance of a worse legal rating in some years, and how sure that is. Pure."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from satomori_analytics.indicators.structures import hazard_forecast
from satomori_analytics.triage.order import RATING_ATTRIBUTES, RATINGS

YEARS = (5, 10, 20)
# Rates per year of leaving I, II and III: .1 .05 .02, a textbook's example (hazard form of Tsuda 2005). They are
# nobody's structures: counted as 10, 5 and 2 that left in 100 years each, which makes the band wide. A region that has
# its own pairs of inspections finds its rates by the indicator `hazard_fit`.
_LEFT, _YEARS_AT_RISK = (10.0, 5.0, 2.0), (100.0, 100.0, 100.0)
SOURCE = "hazard form of Tsuda 2005, rates of a textbook's example (.1 .05 .02 a year), not of these structures"


@dataclass(frozen=True, slots=True)
class Ageing:
    """In so many years: the chance (with its 90 % band) of `reached` or worse, from `start`, known by `basis`."""

    years: int
    start: str
    reached: str
    chance: float
    low: float
    high: float
    basis: str


def rating_of(attributes: Mapping[str, Any]) -> str | None:
    """健全度 I to IV as the ledger has it; None where there is none."""
    for name in RATING_ATTRIBUTES:
        # Ⅱ and ii are II, as triage reads them.
        word = unicodedata.normalize("NFKC", str(attributes.get(name, ""))).strip().upper()
        if word in RATINGS:
            return word
    return None


def expect(rating: str | None, age_years: float | None) -> list[Ageing]:
    """From its rating; without one from its age, as if built as I. Empty where it is IV or nothing is known.

    I and II are followed until III, where repair is called for; III until IV.
    """
    if rating == "IV" or (rating is None and age_years is None):
        return []
    start = RATINGS.index(rating) if rating else 0
    reached = 3 if start == 2 else 2
    left, at_risk = _LEFT[start:reached], _YEARS_AT_RISK[start:reached]
    basis, elapsed = ("rating", 0.0) if rating else ("age", float(age_years or 0))
    found = []
    for years in YEARS:
        band = hazard_forecast(left, at_risk, [1.0, *([0.0] * len(left))], elapsed + years)
        low, mean, high = (float(band[name][-1]) for name in ("low", "mean", "high"))
        found.append(Ageing(years, RATINGS[start], RATINGS[reached], mean, low, high, basis))
    return found
