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


@dataclass(frozen=True, slots=True)
class Indicator:
    """`inputs`: argument -> unit (UCUM) or a word for what it is; those that the function defaults may be left out.

    `status`: C published value reproduced, R rule read in the source, X computed without a published value,
    REC recalled and not checked. `over_time`: the function's first argument is `at_us`, and it answers a value for
    each time, from that time and earlier ones only.
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
    required: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        parameters = inspect.signature(self.function).parameters
        if set(parameters) != set(self.inputs):
            raise AssertionError(f"{self.name}: inputs {set(self.inputs)} are not the arguments {set(parameters)}")
        needed = (n for n, p in parameters.items() if p.default is inspect.Parameter.empty)
        object.__setattr__(self, "required", frozenset(needed))


def array(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def choose(values: ArrayLike, limits: ArrayLike, names: tuple[str, ...]) -> Texts:
    """Name of the half-open class that each value is in: names[i] for limits[i-1] <= value < limits[i]."""
    return np.asarray(names)[np.searchsorted(array(limits), array(values), side="right")]


def call(indicator: Indicator, document: object) -> Any:  # noqa: ANN401 - JSON in, JSON out
    """The indicator's value for JSON inputs; a list of objects gives a list of values. Raise SettingsError."""
    if isinstance(document, list):
        return [call(indicator, item) for item in document]
    if not isinstance(document, dict):
        raise SettingsError(f"indicator {indicator.name}: expected a JSON object, not {document!r}")
    arguments = {str(key).lower(): _from_json(value) for key, value in document.items()}
    unknown, missing = set(arguments) - set(indicator.inputs), indicator.required - set(arguments)
    if unknown or missing:
        faults = [f"unknown input {n!r}" for n in sorted(unknown)] + [f"missing input {n!r}" for n in sorted(missing)]
        known = ", ".join(f"{n} [{u}]" for n, u in indicator.inputs.items())
        raise SettingsError(f"indicator {indicator.name}: {', '.join(faults)}; it takes {known}")
    try:
        with np.errstate(all="ignore"):
            result = indicator.function(**arguments)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise SettingsError(f"indicator {indicator.name}: {error}") from error
    return to_json(result)


def _from_json(value: object) -> Any:  # noqa: ANN401
    if isinstance(value, list) and value and all(isinstance(v, int | float | list) or v is None for v in value):
        return np.array(value, dtype=np.float64)
    return value


def to_json(value: Any) -> Any:  # noqa: ANN401
    """Plain Python of numpy results; what is not finite becomes None."""
    if isinstance(value, np.ndarray | np.generic):
        return to_json(value.tolist())
    if isinstance(value, dict):
        return {key: to_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
