"""Commands work in a folder of any name that the system allows, and make nothing elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from cxsim.admitted import as_path, literal
from cxsim.cli import main
from cxsim.compose import asked
from sim.phrases import ConfigError

NAMES = (
    "it's", 'say "x"', "in${days}t", "${oc.env:HOME}", "a$b", "100%", "100%20", "what?", "a#b", "{a}", "a{b}c", "a\nb",
    "店舗", "a b",
    " a ", "a=b", "a,b", "[a]", "(a)", "a\\b", "a\\'b", "\\${days}", "back\\", "a:b", "~", "-m", "@", "*",
    "a;b&c|d", "null", 200 * "x",
)  # fmt: skip
TINY = ["customers=400", "days=28", "burn_in=30", "replications=2", "arms=total"]


def understood(word: str) -> str:
    """The value of a word as a configuration has it."""
    value = OverridesParser.create().parse_override(word).value()
    return str(OmegaConf.create({"days": 28, "dir": value}).dir)


@pytest.mark.parametrize("name", NAMES)
def test_a_path_stays_as_it_is_through_the_grammar(name: str) -> None:
    assert understood(f"hydra.sweep.dir={literal(f'/x/{name}')}") == f"/x/{name}"


@pytest.mark.parametrize("name", [one for one in NAMES if "${" not in one])
def test_a_folder_named_by_hand_needs_no_quotes(name: str) -> None:
    assert understood(as_path(f"hydra.run.dir=/x/{name}")) == f"/x/{name}"


def test_a_folder_in_quotes_and_one_with_a_reference_are_understood() -> None:
    assert asked(["hydra.run.dir='/x/a b'"]).folder == Path("/x/a b")
    assert asked(["hydra.run.dir=/x/s${seed}"]).folder == Path("/x/s1")
    assert as_path("customers=a b") == "customers=a b"
    with pytest.raises(ConfigError, match=r"hydra\.run\.dir"):
        asked(["hydra.run.dir=/x/${oc.env:HOME}"])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_command_works_there(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / name
    (here / "own" / "optimise").mkdir(parents=True)
    (here / "own" / "optimise" / "tiny.yaml").write_text(OPTIMISE, encoding="utf-8")
    monkeypatch.chdir(here)
    assert main(["run", *TINY, "hydra.run.dir=out"]) == 0
    assert main(["report", "out"]) == 0
    assert main(["run", "-m", "seed=1,2", *TINY]) == 0
    assert main(["optimise", "--config-dir", "own", "optimise=tiny", *TINY]) == 0
    assert main(["run", "--config-dir", str(here / "own"), *TINY, "hydra.run.dir=two"]) == 0
    assert {one.name for one in here.iterdir()} == {"own", "out", "two", "sweeps", "searches"}
    assert os.listdir(tmp_path) == [name]


OPTIMISE = """description: The face of the coupon.
levers:
  scenario.norush_coupon.interventions.norush_coupon.face: {low: 100, high: 200, step: 50}
objectives:
  - {metric: ltv, of: effect, over: mean, goal: maximise}
trials: 2
batch: 1
points: 2
fresh_points: 2
"""
