"""Lines of separated fields over a serial port: what small nodes and many weather stations send."""

from typing_extensions import override

from satomori_core.clock import now_us
from satomori_core.errors import RejectedError
from satomori_core.logs import get_logger
from satomori_core.readings import Reading
from satomori_edge.settings import TextSettings
from satomori_edge.sources.base import RETRY_MAX_S, Line, Sink, Source, keep_running
from satomori_edge.sources.lines import LineSplitter, parse_line
from satomori_edge.sources.port import open_port

log = get_logger("edge")


class TextSource(Source):
    """One port. What is wrong with lines is told once for each reason, and counted."""

    def __init__(self, settings: TextSettings, *, retry_max_s: float = RETRY_MAX_S) -> None:
        self.name = f"text {settings.port}"
        self.errors = 0
        self._settings = settings
        self._line = Line(self.name, retry_max_s)
        self._told: set[str] = set()

    @override
    async def run(self, sink: Sink) -> None:
        async def attempt() -> None:
            s = self._settings
            async with open_port(s.port, s.baudrate, s.parity, s.stopbits) as port:
                self._line.up()
                splitter = LineSplitter(s.delimiter.encode(), s.line_bytes_max)
                while True:
                    lines = splitter.feed(await port.read())
                    at_us = now_us()
                    if splitter.overlong:
                        self._tell(
                            "overlong", f"more than {s.line_bytes_max} bytes without a delimiter", splitter.overlong
                        )
                        splitter.overlong = 0
                    await sink([reading for line in lines for reading in self._parse(line, at_us)])

        await keep_running(self, self._line, attempt)

    def _parse(self, line: bytes, at_us: int) -> list[Reading]:
        readings: list[Reading] = []
        try:
            for found in parse_line(line, self._settings, at_us):
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
