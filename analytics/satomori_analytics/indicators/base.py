"""What an indicator is: a pure function over numbers or numpy arrays, with its units and its source."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from satomori_core.errors import SettingsError

Floats = NDArray[np.float64]
Texts = NDArray[np.str_]
Bools = NDArray[np.bool_]

# In what range an input of a unit makes sense at all, where the indicator does not say (our choice, wide on purpose).
USUAL: Mapping[str, tuple[float, float]] = {
    "Cel": (-90, 70),
    "%": (0, 100),
    "m/s": (0, 110),
    "kPa": (0, 120),
    "MJ/m2": (0, 60),
    "day of year": (1, 366),
    "{pF}": (0, 7),
    "[pH]": (0, 14),
    **dict.fromkeys(
        ("h", "mm", "mm/d", "mm/h", "mm/s", "m3/m3", "km", "kW", "m3/h", "m[H2O]", "mg/L", "[ppm]", "mS/cm", "kg/m3",
         "mm/m", "{count}", "1/a", "a", "d", "s", "min", "g/m3", "cm"),
        (0, math.inf),
    ),
}  # fmt: skip
_WORDS: Mapping[object, tuple[type, str]] = {
    str: (str, "text"), bool: (bool, "true or false"), list[str]: (list, "a list of texts")
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Indicator:
    """`inputs`: argument -> unit (UCUM) or a word for what it is; those that the function defaults may be left out.

    `ranges`: argument -> (low, high), both allowed, where the unit's usual range does not fit. `status`: C published
    value reproduced, R rule read in the source, X computed without a published value, REC recalled and not checked.
    `over_time`: the function's first argument is `at_us`, and it answers a value for each time, from that time and
    earlier ones only. Of lists it is said in `inputs`: one value per step, in order.
    """

    name: str
    function: Callable[..., Any]
    unit: str
    inputs: Mapping[str, str]
    source: str
    status: str
    ja: str
    en: str
    over_time: bool = False
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    required: frozenset[str] = field(init=False)
    defaults: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        parameters = inspect.signature(self.function).parameters
        if set(parameters) != set(self.inputs) or set(self.ranges) - set(self.inputs):
            raise AssertionError(f"{self.name}: inputs {set(self.inputs)} are not the arguments {set(parameters)}")
        given = {n: p.default for n, p in parameters.items() if p.default is not inspect.Parameter.empty}
        object.__setattr__(self, "required", frozenset(set(parameters) - set(given)))
        object.__setattr__(self, "defaults", given)

    @property
    def is_series(self) -> bool:
        """Answers numbers, one for each that goes in, as a playbook's derived series needs it."""
        return bool(inspect.signature(self.function).return_annotation == Floats)

    def range_of(self, name: str) -> tuple[float, float]:
        usual = USUAL.get(self.inputs[name].split(",")[0], (-math.inf, math.inf))
        return self.ranges.get(name, usual)

    def told(self) -> str:
        """Two lines: what it is, what it takes and where it is from."""
        inputs = ", ".join(f"{name} [{unit}]" for name, unit in self.inputs.items())
        return f"  {self.name} [{self.unit}]  {self.ja} / {self.en}\n      {inputs}; {self.source} ({self.status})"

    def describe(self) -> dict[str, object]:
        """All about it, as JSON: units, ranges, defaults, source and status, in both languages."""
        ranges = {name: self.range_of(name) for name in self.inputs}
        return {
            "name": self.name,
            "unit": self.unit,
            "inputs": dict(self.inputs),
            "required": sorted(self.required),
            "defaults": to_json(dict(self.defaults)),
            "ranges": {name: to_json(ends) for name, ends in ranges.items() if any(map(math.isfinite, ends))},
            "source": self.source,
            "status": self.status,
            "about": inspect.getdoc(self.function) or "",
            "ja": self.ja,
            "en": self.en,
        }


def array(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def choose(values: ArrayLike, limits: ArrayLike, names: tuple[str, ...]) -> Texts:
    """Name of the half-open class that each value is in: names[i] for limits[i-1] <= value < limits[i].

    The empty text where the value is missing. Raise ValueError for limits that do not rise, or are too few.
    """
    steps, value = np.atleast_1d(array(limits)), array(values)
    if len(steps) != len(names) - 1 or not np.all(np.diff(steps) > 0):
        raise ValueError(f"limits: {len(names) - 1} rising numbers between {', '.join(names)}")
    return texts(np.asarray(names)[np.searchsorted(steps, value, side="right")], value)


def texts(chosen: ArrayLike, *values: ArrayLike) -> Texts:
    """The chosen texts, but the empty one where one of the values is missing."""
    return np.where(_missing(values), "", np.asarray(chosen, dtype=np.str_))


def when(condition: ArrayLike, *values: ArrayLike) -> Floats:
    """1 where the condition holds, 0 where not, NaN where one of the values is missing."""
    return np.where(_missing(values), np.nan, np.asarray(condition, dtype=np.float64))


def _missing(values: tuple[ArrayLike, ...]) -> Bools:
    missing: Bools = np.zeros((), dtype=np.bool_)
    for value in values:
        missing = missing | np.isnan(array(value))
    return missing


def aligned(**lists: ArrayLike) -> list[Floats]:
    """Lists that run side by side, single numbers repeated. Raise ValueError where their lengths differ."""
    arrays = {name: np.atleast_1d(array(values)) for name, values in lists.items()}
    lengths = {name: len(values) for name, values in arrays.items() if len(values) != 1}
    if len(set(lengths.values())) > 1 or any(values.ndim > 1 for values in arrays.values()):
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"lists of different lengths: {told}")
    return list(np.broadcast_arrays(*arrays.values()))


def call(indicator: Indicator, document: object) -> Any:  # noqa: ANN401 - JSON in, JSON out
    """The indicator's value for JSON inputs; a list of objects gives a list of values. Raise SettingsError."""
    if isinstance(document, list):
        return [call(indicator, item) for item in document]
    if not isinstance(document, dict):
        raise SettingsError(f"indicator {indicator.name}: expected a JSON object, not {document!r}")
    given = {str(key).lower(): value for key, value in document.items()}
    unknown, missing = set(given) - set(indicator.inputs), indicator.required - set(given)
    if unknown or missing:
        faults = [f"unknown input {n!r}" for n in sorted(unknown)] + [f"missing input {n!r}" for n in sorted(missing)]
        known = ", ".join(f"{n} [{u}]" for n, u in indicator.inputs.items())
        raise SettingsError(f"indicator {indicator.name}: {', '.join(faults)}; it takes {known}")
    try:
        arguments = {name: _argument(indicator, name, value) for name, value in given.items()}
        with np.errstate(all="ignore"):
            result = indicator.function(**arguments)
    except (ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
        raise SettingsError(f"indicator {indicator.name}: {_plainer(error, given)}") from error
    return to_json(result)


def _argument(indicator: Indicator, name: str, value: object) -> Any:  # noqa: ANN401 - what the function takes
    """A JSON value as its argument. Raise ValueError that says which input is wrong, and how."""
    kind = inspect.signature(indicator.function).parameters[name].annotation
    if kind in _WORDS:
        type_, word = _WORDS[kind]
        if not isinstance(value, type_):
            raise ValueError(f"{name}: expected {word}, not {value!r}")
        return value
    if value is None and name in indicator.defaults:
        return indicator.defaults[name]
    numbers = _numbers(indicator, name, value)
    if kind is int:
        if numbers.ndim or not float(numbers).is_integer():
            raise ValueError(f"{name}: expected a whole number, not {value!r}")
        return int(numbers)
    if kind is float and numbers.ndim:
        raise ValueError(f"{name}: expected one number [{indicator.inputs[name]}], not a list")
    return numbers if numbers.ndim else float(numbers)


def _numbers(indicator: Indicator, name: str, value: object) -> Floats:
    """A number or a list of them, within the input's range; no time is missing, those of a series rise."""
    unit = indicator.inputs[name]
    try:
        numbers = array(value)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        raise ValueError(f"{name}: expected numbers [{unit}], not {str(value)[:60]!r}") from None
    if numbers.ndim > (2 if "matrix" in unit else 1):
        raise ValueError(f"{name}: expected a number or a list [{unit}], not lists of lists")
    low, high = indicator.range_of(name)
    outside = np.flatnonzero((numbers < low) | (numbers > high))
    if len(outside):
        where = f"[{outside[0]}]" if numbers.ndim else ""
        raise ValueError(f"{name}{where}: {numbers.flat[outside[0]]:g} is outside {low:g} to {high:g} [{unit}]")
    if unit.startswith("us"):
        if np.isnan(numbers).any():
            raise ValueError(f"{name}: a time is missing")
        if indicator.over_time and np.any(np.diff(np.atleast_1d(numbers)) <= 0):
            raise ValueError(f"{name}: times have to rise")
    return numbers


def _plainer(error: Exception, given: Mapping[str, object]) -> str:
    """Numpy's words about shapes say nothing to who gave lists."""
    if "broadcast" in str(error) or "aligned" in str(error) or "mismatch" in str(error):
        lengths = ", ".join(f"{name} {len(value)}" for name, value in given.items() if isinstance(value, list))
        return f"lists whose lengths do not fit: {lengths}"
    return str(error)


def to_json(value: Any) -> Any:  # noqa: ANN401
    """Plain Python of numpy results; what is not finite, or an empty text of an array, becomes None."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        chosen = value.astype(object)
        chosen[value == ""] = None
        return chosen.tolist()
    if isinstance(value, np.ndarray | np.generic):
        return to_json(value.tolist())
    if isinstance(value, dict):
        return {key: to_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
