"""A firm's ledger of predictions and of what happened: added to, never changed.

One SQLite file with one table. A row holds the hash of the row before it and of its own content, so that a row that was
changed, taken out or put in is told, whoever did it; triggers refuse to change or delete one by SQL. Only whoever noted
the last hash elsewhere can tell that the last rows are missing.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sim.phrases import ConfigError

SCHEMA = """
CREATE TABLE entries (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, made TEXT NOT NULL, content TEXT NOT NULL,
                      before TEXT NOT NULL, hash TEXT NOT NULL UNIQUE);
CREATE TRIGGER no_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'a ledger is added to only'); END;
CREATE TRIGGER no_delete BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'a ledger is added to only'); END;
"""
START = "0" * 64
"""What the first row has as the hash before it."""
PREDICTION, ACTUAL = "prediction", "actual"
KEYS = ["what", "metric", "first", "last"]
"""What a prediction and what happened are matched by."""


class Prediction(NamedTuple):
    """What was predicted: `what` (`baseline`, or the scenario whose effect it is), metric and unit; from `first` to
    `last` (dates); median and 90 % interval; a naive guess; the run and the hash of its inputs."""

    what: str
    metric: str
    unit: str
    first: str
    last: str
    median: float
    low: float
    high: float
    naive: float
    run: str
    inputs: str


class Actual(NamedTuple):
    """What happened, with the standard error of its measurement (0: counted)."""

    what: str
    metric: str
    first: str
    last: str
    value: float
    se: float


class Entry(NamedTuple):
    """A row of the ledger. made: the date on which it was added."""

    number: int
    kind: str
    made: str
    content: str
    before: str
    hash: str

    @property
    def true_hash(self) -> str:
        """The hash that the row has if nobody changed it."""
        return _hash(self.number, self.kind, self.made, self.content, self.before)


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def add(path: Path, rows: Iterable[Prediction | Actual], made: datetime.date) -> str:
    """Add rows, all or none; the file is made if need be. Returns the last hash. Raises ConfigError."""
    entries = verified(path) if path.exists() else []
    number, last = (entries[-1].number, entries[-1].hash) if entries else (0, START)
    fresh = not path.exists()
    with _opened(path) as base, base:
        base.execute("BEGIN IMMEDIATE")
        if fresh:
            for statement in SCHEMA.split(";\n"):
                base.execute(statement)
        for row in rows:
            number += 1
            kind = PREDICTION if isinstance(row, Prediction) else ACTUAL
            parts = (number, kind, made.isoformat(), json.dumps(row._asdict(), ensure_ascii=False), last)
            last = _hash(*parts)
            base.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", (*parts, last))
    return last


def verified(path: Path) -> list[Entry]:
    """All rows, in order. Raises ConfigError for a file that is no ledger, and for the first row that was changed."""
    if not path.is_file():
        raise ConfigError("{path}: no such ledger", path=path)
    with _opened(path) as base:
        entries = [Entry(*row) for row in base.execute("SELECT * FROM entries ORDER BY number")]
    before = START
    for place, entry in enumerate(entries, start=1):
        if entry.number != place or entry.before != before or entry.hash != entry.true_hash:
            raise ConfigError(
                "{path}: row {number} was changed, or one before it taken out, after it was written", path=path,
                number=place,
            )  # fmt: skip
        before = entry.hash
    return entries


class _Opened(closing[sqlite3.Connection]):
    """A connection whose errors are told in one line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            super().__init__(sqlite3.connect(path, isolation_level=None))
        except sqlite3.Error as error:
            raise self._told(error) from None

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        if isinstance(error[1], sqlite3.Error):
            raise self._told(error[1]) from None

    def _told(self, error: sqlite3.Error) -> ConfigError:
        return ConfigError("{path}: cannot be used as a ledger: {problem}", path=self.path, problem=str(error))


def _opened(path: Path) -> _Opened:
    return _Opened(path)


def frame(entries: Iterable[Entry], kind: str) -> pd.DataFrame:
    """The entries of one kind: a column per field, and `number` and `made`."""
    fields = (Prediction if kind == PREDICTION else Actual)._fields
    rows = [json.loads(one.content) | {"number": one.number, "made": one.made} for one in entries if one.kind == kind]
    return pd.DataFrame(rows, columns=[*fields, "number", "made"])


def matched(entries: Iterable[Entry]) -> pd.DataFrame:
    """Every prediction beside what happened (the last that was added of it): the fields of a prediction, `made`, and
    `value`, `se`, `inside`, `horizon` (days from the day it was made to the last it is for)."""
    entries = list(entries)
    actual = frame(entries, ACTUAL).drop_duplicates(KEYS, keep="last")[[*KEYS, "value", "se"]]
    both = frame(entries, PREDICTION).merge(actual, on=KEYS)
    both["inside"] = (both["low"] <= both["value"]) & (both["value"] <= both["high"])
    both["horizon"] = (pd.to_datetime(both["last"]) - pd.to_datetime(both["made"])).dt.days
    return both


def refuse_unpredicted(entries: Iterable[Entry], actuals: Iterable[Actual]) -> None:
    """Raise ConfigError for the first that nobody predicted."""
    known = set(frame(entries, PREDICTION)[KEYS].itertuples(index=False, name=None))
    for one in actuals:
        if (one.what, one.metric, one.first, one.last) not in known:
            same = (one.what, one.first, one.last)
            near = sorted({metric for what, metric, *period in known if same == (what, *period)})
            raise ConfigError(
                "{metric} of {what}, {first}..{last}: was not predicted; for that time: {known}",
                metric=one.metric, what=one.what, first=one.first, last=one.last, known=", ".join(near) or "-",
            )  # fmt: skip


def evidence(both: pd.DataFrame, metrics: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Effects that lay outside their interval, as pieces that `learn` reads. metrics: ours -> a test's."""
    off = both[~both["inside"] & (both["what"] != "baseline") & both["metric"].isin(metrics) & (both["se"] > 0)]
    for row in off.drop_duplicates(KEYS, keep="last").to_dict("records"):
        days = (datetime.date.fromisoformat(row["last"]) - datetime.date.fromisoformat(row["first"])).days + 1
        yield f"{row['what']}_{row['metric']}_{row['first']}".replace("-", "_"), {
            "kind": "ab_test", "scenario": row["what"], "metric": metrics[row["metric"]], "window": days,
            "lift": row["value"], "scale": "absolute", "se": row["se"],
        }  # fmt: skip
