"""A finding's evidence drawn: observed values, the band in which they would be normal, limits. Pure, makes SVG."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from satomori_dashboards.console.formatting import moment, with_unit
from satomori_dashboards.console.texts import Language, text

_WIDE, _HIGH, _EDGE = 320.0, 110.0, 6.0


def drawings(language: Language, evidence: Mapping[str, Any], zone: str, at_us: int) -> list[tuple[str, str]]:
    """(sentence, SVG) for each channel of a finding that kept a picture; none for one that has no values to show."""
    picture = evidence.get("picture")
    if not isinstance(picture, dict):
        return []
    return [
        (_sentence(language, channel, zone, at_us), _svg(language, picture, channel))
        for channel in picture["channels"]
        if len(channel["at_us"]) > 1
    ]


def _sentence(language: Language, channel: Mapping[str, Any], zone: str, at_us: int) -> str:
    """The newest value, when, and what it would have been expected to be."""
    name, unit = channel["ja" if language == "ja" else "en"], channel["unit"]
    value, when = with_unit(channel["observed"][-1], unit), moment(language, channel["at_us"][-1], zone, at_us)
    low, high = (channel.get(side, [None])[-1] for side in ("low", "high"))
    if low is None or high is None:
        return text(language, "picture.value", name=name, value=value, when=when)
    expected = {"low": with_unit(low, unit), "high": with_unit(high, unit)}
    return text(language, "picture.band", name=name, value=value, when=when, **expected)


def _svg(language: Language, picture: Mapping[str, Any], channel: Mapping[str, Any]) -> str:
    times: Sequence[int] = channel["at_us"]
    band = list(zip(channel.get("low", []), channel.get("high", []), strict=True))
    values = [v for v in channel["observed"] if v is not None] + [v for pair in band for v in pair if v is not None]
    span = max(max(values) - min(values), 1e-12)  # a limit that is further off would flatten the rest
    limits = [limit for limit in picture["limits"] if min(values) - span <= limit <= max(values) + span]
    least, most = min(values + limits), max(values + limits)
    wide, high = max(times[-1] - times[0], 1), max(most - least, 1e-12)

    def x(at_us: float) -> float:
        return _EDGE + (_WIDE - 2 * _EDGE) * min(max((at_us - times[0]) / wide, 0.0), 1.0)

    def y(value: float) -> float:
        return float(_HIGH - _EDGE - (_HIGH - 2 * _EDGE) * (value - least) / high)

    left, right = x(picture["from_us"]), x(picture["until_us"])
    parts = [f'<rect class="found" x="{left:.1f}" y="0" height="{_HIGH:.0f}" width="{max(right - left, 2):.1f}"/>']
    there = [(at, *pair) for at, pair in zip(times, band, strict=False) if None not in pair]
    if there:
        corners = [(x(at), y(top)) for at, _, top in there] + [(x(at), y(low)) for at, low, _ in reversed(there)]
        parts.append(f'<polygon class="band" points="{_points(corners)}"/>')
    parts += [
        f'<line class="limit" x1="{_EDGE}" x2="{_WIDE - _EDGE}" y1="{y(limit):.1f}" y2="{y(limit):.1f}"/>'
        for limit in limits
    ]
    line = [(x(at), y(value)) for at, value in zip(times, channel["observed"], strict=True) if value is not None]
    parts.append(f'<polyline class="observed" points="{_points(line)}"/>')
    label = escape(channel["ja" if language == "ja" else "en"], quote=True)
    return f'<svg viewBox="0 0 {_WIDE:.0f} {_HIGH:.0f}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _points(corners: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
