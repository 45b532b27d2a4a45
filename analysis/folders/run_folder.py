"""A run folder, read: tables on demand, and errors that say in one line what is missing."""

from __future__ import annotations

import hashlib
import io
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from analysis.style.language import installing, language
from sim import tables
from sim.files import manifest
from sim.files.plain import plain_of
from sim.files.spreadsheet import as_written
from sim.phrases import ConfigError, Phrase, enumerated

PARTIAL_ARM = re.compile(rf"(/({'|'.join((*tables.ADAPTIVE_PARTS, 'ab'))})|\{tables.VARIANT}[^/]+)$")
REQUIRED = ("config.yaml", "measures.parquet")
SCHEMAS = {
    "measures.parquet": tables.MEASURES,
    "effects.csv": tables.EFFECTS,
    "kpis.csv": tables.KPIS_KEYS,
    "daily.parquet": tables.DAILY,
    "customers.parquet": tables.CUSTOMERS,
    "events.parquet": tables.EVENTS,
    "states.parquet": tables.STATES,
    "parameters.csv": tables.PARAMETERS,
    "points.parquet": tables.POINTS,
    "probes.csv": tables.PROBES,
    "dashboard.csv": tables.DASHBOARD,
    "campaigns.parquet": tables.CAMPAIGNS,
    "projects.parquet": tables.PROJECTS,
    "tests.parquet": tables.TESTS,
    "premortem.csv": tables.PREMORTEM,
    "key_drivers.parquet": tables.KEY_DRIVER_ARMS,
    "explore.parquet": tables.EXPLORED,
    "complaints.parquet": tables.COMPLAINTS,
    "ratings.parquet": tables.RATINGS,
    "field_findings.csv": tables.FIELD_FINDINGS,
    "field_points.parquet": tables.FIELD_POINTS,
    "field.csv": tables.FIELD,
}


class RunError(ConfigError):
    """A folder that cannot be read as a run; the message is one line for the person at the keyboard."""


def _kept(name: str) -> cached_property[pd.DataFrame]:
    return cached_property(lambda run: run.table(name))


def _kept_or_empty(name: str) -> cached_property[pd.DataFrame]:
    return cached_property(lambda run: run.optional(name))


class Run:
    """One run folder. Tables are read when first asked for and kept.

    Raises RunError at once when `folder` is missing, is not a run folder or was written in another format, and when a
    table asked for is missing, unreadable or lacks a column of its schema.
    """

    required: ClassVar[tuple[str, ...]] = REQUIRED

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise RunError("no such run folder: {folder}", folder=self.folder)
        missing = [name for name in self.required if not (self.folder / name).is_file()]
        if missing:
            raise RunError(
                "not a run folder: {folder} has no {names}", folder=self.folder, names=" and no ".join(missing)
            )
        manifest.refuse_half(self.folder)
        manifest.refuse_missing(self.folder, {"config.yaml", *SCHEMAS})
        version = self.provenance.get("folder_version", 1) if self.has("provenance.json") else tables.FOLDER_VERSION
        if version != tables.FOLDER_VERSION:
            old = {was: now for was, now in tables.RENAMED.items() if was == "twin" or self.has(was)}
            raise RunError(
                "{folder} is a run folder of version {version}, and this cxsim reads version {present}; run it "
                "again{renamed}",
                folder=self.folder, version=version, present=tables.FOLDER_VERSION, renamed=_renamed(old),
            )

    def has(self, name: str) -> bool:
        """Whether the folder holds the file `name`."""
        return (self.folder / name).is_file()

    def table(self, name: str) -> pd.DataFrame:
        """The table in file `name` with at least the columns of its schema, in file order."""
        path = self.folder / name
        if not path.is_file():
            raise RunError(
                "{folder} has no {name}: the run is incomplete or was made by another version",
                folder=self.folder, name=name,
            )
        frame = read_table(path)
        lacking = [column.name for column in SCHEMAS[name] if column.name not in frame.columns]
        if lacking:
            old = {was: now for was, now in tables.RENAMED.items() if was in frame.columns and now in lacking}
            raise RunError(
                "{name} in {folder} lacks the column(s) {names}{renamed}",
                name=name, folder=self.folder, names=", ".join(lacking), renamed=_renamed(old),
            )
        _refuse_wrong(frame, path)
        return frame

    def optional(self, name: str) -> pd.DataFrame:
        """As `table`, or an empty table with the schema's columns when the file is not there."""
        if self.has(name):
            return self.table(name)
        return pd.DataFrame({column.name: pd.Series(dtype="object") for column in SCHEMAS[name]})

    measures = _kept("measures.parquet")
    """measures.parquet: the base of every answer."""

    @cached_property
    def effects(self) -> pd.DataFrame:
        """effects.csv: a row per intervention, metric, segment and estimand; variants left out."""
        table = self.table("effects.csv")
        return table[~table["intervention"].astype(str).str.contains(tables.VARIANT, regex=False)]

    kpis = _kept("kpis.csv")
    """kpis.csv: a row per arm and replication, a column per metric."""

    daily = _kept("daily.parquet")
    """daily.parquet: a row per arm, replication and day."""

    customers = _kept_or_empty("customers.parquet")
    """customers.parquet, empty when the run kept none."""

    events = _kept_or_empty("events.parquet")
    """events.parquet, empty when the run kept none."""

    parameters = _kept_or_empty("parameters.csv")
    """parameters.csv, empty when the run kept none."""

    dashboard = _kept_or_empty("dashboard.csv")
    """dashboard.csv, empty when the run has none."""

    points = _kept_or_empty("points.parquet")
    """points.parquet, empty when nothing was uncertain."""

    probes = _kept_or_empty("probes.csv")
    """probes.csv, empty when nothing was probed."""

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.yaml as plain dictionaries and lists."""
        path = self.folder / "config.yaml"
        content = manifest.checked(path)
        try:
            loaded = plain_of(content)
        except ConfigError as error:
            raise RunError("{path}: {problem}", path=path, problem=error) from error
        if not isinstance(loaded, dict):
            raise RunError("config.yaml in {folder} holds no keys", folder=self.folder)
        return loaded

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """provenance.json, empty when absent. Nothing a report prints may come from here: it varies by machine."""
        return manifest.provenance(self.folder)

    @cached_property
    def fingerprint(self) -> str:
        """The first 12 hexadecimal digits of the SHA-256 of config.yaml."""
        return hashlib.sha256(manifest.checked(self.folder / "config.yaml")).hexdigest()[:12]

    @property
    def days(self) -> int:
        """Horizon in days."""
        days = self.config.get("days", 365)
        if type(days) is not int or days < 1:
            raise self._no("days", days, Phrase("a whole number from 1"))
        return days

    def date(self, day: int) -> date | None:
        """The date of a day, 0 the first of the horizon; None where the configuration states no start."""
        stated = self.config.get("start_date")
        try:
            return None if stated is None else date.fromisoformat(str(stated)) + timedelta(days=day)
        except (ValueError, OverflowError):
            raise self._no("start_date", stated, Phrase("a date, as 2026-04-01")) from None

    def _no(self, key: str, value: object, allowed: Phrase) -> RunError:
        return RunError(
            "config.yaml in {folder}: {key}: {value} is not allowed; {allowed}",
            folder=self.folder, key=key, value=value, allowed=allowed,
        )  # fmt: skip

    @property
    def interventions(self) -> list[str]:
        """Scenarios answered for, each on its own and then their combination; empty for a baseline alone."""
        return interventions(self.measures)

    def command(self, name: str, scenarios: Sequence[str], plan: Mapping[str, Any]) -> str:
        """The command that makes this folder again, when nothing else was changed from the defaults."""
        stated = {key: self.config.get(key) for key in ("customers", "days", "burn_in", "seed", "replications")}
        scenario = scenarios[0] if len(scenarios) == 1 else scenarios
        values = {"scenario": scenario, "company": self.setting("company.name"), **stated, **plan}
        words = [f"{key}={_word(value)}" for key, value in values.items() if value is not None]
        return shlex.join([*name.split(), *words])

    def choices(self) -> Iterator[tuple[str, str, pd.Index]]:
        """Of what is a choice between structures: its dotted path, each option, and the replications that have it."""
        for path, points in self.points.groupby("name", sort=True):
            node = self.node(str(path))
            for index, option in enumerate((node.get("options") or ()) if isinstance(node, dict) else ()):
                yield str(path), str(option), pd.Index(points.loc[points["value"] == index, "replication"])

    def title(self, name: str) -> str:
        """What people call an intervention, in the language in use: of `A+B` and `A x B` each scenario's title."""
        parts = (part.split("+") for part in name.split(" x "))
        return " x ".join(" + ".join(map(self._title_of, keys)) for keys in parts)

    def _title_of(self, scenario: str) -> str:
        titles = self.node(f"scenario.{scenario}.title") or {}
        return str(titles.get(language()) or next(iter(titles.values()), scenario))

    def setting(self, dotted: str, default: Any = None) -> Any:
        """The configuration's value under a dotted path; of a parameter with a range, its central value."""
        node = self.node(dotted)
        if isinstance(node, dict):
            node = node.get("value", node.get("mean"))
        return default if node is None else node

    def node(self, dotted: str) -> Any:
        """What stands in the configuration under a dotted path, or None."""
        node: Any = self.config
        for key in dotted.split("."):
            if not isinstance(node, dict) or key not in node:
                return None
            node = node[key]
        return node


def interventions(measures: pd.DataFrame) -> list[str]:
    """Names of the fully treated arms in `measures`, single scenarios before combinations, else in table order."""
    arms = [str(arm) for arm in pd.unique(measures["arm"])]
    treated = [arm for arm in arms if arm != tables.BASELINE and not PARTIAL_ARM.search(arm)]
    return sorted(treated, key=lambda arm: arm.count("+"))


def variant_arms(measures: pd.DataFrame) -> list[str]:
    """Arms of variants in `measures`, in table order."""
    return [str(arm) for arm in pd.unique(measures["arm"]) if tables.VARIANT in str(arm)]


def _word(value: Any) -> str:
    """A value as the command line takes it."""
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _renamed(names: Mapping[str, str]) -> Phrase | str:
    """Names of an older format, each with its present one, in brackets; empty where there are none."""
    parts = enumerated(Phrase("{was} is now {now}", was=was, now=now) for was, now in names.items())
    return parts and Phrase(" ({names})", names=parts)


def read_table(path: Path, **options: Any) -> pd.DataFrame:
    """One CSV or Parquet file, as its folder's manifest states it; `options` are those of pandas' reader.

    Raises RunError for whatever goes wrong inside the reader, ConfigError for a file that was cut or changed.
    """
    content = io.BytesIO(manifest.checked(path))
    try:
        if path.suffix == ".csv":
            return as_written(pd.read_csv(content, **options))
        return pd.read_parquet(content)
    except (
        Exception
    ) as error:  # readers raise many kinds; the reader of the message needs only the file's name
        raise RunError(
            "{name} in {folder} cannot be read: {problem}", name=path.name, folder=path.parent, problem=_one_line(error)
        ) from error


FROM_0 = ("replication", "second_seed", "point", "customer", "test", "variant")
"""Columns of numbers that count from 0."""

KEYS = {
    "measures.parquet": ("replication", "second_seed", "arm", "group", "segment", "metric"),
    "kpis.csv": ("replication", "second_seed", "arm"),
    "daily.parquet": ("replication", "second_seed", "arm", "day"),
    "customers.parquet": ("arm", "customer"),
    "effects.csv": ("intervention", "metric", "segment", "estimand"),
    "points.parquet": ("replication", "name"),
    "explore.parquet": ("setting", "replication", "second_seed", "metric"),
    "field_findings.csv": ("experiment", "finding"),
    "field_points.parquet": ("experiment", "finding", "point", "second_seed"),
}
"""Columns that together name a row, of the tables in which no two rows have the same."""


def _refuse_wrong(frame: pd.DataFrame, path: Path) -> None:
    """Raise RunError where a table's values are none that its schema allows."""
    for column in SCHEMAS[path.name]:
        if not _allowed(frame[column.name], column, path.suffix == ".csv"):
            raise RunError(
                "{name} in {folder}: column {column} holds what is no {dtype}",
                name=path.name, folder=path.parent, column=column.name, dtype=column.dtype,
            )  # fmt: skip
        if column.name in FROM_0 and path.name != "daily.parquet" and (frame[column.name] < 0).any():
            raise RunError(
                "{name} in {folder}: column {column} counts from 0, and holds {value}",
                name=path.name, folder=path.parent, column=column.name, value=frame[column.name].min(),
            )  # fmt: skip
    keys = list(KEYS.get(path.name, ()))
    if keys and frame.duplicated(keys).any():
        raise RunError(
            "{name} in {folder}: two rows have the same {keys}",
            name=path.name, folder=path.parent, keys=", ".join(keys),
        )  # fmt: skip


def _allowed(values: pd.Series, column: tables.Column, as_text: bool) -> bool:
    """Whether values are of a column's dtype, or blank. `as_text`: they were read from text, which knows no dtypes."""
    kind = values.dtype
    if values.isna().all() or (as_text and column.dtype == "str"):
        return True
    if column.dtype == "str":
        return isinstance(kind, pd.StringDtype) or pd.api.types.is_object_dtype(kind)
    if column.dtype == "bool":
        return bool(pd.api.types.is_bool_dtype(kind))
    if column.dtype.startswith("datetime"):
        return bool(pd.api.types.is_datetime64_any_dtype(kind))
    if not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind):
        return False
    present = values.dropna()
    return column.dtype.startswith("float") or bool((np.isfinite(present) & (present == np.round(present))).all())


def _one_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def cell(table: pd.DataFrame, row: str, column: str) -> float:
    """One number of a table that is indexed by text."""
    return float(np.asarray(table.loc[row, column], dtype=np.float64))


def needed(module: str, extra: str = "decide") -> Any:
    """The module. Raises RunError where its package is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        raise RunError("this needs {package}: {command}", package=package, command=installing(extra)) from error
