"""What the MicroPython node says and understands, byte for byte, run under MicroPython and held against our codecs."""

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from satomori_core.ranges import Range, merge, to_ranges
from satomori_core.readings import Reading
from satomori_core.senml import Ack, Loss, Pack, decode, encode_ack
from support.micropython import Questions, questions

few = settings(max_examples=40, deadline=None)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,15}", fullmatch=True)
# To the year 2100, in µs; a reading may also lie exactly on a second.
times_us = st.integers(1_735_689_600_000_000, 4_102_444_800_000_000) | st.integers(1_735_689_600, 4_102_444_800).map(
    lambda second: second * 1_000_000
)
values = st.floats(-1e30, 1e30, allow_nan=False)
readings = st.builds(Reading, names, names, times_us, values, st.sampled_from(["Cel", "%", "m3/s", "µS/cm", '"', "\\"]))
spans = st.sets(st.integers(1, 2**40), min_size=1, max_size=12).map(to_ranges)


@pytest.fixture(scope="module")
def node() -> Iterator[Questions]:
    with questions("codecs.py") as asked:
        yield asked


@few
@given(st.lists(readings, min_size=1, max_size=12), st.data(), st.booleans())
def test_a_pack_is_read_as_it_was_meant(node: Questions, said: list[Reading], data: st.DataObject, again: bool) -> None:
    """Times to the µs, values to the last bit, units and numbers."""
    seq = to_ranges(data.draw(st.sets(st.integers(1, 2**40), min_size=len(said), max_size=len(said))))
    rows = [[r.device, r.metric, r.unit, r.observed_at_us, r.value] for r in said]
    raw = bytes.fromhex(node.ask("pack", rows, "5f", seq, again))
    assert decode(raw) == Pack(said, "5f", seq, again)


@few
@given(st.lists(st.builds(Loss, st.just(3), st.integers(3, 2**40), names), max_size=8))
def test_losses_and_the_question(node: Questions, lost: list[Loss]) -> None:
    """Without losses it is the question whether ingest is there."""
    raw = bytes.fromhex(node.ask("losses", "5f", [[loss.first, loss.last, loss.reason] for loss in lost]))
    assert decode(raw) == Pack(stream="5f", losses=lost)


@few
@given(spans, spans, st.none() | times_us)
def test_an_acknowledgement_is_understood(
    node: Questions, stored: list[Range], aside: list[Range], at_us: int | None
) -> None:
    """Stored or set aside: both end the node's duty. Another stream's is none of its business."""
    raw = encode_ack(Ack("5f", stored, aside, at_us)).hex()
    assert merge(node.ask("ack", raw, "5f")) == merge([*stored, *aside])
    assert node.ask("ack", raw, "60") is None


@few
@given(st.binary(max_size=200) | spans.map(lambda s: encode_ack(Ack("5f", s))[:-3]))
@example(b'{"stream":"5f","stored":7}')
@example(b'{"stream":"5f","stored":[[1]]}')
@example(b'{"stream":"5f","stored":[["a",2]]}')
@example(b'{"stream":"5f","stored":[[1,{}]]}')
@example(b"[]")
@example(b"7")
def test_no_acknowledgement_is_none(node: Questions, raw: bytes) -> None:
    """Whatever comes on the topic, the node lives on and forgets nothing."""
    assert node.ask("ack", raw.hex(), "5f") is None


# ------------------------------------------------------------------ MQTT 3.1.1


def a_length(length: int) -> bytes:
    """The remaining length, written a second time (section 2.2.3)."""
    digits = [length >> shift & 0x7F for shift in range(0, 28, 7) if length >> shift or not shift]
    return bytes([digit | 0x80 for digit in digits[:-1]] + digits[-1:])


def a_text(text: str) -> bytes:
    return struct.pack(">H", len(text.encode())) + text.encode()


@pytest.mark.parametrize(
    ("length", "written"),
    [(127, "7f"), (128, "8001"), (16_383, "ff7f"), (16_384, "808001")],  # MQTT 3.1.1, table 2.4
)
def test_the_lengths_of_the_standard(node: Questions, length: int, written: str) -> None:
    """Before the payload stand two bytes of length, the topic and two of the number."""
    raw = node.ask("publish", "t", "00" * (length - 5), 1, False)
    assert raw.startswith(f"32{written}0001740001")


@few
@given(st.text(max_size=20), st.binary(max_size=300), st.integers(1, 65_535), st.booleans())
def test_a_publish(node: Questions, topic: str, payload: bytes, number: int, retain: bool) -> None:
    """As the standard writes it, and the node's own reader says it back however it is cut."""
    topic = topic.encode("utf-8", "ignore").decode()
    body = a_text(topic) + struct.pack(">H", number) + payload
    raw = bytes.fromhex(node.ask("publish", topic, payload.hex(), number, retain))
    assert raw == bytes([0x33 if retain else 0x32]) + a_length(len(body)) + body
    packet = [3, 3 if retain else 2, body.hex()]
    assert node.ask("read", [raw.hex()], 4096) == [packet, [topic, number, payload.hex()]]


@pytest.mark.parametrize("login", [None, ["user", "pä ss"]])
def test_a_connect(node: Questions, login: list[str] | None) -> None:
    """A clean session, a retained will of QoS 1."""
    flags = b"\xee" if login else b"\x2e"
    body = a_text("MQTT") + b"\x04" + flags + struct.pack(">H", 30) + a_text("node-é") + a_text("a/b") + a_text("gone")
    body += b"".join(a_text(text) for text in login or ())
    assert (
        bytes.fromhex(node.ask("connect", "node-é", 30, "a/b", b"gone".hex(), login))
        == b"\x10" + a_length(len(body)) + body
    )


packets = st.lists(
    st.tuples(st.sampled_from([0x20, 0x40, 0x90, 0xD0]), st.binary(max_size=400)), min_size=1, max_size=6
)


@few
@given(packets, st.data())
def test_any_cut_gives_the_same_packets(node: Questions, said: list[tuple[int, bytes]], data: st.DataObject) -> None:
    """Of a long body only the beginning is kept; a packet that has not ended is not there yet."""
    raw = b"".join(bytes([first]) + a_length(len(body)) + body for first, body in said)
    end = data.draw(st.integers(0, len(raw)))
    cuts = [0, *sorted(data.draw(st.sets(st.integers(0, end), max_size=8))), end]
    found = node.ask("read", [raw[a:b].hex() for a, b in pairwise(cuts)], 300)
    whole: list[Any] = [[first >> 4, first & 15, body[:300].hex()] for first, body in said]
    assert found == whole[: len(found)]
    assert len(found) == len(whole) or end < len(raw)


@few
@given(st.binary(max_size=400))
def test_noise_is_packets_or_a_protocol_error(node: Questions, noise: bytes) -> None:
    """The question is answered: no other exception came out."""
    node.ask("read", [noise.hex()], 64)


# ------------------------------------------------------------------ the time


@few
@given(times_us, st.integers(0, 2**33), st.integers(0, 1000))
def test_sntp(node: Questions, server_us: int, sent_ms: int, took_ms: int) -> None:
    """Half the way is the best guess of when the server spoke; RFC 5905's era begins anew in 2036."""
    seconds, us = divmod(server_us, 1_000_000)
    stamp = struct.pack(">II", (seconds + 2_208_988_800) % 2**32, (us << 32) // 1_000_000)
    answer = b"\x24\x02" + bytes(22) + b"cookie.." + bytes(8) + stamp
    offset_us = node.ask("sntp", answer.hex(), b"cookie..".hex(), sent_ms, sent_ms + took_ms)
    assert offset_us + sent_ms * 1000 + took_ms * 500 == pytest.approx(server_us, abs=1)


@pytest.mark.parametrize(
    ("head", "cookie", "took_ms", "length"),
    [
        ("e402", b"cookie..", 5, 48),  # says that its own time is not set
        ("2302", b"cookie..", 5, 48),  # a client
        ("2400", b"cookie..", 5, 48),  # kiss of death
        ("2410", b"cookie..", 5, 48),  # not synchronised
        ("2402", b"another.", 5, 48),
        ("2402", b"cookie..", 1001, 48),  # half a second wrong perhaps
        ("2402", b"cookie..", 5, 47),
    ],
)
def test_a_time_that_can_not_be_trusted(node: Questions, head: str, cookie: bytes, took_ms: int, length: int) -> None:
    """No time is better than a wrong one."""
    answer = bytes.fromhex(head) + bytes(22) + cookie + bytes(8) + struct.pack(">II", 4_000_000_000, 0)
    assert node.ask("sntp", answer[:length].hex(), b"cookie..".hex(), 100, 100 + took_ms) is None
