"""What is sent when: two lanes with a window each, until ingest has acknowledged it. Pure but for jitter.

Fresh is what was numbered since the connection is up; the rest goes by the backlog lane, which therefore never delays
what is happening now. The broker may keep for ingest what we send for as long as ingest is away, so a connection
begins with a small question, and nothing is sent, nor sent again, to an ingest that has not been heard.
"""

import random

from micropython_node.buffer import FlashBuffer, MemoryBuffer
from micropython_node.senml import decode_ack, encode_losses, encode_pack
from micropython_node.spans import merged, without

WINDOW = 2  # packs of a lane on their way
PACK_VALUES_MAX = 16
WAIT_MS = 10_000  # for an acknowledgement
ASK_MS = 2_000  # for an answer to the first question
WAIT_MAX_MS = 300_000


class Flight:
    """A pack on its way."""

    def __init__(self, spans: list[tuple[int, int]], now_ms: int, are_losses: bool) -> None:
        self.spans = spans
        self.are_losses = are_losses
        self.sent_ms = now_ms
        self.due_ms = now_ms + WAIT_MS
        self.attempts = 1


class Lane:
    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.flights: list[Flight] = []
        self.cursor = 0  # the last number that was sent in this connection


class Uplink:
    """`next` names what to send now."""

    def __init__(self, buffer: MemoryBuffer | FlashBuffer) -> None:
        self._buffer = buffer
        self._tried = buffer.next - 1  # an earlier life may have sent so many
        self._fresh_from = 1
        self._lanes = (Lane("telemetry"), Lane("backlog"))
        self._is_heard = False
        self._heard_ms = 0
        self._asks = 0
        self._ask_ms = 0

    def connected(self, now_ms: int) -> None:
        """What was said before may be lost."""
        self._fresh_from = self._buffer.next
        self._lanes = (Lane("telemetry"), Lane("backlog"))
        self._is_heard = False
        if self._asks < 3:  # a line that comes and goes may not ask each time
            self._ask_ms = now_ms

    def take_ack(self, payload: bytes, now_ms: int) -> None:
        spans = decode_ack(payload, self._buffer.stream)
        if spans is None:
            return
        if not self._is_heard:
            for lane in self._lanes:
                for flight in lane.flights:  # what the broker kept of it is acknowledged now: time for that
                    flight.due_ms = now_ms + WAIT_MS
        self._is_heard, self._heard_ms, self._asks = True, now_ms, 0
        self._buffer.forget(spans)
        for lane in self._lanes:
            for flight in lane.flights:
                flight.spans = without(flight.spans, spans)
            lane.flights = [flight for flight in lane.flights if flight.spans]

    def next(self, now_ms: int) -> tuple[str, bytes] | None:
        """(channel, payload), or None while there is nothing to say."""
        if not self._is_heard:
            return self._ask(now_ms)
        for lane in self._lanes:
            for flight in lane.flights[:]:
                if flight.due_ms > now_ms:
                    continue
                if self._heard_ms <= flight.sent_ms:  # an answer makes room, so the next pack leaves at that moment
                    self._is_heard, self._ask_ms = False, now_ms
                    return self._ask(now_ms)
                said = self._again(lane, flight, now_ms)
                if said is not None:
                    return said
            if len(lane.flights) < WINDOW:
                said = self._more(lane, now_ms)
                if said is not None:
                    return said
        return None

    def _ask(self, now_ms: int) -> tuple[str, bytes] | None:
        if now_ms < self._ask_ms:
            return None
        self._asks += 1
        self._ask_ms = now_ms + wait_ms(ASK_MS, self._asks)
        return "telemetry", encode_losses(self._buffer.stream, [])

    def _more(self, lane: Lane, now_ms: int) -> tuple[str, bytes] | None:
        is_fresh = lane is self._lanes[0]
        if not is_fresh and not any(flight.are_losses for flight in lane.flights):
            losses = self._buffer.losses.rows
            if losses:
                spans = merged([(first, last) for first, last, _ in losses])
                lane.flights.append(Flight(spans, now_ms, are_losses=True))
                return lane.channel, encode_losses(self._buffer.stream, losses)
        first, last = (self._fresh_from, self._buffer.next) if is_fresh else (1, self._fresh_from - 1)
        kept = self._buffer.read(max(first, lane.cursor + 1), last, PACK_VALUES_MAX)
        if not kept:
            return None
        lane.cursor = kept[-1][0]
        spans, payload = self._pack(kept, again=kept[0][0] <= self._tried)
        lane.flights.append(Flight(spans, now_ms, are_losses=False))
        return lane.channel, payload

    def _again(self, lane: Lane, flight: Flight, now_ms: int) -> tuple[str, bytes] | None:
        """None where it was given up in the meantime: that is told as a loss."""
        lane.flights.remove(flight)
        if flight.are_losses:
            return None  # `_more` says what is lost by now
        kept = [row for a, b in flight.spans for row in self._buffer.read(a, b, PACK_VALUES_MAX)]
        if not kept:
            return None
        flight.spans, payload = self._pack(kept, again=True)
        flight.attempts += 1
        flight.sent_ms, flight.due_ms = now_ms, now_ms + wait_ms(WAIT_MS, flight.attempts)
        lane.flights.append(flight)
        return lane.channel, payload

    def _pack(self, kept: list[tuple[int, str]], again: bool) -> tuple[list[tuple[int, int]], bytes]:
        spans = merged([(number, number) for number, _ in kept])
        self._tried = max(self._tried, kept[-1][0])
        return spans, encode_pack([record for _, record in kept], self._buffer.stream, spans, again)


def wait_ms(first_ms: int, attempts: int) -> int:
    """It doubles up to WAIT_MAX_MS, and is spread over half of itself."""
    return int(min(first_ms << min(attempts - 1, 16), WAIT_MAX_MS) * (0.75 + random.random() / 2))
