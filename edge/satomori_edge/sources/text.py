"""Lines of separated fields over a serial port: what small nodes and many weather stations send."""

from functools import partial

from satomori_edge.settings import TextSettings
from satomori_edge.sources.base import RETRY_MAX_S
from satomori_edge.sources.line_source import LineSource
from satomori_edge.sources.lines import parse_line


class TextSource(LineSource):
    def __init__(self, settings: TextSettings, *, retry_max_s: float = RETRY_MAX_S) -> None:
        super().__init__(
            f"text {settings.port}",
            settings,
            delimiter=settings.delimiter.encode(),
            line_bytes_max=settings.line_bytes_max,
            parse=partial(parse_line, settings=settings),
            retry_max_s=retry_max_s,
        )
