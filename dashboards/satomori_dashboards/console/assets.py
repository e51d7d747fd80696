"""The page `/assets`: all that the visitor may see, worst first, narrowed down by the region page's links or here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import Request, Response
from nicegui import ui

from satomori_api.formatting import Language
from satomori_api.views import AssetView
from satomori_core.clock import now_us
from satomori_core.vocabulary import Level
from satomori_dashboards.console.formatting import age
from satomori_dashboards.console.frame import Frame, to_login, visiting
from satomori_dashboards.console.gate import Gate
from satomori_dashboards.console.kit import Section, empty, glyph, tag
from satomori_dashboards.console.texts import class_word, level_word, named, text

# Per filter, (value, word) of what there is to choose.
Choices = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """What of the assets is wanted; "" and None for anything."""

    search: str = ""
    municipality: str = ""
    class_: str = ""
    group: str = ""
    level: Level | None = None


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    sub: str
    reason: str
    href: str
    level: Level
    since: str


@dataclass(frozen=True, slots=True)
class Listing:
    rows: tuple[Row, ...]
    total: int
    choices: Choices


def parse_level(given: str) -> Level | None:
    return Level(int(given)) if given.isascii() and given.isdigit() and int(given) <= Level.DANGER else None


def row_of(language: Language, asset: AssetView, towns: Mapping[str, str], at_us: int) -> Row:
    town = towns.get(asset.municipality_id, asset.municipality_id)
    calm = asset.level == Level.GOOD
    return Row(
        named(language, asset.name, asset.name_en),
        f"{town} · {class_word(language, asset.class_)}",
        "" if calm else asset.level_reason,
        f"/asset/{asset.id}",
        asset.level,
        "" if calm or asset.since_us is None else age(language, asset.since_us, at_us),
    )


def choices_of(
    language: Language, assets: Sequence[AssetView], towns: Mapping[str, str], groups: Mapping[str, str]
) -> Choices:
    towns_there = sorted({asset.municipality_id for asset in assets})
    classes = sorted({asset.class_ for asset in assets})
    levels = sorted({asset.level for asset in assets}, reverse=True)
    return (
        ("municipality", tuple((m, towns.get(m, m)) for m in towns_there)),
        ("class", tuple((c, class_word(language, c)) for c in classes)),
        ("level", tuple((str(int(v)), level_word(language, v)) for v in levels)),
        ("group", tuple(groups.items())),
    )


def draw_choices(frame: Frame, choices: Choices, chosen: Mapping[str, str]) -> None:
    """A select for each filter, which sends the form that it stands in."""
    for name, values in choices:
        with tag("div", "field"):
            tag("label", text=frame.word(f"assets.{name}"), for_=f"filter-{name}")
            select = tag("select", "input", id=f"filter-{name}", name=name)
            select.props["onchange"] = "this.form.requestSubmit()"
            with select:
                tag("option", text=frame.word("assets.all"), value="")
                for value, shown in values:
                    option = tag("option", text=shown, value=value)
                    if value == chosen[name]:
                        option.props["selected"] = True


class AssetsPage:
    def __init__(self, frame: Frame, wanted: Filter) -> None:
        self.frame = frame
        self.wanted = wanted

    def build(self) -> None:
        self.frame.head(self.frame.word("assets.title"))
        tag("a", "btn", text=self.frame.word("condition.all"), href="/condition")
        with tag("form", "card filters", method="get", action="/assets", role="search"):
            with tag("div", "field"):
                tag("label", text=self.frame.word("assets.search"), for_="search")
                tag(
                    "input", "input", id="search", name="search", type="search", value=self.wanted.search, maxlength=100
                )
            self.choices = Section(self.draw_choices, "div", "contents")
        self.count = Section(self.draw_count)
        self.rows = Section(self.draw_rows, "section", "card", waiting=4)

    def load(self) -> Listing:
        language, visit, gate = self.frame.language, self.frame.visit, self.frame.gate
        wanted = self.wanted
        everything = gate.queries.assets(visit.viewer)
        towns = gate.organisation_names(visit)
        groups = {g.id: named(language, g.name, g.name_en) for g in gate.queries.groups(visit.viewer)}
        found = everything
        if wanted != Filter():
            found = gate.queries.assets(
                visit.viewer,
                class_=wanted.class_ or None,
                municipality=wanted.municipality or None,
                group=wanted.group or None,
                level=wanted.level,
                search=wanted.search or None,
            )
        rows = tuple(row_of(language, asset, towns, now_us()) for asset in found[: gate.settings.assets_max])
        return Listing(rows, len(found), choices_of(language, everything, towns, groups))

    def show(self, listing: Listing) -> None:
        self.choices.show(listing.choices)
        self.count.show((len(listing.rows), listing.total))
        self.rows.show(listing.rows)

    def draw_choices(self, choices: Choices) -> None:
        level = self.wanted.level
        chosen = {
            "municipality": self.wanted.municipality,
            "class": self.wanted.class_,
            "level": "" if level is None else str(int(level)),
            "group": self.wanted.group,
        }
        draw_choices(self.frame, choices, chosen)

    def draw_count(self, counts: tuple[int, int]) -> None:
        count, total = counts
        key = "assets.count" if count == total else "assets.capped"
        tag("p", "quiet num", text=text(self.frame.language, key, count=count, total=total), role="status")

    def draw_rows(self, rows: tuple[Row, ...]) -> None:
        if not rows:
            empty(self.frame.word("assets.none" if self.wanted != Filter() else "region.empty"))
            return
        with tag("ul", "rows"):
            for row in rows:
                with tag("li"), tag("a", "row-link", href=row.href):
                    glyph(row.level, "row-glyph")
                    with tag("span", "row-main"):
                        tag("span", "row-name", text=row.name)
                        tag("span", "row-sub", text=row.sub)
                        if row.reason:
                            tag("span", "row-sub row-reason", text=row.reason)
                    with tag("span", "row-end"):
                        tag("span", f"word l{row.level}", text=level_word(self.frame.language, row.level))
                        tag("div", "num", text=row.since)


def add_assets_page(gate: Gate) -> None:
    @ui.page("/assets", response_timeout=20)
    async def assets(request: Request) -> Response | None:
        visit = await visiting(gate, request)
        if visit is None:
            return to_login(request)
        given = request.query_params
        wanted = Filter(
            given.get("search", "")[:100].strip(),
            given.get("municipality", ""),
            given.get("class", ""),
            given.get("group", ""),
            parse_level(given.get("level", "")),
        )
        frame = Frame(gate, visit, request)
        page = AssetsPage(frame, wanted)
        with frame.open("assets", frame.word("assets.title")):
            page.build()
        await frame.run(page.load, page.show)
        return None
