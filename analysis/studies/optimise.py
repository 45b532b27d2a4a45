"""The answer of a search's folder: the best candidate on fresh replications, against the present configuration.

What is said of an optimum comes from points that the search has not seen. Intervals are over these points. The error of
a difference, taken point by point with the same draws, is that which more fresh replications would remove.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.decisions.verdict import effect_of, lines_by_points
from analysis.effects.estimands import Array, Spread, spread, standard_error
from analysis.folders.run_folder import RunError, read_table
from analysis.style import words
from analysis.style.language import _
from sim.files import manifest
from sim.phrases import ConfigError

PRESENT = -1
FEASIBLE, INFEASIBLE, FAILED = "feasible", "infeasible", "failed"
POINTS = {False: "trial_points.parquet", True: "fresh_points.parquet"}
"""Values at points: of the search, and of fresh replications."""
FILES = ("optimise.json", "trials.csv", "fresh.csv", *POINTS.values())
BEYOND = 2.0
"""Standard errors from which a difference is told from chance."""


class Difference(NamedTuple):
    """Against the present configuration, point by point, and the standard error of its mean."""

    over: Spread
    error: float

    @property
    def told(self) -> bool:
        """Whether its mean is beyond chance."""
        return abs(self.over.mean) > BEYOND * self.error


class Wanted(NamedTuple):
    """An objective or a constraint's statistic."""

    metric: str
    of: str
    over: str | float

    @classmethod
    def stated(cls, node: dict[str, Any]) -> Wanted:
        """That of an objective or a constraint of the plan."""
        return cls(node["metric"], node["of"], node["over"])

    @property
    def name(self) -> str:
        """Its column."""
        return f"{self.metric} {self.of} {self.over}"

    @property
    def words(self) -> str:
        """In words, without what it is over."""
        text = _("effect on {metric}") if self.of == "effect" else _("{metric} with the scenario")
        return text.format(metric=words.label(self.metric))

    @property
    def sought(self) -> str:
        """In words, with what it is over where that is not the mean."""
        if self.over == "gain":
            return _("probability of a gain in {metric}").format(metric=words.label(self.metric))
        if self.over == "mean":
            return self.words
        return _("{share} quantile of: {what}").format(share=words.percent(float(self.over)), what=self.words)


class Searched:
    """A search's folder. Raises RunError where it is none, or not at its end."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        missing = [name for name in FILES if not (self.folder / name).is_file()]
        if missing:
            raise RunError("{folder}: is no finished search; {name} is not there", folder=self.folder, name=missing[0])
        self.plan: dict[str, Any] = self._plan()
        self.trials = self._table("trials.csv").set_index("trial")
        self.fresh = self._table("fresh.csv").set_index("trial")
        search = self.plan["search"]
        self.objectives = [Wanted.stated(one) for one in search["objectives"]]
        self.maximised = [one["goal"] == "maximise" for one in search["objectives"]]
        self.constraints: list[dict[str, Any]] = search["constraints"]
        self.levers: list[dict[str, Any]] = [{"key": key, **lever} for key, lever in search["levers"].items()]
        self.best: list[int] = [number for number in self.plan["best"] if number in self.fresh.index]
        numbers = [*(one["key"] for one in self.levers), *(one.name for one in self.objectives)]
        for name, table in (("trials.csv", self.trials), ("fresh.csv", self.fresh)):
            self._require_numbers(table, name, numbers)
            for number in (PRESENT, *self.best):
                self._require(number, number in table.index, name)

    @property
    def metrics(self) -> set[str]:
        """Metrics of objectives and constraints, whose values at points are kept."""
        return {one.metric for one in self.objectives} | {one["metric"] for one in self.constraints}

    def _require(self, number: int, there: bool, name: str) -> None:
        if not there:
            raise RunError("{name} in {folder} has no row of trial {trial}",
                           name=name, folder=self.folder, trial=number)  # fmt: skip

    def _require_numbers(self, table: pd.DataFrame, name: str, columns: Iterable[str]) -> None:
        for column in columns:
            if column not in table.columns:
                raise RunError("{name} in {folder} has no column {column}",
                               name=name, folder=self.folder, column=column)  # fmt: skip
            if len(table) and not pd.api.types.is_numeric_dtype(table[column]):
                raise RunError("{name} in {folder}: column {column} holds what is no {dtype}",
                               name=name, folder=self.folder, column=column, dtype="float64")  # fmt: skip

    def _table(self, name: str, numbers: Iterable[str] = ("trial",)) -> pd.DataFrame:
        table = read_table(self.folder / name)
        self._require_numbers(table, name, numbers)
        return table

    def _plan(self) -> dict[str, Any]:
        path = self.folder / "optimise.json"
        try:
            return dict(json.loads(manifest.checked(path)))
        except (ValueError, TypeError, RecursionError) as error:
            if isinstance(error, ConfigError):
                raise
            raise RunError("{name} in {folder} cannot be read", name=path.name, folder=self.folder) from None

    @cached_property
    def _points(self) -> dict[bool, pd.DataFrame]:
        """Tables of the search (False) and of fresh replications (True): a row per trial, metric and replication."""
        numbers = ("trial", "replication", "scenario", "baseline")
        return {fresh: self._table(name, numbers) for fresh, name in POINTS.items()}

    def values(self, number: int, metric: str, of: str, fresh: bool) -> Array:
        """Effect on a metric, or its level, at each point."""
        table = self._points[fresh]
        rows = table[(table["trial"] == number) & (table["metric"] == metric)]
        self._require(number, not rows.empty, POINTS[fresh])
        scenario, baseline = (rows[arm].to_numpy(dtype=np.float64) for arm in ("scenario", "baseline"))
        return scenario - baseline if of == "effect" else scenario

    def statistic(self, number: int, wanted: Wanted, fresh: bool) -> float:
        """A trial's statistic, in the search or on fresh replications."""
        return float(np.asarray((self.fresh if fresh else self.trials).loc[number, wanted.name], dtype=np.float64))

    def against_present(self, number: int, metric: str, of: str) -> Difference:
        """A trial less the present configuration, on fresh replications."""
        gap = self.values(number, metric, of, True) - self.values(PRESENT, metric, of, True)
        return Difference(spread(gap), standard_error(gap))

    @property
    def in_both_arms(self) -> list[dict[str, Any]]:
        """Levers of the company rather than of an intervention."""
        return [one for one in self.levers if ".interventions." not in one["key"]]

    @property
    def free(self) -> list[str]:
        """Levers of the company that cost nothing here."""
        return [words.moved(one["key"]) for one in self.in_both_arms if not one["cost_per_day"]]

    def unit(self, lever: dict[str, Any]) -> str:
        """A lever's unit as the configuration states it, else as its option has it; empty where neither does."""
        stated: str = self.plan.get("units", {}).get(lever["key"], "")
        return stated or words.option_unit(lever["key"])

    def headed(self, lever: dict[str, Any]) -> str:
        """A lever with its unit, for what stands over or under its values."""
        name, unit = words.moved(lever["key"]), words.parameter_unit(self.unit(lever))
        return _("{what}, {unit}").format(what=name, unit=unit) if unit else name

    def point(self, number: int) -> str:
        """A trial's values of the levers in words."""
        table = self.fresh if number in self.fresh.index else self.trials
        row = table.loc[number]
        told = [(words.moved(one["key"]), words.amount(float(row[one["key"]]), self.unit(one))) for one in self.levers]
        return words.enumerated([_("{key} {value}").format(key=key, value=value) for key, value in told])


# -- front.csv --------------------------------------------------------------------------------------------------


def front(found: Searched) -> pd.DataFrame:
    """A row per point of the levers, on fresh replications, the present configuration first: trial, status there,
    levers; of each objective its value in the search and afresh, 90 % interval, and the difference to the present with
    interval and standard error."""
    rows = []
    for number in [PRESENT, *found.best]:
        row: dict[str, Any] = {"trial": number, "status": found.fresh.loc[number, "status"]}
        row |= {one["key"]: found.fresh.loc[number, one["key"]] for one in found.levers}
        for one in found.objectives:
            over = spread(found.values(number, one.metric, one.of, True))
            gap = found.against_present(number, one.metric, one.of)
            row |= {
                f"{one.name}: search": found.statistic(number, one, False),
                f"{one.name}: fresh": found.statistic(number, one, True),
                f"{one.name}: ci_low": over.low,
                f"{one.name}: ci_high": over.high,
                f"{one.name}: less present": gap.over.mean,
                f"{one.name}: less present, ci_low": gap.over.low,
                f"{one.name}: less present, ci_high": gap.over.high,
                f"{one.name}: less present, se": gap.error,
            }
        rows.append(row)
    return pd.DataFrame(rows)


# -- sentences --------------------------------------------------------------------------------------------------


def sentences(folder: Path | str) -> list[str]:
    """What came out, for the terminal and the page."""
    found = Searched(folder)
    if not found.best:
        return [_nothing(found), *_company(found)]
    told = _one(found) if len(found.objectives) == 1 else _many(found)
    return [*_verdict(found), *told, *_broken(found), *_company(found)]


def _verdict(found: Searched) -> list[str]:
    """The verdict on the intervention at the best point, in the sentences that a run begins with; of a front, at the
    point where LTV gains most. Nothing where LTV was not looked at."""
    if "ltv" not in found.metrics:
        return []
    effects = {number: found.values(number, "ltv", "effect", True) for number in found.best}
    best = max(found.best, key=lambda number: float(np.mean(effects[number])))
    name = _("{scenario} at {point}").format(scenario=found.plan["scenario"], point=found.point(best))
    return lines_by_points(effect_of(name, found.plan["members"], found.plan["days"], effects[best]))


def _counts(found: Searched) -> dict[str, str]:
    status = found.trials.drop(PRESENT)["status"]
    return {
        "trials": f"{len(status):,}",
        "feasible": f"{int((status == FEASIBLE).sum()):,}",
        "failed": f"{int((status == FAILED).sum()):,}",
        "days": str(found.plan["days"]),
        "points": str(found.plan["search"]["fresh_points"]),
    }


def _nothing(found: Searched) -> str:
    return _("None of {trials} trials keeps the constraints ({failed} could not be run): there is no best.").format(
        **_counts(found)
    )


def _one(found: Searched) -> list[str]:
    number, goal = found.best[0], found.objectives[0]
    over = spread(found.values(number, goal.metric, goal.of, True))
    places = words.decimals(over.mean, over.low, over.high)
    best = _(
        "Best of {trials} trials ({feasible} keep the constraints): {point}. On {points} fresh replications of {days} "
        "days it comes to {size} {unit} ({what}, {span})."
    ).format(
        **_counts(found),
        point=found.point(number),
        what=goal.words,
        size=_size(over.mean, goal, places),
        unit=words.unit(goal.metric),
        span=words.between(over, places),
    )
    return [best, _flattered(found, number, goal), _regret(found, number, goal)]


def _size(value: float, goal: Wanted, places: int | None = None) -> str:
    """An effect with its sign, a level without."""
    return words.signed(value, places) if goal.of == "effect" else words.number(value, places)


def _statistic(value: float, goal: Wanted) -> str:
    return words.percent(value) if goal.over == "gain" else _size(value, goal)


def _flattered(found: Searched, number: int, goal: Wanted) -> str:
    """The optimiser's curse, in numbers."""
    search, fresh = (found.statistic(number, goal, anew) for anew in (False, True))
    return _(
        "The search itself said {search} ({what}), fresh replications say {fresh}: a point chosen for looking best "
        "looks too good where it was chosen, so only the fresh number counts."
    ).format(search=_statistic(search, goal), fresh=_statistic(fresh, goal), what=goal.sought)


def _regret(found: Searched, number: int, goal: Wanted) -> str:
    """What the present configuration forgoes, and whether that is more than chance."""
    gap = found.against_present(number, goal.metric, goal.of)
    sign = 1.0 if found.maximised[0] else -1.0
    over = gap.over
    places = words.decimals(over.mean, over.low, over.high)
    if not gap.told:
        text = _(
            "The present configuration ({point}) is as good as can be told: the best differs by {size} {unit}, "
            "replication by replication ({span}), within two standard errors ({error} each)."
        )
    elif sign * over.mean > 0:
        text = _(
            "The present configuration ({point}) forgoes {amount} {unit} against it, replication by replication "
            "({span}); that is beyond two standard errors ({error} each)."
        )
    else:
        text = _(
            "On fresh replications the present configuration ({point}) is the better one, by {amount} {unit}, "
            "replication by replication ({span}), beyond two standard errors ({error} each): the search found nothing "
            "better."
        )
    return text.format(
        point=found.point(PRESENT),
        size=words.signed(over.mean, places),
        amount=words.number(abs(over.mean), places),
        unit=words.unit(goal.metric),
        span=words.between(over, places),
        error=words.number(gap.error, places),
    )


def _many(found: Searched) -> list[str]:
    ends = (found.best[0], found.best[-1])
    told = _(
        "The front of {trials} trials ({feasible} keep the constraints) has {size} points, from {first} to {last}; "
        "on {points} fresh replications of {days} days: {ranges}."
    ).format(
        **_counts(found),
        size=len(found.best),
        first=found.point(ends[0]),
        last=found.point(ends[1]),
        ranges=words.listed([_range(found, goal, ends) for goal in found.objectives]),
    )
    better = [number for number in found.best if _dominates(found, number)]
    if not better:
        present = _(
            "No point of the front is better than the present configuration ({point}) in every objective beyond "
            "chance: what one gains, another loses, or nothing can be told."
        )
    else:
        present = _(
            "{count} of them are better than the present configuration ({point}) in every objective, beyond "
            "chance."
        )
    curse = _("A front chosen for looking good looks too good where it was chosen, so only the fresh numbers count.")
    return [told, present.format(point=found.point(PRESENT), count=len(better)), curse]


def _range(found: Searched, goal: Wanted, ends: tuple[int, int]) -> str:
    first, last = (float(np.mean(found.values(number, goal.metric, goal.of, True))) for number in ends)
    places = words.decimals(first, last)
    return _("{what} {first} to {last} {unit}").format(
        what=goal.words, first=_size(first, goal, places), last=_size(last, goal, places), unit=words.unit(goal.metric)
    )


def _dominates(found: Searched, number: int) -> bool:
    """Whether a trial is better than the present configuration in every objective, beyond chance."""
    signs = [1.0 if up else -1.0 for up in found.maximised]
    gaps = [found.against_present(number, goal.metric, goal.of) for goal in found.objectives]
    return all(gap.told and sign * gap.over.mean > 0 for gap, sign in zip(gaps, signs, strict=True))


def _broken(found: Searched) -> list[str]:
    """Constraints that hold in the search's points and not on fresh ones."""
    broken = [number for number in found.best if found.fresh.loc[number, "status"] != FEASIBLE]
    if not broken:
        return []
    if len(found.best) == 1:
        return [_("On fresh replications it does not keep the constraints: it lies at their edge.")]
    return [
        _("On fresh replications {count} of the points do not keep the constraints: they lie at their edge.").format(
            count=len(broken)
        )
    ]


def _company(found: Searched) -> list[str]:
    """What a lever of the company means for what is compared."""
    told = []
    if found.in_both_arms:
        told.append(
            _("The level of the whole company is compared, since a lever acts in both arms: {levers}.").format(
                levers=words.enumerated([words.moved(one["key"]) for one in found.in_both_arms])
            )
        )
    if found.free:
        text = _("No cost of {levers} was stated, so more of it looks free.")
        told.append(text.format(levers=words.listed(found.free)))
    return told


# -- figures ----------------------------------------------------------------------------------------------------


# -- page -------------------------------------------------------------------------------------------------------
