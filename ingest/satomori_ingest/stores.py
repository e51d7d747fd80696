"""What ingest writes to and looks up in, and the pipeline over it."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, select

from satomori_ingest.decoders import Decoders
from satomori_ingest.formats import make_decoders
from satomori_ingest.pipeline import Pipeline
from satomori_ingest.settings import IngestSettings
from satomori_store.databases import reading
from satomori_store.ledger import Ledger
from satomori_store.ledger_tables import stream_table
from satomori_store.opening import open_ledger, open_registry, open_store
from satomori_store.port import ObservationStore
from satomori_store.registry import load_lookup


@dataclass(frozen=True, slots=True)
class Stores:
    registry: Engine
    ledger: Ledger
    observations: ObservationStore


def open_stores(state: Path, config: Path | None) -> Stores:
    registry, ledger = open_registry(state, config), open_ledger(state, config)
    return Stores(registry, ledger, open_store(state, config, ledger))


def make_pipeline(settings: IngestSettings, stores: Stores) -> Pipeline:
    return Pipeline(
        stores.observations,
        stores.ledger,
        Decoders(make_decoders(settings)),
        load_lookup(stores.registry),
        lambda stream: owner_of_stream(stores.ledger, stream),
        future_max_s=settings.future_max_s,
    )


def owner_of_stream(ledger: Ledger, stream: str) -> str | None:
    query = select(stream_table.c.gateway).where(stream_table.c.stream == stream)
    with reading(ledger.engine) as connection:
        return connection.execute(query).scalar()
