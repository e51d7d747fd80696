"""Evidence drawn: a finding's values with the band that is normal and limits; an asset among its like. Pure, SVG."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from satomori_analytics.peers.comparing import Difference
from satomori_dashboards.console.formatting import moment, with_unit
from satomori_dashboards.console.texts import Language, text

_WIDE, _HIGH, _EDGE = 320.0, 110.0, 6.0
_THIN, _DOT = 16.0, 5.0


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


def among(found: Difference) -> str:
    """The others' band and middle on a line, and the asset's own dot. Words stand beside it, so it has none itself."""
    least, most = min(found.low, found.value), max(found.high, found.value)
    wide = max(most - least, 1e-12)

    def x(value: float) -> float:
        return _DOT + (_WIDE - 2 * _DOT) * (value - least) / wide

    low, high, middle = x(found.low), x(found.high), x(found.middle)
    own = "own" if found.low <= found.value <= found.high else "own off"
    half = _THIN / 2
    return (
        f'<svg viewBox="0 0 {_WIDE:.0f} {_THIN:.0f}" aria-hidden="true">'
        f'<line class="axis" x1="0" x2="{_WIDE:.0f}" y1="{half:.0f}" y2="{half:.0f}"/>'
        f'<rect class="band" x="{low:.1f}" y="2" width="{max(high - low, 2):.1f}" height="{_THIN - 4:.0f}"/>'
        f'<line class="middle" x1="{middle:.1f}" x2="{middle:.1f}" y1="2" y2="{_THIN - 2:.0f}"/>'
        f'<circle class="{own}" cx="{x(found.value):.1f}" cy="{half:.0f}" r="{_DOT:.0f}"/></svg>'
    )


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
