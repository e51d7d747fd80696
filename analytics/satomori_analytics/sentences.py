"""What a finding says to people, in Japanese and English: what, where, since when, how bad. Its advice: what to do."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from satomori_core.clock import to_datetime
from satomori_core.vocabulary import Level

LEVEL_JA = {Level.WATCH: "注意", Level.WARNING: "警戒", Level.DANGER: "危険"}
LEVEL_EN = {Level.WATCH: "watch", Level.WARNING: "warning", Level.DANGER: "danger"}
# UCUM codes as people read them; what is not here reads as it is.
_SHOWN = {
    "Cel": "℃", "[ppm]": "ppm", "[g]": "g", "u{strain}": "µε", "{pF}": "pF", "1": "", "{bool}": "", "{count}": "",
    "m3/h": "m³/h", "W/m2": "W/m²", "g/m3": "g/m³", "deg": "°", "deg/h": "°/h", "dB[mW]": "dBm",
    "m[H2O]": "m", "[pH]": "", "{NTU}": "NTU", "m3/d": "m³/d", "1/d": "/d",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where: an asset and its site, in both languages, and the time zone that its people live in."""

    name: str
    name_en: str
    site: str
    site_en: str
    time_zone: str

    def label_ja(self) -> str:
        return f"{self.name}（{self.site}）" if self.site and self.site != self.name else self.name

    def label_en(self) -> str:
        return f"{self.name_en} ({self.site_en})" if self.site_en and self.site_en != self.name_en else self.name_en


@dataclass(frozen=True, slots=True)
class Span:
    """Since when, until when (None: it goes on), and the time of the newest evidence."""

    since_us: int
    until_us: int | None
    seen_us: int


def amount(value: float, unit: str) -> str:
    """Three significant digits, and the unit as people write it."""
    shown = _SHOWN.get(unit, unit)
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    separator = "" if shown in {"", "℃", "°", "°/h", "%"} else " "
    return f"{text}{separator}{shown}"


def sentences(
    place: Place, level: Level, wrong: tuple[str, str], figures: tuple[str, str], span: Span
) -> tuple[str, str]:
    """(Japanese, English). `wrong` is what is the matter, `figures` how bad; each as (Japanese, English)."""
    zone = ZoneInfo(place.time_zone)
    since, until = _local(span.since_us, zone), _local(span.until_us, zone) if span.until_us is not None else None
    lasted_us = (span.until_us if span.until_us is not None else span.seen_us) - span.since_us
    ja_when = f"{_ja(since)}から"
    en_when = f"since {_en(since)}"
    if until is not None:
        ja_when += f"{_ja(until)}まで（{duration_ja(lasted_us)}）"
        en_when += f" until {_en(until)} ({duration_en(lasted_us)})"
    elif lasted_us >= 60_000_000:
        ja_when += f"{duration_ja(lasted_us)}続いています"
        en_when += f", for {duration_en(lasted_us)}"
    ja = f"【{LEVEL_JA[level]}】{place.label_ja()}: {wrong[0]}。{figures[0]}。{ja_when}。"
    en = f"[{LEVEL_EN[level]}] {place.label_en()}: {wrong[1]}. {figures[1]}, {en_when}."
    return ja, en


def duration_ja(lasted_us: int) -> str:
    return "".join(f"{n}{unit}" for n, unit in _parts(lasted_us, ("日", "時間", "分"))) or "1分未満"


def duration_en(lasted_us: int) -> str:
    return " ".join(f"{n} {unit}" for n, unit in _parts(lasted_us, ("d", "h", "min"))) or "less than 1 min"


def _parts(lasted_us: int, units: tuple[str, str, str]) -> list[tuple[int, str]]:
    """The two largest of days, hours and minutes that are not zero."""
    minutes = max(lasted_us, 0) // 60_000_000
    amounts = (minutes // 1440, minutes // 60 % 24, minutes % 60)
    return [(n, unit) for n, unit in zip(amounts, units, strict=True) if n][:2]


def _local(at_us: int, zone: ZoneInfo) -> datetime:
    return to_datetime(at_us).astimezone(zone)


def _ja(moment: datetime) -> str:
    return f"{moment.month}月{moment.day}日{moment:%H:%M}"


def _en(moment: datetime) -> str:
    return f"{moment:%H:%M} on {moment.day} {moment:%b}"
