"""How a structure may age: the chance of a worse rating in some years, and how sure that is. Pure."""

import functools
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from satomori_analytics.condition.rates import Rates
from satomori_analytics.condition.records import Pair
from satomori_analytics.condition.trend import Z90
from satomori_analytics.indicators.structures import hazard_posterior, hazard_reached
from satomori_analytics.triage.order import RATING_ATTRIBUTES, RATINGS

YEARS = (5, 10, 20)
Scale = Literal["health", "sewer"]
# The four states, best first: 健全度 of a structure, 緊急度 of a sewer span ("-": no defect).
STATES: Mapping[Scale, tuple[str, ...]] = {"health": RATINGS, "sewer": ("-", "III", "II", "I")}


@dataclass(frozen=True, slots=True)
class Fitted:
    """Rates brought up to date by a municipality's own `pairs` of inspections: mode and covariance of log theta."""

    rates: Rates
    pairs: int
    log_theta: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Ageing:
    """In so many years: the chance (with its 90 % band) of `reached` or worse, from `start`, known by `basis`.

    By rates of `source` (`rates_ja`, `rates_en` in short) and so many `pairs` of the municipality's own inspections.
    `inspected_years`: so long ago it was rated so, where that is known.
    """

    years: int
    start: str
    reached: str
    chance: float
    low: float
    high: float
    basis: str
    scale: Scale
    rates_ja: str
    rates_en: str
    source: str
    pairs: int
    inspected_years: int = 0


def rating_of(attributes: Mapping[str, Any]) -> str | None:
    """健全度 I to IV as the ledger has it; None where there is none."""
    for name in RATING_ATTRIBUTES:
        # Ⅱ and ii are II, as triage reads them.
        word = unicodedata.normalize("NFKC", str(attributes.get(name, ""))).strip().upper()
        if word in RATINGS:
            return word
    return None


def fit(rates: Rates, pairs: Sequence[Pair] = ()) -> Fitted:
    return _fitted(rates, tuple(sorted(pairs)))


@functools.lru_cache(1024)  # a region's ledger seldom changes
def _fitted(rates: Rates, pairs: tuple[Pair, ...]) -> Fitted:
    before, after, years = np.array([(p.before + 1, p.after + 1, p.years) for p in pairs]).reshape(-1, 3).T
    log_theta, covariance = hazard_posterior(before, after, years, rates.leaving, rates.prior_years)
    return Fitted(rates, len(pairs), tuple(log_theta.tolist()), tuple(map(tuple, covariance.tolist())))


def leaving_of(fitted: Fitted) -> list[tuple[float, float, float]]:
    """Of each state but the worst the rate a year at which it is left, with its 90 % interval."""
    half = Z90 * np.sqrt(np.diag(fitted.covariance))
    bounds = np.exp(np.array(fitted.log_theta)[:, None] + np.stack([np.zeros_like(half), -half, half], axis=1))
    return [(rate, low, high) for rate, low, high in bounds.tolist()]


def expect(
    state: int | None, age_years: float | None, fitted: Fitted, scale: Scale = "health", *, since_years: float = 0.0
) -> list[Ageing]:  # fmt: skip
    """From its state (0 is the best); without one from its age, as if built in the best. Empty where nothing is known.

    `since_years`: so long ago that state was seen; whole years count.
    The two best are followed until the third, where repair is called for; the third until the worst.
    """
    if state == 3 or (state is None and age_years is None):
        return []
    start = state or 0
    reached = 3 if start == 2 else 2
    basis, elapsed = ("age", float(age_years or 0)) if state is None else ("rating", float(int(since_years)))
    names, rates = STATES[scale], fitted.rates
    return [
        Ageing(years, names[start], names[reached], *_chance(fitted, start, reached, elapsed + years), basis, scale,
               rates.ja, rates.en, rates.source, fitted.pairs,
               int(elapsed) if state is not None else 0)
        for years in YEARS
    ]  # fmt: skip


@functools.lru_cache(4096)  # a region's structures differ in few of these
def _chance(fitted: Fitted, start: int, reached: int, years: float) -> tuple[float, float, float]:
    return hazard_reached(fitted.log_theta, fitted.covariance, start, reached, years)
