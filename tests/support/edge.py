"""A running edge agent as a process, and what it talks to: Modbus slaves, and a peer that acknowledges as told."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiomqtt
import psutil
from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from satomori_core.clock import now_us
from satomori_core.ranges import numbers
from satomori_core.readings import Reading
from satomori_core.senml import Ack, Loss, decode, encode_ack
from satomori_sample.broker import end
from support.patience import PATIENCE_S
from support.ports import free_ports


class Agent:
    """`satomori edge` with what it logs; `under`: a program and its arguments that run it."""

    def __init__(self, config: Path, state: Path, python: str = sys.executable, under: Sequence[str] = ()) -> None:
        self.process = subprocess.Popen(
            [*under, python, "-m", "satomori_core", "edge", "--config", str(config), "--state", str(state)],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.logged: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.logged.append(json.loads(line))

    def events(self, event: str) -> list[dict[str, Any]]:
        return [record for record in self.logged if record["event"] == event]

    def rss_bytes(self) -> int:
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def cpu_s(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)


@contextmanager
def agent(config: Path, state: Path, python: str = sys.executable, under: Sequence[str] = ()) -> Iterator[Agent]:
    """Killed at the end of the block if it still runs. `under`: the command that starts it, if any."""
    one = Agent(config, state, python, under)
    try:
        yield one
    finally:
        one.end()


@dataclass
class Peer:
    """Stands where ingest does: remembers each number of each stream, and acknowledges what `decide` says.

    `decide(pack number, numbers) -> the numbers to acknowledge`.
    """

    gateway: str
    decide: Callable[[int, list[int]], list[int]] = lambda _, numbers: numbers
    readings: dict[tuple[str, int], Reading] = field(default_factory=dict)
    times: dict[tuple[str, int], float] = field(default_factory=dict)
    copies: Counter[tuple[str, int]] = field(default_factory=Counter)
    lanes: dict[tuple[str, int], str] = field(default_factory=dict)
    losses: list[tuple[str, Loss]] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    packs: list[tuple[str, int, bool]] = field(default_factory=list)  # (lane, bytes, again)
    pack_times: list[float] = field(default_factory=list)  # of each, in s
    questions: list[tuple[float, str]] = field(default_factory=list)  # (s, stream) whether anybody is there …
    answers: bool = True  # … are answered
    name: str = "peer"

    def values(self, device: str, metric: str) -> list[float]:
        return [r.value for _, r in sorted(self.readings.items()) if (r.device, r.metric) == (device, metric)]

    def missing(self) -> list[int]:
        """Numbers below the highest of the only stream that never came, neither as a reading nor as a loss."""
        came = {number for _, number in self.readings}
        came |= set(numbers((loss.first, loss.last) for _, loss in self.losses))
        return sorted(set(range(1, max(came, default=0) + 1)) - came)

    async def listen(self, host: str, port: int, ready: asyncio.Event) -> None:
        async with aiomqtt.Client(host, port, identifier=f"{self.name}-{self.gateway}", clean_session=False) as client:
            await client.subscribe(f"satomori/v1/{self.gateway}/+", qos=1)
            ready.set()
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                ack = self.take(message.topic.value.rpartition("/")[2], message.payload)
                if ack is not None:
                    await client.publish(
                        f"satomori/v1/{self.gateway}/ack", encode_ack(replace(ack, at_us=now_us())), qos=1
                    )

    def take(self, channel: str, payload: bytes) -> Ack | None:
        if channel == "status":
            self.statuses.append(json.loads(payload))
        if channel not in {"telemetry", "backlog"}:
            return None
        pack = decode(payload)
        assert pack.stream is not None
        if not pack.losses and not pack.seq:
            self.questions.append((time.monotonic(), pack.stream))
            return Ack(pack.stream) if self.answers else None
        self.packs.append((channel, len(payload), pack.again))
        self.pack_times.append(time.monotonic())
        if pack.losses:
            self.losses += [(pack.stream, loss) for loss in pack.losses]
            return Ack(pack.stream, [(loss.first, loss.last) for loss in pack.losses])
        seqs = list(numbers(pack.seq))
        for seq, reading in zip(seqs, pack.readings, strict=True):
            key = pack.stream, seq
            assert self.readings.setdefault(key, reading) == reading
            self.copies[key] += 1
            self.lanes.setdefault(key, channel)
            self.times.setdefault(key, time.time())
        ended = self.decide(len(self.packs), seqs)
        return Ack(pack.stream, [(seq, seq) for seq in ended]) if ended else None


@asynccontextmanager
async def peer(one: Peer, host: str, port: int) -> AsyncIterator[Peer]:
    """Listening for the length of the block."""
    ready = asyncio.Event()
    task = asyncio.create_task(one.listen(host, port, ready))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await ready.wait()
        yield one
    finally:
        await end([task])
        if not task.cancelled() and not isinstance(task.exception(), aiomqtt.MqttError):  # its broker may have gone
            task.result()


@asynccontextmanager
async def slaves(
    where: Path | int, registers: dict[int, list[int]], dead: Sequence[int] = (), unreached: Sequence[int] = ()
) -> AsyncIterator[list[bytes]]:
    """Slaves of pymodbus by unit, holding registers from 0 on, at a serial port or a TCP port.

    `dead` ones never answer; of `unreached` ones a gateway says that it hears nothing from them. Yields the requests,
    each beginning with its unit.
    """
    requests: list[bytes] = []
    header = 6 if isinstance(where, int) else 0  # Modbus TCP: transaction, protocol, length come before the unit

    def trace(sending: bool, packet: bytes) -> bytes:
        if not sending:
            requests.append(packet[header:])
            return packet
        return b"" if packet[header] in dead else packet

    def answer(sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        if sending and pdu.dev_id in unreached:
            return ExceptionResponse(
                pdu.function_code, ExcCodes.GATEWAY_NO_RESPONSE, device_id=pdu.dev_id, transaction=pdu.transaction_id
            )
        return pdu

    devices = [
        SimDevice(unit, [SimData(0, values=list(values), datatype=DataType.REGISTERS)])
        for unit, values in {**dict.fromkeys([*dead, *unreached], [0] * 100), **registers}.items()
    ]
    server: ModbusTcpServer | ModbusSerialServer
    if isinstance(where, int):
        server = ModbusTcpServer(devices, address=("127.0.0.1", where), trace_packet=trace, trace_pdu=answer)
    else:
        server = ModbusSerialServer(devices, port=str(where), trace_packet=trace, trace_pdu=answer)
    await server.serve_forever(background=True)
    try:
        yield requests
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


async def until(what: str, look: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Returns as soon as `look` is true."""
    deadline = time.monotonic() + timeout_s
    while not look():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        await asyncio.sleep(0.02)


def nowhere() -> int:
    """A port that nothing listens on."""
    return free_ports(1)[0]
