"""Judges one series by its playbook: the checks that need neighbours, then limits, then the sensor itself. Pure."""

from dataclasses import dataclass, replace

import numpy as np

from satomori_analytics import checks
from satomori_analytics.episodes import Episode
from satomori_analytics.limits import judge_limits
from satomori_analytics.playbook import Metric, Playbook, Sensor
from satomori_analytics.sensitivity import spiky, unmoving
from satomori_analytics.sensors import judge_sensor
from satomori_analytics.views import NOTHING_CARRIED, Carried, Flags, Series, View, key_of, quantity_of, usable
from satomori_analytics.world import Stream, WatchedAsset
from satomori_core.vocabulary import Quality


@dataclass(frozen=True, slots=True)
class Verdict:
    """`qc` for each row of the series; what was found in it."""

    qc: Flags
    episodes: list[Episode]


def judge_series(
    asset: WatchedAsset, playbook: Playbook, stream: Stream, series: Series, carried: Carried = NOTHING_CARRIED
) -> Verdict:
    """What the checks fail is not held against the asset, but against the sensor."""
    quantity = quantity_of(stream)
    metric, rule = _as_sensitive(asset, key_of(asset, quantity), playbook.metric.get(stream.metric, Metric()), playbook)
    said = np.where(series.quality < Quality.FAIL, series.value, np.nan)
    qc = checks.run_checks(series.at_us, said, metric.checks(), stream.interval_s)
    # What ingest failed has no neighbours' verdict; its quality says enough.
    qc[qc == Quality.MISSING] = Quality.UNKNOWN
    episodes = judge_limits(View(asset, quantity, series.at_us, usable(series, qc)), playbook, carried)
    episodes += judge_sensor(View(asset, quantity, series.at_us, said), metric, rule)
    return Verdict(qc, episodes)


def _as_sensitive(asset: WatchedAsset, key: str, metric: Metric, playbook: Playbook) -> tuple[Metric, Sensor]:
    """The rules of a sensor as sensitive as people have left them."""
    if metric.flat is not None:
        metric = replace(metric, flat=unmoving(metric.flat, asset.factor(f"stuck:{key}")))
    return metric, spiky(playbook.sensor, asset.factor(f"spike:{key}"))
