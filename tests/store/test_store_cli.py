"""`satomori registry` and `satomori audit`, as their user sees them."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from satomori_core.errors import SatomoriError
from satomori_core.vocabulary import SequenceState
from satomori_store.cli import audit, registry
from satomori_store.commanding import parse_allowed
from satomori_store.commands import write_actuators
from satomori_store.databases import writing
from satomori_store.lookup import load_lookup
from satomori_store.opening import open_ledger, open_registry, open_store
from satomori_store.port import Batch, LedgerEntry, QuarantineRow, Rows
from satomori_store.transactions import transaction

REGION = """
[[organisation]]
id = "town"
kind = "municipality"
name = "里町"
[[site]]
id = "s"
organisation = "town"
name = "里"
latitude = 36
longitude = 138
[[asset]]
id = "pond"
site = "s"
municipality = "town"
class = "irrigation_pond"
name = "大池"
[[gateway]]
id = "gw"
site = "s"
kind = "edge"
name = "親機"
[[device]]
id = "node"
gateway = "gw"
name = "水位計"
[[datastream]]
asset = "pond"
device = "node"
metric = "water_level"
"""
T0 = 1_790_000_000_000_000


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "region.toml").write_text(REGION, encoding="utf-8")
    state = tmp_path / "state"
    assert _run(registry, state, "import", str(tmp_path / "region.toml")).exit_code == 0
    return state


def _run(command: Any, state: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--state", str(state)])


def _json(command: Any, state: Path, *arguments: str) -> list[dict[str, Any]]:
    result = _run(command, state, *arguments, "--json")
    assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


def test_import_says_what_it_did(state: Path, tmp_path: Path) -> None:
    result = _run(registry, state, "import", str(tmp_path / "region.toml"))
    assert "region.toml: unchanged: 1 organisation, 1 site" in result.output


def test_import_tells_faults_and_fails(state: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text('[[asset]]\nid = "a"\nclass = "pond"\n', encoding="utf-8")
    result = _run(registry, state, "import", str(tmp_path / "wrong.toml"))
    assert isinstance(result.exception, SatomoriError)
    assert "wrong.toml, line 1, class: unknown class 'pond'" in result.stderr
    [report] = json.loads(_run(registry, state, "import", str(tmp_path / "wrong.toml"), "--json").stdout)
    assert (report["ok"], report["created"]) == (False, {})
    assert report["errors"][0].keys() == {"file", "row", "column", "problem"}


@pytest.mark.parametrize(
    ("what", "ids"),
    [
        ("organisations", ["town"]),
        ("sites", ["s"]),
        ("assets", ["gw", "pond"]),
        ("groups", []),
        ("gateways", ["gw"]),
        ("devices", ["gw", "node"]),
        ("datastreams", [1, 2, 3, 4, 5]),
    ],
)
def test_lists(state: Path, what: str, ids: list[object]) -> None:
    assert [row["id"] for row in _json(registry, state, "list", what)] == ids
    assert _run(registry, state, "list", what).exit_code == 0


def _quarantine(state: Path, *names: str, reason: str = "unknown_device", gateway: str = "gw") -> None:
    rows = []
    for name in names:
        device, _, metric = name.partition("/")
        rows.append(QuarantineRow(T0, f"satomori/v1/{gateway}/telemetry", gateway, reason, "x", b"[]", device, metric))
    ledger = open_ledger(state, None)
    with writing(ledger.engine) as connection:
        ledger.record(connection, Batch(quarantine=rows), T0)
    ledger.close()


def test_actuators_are_listed_also_those_of_no_asset(state: Path) -> None:
    """With what their gateway says that they take: so one sees what to write into the registry."""
    engine = open_registry(state, None)
    with transaction(engine) as session:
        write_actuators(session, "gw", [parse_allowed({"name": "gate", "values": [0, 1]})])
    engine.dispose()
    [row] = _json(registry, state, "list", "actuators")
    assert (row["gateway_id"], row["name"], row["asset_id"]) == ("gw", "gate", None)
    assert row["allows"]["values"] == [0, 1]
    assert _run(registry, state, "list", "actuators").exit_code == 0


def test_what_is_unknown_is_listed_with_the_command_that_adopts_it(state: Path) -> None:
    _quarantine(state, "new/water_level", "new/water_level", "new/battery", "new/foo", "evil; rm/x")
    _quarantine(state, "node/rain", reason="unknown_metric")
    _quarantine(state, "other/rain", reason="unit")
    rows = _json(registry, state, "unknown")
    assert [(row["device"], row["waiting"], row["not_in_catalogue"]) for row in rows] == [
        ("new", 4, ["foo"]), ("node", 1, []),
    ]  # fmt: skip
    command = rows[0]["adopt"]
    assert command == "satomori registry adopt new --gateway gw --asset ASSET --metric battery --metric water_level"
    words = command.replace("ASSET", "pond").split()[2:]
    result = _run(registry, state, *words)
    assert result.exit_code == 0, result.output
    assert "satomori quarantine replay --device new" in result.output
    route = load_lookup(open_registry(state, None)).route("gw", "new", "water_level", 0)
    assert (route.asset_id, route.unit) == ("pond", "m")


def test_adopting_takes_all_that_waits_and_the_unit_that_is_meant(state: Path) -> None:
    _quarantine(state, "new/water_level", "new/foo")
    [report] = _json(registry, state, "adopt", "new", "--asset", "pond", "--unit", "mm", "--name", "新水位計")
    assert report["created"] == {"device": 1, "datastream": 1}
    assert load_lookup(open_registry(state, None)).route("gw", "new", "water_level", 0).source_unit == "mm"
    _quarantine(state, "node/rain", reason="unknown_metric")
    [report] = _json(registry, state, "adopt", "node", "--asset", "pond")
    assert (report["created"], report["updated"]) == ({"datastream": 1}, {})


@pytest.mark.parametrize(("device", "kind"), [("gw9", "direct"), ("probe", "edge")])
def test_an_unknown_gateway_that_was_heard_is_adopted_with_its_device(state: Path, device: str, kind: str) -> None:
    """A device that speaks for itself is its own gateway; one behind an edge comes with that edge."""
    _quarantine(state, f"{device}/rain", reason="unknown_gateway", gateway="gw9")
    [row] = _json(registry, state, "unknown")
    result = _run(registry, state, *row["adopt"].replace("ASSET", "pond").split()[2:])
    assert result.exit_code == 0, result.output
    [made] = [row for row in _json(registry, state, "list", "gateways") if row["id"] == "gw9"]
    assert made["kind"] == kind
    assert load_lookup(open_registry(state, None)).route("gw9", device, "rain", 0).asset_id == "pond"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["new", "--asset", "nowhere"], "unknown asset 'nowhere'"),
        (["new", "--asset", "pond", "--unit", "kPa"], "can't be converted"),
        (["nobody", "--asset", "pond"], "behind no gateway; say which with --gateway"),
        (["nobody", "--asset", "pond", "--gateway", "gw"], "name it with --metric"),
        (["foreign", "--asset", "pond"], "it sends foo: rename"),
        (["new", "--asset", "pond", "--gateway", "gw9", "--metric", "rain"], "unknown gateway 'gw9'"),
    ],
)
def test_an_adoption_that_can_not_be_is_told(state: Path, arguments: list[str], words: str) -> None:
    _quarantine(state, "new/water_level", "foreign/foo")
    result = _run(registry, state, "adopt", *arguments)
    assert isinstance(result.exception, SatomoriError)
    assert words in str(result.exception)
    assert [row["id"] for row in _json(registry, state, "list", "devices")] == ["gw", "node"]


def _store(state: Path, stream: str, numbers: range) -> None:
    [number] = [r["id"] for r in _json(registry, state, "list", "datastreams") if r["metric"] == "water_level"]
    store = open_store(state, None)
    entries = [LedgerEntry(stream, "gw", numbers[0], numbers[-1], SequenceState.STORED)] if stream else []
    store.write(
        Batch(Rows.of([(number, T0 + n, 1.0, 1) for n in numbers]), T0, entries, {(stream, number): len(numbers)})
    )
    store.close()


def _level(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return next(row for row in rows if row.get("metric") == "water_level")


def test_a_clean_audit(state: Path) -> None:
    _store(state, "outbox", range(1, 11))
    rows = _json(audit, state)
    assert [row["kind"] for row in rows] == ["stream"] + ["datastream"] * 5
    assert (rows[0]["gateway"], rows[0]["stored"], rows[0]["gaps"], rows[0]["resent"]) == ("gw", [[1, 10]], [], 0)
    level = _level(rows)
    assert (level["readings"], level["points"], level["excess"], level["missing"], level["countable"]) == (
        10, 10, 0, 0, True,
    )  # fmt: skip
    assert "No gap, no double." in _run(audit, state, "--device", "node").output
    assert [row.get("device") for row in _json(audit, state, "--device", "node")] == [None, "node"]


def test_an_audit_that_finds_gaps_doubles_and_losses(state: Path) -> None:
    """The store is asked itself: points taken out or put in behind the ledger's back are seen."""
    _store(state, "outbox", range(3, 11))
    engine = open_ledger(state, None).engine
    with writing(engine) as connection:
        connection.execute(text("DELETE FROM observation WHERE observed_at_us IN (:a, :b)"), {"a": T0 + 3, "b": T0 + 4})
    rows = _json(audit, state)
    assert (rows[0]["gaps"], _level(rows)["missing"], _level(rows)["excess"]) == ([[1, 2]], 2, 0)
    number = _level(rows)["datastream"]
    with writing(engine) as connection:
        insert = "INSERT INTO observation SELECT :d, value, 1.0, 1, 2, 0 FROM json_each('[1, 2, 3, 4, 5]')"
        connection.execute(text(insert), {"d": number})
    assert _level(_json(audit, state))["excess"] == 3
    output = _run(audit, state).output
    assert "NOT CLEAN" in output
    assert "1-2" in output


def test_readings_without_numbers_are_called_not_countable(state: Path) -> None:
    _store(state, "", range(5))
    _store(state, "", range(5))
    level = _level(_json(audit, state))
    assert (level["countable"], level["unnumbered"], level["points"], level["missing"]) == (False, 10, 5, 0)
    assert "not countable: 10 came without numbers" in _run(audit, state).output


def test_an_unknown_device_is_told(state: Path) -> None:
    assert "not in the registry" in str(_run(audit, state, "--device", "nobody").exception)
