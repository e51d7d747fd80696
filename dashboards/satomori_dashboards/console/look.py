"""The page `/look`: after an earthquake or a storm, what to look at first, who has looked, and telling of a new one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from nicegui import background_tasks, run, ui

from satomori_api.formatting import DEFAULT_ZONE, Language, moment
from satomori_api.views import EventView, LookView
from satomori_core.clock import now_us, to_datetime
from satomori_core.errors import RejectedError, UnavailableError
from satomori_core.vocabulary import Level
from satomori_dashboards.console.frame import Frame, to_login, visiting
from satomori_dashboards.console.gate import Gate
from satomori_dashboards.console.kit import Section, empty, glyph, tag
from satomori_dashboards.console.region_map import Marker, RegionMap
from satomori_dashboards.console.texts import class_word, named, text
from satomori_store.access import ForbiddenError
from satomori_store.events import RESULTS, Result

EVENTS_MOST = 20
# As what an asset is drawn: what has been looked at, else what the event calls for.
LEVELS = {
    "fine": Level.GOOD,
    "needs_work": Level.DANGER,
    "look": Level.WARNING,
    "unknown": Level.UNKNOWN,
    "wait": Level.GOOD,
}


@dataclass(frozen=True, slots=True)
class Place:
    """An asset in the order, in the words of the page. `looked`: who, when and with what result; empty for nobody."""

    rank: int
    asset: str
    name: str
    sub: str
    verdict: str
    reasons: str
    look: str
    level: Level
    looked: str


@dataclass(frozen=True, slots=True)
class Orders:
    """`events`: (id, words) of those told, the last first; `chosen`: the one shown; `notice`: how it stands."""

    events: tuple[tuple[str, str], ...]
    chosen: str
    notice: str
    places: tuple[Place, ...]
    markers: tuple[Marker, ...]


def event_words(language: Language, event: EventView, at_us: int) -> str:
    said = named(language, event.said_ja, event.said_en) or event.id
    return f"{moment(language, event.told_us, DEFAULT_ZONE, at_us)} {said}"


def notice_of(language: Language, event: EventView) -> str:
    if event.state == "refused":
        return text(language, "look.refused", error=event.error)
    if event.state == "waiting":
        return text(language, "look.waiting")
    return text(language, "look.count", looked=event.looked, count=event.to_look)


def place_of(
    language: Language, look: LookView, people: Mapping[str, str], towns: Mapping[str, str], at_us: int
) -> Place:
    """`people`: user id → name; `towns`: municipality id → name."""
    looked = ""
    if look.result is not None and look.looked_us is not None and look.looked_by is not None:
        looked = text(
            language,
            "look.by",
            name=people.get(look.looked_by, look.looked_by),
            time=moment(language, look.looked_us, DEFAULT_ZONE, at_us),
            result=text(language, f"look.{look.result}"),
        ) + (f" – {look.note}" if look.note else "")
    verdict = text(language, f"look.verdict.{look.verdict}")
    return Place(
        rank=look.rank,
        asset=look.asset_id,
        name=named(language, look.name, look.name_en),
        sub=f"{towns.get(look.municipality_id, look.municipality_id)} · {class_word(language, look.class_)}",
        verdict=verdict if look.score is None else text(language, "look.points", verdict=verdict, score=look.score),
        reasons=" · ".join(look.reasons_ja if language == "ja" else look.reasons_en),
        look=named(language, look.look_ja, look.look_en),
        level=LEVELS[look.result or look.verdict],
        looked=looked,
    )


def marker_of(place: Place, look: LookView) -> Marker:
    name = f"{place.rank}. {place.name}"
    return Marker(
        place.asset, name, place.reasons, f"{name} {place.verdict}", f"/asset/{place.asset}", int(place.level),
        look.latitude, look.longitude,
    )  # fmt: skip


def told_of(id_: str, kind: str, numbers: Mapping[str, float | None], by_town: Mapping[str, str]) -> dict[str, Any]:
    """What the form says, as it is told. Raise RejectedError for rain that is no number; the rest is checked later."""
    places = {town: value.strip() for town, value in by_town.items() if value.strip()}
    told: dict[str, Any] = {"id": id_, "kind": kind}
    if kind == "earthquake":
        return {**told, **{k: v for k, v in numbers.items() if v is not None}, "intensity": places}
    try:
        rain = {town: float(value) for town, value in places.items()}
    except ValueError as error:
        raise RejectedError("rain", str(error)) from None
    return {**told, "rain": rain, "gauges": True}


class LookPage:
    def __init__(self, frame: Frame, wanted: str) -> None:
        self.frame = frame
        self.wanted = wanted
        self.chosen = ""
        self._may = frame.gate.may_acknowledge(frame.visit.viewer)

    def build(self, towns: Sequence[tuple[str, str]]) -> None:
        """`towns`: (id, name) of municipalities where the visitor sees an asset."""
        word = self.frame.word
        self.frame.head(word("look.title"))
        if self._may:
            with tag("details", "card"):
                tag("summary", "row-name", text=word("look.tell"))
                self._form("earthquake", towns)
                self._form("storm", towns)
        self.events = Section(self.draw_events, "section", "card")
        self.notice = Section(self.draw_notice)
        with tag("section", "card map-card", aria_label=word("region.map")):
            self.map = RegionMap(self.frame.gate.settings, self.frame.language).classes("map")
            self.map.props["aria-label"] = word("region.map_label")
            self.map.props["role"] = "application"
        self.places = Section(self.draw_places, "section", "card", waiting=4)

    def _form(self, kind: str, towns: Sequence[tuple[str, str]]) -> None:
        word = self.frame.word
        numbers: dict[str, ui.number] = {}
        by_town: dict[str, ui.input] = {}
        with tag("form", "look-form") as form:
            tag("h2", text=word(f"look.{kind}"))
            if kind == "earthquake":
                for key in ("latitude", "longitude", "magnitude", "depth"):
                    with tag("div", "field"):
                        tag("label", text=word(f"look.{key}"), for_=f"look-{key}")
                        numbers[key] = ui.number().props(f"outlined step=any for=look-{key}")
            for town, name in towns:
                with tag("div", "field"):
                    tag("label", text=word(f"look.{kind}_in", name=name), for_=f"look-{kind}-{town}")
                    by_town[town] = ui.input().props(f"outlined for=look-{kind}-{town}")
            tag("button", "btn main", text=word("look.send"), type="submit")

        async def send() -> None:
            await self._tell(
                kind, {key: field.value for key, field in numbers.items()},
                {town: field.value or "" for town, field in by_town.items()},
            )  # fmt: skip

        form.on("submit.prevent", lambda _: background_tasks.create(send(), context=form))

    async def _tell(self, kind: str, numbers: Mapping[str, float | None], by_town: Mapping[str, str]) -> None:
        frame = self.frame
        # Two people who tell of the same earthquake tell of two events: the list shows both.
        id_ = f"{kind}-{to_datetime(now_us()):%Y%m%d-%H%M%S}-{frame.visit.viewer.user_id}"[:64]
        try:
            told = told_of(id_, kind, numbers, by_town)
            found = await run.io_bound(frame.gate.tell, frame.visit, told)
        except (RejectedError, ForbiddenError, UnavailableError) as error:
            ui.notify(frame.word("look.wrong", error=error), type="negative")
            return
        if found is not None:
            ui.navigate.to(f"/look?event={found.id}")

    def load(self) -> Orders:
        gate, visit, language, at_us = self.frame.gate, self.frame.visit, self.frame.language, now_us()
        looking = gate.queries.looking
        events = looking.events(visit.viewer, EVENTS_MOST)
        if self.wanted and all(event.id != self.wanted for event in events):
            events = [*events, looking.event(visit.viewer, self.wanted)]
        listed = tuple((event.id, event_words(language, event, at_us)) for event in events)
        chosen = next((event for event in events if event.id == self.wanted), events[0] if events else None)
        if chosen is None:
            return Orders((), "", "", (), ())
        looks = looking.looks(visit.viewer, chosen.id)
        people, towns = gate.people(), gate.organisation_names(visit)
        places = tuple(place_of(language, look, people, towns, at_us) for look in looks)
        markers = tuple(marker_of(p, look) for p, look in zip(places, looks, strict=True) if look.verdict != "wait")
        return Orders(listed, chosen.id, notice_of(language, chosen), places, markers)

    def show(self, orders: Orders) -> None:
        self.chosen = orders.chosen
        self.events.show((orders.events, orders.chosen))
        self.notice.show(orders.notice)
        self.places.show(orders.places)
        self.map.show(orders.markers, ())

    def draw_events(self, shown: tuple[tuple[tuple[str, str], ...], str]) -> None:
        events, chosen = shown
        if not events:
            empty(self.frame.word("look.none"))
            return
        with tag("ul", "rows", aria_label=self.frame.word("look.events")):
            for event, said in events:
                with tag("li"), tag("a", "row-link", href=f"/look?event={event}") as link:
                    tag("span", "row-name", text=said)
                    if event == chosen:
                        link.props["aria-current"] = "true"

    def draw_notice(self, notice: str) -> None:
        if notice:
            tag("p", "notice", text=notice, role="status")

    def draw_places(self, places: tuple[Place, ...]) -> None:
        if not places:
            empty(self.frame.word("look.nothing"))
            return
        with tag("ol", "rows"):
            for place in places:
                with tag("li", "look-place"):
                    self._draw_place(place)

    def _draw_place(self, place: Place) -> None:
        with tag("a", "row-link", href=f"/asset/{place.asset}"):
            glyph(place.level, "row-glyph")
            with tag("span", "row-main"):
                tag("span", "row-name", text=f"{place.rank}. {place.name}")
                tag("span", "row-sub", text=f"{place.sub} · {place.verdict}")
                tag("span", "row-text", text=place.reasons)
                tag("span", "row-sub", text=place.look)
        with tag("div", "alert-foot"):
            if place.looked:
                tag("span", "num", text=place.looked)
            if self._may:
                results: tuple[Result | None, ...] = (None,) if place.looked else RESULTS
                for result in results:
                    shown = self.frame.word(f"look.{result or 'undo'}")
                    button = tag("button", "btn", text=shown, type="button", aria_label=f"{place.name}: {shown}")
                    button.on("click", lambda _, result=result: self._looked(place.asset, result))

    async def _looked(self, asset: str, result: Result | None) -> None:
        frame, event = self.frame, self.chosen
        await frame.carry_out(
            lambda: frame.gate.looked(frame.visit, event, asset, result),
            lambda _: frame.word("look.kept"),
            frame.word("look.conflict"),
        )


def add_look_page(gate: Gate) -> None:
    @ui.page("/look", response_timeout=20)
    async def look(request: Request, event: str = "") -> Response | None:
        visit = await visiting(gate, request)
        if visit is None:
            return to_login(request)
        frame = Frame(gate, visit, request)
        page = LookPage(frame, event)
        towns = await run.io_bound(gate.towns, visit)
        with frame.open("look", frame.word("look.title")):
            page.build(towns or ())
        await frame.run(page.load, page.show)
        return None
