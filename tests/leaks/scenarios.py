"""A district of a WNTR network as its operator sees it: inflow and a few pressures each 15 minutes, by seed.

What a burst lets out is read back from the simulation (EPANET's emitter flow), never taken from what was asked for.
Without gauges, and with bursts as demand that is added, nothing depends on hydraulics (demand is served, reservoirs
count as inlets): the inflow is the sum of what is drawn, and EPANET does not run.
"""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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

    Noise is drawn anew each hour or, `held` for a step, each 15 minutes; `persists`: its correlation from one draw to
    the next; `shared`: the part of its variance that all nodes have in common. `added`: a burst is demand, not an
    emitter. `week_shift_h`: days and rest days begin so many hours after Japan's.

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
    held: Literal["hour", "step"] = "hour"
    persists: float = 0.0
    shared: float = 0.0
    added: bool = False
    week_shift_h: int = 0


@dataclass(frozen=True, slots=True)
class Recording:
    """`at_us` [n]; `flow_m3h` [n]; `pressure_kpa` [n, sensors]; `leak_m3h` [n]: what really flowed out by the fault.

    Nobody sees `usual_m3h` [hours], the demand but for its noise, and `noise_m3h`, the deviation of its hourly mean.
    """

    scenario: Scenario
    at_us: NDArray[np.int64]
    flow_m3h: Floats
    pressure_kpa: Floats
    leak_m3h: Floats
    node: str
    usual_m3h: Floats
    noise_m3h: Floats

    @property
    def fault_us(self) -> int:
        return int(self.at_us[0]) + round(self.scenario.at_day * 86400 / STEP_S) * STEP_S * SECOND_US

    def leak_of_day(self) -> float:
        """Mean leak in the 24 h after the fault, m3/h."""
        after = (self.at_us >= self.fault_us) & (self.at_us < self.fault_us + DAY_US)
        return float(self.leak_m3h[after].mean())


def draw_bursts(like: Scenario, seed: int, count: int, stays_days: float = 4) -> Iterator[Scenario]:
    """Bursts of 5 to 15 % of the inflow at any hour of the third and fourth week, and the days after."""
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        at_day, share = 14 + float(rng.integers(24, 14 * 96)) / 96, float(rng.uniform(0.05, 0.15))
        yield replace(like, seed=seed * 1000 + number, share=share, at_day=at_day, days=at_day + stays_days)


def simulate(scenario: Scenario) -> Recording:
    """Run EPANET step by step. Raise ValueError where the network has no junction under pressure."""
    rng = np.random.default_rng([scenario.seed, len(scenario.network)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import wntr  # noqa: PLC0415 - takes seconds, with warnings of its own

        model = wntr.network.WaterNetworkModel(scenario.network)
        means = _mean_demands_m3h(model)
    hours = int(np.ceil(scenario.days * HOURS_A_DAY)) + 1
    usual = means * _pattern(rng, scenario, len(means), hours)
    drawn = _Drawn(usual, np.repeat(usual, _draws(scenario), axis=0) * np.maximum(1 + _wave(rng, scenario, usual), 0))
    if scenario.added and not scenario.sensors:
        return _sum(scenario, drawn, rng)
    with _opened(model, scenario.days) as engine:
        return _run(engine, scenario, model.junction_name_list, drawn, rng)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Demand, m3/h: `usual` [hours, nodes]; `demands` [draws, nodes] with noise."""

    usual: Floats
    demands: Floats

    def recording(
        self, scenario: Scenario, rng: np.random.Generator, seen: tuple[Floats, Floats], leak: Floats, node: str
    ) -> Recording:
        """`seen`: flow [n] and pressures [n, sensors] as they are; here the meters' noise is added."""
        flow, pressure = seen
        rows, at_row = len(flow), round(scenario.at_day * 86400 / STEP_S)
        read = _meter(scenario, flow, at_row)
        own, common = (self.usual**2).sum(axis=1), self.usual.sum(axis=1) ** 2
        law = 0.2 / np.sqrt(3) if scenario.noise == "even" else 0.2
        variance = law**2 * ((1 - scenario.shared) * own + scenario.shared * common) / _draws(scenario)
        return Recording(
            scenario, MONDAY_US + scenario.seed % 7 * DAY_US + np.arange(rows) * STEP_S * SECOND_US,
            read * rng.normal(1, 0.005, rows), (pressure + rng.normal(0, 0.1, pressure.shape)) * _KPA_PER_M,
            leak if scenario.kind in {"burst", "gradual"} else np.zeros(rows), node, self.usual.sum(axis=1),
            np.sqrt(variance),
        )  # fmt: skip


def _draws(scenario: Scenario) -> int:
    """In an hour."""
    return 1 if scenario.held == "hour" else 4


def _sum(scenario: Scenario, drawn: _Drawn, rng: np.random.Generator) -> Recording:
    rows, at_row = int(scenario.days * 86400) // STEP_S, round(scenario.at_day * 86400 / STEP_S)
    flow = np.repeat(drawn.demands.sum(axis=1), 4 // _draws(scenario))[:rows]
    leak = scenario.share * flow[:at_row].mean() * _grown(scenario, np.arange(rows) - at_row)
    if scenario.kind in {"burst", "gradual"}:
        flow = flow + leak
    return drawn.recording(scenario, rng, (flow, np.empty((rows, 0))), leak, "")


def _grown(scenario: Scenario, rows: NDArray[np.int64]) -> Floats:
    """Of a fault that began so many rows ago, the part that is there."""
    if scenario.kind != "gradual":
        return (rows >= 0).astype(np.float64)
    return np.clip(rows * STEP_S / 86400 / scenario.grows_days, 0.0, 1.0)


def _mean_demands_m3h(model: Any) -> Floats:
    """Of each junction, over its patterns; what feeds water in is left out, so that the inlets are all there is."""
    means = []
    for name in model.junction_name_list:
        parts = model.get_node(name).demand_timeseries_list
        means.append(
            sum(p.base_value * (1.0 if p.pattern is None else float(np.mean(p.pattern.multipliers))) for p in parts)
        )
    return np.asarray(np.maximum(np.array(means) * 3600, 0.0))


def _pattern(rng: np.random.Generator, scenario: Scenario, nodes: int, hours: int) -> Floats:
    """[hours, nodes]: factors of the mean use: a day's and a week's pattern, each node its share of it."""
    hour, first_day = np.arange(hours) + 168 - scenario.week_shift_h, scenario.seed % 7
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
    growth = 1 + (scenario.share * np.arange(hours) / (28 * HOURS_A_DAY) if scenario.kind == "growth" else 0.0 * hour)
    return np.asarray(pattern * growth[:, None])


def _wave(rng: np.random.Generator, scenario: Scenario, usual: Floats) -> Floats:
    """[draws, nodes] noise, as shares of the use."""

    def draw(nodes: int) -> Floats:
        shape = (len(usual) * _draws(scenario), nodes)
        return rng.uniform(-0.2, 0.2, shape) if scenario.noise == "even" else rng.normal(0, 0.2, shape)

    wave = draw(usual.shape[1])
    if scenario.shared:
        wave = np.sqrt(1 - scenario.shared) * wave + np.sqrt(scenario.shared) * draw(1)
    for i in range(1, len(wave)) if scenario.persists else ():
        wave[i] = scenario.persists * wave[i - 1] + np.sqrt(1 - scenario.persists**2) * wave[i]
    return wave


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


def _run(engine: Any, scenario: Scenario, junctions: list[str], drawn: _Drawn, rng: np.random.Generator) -> Recording:
    from wntr.epanet.util import EN  # noqa: PLC0415

    demands, held_s = drawn.demands, 3600 // _draws(scenario)

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
        if now_s == row * STEP_S and now_s % held_s == 0:
            for user in users.tolist():
                engine.ENsetnodevalue(places[user], EN.BASEDEMAND, float(demands[now_s // held_s, user]))
        if row >= at_row and fault >= 0 and scenario.kind in {"burst", "gradual"}:
            grown = coefficient * float(_grown(scenario, np.array([row - at_row]))[0])
            if scenario.added:
                engine.ENsetnodevalue(places[fault], EN.BASEDEMAND, float(demands[now_s // held_s, fault]) + grown)
            else:
                engine.ENsetnodevalue(places[fault], EN.EMITTER, grown)
        now_s = engine.ENrunH()
        if not sensors:
            sensors = _under_pressure(engine, places, users, rng, scenario.sensors)
            fault = _under_pressure(engine, places, users, rng, 1)[0]
        if now_s == row * STEP_S:
            flow[row] = -sum(engine.ENgetnodevalue(i, EN.DEMAND) for i in inlets)
            pressure[row] = [engine.ENgetnodevalue(places[i], EN.PRESSURE) for i in sensors]
            leak[row] = engine.ENgetnodevalue(places[fault], EN.DEMAND) - demands[now_s // held_s, fault]
            if row == at_row - 1 and fault >= 0:
                head = max(engine.ENgetnodevalue(places[fault], EN.PRESSURE), 1.0)
                coefficient = scenario.share * flow[: row + 1].mean() / (1.0 if scenario.added else np.sqrt(head))
            row += 1
        if (step_s := engine.ENnextH()) <= 0:
            break
        now_s += step_s
    return drawn.recording(scenario, rng, (flow, pressure), leak, junctions[fault])


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
