"""Several channels together: ours against what one would pick instead, on the same recordings in the same run.

Recordings: `skab/valve1` in the folder that SATOMORI_RECORDINGS names, else eight seeded ones with a known fault.
Point by point after the first 400 rows, no adjustment. The peers have an environment of their own, `.venv-peers`, which
`make bench` makes.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from satomori_analytics.detectors.multichannel import Multichannel
from support.figures import Figure, plain

PEERS = ("HalfSpaceTrees", "ECOD", "IForest")
TRAIN = 400
HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-peers" / "bin" / "python"


def run() -> Iterator[Figure]:
    runs = _recordings()
    truth = np.concatenate([label[TRAIN:] for _, label in runs])
    points = sum(values.size for values, _ in runs)
    started, alarms, scores = time.perf_counter(), [], []
    for values, _ in runs:
        judged = Multichannel(learn_rows=TRAIN).score(np.arange(len(values)) * 1_000_000, values)
        alarms.append(judged.alarm[TRAIN:, 0])
        scores.append(judged.score[TRAIN:, 0])
    took = time.perf_counter() - started
    yield from _figures("ours", np.concatenate(alarms), np.concatenate(scores), truth)
    yield plain("peers_ours_cost", took / points * 1e6, "µs a point")
    late = np.concatenate([np.arange(len(v) - TRAIN) >= (len(v) - TRAIN) / 4 for v, _ in runs])
    yield from _figures("blind_last_75_percent", late, late.astype(float), truth)
    if not PYTHON.exists():
        print("no .venv-peers: the peers are left out (make bench makes it)", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "runs.npz", Path(folder) / "scores.npz"
        named: dict[str, Any] = {str(i): values for i, (values, _) in enumerate(runs)}
        np.savez(source, **named)
        for peer in PEERS:
            print(f"  {peer} …", file=sys.stderr)
            subprocess.run([PYTHON, HERE / "peers_scores.py", source, peer, str(TRAIN), target], check=True)
            with np.load(target) as told:
                alarm = np.concatenate([told[f"{i}.alarm"][TRAIN:] for i in range(len(runs))])
                score = np.concatenate([told[str(i)][TRAIN:] for i in range(len(runs))])
                yield from _figures(peer, alarm, score, truth)
                yield plain(f"peers_{peer}_cost", float(told["took"]) / points * 1e6, "µs a point")


def _figures(name: str, alarm: Any, score: Any, truth: Any) -> Iterator[Figure]:
    hits, false, missed = (alarm & truth).sum(), (alarm & ~truth).sum(), (~alarm & truth).sum()
    yield plain(f"peers_{name}_f1", float(2 * hits / (2 * hits + false + missed)), "1")
    yield plain(f"peers_{name}_false_alarms", float(100 * false / (~truth).sum()), "% of rows")
    yield plain(f"peers_{name}_missed", float(100 * missed / truth.sum()), "% of rows")
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    bad = int(truth.sum())
    area = (rank[truth].sum() - bad * (bad + 1) / 2) / (bad * (len(truth) - bad))
    yield plain(f"peers_{name}_auc", float(area), "1")


def _recordings() -> list[tuple[Any, Any]]:
    folder = Path(os.environ.get("SATOMORI_RECORDINGS", "-")) / "skab" / "valve1"
    if folder.is_dir():
        tables = [np.genfromtxt(path, delimiter=";", skip_header=1)[:, 1:] for path in sorted(folder.glob("*.csv"))]
        return [(table[:, :8], table[:, 8] > 0) for table in tables]
    return [_synthetic(seed) for seed in range(8)]


def _synthetic(seed: int) -> tuple[Any, Any]:
    """Eight channels, two of which wander; one steady channel steps by three of its deviations in rows 600 to 1000."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (1200, 8))
    values[:, :2] += np.cumsum(rng.normal(0, 0.1, (1200, 2)), axis=0)
    label = (np.arange(1200) >= 600) & (np.arange(1200) < 1000)
    values[label, 2 + seed % 6] += 3
    return values, label
