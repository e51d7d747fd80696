"""`satomori peers`: each asset against its like, from the store as it is now."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import click

from satomori_core.cli import Invocation, common_options, print_rows
from satomori_core.clock import now_us
from satomori_core.errors import SettingsError
from satomori_core.settings import suggest

if TYPE_CHECKING:
    from satomori_analytics.peers.region import Comparison


@click.command(short_help="Each asset against its like, across owners.")
@click.option("--asset", multiple=True, help="Id of an asset; may be repeated. [default: all]")
@click.option("--language", type=click.Choice(["ja", "en"]), default="ja", show_default=True)
@common_options
def peers(invocation: Invocation, *, asset: tuple[str, ...], language: Literal["ja", "en"]) -> None:
    """Compare assets with those of their class, age, span, material and climate; weather is allowed for.

    Of the others only statistics are told. Nothing is written.
    """
    from satomori_analytics.peers.region import compare_all, load_region  # noqa: PLC0415 - needs numpy
    from satomori_store.opening import open_registry, open_store  # noqa: PLC0415

    registry, at_us = open_registry(invocation.state, invocation.config), now_us()
    try:
        store = open_store(invocation.state, invocation.config)
        try:
            region = load_region(registry, at_us)
            known = [peer.member.asset for peer in region.peers]
            for name in asset:
                if name not in known:
                    raise SettingsError(f"no asset {name!r} that is compared{suggest(name, known)}")
            found = compare_all(region, store, at_us, asset or None)
        finally:
            store.close()
    finally:
        registry.dispose()
    rows = map(asdict, found) if invocation.json else (_row(each, language) for each in found)
    print_rows(rows, as_json=invocation.json)


def _row(found: "Comparison", language: str) -> dict[str, Any]:
    from satomori_analytics.peers.telling import sentence  # noqa: PLC0415

    told = sentence(found)[0 if language == "ja" else 1]
    chance = f"{found.difference.p:.3g}" if found.difference else ""
    return {"asset": found.asset, "comparison": told, "chance": chance}
