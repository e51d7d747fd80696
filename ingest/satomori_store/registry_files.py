"""Reads registry files, TOML or an asset ledger (台帳) as CSV, into rows that know where they stand."""

import csv
import io
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from satomori_core.errors import SettingsError

TABLES = ("organisation", "site", "asset", "group", "gateway", "device", "datastream", "actuator", "share")

# What the heads of asset ledgers say, and how we call it.
HEADS = {
    "id": "id", "施設番号": "id", "施設id": "id", "管理番号": "id", "資産番号": "id", "番号": "id",
    "class": "class", "種別": "class", "施設種別": "class", "資産種別": "class", "区分": "class",
    "name": "name", "名称": "name", "施設名": "name", "施設名称": "name", "資産名": "name",
    "name_en": "name_en", "英語名": "name_en", "英語名称": "name_en", "英名": "name_en",
    "organisation": "organisation", "organization": "organisation", "所有者": "organisation", "管理者": "organisation",
    "所有者名": "organisation", "管理者名": "organisation",
    "municipality": "municipality", "市町村": "municipality", "市町村名": "municipality", "所在市町村": "municipality",
    "自治体": "municipality",
    "site": "site", "拠点": "site", "地区": "site", "拠点名": "site",
    "latitude": "latitude", "緯度": "latitude", "lat": "latitude",
    "longitude": "longitude", "経度": "longitude", "lon": "longitude", "lng": "longitude",
    "built_year": "built_year", "建設年": "built_year", "建設年度": "built_year", "設置年": "built_year",
    "設置年度": "built_year", "竣工年": "built_year", "架設年": "built_year", "架設年度": "built_year",
}  # fmt: skip
CSV_REQUIRED = ("id", "class", "name", "municipality")
_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong in one place of a file, and what to do about it. `row` is the line number."""

    file: str
    row: int
    column: str
    problem: str

    @override
    def __str__(self) -> str:
        column = f", {self.column}" if self.column else ""
        return f"{self.file}, line {self.row}{column}: {self.problem}"


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row as written: `values` by our column names; `extra`: columns of a CSV that are not ours."""

    table: str
    line: int
    values: Mapping[str, object]
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RegistryFile:
    rows: list[FileRow]
    errors: list[RowError]


def read_registry_file(path: Path) -> RegistryFile:
    """By the name's end: `.toml`, or `.csv` / `.tsv`. Raise SettingsError for what can't be read as such at all."""
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise SettingsError(f"{path}: larger than {_BYTES_MAX} bytes; a registry is not; split it")
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{path}: {error.strerror}; name a registry file (.toml) or an asset ledger (.csv)"
        ) from None
    match path.suffix.lower():
        case ".toml":
            return _read_toml(path, content)
        case ".csv" | ".tsv" | ".txt":
            return _read_csv(path, content)
    raise SettingsError(f"{path}: its name should end in .toml (a registry) or .csv (an asset ledger)")


def _read_toml(path: Path, content: bytes) -> RegistryFile:
    try:
        text = content.decode("utf-8-sig")
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None
    result = RegistryFile([], [])
    for table, rows in document.items():
        lines = [
            number
            for number, line in enumerate(text.splitlines(), 1)
            if re.match(rf"\s*\[\[\s*\"?{re.escape(table)}\"?\s*\]\]", line)
        ]
        if table not in TABLES:
            known = ", ".join(TABLES)
            line = lines[0] if lines else _line_of(text, table)
            result.errors.append(RowError(path.name, line, table, f"unknown table; known are {known}"))
        elif not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            line = _line_of(text, table)
            result.errors.append(RowError(path.name, line, table, f"write each row under a head [[{table}]]"))
        else:
            if len(lines) != len(rows):  # an inline array: the table's first line is all we know
                lines = [_line_of(text, table)] * len(rows)
            result.rows.extend(FileRow(table, line, row) for line, row in zip(lines, rows, strict=True))
    return result


def _line_of(text: str, word: str) -> int:
    return next((n for n, line in enumerate(text.splitlines(), 1) if word in line), 1)


def _decode(path: Path, content: bytes) -> str:
    """Excel in Japan saves CSV as Shift_JIS (cp932) or as UTF-8 with a byte order mark."""
    for encoding in ("utf-8-sig", "cp932"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise SettingsError(f"{path}: neither UTF-8 nor Shift_JIS; save it as CSV UTF-8")


def _read_csv(path: Path, content: bytes) -> RegistryFile:
    text = _decode(path, content)
    head_line = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in head_line else ",", strict=True)
    result = RegistryFile([], [])
    try:
        heads = [head.strip() for head in next(reader, [])]
        names = [HEADS.get(head.lower()) for head in heads]
        result.errors.extend(_head_errors(path, heads, names))
        if result.errors:
            return result
        before = reader.line_num
        for cells in reader:
            line, before = before + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(heads):
                problem = f"{len(cells)} cells under {len(heads)} heads; put cells that hold a comma in quotes"
                result.errors.append(RowError(path.name, line, "", problem))
                continue
            named = list(zip(heads, names, cells, strict=False))
            values = {name: cell.strip() for _, name, cell in named if name and cell.strip()}
            extra = {head: cell.strip() for head, name, cell in named if head and not name and cell.strip()}
            result.rows.append(FileRow("asset", line, values, extra))
    except csv.Error as error:
        problem = f"not valid CSV: {error}; check the quotes"
        result.errors.append(RowError(path.name, reader.line_num, "", problem))
    return result


def _head_errors(path: Path, heads: list[str], names: list[str | None]) -> list[RowError]:
    aliases = {name: "/".join(head for head, known in HEADS.items() if known == name) for name in CSV_REQUIRED}
    errors = [
        RowError(path.name, 1, name, f"no such column; its head may be {aliases[name]}")
        for name in CSV_REQUIRED
        if name not in names
    ]
    for name in {name for name in names if name is not None and names.count(name) > 1}:
        twice = " and ".join(head for head, known in zip(heads, names, strict=True) if known == name)
        errors.append(RowError(path.name, 1, name, f"the columns {twice} both mean this; keep one"))
    return errors
