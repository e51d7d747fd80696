"""How a bench says what it found: a value, and where they apply the peer or ceiling of the same run and the target."""

import subprocess
from typing import Literal

import psutil

Figure = dict[str, object]


def compared(name: str, value: float, unit: str, reference: tuple[str, float], at_least: float | None = None) -> Figure:
    """`at_least`: the ratio of the value to the reference that is wanted."""
    ratio = value / reference[1]
    figure: Figure = {
        "name": name, "value": rounded(value), "unit": unit, "reference": reference[0],
        "reference_value": rounded(reference[1]), "ratio": rounded(ratio),
    }  # fmt: skip
    return figure if at_least is None else figure | {"target": at_least, "met": ratio >= at_least}


def held(name: str, value: float, unit: str, kind: Literal["at_most", "at_least"], target: float) -> Figure:
    met = value <= target if kind == "at_most" else value >= target
    return {"name": name, "value": rounded(value), "unit": unit, "target": target, "met": met}


def plain(name: str, value: float, unit: str) -> Figure:
    return {"name": name, "value": rounded(value), "unit": unit}


def rounded(value: float) -> float:
    """Three digits, all of those before the point."""
    return round(value) if abs(value) >= 1000 else float(f"{value:.3g}")


def processor_s(process: psutil.Process | subprocess.Popen[bytes]) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system
