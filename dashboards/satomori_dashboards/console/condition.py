"""The page `/condition`: how structures of all municipalities stand, the most urgent first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import Request, Response
from nicegui import ui

from satomori_analytics.condition.measured import CLASSES
from satomori_analytics.condition.region import Condition
from satomori_analytics.condition.telling import ageing_text, measured_text, reach_text, sewer_text
from satomori_analytics.condition.urgency import worst_of
from satomori_api.formatting import Language
from satomori_api.views import AssetView
from satomori_core.clock import DAY_US, now_us
from satomori_dashboards.console.assets import Choices, choices_of, draw_choices
from satomori_dashboards.console.frame import Frame, to_login, visiting
from satomori_dashboards.console.gate import Gate
from satomori_dashboards.console.kit import Section, empty, tag
from satomori_dashboards.console.texts import class_word, named, text

_YEARS = 10  # of those that ageing is told for, the one that there is room for


@dataclass(frozen=True, slots=True)
class Standing:
    """A structure's line; "" for what is not known of it."""

    name: str
    sub: str
    href: str
    rating: str
    measured: str
    reach: str
    ageing: str


@dataclass(frozen=True, slots=True)
class Standings:
    rows: tuple[Standing, ...]
    total: int
    choices: Choices
    limits_known: bool


def standing_of(language: Language, found: Condition, asset: AssetView, towns: Mapping[str, str]) -> Standing:
    place = 0 if language == "ja" else 1
    town = towns.get(asset.municipality_id, asset.municipality_id)
    worst = worst_of(found.measured, found.reaches)
    nearest = min(found.reaches, key=lambda reach: reach.years, default=None)
    ageing = next((each for each in found.ageing if each.years == _YEARS), None)
    sewer = "" if found.sewer_urgency is None else sewer_text(found.sewer_urgency)[place]
    return Standing(
        named(language, asset.name, asset.name_en),
        f"{town} · {class_word(language, asset.class_)}",
        f"/asset/{asset.id}",
        " · ".join(filter(None, (found.rating, sewer))),
        "" if worst is None else measured_text(worst)[place],
        "" if nearest is None else reach_text(nearest)[place],
        "" if ageing is None else ageing_text(ageing)[place],
    )


class ConditionPage:
    def __init__(self, frame: Frame, municipality: str, class_: str) -> None:
        self.frame = frame
        self.chosen = {"municipality": municipality, "class": class_}
        self._read: Sequence[Condition] = ()
        self._limits_known = True
        self._read_on = -1

    def build(self) -> None:
        self.frame.head(self.frame.word("condition.title"))
        with tag("form", "card filters", method="get", action="/condition", role="search"):
            self.choices = Section(self.draw_choices, "div", "contents")
        tag("p", "quiet", text=self.frame.word("condition.order"))
        self.count = Section(self.draw_count)
        self.rows = Section(self.draw_rows, "section", "card", waiting=4)

    def load(self) -> Standings:
        language, visit, gate = self.frame.language, self.frame.visit, self.frame.gate
        seen = {asset.id: asset for asset in gate.queries.assets(visit.viewer) if asset.class_ in CLASSES}
        towns = gate.organisation_names(visit)
        # What is no longer shared leaves the page at once, though the list is read once a day.
        found = [each for each in self._of_the_day(now_us() // DAY_US) if each.asset in seen]
        shown = found[: gate.settings.assets_max]
        return Standings(
            tuple(standing_of(language, each, seen[each.asset], towns) for each in shown),
            len(found),
            choices_of(language, list(seen.values()), towns, {})[:2],
            self._limits_known,
        )

    def _of_the_day(self, day: int) -> Sequence[Condition]:
        """Asked for once a day and visit: what it is made of is looked at once a day."""
        if day != self._read_on:
            gate, chosen = self.frame.gate, self.chosen
            playbooks = gate.playbooks()
            self._read = gate.queries.conditions(
                self.frame.visit.viewer,
                playbooks,
                class_=chosen["class"] or None,
                municipality=chosen["municipality"] or None,
            )
            self._limits_known, self._read_on = playbooks is not None, day
        return self._read

    def show(self, found: Standings) -> None:
        self.choices.show(found.choices)
        self.count.show((len(found.rows), found.total, found.limits_known))
        self.rows.show(found.rows)

    def draw_choices(self, choices: Choices) -> None:
        draw_choices(self.frame, choices, self.chosen)

    def draw_count(self, counts: tuple[int, int, bool]) -> None:
        count, total, limits_known = counts
        key = "assets.count" if count == total else "assets.capped"
        tag("p", "quiet num", text=text(self.frame.language, key, count=count, total=total), role="status")
        if not limits_known:
            tag("p", "notice", text=self.frame.word("condition.no_limits"))

    def draw_rows(self, rows: tuple[Standing, ...]) -> None:
        word = self.frame.word
        if not rows:
            empty(word("condition.none"))
            return
        labels = [
            word(key) for key in ("condition.rating", "condition.measured", "condition.reach", "condition.ageing")
        ]
        with tag("table", "ledger conditions"):
            with tag("thead"), tag("tr"):
                for label in (word("condition.asset"), *labels):
                    tag("th", text=label, scope="col")
            with tag("tbody"):
                for row in rows:
                    with tag("tr"):
                        with tag("td"):
                            tag("a", text=row.name, href=row.href)
                            tag("div", "row-sub", text=row.sub)
                        told = (row.rating, row.measured, row.reach, row.ageing)
                        for label, sentence in zip(labels, told, strict=True):
                            cell = tag("td", text=sentence)
                            cell.props["data-label"] = label


def add_condition_page(gate: Gate) -> None:
    @ui.page("/condition", response_timeout=20)
    async def condition(request: Request) -> Response | None:
        visit = await visiting(gate, request)
        if visit is None:
            return to_login(request)
        given = request.query_params
        frame = Frame(gate, visit, request)
        page = ConditionPage(frame, given.get("municipality", ""), given.get("class", ""))
        with frame.open("assets", frame.word("condition.title")):
            page.build()
        await frame.run(page.load, page.show)
        return None
