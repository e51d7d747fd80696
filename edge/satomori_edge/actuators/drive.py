"""How an actuator is moved and read back: a few requests each, as work for the source that holds its line.

`put` and `read` raise UnavailableError where nothing answers, RejectedError where the device says no.
"""

import re
from collections.abc import Sequence
from typing import Protocol

from typing_extensions import override

from satomori_core.errors import RejectedError, UnavailableError
from satomori_edge.settings import ActuatorSettings, LineDrive, Point, RegisterDrive
from satomori_edge.sources.base import Source
from satomori_edge.sources.jobs import Jobs, Registers, TextLine
from satomori_edge.sources.registers import decode_register, encode_register


class Drive(Protocol):
    async def put(self, value: float, run_s: float | None) -> None:
        """Tell the device. `run_s`: how long it may stay so, None for no end."""

    async def read(self) -> float:
        """Where it is."""
        ...

    def lands(self, value: float) -> float:
        """Where it will be read back after `put(value)`: as near as its registers hold it."""
        return value


class RegistersDrive(Drive):
    def __init__(self, settings: RegisterDrive, jobs: Jobs[Registers], unit: int) -> None:
        self._settings = settings
        self._jobs = jobs
        self._unit = unit

    @override
    async def put(self, value: float, run_s: float | None) -> None:
        """The timer first: what moves has an end already. Rounded up: 0 may stand for no end. Home goes without one."""
        s = self._settings

        async def work(line: Registers) -> None:
            if s.timer is not None and run_s is not None:
                words = encode_register(s.timer, s.timer.at_least(run_s))
                await line.write(self._unit, "holding", s.timer.address, words)
            await line.write(
                self._unit, "coil" if s.write.kind == "coil" else "holding", s.write.address, _encode(s.write, value)
            )

        await self._jobs.do(work)

    @override
    async def read(self) -> float:
        point = self._settings.read_back or self._settings.write

        async def work(line: Registers) -> list[int]:
            return await line.read(self._unit, point.kind, point.address, point.count)

        return _decode(point, await self._jobs.do(work))

    @override
    def lands(self, value: float) -> float:
        return _decode(self._settings.write, _encode(self._settings.write, value))


def _encode(point: Point, value: float) -> list[int]:
    return [round((value - point.offset) / point.scale)] if point.is_bit else encode_register(point, value)


def _decode(point: Point, values: Sequence[int]) -> float:
    return bool(values[0]) * point.scale + point.offset if point.is_bit else decode_register(point, values)


class TextDrive(Drive):
    def __init__(self, settings: LineDrive, values: Sequence[float], jobs: Jobs[TextLine]) -> None:
        self._settings = settings
        self._reply = re.compile(settings.reply)
        self._words = dict(zip(values, settings.words, strict=True)) if settings.words else {}
        self._jobs = jobs

    @override
    async def put(self, value: float, run_s: float | None) -> None:
        word = self._words.get(value, f"{value:g}")
        await self._ask(self._settings.command.format(value=word, run_s=f"{run_s or 0.0:g}"))

    @override
    async def read(self) -> float:
        said = await self._ask(self._settings.query)
        found = next((value for value, word in self._words.items() if word == said), None)
        if found is not None:
            return found
        try:
            return float(said)
        except ValueError:
            raise RejectedError("device", f"it says {said[:40]!r}") from None

    async def _ask(self, text: str) -> str:
        match = await self._jobs.do(lambda line: line.exchange(text.encode(), self._reply, self._settings.timeout_s))
        return match["value"] or ""


def make_drive(actuator: ActuatorSettings, sources: Sequence[Source]) -> Drive:
    """Over the line of one of `sources`: the settings were checked to name one."""
    for source in sources:
        if actuator.registers is not None:
            found = source.registers_of(actuator.device)
            if found is not None:
                return RegistersDrive(actuator.registers, *found)
        elif actuator.line is not None:
            jobs = source.text_line(actuator.line.port)
            if jobs is not None:
                return TextDrive(actuator.line, actuator.values, jobs)
    raise UnavailableError(f"no source drives {actuator.name}")
