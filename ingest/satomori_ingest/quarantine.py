"""What was set aside, once more: through the same pipeline, when the registry knows the device now."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from satomori_core.clock import now_us
from satomori_ingest.draft import Draft, decode_value
from satomori_ingest.pipeline import Pipeline
from satomori_ingest.protocol import Message
from satomori_store.ledger import Ledger, QuarantineEntry

ENTRIES_PER_BATCH = 1000


@dataclass(slots=True)
class ReplayReport:
    """`waiting`: still refused, by the reason of now."""

    replayed: int = 0
    values: int = 0
    waiting: dict[str, int] = field(default_factory=dict)


def replay(pipeline: Pipeline, ledger: Ledger, entries: Sequence[QuarantineEntry]) -> ReplayReport:
    """Store what can be accepted now, with its numbers, then mark it; what is still refused stays as it is.

    A stop in between leaves stored records unmarked; replaying those again writes the same points again.
    """
    report = ReplayReport()
    for start in range(0, len(entries), ENTRIES_PER_BATCH):
        _replay_part(pipeline, ledger, entries[start : start + ENTRIES_PER_BATCH], report)
    return report


def _replay_part(pipeline: Pipeline, ledger: Ledger, entries: Sequence[QuarantineEntry], report: ReplayReport) -> None:
    draft = Draft(now_us(), replaying=True)
    done: list[int] = []
    for entry in entries:
        before, refused = len(draft.rows), len(draft.quarantine)
        numbered = None if entry.row.seq is None else (entry.row.stream, entry.row.seq)
        value = decode_value(entry.row.payload) if entry.row.device else None
        if value is None:
            pipeline.add(draft, _to_message(entry), numbered)
        else:
            pipeline.add_value(draft, _to_message(entry), entry.row.gateway, value, numbered)
        pipeline.judge(draft)
        if len(draft.rows) > before or len(draft.quarantine) == refused:
            done.append(entry.id)
            continue
        reason = draft.quarantine[refused].reason
        report.waiting[reason] = report.waiting.get(reason, 0) + 1
        del draft.quarantine[refused:]
    if done:
        pipeline.write(draft)
        report.values += len(draft.rows)
        report.replayed += ledger.mark_replayed(done, now_us())


def _to_message(entry: QuarantineEntry) -> Message:
    row = entry.row
    return Message(
        topic=row.topic,
        payload=row.payload,
        packet_id=None,
        retained=False,
        duplicate=False,
        size=len(row.payload),
        epoch=0,
        received_at_us=row.received_at_us,
    )
