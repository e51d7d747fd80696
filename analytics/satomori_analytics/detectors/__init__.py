"""The detectors by name. The list below is the registry; every one keeps the promises in tests/analytics."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from satomori_analytics.detectors.base import Detector, Latch, Scores
from satomori_analytics.detectors.joint import Residual
from satomori_analytics.detectors.leak import LeakStep
from satomori_analytics.detectors.multichannel import Multichannel
from satomori_analytics.detectors.plain import Limit, Silent, Stuck
from satomori_analytics.detectors.univariate import Univariate
from satomori_core.errors import NotFoundError, SettingsError

# Options that may be below 0 or without end, and those that may be 0; all others are above 0.
_ANY_NUMBER = frozenset({"high", "low", "quiet", "knee", "utc_offset_s"})
_FROM_0 = frozenset({"quiet_s", "for_s", "relearn_s", "tolerance", "hysteresis", "beyond", "holidays"})


@dataclass(frozen=True, slots=True)
class DetectorKind:
    name: str
    make: Callable[..., Detector]
    ja: str
    en: str
    source: str

    @property
    def learns_rows(self) -> bool:
        """Whether it learns from its first rows only, and holds on to them."""
        return "learn_rows" in inspect.signature(self.make).parameters

    @property
    def budgeted(self) -> bool:
        """Whether it takes a share of an asset's budget of false alarms."""
        return "false_alarms_per_month" in inspect.signature(self.make).parameters

    @property
    def knows_days(self) -> bool:
        """Whether it is told where the day begins."""
        return "utc_offset_s" in inspect.signature(self.make).parameters

    @property
    def joint(self) -> bool:
        """Whether it takes several channels of one thing together."""
        return bool(getattr(self.make, "joint", False))

    @property
    def channels_min(self) -> int:
        """How many channels a joint detector can't do without."""
        return int(getattr(self.make, "channels_min", 1))

    def build(self, options: Mapping[str, float], where: str) -> Detector:
        """Raise SettingsError for an option that this detector does not know."""
        known = inspect.signature(self.make).parameters
        unknown = [name for name in options if name not in known]
        if unknown:
            names = ", ".join(known)
            raise SettingsError(f"{where}: detector {self.name} has no option {', '.join(unknown)}; it has {names}")
        defaults = {name: parameter.default for name, parameter in known.items()}
        wrong = [f"{n} is {fault}" for n, value in options.items() if (fault := _fault(n, value, defaults[n]))]
        together = defaults | dict(options)
        if not wrong and "window" in together and together["learn_rows"] < 2 * together["window"]:
            wrong = [
                f"learn_rows is {together['learn_rows']:g}: expected twice the window ({together['window']:g}) or more"
            ]
        if wrong:
            raise SettingsError(f"{where}: {', '.join(wrong)}")
        return self.make(**{name: _as_kind(value, known[name].default) for name, value in options.items()})


def _fault(name: str, value: float, default: object) -> str:
    """What is wrong with an option's value, and what is expected."""
    if type(default) is int and not float(value).is_integer():
        return f"{value:g}: expected a whole number"
    if name == "probability" and value >= 1:
        return f"{value:g}: expected less than 1"
    if name in _ANY_NUMBER:
        return "no number" if math.isnan(value) else ""
    if 0 < value < math.inf or (value == 0 and name in _FROM_0):
        return ""
    return f"{value:g}: expected {'0 or more' if name in _FROM_0 else 'more than 0'}"


def _as_kind(value: float, default: object) -> float | int | bool:
    """A number of the kind that the option's default is of."""
    if isinstance(default, bool):
        return bool(value)
    return int(value) if isinstance(default, int) else float(value)


ALL: tuple[DetectorKind, ...] = (
    DetectorKind("limit", Limit, "しきい値", "Limit", "EEMUA 191: hysteresis and delay against chatter"),
    DetectorKind("stuck", Stuck, "固着", "Stuck", "QARTOD flat line test"),
    DetectorKind("silent", Silent, "無通信", "Silent", "QARTOD gap test"),
    DetectorKind(
        "univariate", Univariate, "平常との違い", "Unlike its own past", "peaks over threshold; Pickands 1975"
    ),
    DetectorKind("multichannel", Multichannel, "多チャンネル", "Multichannel", "kriging of running means"),
    DetectorKind("residual", Residual, "温度補正残差", "Residual", "two-slope regression, as for the Z24 bridge (REC)"),
    DetectorKind("leak", LeakStep, "漏水", "Leak", "likelihood ratio of a step above the week's usual inflow"),
)
BY_NAME: Mapping[str, DetectorKind] = MappingProxyType({kind.name: kind for kind in ALL})


def find(name: str) -> DetectorKind:
    if name not in BY_NAME:
        raise NotFoundError(f"no detector {name!r}; there are {', '.join(BY_NAME)}")
    return BY_NAME[name]


__all__ = ["ALL", "BY_NAME", "Detector", "DetectorKind", "Latch", "Scores", "find"]
