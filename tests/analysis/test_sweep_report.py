"""The report of a sweep: what it shows of which sweep, what it says, that it repeats; and the command."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from analysis.decisions.options import configurations, options, varied
from analysis.decisions.sweep_page import answered, verdict, write_sweep_report
from analysis.decisions.sweep_plots import panels, pareto
from analysis.folders.run_folder import RunError
from analysis.folders.sweep_folder import Sweep
from cxsim.cli import BAD_INPUT, OK, main
from tests.analysis.fake_sweep import CAPACITY, FakeJob, design, make_sweep
from tests.analysis.test_report import EVIL, Page

MARGIN, FACE = "company.margin", "scenario.A.interventions.A.face"
TABLES = {"sweep.parquet", "answers.csv", "sensitivity.csv", "probabilities.csv", "regret.csv", "regions.csv"}


def arm(mean: float, spread: float = 1.0, cost: float = 2.0, nps: float = 0.5) -> dict[str, list[float]]:
    """Effects in four points around a mean."""
    return {"ltv": [mean - spread, mean + spread] * 2, "cost": [cost] * 4, "nps": [nps, nps + 0.2] * 2}


def point(**values: float) -> FakeJob:
    """A job of scenario A whose effect grows with all its values; `__` stands for a dot."""
    named = {key.replace("__", "."): value for key, value in values.items()}
    return FakeJob(named, {"A": arm(sum(named.values()))})


SAMPLE = np.random.default_rng(6).random((16, 3)).tolist()
SWEEPS: dict[str, tuple[list[FakeJob], set[str]]] = {
    "scenarios": (
        [FakeJob({"scenario": name}, {name: arm(1.0)}) for name in "AB"] + [FakeJob({"scenario": "none"})],
        set(),
    ),
    "one key": ([point(company__margin=x) for x in (0.1, 0.2, 0.3)], {"lines"}),
    "two keys": ([point(a__x=x, b__y=y) for x in (1, 2, 3) for y in (0.5, 1.5)], {"map", "lines"}),
    "many keys": ([point(a__x=x, b__y=y, c__z=z) for x in (1, 2) for y in (3, 4) for z in (5, 6)], {"points"}),
    "sample": ([point(a__x=x, b__y=y, c__z=z) for x, y, z in SAMPLE], {"points"}),
    "paired points": ([point(a__x=x, b__y=2 * x) for x in (1, 2, 3, 4)], {"points"}),
}


def made(folder: Path, jobs: list[FakeJob]) -> tuple[str, Page]:
    """The page of a sweep, and its tags."""
    write_sweep_report(make_sweep(folder, jobs))
    text = (folder / "report.html").read_text(encoding="utf-8")
    return text, Page(text)


@pytest.mark.parametrize("name", SWEEPS)
def test_every_kind_of_sweep_gets_the_panels_that_fit_it(tmp_path: Path, name: str) -> None:
    jobs, expected = SWEEPS[name]
    text, page = made(tmp_path / "s", jobs)
    figures = {path.stem for path in (tmp_path / "s" / "figures").iterdir()}
    assert figures == {"ranking", "trade_off"} | expected
    assert page.tags.count("svg") == len(figures)
    assert page.outside == []
    assert len(page.ids) == len(set(page.ids))
    assert {path.name for path in (tmp_path / "s").iterdir()} >= TABLES
    assert not {"nan", "None", "inf"} & set(re.sub("<[^>]*>", " ", text).split())


def test_a_sweep_half_of_which_failed_says_which_and_why(tmp_path: Path) -> None:
    jobs = [point(a__x=x, b__y=y) for x in (1, 2, 3, 4) for y in (1, 2)]
    for number, job in enumerate(jobs):
        if number % 2:
            job.status, job.why = ("failed", "b.y: 2 is <not> allowed") if number < 4 else ("died", "was killed")
    text, _page = made(tmp_path / "s", jobs)
    assert "Jobs not done: 4 of 8." in text
    assert text.count("b.y: 2 is &lt;not&gt; allowed") == 2
    assert text.count("was killed") == 2
    assert all(f"jobs/{number:016x}" in text for number in range(8))


@pytest.mark.parametrize("scenario", ["A", "baseline"])
def test_a_sweep_without_an_answer_has_a_page_too(tmp_path: Path, scenario: str) -> None:
    status = "missing" if scenario == "A" else "done"
    text, page = made(tmp_path / "s", [FakeJob({"scenario": scenario}, status=status)])
    assert ("There is no answer yet." if scenario == "A" else "No job treats anybody") in text
    assert "svg" not in page.tags


def test_names_are_escaped(tmp_path: Path) -> None:
    text, page = made(
        tmp_path / "s", [FakeJob({"scenario": EVIL}, {EVIL: arm(1.0)}), FakeJob({"scenario": "{x}"}, {"{x}": arm(2)})]
    )
    assert EVIL not in text
    assert "script" not in page.tags
    assert "{x}" in text


# -- figures ----------------------------------------------------------------------------------------------------


def test_pareto_front_of_points_made_by_hand() -> None:
    """Kept: the best in each, and (2, 2) twice, which do not beat each other. Beaten: (1, 1) and (3, 0)."""
    ltv = [0, 1, 2, 4, 3, 2]
    nps = [3, 1, 2, 0, 0, 2]
    assert pareto(ltv, nps).tolist() == [True, False, True, True, False, True]


def test_cells_of_the_map_are_marked_where_the_interval_spans_zero(tmp_path: Path) -> None:
    """Effects of x * y = -2, 0, 2 with a spread of none, except at (2, 1), which is wide; (1, 1) is not done."""
    jobs = []
    for x in (1.0, 2.0):
        for y in (-1.0, 0.0, 1.0):
            wide = 9.0 if (x, y) == (2.0, 1.0) else 0.0
            own = {metric: values * 8 for metric, values in arm(x * y, wide).items()}
            jobs.append(
                FakeJob({"a.x": x, "b.y": y}, {"A": own}, status="died" if (x, y) == (1, 1) else "done")
            )
    found = configurations(Sweep(make_sweep(tmp_path / "s", jobs)))
    (grid, _lines) = panels(options(found), varied(found))
    (axes,) = grid.figure.axes
    hatched = {patch.get_xy() for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_hatch()}
    # Columns are the key with more values, b.y; rows a.x. An effect of exactly zero has no sign either.
    assert hatched == {(1, 0), (1, 1), (2, 1)}
    assert sorted(text.get_text() for text in axes.texts) == sorted(
        ["\N{MINUS SIGN}1.00", "0", "\N{MINUS SIGN}2.00", "0", "+2.00"]
    )


# -- words ------------------------------------------------------------------------------------------------------


def deciding(folder: Path) -> Path:
    """A costs and gains above a capacity ratio of 1.3, B is free and always gains 0.1; 80 points in two blocks."""
    points = design(80, 3)
    effects = {"A": ((points[CAPACITY] - 1.3).tolist(), 2.0), "B": ([0.1] * 80, 0.0)}
    jobs = [
        FakeJob(
            {"scenario": name, "points": [first, first + 40]},
            {name: {"ltv": ltv[first : first + 40], "cost": [cost] * 40, "nps": [1.0] * 40}},
            first,
            values_at=points,
        )
        for name, (ltv, cost) in effects.items()
        for first in (0, 40)
    ]
    return make_sweep(folder, jobs)


def test_the_verdict_says_what_is_true(tmp_path: Path) -> None:
    folder = deciding(tmp_path / "s")
    text = "\n".join(verdict(answered(folder)))
    points = design(80, 3)[CAPACITY]
    gains = int((points > 1.3).sum())
    assert "A has the least expected regret" in text  # its mean is 0.2, twice B's
    assert "comes first by effect per cost" in text
    assert "Of what costs nothing that is counted here, B does most" in text
    assert f"A raises LTV in {100 * gains / 80:.0f} %" in text
    assert "under the clock episode" in text
    assert "under the clock time" in text
    (cut,) = re.findall(r"A raises LTV unless capacity ratio is at most ([\d.]+): there it fails to in 100 %", text)
    assert points[points <= 1.3].max() <= float(cut) + 0.005
    assert float(cut) - 0.005 <= points[points > 1.3].min()
    assert "coverage 100 %" in text
    assert "elsewhere in 0 %" in text
    assert "B raises LTV in > 99 %" in text  # 80.5 / 81
    assert f"It pays in {100 * (gains + 0.5) / 81:.0f} % of the worlds" in text


def test_the_page_of_an_uncertain_sweep_has_all_that_decides(tmp_path: Path) -> None:
    folder = deciding(tmp_path / "s")
    told = write_sweep_report(folder)
    figures = {path.stem for path in (folder / "figures").glob("*.svg")}
    assert figures == {"ranking", "trade_off", "regret_0", "spread_0", "chances_0", "chances_1", "sensitivity_0"}
    assert "A has the least expected regret" in told
    regret = pd.read_csv(folder / "regret.csv").set_index("option")
    best = np.maximum(design(80, 3)[CAPACITY] - 1.3, 0.1)
    assert regret["expected_regret"]["B"] == pytest.approx((best - 0.1).mean(), abs=1e-6)
    assert regret["expected_regret"]["doing nothing"] == pytest.approx(best.mean(), abs=1e-6)
    assert set(pd.read_csv(folder / "answers.csv")["replications_run"]) == {80}
    # Its value of knowing more is not the gate's, and says so.
    assert "cxsim gate has it for the choice between one intervention" in (folder / "report.html").read_text("utf-8")


def test_a_sweep_of_the_world_alone_is_not_told_as_a_choice(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", [FakeJob({MARGIN: x}, {"A": arm(10 * x)}) for x in (0.1, 0.3)])
    first = verdict(answered(folder))[0]
    assert "is not a choice" in first
    assert "(at company margin 0.1) to +3.00" in first
    levers = make_sweep(tmp_path / "t", [FakeJob({FACE: x}, {"A": arm(x / 100)}) for x in (100, 300)])
    assert "coupon face value 300 comes first" in verdict(answered(levers))[0]


def test_where_everything_loses_doing_nothing_is_best(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", [FakeJob({"scenario": x}, {x: arm(-1.0)}) for x in "AB"])
    assert "no option raises LTV on average" in verdict(answered(folder))[0]


# -- the same again, and the command ----------------------------------------------------------------------------


def test_same_jobs_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = deciding(tmp_path / "one"), deciding(tmp_path / "elsewhere")
    for folder in (one, other):
        write_sweep_report(folder)
    files = {path.relative_to(one) for path in one.rglob("*") if path.is_file()}
    assert files == {path.relative_to(other) for path in other.rglob("*") if path.is_file()}
    for path in files:
        assert (one / path).read_bytes() == (other / path).read_bytes(), path


def test_command_prints_answer_and_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_sweep(tmp_path / "s", SWEEPS["one key"][0])
    assert main(["sweep-report", str(folder)]) == OK
    out = capsys.readouterr().out
    assert out.startswith("option")
    assert out.rstrip().endswith(str(folder / "report.html"))


def test_bad_folders_and_missing_packages_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.tree", None)
    uncertain = deciding(tmp_path / "s")
    for folder, expected in (
        (tmp_path / "no", "no sweep folder"),
        (uncertain, "pip install -c constraints.txt -e '.[decide]'"),
    ):
        assert main(["sweep-report", str(folder)]) == BAD_INPUT
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert expected in error
    assert not (uncertain / "report.html").exists()
    with pytest.raises(RunError):
        write_sweep_report(uncertain)


@pytest.mark.usefixtures("unpictured")
def test_a_real_sweep_from_command_to_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Blocks of one scenario's points, overlapping or not: their answer is that of one job with all points."""
    tiny = ["customers=400", "days=28", "burn_in=30", "replications=4", "arms=total", "scenario=norush_coupon"]
    folders = {"points=[0,2],[2,4]": tmp_path / "apart", "points=[0,4],[0,3]": tmp_path / "overlapping"}
    for keys, folder in folders.items():
        assert main(["run", "-m", *tiny, keys, "hydra/launcher=basic", f"hydra.sweep.dir={folder}"]) == OK
        assert main(["sweep-report", str(folder)]) == OK
    assert "norush_coupon" in capsys.readouterr().out
    apart, overlapping = ((folder / "answers.csv").read_bytes() for folder in folders.values())
    assert apart == overlapping
    table = pd.read_csv(folders["points=[0,2],[2,4]"] / "answers.csv")
    assert set(table[table["metric"] == "ltv"]["replications_run"]) == {4}
    jobs = pd.read_parquet(tmp_path / "apart" / "sweep.parquet")
    assert sorted(jobs["points"].unique()) == ["[0,2]", "[2,4]"]
