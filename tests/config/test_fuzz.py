"""Whatever is written into a configuration or on the command line: an answer, or one line that says what is wrong.

Never a traceback, and nothing left behind. By default some dozens of each kind, the same ones every time; the
thorough search, 2,000 of each kind, is

    .venv/bin/pytest -q -m slow tests/config/test_fuzz.py
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from copy import deepcopy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import pytest
import yaml
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from cxsim.cli import COMMANDS, main
from cxsim.compose import JobComposer, addable, composer
from scenarios.intervention import completed, treated_arms
from scenarios.rules import OBSERVABLES
from sim.config.parameters import PARTS, Parameter
from sim.config.sampling import points
from sim.config.settings import Settings, load_settings, resolved
from sim.phrases import ConfigError
from sim.studies import regression
from sim.studies import sweep as sweep_files
from tests.config.compose import raw, shipped, spoken

QUICK = settings(
    max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
"""The same examples every time: a build must not fail by chance."""

SLOW_EACH = settings(QUICK, phases=(Phase.explicit, Phase.generate))
"""Of what takes long: a failure is told as it was found, not as a smaller one."""

COMPOSED = settings(SLOW_EACH, max_examples=15)
"""Of what composes all files anew, by Hydra."""

RUN = settings(SLOW_EACH, max_examples=2)
"""Of what simulates."""


def thorough(profile: settings, examples: int = 2000) -> settings:
    """The same search, longer."""
    return settings(profile, max_examples=examples)


# ------------------------------------------------------------------------------------------- what people write

WORDS = (
    "on", "off", "auto", "all", "total", "own", "null", "${days}", "${oc.env:HOME}", "time", "episode", "norush_coupon",
    "searched_popup", "campaign_route", "2027-01-01", "1e3", "0x10", "-", "[", "{", "漢字", "a" * 5000,
)  # fmt: skip
words = st.one_of(st.sampled_from(WORDS), st.text(max_size=12))
ODD = (math.nan, math.inf, -math.inf, 0, -1, 10**400, 5e-324, 1e308, True, False, None)
figures = st.one_of(st.integers(0, 400), st.floats(0.0, 2.0), st.sampled_from(ODD), st.integers(), st.floats())
scalars = st.one_of(figures, words)
anything = st.recursive(
    scalars, lambda below: st.lists(below, max_size=3) | st.dictionaries(words, below, max_size=3), max_leaves=6
)
ranges = st.one_of(st.lists(figures, min_size=2, max_size=2).map(lambda ends: sorted(ends, key=str)), anything)
parameter_forms = st.one_of(
    st.fixed_dictionaries({"mean": figures, "se": figures}, optional={"source": scalars}),
    st.fixed_dictionaries({"value": figures, "range": ranges}, optional={"grade": words, "unit": scalars}),
    st.fixed_dictionaries({"value": scalars, "options": st.lists(scalars, max_size=3)}),
    st.dictionaries(st.sampled_from((*PARTS, "rnage")), anything, max_size=4),
)
values = st.one_of(scalars, parameter_forms, anything)


@cache
def shipped_raw() -> dict[str, Any]:
    return raw("scenario=[norush_coupon,peach_popup]", "customers=1000")


def paths(node: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key of a configuration, groups included, as its path."""
    for key, below in node.items():
        yield (*above, key)
        if isinstance(below, dict):
            yield from paths(below, (*above, key))


@cache
def known_paths() -> list[tuple[str, ...]]:
    return [path for path in paths(shipped_raw()) if path[0] not in ("hydra", "sweep")]


edits = st.lists(
    st.tuples(
        st.deferred(lambda: st.sampled_from(known_paths())),
        st.one_of(st.none(), words),  # a new key below it
        st.one_of(values, st.just(...)),  # ... takes the key away
    ),
    min_size=1,
    max_size=3,
)


def edited(changes: list[tuple[tuple[str, ...], str | None, Any]]) -> dict[str, Any]:
    """The shipped configuration with some keys written otherwise, added or taken away."""
    made = deepcopy(shipped_raw())
    for path, new, value in changes:
        node: Any = made
        *above, last = path if new is None else (*path, new)
        for part in above:
            node = node.get(part) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            continue
        if value is ...:
            node.pop(last, None)
        else:
            node[last] = value
    return made


COUPON = {"kind": "norush_coupon", "face": 150, "valid_days": 60}
CHOICE = {"kind": "delivery_choice", "extra_days": [0, 2], "faces": [100, 200], "valid_days": 60}
POPUP = {"kind": "searched_popup", "topic": "campaign_route", "within_days": 14, "lift": 0.3}
CYCLE = {"every": 7, "least": 10, "explore": 0.2, "cost": 1000}
MESSAGE = {"lift": 0.2, "rule": {"orders": {"at_least": 1}}, "variants": [1.0, 0.5], "cycle": CYCLE}
PLAIN = ("popup", "welcome", "push", "email", "ask")
WHOLE = ("voice_of_customer", "staff", "outage", "viral_complaint", "supplier_delay", "competitor_move")
KINDS = [COUPON, CHOICE, POPUP, *({"kind": kind} | MESSAGE for kind in PLAIN), *({"kind": kind} for kind in WHOLE)]
OPTIONS = (
    "kind", "face", "valid_days", "start", "days", "topic", "within_days", "lift", "cost", "holdout", "variants",
    "rule", "content", "appeals", "shares", "slope", "cycle", "every", "click", "opt_out", "extra_days", "faces",
    "gain", "lag",
    "budget", "capacity", "quality", "recovery", "noise", "touchpoint", "share", "score", "left", "strength",
)  # fmt: skip
CONDITIONS = (*OBSERVABLES, "satisfaction")
conditions = st.dictionaries(
    st.sampled_from(CONDITIONS),
    st.one_of(st.dictionaries(st.sampled_from(("at_least", "at_most", "topic", "within_days")), values), values),
    max_size=2,
)
interventions = st.builds(
    lambda node, other: {**node, **other},
    st.sampled_from(KINDS),
    st.one_of(
        st.dictionaries(st.sampled_from(OPTIONS), values, max_size=2),
        st.fixed_dictionaries({"rule": conditions}),
        st.fixed_dictionaries({"cycle": st.dictionaries(st.sampled_from(tuple(CYCLE)), values)}),
    ),
)


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    """What a scenario changes in both arms, here and there no key that exists."""
    made: dict[str, Any] = {}
    for path in draw(st.lists(st.sampled_from(known_paths()), max_size=2)):
        node = made
        for part in path[:-1]:
            node = node.setdefault(part, {}) if isinstance(node.get(part, {}), dict) else {}
        node[path[-1]] = draw(values)
    return made


scenarios = st.dictionaries(
    st.one_of(st.sampled_from(("mine", "yours")), words),
    st.one_of(
        st.fixed_dictionaries(
            {"description": st.just("Mine."), "interventions": st.dictionaries(words, interventions, max_size=2)},
            optional={"both_arms": worlds()},
        ),
        st.dictionaries(st.sampled_from(("description", "interventions", "both_arms", "wrld")), anything, max_size=3),
        anything,
    ),
    max_size=2,
)


# ------------------------------------------------------------------------------------------- settings


def told(read: Callable[[], Any]) -> Any:
    """What is read, or None where a line refused it (the command tells an OSError as one). All else is a bug."""
    try:
        return read()
    except (ConfigError, OSError) as error:
        line = str(error)
    assert line.strip()
    return None


def answered(config: Any) -> None:
    """Settings are refused, or can be used in every way a run uses them."""
    found = told(lambda: load_settings(config))
    if found is None or told(lambda: treated_arms(found)) is None:
        return
    again = load_settings(resolved(found) | {"engine": found.engine, "threads": found.threads})
    assert again.parameters() == found.parameters()
    for point in points(found, 3):
        told(lambda point=point: treated_arms(found.at(point)))


def any_configuration(changes: list[Any]) -> None:
    answered(edited(changes))


def any_scenarios(found: dict[str, Any]) -> None:
    answered(completed(shipped_raw() | {"scenario": found}))


@given(edits)
@QUICK
def test_any_configuration(changes: list[Any]) -> None:
    any_configuration(changes)


@given(scenarios)
@QUICK
def test_any_scenarios(found: dict[str, Any]) -> None:
    any_scenarios(found)


@given(anything)
@QUICK
def test_anything_at_all(config: Any) -> None:
    answered(config)


@pytest.mark.slow
@given(edits)
@thorough(QUICK)
def test_two_thousand_configurations(changes: list[Any]) -> None:
    any_configuration(changes)


@pytest.mark.slow
@given(scenarios)
@thorough(QUICK)
def test_two_thousand_scenarios(found: dict[str, Any]) -> None:
    any_scenarios(found)


# ------------------------------------------------------------------------------------------- sweep and regression files

keys = st.one_of(st.deferred(lambda: st.sampled_from([".".join(path) for path in known_paths()])), words)
few = st.one_of(st.lists(values, max_size=3), anything)
samples = st.fixed_dictionaries(
    {"size": st.one_of(st.integers(1, 9), anything), "ranges": st.dictionaries(keys, ranges | words, max_size=3)},
    optional={"method": st.one_of(st.sampled_from(["latin_hypercube", "sobol"]), anything)},
)
sweeps = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "description": scalars,
            "set": st.one_of(st.dictionaries(keys, values, max_size=2), anything),
            "points": st.one_of(st.lists(st.dictionaries(keys, values, max_size=2), max_size=3), anything),
            "grid": st.one_of(st.dictionaries(keys, few, max_size=2), anything),
            "sample": st.one_of(samples, anything),
            "block": st.one_of(st.integers(1, 9), anything),
            "blocks": anything,
        },
    ),
    anything,
)


@cache
def plain_settings(replications: object) -> Settings:
    return shipped(f"replications={replications}")


def any_sweep(sweep: Any, replications: object) -> None:
    told(lambda: sweep_files.held(sweep))
    told(lambda: sweep_files.points(sweep, plain_settings(replications)) if isinstance(sweep, dict) else None)


@given(sweeps, st.sampled_from((8, "auto")))
@QUICK
def test_any_sweep_file(sweep: Any, replications: object) -> None:
    any_sweep(sweep, replications)


@pytest.mark.slow
@given(sweeps, st.sampled_from((8, "auto")))
@thorough(QUICK)
def test_two_thousand_sweep_files(sweep: Any, replications: object) -> None:
    any_sweep(sweep, replications)


regressions = st.one_of(
    st.fixed_dictionaries(
        {"description": st.one_of(st.just("Mine."), anything), "overrides": st.one_of(st.lists(words), anything)},
        optional={
            "compare": st.one_of(st.sampled_from(["exact", "statistical"]), anything),
            "tolerance": st.one_of(st.dictionaries(st.sampled_from(["ltv", "nps", "lvt"]), figures), anything),
            "false_alarm": values,
            "other": anything,
        },
    ),
    anything,
).map(lambda node: yaml.safe_dump(node, allow_unicode=True).encode())
records = st.fixed_dictionaries(
    {},
    optional={
        "tables": st.one_of(st.dictionaries(words, words), anything),
        "numbers": st.one_of(st.dictionaries(words, st.lists(st.lists(figures))), anything),
        "history": anything,
        "overrides": anything,
    },
).map(lambda node: json.dumps(node).encode())


@pytest.mark.parametrize(
    ("contents", "read"),
    [(regressions, regression.read_held), (records, regression.read_record)],
    ids=["regression", "record"],
)
def test_any_file(contents: st.SearchStrategy[bytes], read: Callable[[Path], Any], tmp_path: Path) -> None:
    @given(st.one_of(contents, st.binary(max_size=20), st.text(max_size=30).map(str.encode)))
    @QUICK
    def holds(content: bytes) -> None:
        file = tmp_path / "any"
        file.write_bytes(content)
        told(lambda: read(file))

    holds()


# ------------------------------------------------------------------------------------------- the command line


one_override = st.one_of(
    st.builds("{}{}={}".format, st.sampled_from(["", "+", "++"]), keys, values.map(spoken)),
    keys.map("~{}".format),
    st.builds("{}={}".format, st.sampled_from(("scenario", "company", "sweep", "hydra", "market")), words),
    st.text("abz.=+~[]{}()$:,'\"\\@/- \n\0", max_size=15),
)
overrides = st.lists(one_override, min_size=1, max_size=3)


def search_overrides(profile: settings) -> None:
    """One composer for all examples, as in a sweep: what is chosen is composed once."""
    known_paths()  # composed once, before: there is one Hydra at a time
    with composer(None) as hydra:
        jobs = JobComposer(hydra, "config", [])

        @given(overrides)
        @example(["hydra=on"])
        @profile
        def holds(found: list[str]) -> None:
            told(lambda: treated_arms(jobs.settings([addable(one) for one in found])))

        holds()


def test_any_overrides() -> None:
    search_overrides(COMPOSED)


@pytest.mark.slow
def test_two_thousand_overrides() -> None:
    search_overrides(thorough(COMPOSED))


FLAGS = (
    "--help", "-h", "--version", "--cfg", "job", "all", "--package", "company", "--resolve", "--config-dir", ".",
    "nowhere", "--config-name", "config", "--info", "--hydra-help", "--update", "--because", "--junit", "--records",
    "--out", "--name", "--customer", "--date", "--value", "--yen", "--holdout", "3", "baseline", "norush_coupon",
    "scenario=baseline", "scenario=[baseline,peach_popup]", "customers=100", "customers=5", "-sc", "install=bash",
    "--", "", "\0", "漢字", "-m", "--multirun", "customers=100,200", "sweep=slack", "hydra/launcher=basic",
    "customers=5,6",
)  # fmt: skip
lines = st.tuples(
    st.one_of(st.deferred(lambda: st.sampled_from([*COMMANDS, "--version", "--help"])), words),
    st.lists(st.one_of(st.sampled_from(FLAGS), one_override, st.text(max_size=8)), max_size=4),
).map(lambda parts: [parts[0], *parts[1]])


def below(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


@pytest.fixture
def _no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is refused: what gets so far was understood."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise ConfigError("work: none here")

    monkeypatch.setattr("sim.run.workers.Pool.outcomes", refuse)
    monkeypatch.setattr("sim.run.replication.run_task", refuse)


def any_line(line: list[str]) -> None:
    out, err = io.StringIO(), io.StringIO()
    with TemporaryDirectory() as folder, chdir(folder), redirect_stdout(out), redirect_stderr(err):
        try:
            status = main(line)
        except SystemExit as end:  # argparse, after its help
            status = int(end.code or 0)
        left = below(Path(folder))
    assert status in (0, 1, 2)
    if status == 2:
        assert len([one for one in err.getvalue().splitlines() if one.startswith("cxsim: ")]) == 1
        assert left == set() or any(path.endswith("sweep.json") for path in left)  # a plan is there to be gone on with


@pytest.mark.usefixtures("_no_work")
@given(lines)
@COMPOSED
def test_any_command_line(line: list[str]) -> None:
    any_line(line)


@pytest.mark.slow
@pytest.mark.usefixtures("_no_work")
@given(lines)
@thorough(COMPOSED)
def test_two_thousand_command_lines(line: list[str]) -> None:
    any_line(line)


# ------------------------------------------------------------------------------------------- to the answer


TINY = (
    "burn_in=30", "replications=2", "threads=1", "hydra.run.dir=answer", "calendar=flat",
    "market.status={unaware: 0.3, aware: 0.3, customer: 0.4}",  # so that there are orders
)  # fmt: skip


FROM_THE_START = (
    "combo", "mf_onboarding", "rakuten_push", "repro_pdca_weekly", "muji_voc", "starbucks_staff", "ma_email",
    "delivery_choice", "[rakuten_blast,ma_blast]",
)  # fmt: skip
"""Shipped scenarios that begin on day 0, so that they fit a tiny horizon."""


@st.composite
def runnable(draw: st.DrawFn, chosen: tuple[str, ...]) -> list[str]:
    """Overrides of a tiny world whose parameters stand anywhere within their bounds, most of them not far from home.

    `chosen`: scenarios, or lists of them.
    """
    known = {path: one for path, one in shipped().parameters() if isinstance(one, Parameter)}
    found = [
        f"scenario={draw(st.sampled_from(chosen))}",
        f"customers={draw(st.integers(100, 400))}",
        f"days={draw(st.integers(28, 40))}",
        f"seed={draw(st.integers(0, 2**53))}",
        f"events={draw(st.integers(0, 50))}",
        f"arms={draw(st.sampled_from(('all', 'total')))}",
        f"language={draw(st.sampled_from(('en', 'ja')))}",
    ]
    for path in draw(st.lists(st.sampled_from(sorted(path for path in known if "scenario" not in path)), max_size=4)):
        bounds = known[path].bounds
        value = draw(
            st.one_of(
                st.sampled_from((0.0, 0.5, 2.0, 10.0)).map(lambda by, path=path: by * known[path].value),
                st.floats(max(bounds.low, -1e6), min(bounds.high, 1e6)),
                st.sampled_from((bounds.low, bounds.high)).filter(math.isfinite),
            )
        )
        found.append(f"{path}={value!r}")
    return found


def any_run(found: list[str]) -> None:
    out, err = io.StringIO(), io.StringIO()
    with TemporaryDirectory() as folder, chdir(folder), redirect_stdout(out), redirect_stderr(err):
        status = main(["run", *TINY, *found])
        whole = Path("answer/report.html").is_file()
        left = below(Path(folder))
    if status == 0:
        assert whole
    else:
        assert status == 2
        assert left == set()


@pytest.mark.usefixtures("unpictured")
@given(runnable(("baseline", "norush_coupon")))
@RUN
def test_what_is_valid_gives_an_answer(found: list[str]) -> None:
    any_run(found)


def test_a_world_without_a_single_order_is_refused() -> None:
    any_run(["customers=100", "days=28", "seed=0", "market.status={unaware: 1, aware: 0, customer: 0}"])


@pytest.mark.slow
@given(runnable(("baseline", "norush_coupon", "[norush_coupon,peach_popup]", *FROM_THE_START)))
@thorough(RUN, 100)
def test_a_hundred_runs_give_an_answer(found: list[str]) -> None:
    any_run(found)
