"""The registry database: who owns what, where it stands, what it measures, what was found and who was told.

SQLAlchemy 2, SQLite or PostgreSQL. Times are µs since the epoch (`…_us`), names are Japanese with an English
companion, ids are permanent texts (`satomori_core.topics.is_name`) except datastreams, which are numbers.
Every change of the registry part goes through `satomori_store.registry.changing`, which raises `Version.version`.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    UniqueConstraint,
    false,
    or_,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# Constraint names are needed for Alembic to change them on both databases.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
# SQLite gives rowids only to INTEGER keys.
BigId = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {int: BigInteger, str: String, dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012


class Version(Base):
    """One row: running parts poll it each second and reload the registry when `version` has risen.

    `feedback` rises with every judgement of an alert and every one that is undone.
    """

    __tablename__ = "version"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    version: Mapped[int]
    feedback: Mapped[int] = mapped_column(Integer, default=0, server_default="0")


# ------------------------------------------------------------------ who and where


class Organisation(Base):
    """`kind`: farm, municipality, prefecture or contractor."""

    __tablename__ = "organisation"
    __table_args__ = (CheckConstraint("kind IN ('farm','municipality','prefecture','contractor')", "kind"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]
    name_en: Mapped[str]


class Site(Base):
    __tablename__ = "site"
    id: Mapped[str] = mapped_column(primary_key=True)
    organisation_id: Mapped[str] = mapped_column(ForeignKey("organisation.id"), index=True)
    name: Mapped[str]
    name_en: Mapped[str]
    latitude: Mapped[float]
    longitude: Mapped[float]
    time_zone: Mapped[str] = mapped_column(default="Asia/Tokyo")


class Asset(Base):
    """A thing that is watched. `class_` names its playbook; `gateway` is the class of the gateways themselves.

    `organisation_id` owns it, `municipality_id` is where it lies.
    """

    __tablename__ = "asset"
    id: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), index=True)
    organisation_id: Mapped[str] = mapped_column(ForeignKey("organisation.id"), index=True)
    municipality_id: Mapped[str] = mapped_column(ForeignKey("organisation.id"), index=True)
    class_: Mapped[str] = mapped_column("class", index=True)
    name: Mapped[str]
    name_en: Mapped[str]
    latitude: Mapped[float]
    longitude: Mapped[float]
    built_year: Mapped[int | None]
    attributes: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Group(Base):
    """群: assets of several owners that are watched and repaired together."""

    __tablename__ = "group"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    name_en: Mapped[str]


class GroupMember(Base):
    __tablename__ = "group_member"
    group_id: Mapped[str] = mapped_column(ForeignKey("group.id"), primary_key=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("asset.id"), primary_key=True, index=True)


# ------------------------------------------------------------------ what measures


class Gateway(Base):
    """What speaks MQTT to us. A device that speaks for itself is its own gateway (`kind` direct, else edge).

    Each gateway also has an asset of class `gateway` and a device, both with its id, for its own health.
    `silent_after_s`: no word from it for so long counts as silence.
    """

    __tablename__ = "gateway"
    id: Mapped[str] = mapped_column(primary_key=True)
    organisation_id: Mapped[str] = mapped_column(ForeignKey("organisation.id"), index=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"))
    kind: Mapped[str]
    name: Mapped[str]
    name_en: Mapped[str]
    silent_after_s: Mapped[int] = mapped_column(default=900)
    # last seen status message: online / offline, and when
    online: Mapped[bool | None]
    seen_us: Mapped[int | None]


class Device(Base):
    """A sensor or a node with several. Its id is unique in the whole registry."""

    __tablename__ = "device"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    name_en: Mapped[str]
    model: Mapped[str | None]


class Placement(Base):
    """Behind which gateway a device is, from when until when (half-open; None = no end)."""

    __tablename__ = "placement"
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    device_id: Mapped[str] = mapped_column(ForeignKey("device.id"), index=True)
    gateway_id: Mapped[str] = mapped_column(ForeignKey("gateway.id"), index=True)
    from_us: Mapped[int] = mapped_column(default=0)
    until_us: Mapped[int | None]


class Datastream(Base):
    """One metric of one asset from one device: fixed for its life. Moving a probe makes a new one.

    `unit`: UCUM, as stored. `low`/`high`: gross range, outside = fail; `suspect_low`/`suspect_high`: outside =
    suspect; None = the catalogue's. `interval_s`: how often a value is expected.
    """

    __tablename__ = "datastream"
    __table_args__ = (UniqueConstraint("asset_id", "device_id", "metric", "from_us"),)
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("asset.id"), index=True)
    device_id: Mapped[str] = mapped_column(ForeignKey("device.id"), index=True)
    metric: Mapped[str]
    unit: Mapped[str]
    interval_s: Mapped[int] = mapped_column(default=600)
    low: Mapped[float | None]
    high: Mapped[float | None]
    suspect_low: Mapped[float | None]
    suspect_high: Mapped[float | None]
    from_us: Mapped[int] = mapped_column(default=0)
    until_us: Mapped[int | None]


def holds(row: type[Placement | Datastream], at_us: int) -> tuple[ColumnElement[bool], ...]:
    """The conditions that it does so at that time."""
    return row.from_us <= at_us, or_(row.until_us.is_(None), row.until_us > at_us)


class Calibration(Base):
    """stored = (sent, converted from `source_unit` to the datastream's unit) * scale + offset, half-open in time.

    `source_unit` is used where the reading names no unit of its own.
    """

    __tablename__ = "calibration"
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    datastream_id: Mapped[int] = mapped_column(ForeignKey("datastream.id"), index=True)
    source_unit: Mapped[str | None]
    scale: Mapped[float] = mapped_column(default=1.0)
    offset: Mapped[float] = mapped_column(default=0.0)
    from_us: Mapped[int] = mapped_column(default=0)
    until_us: Mapped[int | None]


# ------------------------------------------------------------------ what can be operated


class Actuator(Base):
    """`asset_id`: what it belongs to, as the registry says; without it nobody is offered it.

    `allows`: what its gateway's status says of it (`commanding.Allowed`), None where that does not name it (now).
    """

    __tablename__ = "actuator"
    gateway_id: Mapped[str] = mapped_column(ForeignKey("gateway.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str | None] = mapped_column(ForeignKey("asset.id"), index=True)
    label: Mapped[str | None]
    label_en: Mapped[str | None]
    allows: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class Command(Base):
    """Who wanted what done and why, and what became of it (`commanding.Course`): rows are never deleted.

    It is to an asset's actuator, or to a device. `idempotency_key`: the asker's own name for it, so that asking twice
    is one command. `give_up_us`: without a reply by then it counts as lost. `sent_us`, `replied_us`, `last_reply_us`:
    by our clock, `read_back_us`, `until_us` and `ended_us` by the gateway's.
    """

    __tablename__ = "command"
    __table_args__ = (
        UniqueConstraint("user_id", "idempotency_key"),
        CheckConstraint("(asset_id IS NULL) <> (device_id IS NULL)", "target"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    idempotency_key: Mapped[str]
    asset_id: Mapped[str | None] = mapped_column(ForeignKey("asset.id"))
    device_id: Mapped[str | None] = mapped_column(ForeignKey("device.id"))
    gateway_id: Mapped[str] = mapped_column(ForeignKey("gateway.id"), index=True)
    actuator: Mapped[str | None]
    action: Mapped[str]
    args: Mapped[dict[str, Any]]
    user_id: Mapped[str]
    why: Mapped[str]
    issued_us: Mapped[int]
    expires_us: Mapped[int]
    give_up_us: Mapped[int]
    updated_us: Mapped[int] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(index=True)
    sent_count: Mapped[int]
    sent_us: Mapped[int | None]
    outcome: Mapped[str | None]
    reason: Mapped[str]
    read_back: Mapped[float | None]
    read_back_us: Mapped[int | None]
    until_us: Mapped[int | None]
    ended_us: Mapped[int | None]
    ended_why: Mapped[str]
    replies: Mapped[int]
    replied_us: Mapped[int | None]
    last_reply_us: Mapped[int | None]
    late: Mapped[bool]


Index("ix_command_of_asset", Command.asset_id, Command.issued_us)
Index("ix_command_of_device", Command.device_id, Command.issued_us)


# ------------------------------------------------------------------ people and access


class User(Base):
    """`role`: viewer (sees), crew (also acknowledges and operates), engineer (also the registry), admin (also users).

    An admin sees all data.
    """

    __tablename__ = "user"
    __table_args__ = (CheckConstraint("role IN ('viewer','crew','engineer','admin')", "role"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    organisation_id: Mapped[str | None] = mapped_column(ForeignKey("organisation.id"), index=True)
    role: Mapped[str]
    language: Mapped[str] = mapped_column(default="ja")
    password_hash: Mapped[str | None]


class Session(Base):
    """A login; only the token's SHA-256 is kept."""

    __tablename__ = "session"
    token_hash: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id"), index=True)
    expires_us: Mapped[int]


class LoginLink(Base):
    """A one-time link: the first start's, or an invitation."""

    __tablename__ = "login_link"
    token_hash: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id"))
    expires_us: Mapped[int]
    used_us: Mapped[int | None]


class Share(Base):
    """`organisation_id` lets `with_id` see its assets: all of them, or those of one group.

    `operate`: and operate what can be operated there, which seeing alone never gives.
    """

    __tablename__ = "share"
    __table_args__ = (UniqueConstraint("organisation_id", "with_id", "group_id"),)
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    organisation_id: Mapped[str] = mapped_column(ForeignKey("organisation.id"), index=True)
    with_id: Mapped[str] = mapped_column(ForeignKey("organisation.id"), index=True)
    group_id: Mapped[str | None] = mapped_column(ForeignKey("group.id"))
    operate: Mapped[bool] = mapped_column(default=False, server_default=false())


class AuditEntry(Base):
    """Who did what, when: acknowledgements, logins, registry changes."""

    __tablename__ = "audit_entry"
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    at_us: Mapped[int] = mapped_column(index=True)
    user_id: Mapped[str | None]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


# ------------------------------------------------------------------ what was found, who was told


class Cursor(Base):
    """How far a reader of the ledger's changes has come."""

    __tablename__ = "cursor"
    name: Mapped[str] = mapped_column(primary_key=True)
    change_id: Mapped[int]


class Finding(Base):
    """What a job saw. One open finding (`until_us` None) for each fingerprint; maintenance only reads.

    `fingerprint` is the cause's name: same trouble, same text. `kind`: limit, silent, stuck, spike, univariate …;
    `cause`: asset, sensor or gateway; `level`: a `Level`; `confidence` 0 to 1; `evidence`: values, expectation,
    limits with source, as JSON. `historical`: judged from data that was already old when it came, so nobody is told.
    """

    __tablename__ = "finding"
    __table_args__ = (Index("ix_finding_open", "fingerprint", "until_us"),)
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    fingerprint: Mapped[str]
    kind: Mapped[str]
    cause: Mapped[str]
    asset_id: Mapped[str] = mapped_column(ForeignKey("asset.id"), index=True)
    datastream_id: Mapped[int | None] = mapped_column(ForeignKey("datastream.id"))
    gateway_id: Mapped[str | None] = mapped_column(ForeignKey("gateway.id"))
    detector: Mapped[str]
    level: Mapped[int]
    confidence: Mapped[float]
    since_us: Mapped[int] = mapped_column(index=True)
    until_us: Mapped[int | None]
    found_us: Mapped[int]
    updated_us: Mapped[int] = mapped_column(index=True)
    historical: Mapped[bool]
    evidence: Mapped[dict[str, Any]] = mapped_column(default=dict)
    text_ja: Mapped[str]
    text_en: Mapped[str]
    advice_ja: Mapped[str]
    advice_en: Mapped[str]


class KeptCondition(Base):
    """What was measured of a structure's condition in whole days until `until_us`; one row each, the newest.

    `columns`: names of its day columns; `reference`: what a bridge's frequency was first, kept however old.
    """

    __tablename__ = "kept_condition"
    asset_id: Mapped[str] = mapped_column(ForeignKey("asset.id"), primary_key=True)
    until_us: Mapped[int]
    measured: Mapped[list[Any]]
    columns: Mapped[list[Any]]
    reference: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class Forecast(Base):
    """What is to come for an asset, as it was foretold at `made_us`; past ones are kept for some days.

    `kind`: frost, irrigation, blast, heat, heading or harvest; `status`: made, missing (the texts say what it needs) or
    off (it is not the time for it). `low` to `high`: the central 80 %. `chances`: by level, of what it calls for.
    `picture`: what is drawn of it, with the newest of an asset and kind.
    """

    __tablename__ = "forecast"
    __table_args__ = (UniqueConstraint("asset_id", "kind", "made_us"),)
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("asset.id"))
    kind: Mapped[str]
    made_us: Mapped[int] = mapped_column(index=True)
    for_from_us: Mapped[int]
    for_until_us: Mapped[int]
    status: Mapped[str]
    value: Mapped[float | None]
    low: Mapped[float | None]
    high: Mapped[float | None]
    unit: Mapped[str]
    level: Mapped[int]
    chances: Mapped[dict[str, Any]] = mapped_column(default=dict)
    inputs: Mapped[dict[str, Any]] = mapped_column(default=dict)
    source: Mapped[str]
    text_ja: Mapped[str]
    text_en: Mapped[str]
    advice_ja: Mapped[str]
    advice_en: Mapped[str]
    picture: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class Alert(Base):
    """One per cause. Whether it is resolved follows from `resolved_us`, which is its last finding's end.

    `inhibited_by`: the alert that explains this one (a silent gateway explains its silent sensors); nobody is told.
    """

    __tablename__ = "alert"
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    fingerprint: Mapped[str] = mapped_column(index=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("asset.id"), index=True)
    organisation_id: Mapped[str] = mapped_column(ForeignKey("organisation.id"), index=True)
    finding_id: Mapped[int] = mapped_column(ForeignKey("finding.id"))
    level: Mapped[int]
    priority: Mapped[str]
    cause: Mapped[str]
    since_us: Mapped[int]
    opened_us: Mapped[int] = mapped_column(index=True)
    updated_us: Mapped[int] = mapped_column(index=True)
    acknowledged_us: Mapped[int | None]
    acknowledged_by: Mapped[str | None]
    note: Mapped[str | None]
    resolved_us: Mapped[int | None] = mapped_column(index=True)
    inhibited_by: Mapped[int | None] = mapped_column(ForeignKey("alert.id"))
    historical: Mapped[bool] = mapped_column(default=False)
    text_ja: Mapped[str]
    text_en: Mapped[str]
    advice_ja: Mapped[str]
    advice_en: Mapped[str]


class Feedback(Base):
    """What somebody said of an alert: it was true, false, or known already. Rows are never deleted.

    It stands while `undone_us` is None, one for each alert at most. `fingerprint` names the cause, and with it the knob
    that is turned (`satomori_store.feedback`); `kind`, `detector`, `datastream_id`: the finding's; `level`: the alert's
    when it was said.
    """

    __tablename__ = "feedback"
    __table_args__ = (CheckConstraint("verdict IN ('true','false','known')", "verdict"),)
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    alert_id: Mapped[int] = mapped_column(ForeignKey("alert.id"), index=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("asset.id"), index=True)
    fingerprint: Mapped[str]
    kind: Mapped[str]
    detector: Mapped[str]
    datastream_id: Mapped[int | None] = mapped_column(ForeignKey("datastream.id"))
    level: Mapped[int]
    verdict: Mapped[str]
    note: Mapped[str | None]
    given_by: Mapped[str]
    given_us: Mapped[int]
    undone_by: Mapped[str | None]
    undone_us: Mapped[int | None]


class HazardEvent(Base):
    """An earthquake or a storm, as it was told: what is to be looked at first after it stands in `FirstLook`.

    `told`: what `satomori_analytics.triage.events.parse_event` reads; `gauged`: municipality → mm in 24 h by the
    region's own gauges, where asked for. `state`: waiting (for analytics), ordered, or refused, then `error` says why.
    """

    __tablename__ = "hazard_event"
    __table_args__ = (CheckConstraint("state IN ('waiting','ordered','refused')", "state"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    told: Mapped[dict[str, Any]]
    told_by: Mapped[str]
    told_us: Mapped[int] = mapped_column(index=True)
    state: Mapped[str]
    error: Mapped[str | None]
    gauged: Mapped[dict[str, Any]] = mapped_column(default=dict)
    said_ja: Mapped[str]
    said_en: Mapped[str]
    ordered_us: Mapped[int | None]


class FirstLook(Base):
    """An asset's place in an event's order, and who has looked at it since.

    `verdict`: look, unknown (nobody said how strong it was there) or wait. `result`: fine or needs_work. `rank_before`,
    `reasons_before_…`: as it was first ordered or last looked at; `changed_us`: when its reasons changed since.
    """

    __tablename__ = "first_look"
    __table_args__ = (CheckConstraint("result IN ('fine','needs_work')", "result"),)
    event_id: Mapped[str] = mapped_column(ForeignKey("hazard_event.id"), primary_key=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("asset.id"), primary_key=True)
    rank: Mapped[int]
    verdict: Mapped[str]
    score: Mapped[float | None]
    reasons_ja: Mapped[list[Any]]
    reasons_en: Mapped[list[Any]]
    look_ja: Mapped[str]
    look_en: Mapped[str]
    rank_before: Mapped[int | None]
    reasons_before_ja: Mapped[list[Any] | None]
    reasons_before_en: Mapped[list[Any] | None]
    changed_us: Mapped[int | None]
    looked_by: Mapped[str | None]
    looked_us: Mapped[int | None]
    result: Mapped[str | None]
    note: Mapped[str | None]


class Notification(Base):
    """One message to one receiver about some alerts: planned, tried, sent or given up, each with its time.

    `alert_ids`: pairs [alert id, level told]; level 0 says that it is over.
    """

    __tablename__ = "notification"
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    receiver: Mapped[str] = mapped_column(index=True)
    group_key: Mapped[str] = mapped_column(index=True)
    reason: Mapped[str]
    alert_ids: Mapped[list[Any]]
    title: Mapped[str]
    body: Mapped[str]
    planned_us: Mapped[int]
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_us: Mapped[int | None]
    sent_us: Mapped[int | None]
    gave_up_us: Mapped[int | None]
    error: Mapped[str | None]
