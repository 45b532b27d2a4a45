"""What README.ja.md tells a newcomer to type: it parses, the quick parts of it run, and it shows what is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analysis.style.lines import width
from cxsim import cli
from cxsim.cli import COMMANDS
from sim.run.provenance import ROOT
from tests.docs.commands import SMALL, blocks, commands
from tests.docs.test_readme import checkout

__all__ = ["checkout"]

PAGE = "README.ja.md"
PAGES = (PAGE, "README.md")
TYPED = commands(PAGE)


def typed(first: str, *held: str) -> list[list[str]]:
    """The page's commands that begin with a word and hold others."""
    return [one for one in TYPED if one[0] == first and set(held) <= set(one)]


def runs() -> list[list[str]]:
    """Runs of one folder that are not shown to be refused."""
    return [one[1:] for one in typed("run") if "-m" not in one and "customers=10" not in one]


def test_there_are_commands() -> None:
    told_elsewhere = {"check", "log", "calibrate", "validate", "ledger", "examples", "verify", "field"}
    assert {one[0] for one in TYPED} == set(COMMANDS) - told_elsewhere
    assert all(one[-1] == "language=ja" for one in TYPED)


@pytest.mark.parametrize("given", runs(), ids=" ".join)
def test_runs_compose(given: list[str], checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", *given, "--cfg", "job"]) == cli.OK
    assert "language: ja" in capsys.readouterr().out


@pytest.mark.usefixtures("unpictured")
def test_the_first_run_answers_in_japanese(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "language=ja", *SMALL]) == cli.OK
    out = capsys.readouterr().out
    name, head, _rule, *rows = blocks("", PAGE)[0].splitlines()
    lines = out.splitlines()
    assert head.split() == lines[lines.index(name) + 1].split()  # the excerpt's columns are those that appear
    for row in rows:
        assert row.split("  ")[0] in out
    folder = Path(out.splitlines()[-1])
    report = typed("report")[0]
    assert cli.main([report[0], str(folder), *report[2:]]) == cli.OK
    assert '<html lang="ja">' in (folder / "report.html").read_text(encoding="utf-8")


def test_every_page_that_the_other_readme_leads_to_is_named() -> None:
    led_to = {page: set(re.findall(r"\]\((docs/[\w/.-]+\.md)\)", (ROOT / page).read_text("utf-8"))) for page in PAGES}
    # How cxsim itself is checked is for who changes it, and the repository's own language is English.
    assert led_to["README.md"] - led_to[PAGE] == {"docs/continuous-integration.md", "docs/scaling.md"}


def test_the_numbers_shown_are_those_of_the_other_readme() -> None:
    number = r"[+-]?\d[\d,.]*(?![\d,.]|人)"
    tables = (re.split(r"^-{20,}$", blocks("", page)[0], flags=re.MULTILINE)[1] for page in PAGES)
    ours, theirs = ([re.findall(number, row)[-5:] for row in table.strip().splitlines()] for table in tables)
    assert len(ours) == 6
    assert ours == theirs


def test_the_table_shown_lines_up() -> None:
    _name, head, rule, *rows = blocks("", PAGE)[0].splitlines()
    ends = {width(row[: re.search(r"\S+$", row).start()]) for row in (head, *rows)}  # type: ignore[union-attr]
    assert len(ends) == 1
    assert width(head) <= width(rule)


def test_the_listing_is_in_japanese(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(typed("scenarios")[0]) == cli.OK
    assert "クーポン" in capsys.readouterr().out


def test_the_error_shown_is_the_one_told(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(typed("run", "customers=10")[0]) == cli.BAD_INPUT
    assert capsys.readouterr().err == blocks("", PAGE)[1]


def test_folders_that_follow_are_those_made_before() -> None:
    made = {word.partition("=")[2] for one in typed("run", "-m") for word in one if word.startswith("hydra.sweep.dir=")}
    assert {one[1] for first in ("sweep-report", "gate") for one in typed(first)} == made


@pytest.mark.usefixtures("unpictured")
def test_a_sweep_its_report_and_its_gate_answer_in_japanese(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = typed("run", "-m", "company.margin=0.2,0.3,0.4")[0]
    tiny = ["customers=300", "days=28", "burn_in=30", "replications=2", "arms=total", "hydra/launcher=basic"]
    assert cli.main([*sweep, *tiny]) == cli.OK
    assert "3件中3件が完了しました" in capsys.readouterr().out
    assert cli.main(typed("sweep-report", "sweeps/margin")[0]) == cli.OK
    capsys.readouterr()
    gate = typed("gate")[0]
    assert cli.main([gate[0], "sweeps/margin", *gate[2:]]) == cli.OK
    assert re.search("[ぁ-ん]", capsys.readouterr().out)
