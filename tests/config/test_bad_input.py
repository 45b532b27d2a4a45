"""Bad input through the real entry: status 2, one line that says what is wrong, nothing left behind."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest

import sim.run.experiment
import sim.studies.regression
import sim.studies.sweep
from cxsim.cli import main
from scenarios.intervention import REGISTRY, Intervention, completed, register
from sim.phrases import ConfigError

HEADER = "# @package scenario.mine\ndescription: Mine.\n"
PEAK = "scenario.norush_coupon_peak.interventions.norush_coupon_peak"
POPUP = "scenario.peach_popup.interventions.peach_popup"
VARIANTS = "+scenario.norush_coupon.variants"
EMAIL = "scenario.ma_email.interventions.ma_email"
MAIL = "scenario.ma_email.interventions.ma_email"
CYCLE = "scenario.repro_pdca_weekly.interventions.repro_pdca_weekly.cycle"


def run(*overrides: str) -> list[str]:
    return ["run", *overrides]


def mail(*overrides: str) -> list[str]:
    return run("scenario=ma_email", *overrides)


def mine(*overrides: str) -> list[str]:
    return ["run", "--config-dir", "own", "scenario=mine", *overrides]


# Words of the command line, and what its one line of answer must hold.
VALUES: list[tuple[list[str], Sequence[str]]] = [
    # variants
    (run(f"{VARIANTS}.half.fcae=3"), [f"{VARIANTS}.half: fcae: no such option; did you mean face?".removeprefix("+")]),
    (run(f"{VARIANTS}.odd={{other.face: 3}}"), ["variants.odd: other.face: names no intervention", "norush_coupon"]),
    (run(f"{VARIANTS}.odd={{face: {{value: 3, range: [1, 4]}}}}"), ["variants.odd.face: a variant is a choice"]),
    (run(f"{VARIANTS}.odd={{start: 4000}}"), ["variants.odd: ", "start: 4000 lies outside the horizon"]),
    (run(f"{VARIANTS}.odd={{}}"), ["variants.odd: {}", "a group of options"]),
    # whole numbers
    (run("customers=0"), ["customers: 0", "from 100 to"]),
    (run("customers=-5"), ["customers: -5", "from 100"]),
    (run("customers=99"), ["customers: 99", "from 100"]),
    (run("customers=1000.5"), ["customers: 1000.5", "whole number"]),
    (run("customers=many"), ["customers: 'many'", "not a number"]),
    (run("customers=null"), ["customers: nothing", "not a number"]),
    (run("customers=[1000]"), ["customers: [1000]", "not a number"]),
    (run("customers=9999999999"), ["customers: 9999999999", "to 20000000"]),
    (run("days=27"), ["days: 27", "from 28"]),
    (run("days=on"), ["days: 'on'", "switch"]),
    (run("days=true"), ["days: true", "switch"]),
    (run("days=1e9"), ["days: 1000000000", "to 3650"]),
    (run("burn_in=0"), ["burn_in: 0", "from 30"]),
    (run("seed=-1"), ["seed: -1", "from 0"]),
    (run(f"seed=1{400 * '0'}"), ["seed: 1000", "is too large"]),
    (run("seed=inf"), ["seed: inf", "not a finite number"]),
    (run("replications=1"), ["replications: 1", "auto or a whole number from 2"]),
    (run("replications=automatic"), ["replications: 'automatic'", "auto or"]),
    (run("threads=0"), ["threads: 0", "auto or a whole number from 1"]),
    (run("events=-1"), ["events: -1", "from 0"]),
    (run("precision=0.01"), ["precision: is no longer a key", "replications=auto adds points until"]),
    # words, dates, switches
    (run("engine=gpu"), ["engine: 'gpu'", "one of column, agent"]),
    (run("engine=colunm"), ["engine: 'colunm'", "did you mean column?"]),
    (run("start_date=tomorrow"), ["start_date: 'tomorrow'", "2027-01-31"]),
    (run("start_date=2027-02-30"), ["start_date: '2027-02-30'", "not a date"]),
    (run("start_date=20270101"), ["start_date: 20270101", "not a date"]),
    (run("company.hold_norush=1"), ["company.hold_norush: 1", "true or false"]),
    (run("market.kind=mature"), ["market.kind: 'mature'", "one of established, launch"]),
    (run("company.name=3"), ["company.name: 3", "not a text"]),
    # parameters
    (run("company.capacity_ratio=0"), ["company.capacity_ratio: 0", "above 0"]),
    (run("company.capacity_ratio=-1.3"), ["company.capacity_ratio: -1.3", "above 0"]),
    (run("company.margin=1.5"), ["company.margin: 1.5", "from 0 to 1"]),
    (run("company.margin=30%"), ["company.margin: '30%'", "not a number"]),
    (run("company.margin.value=0.9"), ["company.margin: value 0.9", "range 0.15 to 0.5"]),
    (run("company.margin.range=[0.5,0.1]"), ["company.margin.range: [0.5, 0.1]", "low below high"]),
    (run("company.margin.range=[0.1,1.2]"), ["company.margin.range: [0.1, 1.2]", "from 0 to 1"]),
    (run("company.margin.range=0.2"), ["company.margin.range: 0.2", "not a list"]),
    (run("company.margin.grade=certain"), ["company.margin.grade: 'certain'", "one of measured"]),
    (run("company.margin={mean: 0.3}"), ["company.margin: mean and se belong together"]),
    (run("company.margin={mean: 0.3, se: 0}"), ["company.margin.se: 0", "above 0"]),
    (run("company.margin={mean: 3, se: 1}"), ["company.margin.mean: 3", "from 0 to 1"]),
    (run("company.margin={rnage: [0, 1]}"), ["company.margin.rnage: no such key", "did you mean range?"]),
    (run("company.margin.mean=0.3"), ["company.margin.mean", "company.margin={mean: ...}"]),
    (run("behaviour.talk.base=2"), ["behaviour.talk.base: 2", "from 0 to 1"]),
    (run("behaviour.talk.half_life=0"), ["behaviour.talk.half_life: 0", "above 0"]),
    (run("behaviour.visits.prospect_rate=-0.1"), ["behaviour.visits.prospect_rate: -0.1", "from 0 up"]),
    (run("behaviour.choice.conversion_customer=1"), ["behaviour.choice.conversion_customer: 1"]),
    (run("behaviour.attrition.clock=month"), ["behaviour.attrition.clock: 'month'", "time, episode"]),
    (run("behaviour.attrition.clock.options=[time]", "behaviour.attrition.clock.value=episode"), ["among"]),
    (run(f"scenario={'peach_popup'}", f"{POPUP}.lift.value=0.5"), [f"{POPUP}.lift: value 0.5", "options"]),
    (run("company.purchase.gamma_gamma.q=0.9"), ["company.purchase.gamma_gamma.q: 0.9", "above 1"]),
    (run("company.desk=3"), ["company.desk: 3", "group of keys"]),
    # impossible combinations
    (run("+calendar.carrier_rests.a={dates: 01-29..03-02}", "burn_in=30"),
        ["calendar.carrier_rests: more than 30 days", "to 2027-02-28"]),
    (run("personas.mix.fan.share=0.5"), ["personas.mix", "fan 0.5", "must sum to 1"]),
    (run("personas.mix.fan.share=-0.1"), ["personas.mix.fan.share: -0.1", "from 0 to 1"]),
    (run("~personas.mix.fan"), ["personas.mix", "must sum to 1"]),
    (run("market.status.customer=1"), ["market.status", "customer 1", "must sum to 1"]),
    (run("company.channels.web=0.9"), ["company.channels", "web 0.9", "must sum to 1"]),
    (run("market.topics.campaign_route=0.9", "+market.topics.other=0.2"), ["market.topics", "1.1"]),
    (run("company.classes.express.transit=5"), ["company.classes.express.transit: 5", "at most 1"]),
    (run("company.desk.opens=1000"), ["company.desk.hours: 600", "at most 320"]),
    (run("customers=100", "market.network.degree=200"), ["market.network.degree: 200", "customers=100"]),
    (run("customers=20000000", "market.network.degree=500"), ["market.network.degree: 500", "at most 106"]),
    (run("customers=100", "market.network.degree.range=[6,300]"), ["degree: 300", "customers=100"]),
    (run("scenario=norush_coupon_peak", "days=60"),
        ["norush_coupon_peak.start: 2027-06-10", "from 2027-01-01 to 2027-03-01"]),
    (run("scenario=norush_coupon_peak", f"{PEAK}.start=2030-01-01"), ["start: 2030-01-01", "to 2029-12-30"]),
    (run("scenario=norush_coupon_peak", f"{PEAK}.start=June"), ["start: 'June' is not a date", "2027-03-01 or 03-01"]),
    (run("scenario=norush_coupon_peak", f"{PEAK}.days=2027-06-09"), ["days: 2027-06-09", "from 2027-06-10 to"]),
    (run("scenario=norush_coupon_peak", f"{PEAK}.days=06-12", f"++{PEAK}.start={{value: 9, range: [1, 20]}}"),
        ["norush_coupon_peak.days: a last date needs a start"]),
    # the calendar
    (run("calendar.seasons.obon.dates=08-32"), ["seasons.obon.dates: '08-32'", "12-01..12-25 or 12-25"]),
    (run("calendar.seasons.pay_day.days_of_month=32"), ["pay_day.days_of_month: 32", "from 1 to 31"]),
    (run("+calendar.warehouse_rests.a={every: sun}"), ["warehouse_rests.a.every: 'sun'", "did you mean sunday?"]),
    (run("+calendar.seasons.a={multiplier: 2}"), ["calendar.seasons.a: names no day", "at least one of"]),
    (run("+calendar.seasons.a={dates: 02-01..02-09, days_of_month: 25, multiplier: 2}"), ["a: names no day"]),
    (run("calendar.weekdays.monday=0"), ["calendar.weekdays.monday: 0", "above 0"]),
    (run("start_date=1899-12-31"), ["start_date: 1899-12-31", "from 1900-01-01 to 2200-12-31"]),
    (run("company.planned=1.1"), ["company.planned: 1.1", "from 0 to 1"]),
    (run("company.carrier.days=0.5"), ["company.carrier.days: 0.5", "from 1 to 30"]),
    # the season, which is no longer the market's
    (run("market.season.peaks={}"), ["market.season: is no longer a key", "group calendar"]),
    (run("market.season.peaks.year_end.days=9"), ["peaks.year_end.days: is no longer a key", "group calendar"]),
    (run("+market.season.peaks.a={start: 1}"), ["market.season: is no longer a key", "group calendar"]),
    # maps emptied
    (run("company={}"), ["company={}: a group cannot be empty", "company=NAME"]),
    (run("personas.mix={}"), ["personas.mix: no shares", "must sum to 1"]),
    (run("market.nope={}"), ["market.nope: no such key", "one of kind"]),
    # mechanisms
    (mail(f"+{MAIL}.rule.satisfaction={{at_least: 1}}"),
        ["ma_email.rule: satisfaction: a firm cannot log this", "one of orders"]),
    (mail(f"{MAIL}.rule={{orders: {{at_lest: 1}}}}"), ["rule.orders.at_lest", "at_least?"]),
    (mail(f"{MAIL}.rule={{segment: fans}}"), ["rule: 'fans'", "did you mean fan?"]),
    (mail(f"+{MAIL}.shares=[1.2]"), ["shares: 1.2", "from 0 to 1"]),
    (mail(f"+{MAIL}.variants=[1,2]",
        f"+{MAIL}.shares=[0.7,0.2]"), ["shares: 0.7, 0.2 sum to 0.9"]),
    (mail(f"+{MAIL}.shares=[0.5,0.5]"), ["shares: 2 numbers for 1 variants"]),
    (mail(f"+{MAIL}.holdout=2"), ["ma_email.holdout: 2", "from 0 to 1"]),
    (mail(f"{MAIL}.content=histry"), ["did you mean history?"]),
    (run("scenario=repro_pdca_weekly", f"{CYCLE}.explore=2"),
        ["cycle.explore: 2", "from 0 to 1"]),
    (run("scenario=mf_onboarding", "company.onboarding=null"), ["welcome needs company.onboarding"]),
    (run("scenario=muji_voc", "company.survey_share=0"), ["survey_share is 0"]),
    (
        run("scenario=ma_email", f"+{EMAIL}.rule.answer.at_most=6", "company.survey_share=0"),
        ["rule.answer", "survey_share is 0"],
    ),
    (run("scenario=rakuten_push", "company.opt_in.push=0"), ["opt_in.push is 0"]),
    (run("company.desk.hours=0"), ["company.desk.hours: 0", "from 1"]),
    (run("company.opt_in.mail=1.2"), ["company.opt_in.mail: 1.2", "from 0 to 1"]),
    # keys
    (run("customer=1000"), ["customer: no such key", "did you mean customers?"]),
    (run("draws=[0,5]"), ["draws: no such key", "did you mean points?"]),
    (run("company.capacty_ratio=1"), ["company.capacty_ratio", "did you mean company.capacity_ratio?"]),
    (run("capacity_ratio=1"), ["capacity_ratio", "did you mean company.capacity_ratio?"]),
    (run("company.zzz=1"), ["company.zzz: no such key", "one of name, members"]),
    (run("customers.count=3"), ["customers.count"]),
    (run("+customrs=3"), ["customrs: no such key", "did you mean customers?"]),
    (run("+company.desk.hour=3"), ["company.desk.hour: no such key", "did you mean hours?"]),
    (run("~company.margin"), ["company.margin: is missing"]),
    (run("+calendar.seasons._x={dates: 01-01}"), ["calendar.seasons._x", "begin with _"]),
    (run("+calendar.seasons.a={dates: 01-01}"), ["seasons.a.multiplier: is missing"]),
    (run("+personas.mix.a/b={share: 0}"), ["personas.mix.a/b"]),
    (run("+company._target_=os.system"), ["company._target_: os.system is refused"]),
    # choices of files
    (run("scenario=norush"), ["scenario=norush", "baseline, combo", "did you mean norush_coupon?"]),
    (run("scenario=[norush_coupon,peach]"), ["scenario=peach", "did you mean peach_popup?"]),
    (run("scenario=[]"), ["scenario: is empty"]),
    (run("scenario="), ["scenario="]),
    (run("scenario=[baseline,baseline]"), ["scenario=baseline", "named twice"]),
    (run("scenario=baseline,peach_popup"), ["scenario=baseline,peach_popup", "[a,b]", "-m"]),
    (run("company=cdnwo"), ["company=cdnwo", "did you mean cdnow?"]),
    (run("compny=cdnow"), ["compny", "did you mean company?"]),
    # the command line itself
    (run("customers"), ["customers: not of the form key=value"]),
    (run("a=["), ["a=[: not of the form key=value"]),
    (run("--fast"), ["run: unrecognized arguments: --fast"]),
    (run("--cfg", "jobs"), ["run:", "jobs"]),
    (run("--config-dir", "nowhere"), ["--config-dir nowhere: is not a folder"]),
    (run("--config-name", "nothing"), ["nothing"]),
    (run("hydra.job.env_set={A: b}"), ["hydra.job.env_set", "refused"]),
    (run("hydra.callbacks={a: {_target_: os.system}}"), ["hydra.callbacks.a._target_", "refused"]),
    (run("scenario=peach_popup", "scenario.norush_coupon.interventions.norush_coupon.face=200"),
     ["interventions.norush_coupon.face: is a key of the default scenario, not of the one that is chosen"]),
    (["rnu"], ["rnu: no such command", "did you mean run?"]),
    (["report", "nowhere"], ["nowhere: is no run folder"]),
    (["report"], ["report:", "RUN"]),
    (["scenarios", "--config-dir", "nowhere"], ["--config-dir nowhere"]),
    (["check", "norush"], ["norush: no such regression file", "did you mean norush_coupon?"]),
    (["calibrate", "log.csv"], ["calibrate:", "--name"]),
    (["calibrate", "log.csv", "--name=d"], ["log.csv: there is no such file"]),
    (["log", "log.csv"], ["log.csv: there is no such file"]),
    (["log", "log.csv", "--decimal=x"], ["--decimal x", "one of ., ,"]),
    (["calibrate", "log.csv", "--customer=a", "--date=b", "--value=c", "--name=d", "--holdout=x"], ["'x'"]),
]  # fmt: skip

# A scenario file own/scenario/mine.yaml, and what the answer must hold.
FILES: list[tuple[str | bytes, Sequence[str]]] = [
    ("description: Mine.\ninterventions: {}\n", ["scenario=mine", "# @package scenario.mine"]),
    ("# @package scenario.yours\ndescription: Yours.\n", ["# @package scenario.mine"]),
    ("# @package scenario.mine\ninterventions: {}\n", ["scenario.mine.description: is missing"]),
    (HEADER, ["scenario.mine.interventions: is missing"]),
    (HEADER + "interventions: {a: {face: 150}}\n", ["scenario.mine.interventions.a: kind is missing"]),
    (HEADER + "interventions: {a: {_target_: os.system}}\n", ["interventions.a._target_", "refused"]),
    (HEADER + "interventions: {a: {kind: k, _x_: 1}}\n", ["interventions.a._x_", "begin with _"]),
    (HEADER + "interventions: {a: {kind: k, days: on}}\nextra: 1\n", ["scenario.mine.extra: no such key"]),
    (HEADER + "intervention: {}\n", ["scenario.mine.intervention", "did you mean interventions?"]),
    (HEADER + "interventions: [a]\n", ["scenario.mine.interventions: ['a']", "group of keys"]),
    (HEADER + "interventions: {a b: {kind: k}}\n", ["'a b' is not a name"]),
    (HEADER + "interventions: {a: {kind: k, face: .nan}}\n", ["interventions.a.face: nan"]),
    (HEADER + "interventions: {a: {kind: k, start: 1200}}\n", ["interventions.a.start: 1200", "from 0 to 1094"]),
    (HEADER + "interventions: {a: {kind: k, days: 0}}\n", ["interventions.a.days: 0", "at least 1"]),
    (HEADER + "interventions: {}\nboth_arms: {company: {capcity: 1}}\n", ["both_arms.company.capcity: no such key"]),
    (HEADER + "interventions: {}\nboth_arms: {days: 30}\n", ["both_arms.days: a scenario cannot change this"]),
    (HEADER + "interventions: {}\nboth_arms: {marekt: {}}\n", ["both_arms.marekt", "did you mean market?"]),
    (HEADER + "interventions: {}\nboth_arms: 3\n", ["scenario.mine.both_arms: 3"]),
    (HEADER + "interventions: {}\nworld: {}\n", ["scenario.mine.world: no such key", "did you mean both_arms?"]),
    (
        HEADER + "interventions: {}\nboth_arms: {calendar: {seasons: {easter: null}}}\n",
        ["both_arms.calendar.seasons.easter", "no easter to take away"],
    ),
    (
        HEADER + "interventions: {}\nboth_arms: {market: {season: {peaks: {x: null}}}}\n",
        ["scenario.mine.both_arms.market.season: is no longer a key", "group calendar"],
    ),
    (HEADER + "interventions: {}\nboth_arms: {company: {margin: 7}}\n",
     ["scenario.mine.both_arms.company.margin: 7", "from 0 to 1"]),
    (HEADER + "interventions: {a: [}\n", ["no YAML", "mine.yaml", "line 3"]),
    ("# @package scenario.mine\n- a\n- b\n", ["mine"]),
    (b"\xff\xfe\x00", ["not UTF-8"]),
    (HEADER + "interventions: {a: {kind: '${oc.env:HOME}'}}\n", ["not read from the environment"]),
    (HEADER + "interventions: {a: {kind: '${nowhere}'}}\n", ["nowhere"]),
    ("# @package _global_\nhydra: {callbacks: {a: {_target_: os.system}}}\n", ["hydra.callbacks.a._target_"]),
    ("# @package _global_\nhydra: {job: {env_set: {A: b}}}\n", ["hydra.job.env_set"]),
]  # fmt: skip


# Options of an intervention, and what is said under its key.
WHOLE = "a list of options, each a whole number"
TWO = "kind: email, variants: [1, 2]"
REFUSED: list[tuple[str, str]] = [
    # uncertain ones, where draws may take them
    ("kind: email, lift: {value: 1, range: [0, 20]}", "lift.range: 20 is not allowed; from -10 to 10"),
    ("kind: email, lift: {value: 1, options: [1, -11]}", "lift.options: -11 is not allowed; from -10 to 10"),
    ("kind: email, lift: {mean: 20, se: 1}", "lift: 20 is not allowed; from -10 to 10"),
    ("kind: email, cost: {value: 2, range: [1, 100001]}", "cost.range: 100001 is not allowed; from 0 to 100000"),
    ("kind: email, content: {value: history, options: [history, b]}", "content.options: 'b' is not allowed; one of"),
    ("kind: email, every: {value: 7, range: [5, 9]}", f"every.range: 5 to 9 is not allowed; {WHOLE}"),
    ("kind: email, every: {mean: 20, se: 1}", f"every.se: 14 to 26 is not allowed; {WHOLE}"),
    ("kind: email, every: {value: 7, options: [7, 7.5]}", "every.options: 7.5 is not allowed; a whole number from 1"),
    ("kind: email, start: {value: 7, range: [5, 9]}", f"start.range: 5 to 9 is not allowed; {WHOLE}"),
    ("kind: email, days: {value: 7, range: [5, 9]}", f"days.range: 5 to 9 is not allowed; {WHOLE}"),
    (f"{TWO}, cycle: {{every: {{value: 7, range: [5, 9]}}}}", f"cycle.every.range: 5 to 9 is not allowed; {WHOLE}"),
    (f"{TWO}, cycle: {{explore: {{value: 0.2, range: [0, 2]}}}}", "cycle.explore.range: 2 is not allowed; from 0 to 1"),
    (f"{TWO}, lift: {{value: 1, range: [0, 6]}}", "lift.range: variants: 2 times the lift is 12 logits"),
    # useless or contradictory ones
    ("kind: email, cycle: {every: 7}", "cycle: 1 variant leaves nothing to choose from; at least 2"),
    (f"{TWO}, cycle: {{explore: 0.6}}", "cycle.explore: 0.6 is not allowed; at most 0.5"),
    ("kind: email, rule: {searched: {topic: a, within_days: -1}}", "rule.searched.within_days: -1 is not allowed; a"),
    ("kind: email, rule: {searched: {topic: a, within_days: 1.5}}", "rule.searched.within_days: 1.5 is not allowed"),
    ("kind: email, rule: {orders: {at_most: -1}}", "rule.orders: {'at_most': -1} finds nobody; from 0 up"),
    ("kind: email, rule: {days_since_order: {at_most: -1}}", "rule.days_since_order: {'at_most': -1} finds nobody"),
    ("kind: email, rule: {answer: {at_least: 11}}", "rule.answer: {'at_least': 11} finds nobody; from 0 to 10"),
    ("kind: email, rule: {preference: {at_least: 2}}", "rule.preference: {'at_least': 2} finds nobody; from 0 to 1"),
    ("kind: email, rule: {activated: {at_least: 2}}", "rule.activated: {'at_least': 2} finds nobody; from 0 to 1"),
    ("kind: voice_of_customer, cost: 1.0e+21", "cost: 1e+21 is not allowed; from 0 to"),
    ("kind: voice_of_customer, budget: 1.0e+21", "budget: 1e+21 is not allowed; from 0 to"),
    ("kind: outage, touchpoint: store, friction: 1", "friction: does nothing where touchpoint is not site"),
    ("kind: delivery_choice, extra_days: [2, 2], faces: [1, 2], valid_days: 9", "extra_days: [2, 2] is not allowed"),
    ("kind: email, lift: 2, variants: [1, -6]", "variants: -6 times the lift is -12 logits; from -10 to 10"),
    (f"{TWO}, appeals: [0, 11]", "appeals: 11 is not allowed; from -10 to 10"),
]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own, and an experiment that must not be reached."""
    monkeypatch.chdir(tmp_path)

    def reached(*_: object) -> NoReturn:
        raise AssertionError("bad input reached the experiment")

    for module in (sim.run.experiment, sim.studies.sweep, sim.studies.regression):
        monkeypatch.setattr(module, "run_experiment", reached)


def left() -> set[str]:
    return {str(path) for path in Path().rglob("*")}


def assert_refused(words: list[str], fragments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = left()
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("cxsim: ")
    for fragment in fragments:
        assert fragment in err
    assert left() == before


@pytest.mark.parametrize(("words", "fragments"), VALUES, ids=[" ".join(words) for words, _ in VALUES])
def test_bad_value(words: list[str], fragments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(words, fragments, capsys)


@pytest.mark.parametrize(("content", "fragments"), FILES)
def test_bad_scenario_file(
    content: str | bytes, fragments: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path("own/scenario/mine.yaml")
    file.parent.mkdir(parents=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert_refused(mine(), fragments, capsys)


def test_own_file_hidden_by_a_shipped_one(capsys: pytest.CaptureFixture[str]) -> None:
    Path("own/company").mkdir(parents=True)
    Path("own/company/cdnow.yaml").write_text("name: mine\n")
    assert_refused(["run", "--config-dir", "own"], ["own/company/cdnow.yaml", "another name"], capsys)


def test_scenarios_that_want_different_worlds(capsys: pytest.CaptureFixture[str]) -> None:
    Path("own/scenario").mkdir(parents=True)
    Path("own/scenario/mine.yaml").write_text(
        HEADER + "interventions: {}\nboth_arms: {company: {capacity: 2}}\n"
    )
    words = ["run", "--config-dir", "own", "scenario=[norush_coupon_peak,mine]"]
    assert_refused(words, ["both_arms.company.capacity: 2", "0.97", "both arms differently"], capsys)


def test_folder_that_is_not_empty(capsys: pytest.CaptureFixture[str]) -> None:
    Path("full").mkdir()
    Path("full/thing").touch()
    words = run("scenario=baseline", "hydra.run.dir=full")
    assert_refused(words, ["hydra.run.dir=full", "not empty"], capsys)


def test_folder_that_is_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").touch()
    assert_refused(run("scenario=baseline", "hydra.run.dir=file"), ["hydra.run.dir=file"], capsys)
    assert_refused(run("scenario=baseline", "hydra.run.dir=file/below"), ["file"], capsys)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_no_space_or_permission(
    number: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object, *_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", refuse)
        assert_refused(run("scenario=baseline", "hydra.run.dir=a/b"), [os.strerror(number), "a"], capsys)


def test_sweep_names_the_run_that_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(run("-m", "customers=5,6", "hydra.sweep.dir=a/b")) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line[: len("cxsim: customers: 5")] for line in err.splitlines()] == [
        "cxsim: customers: 5",
        "cxsim: customers: 6",
    ]
    assert left() == set()


@pytest.mark.parametrize(
    ("interventions", "fragments"),
    [
        ("{a: {kind: nothing}}", ["scenario.mine.interventions.a.kind", "nothing", "norush_coupon"]),
        (
            "{a: {kind: norush_coupn, face: 1, valid_days: 9}}",
            ["interventions.a", "norush_coupn", "norush_coupon"],
        ),
        ("{a: {kind: norush_coupon, fase: 150, valid_days: 60}}", ["interventions.a", "fase"]),
        ("{a: {kind: norush_coupon, face: -1, valid_days: 60}}", ["interventions.a", "face"]),
        ("{a: {kind: norush_coupon, face: 150, valid_days: many}}", ["interventions.a", "valid_days"]),
        ("{a: {kind: norush_coupon, valid_days: 60}}", ["interventions.a", "face"]),
        *((f"{{a: {{{options}}}}}", [f"scenario.mine.interventions.a.{told}"]) for options, told in REFUSED),
    ],
)
def test_bad_intervention(
    interventions: str, fragments: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("own/scenario").mkdir(parents=True)
    Path("own/scenario/mine.yaml").write_text(HEADER + f"interventions: {interventions}\n")
    assert_refused(mine(), fragments, capsys)


def test_the_name_of_another_kind_is_refused() -> None:
    completed({})  # loads every module of scenarios/
    coupon = REGISTRY["norush_coupon"]

    class Other(Intervention):
        """Another kind."""

    with pytest.raises(ConfigError, match=r"^kind: 'norush_coupon' is the name of scenarios.delivery.NorushCoupon"):
        register("norush_coupon")(Other)
    assert register("norush_coupon")(coupon) is REGISTRY["norush_coupon"] is coupon  # as a notebook's cell, run again


def test_there_are_sixty_cases() -> None:
    assert len(VALUES) + len(FILES) >= 60
