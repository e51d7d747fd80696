"""The ledger on SQLite and PostgreSQL: ranges, changes, quarantine, audit; and several writers at once."""

import itertools
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_core.clock import DAY_US, HOUR_US
from satomori_core.vocabulary import SequenceState
from satomori_store.databases import writing
from satomori_store.fates import Fate, overlay
from satomori_store.ledger import CHANGES_KEPT_US, Ledger, changes_of
from satomori_store.port import AlreadyStoredError, Batch, LedgerEntry, QuarantineRow, Row, Rows

STORED, SET_ASIDE, LOST = SequenceState.STORED, SequenceState.SET_ASIDE, SequenceState.LOST
T0 = 1_790_000_000_000_000


def _record(ledger: Ledger, batch: Batch, at_us: int = T0) -> None:
    with writing(ledger.engine) as connection:
        ledger.record(connection, batch, at_us)


def _entries(*spans: tuple[int, int, SequenceState], stream: str = "s") -> Batch:
    return Batch(ledger=[LedgerEntry(stream, "gw", first, last, state) for first, last, state in spans])


def _quarantined(number: int, reason: str = "unit", device: str = "node") -> QuarantineRow:
    return QuarantineRow(T0 + number, "satomori/v1/gw/telemetry", "gw", reason, f"detail {number}", b"\x00[]", device)


# ------------------------------------------------------------------ ranges

_FATES = st.lists(
    st.tuples(st.integers(1, 30), st.integers(0, 8), st.sampled_from(SequenceState), st.sampled_from(["", "x"])),
    max_size=12,
)


@given(_FATES)
def test_overlaid_fates_say_of_each_number_the_best_that_was_said(
    drawn: list[tuple[int, int, SequenceState, str]],
) -> None:
    """Stored before set aside before lost; the first among equals; joined as far as they agree."""
    fates = [Fate(first, first + more, state, reason) for first, more, state, reason in drawn]
    rank = [STORED, SET_ASIDE, LOST]
    expected = {}
    for number in range(1, 40):
        said = [fate for fate in fates if fate.first <= number <= fate.last]
        if said:
            best = min(said, key=lambda fate: rank.index(fate.state))
            expected[number] = (best.state, best.reason)
    result = overlay(fates)
    assert {n: (f.state, f.reason) for f in result for n in range(f.first, f.last + 1)} == expected
    assert sum(f.last - f.first + 1 for f in result) == len(expected)
    for a, b in itertools.pairwise(result):
        assert a.last < b.first
        assert a.last + 1 < b.first or (a.state, a.reason) != (b.state, b.reason)


def test_touching_ranges_become_one(ledger: Ledger) -> None:
    for spans in ([(1, 3, STORED)], [(7, 9, STORED)], [(4, 6, STORED), (5000, 5001, STORED)]):
        _record(ledger, _entries(*spans))
    [row] = ledger.audit()
    assert row.stored == [(1, 9), (5000, 5001)]
    assert row.gaps == [(10, 4999)]


def test_a_range_that_grows_at_both_ends_stays_one(ledger: Ledger) -> None:
    """However long it is, and though its ends are looked at in one batch."""
    _record(ledger, _entries((100, 90_000, STORED)))
    _record(ledger, _entries((99, 99, STORED), (90_001, 90_001, STORED)))
    assert ledger.audit()[0].stored == [(99, 90_001)]


def test_known_is_what_has_any_entry(ledger: Ledger) -> None:
    _record(ledger, _entries((3, 5, STORED), (6, 6, SET_ASIDE), (9, 9, LOST)))
    assert ledger.known("s", [(1, 20)]) == [(3, 6), (9, 9)]
    assert ledger.known("s", [(1, 2), (4, 4), (7, 8)]) == [(4, 4)]
    assert ledger.known("s", []) == []
    assert ledger.known("other", [(1, 20)]) == []
    assert Ledger(ledger.engine).known("s", [(1, 20)]) == [(3, 6), (9, 9)]


def test_what_was_set_aside_and_is_replayed_counts_as_stored(ledger: Ledger) -> None:
    _record(ledger, _entries((1, 9, STORED), (5, 5, SET_ASIDE)))
    _record(ledger, _entries((10, 10, SET_ASIDE), (11, 11, LOST)))
    _record(ledger, _entries((10, 11, STORED)))
    _record(ledger, _entries((1, 11, LOST)))
    [row] = ledger.audit()
    assert (row.stored, list(row.set_aside), list(row.lost)) == ([(1, 11)], [], [])


def test_of_two_that_store_the_same_numbers_the_second_is_told(ledger: Ledger) -> None:
    """Two transactions at once: the second waits, sees what the first did, and nothing of its batch is recorded."""
    batch = replace(_entries((1, 5, STORED), (8, 8, SET_ASIDE), (20, 30, STORED)), counts={("s", 7): 16})
    begun = threading.Event()
    told: list[AlreadyStoredError] = []

    def second() -> None:
        begun.wait(60)
        try:
            _record(Ledger(ledger.engine), batch)
        except AlreadyStoredError as error:
            told.append(error)

    thread = threading.Thread(target=second)
    thread.start()
    with writing(ledger.engine) as connection:
        ledger.record(connection, Batch(counts={("s", 7): 4}), T0)
        begun.set()
        time.sleep(0.2)  # it waits for our transaction now
        ledger.record(connection, _entries((4, 6, STORED), (8, 8, SET_ASIDE), (30, 30, STORED)), T0)
    thread.join(60)
    assert [dict(error.ranges) for error in told] == [{"s": [(4, 5), (30, 30)]}]
    [row] = ledger.audit()
    assert (row.stored, row.resent) == ([(4, 6), (30, 30)], 0)
    assert [c.numbered for c in ledger.reading_counts().values()] == [4]


def test_the_audit_tells_each_fate_with_its_reason(ledger: Ledger) -> None:
    batch = Batch(
        ledger=[
            LedgerEntry("s", "gw", 2, 4, STORED),
            LedgerEntry("s", "gw", 5, 5, SET_ASIDE, "unknown_device"),
            LedgerEntry("s", "gw", 8, 9, LOST, "thinned"),
            LedgerEntry("t", "gw2", 1, 1, STORED),
        ],
        counts={("s", 7): 3, ("", 7): 2, ("t", 8): 1},
    )
    _record(ledger, batch, T0)
    _record(ledger, Batch(resent={"s": 4, "never seen": 1}), T0 + 5)
    rows = ledger.audit()
    assert [(row.gateway, row.stream) for row in rows] == [("gw", "s"), ("gw2", "t")]
    assert (rows[0].stored, rows[0].gaps, rows[0].resent) == ([(2, 4)], [(1, 1), (6, 7)], 4)
    assert rows[0].set_aside == [Fate(5, 5, SET_ASIDE, "unknown_device")]
    assert rows[0].lost == [Fate(8, 9, LOST, "thinned")]
    assert (rows[0].first_seen_us, rows[0].last_seen_us) == (T0, T0 + 5)
    assert [row.stream for row in ledger.audit("gw2")] == ["t"]
    assert ledger.audit("gw3") == []
    counts = ledger.reading_counts()
    assert [(c.numbered, c.unnumbered) for c in (counts[7], counts[8])] == [(3, 2), (1, 0)]


def test_a_batch_that_is_rolled_back_leaves_nothing(ledger: Ledger) -> None:
    """Also nothing in what `known` answers from memory."""
    batch = Batch(
        Rows.of([(1, T0, 1.0, 1)]), T0, [LedgerEntry("s", "gw", 1, 5, STORED)], {("s", 1): 1}, {}, [_quarantined(1)]
    )

    def break_off() -> None:
        with writing(ledger.engine) as connection:
            ledger.record(connection, batch, T0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert ledger.known("s", [(1, 5)]) == []
    assert (ledger.audit(), ledger.changes_after(0), ledger.quarantine(), ledger.reading_counts()) == ([], [], [], {})


# ------------------------------------------------------------------ changes


def test_changes_say_what_was_touched() -> None:
    """A backlog's piece and a fresh reading of one datastream are two changes, not all that lies between."""
    rows: list[Row] = [(1, T0 + 5, 0.0, 1), (1, T0, 0.0, 1), (2, T0, 0.0, 1), (2, T0 - 9 * DAY_US, 0.0, 1)]
    rows.append((2, T0 - 9 * DAY_US + HOUR_US, 0.0, 1))
    assert sorted(changes_of(Rows.of(rows))) == [
        (1, T0, T0 + 5),
        (2, T0 - 9 * DAY_US, T0 - 9 * DAY_US + HOUR_US),
        (2, T0, T0),
    ]


def test_old_changes_go_but_their_ids_never_come_again(ledger: Ledger) -> None:
    for number in range(3):
        _record(ledger, Batch(Rows.of([(1, number, 0.0, 1)])), T0)
    last = ledger.last_change_id()
    later = T0 + CHANGES_KEPT_US + HOUR_US
    _record(Ledger(ledger.engine), Batch(), later)
    assert ledger.last_change_id() == last
    assert ledger.oldest_change_id() == last
    _record(ledger, Batch(Rows.of([(1, 9, 0.0, 1)])), later)
    assert ledger.last_change_id() == last + 1
    assert [change.change_id for change in ledger.changes_after(0)] == [last + 1]


def test_a_reader_never_passes_a_change_that_is_yet_to_commit(ledger: Ledger) -> None:
    """Several writers at once, each slow to commit; the reader's cursor meets every change once, in order."""
    writers, each = 4, 8
    seen: list[int] = []
    done = threading.Event()

    def write(writer: int) -> None:
        own = Ledger(ledger.engine)
        for number in range(each):
            _record(
                own,
                Batch(
                    Rows.of([(writer, number, 0.0, 1)]),
                    ledger=[LedgerEntry(f"s{writer}", "gw", number + 1, number + 1, STORED)],
                ),
            )

    def read() -> None:
        while not done.is_set():
            seen.extend(c.change_id for c in ledger.changes_after(seen[-1] if seen else 0, limit=3))

    reader = threading.Thread(target=read)
    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    reader.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    reader.join()
    seen.extend(c.change_id for c in ledger.changes_after(seen[-1] if seen else 0))
    assert seen == sorted(seen)
    assert len(seen) == writers * each
    assert [row.stored for row in ledger.audit()] == [[(1, each)]] * writers


# ------------------------------------------------------------------ quarantine


def test_quarantine_is_listed_counted_taken_and_marked(ledger: Ledger) -> None:
    rows = [_quarantined(1), _quarantined(2, "unknown_device", "b"), _quarantined(3, "unknown_device", "b")]
    _record(ledger, Batch(quarantine=rows))
    listed = ledger.quarantine()
    assert [entry.row for entry in listed] == rows[::-1]
    assert [entry.row for entry in ledger.quarantine(1, 1)] == [rows[1]]
    assert [entry.row for entry in ledger.quarantine(reason="unit")] == [rows[0]]
    assert [entry.row for entry in ledger.quarantine(device="b", gateway="gw")] == [rows[2], rows[1]]
    summary = ledger.quarantine_summary()
    assert [(c.reason, c.device, c.count, c.first_us, c.last_us, c.detail) for c in summary] == [
        ("unknown_device", "b", 2, T0 + 2, T0 + 3, "detail 3"),
        ("unit", "node", 1, T0 + 1, T0 + 1, "detail 1"),
    ]
    ids = [entry.id for entry in listed]
    assert [entry.row for entry in ledger.take_quarantine(ids)] == rows
    assert ledger.mark_replayed(ids[:2], T0 + 9) == 2
    assert ledger.mark_replayed(ids[:2], T0 + 9) == 0
    assert [entry.row for entry in ledger.take_quarantine(ids)] == [rows[0]]
    assert [entry.id for entry in ledger.quarantine(replayed=True)] == ids[:2]
    assert len(ledger.quarantine(replayed=None)) == 3
    assert ledger.mark_replayed([], T0) == 0


def test_bad_input_is_set_aside_whatever_letters_it_holds(ledger: Ledger) -> None:
    """NUL and half surrogate pairs, which PostgreSQL's text can't hold; the payload stays byte for byte."""
    payload = bytes(range(256))
    row = QuarantineRow(T0, "a\0b", "g\ud800", "not_json", "d\0\udfff", payload, "\0", "\0", "\0", 2**60)
    _record(ledger, Batch(quarantine=[row]))
    [entry] = ledger.quarantine()
    assert entry.row.payload == payload
    assert "\0" not in entry.row.topic + entry.row.detail
