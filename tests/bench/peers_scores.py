"""Scores of detectors that one would pick instead; run by the Python of .venv-peers: FILE.npz NAME TRAIN OUT.npz.

TRAIN: how many of the first rows, or what share of them, each is fitted on, as its users do; then its own threshold
(PyOD's contamination of 10 %; for river's half-space trees, one row at a time, scaled to 0…1, the 95 % quantile of the
scores of the learned rows' later half). ADTK's detectors say yes or no; STUMPY gives the distance of the
newest window to the nearest one before it.
"""

import importlib
import sys
import time
from typing import Any

import numpy as np

_WINDOW = 32  # of STUMPY's windows, rows
_SHIFT = 5  # rows on each side of a level shift, as in ADTK's own example; it has no default


def half_space_trees(values: Any, train: int) -> tuple[Any, Any]:
    low, high = values[:train].min(axis=0), values[:train].max(axis=0)
    rows = np.clip((values - low) / np.maximum(high - low, 1e-9), 0, 1)
    model = importlib.import_module("river.anomaly").HalfSpaceTrees(seed=1)
    score = np.empty(len(rows))
    for i, row in enumerate(rows):
        named = dict(enumerate(row.tolist()))
        score[i] = model.score_one(named)
        model.learn_one(named)
    return score, score > np.quantile(score[train // 2 : train], 0.95)


def pyod(name: str, values: Any, train: int) -> tuple[Any, Any]:
    model = getattr(importlib.import_module(f"pyod.models.{name.lower()}"), name)()
    model.fit(values[:train])
    score = model.decision_function(values)
    return score, score > model.threshold_


def adtk(name: str, values: Any, train: int) -> tuple[Any, Any]:
    """Yes or no. Where the learned rows have no season that it knows, the seasonal one says nothing."""
    pandas, detectors = importlib.import_module("pandas"), importlib.import_module("adtk.detector")
    series = pandas.Series(values[:, 0], index=pandas.date_range("2026-01-01", periods=len(values), freq="5min"))
    model = getattr(detectors, name)(**({"window": _SHIFT} if name == "LevelShiftAD" else {}))
    try:
        model.fit(series[:train])
    except Exception as error:  # ADTK raises nothing narrower
        if name != "SeasonalAD" or "seasonality" not in str(error):
            raise
        return np.zeros(len(values)), np.zeros(len(values), bool)
    alarm = model.detect(series).fillna(0).to_numpy(dtype=float) > 0
    if name == "LevelShiftAD":  # it looks at the rows that follow: said when the last of them is there
        alarm = np.concatenate([np.zeros(_SHIFT - 1, bool), alarm[: 1 - _SHIFT]])
    return alarm.astype(float), alarm


def matrix_profile(values: Any, train: int) -> tuple[Any, Any]:
    column = values[:, 0].astype(float)
    stream = importlib.import_module("stumpy").stumpi(column[:train], _WINDOW, egress=False)
    for value in column[train:]:
        stream.update(value)
    score = np.zeros(len(column))
    left = np.asarray(stream.left_P_, dtype=float)
    score[_WINDOW - 1 :] = np.where(np.isfinite(left), left, 0.0)
    return score, score > np.quantile(score[train // 2 : train], 0.95)


def main(source: str, name: str, train: float, target: str) -> None:
    told: dict[str, Any] = {}
    started = time.perf_counter()
    with np.load(source) as runs:
        for key in runs.files:
            values = runs[key]
            rows = int(train if train > 1 else train * len(values))
            if name in ("ECOD", "IForest"):
                found = pyod(name, values, rows)
            elif name in ("PersistAD", "SeasonalAD", "LevelShiftAD"):
                found = adtk(name, values, rows)
            else:
                found = {"HalfSpaceTrees": half_space_trees, "stumpi": matrix_profile}[name](values, rows)
            told[key], told[f"{key}.alarm"] = found
    told["took"] = time.perf_counter() - started
    np.savez(target, **told)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4])
