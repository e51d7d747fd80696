"""What a single series' detector has learned is kept between judgements, and gives the findings of a whole rescore."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from satomori_analytics.slow import References, Slow
from satomori_core.clock import DAY_US, SECOND_US
from support.analytics_region import NOON_US, Region, open_region

DAYS = 13
Told = list[tuple[Any, ...]]


def _level() -> list[tuple[int, float]]:
    """A sewer's level every ten minutes; two floods of hours that no limit knows."""
    rng = np.random.default_rng(2)
    row = np.arange(DAYS * 144)
    level = 0.3 + 0.15 * np.sin(row / 144 * 2 * np.pi) + rng.normal(0, 0.01, len(row))
    for first, rise in ((5 * 144 + 40, 0.6), (11 * 144 + 100, 1.0)):
        level[first : first + 30] += rise
    return [(NOON_US + int(i) * 600 * SECOND_US, float(v)) for i, v in zip(row, level, strict=True)]


def _play(state: Path, *, killed: tuple[int, ...] = ()) -> tuple[Told, list[dict[str, Any]]]:
    """Day after day; half of day 4 comes on day 10, an hour of day 7 on day 8. On `killed` days nothing is kept.

    What was found, and the states that are kept at the end.
    """
    region = open_region(state)
    region.add_asset("manhole", "sewer_manhole", ["water_level"], interval_s=600)
    rows = _level()
    late = {10: rows[4 * 144 : 4 * 144 + 72], 8: rows[7 * 144 + 50 : 7 * 144 + 56]}
    held = {at for part in late.values() for at, _ in part}
    for day in range(DAYS):
        today = rows[day * 144 : (day + 1) * 144]
        region.put("manhole", "water_level", [row for row in today if row[0] not in held])
        now_us = today[-1][0] + 600 * SECOND_US
        if day in killed:
            _die(region, now_us)
        region.digest(now_us)
        if day in late:
            region.put("manhole", "water_level", late[day])
            region.digest(now_us)
    told = [(f.kind, f.since_us, f.until_us, f.level, f.confidence, f.evidence) for f in region.findings("univariate")]
    region.close()
    kept = list((state / "analytics").glob("manhole.*.json"))
    return told, [state for path in kept for state in json.loads(path.read_text(encoding="utf-8"))["rolled"]]


def _die(region: Region, now_us: int) -> None:
    """A process that judges, and ends before it keeps what it learned."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as killing:
        killing.setattr(Slow, "keep", die)
        with pytest.raises(KeyboardInterrupt):
            region.digest(now_us)


def test_findings_are_those_of_a_whole_rescore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With late rows that undo kept states, and with processes that die between a finding and its state."""
    kept, states = _play(tmp_path / "kept")
    again, _ = _play(tmp_path / "killed", killed=(6, 11))
    with monkeypatch.context() as forgetting:
        forgetting.setattr(References, "states", lambda *_: [])
        whole, _ = _play(tmp_path / "whole")
    assert len(whole) >= 2
    assert kept == again == whole
    newest = max(state["until_us"] for state in states)
    assert NOON_US + (DAYS - 4) * DAY_US < newest < NOON_US + (DAYS - 2) * DAY_US
    assert len(states) <= 5


def test_a_kept_state_spares_most_of_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a state is kept, a judgement of a day asks for the rows of a few days, not for all there are."""
    asked: list[int] = []
    values = Slow._values  # what is read is what is scored

    def counted(self: Slow, *arguments: Any) -> Any:
        found = values(self, *arguments)
        asked.append(len(found[0]))
        return found

    monkeypatch.setattr(Slow, "_values", counted)
    _play(tmp_path / "kept")
    assert asked[-1] <= 5 * 144
