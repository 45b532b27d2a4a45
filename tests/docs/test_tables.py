"""Tables that pages show are those of the code; `python -m tests.docs.tables` writes them anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.columns import bytes_per_customer
from sim.run.provenance import ROOT
from tests.docs import tables
from tests.docs.tables import OBSERVED, OPTIONS, kinds, marked, options_of, rewritten


@pytest.mark.parametrize("page", marked(), ids=lambda page: page.stem)
def test_tables_are_those_of_the_code(page: Path) -> None:
    shown = page.read_text(encoding="utf-8")
    assert shown == rewritten(shown), "python -m tests.docs.tables writes it anew"


def test_every_kind_and_option_is_in_the_configuration_page() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert tables.kinds_table() in page
    assert tables.options_table() in page
    assert tables.observables_table() in page


def test_no_option_is_explained_that_no_kind_has() -> None:
    everything = {name for cls in kinds().values() for name in options_of(cls)}
    named = {tuple(key.split(".")) if "." in key else (None, key) for key in OPTIONS}
    assert {name for _, name in named} == everything
    assert {kind for kind, _ in named if kind} <= set(kinds())


def test_every_observable_is_explained() -> None:
    from scenarios.rules import OBSERVABLES

    assert set(OBSERVED) == set(OBSERVABLES)


def test_every_scenario_has_its_case() -> None:
    page = (ROOT / "docs" / "cases.md").read_text(encoding="utf-8")
    named = {word.strip(",:") for line in page.splitlines() if line.startswith("## ") for word in line.split()}
    assert set(tables.scenarios()) <= named


def test_the_size_of_the_state_is_the_one_told() -> None:
    page = (ROOT / "docs" / "ODD.md").read_text(encoding="utf-8")
    assert f"The state takes {bytes_per_customer()} bytes a customer" in page


def test_a_stale_table_is_found_out() -> None:
    page = "Text.\n\n<!-- numbers: company.margin -->\n\n| key |\n|---|\n| `company.margin` |\n\nMore.\n"
    fresh = rewritten(page)
    assert "| `company.margin` | 0.3 | 0.15 to 0.5 | share of basket | judgement | recalled |\n\nMore.\n" in fresh
    assert rewritten(fresh) == fresh
