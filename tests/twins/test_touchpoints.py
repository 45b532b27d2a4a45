"""What it takes to add a touchpoint: a sentence in each of seven files, of which this test makes a packaging."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agents.columns import TOUCHPOINT_NAMES
from analysis.style.words import TOUCHPOINT_NAMES as HEADINGS
from analysis.style.words import TOUCHPOINT_WORDS
from sim import tables
from sim.config.sections import Experience, Quality

ROOT = Path(__file__).resolve().parents[2]

NEEDED = {
    "agents/columns.py": (
        ("DELIVERY, PRODUCT = 0, 1, 2, 3", "DELIVERY, PRODUCT, PACKAGING = 0, 1, 2, 3, 4"),
        ('"delivery", "product")', '"delivery", "product", "packaging")'),
        ("(SITE, DELIVERY, PRODUCT)", "(SITE, DELIVERY, PACKAGING, PRODUCT)"),
    ),
    "sim/tables.py": (('"delivery", "product")', '"delivery", "product", "packaging")'),),
    "sim/config/sections.py": (
        ("    weight_product: Positive", "    weight_product: Positive\n    weight_packaging: NotNegative"),
        ("    product: Number", "    product: Number\n    packaging: Number"),
    ),
    "conf/behaviour/default.yaml": (("  weight_store: ", "  weight_packaging: 0.1\n  weight_store: "),),
    "conf/company/general.yaml": (("product: 0.8}", "product: 0.8, packaging: 0.8}"),),
    "analysis/style/words.py": (
        ('N_("the product"),', 'N_("the product"),\n    "packaging": N_("the packaging"),'),
        ('N_("product"),', 'N_("product"),\n    "packaging": N_("packaging"),'),
    ),
    "analysis/locale/ja.po": (
        ('msgid "the product"', 'msgid "the packaging"\nmsgstr "包装"\n\nmsgid "the product"'),
        ('msgid "product"', 'msgid "packaging"\nmsgstr "包装"\n\nmsgid "product"'),
    ),
}
"""By file what is written in place of what."""

LIFE = """
from agents.columns import TOUCHPOINT_NAMES
from analysis.journeys.map import TOUCHPOINTS
from analysis.style.language import use
from analysis.style.words import touchpoint
from sim import tables
from sim.company.changes import Changes, Shift
from sim.studies.key_drivers import moves_of
from tests.worlds import BUSY, free_world, lived, settings
found = settings("scenario=baseline", "customers=300", "days=30", "burn_in=30",
                 "calendar=flat", *BUSY)
world = free_world(found, 1)
column, agent = lived(world), lived(world, engine="agent")
for model in (column, agent):
    expected = model.customers.columns.of("expect_packaging")
    blamed = model.customers.columns.of("worst") == 1 + TOUCHPOINT_NAMES.index("packaging")
    print(float(expected.std()) > 0.0, int(blamed.sum()) > 0)
print(column.customers.columns.more.tobytes() == agent.customers.columns.more.tobytes())
print("packaging" in {move.touchpoint for move in moves_of(1.0, ())}, tables.RATINGS[-1].name, TOUCHPOINTS["packaging"])
print(tables.EVENT_NAMES["let down"].endswith(" 4 packaging"))
use("ja")
print(touchpoint("packaging"))
"""


def test_every_list_names_the_same_touchpoints() -> None:
    names = TOUCHPOINT_NAMES
    assert tables.TOUCHPOINTS == names == tuple(HEADINGS) == tuple(TOUCHPOINT_WORDS)[: len(names)]
    assert tuple(Quality.model_fields) == names
    assert {name for name in Experience.model_fields if name.startswith("weight_")} == {f"weight_{n}" for n in names}


@pytest.mark.slow
def test_a_touchpoint_is_added_in_seven_files(tmp_path: Path) -> None:
    """Customers then expect something of it, blame it, rate it, under both engines alike."""
    for folder in ("agents", "analysis", "conf", "cxsim", "scenarios", "sim", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "baseline"))
    for name, edits in NEEDED.items():
        text = (tmp_path / name).read_text(encoding="utf-8")
        for old, new in edits:
            assert text.count(old) == 1, f"{name}: {old}"
            text = text.replace(old, new)
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", LIFE], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [*["True"] * 6, "packaging", "packaging", "True", "包装"]
    assert len(NEEDED) <= 7
