"""The alarm report's figures on days made by hand."""

from satomori_core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from satomori_core.vocabulary import Priority
from satomori_maintenance.report import Told, alarm_report

T0 = 20_000 * DAY_US


def told(at_us: int, *, priority: Priority = Priority.LOW, lasts_us: int | None = HOUR_US, cause: str = "f") -> Told:
    return Told(cause, "bridge-1", priority, at_us, None if lasts_us is None else at_us + lasts_us)


def report(alerts: list[Told], spells: list[tuple[str, int, int | None]] | None = None) -> dict[str, dict[str, object]]:
    rows = alarm_report(alerts, spells or [], T0, T0 + DAY_US, 1)
    return {str(row["name"]): row for row in rows}


def test_nothing_happened() -> None:
    rows = report([])
    assert (rows["alerts"]["value"], rows["rate"]["value"], rows["rate"]["met"]) == (0, 0, True)
    assert rows["priority high"]["met"] is None


def test_the_rate_is_for_ten_minutes_and_crew() -> None:
    """288 alerts in a day are two in each ten minutes: too many for one crew, right for two."""
    alerts = [told(T0 + n * 5 * MINUTE_US) for n in range(288)]
    row = report(alerts)["rate"]
    assert (row["value"], row["met"]) == (2.0, False)
    shared = alarm_report(alerts, [], T0, T0 + DAY_US, 2)[1]
    assert (shared["value"], shared["met"]) == (1.0, True)


def test_eleven_in_ten_minutes_are_a_flood() -> None:
    alerts = [told(T0 + n * SECOND_US) for n in range(11)]
    row = report(alerts)["peak"]
    assert (row["value"], row["met"]) == (11, False)
    assert report(alerts[:10])["peak"]["met"] is True


def test_priorities_are_held_against_80_15_5() -> None:
    alerts = [told(T0 + n) for n in range(80)]
    alerts += [told(T0 + n, priority=Priority.MEDIUM) for n in range(15)]
    alerts += [told(T0 + n, priority=Priority.HIGH) for n in range(5)]
    rows = report(alerts)
    assert [rows[f"priority {p}"]["value"] for p in ("low", "medium", "high")] == [0.8, 0.15, 0.05]
    assert all(rows[f"priority {p}"]["met"] for p in ("low", "medium", "high"))
    assert not report(alerts[80:])["priority high"]["met"]


def test_three_transitions_within_a_minute_chatter() -> None:
    """Came at 0 s, went at 20 s, came again at 40 s; another that took longer does not chatter."""
    spells = [("f", T0, T0 + 20 * SECOND_US), ("f", T0 + 40 * SECOND_US, None), ("g", T0, T0 + HOUR_US)]
    row = report([], spells)["chattering"]
    assert (row["value"], row["detail"], row["met"]) == (1, "f", False)


def test_longer_than_a_day_is_standing_and_the_worst_actors_are_named() -> None:
    alerts = [told(T0 - 1), told(T0, lasts_us=None, cause="g"), told(T0 + 5, cause="g"), told(T0, lasts_us=DAY_US + 1)]
    rows = report(alerts)
    assert (rows["alerts"]["value"], rows["standing over 24 h"]["value"]) == (3, 0)
    assert rows["most frequent"]["detail"] == "g (67%)"
    later = alarm_report(alerts, [], T0, T0 + 3 * DAY_US, 1)
    assert next(r["value"] for r in later if r["name"] == "standing over 24 h") == 2
