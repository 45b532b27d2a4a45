"""Whatever people write for cxsim, damaged on purpose by the grammar of what it says, and held to a line each.

    python -m tests.faults.mutations --number 10000 --seed 1 [--kinds scenario,evidence]

Most mutations damage one place of one file, of any kind that is read (`tests.faults.documents`): they hold if the file
is understood, or refused in one line that names the damaged key. Some damage words of the command line, swept ones
among them; some a scenario file and words in up to three places, letter by letter, and go the whole way through Hydra:
there the line names the file or a key. All within ten seconds of the processor, and without another error. Mutation N
of seed S is always the same.
"""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cxsim.compose import addable, asked
from cxsim.runs import one_line_errors
from sim.phrases import UNPRINTABLE, ConfigError
from tests.config.compose import spoken
from tests.faults import damage, documents

SECONDS = 10.0
"""Of the processor, within which a mutation must be answered."""

WHOLE_WAY = 0.05
"""Share of mutations that Hydra puts together anew, which takes a second each."""

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


FORMS = ("{0}={1}", "{0}={1}", "{0}={1}", "{0}=1,{1}", "{0}=choice({1},2)", "{0}=range({1},3)", "{0}=interval(0,{1})",
         "{0}=glob({1})", "{0}", "{0}.x={1}", "{0}={{x: {1}}}")  # fmt: skip
"""Words of the command line, of a key and a value."""


class Mutation(NamedTuple):
    """A file of a scenario and the words that name it."""

    file: bytes
    words: list[str]


def mutation(chance: Random) -> Mutation:
    """The scenario and its words, damaged in one to three places."""
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
    with TemporaryDirectory() as folder, chdir(folder):
        file = Path("own/scenario/mine.yaml")
        file.parent.mkdir(parents=True)
        file.write_bytes(one.file)
        line = refusal(lambda: asked(list(one.words), "own"))
    assert not line or "mine.yaml" in line or ":" in line or "=" in line, f"names nothing: {line}"
    return line


def refusal(read: Callable[[], object]) -> str:
    """The line that refuses what is read, empty where it is understood. Raises what is no line, or takes too long."""
    started = time.process_time()
    with _patience():
        try:
            with one_line_errors():
                read()
            line = ""
        except ConfigError as error:
            line = " ".join(str(error).split())  # as it is shown
    assert time.process_time() - started < SECONDS, f"took {time.process_time() - started:.0f} s"
    assert not UNPRINTABLE.search(line), f"cannot be shown: {line!r}"
    return line


@contextmanager
def _patience() -> Iterator[None]:
    """Raise TimeoutError in what hangs."""

    def stop(*_: object) -> None:
        raise TimeoutError("hangs")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, 2 * SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


class Bench:
    """Where damaged files are written and read: a folder, and one composer for all."""

    def __init__(self, folder: Path, hydra: documents.Hydra, jobs: documents.JobComposer) -> None:
        self._folder, self._hydra, self._jobs = folder, hydra, jobs
        self.documents = documents.documents(jobs, folder.parent)
        self.kinds = sorted([*self.documents, "words", "text"])
        self._keys = [".".join(map(str, place)) for place in damage.places(documents.whole()) if place]

    def tried(self, kind: str, chance: Random) -> str:
        """The line that refuses the next mutation of a kind, empty where it is understood. Raises where none holds."""
        if kind == "text":
            return answered(mutation(chance))
        if kind == "words":
            return self._words(chance)
        document = self.documents[kind]
        one = damage.damaged(document.node, chance)
        folder = documents.fresh(self._folder)
        file = folder / document.place
        file.parent.mkdir(exist_ok=True)
        file.write_text(document.header + one.text, encoding="utf-8", errors="surrogatepass")
        line = refusal(lambda: document.read(folder))
        self._require_named(line, one, document)
        if document.words and chance.random() < WHOLE_WAY:
            other = refusal(lambda: documents.composed(document, folder))
            referring = "${" in one.text  # what a reference leads to is seen on the whole way alone
            assert bool(other) == bool(line) or referring, f"{line!r}, and through Hydra {other!r}"
            self._require_named(other, one, document)
        return line

    def _require_named(self, line: str, one: damage.Damage, document: documents.Document) -> None:
        keys = [*one.keys, *(_elsewhere(key, document.elsewhere) for key in one.keys)]
        named = any(damage.names(line, key, above) for key in keys for above in (document.above, ()) if key)
        in_file = not one.plain and document.place.rpartition("/")[2] in line
        assert not line or named or in_file, f"{one.how} of {one.keys[0]} is not named: {line!r}"

    def _words(self, chance: Random) -> str:
        key = chance.choice(self._keys)
        made = chance.choice(("", "", "", "+", "++", "~")) + key
        value = spoken(chance.choice(damage.VALUES)) if chance.random() < 0.7 else chance.choice(VALUES)
        value = value.replace("\n", " ")
        word = chance.choice(FORMS).format(made, value)
        words = [*documents.SMALL, addable(word)]
        line = refusal(lambda: documents.read_words(self._jobs, self._hydra, words))
        parts = tuple(key.split("."))
        assert not line or damage.names(line, parts, ()) or made in line, f"{word[:200]} is not named: {line!r}"
        return line


def _elsewhere(key: damage.Key, places: tuple[tuple[str, ...], ...]) -> damage.Key:
    """The key that a file states below one of the places, as the configuration has it; empty where it states none."""
    parts = tuple(map(str, key))
    return next((key[len(place) :] for place in places if parts[: len(place)] == place), ())


@contextmanager
def bench() -> Iterator[Bench]:
    """A bench on which what is undamaged is understood."""
    with TemporaryDirectory() as folder, documents.composing() as (hydra, jobs):
        made = Bench(Path(folder).resolve() / "own", hydra, jobs)
        for name, document in made.documents.items():
            file = documents.fresh(Path(folder) / "own") / document.place
            file.parent.mkdir(exist_ok=True)
            file.write_text(document.header + damage.written(document.node), encoding="utf-8")
            line = refusal(lambda document=document: document.read(Path(folder) / "own"))
            assert not line, f"{name}, undamaged: {line}"
        assert answered(Mutation(SCENARIO.encode(), WORDS)) == ""
        gc.collect()
        gc.freeze()  # what stays need not be looked through again and again
        yield made


class Trial(NamedTuple):
    """A mutation that was tried: its kind, the line that refused it, and what was wrong; empty where it held."""

    kind: str
    line: str
    wrong: str


def trials(on: Bench, seed: int, numbers: range, kinds: list[str]) -> Iterator[tuple[int, Trial]]:
    """A trial per number."""
    few = [kind for kind in kinds if kind == "text"]
    for number in numbers:
        chance = Random(f"{seed}/{number}")
        rest = [kind for kind in kinds if kind not in few] or few
        kind = chance.choice(few) if few and chance.random() < WHOLE_WAY else chance.choice(rest)
        try:
            yield number, Trial(kind, on.tried(kind, chance), "")
        except Exception as error:
            yield number, Trial(kind, "", f"{type(error).__name__}: {error}")


def main() -> int:
    """Try many; print what does not hold, and how many do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default="", help="beginnings of kinds, with commas between; default: all")
    given = parser.parse_args()
    count: Counter[str] = Counter()
    with bench() as on:
        kinds = [kind for kind in on.kinds if kind.startswith(tuple(given.kinds.split(",")))]
        for number, one in trials(on, given.seed, range(given.first, given.first + given.number), kinds):
            refused = int(bool(one.line))
            count.update({f"{one.kind}: tried": 1, f"{one.kind}: refused": refused, "refused": refused})
            count["held"] += not one.wrong
            if one.wrong:
                print(f"{number}: {one.kind}: {one.wrong[:500]}", flush=True)
    for kind in kinds:
        print(f"{kind:30} tried {count[f'{kind}: tried']:5}, refused {count[f'{kind}: refused']:5}")
    print(f"{given.number} tried, {count['refused']} refused, {count['held']} held (seed {given.seed})")
    return int(count["held"] != given.number)


if __name__ == "__main__":
    sys.exit(main())
