"""What a single series' detector has learned is kept between judgements, and gives the findings of a whole rescore."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from satomori_analytics.slow import References, Slow
from satomori_core.clock import DAY_US, SECOND_US
from satomori_core.errors import UnavailableError
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


@contextmanager
def full_disk() -> Iterator[None]:
    """No file takes more than 20 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_what_was_kept(tmp_path: Path) -> None:
    """The write fails as the disk's, and says where; the state of before stays whole, and no draft is left."""
    references = References(tmp_path)
    told: dict[str, Any] = {"for": [1], "touched_us": 0, "state": {"seen": 3}}
    references.roll_alone("a.b.1", {**told, "until_us": 5})
    before = (tmp_path / "a.b.1.json").read_bytes()
    with full_disk(), pytest.raises(UnavailableError, match=r"a\.b\.1\.json"):
        references.roll_alone("a.b.1", {**told, "until_us": 5 + DAY_US})
    assert [path.name for path in tmp_path.iterdir()] == ["a.b.1.json"]
    assert (tmp_path / "a.b.1.json").read_bytes() == before
    references.roll_alone("a.b.1", {**told, "touched_us": DAY_US, "until_us": 5 + DAY_US})
    assert [state["until_us"] for state in References(tmp_path).states("a.b.1", [1])] == [5, 5 + DAY_US]


@pytest.mark.parametrize(
    "torn",
    [b"", b'{"for": [0], "rolled": [{"until_us": 1}]}', b'{"for": [1], "rol', b"\0" * 64, b"[]", b"\xff\xfe", b"null"],
)
def test_a_torn_file_is_learned_anew(tmp_path: Path, torn: bytes) -> None:
    """Cut short, of another kind or of an older shape: as if nothing was kept; the next state takes its place."""
    (tmp_path / "a.b.1.json").write_bytes(torn)
    references = References(tmp_path)
    assert references.states("a.b.1", [1]) == []
    references.roll_alone("a.b.1", {"for": [1], "touched_us": 0, "until_us": 5, "state": {}})
    assert [state["until_us"] for state in references.states("a.b.1", [1])] == [5]


def test_judgements_wait_for_a_disk_that_takes_nothing(tmp_path: Path) -> None:
    """The findings are there, the state is not: the judgement stays due, and doubles nothing once there is room."""
    region = open_region(tmp_path)
    region.add_asset("manhole", "sewer_manhole", ["water_level"], interval_s=600)
    rows = _level()
    region.put("manhole", "water_level", rows)
    (tmp_path / "analytics").write_bytes(b"")  # where a folder has to be
    analyst = region.analyst()
    for _ in range(2):
        with pytest.raises(UnavailableError, match="manhole"):
            region.digest(rows[-1][0], analyst)
    found = [(f.id, f.since_us) for f in region.findings("univariate")]
    assert found
    (tmp_path / "analytics").unlink()
    region.digest(rows[-1][0], analyst)
    assert [(f.id, f.since_us) for f in region.findings("univariate")] == found
    assert list((tmp_path / "analytics").glob("manhole.*.json"))
    region.close()
