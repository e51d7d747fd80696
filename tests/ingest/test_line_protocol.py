"""Line protocol: what was written by its rules is read as it was meant; anything else is refused by its place."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_core.errors import RejectedError
from satomori_ingest.decoders.line_protocol import parse_line

# No line breaks, which the format has not, and no backslash, which it reads in its own way before some letters.
NAMES = st.text(st.characters(exclude_characters="\\\n\r\t", exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: name.strip() == name
)


def escaped(name: str, letters: str) -> str:
    return "".join(f"\\{letter}" if letter in letters else letter for letter in name)


@given(
    measurement=NAMES.filter(lambda name: not name.startswith("#")),
    tags=st.dictionaries(NAMES, NAMES, max_size=3),
    fields=st.dictionaries(NAMES, st.integers(-(2**53), 2**53) | st.booleans(), min_size=1, max_size=3),
    time=st.none() | st.integers(-(10**18), 10**18),
)
def test_what_is_written_is_read(
    measurement: str, tags: dict[str, str], fields: dict[str, int | bool], time: int | None
) -> None:
    head = ",".join(
        [escaped(measurement, ", ")] + [f"{escaped(key, ',= ')}={escaped(tag, ',= ')}" for key, tag in tags.items()]
    )
    values = [f"{str(value).lower()}" if isinstance(value, bool) else f"{value}i" for value in fields.values()]
    body = ",".join(f"{escaped(key, ',= ')}={value}" for key, value in zip(fields, values, strict=True))
    point = parse_line(f"{head} {body}" + (f" {time}" if time is not None else ""))
    assert (point.measurement, point.tags, point.fields, point.time) == (measurement, tags, fields, time)


@given(st.text(max_size=60) | st.text(st.sampled_from('a1, ="\\i.-'), max_size=40))
def test_any_text_is_a_line_or_refused(text: str) -> None:
    with contextlib.suppress(RejectedError):
        parse_line(text)


@pytest.mark.parametrize(
    ("line", "letter"),
    [
        ("", 1),
        ("m", 2),
        ("m ", 3),
        ("m f", 4),
        ("m f=", 5),
        ("m f=1,", 7),
        ("m,t f=1", 4),
        ("m,=a f=1", 3),
        ("m f=1 noon", 6),
        ("m f=1  2x", 6),
        ('m f="a', 5),
        ('m f="a"b', 8),
        ("m\\", 2),
    ],
)
def test_what_is_no_line_is_told_by_its_place(line: str, letter: int) -> None:
    with pytest.raises(RejectedError, match=rf"at letter {letter}:") as raised:
        parse_line(line)
    assert raised.value.reason == "not_line"


def test_a_text_may_hold_whatever_ends_other_things() -> None:
    """Spaces, commas, quotes and equals signs in a text are its own, and it is never a number."""
    point = parse_line(r'm,t=a\ b s="x, y=1 \"q\" \\",f=1.5 7')
    assert point.tags == {"t": "a b"}
    assert point.fields == {"s": r'"x, y=1 \"q\" \\"', "f": "1.5"}
    assert point.time == 7
