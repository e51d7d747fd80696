"""InfluxDB line protocol in MQTT messages, as Telegraf and many loggers send it.

Source: docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol. A line that is none is set aside alone.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from typing_extensions import override

from satomori_core.errors import RejectedError, SettingsError
from satomori_core.metrics import catalogue
from satomori_core.senml import PAYLOAD_BYTES_MAX, decompress
from satomori_ingest.decoders import Decoded
from satomori_ingest.decoders.fields import (
    SECONDS_MAX,
    Collected,
    FieldMapping,
    FormatDecoder,
    FormatSettings,
    Origin,
    check_topic,
    fill,
    topic_filter,
)

LINES_MAX = 50_000
Precision = Literal["ns", "us", "ms", "s"]
_PER_SECOND = {"ns": 1_000_000_000, "us": 1_000_000, "ms": 1000, "s": 1}

# A backslash and what follows it stand for that; what ends a name ends it only without one.
_MEASUREMENT = re.compile(r"(?:\\.|[^\\, ])+")
_NAME = re.compile(r"(?:\\.|[^\\,= ])+")
_TEXT = re.compile(r'"(?:\\.|[^"\\])*"')
_PLAIN = re.compile(r"[^, ]+")
_TIME = re.compile(r"-?[0-9]{1,19}")
_ESCAPED = re.compile(r"\\([,= ])")
_TO_ESCAPE = re.compile(r"([,= ])")
_INTEGER = re.compile(r"([+-]?[0-9]+)[iu]")
_BOOLEANS = dict.fromkeys(("t", "T", "true", "True", "TRUE"), True) | dict.fromkeys(
    ("f", "F", "false", "False", "FALSE"), False
)
# A measurement that is a metric, with one field.
_KNOWN = tuple(FieldMapping(f"{metric}.value", metric) for metric in catalogue())


@dataclass(frozen=True, slots=True, kw_only=True)
class LineProtocolSettings(FormatSettings):
    """`topic` with named levels, which `device` may use; `device_tag` names the tag that has the device's id instead.

    `precision` of the times; a line without one is of the time of arrival. A path of `fields` is a field's key, or
    `measurement.key` where that is not enough.
    """

    name: str = "line_protocol"
    topic: str
    device: str | None = None
    device_tag: str | None = None
    precision: Precision = "ns"

    @override
    def filters(self) -> Sequence[str]:
        return [topic_filter(self.topic)]

    @override
    def check(self, where: str) -> None:
        FormatSettings.check(self, where)
        check_topic(self.topic, {"device": self.device}, where)
        if (self.device is None) == (self.device_tag is None):
            raise SettingsError(f"{where}: name the device by either device or device_tag")
        if self.device_tag is not None and self.gateway is None:
            raise SettingsError(f"{where}: name the gateway; one message may hold lines of several devices")


class LineProtocolDecoder(FormatDecoder):
    def __init__(self, settings: LineProtocolSettings) -> None:
        super().__init__(settings, _KNOWN)
        self._settings = settings

    def gateway(self, topic: str) -> str:
        return self._gateway_of(fill(self._settings.device or "", self._settings.topic, topic))

    def decode(self, topic: str, payload: bytes, received_at_us: int) -> Decoded:
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise RejectedError("too_large", f"{len(payload)} bytes; the limit is {PAYLOAD_BYTES_MAX}")
        try:
            lines = decompress(payload).decode().split("\n")
        except UnicodeDecodeError as error:
            raise RejectedError("not_line", f"the message is not UTF-8 at byte {error.start}") from None
        lines = [line for line in map(str.strip, lines) if line and not line.startswith("#")]
        if not lines:
            raise RejectedError("no_fields", "the message has no line")
        if len(lines) > LINES_MAX:
            raise RejectedError("too_large", f"{len(lines)} lines; the limit is {LINES_MAX}")
        collected = Collected()
        for line in lines:
            try:
                self._read(collected, topic, line, received_at_us)
            except RejectedError as error:
                collected.set_aside("", error, line.encode())
        return collected.decoded(self.gateway(topic))

    def _read(self, collected: Collected, topic: str, line: str, received_at_us: int) -> None:
        point = parse_line(line)
        tag = self._settings.device_tag
        sent = point.tags.get(tag) if tag else fill(self._settings.device or "", self._settings.topic, topic)
        device = self._device(sent)
        at_us = received_at_us if point.time is None else _to_us(point.time, self._settings.precision)
        document = {**point.fields, point.measurement: point.fields}
        if not self._fields.read(collected, device, at_us, document, Origin(write=point.alone)):
            raise RejectedError("no_fields", "no field of this line is known or mapped")


@dataclass(frozen=True, slots=True)
class Point:
    """One line. A text keeps its quotes, so that it is never taken for a number. `head`: all before its fields."""

    head: str
    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, float | bool | str]
    time: int | None

    def alone(self, path: str, sent: object) -> bytes:
        """The line with one field that is a text, by its key or as `measurement.key`."""
        key = _TO_ESCAPE.sub(r"\\\1", path.removeprefix(f"{self.measurement}."))
        time = "" if self.time is None else f" {self.time}"
        return f"{self.head} {key}={sent}{time}".encode()


def parse_line(line: str) -> Point:
    """Raise RejectedError for what is no line."""
    measurement, at = _take(_MEASUREMENT, line, 0)
    tags: dict[str, str] = {}
    while line[at : at + 1] == ",":
        key, at = _take(_NAME, line, at + 1)
        tags[_unescaped(key)], at = _take_after("=", _NAME, line, at)
    head = line[:at]
    fields: dict[str, float | bool | str] = {}
    separator = " "
    while not fields or line[at : at + 1] == ",":
        if line[at : at + 1] != separator:
            _refuse(line, at)
        key, at = _take(_NAME, line, at + 1)
        value, at = _take_after("=", _TEXT if line[at + 1 : at + 2] == '"' else _PLAIN, line, at)
        fields[_unescaped(key)] = _field(value)
        separator = ","
    rest = line[at:].strip()
    if rest and not (line[at] == " " and _TIME.fullmatch(rest)):
        _refuse(line, at)
    tags = {key: _unescaped(value) for key, value in tags.items()}
    return Point(head, _unescaped(measurement), tags, fields, int(rest) if rest else None)


def _take(pattern: re.Pattern[str], line: str, at: int) -> tuple[str, int]:
    match = pattern.match(line, at)
    if match is None:
        _refuse(line, at)
    return match[0], match.end()


def _take_after(sign: str, pattern: re.Pattern[str], line: str, at: int) -> tuple[str, int]:
    if line[at : at + 1] != sign:
        _refuse(line, at)
    return _take(pattern, line, at + 1)


def _refuse(line: str, at: int) -> NoReturn:
    raise RejectedError("not_line", f"not line protocol at letter {at + 1}: {line[at : at + 40]!r}")


def _unescaped(name: str) -> str:
    return _ESCAPED.sub(r"\1", name)


def _field(text: str) -> float | bool | str:
    """What is no number stays a text, and is refused where it should be a reading."""
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    number = _INTEGER.fullmatch(text)
    return float(number[1]) if number else text


def _to_us(time: int, precision: Precision) -> int:
    per_second = _PER_SECOND[precision]
    if abs(time) > SECONDS_MAX * per_second:
        raise RejectedError("time", f"time {time} {precision} is out of all reason")
    return time * 1_000_000 // per_second
