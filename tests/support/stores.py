"""A store under test, and the datastreams 1 to 100 that its tests speak of."""

from dataclasses import dataclass
from pathlib import Path

from satomori_store.ledger import Ledger
from satomori_store.lines import Identity
from satomori_store.opening import open_ledger, open_registry, open_store
from satomori_store.port import ObservationStore
from satomori_store.registry import registry_version
from support.influx import Influx

IDENTITIES = {
    number: Identity("water_level" if number % 2 else "soil_moisture", f"asset-{number}", f"device-{number}")
    for number in range(1, 101)
}


@dataclass(slots=True)
class StoreUnderTest:
    store: ObservationStore
    ledger: Ledger
    influx: Influx | None = None


def open_all(state: str) -> None:
    """What every part does at its start; here to be run in several processes."""
    folder = Path(state)
    registry_version(open_registry(folder, None))
    open_ledger(folder, None).last_change_id()
    open_store(folder, None).latest([1])
