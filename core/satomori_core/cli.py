"""The `satomori` program: finds the commands that installed parts bring, and turns errors into exit codes.

Exit status: 0 done, 1 it failed, 2 the settings or the arguments are wrong.
"""

import functools
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NoReturn

import click
from typing_extensions import override

from satomori_core import __version__
from satomori_core.errors import SatomoriError, SettingsError
from satomori_core.logs import configure_logs

DEFAULT_CONFIG = Path("satomori.toml")


@dataclass(frozen=True, slots=True)
class Invocation:
    """What every command may be told: where state lies, which settings file, JSON or text."""

    state: Path
    config: Path | None
    json: bool


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--state`, `--config` and `--json`; its first argument is then an Invocation."""

    @functools.wraps(command)
    def wrapped(*args: Any, state: Path, config: Path | None, as_json: bool, **kwargs: Any) -> Any:  # noqa: ANN401
        if config is None and DEFAULT_CONFIG.exists():
            config = DEFAULT_CONFIG
        return command(Invocation(state, config, as_json), *args, **kwargs)

    path = click.Path(path_type=Path)
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option(
            "--config",
            type=path,
            default=None,
            help="Settings file. [default: ./satomori.toml if there]",
        ),
        click.option(
            "--state",
            type=path,
            default=Path("state"),
            show_default=True,
            help="Folder of all state.",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped


def print_rows(rows: Iterable[Mapping[str, object]], *, as_json: bool) -> None:
    """A JSON array, or a table with aligned columns."""
    rows = list(rows)
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1, default=str))
        return
    if not rows:
        click.echo("(none)")
        return
    columns = list(rows[0])
    texts = [[str("" if row.get(c) is None else row.get(c)) for c in columns] for row in rows]
    widths = [max(len(c), *(len(t[i]) for t in texts)) for i, c in enumerate(columns)]
    for line in [columns, *texts]:
        click.echo("  ".join(t.ljust(w) for t, w in zip(line, widths, strict=True)).rstrip())


def _extra_of(entry: EntryPoint) -> str:
    """The extra that brings a command: the folder that its package lies in."""
    part = entry.module.split(".")[0].removeprefix("satomori_")
    return {"store": "ingest"}.get(part, part)


class _Program(click.Group):
    """Commands are imported when they are called, so that `satomori edge` loads nothing of the others."""

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:  # of a command that imports its libraries only when it runs
            entries = entry_points(group="satomori.commands", name=ctx.invoked_subcommand or "")
            if (error.name or "").startswith("satomori_") or not entries:
                raise
            [entry] = entries
            raise SettingsError(_what_is_missing(entry.name, _extra_of(entry), error.name or "?")) from None

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(entry_points(group="satomori.commands").names)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for entry in entry_points(group="satomori.commands", name=cmd_name):
            try:
                command = entry.load()
            except ModuleNotFoundError as error:
                if (error.name or "").startswith("satomori_"):
                    raise
                return _not_installed(cmd_name, _extra_of(entry), error.name or "?")
            if not isinstance(command, click.Command):
                raise TypeError(f"{entry.value} is not a click command")
            return command
        return None


def _what_is_missing(name: str, extra: str, module: str) -> str:
    return f"`satomori {name}` needs {module}, which is not installed: pip install 'satomori[{extra}]'"


def _not_installed(name: str, extra: str, module: str) -> click.Command:
    @click.command(
        name,
        short_help=f"(not installed: pip install 'satomori[{extra}]')",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    def command() -> NoReturn:
        raise SettingsError(_what_is_missing(name, extra, module))

    return command


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="satomori")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def program(log_level: str) -> None:
    """Satomori (里守) watches over a region's farms and infrastructure."""
    configure_logs(log_level)


def main() -> NoReturn:
    try:
        sys.exit(program.main(standalone_mode=False) or 0)
    except SettingsError as error:
        click.echo(f"satomori: {error}", err=True)
        sys.exit(2)
    except SatomoriError as error:
        click.echo(f"satomori: {error}", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
