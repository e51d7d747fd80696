"""`satomori api` serves REST and the console; `satomori api link` gives somebody a new one-time link."""

import os
import signal
import socket
from dataclasses import replace
from pathlib import Path
from types import FrameType

import click
import uvicorn
from typing_extensions import override

from satomori_api.app import create_app, open_context
from satomori_api.auth import FIRST_LOGIN_FILE, link_url
from satomori_api.context import ApiContext
from satomori_api.live import Feed
from satomori_core.cli import Invocation, common_options
from satomori_core.errors import SettingsError
from satomori_core.logs import get_logger

# Of the five seconds that a supervisor gives: open streams and pages are cut off after these.
GRACE_S = 2

log = get_logger("api")


@click.group(invoke_without_command=True)
@click.option("--host", default=None, help="Address to listen on. [default: as in [api], 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="[default: as in [api], 8686]")
@click.option("--console/--no-console", default=True, help="Serve the console's pages too.")
@common_options
@click.pass_context
def api(
    click_context: click.Context, invocation: Invocation, host: str | None, port: int | None, console: bool
) -> None:
    """Serve the REST interface, the live stream and the console."""
    click_context.obj = invocation
    if click_context.invoked_subcommand is None:
        serve(invocation, host, port, console=console)


@api.command()
@click.option("--user", default="admin", show_default=True, help="Whose link.")
@click.pass_obj
def link(invocation: Invocation, user: str) -> None:
    """Print a new one-time link, for somebody who has lost access. It asks for a new password."""
    context = open_context(invocation.state, invocation.config)
    try:
        click.echo(link_url(context, context.accounts.new_link(user)))
    finally:
        context.close()


def serve(invocation: Invocation, host: str | None, port: int | None, *, console: bool) -> None:
    """Until SIGTERM or SIGINT. Raise SettingsError where the address can't be had."""
    context = open_context(invocation.state, invocation.config)
    settings = context.settings
    settings = replace(settings, host=host or settings.host, port=settings.port if port is None else port)
    listener = listen(settings.host, settings.port)
    settings = replace(settings, port=listener.getsockname()[1])
    context = replace(context, settings=settings)
    app = create_app(context, mounts=console)
    try:
        show_first_link(context)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            timeout_graceful_shutdown=GRACE_S,
            timeout_keep_alive=30,
        )
        server = _Server(config, app.state.feed)
        server.hear_signals()
        log.info("listening", url=settings.url)
        server.run(sockets=[listener])
    finally:
        listener.close()
        context.close()
    log.info("stopped")


class _Server(uvicorn.Server):
    """Ends the live streams by itself, so that their listeners see an end and no broken answer."""

    def __init__(self, config: uvicorn.Config, feed: Feed) -> None:
        super().__init__(config)
        self._feed = feed

    def hear_signals(self) -> None:
        """Uvicorn's own handlers stand only while it serves, and then raise the signal again.

        Ours stand before and after: none is missed at the start, and the program ends with status 0.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._tell)

    def _tell(self, _number: int, _frame: FrameType | None) -> None:
        self.should_exit = True

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._feed.stop()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; the kernel takes connections from now on. Raise SettingsError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise SettingsError(
            f"[api] can't listen on {host} port {port}: {error.strerror}; is another `satomori api` running? "
            "Choose another with --port or [api] port"
        ) from None


def show_first_link(context: ApiContext) -> None:
    """As long as no administrator has a password: a one-time link on stdout and, for its owner only, in a file."""
    path = context.state / FIRST_LOGIN_FILE
    token = context.accounts.first_link()
    if token is None:
        path.unlink(missing_ok=True)
        return
    url = link_url(context, token)
    write_private(path, url + "\n")
    log.info("first login", url=url, valid_hours=context.settings.link_hours, file=str(path))


def write_private(path: Path, text: str) -> None:
    """Readable by us alone from its first byte on, and never half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
