"""The slide and the workbook of a run: the decision and the numbers are those of the run, in both languages."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import openpyxl
import pandas as pd
import pptx
import pytest
from matplotlib.image import imread
from pptx.util import Inches

from analysis.decisions import verdict
from analysis.effects.answer import write_effects
from analysis.folders.run_folder import Run
from analysis.report import slide
from analysis.report.slide import slides
from analysis.report.workbook import workbook
from analysis.style.language import told_in
from cxsim import cli
from sim.run.provenance import ROOT
from sim.tables import METRICS
from tests.analysis.fake_run import make_run

NAMES = {"en": "What changes", "ja": "何が変わるか"}
"""The sheet of effects, by language."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_run(tmp_path_factory.mktemp("runs") / "run", points=4, days=28, customers=300)
    write_effects(made)
    return made


def texts(page: pptx.slide.Slide) -> list[str]:
    """Every paragraph of text on a slide that can be edited."""
    return [one.text for shape in page.shapes if shape.has_text_frame for one in shape.text_frame.paragraphs]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_slide_says_the_verdict_in_text_that_can_be_edited(folder: Path, language: str) -> None:
    made = slides(folder, language)
    shown = pptx.Presentation(io.BytesIO(made["slide.pptx"]))
    assert shown.slide_width * 9 == pytest.approx(shown.slide_height * 16, abs=16)
    (page,) = shown.slides
    with told_in(language):
        run = Run(folder)
        lines = verdict.lines(verdict.of_run(run, "norush_coupon"))
    told = [text.replace("\N{MINUS SIGN}", "-") for text in texts(page)]
    assert [line for line in lines if line not in told] == []
    assert page.shapes.title.text_frame.text
    assert len([shape for shape in page.shapes if shape.shape_type == pptx.enum.shapes.MSO_SHAPE_TYPE.PICTURE]) == 1
    assert imread(io.BytesIO(made["slide.png"])).shape[:2] == (1080, 1920)


def test_what_stands_on_the_slide_stays_on_it_and_fits_its_place(folder: Path) -> None:
    (page,) = pptx.Presentation(io.BytesIO(slides(folder)["slide.pptx"])).slides
    for shape in page.shapes:
        assert shape.left >= 0
        assert shape.top >= 0
        assert shape.left + shape.width <= Inches(slide.WIDTH)
        assert shape.top + shape.height <= Inches(slide.HEIGHT)
    long = [slide.Paragraph("word " * 400)]
    size = slide.size_of(long, slide.LEFT, 13, slide.PICTURE)
    assert slide.SMALLEST <= size < 13
    assert slide._height(long, slide.LEFT, size, slide.PICTURE) <= slide.LEFT.height
    assert slide._height(long, slide.LEFT, size + 0.5, slide.PICTURE) > slide.LEFT.height


def test_several_scenarios_have_a_slide_each(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", {"A": "First.", "B": "Second."}, points=2, days=28, customers=200)
    write_effects(run)
    made = slides(run)
    assert set(made) == {"slide_A.png", "slide_B.png", "slide_A+B.png", "slide.pptx"}
    pages = pptx.Presentation(io.BytesIO(made["slide.pptx"])).slides
    assert [page.shapes.title.text_frame.text for page in pages] == [
        "What would A do?", "What would B do?", "What would A + B do?",
    ]  # fmt: skip


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_workbook_has_the_numbers_of_the_run(folder: Path, language: str) -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook(folder, language)["tables.xlsx"]))
    effects = pd.read_csv(folder / "effects.csv")
    head, *rows = book["effects.csv"].iter_rows(values_only=True)
    whole = pd.DataFrame(rows, columns=list(head))
    # A workbook's file states numbers to 16 digits.
    pd.testing.assert_frame_equal(whole.astype(effects.dtypes), effects, rtol=1e-14, atol=0)
    total = effects[(effects["estimand"] == "total") & (effects["segment"] == "everybody")].set_index("metric")
    with told_in(language):
        labels = {verdict.words.label(metric.name): metric.name for metric in METRICS}
    shown = {row[0]: row[2:5] for row in book[NAMES[language]].iter_rows(min_row=2, values_only=True)}
    assert len(set(shown) & set(labels)) > 20
    for label in set(shown) & set(labels):
        wanted = list(total.loc[labels[label], ["baseline", "scenario", "effect"]])
        assert list(shown[label]) == pytest.approx(wanted, rel=1e-14)


def test_the_workbook_says_the_verdict_first(folder: Path) -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook(folder)["tables.xlsx"]))
    lines = verdict.lines(verdict.of_run(Run(folder), "norush_coupon"))
    told = [row[1] for row in book.worksheets[0].iter_rows(min_row=2, values_only=True)]
    assert told[: len(lines)] == lines


def test_texts_of_the_workbook_are_no_formulas(tmp_path: Path) -> None:
    evil = "=HYPERLINK(1)"
    run = make_run(tmp_path / "run", points=2, days=28, customers=200, personas=(evil, "a[b]:c", "x\x01y", "plain"))
    write_effects(run)
    book = openpyxl.load_workbook(io.BytesIO(workbook(run)["tables.xlsx"]))
    cells = [cell for page in book.worksheets for row in page.iter_rows() for cell in row if cell.value == evil]
    assert cells
    assert {cell.data_type for cell in cells} == {"s"}


def test_the_same_run_gives_the_same_bytes(folder: Path) -> None:
    assert slides(folder) == slides(folder)
    assert workbook(folder) == workbook(folder)


def test_the_command_writes_the_files_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name for path in folder.iterdir()}
    assert cli.main(["report", str(folder), "--slide", "--xlsx"]) == cli.OK
    names = ["slide.png", "slide.pptx", "tables.xlsx"]
    assert capsys.readouterr().out.split() == [str(folder / name) for name in names]
    assert {path.name for path in folder.iterdir()} == before | set(names)
    assert (folder / "slide.pptx").read_bytes() == slides(folder)["slide.pptx"]


@pytest.mark.parametrize(("option", "package"), [("--slide", "pptx"), ("--xlsx", "openpyxl")])
def test_without_the_extra_one_line_says_what_to_install(
    tmp_path: Path, option: str, package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", points=2, days=28, customers=200)
    write_effects(run)
    before = {path.name for path in run.iterdir()}
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.executable", "/usr/bin/python3")
    monkeypatch.setitem(sys.modules, package, None)  # as where it is not installed
    assert cli.main(["report", str(run), option]) == 2
    said = capsys.readouterr().err.strip()
    assert said == f"cxsim: this needs {package}: {sys.executable} -m pip install -c constraints.txt -e '.[office]'"
    assert {path.name for path in run.iterdir()} == before


def test_a_baseline_alone_has_no_slide_but_a_workbook(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run", {}, points=2, days=28, customers=200)
    write_effects(run)
    assert cli.main(["report", str(run), "--slide"]) == 2
    assert "nothing was changed, so there is no decision for a slide" in capsys.readouterr().err
    book = openpyxl.load_workbook(io.BytesIO(workbook(run)["tables.xlsx"]))
    assert book.sheetnames == ["Answer", "Levels", "The assumptions"]


def test_only_a_run_has_a_slide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tests.parquet").write_bytes(b"")
    assert cli.main(["report", str(tmp_path), "--slide"]) == 2
    assert "--slide and --xlsx are of the folder of a run" in capsys.readouterr().err
