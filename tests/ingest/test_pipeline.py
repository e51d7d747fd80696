"""The pipeline on a real SQLite store: what is stored, acknowledged and set aside, and that bad input stops nothing."""

import gzip
import json
import math
from collections.abc import Sequence

import pytest

from satomori_core.clock import SECOND_US, now_us
from satomori_core.errors import UnavailableError
from satomori_core.senml import Loss, Pack, encode, encode_ask
from satomori_core.vocabulary import Quality
from satomori_ingest.protocol import Message
from satomori_ingest.quarantine import replay
from satomori_ingest.settings import IngestSettings
from satomori_ingest.stores import make_pipeline, open_stores
from satomori_store.port import Batch, Row, Rows, WriteOutcome
from support.ingesting import Ingest, message, pack
from support.small_registry import datastream, device

NODE_9 = device("dev-9", "gw-1") + datastream("dev-9", "air_temperature")
NOW_S = now_us() // SECOND_US - 100


def records(*values: dict[str, object], seq: Sequence[Sequence[int]] | None = None, stream: str = "s1") -> bytes:
    document = [{"n": "dev-1/air_temperature", "t": NOW_S + i, "v": 20.0, **value} for i, value in enumerate(values)]
    if seq is not None:
        document[0] |= {"stream": stream, "seq": seq}
    return json.dumps(document).encode()


def test_a_pack_is_stored_and_acknowledged(ingest: Ingest) -> None:
    acks, rows = ingest.take(message(pack(100)))
    assert (acks, rows) == ({"s1": ([(1, 100)], [])}, 100)
    assert len(ingest.values()) == 100


def test_what_came_before_is_acknowledged_and_not_counted_twice(ingest: Ingest) -> None:
    ingest.take(message(pack(100)))
    acks, rows = ingest.take(message(pack(100)), message(pack(50, 101)))
    assert (acks, rows) == ({"s1": ([(1, 150)], [])}, 50)
    [audit] = ingest.stores.ledger.audit()
    assert (audit.stored, audit.gaps, audit.resent) == ([(1, 150)], [], 100)


def test_a_pack_twice_in_one_batch_counts_once(ingest: Ingest) -> None:
    acks, rows = ingest.take(message(pack(10)), message(pack(10)))
    assert (acks, rows) == ({"s1": ([(1, 10)], [])}, 10)
    counts = ingest.stores.ledger.reading_counts()
    assert sum(c.numbered for c in counts.values()) == 10


def test_an_overlapping_pack_adds_what_is_new(ingest: Ingest) -> None:
    at_us = now_us() - 3600 * SECOND_US
    ingest.take(message(pack(10, 1, at_us=at_us)))
    acks, rows = ingest.take(message(pack(10, 6, at_us=at_us + 5 * SECOND_US)))
    assert (acks, rows) == ({"s1": ([(6, 15)], [])}, 5)


def test_units_and_calibration_become_the_stored_unit(ingest: Ingest) -> None:
    """[degF] by its own unit, cm by the registry's source unit."""
    ingest.take(
        message(
            json.dumps(
                [
                    {"n": "dev-1/air_temperature", "t": NOW_S, "v": 68.0, "u": "[degF]"},
                    {"n": "dev-1/water_level", "t": NOW_S, "v": 12.0},
                    {"n": "dev-1/water_level", "t": NOW_S + 1, "v": 0.12, "u": "m"},
                ]
            ).encode()
        )
    )
    assert ingest.values()[0][1] == pytest.approx(20.0)
    assert [value for _, value, _ in ingest.values(metric="water_level")] == [0.12, 0.12]


def test_gross_range_gives_quality(ingest: Ingest) -> None:
    """Catalogue: -40 to 60 Cel; the registry calls what is outside -20 to 45 suspect. Limits belong to the range."""
    values: list[dict[str, object]] = [{"v": v} for v in (20, 45, 46, 60, 61, -40, -41)]
    ingest.take(message(records(*values)))
    flags = [quality for _, _, quality in ingest.values()]
    good, suspect, fail = Quality.GOOD, Quality.SUSPECT, Quality.FAIL
    assert flags == [good, good, suspect, suspect, fail, suspect, fail]


BAD_RECORDS = [
    ({"n": "dev-1/nonsense"}, "unknown_metric"),
    ({"n": "dev-9/air_temperature"}, "unknown_device"),
    ({"n": "dev-2/air_temperature"}, "not_behind_gateway"),
    ({"u": "furlong"}, "unit"),
    ({"u": "m"}, "unit"),
    ({"v": math.nan}, "not_finite"),
    ({"v": math.inf}, "not_finite"),
    ({"t": 12}, "time_unset"),
    ({"t": 900_000_000}, "time_unset"),
    ({"t": -62_135_683_140}, "time_unset"),
    ({"t": -62_135_683_140, "n": "dev-1/nonsense"}, "time_unset"),
    ({"t": NOW_S + 4000}, "future"),
    ({"t": 1e300}, "time"),
    ({"v": "20"}, "not_senml"),
    ({"v": None}, "not_senml"),
    ({"n": "no-metric"}, "name"),
]


def test_what_the_broker_had_kept_is_of_its_own_time_or_of_none(ingest: Ingest) -> None:
    """A retained message comes at each new session: its arrival says nothing of when it was observed."""
    kept = [message(records({}, {"t": 0})), message(b'[{"n":"dev-1/air_temperature","v":21.0}]')]
    _, rows = ingest.take(*(m._replace(retained=True) for m in kept))
    assert rows == 1
    assert ingest.reasons() == {"time_unset": 2}
    assert [at_us for at_us, _, _ in ingest.values()] == [NOW_S * SECOND_US]


@pytest.mark.parametrize(("bad", "reason"), BAD_RECORDS)
def test_a_bad_record_is_set_aside_alone(ingest: Ingest, bad: dict[str, object], reason: str) -> None:
    """The others of its pack are stored, its number is acknowledged as set aside, and it can be replayed alone."""
    acks, rows = ingest.take(message(records({}, bad, {}, seq=[[1, 3]])))
    assert (acks, rows) == ({"s1": ([(1, 1), (3, 3)], [(2, 2)])}, 2)
    assert ingest.reasons() == {reason: 1}
    [entry] = ingest.stores.ledger.quarantine()
    assert (entry.row.stream, entry.row.seq) == ("s1", 2)
    assert len(json.loads(entry.row.payload)) == 1
    [audit] = ingest.stores.ledger.audit()
    assert (audit.stored, audit.gaps) == ([(1, 1), (3, 3)], [])
    assert [(f.first, f.last, f.reason) for f in audit.set_aside] == [(2, 2, reason)]


BAD_MESSAGES = [
    (b"", "not_json"),
    (b"{", "not_json"),
    (b"\xff\xfe\x00", "not_json"),
    (b'{"temperature": 20}', "not_senml"),
    (b"[1, 2]", "not_senml"),
    (b'[{"bver": 11, "n": "dev-1/air_temperature", "v": 1}]', "not_senml"),
    (gzip.compress(pack(3))[:-9], "gzip"),
    (b" " * 1_048_577, "too_large"),
    (gzip.compress(b" " * 2_000_000), "too_large"),
    (records({}, seq=[[1, 2]]), "seq"),
    (records({}, seq=[[0, 0]]), "seq"),
    (b"[" * 100_000, "not_json"),
]


@pytest.mark.parametrize(("payload", "reason"), BAD_MESSAGES, ids=[f"{n}-{r}" for n, (_, r) in enumerate(BAD_MESSAGES)])
def test_a_bad_message_is_set_aside_and_disturbs_nothing(ingest: Ingest, payload: bytes, reason: str) -> None:
    _, rows = ingest.take(message(pack(5)), message(payload), message(pack(5, 6)))
    assert rows == 10
    assert ingest.reasons() == {reason: 1}


def test_a_message_larger_than_we_hold_leaves_its_head_and_its_size(ingest: Ingest) -> None:
    ingest.take(message(b"x" * 100_000, size=5_000_000), message(pack(5)))
    [entry] = ingest.stores.ledger.quarantine()
    assert (entry.row.reason, len(entry.row.payload)) == ("too_large", 4096)
    assert "5000000 bytes" in entry.row.detail
    assert len(ingest.values()) == 5


def test_the_numbers_of_a_broken_pack_are_acknowledged_as_set_aside(ingest: Ingest) -> None:
    """Else the edge would send it for ever."""
    whole = encode(Pack(stream=None, readings=()))
    assert whole == b"[]"
    broken = records(*[{}] * 20, seq=[[1, 20]])[:-30]
    # The numbering stands in the first record; the end of the message is what is missing.
    acks, _ = ingest.take(message(broken), message(pack(5, 21)))
    assert acks == {"s1": ([(21, 25)], [(1, 20)])}
    [audit] = ingest.stores.ledger.audit()
    assert audit.gaps == []


def test_losses_are_written_down_and_acknowledged(ingest: Ingest) -> None:
    lost = encode(Pack(stream="s1", losses=[Loss(11, 20, "thinned"), Loss(21, 21, "dropped")]))
    acks, _ = ingest.take(message(pack(10)), message(lost))
    assert acks == {"s1": ([(1, 21)], [])}
    [audit] = ingest.stores.ledger.audit()
    assert [(f.first, f.last, f.reason) for f in audit.lost] == [(11, 20, "thinned"), (21, 21, "dropped")]
    assert audit.gaps == []


def test_a_question_is_answered_and_leaves_nothing_behind(ingest: Ingest) -> None:
    """Neither for a stream that is unknown yet, nor for a known one."""
    assert ingest.take(message(encode_ask("s1"))) == ({"s1": ([], [])}, 0)
    assert not ingest.stores.ledger.audit()
    ingest.take(message(pack(10)))
    assert ingest.take(message(encode_ask("s1"))) == ({"s1": ([], [])}, 0)
    assert [(row.stored, row.resent) for row in ingest.stores.ledger.audit()] == [([(1, 10)], 0)]


def test_another_gateways_stream_does_not_spoil_the_ledger(ingest: Ingest) -> None:
    """A copied disk: the second gateway's numbers must not make the first one's later readings look known."""
    ingest.take(message(pack(10)))
    acks, rows = ingest.take(message(pack(10, 11, device="dev-2"), "satomori/v1/gw-2/telemetry"))
    assert (acks, rows) == ({"s1": ([], [(11, 20)])}, 0)
    assert ingest.reasons() == {"stream": 1}
    acks, rows = ingest.take(message(pack(10, 11)))
    assert (acks, rows) == ({"s1": ([(11, 20)], [])}, 10)


def test_without_an_outbox_times_may_count_from_now(ingest: Ingest) -> None:
    """RFC 8428 section 4.5.3."""
    sent = message(b'[{"n":"dev-1/air_temperature","v":1,"t":-10},{"n":"dev-1/air_temperature","v":2}]')
    acks, rows = ingest.take(sent)
    assert (acks, rows) == ({}, 2)
    assert [at_us - sent.received_at_us for at_us, _, _ in ingest.values()] == [-10 * SECOND_US, 0]
    counts = ingest.stores.ledger.reading_counts()
    assert sum(c.unnumbered for c in counts.values()) == 2


class _Picky:
    """A store that refuses one value for good, as a typed column elsewhere might."""

    def __init__(self, ingest: Ingest, refuses: float) -> None:
        self._store = ingest.stores.observations
        self._refuses = refuses

    def write(self, batch: Batch) -> WriteOutcome:
        bad: list[tuple[Row, str]] = [(row, "too odd") for row in batch.rows if row[2] == self._refuses]
        if bad:
            return WriteOutcome(0, bad, Rows.of(row for row in batch.rows if row[2] != self._refuses))
        return self._store.write(batch)


def test_what_the_store_rejects_is_set_aside(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest.pipeline, "_store", _Picky(ingest, 13.0))
    acks, _ = ingest.take(message(records({}, {"v": 13.0}, {}, seq=[[1, 3]])), message(records({"v": 13.0})))
    assert acks == {"s1": ([(1, 1), (3, 3)], [(2, 2)])}
    assert ingest.reasons() == {"store": 2}
    counts = ingest.stores.ledger.reading_counts()
    assert [(c.numbered, c.unnumbered) for c in counts.values()] == [(2, 0)]


def test_two_workers_that_draft_the_same_pack_count_it_once(ingest: Ingest) -> None:
    """Both saw its numbers as new; the one that comes second leaves out what is stored, and acknowledges it."""
    at_us = now_us() - 3600 * SECOND_US
    stores = open_stores(ingest.state, None)
    other = make_pipeline(IngestSettings(), stores)
    first = ingest.pipeline.draft([message(pack(6, 3, at_us=at_us + 2 * SECOND_US))], now_us(), 10_000)
    second = other.draft([message(pack(10, 1, at_us=at_us)), message(pack(1, None))], now_us(), 10_000)
    ingest.pipeline.write(first)
    other.write(second)
    stores.observations.close()
    stores.registry.dispose()
    assert [(list(ack.stored), list(ack.set_aside)) for _, ack in second.acks()] == [([(1, 10)], [])]
    assert len(second.rows) == 5
    [audit] = ingest.stores.ledger.audit()
    assert (audit.stored, audit.resent) == ([(1, 10)], 6)
    assert [(c.numbered, c.unnumbered) for c in ingest.stores.ledger.reading_counts().values()] == [(10, 1)]
    assert len(ingest.values()) == 11


def test_a_record_that_two_replay_at_once_counts_once(ingest: Ingest) -> None:
    """Each took it from the quarantine before the other had marked it."""
    ingest.take(message(records({"n": "dev-9/air_temperature"}, seq=[[1, 1]])))
    ingest.reload(NODE_9)
    [entry] = ingest.stores.ledger.quarantine()
    assert [replay(ingest.pipeline, ingest.stores.ledger, [entry]).replayed for _ in range(2)] == [1, 0]
    assert [c.numbered for c in ingest.stores.ledger.reading_counts().values()] == [1]


def test_a_store_that_is_away_leaves_nothing_behind(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: Batch) -> WriteOutcome:
        raise UnavailableError("database or disk is full")

    store = ingest.stores.observations
    with monkeypatch.context() as patch:
        patch.setattr(type(store), "write", lambda _, batch: away(batch))
        with pytest.raises(UnavailableError):
            ingest.take(message(pack(10)))
    acks, rows = ingest.take(message(pack(10)))
    assert (acks, rows) == ({"s1": ([(1, 10)], [])}, 10)


def test_a_batch_ends_at_its_limit(ingest: Ingest) -> None:
    messages = [message(pack(100, 1 + 100 * i)) for i in range(10)]
    draft = ingest.pipeline.draft(messages, now_us(), 250)
    assert (draft.messages, len(draft.rows)) == (3, 300)


def test_a_device_that_moved_is_found_as_of_the_observation(ingest: Ingest) -> None:
    """Its plan holds only while its route does."""
    route, from_us, until_us = ingest.pipeline._plans.lookup.span("gw-1", "dev-1", "air_temperature", now_us())
    assert (route.metric, from_us < 0, until_us > now_us()) == ("air_temperature", True, True)


def test_messages_on_strange_topics_are_set_aside(ingest: Ingest) -> None:
    odd = [Message(t, b"{}", 1, False, False, 2, 1, now_us()) for t in ("a/b", "satomori/v1/../telemetry")]
    ingest.take(*odd, message(pack(1)))
    assert ingest.reasons() == {"topic": 2}


def test_after_a_restart_an_old_number_does_not_make_later_ones_look_new(ingest: Ingest) -> None:
    """A loss or a broken pack with a low number is the first thing heard of a stream that was stored far beyond it."""
    at_us = now_us() - 3600 * SECOND_US
    ingest.take(message(pack(100, 2, at_us=at_us)))
    stores = open_stores(ingest.state, None)
    again = Ingest(ingest.state, stores, make_pipeline(IngestSettings(), stores))
    again.take(message(encode(Pack(stream="s1", losses=[Loss(1, 1, "dropped")]))))
    acks, rows = again.take(message(pack(50, 52, at_us=at_us + 50 * SECOND_US)))
    stores.observations.close()
    stores.registry.dispose()
    assert (acks, rows) == ({"s1": ([(52, 101)], [])}, 0)
