"""Which touchpoint is worth most, and what would be said without a simulation: from a folder of `cxsim key-drivers`.

(Not `analysis.effects.sensitivity`, which asks what of the unknown an effect hangs on.) Three rankings of
touchpoints, for everybody and for each persona, over the same points of what is not known:

- by what a standard step there does to LTV and NPS, better and worse, in otherwise the same worlds;
- by complaints: the share of contacts and of detractors' comments that name it;
- by a survey's key-driver chart: the standardised regression weight of its rating on the answer.

The first is an effect, the others are what is easily had instead. Complaints tell where episodes are bad, not what a
change there would do; a regression weight tells whose ratings go with the answer, style of answering included.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from analysis.effects.estimands import Array, Spread, luck, monte_carlo_error, spread
from analysis.folders.run_folder import Run, RunError
from sim.files.disk import write_csv
from sim.tables import (
    BASELINE,
    BROKEN,
    DRIVEN,
    EVERYBODY,
    KEY_DRIVER_FILES,
    KEY_DRIVERS,
    METRIC,
    RATINGS,
    REPAIRED,
    STEP,
)

COMPLAINED, SURVEYED = "complaints", "survey"
RATED = tuple(column.name for column in RATINGS[4:])
"""Touchpoints that complaints name and respondents rate."""

UNITS = {metric: METRIC[metric].unit for metric in DRIVEN} | {COMPLAINED: "%", SURVEYED: "1"}
CHANGES = (STEP, REPAIRED, BROKEN, "")
Cell = tuple[str, str, str, str]
CELL = ["persona", "touchpoint", "measure", "change"]
WORLD = ["second_seed", "point"]

FEWEST = 30
"""Answers: with fewer a regression on four ratings has no meaning."""


class KeyDrivers(Run):
    """The folder of `cxsim key-drivers`. Raises RunError where it is none, or of a version with other names."""

    required: ClassVar[tuple[str, ...]] = ("config.yaml", *KEY_DRIVER_FILES)

    def __init__(self, folder: Path | str) -> None:
        super().__init__(folder)
        if "drivers" in self.config:
            raise RunError(
                "{folder} was made by an older cxsim (drivers is now key_drivers); run it again", folder=self.folder
            )

    @cached_property
    def values(self) -> dict[Cell, Array]:
        """By persona, touchpoint, measure and change the values of all worlds, (2 seeds, points)."""
        arms, complaints, ratings = (self.table(name) for name in KEY_DRIVER_FILES)
        moved = effects(arms)
        heard = pd.MultiIndex.from_product([self.personas, RATED, (COMPLAINED, SURVEYED), ("",)], names=CELL)
        table = pd.concat([moved, shares(complaints), weights(ratings)])
        return by_cell(table.reindex(index=moved.index.append(heard), columns=moved.columns))

    @cached_property
    def summary(self) -> pd.DataFrame:
        """key_drivers.csv."""
        return summarised(self.values, self.personas)

    @cached_property
    def personas(self) -> list[str]:
        """Everybody, then the personas in their order."""
        return [EVERYBODY, *map(str, self.config["personas"]["mix"])]

    @property
    def step(self) -> float:
        """The step each touchpoint was moved by, su."""
        return float(self.setting("key_drivers.step"))

    @property
    def worlds(self) -> int:
        """Points of what is not known."""
        return len(next(iter(self.values.values()))[0])

    def cell(self, persona: str, touchpoint: str, measure: str, change: str = "") -> pd.Series:
        """One row of the summary."""
        return self._rows[persona, touchpoint, measure, change]

    @cached_property
    def _rows(self) -> dict[Cell, pd.Series]:
        keys = self.summary[CELL].itertuples(index=False, name=None)
        return dict(zip(keys, (row for _number, row in self.summary.iterrows()), strict=True))

    def order(self, persona: str, measure: str) -> list[str]:
        """Touchpoints that complaints and ratings name, in the order in which this measure would mend them.

        Those of which it knows nothing are left out.
        """
        rows = [self.cell(persona, name, measure, deciding(measure)) for name in RATED]
        known = [(int(row["rank"]), name) for row, name in zip(rows, RATED, strict=True) if row["points"] > 0]
        return [name for _rank, name in sorted(known)]

    def place(self, persona: str, touchpoint: str, measure: str) -> int | None:
        """Place of a touchpoint in that order, from 1; None where the measure knows nothing of it."""
        order = self.order(persona, measure)
        return 1 + order.index(touchpoint) if touchpoint in order else None

    def agreement(self, persona: str, measure: str) -> int:
        """Points in which this measure has the same touchpoint first as a step's effect on LTV has."""
        return int((self._firsts(persona, measure) == self._firsts(persona, DRIVEN[0])).sum())

    def _firsts(self, persona: str, measure: str) -> Array:
        """By point the place in RATED of the touchpoint that comes first; -1, or -2 for LTV, where nothing is known."""
        table = np.stack([self.values[persona, name, measure, deciding(measure)][0] for name in RATED])
        known = ~np.isnan(table).any(axis=0)
        return np.where(known, np.argmax(np.nan_to_num(table), axis=0), -2 if measure == DRIVEN[0] else -1)

    def lead(self, persona: str, one: str, other: str) -> Lead:
        """What a step at one touchpoint brings in LTV beyond the same step at another."""
        ahead, behind = (self.values[persona, name, DRIVEN[0], STEP][0] for name in (one, other))
        return Lead(spread(ahead - behind), int((ahead > behind).sum()), len(ahead))


def deciding(measure: str) -> str:
    """The change that a measure ranks by: an effect by a step, the others by themselves."""
    return STEP if measure in DRIVEN else ""


class Lead(NamedTuple):
    """A difference between two touchpoints over points, and in how many of them it is above zero."""

    over: Spread
    ahead: int
    points: int


def write_summary(folder: Path | str) -> pd.DataFrame:
    """Write key_drivers.csv into the folder, and return it. Raises RunError, OSError."""
    run = KeyDrivers(folder)
    write_csv(run.folder / "key_drivers.csv", run.summary)
    return run.summary


# -- three rankings -------------------------------------------------------------------------------------------


def effects(arms: pd.DataFrame) -> pd.DataFrame:
    """Effect of each move on each metric, by world: repaired, broken, and half the difference between the two."""
    table = arms.rename(columns={"metric": "measure"}).pivot(index=CELL, columns=WORLD, values="value")
    base = table.xs(BASELINE, level="change").droplevel(["persona", "touchpoint"])
    moved = table.drop(index=BASELINE, level="change")
    found = moved - base.reindex(moved.index.get_level_values("measure")).to_numpy()
    step = (found.xs(REPAIRED, level="change") - found.xs(BROKEN, level="change")) / 2
    return pd.concat([found, pd.concat({STEP: step}, names=["change"]).reorder_levels(CELL)])


def shares(complaints: pd.DataFrame) -> pd.DataFrame:
    """Share of the complaints that name a touchpoint, %, of everybody's and of each persona's, by world."""
    both = pd.concat([complaints.assign(persona=EVERYBODY), complaints])
    counts = both.groupby(["persona", "touchpoint", *WORLD])["comments"].sum()
    share = 100 * counts / counts.groupby(["persona", *WORLD]).transform("sum")
    return _cells(share.rename("value").reset_index(), COMPLAINED)


def weights(ratings: pd.DataFrame) -> pd.DataFrame:
    """Standardised regression weight of each rating on the answer, of everybody and of each persona, by world."""
    both = pd.concat([ratings.assign(persona=EVERYBODY), ratings])
    rows = [
        (*key, touchpoint, weight)
        for key, own in both.groupby(["persona", *WORLD], sort=True)
        for touchpoint, weight in zip(RATED, standardised(own["answer"], own[list(RATED)]), strict=True)
    ]
    return _cells(pd.DataFrame(rows, columns=["persona", *WORLD, "touchpoint", "value"]), SURVEYED)


def _cells(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    return rows.assign(measure=measure, change="").pivot(index=CELL, columns=WORLD, values="value")


def standardised(answer: pd.Series, ratings: pd.DataFrame) -> Array:
    """Weights of a least-squares regression with everything in standard deviations: (columns of `ratings`,).

    NaN where there are too few answers, or somebody's rating or answer never varies.
    """
    spreads = ratings.std().to_numpy(), float(answer.std())
    if len(answer) < FEWEST or not (spreads[0] > 0).all() or not spreads[1] > 0:
        return np.full(ratings.shape[1], np.nan)
    x = (ratings - ratings.mean()).to_numpy() / spreads[0]
    y = (answer - answer.mean()).to_numpy() / spreads[1]
    return np.asarray(np.linalg.lstsq(x, y, rcond=None)[0])


# -- one table ------------------------------------------------------------------------------------------------


def summarised(values: dict[Cell, Array], personas: list[str]) -> pd.DataFrame:
    """Rows of sim.tables.KEY_DRIVERS from values by cell."""
    rows = pd.DataFrame(_rows(values))
    upwards = rows["change"] == BROKEN
    rows["rank"] = rows["value"].where(upwards, -rows["value"])
    rows["rank"] = rows.groupby(["persona", "measure", "change"])["rank"].rank(method="first", na_option="bottom")
    places = {"measure": list(UNITS), "change": list(CHANGES), "persona": personas}
    order = rows.assign(**{name: rows[name].map(all_.index) for name, all_ in places.items()})
    order = order.sort_values(["measure", "change", "persona", "rank"], kind="stable")
    table = rows.loc[order.index, [column.name for column in KEY_DRIVERS]].reset_index(drop=True)
    return table.astype({"rank": "int32", "points": "int32"})


def _rows(values: dict[Cell, Array]) -> Iterator[dict[str, Any]]:
    for key, cells in values.items():
        known = cells[0][~np.isnan(cells[0])]
        over = spread(known, luck(cells))
        yield dict(zip(CELL, key, strict=True)) | {
            "unit": UNITS[key[2]],
            "value": over.mean,
            "ci_low": over.low,
            "ci_high": over.high,
            "least": over.least,
            "most": over.most,
            "mc_se": monte_carlo_error(cells),
            "points": len(known),
        }


def by_cell(table: pd.DataFrame) -> dict[Cell, Array]:
    """Rows of a table by CELL and WORLD as arrays (2 seeds, points); NaN where a point has no second seed."""
    points = table.columns.get_level_values("point").unique().sort_values()
    worlds = table.reindex(columns=pd.MultiIndex.from_product([(0, 1), points], names=WORLD))
    keys = worlds.index.to_frame()[CELL].itertuples(index=False, name=None)
    return dict(zip(keys, worlds.to_numpy(dtype=np.float64).reshape(-1, 2, len(points)), strict=True))
