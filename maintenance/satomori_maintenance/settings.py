"""The [maintenance] table: timing, the console's address, and who is told what."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from satomori_core.clock import SECOND_US
from satomori_core.errors import SettingsError
from satomori_core.settings import Secret, load_settings
from satomori_core.vocabulary import Level
from satomori_maintenance.dispatch import Timing

Language = Literal["ja", "en"]
_LEVELS = {"watch": Level.WATCH, "warning": Level.WARNING, "danger": Level.DANGER}


@dataclass(frozen=True, slots=True)
class ReceiverSettings:
    """One way to one circle of people: one apprise URL, which is a secret, since most hold a password or a token.

    `organisations`: whose eyes it has; none: it sees all. Two ways to the same people are two receivers, so that one
    that fails is tried again without telling the other twice.
    """

    name: str
    url: Secret
    organisations: tuple[str, ...] = ()
    language: Language = "ja"
    min_level: Literal["watch", "warning", "danger"] = "watch"

    @property
    def least_level(self) -> Level:
        return _LEVELS[self.min_level]


@dataclass(frozen=True, slots=True)
class MaintenanceSettings:
    """Times in seconds. `repeat_interval_s` 0: what stands is never told again."""

    console_url: str = "http://127.0.0.1:8686"
    receiver: tuple[ReceiverSettings, ...] = ()
    loop_s: float = 2.0
    hold_s: float = 600.0
    group_wait_s: float = 30.0
    group_interval_s: float = 300.0
    repeat_interval_s: float = 86400.0
    give_up_after_s: float = 86400.0
    status_every_s: float = 300.0
    freshness_every_s: float = 15.0
    stale_after_intervals: float = 3.0
    stale_after_least_s: float = 120.0

    @property
    def hold_us(self) -> int:
        return round(self.hold_s * SECOND_US)

    @property
    def timing(self) -> Timing:
        return Timing(
            group_wait_us=round(self.group_wait_s * SECOND_US),
            group_interval_us=round(self.group_interval_s * SECOND_US),
            repeat_interval_us=round(self.repeat_interval_s * SECOND_US) or None,
            hold_us=self.hold_us,
        )


def load_maintenance(config: Path | None) -> MaintenanceSettings:
    """Raise SettingsError for what can't be meant: times below zero, two receivers of one name."""
    settings = load_settings(config, "maintenance", MaintenanceSettings)
    for name in MaintenanceSettings.__dataclass_fields__:
        value = getattr(settings, name)
        if isinstance(value, float) and value < 0:
            raise SettingsError(f"{config}: [maintenance] {name}: {value:g} is below zero")
    if settings.loop_s == 0:
        raise SettingsError(f"{config}: [maintenance] loop_s: must be above zero")
    _check_names(config, [receiver.name for receiver in settings.receiver])
    return settings


def _check_names(config: Path | None, names: Sequence[str]) -> None:
    for name in names:
        if not name or "|" in name:
            raise SettingsError(f"{config}: [[maintenance.receiver]] name {name!r}: some text without | is expected")
        if names.count(name) > 1:
            raise SettingsError(f"{config}: [[maintenance.receiver]] name {name!r} is there twice; a name is unique")
