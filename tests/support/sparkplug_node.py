"""A Sparkplug edge node that we did not write, as a process: pysparkplug's client and encoder.

    python -m support.sparkplug_node PORT VALUES EVERY_S

It is born and says numbers of its device one by one, by their alias alone: -1, -2 …, each of a millisecond of its own.
It comes to life anew where it is asked to, says VALUES more, and `said <how many>` on stdout; then it stays.
"""

import sys
import threading
import time
import warnings

# pysparkplug uses the older of paho's two ways to call back.
warnings.filterwarnings("ignore", category=DeprecationWarning)

import paho.mqtt.client  # noqa: E402 - after the filter
import pysparkplug as spb  # noqa: E402
from pysparkplug._payload import Payload  # noqa: E402

# Of paho 1, where it did nothing any more; gone from paho 2.
setattr(paho.mqtt.client.Client, "message_retry_set", lambda _self, retry: retry)  # noqa: B010 - unknown to the types

GROUP, NODE, DEVICE = "farm", "node-1", "tank"
ALIAS = 17


class Node:
    def __init__(self, start_ms: int) -> None:
        self._client = spb.Client(client_id="sparkplug-node")
        self._lock = threading.Lock()
        self._seq = 0
        self._bd_seq = 3
        self._start_ms = start_ms
        self._born = threading.Event()
        self.asked = threading.Event()

    def connect(self, port: int) -> None:
        will = spb.NDeath(timestamp=self._start_ms, bd_seq_metric=self._bd_seq_metric())
        self._client.set_will(self._message(spb.MessageType.NDEATH, will))
        command = spb.Topic(message_type=spb.MessageType.NCMD, group_id=GROUP, edge_node_id=NODE)
        self._client.subscribe(command, spb.QoS.AT_LEAST_ONCE, self._obey)
        self._client.connect("127.0.0.1", port=port, blocking=False, callback=lambda _: self.be_born())
        assert self._born.wait(60)

    def be_born(self) -> None:
        with self._lock:
            self._seq = 0
            node = spb.NBirth(self._now_ms(), self._next(), (self._bd_seq_metric(),))
            self._publish(spb.MessageType.NBIRTH, node)
            level = spb.Metric(self._start_ms, "Tank/Level", spb.DataType.INT16, value=-1, alias=ALIAS)
            name = spb.Metric(self._start_ms, "Tank/Name", spb.DataType.STRING, value="北の池", alias=ALIAS + 1)
            self._publish(spb.MessageType.DBIRTH, spb.DBirth(self._now_ms(), self._next(), (level, name)))
        self._born.set()

    def say(self, number: int) -> None:
        with self._lock:
            at_ms = self._start_ms + number
            level = spb.Metric(at_ms, None, spb.DataType.INT16, value=-number, alias=ALIAS)
            self._publish(spb.MessageType.DDATA, spb.DData(at_ms, self._next(), (level,)))

    def _obey(self, _client: object, message: spb.Message) -> None:
        for metric in getattr(message.payload, "metrics", ()):
            if metric.name == "Node Control/Rebirth" and metric.value is True:
                self.be_born()
                self.asked.set()

    def _publish(self, kind: spb.MessageType, payload: Payload) -> None:
        self._client.publish(self._message(kind, payload), include_dtypes=False)

    def _message(self, kind: spb.MessageType, payload: Payload) -> spb.Message:
        device = DEVICE if kind.value.startswith("D") else None
        topic = spb.Topic(message_type=kind, group_id=GROUP, edge_node_id=NODE, device_id=device)
        return spb.Message(topic=topic, payload=payload, qos=spb.QoS.AT_MOST_ONCE, retain=False)

    def _bd_seq_metric(self) -> spb.Metric:
        return spb.Metric(self._start_ms, "bdSeq", spb.DataType.INT64, value=self._bd_seq)

    def _next(self) -> int:
        seq, self._seq = self._seq, (self._seq + 1) % 256
        return seq

    def _now_ms(self) -> int:
        return time.time_ns() // 1_000_000


def main(port: int, values: int, every_s: float) -> None:
    node = Node(time.time_ns() // 1_000_000 - 600_000)
    node.connect(port)
    number = after = 0
    while after < values:
        after += node.asked.is_set()
        number += 1
        node.say(number)
        time.sleep(every_s)
    print(f"said {number}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
