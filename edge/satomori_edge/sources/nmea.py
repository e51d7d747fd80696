"""A weather station that speaks NMEA 0183 over a serial port."""

from functools import partial

from satomori_edge.settings import NmeaSettings
from satomori_edge.sources.base import RETRY_MAX_S
from satomori_edge.sources.line_source import LineSource
from satomori_edge.sources.sentences import parse_sentence

# The standard allows 82 (recalled, not checked); stations' XDR sentences are seen to be longer.
SENTENCE_BYTES_MAX = 256


class NmeaSource(LineSource):
    def __init__(self, settings: NmeaSettings, *, retry_max_s: float = RETRY_MAX_S) -> None:
        super().__init__(
            f"nmea {settings.port}",
            settings,
            delimiter=b"\n",
            line_bytes_max=SENTENCE_BYTES_MAX,
            parse=partial(parse_sentence, settings=settings),
            retry_max_s=retry_max_s,
        )
