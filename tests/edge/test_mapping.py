"""A device's own JSON, mapped: device, time, fields; what is wrong is refused alone."""

import json
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_core.clock import from_iso
from satomori_core.errors import RejectedError
from satomori_core.readings import Reading
from satomori_edge.settings import JsonField, MqttMapping
from satomori_edge.sources.mapping import MESSAGE_BYTES_MAX, matches, parse_message

TOKYO = ZoneInfo("Asia/Tokyo")
FIELDS = (JsonField("temperature", "air_temperature", "Cel"), JsonField("more.0.v", "battery", "mV", scale=0.5))
BY_LEVEL = MqttMapping("z/+", FIELDS, device_level=1)


def parse(document: object, mapping: MqttMapping = BY_LEVEL, topic: str = "z/barn-1") -> list[Reading | RejectedError]:
    return list(parse_message(topic, json.dumps(document).encode(), mapping, TOKYO, 99))


def test_fields_become_readings() -> None:
    assert parse({"temperature": 21.5, "more": [{"v": "6000"}]}) == [
        Reading("barn-1", "air_temperature", 99, 21.5, "Cel"),
        Reading("barn-1", "battery", 99, 3000.0, "mV"),
    ]


def test_what_is_missing_or_null_is_no_reading() -> None:
    assert parse({"temperature": None, "more": []}) == []
    assert parse([1, 2]) == []


def test_true_is_a_state() -> None:
    mapping = MqttMapping("z/+", (JsonField("on", "pump_running"),), device="pump")
    assert parse({"on": True}, mapping) == [Reading("pump", "pump_running", 99, 1.0, None)]


@pytest.mark.parametrize("value", ["warm", {}, [1], float("nan"), float("inf"), "1e999", 10**400])
def test_one_bad_field_does_not_touch_the_other(value: object) -> None:
    refused, kept = parse({"temperature": value, "more": [{"v": 1}]})
    assert isinstance(refused, RejectedError)
    assert refused.reason == "not_a_number"
    assert isinstance(kept, Reading)


@pytest.mark.parametrize(
    ("time_format", "raw", "iso"),
    [
        ("iso", "2026-11-23T09:00:00", "2026-11-23T00:00:00Z"),
        ("iso", "2026-11-23T09:00:00.25+01:00", "2026-11-23T08:00:00.25Z"),
        ("s", 1795392000.5, "2026-11-23T00:00:00.5Z"),
        ("ms", 1795392000500, "2026-11-23T00:00:00.5Z"),
    ],
)
def test_times(time_format: str, raw: object, iso: str) -> None:
    """A time without a zone is in the gateway's."""
    mapping = MqttMapping("z/+", FIELDS, device_level=1, time_path="at", time_format=time_format)  # type: ignore[arg-type]
    [reading] = parse({"temperature": 1, "at": raw}, mapping)
    assert isinstance(reading, Reading)
    assert reading.observed_at_us == from_iso(iso)


@pytest.mark.parametrize("raw", [None, "soon", True, {}, float("nan")])
def test_without_the_time_that_was_promised_the_message_is_refused(raw: object) -> None:
    mapping = MqttMapping("z/+", FIELDS, device_level=1, time_path="at", time_format="s")
    with pytest.raises(RejectedError) as caught:
        parse({"temperature": 1, "at": raw}, mapping)
    assert caught.value.reason == "time"


def test_the_device_may_stand_in_the_message() -> None:
    mapping = MqttMapping("z/#", FIELDS[:1], device_path="meta.id")
    assert parse({"temperature": 1, "meta": {"id": 7}}, mapping) == [Reading("7", "air_temperature", 99, 1.0, "Cel")]
    wrong: object
    for wrong in (None, "a b", {}, True):
        with pytest.raises(RejectedError, match="no device's name"):
            parse({"temperature": 1, "meta": {"id": wrong}}, mapping)


@pytest.mark.parametrize("payload", [b"", b"\xff", b"{", b"[" * 100_000, b" " * (MESSAGE_BYTES_MAX + 1)])
def test_what_is_not_json_is_refused(payload: bytes) -> None:
    with pytest.raises(RejectedError):
        list(parse_message("z/a", payload, BY_LEVEL, TOKYO, 0))


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_no_message_is_a_surprise(payload: bytes) -> None:
    try:
        found = list(parse_message("z/a", payload, BY_LEVEL, TOKYO, 0))
    except RejectedError:
        return
    assert all(isinstance(item, Reading | RejectedError) for item in found)


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("a/+", "a/b", True), ("a/+", "a", False), ("a/+", "a/b/c", False), ("a/#", "a", True), ("a/#", "a/b/c", True),
        ("#", "a/b", True), ("#", "$SYS/x", False), ("$SYS/#", "$SYS/x", True), ("+/b", "/b", True), ("a", "ab", False),
    ],
)  # fmt: skip
def test_topic_filters(pattern: str, topic: str, expected: bool) -> None:
    """The examples of MQTT 3.1.1, section 4.7."""
    assert matches(pattern, topic) is expected
