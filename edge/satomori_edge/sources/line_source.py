"""A serial port whose lines become readings: what the text and the NMEA source share."""

import asyncio
import re
from collections.abc import Iterator
from typing import Literal, Protocol

from typing_extensions import override

from satomori_core.errors import RejectedError, UnavailableError
from satomori_core.logs import get_logger
from satomori_core.readings import Reading
from satomori_edge.clock import now_us
from satomori_edge.sources.base import Line, Sink, Source, keep_running
from satomori_edge.sources.jobs import Jobs, TextLine
from satomori_edge.sources.lines import LineSplitter
from satomori_edge.sources.port import Port, open_port

QUIET_S = 0.5  # after a command without an answer

log = get_logger("edge")


class PortSettings(Protocol):
    """What is needed to open a port."""

    @property
    def port(self) -> str: ...
    @property
    def baudrate(self) -> int: ...
    @property
    def parity(self) -> Literal["N", "E", "O"]: ...
    @property
    def stopbits(self) -> Literal[1, 2]: ...


class Parse(Protocol):
    def __call__(self, line: bytes, *, at_us: int) -> Iterator[Reading | RejectedError]:
        """Raise RejectedError where the whole line is wrong."""
        ...


class LineSource(Source):
    """One port. What is wrong with lines is told once for each reason, and counted."""

    def __init__(
        self,
        name: str,
        port: PortSettings,
        *,
        delimiter: bytes,
        line_bytes_max: int,
        parse: Parse,
        retry_max_s: float,
    ) -> None:
        self.name = name
        self.errors = 0
        self._port = port
        self._delimiter = delimiter
        self._line_bytes_max = line_bytes_max
        self._parse = parse
        self._line = Line(name, retry_max_s)
        self._told: set[str] = set()
        self._jobs: Jobs[TextLine] = Jobs(name, QUIET_S)

    @override
    async def run(self, sink: Sink) -> None:
        async def attempt() -> None:
            p = self._port
            async with open_port(p.port, p.baudrate, p.parity, p.stopbits) as port:
                self._line.up()
                dialogue = _Dialogue(port)
                splitter = LineSplitter(self._delimiter, self._line_bytes_max)
                with self._jobs.open(dialogue):
                    while True:
                        lines = [line.strip() for line in splitter.feed(await port.read())]
                        at_us = now_us()
                        if splitter.overlong:
                            what = f"more than {self._line_bytes_max} bytes without a delimiter"
                            self._tell("overlong", what, splitter.overlong)
                            splitter.overlong = 0
                        said = [line for line in lines if line and not dialogue.is_reply(line)]
                        await sink([reading for line in said for reading in self._readings(line, at_us)])

        await keep_running(self, self._line, attempt)

    @override
    def text_line(self, port: str) -> Jobs[TextLine] | None:
        return self._jobs if port == self._port.port else None

    def _readings(self, line: bytes, at_us: int) -> list[Reading]:
        readings: list[Reading] = []
        try:
            for found in self._parse(line, at_us=at_us):
                if isinstance(found, RejectedError):
                    self._tell(found.reason, str(found))
                else:
                    readings.append(found)
        except RejectedError as error:
            self._tell(error.reason, str(error))
            return []
        return readings

    def _tell(self, reason: str, what: str, times: int = 1) -> None:
        self.errors += times
        if reason not in self._told:
            self._told.add(reason)
            log.warning("line is wrong", source=self.name, reason=reason, what=what)


class _Dialogue(TextLine):
    """Commands out, and of the lines that come in the one that answers; all others are readings."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._wanted: re.Pattern[str] | None = None
        self._answer: asyncio.Future[re.Match[str]] | None = None

    def is_reply(self, line: bytes) -> bool:
        if self._wanted is None or self._answer is None or self._answer.done():
            return False
        match = self._wanted.fullmatch(line.decode("ascii", "replace"))
        if match is not None:
            self._answer.set_result(match)
        return match is not None

    @override
    async def exchange(self, command: bytes, reply: re.Pattern[str], timeout_s: float) -> re.Match[str]:
        self._wanted, self._answer = reply, asyncio.get_running_loop().create_future()
        try:
            self._port.write(command)
            async with asyncio.timeout(timeout_s):
                return await self._answer
        except TimeoutError:
            raise UnavailableError(f"no answer within {timeout_s:g} s") from None
        finally:
            self._wanted = self._answer = None
