"""The [analytics] table."""

from dataclasses import dataclass
from pathlib import Path

from satomori_core.settings import load_settings


@dataclass(frozen=True, slots=True)
class AnalyticsSettings:
    """Folders of a municipality's own: `playbooks_dir`, `triage_dir` (what to look at first), `rates_dir` (of ageing).

    `weather_file`: a weather forecast (`forecasts/weather.py`), not used once it was issued longer ago than
    `weather_stale_after_s`.

    `false_alarms_per_asset_month`: how many the detectors that learn may raise about an asset; its series share them.

    `workers`: judge in so many processes, or 0: in the service's own. `dask`: the address of a Dask scheduler, whose
    workers judge instead. `historical_after_s`: what was older when it was judged
    is history, of which nobody is notified. `nice`: how far the judging stands back behind ingest. `rest`: after a
    round over a backlog, rest so many times as long as it took.
    """

    playbooks_dir: Path | None = None
    triage_dir: Path | None = None
    rates_dir: Path | None = None
    weather_file: Path | None = None
    weather_stale_after_s: float = 86400.0
    false_alarms_per_asset_month: float = 0.8
    historical_after_s: int = 3600
    workers: int = 1
    dask: str = ""
    nice: int = 5
    poll_s: float = 1.0
    rest: float = 1.0
    changes_per_round: int = 5000
    silence_every_s: float = 5.0
    silence_grace_s: float = 60.0

    def __post_init__(self) -> None:
        positive = (
            self.historical_after_s,
            self.poll_s,
            self.changes_per_round,
            self.silence_every_s,
            self.weather_stale_after_s,
            self.false_alarms_per_asset_month,
        )
        if min(positive) <= 0 or min(self.workers, self.nice, self.rest, self.silence_grace_s) < 0:
            raise ValueError("times and counts must be positive; workers, nice, rest and silence_grace_s may be 0")


def load_analytics(config: Path | None) -> AnalyticsSettings:
    return load_settings(config, "analytics", AnalyticsSettings)
