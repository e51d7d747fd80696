"""What the simulator must remember over a restart: stream ids, what is acknowledged, when live data began.

One small JSON file, replaced in one step. The ids are random, so that two folders of one seed never share numbers.
"""

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from satomori_sample.wire import Span, merged

FILE = "history.json"


class State:
    def __init__(self, folder: Path) -> None:
        """Raise click.UsageError where the file is damaged."""
        self._path = folder / FILE
        self._kept: dict[str, Any] = {"id": uuid.uuid4().hex[:12], "streams": {}, "acked": {}, "done": False}
        if self._path.exists():
            try:
                self._kept = {**self._kept, **json.loads(self._path.read_text(encoding="utf-8"))}
            except (ValueError, TypeError):
                raise click.UsageError(f"{self._path} is damaged; delete {folder} to begin anew") from None

    @property
    def id(self) -> str:
        return str(self._kept["id"])

    @property
    def is_history_done(self) -> bool:
        return bool(self._kept["done"])

    def begin_history(self, end_s: float) -> float:
        """When history ends: as given the first time, as kept ever after."""
        if "end_s" not in self._kept:
            self._kept["end_s"] = end_s
            self._write()
        return float(self._kept["end_s"])

    def end_history(self) -> None:
        self._kept["done"] = True
        self._write()

    def begin_live(self, now_s: float) -> float:
        """When the live script began."""
        if "live_began_s" not in self._kept:
            self._kept["live_began_s"] = now_s
            self._write()
        return float(self._kept["live_began_s"])

    def stream_of(self, gateway: str) -> str:
        streams: dict[str, str] = self._kept["streams"]
        if gateway not in streams:
            streams[gateway] = f"history-{uuid.uuid4().hex[:16]}"
            self._write()
        return streams[gateway]

    def acked_of(self, gateway: str) -> list[Span]:
        return merged((int(a), int(b)) for a, b in self._kept["acked"].get(gateway, []))

    def save_acked(self, acked: Mapping[str, Sequence[Span]]) -> None:
        self._kept["acked"] = dict(acked)
        self._write()

    def _write(self) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(self._kept, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
