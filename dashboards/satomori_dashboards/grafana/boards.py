"""The three dashboards: region overview, field (one asset), devices and pipeline. Pure: connects to nothing.

Titles are Japanese and English. Names of municipalities, assets and groups come from the registry as value mappings,
since InfluxDB holds ids only.
"""

from collections.abc import Mapping
from typing import Any

from grafana_foundation_sdk.builders import common as common_builder
from grafana_foundation_sdk.builders import dashboard as builder
from grafana_foundation_sdk.builders import geomap, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import (
    FrameGeometrySource,
    FrameGeometrySourceMode,
    LegendDisplayMode,
    LegendPlacement,
    MapLayerOptions,
)
from typing_extensions import override

from satomori_core.classes import classes
from satomori_dashboards.grafana import queries
from satomori_dashboards.grafana.queries import Query

DATASOURCE = model.DataSourceRef(type_val="influxdb", uid="satomori")
FOLDER_UID = "satomori"

# Okabe and Ito's palette (2008), which colour-blind people can tell apart; each level also has its word.
LEVELS = (
    (0, "良好 Good", "#009E73"),
    (1, "不明 Unknown", "#999999"),
    (2, "注意 Watch", "#F0E442"),
    (3, "警戒 Warning", "#E69F00"),
    (4, "危険 Danger", "#D55E00"),
)
COLUMNS = {
    "Time": "時刻 Time",
    "municipality": "市町村 Municipality",
    "class": "種別 Class",
    "asset": "施設 Asset",
    "group": "群 Group",
    "level": "状態 Level",
    "reason": "理由 Reason",
    "since": "いつから Since",
    "danger": "危険 Danger",
    "warning": "警戒 Warning",
    "watch": "注意 Watch",
    "unknown": "不明 Unknown",
    "good": "良好 Good",
    "event": "出来事 Event",
    "text_ja": "内容",
    "text_en": "Text",
    "priority": "優先度 Priority",
    "device": "機器 Device",
    "value": "値 Value",
    "values": "件数 Values",
}
# 地理院タイル（淡色地図）; the attribution is a condition of its use.
MAP_TILES = {
    "type": "xyz",
    "name": "地理院タイル",
    "config": {
        "url": "https://cyberjapandata.gsi.go.jp/xyz/pale/{z}/{x}/{y}.png",
        "attribution": "<a href='https://maps.gsi.go.jp/development/ichiran.html'>地理院タイル</a>",
    },
}


class _Target(Dataquery):
    """An InfluxQL target as Grafana's InfluxDB data source stores it (raw query mode)."""

    def __init__(self, query: Query, ref_id: str) -> None:
        self.query, self.ref_id = query, ref_id

    def to_json(self) -> dict[str, object]:
        target: dict[str, object] = {
            "refId": self.ref_id,
            "datasource": DATASOURCE.to_json(),
            "query": self.query.text,
            "rawQuery": True,
            "resultFormat": "time_series" if self.query.series else "table",
        }
        if self.query.alias:
            target["alias"] = self.query.alias
        return target


class _TargetBuilder(Builder[Dataquery]):
    def __init__(self, query: Query, ref_id: str) -> None:
        self._target = _Target(query, ref_id)

    @override
    def build(self) -> Dataquery:
        return self._target


def build_boards(names: Mapping[str, str]) -> dict[str, model.Dashboard]:
    """The dashboards by their file name; `names`: id of an asset, municipality, group or device -> its name."""
    boards = {
        "region": _region(names).build(),
        "field": _field(names).build(),
        "pipeline": _pipeline(names).build(),
    }
    for board in boards.values():
        for number, panel in enumerate(board.panels or [], start=1):
            panel.id_val = number
    return boards


# ------------------------------------------------------------------ the three dashboards


def _region(names: Mapping[str, str]) -> builder.Dashboard:
    board = _board("satomori-region", "里守 地域の状況 / Region overview", "now-24h", "1m")
    for variable in (_municipality(), _class()):
        board = board.with_variable(variable)
    for level, word, colour in reversed(LEVELS):
        panel = stat.Panel().title(word).height(4).span(4 if level else 8).no_value("0")
        panel = panel.thresholds(_thresholds([(None, colour)]))
        board = board.with_panel(_with(panel, queries.count_now(level)))
    board = board.with_panel(_matrix("市町村と種別（悪い順） / By municipality and class, worst first", names))
    board = board.with_panel(_map())
    assets = _table("悪い順の施設 / Assets, worst first", queries.ASSETS_NOW, names).span(24).height(10)
    assets = assets.override_by_name(
        COLUMNS["asset"],
        [_property("links", [{"title": "開く / Open", "url": "/d/satomori-field?var-asset=${__value.raw}"}])],
    )
    board = board.with_panel(_worst_first(assets))
    board = board.with_panel(_worst_first(_table("群 / Groups", queries.GROUPS_NOW, names).span(8).height(9)))
    board = board.with_panel(_table("警報の経過 / Alert events", queries.ALERT_EVENTS, names).span(16).height(9))
    timeline = statetimeline.Panel().title("市町村の最も悪い状態 / Worst level by municipality")
    timeline = timeline.span(24).height(7).mappings([_level_mapping()]).thresholds(_level_thresholds())
    return board.with_panel(_with(timeline, queries.LEVEL_HISTORY))


def _field(names: Mapping[str, str]) -> builder.Dashboard:
    board = _board("satomori-field", "里守 施設 / Field", "now-7d", "1m")
    asset = _query_variable("asset", "施設 / Asset", queries.ASSETS)
    metric = _query_variable("metric", "項目 / Metric", queries.METRICS).multi(True).include_all(True)
    for variable in (_municipality(), _class(), asset, metric):
        board = board.with_variable(variable)
    now = stat.Panel().title("いまの状態 / Level now").span(6).height(6).no_value("不明 Unknown")
    now = now.mappings([_level_mapping()]).thresholds(_level_thresholds())
    board = board.with_panel(_with(now, queries.ASSET_NOW))
    board = board.with_panel(_table("警報の経過 / Alert events", queries.ASSET_EVENTS, names).span(18).height(6))
    values = _lines("$metric", "short").repeat("metric").repeat_direction("h").max_per_row(2).span(12).height(8)
    values = _with(values, queries.VALUES, queries.DOUBTFUL).override_by_query(
        "B",
        [
            _property("custom.drawStyle", "points"),
            _property("custom.pointSize", 9),
            _property("color", {"mode": "fixed", "fixedColor": LEVELS[4][2]}),
        ],
    )
    return board.with_panel(values)


def _pipeline(names: Mapping[str, str]) -> builder.Dashboard:
    board = _board("satomori-pipeline", "里守 機器と通信 / Devices and pipeline", "now-24h", "1m")
    for metric, title, unit in (
        ("outbox_readings", "未送信の件数 / Readings waiting in the outbox", "short"),
        ("outbox_oldest_age", "最古の未送信データ / Age of the oldest unsent reading", "s"),
        ("bus_errors", "通信エラー累計 / Bus errors since start", "short"),
        ("clock_offset", "時計のずれ / Clock offset", "s"),
        ("battery", "電池電圧 / Battery voltage", "volt"),
        ("signal", "受信強度 / Signal strength", "dBm"),
    ):
        board = board.with_panel(_with(_lines(title, unit).span(12).height(8), queries.edge_health(metric)))
    arrivals = _lines("届いた値 / Values that arrived", "short").span(24).height(8)
    board = board.with_panel(_with(arrivals, queries.ARRIVALS))
    board = board.with_panel(
        _table("最後に届いた値 / Last value by device", queries.LAST_SEEN, names).span(12).height(10)
    )
    return board.with_panel(
        _table("疑わしい値の数 / Doubtful values by device", queries.DOUBTFUL_BY_DEVICE, names).span(12).height(10)
    )


# ------------------------------------------------------------------ pieces


def _board(uid: str, title: str, since: str, refresh: str) -> builder.Dashboard:
    return (
        builder.Dashboard(title)
        .uid(uid)
        .tags(["satomori"])
        .timezone("browser")
        .time(since, "now")
        .refresh(refresh)
        .link(
            builder.DashboardLink("里守 Satomori")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags(["satomori"])
            .keep_time(True)
        )
    )


def _with(panel: Any, *wanted: Query) -> Any:  # noqa: ANN401 - the SDK's panel builders share no base class
    panel = panel.datasource(DATASOURCE)
    for ref_id, query in zip("ABCD", wanted, strict=False):
        panel = panel.with_target(_TargetBuilder(query, ref_id))
    return panel


def _matrix(title: str, names: Mapping[str, str]) -> table.Panel:
    return _worst_first(_table(title, queries.MATRIX_NOW, names).span(12).height(12))


def _worst_first(panel: table.Panel) -> table.Panel:
    return panel.sort_by([common_builder.TableSortByFieldState().display_name(COLUMNS["level"]).desc(True)])


def _table(title: str, query: Query, names: Mapping[str, str]) -> table.Panel:
    """A table with named columns, coloured levels and registry names instead of ids."""
    panel: table.Panel = _with(table.Panel().title(title), query)
    panel = panel.with_transformation(model.DataTransformerConfig(id_val="organize", options={"renameByName": COLUMNS}))
    panel = panel.override_by_name(
        COLUMNS["level"],
        [
            _property("mappings", [_level_mapping().to_json()]),
            _property("thresholds", _level_thresholds().build().to_json()),
            _property("custom.cellOptions", {"type": "color-background", "mode": "basic"}),
            _property("custom.width", 130),
        ],
    )
    panel = panel.override_by_name(COLUMNS["since"], [_property("unit", "dateTimeFromNow")])
    panel = panel.override_by_name(
        COLUMNS["class"], [_property("mappings", [_words({c.id: f"{c.ja} {c.en}" for c in classes().values()})])]
    )
    for column in ("asset", "municipality", "group", "device"):
        panel = panel.override_by_name(COLUMNS[column], [_property("mappings", [_words(names)])])
    return panel


def _map() -> geomap.Panel:
    layer = MapLayerOptions(
        type_val="markers",
        name="施設 / Assets",
        location=FrameGeometrySource(mode=FrameGeometrySourceMode.COORDS, latitude="latitude", longitude="longitude"),
        config={
            "style": {
                "color": {"field": "level"},
                "size": {"fixed": 7},
                "text": {"field": "asset", "mode": "field"},
                "textConfig": {"fontSize": 10, "offsetY": 14},
            }
        },
        tooltip=True,
    )
    panel = geomap.Panel().title("地図 / Map").span(12).height(12)
    panel = panel.view(geomap.MapViewConfig().id("fit").all_layers(True))
    panel = panel.basemap(_basemap()).layers([_Layer(layer)])
    panel = panel.mappings([_level_mapping()]).thresholds(_level_thresholds())
    panel = panel.color_scheme(builder.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    with_query: geomap.Panel = _with(panel, queries.ASSETS_NOW)
    return with_query


class _Layer(Builder[MapLayerOptions]):
    def __init__(self, layer: MapLayerOptions) -> None:
        self._layer = layer

    @override
    def build(self) -> MapLayerOptions:
        return self._layer


def _basemap() -> _Layer:
    return _Layer(MapLayerOptions(type_val="xyz", name=str(MAP_TILES["name"]), config=MAP_TILES["config"]))


def _lines(title: str, unit: str) -> timeseries.Panel:
    legend = (
        common_builder.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs([])
    )
    return timeseries.Panel().title(title).unit(unit).legend(legend).line_width(1).fill_opacity(8)


def _municipality() -> builder.QueryVariable:
    return (
        _query_variable("municipality", "市町村 / Municipality", queries.MUNICIPALITIES).multi(True).include_all(True)
    )


def _class() -> builder.QueryVariable:
    return _query_variable("class", "種別 / Class", queries.CLASSES).multi(True).include_all(True)


def _query_variable(name: str, label: str, query: str) -> builder.QueryVariable:
    return (
        builder.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )


def _property(name: str, value: object) -> model.DynamicConfigValue:
    return model.DynamicConfigValue(id_val=name, value=value)


def _words(names: Mapping[str, str]) -> dict[str, object]:
    return {"type": "value", "options": {key: {"text": text} for key, text in names.items()}}


def _level_mapping() -> model.ValueMap:
    return model.ValueMap(
        options={
            str(level): model.ValueMappingResult(text=word, color=colour, index=level) for level, word, colour in LEVELS
        }
    )


def _thresholds(steps: list[tuple[float | None, str]]) -> builder.ThresholdsConfig:
    return (
        builder.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=colour) for value, colour in steps])
    )


def _level_thresholds() -> builder.ThresholdsConfig:
    return _thresholds([(None if level == 0 else level, colour) for level, _, colour in LEVELS])
