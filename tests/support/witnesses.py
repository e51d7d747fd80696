"""Hourly values of a sensor and of its five neighbours under one weather, and what is said of them."""

import numpy as np

from satomori_analytics.episodes import Episode, Floats
from satomori_analytics.evidence import Hours
from satomori_analytics.playbook import Evidence, Playbook, Sensor
from satomori_analytics.redundancy import Neighbourhood, judge_redundancy
from satomori_analytics.sentences import Place
from satomori_analytics.world import Stream, WatchedAsset
from satomori_core.clock import DAY_US
from support.analytics_region import NOON_US

DAYS, FROM_DAY = 90, 60
HOUR = np.arange(DAYS * 24)
LATE = HOUR >= FROM_DAY * 24


def stream(number: int, metric: str = "water_temperature", asset: str = "a", unit: str = "Cel") -> Stream:
    return Stream(number, asset, metric, unit, 600, f"node-{asset}", "水温計", "Thermometer", "gw")


OWN = stream(1)
PEERS = tuple(stream(number, asset=f"peer-{number}") for number in range(2, 7))
RULE = Evidence(least=1.5, source="x")


def weather(seed: int = 1) -> tuple[Floats, Floats]:
    """(means, spreads) of the own series and five peers: one weather, each with its own wandering."""
    rng = np.random.default_rng(seed)
    common = 15 + 4 * np.cos((HOUR - 6) * 2 * np.pi / 24) + 5 * np.sin(HOUR / 900)
    common = common + np.convolve(rng.normal(0, 1, len(HOUR) + 47), np.ones(48) / 7, "valid")
    wander = np.stack([np.convolve(rng.normal(0, 0.4, len(HOUR) + 11), np.ones(12) / 3.5, "valid") for _ in range(6)])
    mean = common[:, None] + wander.T + np.linspace(-1, 1, 6)
    spread = 0.6 + 0.2 * np.abs(rng.normal(0, 1, mean.shape))
    return mean, spread + np.abs(np.diff(mean, axis=0, prepend=mean[:1]))


def judged(mean: Floats, spread: Floats, own: tuple[Stream, ...] = (OWN,), **rules: Evidence) -> list[Episode]:
    """`mean` and `spread`: the asset's own columns, then those of the peers of its first stream."""
    asset = WatchedAsset("a", "paddy", "town", Place("一の田", "Paddy 1", "上郷", "Kamigo", "Asia/Tokyo"), {}, own)
    playbook = Playbook("x", "x", evidence=rules or {"water_temperature": RULE}, sensor=Sensor())
    peers = {each.id: PEERS if each is own[0] and mean.shape[1] > len(own) else () for each in own}
    column = {each.id: place for place, each in enumerate((*own, *PEERS))}
    start_us = NOON_US // DAY_US * DAY_US
    return judge_redundancy(Neighbourhood(asset, playbook, peers, Hours(start_us, mean, spread), column))
