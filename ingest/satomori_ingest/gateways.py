"""Which gateways are there and what may be operated there: status messages and signs of life, into the registry."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, update

from satomori_core.errors import RejectedError
from satomori_core.logs import get_logger
from satomori_core.topics import parse_topic
from satomori_ingest.protocol import Message
from satomori_store.commanding import ACTUATORS_MAX, Allowed, parse_allowed
from satomori_store.commands import write_actuators
from satomori_store.models import Gateway
from satomori_store.registry import transaction

# A sign of life alone is written this often; going on or off line at once.
SEEN_EVERY_US = 15_000_000
GATEWAYS_MAX = 100_000

log = get_logger("ingest")


@dataclass(slots=True)
class _Sight:
    online: bool | None = None
    seen_us: int = 0
    written_online: bool | None = None
    written_us: int = 0
    actuators: tuple[Allowed, ...] | None = None
    written_actuators: tuple[Allowed, ...] | None = None
    said: bool = False  # a status came that is not written yet


class Gateways:
    """Used from one thread; `write` is the only one that touches the registry."""

    def __init__(self) -> None:
        self._sights: dict[str, _Sight] = {}

    def see(self, gateway: str, at_us: int) -> None:
        """It sent something."""
        sight = self._of(gateway)
        sight.seen_us = max(sight.seen_us, at_us)

    def take_status(self, message: Message) -> None:
        """`{"online": true, "actuators": [], …}`. Raise RejectedError for anything else.

        A last will and what the broker had kept are no signs of life. An actuator that can't be understood is left out.
        """
        gateway = parse_topic(message.topic).gateway
        if not message.payload:
            return  # a retained message is deleted by an empty one
        try:
            document = json.loads(message.payload)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict) or not isinstance(document.get("online"), bool):
            raise RejectedError("status", 'a status is {"online": true or false}')
        self.tell(gateway, online=document["online"], seen_us=0 if message.retained else message.received_at_us)
        sight = self._of(gateway)
        sight.said = True
        if isinstance(document.get("actuators"), list):
            sight.actuators = _actuators(gateway, document["actuators"])

    def tell(self, gateway: str, *, online: bool, seen_us: int) -> None:
        """It, or who watches over it, said so. Only to be on line is a sign of life."""
        sight = self._of(gateway)
        sight.online = online
        if online:
            sight.seen_us = max(sight.seen_us, seen_us)

    def _of(self, gateway: str) -> _Sight:
        sight = self._sights.get(gateway)
        if sight is None:
            if len(self._sights) >= GATEWAYS_MAX:
                self._sights.clear()
            sight = self._sights[gateway] = _Sight()
        return sight

    def write(self, registry: Engine) -> int:
        """Bring the registry up to date in one short transaction; how many gateways changed."""
        due = [
            (gateway, sight)
            for gateway, sight in self._sights.items()
            if sight.said or sight.online != sight.written_online or sight.seen_us - sight.written_us >= SEEN_EVERY_US
        ]
        if not due:
            return 0
        with transaction(registry) as session:
            for gateway, sight in due:
                values: dict[str, object] = {}
                if sight.online is not None:
                    values["online"] = sight.online
                if sight.seen_us:
                    values["seen_us"] = sight.seen_us
                session.execute(update(Gateway).where(Gateway.id == gateway).values(**values))
                said = sight.actuators
                if said is not None and said != sight.written_actuators and write_actuators(session, gateway, said):
                    sight.written_actuators = said
        for _, sight in due:
            sight.written_online, sight.written_us, sight.said = sight.online, sight.seen_us, False
        return len(due)


def _actuators(gateway: str, documents: Sequence[object]) -> tuple[Allowed, ...]:
    """By name: a later one of the same name takes the earlier one's place."""
    found: dict[str, Allowed] = {}
    for document in documents[:ACTUATORS_MAX]:
        try:
            allowed = parse_allowed(document)
        except RejectedError as error:
            log.warning("actuator not understood", gateway=gateway, reason=str(error))
        else:
            found[allowed.name] = allowed
    return tuple(found.values())
