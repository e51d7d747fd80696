"""A year of the sample region with faults, judged as in service: `make year SEED=1 DAYS=365`."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from region_year.faults import DAY_S, LEARNING_DAYS, draw
from region_year.judging import as_people_hear, judge
from region_year.readings import Readings, exchangeable
from region_year.score import score, table
from satomori_sample.region import build_region

# 2026-01-01 00:00 in Japan.
NEW_YEAR_S = 1_767_193_200.0


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=365, help=f"days with faults, after {LEARNING_DAYS} without")
    parser.add_argument("--start", type=int, default=0, help="begin so many days after New Year 2026")
    chosen = parser.parse_args(arguments)
    from_s = NEW_YEAR_S + chosen.start * DAY_S
    region = build_region()
    faults = draw(chosen.seed, region, from_s, chosen.days, exchangeable(chosen.seed, region, from_s))
    days = LEARNING_DAYS + chosen.days
    began = time.monotonic()

    def progress(day: int) -> None:
        print(f"day {day} of {days}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="year-") as folder:
        findings = judge(Path(folder) / "state", Readings(chosen.seed, region, faults, from_s), from_s, days, progress)
    print(
        f"seed {chosen.seed}, {days} days, {len(region.assets)} assets, {len(faults)} faults, {len(findings)} findings"
    )
    print(table(score(faults, as_people_hear(findings), from_s, days, list(region.assets))))


if __name__ == "__main__":
    main()
