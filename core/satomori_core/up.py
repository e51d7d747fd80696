"""`satomori up`: everything on one machine, as separate processes under one supervisor.

Parts are started by their command, so this module imports none of them. With `--sample` the simulated region comes too.
"""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from satomori_core.broker import BrokerSettings, load_broker
from satomori_core.cli import Invocation, common_options
from satomori_core.errors import SettingsError
from satomori_core.lock import StateLock
from satomori_core.settings import load_settings
from satomori_core.supervisor import Part, Supervisor

SERVICES = ("ingest", "api", "analytics", "maintenance")
LOGIN_FILE = "first-login.txt"  # written by the api until the link is used


@dataclass(frozen=True, slots=True)
class UpSettings:
    """`edges`: settings files of edge agents to run on this machine too."""

    services: tuple[str, ...] = SERVICES
    edges: tuple[Path, ...] = ()


@click.command()
@click.option("--sample", is_flag=True, help="Bring the sample region with simulated devices.")
@common_options
def up(invocation: Invocation, sample: bool) -> None:
    """Run everything on this machine until Ctrl-C."""
    settings = load_settings(invocation.config, "up", UpSettings)
    broker = load_broker(invocation.config)
    unknown = set(settings.services) - set(SERVICES)
    if unknown:
        raise SettingsError(f"[up] services: unknown {sorted(unknown)}; known are {', '.join(SERVICES)}")
    lock = StateLock(invocation.state, "up")
    try:
        folder = _prepare_sample(invocation, broker) if sample else None
        screen = _Screen(invocation.state, as_json=invocation.json)
        asyncio.run(_run(plan_parts(invocation, settings, broker, folder, screen), invocation.state / "log"))
    finally:
        lock.release()
    click.echo("stopped")


def plan_parts(
    invocation: Invocation, settings: UpSettings, broker: BrokerSettings, sample: Path | None, screen: "_Screen"
) -> list[Part]:
    """The parts in their starting order; they stop in the reverse one."""
    common = ["--state", str(invocation.state)]
    if invocation.config is not None:
        common += ["--config", str(invocation.config)]
    parts: list[Part] = []
    if broker.url is None:
        parts.append(Part("broker", ["broker", *common], listens=(broker.host, broker.mqtt5_port)))
    parts += [Part(name, [name, *common], on_line=screen.service_line(name)) for name in settings.services]
    edges = list(settings.edges)
    if sample is not None:
        edges += sorted(sample.glob("edge-*.toml"))
    for path in edges:
        state = invocation.state / "edges" / path.stem
        parts.append(Part(path.stem, ["edge", "--config", str(path), "--state", str(state)]))
    if sample is not None:
        parts.append(Part("simulate", ["simulate", "run", str(sample)], on_line=screen.simulate_line))
    else:
        screen.ready()
    return parts


def _prepare_sample(invocation: Invocation, broker: BrokerSettings) -> Path:
    """Write the sample region's files into the state folder, once, and import its registry."""
    folder = invocation.state / "sample"
    if not (folder / "imported").exists():
        _satomori("simulate", "prepare", str(folder), *_broker_options(broker))
        config = ["--config", str(invocation.config)] if invocation.config else []
        _satomori("registry", "import", str(folder / "region.toml"), "--state", str(invocation.state), *config)
        (folder / "imported").touch()
    return folder


def _broker_options(broker: BrokerSettings) -> list[str]:
    """What the simulated devices need to log in where we do; their files name the password's file, not the password."""
    options = ["--broker-url", broker.url or f"mqtt://{broker.host}:{broker.port}"]
    if broker.username is not None:
        options += ["--username", broker.username]
    if broker.password is not None:
        if broker.password.file is None:
            raise SettingsError("[broker] password: with --sample it has to be { file = … }")
        options += ["--password-file", str(broker.password.file.absolute())]
    if broker.ca_file is not None:
        options += ["--ca-file", str(broker.ca_file.absolute())]
    return options


def _satomori(*arguments: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "satomori_core", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SettingsError(f"`satomori {' '.join(arguments[:2])}` failed:\n{done.stderr or done.stdout}")


async def _run(parts: list[Part], log_folder: Path) -> None:
    supervisor = Supervisor(parts, log_folder)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, supervisor.stop)
    await supervisor.run()


class _Screen:
    """What the operator sees: where to look, the history's progress, and what goes wrong."""

    def __init__(self, state: Path, *, as_json: bool) -> None:
        self._state = state
        self._as_json = as_json
        self._shown = -1
        self._url: str | None = None
        self._is_ready = False
        click.echo(f"Satomori 里守 — state in {state}, logs in {state / 'log'}. Ctrl-C stops. / 停止は Ctrl-C。")

    def service_line(self, name: str) -> Callable[[str], None]:
        def on_line(text: str) -> None:
            record = _parse(text)
            if record.get("event") == "listening" and "url" in record:
                self._url = str(record["url"])
                self._welcome()
            if record.get("level") in {"error", "critical"}:
                click.echo(f"[{name}] {text}", err=True)

        return on_line

    def simulate_line(self, text: str) -> None:
        record = _parse(text)
        share = record.get("progress")
        if isinstance(share, int | float):
            self._progress(share, record)
        if record.get("ready"):
            self.ready()

    def ready(self) -> None:
        self._is_ready = True
        self._say({"ready": True}, "ready / 準備完了")
        self._welcome()

    def _welcome(self) -> None:
        if self._url is None:
            return
        self._say({"console": self._url}, f"console / 画面: {self._url}")
        link = self._state / LOGIN_FILE
        if link.exists():
            text = link.read_text(encoding="utf-8").strip()
            self._say({"login": text}, f"first login, once / 初回ログイン（一度だけ）: {text}")

    def _progress(self, share: float, record: dict[str, object]) -> None:
        percent = int(share * 100)
        if percent == self._shown:
            return
        self._shown = percent
        bar = "█" * (percent * 40 // 100)
        total = f"{record.get('acked', '?')}/{record.get('total', '?')}"
        if sys.stdout.isatty() and not self._as_json:
            click.echo(f"\rhistory / 履歴 {bar:<40} {percent:3d} % {total}", nl=percent == 100)
        elif percent % 10 == 0:
            self._say({"progress": share}, f"history / 履歴 {percent} % {total}")

    def _say(self, record: dict[str, object], text: str) -> None:
        click.echo(json.dumps(record) if self._as_json else text)


def _parse(text: str) -> dict[str, object]:
    try:
        record = json.loads(text)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
