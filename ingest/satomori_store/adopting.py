"""Adopts what the quarantine holds as unknown: its gateway, its device and place behind it, and its datastreams.

Everything that an import checks is checked here too, since it is the same code: an adoption is an import of a few rows
that the quarantine's own content gives.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from satomori_core.clock import now_us
from satomori_core.errors import ConflictError, NotFoundError
from satomori_core.metrics import catalogue
from satomori_core.topics import is_name
from satomori_store.databases import translated
from satomori_store.importing import ImportReport, import_rows
from satomori_store.ledger import Ledger
from satomori_store.models import Asset, Gateway
from satomori_store.registry_files import FileRow

# Reasons that an adoption can mend.
_REASONS = ("unknown_gateway", "unknown_device", "unknown_metric")


@dataclass(frozen=True, slots=True)
class UnknownDevice:
    """What waits from one device behind one gateway; `foreign`: metrics that the catalogue does not have."""

    gateway: str
    device: str
    metrics: Sequence[str]
    foreign: Sequence[str]
    waiting: int
    first_us: int
    last_us: int

    @property
    def command(self) -> str:
        """What to type; the asset is the operator's to say."""
        metrics = "".join(f" --metric {metric}" for metric in self.metrics)
        return f"satomori registry adopt {self.device} --gateway {self.gateway} --asset ASSET{metrics}"


def unknown_devices(ledger: Ledger) -> list[UnknownDevice]:
    """Devices and metrics that the quarantine holds as unknown and whose names could be in a registry."""
    found: dict[tuple[str, str], dict[str, tuple[int, int, int]]] = {}
    for row in ledger.quarantine_summary():
        if row.reason in _REASONS and all(map(is_name, (row.gateway, row.device, row.metric))):
            metrics = found.setdefault((row.gateway, row.device), {})
            count, first_us, last_us = metrics.get(row.metric, (0, row.first_us, row.last_us))
            metrics[row.metric] = (count + row.count, min(first_us, row.first_us), max(last_us, row.last_us))
    return [
        UnknownDevice(
            gateway,
            device,
            sorted(m for m in metrics if m in catalogue()),
            sorted(m for m in metrics if m not in catalogue()),
            sum(count for count, _, _ in metrics.values()),
            min(first_us for _, first_us, _ in metrics.values()),
            max(last_us for _, _, last_us in metrics.values()),
        )
        for (gateway, device), metrics in sorted(found.items())
    ]


def adopt(
    engine: Engine,
    ledger: Ledger,
    device: str,
    *,
    asset: str,
    gateway: str | None = None,
    metrics: Sequence[str] = (),
    unit: str | None = None,
    name: str | None = None,
) -> ImportReport:
    """Make the device and a datastream of `asset` for each metric: those named, or all that wait in quarantine.

    A gateway that is not in the registry is made too, at the asset's site: `direct` where it is the device itself.
    `unit`: what values mean that come without one. Raise NotFoundError where nothing waits, ConflictError where it is
    not clear what is meant.
    """
    waiting = [u for u in unknown_devices(ledger) if u.device == device and gateway in {None, u.gateway}]
    if gateway is None:
        if len(waiting) != 1:
            behind = ", ".join(u.gateway for u in waiting) or "no gateway"
            raise ConflictError(f"device {device!r} waits in quarantine behind {behind}; say which with --gateway")
        gateway = waiting[0].gateway
    wanted = list(metrics) or [metric for u in waiting for metric in u.metrics]
    if not wanted:
        foreign = ", ".join(metric for u in waiting for metric in u.foreign)
        raise NotFoundError(
            f"nothing of device {device!r} behind {gateway!r} waits in quarantine that the catalogue of metrics knows"
            + (f" (it sends {foreign}: rename these where they are sent)" if foreign else "; name it with --metric")
        )
    named = {} if name is None else {"name": name}
    # Only a gateway that was heard is made, so that a slip of the pen makes none.
    rows = _gateway_rows(engine, gateway, device, asset) if waiting else []
    if device != gateway:  # a gateway's own device comes with it
        rows.append(FileRow("device", 1, {"id": device, "gateway": gateway, **named}))
    for metric in wanted:
        row = {"asset": asset, "device": device, "metric": metric}
        if unit is not None:
            row["source_unit"] = unit
        rows.append(FileRow("datastream", 1, row))
    return import_rows(engine, "adopt", rows, [], now_us())


def _gateway_rows(engine: Engine, gateway: str, device: str, asset: str) -> list[FileRow]:
    with translated(engine), Session(engine) as session:
        if session.get(Gateway, gateway) is not None:
            return []
        there = session.get(Asset, asset)
    if there is None:
        raise NotFoundError(f"asset {asset!r} is not in the registry; see: satomori registry list assets")
    kind = "direct" if gateway == device else "edge"
    return [FileRow("gateway", 1, {"id": gateway, "site": there.site_id, "kind": kind, "name": gateway})]
