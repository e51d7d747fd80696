"""Sparkplug B: the metrics of nodes and their devices, once their names are written into them (sparkplug_nodes.py).

Source: Sparkplug specification 3.0.0. A metric with the name of one of ours is read without being told; what is in no
table is left alone. STATE and commands are not subscribed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from satomori_core.errors import RejectedError, SettingsError
from satomori_core.metrics import catalogue
from satomori_core.topics import is_name
from satomori_ingest.decoders import Decoded
from satomori_ingest.decoders.fields import Collected, FieldMapping, FormatDecoder, FormatSettings
from satomori_ingest.sparkplug_nodes import KINDS, NAMESPACE, parse_address
from satomori_ingest.sparkplug_payload import (
    BOOLEAN,
    Metric,
    Payload,
    is_good,
    name_of,
    number_of,
    only,
    parse_payload,
    quality_of,
)

MS_MAX = 10**14


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkplugSettings(FormatSettings):
    """`group`: the id of one, where others have tables of their own.

    `worker`: where several share, the only one that reads this: names come in births, so one must see all of a node.
    A device is `<group>.<node>.<device>` and a node, as a device and as a gateway, `<group>.<node>`. A path of `fields`
    is a metric's name.
    """

    name: str = "sparkplug"
    group: str = "+"
    worker: str | None = None

    @override
    def filters(self) -> Sequence[str]:
        return [f"{NAMESPACE}/{self.group}/{kind}/+{'/+' if kind.startswith('D') else ''}" for kind in KINDS]

    @override
    def check(self, where: str) -> None:
        FormatSettings.check(self, where)
        if self.worker is not None and not is_name(self.worker):
            raise SettingsError(f"{where}: worker {self.worker!r} is no worker's name")


class SparkplugDecoder(FormatDecoder):
    def __init__(self, settings: SparkplugSettings) -> None:
        super().__init__(settings)
        self.worker = settings.worker
        self.nodes_are_gateways = settings.gateway is None
        self._ignore = settings.ignore
        self._told = {mapping.path: mapping for mapping in settings.fields}
        mapped = {mapping.metric for mapping in settings.fields}
        self._known = {metric: FieldMapping(metric, metric) for metric in catalogue() if metric not in mapped}

    def gateway(self, topic: str) -> str:
        return self._gateway_of(parse_address(topic).node_id)

    def decode(self, topic: str, payload: bytes, received_at_us: int) -> Decoded:  # noqa: ARG002 - it has its own times
        address = parse_address(topic)
        parsed = parse_payload(payload)
        if address.kind in {"NDEATH", "DDEATH"}:
            return Decoded(self.gateway(topic))
        device = self._device(address.device_id)
        collected = Collected()
        nameless: list[Metric] = []
        for metric in parsed.metrics:
            name = name_of(metric)
            if not name:
                nameless.append(metric)
                continue
            mapping = self.mapping(name, is_boolean=metric.datatype == BOOLEAN or metric.HasField("boolean_value"))
            if mapping is None or metric.is_null or metric.is_transient:
                continue
            full = f"{device}/{mapping.metric}"
            try:
                collected.add(full, _observed_at(metric, parsed), _number(metric), mapping.unit)
            except RejectedError as error:
                collected.set_aside(full, error, only(parsed, [metric]))
        if nameless:
            why = RejectedError("no_birth", f"{len(nameless)} metrics by numbers that no birth has named")
            collected.set_aside(f"{device}/", why, only(parsed, nameless))
        return collected.decoded(self.gateway(topic))

    def mapping(self, name: str, *, is_boolean: bool) -> FieldMapping | None:
        """How a metric is read. What is true or false is a reading only where the settings say so."""
        if any(name == place or name.startswith(f"{place}/") for place in self._ignore):
            return None
        return self._told.get(name) or (None if is_boolean else self._known.get(name))


def _number(metric: Metric) -> float:
    if not is_good(metric):
        raise RejectedError("quality", f"the sender's quality is {quality_of(metric)}; 192 is good")
    return number_of(metric)


def _observed_at(metric: Metric, parsed: Payload) -> int:
    """µs: the metric's own time (a historical one has been kept back), or the message's."""
    parts: tuple[Metric | Payload, ...] = metric, parsed
    for part in parts:
        if part.HasField("timestamp"):
            if part.timestamp > MS_MAX:
                raise RejectedError("time", f"time {part.timestamp} ms is out of all reason")
            return part.timestamp * 1000
    raise RejectedError("time", "neither the metric nor the message has a time")
