"""A run's tables, written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from sim import tables
from sim.config.settings import Settings, resolved
from sim.files import disk
from sim.files.disk import write_csv, write_text
from sim.run.replication import Result, Task
from sim.world.event_log import NAMES


def kpis(measures: pd.DataFrame) -> pd.DataFrame:
    """kpis.csv: a row per arm and replication, a column per metric, for everybody."""
    keys = [column.name for column in tables.KPIS_KEYS]
    chosen = measures[(measures["segment"] == tables.EVERYBODY) & (measures["group"] == "all")]
    wide = chosen.pivot(index=keys, columns="metric", values="value").reset_index()
    order = chosen[keys].drop_duplicates()
    columns = keys + [metric.name for metric in tables.METRICS]
    return order.merge(wide, on=keys, how="left").reindex(columns=columns)


PAGES, A_DAY, A_CUSTOMER = 500_000, 20, 40
"""Bytes that a run takes at the least: its page and pictures; a day of a replication, in both arms; a customer's row
and journey, where they are kept. Measured on small runs, and rounded down."""


def least_bytes(settings: Settings) -> float:
    """Bytes that a run folder takes at the least."""
    replications = 1 if settings.replications == "auto" else settings.replications
    kept = A_CUSTOMER * settings.customers if settings.arms == "all" else 0
    return float(PAGES + A_DAY * settings.days * replications + kept)


def write_config(folder: Path, settings: Settings, **plan: Any) -> None:
    """config.yaml: the configuration as it was run, and a plan's own group beside it."""
    config = yaml.safe_dump(resolved(settings) | plan, sort_keys=False, allow_unicode=True)
    write_text(folder / "config.yaml", config)


def write_parquet(folder: Path, name: str, frame: pd.DataFrame) -> None:
    """A Parquet file whose bytes depend on the values alone."""
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    disk.write_parquet(folder / name, table)


def _write_first(folder: Path, first: Result, settings: Settings) -> None:
    """customers.parquet, events.parquet and states.parquet, from the first replication."""
    if first.customers is not None:
        write_parquet(folder, "customers.parquet", first.customers)
    start = np.datetime64(settings.start_date, "us")
    with pq.ParquetWriter(folder / "events.parquet", _EVENT_SCHEMA, compression="zstd", compression_level=3) as writer:
        for arm, (customer, code, day, value), _states in first.journeys:
            rows, row = np.unique(customer, return_inverse=True)
            arrays = [
                _words([f"{arm}/{one}" for one in rows], row),
                _words(NAMES, code),
                pa.array(start + day.astype("timedelta64[D]")),
                pa.array(customer),
                _words([arm], np.zeros(len(customer))),
                pa.array(value),
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=_EVENT_SCHEMA))
    with pq.ParquetWriter(folder / "states.parquet", _STATE_SCHEMA, compression="zstd", compression_level=3) as writer:
        for arm, _events, (customer, day, satisfaction, expectation) in first.journeys:
            states = [pa.array(customer), pa.array(day), _words([arm], np.zeros(len(customer))),
                      pa.array(satisfaction), pa.array(expectation)]  # fmt: skip
            writer.write_table(pa.Table.from_arrays(states, schema=_STATE_SCHEMA))


def _words(words: Sequence[str], places: NDArray[Any]) -> pa.Array:
    """The word at each of these places, as a column of text."""
    return pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int32)), pa.array(words)).cast(pa.string())


def _schema(columns: Sequence[tables.Column]) -> pa.Schema:
    return pa.schema([
        (column.name, pa.string() if column.dtype == "str" else pa.from_numpy_dtype(column.dtype))
        for column in columns
    ])  # fmt: skip


_EVENT_SCHEMA, _STATE_SCHEMA = _schema(tables.EVENTS), _schema(tables.STATES)


def write_assumptions(folder: Path, settings: Settings, tasks: list[Task]) -> None:
    """parameters.csv and points.parquet: what was assumed, and where each replication was run."""
    rows = [
        (path, str(one.value), getattr(one, "low", None), getattr(one, "high", None), one.unit, one.grade, one.source)
        for path, one in settings.parameters()
    ]
    frame = pd.DataFrame(rows, columns=[column.name for column in tables.PARAMETERS])
    write_csv(folder / "parameters.csv", frame)
    options = {path: one.options for path, one in settings.parameters() if one.options}
    values = [
        (task.replication, path, float(options[path].index(value)) if path in options else float(value))
        for task in tasks
        for path, value in task.point.items()
    ]
    points = pd.DataFrame(values, columns=[column.name for column in tables.POINTS])
    write_parquet(folder, "points.parquet", points.astype({"replication": "int32"}))
