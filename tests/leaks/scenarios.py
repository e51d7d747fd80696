"""A district of a WNTR network as its operator sees it: inflow and a few pressures each 15 minutes, by seed.

What a burst lets out is read back from the simulation (EPANET's emitter flow), never taken from what was asked for.
"""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from satomori_core.clock import DAY_US, SECOND_US

Floats = NDArray[np.float64]
Kind = Literal["burst", "gradual", "none", "growth", "meter"]

STEP_S = 900
HOURS_A_DAY = 24
# 2026-06-01 00:00 in Japan, a Monday.
MONDAY_US = 1_780_239_600 * SECOND_US
_KPA_PER_M = 9.80665
_LEVEL_HELD_M = 1e5  # diameter of a tank whose level nothing moves


@dataclass(frozen=True, slots=True)
class Scenario:
    """`share`: of the mean inflow, what the fault adds. `noise`: how ± 20 % is drawn: even, or normal with sd 20 %.

    Kinds: `burst` at once; `gradual` over `grows_days`; `none`; `growth`: all use rises by `share` over 28 days and
    nothing leaks; `meter`: the inflow meter reads too much from then on.
    """

    network: str
    seed: int
    kind: Kind
    share: float = 0.0
    at_day: float = 14.0
    days: float = 42.0
    noise: Literal["even", "normal"] = "even"
    grows_days: float = 14.0
    sensors: int = 3


@dataclass(frozen=True, slots=True)
class Recording:
    """`at_us` [n]; `flow_m3h` [n]; `pressure_kpa` [n, sensors]; `leak_m3h` [n]: what really flowed out by the fault."""

    scenario: Scenario
    at_us: NDArray[np.int64]
    flow_m3h: Floats
    pressure_kpa: Floats
    leak_m3h: Floats
    node: str

    @property
    def fault_us(self) -> int:
        return int(self.at_us[0]) + round(self.scenario.at_day * 86400 / STEP_S) * STEP_S * SECOND_US

    def leak_of_day(self) -> float:
        """Mean leak in the 24 h after the fault, m3/h."""
        after = (self.at_us >= self.fault_us) & (self.at_us < self.fault_us + DAY_US)
        return float(self.leak_m3h[after].mean())


def draw_bursts(network: str, seed: int, count: int, noise: Literal["even", "normal"] = "even") -> Iterator[Scenario]:
    """Bursts of 5 to 15 % of the inflow at any hour of the third and fourth week, and the days after."""
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        at_day = 14 + float(rng.integers(24, 14 * 96)) / 96
        yield Scenario(
            network, seed * 1000 + number, "burst", float(rng.uniform(0.05, 0.15)), at_day, at_day + 4, noise
        )


def simulate(scenario: Scenario) -> Recording:
    """Run EPANET step by step. Raise ValueError where the network has no junction under pressure."""
    rng = np.random.default_rng([scenario.seed, len(scenario.network)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import wntr  # noqa: PLC0415 - takes seconds, with warnings of its own

        model = wntr.network.WaterNetworkModel(scenario.network)
        means = _mean_demands_m3h(model)
    hours = int(np.ceil(scenario.days * HOURS_A_DAY)) + 1
    demands = means * _use(rng, scenario, len(means), hours)
    with _opened(model, scenario.days) as engine:
        return _run(engine, scenario, model.junction_name_list, demands, rng)


def _mean_demands_m3h(model: Any) -> Floats:
    """Of each junction, over its patterns; what feeds water in is left out, so that the inlets are all there is."""
    means = []
    for name in model.junction_name_list:
        parts = model.get_node(name).demand_timeseries_list
        means.append(
            sum(p.base_value * (1.0 if p.pattern is None else float(np.mean(p.pattern.multipliers))) for p in parts)
        )
    return np.asarray(np.maximum(np.array(means) * 3600, 0.0))


def _use(rng: np.random.Generator, scenario: Scenario, nodes: int, hours: int) -> Floats:
    """[hours, nodes]: factors of the mean use: a day's and a week's pattern, each node its share of it, and noise."""
    hour, first_day = np.arange(hours), scenario.seed % 7
    weekday = (hour // HOURS_A_DAY + first_day) % 7
    clock = hour % HOURS_A_DAY
    night = rng.uniform(0.15, 0.35)

    def bump(at: float, width: float) -> Floats:
        away = np.minimum(np.abs(clock - at), HOURS_A_DAY - np.abs(clock - at))
        return np.asarray(np.exp(-((away / width) ** 2) / 2))

    work = night + bump(rng.uniform(6.5, 8), 1.3) + 0.5 * bump(12.5, 3) + rng.uniform(0.9, 1.2) * bump(19.5, 2.2)
    rest = night + 0.9 * bump(rng.uniform(8.5, 10), 2) + 0.7 * bump(13, 3) + bump(19, 2.4)
    levels = np.array([1, 1, 1, 1, 1, rng.uniform(0.95, 1.15), rng.uniform(0.95, 1.15)]) * rng.normal(1, 0.01, 7)
    shape = np.where(weekday >= 5, rest, work) * levels[weekday]
    household = rng.uniform(0.6, 1.0, nodes)
    pattern = household * (shape / shape.mean())[:, None] + (1 - household)
    wave = rng.uniform(-0.2, 0.2, (hours, nodes)) if scenario.noise == "even" else rng.normal(0, 0.2, (hours, nodes))
    growth = 1 + (scenario.share * hour / (28 * HOURS_A_DAY) if scenario.kind == "growth" else np.zeros(hours))
    return np.asarray(pattern * np.maximum(1 + wave, 0) * growth[:, None])


@contextmanager
def _opened(model: Any, days: float) -> Iterator[Any]:
    """EPANET's toolkit with the network open; service reservoirs hold their level and count as inlets."""
    from wntr.epanet.toolkit import ENepanet  # noqa: PLC0415
    from wntr.network import write_inpfile  # noqa: PLC0415

    for _, tank in model.tanks():
        tank.vol_curve_name = None
        tank.diameter = _LEVEL_HELD_M
    # A demand without a pattern would follow the network's default one.
    model.add_pattern("as-set", [1.0])
    for name in model.junction_name_list:
        model.get_node(name).demand_timeseries_list.clear()
        model.get_node(name).add_demand(0.0, "as-set")
    model.options.hydraulic.demand_multiplier = 1.0
    model.options.hydraulic.emitter_exponent = 0.5
    model.options.hydraulic.demand_model = "DDA"
    model.options.time.duration = int(days * 86400)
    model.options.time.hydraulic_timestep = model.options.time.report_timestep = STEP_S
    model.options.time.pattern_timestep = model.options.time.rule_timestep = 3600
    model.options.quality.parameter = "NONE"
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "district.inp"
        write_inpfile(model, str(path), units="CMH")
        engine = ENepanet()
        engine.ENopen(str(path), str(path.with_suffix(".rpt")), str(path.with_suffix(".bin")))
        engine.ENopenH()
        try:
            yield engine
        finally:
            engine.ENcloseH()
            engine.ENclose()


def _run(engine: Any, scenario: Scenario, junctions: list[str], demands: Floats, rng: np.random.Generator) -> Recording:
    from wntr.epanet.util import EN  # noqa: PLC0415

    places = [engine.ENgetnodeindex(name) for name in junctions]
    inlets = [i for i in range(1, engine.ENgetcount(EN.NODECOUNT) + 1) if engine.ENgetnodetype(i) != EN.JUNCTION]
    users = np.flatnonzero(demands.mean(axis=0) > 0)
    rows = int(scenario.days * 86400) // STEP_S
    at_row = round(scenario.at_day * 86400 / STEP_S)
    flow, leak = np.zeros(rows), np.zeros(rows)
    sensors: list[int] = []
    pressure = np.zeros((rows, scenario.sensors))
    fault, coefficient = -1, 0.0
    engine.ENinitH(0)
    now_s, row = 0, 0
    while row < rows:
        if now_s == row * STEP_S and now_s % 3600 == 0:
            for user in users.tolist():
                engine.ENsetnodevalue(places[user], EN.BASEDEMAND, float(demands[now_s // 3600, user]))
        if row >= at_row and fault >= 0 and scenario.kind in {"burst", "gradual"}:
            grown = 1.0 if scenario.kind == "burst" else min((row - at_row) * STEP_S / 86400 / scenario.grows_days, 1.0)
            engine.ENsetnodevalue(places[fault], EN.EMITTER, coefficient * grown)
        now_s = engine.ENrunH()
        if not sensors:
            sensors = _under_pressure(engine, places, users, rng, scenario.sensors)
            fault = _under_pressure(engine, places, users, rng, 1)[0]
        if now_s == row * STEP_S:
            flow[row] = -sum(engine.ENgetnodevalue(i, EN.DEMAND) for i in inlets)
            pressure[row] = [engine.ENgetnodevalue(places[i], EN.PRESSURE) for i in sensors]
            leak[row] = engine.ENgetnodevalue(places[fault], EN.DEMAND) - demands[now_s // 3600, fault]
            if row == at_row - 1 and fault >= 0:
                head = max(engine.ENgetnodevalue(places[fault], EN.PRESSURE), 1.0)
                coefficient = scenario.share * flow[: row + 1].mean() / np.sqrt(head)
            row += 1
        if (step_s := engine.ENnextH()) <= 0:
            break
        now_s += step_s
    read = _meter(scenario, flow, at_row)
    return Recording(
        scenario, MONDAY_US + scenario.seed % 7 * DAY_US + np.arange(rows) * STEP_S * SECOND_US,
        read * rng.normal(1, 0.005, rows), (pressure + rng.normal(0, 0.1, pressure.shape)) * _KPA_PER_M,
        leak if scenario.kind in {"burst", "gradual"} else np.zeros(rows), junctions[fault],
    )  # fmt: skip


def _meter(scenario: Scenario, flow: Floats, at_row: int) -> Floats:
    late = np.arange(len(flow)) >= at_row
    return np.asarray(flow * np.where(late, 1 + scenario.share, 1.0)) if scenario.kind == "meter" else flow


def _under_pressure(
    engine: Any, places: list[int], users: NDArray[np.intp], rng: np.random.Generator, count: int
) -> list[int]:
    """Junctions that have users and at least 10 m of water above them."""
    from wntr.epanet.util import EN  # noqa: PLC0415

    fit = [user for user in users.tolist() if engine.ENgetnodevalue(places[user], EN.PRESSURE) >= 10]
    if len(fit) < count:
        raise ValueError(f"only {len(fit)} junctions are under pressure; {count} are needed")
    return sorted(rng.choice(fit, count, replace=False).tolist())
