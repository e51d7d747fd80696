"""A finding's evidence drawn: its values, the band that is normal, limits, and what was found. Pure, SVG."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from unicodedata import east_asian_width

from satomori_analytics.peers.comparing import Difference
from satomori_analytics.pictures import until
from satomori_api.formatting import Language, day, moment, with_unit
from satomori_core.clock import DAY_US

_WIDE, _HIGH, _LOW, _THIN, _EDGE = 320.0, 110.0, 44.0, 16.0, 6.0
_LINE = 14.0  # of small print beneath a drawing
_SMALL_PRINT = 11.0
_FINE = 120  # so many values and more are drawn with a fine line
_DAYS_US = 3 * DAY_US  # what is longer has dates beneath it, no clock times
# A file can't ask the page's style sheet, and is put on pages and into mails of any colour.
_STYLE = (
    "<style>.paper{fill:#fff}.found{fill:#f0b429;opacity:.25}.band{fill:#23784a;stroke:#23784a;opacity:.3}"
    ".limit{stroke:#b3131f;stroke-dasharray:4 3}.observed{fill:none;stroke:#1b2420;stroke-width:1.6}"
    ".middle{fill:none;stroke:#23784a;stroke-width:1.6;stroke-dasharray:6 3}.now{stroke:#9aa59f}"
    ".axis{stroke:#9aa59f}.own{fill:#1b2420}.off{fill:#f0b429;stroke:#1b2420}"
    ".fine{stroke-width:.8}text{font:11px sans-serif;fill:#1b2420}"
    ".word{paint-order:stroke;stroke:#fff;stroke-width:2px}</style>"
)


@dataclass(frozen=True, slots=True)
class _Reader:
    """For whom words are put into a drawing: `at_us` is now there."""

    language: Language
    zone: str
    at_us: int


def drawings(language: Language, evidence: Mapping[str, Any], zone: str, at_us: int) -> list[tuple[str, str]]:
    """(sentence, SVG) for each channel of a finding that kept a picture; none for one that has no values to show."""
    reader = _Reader(language, zone, at_us)
    return [
        (_sentence(reader, channel), _svg(*_drawn(picture, channel, reader), _name(language, channel)))
        for picture, channel in _shown(evidence, at_us)
    ]


def among(found: Difference) -> str:
    """An asset among its like: their band and middle, and its own dot. Words stand beside it, so it has none itself."""
    marks = on_scale(found.value, (found.low, found.high), middle=found.middle, high=_THIN)
    return f'<svg viewBox="0 0 {_WIDE:.0f} {_THIN:.0f}" aria-hidden="true">{marks}</svg>'


def told(language: Language, evidence: Mapping[str, Any], zone: str, at_us: int) -> str:
    """What the first drawing shows, and against what expectation; empty where there is none."""
    reader = _Reader(language, zone, at_us)
    return next((_sentence(reader, channel) for _, channel in _shown(evidence, at_us)), "")


def small(language: Language, evidence: Mapping[str, Any], at_us: int) -> str | None:
    """The first drawing as a file of its own, without words, for a card; None where there is none."""
    drawn = ((_marks(picture, channel), _name(language, channel)) for picture, channel in _shown(evidence, at_us))
    return next((_svg(f"{_paper(_HIGH)}{marks}", _HIGH, name) for marks, name in drawn), None)


def whole(language: Language, evidence: Mapping[str, Any], name: str, zone: str, at_us: int) -> str | None:
    """All drawings as one file called `name`, with what each says beneath it; None where there is none."""
    return _stacked(_Reader(language, zone, at_us), _shown(evidence, at_us), name)


def stacked(
    language: Language, pictures: Sequence[Mapping[str, Any]], name: str, zone: str, at_us: int
) -> str | None:  # fmt: skip
    """As `whole`, of pictures that no finding keeps."""
    shown = [pair for picture in pictures for pair in _shown({"picture": picture}, at_us)]
    return _stacked(_Reader(language, zone, at_us), shown, name)


def _stacked(reader: _Reader, shown: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], name: str) -> str | None:
    parts, top = [], 0.0
    for picture, channel in shown:
        marks, high = _drawn(picture, channel, reader)
        words = [line for said in _words(reader, channel) for line in _wrapped(said)]
        lines = "".join(_text(_EDGE, high + (line + 1) * _LINE, said) for line, said in enumerate(words))
        parts.append(f'<g transform="translate(0 {top:.0f})">{marks}{lines}</g>')
        top += high + (len(words) + 0.7) * _LINE
    return _svg(f"<title>{escape(name)}</title>{_paper(top)}{''.join(parts)}", top, name) if parts else None


def _drawn(picture: Mapping[str, Any], channel: Mapping[str, Any], reader: _Reader) -> tuple[str, float]:
    """A drawing with the words that belong into it, and how high it is.

    A course has its times beneath it, and above it what it is where the words beneath don't say so.
    """
    if "at_us" not in channel:
        return _on_its_scale(channel, _LOW), _LOW
    course = _marks(picture, channel, reader) + _times(picture, channel["at_us"], reader)
    head = channel.get(f"head_{reader.language}")
    if head is None:
        return course, _HIGH + _LINE
    return f'{_text(_EDGE, _SMALL_PRINT, head)}<g transform="translate(0 {_LINE:.0f})">{course}</g>', _HIGH + 2 * _LINE


def _shown(evidence: Mapping[str, Any], at_us: int) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(picture, channel) of each channel that has a line to draw; one without times is a value on a scale.

    What lasts is drawn until now.
    """
    picture = evidence.get("picture")
    if not isinstance(picture, dict):
        return []
    if picture.get("lasts"):
        picture = until(picture, max(at_us, picture["until_us"]))
    return [(picture, channel) for channel in picture["channels"] if len(channel.get("at_us", "..")) > 1]


def _name(language: Language, channel: Mapping[str, Any]) -> str:
    return str(channel["ja" if language == "ja" else "en"])


def _sentence(reader: _Reader, channel: Mapping[str, Any]) -> str:
    return ("、" if reader.language == "ja" else ", ").join(_words(reader, channel))


def _words(reader: _Reader, channel: Mapping[str, Any]) -> list[str]:
    """What it brings itself; else the newest value and when, then the band: what would be normal, unless named."""
    language, ja, unit = reader.language, reader.language == "ja", channel["unit"]
    if "words" in channel:
        return list(channel["words"][language])
    if "at_us" in channel:
        seen = [pair for pair in zip(channel["at_us"], channel["observed"], strict=True) if pair[1] is not None]
        when = moment(language, seen[-1][0], reader.zone, reader.at_us)
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


def _on_its_scale(channel: Mapping[str, Any], high: float) -> str:
    return on_scale(channel["value"], (channel["low"], channel["high"]), channel["limits"], high=high)


@dataclass(frozen=True, slots=True)
class _Scale:
    """From times and values to the drawing: what is before or after the times lies at the edge."""

    times: tuple[int, int]
    values: tuple[float, float]

    def x(self, at_us: float) -> float:
        start, end = self.times
        return _EDGE + (_WIDE - 2 * _EDGE) * min(max((at_us - start) / max(end - start, 1), 0.0), 1.0)

    def y(self, value: float) -> float:
        least, most = self.values
        return _HIGH - _EDGE - (_HIGH - 2 * _EDGE) * (value - least) / max(most - least, 1e-12)


def _marks(picture: Mapping[str, Any], channel: Mapping[str, Any], reader: _Reader | None = None) -> str:
    """`reader`: with words at the limits."""
    if "at_us" not in channel:
        return _on_its_scale(channel, _HIGH)
    times: Sequence[int] = channel["at_us"]
    band = list(zip(channel.get("low", []), channel.get("high", []), strict=True))
    values = [v for v in channel["observed"] if v is not None] + [v for pair in band for v in pair if v is not None]
    span = max(max(values) - min(values), 1e-12)  # a limit that is further off would flatten the rest
    limits = [limit for limit in picture["limits"] if min(values) - span <= limit <= max(values) + span]
    on = _Scale((times[0], times[-1]), (min(values + limits), max(values + limits)))
    parts = []
    if "from_us" in picture:
        left, right = on.x(picture["from_us"]), on.x(picture["until_us"])
        parts = [f'<rect class="found" x="{left:.1f}" y="0" height="{_HIGH:.0f}" width="{max(right - left, 2):.1f}"/>']
    there = [(at, *pair) for at, pair in zip(times, band, strict=False) if None not in pair]
    if there:
        corners = [(at, top) for at, _, top in there] + [(at, low) for at, low, _ in reversed(there)]
        parts.append(f'<polygon class="band" points="{_points(on, corners)}"/>')
    parts += [_across(on.y(limit)) for limit in limits]
    if "now_us" in picture:
        now = on.x(picture["now_us"])
        parts.append(f'<line class="now" x1="{now:.1f}" x2="{now:.1f}" y1="0" y2="{_HIGH:.0f}"/>')
    for name, look in (("observed", "observed fine" if len(times) > _FINE else "observed"), ("middle", "middle")):
        line = [(at, value) for at, value in zip(times, channel.get(name, ()), strict=False) if value is not None]
        parts += [f'<polyline class="{look}" points="{_points(on, line)}"/>'] if line else []
    if reader is not None:
        parts.append(_limit_words(picture, channel, reader, on) if limits else _ends(channel["unit"], on))
    return "".join(parts)


def _across(y: float) -> str:
    return f'<line class="limit" x1="{_EDGE}" x2="{_WIDE - _EDGE}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _ends(unit: str, on: _Scale) -> str:
    """From what to what it is drawn, where no limit says how high it is."""
    least, most = on.values
    ends = [(most, _SMALL_PRINT), *([(least, _HIGH - 2)] if least < most else [])]
    return "".join(_text(_EDGE, y, with_unit(value, unit), "word") for value, y in ends)


def _limit_words(picture: Mapping[str, Any], channel: Mapping[str, Any], reader: _Reader, on: _Scale) -> str:
    """Each limit's value, and its name where it has one; of those too close to each other only the first."""
    place, words, last = 0 if reader.language == "ja" else 1, [], _WIDE
    names = picture.get("limit_words") or [("", "")] * len(picture["limits"])
    for limit, name in zip(picture["limits"], names, strict=True):
        y = on.y(limit)
        if 0 <= y <= _HIGH and last - y > _SMALL_PRINT:
            said = f"{name[place]} {with_unit(limit, channel['unit'])}".strip()
            words.append(_text(_EDGE, y - 2 if y > _LINE else y + _SMALL_PRINT, said, "word"))
            last = y
    return "".join(words)


def _times(picture: Mapping[str, Any], times: Sequence[int], reader: _Reader) -> str:
    """When the course begins and ends, and, where it goes on into what is foreseen and there is room, now."""
    tell = day if times[-1] - times[0] > _DAYS_US else moment
    ends = [(times[0], "start"), (times[-1], "end")]
    on = _Scale((times[0], times[-1]), (0.0, 1.0))
    if 0.4 < on.x(picture.get("now_us", times[0])) / _WIDE < 0.6:
        ends.append((picture["now_us"], "middle"))
    return "".join(
        _text(on.x(at), _HIGH + _SMALL_PRINT, tell(reader.language, at, reader.zone, reader.at_us), anchor=anchor)
        for at, anchor in ends
    )


def _wrapped(said: str) -> list[str]:
    """In lines as wide as the drawing: wide letters take a whole em, others about half of one."""
    lines, room = [""], 0.0
    for part in re.findall(r"[!-~]+ ?|.", said):
        wide = sum(_SMALL_PRINT * (1.0 if east_asian_width(letter) in "WFA" else 0.5) for letter in part)
        if room + wide > _WIDE - 2 * _EDGE and lines[-1]:
            lines, room = [*lines, ""], 0.0
        lines[-1], room = lines[-1] + part, room + wide
    return lines


def _text(x: float, y: float, words: str, class_: str = "", anchor: str = "start") -> str:
    look = f' class="{class_}"' if class_ else ""
    side = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{look}{side}>{escape(words)}</text>'


def _points(on: _Scale, corners: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{on.x(at_us):.1f},{on.y(value):.1f}" for at_us, value in corners)


def _paper(high: float) -> str:
    return f'{_STYLE}<rect class="paper" width="{_WIDE:.0f}" height="{high:.0f}"/>'


def _svg(content: str, high: float, name: str) -> str:
    size, label = f'viewBox="0 0 {_WIDE:.0f} {high:.0f}"', escape(name, quote=True)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{label}">{content}</svg>'
