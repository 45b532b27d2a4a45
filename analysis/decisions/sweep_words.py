"""A sweep's answer in sentences: which option comes first, how sure that is, and what would turn it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from analysis.decisions.decide import BEST, ENOUGH, GAIN, LOSS, OptionGroup, SoughtRegion, Unknowns
from analysis.decisions.options import Option, lever
from analysis.decisions.unknowns import Space, noise_share, turning
from analysis.effects.answer import Answer
from analysis.effects.sensitivity import established
from analysis.style import words
from analysis.style.language import _

MUCH_NOISE = 0.2
"""Share of Monte Carlo error in the variance over points from which a sentence says so."""

MOST_TOLD = 3
"""Drivers that a sentence names, and options that the verdict goes into."""


def effect(found: Answer | None) -> str:
    """An effect with its interval; a dash where there is none."""
    return "-" if found is None else words.effect(found.effect, found)


def share(probability: float, low: float, high: float) -> str:
    """A share of points with its interval."""
    ends = {"low": f"{100 * low:.0f}", "high": f"{100 * high:.0f}"}
    return _("{share} ({low} to {high} %)").format(share=words.percent(probability), **ends)


# -- the ranking ------------------------------------------------------------------------------------------------


def first(ranked: Sequence[Option], keys: Sequence[str], days: int) -> str:
    """Which options come first; where there is nothing for the firm to choose, how far the effect ranges."""
    alone = len({one.intervention for one in ranked}) == 1
    if alone and keys and not any(map(lever, keys)):
        return _ranging(ranked, days)
    if all(found.effect <= 0 for one in ranked if (found := one.answer("ltv")) is not None):
        text = _("Over {days} days and beyond no option raises LTV on average: by the means, doing nothing is best.")
        return text.format(days=days)
    paid = [one for one in ranked if one.answer("roi") is not None]
    free = [one for one in ranked if one.answer("roi") is None]
    per_cost = _(
        "Over {days} days and beyond {option} comes first by effect per cost: {roi} yen of LTV per yen spent, {ltv} "
        "yen of LTV per member (in brackets 90 % intervals)."
    )
    at_no_cost = _(
        "Of what costs nothing that is counted here, {option} does most: {ltv} yen of LTV per member over "
        "{days} days and beyond (in brackets the 90 % interval)."
    )
    return words.sentences(
        text.format(days=days, option=some[0].label, **{name: effect(some[0].answer(name)) for name in ("ltv", "roi")})
        for text, some in ((per_cost, paid), (at_no_cost, free))
        if some
    )


def _ranging(ranked: Sequence[Option], days: int) -> str:
    """From the least effect on LTV to the largest."""
    known = [(found.effect, one) for one in ranked if (found := one.answer("ltv")) is not None]
    (_least, low), (_most, high) = min(known, key=lambda pair: pair[0]), max(known, key=lambda pair: pair[0])
    text = _(
        "What was swept describes the firm's world and is not a choice. Over {days} days and beyond the effect on LTV "
        "runs from {low} yen per member (at {worst}) to {high} (at {best}); in brackets 90 % intervals."
    )
    return text.format(
        days=days, low=effect(low.answer("ltv")), worst=low.label, high=effect(high.answer("ltv")), best=high.label
    )


# -- what is not known ------------------------------------------------------------------------------------------


def choice(group: OptionGroup, members: int, days: int) -> str:
    """Which choice regrets least, and what knowing would be worth; empty where there is no table of regrets."""
    table = group.regret
    if table.empty:
        return ""
    least, safest = (table.iloc[int(table[column].argmin())] for column in ("expected_regret", "maximum_regret"))
    expected = _(
        "{option} has the least expected regret: {regret} yen per member, {firm} million yen for {members} "
        "members over {days} days and beyond. To know more before choosing is worth no more than that."
    )
    largest = (
        _("In its worst replication, too, it regrets least ({most} yen per member).")
        if safest["option"] == least["option"]
        else _("In its worst replication {safest} regrets least ({most} yen per member).")
    )
    regret = float(least["expected_regret"])
    return words.sentences([expected, largest]).format(
        option=_(str(least["option"])),
        regret=words.number(regret),
        firm=words.number(regret * members / 1e6),
        members=f"{members:,}",
        days=days,
        most=words.number(float(safest["maximum_regret"])),
        safest=_(str(safest["option"])),
    )


def probable(one: Unknowns) -> str:
    """How probable a gain and a return are, over all points and under each dropout clock."""
    table = one.probabilities
    ltv, roi = (table[(table["metric"] == metric) & (table["given"] == "")] for metric in ("ltv", "roi"))
    gain = _("{option} raises LTV in {share} of replications.")
    gain = gain.format(option=one.option.label, share=_share(ltv.iloc[0]))
    told = [gain]
    if len(roi):
        text = _("Where it costs anything, its ROI is above zero in {share}.")
        told.append(text.format(share=_share(roi.iloc[0])))
    clocks = table[(table["metric"] == "ltv") & table["given"].str.endswith(".clock")]
    if len(clocks):
        text = _("{share} under the clock {clock}")
        parts = [text.format(share=_share(row), clock=_(str(row["value"]))) for _i, row in clocks.iterrows()]
        told.append(_("It raises LTV in {parts}.").format(parts=words.listed(parts)))
    return words.sentences(told)


def _share(row: pd.Series) -> str:
    """A row of probabilities.csv as a share with its interval."""
    return share(float(row["probability"]), float(row["ci_low"]), float(row["ci_high"]))


def driven(one: Unknowns) -> str:
    """Which unknowns the LTV effect follows beyond chance, and along which of them its sign turns."""
    ltv = one.sensitivity[one.sensitivity["metric"] == "ltv"]
    beyond = [_driver(row) for _i, row in ltv[established(ltv)].head(MOST_TOLD).iterrows()]
    turned = [words.moved(name) for name in turning(one.probabilities)]
    if beyond:
        hangs = _("The LTV effect of {option} hangs most on {drivers}.")
    else:
        hangs = _("No single unknown drives the LTV effect of {option} beyond chance.")
    if turned:
        turns = _("Its sign turns along {names}: at one end a gain is more probable than not, at the other less.")
    else:
        turns = _("Along none of the leading unknowns alone does its sign turn for certain.")
    return words.sentences([hangs, turns]).format(
        option=one.option.label, drivers=words.listed(beyond), names=words.listed(turned)
    )


def _driver(row: pd.Series) -> str:
    text = _("{name} (rank correlation {rho}, {share} % of the variance alone)")
    alone = words.number(100 * max(float(row["first_order"]), 0.0), 0)
    return text.format(name=words.moved(str(row["name"])), rho=f"{float(row['rank_correlation']):+.2f}", share=alone)


def noise(found: Sequence[Option]) -> str:
    """A caution where much of the spread of options over points is Monte Carlo error; empty otherwise."""
    shares = [luck for one in found if (luck := noise_share(one)) > MUCH_NOISE]
    if not shares:
        return ""
    text = _(
        "Caution: up to {share} of the spread over replications is the luck of the seed. It hides what an answer hangs "
        "on, and is taken out of probabilities and regrets as well as can be. More customers lessen it."
    )
    return text.format(share=words.percent(max(shares)))


# -- regions ----------------------------------------------------------------------------------------------------


def region(found: SoughtRegion, own: Space) -> str:
    """When the outcome holds, in words: the region, how sure it is there and elsewhere, and what held-out points
    say."""
    region = found.region
    if region is None:
        return _no_region(found)
    text = {
        BEST: _(
            "{option} is the best choice in {density} of replications in which {region} (coverage {coverage}: so many "
            "of all replications in which it is best lie there), elsewhere in {elsewhere}. In replications held out: "
            "{held}, base rate {base}."
        ),
        GAIN: _(
            "{option} raises LTV in {density} of replications in which {region} (coverage {coverage}: so many of all "
            "replications in which it does lie there), elsewhere in {elsewhere}. In replications held out: {held}, "
            "base rate {base}."
        ),
        LOSS: _(
            "{option} raises LTV unless {region}: there it fails to in {density} of replications (coverage "
            "{coverage}: so many of all its failures lie there), elsewhere in {elsewhere}. In replications held out "
            "it fails there in {held}, base rate {base}."
        ),
    }[found.outcome]
    return text.format(
        option=_(found.option),
        region=words.listed([condition(name, *ends, own) for name, ends in region.box.items()]),
        density=words.percent(region.density),
        coverage=words.percent(region.coverage),
        elsewhere=words.percent(region.elsewhere),
        held=share(region.held_out, region.held_out_low, region.held_out_high),
        base=words.percent(region.base_rate),
    )


def _no_region(found: SoughtRegion) -> str:
    text = {
        BEST: _(
            "{option} is the best choice in {base} of {points} replications; no region of the unknowns beats that at "
            "points left out."
        ),
        GAIN: _(
            "It does so in {base} of {points} replications; no region of the unknowns beats that at points left out."
        ),
        LOSS: _(
            "It fails to in {base} of {points} replications; no region of the unknowns beats that at points left out."
        ),
    }[found.outcome]
    return text.format(option=_(found.option), base=words.percent(found.base_rate), points=found.points)


def condition(name: str, low: float, high: float, own: Space) -> str:
    """One condition of a region in words, with its unit: above `low`, at most `high`."""
    parameter = words.moved(name)
    if name in own.choices:
        chosen = [_(one) for index, one in enumerate(own.choices[name]) if low < index <= high]
        return _("{name} is {options}").format(name=parameter, options=words.listed(chosen, "or"))
    if math.isfinite(low) and math.isfinite(high):
        text = _("{name} is between {low} and {high}")
    else:
        text = _("{name} is above {low}") if math.isfinite(low) else _("{name} is at most {high}")
    low_end, high_end = (words.amount(value, own.units.get(name, "")) for value in (low, high))
    return text.format(name=parameter, low=low_end, high=high_end)


def apart(groups: Sequence[OptionGroup], found: Sequence[Option]) -> str:
    """Whether options cannot all be compared, or have too few points for what needs many; empty where all is well."""
    few = sum(one.configuration.points < ENOUGH for one in found)
    told = []
    if len(groups) > 1:
        told.append(
            _(
                "The options fall into {groups} groups that met different customers or luck: within a group they are "
                "compared replication by replication, between groups not at all."
            )
        )
    if few:
        told.append(
            _(
                "What drives an answer, how probable a gain is and what a wrong choice costs takes at least {enough} "
                "replications; {few} of {all} options have fewer."
            )
        )
    return words.sentences(told).format(groups=len(groups), enough=ENOUGH, few=few, all=len(found))
