"""What is typed for an indicator: JSON, a file of it, or a CSV table whose columns are named as its inputs."""

import csv
import inspect
import json
from collections.abc import Sequence
from pathlib import Path

from numpy.typing import ArrayLike

from satomori_analytics.indicators.base import Indicator
from satomori_core.errors import SettingsError


def read_document(indicator: Indicator, text: str, where: str = "--input") -> object:
    """JSON inputs from text, or from the file of that name. Raise SettingsError that says where and what."""
    if where == "--input" and not text.lstrip().startswith(("{", "[")):
        where = text
        try:
            text = Path(where).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            told = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise SettingsError(f"{where}: {told}; --input is JSON, or a file of JSON (.json) or CSV (.csv)") from None
        if where.lower().endswith(".csv"):
            return _table(indicator, where, text.splitlines())
    try:
        document: object = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"{where}: not JSON: {error}") from None
    return document


def _table(indicator: Indicator, where: str, lines: Sequence[str]) -> dict[str, object]:
    """Each column that is named as an input; an empty cell is missing. Other columns are not read."""
    head, *rows = [row for row in csv.reader(lines) if row] or [[]]
    names = [name.strip().lower() for name in head]
    known = [name for name in names if name in indicator.inputs]
    if not known or not rows:
        told = ", ".join(indicator.inputs)
        raise SettingsError(f"{where}: a header line with some of {told}, and a row for each value, are expected")
    cells = {name: [row[names.index(name)] if names.index(name) < len(row) else "" for row in rows] for name in known}
    return {name: _argument(indicator, where, name, texts) for name, texts in cells.items()}


def _argument(indicator: Indicator, where: str, name: str, cells: list[str]) -> object:
    """A list where the input may be one; else the one value that stands in all rows."""
    kind = inspect.signature(indicator.function).parameters[name].annotation
    if kind == list[str]:
        return cells
    values: list[object] = [cell if kind is str else _value(cell) for cell in cells]
    if kind in {ArrayLike, ArrayLike | None}:
        return values
    if any(value != values[0] for value in values):
        raise SettingsError(f"{where}: {name} is one value for the whole table; it differs from row to row")
    return values[0]


def _value(cell: str) -> object:
    """A number, true or false as JSON has them; None where nothing is written; else the text, to be refused as such."""
    try:
        return json.loads(cell) if cell.strip() else None
    except ValueError:
        return cell
