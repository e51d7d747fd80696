"""Every InfluxQL query of the dashboards, with the columns that its panel needs. Pure text.

SELECT and SHOW only. `$timeFilter`, `$__interval` and `$name` are Grafana's macros and variables. What is asked "as of
now" looks at the last 15 minutes, whatever time range the viewer has chosen: status is written every 5 minutes, and one
that is no longer written shows as missing, never as good.
"""

from dataclasses import dataclass

RECENT = "time > now() - 15m"
CHOSEN = '"municipality" =~ /^$municipality$/ AND "class" =~ /^$class$/'
MEASURED = '"datastream" =~ /./'  # status measurements have no such tag


@dataclass(frozen=True, slots=True)
class Query:
    """`columns`: what the panel reads, tags included; `series`: whether Grafana draws it as time series."""

    text: str
    columns: tuple[str, ...]
    series: bool = False
    alias: str = ""


# ------------------------------------------------------------------ the region at a glance

ASSETS_NOW = Query(
    'SELECT last("level") AS "level", "reason", "since", "latitude", "longitude" FROM "asset_status" '
    f'WHERE {RECENT} AND {CHOSEN} GROUP BY "asset", "class", "municipality"',
    ("asset", "class", "municipality", "level", "reason", "since", "latitude", "longitude"),
)
MATRIX_NOW = Query(
    'SELECT last("level") AS "level", "danger", "warning", "watch", "unknown", "good" FROM "group_status" '
    f'WHERE {RECENT} AND {CHOSEN} AND "group" = \'\' GROUP BY "municipality", "class"',
    ("municipality", "class", "level", "danger", "warning", "watch", "unknown", "good"),
)
GROUPS_NOW = Query(
    'SELECT last("level") AS "level", "danger", "warning", "watch", "unknown", "good" FROM "group_status" '
    f'WHERE {RECENT} AND "group" != \'\' GROUP BY "group"',
    ("group", "level", "danger", "warning", "watch", "unknown", "good"),
)
ALERT_EVENTS = Query(
    'SELECT "event", "level", "text_ja", "text_en", "asset", "priority" FROM "alert" '
    f"WHERE $timeFilter AND {CHOSEN} ORDER BY time DESC LIMIT 100",
    ("event", "level", "text_ja", "text_en", "asset", "priority"),
)
LEVEL_HISTORY = Query(
    f'SELECT max("level") AS "level" FROM "asset_status" WHERE $timeFilter AND {CHOSEN} '
    'GROUP BY time($__interval), "municipality" fill(none)',
    ("municipality", "level"),
    series=True,
    alias="$tag_municipality",
)


def count_now(level: int) -> Query:
    """How many assets stand at `level`."""
    return Query(
        f'SELECT count("level") AS "assets" FROM (SELECT last("level") AS "level" FROM "asset_status" '
        f'WHERE {RECENT} AND {CHOSEN} GROUP BY "asset") WHERE "level" = {level}',
        ("assets",),
    )


# ------------------------------------------------------------------ one asset

ASSET_NOW = Query(
    'SELECT last("level") AS "level", "reason" FROM "asset_status" '
    f'WHERE {RECENT} AND "asset" = \'$asset\' GROUP BY "class", "municipality"',
    ("class", "municipality", "level", "reason"),
)
VALUES = Query(
    'SELECT mean("value") AS "value" FROM "$metric" '
    'WHERE $timeFilter AND "asset" = \'$asset\' GROUP BY time($__interval), "device" fill(none)',
    ("device", "value"),
    series=True,
    alias="$tag_device",
)
DOUBTFUL = Query(
    'SELECT "value" FROM "$metric" WHERE $timeFilter AND "asset" = \'$asset\' AND ("quality" >= 3 OR "qc" >= 3)',
    ("value",),
    series=True,
    alias="疑わしい・不良 / suspect or fail",
)
ASSET_EVENTS = Query(
    'SELECT "event", "level", "text_ja", "text_en" FROM "alert" '
    "WHERE $timeFilter AND \"asset\" = '$asset' ORDER BY time DESC LIMIT 50",
    ("event", "level", "text_ja", "text_en"),
)

# ------------------------------------------------------------------ devices and pipeline


def edge_health(metric: str) -> Query:
    """A gateway's own health; its id is the device."""
    return Query(
        f'SELECT last("value") AS "value" FROM "{metric}" WHERE $timeFilter GROUP BY time($__interval), "device" '
        "fill(none)",
        ("device", "value"),
        series=True,
        alias="$tag_device",
    )


ARRIVALS = Query(
    f'SELECT count("value") AS "values" FROM /.+/ WHERE $timeFilter AND {MEASURED} GROUP BY time($__interval) fill(0)',
    ("values",),
    series=True,
    alias="$measurement",
)
DOUBTFUL_BY_DEVICE = Query(
    f'SELECT count("value") AS "values" FROM /.+/ WHERE $timeFilter AND {MEASURED} '
    'AND ("quality" >= 3 OR "qc" >= 3) GROUP BY "device"',
    ("device", "values"),
)
LAST_SEEN = Query(
    f'SELECT last("value") AS "value" FROM /.+/ WHERE $timeFilter AND {MEASURED} GROUP BY "device"',
    ("device", "value"),
)

# ------------------------------------------------------------------ variables

MUNICIPALITIES = 'SHOW TAG VALUES FROM "asset_status" WITH KEY = "municipality"'
CLASSES = 'SHOW TAG VALUES FROM "asset_status" WITH KEY = "class"'
ASSETS = f'SHOW TAG VALUES FROM "asset_status" WITH KEY = "asset" WHERE {CHOSEN}'
METRICS = f"SHOW MEASUREMENTS WHERE \"asset\" = '$asset' AND {MEASURED}"
