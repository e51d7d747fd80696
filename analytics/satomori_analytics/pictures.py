"""What a finding shows to the eye: the values around it, the band of what would be normal, the limits. Pure."""

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
        "at_us": at_us[window].tolist(), "observed": _short(values[window]),
    }  # fmt: skip
    if band is not None:
        shown |= {"low": _short(band[0][window]), "high": _short(band[1][window])}
    return shown


def picture(at_us: Times, stretch: Stretch, channels: list[dict[str, Any]], limits: list[float]) -> dict[str, Any]:
    """`from_us`, `until_us`: what was found."""
    span = {"from_us": int(at_us[stretch.first]), "until_us": int(at_us[stretch.last])}
    return {**span, "channels": channels, "limits": limits}


def _short(values: Floats) -> list[float | None]:
    """Five digits do for the eye; None where there is nothing."""
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values.tolist()]
