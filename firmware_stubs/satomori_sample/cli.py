"""`satomori simulate`: the sample region's devices, and recordings sent as if by a device."""

import asyncio
import contextlib
import dataclasses
import functools
import json
import math
import signal
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from satomori_sample.broker import Broker, end
from satomori_sample.history import History
from satomori_sample.live import TRUTH, Live, write_truth
from satomori_sample.plan import SEED, Plan, load_plan
from satomori_sample.prepare import prepare as write_files
from satomori_sample.recording import Recording, load_map, read_recording, registry_fragment, usual_interval_s
from satomori_sample.region import build_region
from satomori_sample.replay import Replay
from satomori_sample.state import State

DEFAULT_URL = Broker().url
_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)
Command = Callable[..., Any]

# How much earlier than now the history ends: live values start a moment before it does.
BEFORE_LIVE_S = 60.0


def tell(record: dict[str, object]) -> None:
    """One JSON object a line, for whoever started us."""
    click.echo(json.dumps(record, ensure_ascii=False))


def broker_options(command: Command) -> Command:
    """Give a command its `broker`."""

    @functools.wraps(command)
    def wrapped(
        *args: object,
        broker_url: str | None,
        mqtt_port: int | None,
        username: str | None,
        password_file: Path | None,
        ca_file: Path | None,
        **kwargs: object,
    ) -> object:
        if broker_url is not None and mqtt_port is not None:
            raise click.UsageError("give --broker-url or --mqtt-port, not both")
        url = broker_url or (f"mqtt://127.0.0.1:{mqtt_port}" if mqtt_port else DEFAULT_URL)
        files = [str(path.resolve()) if path else None for path in (password_file, ca_file)]
        return command(*args, broker=Broker(url, username, *files), **kwargs)

    for option in (
        click.option("--ca-file", type=_FILE, default=None, help="CA of an mqtts:// broker, if not the system's."),
        click.option("--password-file", type=_FILE, default=None, help="File that holds the broker's password."),
        click.option("--username", default=None, help="Name at the broker."),
        click.option("--mqtt-port", type=int, default=None, help="Short for --broker-url mqtt://127.0.0.1:PORT."),
        click.option("--broker-url", default=None, help=f"mqtt:// or mqtts:// address. [default: {DEFAULT_URL}]"),
    ):
        wrapped = option(wrapped)
    return wrapped


def replay_options(command: Command) -> Command:
    for option in (
        click.option("--patience-s", type=float, default=60.0, show_default=True, help="Give up without any ack."),
        click.option("--write-registry", type=_FILE, default=None, help="Only write the registry's fragment here."),
        click.option("--until", "until", default=None, help="When the last row is: now, or an ISO time."),
        click.option("--from", "from_", default=None, help="When the first row is: now, or an ISO time."),
        click.option("--speed", default="1", show_default=True, help="Recorded seconds a second, or max."),
        click.option("--map", "map_name", default=None, help="What the columns are: a file, or a shipped map's name."),
    ):
        command = option(command)
    return broker_options(command)


@click.group(invoke_without_command=True)
@click.option("--replay", "file", type=_FILE, default=None, help="Send this recording; as `simulate replay FILE`.")
@replay_options
@click.pass_context
def simulate(context: click.Context, /, file: Path | None, **options: Any) -> None:  # noqa: ANN401 - replay's own
    r"""A sample region with faults on a script, or a recording sent as if by a device.

    \b
    satomori simulate prepare DIR              write the region's files
    satomori simulate run DIR                  be its devices: 30 days of history, then live
    satomori simulate --replay FILE.csv --map MAP
    """
    if context.invoked_subcommand is None:
        if file is None:
            click.echo(context.get_help())
            return
        _replay(file, **options)
    elif file is not None:
        raise click.UsageError("--replay goes without a subcommand")


@simulate.command()
@click.argument("folder", type=_FOLDER)
@click.option("--seed", type=int, default=SEED, show_default=True, help="Everything follows from it.")
@click.option("--interval", "interval_s", type=click.FloatRange(1), default=10.0, show_default=True, help="Live, in s.")
@click.option("--days", type=click.FloatRange(0.01, 3660), default=30.0, show_default=True, help="Of history.")
@broker_options
def prepare(folder: Path, seed: int, interval_s: float, days: float, broker: Broker) -> None:
    """Write the registry file, the edge agents' settings and the plan of faults into FOLDER."""
    plan = Plan(seed=seed, live_interval_s=interval_s, history_days=days, broker=broker)
    broker.check()  # says now what would not work later
    for path in write_files(folder, plan):
        tell({"written": str(path)})


@simulate.command()
@click.argument("folder", type=_FOLDER)
def history(folder: Path) -> None:
    """Send the history alone, once; a restart goes on where it was."""
    plan, state = load_plan(folder), State(folder)

    async def work() -> None:
        await _send_history(plan, state, folder)
        tell({"ready": True})

    _run(work())


@simulate.command()
@click.argument("folder", type=_FOLDER)
@click.option(
    "--interval", "interval_s", type=click.FloatRange(1), default=None, help="Seconds; instead of the plan's."
)
def run(folder: Path, interval_s: float | None) -> None:
    """Be the region's devices until stopped: history, unless it is in, then live with faults on the plan's script."""
    plan, state = load_plan(folder), State(folder)
    if interval_s is not None:
        plan = dataclasses.replace(plan, live_interval_s=interval_s)

    async def work() -> None:
        live = Live(plan, build_region(), folder, state)
        living = asyncio.create_task(live.run(tell), name="live")
        sending = asyncio.create_task(_send_history(plan, state, folder), name="history")
        try:
            await asyncio.wait({living, sending}, return_when=asyncio.FIRST_COMPLETED)
            if living.done():
                living.result()
            sending.result()
            live.begin_script(time.time())
            tell({"ready": True})
            await living
        finally:
            await end([living, sending])
            live.close()

    _run(work())


@simulate.command()
@click.argument("file", type=_FILE)
@replay_options
def replay(file: Path, **options: Any) -> None:  # noqa: ANN401 - the same as of --replay
    """Send a recording as its device would have: numbered, until every value is acknowledged."""
    _replay(file, **options)


async def _send_history(plan: Plan, state: State, folder: Path) -> None:
    if state.is_history_done:
        return
    is_first = not (folder / TRUTH).exists()
    # Live values began a moment ago: the past ends before them, so that no sensor says one moment twice.
    sent = await asyncio.to_thread(History, plan, build_region(), state, time.time() - BEFORE_LIVE_S)
    if is_first:
        write_truth(folder / TRUTH, sent.faults, "history")
    await sent.run(plan.broker, tell)


def _replay(
    file: Path, *, map_name: str | None, speed: str, from_: str | None, until: str | None, write_registry: Path | None,
    patience_s: float, broker: Broker,
) -> None:  # fmt: skip
    if map_name is None:
        raise click.UsageError("--map is missing: it says what the recording's columns are (for example pump_rig)")
    chosen = load_map(map_name)
    recording = read_recording(file, chosen)
    if write_registry is not None:
        write_registry.write_text(registry_fragment(chosen, usual_interval_s(recording.at_us)), encoding="utf-8")
        tell({"written": str(write_registry)})
        return
    played = Replay(_shifted(recording, from_, until), chosen, _speed(speed))
    broker.check()

    async def work() -> None:
        feed = await played.run(broker, tell, patience_s)
        told = {"sent": feed.sent, "set_aside": feed.set_aside, "empty_cells": recording.empty, "stream": feed.stream}
        tell({"ready": True, **told})
        if feed.set_aside:
            raise click.ClickException(
                f"{feed.set_aside} values were set aside, see `satomori quarantine list`; is the recording registered "
                "(--write-registry, then `satomori registry import`)?"
            )

    _run(work())


def _speed(text: str) -> float:
    if text == "max":
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not speed > 0:
        raise click.UsageError(f"--speed {text!r}: a number above 0, or max")
    return speed


def _shifted(recording: Recording, from_: str | None, until: str | None) -> Recording:
    """In time as a whole, to the µs; as recorded where neither end is given."""
    if from_ is not None and until is not None:
        raise click.UsageError("give --from or --until, not both: the recording has its own length")
    if from_ is not None:
        return recording.shifted(_moment_us(from_) - min(recording.at_us))
    if until is not None:
        return recording.shifted(_moment_us(until) - max(recording.at_us))
    return recording


def _moment_us(text: str) -> int:
    if text == "now":
        return time.time_ns() // 1_000_000 * 1000
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{text!r}: now, or a time such as 2026-11-23T09:00:00+09:00") from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return round(at.timestamp() * 1e6)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """To its end, or until SIGTERM or Ctrl-C, which end it cleanly."""

    async def main() -> None:
        task = asyncio.ensure_future(work)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())
