"""What a single reading shows of its own quality. Pure.

Checks that need neighbours (spike, rate, flat line, gap) are analytics' and write `qc`, never `quality`.
The flags and the gross range test are QARTOD's (IOOS Manual for Real-Time Quality Control, 2020).
"""

from math import isfinite

from satomori_core.clock import to_words
from satomori_core.errors import RejectedError
from satomori_core.vocabulary import Quality

# A clock that was never set says 1970 or its firmware's birthday; nothing we watch is older than this.
EARLIEST_US = 946_684_800_000_000  # 2000-01-01T00:00:00Z

GOOD, SUSPECT, FAIL = int(Quality.GOOD), int(Quality.SUSPECT), int(Quality.FAIL)


def gross_range(value: float, low: float, high: float, suspect_low: float, suspect_high: float) -> int:
    """Fail outside low…high, suspect outside suspect_low…suspect_high, else good; limits belong to the range."""
    if suspect_low <= value <= suspect_high and low <= value <= high:
        return GOOD
    return SUSPECT if low <= value <= high else FAIL


def check_time(observed_at_us: int, latest_us: int) -> None:
    """Raise RejectedError: before 2000 the clock was not set, after `latest_us` it is wrong."""
    if observed_at_us < EARLIEST_US:
        raise RejectedError("time_unset", f"observed at {to_words(observed_at_us)}: the device's clock was not set")
    if observed_at_us > latest_us:
        raise RejectedError("future", f"observed at {to_words(observed_at_us)}, later than {to_words(latest_us)}")


def check_value(value: float) -> None:
    """Raise RejectedError for NaN and infinity, also where they came about by conversion."""
    if not isfinite(value):
        raise RejectedError("not_finite", f"the value is {value}")
