"""The page `/look`: after an earthquake or a storm, what to look at first, who has looked, and telling of a new one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from nicegui import run, ui

from satomori_api.formatting import DEFAULT_ZONE, Language, moment
from satomori_api.views import EventView, LookView
from satomori_core.clock import now_us
from satomori_core.errors import RejectedError, UnavailableError
from satomori_core.vocabulary import Level
from satomori_dashboards.console.frame import Frame, to_login, visiting
from satomori_dashboards.console.gate import Gate, Town
from satomori_dashboards.console.kit import Section, empty, glyph, tag
from satomori_dashboards.console.look_form import KINDS, TellForm
from satomori_dashboards.console.note_dialog import NoteDialog
from satomori_dashboards.console.region_map import Marker, RegionMap
from satomori_dashboards.console.texts import class_word, named, text
from satomori_store.access import ForbiddenError
from satomori_store.events import RESULTS, Result

EVENTS_MOST = 20
PINS_MOST = 10  # of the order's first places are numbered on the map, the next are dots: more would hide each other
DOT = "•"
# As what an asset is drawn: what has been looked at, else what the event calls for.
LEVELS = {"fine": Level.GOOD, "needs_work": Level.DANGER, "unknown": Level.UNKNOWN, "wait": Level.GOOD}
# Our own choice: a point is one step (a class of intensity, 40 mm …) beyond what calls for a look.
URGENT = ((2.0, Level.DANGER), (1.0, Level.WARNING))
DONE = {"fine": "✓", "needs_work": "!"}


@dataclass(frozen=True, slots=True)
class Place:
    """An asset in the order, in the words of the page. `looked`: who, when and with what result; empty for nobody.

    `pin`: what is written in its place on map and list, a number or a sign that it is done; empty for the level's sign.
    `moved`: from where to where, when and why, since it was first ordered or last looked at.
    """

    rank: int
    asset: str
    name: str
    sub: str
    verdict: str
    reasons: str
    look: str
    level: Level
    looked: str
    pin: str
    moved: str


@dataclass(frozen=True, slots=True)
class Orders:
    """`events`: (id, words) of those told, the last first; `chosen`: the one shown; `notices`: how it stands, notes."""

    events: tuple[tuple[str, str], ...]
    chosen: str
    notices: tuple[str, ...]
    places: tuple[Place, ...]
    markers: tuple[Marker, ...]


def event_words(language: Language, event: EventView, people: Mapping[str, str], at_us: int) -> str:
    said = named(language, event.said_ja, event.said_en) or event.id
    teller = people.get(event.told_by, event.told_by)
    return text(
        language, "look.told_by", said=f"{moment(language, event.told_us, DEFAULT_ZONE, at_us)} {said}", name=teller
    )


def notice_of(language: Language, event: EventView) -> str:
    if event.state == "refused":
        return text(language, "look.refused", error=event.error)
    if event.state == "waiting":
        return text(language, "look.waiting")
    return text(language, "look.count", looked=event.looked, count=event.to_look)


def urgency(look: LookView) -> Level:
    if (look.result or look.verdict) in LEVELS:
        return LEVELS[look.result or look.verdict]
    return next((level for least, level in URGENT if (look.score or 0.0) >= least), Level.WATCH)


def pin_of(look: LookView) -> str:
    return DONE[look.result] if look.result else str(look.rank) if look.verdict == "look" else ""


def moved_words(language: Language, look: LookView, at_us: int) -> str:
    if look.rank_before is None or look.changed_us is None:
        return ""
    gained, lost = (look.gained_ja, look.lost_ja) if language == "ja" else (look.gained_en, look.lost_en)
    why = [" · ".join(gained), text(language, "look.was", reasons=" · ".join(lost)) if lost else ""]
    arrow, time = "↑" if look.rank < look.rank_before else "↓", moment(language, look.changed_us, DEFAULT_ZONE, at_us)
    said = " ".join(part for part in why if part)
    return text(language, "look.moved", arrow=arrow, before=look.rank_before, rank=look.rank, time=time, why=said)


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
        level=urgency(look),
        looked=looked,
        pin=pin_of(look),
        moved=moved_words(language, look, at_us),
    )


def marker_of(place: Place, look: LookView) -> Marker:
    name = f"{place.rank}. {place.name}"
    return Marker(
        place.asset, name, place.reasons, f"{name} {place.verdict}", f"/asset/{place.asset}", int(place.level),
        look.latitude, look.longitude, DOT if place.pin.isdigit() and place.rank > PINS_MOST else place.pin,
        bool(place.looked),
    )  # fmt: skip


class LookPage:
    def __init__(self, frame: Frame, wanted: str) -> None:
        self.frame = frame
        self.wanted = wanted
        self.chosen = ""
        self._may = frame.gate.may_acknowledge(frame.visit.viewer)

    def build(self, towns: Sequence[Town]) -> None:
        """`towns`: where the visitor sees an asset."""
        word = self.frame.word
        self.frame.head(word("look.title"))
        if self._may:
            for kind in KINDS:
                with tag("details", "card"):
                    tag("summary", "row-name", text=word(f"look.{kind}"))
                    TellForm(self.frame, kind, towns, self._tell)
        self.events = Section(self.draw_events, "section", "card")
        self.notices = Section(self.draw_notices, "div", "look-notices")
        with tag("section", "card map-card", aria_label=word("region.map")):
            self.map = RegionMap(self.frame.gate.settings, self.frame.language).classes("map")
            self.map.props["aria-label"] = word("region.map_label")
            self.map.props["role"] = "application"
            tag("p", "legend", text=word("look.legend"))
        self.places = Section(self.draw_places, "section", "card", waiting=4)
        self._dialog = NoteDialog(self.frame)

    async def _tell(self, told: Mapping[str, Any]) -> bool:
        """Two people who tell of the same earthquake tell of two events: the list shows both, and by whom."""
        frame = self.frame
        try:
            found = await run.io_bound(frame.gate.tell, frame.visit, told)
        except (RejectedError, ForbiddenError, UnavailableError) as error:
            ui.notify(frame.word("look.wrong", error=error), type="negative")
            return False
        if found is None:
            return False
        ui.navigate.to(f"/look?event={found.id}")
        return True

    def load(self) -> Orders:
        gate, visit, language, at_us = self.frame.gate, self.frame.visit, self.frame.language, now_us()
        looking = gate.queries.looking
        events = looking.events(visit.viewer, EVENTS_MOST)
        if self.wanted and all(event.id != self.wanted for event in events):
            events = [*events, looking.event(visit.viewer, self.wanted)]
        people, towns = gate.people(), gate.organisation_names(visit)
        listed = tuple((event.id, event_words(language, event, people, at_us)) for event in events)
        chosen = next((event for event in events if event.id == self.wanted), events[0] if events else None)
        if chosen is None:
            return Orders((), "", (), (), ())
        looks = looking.looks(visit.viewer, chosen.id)
        places = tuple(place_of(language, look, people, towns, at_us) for look in looks)
        markers = tuple(marker_of(p, look) for p, look in zip(places, looks, strict=True) if look.verdict != "wait")
        notices = tuple(notice for notice in (chosen.told.get("note"), notice_of(language, chosen)) if notice)
        return Orders(listed, chosen.id, notices, places, markers)

    def show(self, orders: Orders) -> None:
        self.chosen = orders.chosen
        self.events.show((orders.events, orders.chosen))
        self.notices.show(orders.notices)
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

    def draw_notices(self, notices: tuple[str, ...]) -> None:
        for notice in notices:
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
            if place.pin:
                done = " done" if place.looked else ""
                tag("span", f"order-pin l{int(place.level)}{done}", text=place.pin, aria_hidden="true")
            else:
                glyph(place.level, "row-glyph")
            with tag("span", "row-main"):
                tag("span", "row-name", text=f"{place.rank}. {place.name}")
                tag("span", "row-sub", text=f"{place.sub} · {place.verdict}")
                tag("span", "row-text", text=place.reasons)
                tag("span", "row-sub", text=place.look)
                if place.moved:
                    tag("span", "row-text look-moved", text=place.moved)
        with tag("div", "alert-foot"):
            if place.looked:
                tag("span", "num", text=place.looked)
            if self._may:
                results: tuple[Result | None, ...] = (None,) if place.looked else RESULTS
                for result in results:
                    shown = self.frame.word(f"look.{result or 'undo'}")
                    button = tag("button", "btn", text=shown, type="button", aria_label=f"{place.name}: {shown}")
                    button.on("click", lambda _, result=result: self._looked(place, result))

    async def _looked(self, place: Place, result: Result | None) -> None:
        """What needs work may be described; that nothing is wrong is said with one touch."""
        frame, event = self.frame, self.chosen

        async def record(note: str | None) -> None:
            await frame.carry_out(
                lambda: frame.gate.looked(frame.visit, event, place.asset, result, note),
                lambda _: frame.word("look.kept"),
                frame.word("look.conflict"),
            )

        if result == "needs_work":
            title, hint, button = (
                frame.word("look.needs_work"),
                frame.word("look.note_hint"),
                frame.word("judge.confirm"),
            )
            self._dialog.ask(title, place.name, hint, button, record)
        else:
            await record(None)


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
