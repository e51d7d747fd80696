"""One metric on an asset's page: its value now with age and quality, and its history as a chart."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nicegui import ui

from satomori_api.formatting import Language, number, unit_symbol
from satomori_api.queries import Queries
from satomori_api.views import DatastreamView
from satomori_core.clock import SECOND_US
from satomori_core.vocabulary import Level, Quality
from satomori_dashboards.console import chart
from satomori_dashboards.console.formatting import age, span
from satomori_dashboards.console.kit import Section, glyph, tag
from satomori_dashboards.console.texts import metric_word, quality_word, text
from satomori_store.access import Viewer
from satomori_store.port import Aggregate


@dataclass(frozen=True, slots=True)
class Now:
    """A metric's value now, in words."""

    id: int
    metric: str
    name: str
    value: str
    unit: str
    age: str
    quality: str
    flag: Quality | None
    stale: bool
    level: Level


def now_of(language: Language, stream: DatastreamView, at_us: int) -> Now:
    latest = stream.latest
    every = text(language, "asset.expected", every=span(language, stream.interval_s * SECOND_US))
    if latest is None:
        nothing = text(language, "asset.value_none")
        return Now(
            stream.id,
            stream.metric,
            metric_word(language, stream.metric),
            "–",
            "",
            nothing,
            "",
            None,
            True,
            stream.level,
        )
    flag = Quality(latest.flag) if latest.flag in set(Quality) else Quality.UNKNOWN
    told = [age(language, latest.observed_at_us, at_us)]
    if latest.stale:
        told.append(
            f"{text(language, 'asset.late')}（{every}）"
            if language == "ja"
            else f"{text(language, 'asset.late')} ({every})"
        )
    return Now(
        id=stream.id,
        metric=stream.metric,
        name=metric_word(language, stream.metric),
        value=_value(language, stream.metric, latest.value),
        unit=unit_symbol(stream.unit),
        age=" · ".join(told),
        quality=quality_word(language, flag),
        flag=flag,
        stale=latest.stale,
        level=stream.level,
    )


def _value(language: Language, metric: str, value: float) -> str:
    if metric in chart.STEPPED:
        return text(language, "asset.running" if value >= 0.5 else "asset.stopped")
    return number(value)


def history_of(
    queries: Queries,
    viewer: Viewer,
    streams: Sequence[DatastreamView],
    period: chart.Period,
    *,
    until_us: int,
    zone: str,
) -> Mapping[int, chart.Points]:
    """Datastream → its points in the period; one read for each way of summing up. Blocking."""
    wanted: dict[Aggregate, list[int]] = defaultdict(list)
    for stream in streams:
        wanted[chart.aggregate_of(stream.metric)].append(stream.id)
    points: dict[int, chart.Points] = {}
    for aggregate, ids in wanted.items():
        found = queries.observations(
            viewer, ids, until_us - period.length_us, until_us, period.every_us, aggregate=aggregate
        )
        points |= {id_: chart.points_of(found.columns, id_, zone) for id_ in ids}
    return points


class MetricCard:
    def __init__(self, language: Language, stream: DatastreamView) -> None:
        self.language: Language = language
        self.stream = stream
        self._name = metric_word(language, stream.metric)
        with tag("article", "card metric", aria_label=self._name):
            self.now = Section(self.draw_now)
            self.box = tag("figure", "chart-box")
            with self.box:
                tag("div", "bone chart-wait", aria_hidden="true")
        self._chart: ui.echart | None = None

    def show(self, now: Now) -> None:
        self.now.show(now)

    def draw_now(self, now: Now) -> None:
        with tag("div", "metric-head"):
            with tag("div"):
                with tag("div", "metric-name"):
                    tag("span", text=now.name)
                with tag("div", "chips"):
                    tag("span", "quiet num", text=now.age)
                    if now.flag is not None:
                        look = {Quality.SUSPECT: "odd", Quality.FAIL: "bad", Quality.GOOD: "fine"}.get(now.flag, "")
                        label = f"{text(self.language, 'asset.quality')} {now.quality}"
                        tag("span", f"chip {look}", text=label)
            with tag("div", f"metric-now l{now.level}"):
                if now.level > Level.UNKNOWN:
                    glyph(now.level)
                with tag("span", "metric-value num"):
                    tag("span", text=now.value)
                    if now.unit:
                        tag("span", "metric-unit", text=now.unit)

    def draw_history(
        self, points: chart.Points, period: chart.Period, until_us: int, zone: str, limits: Sequence[float]
    ) -> None:
        extent = points.extent
        if extent is None:
            self.box.clear()
            self._chart = None
            with self.box:
                tag("div", "chart-none", text=text(self.language, "asset.chart_none"))
            return
        ends = (chart.wall_ms(until_us - period.length_us, zone), chart.wall_ms(until_us, zone))
        gap_us = chart.gap_of(period, self.stream.interval_s)
        unit = unit_symbol(self.stream.unit)
        options = chart.options(chart.Drawing(self.language, self.stream.metric, unit, points, ends, gap_us, limits))
        if self._chart is None:
            self.box.clear()
            with self.box:
                self._chart = ui.echart(options, renderer="svg").classes("chart")
                self._chart.props["role"] = "img"
        else:
            self._chart.options.clear()
            self._chart.options.update(options)
            self._chart.update()
        low, high = number(extent[0]), number(extent[1])
        label = text(self.language, "asset.chart_label", metric=self._name, low=low, high=high, unit=unit)
        self._chart.props["aria-label"] = label
