"""What every source promises, each on a real line: pseudo-terminals, a TCP peer, a Mosquitto."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog

from satomori_core.readings import Reading
from support.benches import BENCHES, Bench, mqtt_bench
from support.edge import until
from support.patience import PATIENCE_S
from support.sources import reading


@pytest.fixture(params=[pytest.param(b, marks=pytest.mark.servers) if b is mqtt_bench else b for b in BENCHES])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with request.param(tmp_path) as one:
        yield one


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    with structlog.testing.capture_logs() as records:
        yield records  # type: ignore[misc]


def events(logged: list[dict[str, Any]], event: str) -> int:
    return sum(record["event"] == event for record in logged)


async def speak_until(bench: Bench, got: list[Reading], count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(got) < count:
            await bench.speak()
            await asyncio.sleep(0.05)


def good(got: Sequence[Reading]) -> bool:
    return all((r.device, r.metric, r.value, r.unit) == ("a", "air_temperature", 21.5, "Cel") for r in got)


async def test_it_reads(bench: Bench) -> None:
    await bench.plug()
    async with reading(bench.source) as got:
        await speak_until(bench, got, 2)
    assert good(got)


async def test_a_missing_line_is_told_once_and_tried_again(bench: Bench, logged: list[dict[str, Any]]) -> None:
    """Also a line that is pulled out and put back: told once when it goes and once when it is back."""
    async with reading(bench.source) as got:
        await until("told that it is away", lambda: events(logged, "source is away"))
        await until("tried more than once", lambda: bench.source.errors >= 3)
        assert events(logged, "source is away") == 1
        await bench.plug()
        await speak_until(bench, got, 2)
        assert events(logged, "source is back") == 1
        await bench.unplug()
        await until("told that it is away again", lambda: events(logged, "source is away") == 2)
        before = len(got)
        await bench.plug()
        await speak_until(bench, got, before + 2)
    assert (events(logged, "source is away"), events(logged, "source is back")) == (2, 2)
    assert good(got)


async def test_100_kb_of_noise_yields_no_reading_and_what_follows_is_read(bench: Bench) -> None:
    await bench.plug()
    async with reading(bench.source) as got:
        await speak_until(bench, got, 1)
        await bench.disturb()
        before = len(got)
        await speak_until(bench, got, before + 2)
    assert good(got)


async def test_after_a_stop_the_line_is_free(bench: Bench) -> None:
    await bench.plug()
    for _ in range(2):
        async with reading(bench.source) as got:
            await speak_until(bench, got, 1)
