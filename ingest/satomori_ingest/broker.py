"""The embedded broker: rumqttd, in this process, on two ports (MQTT 3.1.1 and 5) that share all topics.

What was seen of rumqttd 0.20 (PyPI iotcore 0.4), and how the rest of the system lives with it:
- It forgets everything at a restart: retained messages, sessions, what was in flight. Edges keep what is not
  acknowledged and publish their status again on each connection.
- At most 100 messages wait for a subscriber's PUBACK, whatever the client's receive maximum says; a PUBACK out of order
  ends the connection. Each lane therefore has a connection of its own.
- A session is kept for a client only if it never began clean; what is sent again after a reconnection does not carry
  the duplicate flag and has new packet ids.
- QoS 0 messages arrive at a QoS 1 subscriber with QoS 1.
- Each filter that anybody subscribes to has a log in memory of up to SEGMENTS x SEGMENT_BYTES, read or not. A
  subscriber that falls further behind misses the oldest, silently: the edge sends them again.
- A larger payload than PAYLOAD_BYTES_MAX ends the publisher's connection without a reason.
- A PUBLISH with a message expiry interval ends the connection of every MQTT 3.1.1 subscriber that it is meant for.
- It knows no users: it listens on this machine only, unless told otherwise.
"""

import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import NoReturn

from satomori_core.broker import BrokerSettings
from satomori_core.errors import SettingsError
from satomori_core.logs import get_logger

PAYLOAD_BYTES_MAX = 2_097_152
CONNECTIONS_MAX = 10_000
SEGMENT_BYTES = 4_194_304
SEGMENTS = 8
CONNECT_TIMEOUT_MS = 10_000
_LOCAL = ("127.0.0.1", "localhost", "::1")

log = get_logger("broker")


def rumqttd_config(host: str, port: int, mqtt5_port: int) -> str:
    """The broker's own settings file. Each listener has its own table, since a port speaks one version."""
    listeners = "".join(
        f"""
[{version}.{version}]
name = "{version}"
listen = "{host}:{number}"
next_connection_delay_ms = 0
[{version}.{version}.connections]
connection_timeout_ms = {CONNECT_TIMEOUT_MS}
max_payload_size = {PAYLOAD_BYTES_MAX}
max_inflight_count = 100
dynamic_filters = true
"""
        for version, number in (("v4", port), ("v5", mqtt5_port))
    )
    return f"""id = 0
[router]
id = 0
max_connections = {CONNECTIONS_MAX}
max_outgoing_packet_count = 200
max_segment_size = {SEGMENT_BYTES}
max_segment_count = {SEGMENTS}
{listeners}"""


def check_ports(settings: BrokerSettings) -> None:
    """Raise SettingsError for a port that can't be had, naming its setting."""
    if settings.port == settings.mqtt5_port:
        raise SettingsError(f"[broker] port and mqtt5_port are both {settings.port}; each needs a port of its own")
    for key in ("port", "mqtt5_port"):
        number = getattr(settings, key)
        if not 0 < number < 65_536:
            raise SettingsError(f"[broker] {key} = {number} is no port; take 1 to 65535")
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, number))
            except OSError as error:
                raise SettingsError(
                    f"[broker] {key} = {number}: {settings.host}:{number} can't be listened on ({error.strerror}); "
                    "stop what uses it or set another port"
                ) from None


def serve(settings: BrokerSettings, state: Path) -> NoReturn:
    """Run the broker until SIGTERM or SIGINT. `up` has it end when it ends itself."""
    check_ports(settings)
    if settings.url is not None:
        log.warning("the embedded broker runs although [broker] url names another one", url=settings.url)
    if settings.host not in _LOCAL:
        log.warning(
            "whoever reaches this port may publish: the embedded broker knows no users. "
            "On a network that is not yours alone take Mosquitto and set [broker] url",
            host=settings.host,
        )
    from iotcore import IotCoreBroker  # noqa: PLC0415 - a large library, and tests ask only for the ports

    # rumqttd says a line for each packet, all as errors.
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    config = state / "rumqttd.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(rumqttd_config(settings.host, settings.port, settings.mqtt5_port), encoding="utf-8")
    native = IotCoreBroker(config_path=str(config))
    # It has no way to be stopped and would keep the signals from us, so it runs beside.
    thread = threading.Thread(target=native.run_forever, name="rumqttd", daemon=True)
    thread.start()
    log.info("broker listens", host=settings.host, port=settings.port, mqtt5_port=settings.mqtt5_port)
    thread.join()
    raise RuntimeError("rumqttd ended by itself")


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """It keeps nothing, so there is nothing to put away."""
    log.info("broker stops", signal=signal.Signals(number).name)
    sys.stdout.flush()
    os._exit(0)
