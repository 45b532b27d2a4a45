"""The journey map: from journeys written by hand to its curve, pain points, facts and moments of truth."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from scipy.stats import t

from analysis.effects.answer import write_effects
from analysis.folders.run_folder import Run
from analysis.journeys import map_page, map_words
from analysis.journeys.map import (
    IN_STORE,
    IN_TIME,
    LATE,
    NOTHING,
    Lived,
    clustered,
    journey_map,
    moments,
    pains,
    personas,
)
from analysis.journeys.map_page import write_map
from analysis.journeys.read import Journeys
from analysis.style import look
from analysis.style.language import told_in
from cxsim import cli
from tests.analysis.hand_written import customers, events, states, write_run

B, X = "baseline", "X"
DAYS = 100


def run_of(folder: Path) -> Path:
    """Two hurried customers and a fan. Customer 0 orders online twice, once late and bad; 1 in the store, bad; 2 only
    visits. In X the late delivery comes in time and is good. It lets customer 0 down, the store 1."""
    rows = []
    for arm in (B, X):
        late, bad = (3.0, -1.2) if arm == B else (0.0, 0.8)
        blamed = [(0, "let down", 5, arm, 2.0)] if arm == B else []
        rows += [
            (0, "heard", 1, arm, -0.6),
            (0, "visit", 2, arm, 0.0), (0, "order", 2, arm, 3000.0), (0, "coupon redeemed", 2, arm, 500.0),
            (0, "delivered", 5, arm, late), (0, "support contact", 5, arm, 12.0), (0, "episode", 5, arm, bad),
            *blamed,
            (0, "talk", 5, arm, bad),
            (0, "visit", 22, arm, 1.0), (0, "order", 22, arm, 1000.0),
            (0, "delivered", 24, arm, -1.0), (0, "episode", 24, arm, 0.4),
            (1, "aware", 3, arm, 2.0),
            (1, "visit", 10, arm, 2.0), (1, "order", 10, arm, 2000.0),
            (1, "delivered", 10, arm, 0.0), (1, "episode", 10, arm, -0.4), (1, "let down", 10, arm, 1.0),
            (1, "lapsed", 20, arm, 10.0),
            (2, "visit", 4, arm, 0.0), (2, "visit", 8, arm, 0.0),
        ]  # fmt: skip
    felt = [
        (customer, day, arm, satisfaction, expectation)
        for arm in (B, X)
        for customer, day, satisfaction, expectation in (
            (0, 2, 0.5, 0.9), (0, 5, 0.1, 0.7), (0, 22, 0.1, 0.6), (0, 24, 0.2, 0.6),
            (1, 10, 0.5, 0.3), (1, 10, 0.3, 0.2),
            (2, 4, 0.5, 0.8), (2, 8, 0.5, 0.4),
        )
    ]  # fmt: skip
    people = customers({0: "hurried", 1: "hurried", 2: "fan"}, (B, X), acquired_day={0: 2}, lapsed_day={1: 20})
    frames = {"events.parquet": events(rows), "states.parquet": states(felt), "customers.parquet": people}
    scenario = {"X": {"description": "Deliver in time.", "interventions": {"x": {"kind": "staff"}}}}
    made = write_run(folder, days=DAYS, scenario=scenario, frames=frames, events=3)
    write_effects(made)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def journeys(folder: Path) -> Journeys:
    return Journeys(Run(folder))


def lived(journeys: Journeys, arm: str = B, customers: int = 3) -> Lived:
    """What the first so many customers lived through."""
    return Lived(journeys, arm, pd.RangeIndex(customers))


# -- intervals ------------------------------------------------------------------------------------------------


def test_an_occasion_per_customer_gives_the_usual_interval() -> None:
    values = np.array([1.0, 2.0, 4.0, 9.0])
    found = clustered([(np.arange(4), values)])
    half = float(t.ppf(0.95, 3)) * values.std(ddof=1) / 2
    assert found.value == 4.0
    assert (found.low, found.high) == pytest.approx((4.0 - half, 4.0 + half))


def test_a_customer_counted_twice_tells_no_more_than_once() -> None:
    values = np.array([1.0, 2.0, 4.0, 9.0])
    once, twice = clustered([(np.arange(4), values)]), clustered([(np.tile(np.arange(4), 2), np.tile(values, 2))])
    assert twice[:3] == pytest.approx(once[:3])
    assert (twice.occasions, twice.customers) == (8, 4)


def test_the_same_customers_moved_alike_leave_no_doubt() -> None:
    who, values = np.arange(5), np.array([0.0, 3.0, 1.0, 8.0, 2.0])
    found = clustered([(who, values + 0.5), (who, values)])
    assert found[:3] == pytest.approx((0.5, 0.5, 0.5))


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Customers with 1 to 5 occasions around a level of their own: coverage 90 % within four standard errors."""
    rng = np.random.default_rng(5)
    tries, hits = 400, 0
    for _ in range(tries):
        count = rng.integers(1, 6, 60)
        who = np.repeat(np.arange(60), count)
        values = rng.standard_normal(60)[who] + rng.standard_normal(len(who))
        found = clustered([(who, values)])
        hits += found.low <= 0.0 <= found.high
    assert abs(hits / tries - 0.9) < 4 * math.sqrt(0.9 * 0.1 / tries)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_customers_have_no_interval(count: int) -> None:
    found = clustered([(np.arange(count), np.ones(count))])
    assert math.isnan(found.low)
    assert found.occasions == count


# -- what was lived through -----------------------------------------------------------------------------------


def test_experiences_bear_what_came_with_them_and_after(journeys: Journeys) -> None:
    table = lived(journeys).experiences.set_index(["customer", "day"])
    assert table["kind"].to_dict() == {(0, 5): LATE, (0, 24): IN_TIME, (1, 10): IN_STORE}
    assert table["first"].to_dict() == {(0, 5): True, (0, 24): False, (1, 10): False}
    assert table["satisfaction"].to_numpy() == pytest.approx([0.1 - 0.5, 0.2 - 0.1, 0.3 - 0.5])
    assert table["lapsed"].to_list() == [0.0, 0.0, 1.0]
    assert table["talked"].to_list() == [1.0, 0.0, 0.0]
    assert table["blamed"].to_list() == ["delivery", NOTHING, "store"]


def test_a_lapse_is_not_known_where_the_horizon_ends_before(tmp_path: Path) -> None:
    made = run_of(tmp_path / "run")
    config = made / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace(f"days: {DAYS}", "days: 34"), encoding="utf-8")
    table = lived(Journeys(Run(made))).experiences
    assert table["lapsed"].isna().to_list() == [False, True, True]


def test_two_deliveries_of_a_day_keep_their_scores(tmp_path: Path) -> None:
    rows = [
        (0, "delivered", 5, B, 2.0), (0, "delivered", 5, B, -1.0),
        (0, "episode", 5, B, -1.0), (0, "episode", 5, B, -0.2), (0, "let down", 5, B, 0.0),
    ]  # fmt: skip
    frames = {
        "events.parquet": events(rows), "states.parquet": states([(0, 5, B, 0.1, 0.1)]),
        "customers.parquet": customers({0: "fan"}, (B,)),
    }  # fmt: skip
    made = write_run(tmp_path / "run", frames=frames, events=1)
    table = lived(Journeys(Run(made))).experiences
    assert list(zip(table["kind"], table["score"], strict=True)) == [(LATE, -1.0), (IN_TIME, -0.2)]
    assert table["blamed"].isna().all()  # whose doing it was is logged once for both


# -- the map --------------------------------------------------------------------------------------------------


def test_the_curve_of_both_arms(journeys: Journeys) -> None:
    found = journey_map(journeys)
    values = {stage: [arms[arm].value for arm in (B, X)] for stage, arms in found.curve.items()}
    assert values["learn"] == pytest.approx([-0.6, -0.6])
    assert values["shop"] == pytest.approx([0.6, 0.6])
    assert values["buy"] == pytest.approx([(0.9 + 0.6 + 0.3) / 3] * 2)
    assert values["receive"] == pytest.approx([(-1.2 + 0.4 - 0.4) / 3, (0.8 + 0.4 - 0.4) / 3])
    assert values["return"] == pytest.approx([0.25, 0.25])
    assert found.moved["receive"].value == pytest.approx(2.0 / 3)
    assert found.moved["buy"][:3] == (0.0, 0.0, 0.0)
    assert math.isnan(found.moved["shop"].low)  # of one customer


def test_a_personas_map_is_of_its_customers_only(journeys: Journeys) -> None:
    assert personas(journeys) == ["everybody", "fan", "hurried"]
    fan = journey_map(journeys, "fan")
    assert fan.customers == 1
    assert fan.pains[B] == []
    assert set(fan.volume["stage"]) == {"shop"}


def test_pain_points_say_how_often_how_badly_and_of_what_part(journeys: Journeys) -> None:
    found = {pain.what: pain for pain in pains(lived(journeys))}
    assert list(found) == [LATE, IN_STORE, IN_TIME, "heard"]
    assert (found[LATE].below.value, found[LATE].depth, found[LATE].part) == pytest.approx((1.0, -1.2, 0.75))
    assert found[IN_STORE].part == pytest.approx(0.25)
    assert (found[IN_TIME].below.value, found[IN_TIME].part) == (0.0, 0.0)


def test_pain_is_laid_to_the_touchpoints_that_let_down(journeys: Journeys) -> None:
    """Of three orders two are below neutral, by the delivery and by the store; in X the store's alone."""
    found = journey_map(journeys)
    told = {what: [(blame.touchpoint, blame.share.value) for blame in pain.blames]
            for what, pain in ((pain.what, pain) for pain in found.pains[B])}  # fmt: skip
    assert told == {LATE: [("delivery", 1.0)], IN_STORE: [("store", 1.0)], IN_TIME: [], "heard": []}
    delivery, store = found.let_down["delivery"], found.let_down["store"]
    assert {arm: share.value for arm, share in delivery.every.items()} == pytest.approx({B: 1 / 3, X: 0.0})
    assert {arm: share.value for arm, share in delivery.below.items()} == {B: 0.5, X: 0.0}
    assert {arm: share.value for arm, share in store.below.items()} == {B: 0.5, X: 1.0}
    assert delivery.moved is not None
    assert delivery.moved.value == pytest.approx(-1 / 3)
    assert store.moved is not None
    assert store.moved[:3] == pytest.approx((0.0, 0.0, 0.0))


def test_the_share_of_a_touchpoint_has_an_interval_and_is_said_where_enough_tell(tmp_path: Path) -> None:
    """Twenty-four customers with a bad order in time each: the product let down 18 of them, nothing the others."""
    rows = [row for who in range(24) for row in ((who, "delivered", 5, B, 0.0), (who, "episode", 5, B, -1.0))]
    rows += [(who, "let down", 5, B, 3.0) for who in range(18)]
    frames = {
        "events.parquet": events(rows), "states.parquet": states([(0, 5, B, 0.1, 0.1)]),
        "customers.parquet": customers(dict.fromkeys(range(24), "fan"), (B,)),
    }  # fmt: skip
    journeys = Journeys(Run(write_run(tmp_path / "run", frames=frames, events=24)))
    (pain,) = pains(lived(journeys, customers=24))
    ((touchpoint, share),) = pain.blames
    half = float(t.ppf(0.95, 23)) * math.sqrt(0.75 * 0.25 / 23)
    assert touchpoint == "product"
    assert share[:3] == pytest.approx((0.75, 0.75 - half, 0.75 + half))
    said = "In 75.0 % of these (59.5 to 90.5) it was the product that weighed worst"
    assert said in map_words.worst(journey_map(journeys))
    (few,) = pains(lived(journeys, customers=19))
    assert few.blames[0].share.occasions == 19
    assert "weighed worst" not in map_words.worst(journey_map(journeys)._replace(pains={B: [few]}))


def test_a_run_that_logged_no_touchpoint_lays_pain_to_none(tmp_path: Path) -> None:
    made = run_of(tmp_path / "run")
    table = pd.read_parquet(made / "events.parquet")
    table[table["concept:name"] != "let down"].to_parquet(made / "events.parquet", index=False)
    found = journey_map(Journeys(Run(made)))
    assert found.let_down == {}
    assert all(pain.blames == [] for pain in found.pains[B])


def test_volume_counts_events_and_customers(journeys: Journeys) -> None:
    table = journey_map(journeys).volume
    own = table[table["arm"] == B].set_index(["stage", "touchpoint"])
    counts = own[["events", "customers"]].apply(tuple, axis=1).to_dict()
    assert counts["shop", "site"] == (4, 2)
    assert counts["buy", "store"] == (1, 1)
    assert counts["receive", "delivery"] == (2, 1)
    assert counts["return", "site"] == (1, 1)
    assert counts["learn", "friends"] == (1, 1)
    assert own.loc[("receive", "product"), "below"] == pytest.approx(2 / 3)


def test_facts_are_those_of_the_journeys(journeys: Journeys) -> None:
    found = {fact.name: fact for fact in journey_map(journeys).facts}
    assert found["paid"].baseline == pytest.approx((2500 + 1000 + 2000) / 3)
    assert found["gap"].baseline == 20.0
    assert found["wait"].baseline == 12.0
    assert found["visits"].baseline == pytest.approx(5 / 3)
    assert found["by_talk"].baseline == 100.0
    assert found["days_late"].baseline == 3.0
    assert math.isnan(found["days_late"].scenario)  # nothing is late there


def test_a_moment_of_truth_needs_enough_and_a_clear_difference(tmp_path: Path) -> None:
    """Forty customers, three orders each, one of them late: after a late one everybody talks, after others nobody."""
    rows, felt = [], []
    for who in range(40):
        rows += [(who, "delivered", 5, B, 2.0), (who, "episode", 5, B, -1.0), (who, "talk", 5, B, -1.0)]
        for day in (9, 13):
            rows += [(who, "delivered", day, B, -1.0), (who, "episode", day, B, 1.0)]
        felt += [(who, day, B, 0.5, 0.5) for day in (4, 5, 9, 13)]
    frames = {
        "events.parquet": events(rows), "states.parquet": states(felt),
        "customers.parquet": customers(dict.fromkeys(range(40), "fan"), (B,)),
    }  # fmt: skip
    journeys = Journeys(Run(write_run(tmp_path / "run", frames=frames, events=40)))
    found = moments(lived(journeys, customers=40))
    assert [(one.what, one.changed, one.after.value) for one in found] == [(LATE, "talked", 1.0)]
    assert found[0].usually == pytest.approx(1 / 3)
    assert moments(lived(journeys, customers=9)) == []  # 9 late, 18 in time: too few


# -- what is told ---------------------------------------------------------------------------------------------


def test_the_worst_pain_point_in_a_sentence(journeys: Journeys) -> None:
    told = map_words.worst(journey_map(journeys, "hurried"))
    assert told.startswith("Hurried customers: of all disappointment, counted by how often and how deeply, 75 % comes")
    assert "comes with a late delivery; 100.0 % of 1 disappoint" in told
    assert map_words.worst(journey_map(journeys, "fan")) == "Fan customers: no order falls below neutral."


@pytest.mark.parametrize("language", ["en", "ja"])
def test_texts_of_the_wall_stay_on_the_page(journeys: Journeys, language: str) -> None:
    with told_in(language), look.style():
        figure = map_page.wall(journey_map(journeys))
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # which places the legend
    renderer = canvas.get_renderer()
    width, height = figure.get_size_inches() * figure.dpi
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text():
            box = text.get_window_extent(renderer)
            assert box.x0 >= 0, text.get_text()
            assert box.x1 <= width, text.get_text()
            assert box.y0 >= -1, text.get_text()
            assert box.y1 <= height, text.get_text()


def test_the_folder_of_maps(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["map", str(folder)]) == cli.OK
    told = capsys.readouterr().out
    assert "75 % comes with a late delivery" in told
    place = folder / "map"
    assert "Let down by, % of orders" in (place / "index.html").read_text(encoding="utf-8")
    pictures = {f"{name}.{kind}" for name in ("everybody", "fan", "hurried") for kind in ("svg", "png")}
    assert {path.name for path in place.iterdir()} == pictures | {"index.html", "map.csv"}
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    write_map(folder)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


def test_a_run_without_journeys_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = write_run(tmp_path / "run")
    assert cli.main(["map", str(made)]) == cli.BAD_INPUT
    assert capsys.readouterr().err == f"cxsim: {made} kept no journeys; run it with events above 0 and arms=all\n"
    assert not (made / "map").exists()
