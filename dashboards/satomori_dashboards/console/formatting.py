"""Ages and lengths of time as people read them. Pure; times are µs."""

from satomori_api.formatting import Language
from satomori_core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from satomori_dashboards.console.texts import text


def _steps(span_us: int) -> tuple[str, int]:
    """The largest unit that holds `span_us` at least once, twice for days."""
    if span_us >= 2 * DAY_US:
        return "day", span_us // DAY_US
    if span_us >= HOUR_US:
        return "hour", span_us // HOUR_US
    if span_us >= MINUTE_US:
        return "minute", span_us // MINUTE_US
    return "second", span_us // SECOND_US


def age(language: Language, at_us: int, now_us: int) -> str:
    """How long ago, coarsely enough not to change at every look."""
    span_us = now_us - at_us
    if span_us < -MINUTE_US:
        return text(language, "age.ahead")
    if span_us < MINUTE_US:
        return text(language, "age.now")
    unit, n = _steps(span_us)
    return text(language, f"age.{unit}", n=n)


def span(language: Language, span_us: int) -> str:
    """A length of time: 10 min, 2 h, 3 d."""
    unit, n = _steps(span_us)
    return text(language, f"span.{unit}", n=n)
