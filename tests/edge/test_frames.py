"""Our own nodes' frames: the codec, and what is new, a copy or missing."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_core.errors import RejectedError
from satomori_core.readings import Reading
from satomori_edge.marks import LIVES_MAX, Mark
from satomori_edge.settings import FrameMetric, FrameNode, FramesSettings
from satomori_edge.sources import cobs
from satomori_edge.sources.arrivals import NEAR, Arrival, Arrivals
from satomori_edge.sources.frames import (
    DELIMITER,
    FRAME_BYTES_MAX,
    STUFFED_BYTES_MAX,
    VALUES_MAX,
    Ack,
    Report,
    Value,
    crc16,
    is_ack,
    on_the_line,
)
from satomori_edge.sources.lines import LineSplitter

U16, U32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
values = st.builds(Value, st.integers(0, 255), st.integers(-(2**31), 2**31 - 1))
reports = st.builds(
    Report, U16, U32, st.integers(1, 2**32 - 1), U32, U32, st.lists(values, max_size=VALUES_MAX).map(tuple)
)
acks = st.builds(Ack, U16, U32, U32)

LINE = FramesSettings(
    "/dev/null",
    (FrameNode(1, "a"), FrameNode(2, "b")),
    (FrameMetric(1, "tilt", "deg", scale=0.01), FrameMetric(2, "battery", "V", scale=0.001)),
)


def report(seq: int, *, node: int = 1, boot: int = 9, age_ms: int = 0, dropped: int = 0, metric: int = 1) -> Report:
    return Report(node, boot, seq, age_ms, dropped, (Value(metric, seq * 100),))


def heard(arrivals: Arrivals, one: Report) -> Arrival:
    """As a node is heard that says it again until it is answered; and its readings are durable."""
    arrival = arrivals.hear(one.to_bytes(), 0)
    if arrival.ack is None:
        arrival = arrivals.hear(one.to_bytes(), 0)
    if arrival.mark is not None:
        arrivals.settle(arrival.mark)
    return arrival


def chunks(text: bytes, draw: st.DataObject) -> Iterator[bytes]:
    while text:
        size = draw.draw(st.integers(1, len(text)))
        yield text[:size]
        text = text[size:]


# ---------------------------------------------------------------------- stuffing


@pytest.mark.parametrize(
    ("packet", "stuffed"),
    [
        ("", "01"),
        ("00", "0101"),
        ("0000", "010101"),
        ("11220033", "0311220233"),
        ("11000000", "0211010101"),
        (bytes(range(1, 255)).hex(), "ff" + bytes(range(1, 255)).hex()),
        (bytes(255).hex(), "01" * 256),
        (bytes(range(1, 256)).hex(), "ff" + bytes(range(1, 255)).hex() + "02ff"),
    ],
)
def test_stuffing_of_the_literature(packet: str, stuffed: str) -> None:
    """Examples as in the paper and the usual tables of it (recalled, not checked)."""
    assert cobs.encode(bytes.fromhex(packet)).hex() == stuffed
    assert cobs.decode(bytes.fromhex(stuffed)).hex() == packet


@given(st.binary(max_size=600) | st.lists(st.sampled_from([0, 1]), max_size=600).map(bytes))
def test_stuffing_leaves_no_zero_and_comes_back(packet: bytes) -> None:
    stuffed = cobs.encode(packet)
    assert 0 not in stuffed
    assert len(stuffed) <= len(packet) + 1 + len(packet) // 254
    assert cobs.decode(stuffed) == packet


@given(st.binary(max_size=300))
def test_any_bytes_are_unstuffed_or_refused(stuffed: bytes) -> None:
    try:
        packet = cobs.decode(stuffed)
    except RejectedError:
        return
    assert len(packet) <= len(stuffed)


# ---------------------------------------------------------------------- frames


def test_the_checksum_is_ccitt_false() -> None:
    """The check value of the catalogue of CRCs for CRC-16/CCITT-FALSE (IBM-3740)."""
    assert crc16(b"123456789") == 0x29B1


@given(reports)
def test_a_report_comes_back(one: Report) -> None:
    frame = one.to_bytes()
    assert len(frame) <= STUFFED_BYTES_MAX
    assert DELIMITER not in frame
    assert not is_ack(frame)
    assert Report.from_bytes(frame) == one


@given(acks)
def test_an_acknowledgement_comes_back(one: Ack) -> None:
    frame = one.to_bytes()
    assert is_ack(frame)
    assert Ack.from_bytes(frame) == one
    with pytest.raises(RejectedError, match="kind 81"):
        Report.from_bytes(frame)


def test_the_bytes_are_those_of_the_table() -> None:
    """Written out by hand after frames.md; zeros are stuffed away."""
    one = Report(node=17, boot=0x00020003, seq=5, age_ms=250, dropped=1, values=(Value(4, -14), Value(1, 275)))
    body = bytes.fromhex("01 0011 00020003 00000005 000000fa 00000001 04fffffff2 0100000113")
    assert cobs.decode(one.to_bytes()) == body + crc16(body).to_bytes(2, "big")
    body = bytes.fromhex("81 0011 00020003 00000005")
    assert cobs.decode(Ack(17, 0x00020003, 5).to_bytes()) == body + crc16(body).to_bytes(2, "big")


@given(reports | acks)
def test_every_truncation_is_refused(one: Report | Ack) -> None:
    frame = one.to_bytes()
    for length in range(len(frame)):
        with pytest.raises(RejectedError):
            type(one).from_bytes(frame[:length])


@given(reports | acks, st.data())
def test_one_wrong_bit_never_passes(one: Report | Ack, draw: st.DataObject) -> None:
    """Where the bit makes a zero, the line splits the frame there, and neither part passes."""
    frame = bytearray(one.to_bytes())
    bit = draw.draw(st.integers(0, 8 * len(frame) - 1))
    frame[bit // 8] ^= 1 << bit % 8
    for part in bytes(frame).split(DELIMITER):
        with pytest.raises(RejectedError):
            type(one).from_bytes(part)


@given(st.lists(reports, max_size=5), st.data())
def test_frames_do_not_depend_on_how_the_bytes_arrive(sent: list[Report], draw: st.DataObject) -> None:
    splitter = LineSplitter(DELIMITER, STUFFED_BYTES_MAX)
    text = b"".join(on_the_line(one.to_bytes()) for one in sent)
    got = [Report.from_bytes(frame) for chunk in chunks(text, draw) for frame in splitter.feed(chunk)]
    assert got == sent
    assert splitter.overlong == 0


def test_100_kb_of_noise_is_held_nowhere_and_the_next_frame_is_read() -> None:
    noise = random.Random(5).randbytes(100_000)
    splitter = LineSplitter(DELIMITER, STUFFED_BYTES_MAX)
    for start in range(0, len(noise), 97):
        for frame in splitter.feed(noise[start : start + 97]):
            with pytest.raises(RejectedError):
                Report.from_bytes(frame)
        assert len(splitter._kept) <= STUFFED_BYTES_MAX
    *rest, last = splitter.feed(on_the_line(report(1).to_bytes()))
    assert len(rest) <= 1
    assert Report.from_bytes(last) == report(1)
    assert splitter.overlong


def test_number_0_is_refused() -> None:
    """It would else be taken for a copy, and acknowledged."""
    with pytest.raises(RejectedError, match="number 0"):
        Report.from_bytes(report(0).to_bytes())


def test_the_longest_frame_is_as_long_as_is_said() -> None:
    one = Report(1, 1, 1, 1, 1, (Value(255, -1),) * VALUES_MAX)
    assert FRAME_BYTES_MAX - 5 < len(cobs.decode(one.to_bytes())) <= FRAME_BYTES_MAX


# ---------------------------------------------------------------------- arrivals


def test_a_report_becomes_readings_at_the_time_they_were_sampled() -> None:
    arrivals = Arrivals(LINE, [Mark("b", 9, 0)])
    arrival = arrivals.hear(Report(2, 9, 1, 1500, 0, (Value(1, -14), Value(2, 3702))).to_bytes(), at_us=10_000_000)
    assert arrival.readings == (
        Reading("b", "tilt", 8_500_000, -0.14, "deg"),
        Reading("b", "battery", 8_500_000, 3.702, "V"),
    )
    assert arrival.mark == Mark("b", 9, 1)
    assert arrival.ack == Ack(2, 9, 1)


def test_a_copy_is_acknowledged_and_yields_nothing() -> None:
    """Also a late copy of an earlier life, and also when the edge has begun anew and knows the marks only."""
    arrivals = Arrivals(LINE)
    for one in (report(1), report(2), report(1, boot=10)):
        assert heard(arrivals, one).readings
    for same in (arrivals, Arrivals(LINE, [Mark("a", 9, 2), Mark("a", 10, 1), Mark("gone", 9, 7)])):
        for one in (report(1), report(2), report(2, age_ms=77), report(1, boot=10)):
            arrival = same.hear(one.to_bytes(), 0)
            assert (arrival.readings, arrival.mark, arrival.missed) == ((), None, 0)
            assert arrival.ack == Ack(1, one.boot, one.seq)
        assert same.hear(report(3).to_bytes(), 0).mark == Mark("a", 9, 3)


def test_until_it_is_settled_a_frame_is_new() -> None:
    """Where the outbox could not keep it, the next copy is taken."""
    arrivals = Arrivals(LINE, [Mark("a", 9, 0)])
    assert arrivals.hear(report(1).to_bytes(), 0).readings
    assert arrivals.hear(report(1).to_bytes(), 0).readings


def test_a_number_that_does_not_follow_is_believed_when_it_is_said_again() -> None:
    """One broken frame that its checksum let pass does not make copies of all that comes after it."""
    arrivals = Arrivals(LINE, [Mark("a", 9, 5)])
    for broken in (report(70_000), report(6, boot=77), report(9), report(8, boot=77 + 2**20)):
        arrival = arrivals.hear(broken.to_bytes(), 0)
        assert (arrival.readings, arrival.mark, arrival.ack) == ((), None, None)
    assert heard(arrivals, report(6)).mark == Mark("a", 9, 6)
    assert heard(arrivals, report(9, dropped=2)).missed == 2


def test_marks_that_were_lost_stop_no_node() -> None:
    """Also where the node drops its oldest before it says it again."""
    for again in (0, 1, NEAR):
        arrivals = Arrivals(LINE, [Mark("a", 9, 5)])
        assert arrivals.hear(report(1000).to_bytes(), 0).ack is None
        assert arrivals.hear(report(1000 + again).to_bytes(), 0).mark == Mark("a", 9, 1000 + again)


def test_missing_frames_are_counted_for_each_life_of_each_node() -> None:
    arrivals = Arrivals(LINE)
    said = (report(1), report(2), report(5, dropped=2), report(1, node=2), report(3, boot=10), report(6))
    told = [(arrival.is_new_life, arrival.missed) for arrival in (heard(arrivals, one) for one in said)]
    assert told == [(True, 0), (False, 0), (False, 2), (True, 0), (True, 2), (False, 0)]


def test_lives_that_are_remembered_are_bounded() -> None:
    """The newest are kept."""
    arrivals = Arrivals(LINE)
    for boot in range(100):
        assert heard(arrivals, report(1, boot=boot)).is_new_life
    known = [boot for boot in range(100) if arrivals.hear(report(1, boot=boot).to_bytes(), 0).ack is not None]
    assert known == list(range(100 - LIVES_MAX, 100))


def test_an_unknown_metric_is_named_and_the_others_count() -> None:
    one = Report(1, 9, 1, 0, 0, (Value(99, 5), Value(1, 100)))
    arrival = heard(Arrivals(LINE), one)
    assert arrival.unknown == (99,)
    assert [reading.metric for reading in arrival.readings] == ["tilt"]


def test_an_unknown_node_is_refused() -> None:
    with pytest.raises(RejectedError, match="node 3 is not in the settings"):
        Arrivals(LINE).hear(report(1, node=3).to_bytes(), 0)
