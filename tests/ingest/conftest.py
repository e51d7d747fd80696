"""A state folder with a small registry, and a pipeline on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from satomori_ingest.settings import IngestSettings
from satomori_ingest.stores import make_pipeline, open_stores
from support.ingesting import Ingest, write_registry


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    stores = open_stores(tmp_path, None)
    write_registry(stores, tmp_path)
    yield Ingest(tmp_path, stores, make_pipeline(IngestSettings(), stores))
    stores.observations.close()
    stores.registry.dispose()
