"""The fast SenML decoder says what the gateways' codec says, and goes on where that one refuses the pack."""

import contextlib
import gzip
import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from satomori_core import senml as core
from satomori_core.errors import RejectedError
from satomori_core.ranges import count, to_ranges
from satomori_core.readings import Reading
from satomori_ingest.decoders import Decoded
from satomori_ingest.decoders.senml import RELATIVE_BELOW_US, decode, numbering

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
readings = st.builds(
    Reading,
    device=names,
    metric=names,
    observed_at_us=st.integers(946_684_800_000_000, 4_102_444_800_000_000),
    value=st.floats(allow_nan=False, allow_infinity=False),
    unit=st.none() | st.sampled_from(["Cel", "%RH", "m"]),
)
seconds = st.integers(-10, 2_000_000_000) | st.floats(-10, 2e9) | st.sampled_from([1e12, 1e300])
numbers = st.integers(-(10**6), 10**6) | st.floats(-1e9, 1e9) | st.just(1e308)
fields = {
    "n": st.sampled_from(["dev/temp", "temp", "dev/", "/temp", "", "a/b/c", 'q"uote/ö', 5]),
    "v": numbers | st.sampled_from([None, "20", True]),
    "t": seconds | st.none(),
    "u": st.sampled_from(["Cel", "", None, 3]),
    "bn": st.sampled_from(["dev/", "", None, "x"]),
    "bt": seconds,
    "bv": numbers,
    "bu": st.sampled_from(["Cel", None, "m"]),
    "vb": st.booleans() | st.just(1),
    "vs": st.text(max_size=3),
    "bver": st.sampled_from([10, 10.0, 11]),
    "stream": st.sampled_from(["s1", "", None, 7, "with space"]),
    "seq": st.just([[1, 1]]) | st.just([[1, 2]]) | st.sampled_from([[], [[2, 1]], [[0, 0]], "1"]),
    "again": st.sampled_from([True, False, 1]),
    "unknown": st.none() | st.lists(st.integers(), max_size=2),
}
records = st.lists(st.fixed_dictionaries({}, optional=fields), max_size=5)
good_records = st.lists(
    st.fixed_dictionaries({"n": st.just("dev/temp"), "v": numbers}, optional={"t": seconds, "u": st.just("Cel")}),
    min_size=1,
    max_size=5,
)


def as_core(decoded: Decoded) -> list[Reading]:
    split = [(name.partition("/"), at_us, value, unit) for name, at_us, value, unit in decoded.values]
    return [Reading(device, metric, at_us, value, unit) for (device, _, metric), at_us, value, unit in split]


@given(st.lists(readings, min_size=1, max_size=20), st.booleans(), st.booleans(), st.integers(1, 10**12))
def test_what_a_gateway_encodes_is_decoded(rows: list[Reading], compress: bool, again: bool, first: int) -> None:
    seq = to_ranges(range(first, first + len(rows)))
    decoded = decode("g", core.encode(core.Pack(rows, "stream-1", seq, again), compress=compress), 0)
    assert as_core(decoded) == rows
    assert (decoded.stream, decoded.seq, decoded.again, decoded.positions) == ("stream-1", seq, again, None)


@given(records | good_records, st.sampled_from([(",", ":"), (", ", ": ")]))
@example([{"n": "dev/temp", "v": 1, "u": None, "bu": "Cel"}], (",", ":"))
@example([{"n": "dev/temp", "v": 1, "t": 1e300}], (",", ":"))
@example([{"n": "temp", "v": 1e308}], (",", ":"))
def test_it_agrees_with_the_gateways_codec(document: list[dict[str, object]], separators: tuple[str, str]) -> None:
    """What the codec reads, this one reads alike; what the codec refuses has faults here, or is refused too."""
    payload = json.dumps(document, separators=separators).encode()
    try:
        expected = core.decode(payload)
    except RejectedError:
        expected = None
    try:
        decoded = decode("g", payload, 0)
    except RejectedError:
        # Stricter in one thing: a stream is a name, since it becomes a key of databases.
        assert expected is None or expected.stream == "with space"
        return
    if expected is None:
        _check_faults(document, decoded)
        return
    assert not decoded.faults
    assert as_core(decoded) == list(expected.readings)
    assert (decoded.stream, list(decoded.seq), decoded.again) == (
        expected.stream,
        list(expected.seq),
        expected.again,
    )


def _check_faults(document: list[dict[str, object]], decoded: Decoded) -> None:
    """Each position is either a value or a fault, and a fault alone is refused by the codec too."""
    positions = [*(decoded.positions or ()), *(fault.position for fault in decoded.faults)]
    assert sorted(positions) == list(range(len(positions)))
    if decoded.stream is not None:
        assert count(decoded.seq) == len(positions)
    for fault in decoded.faults:
        with pytest.raises(RejectedError):
            core.decode(fault.payload)
    # Without a fault the codec can only have stumbled over a base field that no value uses, or over a name, which is
    # refused here where it is looked up.
    unused = any(not {"v", "vb", "vs"} & record.keys() for record in document)
    assert decoded.faults or unused or not all(all(value[0].partition("/")) for value in decoded.values)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*fields, "lost"]), inner),
        max_leaves=15,
    )
)
def test_any_json_is_decoded_or_refused(document: object) -> None:
    with contextlib.suppress(RejectedError):
        decode("g", json.dumps(document).encode(), 0)


@given(st.lists(readings, min_size=1, max_size=3), st.booleans(), st.data())
def test_every_truncation_is_refused(rows: list[Reading], compress: bool, data: st.DataObject) -> None:
    message = core.encode(core.Pack(rows), compress=compress)
    with pytest.raises(RejectedError):
        decode("g", message[: data.draw(st.integers(0, len(message) - 1))], 0)


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(RejectedError):
        decode("g", noise, 0)
    numbering(noise)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_finite_number_spoils_nothing_else(word: str) -> None:
    """JSON has no NaN, but devices send it; the pipeline sets that one record aside."""
    decoded = decode("g", b'[{"n":"d/a","v":1,"t":1e9},{"n":"d/b","v":%s,"t":1e9}]' % word.encode(), 0)
    assert [name for name, *_ in decoded.values] == ["d/a", "d/b"]
    assert not math.isfinite(decoded.values[1][2])


def test_an_escaped_key_is_still_a_base_field() -> None:
    """The quick way, which looks for base fields by their letters, must not overlook it."""
    decoded = decode("g", b'[{"\\u0062n":"dev/","n":"temp","v":1,"t":1e9}]', 0)
    assert decoded.values[0][0] == "dev/temp"


def test_small_times_count_from_now_only_without_an_outbox() -> None:
    """RFC 8428 section 4.5.3; with an outbox a resend must say the same as the first time."""
    now = 1_700_000_000_000_000
    plain = decode("g", b'[{"n":"d/a","v":1,"t":-5}]', now)
    assert plain.values[0][1] == now - 5_000_000
    numbered = decode("g", b'[{"n":"d/a","v":1,"t":-5,"stream":"s","seq":[[1,1]]}]', now)
    assert numbered.values[0][1] == -5_000_000 < RELATIVE_BELOW_US


@pytest.mark.parametrize("compress", [False, True])
def test_the_numbers_of_a_broken_pack_can_be_seen(compress: bool) -> None:
    payload = b'[{"n":"d/a","stream":"s1","seq":[[1, 5], [9,9]],"v":tru'
    found = numbering(gzip.compress(payload) if compress else payload)
    assert found is not None
    assert (found.stream, list(found.seq)) == ("s1", [(1, 5), (9, 9)])


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b'{"stream":"s1"}', b'{"stream":"s1","seq":[]}', b'{"stream":"s1","seq":[[1,99999999999]]}',
     b'{"stream":"a b","seq":[[1,1]]}', b"\x1f\x8bnonsense"],
)  # fmt: skip
def test_numbers_that_can_not_be_are_not_seen(payload: bytes) -> None:
    """A broken message may claim no more numbers than it could have had records."""
    assert numbering(payload) is None
