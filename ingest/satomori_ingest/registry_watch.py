"""What ingest knows of the registry: read again when its version moves; statuses and signs of life written into it."""

import asyncio
import gc
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

from sqlalchemy import Engine

from satomori_core.errors import RejectedError, UnavailableError
from satomori_core.logs import get_logger
from satomori_ingest.gateways import Gateways
from satomori_ingest.pipeline import Pipeline
from satomori_ingest.protocol import Message
from satomori_store.registry import load_lookup, registry_version

POLL_S = 1.0

log = get_logger("ingest")


class RegistryWatch:
    """`take_statuses` and `take_presence` are called by sessions; `see`, `reload` in the one thread of `run`."""

    def __init__(self, registry: Engine, pipeline: Pipeline) -> None:
        self._registry = registry
        self._pipeline = pipeline
        self._version = -1
        self._gateways = Gateways()
        self._statuses: deque[Message] = deque()
        self._presences: deque[tuple[str, bool, int]] = deque()

    def take_statuses(self, messages: Sequence[Message]) -> None:
        self._statuses.extend(messages)

    def take_presence(self, gateway: str, online: bool, at_us: int) -> None:
        self._presences.append((gateway, online, at_us))

    def see(self, gateway: str, at_us: int) -> None:
        """It sent something."""
        self._gateways.see(gateway, at_us)

    async def run(self, thread: ThreadPoolExecutor) -> NoReturn:
        loop = asyncio.get_running_loop()
        away = False
        while True:
            try:
                await loop.run_in_executor(thread, self._look)
                away = False
            except UnavailableError as error:
                if not away:
                    log.warning("registry away, going on with what is known of it", reason=str(error))
                away = True
            await asyncio.sleep(POLL_S)

    def _look(self) -> None:
        while self._statuses:
            message = self._statuses.popleft()
            try:
                self._gateways.take_status(message)
            except RejectedError as error:
                # It is retained and comes again with each connection, so it is told and not kept.
                log.warning("status not understood", topic=message.topic, reason=str(error))
        while self._presences:
            gateway, online, at_us = self._presences.popleft()
            self._gateways.tell(gateway, online=online, seen_us=at_us)
        self._gateways.write(self._registry)
        self.reload()

    def reload(self) -> bool:
        """Whether it had changed."""
        if registry_version(self._registry) == self._version:
            return False
        lookup = load_lookup(self._registry)
        self._pipeline.use(lookup)
        # The registry stays: the collector of cycles need not look through it again and again.
        gc.collect()
        gc.freeze()
        self._version = lookup.version
        log.info("registry loaded", version=lookup.version, datastreams=len(lookup.datastreams))
        return True
