"""A campaign from plan to verdict."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from campaign.compare import Fate, Span, compare
from campaign.parts import now_s
from campaign.plan import Episode, Fault
from campaign.report import EpisodeResult, Struck, problems
from campaign.world import World

DRAIN_MAX_S = 120.0
LATE_COPIES_S = 2.0  # a copy too many may come after the last missing one


async def run(plan: Sequence[Episode], folder: Path) -> list[EpisodeResult]:
    return [await run_episode(episode, folder / f"episode-{index}") for index, episode in enumerate(plan, 1)]


async def run_episode(episode: Episode, folder: Path) -> EpisodeResult:
    _tell(f"{episode.stored}: {len(episode.faults)} faults in {episode.length_s:.0f} s")
    async with World(episode.stored, folder) as world:
        supervising = asyncio.create_task(world.supervise(), name="supervise")
        began_s = now_s()
        struck = await asyncio.gather(*(_strike(world, fault, began_s) for fault in episode.faults))
        await asyncio.sleep(max(0.0, began_s + episode.length_s - now_s()))
        await world.silence()
        drained_s = await _drained(world)
        await asyncio.sleep(LATE_COPIES_S)
        evidence = await asyncio.to_thread(world.evidence)
        audit = await asyncio.to_thread(world.audit)
        supervising.cancel()
        with suppress(asyncio.CancelledError):
            await supervising
        result = EpisodeResult(
            episode.stored, struck, evidence, compare(evidence), audit, world.by_themselves, drained_s
        )
    result.problems = problems(result)
    _tell(f"{episode.stored}: " + ("; ".join(result.problems) or f"all accounted for, drained in {drained_s:.1f} s"))
    return result


async def _strike(world: World, fault: Fault, began_s: float) -> Struck:
    await asyncio.sleep(max(0.0, began_s + fault.at_s - now_s()))
    from_s = now_s()
    _tell(
        f"{from_s - began_s:7.1f} s  {fault.kind}: {fault.who}, {fault.for_s} s"
        + f", {fault.amount}" * bool(fault.amount)
    )
    skipped = await world.strike(fault)
    if skipped:
        _tell(f"           skipped: {skipped}")
    return Struck(fault, Span(from_s, now_s()), skipped)


async def _drained(world: World) -> float | None:
    """How long it took until nothing waits and nothing is missing; None where that did not come."""
    began_s = now_s()
    while now_s() - began_s < DRAIN_MAX_S:
        await asyncio.sleep(1)
        if await asyncio.to_thread(world.waiting):
            continue
        verdict = compare(await asyncio.to_thread(world.evidence))
        if Fate.LOST not in verdict.fates:
            return now_s() - began_s
    return None if await asyncio.to_thread(world.waiting) else now_s() - began_s


def _tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
