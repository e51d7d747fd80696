"""MQTT topics `satomori/v1/<gateway>/<channel>`, and which names may stand in them."""

import re
from dataclasses import dataclass
from functools import lru_cache

from satomori_core.errors import RejectedError

ROOT = "satomori/v1"
STORED = "satomori-internal/v1/stored"
EVENT = "satomori-internal/v1/event"  # an earthquake or a storm is told: `satomori_store.events`
CHANNELS = ("telemetry", "backlog", "status", "ack", "command", "reply")
UPWARD = ("telemetry", "backlog", "status", "reply")

NAMES_REMEMBERED = 4096  # the same few come again with every message
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@lru_cache(NAMES_REMEMBERED)
def is_name(text: str) -> bool:
    """Whether `text` may name a gateway, device, metric, asset …: 1–64 of A–Z a–z 0–9 . _ - ."""
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Topic:
    gateway: str
    channel: str

    def encode(self) -> str:
        return f"{ROOT}/{self.gateway}/{self.channel}"


@lru_cache(NAMES_REMEMBERED)
def parse_topic(text: str) -> Topic:
    """Raise RejectedError for a topic that is not one of ours."""
    head, _, channel = text.rpartition("/")
    root, _, gateway = head.rpartition("/")
    if root != ROOT or channel not in CHANNELS or not is_name(gateway):
        raise RejectedError("topic", f"topic {text!r} is not {ROOT}/<gateway>/<channel>")
    return Topic(gateway, channel)


def subscription(channel: str, share: str | None = None) -> str:
    """The filter for one channel of all gateways, shared between workers where `share` names a group."""
    pattern = f"{ROOT}/+/{channel}"
    return f"$share/{share}/{pattern}" if share else pattern
