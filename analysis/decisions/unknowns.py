"""What the answer of one option depends on, over many points of what is not known: how probable a gain is, in which
part of a range the answer turns, and what is lost by choosing wrongly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.decisions.options import Option
from analysis.effects.estimands import luck, luck_share, probability, share
from analysis.folders.run_folder import Run
from analysis.style.language import N_
from sim.tables import EVERYBODY

THIRDS = ("low", "middle", "high")
GAINED = ("ltv", "profit", "roi")


class Space(NamedTuple):
    """The uncertain parameters: values by point (index replication, a column each), options of those that are a choice,
    and units."""

    points: pd.DataFrame
    choices: Mapping[str, Sequence[str]]
    units: Mapping[str, str]


def space(option: Option) -> Space:
    """The uncertain parameters of an option's runs."""
    run, points = option.configuration.runs[0], option.configuration.values_at
    table = run.parameters.drop_duplicates("name").set_index("name")
    names = [str(name) for name in points.columns]
    choices = {name: found for name in names if (found := _options(run, name))}
    units = {name: str(table.at[name, "unit"]) for name in names if name in table.index}
    return Space(points, choices, {name: "" if unit in ("1", "nan") else unit for name, unit in units.items()})


def _options(run: Run, name: str) -> list[str]:
    node = run.node(name)
    return [str(one) for one in node.get("options") or []] if isinstance(node, dict) else []


def noise_share(option: Option) -> float:
    """Share of the variance of the LTV effect over points that is Monte Carlo error; NaN without second seeds."""
    effect = option.configuration.cube.effect(option.intervention, EVERYBODY, "ltv")
    return luck_share(effect[0][~np.isnan(effect[0])], luck(effect))


# -- probabilities ----------------------------------------------------------------------------------------------


def effect_of(option: Option, metric: str) -> pd.Series:
    """The total effect on a metric at each point; of `roi`, the return where it costs anything."""
    return option.returns() if metric == "roi" else option.each(metric)


def probabilities(option: Option, own: Space, leading: Sequence[str]) -> pd.DataFrame:
    """How probable a gain is: over all points, under each option of a choice, and in each third of the points by the
    value of a leading parameter.

    Columns of sim.tables.PROBABILITIES but those of OPTION.
    """
    rows = []
    for metric in GAINED:
        effect = effect_of(option, metric)
        for given, value, low, high, chosen in _parts(effect, own, leading if metric == "ltv" else ()):
            there = effect[chosen].to_numpy()
            if len(there):
                found = share(there > 0)._replace(probability=probability(there))
                rows.append((metric, given, value, low, high, *found))
    columns = ["metric", "given", "value", "low", "high", "points", "positive", "probability", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns)


def _parts(
    effect: pd.Series, own: Space, leading: Sequence[str]
) -> Iterator[tuple[str, str, float, float, npt.NDArray[np.bool_]]]:
    """(given, value, low, high, which points) of every part that a probability is asked for."""
    points = own.points.reindex(effect.index)
    yield "", "", math.nan, math.nan, np.ones(len(effect), bool)
    for name, options in own.choices.items():
        for index, value in enumerate(options):
            yield name, value, math.nan, math.nan, (points[name] == index).to_numpy()
    for name in leading:
        if name not in own.choices:
            ends = np.quantile(points[name], np.linspace(0, 1, len(THIRDS) + 1))
            third = np.searchsorted(ends[1:-1], points[name], side="right")
            for index, value in enumerate(THIRDS):
                yield name, value, float(ends[index]), float(ends[index + 1]), third == index


def turning(table: pd.DataFrame) -> list[str]:
    """Parameters along which the LTV answer turns: somewhere in the range a gain is more probable than not, elsewhere
    less, and neither interval reaches one half. `table`: one option's rows of `probabilities`."""
    rows = table[(table["metric"] == "ltv") & (table["given"] != "")]
    return [
        str(name)
        for name, part in rows.groupby("given", sort=False)
        if (part["ci_low"] > 0.5).any() and (part["ci_high"] < 0.5).any()
    ]


# -- regret -----------------------------------------------------------------------------------------------------

NOTHING = N_("doing nothing")


def effects_together(group: Sequence[Option]) -> pd.DataFrame:
    """Effect on LTV of every option of one group at the points that all of them have; doing nothing, always zero,
    first. Shape (points, options + 1), yen per member."""
    table = pd.concat([option.each("ltv").rename(option.label) for option in group], axis=1, join="inner").sort_index()
    table.insert(0, NOTHING, 0.0)
    return table


def regrets(table: pd.DataFrame) -> pd.DataFrame:
    """What each option falls short of the best one at each point (Savage 1951), shape and unit of `table`."""
    return table.rsub(table.max(axis=1), axis=0)


def regret_table(table: pd.DataFrame) -> pd.DataFrame:
    """Expected and largest regret of every option, and how often it is best; columns of sim.tables.REGRET but
    `option_group`.

    The least expected regret is also what it would be worth, at most, to know the point before choosing (the expected
    value of perfect information, Raiffa and Schlaifer 1961).
    """
    short = regrets(table)
    best = short == 0
    return pd.DataFrame(
        {
            "option": list(table.columns),
            "points": len(table),
            "mean_effect": table.mean().to_numpy(),
            "expected_regret": short.mean().to_numpy(),
            "maximum_regret": short.max().to_numpy(),
            "p_best": best.div(best.sum(axis=1), axis=0).mean().to_numpy(),
        }
    )


def space_together(group: Sequence[Option]) -> Space:
    """The uncertain parameters of all options of one group, at the points that all have; shared ones stand once."""
    spaces = [space(option) for option in group]
    points = pd.concat([one.points for one in spaces], axis=1, join="inner")
    choices, units = (
        {name: value for one in spaces for name, value in part(one).items()}
        for part in (attrgetter("choices"), attrgetter("units"))
    )
    return Space(points.loc[:, ~points.columns.duplicated()], choices, units)
