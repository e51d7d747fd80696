"""The cases of tests/cases/ingest: settings as an installer writes them, messages, and what they say."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from satomori_core.clock import from_iso
from satomori_ingest.decoders import Decoder, Decoders, Value
from satomori_ingest.formats import make_decoders
from satomori_ingest.settings import load_ingest

CASES = Path(__file__).parents[1] / "cases" / "ingest"
RECEIVED_US = from_iso("2026-06-01T03:00:30Z")


@dataclass(frozen=True, slots=True)
class CaseMessage:
    """What a message is expected to say: values, faults as (reason, name), or the reason why nothing can be read."""

    case: str
    says: str
    topic: str
    payload: bytes
    gateway: str | None
    values: Sequence[Value]
    faults: Sequence[tuple[str, str]]
    rejected: str | None

    @property
    def id(self) -> str:
        return f"{self.case}: {self.says}"


def case_names() -> list[str]:
    return sorted(path.parent.name for path in CASES.glob("*/case.toml"))


def decoders_of(case: str) -> list[Decoder]:
    return make_decoders(load_ingest(CASES / case / "settings.toml"))


def find(decoders: Sequence[Decoder], topic: str) -> Decoder:
    return Decoders(decoders).find(topic)


def messages_of(case: str) -> list[CaseMessage]:
    document = tomllib.loads((CASES / case / "case.toml").read_text(encoding="utf-8"))
    return [
        CaseMessage(
            case,
            row["says"],
            row["topic"],
            row["text"].encode() if "text" in row else _payload(CASES / case / row["payload"]),
            row.get("gateway"),
            [(v["n"], _time(v["t"]), v["v"], v.get("u")) for v in row.get("values", [])],
            [(fault["reason"], fault["n"]) for fault in row.get("faults", [])],
            row.get("rejected"),
        )
        for row in document["message"]
    ]


def _time(text: str) -> int:
    return RECEIVED_US if text == "received" else from_iso(text)


def _payload(path: Path) -> bytes:
    return bytes.fromhex(path.read_text(encoding="ascii")) if path.suffix == ".hex" else path.read_bytes()
