"""The funnel: stages counted in hand-written lives, its intervals, and a small world's totals."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from analysis.effects.estimands import counted
from analysis.folders.run_folder import Run
from analysis.journeys import funnel_page
from analysis.journeys.funnel import STAGES, funnel
from analysis.journeys.read import Journeys
from cxsim import cli
from sim.tables import BASELINE, FUNNEL
from tests.analysis.small_log import SCENARIO, write_log

WEBSITE, APP, STORE = 0.0, 1.0, 2.0

LIVES = {
    0: [],  # never hears of the brand
    1: [(3, "aware", 1)],
    2: [(3, "aware", 2), (5, "visit", APP)],
    3: [(2, "visit", WEBSITE), (9, "visit", STORE), (9, "order", 100)],
    4: [(2, "visit", WEBSITE), (2, "order", 100), (9, "visit", APP), (9, "order", 50)],
    5: [(day, name, value) for day in (1, 2, 3) for name, value in (("visit", WEBSITE), ("order", 10))],
    6: [],  # lapsed before day 0
    7: [(4, "visit", WEBSITE), (8, "lapsed", 90)],
}
PEOPLE: dict[int, dict[str, object]] = {
    0: {"status": "unaware"},
    4: {"status": "customer", "acquired_day": 2, "persona": "fan"},
    5: {"status": "customer", "acquired_day": -40, "persona": "fan", "segment": "hurried"},
    6: {"status": "lapsed", "acquired_day": -300, "lapsed_day": -20},
    7: {"status": "lapsed", "acquired_day": -90, "lapsed_day": 8},
}
MORE = {1: [*LIVES[1], (7, "visit", STORE), (7, "order", 20)]}
"""What the scenario changes."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_log(tmp_path / "run", LIVES, MORE, PEOPLE)


def counts(folder: Path, arm: str, kind: str, group: str) -> list[int]:
    table = funnel(Journeys(Run(folder))).table
    own = table[(table["arm"] == arm) & (table["kind"] == kind) & (table["group"] == group)]
    assert list(own["stage"]) == list(STAGES)
    return list(own["customers"])


COUNTED = (
    (BASELINE, "everybody", "everybody", [7, 6, 5, 3, 2, 1]),
    (SCENARIO, "everybody", "everybody", [7, 6, 6, 4, 2, 1]),
    (BASELINE, "start", "unaware", [3, 2, 1, 0, 0, 0]),
    (BASELINE, "start", "aware", [2, 2, 2, 2, 1, 0]),
    (BASELINE, "start", "customer", [2, 2, 2, 1, 1, 1]),
    (BASELINE, "persona", "fan", [2, 2, 2, 2, 2, 1]),
    (BASELINE, "segment", "hurried", [1, 1, 1, 1, 1, 1]),
    (BASELINE, "channel", "website", [7, 6, 4, 2, 1, 1]),
    (BASELINE, "channel", "app", [7, 6, 2, 1, 0, 0]),
    (BASELINE, "channel", "store", [7, 6, 1, 1, 0, 0]),
    (SCENARIO, "channel", "store", [7, 6, 2, 2, 0, 0]),
)


@pytest.mark.parametrize(("arm", "kind", "group", "wanted"), COUNTED)
def test_stages_count_whom_they_say(folder: Path, arm: str, kind: str, group: str, wanted: list[int]) -> None:
    assert counts(folder, arm, kind, group) == wanted


def test_a_drop_off_is_what_the_stage_before_lost(folder: Path) -> None:
    table = funnel(Journeys(Run(folder))).table
    rows = table[(table["arm"] == BASELINE) & (table["kind"] == "everybody")]
    assert rows["share"].tolist() == pytest.approx([1, 6 / 7, 5 / 7, 3 / 7, 2 / 7, 1 / 7])
    assert rows["drop_off"].tolist()[1:] == pytest.approx([1 / 7, 1 / 6, 2 / 5, 1 / 3, 1 / 2])
    assert math.isnan(rows["drop_off"].iloc[0])


@pytest.mark.parametrize(("lost", "of"), [(0, 9), (3, 9), (9, 9), (500, 2000)])
def test_the_interval_is_where_the_score_test_does_not_reject(lost: int, of: int) -> None:
    """Wilson 1927: at its ends the standardised distance of the share is the normal quantile, here of 95 %."""
    share, low, high = counted(lost, of)[2:]
    assert share == lost / of
    for end in (low, high):
        if 0 < end < 1:
            assert abs(share - end) / math.sqrt(end * (1 - end) / of) == pytest.approx(1.6448536, rel=1e-6)
    assert low <= share <= high


def test_a_stage_of_nobody_has_no_drop_off() -> None:
    assert all(math.isnan(value) for value in counted(0, 0)[2:])


def test_event_counts(folder: Path) -> None:
    table = funnel(Journeys(Run(folder))).counts
    assert table.loc["visit"].to_dict() == {
        ("size", BASELINE): 9, ("nunique", BASELINE): 5, ("size", SCENARIO): 10, ("nunique", SCENARIO): 6,
    }  # fmt: skip


def test_the_sentence_names_the_step_that_loses_most(tmp_path: Path) -> None:
    """Of ten who know the brand nine visit and two of these order: seven lost of nine."""
    lives = {row: [(1, "visit", WEBSITE), *([(1, "order", 5)] if row < 2 else [])] for row in range(9)}
    folder = write_log(tmp_path / "run", lives, {8: [(1, "visit", WEBSITE), (1, "order", 5)]}, customers=10)
    _share, low, high = counted(7, 9)[2:]
    assert funnel_page.largest(funnel(Journeys(Run(folder)))) == (
        f"The largest drop-off: 7 of 9 customers visit and never order within 100 days, 77.8 % (90 % interval "
        f"{100 * low:.1f} to {100 * high:.1f}, chance of so many customers only). With treat it is 66.7 %."
    )


def test_nobody_at_all_is_told_without_numbers(tmp_path: Path) -> None:
    folder = write_log(tmp_path / "run", {0: [(1, "lapsed", 3)]}, None, {0: {"status": "lapsed", "lapsed_day": -3}})
    assert funnel_page.largest(funnel(Journeys(Run(folder)))) == ""
    assert "-" in funnel_page.tell(folder).terminal


# -- a small world ----------------------------------------------------------------------------------------------


def test_the_command_writes_what_it_says(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["funnel", str(run)]) == cli.OK
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1] == str(run / "funnel.html")
    table = pd.read_csv(run / "funnel.csv")
    assert list(table.columns) == [column.name for column in FUNNEL]
    page = (run / "funnel.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert "The same steps over all replications" in page
    assert "What differs between replications is not in them" in page
    before = (run / "funnel.html").read_bytes()
    assert cli.main(["funnel", str(run)]) == cli.OK
    assert (run / "funnel.html").read_bytes() == before


def test_the_journeys_add_up_to_the_customers(run: Path) -> None:
    """Every journey is kept here: stages are counts of customers.parquet, which the journal does not write."""
    table = funnel(Journeys(Run(run))).table
    people = pd.read_parquet(run / "customers.parquet")
    people = people[people["lapsed_day"].isna() | (people["lapsed_day"] >= 0)]
    for arm, own in people.groupby("arm"):
        rows = table[(table["arm"] == arm) & (table["kind"] == "everybody")]
        orders = own["orders"]
        assert rows["customers"].tolist() == [
            len(own), (own["status"] != "unaware").sum(), (own["visits"] > 0).sum(),
            (orders > 0).sum(), (orders > 1).sum(), (orders > 2).sum(),
        ]  # fmt: skip


def test_groups_of_a_kind_make_up_everybody(run: Path) -> None:
    table = funnel(Journeys(Run(run))).table
    everybody = table[table["kind"] == "everybody"].set_index(["arm", "stage"])["customers"]
    for kind in ("start", "persona", "segment"):
        parts = table[table["kind"] == kind].groupby(["arm", "stage"])["customers"].sum()
        assert parts.to_dict() == everybody.to_dict(), kind


@pytest.mark.parametrize("table", ["empty", "none"])
def test_a_run_without_journeys_is_a_line(table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_log(tmp_path / "run", {}, customers=2)
    if table == "none":  # as in a run with arms=total
        (folder / "events.parquet").unlink()
    before = sorted(folder.iterdir())
    assert cli.main(["funnel", str(folder)]) == cli.BAD_INPUT
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "kept no journeys; run it with events above 0 and arms=all" in err
    assert sorted(folder.iterdir()) == before
