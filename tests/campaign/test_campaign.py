"""A short campaign: what sensors said is stored once each, whatever is killed, paused, cut off or full meanwhile.

`make campaign` runs long ones.
"""

from collections import Counter
from pathlib import Path

import pytest

from campaign.compare import Fate
from campaign.plan import Stored, make_plan
from campaign.report import as_text, rows
from campaign.run import run

SEED, FAULTS = 1, 16


@pytest.mark.servers
async def test_nothing_is_lost_or_doubled_in_a_short_campaign(tmp_path: Path) -> None:
    """On both stores. The sensors said hundreds of values, and nearly all of them are stored: excuses are few."""
    results = await run(make_plan(SEED, FAULTS, [Stored.SQLITE, Stored.INFLUX_POSTGRES]), tmp_path / "campaign")
    table = as_text(rows(results))
    assert not [problem for result in results for problem in result.problems], f"seed {SEED}\n{table}"
    for result in results:
        fates = Counter(result.verdict.fates)
        assert fates[Fate.STORED] > 300, table
        assert fates[Fate.IN_FLIGHT] + fates[Fate.IN_MEMORY] < len(result.verdict.fates) // 10, table
