"""How far a device's own numbering has come in. It becomes durable in one transaction with what it covers."""

from dataclasses import dataclass

LIVES_MAX = 4  # of a device; a late copy of an older life would be taken for new


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything of the device's `life` (its number of this start) up to `seq` is kept here, or will never come."""

    device: str
    life: int
    seq: int
