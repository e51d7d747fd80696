"""Decoders: what a message says, as numbered values. One per format; a topic filter names which one reads a message."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, overload

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from satomori_core.errors import RejectedError
from satomori_core.ranges import Range
from satomori_core.senml import Loss
from satomori_ingest.filters import matches

TOPICS_REMEMBERED_MAX = 100_000


# One value as sent: `<device>/<metric>`, µs since 1970, the number, and its unit if it names one.
Value = tuple[str, int, float, str | None]


class Values(Sequence[Value]):
    """Values as columns of one length. What is decoded at speed is never made into tuples."""

    __slots__ = ("names", "numbers", "times_us", "units")

    def __init__(
        self, names: list[str], times_us: NDArray[np.int64], numbers: NDArray[np.float64], units: list[str | None]
    ) -> None:
        self.names = names
        self.times_us = times_us
        self.numbers = numbers
        self.units = units

    @classmethod
    def of(cls, values: Sequence[Value]) -> "Values":
        if isinstance(values, Values):
            return values
        names, times_us, numbers, units = zip(*values, strict=True) if values else ((), (), (), ())
        return cls(list(names), np.array(times_us, np.int64), np.array(numbers, np.float64), list(units))

    @override
    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> Value: ...
    @overload
    def __getitem__(self, index: slice) -> "Values": ...
    @override
    def __getitem__(self, index: int | slice) -> "Value | Values":
        if isinstance(index, slice):
            return Values(self.names[index], self.times_us[index], self.numbers[index], self.units[index])
        return self.names[index], int(self.times_us[index]), float(self.numbers[index]), self.units[index]


@dataclass(frozen=True, slots=True)
class Fault:
    """A record that is bad in itself; `payload` is a message of that record alone."""

    position: int
    reason: str
    detail: str
    payload: bytes
    name: str = ""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a message says. Every record with a value, good or bad, has a position, from 0 in the order sent.

    `positions` of `values`, where it is not simply 0, 1, 2 …: that is where some are in `faults`. With a stream, the
    numbers of `seq` belong to the positions in turn.
    """

    gateway: str
    values: Sequence[Value] = ()
    positions: Sequence[int] | None = None
    faults: Sequence[Fault] = ()
    stream: str | None = None
    seq: Sequence[Range] = ()
    again: bool = False
    losses: Sequence[Loss] = field(default=())


@dataclass(frozen=True, slots=True)
class Numbering:
    """The sequence numbers of a message that can't be read as a whole."""

    stream: str
    seq: Sequence[Range]


class Decoder(Protocol):
    """A format. `filters` are the topics that it reads; `name` is that of its table in the settings.

    A broker `carries` it by that name.
    """

    name: str
    filters: Sequence[str]

    def decode(self, topic: str, payload: bytes, received_at_us: int) -> Decoded:
        """Times that count from now count from `received_at_us`. Raise RejectedError where nothing can be read."""
        ...

    def gateway(self, topic: str) -> str:
        """Whose message it is, as far as the topic tells; "" if it does not."""
        ...

    def numbering(self, payload: bytes) -> Numbering | None:
        """Which numbers a message carries that `decode` refused, as far as can be seen."""
        ...


class Decoders:
    """Finds the decoder of a topic: the first whose filter matches."""

    def __init__(self, decoders: Sequence[Decoder]) -> None:
        self._decoders = decoders
        self._of_topic: dict[str, Decoder] = {}

    def find(self, topic: str) -> Decoder:
        """Raise RejectedError where nothing reads this topic."""
        decoder = self._of_topic.get(topic)
        if decoder is None:
            decoder = self._search(topic)
            if len(self._of_topic) >= TOPICS_REMEMBERED_MAX:
                self._of_topic.clear()
            self._of_topic[topic] = decoder
        return decoder

    def _search(self, topic: str) -> Decoder:
        for decoder in self._decoders:
            if any(matches(pattern, topic) for pattern in decoder.filters):
                return decoder
        raise RejectedError("topic", f"no decoder reads topic {topic!r}")
