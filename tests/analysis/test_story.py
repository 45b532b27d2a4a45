"""Stories: causes, partings and finders of hand-written lives; the command on a run of a small world."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from analysis.folders.run_folder import Run, RunError
from analysis.journeys import finders, story_page
from analysis.journeys.causes import moments
from analysis.journeys.read import EVENT_WORDS, Journeys
from analysis.journeys.story import BOTH, parting_words, story, timeline
from cxsim import cli
from sim.tables import BASELINE, CAMPAIGNS, EVENT_NAMES
from tests.analysis.small_log import SCENARIO, Log, write_log

WEBSITE, APP, STORE = 0.0, 1.0, 2.0


def journeys_of(folder: Path, baseline: Log, scenario: Log | None = None, **people: object) -> Journeys:
    return Journeys(Run(write_log(folder / "run", baseline, scenario, {0: people})))


# -- causes ---------------------------------------------------------------------------------------------------

LATE = [
    (1, "visit", WEBSITE), (1, "order", 3000), (4, "delivered", 2), (4, "support contact", 12), (4, "episode", -1.2),
]  # fmt: skip
LIVES: dict[str, tuple[list[tuple[int, str, float]], str, str, str]] = {
    "by advertising": ([(3, "aware", 1)], "aware", "learns of the brand", "by advertising"),
    "by talk": (
        [(1, "heard", 1.0), (2, "heard", -0.5), (80, "heard", 1.0), (81, "aware", 2)],
        "aware", "learns of the brand", "by word of mouth; talks of friends heard in the 60 days before: 1",
    ),
    "by public talk": ([(3, "aware", 2)], "aware", "learns of the brand", "by word of mouth"),
    "click brings visit": (
        [(2, "message sent", 3), (2, "message clicked", 3), (2, "visit", APP)],
        "visit", "visits (app)", "brought by the click on message 3",
    ),
    "yesterday's click does not": ([(2, "message clicked", 3), (3, "visit", APP)], "visit", "visits (app)", ""),
    "popup clicked": (
        [(2, "visit", WEBSITE), (2, "popup shown", 1), (2, "popup clicked", 1), (2, "order", 1000)],
        "order", "orders for 1,000 yen", "after the click on popup 1",
    ),
    "popup seen": (
        [(2, "visit", WEBSITE), (2, "popup shown", 1), (2, "order", 1000)],
        "order", "orders for 1,000 yen", "after popup 1, seen and not clicked",
    ),
    "coupon": (
        [(2, "coupon issued", 150), (9, "visit", WEBSITE), (9, "order", 1000), (9, "coupon redeemed", 150)],
        "coupon redeemed", "redeems a coupon: 150 yen off", "given on day 2",
    ),
    "which coupon is not known": (
        [(2, "coupon issued", 150), (3, "coupon issued", 150), (9, "order", 1000), (9, "coupon redeemed", 150)],
        "coupon redeemed", "redeems a coupon: 150 yen off", "",
    ),
    "late": (
        LATE, "episode", "scores the experience -1.2 su",
        "hurt by coming 2 days late; support was reached; satisfaction goes from 0.80 to 0.20",
    ),
    "late contact": (LATE, "support contact", "reaches support after 12 min", "the order came late"),
    "let down": (
        [(4, "delivered", 0), (4, "episode", -0.2), (4, "let down", 3)],
        "let down", "is let down most by the product", "",
    ),
    "let down by lateness": (
        [*LATE, (4, "let down", 2)], "let down", "is let down most by the delivery", "the order came late",
    ),
    "let down on time": (
        [(4, "delivered", 0), (4, "episode", -0.2), (4, "let down", 2)],
        "let down", "is let down most by the delivery", "",
    ),
    "let down by one of two orders": (
        [(4, "delivered", 2), (4, "delivered", 2), (4, "episode", -1), (4, "episode", -1), (4, "let down", 2)],
        "let down", "is let down most by the delivery", "",
    ),
    "late, then lapsed": (
        [*LATE, (40, "lapsed", 39)], "lapsed", "lapses silently, 39 days after the last order",
        "the last experience scored -1.2 su; the last order came 2 days late",
    ),
    "given up": ([(4, "support contact", -20)], "support contact", "gives up on support after 20 min", ""),
    "store": (
        [(4, "visit", STORE), (4, "order", 900), (4, "delivered", 0)],
        "delivered", "takes the order home from the store", "",
    ),
    "online on the day of a store visit": (
        [(1, "order", 900), (4, "visit", STORE), (4, "delivered", 0)], "delivered", "receives an order as promised", "",
    ),
    "early": ([(4, "delivered", -1)], "delivered", "receives an order a day early", ""),
    "detractor": ([(6, "survey answer", 6)], "survey answer", "answers 6 of 10 in the survey", "a detractor"),
    "passive": ([(6, "survey answer", 7)], "survey answer", "answers 7 of 10 in the survey", "passive"),
    "promoter": ([(6, "survey answer", 9)], "survey answer", "answers 9 of 10 in the survey", "a promoter"),
    "unknown kind": ([(6, "danced", 2)], "danced", "danced: 2", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", LIVES)
def test_an_event_is_told_with_its_cause(name: str, tmp_path: Path) -> None:
    events, kind, told, why = LIVES[name]
    life = story(journeys_of(tmp_path, {0: events}), 0).lives[0]
    moment = next(one for one in moments(life) if one.event.name == kind)
    assert (moment.told, moment.why) == (told, why)


def test_the_first_order_is_called_so(tmp_path: Path) -> None:
    journeys = journeys_of(tmp_path, {0: [(3, "order", 500), (9, "order", 500)]}, acquired_day=3)
    assert [one.why for one in moments(story(journeys, 0).lives[0])] == ["the first order ever", ""]


SEVERAL = [
    (2, "message sent", 2), (2, "message clicked", 2), (2, "visit", APP), (3, "opted out", 3), (4, "visit", WEBSITE),
    (4, "popup shown", 1), (4, "order", 900), (5, "linked", 0),
]  # fmt: skip


def with_campaigns(folder: Path, *campaigns: tuple[str, int]) -> Journeys:
    """A life that got variant_rows of these campaigns: name and number of variants. Other points have others."""
    write_log(folder / "run", {0: SEVERAL})
    rows = [
        (point, 0, arm, name, "email", variant, *[0] * 6, 0.5, 0)
        for point in (1, 0)
        for arm in (BASELINE, SCENARIO)
        for name, variants in (campaigns if point == 0 else reversed(campaigns))
        for variant in range(variants + 1)
    ]
    table = pd.DataFrame(rows, columns=[column.name for column in CAMPAIGNS])
    table.to_parquet(folder / "run" / "campaigns.parquet", index=False)
    return Journeys(Run(folder / "run"))


def test_a_card_is_told_as_its_variant_and_the_campaign_where_there_are_several(tmp_path: Path) -> None:
    several = story(with_campaigns(tmp_path / "several", ("ours", 1), ("mail", 2)), 0).lives[1]
    assert [(one.event.value, one.told, one.why) for one in moments(several)] == [
        (1, "is sent message 1 (mail)", ""),
        (1, "clicks message 1 (mail)", ""),
        (APP, "visits (app)", "brought by the click on message 1 (mail)"),
        (2, "opts out of messages (mail)", ""),
        (WEBSITE, "visits (website)", ""),
        (1, "sees popup 1 (ours)", ""),
        (900, "orders for 900 yen", "after popup 1 (ours), seen and not clicked"),
        (0, "links an account", ""),
    ]
    single = moments(story(with_campaigns(tmp_path / "single", ("mail", 3)), 0).lives[1])
    assert [single[place].told for place in (0, 3, 5)] == [
        "is sent message 2", "opts out of messages", "sees popup 1",
    ]  # fmt: skip


def test_a_score_moves_satisfaction_from_where_the_days_message_left_it(tmp_path: Path) -> None:
    found = story(journeys_of(tmp_path, {0: [(4, "message sent", 1), (4, "delivered", 0), (4, "episode", 1.0)]}), 0)
    states = pd.DataFrame({"day": [1, 4, 4], "satisfaction": [0.8, 0.5, 0.7], "expectation": 0.5})
    assert moments(found.lives[0]._replace(states=states))[-1].why == "satisfaction goes from 0.50 to 0.70"


def test_two_orders_of_a_day_keep_their_own_lateness(tmp_path: Path) -> None:
    events = [(4, "delivered", 3), (4, "delivered", 0), (4, "episode", -1.0), (4, "episode", 1.0)]
    scores = [one.why for one in moments(story(journeys_of(tmp_path, {0: events}), 0).lives[0])][2:]
    assert scores == ["hurt by coming 3 days late", ""]


def test_every_kind_of_event_has_words_and_a_lane() -> None:
    drawn = {name for names in story_page.LANES.values() for name in names} | set(story_page.DRAWN_OTHERWISE)
    assert set(EVENT_NAMES) == set(EVENT_WORDS) == drawn


# -- both lives -----------------------------------------------------------------------------------------------

SHARED = [(1, "visit", WEBSITE), (2, "heard", 0.5), (3, "visit", APP)]


def test_lives_part_where_one_has_what_the_other_has_not(tmp_path: Path) -> None:
    baseline, scenario = [*SHARED, (9, "order", 500)], [*SHARED, (8, "coupon issued", 150), (9, "order", 500)]
    journeys = journeys_of(tmp_path, {0: baseline}, {0: scenario})
    found = story(journeys, 0)
    assert found.parting is not None
    assert (found.parting.day, found.parting.baseline) == (8, None)
    assert parting_words(found, journeys) == (
        "The lives part on day 8 (2027-01-09): with treat the customer is given a coupon of 150 yen, in the baseline "
        "not that day."
    )


def test_lives_part_where_the_same_thing_goes_differently(tmp_path: Path) -> None:
    journeys = journeys_of(tmp_path, {0: [*SHARED, (9, "delivered", 0)]}, {0: [*SHARED, (9, "delivered", 4)]})
    assert parting_words(story(journeys, 0), journeys) == (
        "The lives part on day 9 (2027-01-10): in the baseline the customer receives an order as promised, with treat "
        "the customer receives an order 4 days late."
    )


def test_lives_that_look_the_same_do_not_part(tmp_path: Path) -> None:
    journeys = journeys_of(tmp_path, {0: [*SHARED, (9, "episode", 1.02)]}, {0: [*SHARED, (9, "episode", 1.0)]})
    found = story(journeys, 0)
    assert found.parting is None
    assert parting_words(found, journeys).startswith("Within 100 days both lives are the same")


def test_the_timeline_says_what_is_shared_once(tmp_path: Path) -> None:
    own = [*SHARED, (8, "order", 500)]
    journeys = journeys_of(tmp_path, {0: [*own, (9, "visit", APP)]}, {0: [*own, (8, "coupon issued", 150)]})
    lines = [(line.first, line.last, line.arm, line.told) for line in timeline(story(journeys, 0))]
    assert lines == [
        (1, 3, BOTH, "visit, 2 times; hears from a friend"),
        (8, 8, BOTH, "orders for 500 yen"),
        (8, 8, SCENARIO, "is given a coupon of 150 yen"),
        (9, 9, BASELINE, "visits (app)"),
    ]


def test_no_event_is_lost_in_the_picture(tmp_path: Path) -> None:
    """Every event but those of the curve is a mark in its arm's lanes; a lane that neither life needs is left out."""
    events = [*LATE, (4, "let down", 2), (6, "survey answer", 3), (40, "lapsed", 39)]
    lives = journeys_of(tmp_path, {0: events}, {0: [*events[:-1], (9, "visit", APP)]})
    figure = story_page.life_picture(story(lives, 0))
    lanes = figure.axes[::2]
    marks = [sum(len(line.get_xdata()) == 1 and line.get_marker() != "None" for line in axes.lines) for axes in lanes]
    assert marks == [6, 7]
    assert figure.axes[-1].get_xlabel() == "day of the horizon"
    dated = story_page.life_picture(story(lives, 0), date(2027, 1, 20))
    assert [text.get_text() for text in dated.axes[-1].get_xticklabels()][:1] == ["2027-02"]
    assert [text.get_text() for text in lanes[0].get_yticklabels()] == [
        "visit", "order", "delivery", "support", "let down by", "survey",
    ]  # fmt: skip


# -- finders --------------------------------------------------------------------------------------------------

FOUND: dict[str, tuple[dict[int, list[tuple[int, str, float]]], list[int]]] = {
    "late and lapsed": (
        {
            0: [(5, "delivered", 2), (20, "lapsed", 15)],
            1: [(5, "delivered", 6), (9, "lapsed", 15)],
            2: [(5, "delivered", 9), (90, "lapsed", 85)],  # long after
            3: [(5, "delivered", 0), (9, "lapsed", 4)],  # on time
            4: [(3, "lapsed", 3), (5, "delivered", 9)],  # before
        },
        [1, 0],
    ),
    "late and stayed": (
        {
            0: [(5, "delivered", 2), (20, "order", 1)],
            1: [(5, "delivered", 3), (20, "order", 1), (50, "lapsed", 30)],
            2: [(5, "order", 1), (5, "delivered", 3)],  # the same day
        },
        [0],
    ),
    "complained and stayed": (
        {0: [(5, "support contact", 4), (6, "order", 1)], 1: [(5, "support contact", -9), (8, "order", 1)]},
        [1, 0],
    ),
    "won by word of mouth": (
        {
            0: [(5, "aware", 2), (9, "order", 1)],
            1: [(5, "aware", 1), (9, "order", 1)],
            2: [(5, "aware", 2), (9, "order", 1), (12, "order", 1)],
            3: [(5, "aware", 2)],
        },
        [2, 0],
    ),
    "told many": ({0: [(1, "talk", 1.0)], 1: [(1, "talk", -1.0), (3, "talk", 0.5)]}, [1, 0]),
    "promoter turned detractor": (
        {
            0: [(7, "survey answer", 9), (14, "survey answer", 6)],
            1: [(7, "survey answer", 5), (14, "survey answer", 10)],
            2: [(7, "survey answer", 10), (14, "survey answer", 0)],
        },
        [2, 0],
    ),
    "eventful": ({0: [(1, "visit", 0), (1, "order", 1)], 1: [(1, "order", 1)], 2: [(1, "visit", 0)]}, [0, 1]),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_finder_finds_whom_it_names(name: str, tmp_path: Path) -> None:
    lives, customers = FOUND[name]
    assert [one.customer for one in finders.find(journeys_of(tmp_path, lives), name)] == customers


APART: dict[str, tuple[dict[int, list[tuple[int, str, float]]], list[int]]] = {
    "popup then order": (
        {
            0: [(5, "popup clicked", 1), (5, "order", 100)],
            1: [(5, "popup clicked", 1), (6, "order", 100)],  # another day
            2: [(5, "popup clicked", 1), (5, "order", 900)],
            3: [(5, "popup shown", 1), (5, "order", 900)],  # not clicked
            4: [(7, "popup clicked", 1), (7, "order", 900)],  # ordered that day anyhow
        },
        [2, 0],
    ),
    "message then order": (
        {0: [(5, "message clicked", 1), (11, "order", 1)], 1: [(5, "message clicked", 1), (14, "order", 1)]},
        [0],
    ),
    "coupon redeemed": (
        {0: [(5, "coupon redeemed", 150)], 1: [(5, "coupon redeemed", 150), (6, "coupon redeemed", 150)]},
        [1, 0],
    ),
    "parted early": ({0: [(9, "visit", 0)], 1: [(3, "visit", 0)], 4: [(7, "order", 50)]}, [1, 0]),
    "more orders than in the other arm": ({0: [(9, "order", 5), (9, "order", 5)], 1: [(3, "order", 9)], 2: []}, [0, 1]),
}


@pytest.mark.parametrize("name", APART)
def test_a_finder_of_both_lives_looks_at_both(name: str, tmp_path: Path) -> None:
    scenario, customers = APART[name]
    baseline: dict[int, list[tuple[int, str, float]]] = {row: [] for row in range(5)}
    baseline[4] = [(7, "order", 50)]
    journeys = journeys_of(tmp_path, baseline, scenario)
    assert [one.customer for one in finders.find(journeys, name)] == customers


def test_a_finder_that_finds_nobody_says_so(tmp_path: Path) -> None:
    write_log(tmp_path / "run", {0: SHARED})
    for name in finders.FINDERS:
        if name != "eventful":
            assert story_page.listed(tmp_path / "run", name) == "Nobody whose journey was kept."


def test_a_wrong_name_lists_the_names(tmp_path: Path) -> None:
    with pytest.raises(RunError) as error:
        finders.find(journeys_of(tmp_path, {0: SHARED}), "late")
    assert all(name in str(error.value) for name in finders.FINDERS)


# -- the command ----------------------------------------------------------------------------------------------


def test_the_page_tells_the_whole_story(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    customer = finders.find(Journeys(Run(run)), "eventful")[0].customer
    assert cli.main(["story", str(run), str(customer)]) == cli.OK
    place = run / "stories" / f"{customer}.html"
    shown, page = capsys.readouterr().out, place.read_text(encoding="utf-8")
    assert shown.splitlines()[-1] == str(place)
    for line in timeline(story(Journeys(Run(run)), customer)):
        assert line.told in shown
    assert "An illustration." in shown
    assert "An illustration." in page
    assert page.count("<svg") == 1
    before = place.read_bytes()
    assert cli.main(["story", str(run), str(customer)]) == cli.OK
    assert place.read_bytes() == before


def test_everything_is_told_in_japanese(run: Path) -> None:
    customer = finders.find(Journeys(Run(run)), "eventful")[0].customer
    told = story_page.tell(run, customer, "ja")
    assert "例示" in told.terminal
    assert "visits" not in told.page


def test_the_report_has_a_story_and_the_funnel(run: Path) -> None:
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "One customer" in page
    assert "An illustration." in page
    assert "The largest drop-off" in page
    assert (run / "figures" / "norush_coupon_story.png").is_file()
    assert (run / "figures" / "norush_coupon_funnel.png").is_file()


BAD = (
    ([], "story: either CUSTOMER or --find NAME is needed; NAME is one of late and lapsed, "),
    (["3", "--find", "eventful"], "story: either CUSTOMER or --find NAME is needed; "),
    (["800"], "CUSTOMER: 800 is not allowed; from 0 to 799, whose journeys were kept"),
    (["--find", "late"], "--find late: no such finder; one of late and lapsed, "),
    (["x"], "story: argument CUSTOMER: invalid int value: 'x'; see cxsim story --help"),
)


@pytest.mark.parametrize(("words", "line"), BAD)
def test_bad_input_is_a_line(words: list[str], line: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(run.rglob("*"))
    assert cli.main(["story", str(run), *words]) == cli.BAD_INPUT
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"cxsim: {line}")
    assert sorted(run.rglob("*")) == before


@pytest.mark.parametrize("words", [["0"], ["--find", "eventful"]])
@pytest.mark.parametrize("table", ["empty", "none"])
def test_a_run_without_journeys_says_so(
    table: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_log(tmp_path / "run", {}, customers=3)
    if table == "none":  # as in a run with arms=total
        for name in ("events", "states", "customers"):
            (folder / f"{name}.parquet").unlink()
    assert cli.main(["story", str(folder), *words]) == cli.BAD_INPUT
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.endswith("kept no journeys; run it with events above 0 and arms=all\n")
    assert not (folder / "stories").exists()


def test_a_folder_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    assert cli.main(["story", str(tmp_path / "nowhere"), "0"]) == cli.BAD_INPUT
