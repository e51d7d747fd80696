"""`satomori forecast`: what is to come for farms, made now (or as it would have been at a time) from the store."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from satomori_core.cli import Invocation, common_options, print_rows
from satomori_core.clock import from_iso, now_us, to_iso
from satomori_core.errors import SettingsError
from satomori_core.settings import suggest

if TYPE_CHECKING:
    from satomori_analytics.forecasts.base import Forecast

_KINDS = ["frost", "irrigation", "blast", "heat", "heading", "harvest"]


@click.command(short_help="What is to come for farms: frost, irrigation, blast, heat, heading and harvest.")
@click.option("--asset", multiple=True, help="Id of an asset; may be repeated. [default: all]")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(_KINDS), help="May be repeated. [default: all]")
@click.option("--at", "at", help="As it would have been at that time (RFC 3339), from what was measured by then.")
@click.option("--weather", type=click.Path(path_type=Path), help="Weather forecast file. [default: as set]")
@click.option("--language", type=click.Choice(["ja", "en"]), default="ja", show_default=True)
@common_options
def forecast(
    invocation: Invocation, *, asset: tuple[str, ...], kinds: tuple[str, ...], at: str | None, weather: Path | None,
    language: Literal["ja", "en"],
) -> None:  # fmt: skip
    """Make the forecasts of the region's farms from what is stored. Nothing is written and nobody is notified.

    Example: satomori forecast --asset inaho-paddy-1 --kind blast --weather tomorrow.csv
    """
    try:
        made_us = from_iso(at) if at else now_us()
    except ValueError:
        raise SettingsError(f"--at {at!r} is no time; write 2026-04-10T18:00+09:00") from None
    found = _make(invocation, asset, set(kinds) or set(_KINDS), weather, made_us)
    if invocation.json:
        print_rows([_document(each) for each in found], as_json=True)
    else:
        print_rows([_row(each, language) for each in found], as_json=False)


def _make(
    invocation: Invocation, wanted: tuple[str, ...], kinds: set[str], weather: Path | None, made_us: int
) -> "list[Forecast]":
    from satomori_analytics.forecasts.region import load_places, make, outlooks_of  # noqa: PLC0415 - needs numpy
    from satomori_analytics.forecasts.weather import load_weather, stale_reason  # noqa: PLC0415
    from satomori_analytics.playbook_files import load_playbooks  # noqa: PLC0415
    from satomori_analytics.settings import load_analytics  # noqa: PLC0415
    from satomori_store.opening import open_registry, open_store  # noqa: PLC0415

    settings = load_analytics(invocation.config)
    playbooks = load_playbooks(settings.playbooks_dir)
    path = weather or settings.weather_file
    file = load_weather(path) if path else None
    if file is not None and (reason := stale_reason(file, made_us, settings.weather_stale_after_s)):
        click.echo(f"satomori: {path} is not used: {reason}", err=True)
        file = None
    registry, store = open_registry(invocation.state, invocation.config), None
    try:
        store = open_store(invocation.state, invocation.config)
        places = {place.spot.id: place for place in load_places(registry, playbooks, made_us)}
        for name in wanted:
            if name not in places:
                raise SettingsError(f"no farm asset {name!r}{suggest(name, places)}")
        found: list[Forecast] = []
        for place in (places[name] for name in wanted or places):
            outlooks = outlooks_of(playbooks, place.spot.class_, place.municipality)
            chosen = {kind: outlook for kind, outlook in outlooks.items() if kind in kinds}
            if chosen:
                found += make(store, place, chosen, file, made_us)
        return found
    finally:
        if store is not None:
            store.close()
        registry.dispose()


def _document(forecast: "Forecast") -> dict[str, Any]:
    row = {key.removesuffix("_us"): to_iso(v) if key.endswith("_us") else v for key, v in asdict(forecast).items()}
    del row["picture"]
    return row | {"level": forecast.level.name.lower()}


def _row(forecast: "Forecast", language: str) -> dict[str, object]:
    from satomori_analytics.forecasts.base import NAMES  # noqa: PLC0415

    ja = language == "ja"
    return {
        "asset": forecast.asset,
        "forecast": NAMES[forecast.kind][0 if ja else 1],
        "level": forecast.level.name.lower() if forecast.status == "made" else f"({forecast.status})",
        "what": forecast.text_ja if ja else forecast.text_en,
        "do": forecast.advice_ja if ja else forecast.advice_en,
    }
