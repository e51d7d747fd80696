"""The outbox: numbered, unique in time, bounded, deleted by acknowledgement only; and what a failing disk does."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from typing_extensions import override

from satomori_core.clock import SECOND_US
from satomori_core.errors import SettingsError, UnavailableError
from satomori_core.lock import StateLock
from satomori_core.ranges import Range, numbers, to_ranges
from satomori_core.readings import Reading
from satomori_edge.keeper import Keeper, _Batch
from satomori_edge.marks import LIVES_MAX, Mark
from satomori_edge.outbox import Outbox
from satomori_edge.settings import OutboxSettings


def some(count: int, start: int = 0, metric: str = "rain") -> list[Reading]:
    return [Reading("a", metric, (start + i) * SECOND_US, float(start + i), "mm") for i in range(count)]


def opened(path: Path | None, readings_max: int = 10_000, bytes_max: int = 10_000_000) -> Outbox:
    return Outbox(path, readings_max=readings_max, bytes_max=bytes_max)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    one = opened(tmp_path / "outbox.sqlite")
    yield one
    one.close()


def seqs(outbox: Outbox) -> list[int]:
    return [row.seq for row in outbox.peek(0, None, 100_000)]


def lost(outbox: Outbox) -> list[tuple[int, int, str]]:
    return [(one.loss.first, one.loss.last, one.loss.reason) for one in outbox.losses(1000)]


def test_readings_come_back_as_they_were_put_numbered_from_1(outbox: Outbox) -> None:
    put = [*some(3), Reading("b", "flow", 5, -0.1, None)]
    outbox.put(put)
    rows = outbox.peek(0, None, 10)
    assert [row.reading for row in rows] == put
    assert [row.seq for row in rows] == [1, 2, 3, 4]
    assert [row.seq for row in outbox.peek(1, 4, 10)] == [2, 3]
    assert [row.seq for row in outbox.within([(2, 2), (4, 9)])] == [2, 4]
    assert outbox.count == 4
    assert outbox.oldest_us() == 0


def test_numbers_are_never_used_again(tmp_path: Path) -> None:
    """Also when everything was deleted and the file was closed in between."""
    path = tmp_path / "outbox.sqlite"
    one = opened(path)
    one.put(some(3))
    assert one.acknowledge(one.stream, [(1, 3)]) == 3
    assert one.is_empty()
    one.close()
    again = opened(path)
    assert again.stream == one.stream
    assert again.next_seq() == 4
    again.put(some(1, 10))
    assert seqs(again) == [4]
    again.close()


def test_a_time_that_was_already_there_is_moved_by_a_microsecond(outbox: Outbox) -> None:
    """Of one device and metric; others may share it. Also when the first is acknowledged and gone."""
    outbox.put([Reading("a", "rain", 1000, 1.0), Reading("a", "rain", 1000, 2.0), Reading("a", "flow", 1000, 3.0)])
    assert [row.reading.observed_at_us for row in outbox.peek(0, None, 9)] == [1000, 1001, 1000]
    outbox.acknowledge(outbox.stream, [(1, 3)])
    outbox.put([Reading("a", "rain", 1001, 4.0), Reading("a", "rain", 999, 5.0)])
    assert [row.reading.observed_at_us for row in outbox.peek(0, None, 9)] == [1002, 999]


def test_many_readings_of_one_second_stay_in_order(outbox: Outbox) -> None:
    outbox.put([Reading("a", "rain", 5 * SECOND_US, float(i)) for i in range(3000)])
    rows = outbox.peek(0, None, 5000)
    assert [row.reading.observed_at_us - 5 * SECOND_US for row in rows] == list(range(3000))


def test_past_its_bound_the_oldest_part_is_thinned_and_told(tmp_path: Path) -> None:
    """Nothing is dropped, each number is kept or told, and the newer half is all there."""
    one = opened(tmp_path / "o.sqlite", readings_max=1000)
    for start in range(0, 5000, 5):
        one.put([*some(5, start), *some(5, start, "flow")])
    assert one.count <= 1000
    kept = set(seqs(one))
    gone = set(numbers([(first, last) for first, last, _ in lost(one)]))
    assert kept | gone == set(range(1, one.next_seq()))
    assert not kept & gone
    assert {reason for *_, reason in lost(one)} == {"thinned"}
    assert set(range(one.next_seq() - 250, one.next_seq())) <= kept
    assert len(kept) > 700
    one.close()


def test_where_nothing_can_be_thinned_the_oldest_are_dropped(tmp_path: Path) -> None:
    one = opened(tmp_path / "o.sqlite", readings_max=100)
    one.put([Reading(f"d{i}", "rain", i, 1.0) for i in range(101)])
    assert lost(one) == [(1, 1, "dropped")]
    assert one.count == 100
    one.close()


def test_bytes_are_bounded_too(tmp_path: Path) -> None:
    one = opened(tmp_path / "o.sqlite", readings_max=10**9, bytes_max=200_000)
    for start in range(0, 20_000, 200):
        one.put(some(200, start))
    assert one._bytes() <= 205_000
    assert lost(one)
    one.close()


def test_losses_are_acknowledged_like_readings(tmp_path: Path) -> None:
    """In parts too; and a reading that was thinned while on its way, and arrived, is lost no more."""
    one = opened(tmp_path / "o.sqlite", readings_max=100)
    for start in range(0, 120, 5):
        one.put(some(5, start))
    before = set(numbers([(a, b) for a, b, _ in lost(one)]))
    assert len(before) > 3
    ended = sorted(before)[:2]
    one.acknowledge(one.stream, to_ranges(ended))
    assert set(numbers([(a, b) for a, b, _ in lost(one)])) == before - set(ended)
    one.acknowledge(one.stream, [(1, 1000)])
    assert one.is_empty()
    one.close()


def test_another_streams_acknowledgement_deletes_nothing(outbox: Outbox) -> None:
    outbox.put(some(3))
    assert outbox.acknowledge("someone-else", [(1, 3)]) == 0
    assert outbox.count == 3


class Life(RuleBasedStateMachine):
    """Whatever is put, acknowledged and thinned: each number is kept, lost or acknowledged; none is double."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = opened(None, readings_max=100)
        self.given = 0
        self.acknowledged: set[int] = set()
        self.times: set[tuple[str, int]] = set()

    @rule(values=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), max_size=40))
    def put(self, values: list[tuple[str, int]]) -> None:
        self.outbox.put([Reading(device, "rain", at_us, 1.0) for device, at_us in values])
        self.given += len(values)

    @precondition(lambda self: self.given)
    @rule(draw=st.data())
    def acknowledge(self, draw: st.DataObject) -> None:
        first = draw.draw(st.integers(1, self.given))
        span: Range = (first, draw.draw(st.integers(first, self.given)))
        self.outbox.acknowledge(self.outbox.stream, [span])
        self.acknowledged |= set(numbers([span]))

    @invariant()
    def every_number_has_one_fate(self) -> None:
        kept, gone = seqs(self.outbox), list(numbers([(a, b) for a, b, _ in lost(self.outbox)]))
        assert len(kept) == len(set(kept)) == self.outbox.count <= 100
        assert len(gone) == len(set(gone))
        assert not set(kept) & set(gone)
        assert set(kept) | set(gone) | self.acknowledged == set(range(1, self.given + 1))
        assert not (set(kept) | set(gone)) & self.acknowledged

    @invariant()
    def times_are_unique(self) -> None:
        times = [(row.reading.device, row.reading.observed_at_us) for row in self.outbox.peek(0, None, 1000)]
        assert len(times) == len(set(times))

    @override
    def teardown(self) -> None:
        self.outbox.close()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


# ---------------------------------------------------------------------- disks


def full(outbox: Outbox) -> None:
    """From now on SQLite itself says that the disk is full."""
    pages = outbox._connection.execute("PRAGMA page_count").fetchone()[0]
    outbox._connection.execute(f"PRAGMA max_page_count={pages}")


def test_on_a_full_disk_put_changes_nothing_and_what_is_there_can_be_read_and_deleted(outbox: Outbox) -> None:
    outbox.put(some(10))
    full(outbox)
    with pytest.raises(UnavailableError, match="full"):
        outbox.put(some(10_000, 10))
    assert outbox.count == 10
    assert seqs(outbox) == list(range(1, 11))
    outbox.acknowledge(outbox.stream, [(1, 10)])
    outbox.put(some(3, 50))
    assert outbox.next_seq() == 14


async def test_while_the_disk_is_full_readings_go_to_memory_with_a_stream_of_its_own(tmp_path: Path) -> None:
    """They can be sent as all others. When the disk has room again it is used again, and the memory ends when empty."""
    keeper = Keeper(tmp_path / "o.sqlite", OutboxSettings(memory_readings_max=1000))
    await keeper.open()
    await keeper.put(some(10))
    [disk] = keeper.outboxes()
    full(disk)
    for start in range(0, 10_000, 500):
        await keeper.put(some(500, start))
    _, memory = keeper.outboxes()
    assert memory.stream != disk.stream
    assert memory.count <= 1000
    kept, gone = seqs(memory), list(numbers([(a, b) for a, b, _ in lost(memory)]))
    assert sorted([*kept, *gone]) == list(range(1, memory.next_seq())), "each is kept or told as lost"
    disk._connection.execute("PRAGMA max_page_count=1000000")
    keeper._retry_at_s = 0.001
    await keeper.put(some(1, 20_000))
    assert disk.peek(0, None, 100_000)[-1].reading.value == 20_000.0
    await keeper.acknowledge(memory.stream, [(1, memory.next_seq())])
    assert keeper.outboxes() == [disk]
    assert not await keeper.run(memory, lambda: memory.peek(0, None, 10)), "a lane may have been about to look"
    await keeper.close()


async def test_what_a_failing_disk_did_not_let_go_is_deleted_when_it_does(tmp_path: Path) -> None:
    """Without another acknowledgement: nobody sends it again."""
    keeper = Keeper(tmp_path / "o.sqlite", OutboxSettings())
    await keeper.open()
    await keeper.put(some(10))
    [disk] = keeper.outboxes()
    disk._connection.execute("PRAGMA query_only=ON")
    await keeper.acknowledge(disk.stream, [(1, 3)])
    await keeper.acknowledge(disk.stream, [(5, 6)])
    await keeper.settle()
    assert keeper.count == 10
    disk._connection.execute("PRAGMA query_only=OFF")
    await keeper.settle()
    assert seqs(disk) == [4, 7, 8, 9, 10]
    await keeper.close()


async def test_a_folder_that_cannot_be_written_still_sends_from_memory(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "nowhere" / "o.sqlite", OutboxSettings())
    await keeper.open()
    await keeper.put(some(10))
    assert [outbox.is_durable for outbox in keeper.outboxes()] == [False]
    assert keeper.count == 10
    await keeper.close()


def damage(path: Path, at: int, length: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xde\xad" * (length // 2))


def test_a_damaged_file_is_set_aside_and_what_can_be_read_is_saved(tmp_path: Path) -> None:
    """A new stream begins; the numbers of the old one are told as lost; nothing that could be read is missing."""
    path = tmp_path / "o.sqlite"
    one = opened(path)
    for start in range(0, 5000, 500):
        one.put(some(500, start), [Mark("a", 1, start)])
    one.acknowledge(one.stream, [(1, 100)])
    one._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    one.close()
    damage(path, path.stat().st_size // 2, 8000)
    new = opened(path)
    assert new.stream != one.stream
    assert new.marks() == [Mark("a", 1, 4500)]
    assert list(tmp_path.glob("o.sqlite.damaged-*"))
    [loss] = new.losses(10)
    assert (loss.stream, loss.loss.first, loss.loss.last, loss.loss.reason) == (one.stream, 101, 5000, "outbox_damaged")
    saved = {row.reading.value for row in new.peek(0, None, 100_000)}
    assert len(saved) > 4000
    assert saved <= {float(i) for i in range(5000)}
    new.acknowledge(one.stream, [(101, 5000)])
    assert not new.losses(10)
    new.close()


@pytest.mark.parametrize("page", range(12))
@pytest.mark.parametrize("is_cut", [False, True])
def test_whichever_page_is_damaged_nothing_is_gone_without_a_word(tmp_path: Path, page: int, *, is_cut: bool) -> None:
    """Each reading that waited is saved, or its number is told as lost, also where the file ends before that page."""
    path = tmp_path / "o.sqlite"
    one = opened(path)
    one.put(some(600))
    one.acknowledge(one.stream, [(1, 100)])
    one._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    one.close()
    assert path.stat().st_size > 12 * 4096
    if is_cut:
        with path.open("r+b") as file:
            file.truncate(page * 4096)
    else:
        damage(path, page * 4096, 4096)
    new = opened(path)
    saved = {row.reading.value for row in new.peek(0, None, 1000)}
    losses = [found.loss for found in new.losses(1000) if found.stream == one.stream]
    told = set(numbers((loss.first, loss.last) for loss in losses))
    assert all(number - 1.0 in saved or number in told for number in range(101, 601))
    new.close()


@pytest.mark.parametrize("content", [b"not a database at all" * 500, b"", b"SQLite format 3\x00" + bytes(5000)])
def test_a_file_that_is_no_database_is_no_obstacle(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "o.sqlite"
    path.write_bytes(content)
    one = opened(path)
    one.put(some(2))
    assert one.count == 2
    one.close()


async def test_damage_that_shows_while_running_does_not_stop_the_readings(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "o.sqlite", OutboxSettings())
    await keeper.open()
    await keeper.put(some(5))
    [outbox] = keeper.outboxes()
    stream = outbox.stream
    outbox._connection.execute("DROP TABLE reading")
    await keeper.put(some(5, 10))
    assert outbox.stream != stream
    assert [row.reading.value for row in outbox.peek(0, None, 99)] == [10.0, 11.0, 12.0, 13.0, 14.0]
    await keeper.close()


def test_a_file_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "o.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(SettingsError, match="newer"):
        opened(path)
    assert [p.name for p in tmp_path.iterdir()] == ["o.sqlite"]


def test_marks_are_as_durable_as_the_readings_that_they_cover(tmp_path: Path) -> None:
    """Both or neither are written; of each device's lives the newest are kept; numbers go on after a restart."""
    path = tmp_path / "o.sqlite"
    outbox = opened(path)
    for life in range(10):
        outbox.put(some(1, life), [Mark("a", life, 5), Mark("b", 1, life)])
    full(outbox)
    with pytest.raises(UnavailableError):
        outbox.put(some(10_000, 10), [Mark("a", 9, 6)])
    outbox.close()
    outbox = opened(path)
    kept = [Mark("a", life, 5) for life in range(10 - LIVES_MAX, 10)]
    assert sorted(outbox.marks(), key=str) == [*kept, Mark("b", 1, 9)]
    outbox.put([], [Mark("a", 6, 7)])
    assert outbox.marks()[-1] == Mark("a", 6, 7)
    outbox.close()


def test_a_file_from_before_there_were_marks_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "o.sqlite"
    outbox = opened(path)
    outbox.put(some(3))
    outbox._connection.executescript("DROP TABLE mark; DROP TABLE boot; PRAGMA user_version=1")
    stream = outbox.stream
    outbox.close()
    outbox = opened(path)
    assert (outbox.stream, outbox.marks(), outbox.next_seq()) == (stream, [], 4)
    outbox.put([], [Mark("a", 1, 1)])
    assert outbox.marks() == [Mark("a", 1, 1)]
    outbox.close()


def test_two_agents_cannot_use_one_outbox(tmp_path: Path) -> None:
    first = StateLock(tmp_path, "edge")
    with pytest.raises(SettingsError, match=r"in use by another .* \(process \d+\)"):
        StateLock(tmp_path, "edge")
    first.release()
    StateLock(tmp_path, "edge").release()


async def test_what_arrives_together_is_written_together(tmp_path: Path) -> None:
    """One transaction for all who wait, so one fsync."""
    keeper = Keeper(tmp_path / "o.sqlite", OutboxSettings())
    await keeper.open()
    batches: list[int] = []
    original = keeper._put

    def counted(batch: _Batch) -> None:
        batches.append(len(batch.readings))
        original(batch)

    keeper._put = counted  # type: ignore[method-assign]
    await asyncio.gather(*(keeper.put(some(1, i)) for i in range(50)))
    assert sum(batches) == 50
    assert len(batches) <= 3
    assert keeper.count == 50
    await keeper.close()


async def test_an_edge_starts_also_where_marks_cannot_be_read(tmp_path: Path) -> None:
    """What nodes send again is then kept again: two are better than none."""
    keeper = Keeper(tmp_path / "o.sqlite", OutboxSettings())
    await keeper.open()
    await keeper.put(some(1), Mark("a", 1, 1))
    assert await keeper.marks() == [Mark("a", 1, 1)]
    keeper.outboxes()[0]._connection.execute("DROP TABLE mark")
    assert await keeper.marks() == []
    await keeper.close()
