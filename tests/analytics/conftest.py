"""A region on a real SQLite store, empty but for a gateway."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.analytics_region import Region, open_region


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    opened = open_region(tmp_path / "state")
    yield opened
    opened.close()
