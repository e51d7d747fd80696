"""Replay: what was set aside for a reason that has gone is stored with its number; what is still bad stays."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from satomori_core.clock import SECOND_US, from_iso, now_us
from satomori_ingest.cli import quarantine
from satomori_ingest.decoders import Value
from satomori_ingest.decoders.tasmota import TasmotaSettings
from satomori_ingest.draft import decode_value, encode_value
from satomori_ingest.quarantine import ReplayReport, replay
from satomori_ingest.settings import IngestSettings
from satomori_ingest.stores import make_pipeline, open_stores
from support.ingesting import Ingest, message, pack, write_registry
from support.small_registry import datastream, device

NEW_DEVICE = device("dev-3", "gw-1") + datastream("dev-3", "air_temperature")


def replay_all(ingest: Ingest) -> ReplayReport:
    ledger = ingest.stores.ledger
    return replay(ingest.pipeline, ledger, ledger.quarantine(-1)[::-1])


def test_an_adopted_devices_records_are_stored_with_their_numbers(ingest: Ingest) -> None:
    acks, rows = ingest.take(message(pack(10, device="dev-3")))
    assert (acks, rows) == ({"s1": ([], [(1, 10)])}, 0)
    assert replay_all(ingest).waiting == {"unknown_device": 10}
    ingest.reload(NEW_DEVICE)
    report = replay_all(ingest)
    assert (report.replayed, report.values, report.waiting) == (10, 10, {})
    [audit] = ingest.stores.ledger.audit()
    assert (audit.stored, audit.set_aside) == ([(1, 10)], [])
    assert ingest.reasons() == {}
    assert replay_all(ingest) == ReplayReport()


def test_what_is_still_bad_stays_and_grows_no_second_row(ingest: Ingest) -> None:
    ingest.take(message(b'[{"n":"dev-1/air_temperature","v":NaN,"t":1.7e9}]'), message(b"nonsense"))
    for _ in range(2):
        report = replay_all(ingest)
        assert (report.replayed, report.waiting) == (0, {"not_finite": 1, "not_json": 1})
    assert ingest.reasons() == {"not_finite": 1, "not_json": 1}


def test_a_replayed_time_from_now_is_the_same_as_at_first(ingest: Ingest) -> None:
    """Without an outbox and a time the moment of arrival counts, also later."""
    sent = message(b'[{"n":"dev-3/air_temperature","v":1}]')
    ingest.take(sent)
    ingest.reload(NEW_DEVICE)
    assert replay_all(ingest).values == 1
    number = ingest.pipeline._plans.lookup.route("gw-1", "dev-3", "air_temperature", now_us()).datastream_id
    columns = ingest.stores.observations.read([number], 0, 2**60)
    assert columns.observed_at_us.tolist() == [sent.received_at_us]


def test_an_adopted_devices_records_are_stored_whatever_format_they_came_in(tmp_path: Path) -> None:
    """What is set aside for the registry's sake was read already: its format is not asked again."""
    settings = IngestSettings(tasmota=(TasmotaSettings(gateway="gw-1"),))
    stores = open_stores(tmp_path, None)
    write_registry(stores, tmp_path)
    ingest = Ingest(tmp_path, stores, make_pipeline(settings, stores))
    payload = b'{"Time":"2026-06-01T03:00:00","AM2301":{"Temperature":71.6},"TempUnit":"F"}'
    ingest.take(message(payload, "tele/dev-3/SENSOR"))
    assert ingest.reasons() == {"unknown_device": 1}
    write_registry(stores, tmp_path, NEW_DEVICE)
    ingest.pipeline = make_pipeline(settings, stores)
    assert replay_all(ingest) == ReplayReport(replayed=1, values=1)
    number = ingest.pipeline._plans.lookup.route("gw-1", "dev-3", "air_temperature", now_us()).datastream_id
    columns = stores.observations.read([number], 0, 2**60)
    assert columns.observed_at_us.tolist() == [from_iso("2026-06-01T03:00:00Z")]
    assert columns.value.tolist() == [pytest.approx(22.0)]
    stores.observations.close()
    stores.registry.dispose()


def test_a_clock_that_was_not_set_is_not_taken_for_a_time_from_now(ingest: Ingest) -> None:
    """12 s after 1970, from an outbox: absolute at first, and so it stays."""
    record = {"n": "dev-1/air_temperature", "t": 12, "v": 20.0, "stream": "s1", "seq": [[1, 1]]}
    ingest.take(message(json.dumps([record]).encode()))
    assert replay_all(ingest) == ReplayReport(waiting={"time_unset": 1})
    assert ingest.values() == []


@given(
    st.tuples(
        st.text(),
        st.integers(-8 * 10**15, 8 * 10**15),
        st.floats(),
        st.none() | st.text(),
    )
)
def test_a_value_that_was_set_aside_comes_back_exactly(value: Value) -> None:
    again = decode_value(encode_value(value))
    assert again is not None
    assert repr(again) == repr(value)  # as text: NaN is not equal to itself


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[",
        b"[]",
        b'[{"n":"d/m","t":1,"v":2,"bn":""}]',
        b'[{"n":"d/m","t":1.0,"v":true}]',
        b'{"n":"d/m"}',
        b"[" * 99999,
    ],
)
def test_any_other_message_is_no_value_that_was_set_aside(payload: bytes) -> None:
    assert decode_value(payload) is None


def test_the_commands_list_and_replay(ingest: Ingest, tmp_path: Path) -> None:
    at_us = now_us() - 3600 * SECOND_US
    ingest.take(message(pack(3, device="dev-3", at_us=at_us)), message(b"nonsense"))
    options = ["--state", str(tmp_path), "--json"]
    run = CliRunner().invoke

    def rows(*words: str) -> list[dict[str, object]]:
        done = run(quarantine, [*words, *options])
        assert done.exit_code == 0, done.output
        found: list[dict[str, object]] = json.loads(done.output)
        return found

    assert {(row["reason"], row["count"]) for row in rows("list")} == {("unknown_device", 3), ("not_json", 1)}
    records = rows("list", "--records", "--reason", "unknown_device")
    assert [row["seq"] for row in records] == [3, 2, 1]
    ingest.reload(NEW_DEVICE)
    assert rows("replay", str(records[0]["id"]))[0] == {"outcome": "replayed", "records": 1, "values": 1}
    assert rows("replay", "--all") == [
        {"outcome": "replayed", "records": 2, "values": 2},
        {"outcome": "waits: not_json", "records": 1, "values": 0},
    ]
    assert run(quarantine, ["replay", *options]).exit_code == 2
