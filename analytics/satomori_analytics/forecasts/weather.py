"""A weather forecast file, CSV or JSON, checked: what is wrong with it is told with its line and column.

CSV: a header line, then a row for each place and time. JSON: an array of such rows, or an object of `issued_at` and
`rows`. Columns (units), of which `issued_at`, `time`, and either `site` or both `latitude` and `longitude` are needed:

    issued_at           when the forecast was made, RFC 3339
    time                beginning of the time that the row tells of, RFC 3339; at most 3 hours from row to row
    site                id of a site in the registry
    latitude, longitude degrees; serves all assets within 25 km, the nearest place first
    air_temperature     °C
    relative_humidity   %
    precipitation       mm until the next row
    wind_speed          m/s
    solar_radiation     W/m2
    cloud_cover         %, kept for readers; no forecast uses it

Times without a zone are UTC. Rows may reach into the past: what is measured is compared with them.
"""

import csv
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import numpy as np

from satomori_analytics.forecasts.base import Spot
from satomori_analytics.indicators.base import Floats
from satomori_analytics.triage.shaking import EARTH_KM
from satomori_core.clock import HOUR_US, from_iso, to_iso
from satomori_core.errors import SettingsError
from satomori_core.settings import suggest

RANGES: Mapping[str, tuple[float, float]] = {
    "air_temperature": (-60, 60),
    "relative_humidity": (0, 100),
    "precipitation": (0, 500),
    "wind_speed": (0, 110),
    "solar_radiation": (0, 1500),
    "cloud_cover": (0, 100),
}
_PLACE = ("site", "latitude", "longitude")
COLUMNS = ("issued_at", "time", *_PLACE, *RANGES)
STEP_MAX_US = 3 * HOUR_US
NEAR_KM = 25.0
ROWS_MAX = 200_000
FAULTS_MAX = 20


@dataclass(frozen=True, slots=True)
class Weather:
    """What a file tells of one place, hour by hour from `start_us` on; NaN where it says nothing."""

    start_us: int
    columns: Mapping[str, Floats]

    def over(self, from_us: int, until_us: int) -> dict[str, Floats]:
        """The whole hours from…until."""
        first, count = (from_us - self.start_us) // HOUR_US, max((until_us - from_us) // HOUR_US, 0)
        places = first + np.arange(count)
        found = {}
        for name, values in self.columns.items():
            inside = (places >= 0) & (places < len(values))
            found[name] = np.where(inside, values[np.clip(places, 0, len(values) - 1)], np.nan)
        return found

    def minimum(self, from_us: int, until_us: int) -> float | None:
        """Of the temperature; None where more than a tenth of the time is not told of."""
        t = self.over(from_us, until_us)["air_temperature"]
        return float(np.nanmin(t)) if len(t) and np.isfinite(t).mean() >= 0.9 else None


@dataclass(frozen=True, slots=True)
class WeatherFile:
    """`places`: (site or "", latitude, longitude) → the weather there."""

    issued_us: int
    places: Mapping[tuple[str, float, float], Weather] = field(default_factory=dict)

    def at(self, spot: Spot) -> Weather | None:
        """That of its site, else of the nearest place; None where none is near."""
        named = [weather for (site, _, _), weather in self.places.items() if site == spot.site]
        if named:
            return named[0]
        near = {
            _km(spot, latitude, longitude): weather
            for (site, latitude, longitude), weather in self.places.items()
            if not site
        }
        return near[min(near)] if near and min(near) <= NEAR_KM else None


def stale_reason(file: WeatherFile, now_us: int, stale_after_s: float) -> str:
    """Why it is not to be used at that time, or the empty text."""
    if file.issued_us > now_us:
        return f"issued at {to_iso(file.issued_us)}, which is still to come: look at its clock and zone"
    if now_us - file.issued_us > stale_after_s * 1_000_000:
        return f"issued at {to_iso(file.issued_us)}, more than {stale_after_s / 3600:g} h ago: fetch a newer one"
    return ""


def load_weather(path: Path) -> WeatherFile:
    """Raise SettingsError that tells all faults of the file (the first 20)."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; weather_file names a weather forecast file") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    rows = _json_rows(path, text) if path.suffix.lower() == ".json" else _csv_rows(path, text)
    return _Reading(path).read(rows)


Row = tuple[str, Mapping[str, object]]  # where it stands, and its columns


def _csv_rows(path: Path, text: str) -> list[Row]:
    reader = csv.DictReader(StringIO(text), strict=True)
    try:
        _known(path, "line 1", reader.fieldnames or ())
        rows: list[Row] = []
        for row in reader:
            if None in row:
                raise SettingsError(f"{path}: line {reader.line_num}: more columns than the header line has")
            rows.append((f"line {reader.line_num}", {key: value for key, value in row.items() if value}))
    except csv.Error as error:
        raise SettingsError(f"{path}: line {reader.line_num}: not CSV: {error}") from None
    return rows


def _json_rows(path: Path, text: str) -> list[Row]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"{path}: not JSON: {error}") from None
    common: dict[str, object] = {}
    if isinstance(document, dict):
        if set(document) - {"issued_at", "rows"}:
            raise SettingsError(f"{path}: expected the keys issued_at and rows, not {', '.join(sorted(document))}")
        common = {"issued_at": document.get("issued_at")}
        document = document.get("rows")
    if not isinstance(document, list) or not all(isinstance(row, dict) for row in document):
        raise SettingsError(f"{path}: expected an array of rows, or an object of issued_at and rows")
    rows: list[Row] = []
    for number, row in enumerate(document, 1):
        _known(path, f"row {number}", row)
        rows.append((f"row {number}", {key: v for key, v in {**common, **row}.items() if v is not None}))
    return rows


def _known(path: Path, where: str, names: Iterable[str]) -> None:
    for name in names:
        if name not in COLUMNS:
            raise SettingsError(f"{path}: {where}: unknown column {name!r}{suggest(name, COLUMNS)}")


class _Reading:
    """Gathers faults, so that all are told in one go."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: list[str] = []

    def read(self, rows: list[Row]) -> WeatherFile:
        if not rows or len(rows) > ROWS_MAX:
            raise SettingsError(f"{self.path}: {len(rows)} rows; expected 1 to {ROWS_MAX}")
        issued, places = set[int](), dict[tuple[str, float, float], dict[int, tuple[str, Mapping[str, float]]]]()
        for where, row in rows:
            at_us, issued_us = self._time(where, row, "time"), self._time(where, row, "issued_at")
            place, values = self._place(where, row), self._values(where, row)
            if at_us is None or issued_us is None or place is None:
                continue
            issued.add(issued_us)
            series = places.setdefault(place, {})
            if at_us in series:
                self.faults.append(f"{where}: {to_iso(at_us)} is told of a second time for the same place")
            series[at_us] = (where, values)
        found = {place: self._hourly(series) for place, series in places.items()}
        if self.faults:
            more = len(self.faults) - FAULTS_MAX
            told = [*self.faults[:FAULTS_MAX], *([f"and {more} more"] if more > 0 else [])]
            raise SettingsError("\n".join(f"{self.path}: {fault}" for fault in told))
        return WeatherFile(max(issued), found)

    def _time(self, where: str, row: Mapping[str, object], name: str) -> int | None:
        try:
            return from_iso(str(row[name]).strip())
        except KeyError:
            self.faults.append(f"{where}: {name} is missing")
        except ValueError:
            self.faults.append(f"{where}: {name} {row[name]!r} is no time; write 2026-04-10T18:00+09:00")
        return None

    def _place(self, where: str, row: Mapping[str, object]) -> tuple[str, float, float] | None:
        site = str(row.get("site", "")).strip()
        latitude = self._number(where, row, "latitude", -90, 90)
        longitude = self._number(where, row, "longitude", -180, 180)
        if site:
            return site, 0.0, 0.0
        if latitude is None or longitude is None:
            self.faults.append(f"{where}: neither a site nor latitude and longitude")
            return None
        return "", latitude, longitude

    def _values(self, where: str, row: Mapping[str, object]) -> Mapping[str, float]:
        found = {name: self._number(where, row, name, *ends) for name, ends in RANGES.items()}
        return {name: value for name, value in found.items() if value is not None}

    def _number(self, where: str, row: Mapping[str, object], name: str, low: float, high: float) -> float | None:
        if name not in row:
            return None
        value = row[name]
        try:
            number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            number = math.nan
        if not low <= number <= high:
            self.faults.append(f"{where}: {name} {value!r} is no number from {low:g} to {high:g}")
            return None
        return number

    def _hourly(self, series: Mapping[int, tuple[str, Mapping[str, float]]]) -> Weather:
        """On whole hours: between rows straight lines, and rain evenly; the last row holds for an hour."""
        times = np.array(sorted(series), dtype=np.int64)
        for before, after in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
            if after - before > STEP_MAX_US:
                self.faults.append(
                    f"{series[after][0]}: {(after - before) / HOUR_US:g} h after the row before; 3 at most"
                )
        start, count = int(times[0] // HOUR_US), int((times[-1] - times[0]) // HOUR_US) + 1
        hours_us = (start + np.arange(min(count, ROWS_MAX))) * HOUR_US
        columns = {}
        for name in RANGES:
            values = np.array([series[at][1].get(name, np.nan) for at in times.tolist()])
            if name == "precipitation":
                steps = np.append(np.diff(times), HOUR_US) / HOUR_US
                last = np.clip(np.searchsorted(times, hours_us, side="right") - 1, 0, None)
                columns[name] = (values / np.maximum(steps, 1))[last]
            else:
                columns[name] = np.interp(hours_us, times, values)
        return Weather(int(hours_us[0]), columns)


def _km(spot: Spot, latitude: float, longitude: float) -> float:
    """Over ground, by the haversine formula."""
    a, b = math.radians(spot.latitude), math.radians(latitude)
    across = math.sin(math.radians(longitude - spot.longitude) / 2) ** 2
    return 2 * EARTH_KM * math.asin(math.sqrt(math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * across))
