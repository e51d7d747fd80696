"""What the routes and the console share: one of each for the whole process."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from satomori_analytics.playbook import Playbooks
from satomori_analytics.playbook_files import load_playbooks
from satomori_analytics.settings import load_analytics
from satomori_api.accounts import Accounts
from satomori_api.queries import Queries
from satomori_api.settings import ApiSettings
from satomori_store.ledger import Ledger
from satomori_store.port import ObservationStore


@dataclass(frozen=True, slots=True)
class ApiContext:
    """`state`: the folder of all state; `config`: the settings file, for mounts with a table of their own."""

    engine: Engine
    store: ObservationStore
    ledger: Ledger
    queries: Queries
    accounts: Accounts
    settings: ApiSettings
    state: Path
    config: Path | None
    more_stores: tuple[ObservationStore, ...] = ()

    def playbooks(self) -> Playbooks:
        """Read anew each time: they are asked for rarely, and an edited limit holds at once. Raise SettingsError."""
        return load_playbooks(load_analytics(self.config).playbooks_dir)

    def close(self) -> None:
        for store in (self.store, *self.more_stores):
            store.close()
        self.ledger.close()
        self.engine.dispose()
