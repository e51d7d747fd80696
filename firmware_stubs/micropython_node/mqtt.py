"""The packets of MQTT 3.1.1 that a node needs, as bytes. Pure: no socket, no clock.

Source: OASIS MQTT Version 3.1.1, chapters 2 and 3.
"""

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP = 2, 3, 4, 9, 13
PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"
LENGTH_BYTES_MAX = 4  # of the remaining length, section 2.2.3


class ProtocolError(Exception):
    """The other side speaks no MQTT 3.1.1, or refuses us: the line has to be closed."""


def _text(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(2, "big") + raw


def _packet(first: int, body: bytes) -> bytes:
    length, left = bytearray(), len(body)
    while True:
        left, digit = left >> 7, left & 0x7F
        length.append(digit | 0x80 if left else digit)
        if not left:
            return bytes([first]) + length + body


def connect(client: str, keepalive_s: int, will: tuple[str, bytes], login: tuple[str, str] | None = None) -> bytes:
    """A clean session; `will`: topic and payload, retained and of QoS 1; `login`: user and password."""
    flags = 0x02 | 0x04 | 0x08 | 0x20 | (0xC0 if login else 0)
    body = _text("MQTT") + bytes([4, flags]) + keepalive_s.to_bytes(2, "big")
    topic, payload = will
    body += _text(client) + _text(topic) + len(payload).to_bytes(2, "big") + payload
    return _packet(0x10, body + (_text(login[0]) + _text(login[1]) if login else b""))


def publish(topic: str, payload: bytes, number: int, retain: bool) -> bytes:
    """With QoS 1; `number` from 1 to 65535."""
    return _packet(0x33 if retain else 0x32, _text(topic) + number.to_bytes(2, "big") + payload)


def subscribe(topic: str, number: int) -> bytes:
    return _packet(0x82, number.to_bytes(2, "big") + _text(topic) + b"\x01")


def puback(number: int) -> bytes:
    return _packet(0x40, number.to_bytes(2, "big"))


def read_publish(flags: int, body: bytes) -> tuple[str, int, bytes]:
    """(topic, packet number, payload); the number is 0 with QoS 0."""
    end = 2 + int.from_bytes(body[:2], "big")
    start = end + 2 if flags & 0x06 else end
    if len(body) < start:
        raise ProtocolError("a publish ends too early")
    try:
        topic = body[2:end].decode()
    except UnicodeError:
        raise ProtocolError("a topic is no UTF-8") from None
    return topic, int.from_bytes(body[end:start], "big"), body[start:]


class Reader:
    """Packets out of a stream of bytes. Of a body only the first `body_bytes_max` are kept, so memory is bounded."""

    def __init__(self, body_bytes_max: int) -> None:
        self._max = body_bytes_max
        self._begin()

    def _begin(self) -> None:
        self._first = -1
        self._length = 0
        self._length_bytes = 0
        self._is_sized = False
        self._left = 0
        self._body = bytearray()

    def feed(self, chunk: bytes) -> list[tuple[int, int, bytes]]:
        """The (kind, flags, body) that end in `chunk`. Raise ProtocolError."""
        found: list[tuple[int, int, bytes]] = []
        at = 0
        while at < len(chunk):
            if not self._is_sized:
                self._size(chunk[at])
                at += 1
            else:
                part = chunk[at : at + self._left]
                self._body.extend(part[: self._max - len(self._body)])
                self._left -= len(part)
                at += len(part)
            if self._is_sized and not self._left:
                found.append((self._first >> 4, self._first & 0x0F, bytes(self._body)))
                self._begin()
        return found

    def _size(self, byte: int) -> None:
        """A byte of the fixed header."""
        if self._first < 0:
            self._first = byte
            return
        if self._length_bytes == LENGTH_BYTES_MAX:
            raise ProtocolError("a length of more than four bytes")
        self._length |= (byte & 0x7F) << 7 * self._length_bytes
        self._length_bytes += 1
        self._is_sized = byte < 0x80
        self._left = self._length
