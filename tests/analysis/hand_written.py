"""Run folders written by hand: a few rows whose answers are known by construction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from sim import tables

START = "2027-01-01"


def write_run(
    folder: Path,
    *,
    days: int = 100,
    scenario: Mapping[str, Any] | None = None,
    frames: Mapping[str, pd.DataFrame] | None = None,
    replications: int = 1,
    **config: Any,
) -> Path:
    """A folder with config.yaml, measures.parquet and effects.csv of no metric but LTV, and these tables."""
    folder.mkdir(parents=True, exist_ok=True)
    stated = {"days": days, "start_date": START, "scenario": scenario or {}, **config}
    (folder / "config.yaml").write_text(yaml.safe_dump(stated), encoding="utf-8")
    arms = [tables.BASELINE, *(scenario or {})]
    rows = [
        (point, 0, arm, "all", tables.EVERYBODY, "ltv", float(100 + point + 10 * place))
        for point in range(replications)
        for place, arm in enumerate(arms)
    ]
    measures = pd.DataFrame(rows, columns=[column.name for column in tables.MEASURES])
    typed = measures.astype({"replication": "int32", "second_seed": "int8"})
    typed.to_parquet(folder / "measures.parquet", index=False)
    for name, frame in (frames or {}).items():
        write = frame.to_csv if name.endswith(".csv") else frame.to_parquet
        write(folder / name, index=False)
    return folder


def events(rows: Iterable[tuple[int, str, int, str, float]]) -> pd.DataFrame:
    """events.parquet of (customer, event, day, arm, value)."""
    customer, name, day, arm, value = zip(*rows, strict=True)
    stamps = np.datetime64(START, "us") + np.array(day).astype("timedelta64[D]")
    columns = [column.name for column in tables.EVENTS]
    values = np.array(value, np.float32)
    cases = [f"{one}/{row}" for one, row in zip(arm, customer, strict=True)]
    cells = (cases, name, stamps, np.array(customer, np.int32), arm, values)
    return pd.DataFrame(dict(zip(columns, cells, strict=True)))


def states(rows: Iterable[tuple[int, int, str, float, float]]) -> pd.DataFrame:
    """states.parquet of (customer, day, arm, satisfaction, expectation)."""
    return pd.DataFrame(list(rows), columns=[column.name for column in tables.STATES])


def customers(personas: Mapping[int, str], arms: Iterable[str], **own: Mapping[int, Any]) -> pd.DataFrame:
    """customers.parquet: these customers in these arms, all zeros but for what `own` says of some, by customer."""
    rows = []
    for arm in arms:
        for customer, persona in personas.items():
            row = {column.name: 0 for column in tables.CUSTOMERS}
            row |= {"arm": arm, "customer": customer, "persona": persona, "segment": persona, "status": "customer"}
            row |= {"eligible": False, "acquired_day": None, "lapsed_day": None, "other_status": "customer"}
            rows.append(row | {name: values[customer] for name, values in own.items() if customer in values})
    return pd.DataFrame(rows)
