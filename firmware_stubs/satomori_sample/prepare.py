"""Writes the files of the sample region: the registry, the edge agents' settings, the plan."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from satomori_sample.broker import Broker
from satomori_sample.gates import POSITION, TRAVEL_S
from satomori_sample.places import GROUPS, ORGANISATIONS, SHARES, SITES
from satomori_sample.plan import Plan, write_plan
from satomori_sample.region import ACTUATORS, GATEWAYS, Region, Wire, build_region
from satomori_sample.toml_text import table, tables
from satomori_sample.wire import LINE_START
from satomori_sample.wiring import BAUDRATE, COIL, OPENING, TIMER, port_name, registers_of, vendor_topic

SILENT_AFTER_S = 180
RUN_S_MAX = 1800
Row = Mapping[str, object]


def prepare(folder: Path, plan: Plan) -> list[Path]:
    """The files that were written."""
    folder.mkdir(parents=True, exist_ok=True)
    region = build_region()
    registry = folder / "region.toml"
    registry.write_text(registry_text(region, plan.live_interval_s), encoding="utf-8")
    written = [registry]
    for gateway, kind, *_ in GATEWAYS:
        if kind == "edge":
            path = folder / f"edge-{gateway}.toml"
            path.write_text(edge_text(region, gateway, folder.resolve(), plan), encoding="utf-8")
            written.append(path)
    write_plan(folder, plan)
    return [*written, folder / "plan.toml"]


# ------------------------------------------------------------------ the registry


def registry_text(region: Region, interval_s: float) -> str:
    head = "# The sample region, as `satomori registry import` reads it. Every name is invented.\n\n"
    return head + "\n".join(tables(f"[[{name}]]", rows) for name, rows in _registry(region, interval_s))


def _registry(region: Region, interval_s: float) -> Iterator[tuple[str, Sequence[Row]]]:
    yield "organisation", _rows(("id", "kind", "name", "name_en"), ORGANISATIONS)
    yield "site", _rows(("id", "organisation", "name", "name_en", "latitude", "longitude"), SITES)
    yield (
        "asset",
        [
            {
                "id": asset.id,
                "site": asset.site,
                "municipality": asset.municipality,
                "class": asset.class_,
                "name": asset.name,
                "name_en": asset.name_en,
                "latitude": asset.latitude,
                "longitude": asset.longitude,
                "built_year": asset.built_year,
                "attributes": asset.attributes or None,
            }
            for asset in region.assets.values()
        ],
    )
    yield (
        "group",
        [
            {"id": id_, "name": name, "name_en": name_en, "members": members(region, of)}
            for id_, name, name_en, of in GROUPS
        ],
    )
    yield (
        "gateway",
        [
            {**row, "silent_after_s": SILENT_AFTER_S}
            for row in _rows(("id", "kind", "site", "name", "name_en"), GATEWAYS)
        ],
    )
    yield (
        "device",
        [
            {"id": d.id, "gateway": d.gateway, "name": d.name, "name_en": d.name_en, "model": d.model}
            for d in region.devices.values()
        ],
    )
    yield (
        "datastream",
        [
            {"asset": s.asset, "device": s.device, "metric": s.metric, "unit": s.unit, "interval_s": round(interval_s)}
            for s in region.streams
        ],
    )
    yield (
        "actuator",
        [
            {"gateway": gateway, "name": name, "asset": asset, "label": label, "label_en": label_en}
            for gateway, name, asset, _, label, label_en in ACTUATORS
        ],
    )
    yield "share", _rows(("organisation", "with", "group"), SHARES)


def members(region: Region, of: str | tuple[str, ...]) -> list[str]:
    return [asset.id for asset in region.assets.values() if asset.class_ == of] if isinstance(of, str) else list(of)


def _rows(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[dict[str, object]]:
    return [dict(zip(columns, row, strict=True)) for row in rows]


# ------------------------------------------------------------------ edge agents


def edge_text(region: Region, gateway: str, folder: Path, plan: Plan) -> str:
    """Settings of one real edge agent, in the manner of edge/sample.toml."""
    parts = [
        f"# {gateway} of the sample region: what its edge agent reads. The ports appear while the sample runs.\n",
        table("[broker]", _broker(plan.broker)),
        # One clock for all of the region: whether something keeps it right is not asked.
        table("[edge]", {"gateway": gateway, "clock": "system", "health_interval_s": 30.0}),
    ]
    parts += _actuators(region, gateway)
    for wire in region.wires:
        if wire.gateway == gateway:
            parts += _WRITERS[wire.kind](region, wire, folder, plan)
    return "\n".join(parts)


def _broker(broker: Broker) -> dict[str, object]:
    password = {"file": broker.password_file} if broker.password_file else None
    return {"url": broker.url, "username": broker.username, "password": password, "ca_file": broker.ca_file}


def _actuators(region: Region, gateway: str) -> Iterator[str]:
    """Runs of half an hour at most; what is off or shut is safe. The gates' own timers end a run of a dead edge."""
    own = [row for row in ACTUATORS if row[0] == gateway]
    if own:
        yield table("[edge.remote]", {"enabled": True})
    for _, name, asset, kind, label, _ in own:
        yield table(
            "[[edge.actuator]]",
            {
                "name": name, "device": region.device_of(asset), "kind": kind, "label": label, "fail_safe": 0,
                "run_s_max": RUN_S_MAX, **_DRIVES.get(name, _DRIVE),
            },
        )  # fmt: skip


_BY_COIL = {"kind": "coil", "address": COIL}
_DRIVE: Row = {"values": [0, 1], "registers": {"write": _BY_COIL}}
# One gate by its opening in %, one all or nothing; both are read back from where they are.
_DRIVES: Mapping[str, Row] = {
    "gate-1": {
        "unit": "%", "min": 0, "max": 100, "tolerance": 1.0, "settle_s": 2 * TRAVEL_S,
        "registers": {
            "write": {"address": OPENING}, "timer": {"address": TIMER},
            "read_back": {"kind": "input", "address": POSITION, "scale": 0.1},
        },
    },
    "gate-2": {
        "values": [0, 1], "tolerance": 0.01, "settle_s": 2 * TRAVEL_S,
        "registers": {
            "write": _BY_COIL, "timer": {"address": TIMER},
            "read_back": {"kind": "input", "address": POSITION, "scale": 0.001},
        },
    },
}  # fmt: skip


def _modbus(region: Region, wire: Wire, folder: Path, plan: Plan) -> Iterator[str]:
    yield table(
        "[[edge.modbus]]",
        {"port": str(folder / port_name(wire)), "baudrate": BAUDRATE, "interval_s": plan.live_interval_s},
    )
    for unit, device in enumerate(wire.devices, 1):
        registers = [
            {"address": r.address, "kind": "discrete", "type": "bool", "metric": r.stream.metric, "unit": r.stream.unit}
            if r.type == "bool"
            else {
                "address": r.address, "kind": "input", "type": r.type, "word_order": r.word_order,
                "scale": r.stream.resolution, "metric": r.stream.metric, "unit": r.stream.unit,
            }
            for r in registers_of(region, device)
        ]  # fmt: skip
        yield table("[[edge.modbus.slaves]]", {"unit": unit, "device": device, "registers": registers})


def _text(region: Region, wire: Wire, folder: Path, _: Plan) -> Iterator[str]:
    """All nodes of one line say the same fields, so the first stands for all."""
    fields = [
        {"index": index, "metric": stream.metric, "unit": stream.unit}
        for index, (_, stream) in enumerate(region.streams_of(wire.devices[0]), 2)
    ]
    yield table(
        "[[edge.text]]",
        {
            "port": str(folder / port_name(wire)), "baudrate": BAUDRATE, "start": LINE_START, "checksum": "xor",
            "device_index": 1, "fields": fields,
        },
    )  # fmt: skip


def _json(region: Region, wire: Wire, _: Path, plan: Plan) -> Iterator[str]:
    """The vendor's broker is the same one here; at a farm it is a box on the wall."""
    broker = _broker(plan.broker)
    yield table("[[edge.mqtt]]", {key: broker[key] for key in ("url", "username", "password", "ca_file")})
    for device in wire.devices:
        fields = [
            {"path": f"sensors.{stream.metric}", "metric": stream.metric, "unit": stream.unit}
            for _, stream in region.streams_of(device)
        ]
        yield table(
            "[[edge.mqtt.topics]]",
            {
                "filter": vendor_topic(wire, device), "device": device, "time_path": "time", "time_format": "ms",
                "fields": fields,
            },
        )  # fmt: skip


_WRITERS = {"modbus": _modbus, "gates": _modbus, "text": _text, "json": _json}
