"""Small packs read together end as they would one by one: rows, fates, acknowledgements, quarantine, counts."""

import json
from dataclasses import asdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from satomori_core.clock import SECOND_US, now_us
from satomori_core.senml import Loss, Pack, encode, encode_ask
from satomori_ingest.decoders.senml_runs import Run
from satomori_ingest.draft import Draft
from satomori_ingest.protocol import Message
from support.ingesting import Ingest, message, pack

AT_US = now_us() - 3600 * SECOND_US
GATEWAYS = {"gw-1": "dev-1", "gw-2": "dev-2"}


def sent(
    first: int | None,
    count: int = 4,
    *,
    gateway: str = "gw-1",
    stream: str = "s1",
    head: dict[str, object] | None = None,
) -> Message:
    """A pack whose times follow from its numbers, with `head` in its first record."""
    at_us = AT_US + (first or 0) * SECOND_US
    document = json.loads(pack(count, first, device=GATEWAYS[gateway], stream=stream, at_us=at_us))
    document[0] |= head or {}
    return message(json.dumps(document).encode(), f"satomori/v1/{gateway}/telemetry")


def one_by_one(ingest: Ingest, messages: list[Message]) -> Draft:
    """The same without runs, and without what the ledger knows."""
    draft = Draft(now_us())
    for each in messages:
        ingest.pipeline.add(draft, each)
    ingest.pipeline.judge(draft)
    return draft


def outcome(draft: Draft) -> dict[str, object]:
    batch = draft.batch()
    return {
        "messages": draft.messages,
        "rows": sorted(batch.rows, key=lambda row: row[0]),  # of a repeated point the last one stands: in its order
        "ledger": sorted(str(entry) for entry in batch.ledger),
        "acks": sorted(str(ack) for ack in draft.acks()),
        "counts": batch.counts,
        "resent": {stream: number for stream, number in batch.resent.items() if number},
        "quarantine": sorted(str(asdict(row)) for row in batch.quarantine),
    }


ODD: dict[str, dict[str, object]] = {
    "a name that is none": {"n": "no-metric"},
    "a metric nobody knows": {"n": "dev-1/nonsense"},
    "base fields": {"bn": "", "bt": 0},
    "a field of others": {"note_x": 1},
    "no number": {"v": "20"},
    "no time": {"t": 0},
    "no reasonable time": {"t": 1e300},
    "a missing unit": {"u": None},
    "numbers too many": {"seq": [[1, 99]]},
    "numbers descend": {"seq": [[8, 9], [5, 6]]},
    "a resend": {"again": True},
    "a stream that is none": {"stream": "with space"},
    "no stream": {"stream": None},
}


@pytest.mark.parametrize("head", ODD.values(), ids=ODD)
def test_an_odd_message_in_the_middle_is_as_it_would_be_alone(ingest: Ingest, head: dict[str, object]) -> None:
    messages = [sent(1), sent(5, head=head), sent(9), sent(13)]
    expected = outcome(one_by_one(ingest, messages))
    assert outcome(ingest.pipeline.draft(messages, now_us(), 10_000)) == expected


def test_what_is_no_pack_at_all_leaves_its_neighbours(ingest: Ingest) -> None:
    """Each is set aside as it was sent; a question and a loss among them are answered."""
    bad = [b"", b"{", b"[]", b"[1]", b'[{"n":"dev-1/air_temperature","v":1}', sent(5).payload[:-2]]
    loss = encode(Pack(stream="s1", losses=[Loss(9, 9, "dropped")]))
    messages = [sent(1), *map(message, bad), message(encode_ask("s1")), message(loss), sent(10)]
    expected = outcome(one_by_one(ingest, messages))
    draft = ingest.pipeline.draft(messages, now_us(), 10_000)
    assert outcome(draft) == expected
    assert [row.payload for row in draft.quarantine] == [p for p in bad if p != b"[]"]
    assert [(list(a.stored), list(a.set_aside)) for _, a in draft.acks()] == [([(1, 4), (9, 13)], [(5, 8)])]


def test_a_record_set_aside_names_its_own_message(ingest: Ingest) -> None:
    """Its time of arrival and its number, though others were read with it."""
    messages = [sent(1), sent(5, head={"n": "dev-1/nonsense"}), sent(9)]
    messages = [m._replace(received_at_us=AT_US + n) for n, m in enumerate(messages)]
    draft = ingest.pipeline.draft(messages, now_us(), 10_000)
    assert len(draft.parts) == 1
    [row] = draft.quarantine
    assert (row.received_at_us, row.seq, row.stream, row.reason) == (AT_US + 1, 5, "s1", "unknown_metric")


def test_gateways_and_streams_keep_their_own_numbers(ingest: Ingest) -> None:
    messages = [
        sent(1), sent(1, gateway="gw-2", stream="s2"), sent(5), sent(20, stream="s3"), sent(9),
        sent(5, gateway="gw-2", stream="s2"), sent(24, stream="s3"), sent(None),
    ]  # fmt: skip
    expected = outcome(one_by_one(ingest, messages))
    assert outcome(ingest.pipeline.draft(messages, now_us(), 10_000)) == expected
    acks, rows = ingest.take(*messages)
    assert rows == 32
    assert acks == {"s1": ([(1, 12)], []), "s2": ([(1, 8)], []), "s3": ([(20, 27)], [])}


def test_what_came_before_is_counted_once(ingest: Ingest) -> None:
    """Stored, drafted and not yet stored, or in the same batch: in a run as alone."""
    assert ingest.take(sent(1), sent(5)) == ({"s1": ([(1, 8)], [])}, 8)
    pending = ingest.pipeline.draft([sent(9)], now_us(), 10_000)
    ingest.pipeline.expect(pending)
    draft = ingest.pipeline.draft([sent(5), sent(9), sent(13), sent(13), sent(17)], now_us(), 10_000)
    assert (draft.messages, len(draft.rows), draft.resent["s1"]) == (5, 8, 12)
    ingest.pipeline.write(pending)
    ingest.pipeline.write(draft)
    [audit] = ingest.stores.ledger.audit()
    assert (audit.stored, audit.gaps, audit.resent) == ([(1, 20)], [], 12)
    assert sum(c.numbered for c in ingest.stores.ledger.reading_counts().values()) == 20


def test_another_gateways_stream_is_set_aside_message_by_message(ingest: Ingest) -> None:
    ingest.take(sent(1))
    copied = [sent(5, gateway="gw-2"), sent(9, gateway="gw-2")]
    acks, rows = ingest.take(*copied)
    assert (acks, rows) == ({"s1": ([], [(5, 12)])}, 0)
    assert ingest.reasons() == {"stream": 2}


def test_a_batch_of_runs_ends_at_its_limit(ingest: Ingest) -> None:
    messages = [sent(1 + 4 * n) for n in range(10)]
    draft = ingest.pipeline.draft(messages, now_us(), 10)
    assert (draft.messages, len(draft.rows), len(draft.parts)) == (3, 12, 1)


def test_a_message_longer_than_we_hold_is_in_no_run() -> None:
    assert Run.begin("gw-1", sent(1)._replace(size=5_000_000)) is None


packs = st.builds(
    sent,
    st.integers(1, 40) | st.none(),
    st.integers(1, 5),
    gateway=st.sampled_from(list(GATEWAYS)),
    stream=st.sampled_from(["s1", "s2"]),
    head=st.none() | st.sampled_from(list(ODD.values())),
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(packs, max_size=12))
def test_any_messages_together_end_as_one_by_one(ingest: Ingest, messages: list[Message]) -> None:
    """Nothing is stored, so each example begins anew; only which gateway owns a stream must be forgotten."""
    ingest.pipeline._owners.clear()
    expected = outcome(one_by_one(ingest, messages))
    ingest.pipeline._owners.clear()
    assert outcome(ingest.pipeline.draft(messages, now_us(), 10_000)) == expected
