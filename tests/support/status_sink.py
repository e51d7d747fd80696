"""A store for tests of status: it keeps what is written and says what it is told to be the newest values."""

from collections.abc import Sequence

import numpy as np

from satomori_core.errors import UnavailableError
from satomori_store.port import AlertEvent, AssetStatus, Columns, GroupStatus, StatusPoint


class StatusSink:
    """`newest`: datastream → when its newest value was observed. `away`: everything raises UnavailableError."""

    def __init__(self) -> None:
        self.points: list[StatusPoint] = []
        self.newest: dict[int, int] = {}
        self.away = False

    def latest(self, datastreams: Sequence[int]) -> Columns:
        self._check()
        there = sorted(set(datastreams) & self.newest.keys())
        ones = np.ones(len(there), np.int8)
        times = np.array([self.newest[d] for d in there], np.int64)
        return Columns(np.array(there, np.int64), times, np.zeros(len(there)), ones, ones)

    def write_status(self, points: Sequence[StatusPoint]) -> None:
        self._check()
        self.points += points

    def _check(self) -> None:
        if self.away:
            raise UnavailableError("the store is away")

    def asset(self, asset: str) -> list[AssetStatus]:
        return [p for p in self.points if isinstance(p, AssetStatus) and p.asset == asset]

    def groups(self, group: str = "", municipality: str = "", class_: str = "") -> list[GroupStatus]:
        wanted = (group, municipality, class_)
        return [p for p in self.points if isinstance(p, GroupStatus) and (p.group, p.municipality, p.class_) == wanted]

    def events(self) -> list[AlertEvent]:
        return [p for p in self.points if isinstance(p, AlertEvent)]
