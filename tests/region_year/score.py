"""The faults that were put in against what people were told: found, named, false, and how long it took."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from region_year.faults import DAY_S, Injected
from region_year.judging import Heard
from satomori_core.clock import SECOND_US
from satomori_core.vocabulary import Cause

# A day's mean and two days of holding are what the slowest judgement needs, so what speaks by then is about the fault.
ALLOWANCE_S = 2 * DAY_S
# References hold six weeks; but what speaks so long after a repair is no longer counted as its echo.
ECHO_S = 7 * DAY_S
YEAR_S = 365.25 * DAY_S
# What the weather really was, told as such: true, and nobody's fault.
WEATHER = frozenset({"soil_water_index"})


@dataclass(frozen=True, slots=True)
class Result:
    """`delay_s`: from the fault's beginning to the first alert about it; None: not found.

    `cause_named`, `kind_named`: by any of its alerts, see `_matches`; `first_right`: the cause, by the first of them.
    """

    fault: Injected
    delay_s: float | None
    first_right: bool
    cause_named: bool
    kind_named: bool
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Score:
    results: Sequence[Result]
    false: Sequence[Heard]
    weather: int
    asset_years: float  # outside of faults and their echo


def _about(fault: Injected, heard: Heard) -> bool:
    """Whether an alert is on the faulty datastream, or on the faulty asset where several channels are meant."""
    told = heard.told
    if told.asset not in fault.assets:
        return False
    if fault.cause == "asset" or not fault.metric:
        return True
    derived = told.metric not in {"", fault.metric} and told.cause is Cause.SENSOR
    return not derived


def _matches(fault: Injected, heard: Heard) -> bool:
    """Whether an alert of the right cause is of the fault's kind: the sensor's kind, or the asset's faulty metric.

    What is derived of the metric, or judged of an asset's channels together, is on it too.
    """
    told = heard.told
    if fault.cause == "sensor":
        return told.kind == fault.kind
    return not fault.metric or told.metric in {"", fault.metric} or told.datastream is None


def score(faults: Sequence[Injected], heard: Sequence[Heard], from_s: float, days: int, assets: Sequence[str]) -> Score:
    alerts = [each for each in heard if each.told_us is not None]
    results = []
    for fault in faults:
        mine = [
            each for each in alerts
            if _about(fault, each) and fault.from_s <= each.told.spoke_us / SECOND_US < fault.until_s + ALLOWANCE_S
        ]  # fmt: skip
        mine.sort(key=lambda each: each.told.spoke_us)
        delay_s = mine[0].told.spoke_us / SECOND_US - fault.from_s if mine else None
        right = [each for each in mine if each.told.cause == Cause(fault.cause)]
        kinds = [each for each in right if _matches(fault, each)]
        said = tuple(sorted({f"{each.told.cause}:{each.told.kind}" for each in mine}))
        results.append(Result(fault, delay_s, mine[:1] == right[:1] != [], bool(right), bool(kinds), said))
    weather = [each for each in alerts if each.told.metric in WEATHER]
    false = [
        each for each in alerts
        if each.told.metric not in WEATHER and not any(
            each.told.asset in fault.assets
            and fault.from_s <= each.told.spoke_us / SECOND_US < fault.until_s + ECHO_S
            for fault in faults
        )
    ]  # fmt: skip
    disturbed_s = sum((min(f.until_s + ECHO_S, from_s + days * DAY_S) - f.from_s) * len(f.assets) for f in faults)
    return Score(results, false, len(weather), (len(assets) * days * DAY_S - disturbed_s) / YEAR_S)


def _hours(seconds: Sequence[float]) -> str:
    return f"{median(seconds) / 3600:.1f}" if seconds else "-"


def table(score: Score) -> str:
    """Markdown."""
    lines = [
        "| cause | kind | class | faults | found | cause right at first | cause right | kind right | median h |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    rows: dict[tuple[str, str, str], list[Result]] = {}
    for result in score.results:
        fault = result.fault
        for key in (
            (fault.cause, fault.kind, fault.class_),
            (fault.cause, fault.kind, "all"),
            (fault.cause, "all", "all"),
        ):
            rows.setdefault(key, []).append(result)
    for (cause, kind, class_), results in sorted(rows.items()):
        if cause == "asset" and kind != "all" and class_ == "all":
            continue  # each kind is one class's
        found = [r.delay_s for r in results if r.delay_s is not None]
        firsts = sum(r.first_right for r in results)
        rights = sum(r.cause_named for r in results)
        kinds = f"{sum(r.kind_named for r in results)}" if cause == "sensor" else ""
        lines.append(
            f"| {cause} | {kind} | {class_} | {len(results)} | {len(found)} | {firsts} | {rights} | {kinds} "
            f"| {_hours(found)} |"
        )
    found_all = sum(r.delay_s is not None for r in score.results)
    strictly = sum(r.kind_named for r in score.results)
    rate = len(score.false) / score.asset_years if score.asset_years > 0 else float("nan")
    lines += [
        "",
        (
            f"found {found_all} of {len(score.results)}, strictly {strictly}; false alerts {len(score.false)} in "
            f"{score.asset_years:.1f} undisturbed asset-years = {rate:.2f} an asset and year; "
            f"weather notices {score.weather}"
        ),
    ]
    by = Counter(
        f"{a.told.cause} {a.told.kind} {a.told.fingerprint.split(':')[0]} {a.told.metric}" for a in score.false
    )
    lines += [f"  false {count}: {what}" for what, count in by.most_common()]
    lines += [
        f"  {'missed' if r.delay_s is None else 'misnamed'}: {r.fault.kind} {r.fault.asset} {r.fault.metric} "
        f"{r.fault.size:.3g} {' '.join(r.said)}"
        for r in score.results
        if r.delay_s is None or not r.cause_named or (r.fault.cause == "sensor" and not r.kind_named)
    ]
    return "\n".join(lines)
