"""The region as conditions need it: structures of the registry, their days from the store."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from satomori_analytics.condition.ageing import STATES, Ageing, Fitted, Scale, expect, fit, rating_of
from satomori_analytics.condition.daily import ALL_THE_TIME, QUARTERS, chosen_probe, night_flow, starts, while_running
from satomori_analytics.condition.kept import Kept, load_kept, undrawn
from satomori_analytics.condition.measured import CLASSES, FREQUENCY, Days, Measured, measure
from satomori_analytics.condition.rates import Ratebook, Rates, load_rates
from satomori_analytics.condition.reach import Reach, reaches
from satomori_analytics.condition.records import YEAR_D, Pair, pairs_of, records_of
from satomori_analytics.condition.reference import Reference
from satomori_analytics.condition.urgency import likely, sewer_urgency_of, urgency_of
from satomori_analytics.condition.wanted import missing, number_of
from satomori_analytics.indicators.base import Floats
from satomori_analytics.playbook import Playbook, Playbooks
from satomori_core.clock import DAY_US, HOUR_US, to_datetime
from satomori_core.vocabulary import Quality
from satomori_store.databases import reading
from satomori_store.models import Asset, Datastream, GroupMember
from satomori_store.port import Columns, ObservationStore

T = TypeVar("T")
# So many days are looked at: a year of seasons, and what can be drawn.
DAYS_MAX = 400
# Read at once: of a pump's year of minutes on five channels in about half a second.
_PART_DAYS = 40
# Of these classes' days the quarters and readings count too, where this metric is there.
_WITHIN_DAYS = {"pump_station": "pump_running", "district_meter_area": "flow", "water_main": "flow"}
# FAVAD's exponent where the ledger has none (`n1`): between a burst's .5 and the background's 1.5, our own choice.
_N1 = 1.0


@dataclass(frozen=True, slots=True)
class Condition:
    """How an asset stands. `rating` is its legal 健全度 from the ledger, never mixed with what is measured.

    `sewer_urgency`: 緊急度 I to III of a span's ranks. `urgency`: 0 to 3, for ordering, see `urgency.py`. `unread`: of
    its inspections in the ledger, those that can't be read. `wanting`: (Japanese, English) of what the ledger lacks.
    `until_us`: the end of the last day that counts.
    """

    asset: str
    class_: str
    municipality: str
    rating: str | None
    sewer_urgency: str | None
    urgency: int
    built_year: int | None
    measured: tuple[Measured, ...]
    ageing: tuple[Ageing, ...]
    reaches: tuple[Reach, ...]
    unread: tuple[str, ...] = ()
    wanting: tuple[tuple[str, str], ...] = ()
    until_us: int = 0


def members_of(engine: Engine, group: str) -> list[str]:
    """Ids of a group's assets; none where there is no such group."""
    with reading(engine) as connection:
        return list(connection.scalars(select(GroupMember.asset_id).where(GroupMember.group_id == group)))


def load_structures(engine: Engine, wanted: Iterable[str] | None = None) -> list[Asset]:
    """Assets of the classes that have conditions, in the order of their ids."""
    with reading(engine) as connection, Session(connection) as session:
        query = select(Asset).where(Asset.class_.in_(sorted(CLASSES))).order_by(Asset.id)
        found = list(session.scalars(query))
        session.expunge_all()
    names = None if wanted is None else set(wanted)
    return [asset for asset in found if names is None or asset.id in names]


def conditions(
    engine: Engine, store: ObservationStore, assets: Sequence[Asset], now_us: int,
    *, playbooks: Playbooks | None = None, ratebook: Ratebook | None = None, drawn: bool = True,
) -> list[Condition]:  # fmt: skip
    """From whole days before now. Without playbooks no limits are known, and so none that are reached.

    Without a ratebook ratings worsen by the package's rates. Without `drawn` what the last two midnights' looks kept
    is taken, where one found any values, for what the days say: they are not read.
    """
    fits = Fits(engine, assets, ratebook or load_rates())
    kept = load_kept(engine, [asset.id for asset in assets])
    until_us = now_us // DAY_US * DAY_US
    fresh = {id_: each for id_, each in kept.items() if each.columns and each.until_us >= until_us - DAY_US}
    taken = {} if drawn else fresh
    streams = load_streams(engine, [asset.id for asset in assets if asset.id not in taken])
    found = []
    for asset in assets:
        said = taken.get(asset.id)
        if said is None:
            days = read_days(store, asset, streams.get(asset.id, {}), until_us - DAYS_MAX * DAY_US, DAYS_MAX)
            days = replace(days, reference=_reference_of(days, kept.get(asset.id)))
            said = Kept(until_us, tuple(measure(asset.class_, days)), days.known, days.reference)
        limits = None if playbooks is None else playbooks.of(asset.class_, asset.municipality_id)
        found.append(_condition(asset, said, now_us, fits.of(asset), limits))
    return found


def _reference_of(days: Days, kept: Kept | None) -> Reference | None:
    """The kept one, while the probes are those that it was learned from."""
    streams = tuple(days.streams.get(metric) for metric in FREQUENCY)
    return kept.reference if kept is not None and kept.reference and kept.reference.streams == streams else None


def by_urgency(found: Iterable[Condition]) -> list[Condition]:
    """The most urgent first, of those alike what is likeliest to worsen; without what is drawn, which is long."""
    ordered = sorted(found, key=lambda each: (-each.urgency, -likely(each.ageing), each.asset))
    return [replace(c, measured=undrawn(c.measured)) if any(m.at_us for m in c.measured) else c for c in ordered]


class Fits:
    """Rates brought up to date by what each municipality has inspected, whoever asks: of it only rates are told."""

    def __init__(self, engine: Engine, assets: Sequence[Asset], ratebook: Ratebook) -> None:
        self._ratebook = ratebook
        self._rates: dict[tuple[str, str, str], Rates] = {}
        pairs: dict[tuple[str, str, str], list[Pair]] = {}
        with reading(engine) as connection:
            query = select(Asset.municipality_id, Asset.class_, Asset.attributes).where(
                Asset.class_.in_({asset.class_ for asset in assets}),
                Asset.municipality_id.in_({asset.municipality_id for asset in assets}),
            )
            for municipality, class_, attributes in connection.execute(query):
                key = self._key(municipality, class_, attributes)
                pairs.setdefault(key, []).extend(pairs_of(records_of(attributes, STATES[scale_of(class_)])[0]))
        self._fitted = {key: fit(rates, pairs.get(key, ())) for key, rates in self._rates.items()}

    def all(self) -> dict[tuple[str, str, str], Fitted]:
        """By municipality, class and the table that the rates are in."""
        return self._fitted

    def of(self, asset: Asset) -> Fitted:
        return self._fitted[self._key(asset.municipality_id, asset.class_, asset.attributes)]

    def _key(self, municipality: str, class_: str, attributes: Mapping[str, Any]) -> tuple[str, str, str]:
        table, rates = self._ratebook.of(municipality, class_, attributes)
        key = (municipality, class_, table)
        self._rates.setdefault(key, rates)
        return key


def scale_of(class_: str) -> Scale:
    return "sewer" if class_ == "sewer_span" else "health"


def _condition(asset: Asset, said: Kept, now_us: int, fitted: Fitted, playbook: Playbook | None) -> Condition:
    scale = scale_of(asset.class_)
    states = STATES[scale]
    records, unread = records_of(asset.attributes, states)
    measured, rating = said.measured, rating_of(asset.attributes)
    sewer = sewer_urgency_of(asset.attributes) if scale == "sewer" else None
    if rating is None and scale == "health" and records:
        rating = states[records[-1].state]
    known = rating if scale == "health" else sewer
    state = None if known is None else states.index(known)
    today = to_datetime(now_us).date()
    age = None if asset.built_year is None else max(today.year - asset.built_year, 0)
    seen = records[-1] if records and records[-1].state == state else None
    since_years = 0.0 if seen is None else max((today - seen.on).days / YEAR_D, 0.0)
    return Condition(
        asset.id, asset.class_, asset.municipality_id, rating, sewer, urgency_of(rating, sewer, measured),
        asset.built_year, measured, tuple(expect(state, age, fitted, scale, since_years=since_years)),
        tuple(reach for found in measured for reach in reaches(found, playbook, asset.attributes)), tuple(unread),
        tuple(missing(asset.class_, said.columns, asset.attributes)), said.until_us,
    )  # fmt: skip


Streams = Mapping[str, Sequence[int]]


def load_streams(engine: Engine, assets: Sequence[str]) -> dict[str, dict[str, list[int]]]:
    """Of each asset the datastreams of each metric, the newest last: a swapped probe makes a new one."""
    with reading(engine) as connection:
        query = select(Datastream.asset_id, Datastream.metric, Datastream.id).where(Datastream.asset_id.in_(assets))
        rows = connection.execute(query.order_by(Datastream.id)).all()
    streams: dict[str, dict[str, list[int]]] = {}
    for asset_id, metric, number in rows:
        streams.setdefault(asset_id, {}).setdefault(metric, []).append(number)
    return streams


def read_days(store: ObservationStore, asset: Asset, streams: Streams, start_us: int, count: int) -> Days:
    """`count` days from `start_us` on. Of a metric's probes the one that measured last counts, and it alone."""
    return drained(days_in_parts(store, asset, streams, start_us, count))


def days_in_parts(
    store: ObservationStore, asset: Asset, streams: Streams, start_us: int, count: int
) -> Generator[None, None, Days]:
    """As `read_days`, resting after each part: a year of minutes takes seconds to read."""
    parts = [(start_us + k * DAY_US, min(_PART_DAYS, count - k)) for k in range(0, count, _PART_DAYS)]
    numbers = sorted(number for several in streams.values() for number in several)
    probes: dict[int, list[Floats]] = {number: [] for number in numbers}
    for part_us, days in parts if streams else ():
        found = store.read(numbers, part_us, part_us + days * DAY_US, DAY_US, "mean")
        for number, pieces in probes.items():
            pieces.append(column(found, number, part_us, DAY_US, days))
        yield
    columns, chosen, anew = dict[str, Floats](), dict[str, int](), dict[str, int]()
    for metric, several in streams.items():
        whole = {number: np.concatenate(probes[number]) for number in several}
        chosen[metric], began = chosen_probe(whole)
        columns[metric] = whole[chosen[metric]]
        if began is not None:
            anew[metric] = start_us + began * DAY_US
    if asset.class_ in _WITHIN_DAYS and _WITHIN_DAYS[asset.class_] in chosen:
        pieces_of: dict[str, list[Floats]] = {}
        for part_us, days in parts:
            for name, piece in _within_days(store, asset, chosen, part_us, days).items():
                pieces_of.setdefault(name, []).append(piece)
            yield
        columns |= {name: np.concatenate(pieces) for name, pieces in pieces_of.items()}
    return Days(start_us, columns, asset.attributes, anew, chosen)


def drained(steps: Generator[None, None, T]) -> T:
    """What it returns, without a rest."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer: T = end.value
            return answer


def _within_days(
    store: ObservationStore, asset: Asset, streams: Mapping[str, int], start_us: int, count: int
) -> dict[str, Floats]:
    """What is made of a pump's or district's quarters and readings, a value a day."""
    if asset.class_ != "pump_station":
        quarters = _quarters(store, streams, ("flow", "pressure"), start_us, count)
        n1 = number_of(asset.attributes, ("n1",))
        return night_flow(quarters["flow"], quarters.get("pressure"), _N1 if n1 is None else n1)
    columns = while_running(_quarters(store, streams, (*ALL_THE_TIME, "pump_running"), start_us, count))
    found = store.read([streams["pump_running"]], start_us - HOUR_US, start_us + count * DAY_US)
    good = np.maximum(found.quality, found.qc) < Quality.FAIL
    return columns | {"starts": starts(found.observed_at_us[good], found.value[good], start_us, count)}


def _quarters(
    store: ObservationStore, streams: Mapping[str, int], metrics: Sequence[str], start_us: int, count: int
) -> dict[str, Floats]:
    """(days, 96) of each that there is."""
    wanted = {metric: streams[metric] for metric in metrics if metric in streams}
    every_us = DAY_US // QUARTERS
    found = store.read(sorted(wanted.values()), start_us, start_us + count * DAY_US, every_us, "mean")
    return {
        metric: column(found, n, start_us, every_us, count * QUARTERS).reshape(count, QUARTERS)
        for metric, n in wanted.items()
    }


def column(found: Columns, number: int, start_us: int, every_us: int, count: int) -> Floats:
    good = (found.datastream == number) & (np.maximum(found.quality, found.qc) < Quality.FAIL)
    column = np.full(count, np.nan)
    column[(found.observed_at_us[good] - start_us) // every_us] = found.value[good]
    return column
