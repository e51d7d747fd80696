"""The demo's own figures: time to the console, the history and the first alert; memory of each process."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.running import running, wait_for


def run() -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), "--sample") as up:
        wait_for("the login page", lambda: up.answers("/login"), 60)
        yield _seconds("demo: console answers after", time.monotonic() - up.started, 20)
        ready = wait_for("ready", lambda: up.said_with("ready"), 300, every_s=0.5)
        began = next(record["at_s"] for record in up.said if "progress" in record)
        history_s = ready["at_s"] - began
        yield _seconds("demo: 30 days of history in after", history_s, 90)
        [(stored,)] = up.observations("SELECT count(*) FROM observation")
        yield {"name": "demo: history through MQTT", "value": round(stored / history_s), "unit": "values/s"}
        ready_at = time.monotonic()
        wait_for("an alert", lambda: up.registry("SELECT 1 FROM alert WHERE NOT historical LIMIT 1"), 300)
        yield _seconds("demo: first alert after ready", time.monotonic() - ready_at, 120)
        for name, process in sorted(up.children().items()):
            megabytes = process.memory_info().rss / 1e6
            yield {"name": f"memory: {name}", "value": round(megabytes, 1), "unit": "MB resident, everything installed"}


def _seconds(name: str, value: float, target: float) -> dict[str, Any]:
    return {"name": name, "value": round(value, 1), "unit": "s", "target": target, "met": value <= target}
