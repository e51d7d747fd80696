"""Times as text: exact and back, and words for what no calendar has."""

from hypothesis import given
from hypothesis import strategies as st

from satomori_core.clock import YEAR_1_US, YEAR_10000_US, from_iso, to_iso, to_words


@given(st.integers(YEAR_1_US, YEAR_10000_US - 1))
def test_any_moment_of_the_calendar_comes_back(at_us: int) -> None:
    assert from_iso(to_iso(at_us)) == at_us
    assert to_words(at_us) == to_iso(at_us)


@given(st.integers(-(2**63), YEAR_1_US - 1) | st.integers(YEAR_10000_US, 2**63))
def test_what_no_calendar_has_is_still_told(at_us: int) -> None:
    assert to_words(at_us) == f"{at_us} µs after 1970"
