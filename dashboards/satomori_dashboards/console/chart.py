"""One metric's history as ECharts options. Pure: columns in, a dictionary out."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from satomori_api.formatting import Language, number, zone
from satomori_core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, to_datetime
from satomori_core.vocabulary import Quality
from satomori_dashboards.console.texts import text
from satomori_store.port import Aggregate, Columns

# Mid tones that stand out from a light and from a dark ground alike.
LINE, AREA, AXIS, GRID = "#2a8a6e", "rgba(42,138,110,0.14)", "#7d8a84", "rgba(125,138,132,0.25)"
SUSPECT, FAIL, LIMIT = "#e09b12", "#d8404a", "#c94f08"
FONT = "'Noto Sans JP', 'Noto Sans CJK JP', 'Hiragino Sans', Meiryo, sans-serif"
CROSS = "path://M3 0L8 5L13 0L16 3L11 8L16 13L13 16L8 11L3 16L0 13L5 8L0 3Z"
SUMMED = frozenset({"rain"})  # an amount for each interval: its sum has a meaning, its mean has none
FEW = 60  # fewer points are shown as points, for lone ones make no line
STEPPED = frozenset({"pump_running", "gate_moving"})


@dataclass(frozen=True, slots=True)
class Period:
    """`every_us` keeps a chart at some 300 points, which is what a phone can show."""

    key: str
    length_us: int
    every_us: int


PERIODS = (
    Period("24h", DAY_US, 5 * MINUTE_US),
    Period("7d", 7 * DAY_US, 30 * MINUTE_US),
    Period("30d", 30 * DAY_US, 2 * HOUR_US),
)


@dataclass(frozen=True, slots=True)
class Points:
    """One datastream's observations, in time order: time in ms as its clock shows it, value, worst flag."""

    at_ms: tuple[int, ...]
    values: tuple[float, ...]
    flags: tuple[int, ...]

    @property
    def extent(self) -> tuple[float, float] | None:
        return (min(self.values), max(self.values)) if self.values else None


def aggregate_of(metric: str) -> Aggregate:
    return "sum" if metric in SUMMED else "mean"


def wall_ms(at_us: int, zone_name: str) -> int:
    """The ms that a UTC clock would have to show to look like the zone's clock: ECharts knows no zones but two."""
    at = to_datetime(at_us)
    offset = at.astimezone(zone(zone_name)).utcoffset()
    return at_us // 1000 + (0 if offset is None else int(offset.total_seconds()) * 1000)


def points_of(columns: Columns, datastream: int, zone_name: str) -> Points:
    chosen = columns.datastream == datastream
    values = columns.value[chosen]
    finite = np.isfinite(values)
    times = columns.observed_at_us[chosen][finite]
    flags = np.maximum(columns.quality[chosen], columns.qc[chosen])[finite]
    return Points(
        tuple(wall_ms(int(t), zone_name) for t in times),
        tuple(float(v) for v in values[finite]),
        tuple(int(f) for f in flags),
    )


def _with_gaps(points: Points, gap_ms: int) -> list[list[float | int | None]]:
    """The line's points; a null where nothing came for too long, so that no line is drawn across the silence."""
    line: list[list[float | int | None]] = []
    for at_ms, value, flag in zip(points.at_ms, points.values, points.flags, strict=True):
        if line and at_ms - int(line[-1][0] or 0) > gap_ms:
            line.append([int(line[-1][0] or 0) + 1, None])
        line.append([at_ms, None if flag >= Quality.FAIL else value])
    return line


def _marks(points: Points, wanted: Quality, low: float, high: float) -> list[list[float | int]]:
    """Points with that flag as (time, where the mark stands, value): what is far off stands at the frame's edge."""
    return [
        [t, min(max(v, low), high), v]
        for t, v, f in zip(points.at_ms, points.values, points.flags, strict=True)
        if f == wanted
    ]


def axis_extent(points: Points, limits: Sequence[float]) -> tuple[float, float]:
    """Room for the good and suspect values, and for limits that are near them; what failed may leave the frame."""
    usable = [v for v, f in zip(points.values, points.flags, strict=True) if f < Quality.FAIL] or list(points.values)
    low, high = min(usable), max(usable)
    reach = max(high - low, abs(high) * 0.05, 0.1)
    for limit in limits:
        if low - reach <= limit <= high + reach:
            low, high = min(low, limit), max(high, limit)
    # A steady value is not blown up until its noise fills the frame.
    pad = max((high - low) * 0.08, (reach * 0.4 - (high - low)) / 2)
    return low - pad, high + pad


def rounded(low: float, high: float) -> tuple[float, float, float]:
    """Bounds rounded outwards to a step that labels look good with: (low, high, step)."""
    raw = (high - low) / 4
    size = 10 ** math.floor(math.log10(raw))
    step = next(s * size for s in (1, 2, 2.5, 5, 10) if s * size >= raw)
    return round(math.floor(low / step) * step, 9), round(math.ceil(high / step) * step, 9), step


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a chart is drawn from. `span_ms`: the period's ends as `wall_ms`; `gap_us`: longer silence cuts the line."""

    language: Language
    metric: str
    unit: str
    points: Points
    span_ms: tuple[int, int]
    gap_us: int
    limits: Sequence[float]


def gap_of(period: Period, interval_s: int) -> int:
    """How long nothing may come before the line is cut: more than two values missing, whatever the period shows."""
    return max(int(2.5 * period.every_us), 3 * interval_s * SECOND_US)


def options(drawing: Drawing) -> dict[str, Any]:
    """ECharts options; there is at least one point."""
    points, language = drawing.points, drawing.language
    low, high = axis_extent(points, drawing.limits)
    if drawing.metric in SUMMED:  # bars stand on nothing fallen
        low, high = 0.0, max(high, 1.0)
    elif low < 0 <= min(points.values):
        low = 0.0
    low, high, step = rounded(low, high)
    begin, end = drawing.span_ms
    short = end - begin <= 2 * DAY_US // 1000
    day = "{M}/{d}" if language == "ja" else "{MMM} {d}"
    small = {"color": AXIS, "fontSize": 11, "hideOverlap": True}
    suffix = json.dumps(f" {drawing.unit}")
    return {
        "useUTC": True,  # the times are already the asset's wall clock, see wall_ms
        "animation": False,
        "grid": {"left": 48, "right": 14, "top": 14, "bottom": 26},
        "textStyle": {"fontFamily": FONT},
        "xAxis": {
            "type": "time",
            "min": begin,
            "max": end,
            "splitNumber": 4,
            "axisLine": {"lineStyle": {"color": AXIS}},
            "axisLabel": {**small, "formatter": "{HH}:{mm}" if short else day},
        },
        "yAxis": {
            "type": "value",
            "min": low,
            "max": high,
            "interval": step,
            "axisLabel": small,
            "splitLine": {"lineStyle": {"color": GRID}},
        },
        "tooltip": {
            "trigger": "axis",
            "confine": True,
            ":valueFormatter": f"v => v == null ? '–' : Number(v).toPrecision(4) * 1 + {suffix}",
        },
        "series": _series(drawing, low, high),
    }


def _series(drawing: Drawing, low: float, high: float) -> list[dict[str, Any]]:
    limits = [limit for limit in drawing.limits if low <= limit <= high]
    language, metric, points = drawing.language, drawing.metric, drawing.points
    main: dict[str, Any] = {
        "name": text(language, "chart.value"),
        "type": "line",
        "data": _with_gaps(points, drawing.gap_us // 1000),
        "showSymbol": len(points.values) < FEW,
        "symbolSize": 5,
        "lineStyle": {"width": 2, "color": LINE},
        "itemStyle": {"color": LINE},
        "areaStyle": {"color": AREA, "origin": "start"},
        "markLine": {
            "silent": True,
            "symbol": "none",
            "lineStyle": {"type": "dashed", "color": LIMIT, "width": 1.5},
            "data": [
                {
                    "yAxis": limit,
                    "label": {
                        "formatter": text(language, "asset.limit", value=number(limit)),
                        "position": "insideStartTop",
                        "color": LIMIT,
                        "fontSize": 11,
                    },
                }
                for limit in limits
            ],
        },
    }
    if metric in STEPPED:
        main["step"] = "end"
    if metric in SUMMED:
        main |= {"type": "bar", "data": [list(pair) for pair in zip(points.at_ms, points.values, strict=True)]}
        main.pop("areaStyle")
    return [
        main,
        {
            "name": text(language, "chart.suspect"),
            "type": "scatter",
            "encode": {"x": 0, "y": 1, "tooltip": [2]},
            "symbol": "diamond",
            "symbolSize": 9,
            "itemStyle": {"color": SUSPECT, "borderColor": "#6a4700", "borderWidth": 0.6},
            "data": _marks(points, Quality.SUSPECT, low, high),
        },
        {
            "name": text(language, "chart.fail"),
            "type": "scatter",
            "encode": {"x": 0, "y": 1, "tooltip": [2]},
            "symbol": CROSS,
            "symbolSize": 9,
            "itemStyle": {"color": FAIL},
            "data": _marks(points, Quality.FAIL, low, high),
        },
    ]
