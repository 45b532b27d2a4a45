"""Tables that pages of docs/ show and that the code holds: of kinds, options, observables, numbers and cases.

A page marks the place of a table by a comment and keeps the table below it:

    <!-- kinds -->                              every registered kind, and on whom it acts
    <!-- options -->                            every option of every kind
    <!-- observables -->                        what a rule may name
    <!-- numbers: email.click company.margin --> value, range, grade and source of these
    <!-- case: muji_voc -->                     every number of a shipped scenario file
    <!-- scenarios -->                          every shipped scenario with its description

`python -m tests.docs.tables` writes them anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from scenarios.delivery import DaysMore, YenMore
from scenarios.intervention import FOR_EVER, REGISTRY, Costs, Intervention, Prior, completed, options_of, reader_of
from scenarios.rules import FLAGS
from sim.company.offers import AMOUNTS, DAYS_SINCE
from sim.config.parameters import tidy
from sim.phrases import ConfigError
from sim.run.provenance import ROOT
from tests.config.compose import raw

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
MARK = re.compile(r"<!-- (kinds|options|observables|numbers|case|scenarios)(?:: ([^>]*?))? -->\n(?:\n?\|.*\n)*")

OPTIONS = {
    # what each option says; where kinds differ, by kind
    "start": "first day it acts, or its date: `2027-03-01`, or `03-01` for the first one in the horizon",
    "days": "how many days it acts, or the date of the last one",
    "face": "yen of the coupon",
    "points_norush.face": "points, a yen each",
    "mailed_coupon.face": "yen of the coupon",
    "recovery_coupon.face": "yen of the coupon; 0: words alone",
    "mailed_coupon.valid_days": "days the coupon is good, from the day of the e-mail",
    "win_back.valid_days": "days the coupon is good, from the day of the e-mail",
    "recovery_coupon.valid_days": "days the coupon is good, from the day after the parcel",
    "breakage": "share of points that is earned and never used",
    "late_days": "days late from which a parcel is made good",
    "makes_good": "share of a bad score that a coupon with an apology makes good",
    "again": "the same of another apology within `again_within` days",
    "again_within": "days",
    "kept": "share of receivers who keep the coupon",
    "after_days": "days without an order",
    "wakes": "probability that an e-mail brings back somebody who has left",
    "lead": "`{standard: -1}`: days promised, beyond the company's own, by class",
    "transit": "days on the way, likewise",
    "fee": "yen the customer pays, likewise",
    "delivery_terms.cost": "yen a parcel costs, likewise",
    "free_from": "yen of basket from which standard and no-rush delivery cost nothing",
    "closed": "`express`, `norush`, or a list of both: not on offer",
    "people": "more people in the warehouse",
    "when": "`peaks` (of the calendar, and two weeks after each) or `always`",
    "orders_per_person": "orders a day that each ships",
    "wage": "yen a day for each",
    "delivery_choice.face": "yen of the coupon at no-rush's own lead",
    "extra_days": "days beyond no-rush's lead that may be chosen",
    "faces": "yen of the coupon that goes with each of the extra_days",
    "valid_days": "days the coupon is good, from the day after the order",
    "lift": "logit: of an order on the visit, of linking for a welcome; a claimed one is multiplied by `shrink`",
    "rule": "whom it finds",
    "content": "what it holds, and so how well it fits",
    "variants": "one number per variant: multiples of `lift`",
    "appeals": "one number per variant: logit of a click, more than the first guess",
    "shares": "one number per variant: share of the traffic",
    "slope": "logit of a click per unit of match; a claimed one is multiplied by `shrink`",
    "cost": "yen per message",
    "voice_of_customer.cost": "yen per project, of the firm with all its members",
    "holdout": "share kept without the message for good",
    "cycle": "`{every, least, explore, cost}`: days between revisions, times each variant must have been shown, share "
    "left to the others, yen per revision",
    "topic": "search topic of `market.topics`",
    "within_days": "days since the search",
    "costs": "of the firm as a whole: `setup` in yen on its first day, `per_day` in yen while it acts",
    "every": "days between two messages",
    "voice_of_customer.every": "days between two meetings",
    "opt_out": "probability of opting out per unclicked message and unit of fatigue",
    "click": "probability of a click at a match of one half, by somebody rested",
    "gain": "su a touchpoint gains by its first project",
    "lag": "days from the meeting to the change",
    "budget": "yen a year",
    "capacity": "projects under way at once",
    "comments": "share of detractors in the survey who comment",
    "quality": "su more in the store, and when support serves",
    "outage.quality": "su more (below zero: less) at the touchpoint",
    "recovery": "share of a bad score made good, more than before",
    "noise": "factor on the spread of the store's performance",
    "recovery_cost": "yen per contact resolved",
    "friction": "logit an order loses (below zero: gains): in the store (staff), online (outage of the site)",
    "touchpoint": "what works badly",
    "share": "share of all customers as which the complaint is heard",
    "score": "su told",
    "left": "share of capacity left",
    "strength": "logit an order loses, and log hazard of lapse gained",
}

OBSERVED = {
    "orders": "orders ever",
    "monetary": "yen of baskets ever",
    "open_orders": "ordered and not yet handed over",
    "answer": "last survey answer, 0 to 10",
    "last_late": "days late of the last online delivery, below zero: early",
    "preference": "1 for who has said what they like, else 0",
    "activated": "1 for who has linked an account at the app's first launch, else 0",
    "days_since_order": "days since the last order",
    "days_since_first_order": "days since the first",
    "days_since_visit": "days since the last visit before today's",
    "days_since_search": "days since the last search for any topic",
    "days_since_app": "days since the app was first opened",
    "ordered_since_search": "whether there was an order on or after the day of the last search",
    "holds_coupon": "whether a coupon is still good",
    "searched": "whose last search was for this topic, so many days ago at most",
    "segment": "declared segments: what the firm has on file, not the true persona",
}


WHOM = {False: "who is treated", True: "everybody at once"}


def rows(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    first, *rest = (f"| {' | '.join(line)} |\n" for line in (head, *body))
    return first + "|---" * len(head) + "|\n" + "".join(rest)


# -- kinds and options -----------------------------------------------------------------------------------------------


def kinds() -> Mapping[str, type[Intervention]]:
    """Every shipped kind: a test may have registered others of its own."""
    completed({})  # loads every module of scenarios/
    ours = [(kind, cls) for kind, cls in REGISTRY.items() if cls.__module__.startswith("scenarios.")]
    # by module: which one was imported first depends on who asks
    return dict(sorted(ours, key=lambda found: found[1].__module__))


def kinds_table(_: str = "") -> str:
    """A row per kind: what it is, and whether it acts on everybody at once."""
    return rows(
        ["kind", "what", "acts on"],
        [[f"`{kind}`", str(cls.__doc__).splitlines()[0], WHOM[cls.company_wide]] for kind, cls in kinds().items()],
    )


def meaning(kind: str, option: str) -> str:
    """What an option of a kind says."""
    return OPTIONS.get(f"{kind}.{option}") or OPTIONS[option]


def options_table(_: str = "") -> str:
    """A row per option; kinds that share its name, bounds and meaning share the row."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for kind, cls in kinds().items():
        for name, one in options_of(cls).items():
            place = (name, allowed(reader_of(one)), meaning(kind, name))
            found.setdefault(place, {})[kind] = default(name, one)
    return rows(
        ["option", "kinds", "default", "allowed", "what"],
        ([f"`{name}`", _kinds(of), _defaults(of), range_, what] for (name, range_, what), of in found.items()),
    )


def _kinds(of: Mapping[str, str]) -> str:
    everything = kinds()
    if len(of) == len(everything):
        return "all"
    campaigns = [kind for kind, cls in everything.items() if cls.__module__ == "scenarios.messages"]
    return "all messages" if list(of) == campaigns else ", ".join(f"`{kind}`" for kind in of)


def _defaults(of: Mapping[str, str]) -> str:
    values = list(dict.fromkeys(of.values()))
    if len(values) == 1:
        return values[0]
    usual = max(values, key=list(of.values()).count)
    few = [f"{value} (`{kind}`)" for kind, value in of.items() if value != usual]
    return ", ".join([usual, *few])


def default(name: str, option: FieldInfo) -> str:
    """An option's default as a scenario file would write it."""
    if option.is_required():
        return "must be given"
    value = option.get_default(call_default_factory=True)
    if value == FOR_EVER:
        return "for ever"
    if value is None:
        return "of `behaviour.messages`" if name == "slope" else "none"
    if isinstance(value, tuple):
        return f"[{', '.join(str(tidy(x)) for x in value)}]" if value else "none"
    if isinstance(value, int | float):
        return f"{tidy(value):,}"
    if isinstance(value, Costs):
        return f"{value.setup:,.0f}; {value.per_day:,.0f}"
    if isinstance(value, DaysMore | YenMore):
        return "none"
    return value if isinstance(value, str) else "everybody"


def allowed(check: Callable[[object], object]) -> str:
    """What a check lets pass, in the words in which it refuses the rest."""
    for wrong in (object(), 1e300, -1e300):
        try:
            check(wrong)
        except ConfigError as error:
            _, _, words = str(error).partition("; ")
            if words:
                return _in_short(words)
    return "a text" if _reads_text(check) else "a number"


def _reads_text(check: Callable[[object], object]) -> bool:
    try:
        return check("word") == "word"
    except ConfigError:
        return False


def _in_short(words: str) -> str:
    if words.startswith("a group of conditions"):
        return "conditions, below"
    return re.sub(r"(?<![\d.])\d{4,}", lambda digits: f"{int(digits[0]):,}", words.removeprefix("a group of "))


def observables_table(_: str = "") -> str:
    """What a rule may name, with how its condition is written."""
    written = {"searched": "`{topic: NAME, within_days: DAYS}`", "segment": "a name, or a list of them"}
    written |= dict.fromkeys(FLAGS, "`true` or `false`")
    names = (*AMOUNTS, *DAYS_SINCE, *FLAGS, "searched", "segment")
    return rows(
        ["observable", "condition", "what"],
        ([f"`{name}`", written.get(name, "`{at_least: LOW, at_most: HIGH}`"), OBSERVED[name]] for name in names),
    )


# -- numbers and cases -----------------------------------------------------------------------------------------------


def numbers_table(keys: str) -> str:
    """A row per key: a dotted one of the configuration, or an option of a kind (`email.click`)."""
    return rows(["key", "value", "range", "unit", "grade", "source"], (number(key) for key in keys.split()))


def number(key: str) -> list[str]:
    """What is known about one number."""
    kind, _, option = key.partition(".")
    if kind in kinds():
        stated = options_of(kinds()[kind])[option]
        prior = stated.default_factory
        return _known(key, prior.plain() if isinstance(prior, Prior) else stated.default)
    node: Any = _shipped()
    for part in key.split("."):
        node = node[part]
    return _known(key, node)


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Any]:
    return raw("scenario=baseline")


def _known(key: str, node: Any) -> list[str]:
    if not isinstance(node, Mapping):
        return [f"`{key}`", _figure(node), "", "", "plain", ""]
    spread = node.get("range") or node.get("options") or ()
    joint = " to " if "range" in node else " or "
    parts = [str(node.get(name, "")) for name in ("unit", "grade", "source")]
    return [f"`{key}`", _figure(node["value"]), joint.join(_figure(x) for x in spread), *parts]


def _figure(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "none" if value is None else str(value).lower()
    try:
        return f"{tidy(float(value)):,}"  # YAML reads 2.0e6 as text
    except (TypeError, ValueError):
        return str(value)


def scenarios() -> dict[str, str]:
    """Text of every shipped scenario file by name."""
    files = sorted((ROOT / "conf" / "scenario").glob("*.yaml"))
    return {path.stem: path.read_text(encoding="utf-8") for path in files}


def scenarios_table(_: str = "") -> str:
    """A row per shipped scenario."""
    told = {name: str(yaml.safe_load(text)["description"]) for name, text in scenarios().items()}
    return rows(["scenario", "what"], ([f"`{name}`", what] for name, what in told.items()))


def case_table(name: str) -> str:
    """Every number of a scenario file; of a plain one, what its comment says is its source."""
    text = scenarios()[name]
    found = yaml.safe_load(text)
    stated = {f"both_arms: {path}": node for path, node in _leaves(found.get("both_arms") or {})}
    several = len(found["interventions"]) > 1
    for key, intervention in found["interventions"].items():
        stated |= {(f"{key}: " if several else "") + path: node for path, node in _leaves(intervention)}
    return rows(
        ["number", "value", "range", "unit", "grade", "source"],
        (_with_comment(_known(path, node), path, text) for path, node in stated.items() if _is_number(node)),
    )


def _leaves(node: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for key, below in node.items():
        if isinstance(below, Mapping) and "value" not in below:
            yield from _leaves(below, f"{above}{key}.")
        else:
            yield above + key, below


def _is_number(node: Any) -> bool:
    return node is not None and (not isinstance(node, str) or _figure(node) != node)


def _with_comment(row: list[str], path: str, text: str) -> list[str]:
    if row[4] != "plain":
        return row
    last = path.rpartition(".")[2].rpartition(" ")[2]
    comments = (re.search(rf"\b{key}:[^\n]*#\s*([^\n]+)", text) for key in (last, path.split(".")[0]))
    line = next((one for one in comments if one), None)
    said = line[1].strip() if line else ""
    grade = "claimed" if said.startswith("claimed") or ": claimed" in said or "; claimed" in said else "plain"
    return [*row[:4], grade, said]


# -- pages -----------------------------------------------------------------------------------------------------------

MAKERS: Mapping[str, Callable[[str], str]] = {
    "kinds": kinds_table,
    "options": options_table,
    "observables": observables_table,
    "numbers": numbers_table,
    "case": case_table,
    "scenarios": scenarios_table,
}


def rewritten(page: str) -> str:
    """The page with its tables as the code has them now."""

    def anew(mark: re.Match[str]) -> str:
        of = f": {mark[2]}" if mark[2] else ""
        return f"<!-- {mark[1]}{of} -->\n\n{MAKERS[mark[1]](mark[2] or '')}"

    return MARK.sub(anew, page)


def marked() -> list[Path]:
    """Pages with such tables."""
    return [page for page in PAGES if MARK.search(page.read_text(encoding="utf-8"))]


if __name__ == "__main__":
    for page in marked():
        page.write_text(rewritten(page.read_text(encoding="utf-8")), encoding="utf-8")
