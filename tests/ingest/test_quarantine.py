"""Replay: what was set aside for a reason that has gone is stored with its number; what is still bad stays."""

import json
from pathlib import Path

from click.testing import CliRunner

from satomori_core.clock import SECOND_US, now_us
from satomori_ingest.cli import quarantine
from satomori_ingest.quarantine import ReplayReport, replay
from support.ingesting import Ingest, message, pack

NEW_DEVICE = """
[[device]]
id = "dev-3"
gateway = "gw-1"
name = "子機3"
name_en = "Device 3"

[[datastream]]
asset = "paddy-1"
device = "dev-3"
metric = "air_temperature"
"""


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
