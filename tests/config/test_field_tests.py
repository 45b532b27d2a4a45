"""Field tests: what a file may say, every shipped one, and the command."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from cxsim.cli import main
from cxsim.cli.field import chosen, composed
from sim.learning.field_test import FieldTest, field_files, read_field_test
from sim.learning.field_world import Lift
from sim.run.provenance import ROOT
from sim.studies.field import Experiment

SHIPPED = field_files(ROOT / "conf" / "field")
LATENESS = """
title: Late parcels
description: Some parcels came late.
source: our own log
reading: data
use: test
design: late
days: 28
findings:
  again: {metric: ordered_again, delay: 2, scale: relative, lift: -5 %, se: 1 %}
"""
MAIL = """
title: {en: A mail}
description: A mail to half of the customers.
source: our own test
reading: data
use: test
days: 14
interventions:
  mail: {kind: email, days: 1}
findings:
  orders: {metric: buyers, control: {customers: 1000, buyers: 100}, treated: {customers: 1000, buyers: 130}}
"""


def read(text: str) -> FieldTest:
    return FieldTest.read(yaml.safe_load(text))


def test_a_finding_has_the_keys_of_a_past_test() -> None:
    found = read(MAIL).findings["orders"]
    assert found.found.value == pytest.approx(0.3)
    assert found.control_level == 1.0
    absolute = read(MAIL.replace("metric: buyers", "metric: buyers, scale: absolute")).findings["orders"]
    assert absolute.found.value == pytest.approx(3.0)
    assert absolute.control_level == pytest.approx(10.0)
    late = read(LATENESS)
    assert late.findings["again"].found.error == pytest.approx(0.01)
    assert late.delays == (2,)


@pytest.mark.parametrize(
    ("text", "was", "now", "told"),
    [
        (MAIL, "reading: data", "reading: hearsay", "reading: 'hearsay' is not allowed"),
        (MAIL, "use: test", "use: both", "use: 'both' is not allowed"),
        (MAIL, "days: 14", "dais: 14", "did you mean days?"),
        (MAIL, "days: 14\n", "", "days: is missing"),
        (MAIL, "metric: buyers", "metric: stars", "findings.orders"),
        (MAIL, "metric: buyers", "metric: buyers, base: 3", "base: follows from the rest"),
        (MAIL, "metric: buyers", "metric: buyers, delay: 3", "findings.orders.delay: says how many days late"),
        (MAIL, "metric: buyers", "metric: buyers, lift: 3", "lift: follows from control and treated"),
        (MAIL, "interventions:\n  mail: {kind: email, days: 1}\n", "", "interventions: are missing"),
        (MAIL, "interventions:", "against: {mail: {kind: email}}\ninterventions:", "against: needs design rollout"),
        (MAIL, "findings:", "design: newcomers\nfindings:", "nothing is done under design newcomers"),
        (LATENESS, "delay: 2, ", "", "findings.again.delay: says how many days late"),
        (LATENESS, "delay: 2", "delay: 0", "findings.again.delay: 0 is not allowed"),
        (LATENESS, "lift: -5 %", "lift: -5", "a relative lift is above -1"),
        (LATENESS, "design: late", "design: cohort", "ordered_again is not measured under design cohort"),
    ],
)
def test_what_cannot_be_is_told_in_one_line_that_names_file_and_key(
    text: str, was: str, now: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert was in text
    (tmp_path / "field").mkdir()
    (tmp_path / "field" / "ours.yaml").write_text(text.replace(was, now))
    assert main(["field", "--config-dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(r"cxsim: [^\n]*ours\.yaml: [^\n]*\n", error), error
    assert told in error


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["mens"], "mens: no such field test; one of "),
        (["mens_mial"], "did you mean mens_mail?"),
        (["days=3"], "days: is each experiment's own"),
        (["mens_mail", "customer=3"], "customer: no such key"),
        (["--config-dir", "nowhere"], "has no field tests"),
    ],
)
def test_wrong_words_are_told(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["field", *words]) == 2
    assert told in capsys.readouterr().err


def test_what_acts_on_everybody_cannot_be_held_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "field").mkdir()
    (tmp_path / "field" / "ours.yaml").write_text(MAIL.replace("{kind: email, days: 1}", "{kind: staff}"))
    assert main(["field", "--config-dir", str(tmp_path)]) == 2
    assert "mail acts on everybody at once" in capsys.readouterr().err


# -- the shipped ones -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_field_test_is_whole(name: str) -> None:
    """Its texts stand in both languages, and its market can be composed."""
    test = read_field_test(SHIPPED[name])
    for said in (test.title, test.note, test.miss):
        assert said is None or (said.en and said.ja)
    assert re.search(r"\d{4}|Olist|CDNOW", test.source)
    found = composed(chosen([name], None), None, ["customers=400"])[name]
    assert found.settings.customers == 400
    assert found.settings.days == max(28, test.days)


def test_each_kind_of_experiment_that_anchors_has_another_that_tests() -> None:
    """Lateness and mail are the kinds by which ranges were set."""
    by_use: dict[str, set[str]] = {"anchor": set(), "test": set()}
    for path in SHIPPED.values():
        test = read_field_test(path)
        by_use[test.use].add(test.design)
    assert by_use["anchor"] <= by_use["test"]


# -- the command ----------------------------------------------------------------------------------------------


@pytest.fixture
def pretending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every finding is found to be its own published value, by an experiment that takes no time."""

    def simulated(name: str, test: FieldTest, *_: Any) -> dict[str, Lift]:
        return {key: Lift(one.found.value, 1.0) for key, one in test.findings.items()}

    monkeypatch.setattr("sim.studies.field.simulated", simulated)


@pytest.mark.usefixtures("pretending")
def test_the_command_prints_a_score_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["field", "late_ride", "newcomers", "replications=2", "threads=1"]) == 0
    out = capsys.readouterr().out
    assert "late_ride: later" in out
    assert "Signs right in 2 of 2 findings" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("pretending")
def test_a_report_is_a_folder_of_tables_picture_and_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["field", "late_parcel", "replications=2", "threads=1", "language=ja"]
    assert main([*words, "--out", "scored"]) == 0
    assert "符号" in capsys.readouterr().out
    folder = tmp_path / "scored"
    written = {path.name for path in folder.iterdir()}
    tables = {"config.yaml", "field.csv", "field_findings.csv", "field_points.parquet"}
    assert {*tables, "report.html", "manifest.json"} <= written
    assert (folder / "figures" / "field_published.png").is_file()
    points = pd.read_parquet(folder / "field_points.parquet")
    assert len(points) == 4 * (2 + 1)  # findings; two points, the first one under two seeds
    assert main(["verify", "scored"]) == 0
    assert main([*words, "--out", "scored"]) == 2  # a folder that is there already


@pytest.mark.usefixtures("pretending")
def test_a_firms_own_tests_are_scored_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "field").mkdir()
    (tmp_path / "field" / "our_mail.yaml").write_text(MAIL)
    assert main(["field", "--config-dir", str(tmp_path), "replications=2", "threads=1"]) == 0
    assert "our_mail: orders" in capsys.readouterr().out


# -- real worlds ----------------------------------------------------------------------------------------------

TINY = ["customers=400", "burn_in=30", "calendar=flat"]


def lifts(name: str) -> dict[str, Lift]:
    """What a small market finds in a shipped experiment, at the centre of the first point."""
    from scenarios.intervention import treated_arms
    from sim.learning.field_world import simulated
    from sim.run.experiment import study_tasks

    one: Experiment = composed(chosen([name], None), None, [*TINY, "replications=2"])[name]
    task = study_tasks(one.settings, second_seeds=False)[0]
    return simulated(name, one.test, one.settings.at(task.point), treated_arms, task.seed)


def test_a_parcel_days_late_costs_stars_and_one_a_day_late_hardly_any() -> None:
    """So few customers cannot tell three days from five."""
    found = lifts("late_parcel")
    one_day, *later = (found[name].effect for name in ("one_day", "three_days", "five_days", "ten_days"))
    assert one_day > max(later) + 0.3
    assert max(later) < -0.5
    assert 3.0 < found["one_day"].level <= 5.0
