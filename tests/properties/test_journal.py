"""The journal: the same from both engines, and what it says of a customer agrees with the customer."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from agents.columns import LAPSED
from sim.config.settings import Settings
from sim.tables import VARIANT_EVENTS
from sim.world.constants import World
from sim.world.event_log import CODE, NAMES, Journal
from sim.world.model import CXModel, EngineName, burnt_in
from sim.world.pilot import piloted
from tests.worlds import BUSY, settings, treated

SMALL = (*BUSY, "customers=600", "days=40", "burn_in=30")
SENDERS = "peach_popup", "ma_email", "rakuten_push", "mf_onboarding"
MESSAGED = (*BUSY, f"scenario=[{','.join(SENDERS)}]", "days=40", "burn_in=30", "company.message_cap=2")
ENGINES: tuple[EngineName, EngineName] = ("column", "agent")
KINDS = {"popup": ("popup shown", "popup clicked"), "welcome": ("", "")}
"""What the log calls being shown and clicked, by channel: pushes and e-mails are sent, a welcome is not in it."""


@pytest.fixture(scope="module")
def world() -> World:
    return piloted(settings(*SMALL), 3)


def kept(world: World, engine: EngineName, limit: int, found: Settings) -> tuple[CXModel, Journal]:
    """A treated arm and its journal of the first `limit` customers."""
    journal = Journal(limit)
    model = CXModel(world, burnt_in(world), treated(found, "+".join(found.scenario)), engine, journal)
    model.run(world.days)
    return model, journal


@pytest.fixture(scope="module")
def whole(world: World) -> tuple[CXModel, Journal]:
    return kept(world, "column", world.customers, settings(*SMALL))


@pytest.fixture(scope="module")
def messaged() -> tuple[CXModel, Journal]:
    """A world in which a popup, a welcome, pushes and e-mails all run."""
    found = settings(*MESSAGED, "customers=9000")
    return kept(piloted(found, 3), "column", found.customers, found)


@pytest.mark.parametrize("words", [SMALL, (*MESSAGED, "customers=1500")], ids=["one", "messages"])
def test_both_engines_write_the_same_bytes(words: tuple[str, ...]) -> None:
    found = settings(*words)
    (_, column), (_, agent) = (kept(piloted(found, 3), engine, 400, found) for engine in ENGINES)
    for one, other in zip((*column.columns(), *column.states()), (*agent.columns(), *agent.states()), strict=True):
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()


def test_the_limit_only_leaves_customers_out(world: World, whole: tuple[CXModel, Journal]) -> None:
    _, few = kept(world, "column", 100, settings(*SMALL))
    for some, every in ((few.columns(), whole[1].columns()), (few.states(), whole[1].states())):
        chosen = every[0] < 100
        assert all(np.array_equal(a, b[chosen]) for a, b in zip(some, every, strict=True))


def test_every_kind_of_event_of_this_world_is_there(whole: tuple[CXModel, Journal]) -> None:
    seen = {NAMES[code] for code in np.unique(whole[1].columns()[1])}
    assert seen == {
        "aware", "visit", "order", "coupon redeemed", "coupon issued", "delivered", "support contact", "episode",
        "let down", "talk", "heard", "lapsed", "survey answer",
    }  # fmt: skip


def test_friends_hear_what_is_told(world: World, whole: tuple[CXModel, Journal]) -> None:
    """A talk is heard once over every tie of the talker whose other end has not lapsed by that evening."""
    model, journal = whole
    row, code, day, value = journal.columns()
    gone = np.where(model.customers.columns.status == LAPSED, model.customers.columns.lapse_day, 32767)
    network = model.customers.network
    said = []
    for teller, when, score in zip(*(part[code == CODE["talk"]] for part in (row, day, value)), strict=True):
        ties = network.ties[network.start[teller] : network.start[teller + 1]]
        said += [(int(tie), int(when), float(score)) for tie in ties if gone[tie] > when]
    heard = zip(*(part[code == CODE["heard"]].tolist() for part in (row, day, value)), strict=True)
    assert said
    assert sorted(said) == sorted(heard)


def test_events_of_a_day_stay_in_their_order(whole: tuple[CXModel, Journal]) -> None:
    row, code, day, _ = whole[1].columns()
    order = np.lexsort((day, row))
    assert np.array_equal(order, np.arange(len(row)))
    of_a_day = ["aware", "visit", "order", "coupon redeemed", "coupon issued", "delivered", "support contact",
                "episode", "let down", "talk", "lapsed", "heard", "survey answer"]  # fmt: skip
    place = np.array([of_a_day.index(NAMES[one]) if NAMES[one] in of_a_day else -1 for one in range(len(NAMES))])[code]
    same = (row[1:] == row[:-1]) & (day[1:] == day[:-1])
    assert same.any()
    assert (place[1:][same] >= place[:-1][same]).all()


def test_the_last_touchpoint_that_let_down_is_the_customers(whole: tuple[CXModel, Journal]) -> None:
    """At most one per customer and day, on days of episodes only; the last day's is what its score and columns say."""
    model, journal = whole
    row, code, day, value = journal.columns()
    noted, served = code == CODE["let down"], code == CODE["episode"]
    when = list(zip(row[noted].tolist(), day[noted].tolist(), strict=True))
    assert len(when) == len(set(when)) > 0
    assert set(when) <= set(zip(row[served].tolist(), day[served].tolist(), strict=True))
    # later episodes overwrite earlier ones
    last = dict(zip(row[served].tolist(), day[served].tolist(), strict=True))
    score = dict(zip(row[served].tolist(), value[served].tolist(), strict=True))
    found = dict(zip(when, value[noted].tolist(), strict=True))
    columns = model.customers.columns
    worst, severity = columns.of("worst"), columns.of("severity")
    expected = {who: float(worst[who]) - 1 if score[who] < 0 < severity[who] else None for who in last}
    assert {who: found.get((who, last[who])) for who in last} == expected
    assert set(expected.values()) == {None, 0.0, 1.0, 2.0, 3.0}


@pytest.mark.parametrize("lived", ["whole", "messaged"])
def test_the_last_state_is_the_customers(lived: str, request: pytest.FixtureRequest) -> None:
    """Nothing but visits, orders handed over, pushes and e-mails moves satisfaction; from then on it only returns."""
    model, journal = request.getfixturevalue(lived)
    row, day, satisfaction, _ = journal.states()
    last = np.flatnonzero(np.append(row[1:] != row[:-1], True))
    columns, half_life = model.customers.columns, model.world.rules.return_half_life
    now, mood = model.customers.satisfaction_on(row[last], model.day - 1), columns.of("mood")[row[last]]
    usual = np.array(model.world.usual)[columns.of("persona")[row[last]]]
    returned = usual + (satisfaction[last] - usual) * 2.0 ** ((day[last].astype(int) - (model.day - 1)) / half_life)
    assert np.abs(returned - now)[mood == 0].max() < 2e-6  # stored as float32
    assert (mood == 0).sum() > 100
    assert (np.diff(day.astype(int))[row[1:] == row[:-1]] >= 0).all()


def test_messages_leave_a_state_where_they_are_read(messaged: tuple[CXModel, Journal]) -> None:
    """A day has at most two: after messages and visits, and after orders handed over. Who has lapsed does not read."""
    model, journal = messaged
    row, code, day, _ = journal.columns()
    states = Counter(zip(*(part.tolist() for part in journal.states()[:2]), strict=True))
    assert max(states.values()) == 2
    lapse = np.where(model.customers.columns.status == LAPSED, model.customers.columns.lapse_day, 32767)
    sent, visited, served = (
        set(zip(row[code == CODE[name]].tolist(), day[code == CODE[name]].tolist(), strict=True))
        for name in ("message sent", "visit", "episode")
    )
    alone = sent - visited - served
    read = {(who, when) for who, when in alone if when <= lapse[who]}
    assert read == alone & states.keys()
    assert len(read) > 500
    assert len(alone - read) > 50
    assert sent & visited <= states.keys()


def test_a_card_says_whose_message_it_was(messaged: tuple[CXModel, Journal]) -> None:
    """Counted by variant_row, the log is what each campaign tallied of each variant."""
    model, journal = messaged
    _, code, _, value = journal.columns()
    campaigns = list(model.campaigns.of.values())
    variant_rows = [(one, variant) for one in campaigns for variant in range(1, one.message.variants + 1)]
    logged = {name: Counter(value[code == CODE[name]].astype(int).tolist()) for name in NAMES}
    for variant_row, (one, variant) in enumerate(variant_rows, 1):
        shown, clicked = KINDS.get(one.message.channel, ("message sent", "message clicked"))
        told = {name: int(counts[variant]) for name, counts in one.tally._asdict().items()}
        if shown:
            assert (logged[shown][variant_row], logged[clicked][variant_row]) == (told["shown"], told["clicked"])
            assert logged["preference told"][variant_row] == (told["clicked"] if one.message.asks else 0)
        assert logged["opted out"][variant_row] == told["opted_out"]
        assert logged["linked"][variant_row] == (told["linked"] if one.message.channel == "welcome" else 0)
    assert len(variant_rows) == 8
    assert logged["linked"][0] > 0  # without a message
    assert {name: len(logged[name]) for name in VARIANT_EVENTS} == {
        "message sent": 3, "message clicked": 3, "preference told": 1, "opted out": 3, "linked": 5,
        "popup shown": 1, "popup clicked": 1,
    }  # fmt: skip


def test_visits_say_their_channel(whole: tuple[CXModel, Journal]) -> None:
    _, code, _, value = whole[1].columns()
    assert set(value[code == CODE["visit"]]) == {0.0, 1.0, 2.0}
