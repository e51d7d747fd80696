"""What requests may hold: numbers that a database can, words without NUL, times and spans."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from satomori_core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, from_datetime
from satomori_core.errors import RejectedError

RowId = Annotated[int, Field(ge=1, le=2**63 - 1)]
Word = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
Words = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")]

_SPAN = re.compile(r"([1-9][0-9]{0,6})(s|m|h|d)")
_UNITS_US = {"s": SECOND_US, "m": MINUTE_US, "h": HOUR_US, "d": DAY_US}


def to_us(moment: datetime | None) -> int | None:
    """A time without a zone is taken as UTC."""
    if moment is None:
        return None
    return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def parse_span(text: str) -> int | Literal["auto"] | None:
    """`auto`, `raw` (None), or like `30s`, `10m`, `1h`, `1d`, in µs. Raise RejectedError."""
    if text == "auto":
        return "auto"
    if text == "raw":
        return None
    found = _SPAN.fullmatch(text)
    if found is None:
        raise RejectedError("span", f"every={text!r}: raw, auto, or a span like 30s, 10m, 1h, 1d is expected")
    return int(found[1]) * _UNITS_US[found[2]]
