"""Our own nodes' binary frames over a serial port. A frame is acknowledged when its readings are durable here."""

from collections.abc import Iterable

from typing_extensions import override

from satomori_core.errors import RejectedError
from satomori_core.logs import get_logger
from satomori_edge.clock import now_us
from satomori_edge.marks import Mark
from satomori_edge.settings import FramesSettings
from satomori_edge.sources.arrivals import Arrival, Arrivals
from satomori_edge.sources.base import RETRY_MAX_S, Line, Sink, Source, keep_running
from satomori_edge.sources.frames import DELIMITER, STUFFED_BYTES_MAX, is_ack, on_the_line
from satomori_edge.sources.lines import LineSplitter
from satomori_edge.sources.port import Port, open_port

TOLD_MAX = 100

log = get_logger("edge")


class FramesSource(Source):
    """One port. What is wrong with frames is told once for each reason, and counted; so are frames that are missing."""

    def __init__(
        self, settings: FramesSettings, marks: Iterable[Mark] = (), *, retry_max_s: float = RETRY_MAX_S
    ) -> None:
        self.name = f"frames {settings.port}"
        self.errors = 0
        self._settings = settings
        self._arrivals = Arrivals(settings, marks)
        self._line = Line(self.name, retry_max_s)
        self._told: set[str] = set()

    @override
    async def run(self, sink: Sink) -> None:
        async def attempt() -> None:
            s = self._settings
            async with open_port(s.port, s.baudrate, s.parity, s.stopbits) as port:
                self._line.up()
                splitter = LineSplitter(DELIMITER, STUFFED_BYTES_MAX)
                while True:
                    frames = splitter.feed(await port.read())
                    at_us = now_us()
                    if splitter.overlong:
                        self._tell("overlong", f"more than {STUFFED_BYTES_MAX} bytes without a zero", splitter.overlong)
                        splitter.overlong = 0
                    for frame in frames:
                        if not is_ack(frame):
                            await self._take(frame, at_us, port, sink)

        await keep_running(self, self._line, attempt)

    async def _take(self, frame: bytes, at_us: int, port: Port, sink: Sink) -> None:
        try:
            arrival = self._arrivals.hear(frame, at_us)
        except RejectedError as error:
            self._tell(error.reason, str(error))
            return
        if arrival.mark is not None:
            self._tell_of(arrival)
            await sink(arrival.readings, arrival.mark)
            self._arrivals.settle(arrival.mark)
        if arrival.ack is not None:
            port.write(on_the_line(arrival.ack.to_bytes()))

    def _tell_of(self, arrival: Arrival) -> None:
        report = arrival.report
        if arrival.is_new_life:
            log.info("node begins a new life", source=self.name, device=arrival.device, boot=f"{report.boot:08x}")
        if arrival.missed:
            self.errors += arrival.missed
            log.warning(
                "frames are missing",
                source=self.name,
                device=arrival.device,
                frames=arrival.missed,
                before=report.seq,
                dropped_by_node=report.dropped,
            )
        for metric in arrival.unknown:
            self._tell("metric", f"metric id {metric} is not in the settings")

    def _tell(self, reason: str, what: str, times: int = 1) -> None:
        self.errors += times
        about = what if reason in {"node", "metric"} else reason  # each stranger is named
        if about not in self._told and len(self._told) < TOLD_MAX:
            self._told.add(about)
            log.warning("frame is wrong", source=self.name, reason=reason, what=what)
