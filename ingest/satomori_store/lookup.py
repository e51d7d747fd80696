"""Where a reading goes: the registry at one version, in memory, asked once for each reading."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from satomori_core.clock import to_words
from satomori_core.errors import RejectedError
from satomori_core.metrics import catalogue
from satomori_store.databases import reading, translated
from satomori_store.lines import Identity
from satomori_store.models import Calibration, Datastream, Gateway, Placement
from satomori_store.transactions import registry_version

_FOREVER_US = 2**62


@dataclass(frozen=True, slots=True)
class Route:
    """Where a reading goes: stored = (sent, converted from its or `source_unit` to `unit`) * scale + offset.

    Outside `low`…`high` is fail, outside `suspect_low`…`suspect_high` suspect; None = no such limit.
    """

    datastream_id: int
    asset_id: str
    device_id: str
    metric: str
    unit: str
    source_unit: str | None
    scale: float
    offset: float
    low: float | None
    high: float | None
    suspect_low: float | None
    suspect_high: float | None


@dataclass(frozen=True, slots=True)
class _Timed:
    """Half-open pieces of time, in order, and the route in each."""

    starts: list[int]
    pieces: list[tuple[int, Route]]  # until, route

    def at(self, at_us: int) -> Route | None:
        index = bisect_right(self.starts, at_us) - 1
        if index < 0 or at_us >= self.pieces[index][0]:
            return None
        return self.pieces[index][1]


@dataclass(frozen=True, slots=True)
class Lookup:
    """The registry at one version, in memory. `datastreams`: every one by its id, with its newest calibration."""

    version: int
    gateways: frozenset[str]
    placements: dict[str, list[tuple[int, int, str]]]  # device -> (from, until, gateway)
    datastreams: dict[int, Route]
    _metrics: dict[str, set[str]]  # device -> metrics it has or had
    _always: dict[tuple[str, str, str], Route] = field(default_factory=dict)
    _timed: dict[tuple[str, str, str], _Timed] = field(default_factory=dict)

    def route(self, gateway: str, device: str, metric: str, observed_at_us: int) -> Route:
        """Where this reading goes. Raise RejectedError saying what the registry lacks."""
        route = self._always.get((gateway, device, metric))
        if route is not None:
            return route
        timed = self._timed.get((gateway, device, metric))
        route = timed.at(observed_at_us) if timed is not None else None
        if route is None:
            raise self._rejection(gateway, device, metric, observed_at_us)
        return route

    def span(self, gateway: str, device: str, metric: str, observed_at_us: int) -> tuple[Route, int, int]:
        """As `route`, with the half-open time in which it holds, for those who remember it."""
        route = self.route(gateway, device, metric, observed_at_us)
        timed = self._timed.get((gateway, device, metric))
        if timed is None:
            return route, -_FOREVER_US, _FOREVER_US
        index = bisect_right(timed.starts, observed_at_us) - 1
        return route, timed.starts[index], timed.pieces[index][0]

    def gateway_of(self, device: str, at_us: int) -> str | None:
        """The gateway that a device is behind at a time."""
        for from_us, until_us, gateway in self.placements.get(device, ()):
            if from_us <= at_us < until_us:
                return gateway
        return None

    def _rejection(self, gateway: str, device: str, metric: str, at_us: int) -> RejectedError:
        if gateway not in self.gateways:
            return RejectedError("unknown_gateway", f"gateway {gateway!r} is not in the registry")
        if device not in self.placements:
            return RejectedError("unknown_device", f"device {device!r} (behind {gateway!r}) is not in the registry")
        there = self.gateway_of(device, at_us)
        if there != gateway:
            where = f"behind {there!r}" if there else "behind no gateway"
            return RejectedError(
                "not_behind_gateway", f"device {device!r} was {where} at {to_words(at_us)}, not behind {gateway!r}"
            )
        if metric not in self._metrics.get(device, ()):
            return RejectedError("unknown_metric", f"device {device!r} has no datastream of metric {metric!r}")
        return RejectedError("retired", f"no datastream {device!r}/{metric!r} is in service at {to_words(at_us)}")


def load_lookup(engine: Engine) -> Lookup:
    """Read the whole registry that readings need. The version is read first, so a change in between is seen later."""
    version = registry_version(engine)
    with translated(engine), Session(engine) as session:
        gateways = frozenset(session.scalars(select(Gateway.id)))
        placements: dict[str, list[tuple[int, int, str]]] = {}
        for placed in session.scalars(select(Placement).order_by(Placement.device_id, Placement.from_us)):
            span = (placed.from_us, _until(placed.until_us), placed.gateway_id)
            placements.setdefault(placed.device_id, []).append(span)
        calibrations: dict[int, list[Calibration]] = {}
        for calibration in session.scalars(select(Calibration).order_by(Calibration.from_us)):
            calibrations.setdefault(calibration.datastream_id, []).append(calibration)
        datastreams: dict[int, Route] = {}
        metrics: dict[str, set[str]] = {}
        pieces: dict[tuple[str, str, str], list[tuple[int, int, Route]]] = {}
        for row in session.scalars(select(Datastream).order_by(Datastream.from_us)):
            metrics.setdefault(row.device_id, set()).add(row.metric)
            for from_us, until_us, route in _calibrated(row, calibrations.get(row.id, [])):
                datastreams[row.id] = route
                for placed_from, placed_until, gateway in placements.get(row.device_id, ()):
                    first, last = max(from_us, placed_from), min(until_us, placed_until)
                    if first < last:
                        pieces.setdefault((gateway, row.device_id, row.metric), []).append((first, last, route))
    lookup = Lookup(version, gateways, placements, datastreams, metrics)
    for key, spans in pieces.items():
        if len(spans) == 1 and spans[0][:2] == (0, _FOREVER_US):
            lookup._always[key] = spans[0][2]  # noqa: SLF001 - our own class, built here
        else:
            spans.sort(key=lambda span: span[0])
            lookup._timed[key] = _Timed([s[0] for s in spans], [(s[1], s[2]) for s in spans])  # noqa: SLF001 - same
    return lookup


def load_identities(engine: Engine) -> dict[int, Identity]:
    """What each datastream is for its life, by its id."""
    with reading(engine) as connection:
        columns = (Datastream.id, Datastream.metric, Datastream.asset_id, Datastream.device_id)
        return {
            row.id: Identity(row.metric, row.asset_id, row.device_id) for row in connection.execute(select(*columns))
        }


def _calibrated(row: Datastream, calibrations: Iterable[Calibration]) -> Iterable[tuple[int, int, Route]]:
    """The datastream's life cut by its calibrations; where none holds, values come as they are."""
    known = catalogue().get(row.metric)
    plain = Route(
        row.id, row.asset_id, row.device_id, row.metric, row.unit, None, 1.0, 0.0,
        known.low if row.low is None and known is not None and known.unit == row.unit else row.low,
        known.high if row.high is None and known is not None and known.unit == row.unit else row.high,
        row.suspect_low, row.suspect_high,
    )  # fmt: skip
    end = _until(row.until_us)
    at_us = row.from_us
    for calibration in calibrations:
        first, last = max(at_us, calibration.from_us), min(end, _until(calibration.until_us))
        if first >= last:
            continue
        if at_us < first:
            yield at_us, first, plain
        yield (
            first,
            last,
            replace(plain, source_unit=calibration.source_unit, scale=calibration.scale, offset=calibration.offset),
        )
        at_us = last
    if at_us < end:
        yield at_us, end, plain


def _until(until_us: int | None) -> int:
    return _FOREVER_US if until_us is None else until_us
