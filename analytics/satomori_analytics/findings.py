"""Episodes become findings in the registry: opened, updated, closed by fingerprint. Run again, nothing doubles."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, or_, select
from sqlalchemy.orm import Session

from satomori_analytics.episodes import Episode
from satomori_analytics.indicators.base import to_json
from satomori_core.clock import HOUR_US
from satomori_core.vocabulary import Level
from satomori_store.databases import translated
from satomori_store.models import Finding
from satomori_store.transactions import transaction

# How long a finding that goes on may keep its figures before they are told anew.
_REFRESH_US = 60_000_000


@dataclass(frozen=True, slots=True)
class Judged:
    """All episodes of the causes `fingerprints` in from…until: what is not among them was not there."""

    fingerprints: frozenset[str]
    from_us: int
    until_us: int
    episodes: Sequence[Episode]


@dataclass(frozen=True, slots=True)
class Standing:
    """A finding as the judgement of later rows needs it: `on` says which limits were on, and since when."""

    fingerprint: str
    since_us: int
    until_us: int | None
    on: dict[str, int]


def load_standing(engine: Engine, assets: Iterable[str], from_us: int) -> dict[str, list[Standing]]:
    """Findings of these assets that go on or ended after `from_us`, by asset."""
    wanted, found = sorted(assets), dict[str, list[Standing]]()
    columns = (Finding.asset_id, Finding.fingerprint, Finding.since_us, Finding.until_us, Finding.evidence)
    with translated(engine), Session(engine) as session:
        for start in range(0, len(wanted), 500):
            query = select(*columns).where(
                Finding.asset_id.in_(wanted[start : start + 500]),
                or_(Finding.until_us.is_(None), Finding.until_us > from_us),
            )
            for asset, fingerprint, since_us, until_us, evidence in session.execute(query):
                standing = Standing(fingerprint, since_us, until_us, evidence.get("on", {}))
                found.setdefault(asset, []).append(standing)
    return found


def carried_at(standing: Iterable[Standing], at_us: int) -> dict[str, dict[str, int]]:
    """What was on at `at_us`: fingerprint -> limit -> since when."""
    return {
        s.fingerprint: {name: since for name, since in s.on.items() if since <= at_us}
        for s in standing
        if s.since_us <= at_us and (s.until_us is None or s.until_us > at_us)
    }


def keep(engine: Engine, judged: Sequence[Judged], now_us: int, historical_after_us: int) -> int:
    """Bring the registry's findings in line with what was judged; how many rows changed. One short transaction.

    What a clock that is known to be behind says is as much newer: else a flood behind it would be history.
    """
    touched = sorted({name for part in judged for name in part.fingerprints})
    if not touched:
        return 0
    changed = 0
    with transaction(engine) as session:
        known: dict[str, list[Finding]] = {}
        for start in range(0, len(touched), 500):
            query = select(Finding).where(Finding.fingerprint.in_(touched[start : start + 500]))
            earliest = min(part.from_us for part in judged)
            overlapping = query.where(or_(Finding.until_us.is_(None), Finding.until_us >= earliest))
            for finding in session.scalars(overlapping.order_by(Finding.since_us)):
                known.setdefault(finding.fingerprint, []).append(finding)
        old_us = now_us - historical_after_us
        late = {e.subject.asset for part in judged for e in part.episodes if e.seen_us < old_us}
        behind = _behind_us(session, late)

        def is_old(episode: Episode) -> bool:
            return episode.seen_us + behind.get(episode.subject.datastream, 0) < old_us

        for part in judged:
            changed += _keep_part(session, part, known, now_us, is_old)
    return changed


def _behind_us(session: Session, assets: Iterable[str]) -> dict[int | None, int]:
    """By how much the clocks of these assets' datastreams are found to be behind."""
    wanted, found = sorted(assets), dict[int | None, int]()
    for start in range(0, len(wanted), 500):
        query = select(Finding.evidence).where(
            Finding.asset_id.in_(wanted[start : start + 500]), Finding.kind == "clock", Finding.until_us.is_(None)
        )
        for evidence in session.scalars(query):
            found |= dict.fromkeys(evidence["inputs"], max(0, int(-evidence["hours"] * HOUR_US)))
    return found


def _keep_part(
    session: Session, part: Judged, known: dict[str, list[Finding]], now_us: int, is_old: Callable[[Episode], bool]
) -> int:
    changed = 0
    by_cause: dict[str, list[Episode]] = {}
    for episode in part.episodes:
        if episode.until_us is None or episode.until_us >= part.from_us:
            by_cause.setdefault(episode.subject.fingerprint, []).append(episode)
    for fingerprint in part.fingerprints:
        findings = [f for f in known.get(fingerprint, ()) if _overlaps(f, part.from_us, part.until_us)]
        for episode in sorted(by_cause.get(fingerprint, ()), key=lambda e: e.since_us):
            matches = [f for f in findings if _overlaps(f, episode.since_us, episode.until_us or part.until_us)]
            historical = is_old(episode)
            if matches:
                findings = [f for f in findings if f not in matches]
                changed += _update(matches[0], episode, part, now_us, historical=historical)
                changed += sum(_withdraw(f, f.since_us, now_us) for f in matches[1:])
            else:
                finding = _open(episode, now_us, historical=historical)
                session.add(finding)
                known.setdefault(fingerprint, []).append(finding)
                changed += 1
        # What no episode explains was not so: late data have shown it, or it ended before what was read.
        changed += sum(_withdraw(f, max(f.since_us, part.from_us), now_us) for f in findings)
    return changed


def _overlaps(finding: Finding, from_us: int, until_us: int) -> bool:
    return finding.since_us <= until_us and (finding.until_us is None or finding.until_us >= from_us)


def _open(episode: Episode, now_us: int, *, historical: bool) -> Finding:
    subject = episode.subject
    text_ja, text_en = episode.texts(episode.level, episode.since_us)
    advice_ja, advice_en = subject.advice[episode.level]
    return Finding(
        fingerprint=subject.fingerprint, kind=subject.kind, cause=subject.cause.value, asset_id=subject.asset,
        datastream_id=subject.datastream, gateway_id=subject.gateway, detector=subject.detector,
        level=int(episode.level), confidence=episode.confidence, since_us=episode.since_us,
        until_us=episode.until_us, found_us=now_us, updated_us=now_us, historical=historical,
        evidence=_plain(episode), text_ja=text_ja, text_en=text_en, advice_ja=advice_ja, advice_en=advice_en,
    )  # fmt: skip


def _update(finding: Finding, episode: Episode, part: Judged, now_us: int, *, historical: bool) -> int:
    """1 where the row changed. A beginning that lies before what was judged stands as it was found."""
    before = finding.since_us < part.from_us
    since_us = finding.since_us if before else episode.since_us
    level = int(episode.level)
    if episode.until_us is not None and before:
        # At its end a finding tells its worst level, which may lie before what was judged.
        level = max(level, finding.level, int(finding.evidence.get("worst_level", 0)))
    historical = finding.historical and historical
    same = (finding.since_us, finding.until_us, finding.level, finding.historical) == (
        since_us, episode.until_us, level, historical,
    )  # fmt: skip
    # A late row may be the worst of what is over, and change nothing else.
    evidence = _merged(finding.evidence, _plain(episode)) if before else _plain(episode)
    fresh = finding.until_us is None and now_us - finding.updated_us < _REFRESH_US
    if same and (fresh or finding.evidence == evidence):
        return 0
    finding.since_us, finding.until_us, finding.level = since_us, episode.until_us, level
    finding.historical, finding.updated_us, finding.confidence = historical, now_us, episode.confidence
    finding.evidence = evidence
    finding.text_ja, finding.text_en = episode.texts(Level(level), since_us)
    advice = episode.subject.advice
    finding.advice_ja, finding.advice_en = advice.get(Level(level), advice[episode.level])
    return 1


def _withdraw(finding: Finding, until_us: int, now_us: int) -> int:
    if finding.until_us is not None and finding.until_us <= until_us:
        return 0
    finding.until_us, finding.updated_us = until_us, now_us
    finding.evidence = {**finding.evidence, "withdrawn": True}
    return 1


def _plain(episode: Episode) -> dict[str, Any]:
    plain: dict[str, Any] = to_json({**episode.evidence, "seen_us": episode.seen_us})
    return plain


def _merged(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The worst of what was read before and now, where the beginning was not judged again."""
    if before.get("worst") is not None and after.get("worst") is not None:
        after["worst"] = (max if after.get("side") == "high" else min)(before["worst"], after["worst"])
        after["worst_level"] = max(before.get("worst_level", 0), after.get("worst_level", 0))
    return after
