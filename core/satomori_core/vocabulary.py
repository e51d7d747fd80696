"""Small closed vocabularies that cross part boundaries: quality flags, levels, states of a reading."""

from enum import IntEnum, StrEnum


class Quality(IntEnum):
    """QARTOD flags (IOOS Manual for QC, 2020): of two flags the worse one is the larger number.

    `UNKNOWN` (not evaluated) is ranked between good and suspect, as in ioos_qc's aggregation.
    """

    GOOD = 1
    UNKNOWN = 2
    SUSPECT = 3
    FAIL = 4
    MISSING = 9


class Level(IntEnum):
    """How an asset, a group or a finding stands; sorts worst last. What is stale is UNKNOWN."""

    GOOD = 0
    UNKNOWN = 1
    WATCH = 2
    WARNING = 3
    DANGER = 4


class Priority(StrEnum):
    """Alarm priorities of EEMUA 191 / ISA-18.2."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


PRIORITY_OF_LEVEL = {
    Level.WATCH: Priority.LOW,
    Level.WARNING: Priority.MEDIUM,
    Level.DANGER: Priority.HIGH,
}


class Lane(StrEnum):
    """Where a pack of readings travels: what happens now, or what was kept until the line was back."""

    TELEMETRY = "telemetry"
    BACKLOG = "backlog"


class SequenceState(StrEnum):
    """What became of a sequence number; one that has none of these is a gap."""

    STORED = "stored"
    SET_ASIDE = "set_aside"
    LOST = "lost"


class Cause(StrEnum):
    """What a finding blames: the thing watched, the sensor that watches it, or the way in between."""

    ASSET = "asset"
    SENSOR = "sensor"
    GATEWAY = "gateway"
