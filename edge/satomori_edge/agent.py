"""The agent: all sources, the outbox, the uplink and the health reports in one TaskGroup, until it is told to stop."""

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from satomori_core.broker import BrokerAddress
from satomori_core.errors import UnavailableError
from satomori_core.lock import StateLock
from satomori_core.logs import get_logger
from satomori_core.readings import Reading
from satomori_edge.actuators.operator import operating
from satomori_edge.clock import CLOCK
from satomori_edge.health import look
from satomori_edge.keeper import Keeper
from satomori_edge.marks import Mark
from satomori_edge.settings import EdgeSettings, warnings
from satomori_edge.sources.base import Sink, Source
from satomori_edge.uplink import Uplink

MIND_S = 1.0
UNKNOWN_S = 0.1  # while the time is not known: what comes waits for it

log = get_logger("edge")


def make_sources(settings: EdgeSettings, marks: Sequence[Mark]) -> list[Source]:
    """What a gateway does not use is not imported: it is small."""
    sources: list[Source] = []
    if settings.modbus:
        from satomori_edge.sources.modbus import ModbusSource  # noqa: PLC0415

        sources += [ModbusSource(bus) for bus in settings.modbus]
    if settings.sdi12:
        from satomori_edge.sources.sdi12_bus import Sdi12Source  # noqa: PLC0415

        sources += [Sdi12Source(bus) for bus in settings.sdi12]
    if settings.text:
        from satomori_edge.sources.text import TextSource  # noqa: PLC0415

        sources += [TextSource(line) for line in settings.text]
    if settings.frames:
        from satomori_edge.sources.framed import FramesSource  # noqa: PLC0415

        sources += [FramesSource(line, marks) for line in settings.frames]
    if settings.nmea:
        from satomori_edge.sources.nmea import NmeaSource  # noqa: PLC0415

        sources += [NmeaSource(station) for station in settings.nmea]
    if settings.mqtt:
        from satomori_edge.sources.mqtt import MqttSource  # noqa: PLC0415

        zone = ZoneInfo(settings.timezone)
        names = [f"satomori-{settings.gateway}-{index}" for index in range(len(settings.mqtt))]
        sources += [MqttSource(broker, name, zone) for broker, name in zip(settings.mqtt, names, strict=True)]
    return sources


class Doorkeeper:
    """Lets readings in and tells, once for each device, when two sources use one name; which is right it can't know."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._owners: dict[str, str] = {}
        self._told: set[str] = set()

    def sink(self, source: str) -> Sink:
        async def put(readings: Sequence[Reading], mark: Mark | None = None, /) -> None:
            for device in {reading.device for reading in readings}:
                owner = self._owners.setdefault(device, source)
                if owner != source and device not in self._told:
                    self._told.add(device)
                    log.error("two devices with one name", device=device, sources=[owner, source])
            await self._keeper.put(readings, mark)

        return put


async def run_agent(settings: EdgeSettings, address: BrokerAddress, state: Path) -> None:
    """Until SIGTERM or SIGINT. Raise SettingsError where another agent uses `state`."""
    lock = StateLock(state, "edge")
    keeper = Keeper(state / "outbox.sqlite", settings.outbox)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    if settings.clock == "auto":
        CLOCK.judge()
    try:
        await keeper.open()
        sources = make_sources(settings, await keeper.marks())
        doorkeeper = Doorkeeper(keeper)
        for warning in warnings(settings):
            log.warning("settings", what=warning)
        async with operating(settings, sources, state, CLOCK.is_known) as operator:
            uplink = Uplink(keeper, settings.uplink, settings.gateway, address, operator)
            log.info("edge starts", gateway=settings.gateway, sources=[s.name for s in sources], waiting=keeper.count)
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(source.run(doorkeeper.sink(source.name)), name=source.name) for source in sources
                ]
                tasks.append(group.create_task(uplink.run(), name="uplink"))
                tasks.append(group.create_task(operator.run(), name="operator"))
                tasks.append(group.create_task(_mind(keeper), name="mind"))
                tasks.append(group.create_task(_report_health(settings, keeper, sources), name="health"))
                await stopping.wait()
                await operator.retire()
                for task in tasks:
                    task.cancel()
    finally:
        await keeper.close()
        lock.release()
        log.info("edge stopped", gateway=settings.gateway, waiting=keeper.count)


async def _report_health(settings: EdgeSettings, keeper: Keeper, sources: Sequence[Source]) -> None:
    while True:
        await asyncio.sleep(settings.health_interval_s)
        with contextlib.suppress(UnavailableError):  # the keeper has told it
            await keeper.put(await look(settings.gateway, keeper, sources, CLOCK))


async def _mind(keeper: Keeper) -> None:
    """What waits for the time to be known, or for the disk to be all right again."""
    while True:
        CLOCK.look()
        if CLOCK.is_known():
            with contextlib.suppress(UnavailableError):  # the disk fails: another time
                await keeper.stamp(CLOCK.boot_at_us())
        await keeper.settle()
        await asyncio.sleep(MIND_S if CLOCK.is_known() else UNKNOWN_S)
