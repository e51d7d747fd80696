"""Inspections of the ledger: ratings with their dates, and the pairs of them that say how fast a rating worsens. Pure.

An asset's attribute `inspections` (or 点検履歴) is such as "2014-06-01 I; 2019-05-30 II".
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

RECORDS = ("inspections", "点検履歴")
_RECORD = re.compile(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?[\s:]+(\S+)")
YEAR_D = 365.25


@dataclass(frozen=True, slots=True)
class Record:
    on: date
    state: int


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """States (0 is the best) of one structure, so many `years` apart."""

    before: int
    after: int
    years: float


def records_of(attributes: Mapping[str, Any], states: Sequence[str]) -> tuple[list[Record], list[str]]:
    """Records by date, and what of them can't be read. A day or month that is left out is the middle one."""
    written = next((attributes[name] for name in RECORDS if name in attributes), "")
    parts = [str(part) for part in written] if isinstance(written, list) else re.split(r"[;、,；]", str(written))
    found, unread = [], []
    for part in filter(None, map(str.strip, parts)):
        record = _record(unicodedata.normalize("NFKC", part), states)
        if record is None:
            unread.append(part)
        else:
            found.append(record)
    return sorted(found, key=lambda record: record.on), unread


def _record(text: str, states: Sequence[str]) -> Record | None:
    match = _RECORD.fullmatch(text)
    if match is None or match[4].upper() not in states:
        return None
    try:
        on = date(int(match[1]), int(match[2] or 7), int(match[3] or (15 if match[2] else 1)))
    except ValueError:
        return None
    return Record(on, states.index(match[4].upper()))


def pairs_of(records: Sequence[Record]) -> list[Pair]:
    """Of records by date each with the next; not those that got better, which were repaired between."""
    return [
        Pair(one.state, other.state, (other.on - one.on).days / YEAR_D)
        for one, other in pairwise(records)
        if other.state >= one.state and other.on > one.on
    ]
