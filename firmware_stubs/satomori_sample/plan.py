"""The folder's plan.toml: seed, broker, how much history, and the script of faults, for people to read and change."""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from satomori_sample.broker import Broker
from satomori_sample.faults import HISTORY, KINDS, LIVE, LIVE_REPEAT_S, Scripted
from satomori_sample.places import ASSETS
from satomori_sample.region import GATEWAYS, METRICS
from satomori_sample.toml_text import table, tables

FILE = "plan.toml"
SEED = 20_261_123


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int = SEED
    history_days: float = 30.0
    history_interval_s: float = 600.0
    live_interval_s: float = 10.0
    repeat_s: float = LIVE_REPEAT_S
    broker: Broker = field(default_factory=Broker)
    history_faults: tuple[Scripted, ...] = HISTORY
    live_faults: tuple[Scripted, ...] = LIVE


def write_plan(folder: Path, plan: Plan) -> None:
    scalars = {
        "seed": plan.seed,
        "history_days": plan.history_days,
        "history_interval_s": plan.history_interval_s,
        "live_interval_s": plan.live_interval_s,
        "repeat_s": plan.repeat_s,
    }
    text = (
        "# The sample region's plan. Change it and start `satomori simulate run` again.\n"
        + table("", scalars).lstrip("\n")
        + "\n"
        + table("[broker]", dataclasses.asdict(plan.broker))
        + "\n# Kinds of fault:\n"
        + "".join(f"#   {kind:7} {meaning}\n" for kind, meaning in KINDS.items())
        + "# start_s counts from the end of history …\n"
        + tables("[[history_faults]]", map(dataclasses.asdict, plan.history_faults))
        + "\n# … and from the beginning of live data, again every repeat_s.\n"
        + tables("[[live_faults]]", map(dataclasses.asdict, plan.live_faults))
    )
    (folder / FILE).write_text(text, encoding="utf-8")


def load_plan(folder: Path) -> Plan:
    """Raise click.UsageError that says what is wrong where."""
    return read_plan(folder / FILE)


def read_plan(path: Path) -> Plan:
    """As `load_plan`, from any file."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise click.UsageError(
            f"{path} is not there; write it with `satomori simulate prepare {path.parent}`"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise click.UsageError(f"{path}: {error}") from None
    try:
        broker = Broker(**document.pop("broker", {}))
        for key in ("history_faults", "live_faults"):
            document[key] = tuple(_scripted(row) for row in document.get(key, []))
        plan = Plan(broker=broker, **document)
    except (TypeError, ValueError) as error:
        raise click.UsageError(f"{path}: {error}") from None
    if not (0 < plan.history_days <= 3660 and plan.history_interval_s >= 1 and plan.live_interval_s >= 1):
        raise click.UsageError(f"{path}: history_days must be 0 to 3660, intervals at least 1 s")
    if plan.repeat_s < 60:
        raise click.UsageError(f"{path}: repeat_s must be at least 60")
    return plan


def _scripted(row: Mapping[str, Any]) -> Scripted:
    """Raise ValueError or TypeError."""
    line = Scripted(**row)
    known = {gateway[0] for gateway in GATEWAYS} if line.kind == "silent" else {asset[0] for asset in ASSETS}
    if line.kind not in KINDS:
        raise ValueError(f"kind {line.kind!r}: one of {', '.join(KINDS)}")
    if line.target not in known:
        raise ValueError(f"{line.kind} of {line.target!r}: the region has no such {_word(line.kind)}")
    if line.metric and line.metric not in METRICS:
        raise ValueError(f"{line.kind} of {line.target}: no metric {line.metric!r}")
    if line.duration_s <= 0 or line.ramp_s <= 0:
        raise ValueError(f"{line.kind} of {line.target}: duration_s and ramp_s must be above 0")
    return line


def _word(kind: str) -> str:
    return "gateway" if kind == "silent" else "asset"
