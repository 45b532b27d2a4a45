"""A published experiment, or a past test of the firm's own, as a file states it (`conf/field/NAME.yaml`).

What the firm did is an intervention as in a scenario file; what was found has the keys of a past A/B test in a file of
evidence, so that the same test can be scored here and learned from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from sim.config.parameters import Reader, Text, inside, real, several, text, whole, word
from sim.config.sections import NAME, Name, Section, StatedIntervention, Title, title_of
from sim.learning.ab_test import Finding
from sim.learning.halves import METRICS
from sim.phrases import ConfigError, listed

HELD_BACK, ROLLOUT, LATE, COHORT, NEWCOMERS = "held_back", "rollout", "late", "cohort", "newcomers"
DESIGNS = (HELD_BACK, ROLLOUT, LATE, COHORT, NEWCOMERS)
"""How it was done: a coin held some back; the whole firm did it, or did one thing rather than another; deliveries were
late by so many days; nothing was done, and a cohort of new customers watched, or those who had never bought compared
with those who had."""

EVERYBODY, REACHED = "everybody", "reached"

OF_DELIVERIES = {"ordered_again": "% of customers", "stars": "stars"}
OF_COHORTS = {"repeats": "orders"}
OF_TESTS = {name: unit for name, (unit, _read) in METRICS.items()}
UNITS = {**OF_TESTS, **OF_DELIVERIES, **OF_COHORTS}
"""What may have been measured, with the unit of an absolute lift."""

MEASURED = {
    HELD_BACK: OF_TESTS, ROLLOUT: OF_TESTS, LATE: OF_DELIVERIES, COHORT: OF_COHORTS, NEWCOMERS: OF_TESTS,
}  # fmt: skip

AGAINST = "-against"
"""Stands behind an experiment's name in the name of the scenario that it is compared with."""


class FieldFinding(Finding):
    """What an experiment found on one metric.

    `base` is the level without treatment where an absolute lift does not say it. `delay` is how many days late.
    """

    metric: Annotated[str, word(*UNITS)]
    base: Annotated[float | None, real(1e-9, 1e12)] = None
    delay: Annotated[int | None, whole(1, 60)] = None

    @property
    def unit(self) -> str:
        """Unit of an absolute lift."""
        return UNITS[self.metric]

    @property
    def control_level(self) -> float | None:
        """The published level without treatment, in units of the lift: 1 for a relative one; None where none is."""
        if self.relative:
            return 1.0
        if self.control is not None:
            size, count = self.control
            return 100.0 * count / size
        return self.base

    @model_validator(mode="after")
    def _base_is_needed(self) -> Self:
        if self.base is not None and (self.relative or self.control is not None):
            raise ConfigError("base: follows from the rest; leave it out")
        return self


class FieldTest(Section):
    """An experiment: who did what to whom for how long, what it found, and where that is written."""

    title: Annotated[Title, Reader(title_of)]
    description: Text
    source: Text
    reading: Annotated[str, word("opened", "abstract", "recalled", "data")]
    use: Annotated[str, word("anchor", "test")]
    firm: Annotated[tuple[str, ...], several(Reader(text))] = ()
    design: Annotated[str, word(*DESIGNS)] = HELD_BACK
    days: Annotated[int, whole(1, 3650)]
    share: Annotated[float, inside(0.0, 1.0)] = 0.5
    among: Annotated[str, word(EVERYBODY, REACHED)] = EVERYBODY
    acquired_over: Annotated[int, whole(1, 365)] = 84
    interventions: dict[Name, StatedIntervention] = Field(default={})
    against: dict[Name, StatedIntervention] = Field(default={})
    findings: dict[Name, FieldFinding]
    note: Annotated[Title | None, Reader(title_of)] = None
    miss: Annotated[Title | None, Reader(title_of)] = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.findings:
            raise ConfigError("findings: is empty; at least one")
        acts = self.design in (HELD_BACK, ROLLOUT)
        if acts != bool(self.interventions):
            raise ConfigError(
                "interventions: are missing; what the firm did" if acts
                else "interventions: nothing is done under design {design}; leave them out",
                design=self.design,
            )  # fmt: skip
        if self.against and self.design != ROLLOUT:
            raise ConfigError("against: needs design rollout; {design} compares with nothing done", design=self.design)
        for name, one in self.findings.items():
            self._check_finding(name, one)
        return self

    def _check_finding(self, name: str, one: FieldFinding) -> None:
        measured = MEASURED[self.design]
        if one.metric not in measured:
            raise ConfigError(
                "findings.{name}.metric: {metric} is not measured under design {design}; {allowed}",
                name=name, metric=one.metric, design=self.design, allowed=listed(measured),
            )
        if (one.delay is not None) != (self.design == LATE):
            raise ConfigError(
                "findings.{name}.delay: says how many days late; it stands under design late, and there alone",
                name=name,
            )
        if self.design == COHORT and not one.relative:
            raise ConfigError("findings.{name}.scale: absolute is not allowed; relative", name=name)

    @property
    def delays(self) -> tuple[int, ...]:
        """Days late that were told apart, ascending."""
        return tuple(sorted({one.delay for one in self.findings.values() if one.delay is not None}))


def field_files(folder: Path) -> dict[str, Path]:
    """The experiments of a folder by name, in the order of their names. Raises ConfigError if it has none."""
    found = {path.stem: path for path in sorted(folder.glob("*.yaml"))} if folder.is_dir() else {}
    if not found:
        raise ConfigError("{folder}: has no field tests; write NAME.yaml, see docs/scoring-your-own-tests.md",
                          folder=folder)  # fmt: skip
    for name, path in found.items():
        if not NAME.fullmatch(name):
            raise ConfigError(
                "{place}: {name} is not a name; letters, digits, _ and -, a letter or digit first",
                place=path, name=name,
            )
    return found


def read_field_test(path: Path) -> FieldTest:
    """An experiment from its file, checked. Raises ConfigError of one line."""
    return FieldTest.of_file(path)


def scenarios_of(name: str, node: Mapping[str, Any]) -> dict[str, Any]:
    """The raw scenarios of an experiment, from its file as read: what is done, and what it is compared with."""
    parts = {name: node.get("interventions"), f"{name}{AGAINST}": node.get("against")}
    return {one: {"description": name, "interventions": acts} for one, acts in parts.items() if acts}
