"""What becomes of a command, and what a gateway lets be operated. Pure: the present is passed in.

    waiting ─▶ sent ─▶ done | refused | expired | failed     as the gateway says, see `satomori_core.commands.Outcome`
       │        └────▶ lost ─▶ done | … (late)               no word of it; perhaps it was carried out
       └─────────────▶ expired (not_sent)                    the broker was away all the time; it was not carried out

A command is sent again with the same id until there is a reply or it expires: a gateway does nothing twice. What it
says first is the outcome; what it says later only adds to it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from satomori_core.clock import SECOND_US
from satomori_core.commands import Action, Outcome, Reply
from satomori_core.errors import RejectedError
from satomori_core.topics import is_name

RESEND_US = 2 * SECOND_US
# A reply may be on its way for so long after the command has expired, and after the actuator had time to settle.
GRACE_US = 10 * SECOND_US
ACTUATORS_MAX = 100  # of one gateway
VALUES_MAX = 50
NUMBER_MAX = 1e15
SETTLE_S_MAX = 3600.0
WORDS_LETTERS_MAX = 100
INTERVAL_S_MIN, INTERVAL_S_MAX = 0.05, 86_400.0  # what an edge can be set to allow at all
NOT_SENT = "not_sent"


class State(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"
    FAILED = "failed"
    LOST = "lost"


OPEN = frozenset({State.WAITING, State.SENT})


@dataclass(frozen=True, slots=True)
class Course:
    """How far a command has come. `outcome` None: the gateway has said nothing yet.

    `late`: it said so only after we had given it up. `read_back`: what the device said last, `read_back_us` when;
    `until_us`, `ended_us`, `ended_why`: of a run that ends by itself. `replies`: how many came, repeated ones too.
    """

    state: State = State.WAITING
    sent_count: int = 0
    sent_us: int | None = None
    outcome: Outcome | None = None
    reason: str = ""
    read_back: float | None = None
    read_back_us: int | None = None
    until_us: int | None = None
    ended_us: int | None = None
    ended_why: str = ""
    replies: int = 0
    replied_us: int | None = None
    last_reply_us: int | None = None
    late: bool = False


def next_step(
    course: Course, expires_us: int, give_up_us: int, at_us: int, *, can_send: bool, can_hear: bool
) -> Course | None:
    """What time alone makes of it; None: nothing now. One with a higher `sent_count` is to be sent.

    Who can't hear, or only for a moment, says of nothing that it is lost: its reply may wait in the broker.
    """
    if course.state not in OPEN:
        return None
    if at_us < expires_us:
        due = course.sent_us is None or at_us - course.sent_us >= RESEND_US
        return (
            replace(course, state=State.SENT, sent_count=course.sent_count + 1, sent_us=at_us)
            if can_send and due
            else None
        )
    if course.state is State.WAITING:
        return replace(course, state=State.EXPIRED, reason=NOT_SENT)
    return replace(course, state=State.LOST) if can_hear and at_us >= give_up_us else None


def answered(course: Course, reply: Reply, at_us: int) -> Course:
    """The course after a reply that came at `at_us`."""
    if course.outcome is None:
        course = replace(
            course,
            state=State(reply.outcome.value),
            outcome=reply.outcome,
            reason=_storable(reply.reason),
            replied_us=at_us,
            late=course.state not in OPEN,
        )
    # One that is repeated says what was read then, not now.
    if reply.read_back is not None and (course.read_back is None or not reply.repeated):
        course = replace(course, read_back=reply.read_back, read_back_us=reply.at_us)
    if reply.until_us is not None:
        course = replace(course, until_us=reply.until_us)
    if reply.ended_us is not None:
        course = replace(course, ended_us=reply.ended_us, ended_why=_storable(reply.ended_why))
    return replace(course, replies=course.replies + 1, last_reply_us=at_us)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a gateway says of one of its actuators: `values` that it takes, else any from `min` to `max`.

    `fail_safe`: where it goes by itself. `run_s_max`: each run is timed and no longer; without it none is timed.
    `settle_s`: it needs so long to get there.
    """

    name: str
    label: str = ""
    device: str = ""
    unit: str = ""
    values: tuple[float, ...] = ()
    min: float | None = None
    max: float | None = None
    fail_safe: float | None = None
    run_s_max: float | None = None
    settle_s: float = 0.0

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {"values": list(self.values)}


def parse_allowed(document: object) -> Allowed:
    """One of `actuators` of a status message. Raise RejectedError; what we don't know of is passed over."""
    if not isinstance(document, dict):
        raise RejectedError("actuator", "an actuator is a JSON object")
    name = document.get("name")
    if not isinstance(name, str) or not is_name(name):
        raise RejectedError("actuator", f"name {name!r} is not 1 to 64 letters A-Z a-z 0-9 . _ -")
    values = document.get("values") or []
    if not isinstance(values, list) or len(values) > VALUES_MAX:
        raise RejectedError("actuator", f"{name}: values is a list of at most {VALUES_MAX} numbers")
    allowed = Allowed(
        name,
        label=_words(document, "label"),
        device=_words(document, "device"),
        unit=_words(document, "unit"),
        values=tuple(_number(name, "values", value) for value in values),
        min=_maybe(document, "min"),
        max=_maybe(document, "max"),
        fail_safe=_maybe(document, "fail_safe"),
        run_s_max=_maybe(document, "run_s_max"),
        settle_s=_maybe(document, "settle_s") or 0.0,
    )
    if not allowed.values and (allowed.min is None or allowed.max is None):
        raise RejectedError("actuator", f"{name}: neither values nor min and max")
    if not 0 <= allowed.settle_s <= SETTLE_S_MAX:
        raise RejectedError("actuator", f"{name}: settle_s is {allowed.settle_s:g}, not 0 to {SETTLE_S_MAX:g}")
    return allowed


def from_json(document: Mapping[str, object]) -> Allowed:
    """The inverse of `Allowed.to_json`."""
    return parse_allowed(dict(document))


def check(allowed: Allowed, action: Action, value: float | None, run_s: float | None) -> None:
    """Raise RejectedError for what the gateway would refuse anyway; it decides, and with its own settings."""
    if action is Action.STOP:
        if value is not None or run_s is not None:
            raise RejectedError("value", "stop takes neither value nor run_s: it goes to its fail-safe position")
        return
    if value is None:
        raise RejectedError("value", "set needs a value")
    if allowed.values and value not in allowed.values:
        raise RejectedError(
            "value", f"{allowed.name} takes {', '.join(f'{v:g}' for v in allowed.values)}, not {value:g}"
        )
    if (allowed.min is not None and value < allowed.min) or (allowed.max is not None and value > allowed.max):
        raise RejectedError("value", f"{allowed.name} takes {allowed.min} to {allowed.max}, not {value:g}")
    if value == allowed.fail_safe:
        return
    if run_s is not None and allowed.run_s_max is None:
        raise RejectedError("run_s", f"{allowed.name} has no timed runs; leave run_s out")
    if allowed.run_s_max is not None and (run_s is None or run_s > allowed.run_s_max):
        raise RejectedError(
            "run_s", f"{allowed.name} runs for at most {allowed.run_s_max:g} s; say for how long in run_s"
        )


def _words(document: Mapping[str, object], key: str) -> str:
    found = document.get(key) or ""
    if not isinstance(found, str):
        raise RejectedError("actuator", f"{key} is {found!r}, not text")
    return _storable(found)[:WORDS_LETTERS_MAX]


def _storable(text: str) -> str:
    """Without what JSON can say and PostgreSQL can't keep: NUL, and half of a surrogate pair."""
    return text.replace("\0", "").encode(errors="replace").decode()


def _maybe(document: Mapping[str, object], key: str) -> float | None:
    found = document.get(key)
    return None if found is None else _number(str(document["name"]), key, found)


def _number(name: str, key: str, value: object) -> float:
    """NaN lies in no range."""
    if isinstance(value, int | float) and not isinstance(value, bool) and -NUMBER_MAX <= value <= NUMBER_MAX:
        return float(value)
    raise RejectedError("actuator", f"{name}: {key} has what is no number up to {NUMBER_MAX:g}")
