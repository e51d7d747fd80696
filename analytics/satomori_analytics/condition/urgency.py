"""How soon a structure calls for action, to order assets of all municipalities by: standards' classes only. Pure."""

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from satomori_analytics.condition.ageing import Ageing
from satomori_analytics.condition.measured import Kind, Measured
from satomori_analytics.condition.reach import Reach
from satomori_analytics.indicators.structures import sewer_urgency

# 3 at once, 2 soon, 1 in time, 0 nothing known that calls for it. The classes' own words: 健全度 IV 緊急,
# III 早期, II 予防保全; 緊急度 I 速やか, II within 5 years, III later; zone D damages, C not for long (recalled, not
# checked); more starts than the maker allows wear it in time. That they are put side by side on one scale is our own
# choice.
_OF_RATING = {"IV": 3, "III": 2, "II": 1}
_OF_SEWER = {"I": 3, "II": 2, "III": 1}
_OF_GRADE: Mapping[Kind, Mapping[str, int]] = {
    "vibration": {"D": 3, "C": 2}, "hydrogen_sulfide": {"I": 2, "II": 1}, "starts_of_limit": {"above": 1},
}  # fmt: skip
# Ranks A, B, C of a span in the ledger; "-" or なし where it was looked at and has none.
SEWER_RANKS = (("corrosion_rank", "腐食"), ("sag_rank", "たるみ"), ("crack_rank", "破損"))
_NO_RANK = {"-", "なし", "NONE"}


def sewer_urgency_of(attributes: Mapping[str, Any]) -> str | None:
    """緊急度 I to III by the ledger's ranks; None without all three: a missing one could be the worst."""
    ranks = []
    for names in SEWER_RANKS:
        written = next((attributes[name] for name in names if name in attributes), None)
        rank = unicodedata.normalize("NFKC", str(written)).strip().upper()
        if written is None or (rank not in {"A", "B", "C"} and rank not in _NO_RANK):
            return None
        if rank not in _NO_RANK:
            ranks.append(rank)
    return sewer_urgency(ranks) if ranks else None


def urgency_of(rating: str | None, sewer: str | None, measured: Iterable[Measured]) -> int:
    """0 to 3: that of the worst class among them."""
    grades = (_of_grade(found) for found in measured)
    return max(_OF_RATING.get(rating or "", 0), _OF_SEWER.get(sewer or "", 0), *grades, 0)


def _of_grade(found: Measured) -> int:
    return _OF_GRADE.get(found.kind, {}).get(found.grade or "", 0)


def worst_of(measured: Sequence[Measured], reaches: Iterable[Reach]) -> Measured | None:
    """What to tell where there is room for one: by its class, then the nearest limit, then what surely changes."""
    years: dict[str, float] = {}
    for reach in reaches:
        years[reach.metric] = min(reach.years, years.get(reach.metric, math.inf))

    def rank(found: Measured) -> tuple[int, float, bool]:
        sure = found.rate is not None and (found.rate.low > 0 or found.rate.high < 0)
        return -_of_grade(found), years.get(found.metric, math.inf), not sure

    return min(measured, key=rank, default=None)


def likely(ageing: Sequence[Ageing]) -> float:
    """What orders those of one urgency: the chance of a worse rating in the nearest years told; 0 where unknown."""
    return ageing[0].chance if ageing else 0.0
