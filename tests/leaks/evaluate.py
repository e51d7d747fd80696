"""Judges the leak detector on seeded districts: `make leaks SEED=1 SCENARIOS=40`. A line a scenario, then a table."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from leaks import oracle
from leaks.scenarios import Kind, Recording, Scenario, draw_bursts, simulate
from satomori_analytics.detectors.leak import Leak, LeakStep
from satomori_core.clock import DAY_US, HOUR_US

_LEARNING_DAYS = 14


@dataclass(frozen=True, slots=True)
class Outcome:
    """`found_h`: hours from the fault to the alarm; None: not found. `size`, `truth`: m3/h, a day after the fault.

    `at_alarm`: the size as it was told first. `bound_h`, `bound_size`: of the oracle.
    """

    scenario: Scenario
    watched_days: float
    false_alarms: int
    found_h: float | None
    size: float
    truth: float
    started_off_h: float
    verdict: str
    at_alarm: float = float("nan")
    bound_h: float | None = None
    bound_size: float = float("nan")

    @property
    def found_in_a_day(self) -> bool:
        return self.found_h is not None and self.found_h <= 24

    def sized(self, size: float) -> bool:
        return self.truth > 0 and abs(size / self.truth - 1) <= 0.3

    @property
    def ratio(self) -> float:
        return self.size / self.truth if self.truth > 0 else float("nan")


def judge(recording: Recording) -> Outcome:
    """An alarm that begins before the fault is false; one that is still on when the fault comes finds nothing."""
    scenario, detector = recording.scenario, LeakStep()
    alarm = detector.score(recording.at_us, np.column_stack([recording.flow_m3h, recording.pressure_kpa])).alarm[:, 0]
    faulty = scenario.kind in {"burst", "gradual", "meter"}
    end_us = recording.fault_us if faulty else int(recording.at_us[-1])
    before = recording.at_us < end_us
    began = alarm & ~np.concatenate([[False], alarm[:-1]])
    after = np.flatnonzero(began & ~before) if faulty else np.array([], int)
    days = (end_us - int(recording.at_us[0])) / DAY_US - _LEARNING_DAYS
    found, truth = None, recording.leak_of_day() if faulty else 0.0
    leak: Leak | None = None
    first: Leak | None = None
    if len(after):
        found = (int(recording.at_us[after[0]]) - recording.fault_us) / HOUR_US
        first = detector.leaks[int(after[0])]
        day_on = int(np.searchsorted(recording.at_us, recording.fault_us + DAY_US))
        # What is told a day after the burst, or at the alarm where that came later.
        leak = detector.leaks[min(max(day_on, int(after[0])), len(alarm) - 1)]
        if scenario.kind == "gradual" and scenario.grows_days > 1:
            leak = detector.leaks[-1]
    truth = float(recording.leak_m3h[-1]) if scenario.kind == "gradual" else truth
    bound = oracle.found(recording) if scenario.kind == "burst" else (None, float("nan"))
    return Outcome(
        scenario, days, int((began & before).sum()), found, leak.size if leak else float("nan"), truth,
        (leak.since_us - recording.fault_us) / HOUR_US if leak else float("nan"), leak.verdict if leak else "-",
        first.size if first else float("nan"), *bound,
    )  # fmt: skip


def months_without_a_leak(like: Scenario, seed: int, count: int) -> list[Scenario]:
    """Every other month has all use grow by 10 % in 28 days."""
    kinds: tuple[tuple[Kind, float], ...] = (("none", 0.0), ("growth", 0.1))
    return [
        replace(like, seed=seed * 1000 + 500 + n, kind=kinds[n % 2][0], share=kinds[n % 2][1], at_day=14.0, days=44.0)
        for n in range(count)
    ]


def table(title: str, outcomes: Sequence[Outcome]) -> list[str]:
    """Rows of a Markdown table: one for each network."""
    head = (
        "| network | noise and fault | found in 24 h | median h | size ±30 % at the alarm | a day on | "
        "false alarms / months | with growth | the bound finds | and sizes |"
    )
    lines = [head, "|---|---|---|---|---|---|---|---|---|---|"]
    for network in sorted({o.scenario.network for o in outcomes}):
        part = [o for o in outcomes if o.scenario.network == network]
        bursts = [o for o in part if o.scenario.kind not in {"none", "growth"}]
        found = [o for o in bursts if o.found_in_a_day]
        hours = np.median([o.found_h for o in found if o.found_h is not None]) if found else float("nan")
        known = [o for o in bursts if o.bound_h is not None and o.bound_h <= 24]
        lines.append(
            f"| {network} | {title} | {share(len(found), len(bursts))} | {hours:.1f} | "
            f"{share(sum(o.sized(o.at_alarm) for o in found), len(found))} | "
            f"{share(sum(o.sized(o.size) for o in found), len(found))} | "
            f"{_false([o for o in part if o.scenario.kind != 'growth'])} | "
            f"{_false([o for o in part if o.scenario.kind == 'growth'])} | {share(len(known), len(bursts))} | "
            f"{share(sum(o.sized(o.bound_size) for o in known), len(known))} |"
        )
    return lines


def _false(outcomes: Sequence[Outcome]) -> str:
    return f"{sum(o.false_alarms for o in outcomes)} / {sum(o.watched_days for o in outcomes) / 30:.1f}"


def share(part: int, whole: int) -> str:
    return f"{part}/{whole} = {100 * part / whole:.0f} %" if whole else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenarios", type=int, default=40, help="bursts on each network")
    parser.add_argument("--months", type=int, default=20, help="months without a leak on each network")
    parser.add_argument("--networks", default="Net3,Net2", help="names that wntr ships, or paths of .inp files")
    parser.add_argument("--noise", default="even", choices=("even", "normal"))
    parser.add_argument("--held", default="hour", choices=("hour", "step"), help="noise is drawn anew each")
    parser.add_argument("--persists", type=float, default=0.0, help="correlation of noise from one draw to the next")
    parser.add_argument("--shared", type=float, default=0.0, help="part of the noise's variance that all nodes share")
    parser.add_argument("--gauges", type=int, default=3, help="0 with --added: no hydraulics, which is fast")
    parser.add_argument("--added", action="store_true", help="bursts are demand that is added, not emitters")
    parser.add_argument("--week-shift-h", type=int, default=0, help="days and rest days begin so much later")
    parser.add_argument("--grows-days", type=float, default=14.0, help="of --kind gradual")
    parser.add_argument("--kind", default="burst", choices=get_args(Kind))
    chosen = parser.parse_args()
    outcomes = []
    for network in chosen.networks.split(","):
        like = Scenario(
            network, 0, chosen.kind, noise=chosen.noise, held=chosen.held, persists=chosen.persists,
            shared=chosen.shared, sensors=chosen.gauges, added=chosen.added, week_shift_h=chosen.week_shift_h,
            grows_days=chosen.grows_days,
        )  # fmt: skip
        stays = 4 if chosen.kind == "burst" or chosen.grows_days <= 1 else 18
        scenarios = list(draw_bursts(like, chosen.seed, chosen.scenarios, stays))
        scenarios += months_without_a_leak(like, chosen.seed, chosen.months)
        for number, scenario in enumerate(scenarios, 1):
            one = judge(simulate(scenario))
            outcomes.append(one)
            print(
                f"{number}/{len(scenarios)} {network} seed {scenario.seed} {scenario.kind} {scenario.share:.3f}: "
                f"found after {one.found_h} h, size {one.at_alarm:.1f}, then {one.size:.1f} of {one.truth:.1f} m3/h, "
                f"start off by {one.started_off_h:.0f} h, pressures {one.verdict}; {one.false_alarms} false in "
                f"{one.watched_days:.0f} days; the bound after {one.bound_h} h",
                flush=True,
            )
    print(f"\nseed {chosen.seed}\n" + "\n".join(table(_title(chosen), outcomes)))


def _title(chosen: argparse.Namespace) -> str:
    """What was asked for beyond the usual."""
    usual = {"noise": "even", "held": "hour", "persists": 0.0, "shared": 0.0, "gauges": 3, "added": False}
    usual |= {"week_shift_h": 0, "kind": "burst", "grows_days": 14.0}
    return ", ".join(f"{name} {getattr(chosen, name)}" for name in usual if getattr(chosen, name) != usual[name]) or "-"


if __name__ == "__main__":
    main()
