"""What the README tells a newcomer to type: it parses, and the quick parts of it run. Its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cxsim import cli
from cxsim.cli import COMMANDS
from sim.run.provenance import ROOT
from tests.docs.commands import PAGES, SMALL, blocks, commands

OWN = ROOT / "examples" / "my_scenario"


def runs() -> list[list[str]]:
    """The README's runs of what is shipped."""
    return [words[1:] for words in commands() if words[0] == "run" and not {"mine", "-m", "--own-code"} & set(words)]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a fresh clone to the README's relative paths, and takes what is written."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_commands() -> None:
    told_elsewhere = {"check", "log", "report", "examples", "verify", "field", "ledger", "validate"}
    assert {words[0] for words in commands()} == set(COMMANDS) - told_elsewhere
    assert ["run"] in commands()


@pytest.mark.parametrize("words", runs(), ids=" ".join)
def test_runs_compose(words: list[str], checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", *words, "--cfg", "job"]) == cli.OK
    assert "customers:" in capsys.readouterr().out


@pytest.mark.usefixtures("unpictured")
def test_the_default_run_answers(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", *SMALL]) == cli.OK
    out = capsys.readouterr().out
    head = next(line for line in blocks("")[0].splitlines() if line.startswith("metric"))
    assert head.split() in [line.split() for line in out.splitlines()]  # the excerpt's columns are those that appear
    for row in re.findall(r"^[A-Z][\w() -]+?(?=  )", blocks("")[0], flags=re.MULTILINE):
        assert row in out
    folder = Path(out.splitlines()[-1])
    assert folder.parent == Path("runs")
    assert (folder / "report.html").is_file()


def test_scenarios_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["scenarios"]) == cli.OK
    assert "norush_coupon" in capsys.readouterr().out


@pytest.mark.usefixtures("unpictured")
def test_an_own_scenario_answers(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = next(words for words in commands() if "scenario=patient_customers" in words)
    early = "scenario.patient_customers.interventions.patient_customers.start=7"  # its days, in the short horizon
    assert cli.main([*words, *SMALL, early]) == cli.OK
    assert "\npatient_customers\n" in capsys.readouterr().out


@pytest.mark.usefixtures("unpictured")
def test_a_class_of_ones_own_answers(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = next(words for words in commands() if "scenario=regulars_coupon" in words)
    assert cli.main([*words, *SMALL]) == cli.OK
    assert "\nregulars_coupon\n" in capsys.readouterr().out


def test_shown_files_are_the_shipped_ones() -> None:
    yaml = blocks("yaml")
    assert yaml[0] == (OWN / "scenario" / "patient_customers.yaml").read_text(encoding="utf-8")
    assert yaml[1] == (OWN / "scenario" / "regulars_coupon.yaml").read_text(encoding="utf-8")
    assert blocks("python") == [(OWN / "interventions" / "regulars.py").read_text(encoding="utf-8")]
    assert max(len(text.splitlines()) for text in yaml) <= 20


def test_calibrate_is_given_arguments_it_knows(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = next(words for words in commands() if words[0] == "calibrate")
    assert Path(words[1]).is_file()
    with pytest.raises(SystemExit):
        cli.main(["calibrate", "--help"])
    known = set(re.findall(r"--[\w-]+", capsys.readouterr().out))
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.slow
def test_a_calibrated_company_answers(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = next(words for words in commands() if words[0] == "calibrate")
    assert cli.main(words) == cli.OK
    assert Path("mine/company/retail.yaml").is_file()
    run = next(words for words in commands() if "company=retail" in words)
    assert cli.main([*run, *SMALL]) == cli.OK
    assert "LTV over the horizon" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    files = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in files if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_yaml_shown_is_yaml(page: Path) -> None:
    import yaml

    for text in blocks("yaml", page.relative_to(ROOT).as_posix()):
        assert isinstance(yaml.safe_load(text), dict)


def test_dotted_keys_of_the_model_exist() -> None:
    """Keys of conf/behaviour named in the model's table of symbols."""
    import yaml

    known = yaml.safe_load((ROOT / "conf" / "behaviour" / "default.yaml").read_text(encoding="utf-8"))
    text = (ROOT / "docs" / "ODD.md").read_text(encoding="utf-8")
    table = text[text.index("| symbol | key |") : text.index("Two slopes are")]
    for row in table.splitlines():
        group = None
        for key in re.findall(r"`([\w.*]+)`", row):
            first, _, last = key.rpartition(".")
            if key.startswith(("company", "market")) or (group is None and not first):
                break
            group = first or group
            stem = last.rstrip("*")
            assert [name for name in known[group] if name == last or (stem != last and name.startswith(stem))], key
