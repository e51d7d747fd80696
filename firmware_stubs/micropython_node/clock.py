"""What time it is: a count that never jumps, and UTC as soon as it is known. The only place that reads a clock."""

import os
import socket
import time

NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970, RFC 5905 section 6
NTP_ERA_S = 2**32
EARLIEST_US = 1_735_689_600_000_000  # 2025: a board that was never told the time says 2000 or 1970
ASK_AGAIN_MS = 16_000  # never more often than every 15 s, and ever more rarely: RFC 4330 section 10 (recalled)
ASK_AGAIN_MAX_MS = 1_024_000
RESYNC_MS = 3_600_000
ROUND_TRIP_MAX_MS = 1_000  # half of it is the greatest error of a time


class Monotonic:
    """Milliseconds since the start. The board's own count begins anew every 12 days; `ms` has to be read more often."""

    def __init__(self) -> None:
        self._ticks = time.ticks_ms()
        self._ms = 0

    def ms(self) -> int:
        ticks = time.ticks_ms()
        self._ms += time.ticks_diff(ticks, self._ticks)
        self._ticks = ticks
        return self._ms


class SystemTime:
    """The system's own clock, once somebody has set it."""

    def __init__(self) -> None:
        year, month, day = time.gmtime(0)[:3]
        self._epoch_us = 946_684_800_000_000 if (year, month, day) == (2000, 1, 1) else 0

    def step(self, now_ms: int) -> None:
        """Nothing to do."""

    def offset_us(self, now_ms: int) -> int | None:
        """What to add to the monotonic count; None: not known yet."""
        us = time.time_ns() // 1000 + self._epoch_us
        return us - now_ms * 1000 if us >= EARLIEST_US else None


class NetworkTime:
    """SNTP (RFC 4330), asked without waiting. Until the first answer no time is known."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self._cookie = b""
        self._sent_ms = 0
        self._due_ms = 0
        self._asks = 0
        self._offset_us: int | None = None

    def offset_us(self, now_ms: int) -> int | None:  # noqa: ARG002 - as SystemTime's
        return self._offset_us

    def step(self, now_ms: int) -> None:
        try:
            if self._socket is not None:
                self._receive(now_ms)
            if now_ms >= self._due_ms:
                self._ask(now_ms)
        except OSError:
            self._close()

    def _ask(self, now_ms: int) -> None:
        self._close()
        self._due_ms = now_ms + min(ASK_AGAIN_MS << min(self._asks, 8), ASK_AGAIN_MAX_MS)
        self._asks += 1
        address = socket.getaddrinfo(*self._address)[0][-1]
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        # The server gives these bytes back, so an answer to somebody else's question, or an old one, is not taken.
        self._cookie, self._sent_ms = os.urandom(8), now_ms
        self._socket.sendto(b"\x23" + bytes(39) + self._cookie, address)

    def _receive(self, now_ms: int) -> None:
        try:
            answer = self._socket.recv(48)  # type: ignore[union-attr] # `step` has looked
        except OSError:
            return  # nothing there yet
        offset_us = decode_sntp(answer, self._cookie, self._sent_ms, now_ms)
        if offset_us is not None:
            self._offset_us, self._asks, self._due_ms = offset_us, 0, now_ms + RESYNC_MS
            self._close()

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def decode_sntp(answer: bytes, cookie: bytes, sent_ms: int, now_ms: int) -> int | None:
    """What to add to the monotonic count, in µs; None where the answer is none that can be trusted."""
    if len(answer) < 48 or answer[24:32] != cookie or now_ms - sent_ms > ROUND_TRIP_MAX_MS:
        return None
    if answer[0] >> 6 == 3 or answer[0] & 7 != 4 or not 1 <= answer[1] <= 15:  # not set; no server; kiss of death
        return None
    seconds, fraction = int.from_bytes(answer[40:44], "big"), int.from_bytes(answer[44:48], "big")
    if seconds < NTP_ERA_S // 2:
        seconds += NTP_ERA_S  # from 2036 on
    us = (seconds - NTP_EPOCH_S) * 1_000_000 + (fraction * 1_000_000 >> 32)
    return us - (sent_ms + now_ms) * 500 if us >= EARLIEST_US else None
