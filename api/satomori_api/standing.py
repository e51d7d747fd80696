"""How assets stand: what maintenance wrote, or, before it has, the worst that is open. Pure.

A status older than 15 minutes is UNKNOWN, whatever it says; maintenance writes each one anew every 5 minutes.
"""

from collections.abc import Iterable, Mapping

from satomori_api.rows import in_language
from satomori_api.views import Counts, Standing
from satomori_core.clock import MINUTE_US
from satomori_core.vocabulary import Level
from satomori_store import models
from satomori_store.access import Viewer
from satomori_store.port import AssetStatus

STALE_AFTER_US = 15 * MINUTE_US


def standing_of(
    status: AssetStatus | None, worst: models.Finding | None, newest_us: int | None, viewer: Viewer, now_us: int
) -> Standing:
    """`worst`: its worst open finding; `newest_us`: its newest observation; both only used without a status."""
    if status is not None:
        if now_us - status.at_us > STALE_AFTER_US:
            reason = in_language(viewer, "判定が届いていません", "no recent assessment")
            return Standing(Level.UNKNOWN, reason, status.at_us)
        return Standing(Level(status.level), status.reason, status.since_us)
    if worst is not None:
        return Standing(Level(worst.level), in_language(viewer, worst.text_ja, worst.text_en), worst.since_us)
    if newest_us is None:
        return Standing(Level.UNKNOWN, in_language(viewer, "データがありません", "no data yet"), None)
    if now_us - newest_us > STALE_AFTER_US:
        return Standing(Level.UNKNOWN, in_language(viewer, "最近のデータがありません", "no recent data"), newest_us)
    return Standing(Level.GOOD, in_language(viewer, "異常は見つかっていません", "nothing found"), None)


def worst_by_asset(findings: Iterable[models.Finding]) -> Mapping[str, models.Finding]:
    """Asset id → its worst finding; of equals the oldest."""
    worst: dict[str, models.Finding] = {}
    for finding in findings:
        held = worst.get(finding.asset_id)
        if held is None or (finding.level, -finding.since_us) > (held.level, -held.since_us):
            worst[finding.asset_id] = finding
    return worst


def counts_of(levels: Iterable[Level]) -> Counts:
    counts = [0, 0, 0, 0, 0]
    for level in levels:
        counts[level] += 1
    return (counts[0], counts[1], counts[2], counts[3], counts[4])


def worst_of(levels: Iterable[Level]) -> Level:
    """UNKNOWN for none."""
    return max(levels, default=Level.UNKNOWN)
