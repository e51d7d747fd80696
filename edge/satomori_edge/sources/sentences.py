"""From an NMEA 0183 sentence to readings. Pure; pynmea2 knows the sentences' fields."""

from collections.abc import Iterator

import pynmea2

from satomori_core.errors import RejectedError
from satomori_core.readings import Reading
from satomori_edge.settings import CARRIED, NmeaField, NmeaSettings
from satomori_edge.sources.lines import ascii_text, check_xor, parse_number

# MWV's letters (Vaisala WMT700 user guide M210822EN; S: the syntax tables of Airmar's PB100).
SPEED_UNITS = {"K": "km/h", "M": "m/s", "N": "[kn_i]", "S": "[mi_i]/h"}


def parse_sentence(line: bytes, settings: NmeaSettings, at_us: int) -> Iterator[Reading | RejectedError]:
    """A reading for each field, or why there is none. Raise RejectedError where the sentence is wrong.

    A sentence that nobody asked for yields nothing. So does an empty field: no measurement.
    """
    body = check_xor(ascii_text(line))
    fields = [f for f in settings.fields if body.startswith("$") and body[3:7] == f"{f.sentence},"]
    if not fields:
        return
    try:
        sentence = pynmea2.parse(body)
    except pynmea2.ParseError as error:
        raise RejectedError("sentence", str(error)) from None
    if isinstance(sentence, pynmea2.MWV):
        if sentence.reference != settings.reference:
            return
        if sentence.status != "A":
            raise RejectedError("invalid", f"the station calls its wind invalid: {body}")
    for f in fields:
        yield from (
            _transducer(sentence, f, settings.device, at_us)
            if f.transducer
            else _carried(sentence, f, settings.device, at_us)
        )


def _carried(
    sentence: pynmea2.TalkerSentence, f: NmeaField, device: str, at_us: int
) -> Iterator[Reading | RejectedError]:
    name, unit = CARRIED[f.sentence, f.metric]
    number = getattr(sentence, name)
    if number is None:
        return
    if unit is None:
        unit = SPEED_UNITS.get(sentence.wind_speed_units)
    if unit is None:
        yield RejectedError("unit", f"{f.sentence} tells {f.metric} in {sentence.wind_speed_units!r}")
        return
    yield _reading(str(number), f, unit, device, at_us)


def _transducer(
    sentence: pynmea2.TalkerSentence, f: NmeaField, device: str, at_us: int
) -> Iterator[Reading | RejectedError]:
    """An XDR sentence is a row of type, number, unit letter, id."""
    row = sentence.data
    for kind, number, _, name in zip(row[::4], row[1::4], row[2::4], row[3::4], strict=False):
        if f"{kind},{name}" == f.transducer and number:
            yield _reading(number, f, f.unit, device, at_us)


def _reading(number: str, f: NmeaField, unit: str | None, device: str, at_us: int) -> Reading | RejectedError:
    try:
        value = parse_number(number, f.scale, f.offset)
    except RejectedError as error:
        return RejectedError(error.reason, f"{f.sentence} {f.metric}: {error}")
    return Reading(device, f.metric, at_us, _turned(value) if f.metric == "wind_direction" else value, unit)


def _turned(direction_deg: float) -> float:
    """Within 0–360, without the tail that binary fractions leave."""
    return round(direction_deg % 360, 6) % 360
