"""Ten lines by hand: the quick company, and a company's own evidence on behaviour."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from sim.config.overlays import Quick, lay_company
from sim.config.settings import load_settings
from sim.phrases import ConfigError
from tests.config import compose


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    return compose.raw("company=quick", "scenario=baseline")


def with_quick(raw: dict[str, Any], **figures: Any) -> dict[str, Any]:
    changed = copy.deepcopy(raw)
    changed["company"]["quick"].update(figures)
    return changed


def test_quick_runs_as_shipped_and_means_what_it_says(raw: dict[str, Any]) -> None:
    settings = load_settings(raw)
    assert set(raw["company"]["quick"]) == set(Quick.model_fields)
    spend = settings.company.purchase.gamma_gamma
    assert spend.p.value * spend.gamma.value / (spend.q.value - 1) == pytest.approx(3500)
    assert settings.behaviour.choice.conversion_customer.value == 0.10
    assert settings.company.margin.value == 0.30
    assert settings.company.capacity_ratio.value == pytest.approx(51 / (1500 * 12 / 365 * 0.8))


def test_more_orders_mean_a_faster_rhythm_under_both_clocks(raw: dict[str, Any]) -> None:
    few = load_settings(raw).company.purchase
    many = load_settings(with_quick(raw, orders_a_month=6000)).company.purchase
    assert many.bg_nbd.alpha.value < few.bg_nbd.alpha.value
    assert many.pareto_nbd.alpha.value < few.pareto_nbd.alpha.value
    assert many.pareto_nbd.r == few.pareto_nbd.r


def test_evidence_goes_through_the_conversion(raw: dict[str, Any]) -> None:
    figures = {
        "average_basket": {"mean": 4000, "se": 100, "source": "our books"},
        "orders_a_month": {"value": 1500, "range": [1200, 1800], "source": "a guess"},
        "conversion": {"mean": 0.12, "se": 0.01, "source": "our own test of May"},
    }
    settings = load_settings(with_quick(raw, **figures))
    gamma = settings.company.purchase.gamma_gamma.gamma
    assert gamma.mean is not None
    assert gamma.se is not None
    assert gamma.se / gamma.mean == pytest.approx(100 / 4000)
    alpha = settings.company.purchase.pareto_nbd.alpha
    assert alpha.low is not None
    assert alpha.high is not None
    assert alpha.low < alpha.value < alpha.high
    assert settings.behaviour.choice.conversion_customer.se == 0.01


def test_what_is_given_by_hand_stands_above_it(raw: dict[str, Any]) -> None:
    changed = copy.deepcopy(raw)
    changed["company"]["capacity_ratio"] = 1.13
    changed["behaviour"]["choice"]["conversion_customer"] = 0.2
    by_hand = {"company.capacity_ratio", "behaviour.choice.conversion_customer.value"}
    settings = load_settings(changed, by_hand)
    assert settings.company.capacity_ratio.value == 1.13
    assert settings.behaviour.choice.conversion_customer.value == 0.2


def test_laying_leaves_the_raw_configuration_alone(raw: dict[str, Any]) -> None:
    before = copy.deepcopy(raw)
    laid = lay_company(raw)
    assert raw == before
    assert "quick" not in laid["company"]


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"orders_amonth": 10}, "company.quick.orders_amonth: no such key; .*did you mean orders_a_month"),
        ({"orders_a_month": 0}, "company.quick.orders_a_month: 0 is not allowed; above 0"),
        ({"orders_a_month": 5}, "company.quick.orders_a_month: 5 is not allowed; .* for 50000 members"),
        ({"orders_a_month": "many"}, "company.quick.orders_a_month: 'many' is not a number"),
        ({"average_basket": -1}, "company.quick.average_basket: -1 is not allowed"),
        ({"average_basket": {"mean": 3, "sd": 1}}, "company.quick.average_basket: unknown key 'sd'"),
        ({"conversion": 1.5}, "company.quick.conversion|behaviour.choice.conversion_customer"),
        ({"capacity_a_day": True}, "company.quick.capacity_a_day: true is a switch"),
    ],
)
def test_bad_figures_are_told_by_their_key(raw: dict[str, Any], figures: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        load_settings(with_quick(raw, **figures))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("company", "told"),
    [
        ({"quick": 5}, "company.quick: 5 is not a group of keys"),
        ({"quick": {"capacity_a_day": 50}}, "needs orders_a_month"),
        ({"behaviour": 5}, "company.behaviour: is not a group of keys"),
        ({"behaviour": {"delivery": {"utility_norsh": 1}}}, "utility_norsh: .*did you mean utility_norush"),
    ],
)
def test_a_companys_own_keys_are_checked(raw: dict[str, Any], company: dict[str, Any], told: str) -> None:
    changed = copy.deepcopy(raw)
    changed["company"] |= company
    with pytest.raises(ConfigError, match=told):
        load_settings(changed)


def test_a_company_knows_its_own_customers_better() -> None:
    raw = compose.raw("scenario=baseline")
    raw["company"]["behaviour"] = {"coupons": {"redemption": {"mean": 0.55, "se": 0.02, "source": "our own test"}}}
    assert load_settings(raw).behaviour.coupons.redemption.mean == 0.55
    raw["behaviour"]["coupons"]["redemption"] = 0.9
    assert load_settings(raw, {"behaviour.coupons.redemption"}).behaviour.coupons.redemption.value == 0.9
