"""Once a day every asset is held against its like; what is unlike is a finding until it is alike again."""

from collections.abc import Callable

from sqlalchemy import Engine

from satomori_analytics.findings import Judged, keep, load_standing
from satomori_analytics.peers.region import Comparison, Peer, compare_all, load_region
from satomori_analytics.peers.telling import episode, fingerprint, is_unlike
from satomori_analytics.settings import AnalyticsSettings
from satomori_analytics.world import load_sensitivity
from satomori_core.clock import DAY_US
from satomori_store.port import ObservationStore

_LOOKS_PER_MONTH = 30


class Comparer:
    """`round` is called as often as one likes. A process that was killed compares again, and doubles nothing."""

    def __init__(self, registry: Engine, store: ObservationStore, settings: AnalyticsSettings) -> None:
        self._registry, self._store, self._settings = registry, store, settings
        self._day = -1

    def round(self, now_us: int, stop: Callable[[], bool] = lambda: False) -> int:
        """How many findings changed."""
        if now_us // DAY_US == self._day or stop():
            return 0
        region = load_region(self._registry, now_us)
        found = compare_all(region, self._store, now_us)
        peers = {peer.member.asset: peer for peer in region.peers}
        changed = keep(self._registry, self._judged(found, peers, now_us), now_us, 2 * DAY_US)
        self._day = now_us // DAY_US
        return changed

    def _judged(self, found: list[Comparison], peers: dict[str, Peer], now_us: int) -> list[Judged]:
        until_us = now_us // DAY_US * DAY_US
        aspects: dict[str, list[Comparison]] = {}
        for each in found:
            if each.difference is not None:
                aspects.setdefault(each.asset, []).append(each)
        standing = load_standing(self._registry, aspects, until_us - DAY_US)
        steps, judged = load_sensitivity(self._registry), []
        for asset, mine in aspects.items():
            on = {s.fingerprint for s in standing.get(asset, ()) if s.until_us is None}
            # As if each day's look were a new one. The last 90 days change little from one day to the next, so there
            # are fewer false alarms than that.
            p_limit = self._settings.false_alarms_per_asset_month / _LOOKS_PER_MONTH / len(mine)
            halved = steps.get(asset, {})
            unlike = [
                c for c in mine
                if is_unlike(c, p_limit / (1 << halved.get(fingerprint(c), 0)), standing=fingerprint(c) in on)
            ]  # fmt: skip
            episodes = [episode(peers[asset], c, until_us) for c in unlike]
            judged.append(Judged(frozenset(map(fingerprint, mine)), until_us - DAY_US, now_us, episodes))
        return judged
