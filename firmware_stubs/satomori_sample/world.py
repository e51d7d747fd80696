"""What every sensor of the sample region says at given times: physics, faults, resolution."""

from collections.abc import Sequence

import numpy as np

from satomori_sample.faults import Fault, disturb
from satomori_sample.noise import Floats, key_of, uniform
from satomori_sample.physics import LAWS, Spot
from satomori_sample.places import WARMER_CEL
from satomori_sample.region import Region, Stream
from satomori_sample.weather import Sky, Weather

AHEAD_S = 6 * 3600.0


class World:
    """Values depend on seed, time, interval and faults alone. `interval_s`: how often sensors are read (for rain)."""

    def __init__(self, seed: int, region: Region, interval_s: float) -> None:
        self._seed = seed
        self._region = region
        self._weather: Weather | None = None
        self._spots = {asset: self._spot(asset, interval_s) for asset in region.assets}

    def values(self, at_s: Floats, faults: Sequence[Fault] = ()) -> Floats:
        """A row for each datastream, a column for each time (ascending); NaN where nothing is said."""
        sky = self._sky(at_s)
        rows = [self._row(stream, sky, faults) for stream in self._region.streams]
        return np.stack(rows)

    def _row(self, stream: Stream, sky: Sky, faults: Sequence[Fault]) -> Floats:
        law = LAWS[self._region.assets[stream.asset].class_][stream.metric]
        spot = self._spots[stream.asset]
        values = law(sky, spot)
        for fault in faults:
            if fault.target == stream.asset and fault.metric in {"", stream.metric} and fault.from_s <= sky.at_s[-1]:
                before = 0.0
                if fault.kind == "stuck":
                    start = np.array([fault.from_s])
                    before = float(law(self._sky(start), spot)[0])
                values = disturb(values, sky.at_s, fault, before)
        steps = np.round(values / stream.resolution)
        # Dividing by a whole number gives the shortest decimal; multiplying by 0.001 would not.
        return steps / round(1 / stream.resolution) if stream.resolution < 1 else steps * stream.resolution

    def _sky(self, at_s: Floats) -> Sky:
        """Only ever look back as far as was asked first, and ahead in pieces."""
        first, last = float(at_s[0]), float(at_s[-1])
        there = self._weather
        if there is None or not there.from_s <= first <= last <= there.until_s:
            there = Weather(self._seed, first, last + AHEAD_S)
            self._weather = there
        return there.at(at_s)

    def _spot(self, asset: str, interval_s: float) -> Spot:
        character = float(uniform(key_of(self._seed, asset), np.zeros(1, np.int64))[0])
        warmer = WARMER_CEL[self._region.assets[asset].municipality]
        return Spot(self._seed, asset, character, warmer, interval_s)
