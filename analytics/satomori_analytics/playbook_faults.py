"""What may be wrong with a playbook's file: all of it at once, each with its place and what to do. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from itertools import pairwise
from math import isfinite
from typing import Any

from typing_extensions import override

from satomori_analytics import indicators
from satomori_analytics.playbook import (
    FORECASTS,
    HISTORY_S,
    LEVELS,
    Derived,
    Evidence,
    Limit,
    Metric,
    Outlook,
    Playbook,
    Sensor,
    Watch,
)
from satomori_core.errors import NotFoundError
from satomori_core.metrics import catalogue
from satomori_core.settings import suggest, try_structure

Table = Mapping[str, Any]
_KINDS: Mapping[str, type] = {
    "metric": Metric, "derived": Derived, "limit": Limit, "watch": Watch, "forecast": Outlook, "evidence": Evidence,
}  # fmt: skip
_TEXTS = ("source", "ja", "en", "advice_ja", "advice_en")
_JAPANESE = re.compile(r"[\u3041-\u30ff\u4e00-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Fault:
    """`text` says what is wrong and what to do; `table` as it stands in the file, `key` within it."""

    file: str
    table: str
    key: str
    text: str

    @override
    def __str__(self) -> str:
        place = " ".join(filter(None, (self.table, self.key)))
        return ": ".join(filter(None, (self.file, place, self.text)))


def read_document(document: Table, own: Table, below: Table, file: str) -> tuple[Playbook | None, list[Fault]]:
    """The playbook, or None and all its faults. `document` is `own` (what `file` has) laid over `below`.

    Ours have nothing below them, and `own` is empty.
    """
    reading = _Reading(document, own, below, file)
    made = {kind: reading.entries(kind) for kind in _KINDS}
    sensor = reading.sensor()
    reading.head()
    reading.levels(made["limit"])
    if reading.faults or sensor is None:
        return None, reading.faults
    return Playbook(document["people_ja"], document["people_en"], **made, sensor=sensor), []


class _Reading:
    def __init__(self, document: Table, own: Table, below: Table, file: str) -> None:
        self.document, self.own, self.below, self.file = document, own, below, file
        self.faults: list[Fault] = []

    def add(self, table: str, key: str, text: str) -> None:
        self.faults.append(Fault(self.file, table, key, text))

    def head(self) -> None:
        known = [each.name for each in fields(Playbook)]
        for key in self.document:
            if key not in known:
                self.add("", key, f"unknown table or key{suggest(key, known)}")
        for key in ("people_ja", "people_en"):
            for text in _text_faults(key, self.document.get(key)):
                self.add("", key, text)

    def sensor(self) -> Sensor | None:
        value, mistakes = try_structure(self.document.get("sensor", {}), Sensor)
        for key, text in mistakes:
            self.add("[sensor]", key, text)
        return value

    def entries(self, kind: str) -> dict[str, Any]:
        """Those of the tables `[kind.…]` that are whole."""
        tables, made = _tables(self.document, kind), dict[str, Any]()
        if tables != self.document.get(kind, {}):
            self.add(f"[{kind}]", "", f"expected nothing but tables [{kind}.<name>]")
        for name, entry in tables.items():
            table = f"[{kind}.{name}]"
            unknown = self._names_nothing(kind, name, entry)
            if unknown:
                self.add(table, "", unknown)
            else:
                value, mistakes = try_structure(entry, _KINDS[kind])
                for key, text in mistakes:
                    self.add(table, key, text)
                if value is not None:
                    made[name] = value
            for key, text in _entry_faults(kind, name, entry, self.document):
                self.add(table, key, text)
            for key in self._unsourced(kind, name):
                text = "is changed, so the source below is not its source; add your own `source` to this table"
                self.add(table, key, text)
        return made

    def _names_nothing(self, kind: str, name: str, entry: Table) -> str:
        """An override of what is not there: where it is new it has to be whole."""
        there = _tables(self.below, kind)
        needed = [f.name for f in fields(_KINDS[kind]) if f.default is MISSING and f.default_factory is MISSING]
        missing = [key for key in needed if key not in entry]
        if name in there or not self.own or not missing:
            return ""
        return f"there is none below to override{suggest(name, there)}; a new one needs {', '.join(missing)} too"

    def _unsourced(self, kind: str, name: str) -> list[str]:
        """Thresholds that this file changes without saying where it has them from."""
        entry, before = (_tables(each, kind).get(name, {}) for each in (self.own, self.below))
        if not before or "source" in entry:
            return []
        if kind == "forecast":
            return [key for key in ("watch", "warning", "options", "varieties") if _moved(entry, before, key)]
        keys = {"limit": ("high", "low"), "watch": ("options",), "evidence": ("least",)}.get(kind, ())
        return [key for key in keys if key in entry and entry[key] != before.get(key)]

    def levels(self, limits: Mapping[str, Limit]) -> None:
        """Of one quantity and side: each level once, and a worse one further out."""
        sides: dict[tuple[str, str], list[tuple[str, Limit]]] = {}
        for name, limit in limits.items():
            if limit.enabled:
                sides.setdefault((limit.on, limit.side), []).append((name, limit))
        for (_, side), named in sides.items():
            ordered = sorted(named, key=lambda pair: LEVELS[pair[1].level])
            for (name, lesser), (other, worse) in pairwise(ordered):
                if lesser.level == worse.level:
                    blamed, against = self._blamed(name, other)
                    text = f"is {worse.level} as [limit.{against}] is; keep one of them, or disable the other"
                    self.add(f"[limit.{blamed}]", "level", text)
            numbers = [(n, limit.level, float(getattr(limit, side))) for n, limit in ordered]
            for (name, lesser_level, near), (other, level, far) in pairwise(n for n in numbers if isfinite(n[2])):
                if lesser_level != level and (near >= far if side == "high" else near <= far):
                    way = "above" if side == "high" else "below"
                    text = (
                        f"{level} {far:g} of [limit.{other}] has to lie {way} {lesser_level} {near:g} of [limit.{name}]"
                    )
                    self.add(f"[limit.{self._blamed(name, other)[0]}]", side, f"levels out of order: {text}")

    def _blamed(self, name: str, other: str) -> tuple[str, str]:
        """Of two limits that do not go together first the one that this file has."""
        own = _tables(self.own, "limit")
        return (name, other) if name in own and other not in own else (other, name)


def _moved(entry: Table, before: Table, key: str) -> bool:
    """Whether a forecast's table changes more than what is told to people."""
    own, there = (each.get(key, {}) for each in (entry, before))
    if not isinstance(own, dict) or not isinstance(there, dict):
        return bool(own != there)
    return any(own[name] != there.get(name) for name in own if name not in {"advice_ja", "advice_en"})


def _tables(document: Table, kind: str) -> dict[str, Table]:
    """The tables `[kind.<name>]` by their name."""
    tables = document.get(kind, {})
    return {n: entry for n, entry in tables.items() if isinstance(entry, dict)} if isinstance(tables, dict) else {}


def _entry_faults(kind: str, name: str, entry: Table, document: Table) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) with one table, as far as it can be read."""
    if kind == "metric":
        yield from (("", text) for text in _unknown_metrics([name]))
    elif kind == "derived":
        yield from _derived_faults(entry)
    elif kind == "limit":
        yield from _limit_faults(entry, document)
    elif kind == "forecast":
        yield from _forecast_faults(name, entry)
    elif kind == "evidence":
        yield from (("", text) for text in _unknown_metrics([name]))
        for key in ("partners", "together"):
            named = entry.get(key)
            yield from ((key, text) for text in _unknown_metrics(named if isinstance(named, list) else []))
    else:
        on = entry.get("on")
        yield from (("on", text) for text in _unknown_metrics(on if isinstance(on, list) else []))
        if isinstance(on, list) and isinstance(entry.get("least"), int) and entry["least"] > len(on):
            yield "least", f"{entry['least']} of {len(on)} channels can't be there"
    for key in _TEXTS if kind in {"limit", "watch"} else ("ja", "en") if kind == "derived" else ():
        if key in entry:
            yield from ((key, text) for text in _text_faults(key, entry[key], is_name=kind == "derived"))


def _forecast_faults(name: str, entry: Table) -> Iterator[tuple[str, str]]:
    if name not in FORECASTS:
        yield "", f"unknown forecast {name!r}{suggest(name, FORECASTS)}"
        return
    if "source" in entry:
        yield from (("source", text) for text in _text_faults("source", entry["source"]))
    calls = {level: call for level in ("watch", "warning") if isinstance(call := entry.get(level), dict)}
    for level, call in calls.items():
        for key in ("advice_ja", "advice_en"):
            if key in call:
                yield from ((f"{level} {key}", text) for text in _text_faults(key, call[key]))
    limits = [call["limit"] for call in calls.values() if isinstance(call.get("limit"), int | float)]
    if len(limits) == 2 and (limits[1] > limits[0] if FORECASTS[name] == "low" else limits[1] < limits[0]):
        yield "warning limit", f"levels out of order: {limits[1]:g} is reached before watch's {limits[0]:g}"


def _derived_faults(entry: Table) -> Iterator[tuple[str, str]]:
    inputs = entry.get("inputs")
    if not isinstance(inputs, dict):
        return
    yield from (("inputs", text) for text in _unknown_metrics(inputs.values()))
    try:
        indicator = indicators.find(str(entry.get("indicator")))
    except NotFoundError:
        return  # structuring it says so
    for key, metric in inputs.items():
        takes = indicator.inputs.get(key, "any").split(",")[0]
        if metric in catalogue() and takes not in {"any", catalogue()[metric].unit}:
            text = f"{key} takes {takes}, but {metric} is in {catalogue()[metric].unit}: choose a metric of that unit"
            yield "inputs", f"unit mismatch: {text}"
    expected = _unit_of(entry)
    if entry.get("unit", expected) != expected:
        yield "unit", f"unit mismatch: {indicator.name} gives {expected}, not {entry['unit']}: write {expected!r}"


def _unit_of(derived: Table) -> object:
    """What the indicator gives; where it can't be told, what the table says."""
    inputs = derived.get("inputs")
    try:
        indicator = indicators.find(str(derived.get("indicator")))
    except NotFoundError:
        return derived.get("unit")
    if indicator.unit not in {"as given", "per hour"}:
        return indicator.unit
    metrics = inputs.values() if isinstance(inputs, dict) else ()
    units = [catalogue()[metric].unit for metric in metrics if metric in catalogue()]
    if not units:
        return derived.get("unit")
    return units[0] if indicator.unit == "as given" else f"{units[0]}/h"


def _limit_faults(entry: Table, document: Table) -> Iterator[tuple[str, str]]:
    on, derived = entry.get("on"), _tables(document, "derived")
    threshold = next(((key, entry[key]) for key in ("high", "low") if isinstance(entry.get(key), int | float)), None)
    if threshold is not None and not isfinite(threshold[1]) and "attribute" not in entry:
        yield threshold[0], f"{threshold[1]} is never reached: write a number, or an `attribute` that assets have"
    months = entry.get("months", [])
    if isinstance(months, list) and not set(months) <= set(range(1, 13)):
        yield "months", "months are the numbers 1 to 12"
    if not isinstance(on, str):
        return
    if on not in catalogue() and on not in derived:
        yield "on", f"unknown metric {on}{suggest(on, [*derived, *catalogue()])}"
        return
    unit = _unit_of(derived[on]) if on in derived else catalogue()[on].unit
    if entry.get("unit", unit) != unit:
        yield "unit", f"unit mismatch: {on} is in {unit}, not {entry['unit']}: convert the threshold"
    yield from _history_faults(entry, derived.get(on))
    if on in derived or threshold is None or not isfinite(threshold[1]):
        return
    metric = catalogue()[on]
    if not metric.low <= threshold[1] <= metric.high:
        ends = f"{metric.low:g} to {metric.high:g} {metric.unit}"
        yield threshold[0], f"{threshold[1]} is outside of what {on} can be, {ends}: look at the unit"


def _history_faults(entry: Table, derived: Table | None) -> Iterator[tuple[str, str]]:
    """What has to last longer than the series that is read can't be seen to have lasted."""
    if derived is None:
        return
    options = derived.get("options")
    window_s = options.get("window_s", 0) if isinstance(options, dict) else 0
    for_s, history_s = entry.get("for_s", 0), derived.get("history_s", HISTORY_S)
    if all(isinstance(s, int | float) for s in (window_s, for_s, history_s)) and window_s + for_s > history_s:
        text = (
            f"{for_s:g} s are never seen: [derived.{entry['on']}] reads {history_s:g} s, of which {window_s:g} s are "
        )
        yield "for_s", text + "its window; raise its history_s"


def _unknown_metrics(names: Iterable[object]) -> Iterator[str]:
    for name in map(str, names):
        if name not in catalogue():
            yield f"unknown metric {name}{suggest(name, catalogue())}"


def _text_faults(key: str, value: object, *, is_name: bool = False) -> Iterator[str]:
    """A name may be written in any letters."""
    if not isinstance(value, str) or not value.strip():
        yield "is missing or empty: write what to tell people" if key != "source" else "is empty: name the source"
    elif key.endswith("ja") and not is_name and not _JAPANESE.search(value):
        yield "holds no Japanese: write it in Japanese"
    elif key.endswith("en") and not _LATIN.search(value):
        yield "holds no English: write it in English"
