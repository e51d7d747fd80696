"""Keeps the findings of silence: opens what has gone silent, closes what is heard again."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from satomori_analytics.episodes import Episode
from satomori_analytics.findings import Judged, keep
from satomori_analytics.pictures import until
from satomori_analytics.silence import Heard
from satomori_core.vocabulary import Cause
from satomori_store.databases import translated
from satomori_store.models import Finding
from satomori_store.transactions import transaction

# Silence is judged as it happens, so it is never history.
_NEVER_HISTORICAL_US = 10**18


class SilenceKeeper:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._told: dict[str, int] = {}  # fingerprint -> since when, of the open findings that were kept last
        self._loaded = False

    def keep(
        self, silent: Mapping[str, Episode], heard: Heard, now_us: int, drawn: Callable[[Episode], Episode]
    ) -> int:  # fmt: skip
        """Write only what has changed since the last call, `drawn`; how many findings changed."""
        if not self._loaded:
            self._load()
        fresh = {name: episode for name, episode in silent.items() if self._told.get(name) != episode.since_us}
        judged = [Judged(frozenset({name}), each.since_us, now_us, [drawn(each)]) for name, each in fresh.items()]
        changed = keep(self._engine, judged, now_us, _NEVER_HISTORICAL_US)
        changed += self._close(self._told.keys() - silent.keys(), heard, now_us)
        self._told = {name: episode.since_us for name, episode in silent.items()}
        return changed

    def _load(self) -> None:
        with translated(self._engine), Session(self._engine) as session:
            query = select(Finding.fingerprint, Finding.since_us).where(
                Finding.kind == "silent", Finding.until_us.is_(None)
            )
            self._told = {row.fingerprint: row.since_us for row in session.execute(query)}
        self._loaded = True

    def _close(self, fingerprints: AbstractSet[str], heard: Heard, now_us: int) -> int:
        """At the time at which each was heard again, as far as that is known."""
        if not fingerprints:
            return 0
        with transaction(self._engine) as session:
            query = select(Finding).where(Finding.kind == "silent", Finding.until_us.is_(None))
            findings = [finding for finding in session.scalars(query) if finding.fingerprint in fingerprints]
            for finding in findings:
                again_us = now_us
                if finding.cause == Cause.GATEWAY:
                    again_us = heard.gateways.get(finding.gateway_id or "", now_us)
                elif finding.datastream_id is not None:
                    again_us = heard.streams.get(finding.datastream_id, now_us)
                finding.until_us = max(min(again_us, now_us), finding.since_us)
                finding.updated_us = now_us
                if "picture" in finding.evidence:
                    finding.evidence = {
                        **finding.evidence,
                        "picture": until(finding.evidence["picture"], finding.until_us),
                    }
        return len(findings)
