"""The line to the broker: one socket, never waited for. It comes back by itself, with full jitter."""

import random
import select
import socket

from micropython_node import mqtt
from micropython_node.mqtt import ProtocolError, Reader

EAGAIN = 11
EINPROGRESS = (115, 119, 36)  # Linux, ESP-IDF, macOS
CONNECT_MS = 10_000  # from the first packet to the broker's answer
RECONNECT_FIRST_MS = 1_000
RECONNECT_MAX_MS = 60_000
INCOMING_BYTES_MAX = 2_048
CHUNK_BYTES = 512
UNACKNOWLEDGED_MAX = 4
DOWN, DIALLING, GREETING, UP = range(4)


class Link:
    """`step` often. `came_up` is true in the step after which the broker has accepted us."""

    def __init__(self, host: str, port: int, greeting: bytes, inbox: str, keepalive_s: int) -> None:
        self._address = (host, port)
        self._greeting = greeting
        self._inbox = inbox
        self._keepalive_ms = keepalive_s * 1000
        self._poll = select.poll()
        self._state = DOWN
        self._due_ms = 0  # the next attempt, or the end of this one
        self._attempts = 0
        self._number = 0
        self._out = bytearray()
        self._unacknowledged: dict[int, int] = {}  # packet number: when
        self.came_up = False
        self.why = ""  # of the last end

    @property
    def is_up(self) -> bool:
        return self._state == UP

    def has_room(self) -> bool:
        return self._state == UP and not self._out and len(self._unacknowledged) < UNACKNOWLEDGED_MAX

    def publish(self, topic: str, payload: bytes, now_ms: int, retain: bool = False) -> None:
        self._number = self._number % 65_535 + 1
        self._unacknowledged[self._number] = now_ms
        self._say(mqtt.publish(topic, payload, self._number, retain), now_ms)

    def wait(self, ms: int) -> None:
        """Until the line has something for `step` to do, or so long."""
        if self._state != DOWN:
            may_write = self._out or self._state == DIALLING
            self._poll.modify(self._socket, select.POLLIN | (select.POLLOUT if may_write else 0))
        self._poll.poll(ms)

    def step(self, now_ms: int) -> list[tuple[str, bytes]]:
        """The (topic, payload) that came."""
        self.came_up = False
        try:
            if self._state == DOWN:
                if now_ms >= self._due_ms:
                    self._dial(now_ms)
                return []
            return self._converse(now_ms)
        except (OSError, ProtocolError) as error:
            self._hang_up(now_ms, repr(error))
            return []

    # ------------------------------------------------------------------ one connection

    def _dial(self, now_ms: int) -> None:
        self._socket = socket.socket()
        self._state, self._due_ms = DIALLING, now_ms + CONNECT_MS
        self._out = bytearray()
        self._unacknowledged = {}
        self._reader = Reader(INCOMING_BYTES_MAX)
        self._heard_ms = self._said_ms = now_ms
        address = socket.getaddrinfo(*self._address)[0][-1]  # on a board this waits for the name server
        self._socket.setblocking(False)
        try:
            self._socket.connect(address)
        except OSError as error:
            if error.errno not in EINPROGRESS:
                raise
        self._poll.register(self._socket, select.POLLIN | select.POLLOUT)

    def _converse(self, now_ms: int) -> list[tuple[str, bytes]]:
        ready = self._poll.poll(0)
        events = ready[0][1] if ready else 0
        if events & (select.POLLERR | select.POLLHUP):
            raise ProtocolError("the line broke")
        if self._state == DIALLING and events & select.POLLOUT:
            self._state = GREETING
            self._say(self._greeting, now_ms)
        came: list[tuple[str, bytes]] = []
        if events & select.POLLIN and self._state != DIALLING:
            came = self._read(now_ms)
        self._check_times(now_ms)
        self._send()
        return came

    def _check_times(self, now_ms: int) -> None:
        if self._state != UP:
            if now_ms >= self._due_ms:
                raise ProtocolError("no answer")
            return
        oldest_ms = min(self._unacknowledged.values()) if self._unacknowledged else now_ms
        if now_ms - min(self._heard_ms, oldest_ms) > self._keepalive_ms:
            raise ProtocolError("the broker is silent")
        if now_ms - self._said_ms > self._keepalive_ms // 2:
            self._say(mqtt.PINGREQ, now_ms)

    def _read(self, now_ms: int) -> list[tuple[str, bytes]]:
        chunk = self._socket.recv(CHUNK_BYTES)
        if not chunk:
            raise ProtocolError("the broker closed the line")
        self._heard_ms = now_ms
        came: list[tuple[str, bytes]] = []
        for kind, flags, body in self._reader.feed(chunk):
            if kind == mqtt.CONNACK:
                if body[1:2] != b"\x00":
                    raise ProtocolError(f"the broker refuses us: {body!r}")
                self._say(mqtt.subscribe(self._inbox, 65_535), now_ms)
            elif kind == mqtt.SUBACK:
                if body[2:3] == b"\x80":
                    raise ProtocolError("the broker refuses the subscription")
                self._state, self._attempts, self.came_up = UP, 0, True
            elif kind == mqtt.PUBACK:
                self._unacknowledged.pop(int.from_bytes(body, "big"), None)
            elif kind == mqtt.PUBLISH:
                topic, number, payload = mqtt.read_publish(flags, body)
                if number:
                    self._say(mqtt.puback(number), now_ms)
                came.append((topic, payload))
        return came

    def _say(self, packet: bytes, now_ms: int) -> None:
        """`step` sends it, and is where a line may break."""
        self._said_ms = now_ms
        self._out.extend(packet)

    def _send(self) -> None:
        while self._out:
            try:
                sent = self._socket.send(self._out)
            except OSError as error:
                if error.errno == EAGAIN:
                    break
                raise
            self._out = self._out[sent:]

    def _hang_up(self, now_ms: int, why: str) -> None:
        if self._state != DOWN:
            try:
                self._poll.unregister(self._socket)
            except KeyError:
                pass  # it did not come so far
            self._socket.close()
        self._state, self.why = DOWN, why
        longest_ms = min(RECONNECT_MAX_MS, RECONNECT_FIRST_MS << min(self._attempts, 8))
        self._attempts += 1
        self._due_ms = now_ms + random.randrange(longest_ms)
