"""Packs of 100 readings of 50 gateways, made durable, against what the databases alone can do with the same rows.

Broker, sender, ingest and database share the machine; the ceilings have it alone. Every row goes through decoding,
registry, quality, ledger and changes, and every pack is acknowledged to its gateway.
"""

import sqlite3
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from satomori_core.clock import now_us
from satomori_core.logs import configure_logs
from satomori_ingest.decoders.senml import SenmlDecoder
from satomori_ingest.protocol import Message
from satomori_ingest.settings import IngestSettings
from satomori_ingest.stores import make_pipeline, open_stores
from satomori_store.lines import Identity, encode_rows, head_of
from satomori_store.port import Rows
from support.figures import Figure, compared, held, plain, processor_s
from support.gateways import METRICS, Load, packs, registry, run_gateways
from support.influx import influx_server
from support.ingest_process import IngestProcess, ingest_process
from support.ingesting import write_registry
from support.mosquitto import mosquitto
from support.postgres import postgres_server

LOAD = Load(gateways=50, packs=200, per_pack=100, datastreams=10)
MANY_DATASTREAMS = Load(gateways=50, packs=200, per_pack=100, datastreams=100)
WARM_UP = Load(gateways=50, packs=4, stream="warm")
CEILING_BATCHES = (10_000, 50_000)
RATIO_MIN = 0.5
CPU_US_MAX = 3.0
WORKERS_RATIO_MIN = 1.6
UNIT = "values/s, durable"


def run() -> Iterator[Figure]:
    configure_logs("error")  # stdout is for the figures
    for part in (_into_sqlite, _into_influx, _workers, _stages):
        with tempfile.TemporaryDirectory() as folder:
            yield from part(Path(folder))


@dataclass(frozen=True, slots=True)
class _Result:
    """`cpu_us`: of all workers, a value. `cores`: so many of the machine's were busy. `ingest`: a worker that ended."""

    rate: float
    cpu_us: float
    cores: float
    ingest: IngestProcess


def _through(folder: Path, settings: str, load: Load, workers: int = 1, config: str = "") -> _Result:
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(folder))
        started = []
        for number in range(workers):
            home = folder / f"worker-{number}"
            home.mkdir()
            text = f'[broker]\nurl = "{broker.url}"\n[ingest]\nworker = "w{number}"\n{config}\n{settings}'
            started.append(stack.enter_context(ingest_process(home, text, registry(load.gateways, load.datastreams))))
        run_gateways(broker.port, WARM_UP)
        before = sum(processor_s(psutil.Process(one.pid)) for one in started)
        taken = run_gateways(broker.port, load)
        cpu_s = sum(processor_s(psutil.Process(one.pid)) for one in started) - before
    return _Result(taken.values / taken.seconds, cpu_s / taken.values * 1e6, taken.busy_s / taken.seconds, started[0])


# ------------------------------------------------------------------ SQLite


def _into_sqlite(folder: Path) -> Iterator[Figure]:
    through = _through(folder, "", LOAD)
    with sqlite3.connect(through.ingest.folder / "observations.sqlite") as connection:
        rows = connection.execute(
            "SELECT datastream, observed_at_us, value, quality, received_at_us FROM observation ORDER BY observed_at_us"
        ).fetchall()
    ceiling, alone_us = max(_sqlite_alone(folder / f"alone-{size}.sqlite", rows, size) for size in CEILING_BATCHES)
    yield compared("packs_to_sqlite", through.rate, UNIT, ("executemany with synchronous=FULL", ceiling), RATIO_MIN)
    yield compared("ingest_cpu_with_sqlite", through.cpu_us, "µs a value", ("executemany alone", alone_us))
    yield held("ingest_cpu_beside_sqlite", through.cpu_us - alone_us, "µs a value", "at_most", CPU_US_MAX)


def _sqlite_alone(path: Path, rows: Sequence[tuple[int, int, float, int, int]], size: int) -> tuple[float, float]:
    """(values/s, µs of processor time for each): into the same table by the driver alone, each batch in key order."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE observation (datastream INTEGER, observed_at_us INTEGER, value REAL, quality INTEGER, "
        "qc INTEGER DEFAULT 2, received_at_us INTEGER, "
        "PRIMARY KEY (datastream, observed_at_us)) WITHOUT ROWID"
    )
    batches = [sorted(rows[first : first + size]) for first in range(0, len(rows), size)]
    started, cpu_s = time.perf_counter(), time.process_time()
    for batch in batches:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO observation (datastream, observed_at_us, value, quality, received_at_us) "
            "VALUES (?, ?, ?, ?, ?)",
            batch,
        )
        connection.execute("COMMIT")
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu_s
    connection.close()
    return len(rows) / seconds, cpu_s / len(rows) * 1e6


# ------------------------------------------------------------------ InfluxDB


def _into_influx(folder: Path) -> Iterator[Figure]:
    with influx_server(folder / "influx") as influx:
        through = _through(folder, influx.toml(), LOAD)
    ceiling = _influx_alone(folder, LOAD)
    yield compared(
        "packs_to_influxdb", through.rate, UNIT, ("the same as lines, posted straight in", ceiling), RATIO_MIN
    )
    yield held("ingest_cpu_with_influxdb", through.cpu_us, "µs a value", "at_most", CPU_US_MAX)
    many = folder / "many"
    many.mkdir()
    with influx_server(many / "influx") as influx:
        through = _through(many, influx.toml(), MANY_DATASTREAMS)
    reference = "the same as lines, posted straight in", _influx_alone(many, MANY_DATASTREAMS)
    yield compared("packs_to_influxdb_5000_datastreams", through.rate, UNIT, reference)
    yield plain("ingest_cpu_with_influxdb_5000_datastreams", through.cpu_us, "µs a value")


def _influx_alone(folder: Path, load: Load) -> float:
    """Values/s: as our own lines, made before, to a new server that has the machine to itself."""
    rates = []
    for size in CEILING_BATCHES:
        with influx_server(folder / f"alone-{size}") as influx:
            bodies = list(_bodies(load, size))
            target = f"{influx.server_url}/write?db={influx.database}&precision=u"
            started = time.perf_counter()
            for body in bodies:
                urllib.request.urlopen(target, body, timeout=60).close()
            rates.append(load.gateways * load.packs * load.per_pack / (time.perf_counter() - started))
    return max(rates)


def _bodies(load: Load, size: int) -> Iterator[bytes]:
    """The rows of all gateways, round by round as they come, in batches of `size` that are ordered by series."""
    streams = load.gateways * load.datastreams
    heads = {
        n: head_of(n, Identity(METRICS[n % len(METRICS)], "paddy-1", f"g{n // load.datastreams}-d{n % 10 // 5}"))
        for n in range(streams)
    }
    start_us = now_us()
    values = load.gateways * load.packs * load.per_pack
    for first in range(0, values, size):
        rows = [
            (n % streams, start_us + n // streams * 1_000_000, 20.0 + 7 * n % 100 / 10, 1)
            for n in range(first, min(first + size, values))
        ]
        yield encode_rows(Rows.of(sorted(rows)), heads)


# ------------------------------------------------------------------ two workers


def _workers(folder: Path) -> Iterator[Figure]:
    """Into InfluxDB with its ledger in PostgreSQL, both durable; all of it, the sender too, on the same cores."""
    through = {}
    for workers in (1, 2):
        home = folder / f"{workers}"
        home.mkdir()
        with influx_server(home / "influx") as influx, postgres_server(durable=True) as postgres:
            settings = f'{influx.toml()}registry_url = "{postgres.create("satomori")}"\n'
            through[workers] = _through(home, settings, LOAD, workers, 'share = "ingest"')
    one, two = through[1], through[2]
    yield compared("two_workers", two.rate, UNIT, ("one worker", one.rate), WORKERS_RATIO_MIN)
    for name, result in (("one_worker", one), ("two_workers", two)):
        yield plain(f"{name}_cores_busy", result.cores, f"of {psutil.cpu_count()}")
        yield plain(f"{name}_machine_cpu", result.cores / result.rate * 1e6, "µs a value, of all processes")


# ------------------------------------------------------------------ what each stage costs


def _stages(folder: Path) -> Iterator[Figure]:
    """µs of processor time a value in one thread, without the broker: where the time goes."""
    stores = open_stores(folder, None)
    write_registry(stores, folder, text=registry(LOAD.gateways))
    pipeline = make_pipeline(IngestSettings(), stores)
    decoder = SenmlDecoder()
    by_gateway = [packs(gateway, 40) for gateway in range(LOAD.gateways)]
    messages = [
        Message(f"satomori/v1/gw-{g}/telemetry", pack, 1, retained=False, duplicate=False, size=len(pack), epoch=0,
                received_at_us=now_us())
        for round_ in zip(*by_gateway, strict=True)
        for g, pack in enumerate(round_)
    ]  # fmt: skip
    values = len(messages) * LOAD.per_pack
    spent = dict.fromkeys(("decode", "draft", "write"), 0.0)
    started = time.process_time()
    for message in messages:
        decoder.decode(message.topic, message.payload, message.received_at_us)
    spent["decode"] = time.process_time() - started
    for first in range(0, len(messages), 500):
        started = time.process_time()
        draft = pipeline.draft(messages[first : first + 500], now_us(), values)
        drafted = time.process_time()
        pipeline.expect(draft)
        pipeline.write(draft)
        spent["draft"] += drafted - started
        spent["write"] += time.process_time() - drafted
    stores.observations.close()
    stores.registry.dispose()
    yield plain("stage_decode", spent["decode"] / values * 1e6, "µs a value (gunzip, SenML)")
    yield plain("stage_judge", (spent["draft"] - spent["decode"]) / values * 1e6, "µs a value (look up, judge, number)")
    yield plain("stage_write_sqlite", spent["write"] / values * 1e6, "µs a value (rows, ledger, changes)")
