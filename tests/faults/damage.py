"""Documents damaged in one place, by the grammar of what they say: the key that an answer must name is known."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from copy import deepcopy
from random import Random
from typing import Any, NamedTuple

import yaml

from sim.files.plain import LONGEST_KEY

Key = tuple[str | int, ...]

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.5, 1e9, -1e9, 1e-9, 5e-324, 1e308, 10**400, float("nan"), float("inf"),
    float("-inf"), "", " ", "x", "auto", "on", "null", "1", "1.5", "1e3", "漢字", "x" * 5000, "it's", "a b", "a: b",
    "#", "=", "own", "all", "total", "2027-01-31", "02-30", "13-01", "12-01..12-25", "norush_coupon", "gain",
    "100 %", "\\", "%", "../../etc/passwd", "{x}", "{}", "${", "$", "~", "a\nb", "\t", "2027-01-31T00:00:00Z", [],
    {}, [[]], [None], [1], [1, 2], [2, 1], [1, 1], [1, 2, 3], ["x"], [True], [float("nan"), 1], [-1, 10**400],
    {"value": 1}, {"value": None}, {"value": 1, "range": [0, 2]}, {"value": 5, "range": [0, 2]},
    {"value": 1, "range": [2, 0]}, {"value": 1, "range": [1]}, {"value": 1, "range": "0..2"},
    {"value": 1, "options": []}, {"value": 1, "options": [1, 2]}, {"value": "x", "options": ["x", 1]}, {"mean": 1},
    {"mean": 1, "se": 0}, {"mean": 1, "se": -1}, {"mean": 1, "se": 0.1}, {"mean": 1, "se": 0.1, "value": 1},
    {"se": 1}, {"value": 1, "rnage": [0, 2]}, {"value": 1, "grade": "x"}, {"value": 1, "unit": 3},
    {"value": 1, "tolerance": -1}, {"x": 1}, {"a": {"b": {"c": {}}}}, {"at_least": 1}, {"dates": "02-01..02-05"},
    {"kind": "email"},
)  # fmt: skip

DEVICES = (
    "0x_", "1_0", "1:30:00", "~", "'it''s'", "9" * 5000, '"\\ud800"', '"\\e[31m"', '"\\0"', '"\\x9b"', '"\\u202e"',
    '"\\n\\t"', "!!set {a, b}", "!!str 3", "!!python/name:os.system", "!!binary aGk=", "! x", "&a [*a]",
    "&a {b: *a}", "*a", "&a x", "'${days}'", "'${oc.env:HOME}'", "'${oc.${company.name}:HOME}'",
    "'${hydra:job.name}'", "'${now:%Y}'", "'${.x}'", "'${...x}'", "'${scenario}'", "'${'", "'${}'", "'${a b}'",
    "'${${days}}'", "'${a[0].b}'", "'${oc.decode:[1]}'", "[" * 200 + "]" * 200, "{a: " * 200 + "1" + "}" * 200, "[",
    "}", "'", '"', "a: b: c", "- a", "@x", "`x", "%x", "{a: 1, a: 2}", "{null: 1}", "{1: 1}", "{on: 1}",
    "{? [a] : 1}", "{<<: {a: 1}}", "{_target_: os.system}", "{_x_: 1}", "{'': 1}", "{()}: 1",
)  # fmt: skip
"""What YAML and references can do, as it stands in a file."""

NEW_KEYS = ("x", "_target_", "_x_", "()", "class", "a.b", "a b", "漢", "defaults", "hydra", "x" * 300, "<<", "=",
            "1x", "-")  # fmt: skip


class Damage(NamedTuple):
    """A damaged text.

    keys: those of which an answer must name one, from the document's top. plain: whether no device of YAML's is in it.
    """

    text: str
    keys: tuple[Key, ...]
    plain: bool
    how: str


def damaged(node: Mapping[str, Any], chance: Random) -> Damage:
    """The document with one place damaged."""
    tree = deepcopy(dict(node))
    place = chance.choice([place for place in places(tree) if place])
    how = chance.choice(("value", "value", "value", "number", "device", "new", "gone", "misspelt", "wrapped", "list"))
    above, last = _at(tree, place[:-1]), place[-1]
    if how == "value":
        above[last] = chance.choice(VALUES)
    elif how == "number":
        above[last] = _other(above[last], chance)
    elif how == "wrapped":
        above[last] = chance.choice(([above[last]], {"value": above[last]}, {"x": above[last]}, str(above[last])))
    elif how == "list":
        above[last] = above[last] * 2 if isinstance(above[last], list) else [above[last], above[last]]
    elif how == "device":
        return _with_device(tree, place, chance)
    elif isinstance(above, list):
        del above[last]
        return Damage(written(tree), (place, place[:-1]), True, how)
    else:
        return _other_key(tree, place, how, chance)
    new = tuple((*place, key) for key in (above[last] if isinstance(above[last], dict) else ()))
    return Damage(written(tree), (place, *new), True, how)


def _other_key(tree: dict[str, Any], place: Key, how: str, chance: Random) -> Damage:
    above, last = _at(tree, place[:-1]), place[-1]
    if how == "new":
        below = above[last] if isinstance(above[last], dict) else above
        where = place if below is not above else place[:-1]
        new = chance.choice((*NEW_KEYS, _misspelt(str(last), chance)))
        below[new] = chance.choice(VALUES)
        return Damage(written(tree), ((*where, new),), True, how)
    value = above.pop(last)
    if how == "gone":  # or what refers to it
        return Damage(written(tree), (place, *filter(None, places(tree))), True, how)
    new = _misspelt(str(last), chance)
    above[new] = value
    referring = [key for key in places(tree) if str(last) in ".".join(map(str, key)).split(".")]
    return Damage(written(tree), (place, (*place[:-1], new), *referring), True, how)


def _with_device(tree: dict[str, Any], place: Key, chance: Random) -> Damage:
    mark = "a_mark_that_stands_nowhere_else"
    _at(tree, place[:-1])[place[-1]] = mark
    return Damage(written(tree).replace(mark, chance.choice(DEVICES)), (place,), False, "device")


def _other(value: Any, chance: Random) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)[: chance.randrange(1 + len(str(value)))]
    factor = chance.choice((-1, 0, 10, 1e3, 1e6, 1e12, 0.1, 1e-6, 0.5, 1.5))
    return chance.choice((value * factor, f"{value}", [value], value + 0.5))


def _misspelt(word: str, chance: Random) -> str:
    place = chance.randrange(len(word))
    letter = chance.choice(string.ascii_lowercase)
    less, more = word[:place] + word[place + 1 :], word[:place] + letter + word[place:]
    return chance.choice((less, more, word.upper(), f"{word}s"))


def written(tree: Any) -> str:
    """As YAML; what is long stays on its line."""
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=10**6)


def places(node: Any, above: Key = ()) -> Iterator[Key]:
    """The keys that lead to every value."""
    yield above
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, below in pairs:
        yield from places(below, (*above, key))


def _at(node: Any, place: Key) -> Any:
    for key in place:
        node = node[key]
    return node


def names(line: str, key: Key, above: Key) -> bool:
    """Whether a line names a key: dotted, but for the last parts of a parameter, which follow in words of their own.

    Numbers of places in a list need not stand, nor the end of a key that is too long to be shown. `above`: the keys
    that stand over the document's own.
    """
    wanted = ".".join(map(str, (*above, *key))).split(".")
    if f"{'.'.join(wanted)[:LONGEST_KEY]}..." in line:
        return True
    for end in range(len(wanted), 0, -1):
        dotted = ".".join(wanted[:end])
        place = _after(line, dotted)
        if place >= 0 and all(part.isdigit() or part in line[place:] for part in wanted[end:]):
            return True
    return False


def _after(line: str, dotted: str) -> int:
    """Where a line goes on after a dotted key that stands there whole; -1 where it does not stand."""
    start = line.find(dotted)
    while start >= 0:
        end = start + len(dotted)
        before, after = line[start - 1 : start], line[end : end + 1]
        if not (before.isalnum() or before == "." or after.isalnum()):
            return end
        start = line.find(dotted, start + 1)
    return -1
