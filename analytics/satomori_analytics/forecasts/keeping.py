"""Makes the forecasts each hour, keeps them in the registry, and lets what calls for action become a finding.

An hour's forecast of an asset and its findings are one transaction, and there is one row for each asset, kind and hour:
a job that was killed runs again and doubles nothing.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.orm import Session

from satomori_analytics.forecasts import METHODS, Forecast, Kind
from satomori_analytics.forecasts.region import Place, load_places, make, outlooks_of
from satomori_analytics.forecasts.weather import WeatherFile, load_weather, stale_reason
from satomori_analytics.indicators.base import to_json
from satomori_analytics.playbook import Outlook, Playbooks
from satomori_analytics.sentences import LEVEL_EN, LEVEL_JA
from satomori_analytics.settings import AnalyticsSettings
from satomori_core.clock import DAY_US, HOUR_US, MINUTE_US
from satomori_core.errors import SettingsError
from satomori_core.logs import get_logger
from satomori_core.vocabulary import Cause, Level
from satomori_store import models
from satomori_store.databases import reading
from satomori_store.models import Finding
from satomori_store.port import ObservationStore
from satomori_store.transactions import transaction

# The last values of an hour arrive a little after it.
_DELAY_US = 3 * MINUTE_US
# What can't be made is tried again within the hour: at first soon, since a place's history comes in within minutes of
# its start, then after twice as long each time: sensors and attributes may have come.
_FIRST_AGAIN_US, _AGAIN_US = MINUTE_US // 4, 5 * MINUTE_US
_BUDGET_S = 0.5
_KEPT_US = 7 * DAY_US
# What was told stays until its chance has fallen to this share of what the playbook asks for, so that nobody is told
# again each time that it wavers about it.
_HOLD = 0.6

log = get_logger("analytics")


class Forecaster:
    """`round` does a part of what is due, half a second at most beyond the first, so that nothing fresh waits."""

    def __init__(
        self, registry: Engine, store: ObservationStore, playbooks: Playbooks, settings: AnalyticsSettings
    ) -> None:
        self._registry, self._store, self._playbooks, self._settings = registry, store, playbooks, settings
        self._slot = 0
        self._again_us = 0
        self._pause_us = _FIRST_AGAIN_US
        self._due: list[tuple[Place, dict[Kind, Outlook]]] = []
        self._weather: WeatherFile | None = None

    def round(self, now_us: int, stop: Callable[[], bool] = lambda: False) -> int:
        """How many forecasts were kept."""
        slot = (now_us - _DELAY_US) // HOUR_US
        # Also an earlier one: the clock may be set back.
        if slot != self._slot or (not self._due and now_us >= self._again_us):
            self._begin(slot)
            self._slot, self._again_us = slot, now_us + self._pause_us
            self._pause_us = min(2 * self._pause_us, _AGAIN_US)
        kept, until = 0, time.monotonic() + _BUDGET_S
        while self._due and not stop() and (not kept or time.monotonic() < until):
            place, outlooks = self._due[-1]
            found = make(self._store, place, outlooks, self._weather, slot * HOUR_US)
            kept += keep(self._registry, place, outlooks, found, now_us)
            self._due.pop()
        return kept

    @property
    def waiting(self) -> int:
        return len(self._due)

    def _begin(self, slot: int) -> None:
        made_us = slot * HOUR_US
        close_passed(self._registry, made_us)
        forget_later(self._registry, made_us)
        self._weather = self._load_weather(made_us)
        last = last_made(self._registry)
        self._due = []
        for place in load_places(self._registry, self._playbooks, made_us):
            outlooks = outlooks_of(self._playbooks, place.spot.class_, place.municipality)
            due = {
                kind: outlook
                for kind, outlook in outlooks.items()
                if made_us - last.get((place.spot.id, kind), 0) >= METHODS[kind].every_h * HOUR_US
            }
            if due:
                self._due.append((place, due))

    def _load_weather(self, made_us: int) -> WeatherFile | None:
        """A file that is wrong or stale is told, and does without."""
        path = self._settings.weather_file
        if path is None:
            return None
        try:
            file = load_weather(path)
        except SettingsError as error:
            log.warning("weather file not used", file=str(path), reason=str(error))
            return None
        # Issued within the hour that has just begun, it is no news from the future.
        reason = stale_reason(file, made_us + HOUR_US, self._settings.weather_stale_after_s)
        if reason:
            log.warning("weather file not used", file=str(path), reason=reason)
        return None if reason else file


def last_made(engine: Engine) -> Mapping[tuple[str, str], int]:
    """(asset, kind) → when it was made last; without what could not be made."""
    row = models.Forecast
    with reading(engine) as connection, Session(connection) as session:
        query = select(row.asset_id, row.kind, func.max(row.made_us)).where(row.status != "missing")
        query = query.group_by(row.asset_id, row.kind)
        return {(asset, kind): made_us for asset, kind, made_us in session.execute(query)}


def keep(
    engine: Engine, place: Place, outlooks: Mapping[Kind, Outlook], found: Sequence[Forecast], now_us: int
) -> int:  # fmt: skip
    """Write an asset's forecasts and what they call for. How many are new; again with the same ones: none."""
    kept = 0
    with transaction(engine) as session:
        for forecast in found:
            row = models.Forecast
            same = (row.asset_id == forecast.asset, row.kind == forecast.kind)
            there = session.scalar(select(row.status).where(*same, row.made_us == forecast.made_us))
            if there is None or (there == "missing" and forecast.status != "missing"):
                old = (row.made_us < forecast.made_us - _KEPT_US) | (row.status != "made")
                session.execute(delete(row).where(*same, old, row.made_us <= forecast.made_us))
                # Of an asset's forecasts of a kind only one is kept to be drawn: the others are figures.
                session.execute(update(row).where(*same, row.picture.is_not(None)).values(picture=None))
                session.add(row(**_columns(forecast)))
                kept += 1
            newest = session.scalar(select(func.max(row.made_us)).where(*same))
            if newest is None or newest <= forecast.made_us:
                _call(session, place, outlooks[forecast.kind], forecast, now_us)
    return kept


def close_passed(engine: Engine, now_us: int) -> int:
    """End the findings whose time is over. How many."""
    with transaction(engine) as session:
        open_ones = session.scalars(select(Finding).where(Finding.kind == "forecast", Finding.until_us.is_(None)))
        passed = [finding for finding in open_ones if finding.evidence["for_until_us"] <= now_us]
        for finding in passed:
            finding.until_us = max(finding.evidence["for_until_us"], finding.since_us)
            finding.updated_us = now_us
    return len(passed)


def forget_later(engine: Engine, now_us: int) -> None:
    """Drop what was made later than now, by a clock that was ahead: it would pass for the newest."""
    with transaction(engine) as session:
        session.execute(delete(models.Forecast).where(models.Forecast.made_us > now_us))


def _columns(forecast: Forecast) -> dict[str, Any]:
    columns: dict[str, Any] = to_json(asdict(forecast))
    asset = columns.pop("asset")
    return {**columns, "asset_id": asset, "level": int(forecast.level)}


def _call(session: Session, place: Place, outlook: Outlook, forecast: Forecast, now_us: int) -> None:
    """Open, update or close the finding of such a forecast. Where it can't be made, what was told stands to its end."""
    fingerprint = f"forecast/{forecast.kind}/{forecast.asset}"
    finding = session.scalar(select(Finding).where(Finding.fingerprint == fingerprint, Finding.until_us.is_(None)))
    if forecast.level > Level.GOOD:
        told = _told(place, forecast)
        if finding is None:
            session.add(
                Finding(
                    fingerprint=fingerprint,
                    kind="forecast",
                    cause=Cause.ASSET.value,
                    asset_id=forecast.asset,
                    detector=f"forecast.{forecast.kind}",
                    since_us=forecast.made_us,
                    found_us=now_us,
                    updated_us=now_us,
                    historical=False,
                    **told,
                )
            )
            session.flush()
        elif finding.evidence != told["evidence"] or finding.level != told["level"]:
            for name, value in told.items():
                setattr(finding, name, value)
            finding.updated_us = now_us
    elif finding is not None and forecast.status != "missing" and not _holds(outlook, forecast):
        finding.until_us = max(forecast.made_us, finding.since_us)
        finding.updated_us = now_us


def _holds(outlook: Outlook, forecast: Forecast) -> bool:
    calls = (("watch", outlook.watch), ("warning", outlook.warning))
    return forecast.status == "made" and any(
        forecast.chances[name] >= _HOLD * call.chance for name, call in calls if call is not None
    )


def _told(place: Place, forecast: Forecast) -> dict[str, Any]:
    evidence: dict[str, Any] = {
        "for_from_us": forecast.for_from_us, "for_until_us": forecast.for_until_us, "value": forecast.value,
        "low": forecast.low, "high": forecast.high, "unit": forecast.unit, "chances": dict(forecast.chances),
        "inputs": dict(forecast.inputs), "source": forecast.source,
    }  # fmt: skip
    if forecast.picture is not None:
        evidence["picture"] = dict(forecast.picture)
    return {
        "level": int(forecast.level),
        "confidence": max(forecast.chances.values()),
        "evidence": to_json(evidence),
        "text_ja": f"【{LEVEL_JA[forecast.level]}】{place.name}: {forecast.text_ja}。",
        "text_en": f"[{LEVEL_EN[forecast.level]}] {place.name_en}: {forecast.text_en}.",
        "advice_ja": forecast.advice_ja,
        "advice_en": forecast.advice_en,
    }
