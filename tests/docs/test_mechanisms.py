"""docs/mechanisms: a page per mechanism, each with scenario files that run and do something."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from cxsim.compose import compose, composer, settings_of
from scenarios.intervention import treated_arms
from sim.config.settings import Settings
from sim.run.provenance import ROOT
from sim.world.model import Arm, burnt_in
from tests.config.compose import raw
from tests.docs.tables import kinds
from tests.worlds import BUSY, arm_from, differences, tight_world

FOLDER = ROOT / "docs" / "mechanisms"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.name != "README.md")
PARTS = ("## As built", "## Numbers", "## In a scenario file", "## What it cannot say")
SMALL = (
    "customers=1500", "days=42", "burn_in=30", "start_date=2027-06-01",
    *(one for one in BUSY if not one.startswith("market")),
)  # fmt: skip


def files(page: Path) -> list[tuple[str, str]]:
    """(name, text) of the scenario files a page shows."""
    shown = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [(text.splitlines()[0].removeprefix("# @package scenario."), text) for text in shown]


SHOWN = [(name, text) for page in PAGES for name, text in files(page)]


def composed(folder: Path, name: str, text: str) -> Settings:
    """Settings of a shown file as `cxsim run --config-dir` reads it."""
    (folder / "scenario").mkdir()
    (folder / "scenario" / f"{name}.yaml").write_text(text, encoding="utf-8")
    with composer(str(folder)) as hydra:
        config = compose(hydra, [f"scenario={name}", *SMALL], "config")
        return settings_of(config, config.hydra)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_its_parts_and_a_file(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    places = [text.index(f"\n{part}\n") for part in PARTS]
    assert places == sorted(places)
    assert files(page)


def test_the_contents_name_every_page_and_every_kind() -> None:
    contents = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"]({page.name})" in contents for page in PAGES)
    assert all(f"`{kind}`" in contents for kind in kinds())


@pytest.mark.parametrize(("name", "text"), SHOWN, ids=[name for name, _ in SHOWN])
def test_a_shown_file_runs_and_does_something(name: str, text: str, tmp_path: Path) -> None:
    found = composed(tmp_path, name, text)
    world = tight_world(found, 7, orders=20.0)
    start = burnt_in(world)
    everybody = Arm(treated_arms(found)[name], np.ones(world.customers, bool))
    assert differences(arm_from(world, start), arm_from(world, start, everybody)) != []


def test_the_wear_of_a_weekly_e_mail_is_what_the_page_says() -> None:
    """Geometric sums: 52 annoyances a year without fading; with it a / (1 - keep), and less averaged over the week."""
    messages = {name: node["value"] for name, node in raw("scenario=baseline")["behaviour"]["messages"].items()}
    page = (FOLDER / "messages.md").read_text(encoding="utf-8")
    floor, keep = messages["match_floor"], 0.5 ** (7 / messages["fatigue_half_life"])
    one = messages["annoyance"] * (1 - floor)
    bought = messages["annoyance"] * (1 - floor) * (1 - messages["match_depth"] * (1 - math.exp(-1 / 3)))
    for figure in (f"{one:.3f} su each", f"{52 * one:.2f} su in a year", f"{52 * bought:.2f} su"):
        assert figure in page
    for figure in (f"{one / (1 - keep):.3f} su at\n  most", f"{one / -math.log(keep):.3f} su averaged"):
        assert figure in page


def test_the_matches_shown_are_the_models() -> None:
    from agents.behaviour import message_match
    from scenarios.messages import FITS
    from sim.world.constants import world_of
    from tests.worlds import settings

    rules = world_of(settings("scenario=baseline"), 1).rules
    depth = raw("scenario=baseline")["behaviour"]["messages"]["match_depth"]["value"]
    page = (FOLDER / "asking-and-fitting.md").read_text(encoding="utf-8")
    for content in ("uniform", "best_sellers", "new_arrivals", "history"):
        fit, more = FITS.get(content, (0.0, depth))
        row = ", ".join(f"{message_match(rules, orders, fit, more, False):.2f}" for orders in (0, 1, 10))
        assert re.search(rf"^\| `{content}` \|.*\| {row} \|$", page, flags=re.MULTILINE), row
