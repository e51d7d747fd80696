"""Forecasts that a farmer acts on. Pure: `forecast` makes one from an asset's hours and perhaps a weather file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from satomori_analytics.forecasts import blast, frost, heat, irrigation, rice
from satomori_analytics.forecasts.base import (
    KINDS,
    Forecast,
    Hours,
    Kind,
    MissingError,
    Outcome,
    Spot,
    settled,
    unmade,
)
from satomori_analytics.forecasts.drawing import drawn
from satomori_analytics.forecasts.weather import Weather
from satomori_analytics.playbook import Outlook

Foretell = Callable[[Spot, Outlook, Hours, Weather | None, int], Outcome]


@dataclass(frozen=True, slots=True)
class Method:
    """`metrics`: what it looks at where it is measured. `every_h`: how often it is worth making."""

    foretell: Foretell
    metrics: tuple[str, ...]
    history_days: int
    every_h: int = 1


METHODS: Mapping[Kind, Method] = {
    "frost": Method(frost.foretell, ("air_temperature", "relative_humidity"), frost.HISTORY_DAYS),
    "irrigation": Method(
        irrigation.foretell,
        ("air_temperature", "relative_humidity", "wind_speed", "solar_radiation", "rain", "soil_moisture"),
        irrigation.HISTORY_DAYS,
    ),
    "blast": Method(
        blast.foretell,
        ("air_temperature", "relative_humidity", "leaf_wetness", "rain", "wind_speed"),
        blast.HISTORY_DAYS,
    ),
    "heat": Method(heat.foretell, ("air_temperature", "relative_humidity"), heat.HISTORY_DAYS),
    "heading": Method(rice.heading, ("air_temperature",), rice.HISTORY_DAYS, every_h=24),
    "harvest": Method(rice.harvest, ("air_temperature",), rice.HISTORY_DAYS, every_h=24),
}


@dataclass(frozen=True, slots=True)
class Known:
    """What a forecast may look at: an asset, its hours, and what a weather file tells of its place."""

    spot: Spot
    hours: Hours
    weather: Weather | None = None


def forecast(kind: Kind, outlook: Outlook, known: Known, now_us: int) -> Forecast:
    """The forecast as it could be made at `now_us`, or why it could not: never an error for what a place lacks."""
    try:
        outcome = METHODS[kind].foretell(known.spot, outlook, known.hours.until(now_us), known.weather, now_us)
        found = settled(kind, known.spot, outlook, outcome, now_us)
        return replace(found, picture=drawn(found, outcome, outlook, known.spot))
    except MissingError as why:
        return unmade(kind, known.spot, outlook, why, now_us)


__all__ = ["KINDS", "METHODS", "Forecast", "Hours", "Kind", "Known", "Method", "Spot", "Weather", "forecast"]
