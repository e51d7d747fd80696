"""The [[ingest.broker]] tables: third parties' brokers, and which formats come from each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from satomori_core.errors import SettingsError
from satomori_core.settings import Secret
from satomori_core.topics import is_name

ProtocolVersion = Literal["5", "3.1.1"]
# How the sessions with the main broker are called.
_OWN_SESSIONS = ("telemetry", "backlog", "command", "status")


@dataclass(frozen=True, slots=True)
class BrokerConnection:
    """A third party's broker. `carries`: the names of the mappings and formats that come from there.

    `client_id`: its own for each worker where it is left out. `worker`: only this one connects; without it each does,
    and where there is a `share` they share what comes.
    """

    name: str
    url: str
    carries: tuple[str, ...]
    username: str | None = None
    password: Secret | None = None
    ca_file: Path | None = None
    protocol: ProtocolVersion = "5"
    client_id: str | None = None
    qos: Literal[0, 1] = 1
    worker: str | None = None


def carried_elsewhere(connections: Sequence[BrokerConnection]) -> set[str]:
    """The names of what does not come by the main broker."""
    return {name for connection in connections for name in connection.carries}


def check_connections(
    connections: Sequence[BrokerConnection], formats: Sequence[str], share: str | None, where: str
) -> None:
    """`formats`: the names of those that there are. Raise SettingsError for what can't work."""
    names = [connection.name for connection in connections]
    for connection in connections:
        here = f"{where} broker {connection.name!r}"
        if not is_name(connection.name) or connection.name in _OWN_SESSIONS:
            raise SettingsError(f"{here}: name it by 1 to 64 of A-Z a-z 0-9 . _ -, and not {', '.join(_OWN_SESSIONS)}")
        if names.count(connection.name) > 1:
            raise SettingsError(f"{here} is there twice")
        if not connection.carries:
            raise SettingsError(f"{here}: carries nothing; name the mappings and formats that come from there")
        unknown = sorted(set(connection.carries) - set(formats))
        if unknown:
            raise SettingsError(f"{here}: carries {', '.join(unknown)}; there is: {', '.join(sorted(formats))}")
        if connection.client_id is not None and share is not None and connection.worker is None:
            raise SettingsError(f"{here}: workers can't have one client_id; name the worker that connects")
