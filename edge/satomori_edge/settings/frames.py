"""[[edge.frames]]: acknowledged binary frames of our own nodes over a serial port."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from satomori_edge.settings.faults import Planned, between, found, metric_fault, name_fault, scale_fault, unit_words
from satomori_edge.settings.serial import Serial


@dataclass(frozen=True, slots=True)
class FrameNode:
    """A node on the line: `node` is its number in the frames, `device` its name."""

    node: int
    device: str

    def faults(self) -> list[str]:
        return found(between("node", self.node, 0, 65535), name_fault("device", self.device))


@dataclass(frozen=True, slots=True)
class FrameMetric:
    """What the nodes call `id`: `value = raw * scale + offset`, in `unit`."""

    id: int
    metric: str
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0

    def faults(self) -> list[str]:
        return found(
            between("id", self.id, 0, 255),
            metric_fault(self.metric, self.unit),
            scale_fault(self.scale, self.offset),
        )


@dataclass(frozen=True, slots=True)
class FramesSettings(Serial):
    """One port with one or many nodes behind it (a cable, RS-485, a radio receiver), all speaking of `metrics`."""

    port: str
    nodes: tuple[FrameNode, ...]
    metrics: tuple[FrameMetric, ...]

    def faults(self) -> list[str]:
        return found(
            None if self.nodes else "nodes is empty",
            None if self.metrics else "metrics is empty",
            *(f"node {node} is there twice" for node in _twice(entry.node for entry in self.nodes)),
            *(f"metric id {number} is there twice" for number in _twice(entry.id for entry in self.metrics)),
            self.rate_fault(),
        )

    @property
    def line(self) -> str:
        return self.port

    def planned(self) -> Iterator[Planned]:
        for node in self.nodes:
            owner = f"node {node.node} of {self.port}"
            for m in self.metrics:
                item = f"node {node.node} id {m.id}"
                yield Planned("frames", self.port, item, node.device, m.metric, unit_words(m.unit), None, owner)


def _twice(numbers: Iterator[int]) -> list[int]:
    return [number for number, times in Counter(numbers).items() if times > 1]
