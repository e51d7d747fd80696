"""Scores of detectors that one would pick instead; run by the Python of .venv-peers: FILE.npz NAME TRAIN_ROWS OUT.npz.

Each is used as its users use it: fitted on the first rows, its own threshold (PyOD's contamination of 10 %; for river's
half-space trees, one row at a time, scaled to 0…1, the 95 % quantile of the scores of the learned rows' later half).
"""

import importlib
import sys
import time
from typing import Any

import numpy as np


def main(source: str, name: str, train: int, target: str) -> None:
    told: dict[str, Any] = {}
    started = time.perf_counter()
    with np.load(source) as runs:
        for key in runs.files:
            values = runs[key]
            if name == "HalfSpaceTrees":
                low, high = values[:train].min(axis=0), values[:train].max(axis=0)
                rows = np.clip((values - low) / np.maximum(high - low, 1e-9), 0, 1)
                model = importlib.import_module("river.anomaly").HalfSpaceTrees(seed=1)
                score = np.empty(len(rows))
                for i, row in enumerate(rows):
                    named = dict(enumerate(row.tolist()))
                    score[i] = model.score_one(named)
                    model.learn_one(named)
                alarm = score > np.quantile(score[train // 2 : train], 0.95)
            else:
                module = {"ECOD": "pyod.models.ecod", "IForest": "pyod.models.iforest"}[name]
                model = getattr(importlib.import_module(module), name)()
                model.fit(values[:train])
                score = model.decision_function(values)
                alarm = score > model.threshold_
            told[key], told[f"{key}.alarm"] = score, alarm
    told["took"] = time.perf_counter() - started
    np.savez(target, **told)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
