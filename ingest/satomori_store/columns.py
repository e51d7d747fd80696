"""The columns of registry files: what may stand in each, and which of them a row must have."""

from satomori_store import cells
from satomori_store.cells import Parser

# Columns of each table: parser, and whether a row must have it.
COLUMNS: dict[str, dict[str, tuple[Parser, bool]]] = {
    "organisation": {
        "id": (cells.identifier, True),
        "kind": (cells.choice("farm", "municipality", "prefecture", "contractor"), True),
        "name": (cells.text, True),
        "name_en": (cells.text, False),
    },
    "site": {
        "id": (cells.identifier, True),
        "organisation": (cells.text, True),
        "name": (cells.text, True),
        "name_en": (cells.text, False),
        "latitude": (cells.latitude, True),
        "longitude": (cells.longitude, True),
        "time_zone": (cells.time_zone, False),
    },
    "asset": {
        "id": (cells.identifier, True),
        "site": (cells.text, False),
        "organisation": (cells.text, False),
        "municipality": (cells.text, True),
        "class": (cells.asset_class, True),
        "name": (cells.text, True),
        "name_en": (cells.text, False),
        "latitude": (cells.latitude, False),
        "longitude": (cells.longitude, False),
        "built_year": (cells.year, False),
        "attributes": (cells.attributes, False),
    },
    "group": {
        "id": (cells.identifier, True),
        "name": (cells.text, True),
        "name_en": (cells.text, False),
        "members": (cells.names, True),
    },
    "gateway": {
        "id": (cells.identifier, True),
        "site": (cells.text, True),
        "organisation": (cells.text, False),
        "municipality": (cells.text, False),
        "kind": (cells.choice("edge", "direct"), True),
        "name": (cells.text, True),
        "name_en": (cells.text, False),
        "silent_after_s": (cells.seconds, False),
    },
    "device": {
        "id": (cells.identifier, True),
        "gateway": (cells.identifier, True),
        "name": (cells.text, False),
        "name_en": (cells.text, False),
        "model": (cells.text, False),
    },
    "datastream": {
        "asset": (cells.identifier, True),
        "device": (cells.identifier, True),
        "metric": (cells.metric, True),
        "unit": (cells.unit, False),
        "source_unit": (cells.unit, False),
        "scale": (cells.nonzero, False),
        "offset": (cells.number, False),
        "interval_s": (cells.seconds, False),
        "low": (cells.number, False),
        "high": (cells.number, False),
        "suspect_low": (cells.number, False),
        "suspect_high": (cells.number, False),
    },
    "actuator": {
        "gateway": (cells.identifier, True),
        "name": (cells.identifier, True),
        "asset": (cells.identifier, True),
        "label": (cells.text, False),
        "label_en": (cells.text, False),
    },
    "share": {
        "organisation": (cells.text, True),
        "with": (cells.text, True),
        "group": (cells.identifier, False),
        "operate": (cells.truth, False),
    },
}
# What makes a row the same thing as another one.
KEYS = {"datastream": ("device", "metric"), "actuator": ("gateway", "name"), "share": ("organisation", "with", "group")}
