"""The page `/asset/{id}`: how it stands and what to do, values now and then with quality, alerts, what it operates."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from fastapi import Request, Response
from nicegui import run, ui

from satomori_analytics.condition.region import Condition
from satomori_analytics.condition.telling import ageing_text, measured_text, reach_text, sewer_text, unread_text
from satomori_analytics.peers.region import Comparison
from satomori_analytics.peers.telling import sentence
from satomori_analytics.playbook import Playbook
from satomori_analytics.trend_picture import trend
from satomori_api.formatting import Language, moment
from satomori_api.picture import among, drawings
from satomori_api.views import AlertView, AssetDetail, AssetView, DatastreamView, FindingView, ForecastView
from satomori_core.clock import DAY_US, now_us
from satomori_core.errors import NotFoundError, UnavailableError
from satomori_core.vocabulary import Level
from satomori_dashboards.console import chart
from satomori_dashboards.console.alert_cards import AlertList, Card, cards_of
from satomori_dashboards.console.formatting import age
from satomori_dashboards.console.frame import Frame, loaded, to_login, visiting
from satomori_dashboards.console.gate import Gate
from satomori_dashboards.console.kit import Section, empty, glyph, icon, svg, tag
from satomori_dashboards.console.metric_card import MetricCard, Now, history_of, now_of
from satomori_dashboards.console.operate import OperateCard, Operation
from satomori_dashboards.console.sensitivity_card import Lowered, SensitivityCard
from satomori_dashboards.console.texts import class_word, level_word, named, text

# A chart is drawn anew when this much of its period has passed, however often values come.
CHART_EVERY_S = 60


_DRAWINGS_MOST = 6


@dataclass(frozen=True, slots=True)
class Verdict:
    level: Level
    since: str
    reasons: tuple[str, ...]
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class About:
    facts: tuple[tuple[str, str], ...]
    devices: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Coming:
    """`told`: (level, name, sentence, advice, drawing) of each forecast; `missing`: one line of what others need."""

    told: tuple[tuple[Level, str, str, str, str], ...] = ()
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Daily:
    """What follows from whole days: (sentence, drawing) each, of the condition with the drawn metric, or empty ones."""

    condition: tuple[tuple[str, str, str], ...] = ()
    peers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AssetModel:
    """`streams`: without what changes with every value, so that charts stay in place."""

    verdict: Verdict
    streams: tuple[DatastreamView, ...]
    now: tuple[Now, ...]
    cards: tuple[Card, ...]
    operation: Operation
    about: About
    coming: Coming
    evidence: tuple[tuple[str, str], ...]
    daily: Daily
    lowered: tuple[Lowered, ...]


def verdict_of(language: Language, detail: AssetDetail, at_us: int) -> Verdict:
    """Why and what to do come from the worst alerts, else from findings, else from the status' own reason."""
    told: Sequence[AlertView | FindingView] = [
        a for a in detail.alerts if a.inhibited_by is None and not a.historical
    ] or [f for f in detail.findings if not f.historical]
    told = sorted(told, key=lambda one: (-one.level, -one.since_us))[:3]
    reasons = tuple(dict.fromkeys(one.text for one in told)) if detail.level != Level.GOOD else ()
    advice = tuple(dict.fromkeys(one.advice for one in told if one.advice)) if detail.level != Level.GOOD else ()
    since = ""
    if detail.since_us is not None:
        when = moment(language, detail.since_us, detail.time_zone, at_us)
        since = text(language, "asset.since", time=when, age=age(language, detail.since_us, at_us))
    if not reasons and detail.level != Level.GOOD and detail.level_reason:
        reasons = (detail.level_reason,)
    return Verdict(detail.level, since, reasons, advice)


def coming_of(
    language: Language, forecasts: Sequence[ForecastView], drawn: Mapping[int, dict[str, Any]], zone: str, at_us: int
) -> Coming:  # fmt: skip
    """Without what was foretold for a time that has passed. `drawn`: forecast id → its picture."""
    made = [one for one in forecasts if one.status == "made" and one.for_until_us > at_us]

    def drawing(one: ForecastView) -> str:
        pictures = drawings(language, {"picture": drawn.get(one.id)}, zone, at_us)
        return next((svg for _, svg in pictures), "")

    told = tuple(
        (one.level, one.name, one.text, one.advice, drawing(one))
        for one in sorted(made, key=lambda one: one.for_until_us)
    )
    lacking = [f"{one.name}: {one.text}" for one in forecasts if one.status == "missing"]
    missing = text(language, "asset.coming_missing", what=" / ".join(lacking)) if lacking else ""
    return Coming(told, missing)


def evidence_of(language: Language, detail: AssetDetail, at_us: int) -> tuple[tuple[str, str], ...]:
    """(sentence, drawing) of what is open, the worst first; a forecast is drawn where it is told."""
    open_now = (f for f in detail.findings if not f.historical and f.kind != "forecast")
    now = sorted(open_now, key=lambda f: -f.level)
    drawn = (drawing for finding in now for drawing in drawings(language, finding.evidence, detail.time_zone, at_us))
    return tuple(islice(drawn, _DRAWINGS_MOST))


def condition_of(
    language: Language, conditions: Sequence[Condition], limits: Playbook | None, asset: AssetView, at_us: int
) -> tuple[tuple[str, str, str], ...]:
    """Its rating, what is measured of it and how that goes, which limits it reaches, how it may age, what lacks."""
    place, told = 0 if language == "ja" else 1, list[tuple[str, str, str]]()
    for found in conditions:
        if found.rating is not None:
            told.append((text(language, "asset.rating", rating=found.rating), "", ""))
        if found.sewer_urgency is not None:
            told.append((sewer_text(found.sewer_urgency)[place], "", ""))
        for each in found.measured:
            drawn = {"picture": trend(each, limits, found.reaches, asset.attributes)}
            drawing = next((one for _, one in drawings(language, drawn, asset.time_zone, at_us)), "")
            told.append((measured_text(each)[place], drawing, each.metric))
        told += [(reach_text(each)[place], "", "") for each in found.reaches]
        told += [(ageing_text(each)[place], "", "") for each in found.ageing]
        told += [(each[place], "", "") for each in found.wanting]
        if found.unread:
            told.append((unread_text(found.unread)[place], "", ""))
    return tuple(told)


def peers_of(language: Language, found: Sequence[Comparison]) -> tuple[tuple[str, str], ...]:
    """(sentence, drawing) of each comparison that could be made."""
    place = 0 if language == "ja" else 1
    return tuple((sentence(each)[place], among(each.difference)) for each in found if each.difference is not None)


def facts_of(language: Language, detail: AssetDetail, names: dict[str, str], groups: dict[str, str]) -> About:
    def organisation(id_: str) -> str:
        return names.get(id_, id_)

    facts = [
        (text(language, "assets.class"), class_word(language, detail.class_)),
        (text(language, "asset.owner"), organisation(detail.organisation_id)),
        (text(language, "asset.municipality"), organisation(detail.municipality_id)),
    ]
    if detail.built_year is not None:
        facts.append((text(language, "asset.built"), str(detail.built_year)))
    if detail.groups:
        joined = text(language, "list.separator").join(groups.get(g, g) for g in detail.groups)
        facts.append((text(language, "asset.groups"), joined))
    facts += [
        (key, str(value)) for key, value in sorted(detail.attributes.items()) if isinstance(value, str | int | float)
    ]
    facts.append((text(language, "asset.place"), f"{detail.latitude:.5f}, {detail.longitude:.5f}"))
    facts.append((text(language, "asset.id"), detail.id))
    return About(tuple(facts), ())


class AssetPage:
    def __init__(self, frame: Frame, first: AssetDetail) -> None:
        self.frame = frame
        self.id = first.id
        self.zone = first.time_zone
        self.name = frame.named(first.name, first.name_en)
        self.period = chart.PERIODS[0]
        self._cards: dict[int, MetricCard] = {}
        self._streams: tuple[DatastreamView, ...] = first.datastreams
        self._limits: dict[int, tuple[float, ...]] = {}
        self._daily = Daily()
        self._daily_of = -1

    def build(self) -> None:
        word = self.frame.word
        with tag("a", "back", href="/assets"):
            icon("back")
            tag("span", text=word("asset.back"))
        self.frame.head(self.name)
        with tag("div", "asset-grid"):
            with tag("div", "stack asset-main"):
                self.verdict = Section(self.draw_verdict, "section", "at-1", waiting=2)
                self.verdict.box.props["aria-label"] = word("assets.level")
                # Only farms have forecasts, so that it has a heading only where there are some.
                self.coming = Section(self.draw_coming, "section", "at-2")
                self.coming.box.props["aria-label"] = word("asset.coming")
                self.evidence = Section(self.draw_evidence, "section", "at-2")
                self.evidence.box.props["aria-label"] = word("asset.evidence")
                self.condition = Section(self.draw_condition, "section", "at-2")
                self.condition.box.props["aria-label"] = word("asset.condition")
                self.peers = Section(self.draw_peers, "section", "at-2")
                self.peers.box.props["aria-label"] = word("asset.peers")
                with tag("section", "stack at-3", aria_label=word("asset.now")):
                    with tag("div", "page-head"):
                        tag("h2", text=word("asset.now"))
                        self.periods = Section(self.draw_periods, "div", "segments")
                        self.periods.box.props["role"] = "group"
                        self.periods.box.props["aria-label"] = word("asset.range_label")
                        self.periods.show(self.period.key)
                    self.metrics = Section(self.draw_metrics, "div", "metrics", waiting=2)
                    self.draw_legend()
            with tag("div", "stack asset-side"):
                with tag("div", "at-2"):
                    self.operate = OperateCard(self.frame, self.id, self.name, self.zone)
                with tag("section", "stack at-2", aria_label=word("asset.alerts")):
                    tag("h2", text=word("asset.alerts"))
                    self.alerts = AlertList(self.frame, lambda: word("asset.alerts_none"), whole=False)
                with tag("div", "at-2"):
                    self.sensitivity = SensitivityCard(self.frame, self.id, self.zone)
                with tag("section", "card at-4", aria_label=word("asset.about")):
                    with tag("div", "card-head"):
                        tag("h2", text=word("asset.about"))
                    self.about = Section(self.draw_about, waiting=1)

    # -------------------------------------------------------------- news

    def load(self) -> AssetModel:
        """Runs in a thread."""
        gate, visit, language = self.frame.gate, self.frame.visit, self.frame.language
        detail = gate.queries.asset(visit.viewer, self.id)
        at_us = now_us()
        names = dict(gate.organisation_names(visit))
        groups = {g.id: named(language, g.name, g.name_en) for g in gate.queries.groups(visit.viewer)}
        devices = {d.id: named(language, d.name, d.name_en) for d in gate.queries.devices(visit.viewer)}
        streams = tuple(stream for stream in detail.datastreams if stream.until_us is None) or detail.datastreams
        self._streams = streams
        self._limits = limits_of(detail)
        about = facts_of(language, detail, names, groups)
        used = dict.fromkeys(stream.device_id for stream in streams)
        return AssetModel(
            verdict_of(language, detail, at_us),
            tuple(replace(stream, latest=None, level=Level.GOOD) for stream in streams),
            tuple(now_of(language, stream, at_us) for stream in streams),
            cards_of(self.frame, detail.alerts, {self.id: self.zone}),
            self.operate.load(),
            About(about.facts, tuple((devices.get(id_, id_), id_) for id_ in used)),
            self._coming(at_us),
            evidence_of(language, detail, at_us),
            self._of_the_day(detail, at_us),
            self.sensitivity.load(),
        )

    def _coming(self, at_us: int) -> Coming:
        queries, viewer = self.frame.gate.queries, self.frame.visit.viewer
        found = queries.forecasts(viewer, asset=self.id)
        pictures = queries.forecast_pictures(viewer, [one.id for one in found])
        return coming_of(self.frame.language, found, pictures, self.zone, at_us)

    def show(self, model: AssetModel) -> None:
        self.verdict.show(model.verdict)
        self.coming.show(model.coming)
        self.evidence.show(model.evidence)
        self.condition.show(model.daily.condition)
        self.peers.show(model.daily.peers)
        self.operate.show(model.operation)
        self.alerts.show(model.cards)
        self.sensitivity.show(model.lowered)
        self.about.show(model.about)
        self.metrics.show(model.streams)
        for now in model.now:
            self._cards[now.id].show(now)

    async def draw_charts(self) -> None:
        """Fetch and draw the period's history, all metrics in as few reads as they allow."""
        period, streams, until_us = self.period, self._streams, now_us()
        try:
            found = await run.io_bound(
                history_of,
                self.frame.gate.queries,
                self.frame.visit.viewer,
                streams,
                period,
                until_us=until_us,
                zone=self.zone,
            )
        except (UnavailableError, NotFoundError):
            return  # the frame says so already
        if found is None or period is not self.period:
            return
        for stream in streams:
            if stream.id in self._cards and stream.id in found:
                limits = self._limits.get(stream.id, ())
                self._cards[stream.id].draw_history(found[stream.id], period, until_us, self.zone, limits)

    async def choose(self, period: chart.Period) -> None:
        self.period = period
        self.periods.show(period.key)
        await self.draw_charts()

    # -------------------------------------------------------------- sections

    def draw_verdict(self, verdict: Verdict) -> None:
        language, word = self.frame.language, self.frame.word
        with tag("div", f"card verdict l{verdict.level}"):
            with tag("div", "verdict-head"):
                glyph(verdict.level)
                with tag("div"):
                    tag("div", "verdict-word", text=level_word(language, verdict.level))
                    tag("div", "quiet num", text=verdict.since)
            tag("p", "verdict-say", text=word(f"level.say.{verdict.level}"))
            if verdict.advice:
                with tag("div", "todo"):
                    tag("div", "todo-head", text=word("asset.todo"))
                    with tag("ul"):
                        for line in verdict.advice:
                            tag("li", text=line)
            if verdict.reasons:
                with tag("div"):
                    tag("div", "label", text=word("asset.why"))
                    with tag("ul", "why"):
                        for line in verdict.reasons:
                            tag("li", text=line)

    def draw_coming(self, coming: Coming) -> None:
        if not coming.told and not coming.missing:
            return
        with tag("div", "card"):
            with tag("div", "card-head"):
                tag("h2", text=self.frame.word("asset.coming"))
            with tag("ul", "coming"):
                for level, name, sentence, advice, drawing in coming.told:
                    with tag("li"):
                        glyph(level)
                        with tag("div", "evidence"):
                            tag("div", "quiet", text=name)
                            tag("div", text=sentence)
                            if drawing:
                                svg(drawing)
                            if advice:
                                tag("div", "quiet", text=advice)
            if coming.missing:
                tag("p", "quiet", text=coming.missing)

    def _of_the_day(self, detail: AssetDetail, at_us: int) -> Daily:
        """Asked for once a day and visit: it reads a year of days."""
        if at_us // DAY_US != self._daily_of:
            language, queries, viewer = self.frame.language, self.frame.gate.queries, self.frame.visit.viewer
            peers = peers_of(language, queries.peers(viewer, self.id))
            playbooks = self.frame.gate.playbooks()
            limits = playbooks.of(detail.class_, detail.municipality_id) if playbooks is not None else None
            conditions = self.frame.gate.queries.condition(viewer, detail.id, playbooks)
            self._daily = Daily(condition_of(language, conditions, limits, detail, at_us), peers)
            self._daily_of = at_us // DAY_US
        return self._daily

    def draw_evidence(self, drawn: tuple[tuple[str, str], ...]) -> None:
        if not drawn:
            return
        with tag("div", "card"):
            with tag("div", "card-head"):
                tag("h2", text=self.frame.word("asset.evidence"))
            for sentence, drawing in drawn:
                with tag("figure", "evidence"):
                    svg(drawing)
                    tag("figcaption", text=sentence)

    def draw_condition(self, told: tuple[tuple[str, str, str], ...]) -> None:
        if not told:
            return
        with tag("div", "card"):
            with tag("div", "card-head"):
                tag("h2", text=self.frame.word("asset.condition"))
                tag("a", text=self.frame.word("condition.all"), href="/condition")
            with tag("ul", "told"):
                for sentence, drawing, metric in told:
                    with tag("li", "evidence" if drawing else ""):
                        tag("span", text=sentence)
                        if drawing:  # and large, with its words
                            source = f"/api/v1/assets/{self.id}/condition/{metric}.svg"
                            with tag("a", href=source, target="_blank"):
                                svg(drawing)

    def draw_peers(self, compared: tuple[tuple[str, str], ...]) -> None:
        if not compared:
            return
        with tag("div", "card"):
            with tag("div", "card-head"):
                tag("h2", text=self.frame.word("asset.peers"))
            with tag("ul", "peers"):
                for sentence, drawing in compared:
                    with tag("li"):
                        svg(drawing)
                        tag("div", text=sentence)

    def draw_periods(self, chosen: str) -> None:
        for period in chart.PERIODS:
            button = tag(
                "button",
                "segment",
                text=self.frame.word(f"asset.range_{period.key}"),
                type="button",
                aria_pressed="true" if period.key == chosen else "false",
            )
            button.on("click", lambda _, period=period: self.choose(period))

    def draw_metrics(self, streams: tuple[DatastreamView, ...]) -> None:
        self._cards = {stream.id: MetricCard(self.frame.language, stream) for stream in streams}
        if not streams:
            with tag("div", "card"):
                empty(self.frame.word("asset.no_streams"))
        # As soon as there are cards, which a slow first load brings after the page.
        ui.timer(0, self.draw_charts, once=True)

    def draw_legend(self) -> None:
        with tag("ul", "legend chart-legend", aria_label=self.frame.word("asset.chart")):
            for look, key in (("line", "value"), ("suspect", "suspect"), ("fail", "fail"), ("limit", "limit")):
                with tag("li"):
                    tag("i", f"key {look}", aria_hidden="true")
                    tag("span", text=self.frame.word(f"chart.{key}"))

    def draw_about(self, about: About) -> None:
        with tag("dl", "facts"):
            for name, value in about.facts:
                tag("dt", text=name)
                tag("dd", text=value)
            if about.devices:
                tag("dt", text=self.frame.word("nav.devices"))
                with tag("dd"):
                    for name, id_ in about.devices:
                        tag("div", text=name if name == id_ else f"{name}（{id_}）")


def limits_of(detail: AssetDetail) -> dict[int, tuple[float, ...]]:
    """Datastream → limits worth a line: those that an open finding was judged by, and the registry's own."""
    limits: dict[int, set[float]] = {}
    for finding in detail.findings:
        if finding.datastream_id is not None:
            limits.setdefault(finding.datastream_id, set()).update(evident_limits(finding.evidence))
    for stream in detail.datastreams:
        own = {limit for limit in (stream.suspect_low, stream.suspect_high) if limit is not None}
        limits.setdefault(stream.id, set()).update(own)
    return {id_: tuple(sorted(found)) for id_, found in limits.items() if found}


def evident_limits(evidence: dict[str, Any]) -> set[float]:
    """The limits that a finding names in its evidence: `limit` or `limits`, a number, a list or a table of them."""
    found: set[float] = set()
    waiting: list[object] = [evidence.get("limit"), evidence.get("limits")]
    while waiting:
        one = waiting.pop()
        if isinstance(one, bool):
            continue
        if isinstance(one, int | float) and math.isfinite(one):
            found.add(float(one))
        elif isinstance(one, dict):
            waiting += [one.get("value"), one.get("low"), one.get("high")]
        elif isinstance(one, list):
            waiting += one[:10]
    return found


def add_asset_page(gate: Gate) -> None:
    @ui.page("/asset/{asset_id}", response_timeout=20)
    async def asset(request: Request, asset_id: str) -> Response | None:
        visit = await visiting(gate, request)
        if visit is None:
            return to_login(request)
        first = await loaded(lambda: gate.queries.asset(visit.viewer, asset_id), visit.language)
        if isinstance(first, Response):
            return first
        frame = Frame(gate, visit, request)
        page = AssetPage(frame, first)
        with frame.open("assets", page.name):
            page.build()
        await frame.run(page.load, page.show)
        ui.timer(CHART_EVERY_S, page.draw_charts, immediate=False)
        return None
