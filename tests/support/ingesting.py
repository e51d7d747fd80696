"""A small registry, and everything that ingest needs to run on it, in a folder of the test's own."""

from dataclasses import dataclass
from pathlib import Path

from satomori_core.clock import now_us
from satomori_core.readings import Reading
from satomori_core.senml import Pack, encode
from satomori_ingest.pipeline import Pipeline
from satomori_ingest.protocol import Message
from satomori_ingest.settings import IngestSettings
from satomori_ingest.stores import Stores, make_pipeline
from satomori_store.registry import import_registry
from support.small_registry import TOWN, asset, datastream, device, gateway

METRICS = {"air_temperature": "suspect_low = -20\nsuspect_high = 45", "water_level": 'source_unit = "cm"'}


def registry_text(extra: str = "") -> str:
    """Two gateways with a device each, and a datastream of each of METRICS."""
    rows = [TOWN, asset(), gateway("gw-1"), gateway("gw-2"), device("dev-1", "gw-1"), device("dev-2", "gw-2")]
    rows += [datastream(of, metric, more=more) for of in ("dev-1", "dev-2") for metric, more in METRICS.items()]
    return "".join(rows) + extra


@dataclass
class Ingest:
    """A state folder with its registry, and a pipeline on it."""

    state: Path
    stores: Stores
    pipeline: Pipeline

    def take(self, *messages: Message) -> tuple[dict[str, tuple[list[tuple[int, int]], list[tuple[int, int]]]], int]:
        """Draft and write; acknowledgements by stream as (stored, set aside), and how many rows."""
        draft = self.pipeline.draft(messages, now_us(), 10_000)
        self.pipeline.write(draft)
        return {a.stream: (list(a.stored), list(a.set_aside)) for _, a in draft.acks()}, len(draft.rows)

    def reasons(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for row in self.stores.ledger.quarantine_summary():
            counts[row.reason] = counts.get(row.reason, 0) + row.count
        return counts

    def values(self, device: str = "dev-1", metric: str = "air_temperature") -> list[tuple[int, float, int]]:
        """(observed_at_us, value, quality) of one datastream, in order of time."""
        lookup = self.pipeline._plans.lookup
        gateway = {"dev-1": "gw-1", "dev-2": "gw-2"}[device]
        number = lookup.route(gateway, device, metric, now_us()).datastream_id
        columns = self.stores.observations.read([number], 0, 2**60)
        return [
            (int(t), float(v), int(q))
            for t, v, q in zip(columns.observed_at_us, columns.value, columns.quality, strict=True)
        ]

    def reload(self, extra: str) -> None:
        write_registry(self.stores, self.state, extra)
        self.pipeline = make_pipeline(IngestSettings(), self.stores)


def write_registry(stores: Stores, state: Path, extra: str = "", text: str | None = None) -> None:
    path = state / "region.toml"
    path.write_text(text or registry_text(extra), encoding="utf-8")
    assert not import_registry(stores.registry, path).errors


def message(payload: bytes, topic: str = "satomori/v1/gw-1/telemetry", *, size: int | None = None) -> Message:
    return Message(topic, payload, 1, False, False, len(payload) if size is None else size, 1, now_us())


def pack(
    count: int, first: int | None = 1, *, device: str = "dev-1", stream: str = "s1", at_us: int | None = None
) -> bytes:
    """`count` air temperatures a second apart, numbered from `first` on."""
    start = at_us if at_us is not None else now_us() - 3600 * 1_000_000
    readings = [Reading(device, "air_temperature", start + i * 1_000_000, 20.0, "Cel") for i in range(count)]
    if first is None:
        return encode(Pack(readings))
    return encode(Pack(readings, stream, [(first, first + count - 1)]))
