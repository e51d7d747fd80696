"""From a node's frame to readings: which node, which of its frames are new, what is missing. Pure.

A node sends its next frame only when the one before is acknowledged or dropped. So whatever is not newer than the
newest that is kept here is a copy, of which at most the acknowledgement is wanted; and a frame follows the newest if
the node has dropped as many as there are between. One that does not follow (a new life, or marks that were lost) is
believed when the node has said it twice: a checksum of 16 bits lets one broken frame in 65 536 pass, and a wrong number
that was believed would make copies of all that comes after it.
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
NEAR = 32  # how far a node may be on when it says it again: a node's memory


@dataclass(frozen=True, slots=True)
class Arrival:
    """A node's frame. `mark` is None where nothing is to be kept: of a copy, and of what has to be said again.

    `ack` is to be sent when the readings are durable. `missed`: frames between this one and the newest before it.
    """

    device: str
    report: Report
    ack: Ack | None
    readings: tuple[Reading, ...] = ()
    mark: Mark | None = None
    is_new_life: bool = False
    missed: int = 0
    unknown: tuple[int, ...] = ()


class Arrivals:
    """What one line's nodes have said so far. `marks`: what an earlier life of the edge has kept."""

    def __init__(self, settings: FramesSettings, marks: Iterable[Mark] = ()) -> None:
        self._devices = {entry.node: entry.device for entry in settings.nodes}
        self._metrics = {entry.id: entry for entry in settings.metrics}
        self._newest: dict[str, dict[int, int]] = {device: {} for device in self._devices.values()}
        self._doubted: dict[str, Report] = {}
        for mark in marks:
            if mark.device in self._newest:
                self._newest[mark.device][mark.life] = mark.seq

    def hear(self, frame: bytes, at_us: int) -> Arrival:
        """What a frame says that came at `at_us`. Raise RejectedError, also for a node that is not in the settings."""
        report = Report.from_bytes(frame)
        device = self._devices.get(report.node)
        if device is None:
            raise RejectedError("node", f"node {report.node} is not in the settings")
        ack = Ack(report.node, report.boot, report.seq)
        newest = self._newest[device].get(report.boot)
        if newest is not None and report.seq <= newest:
            return Arrival(device, report, ack)
        missed = report.seq - 1 - (newest or 0)
        follows = newest is not None and missed <= report.dropped
        if not follows and not self._is_said_again(device, report):
            return Arrival(device, report, None)
        observed_at_us = at_us - report.age_ms * MS_US
        known = [(value, self._metrics[value.metric]) for value in report.values if value.metric in self._metrics]
        return Arrival(
            device,
            report,
            ack,
            tuple(
                Reading(device, entry.metric, observed_at_us, scaled(value.raw, entry.scale, entry.offset), entry.unit)
                for value, entry in known
            ),
            Mark(device, report.boot, report.seq),
            is_new_life=newest is None,
            missed=missed,
            unknown=tuple(value.metric for value in report.values if value.metric not in self._metrics),
        )

    def _is_said_again(self, device: str, report: Report) -> bool:
        before = self._doubted.get(device)
        self._doubted[device] = report
        return before is not None and before.boot == report.boot and 0 <= report.seq - before.seq <= NEAR

    def settle(self, mark: Mark) -> None:
        """The arrival's readings are durable: its copies are known from now on."""
        lives = self._newest[mark.device]
        lives[mark.life] = mark.seq
        if len(lives) > LIVES_MAX:
            del lives[next(iter(lives))]
