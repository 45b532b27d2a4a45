"""docs/run-folder.md holds every table and column of `sim.tables`, and its snippets run on a real run folder.

`python -m tests.docs.test_run_folder` writes the page's tables anew after a change of `sim.tables`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import norm

from cxsim import cli
from sim import tables
from sim.run.provenance import ROOT
from tests.pages import without_pictures

PAGE = ROOT / "docs" / "run-folder.md"
NAMES = (
    "METRICS", "AB_METRICS", "MEASURES", "EFFECTS", "KPIS_KEYS", "DAILY", "CUSTOMERS", "EVENTS", "STATES", "FUNNEL",
    "PARAMETERS",
    "POINTS", "CAMPAIGNS", "CAMPAIGN_RATES", "PROJECTS", "RECOVERY", "JOURNEY_MAP", "PROBES", "DASHBOARD",
    "SWEEP", "ANSWERS", "OPTION", "SENSITIVITY", "PROBABILITIES", "REGRET", "REGIONS", "TEST_METRICS",
    "TESTS", "PREMORTEM", "FIELD_FINDINGS", "FIELD_POINTS", "FIELD", "KEY_DRIVER_ARMS", "COMPLAINTS", "RATINGS",
    "KEY_DRIVERS", "EXPLORED",
)  # fmt: skip
SMALL = ["customers=2000", "days=63", "burn_in=60", "replications=2", "threads=1", "events=2000",
         "scenario=[peach_popup,ma_email]"]  # fmt: skip
MARK = re.compile(r"<!-- table: (\w+) -->\n(?:\n?\|.*\n)*")
ROWS = re.compile(r"<!-- rows: EVENT_NAMES -->\n(?:\n?\|.*\n)*")


def table(name: str) -> str:
    """A table of `sim.tables` as the page shows it."""
    kind = "kind" if name.endswith("METRICS") else "dtype"
    lines = [f"| {'metric' if kind == 'kind' else 'column'} | {kind} | unit | meaning |", "|---|---|---|---|"]
    lines += [f"| `{one.name}` | {getattr(one, kind)} | {one.unit} | {one.meaning} |" for one in getattr(tables, name)]
    return "\n".join(lines) + "\n"


def rewritten(page: str) -> str:
    """The page with its tables as `sim.tables` has them now."""
    page = MARK.sub(lambda mark: f"<!-- table: {mark[1]} -->\n\n{table(mark[1])}", page)
    names = "".join(f"| {name} | {meaning} |\n" for name, meaning in tables.EVENT_NAMES.items())
    head = "<!-- rows: EVENT_NAMES -->\n\n| `concept:name` | `value` |\n|---|---|\n"
    return ROWS.sub(lambda _: head + names, page)


def snippets() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real run folder."""
    folder = tmp_path_factory.mktemp("docs") / "run"
    with without_pictures():
        assert cli.main(["run", *SMALL, f"hydra.run.dir={folder}"]) == cli.OK
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_every_column_is_described(name: str) -> None:
    assert table(name) in PAGE.read_text(encoding="utf-8"), "python -m tests.docs.test_run_folder writes it anew"


def test_every_table_is_described() -> None:
    columned = {
        name for name, value in vars(tables).items()
        if name.isupper() and name[0] != "_" and isinstance(value, tuple) and value
        and isinstance(value[0], tables.Column | tables.Metric)
    }  # fmt: skip
    assert columned == set(NAMES)


def test_events_arms_and_estimands_are_described() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"| {name} | {meaning} |" in page for name, meaning in tables.EVENT_NAMES.items())
    assert all(f"| `{name}` |" in page for name in tables.ESTIMANDS)
    assert all(f"`X/{part}`" in page for part in tables.ADAPTIVE_PARTS)


def test_every_file_is_described(run: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [path.name for path in run.iterdir() if f"`{path.name}" not in page] == []


def test_there_are_eight_snippets() -> None:
    assert len(snippets()) == 8


def worked(file: str, run: Path) -> dict[str, Any]:
    """Names of the one snippet that speaks of this, run on the folder."""
    (code,) = (code for code in snippets() if file in code)
    found: dict[str, Any] = {"run": str(run)}
    exec(code, found)
    return found


def total(run: Path, metric: str) -> pd.DataFrame:
    """Total effects on a metric as effects.csv has them: a row per segment, a column per scenario."""
    effects = pd.read_csv(run / "effects.csv").query(f"estimand == 'total' and metric == {metric!r}")
    table = effects.pivot(index="segment", columns="intervention", values="effect")
    return table.loc[:, ~table.columns.str.contains(r" x |\*")]


def test_the_snippet_by_persona_gives_the_effects_of_the_table(run: Path) -> None:
    # effects.csv stands on a grid of some 10^-6 yen
    mine = worked("sub(ltv", run)["gain"].mean()
    pd.testing.assert_frame_equal(mine, total(run, "ltv"), check_names=False, atol=1e-5)


def test_the_snippets_on_effects_tell_those_of_the_table(run: Path) -> None:
    first = worked('["segment"] == "everybody"', run)["everybody"].query("estimand == 'total'")
    mine = first.set_index("intervention")["effect"]
    assert mine[total(run, "ltv").columns].to_dict() == total(run, "ltv").loc["everybody"].to_dict()


def test_the_snippet_on_who_gains_keeps_scenarios_apart(run: Path) -> None:
    mine = worked('isin(["ltv", "nps"])', run)["total"].set_index(["metric", "segment", "intervention"])["effect"]
    for metric in ("ltv", "nps"):
        theirs = total(run, metric)
        assert mine[metric].unstack()[theirs.columns].to_dict() == theirs.to_dict()


def test_the_snippet_on_backlog_gives_the_levels_of_the_table(run: Path) -> None:
    mine = worked("backlog", run)["backlog"].mean()
    levels = pd.read_csv(run / "effects.csv").query("metric == 'backlog' and estimand == 'total'")
    levels = levels.set_index("intervention")
    for arm in mine.index.drop("baseline"):
        assert mine[arm] == pytest.approx(levels.loc[arm, "scenario"], rel=1e-6)
        assert mine["baseline"] == pytest.approx(levels.loc[arm, "baseline"], rel=1e-6)


def test_the_snippet_on_campaigns_counts_what_campaigns_did(run: Path) -> None:
    """All journeys are kept, so that the messages in them are those of campaigns.parquet."""
    found = worked("about_variants", run)
    messages = found["messages"]
    assert messages["campaign"].notna().all()
    shown = messages[messages["concept:name"].isin(["message sent", "popup shown"])]
    counts = pd.read_parquet(run / "campaigns.parquet").query("replication == 0 and second_seed == 0 and variant > 0")
    counts = counts[counts["arm"] == "peach_popup+ma_email"].set_index("campaign")["shown"]
    assert counts.min() > 0
    assert shown.groupby("campaign").size().to_dict() == counts.to_dict()


def test_the_snippet_on_first_orders_finds_everybody_who_ordered(run: Path) -> None:
    first = worked("case:concept:name", run)["first"]
    customers = pd.read_parquet(run / "customers.parquet").query("arm == 'baseline'")
    assert first["order"].notna().sum() == (customers["orders"] > 0).sum() > 0
    assert first["visit"].notna().sum() == (customers["visits"] > 0).sum()


def test_the_snippet_on_assumptions_ranks_the_effect_of_the_table(run: Path) -> None:
    found = worked("corrwith", run)
    effect = (found["ltv"][found["arm"]] - found["ltv"]["baseline"]).mean()
    assert effect == pytest.approx(total(run, "ltv").loc["everybody", found["arm"]], abs=1e-5)


def test_nps_is_replicated_from_the_customers(run: Path) -> None:
    found = worked("customers.parquet", run)
    mine = found["nps"].groupby(["arm", "persona"]).mean()
    measures = pd.read_parquet(run / "measures.parquet").query(
        "metric == 'nps' and group == 'all' and replication == 0 and second_seed == 0"
    )
    theirs = measures.set_index(["arm", "segment"])["value"]
    assert set(mine.index.get_level_values("arm")) == {"baseline", "peach_popup+ma_email"}
    for arm, persona in mine.index:
        assert mine[arm, persona] == pytest.approx(theirs[arm, persona], abs=1e-9)


@pytest.mark.parametrize("styled", [False, True], ids=["cautious", "generous"])
def test_answers_follow_from_satisfaction_and_style(run: Path, styled: bool) -> None:
    """The last census closes the horizon: each answer is the configured rule's, rounded, with noise nobody records."""
    customers = pd.read_parquet(run / "customers.parquet").query("status == 'customer' and arm == 'baseline'")
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))["behaviour"]["survey"]
    point = pd.read_parquet(run / "points.parquet").query("replication == 0").set_index("name")["value"]
    rule = {key: point.get(f"behaviour.survey.{key}", node["value"]) for key, node in config.items()}
    asked = customers[(customers["style"] > 0) == styled]
    aim = rule["intercept"] + rule["slope"] * asked["satisfaction"] + rule["style_sd"] * asked["style"]
    expected = sum(norm.cdf((aim - (answer - 0.5)) / rule["noise_sd"]) for answer in range(1, 11))
    beyond = asked["census_4"] - expected
    assert abs(beyond.mean()) < 4 * beyond.std() / np.sqrt(len(beyond))


def test_the_journeys_are_what_process_mining_reads(run: Path) -> None:
    """What pm4py asks of a data frame: text for case and activity, real times, nothing blank, a case in one piece."""
    events = pd.read_parquet(run / "events.parquet")
    case, activity, time = (events[name] for name in ("case:concept:name", "concept:name", "time:timestamp"))
    assert all(type(value) is str for value in [*case, *activity])
    assert pd.api.types.is_datetime64_any_dtype(time)
    assert not events[["case:concept:name", "concept:name", "time:timestamp"]].isna().any(axis=None)
    assert (time.groupby(case).diff().dropna() >= pd.Timedelta(0)).all()
    assert (case != case.shift()).sum() == case.nunique()
    assert (case == events["arm"] + "/" + events["customer"].astype(str)).all()
    assert set(events["arm"]) == {"baseline", "peach_popup+ma_email"}


def test_what_has_no_day_is_null(run: Path) -> None:
    customers = pd.read_parquet(run / "customers.parquet")
    assert (customers["lapsed_day"].notna() == (customers["status"] == "lapsed")).all()
    assert customers.loc[customers["status"].isin(["unaware", "aware"]), "acquired_day"].isna().all()
    daily = pd.read_parquet(run / "daily.parquet")
    stages = daily[[name for name in daily if name.startswith("stage_")]]
    assert (stages.notna().all(axis=1) == (daily["day"] % 7 == 6)).all()
    assert stages.min(axis=None) >= 0


@pytest.mark.parametrize("code", snippets())
def test_snippets_run(code: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(code, "docs/run-folder.md", "exec"), {"run": str(run)})
    shown = capsys.readouterr().out
    assert shown
    assert "Empty DataFrame" not in shown


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
