"""Sparkplug B: what a stateful reader must get right, told as messages in order; payloads by an encoder not ours."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pysparkplug as spb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from satomori_core.clock import SECOND_US
from satomori_core.errors import RejectedError, SettingsError
from satomori_ingest.decoders import Decoded, Values
from satomori_ingest.decoders.sparkplug import SparkplugDecoder, SparkplugSettings
from satomori_ingest.filters import matches
from satomori_ingest.settings import load_ingest
from satomori_ingest.sparkplug_host import SparkplugHost
from satomori_ingest.sparkplug_nodes import NODES_MAX, REBIRTHS_PER_SECOND_MAX, Nodes, Taken
from satomori_ingest.sparkplug_payload import parse_payload, rebirth
from satomori_store.models import Gateway
from satomori_store.registry import transaction
from support.ingest_process import IngestProcess, ingest_process
from support.ingesting import message
from support.mosquitto import Mosquitto, mosquitto
from support.small_registry import TOWN, asset, datastream, device, gateway

AT_US = 1_780_282_800 * SECOND_US
AT_MS = AT_US // 1000
TYPES = {
    spb.DataType.INT8: (-(2**7), 2**7 - 1),
    spb.DataType.INT16: (-(2**15), 2**15 - 1),
    spb.DataType.INT32: (-(2**31), 2**31 - 1),
    spb.DataType.INT64: (-(2**53), 2**53),
    spb.DataType.UINT8: (0, 2**8 - 1),
    spb.DataType.UINT16: (0, 2**16 - 1),
    spb.DataType.UINT32: (0, 2**32 - 1),
    spb.DataType.UINT64: (0, 2**53),
}
DECODER = SparkplugDecoder(SparkplugSettings())


def metric(
    value: float | None, *, name: str | None = "air_temperature", alias: int | None = None,
    kind: spb.DataType = spb.DataType.DOUBLE,
) -> spb.Metric:  # fmt: skip
    return spb.Metric(AT_MS, name, kind, value=value, alias=alias)


def bd_seq(number: int) -> spb.Metric:
    return spb.Metric(AT_MS, "bdSeq", spb.DataType.INT64, value=number)


class Node:
    """One node as its messages come in. The clock goes on by a second with each."""

    def __init__(self) -> None:
        self.nodes = Nodes()
        self.epoch = 1
        self.at_us = AT_US

    def take(self, kind: str, payload: bytes) -> Taken:
        self.at_us += SECOND_US
        topic = f"spBv1.0/farm/{kind}/node-1{'/tank' if kind.startswith('D') else ''}"
        return self.nodes.take(topic, payload, self.epoch, self.at_us)

    def nbirth(self, *, number: int = 1) -> Taken:
        return self.take("NBIRTH", spb.NBirth(AT_MS, 0, (bd_seq(number),)).encode())

    def dbirth(self, seq: int = 1, name: str = "air_temperature") -> Taken:
        return self.take("DBIRTH", spb.DBirth(AT_MS, seq, (metric(1.0, name=name, alias=7),)).encode())

    def ddata(self, seq: int, value: float = 20.5, *, alias: int | None = 7, name: str | None = None) -> Taken:
        return self.take("DDATA", spb.DData(AT_MS, seq, (metric(value, name=name, alias=alias),)).encode())

    def ndeath(self, number: int = 1) -> Taken:
        return self.take("NDEATH", spb.NDeath(AT_MS, bd_seq(number)).encode())


@pytest.fixture
def node() -> Node:
    return Node()


def read(taken: Taken) -> Decoded:
    return DECODER.decode("spBv1.0/farm/DDATA/node-1/tank", taken.payload, AT_US)


def values(taken: Taken) -> Sequence[tuple[str, float]]:
    return [(name, number) for name, _, number, _ in Values.of(read(taken).values)]


def test_a_number_means_what_the_birth_said(node: Node) -> None:
    assert node.nbirth().online is True
    node.dbirth()
    taken = node.ddata(2)
    assert values(taken) == [("farm.node-1.tank/air_temperature", 20.5)]
    assert (taken.rebirth, taken.told) == ("", "")


def test_what_was_made_readable_can_be_read_by_itself(node: Node) -> None:
    """From quarantine, long after: nothing but the message is needed."""
    node.nbirth()
    node.dbirth()
    kept = node.ddata(2).payload
    assert values(Node().take("DDATA", kept)) == [("farm.node-1.tank/air_temperature", 20.5)]


def test_before_a_birth_a_number_says_nothing_and_the_birth_is_asked_for(node: Node) -> None:
    taken = node.ddata(5)
    assert [fault.reason for fault in read(taken).faults] == ["no_birth"]
    assert "no birth" in taken.rebirth
    node.nbirth()
    node.dbirth()
    assert values(node.ddata(2)) == [("farm.node-1.tank/air_temperature", 20.5)]


def test_before_a_birth_what_has_a_name_and_a_type_of_its_own_is_read(node: Node) -> None:
    taken = node.ddata(5, name="air_temperature", alias=None)
    assert values(taken) == [("farm.node-1.tank/air_temperature", 20.5)]
    assert taken.rebirth


def test_a_birth_is_asked_for_again_but_not_at_every_message(node: Node) -> None:
    """After 5 s, then after 10, 20 …, and after at most 300."""
    asked = [i for i in range(2000) if node.ddata(i % 256).rebirth]
    assert asked[:5] == [0, 5, 15, 35, 75]
    assert all(second - first <= 300 for first, second in pairwise(asked))


def test_many_nodes_at_once_are_not_all_asked_at_once() -> None:
    nodes = Nodes()
    payload = spb.NData(AT_MS, 3, (metric(1.0),)).encode()
    asked = [bool(nodes.take(f"spBv1.0/farm/NDATA/node-{i}", payload, 1, AT_US).rebirth) for i in range(1000)]
    assert sum(asked) == REBIRTHS_PER_SECOND_MAX


def test_the_memory_of_nodes_is_bounded() -> None:
    nodes = Nodes()
    payload = spb.NData(AT_MS, 3, (metric(1.0),)).encode()
    for i in range(NODES_MAX + 10):
        nodes.take(f"spBv1.0/farm/NDATA/node-{i}", payload, 1, AT_US)
    assert len(nodes._nodes) == NODES_MAX


def test_sequence_numbers_go_round_without_a_word(node: Node) -> None:
    node.nbirth()
    node.dbirth()
    told = [taken for i in range(2, 700) if (taken := node.ddata(i % 256)).told or taken.rebirth]
    assert told == []


def test_a_gap_is_told_and_the_birth_asked_for_but_numbers_still_hold(node: Node) -> None:
    """Between 2 and 5 no birth can be hidden, which would have begun at 0."""
    node.nbirth()
    node.dbirth()
    node.ddata(2)
    taken = node.ddata(5)
    assert "5, expected 3" in taken.told
    assert taken.rebirth
    assert values(taken) == [("farm.node-1.tank/air_temperature", 20.5)]


def test_gaps_that_can_not_be_told_at_once_are_counted(node: Node) -> None:
    """Every second message is lost: one line each time that the birth is asked for, with the number of gaps."""
    node.nbirth()
    node.dbirth()
    reasons = [taken.rebirth for seq in range(3, 40, 2) if (taken := node.ddata(seq)).rebirth]
    assert reasons == [
        "sequence number 3, expected 2",
        "sequence number 13, expected 12; gap 5 since it was last asked",
        "sequence number 33, expected 32; gap 10 since it was last asked",
    ]


@pytest.mark.parametrize("reconnected", [False, True])
def test_a_gap_that_may_hide_a_birth_takes_the_numbers_their_meaning(node: Node, reconnected: bool) -> None:
    """The counter began anew, or our own connection was away: the missed birth may have numbered otherwise."""
    node.nbirth()
    node.dbirth()
    for seq in range(2, 10):
        node.ddata(seq)
    node.epoch += reconnected
    taken = node.ddata(20 if reconnected else 3)
    assert [fault.reason for fault in read(taken).faults] == ["no_birth"]
    assert taken.rebirth


def test_a_message_sent_again_is_no_gap(node: Node) -> None:
    node.nbirth()
    node.dbirth()
    node.ddata(2)
    assert not node.ddata(2).told
    assert not node.ddata(3).told


def test_a_new_birth_may_number_otherwise(node: Node) -> None:
    node.nbirth()
    node.dbirth()
    node.nbirth(number=2)
    taken = node.ddata(1)
    assert [fault.reason for fault in read(taken).faults] == ["no_birth"]
    node.dbirth(2, name="water_temperature")
    assert values(node.ddata(3)) == [("farm.node-1.tank/water_temperature", 20.5)]


def test_a_death_belongs_to_the_birth_with_its_number(node: Node) -> None:
    """The will of a connection before comes when the node is back already: it does not end the new life."""
    node.nbirth(number=2)
    node.dbirth()
    late = node.ndeath(1)
    assert (late.online, bool(late.told)) == (None, True)
    assert values(node.ddata(2)) == [("farm.node-1.tank/air_temperature", 20.5)]
    assert node.ndeath(2).online is False
    assert node.ddata(3).rebirth


def test_a_devices_death_ends_its_numbers(node: Node) -> None:
    node.nbirth()
    node.dbirth()
    node.take("DDEATH", spb.DDeath(AT_MS, 2).encode())
    taken = node.ddata(3)
    assert [fault.reason for fault in read(taken).faults] == ["no_birth"]
    assert taken.rebirth


@given(st.sampled_from(sorted(TYPES)).flatmap(lambda kind: st.tuples(st.just(kind), st.integers(*TYPES[kind]))))
def test_every_integer_is_read_as_it_was_written(written: tuple[spb.DataType, int]) -> None:
    kind, number = written
    payload = spb.DData(AT_MS, 1, (metric(number, kind=kind),)).encode(include_dtypes=True)
    assert values(Taken(payload)) == [("farm.node-1.tank/air_temperature", float(number))]


def test_a_value_that_its_sender_calls_bad_is_set_aside() -> None:
    """Its property `Quality`: 0 bad, 500 stale, 192 good. Written out by hand, since the encoder has no properties."""
    for quality, reasons in ((0, ["quality"]), (500, ["quality"]), (192, [])):
        value = bytes([0x08, 0x03, 0x18, quality & 0x7F | (0x80 if quality > 127 else 0)])
        value += bytes([quality >> 7]) if quality > 127 else b""
        properties = b"\x0a\x07Quality" + bytes([0x12, len(value)]) + value
        plain = spb.DData(AT_MS, 1, (metric(20.0),)).encode(include_dtypes=True)
        start = plain.index(b"\x12") + 2
        inner = plain[start : start + plain[start - 1]] + bytes([0x4A, len(properties)]) + properties
        payload = plain[: start - 1] + bytes([len(inner)]) + inner + plain[start + plain[start - 1] :]
        assert [fault.reason for fault in read(Taken(payload)).faults] == reasons


def test_a_rebirth_command_is_understood_by_others() -> None:
    command = spb.NCmd.decode(rebirth(AT_US))
    assert command.timestamp == AT_MS
    assert [(m.name, m.datatype, m.value) for m in command.metrics] == [
        ("Node Control/Rebirth", spb.DataType.BOOLEAN, True)
    ]


STORY = [
    ("NBIRTH", spb.NBirth(AT_MS, 0, (bd_seq(1),)).encode()),
    ("DBIRTH", spb.DBirth(AT_MS, 1, (metric(1.0, alias=7), metric(2.0, name="soil_moisture", alias=8))).encode()),
    ("DDATA", spb.DData(AT_MS, 2, (metric(20.5, name=None, alias=7),)).encode()),
    ("NDEATH", spb.NDeath(AT_MS, bd_seq(1)).encode()),
]


@given(st.integers(0, 3), st.data())
def test_whatever_comes_is_values_or_refused(which: int, data: st.DataObject) -> None:
    """Truncated, mutated or made up, before, between or after good ones: the reader neither fails nor is misled."""
    node = Node()
    kind, payload = STORY[which]
    for good in STORY[:which]:
        node.take(*good)
    at = data.draw(st.integers(0, len(payload) - 1))
    strange = data.draw(
        st.one_of(
            st.just(payload[:at]),
            st.binary(max_size=3).map(lambda mutation: payload[:at] + mutation + payload[at + len(mutation) :]),
            st.binary(max_size=64),
        )
    )
    taken = node.take(kind, strange)
    for sent in (strange, taken.payload):
        try:
            decoded = DECODER.decode(
                f"spBv1.0/farm/{kind}/node-1{'/tank' if kind.startswith('D') else ''}", sent, AT_US
            )
        except RejectedError:
            continue
        assert len(decoded.values) == len(decoded.positions or ())
    for good in STORY[:3]:
        taken = node.take(*good)
    assert values(taken) == [("farm.node-1.tank/air_temperature", 20.5)]


def test_every_truncation_and_every_byte_is_values_or_refused() -> None:
    for kind, payload in STORY:
        for at in range(len(payload)):
            for strange in (payload[:at], *(payload[:at] + bytes([b]) + payload[at + 1 :] for b in (0, 0x7F, 0xFF))):
                with_birth = Node()
                with_birth.take(*STORY[1])
                with_birth.take(kind, strange)
                try:
                    DECODER.decode("spBv1.0/farm/DDATA/node-1/tank", strange, AT_US)
                except RejectedError:
                    continue


def test_what_is_no_node_is_not_subscribed() -> None:
    """STATE, of host applications, and commands."""
    filters = DECODER.filters
    read_topics = ("spBv1.0/g/NBIRTH/n", "spBv1.0/g/DDATA/n/d", "spBv1.0/g/NDEATH/n")
    others = ("spBv1.0/STATE/host", "STATE/host", "spBv1.0/g/NCMD/n", "spBv1.0/g/DCMD/n/d", "spBv1.0/g/NDATA/n/d")
    assert [t for t in (*read_topics, *others) if any(matches(f, t) for f in filters)] == list(read_topics)


@pytest.mark.parametrize(
    "topic", ["spBv1.0/+/NDATA/node-1", "spBv1.0/farm/NDATA/#", "spBv1.0/farm/NDATA/n/d", "spBv1.0/x"]
)
def test_a_topic_that_no_node_has_asks_for_nothing(topic: str) -> None:
    """To publish to a wildcard would end our own connection."""
    payload = spb.NData(AT_MS, 3, (metric(1.0),)).encode()
    assert Nodes().take(topic, payload, 1, AT_US) == Taken(payload)
    host = SparkplugHost([DECODER], lambda *_: None)
    sent = message(payload, topic)
    assert host.prepare(sent) == sent


def test_too_many_metrics_are_refused() -> None:
    many = b"\x12\x00" * 10_001
    with pytest.raises(RejectedError, match="metrics"):
        parse_payload(many)


SHARED = '[ingest]\nshare = "x"\n[[ingest.sparkplug]]\n'


@pytest.mark.parametrize(
    ("settings", "works"),
    [
        (SHARED, False),
        (SHARED + 'worker = "2"\n', True),
        (SHARED + '[[ingest.broker]]\nname = "b"\nurl = "mqtt://h"\ncarries = ["sparkplug"]\n', False),
        (SHARED + '[[ingest.broker]]\nname = "b"\nurl = "mqtt://h"\ncarries = ["sparkplug"]\nworker = "1"\n', True),
    ],
)
def test_where_workers_share_one_of_them_reads_all_of_a_node(tmp_path: Path, settings: str, works: bool) -> None:
    path = tmp_path / "satomori.toml"
    path.write_text(settings, encoding="utf-8")
    if works:
        load_ingest(path)
    else:
        with pytest.raises(SettingsError, match="one worker"):
            load_ingest(path)


# ---------------------------------------------------------------------------- a real node on a real broker

NODE, TANK = "farm.node-1", "farm.node-1.tank"
REGISTRY = "".join([
    TOWN, asset("pond-1", "irrigation_pond"), gateway(NODE), device(TANK, NODE),
    datastream(TANK, "water_level", "pond-1", 'source_unit = "cm"'),
])  # fmt: skip
FORMAT = '[[ingest.sparkplug]]\nfields = [{ path = "Tank/Level", metric = "water_level", unit = "cm" }]\n'
VALUES = 30


@contextmanager
def peer(broker: Mosquitto, said: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "support.sparkplug_node", str(broker.port), str(VALUES), "0.03"]
    with said.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, cwd=Path(__file__).parents[1])
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)


def stored(ingest: IngestProcess) -> set[int]:
    """In cm, without the birth's own value."""
    counts = ingest.stores.ledger.reading_counts()
    columns = ingest.stores.observations.read(list(counts), 0, 2**60) if counts else None
    return set() if columns is None else {round(float(v) * 100) for v in columns.value}


def online(ingest: IngestProcess) -> bool | None:
    with transaction(ingest.stores.registry) as session:
        return session.scalars(select(Gateway.online).where(Gateway.id == "farm.node-1")).one()


@pytest.fixture(params=["main broker", "another, by 3.1.1"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Mosquitto, IngestProcess]]:
    """The broker that the node is on, told to keep QoS 0 for who is away, and ingest."""
    (tmp_path / "nodes").mkdir()
    with mosquitto(tmp_path / "nodes", more=["queue_qos0_messages true", "log_type all"]) as nodes:
        if request.param == "main broker":
            settings = f'[broker]\nurl = "{nodes.url}"\n' + FORMAT
            with ingest_process(tmp_path, settings, REGISTRY) as ingest:
                yield nodes, ingest
            return
        with mosquitto(tmp_path) as main:
            settings = f'[broker]\nurl = "{main.url}"\n' + FORMAT
            settings += f'[[ingest.broker]]\nname = "nodes"\nurl = "{nodes.url}"\n'
            settings += 'protocol = "3.1.1"\ncarries = ["sparkplug"]\n'
            with ingest_process(tmp_path, settings, REGISTRY, sessions=5) as ingest:
                yield nodes, ingest


def sent_before_the_kill(folder: Path) -> int:
    """How many messages of the device's data the broker has sent to ingest's first connection."""
    log = (folder / "mosquitto.log").read_text(encoding="utf-8", errors="replace")
    client = re.search(r"Sending PUBLISH to (\S+) .*DDATA", log)
    assert client is not None
    _, first, _ = log.split(f" as {client[1]} (", 2)
    return sum("DDATA" in line for line in first.splitlines() if f"Sending PUBLISH to {client[1]} " in line)


@pytest.mark.servers
async def test_a_nodes_values_through_a_restart_of_ingest(
    running: tuple[Mosquitto, IngestProcess], tmp_path: Path
) -> None:
    """After it the numbers mean nothing to us: the node is asked for its birth, and what came meanwhile is set aside.

    So nothing is missing but what we held unstored when we were killed, to the message, as the broker's own log has
    it: with QoS 0 it sends none twice.
    """
    broker, ingest = running
    said = tmp_path / "said"
    with peer(broker, said) as node:
        await asyncio.to_thread(ingest.wait, "some stored", lambda: len(stored(ingest)) > 20)
        await asyncio.to_thread(ingest.wait, "there", lambda: online(ingest) is True)
        ingest.kill()
        last = -min(stored(ingest))
        await asyncio.to_thread(ingest.start)
        await asyncio.to_thread(ingest.wait, "all said", lambda: "said" in said.read_text())
        number = int(said.read_text().removeprefix("said"))
        await asyncio.to_thread(ingest.wait, "the last", lambda: -number in stored(ingest))
        assert "sparkplug birth asked for" in ingest.log()
        aside = [entry.row for entry in ingest.stores.ledger.quarantine(-1, 0, "no_birth")]
        alone = [parse_payload(row.payload).metrics for row in aside]
        kept = {m.int_value - 2**16 for metrics in alone for m in metrics}
        assert aside
        missing = set(range(-number, 0)) - stored(ingest) - kept
        assert missing == {-n for n in range(last + 1, sent_before_the_kill(tmp_path / "nodes") + 1)}
        node.kill()  # the broker speaks its will
        await asyncio.to_thread(ingest.wait, "gone", lambda: online(ingest) is False)
