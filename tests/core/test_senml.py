"""The SenML codec: exact inverses, RFC 8428's own examples, and a clear refusal for everything else."""

import contextlib
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_core.errors import RejectedError
from satomori_core.ranges import to_ranges
from satomori_core.readings import Reading
from satomori_core.senml import (
    PAYLOAD_BYTES_MAX,
    Ack,
    Loss,
    Pack,
    decode,
    decode_ack,
    encode,
    encode_ack,
    encode_ask,
)

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
readings = st.builds(
    Reading,
    device=names,
    metric=names,
    observed_at_us=st.integers(946_684_800_000_000, 4_102_444_800_000_000),
    value=st.floats(allow_nan=False, allow_infinity=False),
    unit=st.none() | st.sampled_from(["Cel", "%RH", "m"]),
)


@given(st.lists(readings, min_size=1, max_size=20), st.booleans(), st.booleans(), st.integers(1, 10**12))
def test_what_is_encoded_is_decoded(rows: list[Reading], compress: bool, again: bool, first: int) -> None:
    seq = to_ranges(range(first, first + len(rows)))
    pack = Pack(rows, "stream-1", seq, again)
    assert decode(encode(pack, compress=compress)) == pack


@given(st.lists(readings, min_size=1, max_size=3), st.booleans(), st.data())
def test_every_truncation_is_refused(rows: list[Reading], compress: bool, data: st.DataObject) -> None:
    """A message cut short anywhere is RejectedError, never another exception and never half a pack."""
    message = encode(Pack(rows), compress=compress)
    cut = data.draw(st.integers(0, len(message) - 1))
    with pytest.raises(RejectedError):
        decode(message[:cut])


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(RejectedError):
        decode(noise)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["n", "v", "t", "u", "bn", "bt", "bv", "bu", "vb", "stream", "seq", "lost", "bver"]),
                inner,
            )
        ),
        max_leaves=15,
    )
)
def test_any_json_is_decoded_or_refused(document: object) -> None:
    with contextlib.suppress(RejectedError):
        decode(json.dumps(document).encode())


def test_base_fields_add_up() -> None:
    """RFC 8428 section 5.1.2: base name, base time and base unit hold until they are given anew."""
    message = b"""[{"bn":"pole-1/","bt":1.320067464e9,"bu":"%RH","n":"relative_humidity","v":20},
      {"u":"Cel","n":"air_temperature","t":-60,"v":20.5}, {"n":"relative_humidity","t":60,"v":20.3}]"""
    assert decode(message).readings == [
        Reading("pole-1", "relative_humidity", 1_320_067_464_000_000, 20, "%RH"),
        Reading("pole-1", "air_temperature", 1_320_067_404_000_000, 20.5, "Cel"),
        Reading("pole-1", "relative_humidity", 1_320_067_524_000_000, 20.3, "%RH"),
    ]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"{}", "not_senml"),
        (b"[1]", "not_senml"),
        (b'[{"n":"x/y","v":"12"}]', "not_senml"),
        (b'[{"n":"x/y","v":true}]', "not_senml"),
        (b'[{"n":"x/y","vs":"warm"}]', "not_numeric"),
        (b'[{"n":"lonely","v":1}]', "name"),
        (b'[{"n":"x/y","t":1e300,"v":1}]', "time"),
        (b'[{"n":"x/y","v":1,"stream":"s"}]', "seq"),
        (b'[{"n":"x/y","v":1,"stream":"s","seq":[[1,2]]}]', "seq"),
        (b'[{"n":"x/y","v":1,"stream":"s","seq":[[0,0]]}]', "seq"),
        (b'[{"bver":11,"n":"x/y","v":1}]', "not_senml"),
        (b"\x1f\x8b nonsense", "gzip"),
        (b" " * (PAYLOAD_BYTES_MAX + 1), "too_large"),
        (gzip.compress(b" " * (PAYLOAD_BYTES_MAX + 1)), "too_large"),
        (b"[" * 100_000, "not_json"),
    ],
)
def test_refusals_name_their_reason(message: bytes, reason: str) -> None:
    with pytest.raises(RejectedError) as caught:
        decode(message)
    assert caught.value.reason == reason


def test_losses_and_acknowledgements_travel() -> None:
    losses = Pack(stream="s", losses=[Loss(3, 9, "thinned"), Loss(12, 12, "dropped")])
    assert decode(encode(losses)) == losses
    ack = Ack("s", [(1, 100)], [(101, 101)])
    assert decode_ack(encode_ack(ack)) == ack
    told = Ack("s", [(1, 100)], [], 1_790_000_000_123_000)
    assert decode_ack(encode_ack(told)) == told
    for payload in (
        b"[]",
        b'{"stream": "s", "at": "noon"}',
        b'{"stream": "s", "at": -1}',
        b'{"stream": "s", "at": 1e400}',
    ):
        with pytest.raises(RejectedError):
            decode_ack(payload)


def test_a_question_is_a_pack_that_holds_nothing() -> None:
    assert decode(encode_ask("s")) == Pack(stream="s", losses=[])
