"""Topic filters, with the examples of MQTT 5 section 4.7 first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_ingest.filters import is_filter, matches, overlap

levels = st.lists(st.sampled_from(["a", "b", "", "+"]), min_size=1, max_size=4)
filters = st.builds(lambda parts, rest: "/".join(parts + rest), levels, st.sampled_from([[], ["#"]])).filter(bool)
topics = st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=1, max_size=5).map("/".join).filter(bool)


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("#", "any/thing", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
    ],
)
def test_the_standards_examples(pattern: str, topic: str, expected: bool) -> None:
    assert matches(pattern, topic) is expected


@pytest.mark.parametrize("pattern", ["", "a/#/b", "a#", "sport+", "a/b#", "\0"])
def test_malformed_filters(pattern: str) -> None:
    assert not is_filter(pattern)


@given(filters, filters, topics)
def test_filters_that_share_a_topic_overlap(one: str, other: str, topic: str) -> None:
    if matches(one, topic) and matches(other, topic):
        assert overlap(one, other)
        assert overlap(other, one)


@given(filters)
def test_a_filter_overlaps_itself(pattern: str) -> None:
    assert is_filter(pattern)
    assert overlap(pattern, pattern)
