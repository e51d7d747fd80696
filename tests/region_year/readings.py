"""What the sample region's sensors say with the drawn faults: `satomori_sample`'s physics, disturbed, with gaps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from region_year.faults import ACCURACY, DAY_S, DRIFT, DRIFT_RAMP_DAYS, HOUR_S, SWAP_LEAST, Injected
from satomori_sample.noise import Floats, gauss, key_of, uniform
from satomori_sample.region import Region
from satomori_sample.weather import Weather
from satomori_sample.world import World

STEP_S = 600
# A device misses 1 to 12 hours about every 30 days, a gateway about every 90 (radio, power, maintenance; our choice).
GAP_EVERY_DAYS = {"device": 30.0, "gateway": 90.0}
GAP_HOURS_MAX = 12.0


Marks = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Trouble:
    """An asset's fault and what its channels would show without it. `sun`: 0 to 1."""

    fault: Injected
    at_s: Floats
    sun: Floats
    channels: Mapping[str, Floats]

    @property
    def lasts_h(self) -> float:
        return (self.fault.until_s - self.fault.from_s) / HOUR_S

    def grown(self, hours: float) -> Floats:
        """The fault's size, reached `hours` after its beginning."""
        return self.fault.size * self.share(hours)

    def share(self, hours: float) -> Floats:
        return np.clip((self.at_s - self.fault.from_s) / (hours * HOUR_S), 0.0, 1.0)

    def added(self, metric: str, change: Floats) -> dict[str, Floats]:
        return {metric: self.channels[metric] + change}

    def towards(self, metric: str, hours: float) -> dict[str, Floats]:
        """To the fault's size, where the water's surface is as restless as the sensor is exact."""
        key = key_of(0, self.fault.asset, metric, self.fault.kind)
        surface = ACCURACY[metric] * gauss(key, self.at_s.astype(np.int64))
        return self.added(metric, (self.fault.size + surface - self.channels[metric]) * self.share(hours))

    def running(self) -> Floats:
        return (self.channels["pump_running"] > 0).astype(np.float64)


def _worn(trouble: Trouble) -> dict[str, Floats]:
    """Head falls with flow along the pump's curve: by half of the share that flow loses."""
    lost, flow, pressure = trouble.grown(72), trouble.channels["flow"], trouble.channels["pressure"]
    return {"flow": flow * (1 - lost), "pressure": pressure * (1 - 0.5 * lost * trouble.running())}


def _unheated(trouble: Trouble) -> dict[str, Floats]:
    night = trouble.share(2) * (1.0 - np.minimum(trouble.sun * 3.0, 1.0))
    humid = np.minimum(trouble.channels["relative_humidity"] + 10.0 * night, 99.0)
    return {**trouble.added("air_temperature", -trouble.fault.size * night), "relative_humidity": humid}


def _shut(trouble: Trouble) -> dict[str, Floats]:
    """Hot in the sun, and so drier by its share of saturation; the crop uses up the carbon dioxide."""
    shut = trouble.share(1) * trouble.sun
    dry = np.maximum(trouble.channels["relative_humidity"] - 15.0 * shut, 20.0)
    return {
        **trouble.added("air_temperature", trouble.fault.size * shut),
        **trouble.added("co2", -120.0 * shut),
        "relative_humidity": dry,
    }


def _unventilated(trouble: Trouble) -> dict[str, Floats]:
    humid = np.minimum(trouble.channels["relative_humidity"] + 10.0 * trouble.share(2), 99.0)
    return {
        **trouble.added("air_temperature", trouble.grown(2)),
        **trouble.added("ammonia", 1.2 * trouble.grown(6)),
        "relative_humidity": humid,
    }


# What each channel shows of the asset's own trouble.
EFFECTS: Mapping[str, Callable[[Trouble], dict[str, Floats]]] = {
    "leak": lambda t: t.added("water_level", -t.grown(t.lasts_h)),
    "overfull": lambda t: t.towards("water_level", 4),
    "softening": lambda t: {"natural_frequency": t.channels["natural_frequency"] * (1 - t.grown(24))},
    "bearing_slip": lambda t: t.added("displacement", t.grown(1)),
    "creep": lambda t: t.added("tilt", t.lasts_h * t.grown(t.lasts_h)),
    "water_table": lambda t: t.added("pore_pressure", t.grown(24)),
    "surcharge": lambda t: t.towards("water_level", 1),
    "flooded": lambda t: t.towards("water_level", 1),
    "dry": lambda t: t.towards("water_level", 12),
    "gas": lambda t: t.added("hydrogen_sulfide", t.grown(0.5)),
    "shaking": lambda t: t.added("vibration", t.grown(12) * t.running()),
    "hot_bearing": lambda t: t.added("bearing_temperature", t.grown(3)),
    "wear": _worn,
    "heater_off": _unheated,
    "vents_shut": _shut,
    "fans_off": _unventilated,
}


class Readings:
    """`between` has to be asked for spans in order of time: what is stuck holds what it said before."""

    def __init__(self, seed: int, region: Region, faults: Sequence[Injected], from_s: float) -> None:
        self.region, self.faults = region, faults
        self._seed, self._from_s = seed, from_s
        self._world = World(seed, region, STEP_S)
        self._row = {(stream.asset, stream.metric): row for row, stream in enumerate(region.streams)}
        self._held: dict[Injected, float] = {}

    def between(self, from_s: float, until_s: float) -> tuple[Floats, Floats]:
        """(times [n], values [datastreams, n]); NaN where nothing was said."""
        at_s = np.arange(from_s, until_s, STEP_S)
        values = self._world.values(at_s)
        sky = Weather(self._seed, from_s, until_s).at(at_s)
        sun = np.clip(sky.solar_w_m2 / 700.0, 0.0, 1.0)
        # What is wrong with the asset is there before a sensor says it.
        for fault in sorted(self.faults, key=lambda fault: fault.cause):
            if fault.from_s < until_s and fault.until_s > from_s:
                self._disturb(values, at_s, fault, sun)
        for row, stream in enumerate(self.region.streams):
            values[row] = np.round(values[row] / stream.resolution) * stream.resolution
            for kind, name in (("device", stream.device), ("gateway", stream.gateway)):
                values[row, self._missing(kind, name, at_s)] = np.nan
        return at_s, values

    def _missing(self, kind: str, name: str, at_s: Floats) -> Marks:
        """At most one gap in each turn of GAP_EVERY_DAYS, somewhere in it."""
        every_s = GAP_EVERY_DAYS[kind] * DAY_S
        turn = np.floor((at_s - self._from_s) / every_s).astype(np.int64)
        start = uniform(key_of(self._seed, "gap", name), turn) * (every_s - GAP_HOURS_MAX * HOUR_S)
        lasts = (1.0 + (GAP_HOURS_MAX - 1.0) * uniform(key_of(self._seed, "lasts", name), turn)) * HOUR_S
        since = (at_s - self._from_s) - turn * every_s - start
        return np.asarray((since >= 0) & (since < lasts))

    def _disturb(self, values: Floats, at_s: Floats, fault: Injected, sun: Floats) -> None:
        within = (at_s >= fault.from_s) & (at_s < fault.until_s)
        if fault.cause == "asset":
            channels = {metric: values[row] for (asset, metric), row in self._row.items() if asset == fault.asset}
            for metric, changed in EFFECTS[fault.kind](Trouble(fault, at_s, sun, channels)).items():
                row = self._row[fault.asset, metric]
                values[row] = np.where(within, changed, values[row])
        elif fault.kind == "clock":
            # Behind by `size` hours: what is stamped s was measured at s + size.
            true = self._world.values(at_s + round(fault.size * 6) * STEP_S)
            for (asset, metric), row in self._row.items():
                if asset == fault.asset and not metric.startswith("gate_"):
                    values[row] = np.where(within, true[row], values[row])
        elif fault.kind == "swapped":
            rows = [self._row[asset, fault.metric] for asset in fault.assets]
            values[rows] = np.where(within, values[rows[::-1]], values[rows])
        else:
            row = self._row[fault.asset, fault.metric]
            values[row] = np.where(within, self._of_sensor(values[row], at_s, fault, within), values[row])

    def _of_sensor(self, values: Floats, at_s: Floats, fault: Injected, within: Marks) -> Floats:
        key, index = key_of(self._seed, fault.asset, fault.metric, fault.kind), at_s.astype(np.int64)
        since_s = at_s - fault.from_s
        match fault.kind:
            case "stuck":
                held = self._held.setdefault(fault, float(values[np.flatnonzero(within)[0]]))
                return np.full_like(values, held)
            case "noise":
                return values + fault.size * gauss(key, index)
            case "spike":
                return np.where(uniform(key, index) < 0.12, values + fault.size, values)
            case "battery":
                return values - fault.size * since_s / (fault.until_s - fault.from_s)
            case "drift":
                grown = np.clip(since_s / (DRIFT_RAMP_DAYS * DAY_S), 0.0, 1.0) * fault.size
                return values * (1.0 + grown) if DRIFT[fault.metric][2] == "gain" else values + grown
        raise AssertionError(fault.kind)


def exchangeable(seed: int, region: Region, from_s: float) -> dict[str, list[tuple[str, str]]]:
    """Asset -> (metric, other asset) of one class and gateway whose daily means differ enough in every month."""
    at_s = from_s + np.arange(0, 360 * DAY_S, 30 * DAY_S)[:, None] + np.arange(0, DAY_S, HOUR_S)
    values = World(seed, region, STEP_S)
    means = np.stack([values.values(day).mean(axis=1) for day in at_s])
    found: dict[str, list[tuple[str, str]]] = {}
    for i, own in enumerate(region.streams):
        for j, other in enumerate(region.streams):
            alike = own.metric == other.metric and own.gateway == other.gateway and own.asset != other.asset
            if (
                alike
                and region.assets[own.asset].class_ == region.assets[other.asset].class_
                and own.metric in ACCURACY
            ):
                least = np.abs(means[:, i] - means[:, j]).min()
                if least >= SWAP_LEAST * ACCURACY[own.metric]:
                    found.setdefault(own.asset, []).append((own.metric, other.asset))
    return found
