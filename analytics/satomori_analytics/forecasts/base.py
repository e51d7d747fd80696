"""What a forecast is, and what all of them stand on: an asset's past hours, the sun, a band, a level. Pure.

A forecast is made at a time from whole hours that had ended by then (`Hours.until`), so what comes later never changes
it. Its band is the central 80 % of equally likely outcomes, most of which are the place's own past errors.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from statistics import NormalDist
from typing import Any, Literal, Self, get_args
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from satomori_analytics.indicators.base import Floats
from satomori_analytics.indicators.evapotranspiration import daylight_hours, seasonal_correction
from satomori_analytics.playbook import FORECASTS, LEVELS, Call, Outlook
from satomori_core.clock import DAY_US, HOUR_US, to_datetime
from satomori_core.errors import SatomoriError
from satomori_core.vocabulary import Level

Times = NDArray[np.int64]
Kind = Literal["frost", "irrigation", "blast", "heat", "heading", "harvest"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Status = Literal["made", "missing", "off"]
BAND = (0.1, 0.9)
_EPOCH_DAY = date(1970, 1, 1).toordinal()

NAMES: Mapping[str, tuple[str, str]] = {
    "frost": ("今夜の冷え込み", "Tonight's minimum"),
    "irrigation": ("次のかん水", "Next irrigation"),
    "blast": ("葉いもちの感染", "Leaf blast"),
    "heat": ("明日の暑さ", "Tomorrow's heat"),
    "heading": ("出穂", "Heading"),
    "harvest": ("収穫適期", "Harvest"),
}
# What a sensor or an attribute is called where it is missing.
WORDS: Mapping[str, str] = {
    "air_temperature": "気温", "relative_humidity": "湿度", "rain": "雨量", "leaf_wetness": "葉面の濡れ",
    "soil_moisture": "土壌水分",
}  # fmt: skip


class MissingError(SatomoriError):
    """A forecast can't be made: what it needs, in both languages. `off`: it is not the time for it, and all is well."""

    def __init__(self, ja: str, en: str, *, off: bool = False) -> None:
        super().__init__(en)
        self.ja, self.en, self.off = ja, en, off


@dataclass(frozen=True, slots=True)
class Spot:
    """An asset as its forecasts need it. Latitude north and longitude east in degrees."""

    id: str
    class_: str
    site: str
    latitude: float
    longitude: float
    time_zone: str
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def number(self, name: str, low: float, high: float) -> float:
        """An attribute that has to be a number from low to high. Raise MissingError that says so."""
        found = self.optional(name)
        if found is None:
            raise MissingError(f"台帳の属性 {name} が必要です", f"needs the attribute {name} in the registry")
        if not low <= found <= high:
            raise MissingError(
                f"台帳の属性 {name} = {found:g} は {low:g}〜{high:g} の外です",
                f"the attribute {name} = {found:g} is outside of {low:g} to {high:g}",
            )
        return found

    def optional(self, name: str) -> float | None:
        """An attribute as a number; None where it is not there. Raise MissingError for what is no number."""
        value = self.attributes.get(name)
        if value is None or value == "":
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise MissingError(f"台帳の属性 {name} が数値ではありません", f"the attribute {name} is no number")
        return number

    def day(self, name: str, before: int) -> int | None:
        """An attribute YYYY-MM-DD, or MM-DD of each year: the last such day at or before the day `before`."""
        text = str(self.attributes.get(name) or "").strip()
        if not text:
            return None
        try:
            if len(text) > 5:
                return date.fromisoformat(text).toordinal() - _EPOCH_DAY
            year = date_of(before).year
            days = [date.fromisoformat(f"{y}-{text}").toordinal() - _EPOCH_DAY for y in (year - 1, year)]
        except ValueError:
            raise MissingError(
                f"台帳の属性 {name} は 2026-05-20 か 05-20 の形で書いてください",
                f"the attribute {name} has to be like 2026-05-20 or 05-20",
            ) from None
        return max(day for day in days if day <= before)


@dataclass(frozen=True, slots=True)
class Hours:
    """Whole hours of an asset: means by metric, sums of `rain`, minima as `<metric>_low`; NaN where nothing is known.

    Columns are of one length; the first hour begins at `start_us`. A metric that is not measured has no column.
    """

    start_us: int
    columns: Mapping[str, Floats]

    @property
    def count(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    @property
    def end_us(self) -> int:
        return self.start_us + self.count * HOUR_US

    def until(self, now_us: int) -> Self:
        """Only hours that had ended by then."""
        keep = max(min((now_us - self.start_us) // HOUR_US, self.count), 0)
        return type(self)(self.start_us, {name: values[:keep] for name, values in self.columns.items()})

    def measured(self, metric: Floats, count: int) -> tuple[Times, Floats]:
        """(middles of the hours, values) of what is known of a column's last `count` hours."""
        first = max(len(metric) - count, 0)
        known = first + np.flatnonzero(np.isfinite(metric[first:]))
        return self.start_us + known * HOUR_US + HOUR_US // 2, metric[known]

    def need(self, *metrics: str) -> list[Floats]:
        """Their columns. Raise MissingError for sensors that are not there, or silent for all of the time."""
        absent = [m for m in metrics if m not in self.columns or not np.isfinite(self.columns[m]).any()]
        if absent:
            ja = "・".join(WORDS.get(metric, metric) for metric in absent)
            raise MissingError(f"{ja}のセンサーが必要です", f"needs a sensor of {' and '.join(absent)}")
        return [self.columns[metric] for metric in metrics]

    def place(self, at_us: int) -> int:
        """Which hour it is in; may be outside."""
        return (at_us - self.start_us) // HOUR_US


@dataclass(frozen=True, slots=True)
class Course:
    """What is foretold in its time, to be drawn: called `ja` and `en`; times are µs, none of the values is missing.

    `seen`: what was measured at `seen_us`. `ways`: equally likely ones in which it may go on, a row each, its columns
    at `ahead_us`. `limits`: what it goes towards, with (Japanese, English); None: the levels' limits.
    """

    ja: str
    en: str
    unit: str
    seen_us: Times
    seen: Floats
    ahead_us: Times
    ways: Floats
    limits: Mapping[float, tuple[str, str]] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a module says: equally likely `values` for a time, the sentence about them, and what it stood on."""

    for_from_us: int
    for_until_us: int
    values: Floats
    unit: str
    text_ja: str
    text_en: str
    inputs: Mapping[str, Any]
    value: float
    low: float
    high: float
    course: Course | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """`low` to `high`: the central 80 %. `chances`: of the limit of each level, with which `level` was chosen.

    `picture`: as `drawing` makes it, small enough to be kept.

    Without `status` "made" there is no value, and the texts say why.
    """

    kind: Kind
    asset: str
    made_us: int
    for_from_us: int
    for_until_us: int
    value: float | None
    low: float | None
    high: float | None
    unit: str
    chances: Mapping[str, float]
    level: Level
    status: Status
    text_ja: str
    text_en: str
    advice_ja: str
    advice_en: str
    inputs: Mapping[str, Any]
    source: str
    picture: Mapping[str, Any] | None = None


def band_of(values: Floats) -> tuple[float, float, float]:
    """Median and the ends of the central 80 %, by the positions that keep their promise for few values (Weibull's)."""
    low, middle, high = np.quantile(values, (BAND[0], 0.5, BAND[1]), method="weibull").tolist()
    return middle, low, high


def spread(count: int) -> Floats:
    """So many equally likely values of a standard normal distribution."""
    normal = NormalDist()
    return np.array([normal.inv_cdf((i + 0.5) / count) for i in range(count)])


def settled(kind: Kind, spot: Spot, outlook: Outlook, outcome: Outcome, now_us: int) -> Forecast:
    """With its level: the worst whose limit is reached with the chance that the playbook asks for."""
    level, advice, chances = Level.GOOD, ("", ""), dict[str, float]()
    chance_ja = chance_en = ""
    for name, call in (("watch", outlook.watch), ("warning", outlook.warning)):
        if call is None:
            continue
        limit = limit_of(call, spot)
        hit = outcome.values <= limit if FORECASTS[kind] == "low" else outcome.values >= limit
        chances[name] = round(float(hit.mean()), 3)
        if chances[name] >= call.chance and in_season(outlook, spot, outcome.for_from_us):
            level, advice = LEVELS[name], (call.advice_ja, call.advice_en)
            chance_ja, chance_en = _chance_words(kind, limit, chances[name])
    return Forecast(
        kind, spot.id, now_us, outcome.for_from_us, outcome.for_until_us,
        outcome.value, outcome.low, outcome.high, outcome.unit, chances, level, "made",
        outcome.text_ja + chance_ja, outcome.text_en + chance_en, *advice, outcome.inputs, outlook.source,
    )  # fmt: skip


def _chance_words(kind: Kind, limit: float, chance: float) -> tuple[str, str]:
    share = percent(chance)
    if kind == "blast":  # its value is the chance
        return "", ""
    if kind == "frost":
        return f"。{limit:g}℃以下になる確率は{share}％です", f"; chance of {limit:g} °C or less: {share} %"
    if kind == "heat":
        return f"。{limit:g}以上になる確率は{share}％です", f"; chance of {limit:g} or more: {share} %"
    return f"。{limit:g}日以内である確率は{share}％です", f"; chance of within {limit:g} days: {share} %"


def limit_of(call: Call, spot: Spot) -> float:
    own = spot.optional(call.attribute) if call.attribute else None
    return call.limit if own is None else own


def in_season(outlook: Outlook, spot: Spot, at_us: int) -> bool:
    return not outlook.months or date_of((at_us + offset_of(spot, at_us)) // DAY_US).month in outlook.months


def unmade(kind: Kind, spot: Spot, outlook: Outlook, why: MissingError, now_us: int) -> Forecast:
    return Forecast(
        kind, spot.id, now_us, now_us, now_us + DAY_US, None, None, None, "", {}, Level.GOOD,
        "off" if why.off else "missing", why.ja, why.en, "", "", {}, outlook.source,
    )  # fmt: skip


# ------------------------------------------------------------------ days and the sun


def offset_of(spot: Spot, at_us: int) -> int:
    """Of the spot's clock from UTC, µs. Days are counted with the offset of now: summer time shifts past ones."""
    delta = to_datetime(at_us).astimezone(ZoneInfo(spot.time_zone)).utcoffset()
    return 0 if delta is None else round(delta.total_seconds()) * 1_000_000


def date_of(day: int) -> date:
    """Of a day since 1970-01-01."""
    return date.fromordinal(day + _EPOCH_DAY)


def day_of_year(day: int) -> int:
    return date_of(day).timetuple().tm_yday


def by_day(hours: Hours, metric: str, offset_us: int) -> tuple[int, Floats]:
    """The first local day, and a row of 24 hours for it and each that follows; NaN outside of what is known."""
    first = (hours.start_us + offset_us) // DAY_US
    before = (hours.start_us + offset_us - first * DAY_US) // HOUR_US
    days = math.ceil((before + hours.count) / 24)
    grid = np.full(days * 24, np.nan)
    grid[before : before + hours.count] = hours.columns[metric]
    return first, grid.reshape(days, 24)


def sun(spot: Spot, day: int) -> tuple[int, int]:
    """Sunrise and sunset of a local day, µs; FAO-56 eq. 25 to 34, right to some minutes."""
    doy = day_of_year(day)
    noon_h = 12 - spot.longitude / 15 - float(seasonal_correction(doy))
    half_h = float(daylight_hours(spot.latitude, doy)) / 2
    start = day * DAY_US
    return start + round((noon_h - half_h) * HOUR_US), start + round((noon_h + half_h) * HOUR_US)


def local(spot: Spot, at_us: int) -> datetime:
    return to_datetime(at_us).astimezone(ZoneInfo(spot.time_zone))


def percent(share: float) -> str:
    return f"{share * 100:.0f}"
