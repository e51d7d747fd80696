"""Single series: ours against what one would pick instead, on the same recordings in the same run.

Recordings: every third file of `nab` in the folder that SATOMORI_RECORDINGS names, scored by the benchmark's own rules
(`score.py` beside it; standard profile, best threshold over all files), as each says it row by row and with record
scores only (what is not higher than all of two days before counts as 0). Without that folder: eight seeded recordings
with known faults, and how often the highest score within a fault is above that of as long a stretch without one (AUC).
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from satomori_analytics.detectors.univariate import Univariate
from satomori_core.clock import DAY_US
from support.figures import Figure, plain

PEERS = (
    "HalfSpaceTrees", "ECOD", "IForest", "ECOD on windows", "IForest on windows", "PersistAD", "SeasonalAD",
    "LevelShiftAD", "stumpi",
)  # fmt: skip
TRAIN = 0.15  # as the benchmark's probation
EVERY = 3
_DAY = 144  # rows
_FIRST_US = 1_780_000_000_000_000
Series = Mapping[str, tuple[Any, Any]]
HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-peers" / "bin" / "python"


def run() -> Iterator[Figure]:
    series, judge, unit = _recordings()
    points = sum(len(values) for _, values in series.values())
    started, ours = time.perf_counter(), dict[str, Any]()
    for name, (at_us, values) in series.items():
        ours[name] = Univariate().score(at_us, values[:, None]).score[:, 0]
    took = time.perf_counter() - started
    yield plain("single_peers_ours", judge(ours), unit)
    yield plain("single_peers_ours_cost", took / points * 1e6, "µs a point")
    blind = {n: (np.arange(len(v)) % max(int(len(v) * 0.045), 1) == 0).astype(float) for n, (_, v) in series.items()}
    yield plain("single_peers_blind", judge(blind), unit)
    if not PYTHON.exists():
        print("no .venv-peers: the peers are left out (make bench makes it)", file=sys.stderr)
        return
    for peer in PEERS:
        print(f"  {peer} …", file=sys.stderr)
        scores, took = _peer(peer, series)
        records = {name: _records(series[name][0], score) for name, score in scores.items()}
        word = peer.replace(" ", "_")
        yield plain(f"single_peers_{word}", judge(scores), unit)
        yield plain(f"single_peers_{word}_records", judge(records), unit)
        yield plain(f"single_peers_{word}_cost", took / points * 1e6, "µs a point")


def _recordings() -> tuple[Series, Callable[[Mapping[str, Any]], float], str]:
    """Series by name, what a detector's scores of all of them are worth, and in which unit."""
    folder = Path(os.environ.get("SATOMORI_RECORDINGS", "-")) / "nab"
    if folder.is_dir():
        rules = _rules(folder.parent / "score.py")
        files = {name: each for i, (name, each) in enumerate(sorted(rules.nab_files(folder).items())) if i % EVERY == 0}
        series = {name: _read(folder / "data" / name) for name in files}
        return series, lambda scores: float(rules.nab_scores(files, scores)["standard"][0]), "NAB standard"
    made = {str(seed): _synthetic(seed) for seed in range(8)}
    faults = {name: fault for name, (_, _, fault) in made.items()}
    return {n: (t, v) for n, (t, v, _) in made.items()}, lambda scores: _auc(scores, faults), "AUC of synthetic faults"


def _synthetic(seed: int) -> tuple[Any, Any, Any]:
    """(µs, values, fault 0…4): 28 days of a daily wave that wanders, a row each ten minutes.

    Half a day each: a step, a rise in scatter, a wave that stands still, a slow rise; 2 to 4 deviations large.
    """
    rng, rows = np.random.default_rng(seed), np.arange(28 * _DAY)
    noise = rng.normal(0, 1, len(rows))
    wave = 3 * np.sin(rows * 2 * np.pi / _DAY)
    values = wave + noise + np.convolve(rng.normal(0, 0.3, len(rows) + _DAY - 1), np.ones(_DAY) / 12, "valid")
    fault = np.zeros(len(rows), np.int64)
    for kind, day in enumerate((8, 13, 18, 23), start=1):
        first = int(day * _DAY + rng.integers(0, _DAY))
        here = slice(first, first + _DAY // 2)
        fault[here] = kind
        if kind == 1:
            values[here] += rng.choice([-4.0, 4.0])
        elif kind == 2:
            values[here] += 2 * rng.normal(0, 1, _DAY // 2)
        elif kind == 3:
            values[here] += wave[first] - wave[here]
        else:
            values[here] += np.linspace(0, 4, _DAY // 2)
    return _FIRST_US + rows * (DAY_US // _DAY), values, fault


def _auc(scores: Mapping[str, Any], faults: Mapping[str, Any]) -> float:
    """The chance that a fault's highest score is above that of half a day without one, after the learned rows."""
    bad, good = [], []
    for name, fault in faults.items():
        score = np.asarray(scores[name])
        bad += [score[fault == kind].max() for kind in range(1, 5)]
        blocks = range(int(TRAIN * len(fault)), len(fault) - _DAY // 2, _DAY // 2)
        good += [score[a : a + _DAY // 2].max() for a in blocks if not fault[a : a + _DAY // 2].any()]
    above = np.array(bad)[:, None] - np.array(good)[None]
    return float((above > 0).mean() + 0.5 * (above == 0).mean())


def _peer(peer: str, series: Mapping[str, tuple[Any, Any]]) -> tuple[dict[str, Any], float]:
    """Scores of each file, and seconds."""
    name, _, on = peer.partition(" on ")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "series.npz", Path(folder) / "scores.npz"
        rows: dict[str, Any] = {str(i): _windows(v) if on else v[:, None] for i, (_, v) in enumerate(series.values())}
        np.savez(source, **rows)
        subprocess.run([PYTHON, "-W", "ignore", HERE / "peers_scores.py", source, name, str(TRAIN), target], check=True)
        with np.load(target) as told:
            return {name: np.nan_to_num(told[str(i)]) for i, name in enumerate(series)}, float(told["took"])


def _windows(values: Any) -> Any:
    """Value, step, and mean and spread of the last 16 values: what ours looks at, in short."""
    padded = np.concatenate([np.full(15, values[0]), values])
    near = np.lib.stride_tricks.sliding_window_view(padded, 16)
    return np.column_stack([values, np.diff(values, prepend=values[0]), near.mean(axis=1), near.std(axis=1)])


def _records(at_us: Any, score: Any) -> Any:
    """0 where a score is not higher than all within two days before it."""
    kept, first = np.zeros(len(score)), 0
    for i, now in enumerate(at_us.tolist()):
        while at_us[first] < now - 2 * DAY_US:
            first += 1
        if first == i or score[i] > score[first:i].max():
            kept[i] = score[i]
    return kept


def _read(path: Path) -> tuple[Any, Any]:
    """Times that rise strictly, µs, and values."""
    table = np.genfromtxt(path, delimiter=",", skip_header=1, dtype=None, names=("at", "value"), encoding="utf-8")
    at_us = table["at"].astype("datetime64[us]").astype(np.int64)
    return np.maximum.accumulate(at_us - np.arange(len(at_us))) + np.arange(len(at_us)), table["value"].astype(float)


def _rules(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("nab_rules", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    for figure in run():
        print(figure)
