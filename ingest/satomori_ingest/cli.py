"""Commands: `broker`, `ingest`, `quarantine list|replay`.

Each imports what it needs when it is called: the broker's process is spared the 40 MB of database libraries.
"""
# ruff: noqa: PLC0415 - see above

import asyncio
import gc
import signal
from typing import TYPE_CHECKING

import click

from satomori_core.broker import broker_address, load_broker
from satomori_core.cli import Invocation, common_options, print_rows
from satomori_core.clock import to_iso
from satomori_core.errors import SettingsError
from satomori_core.logs import get_logger

if TYPE_CHECKING:
    from satomori_ingest.service import Service
    from satomori_store.port import QuarantineRow

log = get_logger("ingest")


@click.command()
@common_options
def broker(invocation: Invocation) -> None:
    """Run the embedded MQTT broker (MQTT 3.1.1 and 5, on this machine only)."""
    from satomori_ingest.broker import serve

    serve(load_broker(invocation.config), invocation.state)


@click.command()
@common_options
def ingest(invocation: Invocation) -> None:
    """Take messages from the broker, check and store them, acknowledge them."""
    from satomori_ingest.service import Service
    from satomori_ingest.settings import load_ingest
    from satomori_ingest.stores import open_stores

    settings = load_ingest(invocation.config)
    address = broker_address(load_broker(invocation.config), mqtt5=settings.protocol == "5")
    stores = open_stores(invocation.state, invocation.config)
    # A batch makes many small lists and no cycles: the collector is to come by more rarely.
    gc.set_threshold(100_000, 50, 100)
    try:
        asyncio.run(_serve(Service(settings, address, stores)))
    except BaseExceptionGroup as group:
        raise _settings_error(group) or group from None
    finally:
        stores.observations.close()
    log.info("ingest stopped")


async def _serve(service: "Service") -> None:
    """Until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(service.run(), name="ingest")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        return


@click.group()
def quarantine() -> None:
    """What was set aside, and why."""


@quarantine.command("list")
@click.option("--records", is_flag=True, help="Each record, newest first, instead of counts.")
@click.option("--reason", default=None)
@click.option("--gateway", default=None)
@click.option("--device", default=None)
@click.option("--limit", default=100, show_default=True)
@common_options
def list_(
    invocation: Invocation, *, records: bool, reason: str | None, gateway: str | None, device: str | None, limit: int
) -> None:
    """Counts by reason, gateway, device and metric, or the records themselves."""
    from satomori_store.opening import open_ledger

    ledger = open_ledger(invocation.state, invocation.config)
    try:
        if records:
            entries = ledger.quarantine(limit, 0, reason, gateway=gateway, device=device)
            rows = [_entry_row(entry.id, entry.row) for entry in entries]
        else:
            rows = [
                {
                    "reason": c.reason, "gateway": c.gateway, "device": c.device, "metric": c.metric,
                    "count": c.count, "first": to_iso(c.first_us), "last": to_iso(c.last_us), "detail": c.detail,
                }
                for c in ledger.quarantine_summary()
                if reason in {None, c.reason} and gateway in {None, c.gateway} and device in {None, c.device}
            ]  # fmt: skip
    finally:
        ledger.close()
    print_rows(rows, as_json=invocation.json)


@quarantine.command("replay")
@click.argument("ids", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Whatever waits.")
@click.option("--reason", default=None)
@click.option("--gateway", default=None)
@click.option("--device", default=None)
@common_options
def replay_(
    invocation: Invocation,
    *,
    ids: tuple[int, ...],
    everything: bool,
    reason: str | None,
    gateway: str | None,
    device: str | None,
) -> None:
    """Send records through the pipeline again, by their ids or by what they have in common."""
    from satomori_ingest.quarantine import replay
    from satomori_ingest.settings import load_ingest
    from satomori_ingest.stores import make_pipeline, open_stores

    if not (ids or everything or reason or gateway or device):
        raise click.UsageError("name ids, or --reason, --gateway, --device, or --all")
    settings = load_ingest(invocation.config)
    stores = open_stores(invocation.state, invocation.config)
    try:
        chosen = (
            stores.ledger.take_quarantine(ids)
            if ids
            else stores.ledger.quarantine(-1, 0, reason, gateway=gateway, device=device)[::-1]
        )
        report = replay(make_pipeline(settings, stores), stores.ledger, chosen)
    finally:
        stores.observations.close()
    rows: list[dict[str, object]] = [{"outcome": "replayed", "records": report.replayed, "values": report.values}]
    rows += [{"outcome": f"waits: {reason}", "records": n, "values": 0} for reason, n in sorted(report.waiting.items())]
    print_rows(rows, as_json=invocation.json)


def _entry_row(number: int, row: "QuarantineRow") -> dict[str, object]:
    return {
        "id": number, "received": to_iso(row.received_at_us), "reason": row.reason, "topic": row.topic,
        "device": row.device, "metric": row.metric, "stream": row.stream, "seq": row.seq, "detail": row.detail,
        "payload": row.payload[:200].decode("utf-8", "replace"),
    }  # fmt: skip


def _settings_error(error: BaseException) -> SettingsError | None:
    """The one among what ended the tasks that tells the operator what to mend."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for inner in error.exceptions if (found := _settings_error(inner))), None)
    return error if isinstance(error, SettingsError) else None
