"""[edge.outbox] and [edge.uplink]: how much is kept, how it is sent."""

from dataclasses import dataclass
from typing import Literal

from satomori_edge.settings.faults import between, found

Protocol = Literal["3.1.1", "5"]
PACK_READINGS_MAX = 5000  # about 450 kB of SenML: half of what one message may be


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """Bounds of what is kept while it can't be sent. `memory_readings_max`: while the disk can't be written."""

    bytes_max: int = 64_000_000
    readings_max: int = 1_000_000
    memory_readings_max: int = 20_000

    def faults(self) -> list[str]:
        return found(
            between("bytes_max", self.bytes_max, 100_000, 1e12),
            between("readings_max", self.readings_max, 100, 1e9),
            between("memory_readings_max", self.memory_readings_max, 100, 1e6),
        )


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """`pack_age_s`: how long a fresh reading may wait for others. `…_window`: packs on their way without an ack."""

    protocol: Protocol = "3.1.1"
    pack_readings_max: int = 500
    pack_age_s: float = 0.5
    fresh_window: int = 8
    backlog_window: int = 2
    ack_timeout_s: float = 10.0
    ack_timeout_max_s: float = 600.0
    gzip_bytes_min: int = 512
    keepalive_s: int = 30
    reconnect_max_s: float = 60.0

    def faults(self) -> list[str]:
        return found(
            between("pack_readings_max", self.pack_readings_max, 1, PACK_READINGS_MAX),
            between("pack_age_s", self.pack_age_s, 0, 3600),
            between("fresh_window", self.fresh_window, 1, 1000),
            between("backlog_window", self.backlog_window, 1, 1000),
            between("ack_timeout_s", self.ack_timeout_s, 0.1, 3600),
            between("ack_timeout_max_s", self.ack_timeout_max_s, self.ack_timeout_s, 86400),
            between("keepalive_s", self.keepalive_s, 5, 3600),
            between("reconnect_max_s", self.reconnect_max_s, 0.1, 3600),
        )
