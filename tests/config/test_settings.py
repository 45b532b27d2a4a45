"""What the checked configuration holds, and what may be done with it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from scenarios.intervention import treated_arms
from sim.config.overlays import apply_both_arms
from sim.config.parameters import Bounds, Choice, Parameter, choice, parameter
from sim.config.sampling import value_at
from sim.config.settings import Settings, load_settings, resolved, variant_names, with_variant
from sim.phrases import ConfigError
from tests.config import compose

LIFT = "scenario.ma_email.interventions.ma_email.lift"
FACE = "scenario.norush_coupon.interventions.norush_coupon.face"


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    return compose.raw()


@pytest.fixture(scope="module")
def shipped(raw: dict[str, Any]) -> Settings:
    return load_settings(raw)


SHIPPED_SEASONS = ("year_end", "golden_week", "obon", "days_with_5", "pay_day")


@pytest.fixture(scope="module")
def peak() -> dict[str, Any]:
    return compose.raw("scenario=norush_coupon_peak")


def present(option: Any) -> Any:
    """An option, or a group of them, with every parameter as its present value."""
    if isinstance(option, dict):
        return {key: present(part) for key, part in option.items()}
    return option.value if isinstance(option, Parameter | Choice) else option


def test_every_number_is_read_the_same_way(shipped: Settings) -> None:
    assert shipped.behaviour.talk.base.value == 0.10
    assert (shipped.behaviour.talk.base.low, shipped.behaviour.talk.base.high) == (0.05, 0.20)
    assert shipped.behaviour.talk.talkativeness_sd == parameter(0.0)(0.7)
    assert shipped.behaviour.attrition.clock.value == "time"
    assert shipped.company.classes.norush.lead == 6


def test_parameters_are_sorted_and_include_those_of_interventions(shipped: Settings) -> None:
    found = dict(shipped.parameters())
    assert list(found) == sorted(found)
    assert found[FACE].value == 150.0
    assert isinstance(found["behaviour.attrition.clock"], Choice)
    assert found["company.margin"].grade == "judgement"
    assert found["personas.declared"].grade == "known"


def test_draws_of_an_options_own_evidence_are_cut_at_its_bounds() -> None:
    known = compose.shipped("scenario=ma_email", f"+{LIFT}.mean=9", f"+{LIFT}.se=3")
    lift = dict(known.parameters())[LIFT]
    assert isinstance(lift, Parameter)
    assert lift.bounds == Bounds(-10.0, 10.0)
    assert 9.0 < float(value_at(lift, 1.0 - 1e-9)) <= 10.0
    treated_arms(known)


def test_what_does_nothing_gets_no_prior() -> None:
    path = "scenario.shock_outage.interventions.shock_outage"
    for touchpoint, there in (("site", True), ("store", False)):
        found = compose.shipped("scenario=shock_outage", f"{path}.touchpoint={touchpoint}")
        assert (f"{path}.friction" in dict(found.parameters())) is there
        treated_arms(found)


def test_every_uncertain_number_has_a_source(shipped: Settings) -> None:
    for path, one in shipped.parameters():
        if one.uncertain:
            assert one.source, path
            assert one.grade in ("measured", "claimed", "judgement"), path


def test_at_puts_values_in_as_known(shipped: Settings) -> None:
    point = {
        FACE: 75,
        "company.margin": 0.4,
        "behaviour.attrition.clock": "episode",
        "market.competitor": -0.5,
    }
    put = shipped.at(point)
    found = dict(put.parameters())
    assert {path: found[path].value for path in point} == point
    assert not any(found[path].uncertain for path in point)
    assert found["company.margin"].unit == "share of basket"
    assert present(put.scenario["norush_coupon"].interventions["norush_coupon"].options) == {
        "face": 75, "valid_days": 60, "costs": {"setup": 500_000, "per_day": 1000},
    }  # fmt: skip
    assert shipped.company.margin.uncertain  # untouched
    assert load_settings({**resolved(put), "engine": "column", "threads": 1}) == put.model_copy(
        update={"threads": 1}
    )


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"company.margn": 0.3}, "company.margn: no such parameter; did you mean company.margin?"),
        ({"company.margin": 1.3}, "company.margin: 1.3 is not allowed; from 0 to 1"),
        ({"company.margin": True}, "company.margin: true is a switch"),
        ({"company.members": 3}, "company.members: no such parameter"),
        ({"company": 3}, "company: no such parameter"),
        ({"company.margin.value": 0.3}, "company.margin.value: no such parameter"),
        ({"behaviour.attrition.clock": "month"}, "'month' is not allowed; one of time, episode"),
    ],
)
def test_at_refuses(shipped: Settings, point: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        shipped.at(point)
    assert message in str(refused.value)


def test_hard_bounds_hold_without_a_range(shipped: Settings) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        shipped.at({"company.capacity": 0.0})


def test_resolved_can_be_run_again_and_names_no_engine(shipped: Settings) -> None:
    written = resolved(shipped)
    assert "engine" not in written
    assert "threads" not in written
    assert load_settings({**written, "engine": shipped.engine, "threads": shipped.threads}) == shipped
    assert written["company"]["margin"]["range"] == [0.15, 0.5]
    assert written["start_date"] == "2027-01-01"


def test_resolved_world_can_be_run_again(peak: dict[str, Any]) -> None:
    written = resolved(load_settings(peak))
    assert "both_arms" not in written["scenario"]["norush_coupon_peak"]
    again = load_settings({**written, "engine": "column", "threads": "auto"})
    assert resolved(again) == written
    assert again.calendar.seasons.keys() == {*SHIPPED_SEASONS, "sale"}


def test_settings_are_frozen(shipped: Settings) -> None:
    with pytest.raises(ValueError, match="frozen"):
        shipped.days = 30  # type: ignore[misc]


# ------------------------------------------------------------------------------------------- ways of writing


def test_evidence_of_the_firm_replaces_the_prior() -> None:
    merged = {
        "value": 0.3,
        "range": [0.1, 0.5],
        "unit": "share",
        "grade": "judgement",
        "mean": 0.4,
        "se": 0.02,
    }
    found = parameter(0.0, 1.0)({**merged, "source": "our books"})
    assert (found.value, found.mean, found.se) == (0.4, 0.4, 0.02)
    assert (found.low, found.high) == pytest.approx((0.3671, 0.4329), abs=1e-4)
    assert (found.grade, found.source, found.unit) == ("measured", "our books", "share")
    assert found.plain() == {
        "mean": 0.4,
        "se": 0.02,
        "unit": "share",
        "grade": "measured",
        "source": "our books",
    }


def test_interval_of_evidence_stays_within_hard_bounds() -> None:
    found = parameter(0.0, 1.0)({"mean": 0.95, "se": 0.1})
    assert found.high == 1.0


@given(st.floats(-1e6, 1e6), st.floats(0.1, 1e3), st.floats(0.1, 1e3))
@hypothesis_settings(max_examples=50, deadline=None)
def test_what_is_written_is_read_back(value: float, below: float, above: float) -> None:
    read = parameter()
    one = read({"value": value, "range": [value - below, value + above], "unit": "su", "source": "s"})
    assert read(one.plain()) == one
    assert read(read(value).plain()) == read(value)


def test_a_choice_of_names() -> None:
    one = choice("a", "b")({"value": "a", "options": ["a", "b"], "source": "s"})
    assert one.uncertain
    assert choice("a", "b")(one.plain()) == one
    assert not choice("a", "b")("b").uncertain
    with pytest.raises(ConfigError, match="range has no meaning"):
        choice("a", "b")({"value": "a", "range": [0, 1]})


def test_options_of_an_intervention(raw: dict[str, Any]) -> None:
    config = copy.deepcopy(raw)
    options = {
        "kind": "k",
        "rule": "visited",
        "on": True,
        "segments": ["fan", "plain"],
        "lift": {"value": 1, "range": [0, 2]},
        "reading": {"value": "low", "options": ["low", "high"]},
        "variants": {"a": {"cost": 3}},
    }
    config["scenario"]["norush_coupon"]["interventions"] = {"it": options}
    settings = load_settings(config)
    one = settings.scenario["norush_coupon"].interventions["it"]
    assert present(one.options) == {
        "rule": "visited",
        "on": True,
        "segments": ("fan", "plain"),
        "lift": 1,
        "reading": "low",
        "variants": {"a": {"cost": 3}},
    }
    start = "scenario.norush_coupon.interventions.it"
    assert [path for path, _ in settings.parameters() if path.startswith(start)] == [
        f"{start}.lift",
        f"{start}.reading",
        f"{start}.variants.a.cost",
    ]
    put = settings.at({f"{start}.variants.a.cost": 5, f"{start}.reading": "high"})
    found = present(put.scenario["norush_coupon"].interventions["it"].options)
    assert found["variants"] == {"a": {"cost": 5}}
    assert found["reading"] == "high"


# -------------------------------------------------------------------------------------------------- worlds


def test_a_world_holds_for_the_company_and_the_calendar(peak: dict[str, Any]) -> None:
    settings = load_settings(peak)
    assert settings.company.capacity.value == 0.97
    assert not settings.company.capacity.uncertain
    assert set(settings.calendar.seasons) == {*SHIPPED_SEASONS, "sale"}
    assert peak["calendar"]["seasons"].keys() == set(SHIPPED_SEASONS)  # the raw configuration is untouched


def test_what_is_given_by_hand_stands_above_a_world(peak: dict[str, Any]) -> None:
    config = copy.deepcopy(peak)
    config["company"]["capacity"] = 1.5
    by_hand = ["company.capacity"]
    assert load_settings(config, by_hand).company.capacity.value == 1.5
    assert load_settings(config).company.capacity.value == 0.97
    below = apply_both_arms(peak, ["company.capacity.value"])
    assert below["company"]["capacity"] == peak["company"]["capacity"]


def with_world(raw: dict[str, Any], **worlds: Any) -> dict[str, Any]:
    config = copy.deepcopy(raw)
    config["scenario"] = {
        name: {"description": name, "interventions": {}, "both_arms": world} for name, world in worlds.items()
    }
    return config


def test_worlds_that_agree_and_worlds_that_do_not(raw: dict[str, Any]) -> None:
    tight, also = {"company": {"capacity": 1.1}}, {"company": {"capacity": 1.1, "margin": 0.2}}
    assert load_settings(with_world(raw, a=tight, b=also)).company.margin.value == 0.2
    with pytest.raises(ConfigError, match=r"scenario.b.both_arms.company.capacity: 1.2, but scenario.a"):
        load_settings(with_world(raw, a=tight, b={"company": {"capacity": 1.2}}))
    with pytest.raises(ConfigError, match="change both arms differently"):
        load_settings(with_world(raw, a=tight, b={"company": {"capacity": {"value": 1.2}}}))


def test_a_world_may_say_more_about_a_plain_number(raw: dict[str, Any]) -> None:
    world = {"company": {"survey_share": {"mean": 0.04, "se": 0.01}, "margin": {"mean": 0.4, "se": 0.1}}}
    settings = load_settings(with_world(raw, a=world))
    assert settings.company.survey_share.se == 0.01
    assert settings.company.margin.mean == 0.4


def test_a_world_takes_seasons_away(raw: dict[str, Any]) -> None:
    without = load_settings(with_world(raw, a={"calendar": {"seasons": {"obon": None}}}))
    assert without.calendar.seasons.keys() == set(SHIPPED_SEASONS) - {"obon"}
    assert load_settings(with_world(raw, a={"calendar": {"seasons": {}}})).calendar.seasons == {}


# --------------------------------------------------------------------------------- refusals without Hydra


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "scenario: is empty"),
        ([], "a group of keys is expected"),
        ({"scenario": "baseline"}, "scenario: 'baseline' is not allowed"),
        ({"scenario": {"description": "x"}}, "# @package scenario.NAME"),
        ({"scenario": {"a": {"_target_": "os.system"}}}, "scenario.a._target_"),
        ({"scenario": {"a": [{"__class__": 1}]}}, "scenario.a[0].__class__"),
    ],
)
def test_refused_before_anything_is_read(config: Any, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings(config)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_type_of_a_parameter() -> None:
    assert isinstance(parameter()(1), Parameter)
    with pytest.raises(ConfigError, match="not a number"):
        parameter()("1")


def test_variants_are_written_out_and_read_again() -> None:
    found = compose.shipped("scenario=rakuten_push")
    assert variant_names(found) == [("rakuten_push", "fortnightly"), ("rakuten_push", "asked_once_a_quarter")]
    again = load_settings(resolved(found) | {"engine": found.engine, "threads": found.threads})
    assert resolved(again) == resolved(found)
    own = with_variant(found, "rakuten_push", "asked_once_a_quarter").scenario["rakuten_push"]
    assert own.interventions["rakuten_ask"].options["every"].value == 84
    assert own.interventions["rakuten_push"] == found.scenario["rakuten_push"].interventions["rakuten_push"]
    assert not own.variants
