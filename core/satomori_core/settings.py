"""One `satomori.toml`, a table per service. Unknown keys are refused; loading connects to nothing.

A part declares a frozen dataclass with defaults and calls `load_settings`; every error says file, key and what to do.
Secrets never stand in the file: a `Secret` is `{ file = "path" }` or `{ env = "NAME" }`.
"""

import difflib
import functools
import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import cattrs
from cattrs.errors import (
    AttributeValidationNote,
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)

from satomori_core.errors import SettingsError

# Tables that the parts define. One file serves them all, so each part must let the others' tables pass.
TABLES = (
    "broker", "store", "edge", "ingest", "analytics", "maintenance", "api", "console", "grafana", "up", "log",
)  # fmt: skip

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret lies. `reveal()` reads it; exactly one of the two is set."""

    file: Path | None = None
    env: str | None = None

    def __post_init__(self) -> None:
        if (self.file is None) == (self.env is None):
            raise ValueError('a secret is either { file = "path" } or { env = "NAME" }')

    def reveal(self) -> str:
        if self.env is not None:
            value = os.environ.get(self.env)
            if value is None:
                raise SettingsError(f"the environment variable {self.env} is not set; a secret is expected there")
            return value
        if self.file is None:
            raise AssertionError
        try:
            return self.file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"secret file {self.file}: {error.strerror}; create it, readable by us only") from None


def read_toml(path: Path) -> dict[str, Any]:
    """The file's tables. Raise SettingsError for a file that is missing or not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; name a settings file with --config") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None


def load_settings(path: Path | None, table: str, cls: type[T]) -> T:
    """The table `table` of `path` as a `cls`; its defaults where the file or the table is not there."""
    document = read_toml(path) if path is not None else {}
    for name in document:
        if name not in TABLES:
            raise SettingsError(f"{path}: unknown table [{name}]{suggest(name, TABLES)}")
    return structure(document.get(table, {}), cls, where=f"{path}: [{table}]")


def structure(document: object, cls: type[T], *, where: str) -> T:
    """`document` as a `cls`; every fault of it is in one SettingsError, a line each, led by `where`."""
    value, mistakes = try_structure(document, cls)
    if value is None:
        raise SettingsError("\n".join(f"{' '.join(filter(None, (where, key)))}: {text}" for key, text in mistakes))
    return value


def try_structure(document: object, cls: type[T]) -> tuple[T | None, list[tuple[str, str]]]:
    """`document` as a `cls`, or None and all its mistakes: the keys that lead to it, and what is wrong there."""
    if not isinstance(document, dict):
        return None, [("", f"a table is expected, not {document!r}")]
    try:
        return _converter().structure(document, cls), []
    except (ClassValidationError, IterableValidationError) as error:
        return None, [(place.strip(), text) for place, text in _explain(error, "", cls)]


@functools.cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    for kind, words in ((str, "text"), (bool, "true or false")):
        converter.register_structure_hook(kind, _strict(kind, words))
    converter.register_structure_hook(int, _strict(int, "a whole number"))
    converter.register_structure_hook(float, _to_float)
    converter.register_structure_hook(Path, lambda value, _: Path(_strict(str, "a path")(value, str)))
    return converter


def _strict(kind: type, words: str) -> Any:  # noqa: ANN401 - cattrs takes any callable
    def hook(value: object, _: type) -> object:
        if type(value) is not kind:
            raise TypeError(f"{value!r} is not {words}")
        return value

    return hook


def _to_float(value: object, _: type) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _explain(error: BaseException, where: str, cls: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - any settings class
    """Of each fault the way of keys that leads to it, and what it is."""
    if isinstance(error, ForbiddenExtraKeysError):
        known = [f.name for f in fields(error.cl)]
        return [(where, f"unknown key {key!r}{suggest(key, known)}") for key in sorted(error.extra_fields)]
    if isinstance(error, ClassValidationError | IterableValidationError):
        lines: list[tuple[str, str]] = []
        for inner in error.exceptions:
            place, hint = where, cls
            for note in getattr(inner, "__notes__", ()):
                if isinstance(note, AttributeValidationNote):
                    place, hint = f"{where} {note.name}", note.type
                elif isinstance(note, IterableValidationNote):
                    place, hint = f"{where}[{note.index!r}]", note.type
            lines += _explain(inner, place, hint)
        return lines
    if isinstance(error, KeyError):
        return [(where, f"the key {error.args[0]!r} is missing")]
    return [(where, str(error))]


def suggest(name: str, known: Iterable[str]) -> str:
    """The nearest known name, else a dozen of them, as the end of a sentence."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known are {', '.join(known[:12])}{' …' if len(known) > 12 else ''}"
