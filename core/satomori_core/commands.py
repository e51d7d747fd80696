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
from satomori_core.topics import is_name

COMMAND_BYTES_MAX = 4096
REASON_LETTERS_MAX = 200
TIME_S_MAX = 2**33  # the year 2242; until then a double comes back to the same µs by rounding
WHOLE_MAX = 2**53  # beyond it a double does not hold every whole number

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


class Reason(StrEnum):
    """Why a command was not done; `Reply.reason` is one of these words, a colon and the particulars."""

    # refused, expired
    NOT_COMMAND = "not_command"  # what came is no command, but has an id
    RETAINED = "retained"  # the broker had kept it: nobody knows how old it is
    REMOTE_OFF = "remote_off"
    CLOCK = "clock"  # the gateway's clock is not trusted, so nothing can be said to be in time
    FUTURE = "future"  # issued later than now, or valid for longer than may be
    LATE = "late"
    FORGOTTEN = "forgotten"  # older than the gateway's memory of what it did
    BUSY = "busy"
    UNKNOWN = "unknown"  # no such actuator, or no such device that is sampled
    ARGUMENTS = "arguments"
    VALUE = "value"
    RUN_TIME = "run_time"
    PAUSE = "pause"
    INTERVAL = "interval"
    NOT_SAFE = "not_safe"  # not at its fail-safe position yet, after a start or a failure
    JOURNAL = "journal"  # it could not be written down, and what is not written down is not done
    # failed
    NO_ANSWER = "no_answer"
    DEVICE = "device"  # it answers that it does not
    READ_BACK = "read_back"
    OVERTAKEN = "overtaken"  # another command came before this one was read back
    INTERRUPTED = "interrupted"  # the edge ended in the midst of it

    def text(self, particulars: str) -> str:
        return f"{self}: {particulars}"[:REASON_LETTERS_MAX]


def reason_of(text: str) -> Reason | None:
    """The word that a reply's reason begins with; None for one that this version does not know."""
    word = text.partition(":")[0]
    return Reason(word) if word in set(Reason) else None


class Ended(StrEnum):
    """Why a run ended. failed: it was not read back, and the actuator went to its fail-safe position."""

    RUN_TIME = "run_time"
    LINK_LOST = "link_lost"
    STOPPED = "stopped"
    REPLACED = "replaced"
    RESTART = "restart"
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

    `reason`: a `Reason` and its particulars. `until_us`: when a timed run ends by itself. `ended_us`, `ended_why`: when
    the fail-safe position was read back, or another run took its place, and which `Ended`; a second reply brings them.
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
    if not isinstance(args, dict) or not all(_is_text(key) and _is_argument(args[key]) for key in args):
        raise RejectedError("not_command", f"args is an object of texts and numbers up to {WHOLE_MAX:.0e}")
    return Command(
        _id(document),
        _time(document, "issued_at"),
        _time(document, "expires_at"),
        _word(Action, document, "action"),
        args,
    )


def id_of(payload: bytes) -> str | None:
    """The id of a command that may not be one, so that its sender can be told; None where it has none."""
    try:
        return _id(_document(payload))
    except RejectedError:
        return None


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
    try:
        document = json.loads(payload.decode())  # not by json.loads alone: that lets surrogates pass
    except (ValueError, RecursionError) as error:
        raise RejectedError("not_json", f"the message is not JSON: {error}") from None
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
    if not _is_number(found) or not 0 <= found <= TIME_S_MAX:
        raise RejectedError("not_command", f"{key} is {found!r}, not seconds since 1970")
    return round(found * 1e6)


def _word(kind: type[W], document: dict[str, object], key: str) -> W:
    found = document.get(key)
    if not isinstance(found, str) or found not in set(kind):
        raise RejectedError("not_command", f"{key} is {found!r}, none of {', '.join(kind)}")
    return kind(found)


def _words(document: dict[str, object], key: str) -> str:
    found = document.get(key, "")
    if not _is_text(found):
        raise RejectedError("not_command", f"{key} is {found!r}, not text")
    return found[:REASON_LETTERS_MAX]


def _is_argument(value: object) -> bool:
    return _is_text(value) or _is_number(value)


def _is_text(value: object) -> TypeGuard[str]:
    """Not what JSON can say and UTF-8 can't: half of a surrogate pair."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _is_number(value: object) -> TypeGuard[int | float]:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= WHOLE_MAX
