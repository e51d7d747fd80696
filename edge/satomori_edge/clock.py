"""What time it is, and whether that is known: many a gateway has no battery for its clock and starts in the past.

In this order: the system's clock where the kernel says that something keeps it right (NTP, PTP, GPS); ingest's clock,
by the `at` of its acknowledgements; the system's clock where a hardware clock set it at boot, unless ingest's says
otherwise. Without any of these the time is not known, and `now_us` is on the clock that runs since boot: below zero, as
no true time is. The outbox holds such readings and stamps them when the time is known, also in a later life of the
agent within the same boot. What a reboot cut off from all true time is lost, with the reason `clock`: its times could
only be guessed.

Until an agent begins to judge it, the system's clock counts as right (`satomori edge --check`, tests).
"""

import ctypes
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from satomori_core.clock import SECOND_US, from_iso
from satomori_core.clock import now_us as wall_clock_us
from satomori_core.logs import get_logger

FIRST_US = from_iso("2026-01-01T00:00:00Z")  # a clock that says earlier was never set: this was not written yet
WRONG_US = 30 * SECOND_US  # so far from ingest's clock a clock is wrong
DRIFT_US = SECOND_US  # nearer to ingest's clock than that the time is left alone
TOLD_MAX = 16  # of so many times that ingest told, the one counts that had the shortest way
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
SINCE_BOOT = -(1 << 60)  # added to the time since boot
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NTP_FLAG = Path("/run/systemd/timesync/synchronized")  # systemd-timesyncd(8): set at the first time of this boot

Origin = Literal["unknown", "hardware", "ingest", "system"]

log = get_logger("edge")


def boot_us() -> int:
    """Since the machine was started, asleep or not."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME if sys.platform == "linux" else time.CLOCK_MONOTONIC) // 1000


def boot_id() -> str:
    """The same for all processes of one boot; where the system has none, this process's own."""
    return BOOT_ID.read_text(encoding="ascii").strip() if BOOT_ID.exists() else uuid.uuid4().hex


def is_kept_right() -> bool:
    """Whether the kernel knows that somebody disciplines its clock. Where it can't be asked, we believe so."""
    if sys.platform != "linux" or NTP_FLAG.exists():
        return True
    timex = ctypes.create_string_buffer(512)  # struct timex, its modes 0: only ask. It has 208 bytes on 64 bits
    return int(ctypes.CDLL(None).adjtimex(timex)) != TIME_ERROR


def was_set_by_hardware() -> bool:
    """Whether a hardware clock set the system's at boot (Linux's rtc/hctosys)."""
    return any(flag.read_text(encoding="ascii").strip() == "1" for flag in Path("/sys/class/rtc").glob("*/hctosys"))


class Clock:
    """`judge` and `look` by the agent, `learn` by the uplink, `now_us` by whoever stamps a reading."""

    def __init__(
        self,
        *,
        wall: Callable[[], int] = wall_clock_us,
        since_boot: Callable[[], int] = boot_us,
        kept_right: Callable[[], bool] = is_kept_right,
        by_hardware: Callable[[], bool] = was_set_by_hardware,
    ) -> None:
        self._wall = wall
        self._since_boot = since_boot
        self._kept_right = kept_right
        self._by_hardware = by_hardware
        self._told_us: deque[int] = deque(maxlen=TOLD_MAX)
        self._ingest_us = 0  # ingest's time when the machine was started
        self._off_us = 0  # how far ingest's clock is from a system's clock that we believe
        self._began_us = self._seen_us = wall() - since_boot()
        self._judges = False
        self.origin: Origin = "system"

    def judge(self) -> None:
        """From now on the system's clock is believed only for a reason."""
        self._judges = True
        self.origin = "unknown"
        self.look()

    def look(self) -> None:
        """Now and then: whether there is a better reason, or a step of the system's clock."""
        start_us = self._wall() - self._since_boot()
        if abs(start_us - self._seen_us) > SECOND_US:
            log.warning("the system's clock was stepped", by_s=round((start_us - self._seen_us) / 1e6, 3))
        self._seen_us = start_us
        if self._wall() < FIRST_US:
            if self.origin in {"system", "hardware"}:
                self._take("unknown")
        elif self.origin != "system" and (not self._judges or self._kept_right()):
            self._take("system")
        elif self.origin == "unknown" and self._by_hardware():
            self._take("hardware")

    def learn(self, at_us: int) -> None:
        """Ingest's clock says so now, give or take the way of a message."""
        off_us = at_us - self._wall()
        self._off_us = off_us if abs(off_us) > WRONG_US else 0
        self._told_us.append(at_us - self._since_boot())
        start_us = max(self._told_us)  # of the message that was on its way for the shortest time
        if self.origin == "unknown" or (self.origin == "hardware" and self._off_us):
            self._ingest_us = start_us
            self._take("ingest")
        elif self.origin == "ingest" and abs(start_us - self._ingest_us) > DRIFT_US:
            self._ingest_us = start_us

    def _take(self, origin: Origin) -> None:
        self.origin = origin
        log.info("time", known_by=origin, wall_clock_off_s=round(self._off_us / 1e6, 1))

    def is_known(self) -> bool:
        return self.origin != "unknown"

    def now_us(self) -> int:
        """µs since 1970; below zero, since boot, while the time is not known."""
        if self.origin in {"system", "hardware"}:
            return self._wall()
        return self._since_boot() + (self._ingest_us if self.origin == "ingest" else SINCE_BOOT)

    def told_us(self) -> int:
        """For what is told at once: the time as far as it is known, else what the system's clock says."""
        return self.now_us() if self.is_known() else self._wall()

    def boot_at_us(self) -> int:
        """When the machine was started, where the time is known."""
        return self.now_us() - self._since_boot()

    def offset_s(self) -> float:
        """How far the wall clock is off by ingest's, where that is much; else its steps since the start.

        Whole milliseconds: less than that is the reading of two clocks after another.
        """
        stepped_us = self._wall() - self._since_boot() - self._began_us
        return round((-self._off_us or stepped_us) / 1e6, 3)


CLOCK = Clock()  # the process's
now_us = CLOCK.now_us
told_us = CLOCK.told_us
