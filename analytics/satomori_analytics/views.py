"""What the judgements look at: a series of observations, what it is of, and whose it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from satomori_analytics.episodes import Floats, Times
from satomori_analytics.world import Stream, WatchedAsset
from satomori_core.metrics import catalogue
from satomori_core.vocabulary import Quality

Flags = NDArray[np.int8]
# fingerprint -> limit -> since when it was on, at the first row that is judged
Carried = Mapping[str, Mapping[str, int]]
NOTHING_CARRIED: Carried = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Series:
    """Observations of one datastream in order of time; quality and qc as stored."""

    at_us: Times
    value: Floats
    quality: Flags
    qc: Flags


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a series is of: a metric of a datastream, or something derived of several (`stream` None)."""

    name: str
    unit: str
    ja: str
    en: str
    stream: Stream | None = None


@dataclass(frozen=True, slots=True)
class View:
    """One quantity of one asset over time; NaN where there is no value that may speak for it."""

    asset: WatchedAsset
    quantity: Quantity
    at_us: Times
    values: Floats

    @property
    def key(self) -> str:
        """Names it in fingerprints."""
        return key_of(self.asset, self.quantity)


def key_of(asset: WatchedAsset, quantity: Quantity) -> str:
    return f"{asset.id}:{quantity.name}" + (f":{quantity.stream.id}" if quantity.stream else "")


def quantity_of(stream: Stream) -> Quantity:
    metric = catalogue().get(stream.metric)
    ja, en = (metric.ja, metric.en) if metric else (stream.metric, stream.metric)
    return Quantity(stream.metric, stream.unit, ja, en, stream)


def usable(series: Series, qc: Flags | None = None) -> Floats:
    """Values that may speak for the asset: not failed by ingest nor by the checks; NaN elsewhere."""
    verdict = series.qc if qc is None else qc
    return np.where((series.quality < Quality.FAIL) & (verdict != Quality.FAIL), series.value, np.nan)
