"""What goes wrong in the sample region, by a script: faults of assets, of sensors and of gateways.

A fault changes what a sensor says between two times; as everything here, that is a pure function of time.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from satomori_sample.noise import Floats, key_of, uniform

Kind = Literal["rise", "creep", "stuck", "spikes", "drift", "dead", "silent"]
KINDS: dict[str, str] = {
    "rise": "the asset: up by size within ramp_s, and down again at the end",
    "creep": "the asset: moves by size per hour while it lasts, and stays there for a round",
    "stuck": "the sensor keeps saying what it said at the start",
    "spikes": "the sensor: every tenth value is off by size",
    "drift": "the sensor is off by ever more, by size at the end",
    "dead": "the device says nothing",
    "silent": "the gateway is cut off; what it measures comes later",
}
SENSOR_KINDS = frozenset({"stuck", "spikes", "drift", "dead"})


@dataclass(frozen=True, slots=True)
class Fault:
    """`metric` is empty for a whole device or gateway; `target` is an asset's id, or a gateway's for `silent`."""

    target: str
    metric: str
    kind: Kind
    from_s: float
    until_s: float
    size: float = 0.0
    ramp_s: float = 20.0

    def covers(self, at_s: float) -> bool:
        return self.from_s <= at_s < self.until_s

    def truth(self) -> dict[str, Any]:
        return {**asdict(self), "cause": "sensor" if self.kind in SENSOR_KINDS else _cause(self.kind)}


@dataclass(frozen=True, slots=True)
class Scripted:
    """A line of the script. `start_s` counts from the beginning of live data (from the end of history if negative)."""

    target: str
    metric: str
    kind: Kind
    start_s: float
    duration_s: float
    size: float = 0.0
    ramp_s: float = 20.0


def _cause(kind: str) -> str:
    return "gateway" if kind == "silent" else "asset"


DAY_S = 86_400.0
# Ended long before anybody looks: what history shows.
HISTORY = (
    Scripted("kame-ike", "water_level", "rise", -18.3 * DAY_S, 9 * 3600, 2.0, 2 * 3600),
    Scripted("inaho-paddy-3", "water_temperature", "stuck", -13.0 * DAY_S, 1.5 * DAY_S),
    Scripted("minato-manhole-2", "water_level", "rise", -9.6 * DAY_S, 3 * 3600, 1.9, 1200),
    Scripted("aoba-pump-2", "vibration", "rise", -4.4 * DAY_S, 4 * 3600, 4.6, 3600),
)
# Live, again and again: first what nobody can overlook, then the others some minutes apart.
LIVE = (
    Scripted("oike", "water_level", "rise", 20, 480, 2.6, 20),
    Scripted("minato-manhole-1", "water_level", "rise", 240, 420, 2.3, 40),
    Scripted("aoba-pump-1", "vibration", "rise", 480, 480, 6.0, 30),
    Scripted("hikari-slope-1", "tilt", "creep", 720, 480, 5.0),
    Scripted("tanaka-paddy-2", "water_temperature", "spikes", 900, 300, 12.0),
    Scripted("kogen-barn-1", "air_temperature", "rise", 1080, 720, 24.0, 120),
    Scripted("minato-bridge-2", "", "dead", 1260, 420),
    Scripted("minato-manhole-3", "hydrogen_sulfide", "rise", 1500, 360, 32.0, 30),
    Scripted("gw-midori", "", "silent", 1800, 420),
    Scripted("tanaka-paddy-1", "soil_moisture", "drift", 1860, 540, 12.0),
)
LIVE_REPEAT_S = 2700.0


def history_faults(script: Sequence[Scripted], end_s: float) -> list[Fault]:
    return [_placed(line, end_s + line.start_s) for line in script]


def live_faults(script: Sequence[Scripted], repeat_s: float, began_s: float, until_s: float) -> Iterator[Fault]:
    """The occurrences of the newest rounds that have begun by `until_s`, in order of time.

    What has crept stays for a round, then somebody has levelled it; so values stay in reason however long it runs.
    """
    rounds = max(int((until_s - began_s) // repeat_s) + 1, 0)
    longest_s = max((line.start_s + line.duration_s for line in script), default=0.0)
    for turn in range(max(rounds - 1 - math.ceil(longest_s / repeat_s), 0), rounds):
        for line in sorted(script, key=lambda line: line.start_s):
            fault = _placed(line, began_s + turn * repeat_s + line.start_s)
            if fault.from_s <= until_s:
                yield fault


def _placed(line: Scripted, from_s: float) -> Fault:
    until_s = from_s + line.duration_s
    return Fault(line.target, line.metric, line.kind, from_s, until_s, line.size, line.ramp_s)


def disturb(values: Floats, at_s: Floats, fault: Fault, before: float) -> Floats:
    """`values` as the fault makes them; NaN is nothing said. `before`: the value at the fault's start."""
    if fault.kind == "creep":
        lasted_s = np.clip(at_s, fault.from_s, fault.until_s) - fault.from_s
        return values + fault.size * lasted_s / 3600.0
    within = (at_s >= fault.from_s) & (at_s < fault.until_s)
    return np.where(within, _during(values, at_s, fault, before), values)


def _during(values: Floats, at_s: Floats, fault: Fault, before: float) -> Floats:
    match fault.kind:
        case "rise":
            nearest_s = np.minimum(at_s - fault.from_s, fault.until_s - at_s)
            values = values + fault.size * np.clip(nearest_s / fault.ramp_s, 0.0, 1.0)
        case "stuck":
            values = np.full_like(values, before)
        case "spikes":
            # A spike stands alone: the sensor is right again at the next value.
            hit = uniform(key_of(0, fault.target, fault.metric), (at_s // 10).astype(np.int64)) < 0.12
            values = np.where(hit, values + fault.size, values)
        case "drift":
            values = values + fault.size * (at_s - fault.from_s) / (fault.until_s - fault.from_s)
        case "dead":
            values = np.full_like(values, np.nan)
    return values
