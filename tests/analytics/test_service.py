"""The process: its settings, a finding within seconds of a reading, a clean stop, worker processes, history in bulk."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from satomori_analytics.condition.kept import load_kept
from satomori_analytics.settings import AnalyticsSettings, load_analytics
from satomori_analytics.slow import Slow
from satomori_core.clock import DAY_US, SECOND_US, now_us
from satomori_core.errors import SettingsError
from satomori_store.port import Batch, Rows
from support.analytics_region import NOON_US, Region, open_region
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
    """A real process: a level that crosses is a finding, a slope is looked at; SIGTERM ends it with status 0."""
    region.add_asset("pond", "irrigation_pond", ["water_level"], interval_s=1, attributes={"level_warning_m": 2.0})
    region.add_asset("slope", "slope", ["tilt"], interval_s=3600)
    command = [sys.executable, "-m", "satomori_core", "analytics", "--state", str(region.state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + PATIENCE_S
            begun = now_us() - 60 * SECOND_US
            region.put("pond", "water_level", [(begun + i * SECOND_US, 1.0 if i < 10 else 2.5) for i in range(60)])
            while not (region.findings("limit") and load_kept(region.registry, ["slope"])):
                assert time.monotonic() < deadline
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


PUMP = ["acceleration_1", "acceleration_2", "motor_current", "pressure", "motor_temperature", "bearing_temperature"]


def pump_rig(region: Region, relearn_s: float) -> None:
    """Six channels at 1 s; an alarm that has lasted `relearn_s` is the new normal."""
    playbook = region.playbooks.general["pump_station"]
    machine = playbook.watch["machine"]
    machine = replace(machine, options={**machine.options, "relearn_s": relearn_s})
    own = replace(playbook, watch={**playbook.watch, "machine": machine})
    region.playbooks = replace(region.playbooks, general={**region.playbooks.general, "pump_station": own})
    region.add_asset("pumps", "pump_station", PUMP, interval_s=1)


def run_pump(region: Region, start: int, end: int, shifted_from: int) -> int:
    """Seconds `start` to `end`, the pressure 2 higher from `shifted_from` on; the time when it ends."""
    normal, noise = [0.02, 0.04, 1.3, 5.0, 79, 26], [0.001, 0.001, 0.1, 0.2, 0.2, 0.02]
    rows = np.array(normal) + np.random.default_rng(start).normal(0, 1, (end - start, 6)) * noise
    rows[max(shifted_from - start, 0) :, 3] += 2.0
    times = [NOON_US + i * SECOND_US for i in range(start, end)]
    for column, metric in enumerate(PUMP):
        region.put("pumps", metric, zip(times, rows[:, column].tolist(), strict=True))
    return times[-1]


def test_a_new_normal_that_lasts_is_learned_and_stays_learned_after_a_restart(region: Region) -> None:
    """A channel moves for good: an alarm for `relearn_s` and 400 rows; then none, in a fresh process neither."""
    pump_rig(region, relearn_s=900)
    analyst = region.analyst()
    for start in range(0, 2400, 150):
        region.digest(run_pump(region, start, start + 150, 600), analyst)
        if start == 1350:
            (finding,) = region.findings("multichannel")
            assert finding.until_us is None
            low, high = finding.evidence["usual"]["pressure"]
            assert low < 5.0 < high < 7.0
    (finding,) = region.findings("multichannel")
    assert NOON_US + 600 * SECOND_US <= finding.since_us < NOON_US + 620 * SECOND_US
    assert finding.until_us is not None
    # The finding begins `for_s` = 10 later than what is counted.
    assert (finding.until_us - finding.since_us) / SECOND_US == 900 + 400 - 10
    region.digest(run_pump(region, 2400, 2700, 600))
    assert len(region.findings("multichannel")) == 1
    region.digest(run_pump(region, 2700, 2800, 9999))  # what was normal once is no more
    assert [f.until_us is None for f in region.findings("multichannel")] == [False, True]


def test_killed_between_findings_and_state_it_ends_up_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is judged by a process that dies before it keeps what it learned, then by another: nothing doubles."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    told, deaths = [], 0
    for name, dies in (("calm", False), ("killed", True)):
        region = open_region(tmp_path / name)
        pump_rig(region, relearn_s=300)
        for start in range(0, 2450, 350):
            now_us = run_pump(region, start, start + 350, 600)
            if dies:
                with monkeypatch.context() as killing:
                    killing.setattr(Slow, "keep", die)
                    try:
                        region.digest(now_us)
                    except KeyboardInterrupt:
                        deaths += 1
            region.digest(now_us)
        rolled = json.loads((region.state / "analytics" / "pumps.machine.json").read_text(encoding="utf-8"))["rolled"]
        told.append(([(f.kind, f.since_us, f.until_us, f.evidence) for f in region.findings()], rolled))
        region.close()
    assert deaths == 4
    assert any(kind == "multichannel" for kind, *_ in told[0][0])
    assert told[0] == told[1]


def test_late_rows_are_judged_by_what_was_known_then(region: Region) -> None:
    """One channel's rows of before the step come after all was learned anew: they open no finding."""
    pump_rig(region, relearn_s=300)
    analyst = region.analyst()
    for start in range(0, 1800, 150):
        region.digest(run_pump(region, start, start + 150, 600), analyst)
    before = [(f.since_us, f.until_us) for f in region.findings("multichannel")]
    region.put("pumps", "pressure", [(NOON_US + 500 * SECOND_US + 1, 5.0)])
    region.digest(NOON_US + 1800 * SECOND_US, analyst)
    assert [(f.since_us, f.until_us) for f in region.findings("multichannel")] == before
