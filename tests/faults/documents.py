"""Every kind of file that people write for cxsim, and how a command reads it, up to where work would begin."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from hydra._internal.hydra import Hydra
from omegaconf import OmegaConf

from cxsim.admitted import Files
from cxsim.compose import JobComposer, as_overrides, asked, composer, errors_of, split_sweep
from scenarios.intervention import completed, treated_arms
from sim.config.sampling import points
from sim.config.sections import Gate
from sim.config.settings import Settings, load_settings, resolved
from sim.learning.learn import KINDS
from sim.learning.pieces import Piece, read_evidence
from sim.run.provenance import ROOT
from sim.studies import key_drivers, premortem
from sim.studies import sweep as design
from sim.studies.levers import Search, present_point
from tests.config.compose import raw

SCENARIOS = ("norush_coupon_peak", "ma_email", "delivery_choice", "mf_onboarding", "muji_voc", "repro_pdca_weekly",
             "shock_supplier", "starbucks_staff", "rakuten_push", "peach_popup")  # fmt: skip
SMALL = ("customers=400", "days=60")


class Document(NamedTuple):
    """A file: where it stands in a user's folder, what it says undamaged, and who reads it.

    above: the keys that a message puts before the file's own. read(folder): raises ConfigError. words: what names the
    file on the command line of `cxsim run`, none where another command reads it. elsewhere: keys below which the file
    states keys of the configuration, which a message may name as they are.
    """

    place: str
    node: dict[str, Any]
    above: tuple[str, ...]
    read: Callable[[Path], object]
    words: tuple[str, ...] = ()
    header: str = ""
    elsewhere: tuple[tuple[str, ...], ...] = ()


@cache
def whole() -> dict[str, Any]:
    """The shipped configuration as plain maps, under a scenario."""
    return raw("scenario=norush_coupon", *SMALL)


@cache
def settings() -> Settings:
    return load_settings(completed(whole()))


@cache
def quick() -> dict[str, Any]:
    """The company of ten facts."""
    found: dict[str, Any] = raw("company=quick", *SMALL)["company"]
    return found


def documents(jobs: JobComposer, within: Path) -> dict[str, Document]:
    """All kinds by name. `jobs` reads what is written as words; `within`, above the user's folder, gets tables."""
    found = {name: _group(name) for name in ("company", "calendar", "personas", "market", "behaviour")}
    found["facts"] = _company(quick())
    for name in SCENARIOS:
        text = yaml.safe_load((ROOT / "conf" / "scenario" / f"{name}.yaml").read_text(encoding="utf-8"))
        found[f"scenario {name}"] = Document(
            "scenario/mine.yaml", text, ("scenario", "mine"), _read_scenario, ("scenario=mine", *SMALL, "days=365"),
            "# @package scenario.mine\n", (("both_arms",),),
        )  # fmt: skip
    for name in ("coupon", "capacity"):
        found[f"optimise {name}"] = Document(
            "optimise/mine.yaml", _shipped("optimise", name), ("optimise",), partial(_read_search, jobs),
            elsewhere=(("levers",),),
        )  # fmt: skip
    for name in ("slack", "uncertainty"):
        found[f"sweep {name}"] = _sweep(_shipped("sweep", name), jobs)
    sampled = {"sample": {"size": 4, "ranges": {"company.capacity": [0.9, 1.1], "company.margin": "own"}},
               "set": {"arms": "total"}, "points": [{"customers": 400}, {"customers": 500}]}  # fmt: skip
    found["sweep sampled"] = _sweep(sampled, jobs)
    studies: dict[str, Callable[[Any], object]] = {
        "gate": lambda node: Gate.read(node, "gate"),
        "premortem": lambda node: premortem.plan_of(node, settings()),
        "key_drivers": lambda node: key_drivers.Plan.read(node, "key_drivers"),
    }
    for name, plan in studies.items():
        own = _shipped(name, "default")
        node = own.get(name, own)  # some files state keys of the top beside those of the plan
        found[name] = Document(f"{name}/mine.yaml", node, (name,), partial(_read_study, plan, f"{name}/mine.yaml"))
    found["evidence"] = Document("evidence.yaml", _evidence(within), (), _read_pieces)
    return found


def _shipped(group: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "conf" / group / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


def _evidence(within: Path) -> dict[str, Any]:
    folder = ROOT / "examples" / "evidence"
    found: dict[str, Any] = yaml.safe_load((folder / "evidence.yaml").read_text(encoding="utf-8"))
    for piece in found.values():
        if "file" in piece:
            shutil.copy(folder / piece["file"], within)
            piece["file"] = f"../{piece['file']}"
    counted = {"kind": "ab_test", "scenario": "norush_coupon", "metric": "conversion", "window": 14,
               "control": {"visitors": 9000, "buyers": 800}, "treated": {"visitors": 9100, "buyers": 850}}  # fmt: skip
    return found | {"counted": counted}


def _group(name: str) -> Document:
    if name == "company":
        return _company(whole()["company"])
    return Document(f"{name}/mine.yaml", whole()[name], (name,), partial(_read_group, name), (f"{name}=mine", *SMALL))


def _sweep(node: dict[str, Any], jobs: JobComposer) -> Document:
    return Document(
        "sweep/mine.yaml", node, ("sweep",), partial(_read_sweep, jobs),
        elsewhere=(("set",), ("grid",), ("sample", "ranges"), ("points", "0"), ("points", "1")),
    )  # fmt: skip


def _company(node: dict[str, Any]) -> Document:
    return Document(
        "company/mine.yaml", node, ("company",), partial(_read_group, "company"), ("company=mine", *SMALL)
    )


# -- how each is read ----------------------------------------------------------------------------------------------


def _said(folder: Path, place: str) -> Any:
    """What a file says, as Hydra is given it."""
    source = Files(provider="command-line", path=f"file://{folder}")
    return OmegaConf.to_container(source.load_config(place).config, resolve=False)


def _used(config: Any) -> None:
    """Settings that a run could use, in every way in which it uses them before it simulates."""
    found = load_settings(completed(config))
    treated_arms(found)
    again = load_settings(completed(resolved(found) | {"engine": found.engine, "threads": found.threads}))
    assert again.parameters() == found.parameters(), "config.yaml says something else"
    for point in points(found, 2):
        treated_arms(found.at(point))


def _read_group(name: str, folder: Path) -> None:
    _used(deepcopy(whole()) | {name: _said(folder, f"{name}/mine.yaml")})


def _read_scenario(folder: Path) -> None:
    _used(deepcopy(whole()) | {"days": 365, "scenario": {"mine": _said(folder, "scenario/mine.yaml")}})


def _read_study(plan: Callable[[Any], object], place: str, folder: Path) -> None:
    plan(_said(folder, place))


def _read_sweep(jobs: JobComposer, folder: Path) -> None:
    node = _said(folder, "sweep/mine.yaml")
    held = as_overrides(design.held(node))
    found = design.points(node, jobs.settings([*SMALL, *held.values()]))
    for point in (found[0], found[-1]):
        treated_arms(jobs.settings([*SMALL, *held.values(), *as_overrides(point).values()]))


def _read_search(jobs: JobComposer, folder: Path) -> None:
    search = Search.read(_said(folder, "optimise/mine.yaml"), "optimise")
    present_point(search, resolved(settings()))
    for key, lever in search.levers.items():
        for end in ("low", "high"):
            with errors_of(f"optimise.levers.{key}.{end}"):
                treated_arms(jobs.settings([*SMALL, f"{key}={getattr(lever, end)}"]))


def _read_pieces(folder: Path) -> None:
    for piece in read_evidence(folder / "evidence.yaml", KINDS):
        _observed(pickle.dumps(piece))


@lru_cache(100)
def _observed(piece: bytes) -> object:
    """What a piece of evidence says; that of a whole table, which takes a second, once."""
    found: Piece = pickle.loads(piece)
    return found.observed()


def read_words(jobs: JobComposer, hydra: Hydra, words: list[str]) -> None:
    """Words of `cxsim run`, swept ones among them, as far as the first and the last job."""
    fixed, axes = split_sweep(words, hydra)
    for place in (0, -1) if axes else (0,):
        treated_arms(jobs.settings([*fixed.values(), *(lines[place][0] for lines in axes.values())]))


def composed(document: Document, folder: Path) -> None:
    """The whole way of `cxsim run`, Hydra's part included."""
    treated_arms(asked(list(document.words), folder).settings)


@contextmanager
def composing() -> Iterator[tuple[Hydra, JobComposer]]:
    """One composer for all that is read, as in a sweep."""
    whole(), settings(), quick()  # before: there is one Hydra at a time
    with composer(None) as hydra:
        yield hydra, JobComposer(hydra, "config", [])


def fresh(folder: Path) -> Path:
    """An empty folder in place of one that may be there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
