"""Leaks in a district meter area: the inflow's constant rise above what is usual, and what the pressures say to it.

Channels: the inflow, then any number of pressures. Judged once an hour, from hourly means.
"""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np

from satomori_analytics.detectors import district
from satomori_analytics.detectors.base import Floats, Marks, Scores, Times, squash

Verdict = Literal["fell", "rose", "unmoved", "unclear"]

_HOUR_US = 3_600_000_000
_BAND = 1.645  # standard errors to either side: 90 %
# Alarms in 30 days at a limit h on normal noise of 1, 3 and 6 % (24 simulated six-week recordings, 0.17 to 1.9 alarms a
# month): rate = a * exp(-b * h^2). The tail is longer than the normal one, since the noise is learned from two weeks.
_RATE_AT_0, _RATE_FALL = 21.3, 0.266
# Alarms on simulated districts (development seeds only) for one on such noise: patterns that two weeks don't show.
_DISTRICT = 1.3
_EVERYDAY = 2.5  # z that the likeliest of so many beginnings has by chance
_ENOUGH = 0.8  # of the hours of learning: with fewer it does not speak
_PROPORTION = 3.0  # odds of 20 to 1
_OFF_SHARE = 0.6  # an alarm ends below this share of its limit or of its size


def limit_for(false_alarms_per_month: float) -> float:
    """The z that normal noise passes so often in 30 days."""
    return float(
        np.sqrt(max(np.log(_DISTRICT * _RATE_AT_0 / false_alarms_per_month) / _RATE_FALL, (_EVERYDAY + 0.5) ** 2))
    )


@dataclass(frozen=True, slots=True)
class Pressure:
    """One gauge since the leak began: its mean change, and that in standard errors."""

    channel: int
    change: float
    z: float


@dataclass(frozen=True, slots=True)
class Leak:
    """Flows in the inflow's unit. `low`, `high`: 90 % band of the size. `night`: usual least hour; `mean`: usual mean.

    `verdict`: the pressures `fell`, as with water that leaves; `rose`, which by itself lets more out; stayed
    `unmoved` though they should have fallen: more likely the meter; or the change is too small to tell.
    `in_proportion`: the rise follows the use by day and night, as a meter's error or more use does and no leak.
    """

    since_us: int
    size: float
    low: float
    high: float
    night: float
    mean: float
    z: float
    verdict: Verdict
    pressures: tuple[Pressure, ...]
    in_proportion: bool = False


@dataclass(slots=True)
class _Alarm:
    """`since`: the likeliest first hour; `on`: the hour of the alarm."""

    since: int
    on: int
    size: float


@dataclass(slots=True)
class _Hours:
    """Hourly means [hour, channels] that are kept; `flagged`: within an alarm, never learned from."""

    hours: list[int] = field(default_factory=list)
    means: list[list[float]] = field(default_factory=list)
    flagged: list[bool] = field(default_factory=list)


class LeakStep:
    """A constant rise of the first channel that lasts, found by a likelihood ratio over its possible beginnings.

    `learn_days` before it speaks. `window_days`: so far back a leak may have begun and still be told from what is
    learned; `memory_days`: of so many days before that the usual is learned anew each day. A leak that stays for
    `relearn_days` is taken as the new usual. `least_h`: shorter rises are events. `utc_offset_s`: where days begin.
    `warning_share`, `danger_share`: of the mean inflow, from where on a leak is worse than one to watch.
    """

    joint: ClassVar[bool] = True

    def __init__(
        self,
        *,
        false_alarms_per_month: float = 0.4,
        learn_days: int = 14,
        window_days: int = 14,
        memory_days: int = 42,
        relearn_days: int = 56,
        least_h: int = 4,
        warning_share: float = 0.1,
        danger_share: float = 0.3,
        utc_offset_s: int = 9 * 3600,
    ) -> None:
        self.limit = limit_for(false_alarms_per_month)
        self.learn_h, self.window_h, self.memory_h = learn_days * 24, window_days * 24, memory_days * 24
        self.relearn_h, self.least_h, self.utc_offset_s = relearn_days * 24, least_h, utc_offset_s
        self.warning_share, self.danger_share = warning_share, danger_share
        self._kept = _Hours()
        self._hour: int | None = None
        self._rows: list[list[float]] = []  # of the hour that runs
        self._start: int | None = None  # first hour that is judged, not learned
        self._alarm: _Alarm | None = None
        self._anew: int | None = None  # the hour in which what was known was given up, until it is learned again
        self._z = 0.0
        self._leak: Leak | None = None
        self._usual: district.Usual | None = None  # follows from what is kept and `_start`
        self._evidence: district.Evidence | None = None  # follows as well
        self.leaks: list[Leak | None] = []  # at each row of the latest call; not part of the state

    @property
    def learned(self) -> bool:
        return self._start is not None

    @property
    def anew_since_us(self) -> int | None:
        """Since when the usual is learned anew, and so no leak is told; None where it is known or learned first."""
        return None if self._anew is None else self._anew * _HOUR_US - self.utc_offset_s * 1_000_000

    def score(self, at_us: Times, values: Floats) -> Scores:
        hours = ((at_us + self.utc_offset_s * 1_000_000) // _HOUR_US).tolist()
        z = np.zeros(len(hours))
        self.leaks = []
        for i, (hour, row) in enumerate(zip(hours, values.tolist(), strict=True)):
            if hour != self._hour:
                self._end_hour()
                self._hour, self._rows = hour, []
            self._rows.append(row)
            z[i] = max(self._z, 0.0)
            self.leaks.append(self._leak)
        alarm = np.array([leak is not None for leak in self.leaks], bool)
        return Scores(squash(z**2 - _EVERYDAY**2, self.limit**2 - _EVERYDAY**2)[:, None], alarm[:, None])

    def usual_band(self, at_us: Times) -> tuple[Floats, Floats] | None:
        """(low, high) [n] of the inflow: 90 % of what is usual as it is known now; None while it is being learned."""
        if self._start is None:
            return None
        usual = self._learned(np.array(self._kept.hours, np.int64), np.array(self._kept.means))
        hours = (at_us + self.utc_offset_s * 1_000_000) // _HOUR_US
        middle, reach = usual.expected(hours), _BAND * usual.deviation(hours)
        return middle - reach, middle + reach

    # ------------------------------------------------------------------ hour by hour

    def _end_hour(self) -> None:
        if self._hour is None:
            return
        rows = np.array(self._rows)
        known = np.isfinite(rows)
        total = np.where(known, rows, 0.0).sum(axis=0)
        means = total / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
        if not np.isfinite(means[0]):
            return  # without the inflow an hour says nothing, and what was said stands
        if self._kept.hours and self._hour - self._kept.hours[-1] > self.memory_h:
            self._forget_all()
        kept = self._kept
        kept.hours.append(self._hour)
        kept.means.append(means.tolist())
        kept.flagged.append(self._alarm is not None)
        if self._start is None:
            self._begin()
            return
        self._move_on()
        if self._start is not None:
            self._judge()

    def _begin(self) -> None:
        """Start to judge once enough has been heard."""
        hours = self._kept.hours
        if hours[-1] - hours[0] + 1 >= self.learn_h:
            if len(hours) >= _ENOUGH * self.learn_h:
                self._start, self._anew = hours[-1] + 1, None
            else:
                self._forget(hours[-1] - self.learn_h + 2)

    def _move_on(self) -> None:
        """Once a day, while nothing is wrong: learn from what has grown older than the window."""
        hours = self._kept.hours
        if self._alarm is None and len(hours) > 1 and hours[-1] // 24 != hours[-2] // 24:
            self._set_start(max(self._start or 0, hours[-1] - self.window_h))

    def _set_start(self, start: int) -> None:
        if start == self._start:
            return
        self._start, self._usual = start, None
        kept = self._kept
        keep = [
            hour >= start or (not flagged and hour >= start - self.memory_h)
            for hour, flagged in zip(kept.hours, kept.flagged, strict=True)
        ]
        self._take(keep)
        if sum(hour < start for hour in self._kept.hours) < _ENOUGH * self.learn_h:
            self._start, self._z, self._anew = None, 0.0, self._kept.hours[-1]  # after a long silence: learn anew

    def _forget_all(self) -> None:
        """After a silence longer than the memory nothing that is known is of the usual, nor of a leak that was on."""
        self._anew = self._hour
        self._kept, self._start, self._usual = _Hours(), None, None
        self._alarm, self._leak, self._z = None, None, 0.0

    def _forget(self, before: int) -> None:
        self._take([hour >= before for hour in self._kept.hours])

    def _take(self, keep: list[bool]) -> None:
        kept = self._kept
        kept.hours = [v for v, k in zip(kept.hours, keep, strict=True) if k]
        kept.means = [v for v, k in zip(kept.means, keep, strict=True) if k]
        kept.flagged = [v for v, k in zip(kept.flagged, keep, strict=True) if k]

    # ------------------------------------------------------------------ the test

    def _judge(self) -> None:
        hours, means = np.array(self._kept.hours, np.int64), np.array(self._kept.means)
        start = self._start or 0
        # What an earlier alarm covered speaks no more, once it has ended.
        spent = np.array(self._kept.flagged) & (self._alarm is None)
        # While an alarm is on the window moves a day at a time.
        late = (hours >= max(start, (int(hours[-1]) - self.window_h) // 24 * 24)) & ~spent
        evidence = self._weigh(self._learned(hours, means), hours[late], means[late, 0])
        if self._alarm is None:
            self._look(evidence)
        if self._alarm is not None:
            self._follow(evidence, hours, means, late)

    def _look(self, evidence: district.Evidence) -> None:
        """Raise an alarm where a step, or a rise that has grown for two days, is beyond the limit."""
        hours = evidence.hours
        starts = district.candidates(hours, self.least_h)
        if not len(starts):
            return
        best = evidence.step(starts)
        grown = starts[(hours[-1] - starts >= 48) & (starts % 24 == 0)]
        if len(grown) and (slow := evidence.ramp(grown)).z > best.z:
            best = slow
        self._z = best.z
        if best.z >= self.limit and best.size > 0:
            self._alarm = _Alarm(best.since, int(hours[-1]), best.size)
            self._flag(best.since)

    def _follow(self, evidence: district.Evidence, hours: district.Hours, means: Floats, late: Marks) -> None:
        """What is said of a leak that is on, with what each hour adds to it."""
        alarm, now = self._alarm, int(hours[-1])
        if alarm is None:
            return
        # Where it began is weighed anew for three days, for it may have been taken for a slow one.
        starts = district.candidates(evidence.hours, 1)
        starts = starts[(starts >= alarm.since - 48) & (now - alarm.on <= 72)]
        if not len(starts):
            starts = np.array([max(alarm.since, int(evidence.hours[0]))])
        best = evidence.size(starts)
        self._z = best.z
        if now > alarm.on:
            alarm.since, alarm.size = best.since, best.size
            self._flag(best.since)
            if self._ended(evidence.usual, hours[late], means[late, 0], best, alarm):
                return
        in_proportion = evidence.proportion(best.since) >= _PROPORTION
        self._leak = replace(self._tell(evidence.usual, hours, means, best), in_proportion=in_proportion)

    def _learned(self, hours: district.Hours, means: Floats) -> district.Usual:
        if self._usual is None:
            start = self._start or 0
            learn = (hours < start) & ~np.array(self._kept.flagged)
            self._usual = district.fit(hours[learn], means[learn, 0], start)
        return self._usual

    def _weigh(self, usual: district.Usual, hours: district.Hours, flow: Floats) -> district.Evidence:
        """What was worked out of the day's earlier hours stands; a day's first hour, and a restart, begin alike."""
        known, today = self._evidence, int(hours[-1]) // 24
        count = 0 if known is None else len(known.hours)
        lasts = known is not None and known.usual is usual and np.array_equal(hours[:count], known.hours)
        if known is None or not lasts or known.hours[-1] // 24 != today:
            known, count = district.Evidence(usual), int(np.searchsorted(hours, today * 24))
            known.add(hours[:count], flow[:count])
        for one in range(count, len(hours)):
            known.add(hours[one : one + 1], flow[one : one + 1])
        self._evidence = known
        return known

    def _flag(self, since: int) -> None:
        kept = self._kept
        kept.flagged = [f or hour >= since for hour, f in zip(kept.hours, kept.flagged, strict=True)]

    def _ended(
        self, usual: district.Usual, hours: district.Hours, flow: Floats, best: district.Step, alarm: _Alarm
    ) -> bool:
        """Back to normal, not borne out by what came after, or so old that it is the new usual."""
        now = int(hours[-1])
        if now - alarm.on >= self.relearn_h:
            self._alarm, self._leak, self._start, self._usual, self._z = None, None, None, None, 0.0
            self._anew = now
            self._forget(now - self.learn_h + 1)
            self._kept.flagged = [False] * len(self._kept.hours)
            return True
        # Without the hours in between: what they hold would be taken for a day on which all use is higher.
        back = False
        for since in (now - 5, now - 11, now - 23):
            apart = (hours < alarm.since) | (hours >= since)
            if since > alarm.since and hours[apart][-1] >= since:
                recent = district.Evidence(usual)
                recent.add(hours[apart], flow[apart])
                step = recent.step(hours[hours >= since][:1])
                back |= step.size + 2 * step.error < _OFF_SHARE * best.size
        if back or best.z < _OFF_SHARE * self.limit:
            self._alarm, self._leak, self._z = None, None, 0.0
            return True
        return False

    # ------------------------------------------------------------------ what is told

    def _tell(self, usual: district.Usual, hours: district.Hours, means: Floats, best: district.Step) -> Leak:
        week = usual.expected(np.arange(usual.end - 168, usual.end))
        pressures, verdict = self._pressures(usual, hours, means, best)
        return Leak(
            since_us=best.since * _HOUR_US - self.utc_offset_s * 1_000_000,
            size=best.size, low=max(best.size - _BAND * best.error, 0.0), high=best.size + _BAND * best.error,
            night=float(week.reshape(7, 24).min(axis=1).mean()), mean=float(week.mean()), z=best.z,
            verdict=verdict, pressures=pressures,
        )  # fmt: skip

    def _pressures(
        self, usual: district.Usual, hours: district.Hours, means: Floats, best: district.Step
    ) -> tuple[tuple[Pressure, ...], Verdict]:
        """How each gauge stands since then against its usual hour, and against what the extra flow should do to it."""
        learn = (hours < usual.end) & ~np.array(self._kept.flagged)
        since = (hours >= best.since) & (hours >= int(hours[-1]) - self.window_h)
        extra = means[:, 0] - usual.expected(hours)
        told, fall, rest = [], 0.0, 0.0
        for channel in range(1, means.shape[1]):
            off = _off_hour(hours, means[:, channel], learn)
            known, now = learn & np.isfinite(off), since & np.isfinite(off)
            if known.sum() < 100 or now.sum() < self.least_h:
                continue
            spread = max(float(np.sum(extra[known] ** 2)), 1e-12)
            slope = float(np.sum(off[known] * extra[known])) / spread
            noise = max(float(np.std(off[known] - slope * extra[known])), 1e-6)
            # The usual of an hour of the day is itself known from so many days only.
            error = noise * float(np.sqrt(1 / now.sum() + 1 / known.sum()))
            change = float(np.mean(off[now] - slope * (extra[now] - best.size)))
            expected = min(slope, 0.0) * best.size
            told.append(Pressure(channel, change, change / error))
            fall += min((change / error) ** 2, 50) - min(((change - expected) / error) ** 2, 50)
            rest += (expected / error) ** 2
        return tuple(told), _verdict(told, fall, rest)

    # ------------------------------------------------------------------ state

    def state(self) -> dict[str, Any]:
        alarm, leak = self._alarm, self._leak
        return {
            "hours": self._kept.hours,
            "means": [_json(row) for row in self._kept.means],
            "flagged": [int(flag) for flag in self._kept.flagged],
            "hour": self._hour,
            "rows": [_json(row) for row in self._rows],
            "start": self._start,
            "anew": self._anew,
            "alarm": None if alarm is None else [alarm.since, alarm.on, alarm.size],
            "z": self._z,
            "leak": None if leak is None else _leak_json(leak),
        }

    def restore(self, state: dict[str, Any]) -> None:
        means = [_numbers(row) for row in state["means"]]
        self._kept = _Hours(list(state["hours"]), means, [bool(flag) for flag in state["flagged"]])
        self._hour, self._rows = state["hour"], [_numbers(row) for row in state["rows"]]
        self._start, self._usual, self._z = state["start"], None, state["z"]
        self._anew = state["anew"]
        self._alarm = None if state["alarm"] is None else _Alarm(*state["alarm"])
        leak = state["leak"]
        gauges = () if leak is None else tuple(Pressure(*gauge) for gauge in leak["pressures"])
        self._leak = None if leak is None else Leak(**{**leak, "pressures": gauges})


@dataclass(frozen=True, slots=True)
class Found:
    """A leak as told: from `alarm_us`, no more at `until_us` (None: it goes on), `leak` what was said of it last."""

    alarm_us: int
    until_us: int | None
    leak: Leak


def find_leaks(at_us: Times, inflow: Floats, pressures: Floats | None = None, **options: float) -> list[Found]:
    """The leaks of a recording, as its rows tell them one after the other. `options`: those of `LeakStep`.

    `at_us` [n] rising, µs since 1970 UTC; `inflow` [n] in any unit of flow; `pressures` [n, gauges] in any unit; NaN is
    missing.
    """
    detector = LeakStep(**options)  # type: ignore[arg-type] # whole numbers where it has whole numbers
    gauges = np.empty((len(at_us), 0)) if pressures is None else pressures.reshape(len(at_us), -1)
    detector.score(at_us, np.column_stack([inflow, gauges]))
    found: list[Found] = []
    for at, leak in zip(at_us.tolist(), detector.leaks, strict=True):
        told = found[-1] if found and found[-1].until_us is None else None
        if leak is not None:
            found[len(found) - (told is not None) :] = [Found(told.alarm_us if told else at, None, leak)]
        elif told is not None:
            found[-1] = Found(told.alarm_us, at, told.leak)
    return found


def _off_hour(hours: district.Hours, pressure: Floats, learn: Marks) -> Floats:
    """The pressure less its usual value at this hour of the day."""
    usual = np.full(24, np.nan)
    for clock in range(24):
        values = pressure[learn & (hours % 24 == clock) & np.isfinite(pressure)]
        if len(values):
            usual[clock] = float(np.median(values))
    return np.asarray(pressure - usual[hours % 24])


def _verdict(told: list[Pressure], fall: float, rest: float) -> Verdict:
    """`fall`: how much better the expected falls explain the gauges than none, `rest`: how well that could be seen."""
    if not told:
        return "unclear"
    if float(np.median([gauge.z for gauge in told])) >= 3:
        return "rose"
    if min(gauge.z for gauge in told) <= -3:
        return "fell"
    return "unmoved" if rest >= 16 and fall < -8 else "unclear"


def _leak_json(leak: Leak) -> dict[str, Any]:
    gauges = [[gauge.channel, gauge.change, gauge.z] for gauge in leak.pressures]
    return {
        "since_us": leak.since_us, "size": leak.size, "low": leak.low, "high": leak.high, "night": leak.night,
        "mean": leak.mean, "z": leak.z, "verdict": leak.verdict, "pressures": gauges,
        "in_proportion": leak.in_proportion,
    }  # fmt: skip


def _json(row: list[float]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in row]


def _numbers(row: list[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in row]
