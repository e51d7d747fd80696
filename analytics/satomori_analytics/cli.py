"""`satomori analytics` (the service), `satomori playbook`, `satomori indicator NAME` and `satomori detect`."""

import csv
import inspect
import itertools
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from typing_extensions import override

from satomori_core.classes import classes
from satomori_core.cli import Invocation, common_options, print_rows
from satomori_core.errors import SettingsError
from satomori_core.settings import suggest

if TYPE_CHECKING:
    from satomori_analytics.playbook import Limit, Playbook, Watch


@click.command(short_help="Judge what is stored: checks, indicators, detectors, findings.")
@common_options
@click.option("--check", is_flag=True, help="Load settings and playbooks, say what they watch, and end.")
def analytics(invocation: Invocation, check: bool) -> None:
    """Judge what is stored, as it comes: checks into qc, limits and detectors into findings. Runs until stopped."""
    from satomori_analytics.settings import load_analytics  # noqa: PLC0415 - the other commands need no database

    settings = load_analytics(invocation.config)
    if check:
        from satomori_analytics.playbook_files import load_playbooks  # noqa: PLC0415

        playbooks = load_playbooks(settings.playbooks_dir)
        named = {**{("", name): p for name, p in playbooks.general.items()}, **playbooks.own}
        rows = [{"class": name, "municipality": where, **_counts(p)} for (where, name), p in named.items()]
        print_rows(rows, as_json=invocation.json)
        return
    from satomori_analytics.service import run  # noqa: PLC0415

    run(invocation.state, invocation.config, settings)


def _counts(playbook: "Playbook") -> dict[str, object]:
    return {"limits": len(playbook.limit), "derived": len(playbook.derived), "detectors": len(playbook.watch)}


@click.group(short_help="What each class of assets is watched for; check your own playbooks.")
def playbook() -> None:
    """Playbooks: what each class of assets is watched for, and what a municipality changes in them."""


@playbook.command(short_help="Find the mistakes of playbooks before they run.")
@common_options
@click.argument("paths", metavar="[FILE…]", nargs=-1, type=click.Path(exists=True, path_type=Path))
def check(invocation: Invocation, paths: tuple[Path, ...]) -> None:
    """Find all mistakes of FILEs or folders of playbooks, as laid over ours; exit status 2 where there is one.

    Without a FILE: ours, and the folder that [analytics] playbooks_dir names; and the rates of its rates_dir.
    """
    from satomori_analytics.condition.rates import load_rates  # noqa: PLC0415 - needs numpy
    from satomori_analytics.playbook_files import read_files, shipped  # noqa: PLC0415
    from satomori_analytics.settings import load_analytics  # noqa: PLC0415

    if not paths:
        settings = load_analytics(invocation.config)
        folder = settings.playbooks_dir
        load_rates(settings.rates_dir)
        found = [*shipped().values(), *read_files([folder] if folder else [])]
    else:
        found = read_files(paths)
    if not found:
        raise SettingsError(f"{', '.join(map(str, paths))}: no playbook there; they are called <class>.toml")
    faults = [fault for laid in found for fault in laid.faults]
    if faults and invocation.json:
        print_rows(map(asdict, faults), as_json=True)
        click.get_current_context().exit(2)
    if faults:
        raise SettingsError("\n".join([f"mistakes in playbooks: {len(faults)}", *map(str, faults)]))
    rows = [
        {"file": laid.file, "class": laid.class_, "municipality": laid.municipality, **_counts(laid.playbook)}
        for laid in found
        if laid.playbook
    ]
    print_rows(rows, as_json=invocation.json)


@playbook.command(short_help="What a class is watched for: its tables, values and sources.")
@common_options
@click.argument("class_", metavar="[CLASS]", required=False)
@click.option("--municipality", default="", help="As it is for the assets of this municipality.")
def show(invocation: Invocation, class_: str | None, municipality: str) -> None:
    """List what CLASS is watched for: the tables that your own file may change; without a CLASS, all classes."""
    from satomori_analytics.playbook_files import load_playbooks  # noqa: PLC0415
    from satomori_analytics.settings import load_analytics  # noqa: PLC0415

    playbooks = load_playbooks(load_analytics(invocation.config).playbooks_dir)
    if class_ is None:
        names = {name: (classes()[name].ja, classes()[name].en) for name in playbooks.general}
        found = {name: p for name in names if (p := playbooks.of(name, municipality))}
        rows: list[dict[str, object]] = [
            {"class": name, "ja": names[name][0], "en": names[name][1], **_counts(p), "people_ja": p.people_ja,
             "people_en": p.people_en}
            for name, p in found.items()
        ]  # fmt: skip
        print_rows(rows, as_json=invocation.json)
        return
    one = playbooks.of(class_, municipality)
    if one is None:
        raise SettingsError(f"no class {class_!r}{suggest(class_, playbooks.general)}")
    columns = ("table", "on", "level", "low", "high", "unit", "for_s", "attribute", "source")
    rows = _tables(one)
    print_rows(rows if invocation.json else [{c: row.get(c) for c in columns} for row in rows], as_json=invocation.json)


def _tables(playbook: "Playbook") -> list[dict[str, object]]:
    """A row for each table with a threshold or a formula, by the name that an override gives it."""
    from satomori_analytics.indicators.base import to_json  # noqa: PLC0415
    from satomori_analytics.playbook import FORECASTS  # noqa: PLC0415

    rows: list[dict[str, object]] = [
        {"table": f"derived.{name}", "on": ", ".join(each.inputs.values()), "unit": each.unit,
         "source": f"indicator {each.indicator}", "options": each.options}
        for name, each in playbook.derived.items()
    ]  # fmt: skip
    entries: dict[str, Limit | Watch] = {f"limit.{name}": each for name, each in playbook.limit.items()}
    entries |= {f"watch.{name}": each for name, each in playbook.watch.items()}
    rows += [
        {"table": f"forecast.{name}.{level}", "on": name, "level": level, "low" if FORECASTS[name] == "low" else "high":
         call.limit, "chance": call.chance, "attribute": call.attribute, "source": outlook.source}
        for name, outlook in playbook.forecast.items()
        for level, call in (("watch", outlook.watch), ("warning", outlook.warning))
        if call is not None
    ]  # fmt: skip
    for table, entry in entries.items():
        row = to_json(asdict(entry)) | {
            "table": table,
            "level": entry.level if entry.enabled else f"({entry.level}, disabled)",
        }
        rows.append(row if isinstance(entry.on, str) else row | {"on": ", ".join(entry.on)})
    return rows


class _WithDomains(click.Command):
    """Its help ends with the names of all indicators."""

    @override
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from satomori_analytics import indicators  # noqa: PLC0415

        for domain in indicators.DOMAINS:
            with formatter.section(f"{domain.ja} / {domain.en}"):
                formatter.write_text(", ".join(each.name for each in domain.indicators))


@click.command(cls=_WithDomains, short_help="Any domain formula by name, JSON or CSV in, JSON out.")
@common_options
@click.argument("name", required=False)
@click.option(
    "--input", "text", default=None,
    help="The inputs as JSON, or a file of JSON or (.csv) of columns. [default: JSON from standard input]",
)  # fmt: skip
@click.option("--list", "listing", is_flag=True, help="List all, or those that have NAME in their names or domain.")
def indicator(invocation: Invocation, name: str | None, text: str | None, listing: bool) -> None:
    """Compute the indicator NAME from a JSON object of inputs; an array of objects gives an array of values.

    An input may be a list, for a value each; so is a column of a CSV table. null, or an empty cell, is a missing value.

    At a terminal, NAME without --input says what it takes.

    Example: satomori indicator thi --input '{"t_c": 32, "rh": 22}'
    """
    from satomori_analytics import indicators  # noqa: PLC0415
    from satomori_analytics.indicators.inputs import read_document  # noqa: PLC0415

    if listing:
        _list_indicators((name or "").lower(), as_json=invocation.json)
        return
    if name is None:
        raise SettingsError("name an indicator, or use --list")
    found = indicators.find(name)
    if text is None and _is_terminal():  # nobody types JSON there: say what it takes instead of waiting
        click.echo(f"{found.told()}\n      {inspect.getdoc(found.function)}")
        return
    document = read_document(found, sys.stdin.read(), "standard input") if text is None else read_document(found, text)
    value = indicators.call(found, document)
    answer = {"name": found.name, "value": value, "unit": found.unit, "source": found.source, "status": found.status}
    click.echo(json.dumps(answer, ensure_ascii=False))


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _list_indicators(word: str, *, as_json: bool) -> None:
    """By domain, those that have the word in their names, else those that have it in their domain's."""
    from satomori_analytics import indicators  # noqa: PLC0415

    pairs = [(domain, each) for domain in indicators.DOMAINS for each in domain.indicators]
    named = [pair for pair in pairs if word in f"{pair[1].name} {pair[1].ja} {pair[1].en}".lower()]
    found = named or [pair for pair in pairs if word in f"{pair[0].ja} {pair[0].en}".lower()]
    if not found:
        raise SettingsError(f"no indicator or domain has {word!r} in its names; `satomori indicator --list` has all")
    if as_json:
        print_rows(({"domain": domain.en} | each.describe() for domain, each in found), as_json=True)
        return
    for domain, group in itertools.groupby(found, key=lambda pair: pair[0]):
        click.echo(f"{domain.ja} / {domain.en}")
        click.echo("\n".join(each.told() for _, each in group))


@click.command(short_help="Score a CSV recording with the detectors that run in production.")
@common_options
@click.option(
    "--input", "source", type=click.Path(path_type=Path), required=True, help="CSV with a header line; - is stdin."
)
@click.option(
    "--output", "target", type=click.Path(path_type=Path), required=True, help="CSV with score and alarm; - is stdout."
)
@click.option(
    "--time-column",
    default=None,
    help="'' for a row a second. [default: by its name, or the first one that holds times]",
)
@click.option("--value-columns", default="", help="Comma-separated. [default: all numbers that are no labels]")
@click.option(
    "--train-rows", type=click.IntRange(min=20), default=None,
    help="Rows that several channels are learned from first, unjudged. [default: the detector's]",
)  # fmt: skip
@click.option("--delimiter", default=None, help="One character or `tab`. [default: as the header line has it]")
@click.option("--detector", default=None, help="[default: by the number of columns]")
def detect(
    invocation: Invocation, *, source: Path, target: Path, time_column: str | None, value_columns: str,
    train_rows: int | None, delimiter: str | None, detector: str | None,
) -> None:  # fmt: skip
    """Score each row of a recording from that row and earlier ones only: one line out for each line in.

    `score` is 0 to 1, `alarm` 0 or 1. Cells that are no number are missing. --detector leak takes a district's
    inflow (the column named as a flow, or the first), the others as its pressures, and adds since when it leaks and how
    much, in the file's unit.
    """
    from satomori_analytics import files  # noqa: PLC0415

    names = [name.strip() for name in next(csv.reader([value_columns]), []) if name.strip()]
    wanted = files.Wanted(time_column, names, delimiter, inflow_first=detector == "leak")
    outcome = files.score_file(
        source, target, wanted, lambda layout: files.build_detector(detector, layout, train_rows), _tell_progress
    )
    layout = outcome.layout
    for name, known in zip(layout.value_names, outcome.known, strict=True):
        if outcome.rows and not known:
            click.echo(f"satomori: {source}: no number in any row of {name!r}", err=True)
    if 0 < outcome.rows <= outcome.learned_rows:
        click.echo(
            f"satomori: {source}: too short: the first {outcome.learned_rows} rows are learned from only", err=True
        )
    row = {
        "rows": outcome.rows,
        "columns": ", ".join(layout.value_names),
        "time": "(a row a second)" if layout.time is None else layout.names[layout.time],
        "left_out": ", ".join(layout.left_out),
        "missing": outcome.rows * len(layout.values) - sum(outcome.known),
        "retimed": outcome.retimed,
        "output": str(target),
    }
    if target != files.STANDARD:
        print_rows([row], as_json=invocation.json)


def _tell_progress(rows: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{rows:,}", nl=False, err=True)
