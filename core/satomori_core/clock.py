"""Time as Satomori keeps it: whole microseconds since 1970-01-01T00:00:00Z (`…_us`), UTC inside.

Pure functions take `now_us`; only a service's outermost loop asks the clock.
"""

import time
from datetime import UTC, datetime

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US
# The first moment that a date can be written of, and the first that it can't be any more.
YEAR_1_US, YEAR_10000_US = -62_135_596_800_000_000, 253_402_300_800_000_000


def now_us() -> int:
    """The wall clock, in µs since the epoch."""
    return time.time_ns() // 1000


def to_iso(at_us: int) -> str:
    """RFC 3339 text in UTC, with as many digits as the time needs."""
    moment = datetime.fromtimestamp(at_us // SECOND_US, UTC).replace(microsecond=at_us % SECOND_US)
    return moment.isoformat().replace("+00:00", "Z")


def to_words(at_us: int) -> str:
    """`to_iso` for any number: what was sent as a time need not be one that a calendar has."""
    return to_iso(at_us) if YEAR_1_US <= at_us < YEAR_10000_US else f"{at_us} µs after 1970"


def from_iso(text: str) -> int:
    """Parse RFC 3339 / ISO 8601 text; a time without a zone is taken as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def from_datetime(moment: datetime) -> int:
    """Whole µs of an aware datetime, without a float in between."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86400 + delta.seconds) * SECOND_US + delta.microseconds


def to_datetime(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us // SECOND_US, UTC).replace(microsecond=at_us % SECOND_US)
