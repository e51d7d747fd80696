"""The acknowledged node: its C++ against the edge's codec, over bad lines, before a real edge agent, and on an AVR."""

import asyncio
import ctypes
import heapq
import itertools
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_core.errors import RejectedError
from satomori_core.readings import Reading
from satomori_edge.marks import Mark
from satomori_edge.outbox import Outbox
from satomori_edge.settings import FrameMetric, FrameNode, FramesSettings
from satomori_edge.sources.arrivals import Arrivals
from satomori_edge.sources.frames import DELIMITER, STUFFED_BYTES_MAX, Ack, Report, Value, crc16, on_the_line
from satomori_edge.sources.lines import LineSplitter
from support.edge import Agent, Peer, agent, peer, until
from support.mosquitto import mosquitto
from support.serial import Cable, cable

FOLDER = Path(__file__).parents[2] / "firmware_stubs" / "soil_tilt_node"
SAMPLES_MAX = 32
INTERVAL_MS = 300
ADC = (450, 138, 100, 515)
NOISE = random.Random(7).randbytes(2000)
AVR_PARTS = ("/usr/lib/avr/include/avr/io.h", "/usr/include/simavr/sim_avr.h")


def build(folder: Path, target: str) -> Path:
    """Every warning is an error."""
    options = [f"BUILD={folder}", f"INTERVAL_MS={INTERVAL_MS}UL", "RESEND_MS=50UL"]
    done = subprocess.run(["make", "-C", str(FOLDER), *options, target], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("g++") is None or shutil.which("make") is None:
        pytest.skip("g++ and make are not installed (apt-get install g++ make)")
    return tmp_path_factory.mktemp("soil_tilt_node")


@pytest.fixture(scope="module")
def host(built: Path) -> Path:
    """The sketch for this host."""
    return build(built, f"{built}/soil_tilt_node") / "soil_tilt_node"


@pytest.fixture(scope="module")
def avr(built: Path) -> tuple[Path, Path]:
    """What runs the board's program, and that program."""
    if shutil.which("avr-g++") is None or not all(Path(part).exists() for part in AVR_PARTS):
        pytest.skip("no AVR tools (apt-get install gcc-avr avr-libc libsimavr-dev)")
    build(built, "avr")
    return built / "simulate", built / "soil_tilt_node.elf"


# ---------------------------------------------------------------------- its sending, with a clock and a line of ours


class Sending:
    """The node's `Outgoing`, as a library: times are passed in."""

    def __init__(self, library: ctypes.CDLL, node: int, boot: int) -> None:
        self._library = library
        self._one = ctypes.c_void_p(library.node_new(node, ctypes.c_uint32(boot)))
        self._frame = (ctypes.c_uint8 * library.node_frame_bytes_max())()

    def add(self, at_ms: int, values: list[int | None]) -> None:
        raw = (ctypes.c_int32 * 4)(*(value or 0 for value in values))
        present = sum(1 << i for i, value in enumerate(values) if value is not None)
        self._library.node_add(self._one, ctypes.c_uint32(at_ms), raw, present)

    def due(self, now_ms: int) -> bytes:
        return bytes(self._frame[: self._library.node_due(self._one, ctypes.c_uint32(now_ms), self._frame)])

    def received(self, chunk: bytes) -> None:
        self._library.node_received(self._one, chunk, ctypes.c_size_t(len(chunk)))


NewNode = Callable[[int, int], Sending]


@pytest.fixture(scope="module")
def library(built: Path) -> ctypes.CDLL:
    """Compiled with its default of a second until it sends again."""
    options = [f"BUILD={built}/library", "library"]
    done = subprocess.run(["make", "-C", str(FOLDER), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = ctypes.CDLL(str(built / "library" / "node.so"))
    loaded.node_new.restype = ctypes.c_void_p
    for name in ("node_due", "node_frame_bytes_max"):
        getattr(loaded, name).restype = ctypes.c_uint8
    loaded.node_crc16.restype = ctypes.c_uint16
    return loaded


@pytest.fixture(scope="module")
def new_node(library: ctypes.CDLL) -> NewNode:
    return lambda node, boot: Sending(library, node, boot)


def one_sent(new_node: NewNode) -> Sending:
    """Node 17 in life 9, whose frame 1 is on its way."""
    node = new_node(17, 9)
    node.add(0, [1, 2, 3, 4])
    assert node.due(0)
    return node


def is_acknowledged(node: Sending) -> bool:
    return not node.due(1_000_000)


def test_both_compute_the_same_checksum(library: ctypes.CDLL) -> None:
    """The check value of CRC-16/CCITT-FALSE."""
    assert library.node_crc16(b"123456789", ctypes.c_size_t(9)) == crc16(b"123456789") == 0x29B1


U16, U32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
I32 = st.integers(-(2**31), 2**31 - 1)


@given(st.tuples(U16, U32), U32, U32, st.lists(st.none() | I32 | st.just(0), min_size=4, max_size=4))
def test_it_encodes_byte_by_byte_as_the_edge_does(
    new_node: NewNode, name: tuple[int, int], at_ms: int, age_ms: int, values: list[int | None]
) -> None:
    """Also where the node's clock of 32 bits began anew since it sampled."""
    sending = new_node(*name)
    sending.add(at_ms, values)
    present = tuple(Value(i + 1, value) for i, value in enumerate(values) if value is not None)
    expected = Report(*name, 1, age_ms, 0, present)
    assert sending.due((at_ms + age_ms) % 2**32) == on_the_line(expected.to_bytes())


def test_it_forgets_a_frame_when_it_is_acknowledged(new_node: NewNode) -> None:
    """And not before: it is sent again, ever more rarely, until then."""
    node = new_node(17, 9)
    node.add(0, [1, 2, 3, 4])
    sent = [now_ms for now_ms in range(0, 120_000, 10) if node.due(now_ms)]
    waits = [later - sooner for sooner, later in itertools.pairwise(sent)]
    for wait, least in zip(waits, [1000, 2000, 4000, 8000, 16000, 16000], strict=False):
        assert least <= wait <= least * 1.5 + 10
    assert len(waits) >= 6
    node.received(on_the_line(Ack(17, 9, 1).to_bytes()))
    assert is_acknowledged(node)


@given(U16, U32, U32)
def test_another_s_acknowledgement_is_none(new_node: NewNode, node: int, boot: int, seq: int) -> None:
    sending = one_sent(new_node)
    sending.received(on_the_line(Ack(node, boot, seq).to_bytes()))
    assert is_acknowledged(sending) == ((node, boot, seq) == (17, 9, 1))


def test_every_truncated_or_wrong_acknowledgement_is_none(new_node: NewNode) -> None:
    frame = Ack(17, 9, 1).to_bytes()
    for length in range(len(frame)):
        sending = one_sent(new_node)
        sending.received(on_the_line(frame[:length]))
        assert not is_acknowledged(sending)
    for bit in range(8 * len(frame)):
        wrong = bytearray(frame)
        wrong[bit // 8] ^= 1 << bit % 8
        sending = one_sent(new_node)
        sending.received(on_the_line(bytes(wrong)))
        assert not is_acknowledged(sending)


def test_100_kb_of_noise_does_it_no_harm(new_node: NewNode) -> None:
    sending = one_sent(new_node)
    sending.received(random.Random(6).randbytes(100_000))
    assert not is_acknowledged(sending)
    sending.received(on_the_line(Ack(17, 9, 1).to_bytes()))
    assert is_acknowledged(sending)


# ---------------------------------------------------------------------- one story over four lines

STEP_MS = 20
SAMPLES = 60
EVERY_MS = 10_000
NODES = {1: "a", 2: "b", 3: "c"}
LINE = FramesSettings(
    "/dev/null", tuple(FrameNode(*pair) for pair in NODES.items()), (FrameMetric(1, "tilt"), FrameMetric(3, "battery"))
)

# What becomes of a chunk that is sent at a time: when comes what.
Wire = Callable[[random.Random, int, bytes], list[tuple[int, bytes]]]
WIRES: dict[str, Wire] = {
    "perfect": lambda _, now_ms, chunk: [(now_ms, chunk)],
    "one byte at a time": lambda _, now_ms, chunk: [(now_ms + i, chunk[i : i + 1]) for i in range(len(chunk))],
    "a fifth is lost": lambda chance, now_ms, chunk: [(now_ms, chunk)] if chance.random() >= 0.2 else [],
    "delayed": lambda chance, now_ms, chunk: [(now_ms + chance.randrange(3000), chunk)],
}
DELAY_MAX_MS = {"perfect": 0, "one byte at a time": 60, "a fifth is lost": 0, "delayed": 3000}


@dataclass
class Story:
    """Three nodes and an edge on one line. The edge may be away, and may be killed: then it knows its marks only."""

    new_node: NewNode
    wire: Wire
    seed: int
    away: range
    now_ms: int = 0
    kept: list[Reading] = field(default_factory=list)
    marks: dict[str, Mark] = field(default_factory=dict)
    missed: int = 0
    copies: int = 0
    broken: int = 0
    sent: Iterator[int] = field(default_factory=itertools.count)
    dropped: dict[str, int] = field(default_factory=dict)

    def tell(self) -> None:
        chance = random.Random(self.seed)
        nodes = [self.new_node(node, 9) for node in NODES]
        up: list[tuple[int, int, bytes]] = []
        down: list[tuple[int, int, bytes]] = []
        splitter, arrivals = LineSplitter(DELIMITER, STUFFED_BYTES_MAX), Arrivals(LINE)
        for self.now_ms in range(0, SAMPLES * EVERY_MS + 60_000, STEP_MS):
            for number, node in enumerate(nodes):
                if (self.now_ms - number * 1000) % EVERY_MS == 0 and self.now_ms < SAMPLES * EVERY_MS:
                    node.add(self.now_ms, [self.now_ms, None, -self.now_ms, None])
                self._send(chance, up, node.due(self.now_ms))
            for chunk in self._come(up):
                if self.now_ms in self.away:
                    continue
                for frame in splitter.feed(chunk):
                    self._send(chance, down, self._heard(arrivals, frame))
                    if chance.random() < 0.05:  # kill -9 before the acknowledgement is out or after it
                        arrivals = Arrivals(LINE, self.marks.values())
            for chunk in self._come(down):
                for node in nodes:
                    node.received(chunk)

    def _heard(self, arrivals: Arrivals, frame: bytes) -> bytes:
        try:
            arrival = arrivals.hear(frame, self.now_ms * 1000)
        except RejectedError:  # two nodes spoke at once, or the edge heard the end of it only
            self.broken += 1
            return b""
        self.copies += arrival.mark is None and arrival.ack is not None
        self.missed += arrival.missed
        self.dropped[arrival.device] = arrival.report.dropped
        if arrival.mark is not None:  # both or neither
            self.kept += arrival.readings
            self.marks[arrival.device] = arrival.mark
            arrivals.settle(arrival.mark)
        return on_the_line(arrival.ack.to_bytes()) if arrival.ack else b""

    def _send(self, chance: random.Random, way: list[tuple[int, int, bytes]], chunk: bytes) -> None:
        for at_ms, part in self.wire(chance, self.now_ms, chunk) if chunk else []:
            heapq.heappush(way, (at_ms, next(self.sent), part))

    def _come(self, way: list[tuple[int, int, bytes]]) -> Iterator[bytes]:
        while way and way[0][0] <= self.now_ms:
            yield heapq.heappop(way)[2]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("line", WIRES)
def test_over_any_line_each_sample_comes_once_and_in_order(new_node: NewNode, line: str, seed: int) -> None:
    """Three nodes; the edge is away for 200 s, and killed again and again."""
    story = Story(new_node, WIRES[line], seed, away=range(100_000, 300_000))
    story.tell()
    for number, device in enumerate(NODES.values()):
        expected = [float(at_ms) for at_ms in range(number * 1000, SAMPLES * EVERY_MS, EVERY_MS)]
        for metric, sign in (("tilt", 1), ("battery", -1)):
            found = [one for one in story.kept if (one.device, one.metric) == (device, metric)]
            assert [one.value * sign for one in found] == expected, f"seed {seed}"
            for one in found:
                late_ms = one.observed_at_us / 1000 - one.value * sign
                assert 0 <= late_ms <= DELAY_MAX_MS[line] + STEP_MS, f"seed {seed}"
    assert story.missed == 0
    assert story.dropped == dict.fromkeys(NODES.values(), 0)
    assert bool(story.copies) == (line in {"a fifth is lost", "delayed"})
    assert bool(story.broken) == (line == "one byte at a time")


def test_what_the_memory_can_t_hold_is_told(new_node: NewNode) -> None:
    """The edge is away for longer than 32 samples last: the oldest go, and node and edge count the same."""
    story = Story(new_node, WIRES["perfect"], 1, away=range(100_000, 500_000))
    story.tell()
    least = 40 - SAMPLES_MAX
    for dropped in story.dropped.values():
        assert least <= dropped <= least + 3  # it may take a while until they are sent again
    assert story.missed == sum(story.dropped.values())
    assert len(story.kept) == 2 * (len(NODES) * SAMPLES - story.missed)


# ---------------------------------------------------------------------- before a real edge agent


def config(folder: Path, broker_url: str, port: Path) -> Path:
    """As the node's sample has it."""
    sample = (FOLDER.parent / "sample.toml").read_text(encoding="utf-8")
    table = sample[sample.index("[[edge.frames]]") :]
    path = folder / "edge.toml"
    path.write_text(
        f'[broker]\nurl = "{broker_url}"\n[edge]\ngateway = "gw-slope"\n[edge.uplink]\npack_age_s = 0.05\n'
        + table.replace("/dev/ttyUSB1", str(port)),
        encoding="utf-8",
    )
    return path


@contextmanager
def running(*command: Path | str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)


def all_of(one: Peer, state: Path) -> tuple[dict[int, Reading], list[Mark]]:
    """What has gone up and what still waits, by number; and what the edge remembers of the node."""
    outbox = Outbox(state / "outbox.sqlite", readings_max=1000, bytes_max=10**7)
    kept = {seq: reading for (_, seq), reading in one.readings.items()}
    kept |= {row.seq: row.reading for row in outbox.peek(0, None, 1000)}
    marks = outbox.marks()
    outbox.close()
    return dict(sorted(kept.items())), marks


def battery(count: int) -> float:
    """Volts that the node makes of a count: 5 V over 1024 counts, a divider of two, whole millivolts."""
    return (count * 5000 + 512) // 1024 * 2 / 1000


def told(edge: Agent, event: str) -> int:
    return len(edge.events(event))


async def more(one: Peer, count: int) -> None:
    wanted = len(one.values("slope-17", "battery")) + count
    await until("more frames", lambda: len(one.values("slope-17", "battery")) >= wanted)


async def lose_an_ack(line: Cable) -> None:
    before = line.lost_bytes
    line.far_is_deaf.set()
    await until("an acknowledgement that gets lost", lambda: line.lost_bytes > before)


async def kills(edge_config: Path, state: Path, one: Peer, line: Cable, lives: int) -> list[Agent]:
    """All lives of an edge.

    It is killed with -9 while its acknowledgements get lost, so the node sends again what is stored already. The last
    life ends in order.
    """
    agents: list[Agent] = []
    for life in range(lives):
        with agent(edge_config, state) as edge:
            agents.append(edge)
            await more(one, 2)
            await asyncio.to_thread(line.disturb, NOISE)
            await more(one, 2)
            if life == lives - 1:
                assert edge.stop() == 0
            else:
                await lose_an_ack(line)
        line.far_is_deaf.clear()
    return agents


def check(one: Peer, agents: list[Agent], state: Path) -> None:
    """In each of the node's two lives each sample came once and in order: the ramp goes up by one a sample."""
    kept, marks = all_of(one, state)
    assert list(kept) == list(range(1, len(kept) + 1))
    assert len(marks) == 2
    volts = [reading.value for reading in kept.values() if reading.metric == "battery"]
    assert volts == [battery(ADC[2] + seq) for mark in marks for seq in range(1, mark.seq + 1)]
    assert sum(told(edge, "frames are missing") for edge in agents) == 0
    assert sum(told(edge, "node begins a new life") for edge in agents) == 2
    assert one.values("slope-17", "soil_moisture")[0] == pytest.approx(55.0 * (620 - ADC[0]) / (620 - 280), abs=0.1)
    assert one.values("slope-17", "soil_temperature")[0] == pytest.approx((ADC[1] * 5 / 1024 - 0.5) * 100, abs=0.1)
    assert one.values("slope-17", "tilt")[0] == pytest.approx((ADC[3] * 5 / 1024 - 2.5) / 0.035, abs=0.15)


@pytest.mark.servers
async def test_an_edge_that_is_killed_loses_nothing_and_doubles_nothing(host: Path, tmp_path: Path) -> None:
    """Node, line, edge, outbox and broker are real; noise on the line, three kill -9, the node switched off and on."""
    adc = ",".join(map(str, ADC))
    state = tmp_path / "state"
    with mosquitto(tmp_path) as broker, cable(tmp_path) as line:
        edge_config = config(tmp_path, broker.url, line.near)
        async with peer(Peer("gw-slope"), broker.host, broker.port) as one:
            options = ("--adc", adc, "--ramp", "--eeprom", tmp_path / "eeprom")
            with running(host, line.far, *options):
                agents = await kills(edge_config, state, one, line, 4)
            with running(host, line.far, *options):
                agents += await kills(edge_config, state, one, line, 1)
    check(one, agents, state)


def said_by(*command: str | Path) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_it_fits_the_board(avr: tuple[Path, Path]) -> None:
    """In a quarter of an ATmega328P's flash, with half of its memory for the stack; no heap and no floating point."""
    text, data, bss = map(int, said_by("avr-size", avr[1])[1].split()[:3])
    assert text + data < 8192
    assert data + bss < 1024
    names = {line.split()[-1] for line in said_by("avr-nm", avr[1])}
    assert "analogRead" in " ".join(names)
    assert not [name for name in names if name in {"malloc", "free"} or name.endswith(("sf2", "sf3", "sfsi", "sisf"))]


@pytest.mark.servers
async def test_the_board_s_own_program_does_the_same(avr: tuple[Path, Path], tmp_path: Path) -> None:
    """The AVR's machine code, run by simavr, its UART on the line: kill -9 at the edge, the board off and on."""
    simulate, firmware = avr
    adc = ",".join(map(str, ADC))
    state = tmp_path / "state"
    with mosquitto(tmp_path) as broker, cable(tmp_path) as line:
        edge_config = config(tmp_path, broker.url, line.near)
        async with peer(Peer("gw-slope"), broker.host, broker.port) as one:
            options = ("--adc", adc, "--ramp", "--eeprom", tmp_path / "eeprom")
            with running(simulate, firmware, line.far, *options) as board:
                agents = await kills(edge_config, state, one, line, 2)
                board.terminate()
                assert board.wait(60) == 0
            with running(simulate, firmware, line.far, *options):
                agents += await kills(edge_config, state, one, line, 1)
    check(one, agents, state)
