"""Telling of an earthquake or a storm on the page `/look`: what the form asks, and what of it is told."""

import secrets
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from nicegui import background_tasks, ui

from satomori_analytics.triage.events import NOTE_MOST
from satomori_core.clock import now_us, to_datetime
from satomori_dashboards.console.frame import Frame
from satomori_dashboards.console.gate import Town
from satomori_dashboards.console.kit import tag
from satomori_dashboards.console.region_map import Place, RegionMap

QUAKE = ("latitude", "longitude", "magnitude", "depth")
STORM = ("rain", "wind", "flood", "river")
KINDS = ("earthquake", "storm")
# Touched on a map of a whole region, more digits than 100 m would be made up.
DEGREE_DIGITS = 3

Tell = Callable[[Mapping[str, Any]], Awaitable[bool]]


def told_of(
    form: str, kind: str, numbers: Mapping[str, float | None], by_town: Mapping[tuple[str, str], str], note: str
) -> dict[str, Any]:
    """What a form says, as it is told; whether it can be so is checked later. `by_town`: (what, municipality) → value.

    The id follows from form and words: sent twice it is one event, sent with other words it is another.
    """
    told: dict[str, Any] = {"kind": kind, **{key: value for key, value in numbers.items() if value is not None}}
    if kind == "storm":
        told["gauges"] = True
    for (what, town), value in by_town.items():
        if value.strip():
            told.setdefault(what, {})[town] = value.strip() if what == "intensity" else _number(value)
    if note.strip():
        told["note"] = note.strip()
    words = zlib.crc32(repr(sorted(told.items())).encode())
    return {"id": f"{kind}-{form}-{words:08x}", **told}


def _number(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value


class TellForm:
    """`tell` is called with what a visitor sends, and says whether it was taken: then a second press does nothing."""

    def __init__(self, frame: Frame, kind: str, towns: Sequence[Town], tell: Tell) -> None:
        self.frame, self.kind, self._tell = frame, kind, tell
        self._id = f"{to_datetime(now_us()):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        self._sent = False
        self._numbers: dict[str, ui.number] = {}
        self._by_town: dict[tuple[str, str], ui.input] = {}
        word = frame.word
        with tag("form", "look-form") as form:
            if kind == "earthquake":
                self._epicentre(towns)
                with tag("div", "look-numbers"):
                    for town in towns:
                        self._of_town("intensity", town)
            for town in towns if kind == "storm" else ():
                with tag("fieldset", "look-numbers look-town"):
                    tag("legend", text=town.name)
                    for what in STORM:
                        self._of_town(what, town)
            with tag("div", "field"):
                tag("label", text=word("look.note"), for_=f"look-note-{kind}")
                self._note = ui.textarea().props(f"outlined autogrow maxlength={NOTE_MOST} for=look-note-{kind}")
            tag("button", "btn main", text=word("look.send"), type="submit")
        form.on("submit.prevent", lambda _: background_tasks.create(self._send(), context=form))

    def _epicentre(self, towns: Sequence[Town]) -> None:
        word = self.frame.word
        tag("p", "quiet", text=word("look.touch"))
        places = [Place(town.name, town.latitude, town.longitude) for town in towns]
        chart = RegionMap(self.frame.gate.settings, self.frame.language, picking=places).classes("map look-pick")
        chart.props["aria-label"] = word("look.touch")
        chart.props["role"] = "application"
        with tag("div", "look-numbers"):
            for key in QUAKE:
                with tag("div", "field"):
                    tag("label", text=word(f"look.{key}"), for_=f"look-{key}")
                    self._numbers[key] = ui.number().props(f"outlined step=any for=look-{key}")
        latitude, longitude = self._numbers["latitude"], self._numbers["longitude"]

        def touched(at: Mapping[str, float]) -> None:
            latitude.value = round(at["latitude"], DEGREE_DIGITS)
            longitude.value = round(at["longitude"], DEGREE_DIGITS)

        chart.on("pick", lambda event: touched(event.args))
        for field in (latitude, longitude):
            field.on_value_change(lambda: chart.show_picked(latitude.value, longitude.value))

    def _of_town(self, what: str, town: Town) -> None:
        id_ = f"look-{what}-{town.id}"
        with tag("div", "field"):
            tag("label", text=self.frame.word(f"look.{what}", name=town.name), for_=id_)
            self._by_town[what, town.id] = ui.input().props(f"outlined for={id_}")

    async def _send(self) -> None:
        if self._sent:
            return
        self._sent = True
        self._sent = await self._tell(told_of(
            self._id, self.kind, {key: field.value for key, field in self._numbers.items()},
            {key: field.value or "" for key, field in self._by_town.items()}, self._note.value or "",
        ))  # fmt: skip
