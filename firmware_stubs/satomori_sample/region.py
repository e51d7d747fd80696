"""The sample region as the simulator sees it: assets, what measures them, and by which wire each device speaks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from satomori_sample.physics import LAWS
from satomori_sample.places import ASSETS, CLASS_ATTRIBUTES, SITES, VARIETY_ATTRIBUTES, WARMER_CEL, Attributes
from satomori_sample.weather import monthly_air

# Metric -> unit (as the catalogue stores it) and the sensor's resolution in it.
METRICS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "air_temperature": ("Cel", 0.01),
        "ammonia": ("[ppm]", 0.1),
        "battery": ("V", 0.001),
        "bearing_temperature": ("Cel", 0.1),
        "co2": ("[ppm]", 1.0),
        "displacement": ("mm", 0.01),
        "flow": ("m3/h", 0.1),
        "gate_moving": ("{bool}", 1.0),
        "gate_opening": ("%", 0.1),
        "hydrogen_sulfide": ("[ppm]", 0.01),
        "inflow": ("L/s", 0.1),
        "motor_current": ("A", 0.1),
        "natural_frequency": ("Hz", 0.001),
        "pore_pressure": ("kPa", 0.01),
        "pressure": ("kPa", 1.0),
        "pump_running": ("{bool}", 1.0),
        "rain": ("mm", 0.5),
        "relative_humidity": ("%", 0.1),
        "soil_moisture": ("%", 0.1),
        "soil_temperature": ("Cel", 0.01),
        "solar_radiation": ("W/m2", 1.0),
        "strain": ("u{strain}", 0.1),
        "structure_temperature": ("Cel", 0.01),
        "tilt": ("deg", 0.0001),
        "vibration": ("mm/s", 0.01),
        "water_level": ("m", 0.001),
        "water_temperature": ("Cel", 0.01),
        "wind_speed": ("m/s", 0.1),
    }
)
# Class -> what its device is called: suffix of the id, Japanese, English, model.
DEVICE_OF_CLASS: Mapping[str, tuple[str, str, str, str]] = MappingProxyType(
    {
        "paddy": ("node", "水管理センサー", "water node", "SN-P3"),
        "upland_field": ("station", "気象・土壌観測装置", "weather and soil station", "SN-A6"),
        "orchard": ("station", "気象・土壌観測装置", "weather and soil station", "SN-A6"),
        "greenhouse": ("panel", "環境計測盤", "climate panel", "SN-G5"),
        "cattle_barn": ("panel", "舎内環境計", "climate panel", "SN-B3"),
        "irrigation_pond": ("gauge", "水位雨量計", "level and rain gauge", "SN-W3"),
        "bridge": ("logger", "橋梁計測装置", "bridge logger", "SN-S4"),
        "sewer_manhole": ("sonde", "管路内計測器", "sewer sonde", "SN-M3"),
        "pump_station": ("monitor", "ポンプ監視盤", "pump monitor", "SN-U6"),
        "slope": ("node", "斜面計測器", "slope node", "SN-L4"),
    }
)
# What stands at an asset beside its sensors, on a wire of kind "gates".
GATE = ("gate", "取水ゲート", "intake gate", "SN-V1")
GATE_METRICS = frozenset({"gate_opening", "gate_moving"})
# Only these paddies carry a soil moisture probe.
WITH_MOISTURE = frozenset({"tanaka-paddy-1", "tanaka-paddy-2"})

# id, kind, site, name, name_en
GATEWAYS = (
    ("gw-minato-roads", "edge", "minato-roads", "みなと市 橋梁ゲートウェイ", "Minato bridges gateway"),
    ("gw-aoba-water", "edge", "aoba-water", "青葉町 水利ゲートウェイ", "Aoba water gateway"),
    ("gw-inaho", "edge", "inaho-fields", "いなほ 受信局", "Inaho receiving station"),
    ("gw-hamakaze", "edge", "hamakaze-houses", "はまかぜ園芸 ゲートウェイ", "Hamakaze gateway"),
    ("gw-hikari-hills", "edge", "hikari-hills", "ひかり村 山手ゲートウェイ", "Hikari hills gateway"),
    ("gw-minato-sewer", "direct", "minato-sewer", "みなと市 下水道遠隔監視", "Minato sewer telemetry"),
    ("gw-minato-ponds", "direct", "minato-ponds", "みなと市 ため池遠隔監視", "Minato pond telemetry"),
    ("gw-tanaka", "direct", "tanaka-fields", "田中農園 水田ノード", "Tanaka field nodes"),
    ("gw-aoba-town", "direct", "aoba-hall", "青葉町 遠隔監視", "Aoba telemetry"),
    ("gw-midori", "direct", "midori-houses", "みどり農場 ハウス監視", "Midori greenhouse telemetry"),
    ("gw-kogen", "direct", "kogen-barns", "高原牧場 牛舎監視", "Highland barn telemetry"),
    ("gw-hikari-village", "direct", "hikari-office", "ひかり村 遠隔監視", "Hikari telemetry"),
    ("gw-prefecture", "direct", "prefecture-roads", "里山県 道路監視", "Prefectural road telemetry"),
)
# Name of the wire, its kind, the gateway it comes in at, the assets whose devices are on it.
WIRES: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("minato-bridges", "modbus", "gw-minato-roads", ("minato-bridge-1", "minato-bridge-2")),
    ("aoba-pumps", "modbus", "gw-aoba-water", ("aoba-pump-1", "aoba-pump-2")),
    ("aoba-ponds", "text", "gw-aoba-water", ("kame-ike", "hasu-ike")),
    ("inaho-radio", "text", "gw-inaho", tuple(f"inaho-paddy-{i}" for i in range(1, 6))),
    ("inaho-station", "text", "gw-inaho", ("inaho-orchard",)),
    ("inaho-gates", "gates", "gw-inaho", ("inaho-paddy-1", "inaho-paddy-2")),
    ("hamakaze-panels", "modbus", "gw-hamakaze", ("hamakaze-house-1", "hamakaze-house-2")),
    ("hamakaze-vendor", "json", "gw-hamakaze", ("hamakaze-house-3",)),
    ("hikari-slopes", "text", "gw-hikari-hills", ("hikari-slope-1", "hikari-slope-2")),
    ("", "senml", "gw-minato-sewer", (*(f"minato-manhole-{i}" for i in range(1, 5)), "minato-pump-1")),
    ("", "senml", "gw-minato-ponds", ("oike", "shin-ike")),
    ("", "senml", "gw-tanaka", (*(f"tanaka-paddy-{i}" for i in range(1, 4)), "tanaka-upland")),
    ("", "senml", "gw-aoba-town", ("aoba-manhole-1", "aoba-manhole-2", "aoba-bridge-1", "aoba-bridge-2")),
    ("", "senml", "gw-midori", ("midori-house-1", "midori-house-2")),
    ("", "senml", "gw-kogen", ("kogen-barn-1", "kogen-barn-2", "kogen-barn-3")),
    ("", "senml", "gw-hikari-village", ("hikari-bridge-1", "tani-ike", "oku-ike")),
    ("", "senml", "gw-prefecture", ("kendo-bridge-1", "kendo-slope-1")),
)
# What may be operated: its gateway, name, the asset whose device drives it, kind, Japanese, English.
ACTUATORS: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("gw-aoba-water", "pump-1", "aoba-pump-1", "pump", "ポンプの手動運転", "Pump by hand"),
    ("gw-inaho", "gate-1", "inaho-paddy-1", "gate", "取水ゲート（開度）", "Intake gate, by opening"),
    ("gw-inaho", "gate-2", "inaho-paddy-2", "gate", "取水ゲート（開閉）", "Intake gate, open or shut"),
    ("gw-hamakaze", "fan-1", "hamakaze-house-1", "fan", "換気扇", "Ventilation fan"),
)


@dataclass(frozen=True, slots=True)
class Asset:
    id: str
    class_: str
    site: str
    organisation: str
    municipality: str
    name: str
    name_en: str
    latitude: float
    longitude: float
    built_year: int | None
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Device:
    id: str
    asset: str
    gateway: str
    name: str
    name_en: str
    model: str


@dataclass(frozen=True, slots=True)
class Stream:
    """A datastream: one metric of one asset from one device. Values are whole steps of `resolution`, in `unit`."""

    asset: str
    device: str
    gateway: str
    metric: str
    unit: str
    resolution: float


@dataclass(frozen=True, slots=True)
class Wire:
    """What devices share to speak: a Modbus line, a text line, a vendor's MQTT topics, or a gateway's own MQTT."""

    name: str
    kind: str
    gateway: str
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Region:
    assets: Mapping[str, Asset]
    devices: Mapping[str, Device]
    streams: tuple[Stream, ...]
    wires: tuple[Wire, ...]

    def streams_of(self, device: str) -> list[tuple[int, Stream]]:
        """The device's datastreams with their place in `streams`."""
        return [(i, stream) for i, stream in enumerate(self.streams) if stream.device == device]

    def device_of(self, asset: str) -> str:
        """What moves its actuator: its only device, or the one that came after its sensors."""
        return [device.id for device in self.devices.values() if device.asset == asset][-1]

    def behind(self, gateway: str) -> list[tuple[int, Stream]]:
        return [(i, stream) for i, stream in enumerate(self.streams) if stream.gateway == gateway]


def build_region() -> Region:
    owner = {site[0]: site[1] for site in SITES}
    assets = {row[0]: _asset(row, owner[row[2]]) for row in ASSETS}
    devices: dict[str, Device] = {}
    wires: list[Wire] = []
    for name, kind, gateway, members in WIRES:
        made = [_device(assets[member], gateway, kind) for member in members]
        devices |= {device.id: device for device in made}
        wires.append(Wire(name, kind, gateway, tuple(device.id for device in made)))
    streams = tuple(stream for device in devices.values() for stream in _streams(assets[device.asset], device))
    return Region(assets, devices, streams, tuple(wires))


def _asset(row: tuple[str, str, str, str, str, str, float, float, int | None, Attributes], owner: str) -> Asset:
    id_, class_, site, municipality, name, name_en, latitude, longitude, built_year, own = row
    attributes = CLASS_ATTRIBUTES.get(class_, {}) | VARIETY_ATTRIBUTES.get(str(own.get("variety")), {}) | own
    if class_ == "paddy":
        attributes["normal_temperature_c"] = " ".join(f"{t:.1f}" for t in monthly_air(WARMER_CEL[municipality]))
    return Asset(id_, class_, site, owner, municipality, name, name_en, latitude, longitude, built_year, attributes)


def _device(asset: Asset, gateway: str, kind: str) -> Device:
    suffix, ja, en, model = GATE if kind == "gates" else DEVICE_OF_CLASS[asset.class_]
    return Device(f"{asset.id}-{suffix}", asset.id, gateway, f"{asset.name} {ja}", f"{asset.name_en} {en}", model)


def _streams(asset: Asset, device: Device) -> Iterator[Stream]:
    for metric in LAWS[asset.class_]:
        if asset.class_ == "paddy" and metric == "soil_moisture" and asset.id not in WITH_MOISTURE:
            continue
        if (metric in GATE_METRICS) != (device.model == GATE[3]):
            continue
        unit, resolution = METRICS[metric]
        # A paddy's few centimetres are measured finer than a pond's metres.
        finer = asset.class_ == "paddy" and metric == "water_level"
        yield Stream(asset.id, device.id, device.gateway, metric, unit, resolution / 2 if finer else resolution)
