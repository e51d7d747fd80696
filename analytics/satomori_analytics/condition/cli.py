"""`satomori condition`: how structures stand, by the ledger as it is now and days until the last midnight."""

from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import click

from satomori_core.cli import Invocation, common_options, print_rows
from satomori_core.clock import now_us
from satomori_core.errors import SettingsError
from satomori_core.settings import suggest

if TYPE_CHECKING:
    from satomori_analytics.condition.region import Condition, Fits


@click.command(short_help="How structures stand: measured, rated, and how they may age.")
@click.option("--asset", multiple=True, help="Id of an asset; may be repeated. [default: all]")
@click.option("--class", "class_", help="Only assets of this class, e.g. bridge.")
@click.option("--group", help="Only members of this group.")
@click.option("--rates", is_flag=True, help="Tell how fast ratings are taken to worsen, and who says so.")
@click.option("--language", type=click.Choice(["ja", "en"]), default="ja", show_default=True)
@common_options
def condition(
    invocation: Invocation,
    *,
    asset: tuple[str, ...],
    class_: str | None,
    group: str | None,
    rates: bool,
    language: Literal["ja", "en"],
) -> None:
    """Tell what bridges, slopes, sewers, pumps and water mains measure, beside their legal rating 健全度.

    With the chance of a worse rating in 5, 10 and 20 years; the most urgent first. Nothing is written. Of assets that
    are named the days are read; of others what the service kept of them at the last midnight, where it did.
    """
    from satomori_analytics.condition import region  # noqa: PLC0415 - needs numpy
    from satomori_analytics.condition.rates import load_rates  # noqa: PLC0415
    from satomori_analytics.indicators.base import to_json  # noqa: PLC0415
    from satomori_analytics.playbook_files import load_playbooks  # noqa: PLC0415
    from satomori_analytics.settings import load_analytics  # noqa: PLC0415
    from satomori_store.opening import open_registry, open_store  # noqa: PLC0415

    settings = load_analytics(invocation.config)
    playbooks, ratebook = load_playbooks(settings.playbooks_dir), load_rates(settings.rates_dir)

    registry = open_registry(invocation.state, invocation.config)
    try:
        structures = region.load_structures(registry)
        known = [row.id for row in structures]
        for name in asset:
            if name not in known:
                raise SettingsError(f"no structure {name!r}{suggest(name, known)}")
        classes = sorted({row.class_ for row in structures})
        if class_ is not None and class_ not in classes:
            raise SettingsError(f"no structure of class {class_!r}{suggest(class_, classes)}")
        members = None if group is None else region.members_of(registry, group)
        if members == []:
            raise SettingsError(f"no group {group!r} with members: satomori registry list groups")
        chosen = [
            row
            for row in structures
            if (not asset or row.id in asset)
            and class_ in (None, row.class_)
            and (members is None or row.id in members)
        ]
        if rates:
            print_rows(_rates(region.Fits(registry, chosen, ratebook)), as_json=invocation.json)
            return
        store = open_store(invocation.state, invocation.config)
        try:
            found = region.conditions(
                registry, store, chosen, now_us(), playbooks=playbooks, ratebook=ratebook, drawn=bool(asset)
            )
        finally:
            store.close()
    finally:
        registry.dispose()
    found = region.by_urgency(found)
    if invocation.json:
        print_rows((to_json(asdict(each)) for each in found), as_json=True)
    else:
        print_rows([row for each in found for row in _rows(each, language)], as_json=False)


def _rates(fits: "Fits") -> list[dict[str, Any]]:
    """A row for each state that is left, per year with a 90 % interval."""
    from satomori_analytics.condition.ageing import STATES, leaving_of  # noqa: PLC0415
    from satomori_analytics.condition.region import scale_of  # noqa: PLC0415

    return [
        {"municipality": municipality, "class": class_, "from": before, "to": after, "a_year": round(rate, 4),
         "low": round(low, 4), "high": round(high, 4), "pairs": fitted.pairs, "table": table,
         "source": fitted.rates.source}
        for (municipality, class_, table), fitted in sorted(fits.all().items())
        for (before, after), (rate, low, high) in zip(
            pairwise(STATES[scale_of(class_)]), leaving_of(fitted), strict=True
        )
    ]  # fmt: skip


def _rows(condition: "Condition", language: str) -> list[dict[str, Any]]:
    from satomori_analytics.condition.telling import (  # noqa: PLC0415
        ageing_text,
        measured_text,
        reach_text,
        sewer_text,
        unread_text,
    )

    place = 0 if language == "ja" else 1
    told = [] if condition.sewer_urgency is None else [sewer_text(condition.sewer_urgency)[place]]
    told += [measured_text(each)[place] for each in condition.measured]
    told += [reach_text(each)[place] for each in condition.reaches]
    told += [ageing_text(each)[place] for each in condition.ageing]
    told += [each[place] for each in condition.wanting]
    told += [unread_text(condition.unread)[place]] if condition.unread else []
    stands = {"urgency": condition.urgency, "asset": condition.asset, "municipality": condition.municipality,
              "rating": condition.rating or "-"}  # fmt: skip
    return [{**stands, "condition": each} for each in told or ["-"]]
