"""The node as it runs: measure, stamp, keep, send. One loop, nothing in it waits."""

import gc
import json

from micropython_node import mqtt, senml, sensors
from micropython_node.buffer import FlashBuffer, MemoryBuffer
from micropython_node.clock import Monotonic, NetworkTime, SystemTime
from micropython_node.link import Link
from micropython_node.uplink import Uplink

KEEPALIVE_S = 30
IDLE_MS = 200
NO_TIME = "clock_unknown"
MEMORY_VALUES_MAX = 200
VALUE_MAX = 1e30  # more than any sensor says; keeps infinity and not-a-number out


class Node:
    def __init__(self, settings: dict) -> None:
        self._gateway = settings["gateway"]
        self._device = settings.get("device", self._gateway)
        self._interval_ms = settings["interval_ms"]
        self._metrics = [(m["metric"], m["unit"], sensors.make(settings, m)) for m in settings["metrics"]]
        kept = settings["buffer"]
        self._waiting_max = kept.get("waiting_max", 60)
        self._samples_per_write = min(kept.get("samples_per_write", 1), self._waiting_max)
        self._buffer = open_buffer(kept)
        self._monotonic = Monotonic()
        ntp = settings.get("ntp")
        self._time = NetworkTime(ntp["host"], ntp.get("port", 123)) if ntp else SystemTime()
        self._uplink = Uplink(self._buffer)
        broker = settings["broker"]
        greeting = self._greeting(broker)
        self._link = Link(broker["host"], broker.get("port", 1883), greeting, self._topic("ack"), KEEPALIVE_S)
        self._was_up = False
        self._waiting: list[tuple[int, list[float | None]]] = []  # samples that have no number yet
        self._dropped = 0  # values of samples that came before any time was known, and had no room
        self._due_ms = 0
        self._last_us = 0

    def run(self) -> None:
        """For ever. Raise OSError where the flash takes nothing more."""
        while True:
            now_ms = self._monotonic.ms()
            self._time.step(now_ms)
            self._measure(now_ms)
            self._keep(now_ms)
            self._talk(now_ms)
            self._link.wait(max(0, min(self._due_ms - now_ms, IDLE_MS)))

    # ------------------------------------------------------------------ measuring

    def _measure(self, now_ms: int) -> None:
        if now_ms < self._due_ms:
            return
        late_ms = now_ms - self._due_ms if self._due_ms else 0
        self._due_ms = now_ms + self._interval_ms - late_ms % self._interval_ms
        if len(self._waiting) >= self._waiting_max:
            _, values = self._waiting.pop(0)
            self._dropped += len([value for value in values if value is not None])
        self._waiting.append((now_ms, [plausible(sensor.read()) for _, _, sensor in self._metrics]))
        gc.collect()

    def _keep(self, now_ms: int) -> None:
        """Give the samples their time and their numbers: not before the time is known, and so many in one write."""
        if len(self._waiting) < self._samples_per_write:
            return
        offset_us = self._time.offset_us(now_ms)
        if offset_us is None:
            return
        if self._dropped:
            self._buffer.give_up(self._dropped, NO_TIME)
            self._dropped = 0
        records = []
        for at_ms, values in self._waiting:
            # A clock that is set back a little may not give one moment twice: it would be stored once.
            self._last_us = max(at_ms * 1000 + offset_us, self._last_us + 1)
            for (metric, unit, _), value in zip(self._metrics, values):  # noqa: B905 - MicroPython has no strict
                if value is not None:
                    records.append(senml.encode_record(self._device, metric, unit, self._last_us, value))
        self._waiting = []
        if records:
            self._buffer.keep(records)

    # ------------------------------------------------------------------ talking

    def _talk(self, now_ms: int) -> None:
        for topic, payload in self._link.step(now_ms):
            if topic == self._topic("ack"):
                self._uplink.take_ack(payload, now_ms)
        if self._link.came_up:
            self._link.publish(self._topic("status"), self._status(online=True), now_ms, retain=True)
            self._uplink.connected(now_ms)
        if self._link.is_up != self._was_up:
            self._was_up = self._link.is_up
            print("connected" if self._was_up else "broker is away: " + self._link.why)
        while self._link.has_room():
            said = self._uplink.next(now_ms)
            if said is None:
                return
            channel, payload = said
            self._link.publish(self._topic(channel), payload, now_ms)

    def _greeting(self, broker: dict) -> bytes:
        will = (self._topic("status"), self._status(online=False))
        login = (broker["user"], broker["password"]) if broker.get("user") else None
        return mqtt.connect("node-" + self._gateway, KEEPALIVE_S, will, login)

    def _status(self, online: bool) -> bytes:
        return senml.encode_status(self._gateway, online, self._buffer.kind)

    def _topic(self, channel: str) -> str:
        return senml.topic(self._gateway, channel)


def open_buffer(settings: dict) -> MemoryBuffer | FlashBuffer:
    """On flash where there is a path and it can be written, else in memory."""
    if settings.get("path"):
        try:
            return FlashBuffer(settings["path"], settings.get("values_max", 4000), settings.get("segment_values", 40))
        except OSError as error:
            print("the buffer is in memory only:", repr(error))
    return MemoryBuffer(min(settings.get("values_max", MEMORY_VALUES_MAX), MEMORY_VALUES_MAX))


def plausible(value: float | None) -> float | None:
    return float(value) if value is not None and -VALUE_MAX < value < VALUE_MAX else None


def load(path: str) -> dict:
    with open(path) as file:
        settings: dict = json.load(file)
        return settings
