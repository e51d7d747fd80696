"""Jobs for workers in other processes, which import them by this name: they count, kill their worker, or take time."""

import os
import signal
from pathlib import Path

import numpy as np

from satomori_analytics.work import Outcome
from satomori_store.port import QcMark


def mark(number: int, *, once: Path | None = None) -> Outcome:
    """A job that says its number; where the file `once` is not there yet, it makes it and kills its own process."""
    if once is not None and not once.exists():
        once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(marks=[QcMark(number, 0, 1)])


def die() -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def busy() -> Outcome:
    """Some 20 ms of what judging does: numpy over short rows, and plain Python."""
    for row in np.random.default_rng(1).normal(size=(40, 2000)):
        sum(float(value) for value in np.sort(np.cumsum(row)))
    return Outcome()
