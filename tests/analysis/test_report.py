"""Figures and report: what is in them, and that the same tables give the same bytes."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure

from analysis.decisions import verdict
from analysis.effects.answer import answer, write_effects
from analysis.folders.run_folder import Run, RunError
from analysis.report import dashboard
from analysis.report import figures as plots
from analysis.report.page import write_report
from analysis.report.sheet import sheet, steps
from analysis.report.tables import Table, csv_text
from sim.run.dashboard import TOLERANCE
from sim.tables import FOLDER_VERSION, METRICS
from tests.analysis.fake_run import make_run
from tests.analysis.test_verdict import sweep
from tests.pages import without_pictures

EVIL = "<script>alert(1)</script>"
UNITS = ("yen", "%", "points", "customers", "week", "part", "segment", "compared", "arm", "ratio", "logit",
         "parameter",          "correlation")  # fmt: skip
NAMES = ("value", "waterfall", "ab_test", "personas", "time", "journey", "ltv", "break_even", "sensitivity")


class Page(HTMLParser):
    """Tags, ids and addresses of a page, and the files that it carries within it, by name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.outside: list[str] = []
        self.carried: dict[str, bytes] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = {key: value or "" for key, value in attrs}
        self.ids += [values["id"]] if "id" in values else []
        links = [values[key] for key in ("src", "href", "xlink:href") if key in values]
        if "download" in values:
            self.carried[values["download"]] = base64.b64decode(links.pop().partition(";base64,")[2], validate=True)
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


@pytest.mark.parametrize("name", NAMES[1:])
def test_every_axis_says_what_and_in_which_unit(figures: dict[str, Figure], name: str) -> None:
    for pair in visible_axes(figures[name]):
        for text in pair:
            assert any(unit in text for unit in UNITS), f"{name}: {text!r}"


def test_same_tables_give_the_same_bytes(folder: Path, text: str, tmp_path: Path) -> None:
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
    assert (folder / "report.html").read_text(encoding="utf-8") == text  # written before, over which it was written


def test_report_stands_alone_and_says_what_it_must(folder: Path, text: str, page: Page) -> None:
    assert page.outside == []
    assert "script" not in page.tags
    assert "@import" not in text
    assert len(page.ids) == len(set(page.ids))
    assert page.tags.count("svg") == len(NAMES)
    for phrase in (
        "A customer who lets an order wait", "What changes", "For the whole firm, in a year", "NPS by month",
        "days and beyond it, buyers or not", "Where the effect comes from",
        "What a field test would have said", "Whom it reaches",
        "Over time",
        "The journey, stage by stage", "How LTV is spread", "What would turn the answer", "What is not costed",
        "The assumptions", "How to read an interval here",
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


def test_several_scenarios_get_a_section_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "figures", lambda run, name: {"value": plots.value(run, name)})  # one each will do
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


@pytest.mark.usefixtures("unpictured")
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


# -- the first page -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    return write_report(folder).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def plain(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", " ", markup)).replace("\N{MINUS SIGN}", "-")


def test_the_first_page_has_its_parts_in_order_and_the_rest_is_folded(folder: Path, text: str) -> None:
    run = Run(folder)
    lines = verdict.lines(verdict.of_run(run, "norush_coupon"))
    first, rest = text[text.index("<body>") :].split("<details>", 1)
    marks = [
        "What would norush_coupon do?", "A customer who lets an order wait", lines[0], "What it is worth", *lines[1:],
        "When it comes", "Where it comes from", "What it hinges on", "What to do next", "Replications of the unknowns",
    ]  # fmt: skip
    told = plain(first)
    places = [told.index(mark) for mark in marks]
    assert places == sorted(places)
    assert first.count("<svg") == 1
    assert "<table" not in first
    below = re.sub(r"<details>.*?</details>", "", rest, flags=re.DOTALL)
    assert "<table" not in below[below.index("</details>") :]
    assert "<svg" not in below[below.index("</details>") :]


@pytest.mark.usefixtures("unpictured")
def test_names_are_those_that_people_gave(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", points=3)
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    config["scenario"]["norush_coupon"]["title"] = {"en": "Slow and cheap"}
    (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    told = plain(re.sub(r"<code>.*?</code>", "", write_report(run).read_text(encoding="utf-8"), flags=re.DOTALL))
    assert "What would Slow and cheap do?" in told
    assert "Go with Slow and cheap" in told or "Test Slow and cheap" in told
    assert not re.search(r"(with|of|to|do|on) norush_coupon", told)


def test_the_figure_shows_the_value_for_the_firm_by_year_and_by_cause(folder: Path, figures: dict[str, Figure]) -> None:
    run = Run(folder)
    members = run.config["company"]["members"]
    wanted = [
        [("first year", "year_1", "total"), ("after the horizon", "tail", "total"), ("together", "ltv", "total")],
        [("direct", "ltv", "direct"), ("word of mouth", "ltv", "wom"), ("congestion", "ltv", "congestion")],
    ]
    for axes, bars in zip(figures["value"].axes, wanted, strict=True):
        texts = [tick.get_text() for tick in axes.get_yticklabels()]
        widths = [bar.get_width() for bar in axes.patches]
        for text, metric, estimand in bars:
            found = answer(run.effects, "norush_coupon", metric, estimand=estimand)
            assert found is not None
            assert widths[texts.index(text)] == pytest.approx(found.effect * members / 1e6)
        assert len(widths) == len(bars)
    assert figures["value"].axes[-1].get_xlabel().startswith("million yen for the firm")


def test_years_beyond_the_horizon_are_left_out(text: str, tmp_path: Path) -> None:
    assert "LTV: first year" in text
    assert "LTV: second year" not in text
    with without_pictures():
        longer = write_report(make_run(tmp_path / "run", points=3, days=800)).read_text(encoding="utf-8")
    assert all(f"LTV: {year} year" in longer for year in ("first", "second", "third"))


def test_the_horizon_is_told_in_dates(text: str) -> None:
    assert "112 days, 1 January 2027 to 22 April 2027" in text


@pytest.mark.parametrize(("mean", "said", "command"), [
    (6.0, "Roll it out, as long as", ""), (-6.0, "Leave it", "cxsim run -m sweep=uncertainty scenario=A"),
])  # fmt: skip
def test_what_to_do_next_follows_from_the_decision(tmp_path: Path, mean: float, said: str, command: str) -> None:
    _place, run = sweep(tmp_path / "sweep", mean)
    write_effects(run)
    (step,) = sheet(Run(run), "A").steps
    assert step.text.startswith(said)
    assert step.command == command


def test_a_test_worth_its_cost_is_the_next_thing_to_do(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", points=40, strength=-4.0, days=28, customers=200)
    write_effects(run)
    found = verdict.of_run(Run(run), "norush_coupon")
    first = found.tests[0]
    paying = first._replace(worth=first.worth._replace(net=1.0))
    found = replace(found, decision=verdict.TEST, clear=True, tests=[paying, *found.tests[1:]])
    (step,) = steps(Run(run), "norush_coupon", found)
    assert step.command == f"cxsim premortem scenario=norush_coupon customers={first.worth.design.customers}"


def test_few_points_are_the_first_thing_to_mend(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", points=4, days=28, customers=200)
    write_effects(run)
    told = sheet(Run(run), "norush_coupon")
    assert told.steps[0].command.endswith("replications=auto")
    assert "4 points are too few to say which unknown decides" in told.hinges[0]


# -- tables and figures to take ---------------------------------------------------------------------------------------


NUMBERS = ["baseline", "scenario", "effect", "median", "ci_low", "ci_high", "least", "most", "p_positive", "se"]
"""Columns of effects.csv in the order in which a table of effects has them."""


def rows_of(content: bytes) -> list[list[str]]:
    """The rows of a CSV file below its head."""
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))[1:]


def test_every_table_and_figure_can_be_taken(text: str, page: Page, folder: Path) -> None:
    for after in text.split("</table>")[1:]:
        assert re.search(r'class="get" download="[^"]+\.csv"', after.split("<table", 1)[0])
    pictures = {name: content for name, content in page.carried.items() if name.endswith(".png")}
    assert len(pictures) == text.count("<figure")
    for name, content in pictures.items():
        assert content == (folder / "figures" / name).read_bytes()


def test_a_table_taken_has_the_numbers_of_the_run(page: Page, folder: Path) -> None:
    effects = pd.read_csv(folder / "effects.csv")
    total = effects[(effects["estimand"] == "total") & (effects["segment"] == "everybody")].set_index("metric")
    labels = {metric.label: metric.name for metric in METRICS}
    taken = {row[0]: row for row in rows_of(page.carried["norush_coupon_effects.csv"])}
    assert len(taken) > 20
    for label, row in taken.items():
        if label in labels:
            numbers = [float(cell or "nan") for cell in row[2:12]]
            assert numbers == pytest.approx(list(total.loc[labels[label], NUMBERS]), rel=1e-15, nan_ok=True)
    bias = rows_of(page.carried["norush_coupon_field_test.csv"])
    test = effects[(effects["estimand"] == "ab_test") & (effects["metric"] == "ltv")].iloc[0]
    assert [float(row[4]) for row in bias if row[0] == "LTV"] == [pytest.approx(test["effect"], rel=1e-15)]


def test_no_text_of_a_table_runs_as_a_formula() -> None:
    row = ("=1+1", "+1", "-1", "@a", "a=b", -1.5, None, float("nan"))
    assert csv_text(Table("t", "t", tuple("abcdefgh"), [row])).splitlines()[1] == "'=1+1,'+1,'-1,'@a,a=b,-1.5,,"


def test_nps_by_month_is_the_mean_of_its_censuses(page: Page, folder: Path) -> None:
    daily = pd.read_parquet(folder / "daily.parquet")
    day = pd.Timestamp("2027-01-01") + pd.to_timedelta(daily["day"], unit="D")
    march = daily[(day.dt.month == 3) & daily["nps"].notna()]
    means = march.groupby(["arm", "replication"])["nps"].mean().groupby("arm").mean()
    wanted = [means["baseline"], means["norush_coupon"]]
    rows = rows_of(page.carried["norush_coupon_nps.csv"])
    assert [row[0] for row in rows] == ["January 2027", "February 2027", "March 2027", "April 2027"]
    assert [float(cell) for cell in rows[2][1:3]] == pytest.approx(wanted)
    assert float(rows[2][3]) == pytest.approx(wanted[1] - wanted[0])


# -- the firm on its dashboard ----------------------------------------------------------------------------------------


DASHBOARD = """fact,unit,given,tolerance,median,low,high,within
orders_a_month,orders,60000,6000,61000,57000,66000,0.97
conversion,%,2.5,0.25,6.17,5.1,7.3,0.94
on_time,share,0.95,0.02,0.948,0.931,0.961,0.95
nps,points,,,-16.1,-20,-12,
"""


@pytest.fixture(scope="module")
def with_dashboard(tmp_path_factory: pytest.TempPathFactory) -> str:
    run = make_run(tmp_path_factory.mktemp("runs") / "run", points=3, days=28)
    (run / "dashboard.csv").write_text(DASHBOARD, encoding="utf-8")
    with without_pictures():
        return write_report(run).read_text(encoding="utf-8")


def test_every_fact_of_a_dashboard_has_words_and_no_other() -> None:
    assert set(dashboard.FACTS) == set(TOLERANCE)


def test_the_dashboard_opens_the_assumptions_and_marks_what_is_missed(with_dashboard: str) -> None:
    opened = with_dashboard[with_dashboard.index(">The assumptions<") :]
    assert opened.index("The firm on its dashboard") < opened.index("judgement")
    rows = re.findall(r"<tr[^>]*><th>.*?</tr>", opened[opened.index("<tbody>") :].split("</table>", 1)[0])
    marked = re.findall(r'<tr class="missed">.*?</tr>', opened)
    assert len(rows) == 4
    assert len(marked) == 1
    assert "conversion (orders per visit)" in plain(marked[0])
    told = plain(" ".join(rows))
    for shown in ("60,000 ± 6,000", "57,000 to 66,000", "95.0 ± 2.0", "93.1 to 96.1", "-20.0 to -12.0"):
        assert shown in re.sub(r"\s+", " ", told), shown


def test_a_missed_fact_stands_on_the_first_page(with_dashboard: str, text: str) -> None:
    said = "The model misses facts of your dashboard in more than one world in twenty: "
    assert f"{said}conversion (orders per visit)." in with_dashboard.split("<details>", 1)[0]
    assert said not in text
    assert "The firm on its dashboard" not in text


def test_a_dashboard_without_a_column_is_a_line(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", points=2, days=28)
    (run / "dashboard.csv").write_text("fact,given\nnps,1\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"dashboard.csv in .* lacks the column"):
        write_report(run)
