"""`satomori detect`: a CSV recording in, a row of score and alarm out for each of its rows, strictly causal.

Which column is what is told by the header and the first row alone: so no row's score hangs on a later one.
"""

import csv
import io
import itertools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import numpy as np

from satomori_analytics import detectors
from satomori_analytics.detectors.base import Detector, Floats, Times
from satomori_analytics.detectors.leak import Leak, LeakStep
from satomori_core.clock import from_datetime, to_iso
from satomori_core.errors import SettingsError

STANDARD = Path("-")  # standard input or output
# Names are compared by their letters and digits. "T" is a temperature, "t" a time (_time_place).
TIME_NAMES = (
    "observedat", "time", "timestamp", "datetime", "date", "recordedat", "ts", "epoch", "日時", "観測日時", "時刻",
)  # fmt: skip
# Judgements that others wrote into a recording. They are never read unless a user names them as values.
LABEL_NAMES = frozenset({
    "label", "labels", "anomaly", "anomalies", "isanomaly", "anomalylabel", "changepoint", "changepoints", "outlier",
    "isoutlier", "fault", "isfault", "attack", "groundtruth",
})  # fmt: skip
COUNTER_NAMES = frozenset({"unnamed0", "index"})  # pandas writes its row numbers so, or without a name
# How a column of a district's inflow is named, among those of its pressures.
_INFLOW = ("flow", "流量", "流入")
_LEAK_NAMES = ",began,size,size_low,size_high,pressures,in_proportion"
MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "-", "--", "///", "欠測"})
# No measurement is so large, fill values are (netCDF: 9.97e36), and squares of such sums would overflow.
_VALUE_MAX = 1e30
_CHUNK_ROWS = 5000
_DIGITS_DATE = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}

Rows = Iterator[tuple[int, list[str]]]  # each with the number of its last line


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user says of the columns. `time` "": there is none, rows come one a second; None: found by itself.

    `inflow_first`: the one value column that is named as a flow comes before the others.
    """

    time: str | None = None
    values: Sequence[str] = ()
    delimiter: str | None = None
    inflow_first: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column is what, by place. `time` None: a row a second. `utc_offset_s`: where the file's own days begin."""

    names: tuple[str, ...]
    time: int | None
    values: tuple[int, ...]
    utc_offset_s: int = 0

    @property
    def value_names(self) -> list[str]:
        return [self.names[i] for i in self.values]

    @property
    def left_out(self) -> list[str]:
        return [name for i, name in enumerate(self.names) if i != self.time and i not in self.values]


@dataclass(slots=True)
class Outcome:
    """What was read: rows, values known in each column, and rows whose time had to be set (`_Clock`).

    The first `learned_rows` are learned from only.
    """

    layout: Layout
    learned_rows: int = 0
    rows: int = 0
    retimed: int = 0
    known: list[int] = field(default_factory=list)


def score_file(
    source: Path, target: Path, wanted: Wanted, make: Callable[[Layout], Detector], tell: Callable[[int], None]
) -> Outcome:
    """Write `score,alarm` for each row, and what a leak is told to be; `tell` how many rows are done.

    Raise SettingsError for what can't be read or written; then no output is left.
    """
    if STANDARD not in {source, target} and target.exists() and source.exists() and target.samefile(source):
        raise SettingsError(f"{target}: is the recording itself; name another file with --output")
    try:
        with _reading(source) as lines:
            rows, layout = _begin(source, lines, wanted)
            detector = make(layout)
            outcome = Outcome(layout, getattr(detector, "learn_rows", 0), known=[0] * len(layout.values))
            with _writing(target) as out:
                _score(out, _chunks(source, rows, outcome), detector, outcome, tell)
    except OSError as error:
        raise SettingsError(f"{error.filename or target}: {error.strerror}") from None
    return outcome


def build_detector(name: str | None, layout: Layout, train_rows: int | None) -> Detector:
    """The named detector, or the one for so many channels."""
    kind = detectors.find(name or ("multichannel" if len(layout.values) > 1 else "univariate"))
    if len(layout.values) < kind.channels_min:
        raise SettingsError(f"detector {kind.name} needs {kind.channels_min} columns: name them with --value-columns")
    options: dict[str, float] = {"learn_rows": train_rows} if train_rows is not None and kind.learns_rows else {}
    if kind.knows_days:
        options["utc_offset_s"] = layout.utc_offset_s
    return kind.build(options, where="detect")


def _score(
    out: IO[str],
    chunks: Iterator[tuple[Times, Floats]],
    detector: Detector,
    outcome: Outcome,
    tell: Callable[[int], None],
) -> None:
    leaks = isinstance(detector, LeakStep)
    out.write("score,alarm" + (_LEAK_NAMES if leaks else "") + "\n")
    for at_us, values in chunks:
        scores = detector.score(at_us, values)
        score: list[float] = scores.score.max(axis=1).tolist()
        alarm: list[int] = scores.alarm.max(axis=1).astype(int).tolist()
        more = map(_leak_cells, detector.leaks) if isinstance(detector, LeakStep) else itertools.repeat("")
        out.writelines(f"{s:.9g},{a}{m}\n" for s, a, m in zip(score, alarm, more, strict=leaks))
        outcome.rows += len(at_us)
        outcome.known = [n + int(m) for n, m in zip(outcome.known, np.isfinite(values).sum(axis=0), strict=True)]
        tell(outcome.rows)


def _leak_cells(leak: Leak | None) -> str:
    if leak is None:
        return ",,,,,,"
    began = to_iso(leak.since_us)
    return f",{began},{leak.size:.6g},{leak.low:.6g},{leak.high:.6g},{leak.verdict},{int(leak.in_proportion)}"


@contextmanager
def _reading(source: Path) -> Iterator[IO[str]]:
    """Text as UTF-8, with bytes that are none kept (`_decoded`): numbers and times need no more."""
    binary = sys.stdin.buffer if source == STANDARD else source.open("rb")
    with io.TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        yield lines


@contextmanager
def _writing(target: Path) -> Iterator[IO[str]]:
    if target == STANDARD:
        yield sys.stdout
        sys.stdout.flush()
        return
    with target.open("w", encoding="utf-8", newline="") as out:
        try:
            yield out
        except BaseException:
            if target.is_file():  # half of the scores could be taken for all
                target.unlink()
            raise


def _begin(source: Path, lines: IO[str], wanted: Wanted) -> tuple[Rows, Layout]:
    """The rows, and what the header and the first of them say of the columns."""
    top = next((line for line in lines if line.strip()), None)
    if top is None:
        raise SettingsError(f"{source}: empty; a CSV file with a header line is expected")
    rows = _records(source, itertools.chain([top], lines), _delimiter(source, top, wanted.delimiter))
    try:
        names = tuple(_decoded(name).strip() for name in next(rows)[1])
    except UnicodeDecodeError:
        names = ("\0",)
    if "\0" in "".join(names):
        raise SettingsError(f"{source}: neither UTF-8 nor Shift_JIS; save it as CSV in UTF-8")
    if any(map(_is_date, names)) or (all(map(_is_number, names)) and any("." in name for name in names)):
        raise SettingsError(f"{source}: the first line is a row already; put a header line with names above it")
    first = list(itertools.islice(rows, 1))
    return itertools.chain(first, rows), _layout(source, names, first[0][1] if first else [], wanted)


def _records(source: Path, lines: Iterable[str], delimiter: str) -> Rows:
    """Empty lines are none. `strict`: a quote that is never closed would swallow rows."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        yield from ((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise SettingsError(f"{source} line {reader.line_num}: {error}") from None


def _delimiter(source: Path, top: str, wanted: str | None) -> str:
    if wanted is None:
        bare = re.sub('"[^"]*"', "", top)
        return max(",;\t|", key=bare.count)
    delimiter = {"tab": "\t", "\\t": "\t"}.get(wanted.lower(), wanted)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise SettingsError(f"{source}: --delimiter is one character or `tab`, not {wanted!r}")
    return delimiter


def _decoded(text: str) -> str:
    """Excel in Japan saves Shift_JIS. Raise UnicodeDecodeError for what is neither."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("cp932")
    return text


def _layout(source: Path, names: tuple[str, ...], first: list[str], wanted: Wanted) -> Layout:
    values = tuple(_place(source, names, name) for name in wanted.values)
    if len(set(values)) < len(values):
        raise SettingsError(f"{source}: --value-columns names a column twice: {', '.join(wanted.values)}")
    time = _place(source, names, wanted.time) if wanted.time else None
    if wanted.time is None:
        time = _time_place(names, first, values)
    if time in values:
        raise SettingsError(f"{source}: {names[time or 0]!r} is the time; leave it out of --value-columns")
    if not values:
        apart = LABEL_NAMES | COUNTER_NAMES | set(TIME_NAMES)
        values = tuple(
            i
            for i, name in enumerate(names)
            if i != time and name and _plain(name) not in apart and (not first or _is_value(_cell(first, i)))
        )
    if not values:
        raise SettingsError(f"{source}: no column of numbers; name some with --value-columns ({', '.join(names)})")
    if wanted.inflow_first:
        flows = [i for i in values if any(word in names[i].lower() for word in _INFLOW)]
        values = tuple(sorted(values, key=lambda i: flows != [i]))
    return Layout(names, time, values, 0 if time is None else _offset_s(_cell(first, time)))


def _place(source: Path, names: Sequence[str], name: str) -> int:
    if name not in names:
        raise SettingsError(f"{source}: no column {name!r}; there are {', '.join(names)}")
    if names.count(name) > 1:
        raise SettingsError(f"{source}: {names.count(name)} columns are called {name!r}; give them names of their own")
    return names.index(name)


def _time_place(names: Sequence[str], first: list[str], values: tuple[int, ...]) -> int | None:
    """By its name, where the first row holds a time there; else the first that holds a date; else by its name."""
    free = [i for i in range(len(names)) if i not in values]
    named = sorted(
        (i for i in free if _plain(names[i]) in TIME_NAMES), key=lambda i: TIME_NAMES.index(_plain(names[i]))
    )
    named += [i for i in free if names[i] == "t"]
    dates = [i for i in free if _is_date(_cell(first, i))]
    times = [i for i in named if i in dates or _is_number(_cell(first, i))]
    return next(iter([*times, *dates, *named]), None)


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


class _Clock:
    """Times made to rise strictly: a row that repeats, goes back or has none comes 1 µs after the one before.

    ISO 8601, also with / ; else seconds, ms, µs or ns since 1970. Digits are a date (20240501) where the first row's
    can be one. Without a zone: UTC. Without a column: a row a second.
    """

    def __init__(self, source: Path, column: int | None) -> None:
        self._source, self._column = source, column
        self._before: int | None = None
        self._digits: str | None = None
        self._rows = self.retimed = 0

    def read(self, line: int, row: list[str]) -> int:
        text = "" if self._column is None else _cell(row, self._column).strip()
        if self._rows == 0 and text.isdecimal() and text.startswith(("19", "20")):
            self._digits = _DIGITS_DATE.get(len(text))
        if self._column is None:
            at = self._rows * 1_000_000
        elif self._before is not None and not text:
            at = self._before
        else:
            at = self._parse(line, text)
        if self._before is not None and at <= self._before:
            at = self._before + 1
            self.retimed += 1
        self._before = at
        self._rows += 1
        return at

    def _parse(self, line: int, text: str) -> int:
        try:
            if self._digits is not None:
                moment = datetime.strptime(text, self._digits).replace(tzinfo=UTC)
            elif _is_number(text):
                return _epoch_us(float(text))
            else:
                moment = datetime.fromisoformat(_iso(text))
        except ValueError:
            raise SettingsError(
                f"{self._source} line {line}: {text!r} is not a time (ISO 8601, or seconds since 1970); name another"
                " column with --time-column, or '' for a row a second"
            ) from None
        return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _chunks(source: Path, rows: Rows, outcome: Outcome) -> Iterator[tuple[Times, Floats]]:
    clock, places = _Clock(source, outcome.layout.time), outcome.layout.values
    while batch := list(itertools.islice(rows, _CHUNK_ROWS)):
        at_us = np.array([clock.read(line, row) for line, row in batch], np.int64)
        values = np.array([_values(source, line, row, places) for line, row in batch], np.float64)
        outcome.retimed = clock.retimed
        yield at_us, values


def _values(source: Path, line: int, row: list[str], places: tuple[int, ...]) -> list[float]:
    try:
        return [_number(row[place]) if place < len(row) else np.nan for place in places]
    except ValueError as error:
        raise SettingsError(
            f"{source} line {line}: {error.args[0]!r}: numbers have a decimal point and no other marks"
        ) from None


def _iso(text: str) -> str:
    """With zeros before single digits, as spreadsheets leave them out."""
    return re.sub(r"(?<![\d.])(\d)(?=[-:T ]|$)", r"0\1", text.strip().replace("/", "-"))


def _epoch_us(number: float) -> int:
    """Told apart by size: what is a second number in the year 5138 is milliseconds in 1973."""
    for scale, most in ((1e6, 1e11), (1e3, 1e14), (1.0, 1e17), (1e-3, 1e20)):
        if abs(number) < most:
            return round(number * scale)
    raise ValueError(number)


def _offset_s(text: str) -> int:
    """Of a time with a zone; times without one are told in their own day."""
    offset = datetime.fromisoformat(_iso(text)).utcoffset() if _is_date(text) else None
    return 0 if offset is None else int(offset.total_seconds())


def _is_date(text: str) -> bool:
    """Whether it is a written date, not a number."""
    try:
        datetime.fromisoformat(_iso(text))
    except ValueError:
        return False
    return not _is_number(text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_value(text: str) -> bool:
    """A number, a missing one, or one written in a way that `_number` turns away."""
    try:
        return not np.isnan(_number(text)) or _is_number(text) or text.strip().lower() in MISSING
    except ValueError:
        return True


def _number(text: str) -> float:
    """What is not a finite number is missing; raise ValueError for one with a comma, that would be silently missed."""
    try:
        value = float(text)
    except ValueError:
        if re.fullmatch(r"\s*[-+]?[\d.]*,[\d.,]*\d\s*", text):
            raise ValueError(text) from None
        return float("nan")
    return value if abs(value) < _VALUE_MAX else float("nan")


def _cell(row: list[str], place: int) -> str:
    """Empty where the row ends before it."""
    return row[place] if place < len(row) else ""
