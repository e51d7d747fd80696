"""MQTT 5 as a client speaks it, on the codec `mqtt5`: bytes in, messages and bytes out; no socket, no clock.

Three outcomes of what comes in: part of a packet = wait for more; a malformed one = MalformedError, after which
`outgoing` holds a DISCONNECT with the reason; the end of the stream is the session's business.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import mqtt5

# A larger packet is not held whole: the message is handed over with the head of its payload and its real size.
PACKET_BYTES_MAX = 2_097_152
PACKET_HEAD_BYTES = 131_072
# QoS 1 messages of ours that wait for the broker's acknowledgement, and those that wait for their turn.
INFLIGHT_MAX = 100
QUEUED_MAX = 10_000


class MalformedError(Exception):
    """The other side broke the protocol; close the connection."""


class RefusedError(Exception):
    """The broker said no, or goodbye; the text has its reason. `lasting`: trying again will not help."""

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class Message(NamedTuple):
    """`packet_id` None: QoS 0, nothing to acknowledge. `epoch`: which connection of its session it came by.

    `size`: of the payload as sent; where `payload` is shorter, it is only the head of one that is too large.
    """

    topic: str
    payload: bytes
    packet_id: int | None
    retained: bool
    duplicate: bool
    size: int
    epoch: int
    received_at_us: int


@dataclass(frozen=True, slots=True)
class Identity:
    """How a client presents itself. With a session expiry above 0 the broker keeps its session meanwhile."""

    client_id: str
    username: str | None = None
    password: str | None = None
    session_expiry_s: int = 0
    keep_alive_s: int = 30
    receive_max: int = 1000


# Reasons that come from what is set up at either side, not from the moment. (The codec's enums can't be hashed.)
_LASTING = (
    mqtt5.ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION,
    mqtt5.ConnAckReasonCode.CLIENT_ID_NOT_VALID,
    mqtt5.ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD,
    mqtt5.ConnAckReasonCode.NOT_AUTHORIZED,
    mqtt5.ConnAckReasonCode.BANNED,
    mqtt5.ConnAckReasonCode.BAD_AUTHENTICATION_METHOD,
)
_QOS1 = mqtt5.QoS.AT_LEAST_ONCE


class Protocol:
    """One session over as many connections as it takes; `open` begins each of them.

    `outgoing` holds what is to be sent; the owner sends and clears it.
    """

    def __init__(self, identity: Identity, filters: Sequence[str], qos: int = 1) -> None:
        self._identity = identity
        self._filters = filters
        self._qos = _QOS1 if qos else mqtt5.QoS.AT_MOST_ONCE
        self.outgoing = bytearray()
        self.epoch = 0
        self.connected = False
        self.subscribed = False
        self.session_present = False
        self.awaiting_pong = False
        self.keep_alive_s = identity.keep_alive_s
        self._parts: list[bytes] = []
        self._held = 0
        self._needed = 0
        self._skip = 0
        self._cut: mqtt5.PublishPacket | None = None
        self._cut_size = 0
        self._next_id = 0
        self._window = INFLIGHT_MAX
        self._inflight: dict[int, tuple[str, bytes, int | None]] = {}
        self._queue: deque[tuple[str, bytes, int | None]] = deque()

    # ------------------------------------------------------------------ what we say

    def open(self) -> None:
        """Forget the last connection and say CONNECT. The session itself is asked for again."""
        self.epoch += 1
        self.connected = self.subscribed = self.awaiting_pong = False
        self._parts, self._held, self._needed, self._skip, self._cut = [], 0, 0, 0, None
        self.outgoing.clear()
        who = self._identity
        self.outgoing += mqtt5.ConnectPacket(
            who.client_id,
            username=who.username,
            password=None if who.password is None else who.password.encode(),
            # Clean only where no session is wanted: some brokers keep none for a client that ever began clean.
            clean_start=who.session_expiry_s == 0,
            keep_alive=who.keep_alive_s,
            session_expiry_interval=who.session_expiry_s,
            receive_max=who.receive_max,
        ).write()

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """PUBACK, in the order received (MQTT-4.6.0-2). Those of an earlier connection will come again."""
        for message in messages:
            if message.packet_id is not None and message.epoch == self.epoch:
                self.outgoing += mqtt5.PubAckPacket(message.packet_id).write()

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, expiry_s: int | None = None) -> bool:
        """False where it was not taken: QoS 0 while not connected, QoS 1 when too many wait already.

        `expiry_s`: of QoS 1, so long may the broker keep it for others.
        """
        if qos == 0:
            if self.connected:
                self.outgoing += mqtt5.PublishPacket(topic, payload).write()
            return self.connected
        if len(self._queue) >= QUEUED_MAX:
            return False
        self._queue.append((topic, payload, expiry_s))
        self._send_queued()
        return True

    def ping(self) -> None:
        self.awaiting_pong = True
        self.outgoing += mqtt5.PingReqPacket().write()

    def close(self, reason: mqtt5.DisconnectReasonCode = mqtt5.DisconnectReasonCode.NORMAL_DISCONNECTION) -> None:
        """Say DISCONNECT; the session stays for as long as it was asked for."""
        if self.connected:
            self.outgoing += mqtt5.DisconnectPacket(reason_code=reason).write()
        self.connected = False

    def _send_queued(self) -> None:
        while self.connected and self._queue and len(self._inflight) < self._window:
            packet_id = self._free_id()
            self._inflight[packet_id] = self._queue.popleft()
            self._send(packet_id)

    def _send(self, packet_id: int, *, duplicate: bool = False) -> None:
        topic, payload, expiry_s = self._inflight[packet_id]
        self.outgoing += mqtt5.PublishPacket(
            topic,
            payload,
            qos=_QOS1,
            packet_id=packet_id,
            duplicate=duplicate,
            message_expiry_interval=expiry_s,
        ).write()

    def _free_id(self) -> int:
        """65535 ids for at most INFLIGHT_MAX messages: one is always free."""
        while True:
            self._next_id = self._next_id % 65_535 + 1
            if self._next_id not in self._inflight:
                return self._next_id

    # ------------------------------------------------------------------ what we hear

    def feed(self, chunk: bytes, received_at_us: int) -> list[Message]:
        """What `chunk` completes. Raise MalformedError or RefusedError."""
        if self._skip:
            return self._feed_skipped(chunk, received_at_us)
        self._held += len(chunk)
        if self._parts:
            self._parts.append(chunk)
            if self._held < self._needed:
                return []
            chunk = b"".join(self._parts)
        view = memoryview(chunk)
        at, messages = 0, list[Message]()
        try:
            while at < len(view):
                packet, size = mqtt5.read(view[at:])
                at += size
                if type(packet) is mqtt5.PublishPacket:
                    messages.append(self._message(packet, len(packet.payload), received_at_us))
                else:
                    self._take(packet)
        except IndexError:
            pass  # part of a packet
        except ValueError as error:
            self._fail(f"malformed packet: {error}")
        except BaseException as error:
            # The codec panics on text that is not UTF-8, and its exception can't be imported.
            if type(error).__name__ != "PanicException":
                raise
            self._fail("malformed packet: text that is not UTF-8")
        self._keep(chunk[at:] if at else chunk)
        return messages

    def _message(self, packet: mqtt5.PublishPacket, size: int, received_at_us: int) -> Message:
        return Message(
            packet.topic, packet.payload, packet.packet_id, packet.retain, packet.duplicate, size, self.epoch,
            received_at_us,
        )  # fmt: skip

    def _keep(self, rest: bytes) -> None:
        """Hold the part of a packet until all of it is there, unless it is one that we don't hold whole."""
        self._parts = [rest] if rest else []
        self._held, self._needed = len(rest), 0
        head = _fixed_header(rest)
        if head is None:
            return
        header, remaining = head
        self._needed = header + remaining
        if self._needed <= PACKET_BYTES_MAX:
            return
        if rest[0] >> 4 != 3:
            self._fail(f"a packet of {self._needed} bytes that is no PUBLISH")
        if len(rest) < PACKET_HEAD_BYTES:
            self._needed = PACKET_HEAD_BYTES
            return
        cut = PACKET_HEAD_BYTES - header
        shortened = bytes([rest[0]]) + _variable_length(cut) + rest[header : header + cut]
        try:
            packet, _ = mqtt5.read(memoryview(shortened))
        except (ValueError, IndexError) as error:
            self._fail(f"malformed packet: {error}")
        if not isinstance(packet, mqtt5.PublishPacket):
            raise TypeError(packet)
        self._cut, self._cut_size = packet, len(packet.payload) + remaining - cut
        self._skip = header + remaining - len(rest)
        self._parts, self._held, self._needed = [], 0, 0

    def _feed_skipped(self, chunk: bytes, received_at_us: int) -> list[Message]:
        """Throw away the rest of a packet that is too large, then hand over its head."""
        if len(chunk) < self._skip:
            self._skip -= len(chunk)
            return []
        rest, self._skip = chunk[self._skip :], 0
        if self._cut is None:
            raise AssertionError
        message = self._message(self._cut, self._cut_size, received_at_us)
        self._cut = None
        return [message, *self.feed(rest, received_at_us)]

    def _fail(self, message: str) -> None:
        self.close(mqtt5.DisconnectReasonCode.MALFORMED_PACKET)
        raise MalformedError(message) from None

    def _take(self, packet: mqtt5.Packet) -> None:
        match packet:
            case mqtt5.PubAckPacket():
                self._inflight.pop(packet.packet_id, None)
                self._send_queued()
            case mqtt5.PingRespPacket():
                self.awaiting_pong = False
            case mqtt5.ConnAckPacket() if not self.connected:
                self._take_connack(packet)
            case mqtt5.SubAckPacket():
                self._take_suback(packet)
            case mqtt5.DisconnectPacket():
                self.connected = False
                told = f" ({packet.reason_str})" if packet.reason_str else ""
                lasting = packet.reason_code == mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER
                raise RefusedError(f"the broker disconnected: {packet.reason_code.name}{told}", lasting=lasting)
            case _:
                self.close(mqtt5.DisconnectReasonCode.PROTOCOL_ERROR)
                raise MalformedError(f"the broker sent {type(packet).__name__}, which it may not")

    def _take_connack(self, packet: mqtt5.ConnAckPacket) -> None:
        if packet.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            told = f" ({packet.reason_str})" if packet.reason_str else ""
            raise RefusedError(
                f"the broker refused the connection: {packet.reason_code.name}{told}",
                lasting=packet.reason_code in _LASTING,
            )
        self.connected = True
        self.session_present = packet.session_present
        self.keep_alive_s = packet.server_keep_alive or self._identity.keep_alive_s
        self._window = min(packet.receive_max or INFLIGHT_MAX, INFLIGHT_MAX)
        for packet_id in self._inflight:
            self._send(packet_id, duplicate=packet.session_present)
        if self._filters:
            # The retain flag is then only on what was kept, not on what is said now.
            subscribe = [
                mqtt5.TopicFilter(pattern, max_qos=self._qos, retain_as_published=False) for pattern in self._filters
            ]
            self.outgoing += mqtt5.SubscribePacket(self._free_id(), subscribe).write()
        else:
            self.subscribed = True
        self._send_queued()

    def _take_suback(self, packet: mqtt5.SubAckPacket) -> None:
        for pattern, code in zip(self._filters, packet.reason_codes, strict=False):
            if int(code) >= 0x80:
                raise RefusedError(f"the broker refused the subscription of {pattern}: {code.name}", lasting=True)
        self.subscribed = True


def _fixed_header(head: bytes) -> tuple[int, int] | None:
    """(length of the fixed header, remaining length), or None where it is not all there."""
    remaining = 0
    for index in range(1, min(len(head), 5)):
        remaining |= (head[index] & 0x7F) << 7 * (index - 1)
        if not head[index] & 0x80:
            return index + 1, remaining
    return None


def _variable_length(number: int) -> bytes:
    encoded = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        encoded.append(low | 0x80 if number else low)
        if not number:
            return bytes(encoded)
