"""Three rankings of touchpoints, from made-up tables whose answers are known, and how they are told."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis.folders.run_folder import RunError
from analysis.studies.key_drivers import RATED, KeyDrivers, shares, standardised, weights
from analysis.studies.key_drivers_page import disagreements, summary_table, verdict, write_report
from sim.tables import BASELINE, BROKEN, EVERYBODY, KEY_DRIVERS, REPAIRED, STEP

WORTH = {"product": 4.0, "delivery": 3.0, "site": 2.0, "store": 1.0, "support": 0.5}
POINTS = 8


def arms(worth: dict[str, float], noise: float = 0.0) -> pd.DataFrame:
    """A step is worth so much LTV, a tenth of it in NPS; breaking costs half as much again. Seeds differ by noise."""
    rows = []
    for point in range(POINTS):
        for second_seed in (0, 1):
            luck = noise * (1 if second_seed else -1)
            for metric, scale in (("ltv", 1.0), ("tail", 5.0), ("nps", 0.1)):
                rows.append((point, second_seed, "", "", BASELINE, metric, 100.0 + point))
                for persona, share in ((EVERYBODY, 1.0), ("a", 0.75), ("b", 0.25)):
                    for name, value in worth.items():
                        if name == "support" and persona != EVERYBODY:
                            continue
                        own = scale * share * value
                        key, level = (point, second_seed, name, persona), 100.0 + point
                        rows.append((*key, REPAIRED, metric, level + own + luck))
                        rows.append((*key, BROKEN, metric, level - 1.5 * own - luck))
    columns = ["point", "second_seed", "touchpoint", "persona", "change", "metric", "value"]
    return pd.DataFrame(rows, columns=columns)


def complaints(counts: dict[str, dict[str, int]]) -> pd.DataFrame:
    """So many comments by persona and touchpoint in each world."""
    rows = [
        (point, second_seed, persona, name, number)
        for point in range(POINTS)
        for second_seed in (0, 1)
        for persona, own in counts.items()
        for name, number in own.items()
    ]
    return pd.DataFrame(rows, columns=["point", "second_seed", "persona", "touchpoint", "comments"])


def ratings(first: str, answers: int = 64) -> pd.DataFrame:
    """Answers that follow the rating of one touchpoint alone; the others are unrelated to it by design."""
    bits = np.arange(answers)
    frames = []
    for point in range(POINTS):
        for persona in ("a", "b"):
            rated = {name: 5 + ((bits >> k) & 1) for k, name in enumerate(RATED)}
            answered = {"point": point, "second_seed": 0, "persona": persona, "answer": rated[first]}
            frames.append(pd.DataFrame(answered | rated))
    return pd.concat(frames)


COMMENTS = {
    "a": {"site": 10, "store": 5, "delivery": 60, "product": 25},
    "b": {"site": 10, "store": 5, "delivery": 20, "product": 65},
}


def folder(
    path: Path, worth: dict[str, float] | None = None, said: pd.DataFrame | None = None,
    rated: pd.DataFrame | None = None, noise: float = 0.0,
) -> Path:  # fmt: skip
    """The folder of `cxsim key-drivers` as the simulator leaves it."""
    path.mkdir()
    config = {
        "customers": 1000, "days": 120, "seed": 1, "replications": POINTS, "scenario": {"baseline": {}},
        "company": {"name": "cdnow"}, "personas": {"mix": {"a": {}, "b": {}}},
        "key_drivers": {"step": 0.2, "comments": 0.3},
    }  # fmt: skip
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    arms(worth or WORTH, noise).to_parquet(path / "key_drivers.parquet")
    (complaints(COMMENTS) if said is None else said).to_parquet(path / "complaints.parquet")
    (ratings("site") if rated is None else rated).to_parquet(path / "ratings.parquet")
    return path


# -- three rankings -------------------------------------------------------------------------------------------


def test_a_step_is_half_the_difference_between_better_and_worse(tmp_path: Path) -> None:
    run = KeyDrivers(folder(tmp_path / "run"))
    assert run.cell(EVERYBODY, "product", "ltv", REPAIRED)["value"] == pytest.approx(4.0)
    assert run.cell(EVERYBODY, "product", "ltv", BROKEN)["value"] == pytest.approx(-6.0)
    assert run.cell(EVERYBODY, "product", "ltv", STEP)["value"] == pytest.approx(5.0)
    assert run.cell("b", "site", "nps", STEP)["value"] == pytest.approx(0.1 * 0.25 * 2.5)


def test_the_monte_carlo_error_comes_from_the_second_seeds(tmp_path: Path) -> None:
    """Twins whose steps differ by 2 * noise have a variance of (2 * noise)^2 / 2 each, a mean of n of them that / n."""
    run = KeyDrivers(folder(tmp_path / "run", noise=0.3))
    assert run.cell(EVERYBODY, "product", "ltv", STEP)["mc_se"] == pytest.approx(0.6 / math.sqrt(2 * POINTS))


def test_shares_are_of_all_that_is_said() -> None:
    share = shares(complaints(COMMENTS)).iloc[:, 0].droplevel(["measure", "change"])
    assert share["a"].to_dict() == {"site": 10, "store": 5, "delivery": 60, "product": 25}
    assert share[EVERYBODY].to_dict() == {"site": 10, "store": 5, "delivery": 40, "product": 45}


def test_where_nothing_is_said_there_is_no_share() -> None:
    silent = complaints({"a": dict.fromkeys(RATED, 0)})
    assert shares(silent).isna().all(axis=None)


def test_weights_of_unrelated_ratings_are_their_parts_of_the_answers_spread() -> None:
    """With ratings orthogonal to one another the weight of x in 3 x + 4 y is 3 sd(x) / sd(answer)."""
    x, y = np.tile([1.0, -1.0], 32), np.repeat([1.0, -1.0], 32)
    found = standardised(pd.Series(3 * x + 4 * y), pd.DataFrame({"x": x, "y": y}))
    assert found == pytest.approx([0.6, 0.8])


def test_too_few_answers_or_no_spread_give_no_weight() -> None:
    assert weights(ratings("site", answers=8)).loc["a"].isna().all(axis=None)
    flat = ratings("site").assign(store=5)
    assert weights(flat).isna().all(axis=None)


# -- one table ------------------------------------------------------------------------------------------------


def test_ranks_are_within_persona_and_measure(tmp_path: Path) -> None:
    table = KeyDrivers(folder(tmp_path / "run")).summary
    assert list(table.columns) == [column.name for column in KEY_DRIVERS]
    for _key, own in table.groupby(["persona", "measure", "change"]):
        assert sorted(own["rank"]) == list(range(1, len(own) + 1))
    assert list(table["touchpoint"][:5]) == list(WORTH)
    assert table["change"].iloc[0] == STEP
    worst = table[(table["measure"] == "ltv") & (table["change"] == BROKEN) & (table["persona"] == EVERYBODY)]
    assert list(worst["touchpoint"]) == list(WORTH)


def test_agreement_is_counted_point_by_point(tmp_path: Path) -> None:
    said = complaints(COMMENTS)
    turned = (said["point"] < 3) & (said["touchpoint"] == "delivery")
    said.loc[turned, "comments"] += 1000
    run = KeyDrivers(folder(tmp_path / "run", said=said))
    assert run.agreement(EVERYBODY, "complaints") == POINTS - 3
    assert run.agreement(EVERYBODY, "survey") == 0
    assert run.agreement("a", "nps") == POINTS


def test_a_survey_without_answers_agrees_with_nothing(tmp_path: Path) -> None:
    run = KeyDrivers(folder(tmp_path / "run", rated=ratings("product", answers=8)))
    assert run.agreement(EVERYBODY, "survey") == 0


def test_a_lead_is_a_difference_within_points(tmp_path: Path) -> None:
    lead = KeyDrivers(folder(tmp_path / "run")).lead(EVERYBODY, "product", "site")
    assert lead.over.mean == pytest.approx(1.25 * (4 - 2))
    assert (lead.ahead, lead.points) == (POINTS, POINTS)


# -- told -----------------------------------------------------------------------------------------------------


def test_the_verdict_says_where_the_rankings_disagree(tmp_path: Path) -> None:
    text = verdict(folder(tmp_path / "run"))
    assert "worth most at the product" in text
    assert "ahead of the delivery, the next, at 8 of 8 points" in text
    assert "Complaints name it first too (45 % of them on average)" in text
    assert "chart disagrees: it has the site first (weight 1.00), where a step brings 2.50 yen less" in text


def test_the_verdict_says_where_complaints_disagree(tmp_path: Path) -> None:
    said = complaints({"a": COMMENTS["a"], "b": COMMENTS["a"]})
    text = verdict(folder(tmp_path / "run", said=said, rated=ratings("product")))
    assert "Complaints disagree: they name the delivery first (60 % of them), where a step brings 1.25 yen less" in text
    assert "The survey's key-driver chart has it first too (weight 1.00 on average)" in text


def test_where_nothing_moves_the_verdict_says_no_more(tmp_path: Path) -> None:
    text = verdict(folder(tmp_path / "run", worth=dict.fromkeys(WORTH, 0.0)))
    assert text == "No step moves LTV over 120 days and beyond: take more customers or more days."


def test_a_sentence_is_said_of_each_persona_that_disagrees(tmp_path: Path) -> None:
    run = KeyDrivers(folder(tmp_path / "run", rated=ratings("product")))
    assert list(disagreements(run)) == [
        "a: a step is worth most at the product; complaints name the delivery first, the survey's chart the product."
    ]


FEW = {
    "many answers": ratings("site"),
    "too few answers": ratings("site", answers=8),
    "no answer of one persona": ratings("site").query("persona == 'a'"),
    "no answer in some replications": ratings("site").query("point > 2"),
    "no answer at all": ratings("site").iloc[:0],
}


@pytest.mark.parametrize("rated", FEW.values(), ids=FEW.keys())
def test_the_page_is_told_without_a_gap_and_the_same_twice(tmp_path: Path, rated: pd.DataFrame) -> None:
    place = folder(tmp_path / "run", rated=rated, noise=0.3)
    page = write_report(place).read_bytes()
    assert write_report(place).read_bytes() == page
    read = re.sub(r"<(svg|style)\b.*?</\1>", "", page.decode(), flags=re.DOTALL)
    assert "Which touchpoint moves LTV and NPS?" in read
    assert not re.search(r"\bnan\b|\binf\b|[{}]", read)
    assert len(pd.read_csv(place / "key_drivers.csv")) == 13 * 3 * 3 + 12 * 2
    for name in ("everybody", "personas"):
        assert (place / "figures" / f"key_drivers_{name}.png").stat().st_size > 0


def test_the_page_is_told_in_japanese(tmp_path: Path) -> None:
    read = write_report(folder(tmp_path / "run"), "ja").read_text(encoding="utf-8")
    assert "どの接点がLTVとNPSを動かすか" in read


def test_the_terminal_shows_each_touchpoint(tmp_path: Path) -> None:
    *lines, note = summary_table(folder(tmp_path / "run")).splitlines()
    assert "0.2 su" in note
    assert [line.split()[-6:] for line in lines[2:]] == [
        ["+4.00", "-6.00", "+0.40", "-0.60", "45", "%", "0.00"][-6:],
        ["+3.00", "-4.50", "+0.30", "-0.45", "40", "%", "0.00"][-6:],
        ["+2.00", "-3.00", "+0.20", "-0.30", "10", "%", "1.00"][-6:],
        ["+1.00", "-1.50", "+0.10", "-0.15", "5", "%", "0.00"][-6:],
        ["+0.50", "-0.75", "+0.05", "-0.08", "-", "-"],
    ]  # fmt: skip


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"key_drivers\.parquet"):
        KeyDrivers(tmp_path)
    older = folder(tmp_path / "older")
    config = (older / "config.yaml").read_text()
    (older / "config.yaml").write_text(config.replace("key_drivers:", "drivers:"))
    with pytest.raises(RunError, match=r"\(drivers is now key_drivers\); run it again"):
        KeyDrivers(older)
