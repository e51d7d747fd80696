"""A reading: what a device said, before anybody has judged it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """One value as sent. `unit` is a SenML or UCUM code; None means the registry's source unit."""

    device: str
    metric: str
    observed_at_us: int
    value: float
    unit: str | None = None
