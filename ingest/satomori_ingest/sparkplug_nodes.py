"""What must be known of Sparkplug nodes to read them: births, aliases, sequence numbers; when to ask for a birth. Pure.

A node says the names of its metrics once, in its birth, and then only numbers for them. `take` sees each message in the
order received and writes names and types into it, so that from then on it can be read by itself, also from quarantine.
A number is never guessed: after a birth that may have been missed, it says nothing until the next one.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from satomori_core.clock import SECOND_US
from satomori_core.errors import RejectedError
from satomori_ingest.sparkplug_payload import Payload, name_of, parse_payload

NAMESPACE = "spBv1.0"
NODES_MAX = 10_000
METRICS_OF_NODE_MAX = 100_000
SEQ_COUNT = 256
# A node is asked again after so long, then twice as long; all nodes together so often.
REBIRTH_FIRST_US = 5 * SECOND_US
REBIRTH_MAX_US = 300 * SECOND_US
REBIRTHS_PER_SECOND_MAX = 20
BD_SEQ = b"bdSeq"


class Address(NamedTuple):
    """`spBv1.0/<group>/<kind>/<node>[/<device>]`."""

    group: str
    kind: str
    node: str
    device: str

    @property
    def node_id(self) -> str:
        return f"{self.group}.{self.node}"

    @property
    def device_id(self) -> str:
        return f"{self.node_id}.{self.device}" if self.device else self.node_id

    @property
    def command_topic(self) -> str:
        return f"{NAMESPACE}/{self.group}/NCMD/{self.node}"


_LEVELS = {"NBIRTH": 4, "NDATA": 4, "NDEATH": 4, "DBIRTH": 5, "DDATA": 5, "DDEATH": 5}
KINDS = tuple(_LEVELS)


def parse_address(topic: str) -> Address:
    """Raise RejectedError for a topic that is none of these, or to whose node nothing could be said."""
    levels = topic.split("/")
    speakable = not any(letter in topic for letter in "+#\0")
    if len(levels) < 4 or levels[0] != NAMESPACE or _LEVELS.get(levels[2]) != len(levels) or not speakable:
        raise RejectedError("topic", f"topic {topic!r} is no Sparkplug topic that we read")
    return Address(levels[1], levels[2], levels[3], levels[4] if len(levels) > 4 else "")


@dataclass(frozen=True, slots=True)
class Taken:
    """`payload`: with names and types where they are known. `rebirth`: why the node is to be asked for its births.

    `online`: what it says of the node. `told`: what a person should hear of.
    """

    payload: bytes
    rebirth: str = ""
    online: bool | None = None
    told: str = ""


@dataclass(slots=True)
class _Device:
    """Of a birth: alias → (name, type), and name → type."""

    of_alias: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    of_name: dict[bytes, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Node:
    born: bool = False
    bd_seq: int | None = None
    seq: int | None = None
    epoch: int = 0
    devices: dict[str, _Device] = field(default_factory=dict)
    gaps: int = 0
    asked_us: int = 0
    wait_us: int = 0

    def forget(self) -> None:
        self.born = False
        self.devices.clear()


class Nodes:
    """The nodes of one broker connection."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[str, str], _Node] = {}
        self._second, self._asked = 0, 0

    def take(self, topic: str, payload: bytes, epoch: int, at_us: int) -> Taken:
        """What can't be read passes as it is, for the decoder to refuse. `epoch`: of the connection to the broker."""
        try:
            address = parse_address(topic)
            parsed = parse_payload(payload)
        except RejectedError:
            return Taken(payload)
        node = self._node(address)
        told = ""
        if address.kind == "NDEATH":
            return _die(node, payload, parsed)
        if address.kind == "NBIRTH":
            _begin(node, parsed)
        else:
            told = _check_seq(node, parsed, epoch)
        node.epoch = epoch
        if address.kind == "DDEATH":
            node.devices.pop(address.device, None)
        elif address.kind in {"NBIRTH", "DBIRTH"}:
            _learn(node, address.device, parsed)
        unknown = _resolve(node.devices.get(address.device, _Device()), parsed)
        node.gaps += bool(told)
        why = told or ("" if node.born else "no birth of this node is known") or unknown
        rebirth = ""
        if why and self._may_ask(node, at_us):
            rebirth = f"{why}; gap {node.gaps} since it was last asked" if node.gaps > 1 else why
            node.gaps = 0
        return Taken(parsed.SerializeToString(), rebirth, True if address.kind == "NBIRTH" else None, told)

    def _node(self, address: Address) -> _Node:
        """Where there are too many, the one that is silent for longest is forgotten: it is asked when it speaks."""
        key = address.group, address.node
        node = self._nodes.pop(key, None) or _Node()
        if len(self._nodes) >= NODES_MAX:
            del self._nodes[next(iter(self._nodes))]
        self._nodes[key] = node
        return node

    def _may_ask(self, node: _Node, at_us: int) -> bool:
        if at_us // SECOND_US != self._second:
            self._second, self._asked = at_us // SECOND_US, 0
        if at_us - node.asked_us < node.wait_us or self._asked >= REBIRTHS_PER_SECOND_MAX:
            return False
        self._asked += 1
        node.asked_us = at_us
        node.wait_us = min(REBIRTH_MAX_US, max(REBIRTH_FIRST_US, 2 * node.wait_us))
        return True


def _begin(node: _Node, parsed: Payload) -> None:
    """A birth begins everything anew, its devices' too, which come next."""
    node.forget()
    node.born = True
    node.seq = parsed.seq if parsed.HasField("seq") else None
    node.bd_seq = _bd_seq(parsed)
    node.wait_us = REBIRTH_FIRST_US if node.wait_us else 0


def _die(node: _Node, payload: bytes, parsed: Payload) -> Taken:
    """The death belongs to the birth with the same number; a will of an earlier connection comes late."""
    bd_seq = _bd_seq(parsed)
    if node.born and node.bd_seq != bd_seq:
        return Taken(payload, told=f"a death of an earlier connection, bdSeq {bd_seq}, now is {node.bd_seq}")
    node.forget()
    node.seq = None
    return Taken(payload, online=False)


def _check_seq(node: _Node, parsed: Payload, epoch: int) -> str:
    """What is wrong with the number, "" for nothing.

    A number that began anew hides a birth that was missed, and so may any gap over a connection of ours that was lost.
    """
    if not parsed.HasField("seq"):
        return ""
    last, seq = node.seq, parsed.seq
    node.seq = seq
    if last is None or seq in (last, (last + 1) % SEQ_COUNT):  # the same: sent again
        return ""
    expected = (last + 1) % SEQ_COUNT
    if seq < expected or epoch != node.epoch:
        node.forget()
    return f"sequence number {seq}, expected {expected}"


def _bd_seq(parsed: Payload) -> int | None:
    for metric in parsed.metrics:
        if metric.name == BD_SEQ:
            return metric.long_value if metric.HasField("long_value") else metric.int_value
    return None


def _learn(node: _Node, device: str, parsed: Payload) -> None:
    learnt = _Device()
    room = METRICS_OF_NODE_MAX - sum(len(other.of_name) for name, other in node.devices.items() if name != device)
    for metric in parsed.metrics[: max(0, room)]:
        learnt.of_name[metric.name] = metric.datatype
        if metric.HasField("alias"):
            learnt.of_alias[metric.alias] = metric.name, metric.datatype
    node.devices[device] = learnt


def _resolve(device: _Device, parsed: Payload) -> str:
    """Names and types into the metrics that lack them; what can't be, "" for nothing."""
    unknown = 0
    for metric in parsed.metrics:
        if not metric.name and metric.HasField("alias"):
            if metric.alias not in device.of_alias:
                unknown += 1
                continue
            metric.name, kind = device.of_alias[metric.alias]
        else:
            kind = device.of_name.get(metric.name, 0)
        if not metric.datatype:
            metric.datatype = kind
    return f"{unknown} metrics by numbers that no birth has named" if unknown else ""


def read_names(payload: bytes) -> list[str]:
    """The metrics of a birth, for a person."""
    try:
        return [name_of(metric) for metric in parse_payload(payload).metrics]
    except RejectedError:
        return []
