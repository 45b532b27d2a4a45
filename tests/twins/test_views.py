"""A customer as a Mesa agent is a view of its row under both engines, and holds nothing of its own."""

from __future__ import annotations

import mesa
import pytest

from agents.columns import ATTRIBUTES, OBSERVABLE, STATUS_NAMES
from agents.customer import Customer
from sim.world.engines import ByAgent
from sim.world.model import CXModel, EngineName, founded
from tests.worlds import BUSY, free_world, settings

ROWS = (0, 7, 299)


def young(engine: EngineName) -> CXModel:
    found = settings(
        "scenario=baseline", "customers=300", "days=30", "burn_in=30", "calendar=flat", *BUSY
    )
    world = free_world(found, 2)
    return CXModel(world, founded(world), engine=engine)


@pytest.mark.parametrize("engine", ["column", "agent"])
def test_a_view_shows_the_columns_as_they_change(engine: EngineName) -> None:
    model = young(engine)
    views = {row: model.customer(row) for row in ROWS}
    shown = []
    for until in (-29, 0, 20):
        model.run(until)
        for row, view in views.items():
            assert isinstance(view, mesa.Agent)
            assert view.model is model
            assert view is model.customer(row)
            for name in ATTRIBUTES:
                assert getattr(view, name) == model.customers.columns.of(name)[row].item()
            assert view.status_name == STATUS_NAMES[model.customers.columns.status[row]]
            c, r = model.customers.columns, model.world.rules
            parts = [float(c.of(f"expect_{name}")[row]) for name in ("site", "store", "delivery", "product")]
            believed = sum(w * part for w, part in zip(r.weights, parts, strict=True)) / sum(r.weights)
            assert view.expectation == pytest.approx(believed, rel=1e-12)
        shown.append(tuple(getattr(view, name) for view in views.values() for name in ATTRIBUTES))
    assert len(set(shown)) == 3  # something has changed in between


@pytest.mark.parametrize("engine", ["column", "agent"])
def test_a_view_has_no_state_and_no_attribute_it_should_not(engine: EngineName) -> None:
    view = young(engine).customer(7)
    assert set(vars(view)) <= {"model", "unique_id", "pos", "customers", "row", "rng", "random", "scenario"}
    assert not set(vars(view)) & set(ATTRIBUTES)
    for name in ("loyalty", "Satisfaction", "expect", "_status", "npvs"):
        assert not hasattr(view, name)
        with pytest.raises(AttributeError, match="a customer has no"):
            getattr(view, name)
    known = {name for name in dir(Customer) if not name.startswith("_")} - set(dir(mesa.Agent))
    assert known == {
        "status_name", "expectation", "start", "settle", "receive", "come_by", "arrive", "look_around", "choose",
        "experience", "conclude", "lapse", "hear", "survey",
    }  # fmt: skip
    assert not known & set(ATTRIBUTES)


def test_the_agent_engine_has_one_agent_a_row_in_a_mesa_set() -> None:
    model = young("agent")
    assert isinstance(model.engine, ByAgent)
    assert [agent.row for agent in model.engine.set] == list(range(300))
    assert sum(agent.status_name == "customer" for agent in model.engine.set) == int(
        (model.customers.columns.status == 2).sum()
    )


def test_what_a_firm_can_log_holds_no_latent_trait() -> None:
    latent = (
        "satisfaction",
        "expect_",
        "lapse",
        "rate",
        "heard",
        "told",
        "talk",
        "style",
        "waiting",
        "spend",
        "status",
        "persona",
        "bound",
        "debt",
        "fatigue",
    )
    assert not [name for name in OBSERVABLE for word in latent if name.startswith(word)]
    assert set(ATTRIBUTES) >= OBSERVABLE
