"""`satomori edge`: runs the agent, or says what it would read."""

import asyncio

import click

from satomori_core.broker import broker_address, load_broker
from satomori_core.cli import Invocation, common_options, print_rows
from satomori_core.errors import SettingsError
from satomori_edge.settings import load_edge, plan, warnings

COLUMNS = ("source", "line", "item", "device", "metric", "unit", "every_s")


@click.command()
@click.option("--check", is_flag=True, help="Validate the settings, open nothing, say what would be read.")
@common_options
def edge(invocation: Invocation, check: bool) -> None:
    """Read sensors and send what they say; keep it until it is acknowledged."""
    faults: list[str] = []
    try:
        broker = load_broker(invocation.config)
    except SettingsError as error:
        faults.append(str(error))
    try:
        settings = load_edge(invocation.config)
    except SettingsError as error:
        faults += [fault for fault in [str(error)] if fault not in faults]
    if faults:
        raise SettingsError("\n".join(faults))
    address = broker_address(broker, mqtt5=settings.uplink.protocol == "5")
    if check:
        for warning in warnings(settings):
            click.echo(f"warning: {warning}", err=True)
        print_rows(
            [{column: getattr(row, column) for column in COLUMNS} for row in plan(settings)], as_json=invocation.json
        )
        return
    from satomori_edge.agent import run_agent  # noqa: PLC0415 - checking needs no client library

    asyncio.run(run_agent(settings, address, invocation.state))
