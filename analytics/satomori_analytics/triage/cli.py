"""`satomori triage earthquake`, `storm` and `rules`."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import click

from satomori_core.cli import Invocation, common_options, print_rows
from satomori_core.clock import now_us
from satomori_core.errors import RejectedError, SettingsError

if TYPE_CHECKING:
    from satomori_analytics.triage.order import Quake, Ranked
    from satomori_analytics.triage.rules import Hazard

Language = Literal["ja", "en"]
VERDICTS = {"look": ("まず見る", "look first"), "unknown": ("強さ不明", "not known"), "wait": ("対象外", "can wait")}


@click.group(short_help="What to look at first after an earthquake or a storm.")
def triage() -> None:
    """Order all assets by what to look at first (まず見る所). Nothing is written."""


def _language(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--language", type=click.Choice(["ja", "en"]), default="ja", show_default=True)(command)


@triage.command()
@click.option("--latitude", type=float, help="Of the epicentre.")
@click.option("--longitude", type=float, help="Of the epicentre.")
@click.option("--magnitude", type=float, help="JMA's.")
@click.option("--depth", type=float, default=10.0, show_default=True, help="In km.")
@click.option("--amplification", type=float, default=1.0, show_default=True, help="Of PGV by soft ground.")
@click.option("--intensity", multiple=True, metavar="MUNICIPALITY=VALUE", help="Observed there: 5.6, or 6弱.")
@_language
@common_options
def earthquake(
    invocation: Invocation, *, latitude: float | None, longitude: float | None, magnitude: float | None, depth: float,
    amplification: float, intensity: tuple[str, ...], language: Language,
) -> None:  # fmt: skip
    """By the intensity observed in a municipality, elsewhere by what an epicentre lets expect.

    Example: satomori triage earthquake --latitude 34.12 --longitude 133.7 --magnitude 6.5 --intensity minato=6弱
    """
    from satomori_analytics.triage.order import Quake, parse_told  # noqa: PLC0415 - other commands need no numpy

    with _arguments():
        quake = None
        if latitude is not None and longitude is not None and magnitude is not None:
            quake = Quake(latitude, longitude, magnitude, depth, amplification)
        elif (latitude, longitude, magnitude) != (None, None, None):
            raise SettingsError("--latitude, --longitude and --magnitude go together")
        _print(invocation, language, {"earthquake": parse_told("earthquake", intensity)}, quake=quake)


@triage.command()
@click.option("--rain", multiple=True, metavar="MUNICIPALITY=VALUE", help="mm in 24 hours.")
@click.option("--wind", multiple=True, metavar="MUNICIPALITY=VALUE", help="Strongest 10-minute mean in m/s.")
@click.option("--flood", multiple=True, metavar="MUNICIPALITY=VALUE", help="Depth of water in m.")
@click.option("--river", multiple=True, metavar="MUNICIPALITY=VALUE", help="Level 1 to 5 of the flood forecast.")
@click.option("--gauges", is_flag=True, help="Rain of the last 24 hours by the region's own gauges, where not told.")
@_language
@common_options
def storm(
    invocation: Invocation, *, rain: tuple[str, ...], wind: tuple[str, ...], flood: tuple[str, ...],
    river: tuple[str, ...], gauges: bool, language: Language,
) -> None:  # fmt: skip
    """By rain, wind and flood as told for a municipality, or as its own gauges have it.

    Example: satomori triage storm --rain minato=120 --rain aoba=60 --gauges
    """
    from satomori_analytics.triage.order import parse_told  # noqa: PLC0415 - other commands need no numpy

    with _arguments():
        told: dict[Hazard, dict[str, float]] = {
            "rain": parse_told("rain", rain), "wind": parse_told("wind", wind), "flood": parse_told("flood", flood),
            "river": parse_told("river", river),
        }  # fmt: skip
        _print(invocation, language, told, gauges=gauges)


@triage.command()
@common_options
def rules(invocation: Invocation) -> None:
    """From where on each class is looked at, by our rules and a municipality's own; its mistakes are told.

    Of a municipality only what differs is shown.
    """
    from satomori_analytics.settings import load_analytics  # noqa: PLC0415 - other commands need no numpy
    from satomori_analytics.triage.rules import load_rules  # noqa: PLC0415

    book = load_rules(load_analytics(invocation.config).triage_dir)
    ours = {(name, hazard): look for name, each in book.general.assets.items() for hazard, look in each.after.items()}
    rows = [
        {"municipality": where, "class": name, "after": hazard, "look_from": look.look_from, "source": look.source}
        for where, found in {"": book.general, **book.own}.items()
        for name, each in found.assets.items()
        for hazard, look in each.after.items()
        if not where or look != ours.get((name, hazard))
    ]
    print_rows(rows, as_json=invocation.json)


@contextmanager
def _arguments() -> Generator[None]:
    """What is rejected here was typed wrong."""
    try:
        yield
    except RejectedError as error:
        raise SettingsError(str(error)) from None


def _print(
    invocation: Invocation, language: Language, told: Mapping["Hazard", Mapping[str, float]], *,
    quake: "Quake | None" = None, gauges: bool = False,
) -> None:  # fmt: skip
    from satomori_analytics.settings import load_analytics  # noqa: PLC0415 - other commands need no database
    from satomori_analytics.triage.order import Event, order  # noqa: PLC0415
    from satomori_analytics.triage.region import gauged_rain, load_subjects  # noqa: PLC0415
    from satomori_analytics.triage.rules import load_rules  # noqa: PLC0415
    from satomori_store.opening import open_registry, open_store  # noqa: PLC0415

    rulebook = load_rules(load_analytics(invocation.config).triage_dir)
    registry, store = (
        open_registry(invocation.state, invocation.config),
        open_store(invocation.state, invocation.config),
    )
    try:
        now = now_us()
        rain = gauged_rain(registry, store, now) if gauges else {}
        ranked = order(
            Event({**told, "rain": {**rain, **told.get("rain", {})}}, quake),
            load_subjects(registry, store, now),
            rulebook,
        )
    finally:
        store.close()
        registry.dispose()
    if invocation.json:
        print_rows(
            [{key.removesuffix("_"): value for key, value in asdict(row).items()} for row in ranked], as_json=True
        )
    else:
        print_rows([_row(each, language) for each in ranked], as_json=False)


def _row(ranked: "Ranked", language: Language) -> dict[str, object]:
    ja = language == "ja"
    return {
        "rank": ranked.rank,
        "verdict": VERDICTS[ranked.verdict][0 if ja else 1],
        "score": ranked.score,
        "asset": ranked.asset_id,
        "name": ranked.name if ja else ranked.name_en,
        "why": " · ".join(ranked.reasons_ja if ja else ranked.reasons_en),
        "look": ranked.look_ja if ja else ranked.look_en,
    }
