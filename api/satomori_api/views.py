"""What queries answer with: frozen records, used by the REST routes and the console alike.

Times are µs since the epoch (`…_us`); names are Japanese with an English companion (`…_en`); `level` is a Level.
Texts that exist in one language only (`level_reason`, `text`, `advice`) are in the viewer's.
"""

from dataclasses import dataclass
from typing import Any

from satomori_core.vocabulary import Level
from satomori_store.port import Aggregate, Columns

Counts = tuple[int, int, int, int, int]  # how many stand at each Level, 0 to 4


@dataclass(frozen=True, slots=True)
class OrganisationView:
    id: str
    kind: str
    name: str
    name_en: str


@dataclass(frozen=True, slots=True)
class SiteView:
    id: str
    organisation_id: str
    name: str
    name_en: str
    latitude: float
    longitude: float
    time_zone: str


@dataclass(frozen=True, slots=True)
class Standing:
    level: Level
    reason: str
    since_us: int | None


@dataclass(frozen=True, slots=True)
class AssetView:
    """A thing that is watched, how it stands and why. `since_us`: since when it stands so."""

    id: str
    name: str
    name_en: str
    class_: str
    organisation_id: str
    municipality_id: str
    site_id: str
    latitude: float
    longitude: float
    built_year: int | None
    attributes: dict[str, Any]
    time_zone: str
    level: Level
    level_reason: str
    since_us: int | None
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LatestView:
    """A datastream's newest observation. `flag` is the worse of quality and qc (QARTOD numbers).

    `stale`: nothing came for more than three of its intervals (at least two minutes).
    """

    datastream_id: int
    observed_at_us: int
    value: float
    quality: int
    qc: int
    flag: int
    stale: bool


@dataclass(frozen=True, slots=True)
class DatastreamView:
    """One metric of one asset from one device. `level`: the worst open finding on it, UNKNOWN where it is stale."""

    id: int
    asset_id: str
    device_id: str
    metric: str
    metric_ja: str
    metric_en: str
    unit: str
    interval_s: int
    low: float | None
    high: float | None
    suspect_low: float | None
    suspect_high: float | None
    from_us: int
    until_us: int | None
    latest: LatestView | None
    level: Level


@dataclass(frozen=True, slots=True)
class Measured:
    """What a datastream tells of."""

    asset_id: str
    metric: str
    unit: str


@dataclass(frozen=True, slots=True)
class ForecastView:
    """What is to come for an asset. `low` to `high`: the central 80 %; `chances`: of what each level calls for.

    `status`: made, missing (`text` says what it needs) or off (it is not the time for it).
    """

    id: int
    asset_id: str
    kind: str
    name: str
    made_us: int
    for_from_us: int
    for_until_us: int
    status: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    level: Level
    chances: dict[str, float]
    text: str
    advice: str
    text_ja: str
    text_en: str
    advice_ja: str
    advice_en: str
    inputs: dict[str, Any]
    source: str


@dataclass(frozen=True, slots=True)
class FindingView:
    """What a job saw; still open where `until_us` is None."""

    id: int
    fingerprint: str
    kind: str
    cause: str
    asset_id: str
    datastream_id: int | None
    gateway_id: str | None
    detector: str
    level: Level
    confidence: float
    since_us: int
    until_us: int | None
    found_us: int
    updated_us: int
    historical: bool
    evidence: dict[str, Any]
    text: str
    advice: str
    text_ja: str
    text_en: str
    advice_ja: str
    advice_en: str


@dataclass(frozen=True, slots=True)
class EventView:
    """An earthquake or a storm, as it was told. `state`: waiting, ordered, or refused, then `error` says why.

    `said`: what it was, in a line; `to_look`: how many of the viewer's assets it calls for a look at, `looked`: how
    many of these have had it.
    """

    id: str
    told: dict[str, Any]
    told_by: str
    told_us: int
    state: str
    error: str | None
    said: str
    said_ja: str
    said_en: str
    ordered_us: int | None
    to_look: int
    looked: int


@dataclass(frozen=True, slots=True)
class LookView:
    """An asset's place in an event's order. `verdict`: look, unknown or wait; `result`: fine or needs_work.

    `rank_before`: where it stood, of what the viewer sees, when it was first ordered or last looked at; null where it
    stands there still, or only made room. `gained`, `lost`: the reasons that moved it, the last at `changed_us`.
    """

    event_id: str
    rank: int
    asset_id: str
    name: str
    name_en: str
    class_: str
    municipality_id: str
    organisation_id: str
    latitude: float
    longitude: float
    verdict: str
    score: float | None
    reasons_ja: tuple[str, ...]
    reasons_en: tuple[str, ...]
    look: str
    look_ja: str
    look_en: str
    rank_before: int | None
    gained_ja: tuple[str, ...]
    gained_en: tuple[str, ...]
    lost_ja: tuple[str, ...]
    lost_en: tuple[str, ...]
    changed_us: int | None
    looked_by: str | None
    looked_us: int | None
    result: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class FeedbackView:
    """What somebody said of an alert: `verdict` true, false or known; it stands until it is undone.

    `level`: the alert's when it was said. `effect`: what all that stands about this cause (`fingerprint`) does to its
    sensitivity now.
    """

    id: int
    alert_id: int
    asset_id: str
    fingerprint: str
    kind: str
    datastream_id: int | None
    level: Level
    verdict: str
    note: str | None
    given_by: str
    given_us: int
    undone_by: str | None
    undone_us: int | None
    effect: str
    effect_ja: str
    effect_en: str


@dataclass(frozen=True, slots=True)
class SensitivityView:
    """Where people have changed what an asset's people are told. `share`: of full sensitivity, 1 down to 1/8.

    `known`: kept quiet until it ends or gets worse. `since_us`: the last word that counts. `text`: of the newest alert.
    `judgements`: all that stand about this cause, in order of time; undoing them all undoes the effect.
    """

    fingerprint: str
    kind: str
    share: float
    known: bool
    since_us: int
    text: str
    text_ja: str
    text_en: str
    effect: str
    effect_ja: str
    effect_en: str
    judgements: tuple[FeedbackView, ...]


@dataclass(frozen=True, slots=True)
class AlertView:
    """`state`: open, acknowledged or resolved. `inhibited_by`: the alert that explains this one.

    `verdict`: what somebody said of it and nobody has undone: true, false or known. `quiet`: it is known as it is, so
    nobody is told of it, unless it hides something worse.
    """

    id: int
    state: str
    priority: str
    level: Level
    cause: str
    asset_id: str
    asset_name: str
    asset_name_en: str
    class_: str
    municipality_id: str
    organisation_id: str
    finding_id: int
    datastream_id: int | None
    since_us: int
    opened_us: int
    updated_us: int
    acknowledged_us: int | None
    acknowledged_by: str | None
    note: str | None
    resolved_us: int | None
    verdict: str | None
    judged_by: str | None
    judged_us: int | None
    judged_note: str | None
    quiet: bool
    inhibited_by: int | None
    historical: bool
    text: str
    advice: str
    text_ja: str
    text_en: str
    advice_ja: str
    advice_en: str


@dataclass(frozen=True, slots=True)
class AssetDetail(AssetView):
    """An asset's page: what it measures, what is open about it, what to do."""

    datastreams: tuple[DatastreamView, ...]
    findings: tuple[FindingView, ...]
    alerts: tuple[AlertView, ...]


@dataclass(frozen=True, slots=True)
class GroupView:
    """群: assets of several owners watched together; only the members that the viewer may see are counted."""

    id: str
    name: str
    name_en: str
    asset_ids: tuple[str, ...]
    level: Level
    counts: Counts


@dataclass(frozen=True, slots=True)
class StatusCell:
    """Assets of one class in one municipality. `counts[level]`: how many stand at each; `level`: the worst."""

    municipality_id: str
    municipality_name: str
    municipality_name_en: str
    class_: str
    level: Level
    counts: Counts
    total: int
    worst_asset_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GatewayView:
    """`state`: online, offline (it said so, or its last will did), silent (no word for too long) or never."""

    id: str
    organisation_id: str
    site_id: str
    kind: str
    name: str
    name_en: str
    silent_after_s: int
    online: bool | None
    seen_us: int | None
    state: str
    devices: int


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A sensor or a node. `seen_us`: its newest observation.

    `stored`: its readings by the ledger; `uncounted`: those of them that came without sequence numbers, so that it
    can't be shown that none is missing; `quarantined`: what waits in quarantine.
    """

    id: str
    name: str
    name_en: str
    model: str | None
    gateway_id: str | None
    gateway_name: str | None
    gateway_name_en: str | None
    online: bool | None
    seen_us: int | None
    asset_ids: tuple[str, ...]
    datastreams: int
    stored: int
    uncounted: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class Observations:
    """`every_us`: the interval they are aggregated to; None: raw. `next_cursor`: where the next page begins."""

    columns: Columns
    every_us: int | None
    aggregate: Aggregate
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ActuatorView:
    """Something that can be operated, and what its gateway says that it takes: `values`, else from `min` to `max`.

    `online`: whether its gateway is connected. `offered` false: the gateway does not name it now, and nothing can be
    ordered. `fail_safe`: where it goes by itself; `run_s_max`: its longest run, null where none is timed; `settle_s`:
    how long it takes to get there. `position`: what was read back last, `read_at_us` when.
    """

    gateway_id: str
    name: str
    label: str
    label_en: str
    online: bool | None
    offered: bool
    device: str
    unit: str
    values: tuple[float, ...]
    min: float | None
    max: float | None
    fail_safe: float | None
    run_s_max: float | None
    settle_s: float
    position: float | None
    read_at_us: int | None


@dataclass(frozen=True, slots=True)
class CommandView:
    """Who ordered what and why, and what became of it.

    Either an asset's actuator is operated, or a device is to be asked each `interval_s` until its gateway's next start.
    `state`: waiting, sent, then done, refused, expired, failed (the gateway's word, with its `reason`), or lost: no
    word of it, though it may have been carried out; `late`: the word came after that. `until_us`: when a timed run ends
    by itself; `ended_us` and `ended_why`: when and why it did. `read_back`: what the device said last, `read_at_us`
    when. `sent_count`: how often it was sent, always with the same id, which a gateway carries out once; `replies`: how
    many came.
    """

    id: str
    asset_id: str | None
    device_id: str | None
    gateway_id: str
    actuator: str | None
    action: str
    value: float | None
    run_s: float | None
    interval_s: float | None
    user_id: str
    why: str
    state: str
    reason: str
    late: bool
    read_back: float | None
    read_at_us: int | None
    until_us: int | None
    ended_us: int | None
    ended_why: str
    issued_us: int
    expires_us: int
    sent_count: int
    sent_us: int | None
    replies: int
    replied_us: int | None
    updated_us: int


@dataclass(frozen=True, slots=True)
class AuditView:
    """What became of the sequence numbers of one stream (an edge's outbox).

    `missing`: numbers in `gaps`, of which nothing is known yet; `reasons`: why numbers were lost or set aside, each
    with how many.
    """

    gateway_id: str
    stream: str
    first_seen_us: int
    last_seen_us: int
    stored: int
    set_aside: int
    lost: int
    missing: int
    resent: int
    gaps: tuple[tuple[int, int], ...]
    reasons: dict[str, int]


@dataclass(frozen=True, slots=True)
class QuarantineView:
    """A message or a record that was set aside. `payload`: its first 2000 characters."""

    id: int
    received_at_us: int
    topic: str
    gateway_id: str
    device: str
    metric: str
    reason: str
    detail: str
    payload: str
    stream: str
    seq: int | None
    replayed_at_us: int | None


@dataclass(frozen=True, slots=True)
class UserView:
    id: str
    name: str
    organisation_id: str | None
    role: str
    language: str
    has_password: bool
