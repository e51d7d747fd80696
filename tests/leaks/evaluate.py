"""Judges the leak detector on seeded districts: `make leaks SEED=1 SCENARIOS=40`. A line a scenario, then a table."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from leaks.scenarios import Kind, Recording, Scenario, draw_bursts, simulate
from satomori_analytics.detectors.leak import Leak, LeakStep
from satomori_core.clock import DAY_US, HOUR_US

_LEARNING_DAYS = 14


@dataclass(frozen=True, slots=True)
class Outcome:
    """`found_h`: hours from the fault to the alarm; None: not found. `size`, `truth`: m3/h, a day after the fault."""

    scenario: Scenario
    watched_days: float
    false_alarms: int
    found_h: float | None
    size: float
    truth: float
    started_off_h: float
    verdict: str

    @property
    def found_in_a_day(self) -> bool:
        return self.found_h is not None and self.found_h <= 24

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
    if len(after):
        found = (int(recording.at_us[after[0]]) - recording.fault_us) / HOUR_US
        day_on = int(np.searchsorted(recording.at_us, recording.fault_us + DAY_US))
        # What is told a day after the burst, or at the alarm where that came later.
        leak = detector.leaks[min(max(day_on, int(after[0])), len(alarm) - 1)]
        if scenario.kind == "gradual":
            leak, truth = detector.leaks[-1], float(recording.leak_m3h[-1])
    return Outcome(
        scenario, days, int((began & before).sum()), found, leak.size if leak else float("nan"), truth,
        (leak.since_us - recording.fault_us) / HOUR_US if leak else float("nan"), leak.verdict if leak else "-",
    )  # fmt: skip


def months_without_a_leak(network: str, seed: int, count: int, noise: str = "even") -> list[Scenario]:
    """Every other month has all use grow by 10 % in 28 days."""
    kinds: tuple[tuple[Kind, float], ...] = (("none", 0.0), ("growth", 0.1))
    return [
        Scenario(network, seed * 1000 + 500 + n, *kinds[n % 2], days=44, noise="even" if noise == "even" else "normal")
        for n in range(count)
    ]


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Rows of a Markdown table: one for each network and kind of noise, and one for all."""
    lines = [
        "| network | noise | bursts | found in 24 h | median h | size ±30 % | false alarms / months | a month |",
        "|---|---|---|---|---|---|---|---|",
    ]
    groups = sorted({(o.scenario.network, o.scenario.noise) for o in outcomes})
    for network, noise in groups:
        part = [o for o in outcomes if (o.scenario.network, o.scenario.noise) == (network, noise)]
        bursts = [o for o in part if o.scenario.kind == "burst"]
        found = [o for o in bursts if o.found_in_a_day]
        sized = [o for o in found if abs(o.ratio - 1) <= 0.3]
        hours = np.median([o.found_h for o in found if o.found_h is not None]) if found else float("nan")
        months, false = sum(o.watched_days for o in part) / 30, sum(o.false_alarms for o in part)
        lines.append(
            f"| {network} | {noise} | {len(bursts)} | {share(len(found), len(bursts))} | {hours:.1f} | "
            f"{share(len(sized), len(found))} | {false} / {months:.1f} | {false / max(months, 1e-9):.2f} |"
        )
    return lines


def share(part: int, whole: int) -> str:
    return f"{part}/{whole} = {100 * part / whole:.0f} %" if whole else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenarios", type=int, default=40, help="bursts on each network")
    parser.add_argument("--months", type=int, default=20, help="months without a leak on each network")
    parser.add_argument("--networks", default="Net3,Net2", help="names that wntr ships, or paths of .inp files")
    parser.add_argument("--noise", default="even", choices=("even", "normal"))
    parser.add_argument("--kind", default="burst", choices=get_args(Kind))
    chosen = parser.parse_args()
    outcomes = []
    for network in chosen.networks.split(","):
        scenarios = list(draw_bursts(network, chosen.seed, chosen.scenarios, chosen.noise))
        if chosen.kind != "burst":
            scenarios = [
                Scenario(network, s.seed, chosen.kind, s.share, s.at_day, s.at_day + 18, chosen.noise)
                for s in scenarios
            ]
        scenarios += months_without_a_leak(network, chosen.seed, chosen.months, chosen.noise)
        for number, scenario in enumerate(scenarios, 1):
            one = judge(simulate(scenario))
            outcomes.append(one)
            print(
                f"{number}/{len(scenarios)} {network} seed {scenario.seed} {scenario.kind} {scenario.share:.3f}: "
                f"found after {one.found_h} h, size {one.size:.1f} of {one.truth:.1f} m3/h, start off by "
                f"{one.started_off_h:.0f} h, pressures {one.verdict}; {one.false_alarms} false in "
                f"{one.watched_days:.0f} days",
                flush=True,
            )
    print(f"\nseed {chosen.seed}\n" + "\n".join(table(outcomes)))


if __name__ == "__main__":
    main()
