"""Quality of the single reading: the gross range test of QARTOD, and times and values that can't be."""

import math

import pytest

from satomori_core.errors import RejectedError
from satomori_core.vocabulary import Quality
from satomori_ingest.quality import EARLIEST_US, check_time, check_value, gross_range

GOOD, SUSPECT, FAIL = Quality.GOOD, Quality.SUSPECT, Quality.FAIL


@pytest.mark.parametrize(
    ("value", "flag"),
    [(-11, FAIL), (-10, SUSPECT), (-5, GOOD), (0, GOOD), (5, GOOD), (5.1, SUSPECT), (10, SUSPECT), (10.1, FAIL)],
)
def test_limits_belong_to_the_range(value: float, flag: Quality) -> None:
    assert gross_range(value, -10, 10, -5, 5) == flag


def test_suspect_limits_wider_than_the_range_do_not_save_a_value() -> None:
    assert gross_range(11, -10, 10, -100, 100) == FAIL


@pytest.mark.parametrize(
    ("at_us", "reason"),
    [(0, "time_unset"), (-(2**60), "time_unset"), (-62_135_683_140_000_000, "time_unset"),
     (EARLIEST_US - 1, "time_unset"), (EARLIEST_US, None),
     (2_000, "time_unset"), (1_800_000_000_000_000, None), (1_800_000_000_000_001, "future"), (2**62, "future")],
)  # fmt: skip
def test_times(at_us: int, reason: str | None) -> None:
    if reason is None:
        check_time(at_us, 1_800_000_000_000_000)
        return
    with pytest.raises(RejectedError) as raised:
        check_time(at_us, 1_800_000_000_000_000)
    assert raised.value.reason == reason


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_no_numbers(value: float) -> None:
    with pytest.raises(RejectedError, match=str(value)):
        check_value(value)
