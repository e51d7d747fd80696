"""Commands to a gateway and its replies, as they go over MQTT. Standard library only.

Down, on `…/command`, never retained: `{"id", "issued_at", "expires_at", "action", "args"}`, times in s since 1970.
Up, on `…/reply`: `{"id", "at", "outcome", …}`. A command is sent again with the same id until its reply is there, and a
gateway that knows the id says again what became of it: so a lost reply is told from a lost command, and nothing is
done twice.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeGuard, TypeVar

from satomori_core.errors import RejectedError
from satomori_core.senml import parse_json
from satomori_core.topics import is_name

COMMAND_BYTES_MAX = 4096
REASON_LETTERS_MAX = 200

W = TypeVar("W", bound=StrEnum)


class Action(StrEnum):
    """`set`: args actuator, value, and run_s where it ends by itself. `stop`: args actuator; to its fail-safe position.

    `interval`: args device, interval_s; how often that device is sampled, until the next start of the edge.
    """

    SET = "set"
    STOP = "stop"
    INTERVAL = "interval"


class Outcome(StrEnum):
    """What became of a command at the gateway.

    done: carried out, `read_back` is what the device says now. refused: the edge's own settings or its clock forbid it.
    expired: it came too late. failed: the device did not answer, or reads back another value.
    """

    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Command:
    id: str
    issued_at_us: int
    expires_at_us: int
    action: Action
    args: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """`repeated`: the gateway had this id already and did nothing now; the rest says what became of it then.

    `until_us`: when a timed run ends by itself. `ended_us`, `ended_why`: when and why it did (`run_time`, `link_lost`,
    `stopped`, `replaced`, `restart`); a second reply brings them.
    """

    id: str
    at_us: int
    outcome: Outcome
    reason: str = ""
    read_back: float | None = None
    until_us: int | None = None
    ended_us: int | None = None
    ended_why: str = ""
    repeated: bool = False


def encode_command(command: Command) -> bytes:
    return _text(
        {
            "id": command.id,
            "issued_at": command.issued_at_us / 1e6,
            "expires_at": command.expires_at_us / 1e6,
            "action": command.action.value,
            "args": dict(command.args),
        }
    )


def decode_command(payload: bytes) -> Command:
    """Raise RejectedError for what is not a command; whether it may be carried out is not looked at."""
    document = _document(payload)
    args = document.get("args", {})
    if not isinstance(args, dict) or not all(_is_argument(value) for value in args.values()):
        raise RejectedError("not_command", "args is an object of texts and finite numbers")
    return Command(
        _id(document),
        _time(document, "issued_at"),
        _time(document, "expires_at"),
        _word(Action, document, "action"),
        args,
    )


def encode_reply(reply: Reply) -> bytes:
    """What is empty is left out."""
    document: dict[str, object] = {"id": reply.id, "at": reply.at_us / 1e6, "outcome": reply.outcome.value}
    if reply.reason:
        document["reason"] = reply.reason[:REASON_LETTERS_MAX]
    if reply.read_back is not None:
        document["read_back"] = reply.read_back
    if reply.until_us is not None:
        document["until"] = reply.until_us / 1e6
    if reply.ended_us is not None:
        document |= {"ended_at": reply.ended_us / 1e6, "ended_why": reply.ended_why}
    if reply.repeated:
        document["repeated"] = True
    return _text(document)


def decode_reply(payload: bytes) -> Reply:
    """Raise RejectedError for what is not a reply."""
    document = _document(payload)
    read_back = document.get("read_back")
    if read_back is not None and not _is_number(read_back):
        raise RejectedError("not_command", f"read_back is {read_back!r}, not a number")
    return Reply(
        _id(document),
        _time(document, "at"),
        _word(Outcome, document, "outcome"),
        _words(document, "reason"),
        None if read_back is None else float(read_back),
        _time(document, "until") if "until" in document else None,
        _time(document, "ended_at") if "ended_at" in document else None,
        _words(document, "ended_why"),
        document.get("repeated") is True,
    )


def _text(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _document(payload: bytes) -> dict[str, object]:
    if len(payload) > COMMAND_BYTES_MAX:
        raise RejectedError("too_large", f"{len(payload)} bytes; the limit is {COMMAND_BYTES_MAX}")
    document = parse_json(payload)
    if not isinstance(document, dict):
        raise RejectedError("not_command", "a command or its reply is a JSON object")
    return document


def _id(document: dict[str, object]) -> str:
    found = document.get("id")
    if not isinstance(found, str) or not is_name(found):
        raise RejectedError("not_command", f"id {found!r} is not 1 to 64 letters A-Z a-z 0-9 . _ -")
    return found


def _time(document: dict[str, object], key: str) -> int:
    found = document.get(key)
    if not _is_number(found) or not 0 <= found <= 1e11:
        raise RejectedError("not_command", f"{key} is {found!r}, not seconds since 1970")
    return round(found * 1e6)


def _word(kind: type[W], document: dict[str, object], key: str) -> W:
    found = document.get(key)
    if not isinstance(found, str) or found not in set(kind):
        raise RejectedError("not_command", f"{key} is {found!r}, none of {', '.join(kind)}")
    return kind(found)


def _words(document: dict[str, object], key: str) -> str:
    found = document.get(key, "")
    if not isinstance(found, str):
        raise RejectedError("not_command", f"{key} is {found!r}, not text")
    return found[:REASON_LETTERS_MAX]


def _is_argument(value: object) -> bool:
    return isinstance(value, str) or _is_number(value)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
