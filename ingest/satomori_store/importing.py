"""Imports registry files: all of a file or nothing, every fault told by its place, a second import updates.

What a file does not name stays as it is. A datastream's asset, device, metric and unit are fixed for its life: a file
that says otherwise ends the old one now and begins a new one. Likewise a device's gateway and a calibration.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from satomori_core.classes import GATEWAY
from satomori_core.clock import now_us
from satomori_core.errors import RejectedError
from satomori_core.metrics import EDGE_HEALTH, catalogue
from satomori_core.units import conversion
from satomori_store.cells import suggestion
from satomori_store.columns import COLUMNS, KEYS
from satomori_store.databases import advisory_lock
from satomori_store.models import (
    Actuator,
    Asset,
    Base,
    Calibration,
    Datastream,
    Device,
    Gateway,
    Group,
    GroupMember,
    Organisation,
    Placement,
    Share,
    Site,
)
from satomori_store.registry_files import TABLES, FileRow, RowError, read_registry_file
from satomori_store.transactions import raise_version, transaction

_LOCK = 5_326_003
_ERRORS_MAX = 200


@dataclass(slots=True)
class ImportReport:
    """What an import did. Where `errors` has anything, nothing was changed."""

    file: str
    errors: list[RowError] = field(default_factory=list)
    created: Counter[str] = field(default_factory=Counter)
    updated: Counter[str] = field(default_factory=Counter)
    unchanged: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.errors

    @property
    def changed(self) -> bool:
        return bool(self.created or self.updated)


class _CellError(Exception):
    """A row contradicts the registry at one column."""

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(problem)
        self.column = column


def import_registry(engine: Engine, path: Path, at_us: int | None = None) -> ImportReport:
    """Import a registry (TOML) or an asset ledger (CSV). Raise SettingsError where it can't be read at all."""
    parsed = read_registry_file(path)
    return import_rows(engine, path.name, parsed.rows, parsed.errors, now_us() if at_us is None else at_us)


def import_rows(
    engine: Engine, file: str, raw: Sequence[FileRow], errors: Sequence[RowError], at_us: int
) -> ImportReport:
    """Import rows as written, with what was already found wrong with them."""
    report = ImportReport(file, errors=list(errors))
    rows = [(row, values) for row in raw if (values := _parse(row, report)) is not None]
    _report_twins(rows, report)
    with transaction(engine) as session:
        advisory_lock(session.connection(), _LOCK)
        _write_rows(session, rows, report, at_us)
        if report.errors:
            session.rollback()
        elif report.changed:
            raise_version(session)
    if report.errors:
        report.errors.sort(key=lambda error: error.row)
        del report.errors[_ERRORS_MAX:]
        report.created, report.updated, report.unchanged = Counter(), Counter(), Counter()
        report.notes.clear()
    return report


Values = dict[str, Any]


def _write_rows(session: Session, rows: list[tuple[FileRow, Values]], report: ImportReport, at_us: int) -> None:
    """Write parsed rows, table after table; faults go into `report`. The caller commits or rolls back."""
    writer = _Writer(session, report, at_us)
    for table in TABLES:
        for row, values in rows:
            if row.table != table:
                continue
            try:
                with session.no_autoflush:
                    writer.write(table, values)
            except _CellError as error:
                report.errors.append(RowError(report.file, row.line, error.column, str(error)))
        if not report.errors:
            session.flush()


def _parse(row: FileRow, report: ImportReport) -> Values | None:
    """The row's values by column, or None where any is wrong."""
    columns = COLUMNS[row.table]
    values: Values = {}
    problems: list[tuple[str, str]] = [
        (name, f"unknown column{suggestion(name, columns)}") for name in row.values if name not in columns
    ]
    for name, (parse, required) in columns.items():
        if name not in row.values:
            if required:
                problems.append((name, "missing; write it"))
            continue
        try:
            values[name] = parse(row.values[name])
        except ValueError as error:
            problems.append((name, str(error)))
    report.errors.extend(RowError(report.file, row.line, name, problem) for name, problem in problems)
    if row.extra:
        values["attributes"] = {**values.get("attributes", {}), **row.extra}
    return None if problems else values


def _report_twins(rows: list[tuple[FileRow, Values]], report: ImportReport) -> None:
    seen: dict[tuple[str, ...], int] = {}
    for row, values in rows:
        columns = KEYS.get(row.table, ("id",))
        key = (row.table, *(str(values.get(column)) for column in columns))
        if key in seen:
            named = "/".join(str(values[column]) for column in columns if column in values)
            problem = f"{row.table} {named!r} is already in line {seen[key]}; give each its own {'/'.join(columns)}"
            report.errors.append(RowError(report.file, row.line, columns[0], problem))
        else:
            seen[key] = row.line


class _Writer:
    """Writes rows into one session; raises _CellError for what contradicts the registry."""

    def __init__(self, session: Session, report: ImportReport, at_us: int) -> None:
        self._session = session
        self._report = report
        self._at_us = at_us
        self._write: dict[str, Callable[[Values], None]] = {
            "organisation": self._organisation,
            "site": self._site,
            "asset": self._asset,
            "group": self._group,
            "gateway": self._gateway,
            "device": self._device,
            "datastream": self._datastream,
            "actuator": self._actuator,
            "share": self._share,
        }

    def write(self, table: str, values: Values) -> None:
        self._write[table](values)

    # ---------------------------------------------------------------- who and where

    def _organisation(self, row: Values) -> None:
        self._put("organisation", Organisation, row["id"], kind=row["kind"], **_named(row))

    def _site(self, row: Values) -> None:
        self._put(
            "site", Site, row["id"],
            organisation_id=self._organisation_id(row, "organisation"),
            latitude=row["latitude"], longitude=row["longitude"],
            **_named(row), **_given(row, "time_zone"),
        )  # fmt: skip

    def _asset(self, row: Values) -> None:
        there = self._session.get(Asset, row["id"])
        if there is not None and there.class_ == GATEWAY:
            raise _CellError("id", f"{row['id']!r} is the gateway's own asset; give this asset another id")
        site = self._site_of(row)
        self._put(
            "asset", Asset, row["id"],
            site_id=site.id,
            organisation_id=self._owner_id(row, site),
            municipality_id=self._municipality_id(row),
            class_=row["class"],
            latitude=row.get("latitude", site.latitude if there is None else there.latitude),
            longitude=row.get("longitude", site.longitude if there is None else there.longitude),
            **_named(row), **_given(row, "built_year", "attributes"),
        )  # fmt: skip

    def _group(self, row: Values) -> None:
        group = row["id"]
        self._put("group", Group, group, **_named(row))
        for member in row["members"]:
            self._find(Asset, member, "members", "asset")
        there = set(self._session.scalars(select(GroupMember.asset_id).where(GroupMember.group_id == group)))
        wanted = set(row["members"])
        for member in sorted(wanted - there):
            self._session.add(GroupMember(group_id=group, asset_id=member))
        for member in sorted(there - wanted):
            self._session.delete(self._session.get_one(GroupMember, (group, member)))
        if there and there != wanted:
            self._report.updated["group"] += 1

    def _share(self, row: Values) -> None:
        owner, other = self._organisation_id(row, "organisation"), self._organisation_id(row, "with")
        if owner == other:
            raise _CellError("with", f"{other!r} sees its own assets anyway; name another organisation")
        group = row.get("group")
        if group is not None:
            self._find(Group, group, "group", "group")
        same = (Share.organisation_id == owner, Share.with_id == other)
        of_group = Share.group_id.is_(None) if group is None else Share.group_id == group
        there = self._session.scalars(select(Share).where(*same, of_group)).first()
        if there is None:
            self._session.add(Share(organisation_id=owner, with_id=other, group_id=group, **_given(row, "operate")))
            self._report.created["share"] += 1
        else:
            changed = _set(there, _given(row, "operate"))
            (self._report.updated if changed else self._report.unchanged)["share"] += 1

    # ---------------------------------------------------------------- what measures

    def _gateway(self, row: Values) -> None:
        """With its own asset and device; of an edge also the datastreams of its health."""
        gateway, site = row["id"], self._find(Site, row["site"], "site", "site")
        owner = self._owner_id(row, site)
        asset = self._session.get(Asset, gateway)
        if asset is not None and asset.class_ != GATEWAY:
            raise _CellError("id", f"{gateway!r} is already an asset; a gateway needs an id that no asset has")
        placed = self._placement(gateway)
        if placed is not None and placed.gateway_id != gateway:
            raise _CellError("id", f"{gateway!r} is already a device behind {placed.gateway_id!r}; choose another id")
        named = _named(row)
        self._put(
            "gateway", Gateway, gateway,
            site_id=site.id, organisation_id=owner, kind=row["kind"], **named, **_given(row, "silent_after_s"),
        )  # fmt: skip
        municipality = self._gateway_municipality(row, owner, site.id)
        self._put(
            "asset", Asset, gateway,
            site_id=site.id, organisation_id=owner, municipality_id=municipality, class_=GATEWAY,
            latitude=site.latitude, longitude=site.longitude, **named,
        )  # fmt: skip
        self._put("device", Device, gateway, **named)
        self._place(gateway, gateway)
        if row["kind"] == "edge":
            self._session.flush()
            for metric in EDGE_HEALTH:
                self._datastream({"asset": gateway, "device": gateway, "metric": metric, "interval_s": 60})

    def _gateway_municipality(self, row: Values, owner: str, site: str) -> str:
        if "municipality" in row:
            return self._municipality_id(row)
        if self._session.get_one(Organisation, owner).kind == "municipality":
            return owner
        asset = self._session.get(Asset, row["id"])
        if asset is not None:
            return asset.municipality_id
        near = Counter(self._session.scalars(select(Asset.municipality_id).where(Asset.site_id == site)))
        if not near:
            raise _CellError("municipality", f"site {site!r} has no asset that would tell it; write municipality = …")
        return near.most_common(1)[0][0]

    def _device(self, row: Values) -> None:
        gateway = self._find(Gateway, row["gateway"], "gateway", "gateway").id
        if row["id"] != gateway and self._session.get(Gateway, row["id"]) is not None:
            raise _CellError("id", f"{row['id']!r} is a gateway; a device behind another one needs its own id")
        there = self._session.get(Device, row["id"])
        named = {"name": row.get("name", row["id"] if there is None else there.name), **_given(row, "name_en")}
        self._put("device", Device, row["id"], **_named(named), **_given(row, "model"))
        self._place(row["id"], gateway)

    def _placement(self, device: str) -> Placement | None:
        """Where the device is now."""
        query = select(Placement).where(Placement.device_id == device, Placement.until_us.is_(None))
        return self._session.scalars(query.order_by(Placement.from_us.desc())).first()

    def _place(self, device: str, gateway: str) -> None:
        placed = self._placement(device)
        if placed is not None and placed.gateway_id == gateway:
            return
        if placed is not None:
            placed.until_us = self._at_us
            self._report.notes.append(f"device {device!r} moved from gateway {placed.gateway_id!r} to {gateway!r}")
        first = placed is None
        self._session.add(
            Placement(device_id=device, gateway_id=gateway, from_us=0 if first else self._at_us, until_us=None)
        )

    def _datastream(self, row: Values) -> None:
        asset = self._find(Asset, row["asset"], "asset", "asset").id
        device = self._find(Device, row["device"], "device", "device").id
        metric, limits = row["metric"], _limits(row)
        query = select(Datastream).where(
            Datastream.device_id == device, Datastream.metric == metric, Datastream.until_us.is_(None)
        )
        there = self._session.scalars(query).first()
        unit = _unit(row, catalogue()[metric].unit if there is None else there.unit)
        ended = there is not None and (there.asset_id, there.unit) != (asset, unit)
        if there is not None and ended:
            there.until_us = self._at_us
            self._report.notes.append(
                f"datastream {there.id} ({device}/{metric} of asset {there.asset_id}, in {there.unit}) ended; "
                f"a new one begins (asset {asset}, in {unit})"
            )
        if there is None or ended:
            there = Datastream(
                asset_id=asset, device_id=device, metric=metric, unit=unit,
                from_us=self._at_us if ended else 0, **limits, **_given(row, "interval_s"),
            )  # fmt: skip
            self._session.add(there)
            self._session.flush()
            self._report.created["datastream"] += 1
            changed = None
        else:
            changed = _set(there, {**limits, **_given(row, "interval_s")})
        recalibrated = self._calibrate(there, row)
        if changed is not None:
            (self._report.updated if changed or recalibrated else self._report.unchanged)["datastream"] += 1

    def _calibrate(self, datastream: Datastream, row: Values) -> bool:
        """Whether the calibration changed. A new datastream's first one holds from its beginning."""
        query = select(Calibration).where(Calibration.datastream_id == datastream.id, Calibration.until_us.is_(None))
        there = self._session.scalars(query).first()
        wanted = {"source_unit": None, "scale": 1.0, "offset": 0.0}
        if there is not None:
            wanted = {name: getattr(there, name) for name in wanted}
        before, wanted = wanted, wanted | _given(row, *wanted)
        if before == wanted:
            return False
        from_us = datastream.from_us
        if there is not None:
            there.until_us = from_us = self._at_us
        self._session.add(Calibration(datastream_id=datastream.id, from_us=from_us, until_us=None, **wanted))
        return True

    # ---------------------------------------------------------------- what can be operated

    def _actuator(self, row: Values) -> None:
        """Which asset it belongs to; what it takes is its gateway's to say, and may have been said already."""
        key = {"gateway_id": self._find(Gateway, row["gateway"], "gateway", "gateway").id, "name": row["name"]}
        values = {"asset_id": self._find(Asset, row["asset"], "asset", "asset").id, **_given(row, "label", "label_en")}
        there = self._session.get(Actuator, tuple(key.values()))
        if there is None:
            self._session.add(Actuator(**key, **values))
            self._report.created["actuator"] += 1
        else:
            changed = _set(there, values)
            (self._report.updated if changed else self._report.unchanged)["actuator"] += 1

    # ---------------------------------------------------------------- finding and putting

    def _put(self, table: str, model: type[Base], key: str, /, **values: object) -> None:
        there = self._session.get(model, key)
        if there is None:
            self._session.add(model(id=key, **values))
            self._session.flush()
            self._report.created[table] += 1
        elif _set(there, values):
            self._report.updated[table] += 1
        else:
            self._report.unchanged[table] += 1

    def _find(self, model: type[Any], key: str, column: str, word: str) -> Any:  # noqa: ANN401 - a row of any table
        there = self._session.get(model, key)
        if there is None:
            known = list(self._session.scalars(select(model.id)))
            raise _CellError(column, f"unknown {word} {key!r}{suggestion(key, known)}")
        return there

    def _by_name(self, model: type[Any], written: str, column: str, word: str) -> Any:  # noqa: ANN401 - same
        """By its id, or by its Japanese or English name, as ledgers have it."""
        there = self._session.get(model, written)
        if there is not None:
            return there
        named = self._session.scalars(select(model).where((model.name == written) | (model.name_en == written))).all()
        if len(named) > 1:
            raise _CellError(column, f"{len(named)} {word}s are named {written!r}; write the id")
        return named[0] if named else self._find(model, written, column, word)

    def _organisation_id(self, row: Values, column: str) -> str:
        return str(self._by_name(Organisation, row[column], column, "organisation").id)

    def _owner_id(self, row: Values, site: Site) -> str:
        return self._organisation_id(row, "organisation") if "organisation" in row else site.organisation_id

    def _municipality_id(self, row: Values) -> str:
        found = self._by_name(Organisation, row["municipality"], "municipality", "municipality")
        if found.kind != "municipality":
            raise _CellError("municipality", f"{found.id!r} is a {found.kind}, not a municipality")
        return str(found.id)

    def _site_of(self, row: Values) -> Site:
        if "site" in row:
            site: Site = self._by_name(Site, row["site"], "site", "site")
            return site
        if "organisation" not in row:
            raise _CellError("site", "missing; write the site, or the organisation where that has only one")
        owner = self._organisation_id(row, "organisation")
        sites = self._session.scalars(select(Site).where(Site.organisation_id == owner)).all()
        if len(sites) != 1:
            raise _CellError("site", f"missing, and {owner!r} has {len(sites)} sites; write which one")
        return sites[0]


def _named(row: Values) -> Values:
    return {"name": row["name"], "name_en": row.get("name_en", row["name"])}


def _given(row: Values, *columns: str) -> Values:
    """Only what the file says: the rest keeps what it has, or takes its default."""
    return {column: row[column] for column in columns if column in row}


def _set(there: Base, values: Mapping[str, object]) -> bool:
    """Whether anything is now otherwise."""
    different = {name: value for name, value in values.items() if getattr(there, name) != value}
    for name, value in different.items():
        setattr(there, name, value)
    return bool(different)


def _unit(row: Values, otherwise: str) -> str:
    """In which unit the datastream is stored."""
    known = catalogue()[row["metric"]]
    unit = str(row.get("unit", otherwise))
    for column, code, target in (("unit", unit, known.unit), ("source_unit", str(row.get("source_unit", unit)), unit)):
        try:
            conversion(code, target)
        except RejectedError as error:
            raise _CellError(column, f"{error}; {known.id} is stored in {known.unit}") from None
    return unit


def _limits(row: Values) -> Values:
    limits = _given(row, "low", "high", "suspect_low", "suspect_high")
    for low, high in (("low", "high"), ("suspect_low", "suspect_high")):
        if low in limits and high in limits and limits[low] >= limits[high]:
            raise _CellError(low, f"{limits[low]:g} is not below {high} = {limits[high]:g}; exchange them?")
    return limits
