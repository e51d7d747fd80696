"""Told earthquakes and storms on their way into the registry: by MQTT, the API, the console or the command line.

What they say is judged by analytics, which orders the assets; maintenance tells people; both find them here.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal, get_args

from sqlalchemy.orm import Session

from satomori_core.errors import ConflictError, NotFoundError, RejectedError
from satomori_core.topics import is_name
from satomori_store.models import AuditEntry, FirstLook, HazardEvent

EVENT_BYTES_MAX = 64 * 1024
Result = Literal["fine", "needs_work"]
RESULTS: tuple[Result, ...] = get_args(Result)


def decode_event(payload: bytes) -> dict[str, Any]:
    """A message's JSON. Raise RejectedError where it is none, or has no `id` by which it is told from others."""
    if len(payload) > EVENT_BYTES_MAX:
        raise RejectedError("event", f"{len(payload)} bytes; at most {EVENT_BYTES_MAX} are read")
    try:
        told = json.loads(payload)
    except ValueError as error:
        raise RejectedError("event", f"not JSON: {error}") from None
    if not isinstance(told, dict) or not isinstance(told.get("id"), str) or not is_name(told["id"]):
        raise RejectedError("event", "an object with an `id` of 1 to 64 letters, digits, . _ - is expected")
    return told


def record_event(session: Session, told: Mapping[str, Any], by: str, at_us: int) -> bool:
    """Write it down for analytics to order. Told again with the same words it changes nothing: then False.

    Raise RejectedError where the id was taken by other words: a later report of the same event needs an id of its own.
    """
    found = session.get(HazardEvent, told["id"])
    if found is not None:
        if found.told != dict(told):
            raise RejectedError("event", f"id {told['id']!r} was told before with other words: give it another id")
        return False
    session.add(
        HazardEvent(id=told["id"], told=dict(told), told_by=by, told_us=at_us, state="waiting", said_ja="", said_en="")
    )
    session.add(AuditEntry(at_us=at_us, user_id=by, action="event.tell", subject=f"event/{told['id']}", detail={}))
    session.flush()
    return True


def settle(look: FirstLook) -> None:
    """From here on it is told how the asset's place changes."""
    look.rank_before, look.changed_us = look.rank, None
    look.reasons_before_ja, look.reasons_before_en = list(look.reasons_ja), list(look.reasons_en)


def check_off(
    session: Session, event_id: str, asset_id: str, by: str, *, result: Result | None, note: str | None, at_us: int
) -> FirstLook:
    """Somebody has been there; `result` None takes it back. Raise NotFoundError; ConflictError for who comes second."""
    look = session.get(FirstLook, (event_id, asset_id))
    if look is None:
        raise NotFoundError(f"event {event_id!r} has no asset {asset_id!r} in its order")
    if result is not None and look.result is not None:
        raise ConflictError(f"{look.looked_by} has looked at it already: {look.result}")
    look.result, look.note = result, note if result else None
    look.looked_by, look.looked_us = (by, at_us) if result else (None, None)
    if result is not None:
        settle(look)
    detail = {"asset": asset_id, "result": result, "note": note}
    session.add(AuditEntry(at_us=at_us, user_id=by, action="event.look", subject=f"event/{event_id}", detail=detail))
    session.flush()
    return look
