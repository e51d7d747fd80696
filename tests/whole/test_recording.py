"""A recording goes the whole way: a pump station's eight datastreams, stored value for value, a valve fault found.

The recording is a rig's real one where it lies beside the project, else a seeded imitation of the same shape.
"""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from support.influx import influx_server
from support.running import Up, running, satomori, wait_for

RECORDINGS = Path(__file__).parents[3] / "shared" / "benchmarks" / "skab" / "valve1"
COLUMNS = (
    "Accelerometer1RMS", "Accelerometer2RMS", "Current", "Pressure", "Temperature", "Thermocouple", "Voltage",
    "Volume Flow RateRMS",
)  # fmt: skip


def _recording(folder: Path) -> Path:
    real = RECORDINGS / "1.csv"
    return real if real.exists() else imitate(folder / "rig.csv")


def imitate(path: Path, seed: int = 20_261_123) -> Path:
    """20 minutes at 1 s; from minute 10 to 16 the valve throttles: less flow, more pressure and current."""
    rng = np.random.default_rng(seed)
    rows = 1200
    usual = np.array([0.027, 0.040, 1.33, 0.05, 79.3, 26.0, 233.0, 32.0])
    spread = np.array([0.0004, 0.0005, 0.12, 0.25, 0.15, 0.02, 9.0, 0.4])
    values = usual + rng.normal(size=(rows, 8)) * spread
    values[600:960] += np.array([0.004, 0.005, 0.4, 0.3, 0.5, 0.3, 0.0, -6.0])
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["datetime", *COLUMNS])
        for i, row in enumerate(values):
            writer.writerow([f"2020-03-09 10:{14 + i // 60:02d}:{i % 60:02d}", *(f"{v:.6g}" for v in row)])
    return path


def _said(path: Path) -> dict[str, list[float]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    return {column: [float(row[column]) for row in rows] for column in COLUMNS}


def _replay(up: Up, recording: Path) -> None:
    """Register the pump station, then send the recording as if it happened just now, as fast as it is acknowledged."""
    fragment = up.folder / "pump.toml"
    common = ["--map", "pump_rig", "--write-registry", str(fragment)]
    done = satomori("simulate", "--replay", str(recording), *common)
    assert done.returncode == 0, done.stderr
    done = satomori("registry", "import", str(fragment), *up.options)
    assert done.returncode == 0, done.stderr
    url = f"mqtt://127.0.0.1:{up.mqtt_port}"
    done = satomori(
        "simulate", "--replay", str(recording), "--map", "pump_rig", "--broker-url", url, "--speed", "max",
        "--until", "now",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _recording(tmp_path_factory.mktemp("recording"))


def _metric_rows(up: Up) -> dict[str, int]:
    return {
        metric: id_ for id_, metric in up.registry("SELECT id, metric FROM datastream WHERE device_id = 'pump-rig'")
    }


METRICS = dict(
    zip(
        COLUMNS,
        (
            "acceleration_1", "acceleration_2", "motor_current", "pressure", "motor_temperature",
            "bearing_temperature", "motor_voltage", "flow",
        ),
        strict=True,
    )
)  # fmt: skip


def test_into_sqlite_value_for_value_and_a_fault_becomes_an_alert(tmp_path: Path, recording: Path) -> None:
    with running(tmp_path) as up:
        wait_for("the API", up.answers)
        _replay(up, recording)
        ids, said = _metric_rows(up), _said(recording)
        for column, metric in METRICS.items():
            stored = up.observations(
                "SELECT value FROM observation WHERE datastream = ? ORDER BY observed_at_us", ids[metric]
            )
            assert [value for (value,) in stored] == said[column], metric
        [finding] = wait_for(
            "a finding about the pump station itself",
            lambda: up.registry("SELECT text_ja FROM finding WHERE cause = 'asset' AND asset_id = 'pump-rig' LIMIT 1"),
        )
        assert finding[0]
        wait_for("its alert", lambda: up.registry("SELECT id FROM alert WHERE asset_id = 'pump-rig' LIMIT 1"))


@pytest.mark.servers
def test_into_influxdb_value_for_value(tmp_path: Path, recording: Path) -> None:
    with influx_server(tmp_path / "influxdb") as influx, running(tmp_path, settings=influx.toml()) as up:
        wait_for("the API", up.answers)
        _replay(up, recording)
        ids, said = _metric_rows(up), _said(recording)
        for column, metric in METRICS.items():
            answer = json.loads(influx.query(f"SELECT value FROM {metric} WHERE datastream = '{ids[metric]}'"))
            [series] = answer["results"][0]["series"]
            assert [value for _, value in series["values"]] == said[column], metric
        wait_for("its alert", lambda: up.registry("SELECT id FROM alert WHERE asset_id = 'pump-rig' LIMIT 1"))
