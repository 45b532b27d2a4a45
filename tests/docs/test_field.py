"""docs/field.md shows the scores that docs/field.csv keeps, and these are of the experiments in conf/field."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.learning.field_test import field_files, read_field_test
from sim.run.provenance import ROOT
from sim.tables import FIELD
from tests.docs import field


@pytest.mark.parametrize("page", field.pages(), ids=lambda page: page.name)
def test_a_page_shows_the_scores_that_are_kept(page: Path) -> None:
    shown = page.read_text(encoding="utf-8")
    assert shown == field.rewritten(shown), "python -m tests.docs.field writes it anew"


def test_the_page_has_its_tables() -> None:
    assert field.PAGE in field.pages()
    assert field.sources_table() in field.PAGE.read_text(encoding="utf-8")


scored_already = pytest.mark.skipif(not field.SCORES.is_file(), reason="the suite was not scored yet")


@scored_already
def test_the_scores_are_of_the_findings_as_published() -> None:
    """A file that has changed since needs `cxsim field --out DIR`, then `python -m tests.docs.field DIR`."""
    kept = field.scores().set_index(["experiment", "finding"])
    assert list(field.scores().columns) == [column.name for column in FIELD]
    tests = {name: read_field_test(path) for name, path in field_files(ROOT / "conf" / "field").items()}
    published = {(name, key): one for name, test in tests.items() for key, one in test.findings.items()}
    assert set(kept.index) == set(published)
    for place, finding in published.items():
        row = kept.loc[place]
        assert (row["estimate"], row["se"]) == pytest.approx((finding.found.value, finding.found.error))
        assert (row["metric"], row["use"]) == (finding.metric, tests[place[0]].use)


@scored_already
def test_every_finding_was_run_at_as_many_points_as_a_run_begins_with() -> None:
    """A point at which a lift has no level to be relative to has no value; the table tells how many have one."""
    points = field.scores()["points"]
    assert points.max() >= 64
    assert points.min() >= 0.95 * points.max()
    fewer = points[points < points.max()]
    assert all(f"({number} of {points.max()} points)" in field.PAGE.read_text(encoding="utf-8") for number in fewer)


def test_a_stale_table_is_found_out() -> None:
    page = "Text.\n\n<!-- field sources -->\n\n| experiment |\n|---|\n| `gone` |\n\nMore.\n"
    fresh = field.rewritten(page)
    assert "gone" not in fresh
    assert "`late_parcel`" in fresh
    assert fresh.endswith("\n\nMore.\n")
    assert field.rewritten(fresh) == fresh
