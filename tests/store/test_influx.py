"""What only the InfluxDB store has: points refused one by one, a server that goes away, its errors told."""

import http.server
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from satomori_core.clock import DAY_US, now_us
from satomori_core.errors import UnavailableError
from satomori_core.settings import Secret
from satomori_core.vocabulary import SequenceState
from satomori_store.databases import sqlite_engine
from satomori_store.influx import InfluxStore
from satomori_store.ledger import Ledger
from satomori_store.lines import Identity, encode_rows, head_of
from satomori_store.opening import open_ledger, open_store
from satomori_store.port import Batch, LedgerEntry, Row, Rows
from satomori_store.schema import upgrade
from satomori_store.settings import InfluxSettings
from support.influx import influx_server
from support.ports import free_ports
from support.stores import IDENTITIES, StoreUnderTest

T0 = 1_790_035_200_000_000


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    engine = sqlite_engine(tmp_path / "ledger.sqlite")
    upgrade(engine, "ledger")
    return Ledger(engine)


def _entries(rows: list[Row]) -> Batch:
    return Batch(Rows.of(rows), T0, [LedgerEntry("s", "gw", 1, len(rows), SequenceState.STORED)], {("s", 1): len(rows)})


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(1, 2**40),
    st.integers(-(2**53), 2**53),
    st.integers(0, 9),
)
def test_a_line_says_what_the_row_says(value: float, datastream: int, at_us: int, quality: int) -> None:
    heads = {datastream: head_of(datastream, Identity("rain", "asset,1", "a b=c"))}
    line = encode_rows(Rows.of([(datastream, at_us, value, quality)]), heads).decode()
    start = f"rain,datastream={datastream},asset=asset\\,1,device=a\\ b\\=c value="
    assert line.startswith(start)
    fields, time = line[len(start) :].split(" ")
    assert float(fields.split(",")[0]) == value
    assert (fields.split(",")[1], int(time)) == (f"quality={quality}i", at_us)


@pytest.mark.servers
@pytest.mark.parametrize("tested", ["influxdb"], indirect=True)
def test_only_the_points_that_the_server_refuses_are_rejected(tested: StoreUnderTest) -> None:
    """Beyond the database's retention: each bad row is told with the server's reason, the good ones are stored."""
    assert tested.influx is not None
    database = tested.influx.database
    tested.influx.query(f'CREATE RETENTION POLICY "short" ON "{database}" DURATION 24h REPLICATION 1 DEFAULT')
    now = now_us()
    rows: list[Row] = [(1 + n % 3, now - n, float(n), 1) for n in range(200)]
    bad = {7, 100, 101}
    rows = [(d, t - 30 * DAY_US if n in bad else t, v, q) for n, (d, t, v, q) in enumerate(rows)]
    outcome = tested.store.write(_entries(rows))
    assert (outcome.accepted, {int(row[2]) for row, _ in outcome.rejected}) == (0, bad)
    assert all("retention" in reason for _, reason in outcome.rejected)
    assert tested.ledger.known("s", [(1, 200)]) == []
    assert tested.store.write(Batch(outcome.kept, T0)).accepted == 197
    assert sum(tested.store.count([1, 2, 3]).values()) == 197


@pytest.mark.servers
@pytest.mark.parametrize("tested", ["influxdb"], indirect=True)
def test_a_measurement_of_another_type_is_told_and_the_others_are_stored(tested: StoreUnderTest) -> None:
    assert tested.influx is not None
    tested.influx.write(f"soil_moisture,datastream=2 value=5i {T0 - 1}")
    rows: list[Row] = [(1 + n % 2, T0 + n, float(n), 1) for n in range(50)]
    outcome = tested.store.write(_entries(rows))
    assert {row[0] for row, _ in outcome.rejected} == {2}
    assert len(outcome.rejected) == 25
    assert all("type" in reason for _, reason in outcome.rejected)
    assert {row[0] for row in outcome.kept} == {1}


@pytest.mark.servers
@pytest.mark.parametrize("tested", ["influxdb"], indirect=True)
def test_a_datastream_that_nobody_knows_is_rejected(tested: StoreUnderTest) -> None:
    outcome = tested.store.write(Batch(Rows.of([(999, T0, 1.0, 1), (1, 2**62, 1.0, 1), (1, T0, 1.0, 1)]), T0))
    assert {reason for _, reason in outcome.rejected} == {
        "datastream 999 is not in the registry",
        f"{2**62} µs is beyond the times that InfluxDB can hold",
    }
    assert list(outcome.kept) == [(1, T0, 1.0, 1)]


@pytest.mark.servers
def test_a_server_that_dies_and_comes_back_loses_and_doubles_nothing(tmp_path: Path, ledger: Ledger) -> None:
    """What was accepted is there after a kill; what was not is written again."""
    with influx_server(tmp_path / "influx") as influx:
        store = InfluxStore(influx.settings(), ledger, lambda: IDENTITIES)
        assert store.write(_entries([(1, T0, 1.0, 1)])).accepted == 1
        influx.process.kill()
        influx.process.wait(60)
        for attempt in (
            lambda: store.write(_entries([(1, T0 + 1, 2.0, 1)])),
            lambda: store.latest([1]),
            lambda: store.count([1]),
        ):
            with pytest.raises(UnavailableError, match="InfluxDB at http"):
                attempt()
        store.close()
    with influx_server(tmp_path / "influx") as again:
        store = InfluxStore(again.settings(), ledger, lambda: IDENTITIES)
        assert store.write(Batch(Rows.of([(1, T0 + 1, 2.0, 1)]), T0)).accepted == 1
        assert store.read([1], 0, 2**60).value.tolist() == [1.0, 2.0]
        store.close()


@pytest.mark.servers
def test_settings_open_an_influxdb_with_its_ledger_in_the_registry(tmp_path: Path) -> None:
    with influx_server(tmp_path / "influx") as influx:
        config = tmp_path / "satomori.toml"
        config.write_text(influx.toml(), encoding="utf-8")
        store = open_store(tmp_path / "state", config)
        store.write(Batch(Rows.of(()), T0, [LedgerEntry("s", "gw", 1, 2, SequenceState.LOST, "thinned")]))
        assert open_ledger(tmp_path / "state", config).known("s", [(1, 9)]) == [(1, 2)]
        assert not (tmp_path / "state" / "observations.sqlite").exists()
        store.close()


# ------------------------------------------------------------------ answers of servers that we can't have here


@contextmanager
def _answering(status: int, body: bytes, headers: dict[str, str] | None = None) -> Generator[tuple[str, list[str]]]:
    """A server that answers one thing, and the Authorization headers it was sent."""
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            seen.append(self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "words", "retry_s"),
    [
        (401, b'{"code":"unauthorized","message":"unauthorized access"}', "unauthorized access; check .*token", 30),
        (404, b'{"code":"not found","message":"bucket \\"satomori\\" not found"}', "does the database or bucket", 30),
        (429, b"", "answers 429", 7),
        (500, b'{"error":"engine: no space left on device"}', "no space left", 1),
        (503, b"<html>Service Unavailable</html>", "answers 503: <html>", 1),
    ],
)
def test_what_the_server_says_is_told(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, status: int, body: bytes, words: str, retry_s: float
) -> None:
    monkeypatch.setenv("SATOMORI_TEST_TOKEN", "secret-token")
    headers = {"Retry-After": "7"} if status == 429 else {}
    with _answering(status, body, headers) as (url, seen):
        settings = InfluxSettings(url, token=Secret(env="SATOMORI_TEST_TOKEN"))
        store = InfluxStore(settings, ledger, lambda: IDENTITIES)
        for attempt in (lambda: store.write(_entries([(1, T0, 1.0, 1)])), lambda: store.latest([1])):
            with pytest.raises(UnavailableError, match=words) as caught:
                attempt()
            assert caught.value.retry_after_s == retry_s
            assert "secret-token" not in str(caught.value)
        store.close()
    assert seen == ["Token secret-token"] * 2
    assert ledger.known("s", [(1, 1)]) == []


def test_an_answer_that_is_not_influxqls_is_told(ledger: Ledger) -> None:
    with _answering(200, b"<html>login</html>") as (url, _):
        store = InfluxStore(InfluxSettings(url), ledger, lambda: IDENTITIES)
        with pytest.raises(UnavailableError, match="not InfluxQL's JSON"):
            store.latest([1])
        store.close()


def test_nobody_listens(ledger: Ledger) -> None:
    [port] = free_ports(1)
    store = InfluxStore(InfluxSettings(f"http://127.0.0.1:{port}"), ledger, lambda: IDENTITIES)
    with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}"):
        store.write(_entries([(1, T0, 1.0, 1)]))
    store.close()
