"""A finding's evidence drawn: its values, the band that is normal, limits, and what was found. Pure, SVG."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from satomori_analytics.peers.comparing import Difference
from satomori_api.formatting import Language, moment, with_unit

_WIDE, _HIGH, _EDGE, _THIN = 320.0, 110.0, 6.0, 16.0
_CAPTION, _LINE = 32.0, 12.0  # beneath each drawing of a whole picture: two lines of small print
# A file can't ask the page's style sheet, and is put on pages and into mails of any colour.
_STYLE = (
    "<style>.paper{fill:#fff}.found{fill:#f0b429;opacity:.25}.band{fill:#23784a;stroke:#23784a;opacity:.3}"
    ".limit{stroke:#b3131f;stroke-dasharray:4 3}.observed{fill:none;stroke:#1b2420;stroke-width:1.6}"
    ".axis{stroke:#9aa59f}.own{fill:#1b2420}.off{fill:#f0b429;stroke:#1b2420}"
    "text{font:9px sans-serif;fill:#1b2420}</style>"
)


def drawings(language: Language, evidence: Mapping[str, Any], zone: str, at_us: int) -> list[tuple[str, str]]:
    """(sentence, SVG) for each channel of a finding that kept a picture; none for one that has no values to show."""
    return [
        (_sentence(language, channel, zone, at_us), _svg(_marks(picture, channel), _HIGH, _name(language, channel)))
        for picture, channel in _shown(evidence)
    ]


def among(found: Difference) -> str:
    """An asset among its like: their band and middle, and its own dot. Words stand beside it, so it has none itself."""
    marks = on_scale(found.value, (found.low, found.high), middle=found.middle, high=_THIN)
    return f'<svg viewBox="0 0 {_WIDE:.0f} {_THIN:.0f}" aria-hidden="true">{marks}</svg>'


def told(language: Language, evidence: Mapping[str, Any], zone: str, at_us: int) -> str:
    """What the first drawing shows, and against what expectation; empty where there is none."""
    return next((_sentence(language, channel, zone, at_us) for _, channel in _shown(evidence)), "")


def small(language: Language, evidence: Mapping[str, Any]) -> str | None:
    """The first drawing as a file of its own, without words, for a card; None where there is none."""
    drawn = ((_marks(picture, channel), _name(language, channel)) for picture, channel in _shown(evidence))
    return next((_svg(f"{_paper(_HIGH)}{marks}", _HIGH, name) for marks, name in drawn), None)


def whole(language: Language, evidence: Mapping[str, Any], name: str, zone: str, at_us: int) -> str | None:
    """All drawings as one file called `name`, with what each says beneath it; None where there is none."""
    parts = []
    for row, (picture, channel) in enumerate(_shown(evidence)):
        lines = "".join(
            f'<text x="{_EDGE}" y="{_HIGH + (line + 1) * _LINE:.0f}">{escape(words)}</text>'
            for line, words in enumerate(_words(language, channel, zone, at_us))
        )
        top = row * (_HIGH + _CAPTION)
        parts.append(f'<g transform="translate(0 {top:.0f})">{_marks(picture, channel)}{lines}</g>')
    high = len(parts) * (_HIGH + _CAPTION)
    return _svg(f"<title>{escape(name)}</title>{_paper(high)}{''.join(parts)}", high, name) if parts else None


def _shown(evidence: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(picture, channel) of each channel that has a line to draw; one without times is a value on a scale."""
    picture = evidence.get("picture")
    if not isinstance(picture, dict):
        return []
    return [(picture, channel) for channel in picture["channels"] if len(channel.get("at_us", "..")) > 1]


def _name(language: Language, channel: Mapping[str, Any]) -> str:
    return str(channel["ja" if language == "ja" else "en"])


def _sentence(language: Language, channel: Mapping[str, Any], zone: str, at_us: int) -> str:
    return ("、" if language == "ja" else ", ").join(_words(language, channel, zone, at_us))


def _words(language: Language, channel: Mapping[str, Any], zone: str, at_us: int) -> list[str]:
    """The newest value and when; then, where it is known, the band: what would be normal, unless it is named."""
    ja, unit = language == "ja", channel["unit"]
    if "at_us" in channel:
        seen = [pair for pair in zip(channel["at_us"], channel["observed"], strict=True) if pair[1] is not None]
        when = moment(language, seen[-1][0], zone, at_us)
        said = f"{with_unit(seen[-1][1], unit)}" + (f"（{when}）" if ja else f" ({when})")
        low, high = (channel.get(side, [None])[-1] for side in ("low", "high"))
    else:
        said, low, high = with_unit(channel["value"], unit), channel["low"], channel["high"]
    words = [f"{_name(language, channel)} {said}"]
    if low is not None and high is not None:
        ends = list(dict.fromkeys([with_unit(low, unit), with_unit(high, unit)]))  # a trend leads to one value
        between = ("〜" if ja else " to ").join(ends)
        words.append(f"{channel.get('band_ja', '平常なら') if ja else channel.get('band_en', 'normally')} {between}")
    return words


def on_scale(
    value: float, band: tuple[float, float], limits: Sequence[float] = (), *, high: float, middle: float | None = None
) -> str:  # fmt: skip
    """Marks on a line, `high` units of the drawing high: the band, limits, and the value, a dot."""
    least, most = min(*band, value, *limits), max(*band, value, *limits)
    wide, half = max(most - least, 1e-12), high / 2

    def x(at: float) -> float:
        return _EDGE + (_WIDE - 2 * _EDGE) * (at - least) / wide

    own, left, right = "own" if band[0] <= value <= band[1] else "own off", x(band[0]), x(band[1])
    centre = [] if middle is None else [x(middle)]
    return "".join([
        f'<line class="axis" x1="0" x2="{_WIDE:.0f}" y1="{half:.0f}" y2="{half:.0f}"/>',
        f'<rect class="band" x="{left:.1f}" y="{half - 6:.0f}" width="{max(right - left, 2):.1f}" height="12"/>',
        *(f'<line class="middle" x1="{at:.1f}" x2="{at:.1f}" y1="2" y2="{high - 2:.0f}"/>' for at in centre),
        *(f'<line class="limit" x1="{x(at):.1f}" x2="{x(at):.1f}" y1="0" y2="{high:.0f}"/>' for at in limits),
        f'<circle class="{own}" cx="{x(value):.1f}" cy="{half:.0f}" r="5"/>',
    ])  # fmt: skip


def _marks(picture: Mapping[str, Any], channel: Mapping[str, Any]) -> str:
    if "at_us" not in channel:
        return on_scale(channel["value"], (channel["low"], channel["high"]), channel["limits"], high=_HIGH)
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
    return "".join([*parts, f'<polyline class="observed" points="{_points(line)}"/>'])


def _points(corners: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _paper(high: float) -> str:
    return f'{_STYLE}<rect class="paper" width="{_WIDE:.0f}" height="{high:.0f}"/>'


def _svg(content: str, high: float, name: str) -> str:
    size, label = f'viewBox="0 0 {_WIDE:.0f} {high:.0f}"', escape(name, quote=True)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{label}">{content}</svg>'
