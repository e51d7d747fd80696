"""`make fuzz`: mutated messages through every format and the pipeline; a table of what became of them.

Progress goes to stderr, the table to stdout. It ends with status 1 at the first message that is neither values nor
counted in quarantine, and says how to run that one again.
"""

import math
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import click

from fuzz.fuzzing import BATCH_MESSAGES, CrashError, Tally, fuzzer

PROGRESS_S = 30.0


def run_share(seed: int, batches: range, *, minutes: float, tell: bool) -> dict[str, Tally]:
    started = time.monotonic()
    with fuzzer(seed) as fuzz:
        told = time.monotonic()
        for done, batch in enumerate(batches):
            if time.monotonic() - started > minutes * 60:
                break
            fuzz.run(batch)
            if tell and time.monotonic() - told > PROGRESS_S:
                told = time.monotonic()
                print(f"{done * 100 // len(batches)} %: {done * BATCH_MESSAGES:,} messages", file=sys.stderr)
        return fuzz.tallies()


def markdown(tallies: Mapping[str, Tally]) -> str:
    """Every message is in one of the columns of messages: there is no other place for it, else the run had ended."""
    heads = (
        "format", "messages", "with values", "only bad records", "nothing to store", "refused", "crashes",
        "values stored", "slowest",
    )  # fmt: skip
    lines = [f"| {' | '.join(heads)} | set aside in quarantine |", "|---" * (len(heads) + 1) + "|"]
    for name, t in sorted(tallies.items()):
        bad = t.messages - t.with_values - t.silent - t.refused
        numbers = (t.messages, t.with_values, bad, t.silent, t.refused, 0, t.stored)
        cells = [name, *(f"{number:,}" for number in numbers), f"{t.slowest_s:.2f} s"]
        reasons = ", ".join(f"`{reason}` {count:,}" for reason, count in t.set_aside.most_common())
        lines.append(f"| {' | '.join(cells)} | {t.set_aside.total():,}: {reasons} |")
    return "\n".join(lines)


@click.command()
@click.option("--messages", default=1_000_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--processes", default=1, show_default=True)
@click.option("--minutes", default=math.inf, help="end after so long, with fewer messages")
@click.option("--batch", type=int, help="only this one, as a failure names it")
def main(messages: int, seed: int, processes: int, minutes: float, batch: int | None) -> None:
    started = time.monotonic()
    count = -(-messages // BATCH_MESSAGES)
    shares = [range(batch, batch + 1)] if batch is not None else [range(n, count, processes) for n in range(processes)]
    tallies: dict[str, Tally] = {}
    try:
        if len(shares) == 1:
            results = [run_share(seed, shares[0], minutes=minutes, tell=True)]
        else:
            with ProcessPoolExecutor(processes) as pool:
                results = list(pool.map(partial(run_share, seed, minutes=minutes, tell=True), shares))
    except CrashError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    for result in results:
        for name, tally in result.items():
            tallies.setdefault(name, Tally()).add(tally)
    total = sum(tally.messages for tally in tallies.values())
    print(f"{total:,} messages decoded, seed {seed}, {time.monotonic() - started:.0f} s, {processes} process(es).\n")
    print(markdown(tallies))


if __name__ == "__main__":
    main()
