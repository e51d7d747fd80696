"""What goes wrong in the sample region within a year: drawn by a seed, before anything is judged.

Sizes have a smallest value at which a fault matters to those who work with the asset; it stands with its reason in the
tables below. What can't be told in principle is left out here, with its reason in `EXCLUDED`, and is never drawn.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import numpy as np

from satomori_sample.region import Region, Stream

Cause = Literal["asset", "sensor"]
DAY_S = 86_400.0
HOUR_S = 3_600.0
# Six weeks of undisturbed operation come first: an installer's acceptance, and what the judgement learns from.
LEARNING_DAYS = 42
# After a repair an asset rests so long at least, and so much longer at most.
REST_DAYS = (14.0, 59.0)
SENSOR_SHARE = 0.6
JAPAN_H = 9


@dataclass(frozen=True, slots=True)
class Injected:
    """`metric` is empty where the device or several channels are meant; `other`: the asset it was exchanged with."""

    cause: Cause
    kind: str
    asset: str
    class_: str
    metric: str
    from_s: float
    until_s: float
    size: float
    other: str = ""

    @property
    def assets(self) -> tuple[str, ...]:
        return (self.asset, self.other) if self.other else (self.asset,)


# Of a sensor in order, in the metric's unit, in round numbers of common makers' data sheets (recalled, not checked).
ACCURACY: Mapping[str, float] = {
    "air_temperature": 0.3, "ammonia": 1.0, "bearing_temperature": 1.0, "co2": 40.0, "displacement": 0.2, "flow": 3.0,
    "hydrogen_sulfide": 0.5, "inflow": 0.3, "motor_current": 0.5, "natural_frequency": 0.02, "pore_pressure": 0.2,
    "pressure": 2.0, "relative_humidity": 3.0, "soil_moisture": 1.5, "soil_temperature": 0.3, "solar_radiation": 15.0,
    "strain": 4.0, "structure_temperature": 0.3, "tilt": 0.01, "vibration": 0.1, "water_level": 0.01,
    "water_temperature": 0.3, "wind_speed": 0.3,
}  # fmt: skip
# Noise of so many accuracies: below four, a single reading is hardly worse than the data sheet allows.
NOISE = (4.0, 10.0)
# A bad contact jumps by a good part of the span: below twenty accuracies a reader would not be misled.
SPIKE = (20.0, 60.0)
# Drift ends at so much, and stays there: twice what a fouled or aged sensor is replaced for (recalled, not checked).
# A gain is a share of the reading.
DRIFT: Mapping[str, tuple[float, float, Literal["offset", "gain"]]] = {
    "water_temperature": (3.0, 5.0, "offset"), "soil_temperature": (3.0, 5.0, "offset"),
    "air_temperature": (3.0, 5.0, "offset"), "structure_temperature": (3.0, 5.0, "offset"),
    "relative_humidity": (12.0, 25.0, "offset"), "solar_radiation": (0.3, 0.5, "gain"),
    "flow": (0.15, 0.3, "gain"), "pressure": (10.0, 20.0, "offset"),
}  # fmt: skip
DRIFT_RAMP_DAYS = 10.0
# Hours behind: three is the least that a wrong time zone or a dead real-time clock commonly makes.
CLOCK_H = (3.0, 11.0)
# A pair's daily means have to differ by so many accuracies, else an exchange changes what nobody would act on.
SWAP_LEAST = 10.0
# A lithium cell gives way in its last weeks by so many volts (recalled, not checked).
BATTERY_V = (0.35, 0.5)
# How long a fault lasts until somebody has mended it, in days.
LASTS: Mapping[str, tuple[float, float]] = {
    "stuck": (2, 6), "noise": (3, 10), "spike": (1, 4), "clock": (6, 12), "swapped": (4, 10), "drift": (18, 25),
    "battery": (30, 45),
}  # fmt: skip

# kind, class (or ""), metric (or "") -> why it can't be told, whatever is judged.
EXCLUDED: Mapping[tuple[str, str, str], str] = {
    ("stuck", "", "rain"): "no rain for days is the rule",
    ("stuck", "pump_station", ""): "a pump that stands still shows constant channels",
    (
        "stuck",
        "",
        "solar_radiation",
    ): "stuck at night it says nothing wrong until morning, and not always then",
    ("stuck", "", "battery"): "a healthy cell stands for days",
    ("noise", "", "rain"): "counts of tips have no noise",
    ("noise", "pump_station", ""): "at ten minutes, pumping itself is as restless",
    ("noise", "", "solar_radiation"): "clouds are as restless",
    ("noise", "", "battery"): "no reading of it is acted on",
    ("spike", "", "rain"): "a cloudburst in one place is as short",
    ("spike", "pump_station", ""): "a pump's start is as steep",
    ("spike", "", "solar_radiation"): "clouds are as steep",
    ("noise", "", "wind_speed"): "gusts are as restless",
    ("spike", "", "wind_speed"): "gusts are as steep",
    ("spike", "", "battery"): "no reading of it is acted on",
    ("drift", "paddy", "water_level"): "each field's own water management: no witness",
    ("drift", "sewer_manhole", "water_level"): "each pipe's own users: no witness",
    ("drift", "irrigation_pond", "water_level"): "a leak looks the same, and is told as the pond's",
    ("drift", "", "hydrogen_sulfide"): "no witness",
    ("drift", "", "tilt"): "a creeping slope looks the same",
    ("drift", "", "natural_frequency"): "a softening bridge looks the same",
    ("drift", "", "soil_moisture"): "each soil is its own",
    ("drift", "", "rain"): "showers are local",
    ("drift", "", "displacement"): "a slipping bearing looks the same",
    ("drift", "", "strain"): "a yielding member looks the same",
    ("drift", "", "pore_pressure"): "a rising water table looks the same",
    ("drift", "", "ammonia"): "a herd or a fan looks the same",
    ("drift", "", "co2"): "each house's crop and feeding",
    ("drift", "", "inflow"): "each catchment is its own",
    ("drift", "", "bearing_temperature"): "a failing bearing looks the same",
    ("drift", "", "vibration"): "a wearing pump looks the same",
    ("drift", "", "motor_current"): "a wearing pump looks the same",
    ("drift", "upland_field", ""): "the only one of its class: no witness",
    ("drift", "orchard", ""): "the only one of its class: no witness",
    ("drift", "", "battery"): "the cell and its meter look the same",
    ("clock", "irrigation_pond", ""): "no daily wave by which to read the clock",
    ("clock", "slope", ""): "no daily wave by which to read the clock",
    ("clock", "pump_station", ""): "no daily wave by which to read the clock",
}


@dataclass(frozen=True, slots=True)
class AssetFault:
    """`size` and `lasts_d`: from and to; `months`: when it can happen. `why`: the smallest size's reason."""

    kind: str
    metric: str
    size: tuple[float, float]
    lasts_d: tuple[float, float]
    why: str
    months: frozenset[int] = frozenset(range(1, 13))


ASSET_FAULTS: Mapping[str, tuple[AssetFault, ...]] = {
    "irrigation_pond": (
        AssetFault("leak", "water_level", (0.5, 1.2), (10, 20), "m lost: 2.5 cm a day and more"),
        AssetFault("overfull", "water_level", (3.95, 4.5), (0.25, 1), "m: the pond's own warning level is 3.9"),
    ),
    "bridge": (
        AssetFault("softening", "natural_frequency", (0.02, 0.06), (5, 15), "share: Z24 lost 6 % (recalled)"),
        AssetFault("bearing_slip", "displacement", (8, 20), (6, 12), "mm: an inspector's ruler shows 5"),
    ),
    "slope": (
        AssetFault("creep", "tilt", (0.015, 0.2), (0.25, 1), "°/h: precaution is from 0.01 °/h (Uchimura et al.)"),
        AssetFault("water_table", "pore_pressure", (6, 15), (5, 10), "kPa: 60 cm of water"),
    ),
    "sewer_manhole": (
        AssetFault("surcharge", "water_level", (1.6, 2.6), (0.15, 0.5), "m: the manhole's own warning level is 1.5"),
        AssetFault("gas", "hydrogen_sulfide", (12, 80), (0.1, 0.5), "ppm: no entry above 10"),
    ),
    "pump_station": (
        AssetFault("shaking", "vibration", (2.5, 6), (1, 5), "mm/s more while it runs: ISO 10816-3 zone C from 2.8"),
        AssetFault("hot_bearing", "bearing_temperature", (45, 60), (0.25, 1), "°C more: makers warn at 75 to 80"),
        AssetFault("wear", "flow", (0.15, 0.3), (8, 15), "share of flow: 10 % is within a pump's tolerance (recalled)"),
    ),
    "paddy": (
        AssetFault("dry", "water_level", (-0.15, -0.05), (1, 4), "m: no standing water", frozenset({6, 7, 8})),
        AssetFault("flooded", "water_level", (0.18, 0.3), (0.25, 1), "m: above 15 cm deep water", frozenset({6, 7, 8})),
    ),
    "greenhouse": (
        AssetFault("heater_off", "", (11, 15), (1, 3), "°C less at night: near 5 °C tomatoes suffer",
                   frozenset({12, 1, 2})),
        AssetFault("vents_shut", "", (16, 22), (1, 3), "°C more in full sun: fruit vegetables suffer from 38 °C on",
                   frozenset({5, 6, 7, 8, 9})),
    ),
    "cattle_barn": (
        AssetFault("fans_off", "", (6, 10), (1, 4), "°C more: what takes cows from comfort past THI 72",
                   frozenset({6, 7, 8, 9})),
    ),
}  # fmt: skip


def excluded(kind: str, class_: str, metric: str) -> str | None:
    """Why a sensor fault of this kind is not drawn, or None."""
    for key in ((kind, class_, metric), (kind, "", metric), (kind, class_, "")):
        if key in EXCLUDED:
            return EXCLUDED[key]
    return None


def draw(
    seed: int, region: Region, from_s: float, days: int, pairs: Mapping[str, list[tuple[str, str]]]
) -> list[Injected]:
    """The faults of `days` days after the learning; `pairs`: asset -> (metric, other asset) that may be exchanged."""
    rng = np.random.default_rng(seed)
    begin_s, end_s = from_s + LEARNING_DAYS * DAY_S, from_s + (LEARNING_DAYS + days) * DAY_S
    free_s = {asset: begin_s + float(rng.uniform(0, 30)) * DAY_S for asset in region.assets}
    drawn: list[Injected] = []
    # Always the asset that is free first, so that a partner of an exchange is known to be free or not.
    while (asset := min(free_s, key=lambda name: free_s[name])) and free_s[asset] < end_s:
        fault = _one(rng, region, asset, free_s, pairs.get(asset, []))
        if fault is None or fault.until_s > end_s:
            free_s[asset] += 7 * DAY_S  # too long for what is left, or not its season: later
            continue
        drawn.append(fault)
        for name in fault.assets:
            free_s[name] = fault.until_s + float(rng.uniform(*REST_DAYS)) * DAY_S
    return drawn


def _one(
    rng: np.random.Generator, region: Region, asset: str, free_s: Mapping[str, float], pairs: list[tuple[str, str]]
) -> Injected | None:
    class_ = region.assets[asset].class_
    at_s = round(free_s[asset] / 600) * 600.0
    if rng.uniform() >= SENSOR_SHARE:
        month = datetime.fromtimestamp(at_s + JAPAN_H * HOUR_S, UTC).month
        possible = [fault for fault in ASSET_FAULTS.get(class_, ()) if month in fault.months]
        if not possible:
            return None
        chosen = possible[int(rng.integers(len(possible)))]
        until_s = at_s + round(float(rng.uniform(*chosen.lasts_d)) * 144) * 600
        return Injected(
            "asset", chosen.kind, asset, class_, chosen.metric, at_s, until_s, float(rng.uniform(*chosen.size))
        )
    options = list(sensor_options(region, asset))
    free = [(metric, other) for metric, other in pairs if free_s[other] <= at_s + 14 * DAY_S]
    kinds = sorted({kind for kind, _ in options} | ({"swapped"} if free else set()))
    kind = kinds[int(rng.integers(len(kinds)))]
    until_s = at_s + round(float(rng.uniform(*LASTS[kind])) * 144) * 600
    fault = Injected("sensor", kind, asset, class_, "", at_s, until_s, 0.0)
    if kind == "swapped":
        metric, other = free[int(rng.integers(len(free)))]
        return replace(fault, metric=metric, other=other)
    metrics = [metric for each, metric in options if each == kind]
    metric = metrics[int(rng.integers(len(metrics)))]
    sign = float(rng.choice([-1.0, 1.0]))
    low, high = _sizes(kind, metric)
    size = float(rng.uniform(low, high))
    return replace(fault, metric=metric, size=size * sign if kind in {"drift", "spike"} else size)


def _sizes(kind: str, metric: str) -> tuple[float, float]:
    match kind:
        case "noise" | "spike":
            low, high = NOISE if kind == "noise" else SPIKE
            return low * ACCURACY[metric], high * ACCURACY[metric]
        case "drift":
            return DRIFT[metric][:2]
        case "clock":
            return CLOCK_H
        case "battery":
            return BATTERY_V
    return 0.0, 0.0


def sensor_options(region: Region, asset: str) -> Iterator[tuple[str, str]]:
    """(kind, metric) of the sensor faults that may be drawn for an asset, exchanges apart."""
    class_ = region.assets[asset].class_
    streams: list[Stream] = [s for s in region.streams if s.asset == asset and not s.metric.startswith("gate_")]
    for stream in streams:
        for kind in ("stuck", "noise", "spike", "drift"):
            if stream.metric != "pump_running" and excluded(kind, class_, stream.metric) is None:
                yield kind, stream.metric
        if stream.metric == "battery":
            yield "battery", "battery"
    if excluded("clock", class_, "") is None:
        yield "clock", ""
