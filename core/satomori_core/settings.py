"""One `satomori.toml`, a table per service. Unknown keys are refused; loading connects to nothing.

A part declares a frozen dataclass with defaults and calls `load_settings`; every error says file, key and what to do.
Secrets never stand in the file: a `Secret` is `{ file = "path" }` or `{ env = "NAME" }`.
"""

import difflib
import functools
import os
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

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
    text = ""
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a byte order mark
        return tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; name a settings file with --config") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        line = text.splitlines()[int(place[1]) - 1].strip() if place else ""
        raise SettingsError(f"{path}: not valid TOML: {error}{line and ': '}{line[:80]}") from None


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
    converter.register_structure_hook_func(_is_word, _to_word)
    _expect(converter, lambda kind: get_origin(kind) in {list, tuple}, (list, tuple), "a list")
    _expect(converter, lambda kind: get_origin(kind) is dict or is_dataclass(kind), (dict,), "a table")
    return converter


def _is_word(kind: Any) -> bool:  # noqa: ANN401 - any type
    origin: object = get_origin(kind)
    return origin is Literal


def _to_word(value: object, kind: Any) -> object:  # noqa: ANN401 - a Literal
    words = get_args(kind)
    if not any(type(value) is type(word) and value == word for word in words):  # True is no 1
        raise ValueError(f"{value!r} is none of {', '.join(map(str, words))}")
    return value


def _expect(converter: cattrs.Converter, is_such: Callable[[Any], bool], given: tuple[type, ...], words: str) -> None:
    """Types that `is_such` are made of those that are given alone: a text is no list of its letters."""
    asking: list[Any] = []

    def make(kind: Any) -> Callable[[Any, Any], Any]:  # noqa: ANN401 - any type
        asking.append(kind)
        inner = converter.get_structure_hook(kind, cache_result=False)
        asking.remove(kind)

        def hook(value: object, _: object) -> object:
            if not isinstance(value, given):
                raise TypeError(f"{words} is expected, not {value!r}")
            return inner(value, kind)

        return hook

    converter.register_structure_hook_factory(lambda kind: kind not in asking and is_such(kind), make)


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
