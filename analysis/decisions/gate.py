"""The rollout gate: the verdict on every intervention of a run or of a sweep, the numbers behind it, and notes.

Verdicts and their sentences are those of `analysis.decisions.verdict`; the gate may be given other thresholds, and adds
what knowing one unknown alone would be worth, and what each test considered would.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from analysis.decisions import information
from analysis.decisions.information import Worth
from analysis.decisions.options import Configuration, Option, configurations, options
from analysis.decisions.variants import Way, most_robust
from analysis.decisions.verdict import LTV, Pilot, Thresholds, Verdict, field_test, judged, kinds_of, lines, money
from analysis.effects.answer import likelihood
from analysis.effects.estimands import FEWEST, standard_error
from analysis.folders.run_folder import Run, RunError
from analysis.folders.sweep_folder import PLAN, Sweep
from analysis.style import words
from analysis.style.language import _
from sim.tables import SHOCKS

MOST_LISTED = 5
"""Unknowns listed by what learning them would be worth."""

DIGITS = 6
"""Significant digits of numbers in gate.json: the last ones differ between processors."""

MOSTLY_LUCK = 0.5
"""Share of the luck of the seed in the variance over points from which a sentence says so."""


def gate(folder: Path | str, thresholds: Thresholds) -> dict[str, Any]:
    """The content of gate.json: thresholds, and a verdict per intervention. Raises RunError where none can be given."""
    verdicts = [_entry(_judged(option, thresholds)) for option in _options(Path(folder))]
    asked = thresholds._asdict() | {"cost": thresholds.cost._asdict()}
    return {"thresholds": asked, "verdicts": _rounded(verdicts)}


def _options(folder: Path) -> list[Option]:
    """What is to be decided in a run folder or a sweep's. Raises RunError where there is nothing."""
    if (folder / PLAN).is_file():
        found = configurations(Sweep(folder))
        if not found:
            raise RunError("{folder}: no job of this sweep is done yet", folder=folder)
    else:
        found = [Configuration({}, [Run(folder)], 1)]
    stated = options(found)
    if not stated:
        raise RunError("{folder}: holds the baseline alone; there is nothing to go or stop with", folder=folder)
    chosen = [option for option in stated if kinds_of(option) - set(SHOCKS) or not kinds_of(option)]
    if not chosen:
        raise RunError(
            "{folder}: holds shocks alone, which nobody chooses; its report says how deep they go", folder=folder
        )
    return chosen


def _judged(option: Option, thresholds: Thresholds) -> Verdict:
    """The verdict. Raises RunError where fewer than two points have an effect."""
    found = judged(option, thresholds)
    if found.over.points < 2:
        raise RunError(
            "{name}: has an effect on LTV in {replications} of its replications; what is not known shows from two on, "
            "better from replications=64",
            name=option.label, replications=found.over.points,
        )
    return found


def _learning(found: Verdict) -> list[tuple[str, float]] | None:
    """Unknowns and what knowing each alone is worth, where it is beyond chance, the most valuable first.

    None where points are too few to tell.
    """
    effect, points = found.option.each(LTV), found.option.configuration.values_at
    if len(effect) < FEWEST:
        return None
    seed = int(found.run.config["seed"])
    table = information.partial(points.reindex(effect.index), effect.to_numpy(), seed)
    beyond = table[table["value"] > table["chance"]].head(MOST_LISTED)
    # Part of what is not known is worth no more than all of it; a regression need not keep to that.
    everything = min(found.regret)
    rows = zip(beyond["name"], beyond["value"], strict=True)
    return [(str(name), min(float(value), everything)) for name, value in rows]


def _entry(found: Verdict) -> dict[str, Any]:
    """One entry of gate.json; yen per member, under names with `firm` yen for all members."""
    over, regret, members, learning = found.over, found.regret, found.members, _learning(found)
    bias, planned = found.bias, len(found.option.configuration.cube.replications)
    return {
        "intervention": found.option.label,
        "decision": found.decision,
        "clear": found.clear,
        "lines": lines(found),
        "notes": _notes(found, learning),
        "unit": "yen of LTV per member",
        "horizon_days": found.run.days,
        "members": members,
        "points": over.points,
        "points_without_value": planned - over.points,
        "company_wide": found.company_wide,
        "effect": over._asdict() | {"se": standard_error(found.effect), "firm": found.firm, "firm_year": found.year},
        "p_positive": over.p_positive,
        "likelihood": likelihood(over.p_positive),
        "luck_share": found.luck_share,
        "regret": regret._asdict()
        | {"going_firm": regret.going * members, "stopping_firm": regret.stopping * members},
        "hinges": found.hinges,
        "evpi": min(regret),
        "evppi": None if learning is None else dict(learning),
        "test_bias": {"mean": float(np.mean(bias)), "sd": float(np.std(bias, ddof=1))} if len(bias) > 1 else None,
        "variants": [_way_entry(way, found.ways) for way in found.ways],
        "tests": [_test_entry(one, members) for one in found.tests],
        "best_test": None if found.best is None else _test_entry(found.best, members),
        "cheapest_test": None if found.cheapest is None else _test_entry(found.cheapest, members),
    }


def _test_entry(one: Pilot, members: int) -> dict[str, Any]:
    design, *numbers = one.worth
    named = dict(zip(Worth._fields[1:], numbers, strict=True))
    share, leading = (None, "") if one.learnt is None else one.learnt
    told = {"explained": share, "leading": leading or None, "profit": one.profit._asdict()}
    return design._asdict() | named | {"net_firm": one.worth.net * members} | told


def _way_entry(way: Way, ways: list[Way]) -> dict[str, Any]:
    """The plan as stated (name blank) or a variant, yen per member; which one dominates it, if any."""
    by = None if way.dominated_by is None else ways[way.dominated_by].name
    numbers = {"mean": way.mean, "worst_tenth": way.worst, "p_positive": way.p_positive}
    return {"name": way.name} | numbers | {"dominated_by": by, "most_robust": way is most_robust(ways)}


# -- words ------------------------------------------------------------------------------------------------------


def _test_words(found: Verdict, pilot: Pilot) -> Mapping[str, str]:
    """A test in numbers, in yen for the whole firm."""
    one = pilot.worth
    amounts = {"net": one.net, "information": one.information, "delay": one.delay, "cost": one.cost}
    told = {name: money(value * found.members) for name, value in amounts.items()}
    return told | {"customers": f"{one.design.customers:,}", "test_days": str(one.design.days)}


def _notes(found: Verdict, learning: list[tuple[str, float]] | None) -> list[str]:
    """What qualifies the verdict, a sentence each."""
    told = (_lucky(found), _learning_words(found, learning), _which_value(found), _testing_words(found),
            field_test(found), _bias_words(found))  # fmt: skip
    return [text for text in told if text]


def _lucky(found: Verdict) -> str:
    if not np.ptp(found.effect):
        return ""
    if not words.known(found.luck_share):
        return _(
            "How much of the spread over replications is luck of the simulated worlds is not known (it takes a second "
            "seed), so the value of information is too high rather than too low."
        )
    if found.luck_share < MOSTLY_LUCK:
        return ""
    return _(
        "{share} of the variance over replications is luck of the simulated worlds, taken out as well as can be; more "
        "customers would make the verdict firmer."
    ).format(share=words.percent(found.luck_share))


def _learning_words(found: Verdict, learning: list[tuple[str, float]] | None) -> str:
    evpi = min(found.regret)
    if evpi == 0:
        return _("At no point of what is not known would the choice be another.")
    total = money(evpi * found.members)
    if learning is None:
        text = _("To know everything before choosing would be worth {total} yen to the firm, at most.")
    elif not learning:
        text = _(
            "To know everything before choosing would be worth {total} yen to the firm, at most; no single unknown "
            "stands out from chance."
        )
    else:
        text = _(
            "To know everything before choosing would be worth {total} yen to the firm, at most; to know one thing "
            "alone, most of all {first} ({worth} yen)."
        )
    name, value = learning[0] if learning else ("", 0.0)
    return text.format(total=total, first=words.moved(name), worth=money(value * found.members))


def _which_value(found: Verdict) -> str:
    """How this value of knowing more differs from that in a sweep's report, for readers of both."""
    if min(found.regret) == 0:
        return ""
    return _(
        "Here the worth of knowing is for the choice between {name} and doing nothing; a sweep's report has it for the "
        "choice between all its options, so the two differ and neither bounds the other."
    ).format(name=found.option.label)


def _testing_words(found: Verdict) -> str:
    best = found.best
    if found.company_wide:
        return _everybody_words(found)
    if best is None:
        return _(
            "No test was valued: none of those considered is shorter than the horizon, or the folder lacks profit_sd."
        )
    if best.worth.net > 0:
        return _(
            "Of the tests considered {customers} customers over {test_days} days are worth most, {net} yen more than "
            "deciding now: {information} yen of information, less {delay} yen for the delay and {cost} yen of cost."
        ).format(**_test_words(found, best))
    return _(
        "The best of the tests considered, {customers} customers over {test_days} days, would lose {loss} yen: "
        "{information} yen of information for {delay} yen of delay and {cost} yen of cost."
    ).format(loss=money(-best.worth.net * found.members), **_test_words(found, best))


def _everybody_words(found: Verdict) -> str:
    """Why no test was valued of what acts on everybody; where knowing more is worth anything, what else would tell."""
    untested = _(
        "No A/B test was valued: it acts on everybody at once, and none can leave a part of the customers out."
    )
    if min(found.regret) == 0:
        return untested
    instead = _(
        "A trial over time compares weeks with it and weeks without: season, trend and whatever else happens in them "
        "pass for its effect, and what outlasts it is missed. Data of the firm's own go into the scenario's file as a "
        "mean with its standard error, or in with cxsim learn. Neither can be worth more than knowing everything, and "
        "what either is worth is not reckoned here."
    )
    return words.sentences((untested, instead))


def _bias_words(found: Verdict) -> str:
    if not found.tests:
        return ""
    if not len(found.bias):
        return _("The bias of a field test was not simulated here and is taken as none; arms=all simulates it.")
    return _(
        "A 50/50 field test would report {bias} yen per member beside the truth on average, which is "
        "taken to be corrected for."
    ).format(bias=words.signed(float(np.mean(found.bias))))


def _rounded(node: Any) -> Any:
    """Numbers to DIGITS, NaN as null."""
    if isinstance(node, dict):
        return {key: _rounded(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_rounded(value) for value in node]
    if isinstance(node, float):
        return float(f"{node:.{DIGITS}g}") if math.isfinite(node) else None
    return node
