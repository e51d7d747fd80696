"""Where the broker is and how to reach it: one MQTT connection that comes back by itself, with jitter."""

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiomqtt
import click

BACKOFF_MAX_S = 5.0
KEEP_ALIVE_S = 15
IN_FLIGHT_MAX = 200

Tell = Callable[[dict[str, object]], None]


@dataclass(frozen=True, slots=True)
class Broker:
    """`url`: mqtt://host:port or mqtts://host:port. The password stays in its file."""

    url: str = "mqtt://127.0.0.1:11883"
    username: str | None = None
    password_file: str | None = None
    ca_file: str | None = None

    def check(self) -> None:
        """Raise click.UsageError for what can't work. Connects to nothing."""
        self._reach()

    def client(self, identifier: str, will: aiomqtt.Will | None = None) -> aiomqtt.Client:
        """A client that is not connected yet; inside a running event loop."""
        host, port, password, tls = self._reach()
        client = aiomqtt.Client(
            host,
            port,
            username=self.username,
            password=password,
            tls_context=tls,
            identifier=identifier,
            will=will,
            keepalive=KEEP_ALIVE_S,
            max_inflight_messages=IN_FLIGHT_MAX,
            timeout=10,
        )
        client.pending_calls_threshold = IN_FLIGHT_MAX  # where it would begin to warn
        return client

    def _reach(self) -> tuple[str, int, str | None, ssl.SSLContext | None]:
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise click.UsageError(f"broker {self.url!r}: {error}") from None
        if parts.scheme not in {"mqtt", "mqtts"} or not host:
            raise click.UsageError(f"broker {self.url!r}: expected mqtt://host:1883 or mqtts://host:8883")
        try:
            password = Path(self.password_file).read_text(encoding="utf-8").strip() if self.password_file else None
            tls = ssl.create_default_context(cafile=self.ca_file) if parts.scheme == "mqtts" else None
        except OSError as error:
            raise click.UsageError(f"broker {self.url}: {error}") from None
        return host, port or (8883 if tls else 1883), password, tls


async def stay_connected(
    connect: Callable[[], aiomqtt.Client],
    talk: Callable[[aiomqtt.Client], Awaitable[None]],
    tell: Tell,
) -> None:
    """`talk` on a connection until it returns; on a new one whenever a connection breaks."""
    wait_s, told = 0.2, False
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            async with connect() as client:
                told = False
                await talk(client)
                return
        except aiomqtt.MqttError as error:
            if not told:
                tell({"event": "no connection to the broker, trying again", "level": "warning", "why": str(error)})
                told = True
        if loop.time() - began > 10:
            wait_s = 0.2
        await asyncio.sleep(wait_s * (0.5 + random.random()))
        wait_s = min(2 * wait_s, BACKOFF_MAX_S)


async def together(background: asyncio.Task[None], *work: Coroutine[Any, Any, None]) -> None:
    """Until all `work` is done; the first failure of it or of `background` ends all and is raised as itself."""
    tasks = {asyncio.create_task(coroutine) for coroutine in work}
    try:
        left = set(tasks)
        while left:
            done, _ = await asyncio.wait({*left, background}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            left -= done
    finally:
        await end({*tasks, background})


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel them until they are done: in Python 3.11 `wait_for`, which libraries use, may swallow a cancellation."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1.0)
