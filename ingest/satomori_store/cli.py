"""`satomori registry …` and `satomori audit`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from satomori_core.cli import Invocation, common_options, print_rows
from satomori_core.clock import now_us, to_iso
from satomori_core.errors import NotFoundError, SatomoriError
from satomori_core.ranges import Range, count
from satomori_store.adopting import adopt, unknown_devices
from satomori_store.auditing import Audit, DatastreamAudit
from satomori_store.auditing import audit as make_audit
from satomori_store.fates import Fate
from satomori_store.importing import ImportReport
from satomori_store.ledger import AuditRow
from satomori_store.lookup import Route, load_lookup
from satomori_store.models import Actuator, Asset, Device, Gateway, Group, GroupMember, Organisation, Placement, Site
from satomori_store.opening import open_ledger, open_registry, open_store
from satomori_store.registry import import_registry

LISTED: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "organisations": (Organisation, ("id", "kind", "name", "name_en")),
    "sites": (Site, ("id", "organisation_id", "name", "name_en", "latitude", "longitude", "time_zone")),
    "assets": (
        Asset,
        ("id", "class_", "organisation_id", "municipality_id", "site_id", "name", "name_en", "built_year"),
    ),
    "groups": (Group, ("id", "name", "name_en")),
    "gateways": (Gateway, ("id", "kind", "organisation_id", "site_id", "name", "name_en", "online")),
    "actuators": (Actuator, ("gateway_id", "name", "asset_id", "label", "label_en", "allows")),
}
LISTS = (*LISTED, "devices", "datastreams")
_RANGES_SHOWN = 6


@click.group()
def registry() -> None:
    """Who owns what, where it stands and what it measures."""


@registry.command("import")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@common_options
def import_(invocation: Invocation, files: tuple[Path, ...]) -> None:
    """Import registries (.toml) and asset ledgers (台帳, .csv): all of a file or nothing of it."""
    engine = open_registry(invocation.state, invocation.config)
    reports = [import_registry(engine, file) for file in files]
    if invocation.json:
        print_rows([_report_row(report) for report in reports], as_json=True)
    else:
        for report in reports:
            _print_report(report)
    failed = [report.file for report in reports if not report.ok]
    if failed:
        raise SatomoriError(f"nothing of {', '.join(failed)} was imported; mend the lines above and import again")


@registry.command("adopt")
@click.argument("device")
@click.option("--asset", required=True, help="The asset that the device measures.")
@click.option("--gateway", default=None, help="The gateway it is behind; needed only where several say so.")
@click.option("--metric", "metrics", multiple=True, help="Only these metrics. [default: all that wait in quarantine]")
@click.option("--unit", default=None, help="What values mean that come without a unit, such as mm.")
@click.option("--name", default=None, help="What people call it.")
@common_options
def adopt_(
    invocation: Invocation,
    *,
    device: str,
    asset: str,
    gateway: str | None,
    metrics: tuple[str, ...],
    unit: str | None,
    name: str | None,
) -> None:
    """Take a device into the registry whose readings wait in quarantine as unknown."""
    engine = open_registry(invocation.state, invocation.config)
    ledger = open_ledger(invocation.state, invocation.config)
    report = adopt(engine, ledger, device, asset=asset, gateway=gateway, metrics=metrics, unit=unit, name=name)
    if invocation.json:
        print_rows([_report_row(report)], as_json=True)
    else:
        _print_report(report)
    if not report.ok:
        raise SatomoriError(
            f"device {device!r} was not adopted: " + "; ".join(error.problem for error in report.errors)
        )
    if not invocation.json:
        click.echo(f"What waits of it is stored by: satomori quarantine replay --device {device}")


@registry.command("unknown")
@common_options
def unknown(invocation: Invocation) -> None:
    """What waits in quarantine because the registry does not know it, and what to type to adopt it."""
    found = unknown_devices(open_ledger(invocation.state, invocation.config))
    rows: list[dict[str, object]] = [
        {
            "gateway": u.gateway,
            "device": u.device,
            "waiting": u.waiting,
            "last": to_iso(u.last_us),
            "not_in_catalogue": list(u.foreign) if invocation.json else " ".join(u.foreign),
            "adopt": u.command,
        }
        for u in found
    ]
    print_rows(rows, as_json=invocation.json)


@registry.command("list")
@click.argument("what", type=click.Choice(LISTS), default="assets")
@common_options
def list_(invocation: Invocation, what: str) -> None:
    """What the registry holds."""
    engine = open_registry(invocation.state, invocation.config)
    with Session(engine) as session:
        print_rows(_list_rows(session, what), as_json=invocation.json)


def _list_rows(session: Session, what: str) -> list[dict[str, object]]:
    if what == "datastreams":
        return [_datastream_row(route) for route in load_lookup(session.get_bind().engine).datastreams.values()]
    if what == "devices":
        query = select(Device, Placement.gateway_id).outerjoin(
            Placement, (Placement.device_id == Device.id) & Placement.until_us.is_(None)
        )
        return [
            {"id": device.id, "name": device.name, "name_en": device.name_en, "model": device.model, "gateway": gateway}
            for device, gateway in session.execute(query.order_by(Device.id))
        ]
    model, names = LISTED[what]
    rows: list[dict[str, object]] = [
        {name.removesuffix("_"): getattr(row, name) for name in names}
        for row in session.scalars(select(model).order_by(*model.__table__.primary_key))
    ]
    if what == "groups":
        for row in rows:
            members = select(GroupMember.asset_id).where(GroupMember.group_id == row["id"])
            row["members"] = " ".join(session.scalars(members.order_by(GroupMember.asset_id)))
    return rows


def _datastream_row(route: Route) -> dict[str, object]:
    return {
        "id": route.datastream_id,
        "asset": route.asset_id,
        "device": route.device_id,
        "metric": route.metric,
        "unit": route.unit,
        "source_unit": route.source_unit,
        "scale": route.scale,
        "offset": route.offset,
        "low": route.low,
        "high": route.high,
    }


@click.command()
@click.option("--device", default=None, help="Only this device, and the streams of its gateway.")
@common_options
def audit(invocation: Invocation, device: str | None) -> None:
    """Say of every reading what became of it, and hold the ledger against what the store itself counts.

    `gaps`: numbers of which nothing is known (some may be on their way). `excess`: points in the store that the ledger
    does not know. `missing`: readings without a point of their own.
    """
    lookup = load_lookup(open_registry(invocation.state, invocation.config))
    if device is not None and device not in lookup.placements:
        raise NotFoundError(f"device {device!r} is not in the registry; see: satomori registry list devices")
    store = open_store(invocation.state, invocation.config)
    try:
        found = make_audit(store, open_ledger(invocation.state, invocation.config), lookup, now_us(), device=device)
    finally:
        store.close()
    if invocation.json:
        print_rows([*map(_stream_json, found.streams), *map(_datastream_json, found.datastreams)], as_json=True)
    else:
        _print_audit(found)


def _stream_json(row: AuditRow) -> dict[str, object]:
    return {
        "kind": "stream",
        "gateway": row.gateway,
        "stream": row.stream,
        "first_seen": to_iso(row.first_seen_us),
        "last_seen": to_iso(row.last_seen_us),
        "stored": row.stored,
        "stored_count": count(row.stored),
        "gaps": row.gaps,
        "set_aside": [[fate.first, fate.last, fate.reason] for fate in row.set_aside],
        "lost": [[fate.first, fate.last, fate.reason] for fate in row.lost],
        "resent": row.resent,
    }


def _datastream_json(row: DatastreamAudit) -> dict[str, object]:
    return {"kind": "datastream", **asdict(row)}


def _print_audit(found: Audit) -> None:
    click.echo("Streams (an edge's outbox each)")
    print_rows(
        [
            {
                "gateway": row.gateway,
                "stream": row.stream[:12],
                "stored": _short(row.stored),
                "gaps": _short(row.gaps) or "none",
                "set_aside": _reasons(row.set_aside),
                "lost": _reasons(row.lost),
                "resent": row.resent,
            }
            for row in found.streams
        ],
        as_json=False,
    )
    click.echo("\nDatastreams (readings by the ledger, points by the store)")
    print_rows(
        [
            {
                "datastream": row.datastream,
                "gateway": row.gateway,
                "device": row.device,
                "metric": row.metric,
                "readings": row.readings + row.unnumbered,
                "points": row.points,
                "excess": row.excess,
                "missing": row.missing,
                "note": "" if row.countable else f"not countable: {row.unnumbered} came without numbers",
            }
            for row in found.datastreams
        ],
        as_json=False,
    )
    click.echo("\nNo gap, no double." if found.clean else "\nNOT CLEAN: see gaps, excess and missing above.")


def _short(ranges: Sequence[Range]) -> str:
    """The first few ranges and how many numbers there are in all."""
    shown = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges[:_RANGES_SHOWN])
    return f"{shown}, … ({count(ranges)} in all)" if len(ranges) > _RANGES_SHOWN else shown


def _reasons(fates: Sequence[Fate]) -> str:
    counts: Counter[str] = Counter()
    for fate in fates:
        counts[fate.reason] += fate.last - fate.first + 1
    return ", ".join(f"{number} {reason}" for reason, number in counts.most_common())


def _report_row(report: ImportReport) -> dict[str, object]:
    return {
        "file": report.file,
        "ok": report.ok,
        "errors": [asdict(error) for error in report.errors],
        "created": dict(report.created),
        "updated": dict(report.updated),
        "unchanged": dict(report.unchanged),
        "notes": report.notes,
    }


def _print_report(report: ImportReport) -> None:
    for error in report.errors:
        click.echo(str(error), err=True)
    if report.errors:
        return
    for word, counts in (("new", report.created), ("changed", report.updated), ("unchanged", report.unchanged)):
        if counts:
            click.echo(f"{report.file}: {word}: " + ", ".join(f"{n} {table}" for table, n in counts.items()))
    for note in report.notes:
        click.echo(f"{report.file}: {note}")
