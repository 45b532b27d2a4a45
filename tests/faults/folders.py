"""Run folders broken in one place, then read by every command that reads them.

    python -m tests.faults.folders --tries 1000 --seed 1

A try changes one file of a good folder. Half of them leave the manifest as it was: `cxsim verify` must then exit with 2
and one line that names the file, and any other command, which may not read it, must answer or refuse in a line. The
other half state the change in a new manifest, as a folder made by hand would: no command may crash.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
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
from cxsim import cli
from sim.files import manifest

READERS: tuple[tuple[str, ...], ...] = (
    ("report",), ("map",), ("funnel",), ("story", "--find", "late and lapsed"), ("story", "7"), ("gate",), ("verify",),
)  # fmt: skip


class Trial(NamedTuple):
    """One broken folder: what was changed, who read it, and what was wrong; empty where all held."""

    file: str
    change: str
    stated: bool
    command: str
    status: int
    wrong: str


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


ANY_CHANGES: dict[str, Change] = {
    "cut": _cut, "a bit": _flipped, "empty": lambda path, _: path.write_bytes(b""), "a folder": _folder,
    "gone": lambda path, _: path.unlink(), "noise": lambda path, chance: path.write_bytes(chance.randbytes(500)),
}  # fmt: skip


def changes(path: Path) -> dict[str, Change]:
    """What can be done to a file."""
    if path.suffix in (".csv", ".parquet"):
        return ANY_CHANGES | TABLE_CHANGES
    return ANY_CHANGES | ({"a value": _value} if path.suffix in (".yaml", ".json") else {})


def tried(good: Path, within: Path, chance: random.Random) -> Trial:
    """Break a copy of a good folder and read it."""
    folder = Path(shutil.copytree(good, within / "broken"))
    before = manifest.listed(folder)
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.suffix != ".html")
    name = chance.choice(names)
    path = folder / name
    change = chance.choice(sorted(changes(path)))
    changes(path)[change](path, chance)
    stated = chance.random() < 0.5 and name not in (manifest.NAME, manifest.PROVENANCE)
    if stated:
        (folder / manifest.NAME).write_text(manifest.text(manifest.listed(folder)), encoding="utf-8")
    reader = chance.choice(READERS)
    moved = manifest.listed(folder) != before or name in (manifest.NAME, manifest.PROVENANCE)
    status, told = called([reader[0], str(folder), *reader[1:]])
    wrong = "; ".join(_wrongs(status, told, name, must=moved and not stated and reader[0] == "verify"))
    shutil.rmtree(folder)
    return Trial(name, change, stated, reader[0], status, wrong)


def called(words: list[str]) -> tuple[int, str]:
    """Exit status of a command and what it wrote to the error stream; -1 and the traceback where it crashed."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        try:
            return cli.main(words), told.getvalue()
        except Exception:
            return -1, traceback.format_exc()


def _wrongs(status: int, told: str, name: str, must: bool) -> Iterator[str]:
    lines = told.splitlines()
    if status not in (0, 2):
        yield f"status {status}: {told}"
    elif status == 2 and not (lines and all(line.startswith("cxsim: ") for line in lines)):
        yield f"no line: {told}"
    elif must and status == 0 and name != manifest.PROVENANCE:
        yield "not noticed"


def good_run(within: Path) -> Path:
    """A small run with journeys."""
    folder = within / "good"
    small = {"customers": 400, "days": 56, "burn_in": 30, "replications": 2, "scenario": "norush_coupon"}
    cxsim.run(folder=folder, **small)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--run", type=Path, help="a good run folder, instead of one that is made")
    given = parser.parse_args()
    chance = random.Random(given.seed)
    count: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as made:
        within = Path(made)
        good = given.run or good_run(within)
        for number in range(given.tries):
            one = tried(good, within, chance)
            count["held" if not one.wrong else "not held"] += 1
            count["refused"] += one.status == 2
            if one.wrong:
                print(f"{number}: {one}", flush=True)
    print(f"tried {given.tries}, held {count['held']}, refused {count['refused']}")
    return int(count["not held"] > 0)


if __name__ == "__main__":
    sys.exit(main())
