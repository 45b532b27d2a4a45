"""docs/run-folder.md holds every table and column of `sim.tables`, and its snippets run on a real run folder.

`python -m tests.docs.test_run_folder` writes the page's tables anew after a change of `sim.tables`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cxsim import cli
from sim import tables
from sim.run.provenance import ROOT

PAGE = ROOT / "docs" / "run-folder.md"
NAMES = (
    "METRICS", "AB_METRICS", "MEASURES", "EFFECTS", "KPIS_KEYS", "DAILY", "CUSTOMERS", "EVENTS", "STATES", "FUNNEL",
    "PARAMETERS",
    "DRAWS", "CAMPAIGNS", "CAMPAIGN_RATES", "PROJECTS", "RECOVERY", "JOURNEY_MAP", "PROBES",
    "SWEEP", "ANSWERS", "OPTION", "DRIVERS", "PROBABILITIES", "REGRET", "RULES", "TEST_METRICS",
    "TESTS", "PREMORTEM", "KEY_DRIVER_ARMS", "COMPLAINTS", "RATINGS", "KEY_DRIVERS",
)  # fmt: skip
SMALL = ["customers=2000", "days=60", "burn_in=60", "replications=2", "threads=1", "events=500",
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
    assert cli.main(["run", *SMALL, f"hydra.run.dir={folder}"]) == cli.OK
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_every_column_is_described(name: str) -> None:
    assert table(name) in PAGE.read_text(encoding="utf-8"), "python -m tests.docs.test_run_folder writes it anew"


def test_every_table_is_described() -> None:
    columned = {
        name for name, value in vars(tables).items()
        if name.isupper() and isinstance(value, tuple) and value and isinstance(value[0], tables.Column | tables.Metric)
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


def test_there_are_seven_snippets() -> None:
    assert len(snippets()) == 7


def test_the_snippet_on_campaigns_names_those_of_every_event(run: Path) -> None:
    found: dict[str, Any] = {"run": str(run)}
    exec(next(code for code in snippets() if "campaigns.parquet" in code), found)
    assert sorted(found["about_cards"]) == sorted(tables.CARD_EVENTS)
    sent = {name: set(own["campaign"]) for name, own in found["messages"].groupby("concept:name")}
    assert sent["message sent"] == {"ma_email"}
    assert sent["popup shown"] == {"peach_popup"}
    assert set(found["messages"]["arm"]) == {"peach_popup+ma_email"}


@pytest.mark.parametrize("code", snippets())
def test_snippets_run(code: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(code, "docs/run-folder.md", "exec"), {"run": str(run)})
    shown = capsys.readouterr().out
    assert shown
    assert "Empty DataFrame" not in shown


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
