"""`cxsim new` writes a firm and a scenario that run; `cxsim` alone says what is next; the scenarios as a page."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
import yaml

from analysis.studies.gallery_page import gallery
from cxsim import cli
from cxsim.cli.new import QUESTIONS, read_answer, tried
from cxsim.cli.start import what_next
from cxsim.compose import asked
from sim.phrases import ConfigError
from sim.run.provenance import ROOT

ANSWERS = {
    "members": "50000", "margin": "30%", "orders_a_month": "1,500", "active_customers": "6000",
    "average_basket": "3500", "conversion": "2.5 %", "repeat_share": "", "on_time": "0.96", "nps": "-15",
}  # fmt: skip
FACTS = {"orders_a_month": 1500, "active_customers": 6000, "average_basket": 3500, "conversion": 0.025,
         "repeat_share": None, "on_time": 0.96, "nps": -15}  # fmt: skip


def words(**changed: str) -> list[str]:
    return [f"{key}={value}" for key, value in {**ANSWERS, **changed}.items()]


def test_answers_become_a_firm_and_a_scenario_that_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "shop"
    assert cli.main(["new", str(folder), *words(), "scenario=peach_popup"]) == cli.OK
    company = yaml.safe_load((folder / "company" / "shop.yaml").read_text(encoding="utf-8"))
    own = {"name": "shop", "members": 50000, "margin": 0.3, "facts": FACTS}
    assert company == {"defaults": ["general", "_self_"], **own}
    told = capsys.readouterr().out
    assert f"cxsim run --config-dir {folder} company=shop scenario=shop_peach_popup" in told
    settings = asked(["company=shop", "scenario=shop_peach_popup"], folder).settings
    assert settings.company.facts.conversion is not None
    assert settings.company.facts.conversion.value == 0.025
    assert settings.company.facts.repeat_share is None
    assert list(settings.scenario) == ["shop_peach_popup"]


def test_every_scenario_that_is_offered_can_be_chosen(tmp_path: Path) -> None:
    assert "norush_coupon" in tried()
    assert not {"baseline", "shock_outage", "combo"} & set(tried())


@pytest.mark.parametrize("name", ["norush_coupon_peak", "rakuten_push", "muji_voc"])
def test_a_scenario_of_its_own_name_is_composed(tmp_path: Path, name: str) -> None:
    assert cli.main(["new", str(tmp_path / "shop"), *words(), f"scenario={name}"]) == cli.OK


def test_answers_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "answers.yaml"
    file.write_text(yaml.safe_dump({"members": 50000, "margin": 0.3, "nps": None}), encoding="utf-8")
    assert cli.main(["new", str(tmp_path / "shop"), "--answers", str(file), "margin=0.25"]) == cli.OK
    company = yaml.safe_load((tmp_path / "shop" / "company" / "shop.yaml").read_text(encoding="utf-8"))
    assert company["margin"] == 0.25
    assert set(company["facts"].values()) == {None}
    assert "on_time" not in company["facts"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["margin=0.3"], "members: a number is needed, such as 50000"),
        (words(margin="30"), "margin: 30 is more than all; 30 % for per cent"),
        (words(nps="good"), "nps: 'good' is no number"),
        (words(members="none"), "members: 'none' is no number"),
        (words(orders_a_month="100"), "100 contradict active_customers"),
        (words(conversion="0"), "company.facts.conversion: 0 is not allowed"),
        ([*words(), "scenario=norush"], "'norush' is none to be tried"),
        ([*words(), "colour=red"], "colour: is not asked for"),
        ([*words(), "members"], "members: is no answer; key=value"),
    ],
)
def test_answers_that_cannot_be_are_told_in_a_line(
    given: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["new", str(tmp_path / "shop"), *given]) == cli.BAD_INPUT
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "shop").exists()


def test_a_folder_that_is_there_and_a_name_that_is_none_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["new", str(tmp_path), *words()]) == cli.BAD_INPUT
    assert cli.main(["new", str(tmp_path / "my shop"), *words()]) == cli.BAD_INPUT
    error = capsys.readouterr().err
    assert "is no name for a firm" in error


def sits(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_what_contradicts_is_asked_again_with_the_answers_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = ["５０，０００", "thirty", "30％", "100", *list(ANSWERS.values())[3:], "1"]
    again = ["", "", "1500", *[""] * 6, "peach_popup"]
    sits(monkeypatch, [*first, *again])
    assert cli.main(["new", str(tmp_path / "shop"), "language=ja"]) == cli.OK
    told = capsys.readouterr()
    assert "会員は何人ですか" in told.out
    assert "[50000]" not in told.out
    assert "[５０，０００]" in told.out
    assert told.err.count("\n") == 2
    company = yaml.safe_load((tmp_path / "shop" / "company" / "shop.yaml").read_text(encoding="utf-8"))
    assert (company["members"], company["facts"]["orders_a_month"]) == (50000, 1500)
    assert (tmp_path / "shop" / "scenario" / "shop_peach_popup.yaml").is_file()


def test_answers_that_end_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sits(monkeypatch, ["50000"])
    assert cli.main(["new", str(tmp_path / "shop")]) == cli.BAD_INPUT
    assert list(tmp_path.iterdir()) == []


def test_there_are_ten_questions() -> None:
    assert len(QUESTIONS) + 1 == 10


@pytest.mark.parametrize(("text", "value"), [("2.5%", 0.025), ("50,000", 50000), ("−15", -15), ("1.5e3", 1500)])
def test_numbers_are_read_as_people_write_them(text: str, value: float) -> None:
    assert read_answer(QUESTIONS[2], text) == value


def test_what_must_be_known_must_be_answered() -> None:
    assert read_answer(QUESTIONS[2], "?") is None
    with pytest.raises(ConfigError, match="a number is needed"):
        read_answer(QUESTIONS[0], "")


# -- what is next -----------------------------------------------------------------------------------------------


def test_alone_it_says_what_is_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main([]) == cli.OK
    assert capsys.readouterr().out.splitlines()[1] == "  cxsim new shop"
    for number, name in enumerate(("old", "new")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        page = tmp_path / "runs" / name / "report.html"
        page.touch()
        os.utime(page, (number, number))
    assert what_next().splitlines()[1] == f"  {Path('runs', 'new', 'report.html')}"


def test_the_scenarios_are_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "all.html"
    assert cli.main(["scenarios", "--html", str(file), "language=ja"]) == cli.OK
    page = file.read_text(encoding="utf-8")
    assert page.count('<section class="card"') == len(list((ROOT / "conf" / "scenario").glob("*.yaml")))
    assert "ゆっくり配送クーポン" in page
    assert "cxsim explore scenario=norush_coupon &#39;levers=[face,valid_days]&#39;" in page
    assert cli.main(["scenarios", "--html", str(tmp_path)]) == cli.BAD_INPUT


def test_names_of_others_appear_as_text_in_the_page() -> None:
    wild = {"x": {"title": {"en": "<script>"}, "description": "\"a\" & 'b'", "interventions": {}}}
    page = gallery(wild, "my dir")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "--config-dir &#39;my dir&#39;" in page


def test_what_is_made_of_others_shows_theirs() -> None:
    parts = {
        "a": {"description": "a", "interventions": {"a": {"kind": "norush_coupon", "face": 150, "valid_days": 60}}},
        "both": {"description": "both", "defaults": ["a"], "interventions": {}},
    }
    page = gallery(parts, None)
    assert page.count("coupon face value 150 yen") == 2
