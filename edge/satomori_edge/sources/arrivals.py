"""From a node's frame to readings: which node, which of its frames are new, what is missing. Pure.

A node sends its next frame only when the one before is acknowledged or given up. So whatever is not newer than the
newest that is kept here is a copy, of which at most the acknowledgement is wanted.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from satomori_core.errors import RejectedError
from satomori_core.readings import Reading
from satomori_edge.marks import LIVES_MAX, Mark
from satomori_edge.settings import FramesSettings
from satomori_edge.sources.base import scaled
from satomori_edge.sources.frames import Ack, Report

MS_US = 1000


@dataclass(frozen=True, slots=True)
class Arrival:
    """A node's frame. `mark` is None for a copy. `missed`: frames between this one and the newest before it."""

    device: str
    report: Report
    readings: tuple[Reading, ...] = ()
    mark: Mark | None = None
    is_new_life: bool = False
    missed: int = 0
    unknown: tuple[int, ...] = ()

    @property
    def ack(self) -> Ack:
        """To be sent when the readings are durable."""
        return Ack(self.report.node, self.report.boot, self.report.seq)


class Arrivals:
    """What one line's nodes have said so far. `marks`: what an earlier life of the edge has kept."""

    def __init__(self, settings: FramesSettings, marks: Iterable[Mark] = ()) -> None:
        self._devices = {entry.node: entry.device for entry in settings.nodes}
        self._metrics = {entry.id: entry for entry in settings.metrics}
        self._newest: dict[str, dict[int, int]] = {device: {} for device in self._devices.values()}
        for mark in marks:
            if mark.device in self._newest:
                self._newest[mark.device][mark.life] = mark.seq

    def hear(self, frame: bytes, at_us: int) -> Arrival:
        """What a frame says that came at `at_us`. Raise RejectedError, also for a node that is not in the settings."""
        report = Report.from_bytes(frame)
        device = self._devices.get(report.node)
        if device is None:
            raise RejectedError("node", f"node {report.node} is not in the settings")
        newest = self._newest[device].get(report.boot)
        if newest is not None and report.seq <= newest:
            return Arrival(device, report)
        observed_at_us = at_us - report.age_ms * MS_US
        known = [(value, self._metrics[value.metric]) for value in report.values if value.metric in self._metrics]
        return Arrival(
            device,
            report,
            tuple(
                Reading(device, entry.metric, observed_at_us, scaled(value.raw, entry.scale, entry.offset), entry.unit)
                for value, entry in known
            ),
            Mark(device, report.boot, report.seq),
            is_new_life=newest is None,
            missed=report.seq - 1 - (newest or 0),
            unknown=tuple(value.metric for value in report.values if value.metric not in self._metrics),
        )

    def settle(self, mark: Mark) -> None:
        """The arrival's readings are durable: its copies are known from now on."""
        lives = self._newest[mark.device]
        lives[mark.life] = mark.seq
        if len(lives) > LIVES_MAX:
            del lives[next(iter(lives))]
