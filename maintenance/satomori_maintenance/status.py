"""How each asset and group stands, from open findings and the age of what was observed. Pure.

What is stale is UNKNOWN, never GOOD. Trouble that a faulty sensor reports, and the fault itself, make an asset
UNKNOWN: the sensor says nothing about the asset any more.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from satomori_core.vocabulary import Cause, Level
from satomori_store.port import AssetStatus, GroupStatus

NO_SENSOR = "センサーがありません / no sensor"
NO_VALUE = "まだ値が届いていません / no value yet"
STALE = "新しい値が届いていません / no fresh value"
IN_ORDER = "異常はありません / nothing wrong"


@dataclass(frozen=True, slots=True)
class Trouble:
    """An open finding. `explained`: another alert explains it."""

    level: Level
    cause: Cause
    since_us: int
    text_ja: str
    text_en: str
    explained: bool = False

    @property
    def weight(self) -> Level:
        """What it says about the asset itself."""
        return Level.UNKNOWN if self.explained or self.cause is Cause.SENSOR else self.level


@dataclass(frozen=True, slots=True)
class Watched:
    """An asset and what watches it: datastream → how old its newest value may be (µs)."""

    asset: str
    class_: str
    municipality: str
    latitude: float
    longitude: float
    groups: tuple[str, ...] = ()
    stale_after_us: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`since_us` None: not known from the facts at hand."""

    level: Level
    reason: str
    since_us: int | None


def judge(watched: Watched, troubles: Collection[Trouble], latest_us: Mapping[int, int], now_us: int) -> Verdict:
    """How one asset stands. `latest_us`: datastream → when its newest value was observed."""
    worst = max(troubles, key=lambda t: (t.weight, -t.since_us), default=None)
    if worst is not None and worst.weight > Level.UNKNOWN:
        return Verdict(worst.weight, f"{worst.text_ja} / {worst.text_en}", worst.since_us)
    if not watched.stale_after_us:
        return Verdict(Level.UNKNOWN, NO_SENSOR, None)
    seen = {d: latest_us[d] for d in watched.stale_after_us if d in latest_us}
    if not seen:
        return Verdict(Level.UNKNOWN, NO_VALUE, None)
    if all(now_us - at > watched.stale_after_us[d] for d, at in seen.items()):
        return Verdict(Level.UNKNOWN, STALE, max(seen.values()))
    if worst is not None:
        return Verdict(Level.UNKNOWN, f"{worst.text_ja} / {worst.text_en}", worst.since_us)
    return Verdict(Level.GOOD, IN_ORDER, None)


def asset_statuses(
    assets: Iterable[Watched],
    troubles: Mapping[str, Collection[Trouble]],
    latest_us: Mapping[int, int],
    before: Mapping[str, AssetStatus],
    now_us: int,
) -> list[AssetStatus]:
    """The status of every asset; one that stays on its level keeps its `since_us`."""
    statuses = []
    for watched in assets:
        verdict = judge(watched, troubles.get(watched.asset, ()), latest_us, now_us)
        last = before.get(watched.asset)
        since_us = verdict.since_us
        if since_us is None:
            since_us = last.since_us if last is not None and last.level == verdict.level else now_us
        statuses.append(
            AssetStatus(
                at_us=now_us,
                asset=watched.asset,
                class_=watched.class_,
                municipality=watched.municipality,
                level=int(verdict.level),
                reason=verdict.reason,
                since_us=since_us,
                latitude=watched.latitude,
                longitude=watched.longitude,
            )
        )
    return statuses


def group_statuses(assets: Iterable[Watched], statuses: Sequence[AssetStatus], now_us: int) -> list[GroupStatus]:
    """One for each 群, and one for each class within a municipality; `level` is the worst member's."""
    level_of = {status.asset: status.level for status in statuses}
    members: dict[tuple[str, str, str], list[int]] = {}
    for watched in assets:
        for key in [("", watched.municipality, watched.class_), *((group, "", "") for group in watched.groups)]:
            members.setdefault(key, []).append(level_of[watched.asset])
    return [_group(key, levels, now_us) for key, levels in sorted(members.items())]


def _group(key: tuple[str, str, str], levels: Sequence[int], now_us: int) -> GroupStatus:
    group, municipality, class_ = key
    many = Counter(levels)
    counts = (many[0], many[1], many[2], many[3], many[4])
    return GroupStatus(now_us, group, municipality, class_, max(levels), counts)
