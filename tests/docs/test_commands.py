"""Every `sh` block of every page runs as it is printed, in a checkout, page by page from top to bottom."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from cxsim import cli
from cxsim.cli import COMMANDS
from tests.docs.commands import (
    CXSIM,
    PAGES,
    ROOT,
    Fence,
    blocks,
    commands,
    company,
    fences,
    lines,
    made,
    sandbox,
    stopped,
    typed,
    write,
)

NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
SH = [one for page in NAMES for one in fences(page) if one.language == "sh"]
TYPED = [page for page in NAMES if blocks("sh", page)]
FOLDERS = {"story", "map", "funnel", "report", "sweep-report", "gate", "verify"}
REFUSED = "customers=10 "
"""In the block that shows a mistake."""


def test_every_command_is_shown_somewhere() -> None:
    assert {words[0] for page in TYPED for words in commands(page)} == set(COMMANDS)


@pytest.mark.parametrize("block", SH, ids=str)
def test_programs_are_called_by_their_path(block: Fence) -> None:
    told = {words[0] for words in lines(block.text)}
    assert told <= {CXSIM, ".venv/bin/pip", ".venv/bin/pytest", "python3.11", "cp", "rm", "source", "eval"}


def test_no_command_hides_in_a_block_that_is_not_run() -> None:
    hidden = re.compile(rf"^\s*(\$ )?({CXSIM}|cxsim) .*", flags=re.MULTILINE)
    others = [one for page in NAMES for one in fences(page) if one.language != "sh"]
    assert [f"{one}: {line[0]}" for one in others for line in hidden.finditer(one.text)] == []


@pytest.mark.parametrize("page", TYPED)
def test_a_folder_that_is_read_was_made_above(page: str) -> None:
    there: set[str] = set()
    for words in commands(page):
        if words[0] in FOLDERS:
            assert words[1] in there, words
        place = made(words)
        if place is not None:
            assert place not in there or "-m" in words, f"{place} is made twice"
            there.add(place)


def test_a_story_is_of_a_customer_whom_a_run_has_by_default() -> None:
    config = yaml.safe_load((ROOT / "conf" / "config.yaml").read_text(encoding="utf-8"))
    told = [words[2] for page in TYPED for words in commands(page) if words[0] == "story" and words[2].isdigit()]
    assert told
    assert max(int(number) for number in told) < config["customers"]


def test_no_two_pages_make_the_same_run_folder() -> None:
    places = [made(words) for page in TYPED for words in commands(page) if "-m" not in words]
    known = [place for place in places if place is not None]
    assert sorted(known) == sorted(set(known))


@pytest.mark.parametrize("page", TYPED)
def test_each_command_is_stopped_by_one_word_alone(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files, keys and names are all in order: the word that stops a command is all that is wrong with it."""
    sandbox(tmp_path)
    monkeypatch.chdir(tmp_path)
    for block in typed(page):
        if block.language != "sh":
            write(block)
            continue
        for words in lines(block.text):
            if words[0] == "cp":
                subprocess.run(words, check=True)
            if words[0] == CXSIM and REFUSED not in block.text:
                _stops(words[1:], capsys)
                _pretend(company(words[1:]))


KNOWN: set[tuple[str, ...]] = set()
"""Words that were tried on another page already."""


def _pretend(place: Path | None) -> None:
    """Write a company file where a command of the page would."""
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text((ROOT / "conf" / "company" / "general.yaml").read_text(encoding="utf-8"), encoding="utf-8")


def _stops(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    known = tuple(word for word in words if word != "language=ja")
    if known in KNOWN:
        return
    KNOWN.add(known)
    if words[0] == "scenarios" or {"--help", "--cfg"} & set(words):  # which do no work
        assert cli.main(words) == cli.OK
        return
    more, why = stopped(words)
    assert cli.main(more) == cli.BAD_INPUT, words
    told = capsys.readouterr().err.splitlines()
    assert told, words
    assert [line for line in told if why not in line] == [], words


@pytest.mark.slow
@pytest.mark.parametrize("page", TYPED)
def test_a_page_runs_as_it_is_printed(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files written, its blocks given to bash, in order; cxsim with a smaller market."""
    sandbox(tmp_path)
    monkeypatch.chdir(tmp_path)
    path = f"{tmp_path / '.venv' / 'bin'}:{os.environ['PATH']}"
    for block in typed(page):
        if block.language != "sh":
            write(block)
            continue
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", block.text], capture_output=True, text=True,
            env=os.environ | {"PATH": path},
        )  # fmt: skip
        wanted = cli.BAD_INPUT if REFUSED in block.text else cli.OK
        assert done.returncode == wanted, f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
