"""The order itself, pure: an event and assets in, the assets out, what to look at first standing first.

Points add up: how many steps the event was beyond what the asset's class bears, then what its condition counts for. So,
all else equal, a stronger event, a worse rating or one more finding never ranks an asset lower.
"""

import math
import unicodedata
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Literal

from satomori_analytics.triage import shaking
from satomori_analytics.triage.rules import HAZARDS, Condition, Hazard, Look, Rulebook, Rules
from satomori_core.errors import RejectedError
from satomori_core.vocabulary import Level

# look: go there. unknown: nobody said how strong it was there. wait: not called for by this event.
Verdict = Literal["look", "unknown", "wait"]
VERDICTS: tuple[Verdict, ...] = ("look", "unknown", "wait")
RATINGS = ("I", "II", "III", "IV")
# What ledgers call it; the first that is there holds.
RATING_ATTRIBUTES = ("health_rating", "健全度", "健全性", "健全性の診断", "判定区分")
IMPORTANCE_ATTRIBUTES = ("importance", "重要度")
_LEVELS_SAID = {
    Level.WATCH: ("状態: 注意", "stands at watch"),
    Level.WARNING: ("状態: 警戒", "stands at warning"),
    Level.DANGER: ("状態: 危険", "stands at danger"),
}
_WORDS: dict[Hazard, tuple[str, str, str]] = {
    "rain": ("24時間雨量", "24-hour rain", " mm"),
    "wind": ("最大風速", "wind", " m/s"),
    "flood": ("浸水", "flooded", " m"),
    "river": ("河川水位レベル", "river at level", ""),
}
_LARGEST: dict[Hazard, float] = {"earthquake": 7.5, "rain": 3000, "wind": 100, "flood": 50, "river": 5}


@dataclass(frozen=True, slots=True)
class Quake:
    """`magnitude`: JMA's. `amplification`: of PGV by the ground, over engineering bedrock; 1.5 to 2 on soft plains."""

    latitude: float
    longitude: float
    magnitude: float
    depth_km: float
    amplification: float = 1.0

    def __post_init__(self) -> None:
        bounds = {
            "latitude": (self.latitude, -90, 90),
            "longitude": (self.longitude, -180, 180),
            "magnitude": (self.magnitude, 2, 9.5),
            "depth": (self.depth_km, 0, 700),
            "amplification": (self.amplification, 0.3, 5),
        }
        for name, (value, low, high) in bounds.items():
            if not low <= value <= high:
                raise RejectedError("event", f"{name} {value:g}: {low} to {high} is expected")


@dataclass(frozen=True, slots=True)
class Event:
    """`told`: kind of event → municipality → how strong it was there; `quake`: to estimate the shaking elsewhere."""

    told: Mapping[Hazard, Mapping[str, float]] = field(default_factory=dict)
    quake: Quake | None = None

    def __post_init__(self) -> None:
        if not self.hazards:
            raise RejectedError("event", "say what happened: an epicentre, or how strong it was in a municipality")
        for hazard, places in self.told.items():
            for place, value in places.items():
                if not 0 <= value <= _LARGEST[hazard]:
                    limits = f"0 to {_LARGEST[hazard]:g} is expected"
                    raise RejectedError("event", f"{hazard} {value:g} in {place}: {limits}")

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        return tuple(h for h in HAZARDS if self.told.get(h) or (h == "earthquake" and self.quake is not None))

    @property
    def places(self) -> set[str]:
        return set[str]().union(*self.told.values())


@dataclass(frozen=True, slots=True)
class Subject:
    """An asset as the registry has it and as it stands; `findings`: how many are open on the asset itself."""

    id: str
    class_: str
    municipality: str
    name: str
    name_en: str
    latitude: float
    longitude: float
    built_year: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    level: Level = Level.UNKNOWN
    findings: int = 0


@dataclass(frozen=True, slots=True)
class Ranked:
    """An asset's place in the order, and why. `score`: points; null where nobody knows the event or it is no matter.

    `look_ja`, `look_en`: what of it to look at first; empty where this event calls for nothing.
    """

    rank: int
    asset_id: str
    name: str
    name_en: str
    class_: str
    municipality_id: str
    latitude: float
    longitude: float
    verdict: Verdict
    score: float | None
    reasons_ja: tuple[str, ...]
    reasons_en: tuple[str, ...]
    look_ja: str
    look_en: str


@dataclass(frozen=True, slots=True)
class _Strength:
    """How strong one kind of event was at an asset; not `felt`: below the least.

    `points`: steps beyond the asset's `look_from`, and what its age counts for in such an event. `km`: from the
    epicentre, where the strength was estimated.
    """

    hazard: Hazard
    value: float
    points: float
    felt: bool
    km: float | None

    def said(self) -> tuple[str, str]:
        ja, en = strength_words(self.hazard, self.value)
        if self.km is None:
            return ja, en
        return f"{ja}（推定、震央から{self.km:.0f} km）", f"{en} (estimated, {self.km:.0f} km off)"


def strength_words(hazard: Hazard, value: float) -> tuple[str, str]:
    """How strong it was, in Japanese and English."""
    if hazard == "earthquake":
        ja, en = shaking.name_of(value)
        return f"震度{ja}", f"JMA intensity {en}"
    ja, en, unit = _WORDS[hazard]
    return f"{ja}{value:g}{unit}", f"{en} {value:g}{unit}"


_Points = tuple[float, tuple[str, str]]


def order(event: Event, subjects: Collection[Subject], rulebook: Rulebook) -> list[Ranked]:
    """All of them, those to look at first. Raise RejectedError where the event names a place without an asset."""
    check_places(event.places, {subject.municipality for subject in subjects})
    judged = [_judge(subject, event, rulebook.of(subject.municipality)) for subject in subjects]
    judged.sort(key=lambda j: (VERDICTS.index(j.verdict), -j.points, j.subject.id))
    return [_ranked(rank, each) for rank, each in enumerate(judged, 1)]


def check_places(places: AbstractSet[str], known: AbstractSet[str]) -> None:
    """Raise RejectedError where one is not known as a municipality with an asset."""
    if strangers := places - known:
        there = ", ".join(sorted(known)) or "none"
        raise RejectedError("place", f"no asset lies in {', '.join(sorted(strangers))}; municipalities are {there}")


@dataclass(frozen=True, slots=True)
class _Judged:
    """`points` without those of the event where nobody knows it; -inf where it is no matter for the class."""

    subject: Subject
    verdict: Verdict
    points: float
    reasons: tuple[tuple[str, str], ...]
    look: Look | None = None


def _judge(subject: Subject, event: Event, rules: Rules) -> _Judged:
    after = rules.assets[subject.class_].after if subject.class_ in rules.assets else {}
    met = {hazard: after[hazard] for hazard in event.hazards if hazard in after}
    strengths = [s for hazard, look in met.items() if (s := _strength(subject, event, hazard, look, rules)) is not None]
    state = _state(subject, rules, met.values())
    points = sum(each for each, _ in state)
    said = tuple(words for _, words in state)
    if not met:
        return _Judged(subject, "wait", -math.inf, (("この種別は対象外", "not a matter for its class"), *said))
    # What was not felt calls for no look, however bad the asset is.
    worst = max(strengths, key=lambda s: (s.felt, s.points), default=None)
    called = worst is not None and worst.felt and worst.points + points >= 0
    if worst is None or (not called and len(strengths) < len(met)):
        points += max(_age(subject, look, rules.condition) for look in met.values())
        reasons = (("強さ不明", "strength not known"), *said)
        return _Judged(subject, "unknown", points, reasons, next(iter(met.values())))
    reasons = (*(strength.said() for strength in strengths), *said)
    if not called:
        return _Judged(subject, "wait", worst.points + points, reasons)
    return _Judged(subject, "look", worst.points + points, reasons, met[worst.hazard])


def _strength(subject: Subject, event: Event, hazard: Hazard, look: Look, rules: Rules) -> _Strength | None:
    """What was told of its municipality, else what is estimated from the epicentre."""
    value, km, quake = event.told.get(hazard, {}).get(subject.municipality), None, event.quake
    if value is None and hazard == "earthquake" and quake is not None:
        km = shaking.distance_km(subject.latitude, subject.longitude, quake.latitude, quake.longitude)
        value = shaking.intensity(quake.magnitude, quake.depth_km, km, quake.amplification)
    if value is None:
        return None
    scale, look_from = rules.hazard[hazard], _look_from(subject, look)
    points = (value - look_from) / scale.step + _age(subject, look, rules.condition)
    return _Strength(hazard, value, points, value >= min(scale.least, look_from), km)


def _look_from(subject: Subject, look: Look) -> float:
    """The asset's own value where its ledger entry has a number."""
    own = subject.attributes.get(look.attribute) if look.attribute else None
    try:
        return look.look_from if own is None or isinstance(own, bool) else float(own)
    except (TypeError, ValueError):
        return look.look_from


def _age(subject: Subject, look: Look, condition: Condition) -> float:
    if look.old_before is None:
        return 0.0
    if subject.built_year is None:
        return condition.year_unknown
    return condition.old if subject.built_year < look.old_before else 0.0


def _state(subject: Subject, rules: Rules, looks: Collection[Look]) -> list[_Points]:
    """What is known of the asset, with its points, in the order in which it is said. Those of its age: `_age`."""
    condition, class_ = rules.condition, rules.assets.get(subject.class_)
    found: list[_Points] = []
    if class_ is not None and class_.rated:
        found.append(_rating(subject, condition))
    if subject.built_year is not None:
        found.append((0.0, (f"{subject.built_year}年", f"built {subject.built_year}")))
    elif any(look.old_before is not None for look in looks):
        found.append((0.0, ("建設年不明", "year not known")))
    if subject.level in _LEVELS_SAID:
        by_level = {Level.WATCH: condition.watch, Level.WARNING: condition.warning, Level.DANGER: condition.danger}
        found.append((by_level[subject.level], _LEVELS_SAID[subject.level]))
    if subject.findings:
        counted = min(subject.findings, condition.findings_most) * condition.finding
        plural = "s" if subject.findings > 1 else ""
        found.append((counted, (f"開いた所見{subject.findings}件", f"{subject.findings} open finding{plural}")))
    importance = _word(subject, IMPORTANCE_ATTRIBUTES)
    if importance in condition.importance:
        words = (f"重要度{importance}", f"importance {importance}")
        found.append((condition.importance[importance], words))
    return found


def _rating(subject: Subject, condition: Condition) -> _Points:
    points = dict(zip(RATINGS, (0.0, condition.rating_ii, condition.rating_iii, condition.rating_iv), strict=True))
    rating = _word(subject, RATING_ATTRIBUTES).upper()
    if rating not in points:
        return condition.unrated, ("健全度不明", "no health rating")
    return points[rating], (f"健全度{rating}", f"health {rating}")


def _word(subject: Subject, names: Collection[str]) -> str:
    """An attribute as ledgers write it: Ⅲ and full-width letters become III and plain ones; empty for none."""
    found = next((subject.attributes[name] for name in names if subject.attributes.get(name) is not None), "")
    return unicodedata.normalize("NFKC", str(found)).strip()


def _ranked(rank: int, judged: _Judged) -> Ranked:
    subject, look = judged.subject, judged.look
    return Ranked(
        rank=rank,
        asset_id=subject.id,
        name=subject.name,
        name_en=subject.name_en,
        class_=subject.class_,
        municipality_id=subject.municipality,
        latitude=subject.latitude,
        longitude=subject.longitude,
        verdict=judged.verdict,
        score=None if judged.verdict == "unknown" or judged.points == -math.inf else round(judged.points, 2),
        reasons_ja=tuple(ja for ja, _ in judged.reasons),
        reasons_en=tuple(en for _, en in judged.reasons),
        look_ja=look.ja if look else "",
        look_en=look.en if look else "",
    )


def parse_told(hazard: Hazard, texts: Collection[str]) -> dict[str, float]:
    """`MUNICIPALITY=VALUE`, each municipality once; an intensity may be a class like 6弱. Raise RejectedError."""
    told: dict[str, float] = {}
    for text in texts:
        place, equals, value = text.partition("=")
        if not (place and equals and value) or place in told:
            raise RejectedError(hazard, f"{text!r}: MUNICIPALITY=VALUE is expected, each municipality once")
        told[place] = shaking.parse_intensity(value) if hazard == "earthquake" else _number(hazard, value)
    return told


def _number(hazard: Hazard, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RejectedError(hazard, f"{text!r} is not a number") from None
