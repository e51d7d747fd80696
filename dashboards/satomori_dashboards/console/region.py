"""The page `/`: how the region stands, worst first: counts, matrix, groups, map, latest alerts."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from urllib.parse import urlencode

from fastapi import Request, Response
from nicegui import ui

from satomori_api.formatting import Language
from satomori_api.views import AlertView, AssetView, GroupView, OrganisationView
from satomori_core.classes import classes
from satomori_core.clock import now_us
from satomori_core.vocabulary import Level
from satomori_dashboards.console.formatting import age
from satomori_dashboards.console.frame import Frame, to_login, visiting
from satomori_dashboards.console.gate import Gate
from satomori_dashboards.console.kit import Section, empty, glyph, tag
from satomori_dashboards.console.region_map import Marker, Place, RegionMap
from satomori_dashboards.console.texts import class_word, level_word, named, text

LATEST_ALERTS = 6
_CLASS_ORDER = list(classes())


@dataclass(frozen=True, slots=True)
class Cell:
    level: Level
    count: int
    total: int
    href: str
    label: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """`cells[row][column]`; rows are municipalities, the worst first."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Cell | None, ...], ...]


@dataclass(frozen=True, slots=True)
class GroupRow:
    name: str
    sub: str
    href: str
    level: Level
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AlertRow:
    level: Level
    where: str
    text: str
    sub: str
    href: str


@dataclass(frozen=True, slots=True)
class Region:
    counts: tuple[int, ...]
    matrix: Matrix
    groups: tuple[GroupRow, ...]
    alerts: tuple[AlertRow, ...]
    markers: tuple[Marker, ...]
    places: tuple[Place, ...]


def region_of(
    language: Language,
    assets: Sequence[AssetView],
    organisations: Sequence[OrganisationView],
    groups: Sequence[GroupView],
    *,
    alerts: Sequence[AlertView],
    at_us: int,
) -> Region:
    """What the page shows of what the queries answer."""
    names = {o.id: named(language, o.name, o.name_en) for o in organisations}
    by_id = {asset.id: asset for asset in assets}
    counted = Counter(asset.level for asset in assets)
    return Region(
        counts=tuple(counted[level] for level in Level),
        matrix=matrix_of(language, assets, names),
        groups=tuple(_group_row(language, group, by_id, names) for group in groups),
        alerts=tuple(_alert_row(language, alert, names, at_us) for alert in alerts),
        markers=tuple(_marker(language, asset) for asset in assets if _on_map(asset)),
        places=_places(assets, names),
    )


def matrix_of(language: Language, assets: Sequence[AssetView], names: Mapping[str, str]) -> Matrix:
    members: dict[tuple[str, str], list[Level]] = defaultdict(list)
    rows: dict[str, list[Level]] = defaultdict(list)
    for asset in assets:
        members[asset.municipality_id, asset.class_].append(asset.level)
        rows[asset.municipality_id].append(asset.level)
    present = sorted({asset.class_ for asset in assets}, key=_class_place)
    ordered = sorted(rows, key=lambda m: ([-rows[m].count(level) for level in reversed(Level)], names.get(m, m)))
    return Matrix(
        rows=tuple(names.get(m, m) for m in ordered),
        columns=tuple(class_word(language, c) for c in present),
        cells=tuple(tuple(_cell(language, m, c, members.get((m, c)), names) for c in present) for m in ordered),
    )


def _class_place(class_: str) -> tuple[int, str]:
    return (_CLASS_ORDER.index(class_) if class_ in _CLASS_ORDER else len(_CLASS_ORDER), class_)


def _cell(
    language: Language, municipality: str, class_: str, levels: Sequence[Level] | None, names: Mapping[str, str]
) -> Cell | None:
    if not levels:
        return None
    worst = max(levels)
    count = levels.count(worst)
    label = text(
        language,
        "region.cell",
        municipality=names.get(municipality, municipality),
        class_=class_word(language, class_),
        level=level_word(language, worst),
        count=count,
        total=len(levels),
    )
    query = urlencode({"municipality": municipality, "class": class_})
    return Cell(worst, count, len(levels), f"/assets?{query}", label)


def _group_row(
    language: Language, group: GroupView, by_id: Mapping[str, AssetView], names: Mapping[str, str]
) -> GroupRow:
    owners = dict.fromkeys(by_id[a].municipality_id for a in group.asset_ids if a in by_id)
    where = text(language, "list.separator").join(names.get(owner, owner) for owner in owners)
    total = f"{len(group.asset_ids)} {text(language, 'region.assets_unit')}"
    return GroupRow(
        named(language, group.name, group.name_en),
        f"{where} · {total}",
        f"/assets?{urlencode({'group': group.id})}",
        group.level,
        group.counts,
    )


def _alert_row(language: Language, alert: AlertView, names: Mapping[str, str], at_us: int) -> AlertRow:
    where = named(language, alert.asset_name, alert.asset_name_en)
    town = names.get(alert.municipality_id, alert.municipality_id)
    return AlertRow(
        alert.level,
        where,
        alert.text,
        f"{town} · {text(language, f'alerts.{alert.state}')} · {age(language, alert.opened_us, at_us)}",
        f"/asset/{alert.asset_id}",
    )


def _on_map(asset: AssetView) -> bool:
    """A gateway hides the assets that it stands at, so it is drawn only while something is wrong with it."""
    return asset.class_ != "gateway" or asset.level > Level.UNKNOWN


def _marker(language: Language, asset: AssetView) -> Marker:
    name = named(language, asset.name, asset.name_en)
    detail = f"{class_word(language, asset.class_)} · {level_word(language, asset.level)}"
    label = f"{name} · {detail}"
    return Marker(
        asset.id, name, detail, label, f"/asset/{asset.id}", int(asset.level), asset.latitude, asset.longitude
    )


def _places(assets: Sequence[AssetView], names: Mapping[str, str]) -> tuple[Place, ...]:
    """Each municipality's name above its assets."""
    spots: dict[str, list[AssetView]] = defaultdict(list)
    for asset in assets:
        spots[asset.municipality_id].append(asset)
    return tuple(
        Place(names.get(m, m), max(a.latitude for a in found), round(fmean(a.longitude for a in found), 4))
        for m, found in sorted(spots.items())
    )


# ------------------------------------------------------------------ the page


class RegionPage:
    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.language = frame.language

    def build(self) -> None:
        word = self.frame.word
        self.frame.head(word("region.title"))
        self.counts = Section(self.draw_counts, waiting=1)
        with tag("div", "region-grid"):
            with tag("div", "stack"):
                with tag("section", "card", aria_label=word("region.matrix")):
                    with tag("div", "card-head"):
                        tag("h2", text=word("region.matrix"))
                        tag("span", "quiet", text=word("region.matrix_hint"))
                    self.matrix = Section(self.draw_matrix, waiting=2)
                with tag("section", "card map-card", aria_label=word("region.map")):
                    with tag("div", "card-head"):
                        tag("h2", text=word("region.map"))
                    self.map = RegionMap(self.frame.gate.settings, self.language).classes("map")
                    self.map.props["aria-label"] = word("region.map_label")
                    self.map.props["role"] = "application"
                    with tag("ul", "legend"):
                        for level in reversed(Level):
                            with tag("li"):
                                glyph(level)
                                tag("span", text=level_word(self.language, level))
            with tag("div", "stack area-alerts"):
                with tag("section", "card", aria_label=word("region.alerts")):
                    with tag("div", "card-head"):
                        tag("h2", text=word("region.alerts"))
                        tag("a", text=word("region.alerts_all"), href="/alerts")
                    self.alerts = Section(self.draw_alerts, waiting=2)
                with tag("section", "card", aria_label=word("region.groups")):
                    with tag("div", "card-head"):
                        tag("h2", text=word("region.groups"))
                    self.groups = Section(self.draw_groups, waiting=1)

    def load(self) -> Region:
        queries, viewer = self.frame.gate.queries, self.frame.visit.viewer
        unresolved = queries.alerts(viewer, "unresolved", historical=False, limit=50)
        unresolved = sorted(unresolved, key=lambda a: (a.state != "open", -a.level, -a.opened_us))
        return region_of(
            self.language,
            queries.assets(viewer),
            queries.organisations(viewer),
            queries.groups(viewer),
            alerts=unresolved[:LATEST_ALERTS],
            at_us=now_us(),
        )

    def show(self, region: Region) -> None:
        self.counts.show(region.counts)
        self.matrix.show(region.matrix)
        self.groups.show(region.groups)
        self.alerts.show(region.alerts)
        self.map.show(region.markers, region.places)

    # -------------------------------------------------------------- sections

    def draw_counts(self, counts: tuple[int, ...]) -> None:
        with tag("ul", "counts", aria_label=self.frame.word("region.counts")):
            for level in reversed(Level):
                count = counts[level]
                with tag("li"), tag("a", f"count l{level}" + ("" if count else " zero"), href=f"/assets?level={level}"):
                    with tag("span", "count-word"):
                        glyph(level)
                        tag("span", text=level_word(self.language, level))
                    tag("span", "count-n num", text=str(count))

    def draw_matrix(self, matrix: Matrix) -> None:
        if not matrix.rows:
            empty(self.frame.word("region.empty"))
            return
        turned = Matrix(matrix.columns, matrix.rows, tuple(zip(*matrix.cells, strict=True)))
        for names, shown in (("matrix matrix-wide", matrix), ("matrix matrix-tall", turned)):
            with tag("table", names):
                tag("caption", "hidden-text", text=self.frame.word("region.matrix"))
                with tag("thead"), tag("tr"):
                    tag("td")
                    for name in shown.columns:
                        tag("th", text=name, scope="col")
                with tag("tbody"):
                    for name, cells in zip(shown.rows, shown.cells, strict=True):
                        with tag("tr"):
                            tag("th", text=name, scope="row")
                            for cell in cells:
                                with tag("td"):
                                    self.draw_cell(cell)

    def draw_cell(self, cell: Cell | None) -> None:
        if cell is None:
            tag("span", "cell-none", text="–", aria_label=self.frame.word("region.none_here"))
            return
        with tag("a", f"cell l{cell.level}", href=cell.href, aria_label=cell.label, title=cell.label):
            glyph(cell.level)
            shown = f"{cell.count}/{cell.total}" if cell.count < cell.total else str(cell.total)
            tag("span", "cell-n num", text=shown)

    def draw_groups(self, groups: tuple[GroupRow, ...]) -> None:
        if not groups:
            empty(self.frame.word("region.groups_none"))
            return
        with tag("ul", "rows"):
            for group in groups:
                with tag("li"), tag("a", "row-link", href=group.href):
                    glyph(group.level, "row-glyph")
                    with tag("span", "row-main"):
                        tag("span", "row-name", text=group.name)
                        tag("span", "row-sub", text=group.sub)
                        with tag("span", "bar", aria_hidden="true"):
                            for level in reversed(Level):
                                if group.counts[level]:
                                    tag("i", f"l{level}", style=f"flex:{group.counts[level]}")
                    tag("span", f"word l{group.level}", text=level_word(self.language, group.level))

    def draw_alerts(self, alerts: tuple[AlertRow, ...]) -> None:
        if not alerts:
            empty(self.frame.word("region.alerts_none"))
            return
        with tag("ul", "rows"):
            for alert in alerts:
                with tag("li"), tag("a", "row-link", href=alert.href):
                    glyph(alert.level, "row-glyph")
                    with tag("span", "row-main"):
                        with tag("span", "row-head"):
                            tag("span", "row-name", text=alert.where)
                            tag("span", f"word l{alert.level}", text=level_word(self.language, alert.level))
                        tag("span", "row-text", text=alert.text)
                        tag("span", "row-sub", text=alert.sub)


def add_region_page(gate: Gate) -> None:
    @ui.page("/", response_timeout=20)
    async def region(request: Request) -> Response | None:
        visit = await visiting(gate, request)
        if visit is None:
            return to_login(request)
        frame = Frame(gate, visit, request)
        page = RegionPage(frame)
        with frame.open("region", frame.word("region.title")):
            page.build()
        await frame.run(page.load, page.show)
        return None
