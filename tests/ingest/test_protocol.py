"""MQTT 5 without a socket: any chunking, every truncation, noise, what is too large, windows, reconnection."""

import contextlib
from collections.abc import Sequence
from itertools import pairwise

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_ingest.protocol import (
    INFLIGHT_MAX,
    PACKET_BYTES_MAX,
    PACKET_HEAD_BYTES,
    QUEUED_MAX,
    Identity,
    MalformedError,
    Message,
    Protocol,
    RefusedError,
)

# The codec's panic over text that is not UTF-8 leaves an error behind that nobody can catch.
panics = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
QOS1 = mqtt5.QoS.AT_LEAST_ONCE
messages = st.lists(
    st.tuples(st.text(st.characters(exclude_characters="+#\0", exclude_categories=["Cs"]), min_size=1, max_size=20),
              st.binary(max_size=300), st.none() | st.integers(1, 65_535)),
    max_size=10,
)  # fmt: skip


def opened(filters: Sequence[str] = ("a/#",), *, receive_max: int = 100, present: bool = False) -> Protocol:
    protocol = Protocol(Identity("c", session_expiry_s=60), filters)
    reopen(protocol, receive_max=receive_max, present=present)
    return protocol


def reopen(protocol: Protocol, *, receive_max: int = 100, present: bool = False) -> None:
    protocol.open()
    connack = mqtt5.ConnAckPacket(session_present=present, receive_max=receive_max)
    protocol.feed(connack.write(), 0)
    protocol.feed(mqtt5.SubAckPacket(1, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]).write(), 0)


def publish(topic: str, payload: bytes, packet_id: int | None) -> bytes:
    if packet_id is None:
        return mqtt5.PublishPacket(topic, payload).write()
    return mqtt5.PublishPacket(topic, payload, qos=QOS1, packet_id=packet_id).write()


def said(protocol: Protocol) -> list[mqtt5.Packet]:
    """What waits to be sent, as packets."""
    packets, buffer = [], bytes(protocol.outgoing)
    while buffer:
        packet, size = mqtt5.read(memoryview(buffer))
        packets.append(packet)
        buffer = buffer[size:]
    protocol.outgoing.clear()
    return packets


def chunks(stream: bytes, cuts: list[int]) -> list[bytes]:
    bounds = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[a:b] for a, b in pairwise(bounds)]


@given(messages, st.lists(st.integers(0, 10_000), max_size=30))
def test_any_chunking_gives_the_same_messages(sent: list[tuple[str, bytes, int | None]], cuts: list[int]) -> None:
    stream = b"".join(publish(*one) for one in sent)
    protocol = opened()
    got = [m for chunk in chunks(stream, cuts) for m in protocol.feed(chunk, 7)]
    assert [(m.topic, m.payload, m.packet_id) for m in got] == sent
    assert all(m.size == len(m.payload) and m.received_at_us == 7 and m.epoch == 1 for m in got)


@given(messages.filter(bool), st.data())
def test_a_truncated_stream_waits(sent: list[tuple[str, bytes, int | None]], data: st.DataObject) -> None:
    """Whatever is cut off the last packet, those before it are there and nothing is wrong."""
    last = publish(*sent[-1])
    stream = b"".join(publish(*one) for one in sent[:-1]) + last[: data.draw(st.integers(0, len(last) - 1))]
    assert len(opened().feed(stream, 0)) == len(sent) - 1


@panics
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_noise_waits_or_is_malformed(noise: bytes, cuts: list[int]) -> None:
    protocol = opened()
    with contextlib.suppress(MalformedError, RefusedError):
        for chunk in chunks(noise, cuts):
            protocol.feed(chunk, 0)


@panics
@pytest.mark.parametrize("bad", [b"\x00\x00", b"\x32\x02\x00\x09", b"\x30\x05\x00\x02\xff\xfe\x00", b"\xff" * 6])
def test_malformed_is_said_goodbye_to_with_the_reason(bad: bytes) -> None:
    protocol = opened()
    protocol.outgoing.clear()
    with pytest.raises(MalformedError):
        protocol.feed(bad, 0)
    [goodbye] = said(protocol)
    assert isinstance(goodbye, mqtt5.DisconnectPacket)
    assert goodbye.reason_code == mqtt5.DisconnectReasonCode.MALFORMED_PACKET


@pytest.mark.parametrize("chunk_bytes", [1000, 65_536, 262_144, 4_000_000])
def test_what_is_too_large_leaves_its_head_and_its_size(chunk_bytes: int) -> None:
    """It is not held whole, it is acknowledged like any other, and what follows it arrives."""
    payload = b"x" * (PACKET_BYTES_MAX + 12_345)
    stream = publish("a/before", b"1", 1) + publish("a/large", payload, 2) + publish("a/after", b"3", 3)
    protocol = opened()
    got: list[Message] = []
    for start in range(0, len(stream), chunk_bytes):
        got += protocol.feed(stream[start : start + chunk_bytes], 0)
        if chunk_bytes < PACKET_HEAD_BYTES:
            assert protocol._held <= PACKET_HEAD_BYTES + chunk_bytes
    assert [(m.topic, m.packet_id, m.size) for m in got[:1] + got[2:]] == [("a/before", 1, 1), ("a/after", 3, 1)]
    assert (got[1].topic, got[1].packet_id) == ("a/large", 2)
    if len(stream) > chunk_bytes:
        assert got[1].size == len(payload)
        assert len(got[1].payload) <= PACKET_HEAD_BYTES


def test_acknowledgements_go_out_in_order_and_only_on_their_connection() -> None:
    protocol = opened()
    got = protocol.feed(b"".join(publish("a/b", b"", number) for number in (5, 3, 9)), 0)
    protocol.outgoing.clear()
    protocol.acknowledge(got[:2])
    assert [p.packet_id for p in said(protocol) if isinstance(p, mqtt5.PubAckPacket)] == [5, 3]
    reopen(protocol, present=True)
    protocol.outgoing.clear()
    protocol.acknowledge(got[2:])
    assert said(protocol) == []


def test_qos_0_is_not_acknowledged() -> None:
    protocol = opened()
    got = protocol.feed(publish("a/b", b"x", None), 0)
    protocol.outgoing.clear()
    protocol.acknowledge(got)
    assert said(protocol) == []


def test_publishing_keeps_to_the_brokers_window() -> None:
    protocol = opened(receive_max=3)
    protocol.outgoing.clear()
    assert all(protocol.publish("t", b"%d" % i, qos=1) for i in range(5))
    first = [p for p in said(protocol) if isinstance(p, mqtt5.PublishPacket)]
    assert [p.payload for p in first] == [b"0", b"1", b"2"]
    assert first[1].packet_id is not None
    protocol.feed(mqtt5.PubAckPacket(first[1].packet_id).write(), 0)
    [more] = said(protocol)
    assert isinstance(more, mqtt5.PublishPacket)
    assert more.payload == b"3"


@pytest.mark.parametrize("present", [True, False])
def test_what_the_broker_did_not_acknowledge_is_sent_again(present: bool) -> None:
    protocol = opened()
    protocol.publish("t", b"1", qos=1)
    reopen(protocol, present=present)
    again = [p for p in said(protocol) if isinstance(p, mqtt5.PublishPacket)]
    assert [(p.payload, p.duplicate) for p in again] == [(b"1", present)]


def test_what_waits_to_be_published_is_bounded() -> None:
    protocol = opened()
    taken = sum(protocol.publish("t", b"", qos=1) for _ in range(INFLIGHT_MAX + QUEUED_MAX + 10))
    assert taken == INFLIGHT_MAX + QUEUED_MAX


def test_qos_0_is_not_kept_for_a_connection_to_come() -> None:
    protocol = Protocol(Identity("c"), [])
    assert not protocol.publish("t", b"")
    assert said(protocol) == []


@pytest.mark.parametrize(
    ("code", "lasting"),
    [
        (mqtt5.ConnAckReasonCode.NOT_AUTHORIZED, True),
        (mqtt5.ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD, True),
        (mqtt5.ConnAckReasonCode.SERVER_BUSY, False),
    ],
)
def test_a_refusal_says_whether_it_lasts(code: mqtt5.ConnAckReasonCode, lasting: bool) -> None:
    protocol = Protocol(Identity("c"), [])
    protocol.open()
    with pytest.raises(RefusedError, match=code.name) as raised:
        protocol.feed(mqtt5.ConnAckPacket(reason_code=code).write(), 0)
    assert raised.value.lasting is lasting


def test_a_refused_subscription_is_an_error() -> None:
    protocol = Protocol(Identity("c"), ["a/#", "b/#"])
    protocol.open()
    protocol.feed(mqtt5.ConnAckPacket().write(), 0)
    codes = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE, mqtt5.SubAckReasonCode.NOT_AUTHORIZED]
    with pytest.raises(RefusedError, match="b/#"):
        protocol.feed(mqtt5.SubAckPacket(1, codes).write(), 0)
    assert not protocol.subscribed


def test_what_only_a_client_may_say_is_an_error() -> None:
    with pytest.raises(MalformedError):
        opened().feed(mqtt5.PingReqPacket().write(), 0)


def test_a_session_is_never_begun_clean_unless_none_is_wanted() -> None:
    """Some brokers keep no session for a client that ever said clean."""
    for expiry_s, clean in ((60, False), (0, True)):
        protocol = Protocol(Identity("c", session_expiry_s=expiry_s), [])
        protocol.open()
        [connect] = said(protocol)
        assert isinstance(connect, mqtt5.ConnectPacket)
        assert connect.clean_start is clean
