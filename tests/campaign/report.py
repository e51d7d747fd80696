"""What a campaign found: a row for each kind of fault and one for all, as text, JSON and Markdown. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from campaign.compare import Evidence, Fate, Span, Verdict
from campaign.plan import Fault, Stored
from satomori_core.ranges import to_ranges

RECOVERY_S = 3.0  # what was said so long after a fault is still counted to it
HEADS = ("fault", "times", "said", *Fate, "double")


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that was done, when, or why it was not."""

    fault: Fault
    span: Span
    skipped: str | None = None


@dataclass(slots=True)
class EpisodeResult:
    """`problems`: whatever is not as it has to be, in words; none is the only good result.

    InfluxDB has a point before the ledger knows of it. Where that entry fails, and the edge thins the reading before it
    could send it again, the point is there and its number is told as lost: `excess` to the audit, no double.
    """

    stored: Stored
    struck: Sequence[Struck]
    evidence: Evidence
    verdict: Verdict
    audit: Sequence[dict[str, Any]]
    by_themselves: Sequence[str] = ()
    drained_s: float | None = None
    problems: list[str] = field(default_factory=list)


def problems(result: EpisodeResult) -> list[str]:
    damaged = {struck.fault.who for struck in result.struck if struck.fault.kind == "outbox damaged"}
    fates = Counter(result.verdict.fates)
    found = [*_verdict_problems(result, damaged), *_audit_problems(result, damaged, in_memory=fates[Fate.IN_MEMORY])]
    found += [words for words in result.by_themselves if words.startswith("edge")]
    return found if result.drained_s is not None else [*found, "the outboxes did not become empty in time"]


def _verdict_problems(result: EpisodeResult, damaged: set[str]) -> Iterator[str]:
    verdict = result.verdict
    lost: dict[str, list[int]] = {}
    for said, fate in zip(result.evidence.said, verdict.fates, strict=True):
        if fate is Fate.LOST:
            lost.setdefault(said.device, []).append(said.number)
    yield from (f"{device}: {len(numbers)} lost: {to_ranges(numbers)}" for device, numbers in lost.items())
    yield from (f"{device}: {number} copies too many" for device, number in verdict.double.items() if number)
    yield from (f"{device}: {number} stored that it never said" for device, number in verdict.strange.items() if number)
    excess: Counter[str] = Counter()
    for row in result.audit if result.stored.has_influx else ():
        excess[row["gateway"]] += row.get("excess", 0)
    for gateway, number in verdict.untrue.items():
        if number > excess[gateway] and gateway not in damaged:
            yield f"{gateway}: {number} told as lost that are not missing"


def _audit_problems(result: EpisodeResult, damaged: set[str], *, in_memory: int) -> Iterator[str]:
    """Where `satomori audit` does not say what the comparison says."""
    for row in result.audit:
        if row["kind"] == "stream":
            gaps = sum(last - first + 1 for first, last in row["gaps"])
            if gaps > in_memory:
                yield f"audit: stream {row['stream'][:8]} of {row['gateway']} has {gaps} gaps"
        elif row["device"] in result.evidence.devices:
            points = result.evidence.stored[row["device"]].total()
            if row["points"] != points:
                yield f"audit: {row['device']} has {row['points']} points, the store gave {points}"
            # What was stored and not yet acknowledged when its outbox was damaged comes again under a new number.
            missing = 0 if row["gateway"] in damaged else row["missing"]
            explained = result.evidence.told[row["gateway"]] if result.stored.has_influx else 0
            if row["excess"] > explained or missing:
                yield f"audit: {row['device']}: excess {row['excess']}, missing {row['missing']}"


def rows(results: Sequence[EpisodeResult]) -> list[dict[str, Any]]:
    """By kind of fault: what the gateways that it struck said meanwhile. Faults overlap: only the last row adds up."""
    kinds: dict[str, dict[str, Any]] = {}
    whole = _empty("all")
    for result in results:
        _add(whole, result, range(len(result.evidence.said)))
        for struck in result.struck:
            whole["times"] += struck.skipped is None
            row = kinds.setdefault(struck.fault.kind, _empty(struck.fault.kind))
            row["times"] += struck.skipped is None
            row["skipped"] += struck.skipped is not None
        for kind in {struck.fault.kind for struck in result.struck}:
            spans = [
                (struck.fault.who.removeprefix("line "), struck.span)
                for struck in result.struck
                if struck.fault.kind == kind and struck.skipped is None
            ]
            _add(kinds[kind], result, _during(result.evidence, spans))
    return [*(kinds[kind] for kind in sorted(kinds)), whole]


def _during(evidence: Evidence, spans: Sequence[tuple[str, Span]]) -> list[int]:
    """Places of what was said in `spans`, by the gateways they name; other parts concern all of them."""
    return [
        index
        for index, said in enumerate(evidence.said)
        if any(
            span.holds(said.at_s, after_s=RECOVERY_S)
            and (who not in evidence.edges or who == evidence.devices[said.device].gateway)
            for who, span in spans
        )
    ]


def _empty(name: str) -> dict[str, Any]:
    return {"fault": name, "times": 0, "skipped": 0, "said": 0, **dict.fromkeys(Fate, 0), "double": 0}


def _add(row: dict[str, Any], result: EpisodeResult, places: Sequence[int]) -> None:
    evidence = result.evidence
    row["said"] += len(places)
    for index in places:
        said = evidence.said[index]
        row[result.verdict.fates[index]] += 1
        copies = evidence.stored[said.device][said.number] + evidence.aside[said.device][said.number]
        row["double"] += max(0, copies - 1)


def as_text(table: Sequence[dict[str, Any]]) -> str:
    cells = [HEADS, *([str(row[head]) for head in HEADS] for row in table)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADS))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if column == 0 else cell.rjust(w)
            for column, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    )


def as_markdown(table: Sequence[dict[str, Any]]) -> str:
    lines = ["| " + " | ".join(HEADS) + " |", "|---" + "|--:" * (len(HEADS) - 1) + "|"]
    lines += ["| " + " | ".join(str(row[head]) for head in HEADS) + " |" for row in table]
    return "\n".join(lines)
