"""Sensors on an SDI-12 bus, each asked in its turn; while one measures by itself the others have the bus."""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from typing_extensions import override

from satomori_core.errors import RejectedError
from satomori_core.logs import get_logger
from satomori_core.readings import Reading
from satomori_edge.clock import now_us
from satomori_edge.settings import Sdi12Sensor, Sdi12Settings, Sdi12Value
from satomori_edge.sources.base import RETRY_MAX_S, Line, Sink, Source, keep_running, scaled
from satomori_edge.sources.lines import LineSplitter
from satomori_edge.sources.port import Port, open_port
from satomori_edge.sources.sdi12 import TRIES, Ask, Conversation, Pause, SilentError, identify, measure
from satomori_edge.sources.turns import Turns

# 75 characters of values, the address, the CRC (SDI-12 1.4, 4.4), and the command where the adapter echoes it.
LINE_BYTES_MAX = 128

log = get_logger("edge")


@dataclass(slots=True)
class _Round:
    """A sensor's measurements under way, and what is there of them. `resume_s`: when to go on."""

    sensor: Sdi12Sensor
    conversation: Conversation[bool]
    readings: list[Reading]
    resume_s: float = 0.0


class Sdi12Source(Source):
    """One bus. `sensor_errors`: by address."""

    def __init__(self, settings: Sdi12Settings, *, retry_max_s: float = RETRY_MAX_S) -> None:
        self.name = f"sdi12 {settings.port}"
        self.errors = 0
        self.sensor_errors = {sensor.address: 0 for sensor in settings.sensors}
        self._settings = settings
        self._line = Line(self.name, retry_max_s)
        self._told: set[tuple[str, str]] = set()
        self._known: set[str] = set()
        members = [(sensor, sensor.interval_s or settings.interval_s) for sensor in settings.sensors]
        self._turns = Turns(members, settings.timeout_s * TRIES)

    @override
    async def run(self, sink: Sink) -> None:
        async def attempt() -> None:
            s = self._settings
            async with open_port(s.port, s.baudrate, s.parity, s.stopbits) as port:
                self._line.up()
                bus = _Bus(port, s.timeout_s)
                paused: list[_Round] = []
                while True:
                    await self._step(bus, paused, sink)

        await keep_running(self, self._line, attempt)

    @override
    def sample(self, device: str, interval_s: float) -> bool:
        return self._turns.sample(device, interval_s)

    async def _step(self, bus: "_Bus", paused: list[_Round], sink: Sink) -> None:
        """Whatever comes first: a measurement that is ready is fetched, or a sensor is told to measure."""
        turn, wait_s = self._turns.next()
        now_s = time.monotonic()
        ready = min(paused, key=lambda r: r.resume_s, default=None)
        if ready is not None and ready.resume_s <= now_s:
            paused.remove(ready)
            await self._go_on(ready, bus, paused, sink)
            return
        if wait_s:
            await self._turns.wait(wait_s if ready is None else min(wait_s, ready.resume_s - now_s))
            return
        sensor = turn.who
        if any(r.sensor is sensor for r in paused):  # it takes longer than its interval: this round is left out
            self._turns.answered(turn)
            return
        readings: list[Reading] = []
        if await self._go_on(_Round(sensor, self._measure(sensor, readings), readings), bus, paused, sink):
            if self._turns.answered(turn):
                log.info("sensor answers again", **self._about(sensor))
        elif self._turns.failed(turn):
            self._known.discard(sensor.address)
            log.warning("sensor does not answer", **self._about(sensor))

    async def _go_on(self, one: _Round, bus: "_Bus", paused: list[_Round], sink: Sink) -> bool:
        """To the end or the next pause; whether the sensor answers."""
        answer: re.Match[str] | None = None
        answers = True
        try:
            while True:
                step = one.conversation.send(answer)
                if isinstance(step, Pause):
                    one.resume_s = time.monotonic() + step.wait_s
                    paused.append(one)
                    break
                if step.is_repeated:
                    self._count(one.sensor)
                answer = await bus.exchange(step)
        except StopIteration as end:
            answers = end.value
        await sink(one.readings)
        one.readings.clear()
        return answers

    def _measure(self, sensor: Sdi12Sensor, readings: list[Reading]) -> Conversation[bool]:
        """All that is wanted of a sensor, into `readings`; whether it answers."""
        try:
            if sensor.address not in self._known:
                identity = yield from identify(sensor.address)
                self._known.add(sensor.address)
                log.info("sensor is there", **self._about(sensor), **asdict(identity))
            for command, wanted in sensor.commands().items():
                try:
                    found = yield from measure(sensor.address, command, checked=sensor.crc)
                except RejectedError as error:
                    self._tell(sensor, error)
                else:
                    readings += self._read(sensor, wanted, found)
        except SilentError:
            self._count(sensor)
            return False
        return True

    def _read(self, sensor: Sdi12Sensor, wanted: Sequence[Sdi12Value], found: Sequence[float]) -> Iterator[Reading]:
        at_us = now_us()
        for v in wanted:
            if v.index < len(found):
                yield Reading(sensor.device, v.metric, at_us, scaled(found[v.index], v.scale, v.offset), v.unit)
            else:
                self._tell(sensor, RejectedError("index", f"no value {v.index}: there are {len(found)}"))

    def _count(self, sensor: Sdi12Sensor) -> None:
        self.errors += 1
        self.sensor_errors[sensor.address] += 1

    def _tell(self, sensor: Sdi12Sensor, error: RejectedError) -> None:
        self._count(sensor)
        if (sensor.address, error.reason) not in self._told:
            self._told.add((sensor.address, error.reason))
            log.warning("answer is wrong", **self._about(sensor), reason=error.reason, what=str(error))

    def _about(self, sensor: Sdi12Sensor) -> dict[str, str | int]:
        errors = self.sensor_errors[sensor.address]
        return {"source": self.name, "address": sensor.address, "device": sensor.device, "errors": errors}


class _Bus:
    """Commands out, lines in. What came in before a command is no answer to it."""

    def __init__(self, port: Port, timeout_s: float) -> None:
        self._port = port
        self._timeout_s = timeout_s
        self._splitter = LineSplitter(b"\n", LINE_BYTES_MAX)
        self._lines: list[bytes] = []

    async def exchange(self, ask: Ask) -> re.Match[str] | None:
        """The answer, or None where none came in time. Raise UnavailableError where the port is gone."""
        if ask.command:
            self._port.forget()
            self._splitter = LineSplitter(b"\n", LINE_BYTES_MAX)
            self._lines.clear()
            self._port.write(ask.command.encode())
        try:
            async with asyncio.timeout(self._timeout_s if ask.wait_s is None else ask.wait_s):
                while True:
                    while self._lines:
                        line = self._lines.pop(0).strip(b"\0\r ").decode("ascii", "replace")
                        if match := ask.reply.fullmatch(line.removeprefix(ask.command)):  # some adapters echo
                            return match
                    self._lines += self._splitter.feed(await self._port.read())
        except TimeoutError:
            return None
