"""Whether a command is carried out: each rule alone, and that nothing breaks the settings whatever is asked."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satomori_core.clock import SECOND_US
from satomori_core.commands import Action, Command, Outcome, Reason
from satomori_edge.actuators.decide import Known, Refusal, Repeated, Run, Sample, Standing, Stop, decide
from satomori_edge.settings import ActuatorSettings, Point, RegisterDrive, RemoteSettings

NOW_US = 1_800_000_000 * SECOND_US
DRIVE = RegisterDrive(Point(0))
GATE = ActuatorSettings("gate", "gate-1", 0.0, values=(0.0, 1.0), run_s_max=60.0, pause_s=100.0, registers=DRIVE)
VALVE = ActuatorSettings("valve", "valve-1", 10.0, min=5.0, max=90.0, registers=DRIVE)
REMOTE = RemoteSettings(enabled=True)
KNOWN = Known(NOW_US, clock_is_trusted=True, began_us=NOW_US - 10**12)


def command(action: Action = Action.SET, issued_s: float = -1, expires_s: float = 30, **args: str | float) -> Command:
    at = [NOW_US + round(s * SECOND_US) for s in (issued_s, expires_s)]
    return Command("c", at[0], at[1], action, args)


def opening(value: float = 1.0, run_s: float = 30.0, issued_s: float = -1, expires_s: float = 30) -> Command:
    return command(Action.SET, issued_s, expires_s, actuator="gate", value=value, run_s=run_s)


def turning(value: float, **more: str | float) -> Command:
    return command(Action.SET, -1, 30, actuator="valve", value=value, **more)


def test_what_is_asked_for_and_allowed_is_done() -> None:
    assert decide(opening(), REMOTE, [GATE], KNOWN) == Run("gate", 1.0, 30.0)
    assert decide(turning(5), REMOTE, [GATE, VALVE], KNOWN) == Run("valve", 5.0, None)
    assert decide(command(Action.STOP, actuator="gate"), REMOTE, [GATE], KNOWN) == Stop("gate")
    assert decide(opening(0.0), REMOTE, [GATE], KNOWN) == Stop("gate")  # set to the fail-safe position is to stop
    found = decide(command(Action.INTERVAL, device="a", interval_s=60), REMOTE, [], KNOWN)
    assert found == Sample("a", 60.0)


@pytest.mark.parametrize(
    ("wanted", "reason", "words"),
    [
        (opening(2), Reason.VALUE, "one of 0, 1"),
        (turning(91), Reason.VALUE, "between 5 and 90"),
        (opening(run_s=60.1), Reason.RUN_TIME, "up to 60"),
        (opening(run_s=0), Reason.RUN_TIME, "above 0"),
        (command(actuator="gate", value=1), Reason.RUN_TIME, "missing"),
        (turning(20, run_s=5), Reason.RUN_TIME, "no timed runs"),
        (command(actuator="sluice", value=1), Reason.UNKNOWN, "'sluice'"),
        (command(actuator=1, value=1), Reason.ARGUMENTS, "text"),
        (command(actuator="gate", value="open", run_s=5), Reason.ARGUMENTS, "number"),
        (turning(20, speed=3), Reason.ARGUMENTS, "set takes actuator, run_s, value"),
        (command(Action.STOP, actuator="gate", value=1), Reason.ARGUMENTS, "stop takes actuator"),
        (command(Action.INTERVAL, device="a"), Reason.ARGUMENTS, "interval_s"),
        (command(Action.INTERVAL, device="a", interval_s=0.5), Reason.INTERVAL, "between 1 and 86400"),
        (opening(issued_s=31, expires_s=60), Reason.FUTURE, "issued 31.0 s from now"),
        (opening(issued_s=-1, expires_s=600), Reason.FUTURE, "valid for 601 s"),
    ],
)
def test_what_breaks_the_settings_is_refused(wanted: Command, reason: Reason, words: str) -> None:
    found = decide(wanted, REMOTE, [GATE, VALVE], KNOWN)
    assert isinstance(found, Refusal)
    assert (found.reason, found.outcome) == (reason, Outcome.REFUSED)
    assert words in found.particulars


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (replace(KNOWN, clock_is_trusted=False), Reason.CLOCK),
        (replace(KNOWN, is_full=True), Reason.BUSY),
        (replace(KNOWN, began_us=NOW_US), Reason.FORGOTTEN),
        (replace(KNOWN, standing=Standing(is_safe=False)), Reason.NOT_SAFE),
        (replace(KNOWN, standing=Standing(last_start_us=NOW_US - 99 * SECOND_US)), Reason.PAUSE),
    ],
)
def test_what_the_gateway_knows_forbids_it(known: Known, reason: Reason) -> None:
    """And to stop is allowed all the same, but for what is too much at once."""
    found = decide(opening(), REMOTE, [GATE], known)
    assert isinstance(found, Refusal)
    assert found.reason is reason
    stop = decide(command(Action.STOP, actuator="gate"), REMOTE, [GATE], known)
    assert isinstance(stop, Refusal if known.is_full else Stop)


def test_a_pause_is_from_start_to_start_and_no_hindrance_to_what_runs() -> None:
    """Nor to a clock that was set back by years."""
    for standing in (
        Standing(last_start_us=NOW_US - 100 * SECOND_US),
        Standing(is_running=True, last_start_us=NOW_US - SECOND_US),
        Standing(last_start_us=NOW_US + 10**15),
    ):
        assert isinstance(decide(opening(), REMOTE, [GATE], replace(KNOWN, standing=standing)), Run)


def test_a_memory_that_begins_in_the_future_forbids_nothing() -> None:
    """It was begun by a clock that was wrong."""
    assert isinstance(decide(opening(), REMOTE, [GATE], replace(KNOWN, began_us=NOW_US + 10**15)), Run)


@pytest.mark.parametrize("wanted", [opening(expires_s=0), command(Action.STOP, expires_s=-5, actuator="gate")])
def test_what_comes_too_late_expires(wanted: Command) -> None:
    found = decide(wanted, REMOTE, [GATE], KNOWN)
    assert isinstance(found, Refusal)
    assert (found.reason, found.outcome) == (Reason.LATE, Outcome.EXPIRED)


def test_a_known_id_is_repeated_whatever_else_is_wrong() -> None:
    known = replace(KNOWN, is_repeated=True, is_full=True, clock_is_trusted=False)
    assert decide(opening(7, expires_s=-1), RemoteSettings(), [], known) == Repeated()


def test_where_remote_operation_is_off_nothing_is_done() -> None:
    for action in (
        opening(),
        command(Action.STOP, actuator="gate"),
        command(Action.INTERVAL, device="a", interval_s=9),
    ):
        found = decide(action, RemoteSettings(), [GATE], KNOWN)
        assert isinstance(found, Refusal)
        assert found.reason is Reason.REMOTE_OFF


numbers = st.sampled_from([0.0, 1.0, 30.0, 90.0]) | st.floats(-100, 200)
arguments = st.fixed_dictionaries(
    {"actuator": st.sampled_from(["gate", "valve"]), "value": numbers}, optional={"run_s": numbers, "odd": numbers}
)
moments = st.tuples(st.floats(-700, 60), st.floats(-60, 700))
flags = st.tuples(st.booleans(), st.booleans())


@given(arguments, moments, flags)
def test_nothing_that_runs_breaks_the_settings(
    args: dict[str, str | float], moment: tuple[float, float], known: tuple[bool, bool]
) -> None:
    (issued_s, expires_s), (trusted, safe) = moment, known
    now = replace(KNOWN, clock_is_trusted=trusted, standing=Standing(is_safe=safe))
    found = decide(command(Action.SET, issued_s, expires_s, **args), REMOTE, [GATE, VALVE], now)
    if isinstance(found, Run):
        actuator = GATE if found.actuator == "gate" else VALVE
        assert trusted
        assert safe
        assert expires_s > 0
        assert expires_s - issued_s <= REMOTE.valid_s_max + 1e-3
        assert actuator.allows(found.value)
        assert (found.run_s is None) == (actuator.run_s_max is None)
        assert found.run_s is None or 0 < found.run_s <= 60
    if isinstance(found, Stop) and trusted:
        assert expires_s > 0
