"""Ten facts by hand: the quick company, and a company's own evidence on behaviour."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from sim.config.overlays import lay_company
from sim.config.sections import Facts
from sim.config.settings import load_settings
from sim.phrases import ConfigError
from tests.config import compose


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    return compose.raw("company=quick", "scenario=baseline")


def test_quick_is_every_fact_and_means_what_it_says(raw: dict[str, Any]) -> None:
    settings = load_settings(raw)
    assert set(yaml.safe_load(Path("conf/company/quick.yaml").read_text("utf-8"))["facts"]) == set(Facts.model_fields)
    assert settings.company.facts.average_basket.value == 3500
    assert settings.company.facts.classes.norush.value == 0.12
    assert settings.company.margin.value == 0.30


def test_evidence_stands_in_a_fact(raw: dict[str, Any]) -> None:
    changed = copy.deepcopy(raw)
    changed["company"]["facts"]["conversion"] = {"mean": 0.03, "se": 0.002, "source": "our own count of May"}
    assert load_settings(changed).company.facts.conversion.se == 0.002


def test_what_was_in_quick_is_told_where_it_stands_now(raw: dict[str, Any]) -> None:
    changed = copy.deepcopy(raw)
    changed["company"]["quick"] = {"orders_a_month": 10}
    with pytest.raises(ConfigError, match=r"company\.quick: is no longer a key; its figures stand in company\.facts"):
        load_settings(changed)


@pytest.mark.parametrize(
    ("company", "told"),
    [
        ({"facts": 5}, "company.facts: 5 is not a group of keys"),
        ({"behaviour": 5}, "company.behaviour: is not a group of keys"),
        ({"behaviour": {"delivery": {"fee_slop": 1}}}, "fee_slop: .*did you mean fee_slope"),
        ({"behaviour": {"delivery": {"utility_norush": 1}}}, "company.behaviour.delivery.utility_norush: follows from"),
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
    before = copy.deepcopy(raw)
    assert load_settings(raw).behaviour.coupons.redemption.mean == 0.55
    assert "behaviour" not in lay_company(raw)["company"]
    assert raw == before
    raw["behaviour"]["coupons"]["redemption"] = 0.9
    assert load_settings(raw, {"behaviour.coupons.redemption"}).behaviour.coupons.redemption.value == 0.9
