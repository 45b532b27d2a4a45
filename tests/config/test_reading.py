"""What is read is plain and bounded, and nothing passes by it: files, words of the command line, what they compose."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from cxsim.admitted import Packages
from cxsim.cli import main
from cxsim.compose import compose, composer
from sim.files.plain import MOST_BYTES, parsed, read_yaml
from sim.phrases import ConfigError

OWN = "# @package scenario.mine\n"
MINE = OWN + "description: Mine.\ninterventions: {}\n"
GLOBAL = "# @package _global_\nscenario: {mine: {description: Mine., interventions: {}}}\n"
LAUGHS = "".join(f'  {b}: "{9 * ("${x." + a + "}")}"\n' for a, b in zip("abcdefgh", "bcdefghi", strict=True))

TEXTS: list[tuple[str, Sequence[str]]] = [
    ("a: &a [x]\nb: [*a, *a]", ["b.0", "*a is refused"]),
    ("a: &a {x: 1}\nb: {<<: *a}", ["b.<<", "*a is refused"]),
    ("a: &a {a: *a}", ["a.a", "*a is refused"]),
    ("i: !!set {a, b}", ["i: the tag !!set"]),
    ("i: !!python/object/apply:os.system [x]", ["i: the tag", "refused"]),
    ("i: !!python/object/apply:pathlib.Path [x]", ["i: the tag", "refused"]),
    ("i: !own 3", ["i: the tag !own"]),
    ("i: {null: 1}", ["i: the key null is no text"]),
    ("i: {on: 1}", ["i: the key on is no text"]),
    ("i: {1: 1}", ["i: the key 1 is no text"]),
    ("i: {[a]: 1}", ["i: the key", "no text"]),
    ("a: 1\na: 2", ["a: stands twice", "line 2"]),
    ("a: " + 500 * "[" + 500 * "]", ["a.0.0", "nested too deep"]),
    ("a: " + 500_000 * "[", ["a.0.0", "nested too deep"]),
    ("\n".join(f"{n * ' '}a:" for n in range(500)), ["a.a.a", "nested too deep"]),
    ("a: [" + 60_000 * "x," + "]", ["a.", "one value too many"]),
    ("a: " + 5000 * "9", ["a: is a number of too many digits"]),
    ("a: 0x_", ["a: 0x_ is no number"]),
    ('a: {b: "\\ud800"}', ["a.b", "U+D800"]),
    ('a: {b: "\\e[31m"}', ["a.b", "U+001B"]),
    ('a: {b: "\\0"}', ["a.b", "U+0000"]),
    ('a: {"b\\e": 1}', ["a.b\\x1b", "U+001B"]),
    ("a: \u202eb", ["a", "U+202E"]),
    ("a: \x1b", ["U+001B"]),
    ("a: [", ["no YAML", "line 1"]),
    ("a: 1\n---\nb: 2", ["no YAML", "another document"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), TEXTS, ids=[text[:24] for text, _ in TEXTS])
def test_what_is_not_plain_is_refused_at_its_key(text: str, told: Sequence[str]) -> None:
    started = time.monotonic()
    with pytest.raises(ConfigError) as refused:
        parsed(text)
    assert all(one in str(refused.value) for one in told)
    assert "\n" not in str(refused.value)
    assert time.monotonic() - started < 10.0


def test_what_is_plain_is_read() -> None:
    assert parsed("a: {b: [1, 1e3, true, null, 'x\ty', 2027-01-31, =]}\nc: |\n  two\n  lines\n") == {
        "a": {"b": [1, 1000.0, True, None, "x\ty", "2027-01-31", "="]}, "c": "two\nlines\n",
    }  # fmt: skip
    assert parsed("# nothing\n") is None


def test_a_file_is_bounded_before_it_is_parsed(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    file.write_text("a: " + MOST_BYTES * "x", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"large\.yaml: is larger .* 1,000,000 bytes"):
        read_yaml(file)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "marked.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(file) == {"a": 1}


# ------------------------------------------------------------------------------------------- as the command reads it

REFUSED: list[tuple[str, Sequence[str]]] = [
    (GLOBAL + 'company: {name: "${oc.${x}:SECRET}"}\nx: env\n', ["mine.yaml", "company.name", "holds no other"]),
    (GLOBAL + 'hydra: {job: {name: "${oc.env:SECRET}"}}\n', ["mine.yaml", "hydra.job.name", "environment"]),
    (MINE.replace("Mine.", '"${oc.decode:x}"'), ["mine.yaml", "description", "refused"]),
    (MINE.replace("Mine.", '"${hydra:job.name}"'), ["scenario.mine.description", "only hydra.run.dir"]),
    (MINE.replace("Mine.", '"${gate.title}"'), ["scenario.mine.description", "what gate holds is no setting"]),
    (MINE.replace("Mine.", '"${hydra.runtime.cwd}"'), ["scenario.mine.description", "refused"]),
    (MINE.replace("Mine.", '"${now:%Y}"'), ["scenario.mine.description", "only hydra.run.dir"]),
    (MINE.replace("Mine.", '"${scenario.mine.description}"'), ["scenario.mine.description: refers to itself"]),
    (MINE.replace("Mine.", '"${.description}"'), ["scenario.mine.description: refers to itself"]),
    (MINE.replace("Mine.", '"${nowhere}"'), ["scenario.mine.description", "'${nowhere}'", "not there"]),
    (MINE.replace("Mine.", '"${a b"'), ["mine.yaml", "description", "no reference"]),
    (GLOBAL.replace("Mine.", '"${x.i}"') + f"x:\n  a: xxxxxxxxxx\n{LAUGHS}", ["too long", "1,000,000"]),
    ("defaults: [/company: '${oc.env:SECRET}']\n" + MINE, ["mine.yaml", "defaults.0./company", "environment"]),
    (OWN + "interventions: {a: {_target_: hydra_plugins.x}}\n", ["mine.yaml", "interventions.a._target_"]),
    (GLOBAL + "hydra: {launcher: {_target_: hydra_plugins.x}}\n", ["mine.yaml", "hydra.launcher._target_"]),
    (MINE + "x: &a [1]\ny: *a\n", ["mine.yaml", "y: *a is refused"]),
    ("just text", ["mine.yaml", "'just text' is not a group of keys"]),
]  # fmt: skip


def composed(text: str, *words: str) -> str:
    """The description that the scenario has then."""
    Path("own/scenario").mkdir(parents=True, exist_ok=True)
    Path("own/scenario/mine.yaml").write_text(text, encoding="utf-8")
    with composer("own") as hydra:
        return str(compose(hydra, ["scenario=mine", *words]).scenario.mine.description)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "hunter2")


@pytest.mark.parametrize(("text", "told"), REFUSED)
def test_a_file_says_no_more_than_it_may(text: str, told: Sequence[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        composed(text)
    assert all(one in str(refused.value) for one in told)
    assert "hunter2" not in str(refused.value)


def test_a_value_refers_to_another() -> None:
    assert composed(MINE.replace("Mine.", '"over ${days} days, ${.title.en}"') + "title: {en: 'at ${seed}'}\n") == (
        "over 1095 days, at 1"
    )
    assert composed(MINE.replace("Mine.", r"'5 \${x}'")) == "5 ${x}"
    assert composed("\ufeff" + MINE) == "Mine."


WORDS: list[tuple[list[str], Sequence[str]]] = [
    (["market=true"], ["market=true: is not the name of a file", "established"]),
    (["market=1"], ["market=1: is not the name of a file"]),
    (["market=null"], ["market=nothing: is not the name of a file"]),
    (["scenario=[baseline,true]"], ["scenario=true: is not the name of a file"]),
    (["company='${oc.env:SECRET}'"], ["company", "is not the name of a file"]),
    (["company.name='${oc.env:SECRET}'"], ["company.name", "environment"]),
    (["hydra.run.dir=${oc.env:SECRET}"], ["hydra.run.dir", "environment"]),
    (["hydra.searchpath=[pkg://antigravity]"], ["hydra.searchpath", "refused"]),
    (["hydra.launcher._target_=os.system"], ["hydra.launcher._target_", "refused"]),
    (["hydra.job=1"], ["hydra.job=1: is no value"]),
    (["+x=" + 500 * "[" + 500 * "]"], ["x: is nested too deep"]),
    (["company.name=\x1b[31m"], ["company.name", "U+001B"]),
    (["company.name=\ud800"], ["company.name", "U+D800"]),
    (["days='${days}'"], ["days: refers to itself"]),
    (["-m", "company.desk.load=glob(*)"], ["company.desk.load=glob(*)", "no choice of files"]),
    (["-m", "scenario=glob(zz*)"], ["scenario=glob(zz*)", "finds no value"]),
    (["-m", "seed=interval(1,3)"], ["seed=interval(1,3)", "not a list"]),
    (["-m", "seed=range(1,2,0)"], ["seed=range(1,2,0)", "finds no value"]),
    (["-m", "seed=range(1,1000000000)"], ["seed=range(1,1000000000)", "10,000"]),
    (["-m", "seed=range(1,9999)", "company.margin=range(0.1,0.9,0.001)"], ["jobs are too many"]),
    (["-m", "seed=choice(1,2),3"], ["seed=choice(1,2),3", "list within a list"]),
    (["-m", "hydra/launcher=glob(*)"], ["hydra/launcher", "cannot be swept"]),
]  # fmt: skip


@pytest.mark.parametrize(("words", "told"), WORDS, ids=[" ".join(words)[:40] for words, _ in WORDS])
def test_a_word_says_no_more_than_it_may(
    words: list[str], told: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *words]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert all(one in line for one in told)
    assert "hunter2" not in line
    assert not list(Path().iterdir())


def test_what_is_taken_out_of_a_shipped_file_is_there_at_the_next_reading() -> None:
    first, second = (Packages("main", "pkg://conf").load_config("config").config for _ in range(2))
    assert first == second
    del first["customers"]
    assert "customers" in second
    assert "customers" in Packages("main", "pkg://conf").load_config("config").config
