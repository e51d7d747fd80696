"""Limits with hysteresis and duration: what goes beyond them becomes an episode, one for all levels of a side. Pure."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from satomori_analytics.detectors.base import Latch, Marks
from satomori_analytics.detectors.plain import beyond_limit
from satomori_analytics.episodes import Episode, Stretch, Subject, Times, stretches
from satomori_analytics.pictures import channel, picture
from satomori_analytics.playbook import LEVELS, Limit, Playbook
from satomori_analytics.sensitivity import lasting
from satomori_analytics.sentences import LEVEL_EN, LEVEL_JA, amount
from satomori_analytics.views import NOTHING_CARRIED, Carried, View
from satomori_analytics.world import WatchedAsset
from satomori_core.clock import to_datetime
from satomori_core.vocabulary import Cause, Level


def judge_limits(view: View, playbook: Playbook, carried: Carried = NOTHING_CARRIED) -> list[Episode]:
    """Episodes beyond the playbook's limits on this quantity; the levels of one side are one cause."""
    known = np.isfinite(view.values)
    seen = View(view.asset, view.quantity, view.at_us[known], view.values[known])
    episodes: list[Episode] = []
    for side in ("high", "low"):
        factor = view.asset.factor(f"limit:{view.key}:{side}")
        limits = {
            name: lasting(limit, factor)
            for name, limit in playbook.limit.items()
            if limit.on == view.quantity.name and limit.side == side and limit.enabled
        }
        if limits and len(seen.at_us):
            episodes += _one_side(seen, limits, side, carried)
    return episodes


def fingerprints(key: str) -> frozenset[str]:
    """The causes that `judge_limits` can name for a view of this key."""
    return frozenset({f"limit:{key}:high", f"limit:{key}:low"})


def threshold(limit: Limit, asset: WatchedAsset) -> float:
    """The asset's own value where its attributes have one."""
    own = number(asset.attributes.get(limit.attribute)) if limit.attribute else None
    if own is not None:
        return own
    value = limit.high if limit.high is not None else limit.low
    if value is None:
        raise AssertionError
    return value


def number(written: object) -> float | None:
    """An attribute's number; a ledger that came as a CSV has texts, with full-width digits too."""
    if isinstance(written, str):
        try:
            return float(unicodedata.normalize("NFKC", written))
        except ValueError:
            return None
    return float(written) if isinstance(written, int | float) and not isinstance(written, bool) else None


@dataclass(frozen=True, slots=True)
class _Course:
    """How one limit went: whether it was on at each row, since when, and whether for long enough."""

    on: Marks
    since_us: Times
    alarm: Marks


def _one_side(view: View, limits: Mapping[str, Limit], side: str, carried: Carried) -> list[Episode]:
    fingerprint = f"limit:{view.key}:{side}"
    before = carried.get(fingerprint, {})
    courses: dict[str, _Course] = {}
    confirmed_us = np.full(len(view.at_us), np.iinfo(np.int64).min)
    for name, limit in sorted(limits.items(), key=lambda pair: -LEVELS[pair[1].level]):
        # Beyond a worse limit for long enough is beyond this one for long enough.
        courses[name] = course = _course(limit, view, before.get(name), confirmed_us)
        alarm_us = np.where(course.alarm, view.at_us, np.iinfo(np.int64).min)
        confirmed_us = np.maximum(confirmed_us, np.maximum.accumulate(alarm_us))
    level = np.zeros(len(view.at_us), np.int8)
    since = np.full(len(view.at_us), np.iinfo(np.int64).max)
    for name, course in courses.items():
        level = np.maximum(level, np.where(course.alarm, LEVELS[limits[name].level], 0)).astype(np.int8)
        since = np.where(course.alarm, np.minimum(since, course.since_us), since)
    subject = _subject(view, limits, side, fingerprint)
    return [
        _episode(view, subject, stretch, limits=limits, courses=courses,
                 levels=level[stretch.first : stretch.last + 1], since_us=int(since[stretch.first]))
        for stretch in stretches(level > 0)
    ]  # fmt: skip


def _course(limit: Limit, view: View, since_us: int | None, confirmed_us: Times) -> _Course:
    """`confirmed_us`: at each row, when a worse limit was last in alarm."""
    at = threshold(limit, view.asset)
    high, low = (at, -np.inf) if limit.side == "high" else (np.inf, at)
    beyond, clear = beyond_limit(view.values[:, None], high, low, limit.hysteresis)
    if limit.months:
        season = _in_months(view.at_us, limit.months, view.asset.place.time_zone)[:, None]
        beyond, clear = beyond & season, clear | ~season
    latch = Latch()
    if since_us is not None:
        latch.on, latch.since_us = np.array([True]), np.array([since_us], np.int64)
    all_on, all_since = latch.run(view.at_us, beyond, clear)
    on, since = all_on[:, 0], all_since[:, 0]
    lasted_us = view.at_us - np.where(on, since, view.at_us)
    alarm = on & ((lasted_us >= int(limit.for_s * 1e6)) | (confirmed_us >= since))
    return _Course(on, since, alarm)


def _in_months(at_us: Times, months: tuple[int, ...], time_zone: str) -> Marks:
    """By the offset at the first row: an hour more or less at a month's end harms nobody."""
    offset = to_datetime(int(at_us[0])).astimezone(ZoneInfo(time_zone)).utcoffset()
    offset_us = int(offset.total_seconds()) * 1_000_000 if offset else 0
    month = (at_us + offset_us).astype("datetime64[us]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    return np.isin(month, months)


def _subject(view: View, limits: Mapping[str, Limit], side: str, fingerprint: str) -> Subject:
    stream = view.quantity.stream
    return Subject(
        fingerprint=fingerprint,
        kind="limit",
        cause=Cause.ASSET,
        asset=view.asset.id,
        place=view.asset.place,
        detector=f"limit:{side}",
        wrong={LEVELS[limit.level]: (limit.ja, limit.en) for limit in limits.values()},
        advice={LEVELS[limit.level]: (limit.advice_ja, limit.advice_en) for limit in limits.values()},
        datastream=stream.id if stream else None,
        gateway=stream.gateway if stream else None,
    )


def _episode(
    view: View, subject: Subject, stretch: Stretch, *, limits: Mapping[str, Limit], courses: Mapping[str, _Course],
    levels: NDArray[np.int8], since_us: int,
) -> Episode:  # fmt: skip
    """`levels`: those of the stretch's rows. While it goes on it tells the level now, in the end the worst one."""
    worst_level = Level(int(levels.max()))
    level = worst_level if stretch.ended else Level(int(levels[-1]))
    name, limit = next((n, each) for n, each in limits.items() if LEVELS[each.level] == level)
    inside = view.values[stretch.first : stretch.last + 1]
    worst = float(inside.max() if limit.side == "high" else inside.min())
    on = {n: _held_since(limits[n], c, view.at_us, stretch.last) for n, c in courses.items() if c.on[stretch.last]}
    evidence: dict[str, Any] = {
        "metric": view.quantity.name, "unit": view.quantity.unit, "value": float(inside[-1]), "worst": worst,
        "worst_level": int(worst_level), "limit_name": name, "limit": threshold(limit, view.asset), "side": limit.side,
        "hysteresis": limit.hysteresis, "for_s": limit.for_s, "source": limit.source, "on": on,
        "spoke_us": int(view.at_us[stretch.first]),
        "picture": _picture(view, stretch, limits),
    }  # fmt: skip
    return Episode(
        subject=subject,
        level=level,
        since_us=since_us,
        until_us=int(view.at_us[stretch.last + 1]) if stretch.ended else None,
        seen_us=int(view.at_us[stretch.last]),
        confidence=1.0,
        figures=_figures(view, limit, float(inside[-1]), worst),
        evidence=evidence,
    )


def _picture(view: View, stretch: Stretch, limits: Mapping[str, Limit]) -> dict[str, Any]:
    """The values, and each level's limit by its word."""
    every = ((threshold(each, view.asset), LEVELS[each.level]) for each in limits.values())
    ordered = sorted(pair for pair in every if np.isfinite(pair[0]))
    shown = [channel(view.quantity, view.at_us, view.values, stretch)]
    words = [[LEVEL_JA[level], LEVEL_EN[level]] for _, level in ordered]
    return picture(view.at_us, stretch, shown, [at for at, _ in ordered]) | {"limit_words": words}


def _held_since(limit: Limit, course: _Course, at_us: Times, row: int) -> int:
    """Since when it is on; for what a worse limit confirmed, so early that it stays confirmed."""
    since_us = int(course.since_us[row])
    return min(since_us, int(at_us[row] - limit.for_s * 1e6)) if course.alarm[row] else since_us


def _figures(view: View, limit: Limit, now: float, worst: float) -> tuple[str, str]:
    unit, at = view.quantity.unit, threshold(limit, view.asset)
    word_ja, word_en = ("最大", "highest") if limit.side == "high" else ("最小", "lowest")
    return (
        f"{view.quantity.ja} {amount(now, unit)}（{word_ja} {amount(worst, unit)}、基準 {amount(at, unit)}）",
        f"{view.quantity.en} {amount(now, unit)} ({word_en} {amount(worst, unit)}, limit {amount(at, unit)})",
    )
