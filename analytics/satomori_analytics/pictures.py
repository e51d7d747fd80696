"""What a finding shows to the eye: the values around it, the band of what would be normal, the limits. Pure."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from satomori_analytics.episodes import Floats, Stretch, Times
from satomori_analytics.views import Quantity

_POINTS = 60
# Before a finding as many rows as it has, but at least so many, so that one sees what was usual.
_BEFORE_LEAST = 36


def channel(
    quantity: Quantity, at_us: Times, values: Floats, stretch: Stretch, band: tuple[Floats, Floats] | None = None
) -> dict[str, Any]:
    """At most 60 points, each the row of its piece that is furthest from the middle; `band`: low, high of all rows."""
    first = max(stretch.first - max(stretch.last - stretch.first + 1, _BEFORE_LEAST), 0)
    window = np.arange(first, min(stretch.last + 2, len(at_us)))
    window = window[np.isfinite(values[window])]
    if len(window) > _POINTS:
        off = np.abs(values[window] - np.median(values[window]))
        edges = np.linspace(0, len(window), _POINTS + 1).astype(int)
        window = window[[a + int(np.argmax(off[a:b])) for a, b in pairwise(edges.tolist())]]
    shown: dict[str, Any] = {
        "ja": quantity.ja, "en": quantity.en, "unit": quantity.unit,
        "at_us": at_us[window].tolist(), "observed": short(values[window]),
    }  # fmt: skip
    if band is not None:
        shown |= {"low": short(band[0][window]), "high": short(band[1][window])}
    return shown


def ahead(shown: dict[str, Any], until_us: int, band: tuple[float, float] | None = None) -> dict[str, Any]:
    """`shown` and a later time without a value: silence, or what is foreseen, from the last value to `band`."""
    more = shown | {"at_us": [*shown["at_us"], until_us], "observed": [*shown["observed"], None]}
    if band is None or not shown["at_us"]:
        return more
    before, last = [None] * (len(shown["at_us"]) - 1), shown["observed"][-1]
    told = {"band_ja": "見通し", "band_en": "foreseen"}
    return more | told | {side: [*before, last, end] for side, end in zip(("low", "high"), band, strict=True)}


def lasting(drawn: dict[str, Any]) -> dict[str, Any]:
    """A picture of what goes on, and whose channels end with a time without a value: it is drawn until now."""
    return {**drawn, "lasts": True}


def until(drawn: Mapping[str, Any], until_us: int) -> dict[str, Any]:
    """A lasting picture as it was at a time, or ended then."""
    channels = [
        {**each, "at_us": [*each["at_us"][:-1], max(until_us, each["at_us"][-2])]} if len(each["at_us"]) > 1 else each
        for each in drawn["channels"]
    ]
    return {**drawn, "until_us": until_us, "channels": channels, "lasts": False}


def scale(
    named: tuple[str, str, str], value: float, band: tuple[float, float], band_words: tuple[str, str],
    limits: Sequence[float] = (),
) -> dict[str, Any]:  # fmt: skip
    """One value on a line with a band and limits, where there is no course of time. `named`: ja, en, unit."""
    ja, en, unit = named
    return {
        "ja": ja, "en": en, "unit": unit, "value": value, "low": band[0], "high": band[1], "limits": list(limits),
        "band_ja": band_words[0], "band_en": band_words[1],
    }  # fmt: skip


def picture(at_us: Times, stretch: Stretch, channels: list[dict[str, Any]], limits: list[float]) -> dict[str, Any]:
    """`from_us`, `until_us`: what was found."""
    span = {"from_us": int(at_us[stretch.first]), "until_us": int(at_us[stretch.last])}
    return {**span, "channels": channels, "limits": limits}


def short(values: Floats) -> list[float | None]:
    """Five digits do for the eye; None where there is nothing."""
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values.tolist()]
