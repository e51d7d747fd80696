"""Ranges, topics, units, times and the metric catalogue: small pure things that every part leans on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_core.classes import GATEWAY, classes
from satomori_core.clock import from_iso, to_iso
from satomori_core.errors import RejectedError
from satomori_core.metrics import EDGE_HEALTH, catalogue
from satomori_core.ranges import count, merge, numbers, subtract, to_ranges
from satomori_core.topics import Topic, is_name, parse_topic, subscription
from satomori_core.units import SENML_TO_UCUM, UCUM_CODES, conversion, to_ucum

number_sets = st.sets(st.integers(1, 60))


@given(number_sets, number_sets)
def test_ranges_behave_as_the_sets_they_stand_for(a: set[int], b: set[int]) -> None:
    ranges_a, ranges_b = to_ranges(sorted(a)), to_ranges(sorted(b))
    assert set(numbers(merge([*ranges_a, *ranges_b]))) == a | b
    assert set(numbers(subtract(ranges_a, ranges_b))) == a - b
    assert count(ranges_a) == len(a)


def test_ranges_keep_the_order_of_records() -> None:
    assert to_ranges([5, 6, 2, 3, 9]) == [(5, 6), (2, 3), (9, 9)]


@given(st.integers(-(10**15), 4 * 10**15))
def test_times_come_back_to_the_microsecond(at_us: int) -> None:
    assert from_iso(to_iso(at_us)) == at_us


def test_topics() -> None:
    assert parse_topic("satomori/v1/gw-1/telemetry") == Topic("gw-1", "telemetry")
    assert Topic("gw-1", "ack").encode() == "satomori/v1/gw-1/ack"
    assert subscription("backlog", "ingest") == "$share/ingest/satomori/v1/+/backlog"
    for wrong in ("satomori/v2/gw/telemetry", "satomori/v1/gw/other", "satomori/v1//ack", "satomori/v1/a/b/ack", ""):
        with pytest.raises(RejectedError):
            parse_topic(wrong)
    assert not is_name("a/b")
    assert not is_name("+")
    assert not is_name("")
    assert not is_name("x" * 65)


@pytest.mark.parametrize(
    ("source", "target", "value", "expected"),
    [
        ("Cel", "K", 20.0, 293.15),
        ("[degF]", "Cel", 212.0, 100.0),
        ("%RH", "%", 55.0, 55.0),
        ("uS/cm", "mS/cm", 1200.0, 1.2),
        ("hPa", "kPa", 1013.25, 101.325),
        ("m3/h", "L/s", 36.0, 10.0),
        ("km/h", "m/s", 36.0, 10.0),
        ("[in_i]", "mm", 1.0, 25.4),
    ],
)
def test_units_convert(source: str, target: str, value: float, expected: float) -> None:
    """Definitions of the units (SI brochure; UCUM)."""
    factor, offset = conversion(source, target)
    assert value * factor + offset == pytest.approx(expected, rel=1e-12)


def test_units_that_do_not_fit_are_refused() -> None:
    for source, target in (("Cel", "m"), ("furlong", "m"), ("{pF}", "kPa")):
        with pytest.raises(RejectedError):
            conversion(source, target)


def test_every_code_in_the_tables_is_known() -> None:
    assert {to_ucum(code) for code in SENML_TO_UCUM} <= UCUM_CODES
    for metric in catalogue().values():
        assert metric.unit in UCUM_CODES
        assert metric.low < metric.high
        assert metric.ja
        assert metric.en
        assert is_name(metric.id)
    assert set(EDGE_HEALTH) <= set(catalogue())


def test_each_class_has_names_of_its_own_in_both_languages() -> None:
    """No Japanese name may mean two classes, since a ledger gives nothing but the name."""
    named = [name for kind in classes().values() for name in (kind.ja, *kind.also)]
    assert len(named) == len(set(named))
    assert GATEWAY in classes()
    for kind in classes().values():
        assert is_name(kind.id)
        assert kind.ja != kind.en != ""
