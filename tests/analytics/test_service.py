"""The process: its settings, a finding within seconds of a reading, a clean stop, worker processes, history in bulk."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from satomori_analytics.settings import AnalyticsSettings, load_analytics
from satomori_core.clock import DAY_US, SECOND_US, now_us
from satomori_core.errors import SettingsError
from satomori_store.port import Batch, Rows
from support.analytics_region import NOON_US, Region
from support.patience import PATIENCE_S

SAMPLE = Path(__file__).parents[2] / "analytics" / "sample.toml"


def test_the_sample_settings_are_the_defaults() -> None:
    assert load_analytics(SAMPLE) == AnalyticsSettings() == load_analytics(None)


@pytest.mark.parametrize(
    ("text", "message"),
    [("[analytics]\nwokers = 2\n", "did you mean 'workers'"), ("[analytics]\npoll_s = 0\n", "must be positive"),
     ("[analytics]\nhistorical_after_s = 1.5\n", "not a whole number")],
)  # fmt: skip
def test_wrong_settings_are_said(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "satomori.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        load_analytics(path)


def test_the_process_finds_and_stops(region: Region) -> None:
    """A real process: a level that crosses is a finding, SIGTERM ends it with status 0."""
    region.add_asset("pond", "irrigation_pond", ["water_level"], interval_s=1, attributes={"level_warning_m": 2.0})
    command = [sys.executable, "-m", "satomori_core", "analytics", "--state", str(region.state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + PATIENCE_S
            begun = now_us() - 60 * SECOND_US
            region.put("pond", "water_level", [(begun + i * SECOND_US, 1.0 if i < 10 else 2.5) for i in range(60)])
            while not region.findings("limit") and time.monotonic() < deadline:
                time.sleep(0.2)
            (finding,) = region.findings("limit")
            assert (finding.since_us, finding.historical) == (begun + 10 * SECOND_US, False)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
        assert process.stdout is not None
        events = [json.loads(line)["event"] for line in process.stdout]
    assert events[0] == "analytics started"
    assert events[-1] == "analytics stopped"


def test_a_month_of_history_then_a_live_fault(region: Region) -> None:
    """30 days of a sewer's daily wave in bulk: judged as history; the detector then knows the hour's usual."""
    region.add_asset("manhole", "sewer_manhole", ["water_level", "hydrogen_sulfide"], interval_s=600)
    rng = np.random.default_rng(2)
    count = 30 * 144
    at_us = NOON_US + np.arange(count) * 600 * SECOND_US
    level = 0.3 + 0.15 * np.sin(np.arange(count) / 144 * 2 * np.pi) + rng.normal(0, 0.01, count)
    level[3000:3018] += 2.0
    rows = list(
        zip(
            [region.streams["manhole", "water_level"]] * count, at_us.tolist(), level.tolist(), [1] * count, strict=True
        )
    )
    now = NOON_US + 30 * DAY_US
    for start in range(0, count, 2000):
        region.store.write(Batch(rows=Rows.of(rows[start : start + 2000]), received_at_us=now))
    analyst = region.digest(now)
    assert region.findings("limit")
    assert all(finding.historical for finding in region.findings())
    assert {f.level for f in region.findings("limit")} == {3}
    columns = region.store.read([region.streams["manhole", "water_level"]], 0, now)
    assert (columns.qc[1:-1] != 2).mean() > 0.99
    before = len(region.findings())
    # A flood that no limit knows, five hours of it, six times an hour.
    odd = [(now + i * 600 * SECOND_US, 0.9 + 0.01 * rng.normal()) for i in range(30)]
    for at, value in odd:
        region.put("manhole", "water_level", [(at, value)])
        analyst.round(at)
    region.digest(odd[-1][0], analyst)
    past, found = region.findings("univariate")
    assert (past.historical, found.historical) == (True, False)
    assert found.evidence["expected"] == pytest.approx(0.3, abs=0.2)
    assert "平常値" in found.text_ja
    assert len(region.findings()) == before + 1


def test_references_survive_a_restart(region: Region) -> None:
    """What was learned lies in a file, and a fresh process takes it up instead of learning anew."""
    region.add_asset("bridge", "bridge", ["natural_frequency", "structure_temperature"], interval_s=600)
    rng = np.random.default_rng(8)
    count = 1300
    at_us = (NOON_US + np.arange(count) * 600 * SECOND_US).tolist()
    warm = 15 + 8 * np.sin(np.arange(count) / 144 * 2 * np.pi)
    frequency = 4.0 - 0.007 * (warm - 15) + rng.normal(0, 0.004, count)
    frequency[1150:] -= 0.05
    region.put("bridge", "structure_temperature", zip(at_us[:1100], warm[:1100].tolist(), strict=True))
    region.put("bridge", "natural_frequency", zip(at_us[:1100], frequency[:1100].tolist(), strict=True))
    region.digest(at_us[1100])
    (reference,) = (region.state / "analytics").glob("bridge.*.json")
    written = reference.stat().st_mtime_ns
    region.put("bridge", "structure_temperature", zip(at_us[1100:], warm[1100:].tolist(), strict=True))
    region.put("bridge", "natural_frequency", zip(at_us[1100:], frequency[1100:].tolist(), strict=True))
    region.digest(at_us[-1])
    (finding,) = region.findings("residual")
    assert at_us[1150] <= finding.since_us <= at_us[1250]
    assert "natural_frequency" in finding.evidence["deviations"]
    assert reference.stat().st_mtime_ns == written
