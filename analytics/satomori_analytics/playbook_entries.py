"""What may be wrong with one table of a playbook: (key, what is wrong and what to do). Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from math import inf, isfinite
from typing import Any

from satomori_analytics import detectors, indicators
from satomori_analytics.playbook import FORECAST_OPTIONS, FORECASTS, HISTORY_S
from satomori_core.errors import NotFoundError
from satomori_core.metrics import catalogue
from satomori_core.settings import suggest

Table = Mapping[str, Any]
# Numbers that have to be 0 or more, and those that have to be above 0, by kind of table.
_FROM_0: Mapping[str, tuple[str, ...]] = {
    "limit": ("hysteresis", "for_s"), "derived": ("every_s",), "watch": ("every_s",),
    "sensor": ("silent_least_s", "spikes_within_s", "battery_low_v", "battery_ahead_d"), "flat": ("tolerance",),
}  # fmt: skip
_ABOVE_0: Mapping[str, tuple[str, ...]] = {
    "metric": ("rate_per_h", "gap_factor"), "derived": ("history_s",), "watch": ("history_s", "least"),
    "evidence": ("least",), "sensor": ("silent_factor", "spikes"), "spike": ("suspect", "fail"),
    "flat": ("suspect_s", "fail_s"),
}  # fmt: skip
_TEXTS = ("source", "ja", "en", "advice_ja", "advice_en")
_JAPANESE = re.compile(r"[\u3041-\u30ff\u4e00-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]")


def tables_of(document: Table, kind: str) -> dict[str, Table]:
    """The tables `[kind.<name>]` by their name."""
    tables = document.get(kind, {})
    return {n: entry for n, entry in tables.items() if isinstance(entry, dict)} if isinstance(tables, dict) else {}


def entry_faults(kind: str, name: str, entry: Table, document: Table) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) with one table, as far as it can be read."""
    yield from number_faults(kind, entry)
    if kind == "metric":
        yield from (("", text) for text in _unknown_metrics([name]))
        yield from _check_faults(entry)
    elif kind == "derived":
        yield from _derived_faults(name, entry, tables_of(document, "derived"))
    elif kind == "limit":
        yield from _limit_faults(entry, document)
    elif kind == "forecast":
        yield from _forecast_faults(name, entry)
    elif kind == "evidence":
        yield from (("", text) for text in _unknown_metrics([name]))
        for key in ("partners", "together"):
            yield from ((key, text) for text in _list_faults(entry.get(key)))
    else:
        yield from _watch_faults(entry)
    for key in _TEXTS if kind in {"limit", "watch"} else ("ja", "en") if kind == "derived" else ():
        if key in entry:
            yield from ((key, text) for text in text_faults(key, entry[key], is_name=kind == "derived"))


def _watch_faults(entry: Table) -> Iterator[tuple[str, str]]:
    on = entry.get("on")
    yield from (("on", text) for text in _list_faults(on))
    if on == []:
        yield "on", "names no metric: write at least one"
    if on and isinstance(on, list) and isinstance(entry.get("least"), int) and entry["least"] > len(on):
        yield "least", f"{entry['least']} of {len(on)} channels can't be there"
    kind = detectors.BY_NAME.get(str(entry.get("detector")))
    least = entry.get("least", 1)
    if kind is not None and isinstance(least, int) and 0 < least < kind.channels_min:
        yield "least", f"detector {kind.name} needs {kind.channels_min} channels: write least = {kind.channels_min}"


def number_faults(kind: str, entry: object) -> Iterator[tuple[str, str]]:
    """Numbers that can't be. What is no table, or no number, is told elsewhere."""
    if not isinstance(entry, dict):
        return
    for keys, is_in, words in ((_FROM_0, (0.0).__le__, "0 or more"), (_ABOVE_0, (0.0).__lt__, "more than 0")):
        for key in keys.get(kind, ()):
            value = entry.get(key, 1)
            if isinstance(value, int | float) and not (is_in(float(value)) and isfinite(value)):
                yield key, f"{value} can't be: write a number that is {words}"


def _check_faults(entry: Table) -> Iterator[tuple[str, str]]:
    for check, (suspect, fail) in {"spike": ("suspect", "fail"), "flat": ("suspect_s", "fail_s")}.items():
        values = entry.get(check)
        yield from ((f"{check} {key}", text) for key, text in number_faults(check, values))
        ends = [values.get(key) for key in (suspect, fail)] if isinstance(values, dict) else []
        numbers = [end for end in ends if isinstance(end, int | float)]
        if len(numbers) == 2 and numbers[1] < numbers[0]:
            yield f"{check} {fail}", f"{numbers[1]} is reached before {suspect}'s {numbers[0]}: write a larger one"


def _list_faults(named: object) -> Iterator[str]:
    """Of a list of metrics; what is none is told elsewhere."""
    names = [str(name) for name in named] if isinstance(named, list) else []
    yield from _unknown_metrics(dict.fromkeys(names))
    yield from (f"names {name} twice: leave one out" for name in dict.fromkeys(names) if names.count(name) > 1)


def _month_faults(months: object) -> Iterator[tuple[str, str]]:
    numbers = [month for month in months if isinstance(month, int)] if isinstance(months, list) else []
    if not set(numbers) <= set(range(1, 13)):
        yield "months", "months are the numbers 1 to 12"


def _forecast_faults(name: str, entry: Table) -> Iterator[tuple[str, str]]:
    if name not in FORECASTS:
        yield "", f"unknown forecast {name!r}{suggest(name, FORECASTS)}"
        return
    yield from _month_faults(entry.get("months"))
    options = entry.get("options")
    for key in options if isinstance(options, dict) else ():
        if key not in FORECAST_OPTIONS[name]:
            yield "options", f"unknown option {key!r}{suggest(key, FORECAST_OPTIONS[name])}"
    if "source" in entry:
        yield from (("source", text) for text in text_faults("source", entry["source"]))
    calls = {level: call for level in ("watch", "warning") if isinstance(call := entry.get(level), dict)}
    for level, call in calls.items():
        for key in ("advice_ja", "advice_en"):
            if key in call:
                yield from ((f"{level} {key}", text) for text in text_faults(key, call[key]))
    limits = [call["limit"] for call in calls.values() if isinstance(call.get("limit"), int | float)]
    if len(limits) == 2 and (limits[1] > limits[0] if FORECASTS[name] == "low" else limits[1] < limits[0]):
        yield "warning limit", f"levels out of order: {limits[1]:g} is reached before watch's {limits[0]:g}"


def _derived_faults(name: str, entry: Table, derived: Table) -> Iterator[tuple[str, str]]:
    if name in catalogue():
        yield "", f"{name} is a metric already: choose another name"
    inputs = entry.get("inputs")
    if not isinstance(inputs, dict):
        return
    names = [str(name) for name in inputs.values()]
    for other in names:
        if other in derived and other not in catalogue():
            yield "inputs", f"{other} is derived itself: inputs are metrics that are measured; name those"
    yield from (("inputs", text) for text in _unknown_metrics(other for other in names if other not in derived))
    try:
        indicator = indicators.find(str(entry.get("indicator")))
    except NotFoundError:
        return  # structuring it says so
    yield from _option_faults(entry, indicator, inputs)
    for key, metric in inputs.items():
        takes = indicator.inputs.get(key, "any").split(",")[0]
        if str(metric) in catalogue() and takes not in {"any", catalogue()[metric].unit}:
            text = f"{key} takes {takes}, but {metric} is in {catalogue()[metric].unit}: choose a metric of that unit"
            yield "inputs", f"unit mismatch: {text}"
    expected = _unit_of(entry)
    if entry.get("unit", expected) != expected:
        yield "unit", f"unit mismatch: {indicator.name} gives {expected}, not {entry['unit']}: write {expected!r}"


def _option_faults(entry: Table, indicator: indicators.Indicator, inputs: Table) -> Iterator[tuple[str, str]]:
    options = entry.get("options")
    for key, value in options.items() if isinstance(options, dict) else ():
        if key in inputs:
            yield "options", f"{key} is an input too: keep one of them"
        if key in indicator.inputs and isinstance(value, int | float):
            low, high = indicator.range_of(key)
            if not low <= value <= high:
                yield "options", f"{key} {value} is outside {low:g} to {high:g} [{indicator.inputs[key]}]"


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
    on, derived = entry.get("on"), tables_of(document, "derived")
    threshold = next(((key, entry[key]) for key in ("high", "low") if isinstance(entry.get(key), int | float)), None)
    if threshold is not None and not isfinite(threshold[1]) and "attribute" not in entry:
        yield threshold[0], f"{threshold[1]} is never reached: write a number, or an `attribute` that assets have"
    yield from _month_faults(entry.get("months"))
    if not isinstance(on, str):
        return
    if on not in catalogue() and on not in derived:
        yield "on", f"unknown metric {on}{suggest(on, [*derived, *catalogue()])}"
        return
    unit = _unit_of(derived[on]) if on in derived else catalogue()[on].unit
    if isinstance(said := entry.get("unit", unit), str) and said != unit:
        yield "unit", f"unit mismatch: {on} is in {unit}, not {entry['unit']}: convert the threshold"
    yield from _history_faults(entry, derived.get(on))
    if on in derived or threshold is None or not isfinite(threshold[1]):
        return
    metric = catalogue()[on]
    if not metric.low <= threshold[1] <= metric.high:
        ends = f"{metric.low:g} to {metric.high:g} {metric.unit}"
        yield threshold[0], f"{threshold[1]} is outside of what {on} can be, {ends}: look at the unit"
    elif isinstance(back := entry.get("hysteresis", 0), int | float) and back >= metric.high - metric.low:
        yield "hysteresis", f"{back} never lets it end: {on} is {metric.low:g} to {metric.high:g} {metric.unit}"


def _history_faults(entry: Table, derived: Table | None) -> Iterator[tuple[str, str]]:
    """What has to last longer than the series that is read can't be seen to have lasted."""
    if derived is None:
        return
    options = derived.get("options")
    window_s = options.get("window_s", 0) if isinstance(options, dict) else 0
    for_s, history_s = entry.get("for_s", 0), derived.get("history_s", HISTORY_S)
    if not all(isinstance(s, int | float) and 0 <= s < inf for s in (window_s, for_s, history_s)) or history_s == 0:
        return  # that is told by itself
    if window_s + for_s > history_s:
        text = (
            f"{for_s:g} s are never seen: [derived.{entry['on']}] reads {history_s:g} s, of which {window_s:g} s are "
        )
        yield "for_s", text + "its window; raise its history_s"


def _unknown_metrics(names: Iterable[object]) -> Iterator[str]:
    for name in map(str, names):
        if name not in catalogue():
            yield f"unknown metric {name}{suggest(name, catalogue())}"


def text_faults(key: str, value: object, *, is_name: bool = False) -> Iterator[str]:
    """A name may be written in any letters."""
    if value is not None and not isinstance(value, str):
        return  # structuring it says so
    if value is None or not value.strip():
        yield "is missing or empty: write what to tell people" if key != "source" else "is empty: name the source"
    elif key.endswith("ja") and not is_name and not _JAPANESE.search(value):
        yield "holds no Japanese: write it in Japanese"
    elif key.endswith("en") and not _LATIN.search(value):
        yield "holds no English: write it in English"
