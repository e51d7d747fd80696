"""`satomori detect`: a CSV recording in, a row of score and alarm out for each of its rows, strictly causal."""

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from satomori_analytics import detectors
from satomori_analytics.detectors.base import Detector, Floats, Times
from satomori_analytics.detectors.leak import Leak, LeakStep
from satomori_core.clock import from_datetime, to_iso
from satomori_core.errors import SettingsError

TIME_NAMES = ("observed_at", "time", "timestamp", "datetime", "date", "t")
# Judgements that others wrote into a recording. They are never read unless a user names them as values.
LABEL_NAMES = frozenset({"label", "labels", "anomaly", "is_anomaly", "changepoint", "outlier", "fault"})
# How a column of a district's inflow is named, among those of its pressures.
_INFLOW = ("flow", "流量", "流入")
_LEAK_NAMES = ",began,size,size_low,size_high,pressures"
_CHUNK_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column is what, by place. `time` None: a row a second. `utc_offset_s`: where the file's own days begin."""

    delimiter: str
    time: int | None
    values: tuple[int, ...]
    names: tuple[str, ...]
    utc_offset_s: int = 0


def score_file(source: Path, target: Path, layout: Layout, detector: Detector) -> int:
    """Write `score,alarm` for each row, and what a leak is told to be; the number of rows.

    Raise SettingsError for a file that can't be read.
    """
    rows, leaks = 0, isinstance(detector, LeakStep)
    try:
        with target.open("w", encoding="utf-8", newline="") as out:
            out.write("score,alarm" + (_LEAK_NAMES if leaks else "") + "\n")
            for at_us, values in _chunks(source, layout):
                scores = detector.score(at_us, values)
                score: list[float] = scores.score.max(axis=1).tolist()
                alarm: list[int] = scores.alarm.max(axis=1).astype(int).tolist()
                more = map(_leak_cells, detector.leaks) if isinstance(detector, LeakStep) else itertools.repeat("")
                out.writelines(f"{s:.9g},{a}{m}\n" for s, a, m in zip(score, alarm, more, strict=leaks))
                rows += len(at_us)
    except OSError as error:
        raise SettingsError(f"{error.filename}: {error.strerror}") from None
    return rows


def read_layout(source: Path, time_column: str | None, value_columns: Sequence[str], delimiter: str | None) -> Layout:
    """Columns by the file's first lines: its header, and in the first row what is a number and what a time."""
    try:
        with source.open(encoding="utf-8-sig", newline="") as lines:
            head = list(itertools.islice(lines, 2))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{source}: {error}; a CSV file in UTF-8 with a header line is expected") from None
    if len(head) < 2:
        raise SettingsError(f"{source}: a header line and at least one row are expected")
    delimiter = delimiter or max(",;\t|", key=head[0].count)
    header, first = (next(csv.reader([line], delimiter=delimiter)) for line in head)
    names = [name.strip() for name in header]
    time = _time_place(source, names, first, time_column)
    if value_columns:
        places = [_place(source, names, name) for name in value_columns]
    else:
        places = [
            i
            for i, name in enumerate(names)
            if i != time and name.lower() not in LABEL_NAMES and i < len(first) and _is_number_or_empty(first[i])
        ]
    if not places:
        raise SettingsError(f"{source}: no column of numbers; name some with --value-columns ({', '.join(names)})")
    offset_s = 0 if time is None else _offset_s(first[time])
    return Layout(delimiter, time, tuple(places), tuple(names[i] for i in places), offset_s)


def build_detector(name: str | None, channels: int, train_rows: int | None, utc_offset_s: int = 0) -> Detector:
    """The named detector, or the one for so many channels; `utc_offset_s`: where days begin."""
    kind = detectors.find(name or ("multichannel" if channels > 1 else "univariate"))
    options: dict[str, float] = {"learn_rows": train_rows} if train_rows is not None and kind.learns_rows else {}
    if kind.name in {"univariate", "leak"}:
        options["utc_offset_s"] = utc_offset_s
    return kind.build(options, where="detect")


def inflow_first(layout: Layout) -> Layout:
    """The one column that is named as a flow before the others, which are pressures; else as they stand."""
    flows = [name for name in layout.names if any(word in name.lower() for word in _INFLOW)]
    if len(flows) != 1:
        return layout
    order = sorted(range(len(layout.names)), key=lambda i: layout.names[i] != flows[0])
    return replace(layout, values=tuple(layout.values[i] for i in order), names=tuple(layout.names[i] for i in order))


def _leak_cells(leak: Leak | None) -> str:
    if leak is None:
        return ",,,,,"
    began = to_iso(leak.since_us)
    return f",{began},{leak.size:.6g},{leak.low:.6g},{leak.high:.6g},{leak.verdict}"


def _place(source: Path, names: list[str], name: str) -> int:
    if name not in names:
        raise SettingsError(f"{source}: no column {name!r}; there are {', '.join(names)}")
    return names.index(name)


def _time_place(source: Path, names: list[str], first: list[str], wanted: str | None) -> int | None:
    if wanted is not None:
        return _place(source, names, wanted)
    lowered = [name.lower() for name in names]
    for name in TIME_NAMES:
        if name in lowered:
            return lowered.index(name)
    return next((i for i, text in enumerate(first) if not _is_number_or_empty(text) and _is_time(text)), None)


def _chunks(source: Path, layout: Layout) -> Iterator[tuple[Times, Floats]]:
    """Rows in pieces, times made to rise strictly: a row that repeats or goes back comes 1 µs after the one before."""
    before = None
    with source.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, delimiter=layout.delimiter)
        next(reader)
        numbered = enumerate((row for row in reader if row), start=2)
        while batch := list(itertools.islice(numbered, _CHUNK_ROWS)):
            times = np.empty(len(batch), np.int64)
            for i, (line, row) in enumerate(batch):
                at = (line - 2) * 1_000_000 if layout.time is None else _parse_time(source, line, row[layout.time])
                before = at if before is None or at > before else before + 1
                times[i] = before
            values = [
                [_number(row[place]) if place < len(row) else np.nan for place in layout.values] for _, row in batch
            ]
            yield times, np.array(values, dtype=np.float64)


def _parse_time(source: Path, line: int, text: str) -> int:
    try:
        if _is_number_or_empty(text):
            return _epoch_us(float(text))
        moment = datetime.fromisoformat(text.strip().replace("/", "-"))
    except ValueError:
        raise SettingsError(f"{source} line {line}: {text!r} is not a time (ISO 8601 or seconds since 1970)") from None
    return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _offset_s(text: str) -> int:
    """Of a time with a zone; times without one are told in their own day."""
    if _is_number_or_empty(text) or not _is_time(text):
        return 0
    offset = datetime.fromisoformat(text.strip().replace("/", "-")).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def _epoch_us(number: float) -> int:
    """Seconds, milliseconds or microseconds since 1970, told apart by their size (before the year 5138)."""
    for scale, most in ((1e6, 1e11), (1e3, 1e14), (1.0, 1e17)):
        if abs(number) < most:
            return round(number * scale)
    raise ValueError(number)


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text.strip().replace("/", "-"))
    except ValueError:
        return False
    return True


def _is_number_or_empty(text: str) -> bool:
    return not text.strip() or not np.isnan(_number(text)) or text.strip().lower() == "nan"


def _number(text: str) -> float:
    """What is not a finite number is missing."""
    try:
        value = float(text)
    except ValueError:
        return float("nan")
    return value if np.isfinite(value) else float("nan")
