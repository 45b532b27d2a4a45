"""Configurations damaged on purpose, by the grammar of what they say, and held to a line of answer each.

    python -m tests.faults.mutations --number 10000 --seed 1

A mutation is a scenario file, and words of the command line, with one to three places changed: other kinds of values,
YAML's own devices, references of all kinds, characters that are none, keys twice or of no text, brackets without end.
It holds if it is refused in one line that names the file or a key, or is understood; within ten seconds of the
processor and without another error. Mutation N of seed S is always the same.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cxsim.compose import asked
from cxsim.runs import one_line_errors
from sim.phrases import ConfigError

SECONDS = 10.0

SCENARIO = """# @package scenario.mine
description: Mine.
title: {en: Mine}
interventions:
  mail:
    kind: email
    lift: {value: 0.2, range: [0.1, 0.3], unit: logits, grade: judgement, source: ours}
    cost: 2
    start: 0
    days: 28
    rule: {orders: {at_least: 1}}
both_arms:
  company: {margin: 0.3}
  calendar: {seasons: {sale: {dates: 02-01..02-05, multiplier: 1.2}}}
"""
WORDS = ["scenario=mine", "customers=400", "days=60", "company.margin=0.3", "market=established", "seed=1"]

VALUES = (
    "1", "-1", "0", "1e400", ".nan", "-.inf", "0x_", "1_0", "1:30:00", "true", "null", "~", "''", "' '", "[]", "{}",
    "[1, [2, [3]]]", "{a: {b: c}}", "2027-01-31", "=", "<<", "'漢字'", "'it''s'", "x" * 5000, "9" * 5000,
    '"\\ud800"', '"\\e[31m"', '"\\0"', '"\\x9b"', '"\\u202e"', '"\\n\\t"', "|\n  a\n  b",
    "!!set {a, b}", "!!str 3", "!!python/name:os.system", "!!binary aGk=", "! x", "&a [*a]", "&a {b: *a}", "*a", "&a x",
    "'${days}'", "'${oc.env:HOME}'", "'${oc.${company.name}:HOME}'", "'${hydra:job.name}'", "'${hydra.runtime.cwd}'",
    "'${now:%Y}'", "'${.x}'", "'${...x}'", "'${scenario}'", "'${scenario.mine}'", "'${'", "'${}'", "'${a b}'",
    "'\\${x}'",
    "'${${days}}'", "'${a[0].b}'", "'${python_version:}'", "'${oc.decode:[1]}'", "${days}", "[" * 200 + "]" * 200,
    "[" * 3000, "{a: " * 200 + "1" + "}" * 200,
)  # fmt: skip
KEYS = ("null", "1", "on", "''", '"a\\e"', "[a]", "{a: 1}", "<<", "_target_", "_x_", "()", "class", "a.b", "a b", "漢",
        "? a\n", "defaults", "hydra", "x" * 3000)  # fmt: skip
LINES = (
    "\t", "---", "...", "%YAML 1.1", "# @package _global_", "\ufeff", "\x00", "\x1b[31m", "]", "}", "- a", "a: &a 1",
    "b: *a", "<<: {c: 1}", "defaults: [/company: nowhere]", "defaults: [/company: '${oc.env:HOME}']",
    "hydra: {launcher: {_target_: os.system}}", "description: twice",
)  # fmt: skip


class Mutation(NamedTuple):
    """A file of a scenario and the words that name it."""

    file: bytes
    words: list[str]


def mutation(seed: int, number: int) -> Mutation:
    """The mutation of this number."""
    chance = Random(f"{seed}/{number}")
    text, words = SCENARIO, list(WORDS)
    for _ in range(chance.randint(1, 3)):
        if chance.random() < 0.3:
            words = _other_words(words, chance)
        else:
            text = _other_text(text, chance)
    file = text.encode("utf-8", "surrogatepass")
    if chance.random() < 0.05:
        place = chance.randrange(len(file))
        file = file[:place] + bytes([chance.randrange(256)]) + file[place:]
    return Mutation(file, words)


def _other_text(text: str, chance: Random) -> str:
    lines = text.split("\n")
    place = chance.randrange(len(lines))
    key, colon, _ = lines[place].partition(":")
    indent = key[: len(key) - len(key.lstrip())]
    change = chance.choice(("value", "value", "value", "key", "line", "twice", "gone", "deeper"))
    if change == "value" and colon:
        lines[place] = f"{key}: {chance.choice(VALUES)}"
    elif change == "key" and colon:
        lines[place] = lines[place].replace(key.strip(), chance.choice(KEYS), 1)
    elif change == "line":
        lines.insert(place, indent + chance.choice(LINES))
    elif change == "twice":
        lines.insert(place, lines[place])
    elif change == "gone":
        del lines[place]
    else:
        lines[place] = " " * chance.randint(1, 3) + lines[place]
    return "\n".join(lines)


def _other_words(words: list[str], chance: Random) -> list[str]:
    word = chance.choice(words)
    key = word.partition("=")[0]
    made = chance.choice(("", "+", "++", "~")) + chance.choice((key, f"{key}.x", chance.choice(KEYS)))
    value = chance.choice(VALUES).replace("\n", " ")
    return [*words, chance.choice((f"{made}={value}", f"{key}={value}", f"{key}={{{value}: 1}}", f"{made}"))]


def answered(one: Mutation) -> str:
    """The line that refuses it, empty where it is understood. Raises AssertionError where it does not hold."""
    started = time.process_time()
    with TemporaryDirectory() as folder, chdir(folder):
        file = Path("own/scenario/mine.yaml")
        file.parent.mkdir(parents=True)
        file.write_bytes(one.file)
        try:
            with one_line_errors():
                asked(list(one.words), "own")
            line = ""
        except ConfigError as error:
            line = str(error)
            named = "mine.yaml" in line or any(part in line for part in (":", "="))
            assert named, f"names nothing: {line}"
    assert time.process_time() - started < SECONDS, f"took {time.process_time() - started:.0f} s"
    return line


def failures(seed: int, numbers: range) -> Iterator[tuple[int, BaseException]]:
    """The mutations that do not hold, and how."""
    for number in numbers:
        try:
            answered(mutation(seed, number))
        except Exception as error:
            yield number, error


def main() -> int:
    """Try many; print what does not hold, and how many do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    answered(Mutation(SCENARIO.encode(), WORDS))  # which imports and compiles what all need
    failed = 0
    for number, error in failures(given.seed, range(given.first, given.first + given.number)):
        failed += 1
        print(f"{number}: {type(error).__name__}: {str(error)[:200]!r}", flush=True)
    print(f"{given.number} tried, {given.number - failed} held (seed {given.seed})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
