"""Rows of the registry and the ledger as views. Pure."""

from collections import Counter
from collections.abc import Sequence

from satomori_analytics.forecasts.base import NAMES
from satomori_analytics.sensitivity import effect
from satomori_api.views import (
    AlertView,
    AssetView,
    AuditView,
    DatastreamView,
    DeviceView,
    EventView,
    FeedbackView,
    FindingView,
    ForecastView,
    GatewayView,
    LatestView,
    LookView,
    QuarantineView,
    SensitivityView,
    Standing,
)
from satomori_core import ranges
from satomori_core.metrics import catalogue
from satomori_core.vocabulary import Level
from satomori_store import models
from satomori_store.access import Viewer
from satomori_store.ledger import AuditRow, QuarantineEntry, ReadingCount

PAYLOAD_SHOWN = 2000
GAPS_SHOWN = 100
QUIET = (
    "把握済みのため、収まるか悪化するまで通知しません。",
    "Known: nobody is told until it ends or gets worse.",
)


def in_language(viewer: Viewer, ja: str, en: str) -> str:
    return en if viewer.language == "en" else ja


def finding_view(row: models.Finding, viewer: Viewer) -> FindingView:
    return FindingView(
        id=row.id,
        fingerprint=row.fingerprint,
        kind=row.kind,
        cause=row.cause,
        asset_id=row.asset_id,
        datastream_id=row.datastream_id,
        gateway_id=row.gateway_id,
        detector=row.detector,
        level=Level(row.level),
        confidence=row.confidence,
        since_us=row.since_us,
        until_us=row.until_us,
        found_us=row.found_us,
        updated_us=row.updated_us,
        historical=row.historical,
        evidence=row.evidence,
        text=in_language(viewer, row.text_ja, row.text_en),
        advice=in_language(viewer, row.advice_ja, row.advice_en),
        text_ja=row.text_ja,
        text_en=row.text_en,
        advice_ja=row.advice_ja,
        advice_en=row.advice_en,
    )


def forecast_view(row: models.Forecast, viewer: Viewer) -> ForecastView:
    return ForecastView(
        id=row.id,
        asset_id=row.asset_id,
        kind=row.kind,
        name=in_language(viewer, *NAMES[row.kind]),
        made_us=row.made_us,
        for_from_us=row.for_from_us,
        for_until_us=row.for_until_us,
        status=row.status,
        value=row.value,
        low=row.low,
        high=row.high,
        unit=row.unit,
        level=Level(row.level),
        chances=row.chances,
        text=in_language(viewer, row.text_ja, row.text_en),
        advice=in_language(viewer, row.advice_ja, row.advice_en),
        text_ja=row.text_ja,
        text_en=row.text_en,
        advice_ja=row.advice_ja,
        advice_en=row.advice_en,
        inputs=row.inputs,
        source=row.source,
    )


def alert_state(row: models.Alert) -> str:
    if row.resolved_us is not None:
        return "resolved"
    return "open" if row.acknowledged_us is None else "acknowledged"


def alert_view(
    row: models.Alert, asset: models.Asset, datastream_id: int | None, said: models.Feedback | None, viewer: Viewer
) -> AlertView:
    """`said`: the judgement of it that stands."""
    return AlertView(
        id=row.id,
        state=alert_state(row),
        priority=row.priority,
        level=Level(row.level),
        cause=row.cause,
        asset_id=row.asset_id,
        asset_name=asset.name,
        asset_name_en=asset.name_en,
        class_=asset.class_,
        municipality_id=asset.municipality_id,
        organisation_id=row.organisation_id,
        finding_id=row.finding_id,
        datastream_id=datastream_id,
        since_us=row.since_us,
        opened_us=row.opened_us,
        updated_us=row.updated_us,
        acknowledged_us=row.acknowledged_us,
        acknowledged_by=row.acknowledged_by,
        note=row.note,
        resolved_us=row.resolved_us,
        verdict=said.verdict if said else None,
        judged_by=said.given_by if said else None,
        judged_us=said.given_us if said else None,
        judged_note=said.note if said else None,
        quiet=said is not None and is_quiet(said, row),
        inhibited_by=row.inhibited_by,
        historical=row.historical,
        text=in_language(viewer, row.text_ja, row.text_en),
        advice=in_language(viewer, row.advice_ja, row.advice_en),
        text_ja=row.text_ja,
        text_en=row.text_en,
        advice_ja=row.advice_ja,
        advice_en=row.advice_en,
    )


def is_quiet(said: models.Feedback, alert: models.Alert) -> bool:
    return said.verdict == "known" and alert.resolved_us is None and alert.level <= said.level


def event_view(row: models.HazardEvent, to_look: int, looked: int, viewer: Viewer) -> EventView:
    return EventView(
        id=row.id,
        told=row.told,
        told_by=row.told_by,
        told_us=row.told_us,
        state=row.state,
        error=row.error,
        said=in_language(viewer, row.said_ja, row.said_en),
        said_ja=row.said_ja,
        said_en=row.said_en,
        ordered_us=row.ordered_us,
        to_look=to_look,
        looked=looked,
    )


def look_view(row: models.FirstLook, asset: models.Asset, viewer: Viewer) -> LookView:
    return LookView(
        event_id=row.event_id,
        rank=row.rank,
        asset_id=asset.id,
        name=asset.name,
        name_en=asset.name_en,
        class_=asset.class_,
        municipality_id=asset.municipality_id,
        organisation_id=asset.organisation_id,
        latitude=asset.latitude,
        longitude=asset.longitude,
        verdict=row.verdict,
        score=row.score,
        reasons_ja=tuple(row.reasons_ja),
        reasons_en=tuple(row.reasons_en),
        look=in_language(viewer, row.look_ja, row.look_en),
        look_ja=row.look_ja,
        look_en=row.look_en,
        rank_before=None if row.changed_us is None else row.rank_before,
        gained_ja=_without(row.reasons_ja, row.reasons_before_ja),
        gained_en=_without(row.reasons_en, row.reasons_before_en),
        lost_ja=_without(row.reasons_before_ja, row.reasons_ja),
        lost_en=_without(row.reasons_before_en, row.reasons_en),
        changed_us=row.changed_us,
        looked_by=row.looked_by,
        looked_us=row.looked_us,
        result=row.result,
        note=row.note,
    )


def _without(reasons: Sequence[str] | None, others: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(reason for reason in reasons or () if reason not in (others or ()))


def feedback_view(row: models.Feedback, factor: int, viewer: Viewer) -> FeedbackView:
    """`factor`: by how much the sensitivity to its cause is lowered now."""
    effect_ja, effect_en = effect(row.kind, row.detector, row.level, factor)
    return FeedbackView(
        id=row.id,
        alert_id=row.alert_id,
        asset_id=row.asset_id,
        fingerprint=row.fingerprint,
        kind=row.kind,
        datastream_id=row.datastream_id,
        level=Level(row.level),
        verdict=row.verdict,
        note=row.note,
        given_by=row.given_by,
        given_us=row.given_us,
        undone_by=row.undone_by,
        undone_us=row.undone_us,
        effect=in_language(viewer, effect_ja, effect_en),
        effect_ja=effect_ja,
        effect_en=effect_en,
    )


def sensitivity_view(
    rows: Sequence[models.Feedback], factor: int, alert: models.Alert, quiet: models.Feedback | None, viewer: Viewer
) -> SensitivityView:
    """`rows`: what stands about one cause, at least one; `alert`: its newest; `quiet`: what makes that one quiet."""
    last = quiet or [row for row in rows if row.verdict != "known"][-1]
    effects = [effect(last.kind, last.detector, last.level, factor)] if factor > 1 else []
    effects += [QUIET] if quiet is not None else []
    ja, en = "".join(each[0] for each in effects), " ".join(each[1] for each in effects)
    return SensitivityView(
        fingerprint=last.fingerprint,
        kind=last.kind,
        share=1 / factor,
        known=quiet is not None,
        since_us=last.given_us,
        text=in_language(viewer, alert.text_ja, alert.text_en),
        text_ja=alert.text_ja,
        text_en=alert.text_en,
        effect=in_language(viewer, ja, en),
        effect_ja=ja,
        effect_en=en,
        judgements=tuple(feedback_view(row, factor, viewer) for row in rows),
    )


def datastream_view(row: models.Datastream, latest: LatestView | None, worst: Level) -> DatastreamView:
    """`worst`: the level of its worst open finding, GOOD without any."""
    metric = catalogue().get(row.metric)
    unheard = latest is None or latest.stale
    return DatastreamView(
        id=row.id,
        asset_id=row.asset_id,
        device_id=row.device_id,
        metric=row.metric,
        metric_ja=metric.ja if metric else row.metric,
        metric_en=metric.en if metric else row.metric,
        unit=row.unit,
        interval_s=row.interval_s,
        low=row.low,
        high=row.high,
        suspect_low=row.suspect_low,
        suspect_high=row.suspect_high,
        from_us=row.from_us,
        until_us=row.until_us,
        latest=latest,
        level=max(worst, Level.UNKNOWN) if unheard else worst,
    )


def gateway_view(row: models.Gateway, devices: int, now_us: int) -> GatewayView:
    return GatewayView(
        id=row.id,
        organisation_id=row.organisation_id,
        site_id=row.site_id,
        kind=row.kind,
        name=row.name,
        name_en=row.name_en,
        silent_after_s=row.silent_after_s,
        online=row.online,
        seen_us=row.seen_us,
        state=gateway_state(row, now_us),
        devices=devices,
    )


def gateway_state(row: models.Gateway, now_us: int) -> str:
    if row.seen_us is None:
        return "never"
    if row.online is False:
        return "offline"
    return "silent" if now_us - row.seen_us > row.silent_after_s * 1_000_000 else "online"


def asset_view(row: models.Asset, standing: Standing, time_zone: str, groups: Sequence[str]) -> AssetView:
    return AssetView(
        id=row.id,
        name=row.name,
        name_en=row.name_en,
        class_=row.class_,
        organisation_id=row.organisation_id,
        municipality_id=row.municipality_id,
        site_id=row.site_id,
        latitude=row.latitude,
        longitude=row.longitude,
        built_year=row.built_year,
        attributes=row.attributes,
        time_zone=time_zone,
        level=standing.level,
        level_reason=standing.reason,
        since_us=standing.since_us,
        groups=tuple(groups),
    )


def device_view(
    row: models.Device,
    gateway: GatewayView | None,
    datastreams: Sequence[DatastreamView],
    counts: Sequence[ReadingCount],
    quarantined: int,
) -> DeviceView:
    """`datastreams`: those that the viewer sees; `counts`: theirs."""
    return DeviceView(
        id=row.id,
        name=row.name,
        name_en=row.name_en,
        model=row.model,
        gateway_id=gateway.id if gateway else None,
        gateway_name=gateway.name if gateway else None,
        gateway_name_en=gateway.name_en if gateway else None,
        online=gateway.state == "online" if gateway else None,
        seen_us=max((s.latest.observed_at_us for s in datastreams if s.latest is not None), default=None),
        asset_ids=tuple(sorted({stream.asset_id for stream in datastreams})),
        datastreams=len(datastreams),
        stored=sum(count.numbered + count.unnumbered for count in counts),
        uncounted=sum(count.unnumbered for count in counts),
        quarantined=quarantined,
    )


def audit_view(row: AuditRow) -> AuditView:
    reasons: Counter[str] = Counter()
    for fate in (*row.set_aside, *row.lost):
        reasons[fate.reason] += fate.last - fate.first + 1
    return AuditView(
        gateway_id=row.gateway,
        stream=row.stream,
        first_seen_us=row.first_seen_us,
        last_seen_us=row.last_seen_us,
        stored=ranges.count(row.stored),
        set_aside=sum(fate.last - fate.first + 1 for fate in row.set_aside),
        lost=sum(fate.last - fate.first + 1 for fate in row.lost),
        missing=ranges.count(row.gaps),
        resent=row.resent,
        gaps=tuple((first, last) for first, last in row.gaps[:GAPS_SHOWN]),
        reasons=dict(reasons),
    )


def quarantine_view(entry: QuarantineEntry) -> QuarantineView:
    row = entry.row
    return QuarantineView(
        id=entry.id,
        received_at_us=row.received_at_us,
        topic=row.topic,
        gateway_id=row.gateway,
        device=row.device,
        metric=row.metric,
        reason=row.reason,
        detail=row.detail,
        payload=row.payload[: 4 * PAYLOAD_SHOWN].decode("utf-8", "replace")[:PAYLOAD_SHOWN],
        stream=row.stream,
        seq=row.seq,
        replayed_at_us=entry.replayed_at_us,
    )
