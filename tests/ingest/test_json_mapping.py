"""Third parties' JSON: devices from topics or fields, fields to metrics, times in their formats, and refusals."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_core.errors import RejectedError, SettingsError
from satomori_ingest.decoders.fields import FieldMapping
from satomori_ingest.decoders.json_mapping import JsonMappingDecoder, MappingSettings
from satomori_ingest.settings import load_ingest

TEMPERATURE = FieldMapping("values.temp", "air_temperature", "Cel")
HUMIDITY = FieldMapping("values.hum", "relative_humidity", "%RH")
NOW = 1_700_000_000_000_000


def decoder(**changes: Any) -> JsonMappingDecoder:
    settings: dict[str, Any] = {
        "name": "vendor",
        "topic": "vendor/{site}/{device}/up",
        "device": "{device}",
        "fields": (TEMPERATURE, HUMIDITY),
    } | changes
    return JsonMappingDecoder(MappingSettings(**settings))


def message(**content: object) -> bytes:
    return json.dumps({"values": {"temp": 21.5, "hum": 60}} | content).encode()


def test_fields_become_metrics() -> None:
    decoded = decoder().decode("vendor/s1/d1/up", message(), NOW)
    assert decoded.gateway == "d1"
    assert decoded.values == [("d1/air_temperature", NOW, 21.5, "Cel"), ("d1/relative_humidity", NOW, 60.0, "%RH")]
    assert decoder().filters == ["vendor/+/+/up"]


def test_the_gateway_and_the_device_may_be_named_anywhere() -> None:
    chosen = decoder(gateway="site-{site}", device=None, device_field="who.id")
    decoded = chosen.decode("vendor/s1/any/up", message(who={"id": 42}), NOW)
    assert decoded.gateway == "site-s1"
    assert decoded.values[0][0] == "42/air_temperature"


@pytest.mark.parametrize(
    ("time_format", "sent", "expected_us"),
    [
        ("unix_s", 1_600_000_000, 1_600_000_000_000_000),
        ("unix_s", "1600000000.5", 1_600_000_000_500_000),
        ("unix_ms", 1_600_000_000_123, 1_600_000_000_123_000),
        ("unix_us", 1_600_000_000_123_456, 1_600_000_000_123_456),
        ("iso8601", "2020-09-13T12:26:40Z", 1_600_000_000_000_000),
        ("iso8601", "2020-09-13T21:26:40+09:00", 1_600_000_000_000_000),
        ("iso8601", "2020/09/13 21:26:40", 1_600_000_000_000_000),
    ],
)
def test_times(time_format: str, sent: object, expected_us: int) -> None:
    """A time without a zone is the mapping's zone."""
    chosen = decoder(time_field="at", time_format=time_format, time_zone="Asia/Tokyo")
    assert chosen.decode("vendor/s/d/up", message(at=sent), NOW).values[0][1] == expected_us


@pytest.mark.parametrize("sent", [None, "soon", [], {}, True, "NaN"])
@pytest.mark.parametrize("time_format", ["unix_s", "iso8601"])
def test_a_time_that_is_none_refuses_the_message(time_format: str, sent: object) -> None:
    chosen = decoder(time_field="at", time_format=time_format)
    if sent is True and time_format == "unix_s":
        assert chosen.decode("vendor/s/d/up", message(at=sent), NOW).values[0][1] == 1_000_000
        return
    with pytest.raises(RejectedError) as raised:
        chosen.decode("vendor/s/d/up", message(at=sent), NOW)
    assert raised.value.reason == "time"


def test_a_list_of_records_shares_what_stands_above_it() -> None:
    chosen = decoder(device=None, device_field="id", records="list", time_field="t", time_format="unix_s")
    payload = json.dumps(
        {"id": "d7", "list": [{"t": 1_600_000_000 + i, "values": {"temp": i}} for i in range(3)]}
    ).encode()
    decoded = chosen.decode("vendor/s/x/up", payload, NOW)
    assert [(name, value) for name, _, value, _ in decoded.values] == [
        ("d7/air_temperature", float(i)) for i in range(3)
    ]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(True, 1.0), ("ON", 1.0), ("off", 0.0), (" 7 ", 7.0), ("1e2", 100.0), ("１２", 12.0), ("1_0", None), ("", None)],
)
def test_a_number_may_be_written_in_several_ways(sent: object, expected: float | None) -> None:
    decoded = decoder().decode("vendor/s/d1/up", message(values={"temp": sent}), NOW)
    assert [value for _, _, value, _ in decoded.values] == ([] if expected is None else [expected])
    assert [fault.reason for fault in decoded.faults] == (["not_numeric"] if expected is None else [])


def test_one_field_that_is_no_number_spoils_no_other() -> None:
    decoded = decoder().decode("vendor/s/d1/up", message(values={"temp": "broken", "hum": "61.5"}), NOW)
    assert [(name, value) for name, _, value, _ in decoded.values] == [("d1/relative_humidity", 61.5)]
    assert [(fault.position, fault.reason, fault.name) for fault in decoded.faults] == [
        (0, "not_numeric", "d1/air_temperature")
    ]
    assert decoded.positions == [1]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"nonsense", "not_json"),
        (b"[[[", "not_json"),
        (b'{"other": 1}', "no_fields"),
        (b"{}", "no_fields"),
        (b"3", "no_fields"),
        (b" " * 1_048_577, "too_large"),
    ],
)
def test_what_can_not_be_read_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(RejectedError) as raised:
        decoder().decode("vendor/s/d/up", payload, NOW)
    assert raised.value.reason == reason


@given(st.binary(max_size=100) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["values", "temp", "at"]), inner),
).map(lambda document: json.dumps(document).encode()))  # fmt: skip
def test_anything_is_decoded_or_refused(payload: bytes) -> None:
    chosen = decoder(time_field="at", time_format="unix_ms")
    with contextlib.suppress(RejectedError):
        chosen.decode("vendor/s/d/up", payload, NOW)


GOOD = """
[[ingest.mapping]]
name = "vendor"
topic = "vendor/{device}/up"
device = "{device}"
fields = [{ path = "temp", metric = "air_temperature", unit = "Cel" }]
"""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('"vendor/{device}/up"', '"vendor/#"'), "no topic"),
        (('"vendor/{device}/up"', '"vendor/x{device}/up"'), "no topic"),
        (('"vendor/{device}/up"', '"{device}/v1/x/telemetry"'), "Satomori's"),
        (('"vendor/{device}/up"', '"satomori-internal/{device}"'), "Satomori's"),
        (('device = "{device}"', 'device = "{other}"'), "does not name"),
        (('device = "{device}"', ""), "either device or device_field"),
        (('"Cel"', '"furlong"'), "furlong"),
        (('"air_temperature"', '"air temperature"'), "did you mean 'air_temperature'"),
        (('"Cel"', '"m"'), "can't be converted"),
        (("fields = [", 'time_zone = "Mars/Base"\nfields = ['), "time_zone"),
        (("fields = [", 'time_format = "epoch"\nfields = ['), "epoch"),
    ],
)
def test_a_mapping_that_can_not_work_is_refused_at_the_start(tmp_path: Any, change: tuple[str, str], says: str) -> None:
    path = tmp_path / "satomori.toml"
    path.write_text(GOOD, encoding="utf-8")
    assert load_ingest(path).mapping[0].filters() == ["vendor/+/up"]
    path.write_text(GOOD.replace(*change), encoding="utf-8")
    with pytest.raises(SettingsError, match=says):
        load_ingest(path)


def test_two_mappings_may_not_read_the_same_topic(tmp_path: Any) -> None:
    path = tmp_path / "satomori.toml"
    path.write_text(GOOD + GOOD.replace('"vendor"', '"other"').replace("vendor/{", "{any}/{"), encoding="utf-8")
    with pytest.raises(SettingsError):
        load_ingest(path)
