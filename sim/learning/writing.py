"""What was learned, written: the company file that runs use, and the tables behind its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sim.calibration.company_file import plain_line, written
from sim.config.overlays import copied
from sim.config.parameters import Parameter
from sim.learning.learn import Learned, Lesson, Statistic
from sim.learning.pieces import Observed, Piece

DIGITS = 4
"""Digits of a mean and a standard error: more would be noise."""


def company_text(company: Mapping[str, Any], name: str, evidence: str, lesson: Lesson) -> str:
    """The company file as YAML text: the company it started from, with what was learned in `behaviour`.

    company: the raw mapping as composed. evidence: the evidence file's name, for the sources.
    """
    own = {**company, "name": name, "behaviour": _laid(company.get("behaviour") or {}, evidence, lesson)}
    own.pop("jointly", None)
    if lesson.jointly:
        own["jointly"] = {"parameters": list(lesson.jointly), "correlation": _matrix(lesson)}
    lines = [
        f"# {plain_line(str(company.get('name', 'a company')))} with what {plain_line(evidence)} taught, "
        f"over {lesson.points} points.",
        "# `behaviour` is laid over the shared one; `jointly` are correlations by which runs draw parameters together.",
    ]
    for key, value in own.items():
        lines += written(str(key), value, 0)
    return "\n".join(lines) + "\n"


def _matrix(lesson: Lesson) -> list[list[float]]:
    """The correlation, symmetric and with ones to the last digit written."""
    rounded = np.round((lesson.correlation + lesson.correlation.T) / 2, 3)
    np.fill_diagonal(rounded, 1.0)
    return [[float(value) for value in row] for row in rounded]


def _laid(behaviour: Mapping[str, Any], evidence: str, lesson: Lesson) -> dict[str, Any]:
    """What the company knew of its customers, and over it what it learned."""
    laid: dict[str, Any] = copied(behaviour)
    for one in lesson.parameters:
        if one.kept:
            node = laid
            *groups, last = one.name.split(".")[1:]
            for group in groups:
                node = node.setdefault(group, {})
            node[last] = _known(one, evidence)
    return laid


def _known(one: Learned, evidence: str) -> dict[str, Any]:
    mean, se, _, _ = one.after
    source = f"learned from {', '.join(one.taught)} in {plain_line(evidence)}; before: {_prior(one.prior)}"
    node: dict[str, Any] = {"mean": _short(mean), "se": _short(se)}
    return node | ({"unit": one.prior.unit} if one.prior.unit else {}) | {"source": source}


def _prior(prior: Parameter) -> str:
    if prior.se is not None and prior.mean is not None:
        return f"{prior.mean:g} (se {prior.se:g})"
    return f"{prior.low:g} to {prior.high:g}"


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def parameter_table(lesson: Lesson) -> pd.DataFrame:
    """A row per parameter that the evidence could speak about, most sharpened first."""
    rows = sorted(lesson.parameters, key=lambda one: (not one.kept, -one.shrinkage, one.name))
    about = [(one.shrinkage, one.doubt, ", ".join(one.taught), one.kept) for one in rows]
    return pd.DataFrame(
        [(one.name, one.prior.unit, *one.before, *one.after, *rest) for one, rest in zip(rows, about, strict=True)],
        columns=list(PARAMETER_COLUMNS),
    )


PARAMETER_COLUMNS = (
    "name", "unit", "prior_mean", "prior_se", "prior_low", "prior_high", "posterior_mean", "posterior_se",
    "posterior_low", "posterior_high", "shrinkage", "doubt", "taught_by", "kept",
)  # fmt: skip


def statistic_table(lesson: Lesson) -> pd.DataFrame:
    """A row per statistic: what was observed, and the middle 90 % of simulated worlds."""
    return pd.DataFrame([_statistic(one) for one in lesson.statistics])


def _statistic(one: Statistic) -> dict[str, Any]:
    return {
        "piece": one.piece, "statistic": one.name, "observed": one.observed, "se": one.se,
        "simulated_low": one.low, "simulated_high": one.high, "beyond": one.beyond,
        "verdict": "contradicts" if one.contradicts else "strained" if one.strained else "agrees",
        "learned_from": one.learned,
    }  # fmt: skip


def piece_table(pieces: Sequence[Piece], observed: Mapping[str, Observed], lesson: Lesson) -> pd.DataFrame:
    """A row per piece: kind, scenario, size, remarks, and whether it was refused."""
    return pd.DataFrame(
        [
            {
                "piece": one.name, "kind": one.kind, "scenario": one.scenario, "size": observed[one.name].size,
                "remarks": observed[one.name].remark, "refused": one.name in lesson.refused,
            }
            for one in pieces
        ]
    )  # fmt: skip
