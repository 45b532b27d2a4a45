"""One verdict: a reader of run, gate, report and sweep report of the same points meets the same lines."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.decisions.sweep_page import answered, verdict, write_sweep_report
from analysis.decisions.verdict import told
from analysis.effects.answer import likelihood
from analysis.effects.estimands import Cube, by_point
from analysis.folders.run_folder import Run
from analysis.report.page import write_report
from cxsim import cli
from sim.tables import DAILY
from tests.analysis.fake_sweep import CAPACITY, FakeJob, design, make_sweep

POINTS = 40


def sweep(folder: Path, mean: float) -> tuple[Path, Path]:
    """A sweep of one job whose effect hangs on the capacity ratio, with luck in it; its folder and the job's."""
    values_at = design(POINTS)
    effect = mean + 8.0 * (values_at[CAPACITY] - 1.5)
    return sweep_of(folder, list(effect), values_at, list(effect[:12] + 2.0))


def sweep_of(folder: Path, effect: list[float], values_at: pd.DataFrame, again: list[float]) -> tuple[Path, Path]:
    """A sweep of one job with this effect at each point, and under a second seed; its folder and the job's."""
    own = {"ltv": effect, "cost": [2.0] * len(effect), "nps": [0.0] * len(effect)}
    job = FakeJob({"scenario": "A"}, {"A": own}, values_at=values_at, second_seeds={"A": again})
    place = make_sweep(folder, [job])
    (run,) = (place / "jobs").iterdir()
    pd.DataFrame(columns=["intervention", "name", "value", "effect", "mc_se"]).to_csv(run / "probes.csv", index=False)
    pd.DataFrame({column.name: [] for column in DAILY}).to_parquet(run / "daily.parquet")
    return place, run


def plain(page: str) -> str:
    """A page's text, with one minus sign and single spaces."""
    text = html.unescape(re.sub(r"<[^>]*>", " ", page)).replace("\N{MINUS SIGN}", "-")
    return re.sub(r"\s+", " ", text)


@pytest.fixture(params=[6.0, 0.4, -6.0], ids=["gain", "open", "loss"])
def folders(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    return sweep(tmp_path / "sweep", request.param)


@pytest.mark.usefixtures("unpictured")
def test_one_verdict_in_run_gate_report_and_sweep_report(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert_one_verdict(folders, capsys)


def assert_one_verdict(folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that run, gate, report and sweep report all tell."""
    place, run = folders
    for folder in folders:
        assert cli.main(["gate", str(folder)]) == cli.OK
    printed = capsys.readouterr().out
    (of_run,), (of_sweep,) = (
        json.loads((folder / "gate.json").read_text(encoding="utf-8"))["verdicts"] for folder in (run, place)
    )
    lines = of_run["lines"]
    assert of_sweep["lines"] == lines
    assert printed.count("\n".join(lines)) == 2
    assert told(run).startswith("\n".join(lines))
    report = plain(write_report(run).read_text(encoding="utf-8"))
    write_sweep_report(place)
    terminal = "\n".join(verdict(answered(place)))
    page = plain((place / "report.html").read_text(encoding="utf-8"))
    for line in lines:
        assert line in report
        assert line in page
        assert line in terminal
    return list(lines)


HEAPS = [10.0, 14.0, 22.0, 31.0, 205.0, 221.0, 240.0, 253.0]


@pytest.mark.usefixtures("unpictured")
@pytest.mark.parametrize("times", [1, 5])
def test_two_heaps_of_gains_are_a_gain_everywhere(
    times: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A case that was tried: of eight points, all positive, one surface once said undecided (-91 to +294, P 82 %) and
    another go (100 %). Now all say go with P = (k + 1/2)/(n + 1), of 8 points and of 40."""
    effect = HEAPS * times
    folders = sweep_of(tmp_path / "sweep", effect, design(len(effect)), effect[:4])
    lines = assert_one_verdict(folders, capsys)
    p = (len(effect) + 0.5) / (len(effect) + 1)
    assert lines[0] == "Go with A."
    assert lines[2] == f"It pays in {100 * p:.0f} % of the worlds: likely gain."
    ends = "(8 points, from +10 to +253)" if times == 1 else "(90 % interval +10 to +253)"
    assert lines[-1].startswith("Effect on LTV, yen per member: +124")
    assert ends in lines[-1]


@pytest.mark.usefixtures("unpictured")
def test_one_probability_in_all_tables(folders: tuple[Path, Path]) -> None:
    """(k + 1/2)/(n + 1), the luck of the seed taken out: in effects.csv, gate.json and the sweep's tables."""
    place, run = folders
    write_sweep_report(place)
    cli.main(["gate", str(run)])
    effect = by_point(Cube(Run(run).measures), "A", "ltv").to_numpy()
    p = (int((effect > 0).sum()) + 0.5) / (POINTS + 1)
    effects = Run(run).effects
    total = effects[
        (effects["metric"] == "ltv") & (effects["segment"] == "everybody") & (effects["estimand"] == "total")
    ]
    table = pd.read_csv(place / "probabilities.csv", keep_default_na=False)
    whole = table[(table["metric"] == "ltv") & (table["given"] == "")]
    gate = json.loads((run / "gate.json").read_text(encoding="utf-8"))["verdicts"][0]
    assert float(total["p_positive"].iloc[0]) == pytest.approx(p)
    assert float(whole["probability"].iloc[0]) == pytest.approx(p)
    assert gate["p_positive"] == pytest.approx(p, rel=1e-5)
    assert gate["likelihood"] == likelihood(p)


def test_the_strongest_unknown_is_named(tmp_path: Path) -> None:
    _place, run = sweep(tmp_path / "sweep", 0.4)
    assert "It hinges most on: capacity ratio." in told(run)


@pytest.mark.parametrize(("p", "sign"), [(0.67, 1), (0.66, 0), (0.34, 0), (0.33, -1), (np.nan, 0)])
def test_likely_begins_at_two_in_three(p: float, sign: int) -> None:
    assert likelihood(p) == sign
