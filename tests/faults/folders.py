"""Folders of results broken in one place, then read by every command that reads them.

    python -m tests.faults.folders --number 1000 --seed 1 [--kinds run,sweep]

A try changes one file of a good folder: of a run, a sweep, a search, a lesson or a calibration. Two thirds leave the
manifest as it was: `cxsim verify` must then exit with 2 and a line that names the file, and any other reader must
refuse in lines of which one names a file of the folder, or answer exactly as of the good folder, which is the case
where it does not read the file. The others state the change in a new manifest, as a folder made by hand would: no
reader may crash. Try N of seed S is always the same.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import re
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml

import cxsim
from analysis.studies.optimise import sentences
from analysis.studies.optimise_page import write_report
from cxsim import cli
from cxsim.cli.terminal import say
from cxsim.compose import asked
from cxsim.runs import one_line_errors
from sim.config.settings import resolved
from sim.files import manifest
from sim.phrases import ConfigError
from tests.faults.kills import COMMANDS, EVIDENCE

READERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "run": (("report",), ("map",), ("funnel",), ("story", "--find", "late and lapsed"), ("story", "7"), ("gate",),
            ("verify",), ("load",)),
    "sweep": (("sweep-report",), ("gate",), ("verify",), ("load",)),
    "search": (("page",), ("verify",)),
    "lesson": (("verify",), ("use",)),
    "calibration": (("verify",), ("use",)),
}  # fmt: skip
"""What reads a folder of each kind: commands, and `load` for `cxsim.load`, `page` for what `optimise` says in the end,
`use` for `company=shop`."""

DEEP = 100_000
"""Lists within one another."""


class Trial(NamedTuple):
    """One broken folder: what was changed, who read it, and what was wrong; empty where all held."""

    kind: str
    file: str
    change: str
    stated: bool
    reader: str
    status: int
    wrong: str


class Answer(NamedTuple):
    """What a reader said: its exit status, both streams, and the files that it wrote."""

    status: int
    said: str
    errors: str
    written: dict[str, bytes]


class Good(NamedTuple):
    """A good folder of some kind, and another of the kind, whose files fit and are none of its own."""

    kind: str
    folder: Path
    other: Path


Change = Callable[[Path, random.Random], object]


def _table(change: Callable[[pd.DataFrame, random.Random], pd.DataFrame]) -> Change:
    def changed(path: Path, chance: random.Random) -> None:
        table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
        new = change(table, chance)
        if path.suffix == ".csv":
            new.to_csv(path, index=False)
        else:
            new.to_parquet(path, index=False)

    return changed


def _column(table: pd.DataFrame, chance: random.Random, value: Callable[[pd.Series], Any]) -> pd.DataFrame:
    name = chance.choice(list(table.columns))
    return table.assign(**{name: value(table[name])})


TABLE_CHANGES: dict[str, Change] = {
    "rows twice": _table(lambda table, _: pd.concat([table, table])),
    "no rows": _table(lambda table, _: table[:0]),
    "one row": _table(lambda table, _: table[:1]),
    "half": _table(lambda table, _: table[: len(table) // 2]),
    "shuffled": _table(lambda table, chance: table.sample(frac=1, random_state=chance.randrange(1 << 30))),
    "no column": _table(lambda table, chance: table.drop(columns=chance.choice(list(table.columns)))),
    "as text": _table(lambda table, chance: _column(table, chance, lambda own: own.astype(str) + "x")),
    "blank": _table(lambda table, chance: _column(table, chance, lambda _own: None)),
    "-1": _table(lambda table, chance: _column(table, chance, lambda _own: -1)),
    "infinite": _table(lambda table, chance: _column(table, chance, lambda _own: np.inf)),
    "huge": _table(lambda table, chance: _column(table, chance, lambda _own: 2**31 - 1)),
}


def _cut(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content))])


def _flipped(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def _folder(path: Path, _chance: random.Random) -> None:
    path.unlink()
    path.mkdir()


def _value(path: Path, chance: random.Random) -> None:
    """Another value in a file of YAML or JSON, anywhere in it."""
    node = yaml.safe_load(path.read_text(encoding="utf-8"))
    place: Any = node
    while True:
        key = chance.choice(list(place)) if isinstance(place, dict) else chance.randrange(len(place))
        if not (isinstance(place[key], dict | list) and place[key]) or chance.random() < 0.1:
            break
        place = place[key]
    place[key] = chance.choice([None, float("nan"), "x", -1, [], {}, True, 1e300, "2026-13-45"])
    text = json.dumps(node) if path.suffix == ".json" else yaml.safe_dump(node, sort_keys=False)
    path.write_text(text, encoding="utf-8")


def _nested(path: Path, _chance: random.Random) -> None:
    path.write_text("[" * DEEP + "]" * DEEP, encoding="utf-8")


ANY_CHANGES: dict[str, Change] = {
    "cut": _cut, "a bit": _flipped, "empty": lambda path, _: path.write_bytes(b""), "a folder": _folder,
    "gone": lambda path, _: path.unlink(), "noise": lambda path, chance: path.write_bytes(chance.randbytes(500)),
}  # fmt: skip


def changes(path: Path) -> dict[str, Change]:
    """What can be done to a file."""
    if path.suffix in (".csv", ".parquet"):
        return ANY_CHANGES | TABLE_CHANGES
    return ANY_CHANGES | ({"a value": _value, "nested": _nested} if path.suffix in (".yaml", ".json") else {})


def tried(good: Good, within: Path, chance: random.Random, known: dict[tuple[str, ...], Answer]) -> Trial:
    """Break a copy of a good folder and read it. `known`: what each reader says of the good one, found when asked for.
    """
    reader = chance.choice(READERS[good.kind])
    folder = within / "read"
    if (good.kind, *reader) not in known:
        known[good.kind, *reader] = _read(Path(shutil.copytree(good.folder, folder)), reader)
        shutil.rmtree(folder)
    shutil.copytree(good.folder, folder)
    before = _entries(folder)
    path = chance.choice(sorted(path for path in folder.rglob("*") if _is_of_results(path.relative_to(folder))))
    name = path.relative_to(folder).as_posix()
    change = _change(good, path, name, chance)
    stated = chance.random() < 1 / 3 and path.name not in (manifest.NAME, manifest.PROVENANCE)
    for place in [path.parent, *path.parent.parents] if stated else ():
        if (place / manifest.NAME).is_file() and place.is_relative_to(folder):
            (place / manifest.NAME).write_text(manifest.text(manifest.listed(place)), encoding="utf-8")
    moved = not stated and _entries(folder) != before
    answer = _read(folder, reader)
    wrong = "; ".join(_wrongs(answer, known[good.kind, *reader], path.name, moved, stated, reader[0]))
    shutil.rmtree(folder)
    return Trial(good.kind, name, change, stated, reader[0], answer.status, wrong)


def _is_of_results(name: Path) -> bool:
    """Whether a file is part of results: not one that holds a lock, nor the storage of a search, nor a picture."""
    hidden = any(part.startswith(".") for part in name.parts)
    return name.suffix in (".csv", ".parquet", ".json", ".yaml", ".key") and not hidden


def _change(good: Good, path: Path, name: str, chance: random.Random) -> str:
    """Change a file, and say how."""
    known = changes(path)
    how = chance.choice([*sorted(known), "another's", "swapped"])
    if how in known:
        known[how](path, chance)
    elif how == "another's":
        there = sorted(one for one in good.other.rglob(path.name) if one.is_file())
        path.write_bytes(chance.choice(there).read_bytes() if there else b"another's")
    else:
        second = chance.choice([one for one in path.parent.iterdir() if one.is_file() and one != path] or [path])
        ours, theirs = path.read_bytes(), second.read_bytes()
        path.write_bytes(theirs)
        second.write_bytes(ours)
        how += f" with {second.name}"
    return how


def _entries(folder: Path) -> dict[str, manifest.Entry]:
    """Every file that a manifest in the folder should know, and what else is there of results."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return {path.relative_to(folder).as_posix(): manifest.Entry.of(path.read_bytes()) for path in files}


def _read(folder: Path, reader: tuple[str, ...]) -> Answer:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    said, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(said):
        try:
            status = _call(folder, reader)
        except Exception:
            status = -1
            traceback.print_exc()
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    written = {path.relative_to(folder).as_posix(): now for path, now in after.items() if now != before.get(path)}
    written.pop(manifest.NAME, None)
    return Answer(status, said.getvalue(), errors.getvalue(), written)


def _call(folder: Path, reader: tuple[str, ...]) -> int:
    name, *words = reader
    if name in cli.COMMANDS:
        return cli.main([name, str(folder), *words])
    try:
        with one_line_errors():
            PYTHON[name](folder)
    except ConfigError as error:
        say(error)
        return cli.BAD_INPUT
    return cli.OK


def _loaded(folder: Path) -> None:
    """Everything that `cxsim.load` gives."""
    found = cxsim.load(folder)
    if isinstance(found, cxsim.Run):
        runs = [found]
    else:
        print(found.table.to_csv(), found.jobs.to_csv(), found.lost)
        runs = list(found.runs.values())
    for run in runs:
        print(*(table.to_csv() for table in (run.effects, run.daily, run.customers, run.events)), run.config)
        print(run.verdict, run.summary, run.report.read_text(encoding="utf-8"))


def _page(folder: Path) -> None:
    write_report(folder)
    print("\n".join(sentences(folder)))


def _used(folder: Path) -> None:
    print(resolved(asked(["company=shop", "scenario=norush_coupon"], folder.parent).settings))


PYTHON: dict[str, Callable[[Path], None]] = {"load": _loaded, "page": _page, "use": _used}


def _wrongs(answer: Answer, good: Answer, name: str, moved: bool, stated: bool, reader: str) -> Iterator[str]:
    lines = answer.errors.splitlines()
    if answer.status == good.status == 2 and answer.errors == good.errors:
        return  # what this reader wants, such as journeys, the good folder does not have either
    if answer.status not in (0, 2):
        yield f"status {answer.status}: {answer.errors}"
    elif answer.status == 2 and not (lines and all(line.startswith("cxsim: ") for line in lines)):
        yield f"no line: {answer.errors}"
    elif answer.status == 2 and not stated and reader != "verify" and not re.search(r"[\w-]+\.(\w{3,7})\b", lines[-1]):
        yield f"names no file: {answer.errors}"
    elif moved and answer.status == 0 and reader == "verify" and name not in (manifest.NAME, manifest.PROVENANCE):
        yield "not noticed"
    elif not stated and answer.status == 0 and reader != "verify":
        others = [file for file, content in answer.written.items() if good.written.get(file, content) != content]
        if others or answer.said != good.said:
            yield f"another answer in silence: {others or 'printed'}"


# -- good folders ---------------------------------------------------------------------------------------------------

SMALL = ("customers=400", "days=28", "burn_in=30", "replications=2")


def good_folders(kinds: list[str], within: Path) -> list[Good]:
    """Two small folders of each kind."""
    makers = {"run": _runs, "sweep": _sweeps, "search": _searches, "lesson": _lessons, "calibration": _calibrations}
    return [Good(kind, *makers[kind](within / kind)) for kind in kinds]


def _runs(within: Path) -> list[Path]:
    return [cxsim.run(*SMALL, "days=56", f"seed={seed}", folder=within / f"{seed}").folder for seed in (1, 2)]


def _sweeps(within: Path) -> list[Path]:
    words = (*SMALL, "arms=total", "seed=1,2")
    return [cxsim.sweep(*words, f"days={days}", folder=within / f"{days}").folder for days in (28, 29)]


def _made(words: list[str]) -> None:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = cli.main(words)
    assert status == 0, said.getvalue()


def _searches(within: Path) -> list[Path]:
    for seed in ("1", "2"):
        _made([*COMMANDS["optimise"][:-1], str(within / seed), f"seed={seed}"])
    return [within / "1", within / "2"]


def _lessons(within: Path) -> list[Path]:
    within.mkdir()
    (within / "evidence.yaml").write_text(EVIDENCE, encoding="utf-8")
    learn, _file, *words = COMMANDS["learn"]
    for seed in ("1", "2"):
        _made([learn, str(within / "evidence.yaml"), *words[:-1], str(within / seed), f"seed={seed}"])
    return [within / "1" / "company", within / "2" / "company"]


def _calibrations(within: Path) -> list[Path]:
    for yen in ("1", "2"):
        _made([*COMMANDS["calibrate"][:-1], str(within / yen), "--yen", yen])
    return [within / "1" / "company", within / "2" / "company"]


def trials(goods: list[Good], within: Path, seed: int, numbers: range) -> Iterator[Trial]:
    """A try per number, the kinds in turn."""
    known: dict[tuple[str, ...], Answer] = {}
    for number in numbers:
        yield tried(goods[number % len(goods)], within, random.Random(f"{seed}/{number}"), known)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(READERS), help="with commas between; default: all")
    given = parser.parse_args()
    count: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as made:
        within = Path(made)
        goods = good_folders(given.kinds.split(","), within)
        numbers = range(given.first, given.first + given.number)
        for number, one in zip(numbers, trials(goods, within, given.seed, numbers), strict=True):
            count.update({f"{one.kind}: tried": 1, f"{one.kind}: refused": int(one.status == 2)})
            count["held"] += not one.wrong
            if one.wrong:
                print(f"{number}: {one}", flush=True)
    for kind in given.kinds.split(","):
        print(f"{kind:12} tried {count[f'{kind}: tried']:5}, refused {count[f'{kind}: refused']:5}")
    print(f"{given.number} tried, {count['held']} held (seed {given.seed})")
    return int(count["held"] != given.number)


if __name__ == "__main__":
    sys.exit(main())
