"""Campaigns and meetings: from tables written by hand to the dashboard, the readings and the projects."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.effects.answer import write_effects
from analysis.folders.run_folder import Run
from analysis.report import campaigns_section, meetings
from analysis.report.campaigns import rates
from analysis.report.page import write_report
from sim.tables import CAMPAIGN_RATES, CAMPAIGNS, DAILY, POINTS, PROJECTS
from tests.analysis.hand_written import write_run

B, X = "baseline", "X"
LIFT = "scenario.X.interventions.camp.lift"
SHRINK = {"value": 0.5, "range": [0.0, 1.0], "grade": "judgement"}


def row(point: int, arm: str, variant: int, shown: int, ordered: int, **more: Any) -> dict[str, Any]:
    """A row of campaigns.parquet."""
    zero = dict.fromkeys((column.name for column in CAMPAIGNS), 0)
    own = {"arm": arm, "campaign": "camp", "channel": "popup", "share": math.nan if variant == 0 else 0.5}
    return zero | own | {"replication": point, "variant": variant, "shown": shown, "ordered": ordered} | more


def campaign_run(folder: Path, points: int, **more: Any) -> Path:
    """Two variants. In point d the first is shown 100 times and ordered after 10 + d, the second 300 times and after
    18; the baseline's rule finds 200, of whom 8 order. The first variant wins at every point but point 0."""
    rows = []
    for point in range(points):
        shares = (0.2, 0.8) if point == 0 else (0.8, 0.2)
        rows += [
            row(point, B, 0, 200, 8), row(point, B, 1, 0, 0), row(point, B, 2, 0, 0),
            row(point, X, 0, 5, 1),
            row(point, X, 1, 100, 10 + point, clicked=20, share=shares[0], cost=100, revisions=3),
            row(point, X, 2, 300, 18, clicked=30, share=shares[1], cost=300, revisions=3, opted_out=3),
            row(point, X, 1, 999, 999, second_seed=1), row(point, f"{X}/ab", 1, 999, 999),
        ]  # fmt: skip
    drawn = pd.DataFrame(
        [(point, LIFT, float(point % 2)) for point in range(points)], columns=[column.name for column in POINTS]
    )
    lift = {"value": 0.3, "options": [0.3, 0.89], "grade": "claimed"}
    scenario = {"X": {"interventions": {"camp": {"kind": "popup", "lift": lift, "cycle": {"cost": 50000}}}}}
    frames = {"campaigns.parquet": pd.DataFrame(rows), "points.parquet": drawn}
    behaviour = {"messages": {"shrink": more.pop("shrink", SHRINK)}}
    made = write_run(folder, scenario=scenario, frames=frames, replications=points, behaviour=behaviour, **more)
    write_effects(made)
    return made


def cells(run: Run) -> Mapping[tuple[Any, str], pd.Series]:
    """Rows of the rates by variant (0: all) and quantity."""
    table = rates(run)
    return {(row["variant"] if pd.notna(row["variant"]) else 0, row["quantity"]): row for _, row in table.iterrows()}


# -- rates ----------------------------------------------------------------------------------------------------


def test_rates_are_means_over_points_of_first_seeds(tmp_path: Path) -> None:
    found = cells(Run(campaign_run(tmp_path / "run", 4)))
    assert found[1, "order"]["value"] == pytest.approx(np.mean([10, 11, 12, 13]))
    assert found[2, "order"]["value"] == pytest.approx(6.0)
    assert found[0, "order"]["value"] == pytest.approx(np.mean([28, 29, 30, 31]) / 4)
    assert found[0, "click"]["value"] == pytest.approx(12.5)
    assert found[0, "opt_out"]["value"] == pytest.approx(0.75)
    assert (found[0, "cost"]["value"], found[0, "shown"]["value"]) == (400.0, 400.0)


def test_intervals_are_those_of_the_points(tmp_path: Path) -> None:
    """Of 40 points 10, 11, .. % the 5 % quantile lies at the place 2.35 from 1, and the other likewise from the end."""
    found = cells(Run(campaign_run(tmp_path / "run", 40)))[1, "order"]
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((10 + 1.35, 49 - 1.35))


def test_few_points_have_no_interval(tmp_path: Path) -> None:
    found = cells(Run(campaign_run(tmp_path / "run", 4)))[1, "order"]
    assert found["value"] == pytest.approx(11.5)
    assert np.isnan(found["ci_low"])
    assert np.isnan(found["ci_high"])


def test_one_point_has_wilsons_interval(tmp_path: Path) -> None:
    """10 of 100: the ends p that solve (p - .1)**2 = z**2 p (1 - p) / 100, z the normal's 95 % quantile."""
    found = cells(Run(campaign_run(tmp_path / "run", 1)))[1, "order"]
    z = 1.6448536269514722
    for end in ("ci_low", "ci_high"):
        p = found[end] / 100
        assert (p - 0.1) ** 2 == pytest.approx(z**2 * p * (1 - p) / 100)
    assert found["ci_low"] < 10.0 < found["ci_high"]


def test_who_would_have_ordered_anyway_is_whom_the_baseline_finds(tmp_path: Path) -> None:
    found = cells(Run(campaign_run(tmp_path / "run", 4)))
    assert found[1, "order_anyway"]["value"] == pytest.approx(4.0)
    assert found[2, "order_lift"]["value"] == pytest.approx(2.0)


def test_wins_count_points_with_the_largest_share(tmp_path: Path) -> None:
    found = cells(Run(campaign_run(tmp_path / "run", 4)))
    assert [found[variant, "wins"]["value"] for variant in (1, 2)] == pytest.approx([75.0, 25.0])
    assert found[1, "share"]["value"] == pytest.approx((20 + 3 * 80) / 4)


def test_equal_shares_are_nobodys_win(tmp_path: Path) -> None:
    made = campaign_run(tmp_path / "run", 2)
    table = pd.read_parquet(made / "campaigns.parquet")
    table["share"] = table["share"].where(table["variant"] == 0, 0.5)
    table.to_parquet(made / "campaigns.parquet", index=False)
    found = cells(Run(made))
    assert [found[variant, "wins"]["value"] for variant in (1, 2)] == [0.0, 0.0]


def test_a_variant_never_shown_has_no_rate(tmp_path: Path) -> None:
    made = campaign_run(tmp_path / "run", 2)
    table = pd.read_parquet(made / "campaigns.parquet")
    table.loc[table["variant"] == 2, ["shown", "clicked", "ordered"]] = 0
    table.to_parquet(made / "campaigns.parquet", index=False)
    cell = cells(Run(made))[2, "order"]
    assert math.isnan(cell["value"])
    assert cell["points"] == 0


# -- what is told ---------------------------------------------------------------------------------------------


def test_the_report_has_the_dashboard_and_the_table(tmp_path: Path) -> None:
    made = campaign_run(tmp_path / "run", 4)
    page = _report(made)
    assert "in the baseline orders anyway 4.0 times in a hundred" in page
    assert (
        "Variant 1 ends most often with the largest share of the traffic: in 75 % of 4 replications, after 3 revisions."
        in page
    )
    assert "cost 400 yen in the simulated market over 100 days. A revision costs the firm 50,000 yen." in page
    assert "Receivers who opt out in the simulated market over 100 days: 3.0. Over" in page
    assert "Over the same days the scenario as a whole changes LTV by +10.0" in page
    assert (made / "figures" / "X_campaigns.svg").is_file()
    table = pd.read_csv(made / "campaigns.csv")
    assert list(table.columns) == [column.name for column in CAMPAIGN_RATES]


def _report(made: Path) -> str:
    """The page of a run whose other tables hold nothing."""
    empty = pd.DataFrame({column.name: pd.Series(dtype="float64") for column in DAILY})
    empty.to_parquet(made / "daily.parquet", index=False)
    return write_report(made).read_text(encoding="utf-8")


def test_each_reading_of_a_claimed_number_has_its_own_answer(tmp_path: Path) -> None:
    """Points 0 and 2 read it as .3: of 400 shown 28 and 30 order; points 1 and 3 as .89: 29 and 31."""
    found = campaigns_section.readings(Run(campaign_run(tmp_path / "run", 4)), X)
    assert [(one.option, one.points) for one in found] == [("0.3", 2), ("0.89", 2)]
    assert [one.lift.split()[0] for one in found] == ["+3.2", "+3.5"]
    assert [one.ltv for one in found] == ["+10.0 (2 points, from +10.0 to +10.0)"] * 2


@pytest.mark.parametrize(
    ("shrink", "told"),
    [
        (SHRINK, "multiplied by 0.5 (drawn between 0 and 1)"),
        ({"value": 1.0, "grade": "judgement"}, "multiplied by 1: what is published are winners."),
        (0.25, "multiplied by 0.25: what is published are winners."),
    ],
)
def test_the_shrink_is_always_stated(tmp_path: Path, shrink: Any, told: str) -> None:
    run = Run(campaign_run(tmp_path / "run", 1, shrink=shrink))
    assert told in campaigns_section.shrink_sentence(run)


@pytest.mark.parametrize(
    ("arm", "told"), [(B, "In the baseline its rule finds nobody"), (X, "so that it is shown to nobody.")]
)
def test_rules_that_find_nobody_are_told(tmp_path: Path, arm: str, told: str) -> None:
    made = campaign_run(tmp_path / "run", 2)
    table = pd.read_parquet(made / "campaigns.parquet")
    table.loc[table["arm"] == arm, ["shown", "clicked", "ordered", "opted_out"]] = 0
    table.to_parquet(made / "campaigns.parquet", index=False)
    found = campaigns_section.section(Run(made), X)
    assert found is not None
    assert told in found["campaigns"][0]["sentence"]


def test_a_run_without_campaigns_says_nothing_of_them(tmp_path: Path) -> None:
    run = Run(write_run(tmp_path / "run", scenario={X: {}}))
    assert campaigns_section.section(run, X) is None
    assert not (run.folder / "campaigns.csv").exists()


# -- meetings -------------------------------------------------------------------------------------------------


def project_run(folder: Path) -> Path:
    """Three points: two projects on the product and one on delivery in point 0, one on the product in 1, none in 2."""
    columns = [column.name for column in PROJECTS]
    rows = [(0, 0, X, 0, 6, "product"), (0, 0, X, 0, 13, "delivery"), (0, 0, X, 0, 20, "product"),
            (1, 0, X, 0, 34, "product"), (1, 1, X, 0, 6, "store")]  # fmt: skip
    scenario = {X: {"interventions": {"voc": {"kind": "voice_of_customer"}}}}
    frames = {"projects.parquet": pd.DataFrame(rows, columns=columns)}
    made = write_run(folder, scenario=scenario, frames=frames, replications=3)
    measures = pd.read_parquet(made / "measures.parquet")
    costs = measures.assign(metric="cost", value=np.where(measures["arm"] == X, 4.0, 0.0))
    pd.concat([measures, costs]).to_parquet(made / "measures.parquet", index=False)
    write_effects(made)
    return made


def test_projects_by_touchpoint_and_what_they_bring(tmp_path: Path) -> None:
    found = meetings.section(Run(project_run(tmp_path / "run")), X)
    assert found is not None
    assert found["rows"] == [
        ["product", "1.0", "2 / 3", "2027-01-21 (2027-01-07 to 2027-02-04)"],
        ["delivery", "0.3", "1 / 3", "2027-01-14 (2027-01-14 to 2027-01-14)"],
    ]
    assert found["sentence"] == (
        "Within 100 days the meetings start 1.3 projects (0 to 3 over 3 replications), most often on this touchpoint: "
        "product. Each yen spent on them brings +2.50 yen net within 100 days (3 points, from +2.50 to +2.50)."
    )


def test_no_meetings_no_section(tmp_path: Path) -> None:
    assert meetings.section(Run(write_run(tmp_path / "run", scenario={X: {}})), X) is None
