"""Whether a command is carried out. Pure: what is known and the time are arguments.

The settings on the gateway have the last word, whatever the server asks. To stop, that is to go to the fail-safe
position, needs no trusted clock: it is never the more dangerous thing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from satomori_core.clock import SECOND_US
from satomori_core.commands import Action, Command, Outcome, Reason
from satomori_edge.settings import ActuatorSettings, RemoteSettings


@dataclass(frozen=True, slots=True)
class Standing:
    """An actuator now. `is_safe`: it was read back at its fail-safe position, or has left it since by order."""

    is_safe: bool = True
    is_running: bool = False
    last_start_us: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the gateway knows as a command comes. `began_us`: what was done before is forgotten."""

    now_us: int
    clock_is_trusted: bool
    began_us: int = 0
    is_repeated: bool = False
    is_full: bool = False
    standing: Standing = field(default_factory=Standing)


@dataclass(frozen=True, slots=True)
class Run:
    actuator: str
    value: float
    run_s: float | None


@dataclass(frozen=True, slots=True)
class Stop:
    actuator: str


@dataclass(frozen=True, slots=True)
class Sample:
    device: str
    interval_s: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """`outcome`: refused or expired."""

    reason: Reason
    particulars: str
    outcome: Outcome = Outcome.REFUSED


@dataclass(frozen=True, slots=True)
class Repeated:
    """The id is known: only its reply goes out again."""


Decision = Run | Stop | Sample | Refusal | Repeated


def decide(command: Command, remote: RemoteSettings, actuators: Sequence[ActuatorSettings], known: Known) -> Decision:
    if known.is_repeated:
        return Repeated()
    if not remote.enabled:
        return Refusal(Reason.REMOTE_OFF, "[edge.remote] enabled is false")
    if known.is_full:
        return Refusal(Reason.BUSY, "too many commands in a short time")
    found = _asked(command, actuators)
    if isinstance(found, Refusal):
        return found
    is_stop = isinstance(found, Stop)
    return _late(command, remote, known, is_stop=is_stop) or _forbidden(found, remote, actuators, known) or found


def _late(command: Command, remote: RemoteSettings, known: Known, *, is_stop: bool) -> Refusal | None:
    late_s = (known.now_us - command.expires_at_us) / SECOND_US
    if known.clock_is_trusted and late_s >= 0:
        return Refusal(Reason.LATE, f"expired {late_s:.1f} s ago", Outcome.EXPIRED)
    if is_stop:
        return None
    ahead_s = (command.issued_at_us - known.now_us) / SECOND_US
    valid_s = (command.expires_at_us - command.issued_at_us) / SECOND_US
    forgotten_s = (known.began_us - command.issued_at_us) / SECOND_US
    checks = (
        (not known.clock_is_trusted, Reason.CLOCK, "the gateway's clock is not trusted"),
        (ahead_s > remote.ahead_s_max, Reason.FUTURE, f"issued {ahead_s:.1f} s from now"),
        (
            valid_s > remote.valid_s_max,
            Reason.FUTURE,
            f"valid for {valid_s:.0f} s; the limit is {remote.valid_s_max:g}",
        ),
        (
            0 < forgotten_s <= remote.valid_s_max,
            Reason.FORGOTTEN,
            "issued before the gateway's memory of commands begins",
        ),
    )
    return next((Refusal(reason, particulars) for is_so, reason, particulars in checks if is_so), None)


def _asked(command: Command, actuators: Sequence[ActuatorSettings]) -> Run | Stop | Sample | Refusal:
    """What the command means, where its arguments are those of its action."""
    wanted = {Action.SET: {"actuator", "value"}, Action.STOP: {"actuator"}, Action.INTERVAL: {"device", "interval_s"}}
    may = {"run_s"} if command.action is Action.SET else set()
    needed = wanted[command.action]
    if not needed <= set(command.args) <= needed | may:
        return Refusal(Reason.ARGUMENTS, f"{command.action} takes {', '.join(sorted(needed | may))}")
    texts = {key: value for key, value in command.args.items() if isinstance(value, str)}
    numbers = {key: float(value) for key, value in command.args.items() if not isinstance(value, str)}
    if set(texts) != needed & {"actuator", "device"}:
        return Refusal(Reason.ARGUMENTS, "a name is a text, and what else there is a number")
    if command.action is Action.INTERVAL:
        return Sample(texts["device"], numbers["interval_s"])
    actuator = next((one for one in actuators if one.name == texts["actuator"]), None)
    if actuator is None:
        return Refusal(Reason.UNKNOWN, f"no actuator {texts['actuator']!r} at this gateway")
    if command.action is Action.STOP or numbers["value"] == actuator.fail_safe:
        return Stop(actuator.name)
    return Run(actuator.name, numbers["value"], numbers.get("run_s"))


def _forbidden(
    found: Run | Stop | Sample, remote: RemoteSettings, actuators: Sequence[ActuatorSettings], known: Known
) -> Refusal | None:
    if isinstance(found, Stop):
        return None
    if isinstance(found, Sample):
        if remote.interval_s_min <= found.interval_s <= remote.interval_s_max:
            return None
        bounds = f"between {remote.interval_s_min:g} and {remote.interval_s_max:g}"
        return Refusal(Reason.INTERVAL, f"{found.interval_s:g} s is not {bounds}")
    actuator = next(one for one in actuators if one.name == found.actuator)
    if not actuator.allows(found.value):
        return Refusal(Reason.VALUE, f"{found.value:g} is not {actuator.allowed()}")
    return _run_time(found.run_s, actuator) or untimely(actuator, known.standing, known.now_us)


def _run_time(run_s: float | None, actuator: ActuatorSettings) -> Refusal | None:
    if actuator.run_s_max is None:
        return None if run_s is None else Refusal(Reason.RUN_TIME, f"{actuator.name} has no timed runs")
    if run_s is None:
        return Refusal(Reason.RUN_TIME, f"run_s is missing; the limit is {actuator.run_s_max:g} s")
    if 0 < run_s <= actuator.run_s_max:
        return None
    return Refusal(Reason.RUN_TIME, f"{run_s:g} s is not above 0 and up to {actuator.run_s_max:g}")


def untimely(actuator: ActuatorSettings, standing: Standing, now_us: int) -> Refusal | None:
    """Why it can't be moved just now, if so."""
    if not standing.is_safe:
        return Refusal(Reason.NOT_SAFE, f"{actuator.name} was not read back at its fail-safe position yet")
    since_s = math.inf if standing.last_start_us is None else (now_us - standing.last_start_us) / SECOND_US
    if not standing.is_running and 0 <= since_s < actuator.pause_s:
        return Refusal(Reason.PAUSE, f"started {since_s:.0f} s ago; the pause is {actuator.pause_s:g} s")
    return None
