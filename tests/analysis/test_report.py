"""Figures and report: what is in them, and that the same tables give the same bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from analysis.effects.answer import write_effects
from analysis.folders.run_folder import Run, RunError
from analysis.report import figures as plots
from analysis.report.page import write_report
from sim.tables import FOLDER_VERSION
from tests.analysis.fake_run import make_run

EVIL = "<script>alert(1)</script>"
UNITS = ("yen", "%", "points", "customers", "week", "part", "segment", "compared", "arm", "ratio", "logit",
         "parameter",          "correlation")  # fmt: skip
NAMES = ("waterfall", "ab_test", "personas", "time", "journey", "ltv", "break_even", "sensitivity")


class Page(HTMLParser):
    """Tags, ids and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.outside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = {key: value or "" for key, value in attrs}
        self.ids += [values["id"]] if "id" in values else []
        links = [values[key] for key in ("src", "href", "xlink:href") if key in values]
        self.outside += [link for link in links if not link.startswith("#")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_run(tmp_path_factory.mktemp("runs") / "run")
    write_effects(made)
    return made


@pytest.fixture(scope="module")
def figures(folder: Path) -> dict[str, Figure]:
    return plots.figures(Run(folder), "norush_coupon")


def visible_axes(figure: Figure) -> Iterator[tuple[str, str]]:
    """Labels of each panel, shared ones taken from the panel that shows them."""
    for axes in figure.axes:
        if axes.get_visible():
            spec = axes.get_subplotspec()
            bottom, first = spec is None or spec.is_last_row(), spec is None or spec.is_first_col()
            yield (axes.get_xlabel() if bottom else "week"), (axes.get_ylabel() if first else "%")


def test_every_figure_is_there(figures: dict[str, Figure]) -> None:
    assert tuple(figures) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_axis_says_what_and_in_which_unit(figures: dict[str, Figure], name: str) -> None:
    for pair in visible_axes(figures[name]):
        for text in pair:
            assert any(unit in text for unit in UNITS), f"{name}: {text!r}"


def test_same_tables_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "elsewhere")
    stated = {"version": "9", "folder_version": FOLDER_VERSION, "threads": 7}
    (other / "provenance.json").write_text(json.dumps(stated), encoding="utf-8")
    for run in (folder, other):
        write_report(run)
    for name in [
        "report.html",
        *(f"figures/norush_coupon_{key}.{end}" for key in NAMES for end in ("png", "svg")),
    ]:
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name
    first = (folder / "report.html").read_bytes()
    write_report(folder)
    assert (folder / "report.html").read_bytes() == first


def test_report_stands_alone_and_says_what_it_must(folder: Path) -> None:
    text = write_report(folder).read_text(encoding="utf-8")
    page = Page(text)
    assert page.outside == []
    assert "script" not in page.tags
    assert "@import" not in text
    assert len(page.ids) == len(set(page.ids))
    assert page.tags.count("svg") == len(NAMES)
    for phrase in (
        "A customer who lets an order wait", "What changes", "For the whole firm, in a year",
        "members (potential customers, whether they buy or not)", "Where the effect comes from",
        "What a field test would have said", "Whom it reaches",
        "Over time",
        "The journey, stage by stage", "How LTV is spread", "Break-even face value", "What is not costed",
        "What we do not know", "The assumptions", "How to read an interval here",
        "cxsim run scenario=norush_coupon", "judgement", "95 % quantile",
    ):  # fmt: skip
        assert phrase in text, phrase
    assert str(folder) not in text
    assert "nan" not in re.sub("<[^>]*>", "", text).split()


def test_names_given_by_users_are_escaped(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", {EVIL: EVIL}, points=4, personas=(EVIL, "</svg><b>", "日本", "plain"))
    text = write_report(run).read_text(encoding="utf-8")
    page = Page(text)
    assert EVIL not in text
    assert "&lt;script&gt;" in text
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert all(re.fullmatch(r"[A-Za-z0-9_]+\.(png|svg)", path.name) for path in (run / "figures").iterdir())


def test_several_scenarios_get_a_section_each(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", {"A": "First thing.", "B": "Second thing."}, points=3)
    text = write_report(run).read_text(encoding="utf-8")
    page = Page(text)
    assert [name for name in page.ids if name.startswith("scenario-")] == [
        "scenario-1",
        "scenario-2",
        "scenario-3",
    ]
    assert len(page.ids) == len(set(page.ids))
    assert "A x B: together they do" in text
    assert "First thing." in text


def test_a_baseline_alone_is_a_report_of_levels(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", {}, points=2)
    text = write_report(run).read_text(encoding="utf-8")
    assert "Nothing was changed" in text
    assert "What changes" not in text
    assert {path.stem for path in (run / "figures").iterdir()} == {
        "baseline_time",
        "baseline_journey",
        "baseline_ltv",
    }


def test_one_point_without_optional_tables_still_reports(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", points=1, second_seeds=0, days=20)
    for name in ("probes.csv", "points.parquet", "parameters.csv", "customers.parquet", "provenance.json"):
        (run / name).unlink()
    text = write_report(run).read_text(encoding="utf-8")
    assert "No decision on norush_coupon: LTV was measured at 1 points" in text
    assert "not probed" in text


def test_a_folder_without_days_says_so(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", points=1)
    (run / "daily.parquet").unlink()
    with pytest.raises(RunError, match=r"has no daily.parquet"):
        write_report(run)
