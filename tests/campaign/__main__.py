"""`make campaign SEED=… FAULTS=…`: real kills of real processes; then what the sensors said against what is stored.

Exit status 1 where a reading is lost, there twice, or not accounted for.
"""

import asyncio
import json
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from campaign.plan import Episode, Stored, make_plan
from campaign.report import EpisodeResult, as_markdown, as_text, rows
from campaign.run import run


async def _run(plan: Sequence[Episode], folder: Path) -> list[EpisodeResult]:
    """Also a SIGTERM ends what was started, unmounts and lets packets through again."""
    running = asyncio.create_task(run(plan, folder))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    return await running


@click.command()
@click.option("--seed", default=1, show_default=True)
@click.option("--faults", default=60, show_default=True)
@click.option("--store", "stores", type=click.Choice([s.name.lower() for s in Stored]), multiple=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the table here as JSON.")
@click.option("--markdown", "markdown_path", type=click.Path(path_type=Path), help="Write the table here as Markdown.")
@click.option("--keep", is_flag=True, help="Keep the folder with every log and outbox.")
def main(
    *, seed: int, faults: int, stores: tuple[str, ...], json_path: Path | None, markdown_path: Path | None, keep: bool
) -> None:
    chosen = [Stored[name.upper()] for name in stores] or list(Stored)
    plan = make_plan(seed, faults, chosen)
    click.echo(f"seed {seed}: {faults} faults, {sum(e.length_s for e in plan):.0f} s and the time to drain", err=True)
    folder = Path(tempfile.mkdtemp(prefix="satomori-campaign-"))
    began_s = time.monotonic()
    try:
        results = asyncio.run(_run(plan, folder))
    except asyncio.CancelledError:
        raise click.Abort from None
    except pytest.skip.Exception as missing:  # what the servers in tests/support say
        raise click.ClickException(str(missing)) from None
    finally:
        if keep:
            click.echo(f"kept: {folder}", err=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    table = rows(results)
    problems = [f"{result.stored}: {problem}" for result in results for problem in result.problems]
    took_s = round(time.monotonic() - began_s)
    click.echo(as_text(table))
    click.echo("\n".join(problems) or f"No reading lost, none twice, all accounted for. {took_s} s.")
    for result in results:
        for words in result.by_themselves:
            click.echo(f"{result.stored}: {words}", err=True)
    if json_path:
        document = {"seed": seed, "faults": faults, "took_s": took_s, "rows": table, "problems": problems}
        json_path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if markdown_path:
        markdown_path.write_text(as_markdown(table) + "\n", encoding="utf-8")
    raise SystemExit(1 if problems else 0)


if __name__ == "__main__":
    main()
