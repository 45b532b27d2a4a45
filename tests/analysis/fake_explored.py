"""A synthetic exploration's folder in which the truth is known: a quadratic in two levers, steeper at some points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy.stats import qmc

from tests.analysis.fake_run import _config, _parameters, _points

FACE, VALID = (f"scenario.norush_coupon.interventions.norush_coupon.{option}" for option in ("face", "valid_days"))
LEVERS = [
    {"key": FACE, "low": 75.0, "high": 300.0, "present": 150.0, "whole": True},
    {"key": VALID, "low": 30.0, "high": 120.0, "present": 60.0, "whole": True},
]
COMMAND = "cxsim run scenario=norush_coupon arms=total"
METRICS = ("ltv", "year_1", "tail", "nps", "orders", "on_time", "cost")


def make_explored(
    folder: Path, points: int = 64, title: str = "No-rush coupon", level: float = -4.0, kind: str = "norush_coupon"
) -> Path:
    """Write the folder; the effect on LTV at point p is `truth`, other metrics follow it."""
    folder.mkdir(parents=True)
    config = _config({"norush_coupon": "A coupon."}, 112, 2000, 7)
    config["scenario"]["norush_coupon"]["interventions"]["norush_coupon"]["kind"] = kind
    config["scenario"]["norush_coupon"]["title"] = {"en": title, "ja": title}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    parameters = _parameters(config)
    parameters.to_csv(folder / "parameters.csv", index=False)
    _points(np.random.default_rng(7), parameters, points).to_parquet(folder / "points.parquet", index=False)
    unit = qmc.Sobol(2, scramble=True, rng=1).random(16)
    settings = np.vstack([[150, 60], np.round(unit * [225, 90] + [75, 30])])
    first = np.array([(setting, point, 0) for setting in range(17) for point in range(points)])
    second = np.array([(0, point, 1) for point in range(0, points, 3)])
    frame = pd.DataFrame(np.vstack([first, second]), columns=["setting", "replication", "second_seed"])
    face, valid = settings[frame["setting"]].T
    effect = truth(face, valid, frame["replication"].to_numpy(), points, level) + 0.5 * frame["second_seed"]
    table = pd.concat([
        frame.assign(metric=metric, baseline=100.0, scenario=100.0 + effect / (1 + place),
                     **{FACE: face.astype(int), VALID: valid.astype(int)})
        for place, metric in enumerate(METRICS)
    ])  # fmt: skip
    types = {"setting": "int32", "replication": "int32", "second_seed": "int8"}
    table.astype(types).to_parquet(folder / "explore.parquet", index=False)
    interventions = config["scenario"]["norush_coupon"]["interventions"]
    plan = {
        "levers": LEVERS, "sliders": None, "scenario": "norush_coupon", "command": COMMAND,
        "words": [f"{FACE}=", f"{VALID}="],
        "files": {"norush_coupon": {"description": "A coupon.", "interventions": interventions}},
    }  # fmt: skip
    (folder / "explore.json").write_text(json.dumps(plan), encoding="utf-8")
    return folder


def truth(face: Any, valid: Any, replication: Any, points: int, level: float) -> Any:
    """Effect on LTV, yen per member."""
    steep = 12 * (replication + 0.5) / points
    x, y = (face - 75) / 225, (valid - 30) / 90
    return level + steep * x - 3 * x * x + 2 * y * x
