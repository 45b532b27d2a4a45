"""Run folders with hand-written lives: what must come out of them is known by construction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from sim import tables
from sim.tables import BASELINE

SCENARIO = "treat"
START = "2027-01-01"

Log = Mapping[int, Iterable[tuple[int, str, float]]]
"""By customer: day, kind of event, value, in the order they happened."""


def write_log(
    folder: Path,
    baseline: Log,
    scenario: Log | None = None,
    people: Mapping[int, Mapping[str, object]] | None = None,
    *,
    customers: int = 0,
    days: int = 100,
) -> Path:
    """A run folder of these lives; the scenario's are the baseline's where none is given for a customer.

    `people` changes columns of customers.parquet, in both arms.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = max([customers, *(row + 1 for row in baseline)])
    lives = {BASELINE: baseline, SCENARIO: {**baseline, **(scenario or {})}}
    config = {"customers": number, "days": days, "events": number, "start_date": START, "seed": 1}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    measures = pd.DataFrame({column.name: pd.Series(dtype="object") for column in tables.MEASURES})
    measures.loc[0] = [0, 0, BASELINE, "all", "everybody", "ltv", 1.0]
    measures.loc[1] = [0, 0, SCENARIO, "all", "everybody", "ltv", 1.0]
    measures.to_parquet(folder / "measures.parquet", index=False)
    frames = [_events(arm, log) for arm, log in lives.items()]
    pd.concat(frames, ignore_index=True).to_parquet(folder / "events.parquet", index=False)
    states = pd.DataFrame({
        "customer": 0, "day": [1, 4], "arm": BASELINE, "satisfaction": [0.8, 0.2], "expectation": [0.7, 0.5],
    })  # fmt: skip
    pd.concat([states, states.assign(arm=SCENARIO)]).to_parquet(folder / "states.parquet", index=False)
    parts = [_people(arm, log, number, people or {}) for arm, log in lives.items()]
    pd.concat(parts, ignore_index=True).to_parquet(folder / "customers.parquet", index=False)
    return folder


def _events(arm: str, log: Log) -> pd.DataFrame:
    rows = [(row, name, day, value) for row in sorted(log) for day, name, value in log[row]]
    frame = pd.DataFrame(rows, columns=["customer", "concept:name", "day", "value"])
    when = pd.Timestamp(START) + pd.to_timedelta(frame.pop("day"), unit="D")
    cases = f"{arm}/" + frame["customer"].astype(str)
    frame = frame.assign(**{"arm": arm, "case:concept:name": cases, "time:timestamp": when.astype("datetime64[us]")})
    return frame.astype({"customer": "int32", "value": "float32"})[[column.name for column in tables.EVENTS]]


def _people(arm: str, log: Log, number: int, people: Mapping[int, Mapping[str, object]]) -> pd.DataFrame:
    frame = pd.DataFrame({column.name: 0 for column in tables.CUSTOMERS}, index=range(number))
    frame = frame.assign(
        arm=arm, customer=np.arange(number), persona="plain", segment="plain", eligible=True, status="aware",
        other_status="aware", acquired_day=np.nan, lapsed_day=np.nan,
        orders=[sum(name == "order" for _day, name, _value in log.get(row, ())) for row in range(number)],
    )  # fmt: skip
    for row, changes in people.items():
        for column, value in changes.items():
            frame.loc[row, column] = value
    return frame
