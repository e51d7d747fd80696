"""A recording (CSV) and the map that says what its columns are. Pure but for reading the two files.

Every value is kept as the double nearest to what the file says; times are whole µs.
"""

import csv
import itertools
import math
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from satomori_sample.toml_text import table, tables

VALUES_MAX = 20_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Column:
    """`name` is the CSV's heading; `unit` what the numbers in it are in."""

    name: str
    device: str
    metric: str
    unit: str


@dataclass(frozen=True, slots=True)
class Map:
    """`time_format`: iso, unix_s, unix_ms or a strptime pattern. `registry`: the rows that say whose asset it is."""

    gateway: str
    columns: tuple[Column, ...]
    time_column: str
    time_format: str
    time_zone: str
    delimiter: str
    encoding: str
    registry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recording:
    """A row for each time, in the file's order; NaN where a cell says nothing. `empty` counts those."""

    at_us: list[int]
    rows: list[list[float]]
    empty: int

    def shifted(self, by_us: int) -> "Recording":
        return Recording([at + by_us for at in self.at_us], self.rows, self.empty)


def load_map(name: str) -> Map:
    """A file, or the name of a map that comes with the program. Raise click.UsageError."""
    path = Path(name)
    try:
        if path.exists():
            text = path.read_text(encoding="utf-8")
        else:
            text = files(__package__).joinpath("maps", f"{name}.toml").read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except FileNotFoundError:
        known = sorted(p.name.removesuffix(".toml") for p in files(__package__).joinpath("maps").iterdir())
        raise click.UsageError(f"map {name!r}: no such file, and no shipped map; shipped: {', '.join(known)}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise click.UsageError(f"map {name}: {error}") from None
    try:
        time = document["time"]
        chosen = Map(
            document["gateway"],
            tuple(Column(**row) for row in document["column"]),
            time["column"],
            time.get("format", "iso"),
            time.get("zone", "UTC"),
            document.get("delimiter", ","),
            document.get("encoding", "utf-8-sig"),
            document.get("registry", {}),
        )
        ZoneInfo(chosen.time_zone)
    except KeyError as error:
        raise click.UsageError(f"map {name}: {error} is missing") from None
    except (TypeError, ValueError, AttributeError, ZoneInfoNotFoundError) as error:
        raise click.UsageError(f"map {name}: {error}") from None
    if not chosen.columns:
        raise click.UsageError(f"map {name}: without a [[column]] nothing would be sent")
    return chosen


def read_recording(path: Path, chosen: Map) -> Recording:
    """Raise click.UsageError naming the line that is wrong."""
    at_us: list[int] = []
    rows: list[list[float]] = []
    empty = 0
    taken: set[int] = set()
    to_us = _time_parser(chosen)
    for number, cells in _cells(path, chosen):
        where = f"{path}, line {number}"
        try:
            at = to_us(cells[0])
            row = [_number(cell) for cell in cells[1:]]
        except (ValueError, OverflowError) as error:
            raise click.UsageError(f"{where}: {error}") from None
        while at in taken:  # as an outbox does: one reading, one time
            at += 1
        taken.add(at)
        at_us.append(at)
        rows.append(row)
        empty += sum(1 for value in row if math.isnan(value))
        if len(rows) * len(row) > VALUES_MAX:
            raise click.UsageError(f"{where}: more than {VALUES_MAX} values; split the recording")
    if not rows:
        raise click.UsageError(f"{path}: no rows")
    return Recording(at_us, rows, empty)


def _cells(path: Path, chosen: Map) -> Iterator[tuple[int, list[str]]]:
    """Line number and the cells that the map names, time first."""
    wanted = [chosen.time_column, *(column.name for column in chosen.columns)]
    try:
        with path.open(encoding=chosen.encoding, newline="") as file:
            reader = csv.reader(file, delimiter=chosen.delimiter)
            heading = [name.strip() for name in next(reader, [])]
            missing = [name for name in wanted if name not in heading]
            if missing:
                found = ", ".join(heading) or "nothing"
                raise click.UsageError(f"{path}: no column {', '.join(map(repr, missing))}; the heading has: {found}")
            places = [heading.index(name) for name in wanted]
            for cells in reader:
                if not cells:
                    continue
                if len(cells) <= max(places):
                    raise click.UsageError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells instead of {len(heading)}"
                    )
                yield reader.line_num, [cells[place] for place in places]
    except (OSError, UnicodeError, csv.Error, LookupError) as error:
        raise click.UsageError(f"{path}: {error}") from None


def _number(cell: str) -> float:
    """NaN for an empty cell and for what is no measurement. Raise ValueError for text."""
    if not cell.strip():
        return math.nan
    value = float(cell)
    return value if math.isfinite(value) else math.nan


def _time_parser(chosen: Map) -> Callable[[str], int]:
    """Raise ValueError for what is no time. Without a zone of its own a time is in the map's."""
    zone = ZoneInfo(chosen.time_zone)

    def from_datetime(at: datetime) -> int:
        at = at.replace(tzinfo=zone) if at.tzinfo is None else at
        return (at - _EPOCH) // timedelta(microseconds=1)

    match chosen.time_format:
        case "iso":
            return lambda cell: from_datetime(datetime.fromisoformat(cell.strip()))
        case "unix_s":
            return lambda cell: round(float(cell) * 1e6)
        case "unix_ms":
            return lambda cell: round(float(cell) * 1e3)
        case pattern:
            # The zone is put on by from_datetime where the pattern has none.
            return lambda cell: from_datetime(datetime.strptime(cell.strip(), pattern))  # noqa: DTZ007 - as said above


def registry_fragment(chosen: Map, interval_s: int) -> str:
    """What `satomori registry import` needs to know the recording's datastreams. Raise click.UsageError."""
    given = chosen.registry
    asset = given.get("asset", {}).get("id")
    if asset is None:
        raise click.UsageError("the map has no [registry.asset]; without it nobody knows what was measured")
    parts = [
        table(f"[[{name}]]", given[name]) for name in ("organisation", "municipality", "site", "asset") if name in given
    ]
    parts = [part.replace("[[municipality]]", "[[organisation]]", 1) for part in parts]
    parts.append(table("[[gateway]]", {"id": chosen.gateway, "kind": "direct", **given.get("gateway", {})}))
    devices = dict.fromkeys(column.device for column in chosen.columns)
    name = given["asset"].get("name", asset)
    parts.append(
        tables(
            "[[device]]",
            [{"id": d, "gateway": chosen.gateway, "name": name, **given.get("device", {})} for d in devices],
        )
    )
    parts.append(
        tables(
            "[[datastream]]",
            [
                {"asset": asset, "device": c.device, "metric": c.metric, "unit": c.unit, "interval_s": interval_s}
                for c in chosen.columns
            ],
        )
    )
    return "# Written from a replay map: whose datastreams the recording's columns are.\n\n" + "\n".join(parts)


def usual_interval_s(at_us: Sequence[int]) -> int:
    """The median step, at least 1 s."""
    steps = sorted(b - a for a, b in itertools.pairwise(at_us))
    return max(round(steps[len(steps) // 2] / 1e6), 1) if steps else 1
