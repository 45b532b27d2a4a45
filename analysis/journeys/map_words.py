"""The journey map in words: what its parts are called, its facts and pain points, the worst of them in a sentence."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.journeys.map import (
    AFTER_DAYS,
    FEELINGS,
    FEWEST,
    FIRST,
    GAVE_UP,
    HEARD,
    IN_STORE,
    IN_TIME,
    LATE,
    SERVED,
    STAGES,
    Blame,
    Fact,
    LetDown,
    Map,
    Mean,
    Moment,
    Pain,
)
from analysis.style import words
from analysis.style.language import N_, _
from sim.tables import BASELINE, EVERYBODY

EXPERIENCE_WORDS = {
    IN_TIME: N_("a delivery in time"),
    LATE: N_("a late delivery"),
    IN_STORE: N_("a purchase in the store"),
    HEARD: N_("what friends tell"),
    FIRST: N_("the first order"),
    SERVED: N_("a contact with support that is answered"),
    GAVE_UP: N_("a contact with support given up"),
}
FACT_WORDS = {
    "by_talk": (N_("learn from friends"), N_("%")),
    "visits": (N_("visits per visitor"), ""),
    "conversion": (N_("orders per visit"), N_("%")),
    "paid": (N_("price paid per order"), N_("yen")),
    "lead_time": (N_("days to delivery"), N_("days")),
    "on_time": (N_("delivered in time"), N_("%")),
    "days_late": (N_("days late when late"), N_("days")),
    "wait": (N_("wait for support"), N_("minutes")),
    "gap": (N_("days between orders"), N_("days")),
    "churn": (N_("lapse silently"), N_("%")),
    "nps": (N_("NPS"), N_("points")),
}
"""What a fact is, and its unit."""

CHANGE_WORDS = {
    "satisfaction": N_("After {what} satisfaction moves by {after} su ({low} to {high}; after any order {usual})."),
    "lapsed": N_("After {what} {after} % lapse within {days} days ({low} to {high}; after any order {usual})."),
    "talked": N_("After {what} {after} % talk to friends ({low} to {high}; after any order {usual})."),
}
CAUTION = N_(
    "From the journeys of {customers} customers at one point of what is not known; intervals (90 %) are the "
    "chance of so many customers and nothing else. A ring: all replications, the interval is what is not known. Bad: "
    "below neutral."
)
DESCRIPTION = N_(
    "Moments of truth describe what came after, they do not prove causes: whoever has a late delivery may differ from "
    "others. Only the difference between the two arms is an effect."
)
ATTRIBUTION = N_(
    "An order is scored as a whole, so the product is shown with the score of the whole order. A touchpoint lets down "
    "where it weighed worst in an order below neutral and was itself below, which the model knows and no real firm "
    "sees. It says what weighed, not what a repair would bring: that says cxsim key-drivers. An order below neutral "
    "without such a touchpoint was pulled down by waiting or by support; orders that share their day with another are "
    "left out."
)


def title(found: Map) -> str:
    """Whose journey the map shows."""
    return _("The journey of {persona}").format(persona=persona(found))


def persona(found: Map) -> str:
    """Whose journey it is, in words."""
    if found.persona == EVERYBODY:
        return _("all customers")
    return _("{persona} customers").format(persona=_(found.persona))


def arm(name: str) -> str:
    """An arm as a map calls it."""
    return _("as it is") if name == BASELINE else _("with the scenario")


def caution(found: Map) -> str:
    """Of how many customers, and what the intervals are."""
    return _(CAUTION).format(customers=f"{found.customers:,}")


def worst(found: Map) -> str:
    """The worst pain point as it is, in a sentence; and what becomes of it with the scenario."""
    pains = [pain for pain in found.pains[BASELINE] if pain.what != HEARD and pain.part > 0]
    if not pains:
        return _capital(_("{persona}: no order falls below neutral.").format(persona=persona(found)))
    pain = pains[0]
    text = _(
        "{persona}: of all disappointment, counted by how often and how deeply, {part} % comes with {what}; {below} % "
        "of {occasions} disappoint ({low} to {high})."
    )
    told = text.format(
        persona=persona(found), what=_(EXPERIENCE_WORDS[pain.what]), occasions=f"{pain.occasions:,}",
        part=words.number(100 * pain.part, 0), **_per_cent(pain.below),
    )  # fmt: skip
    return words.sentences((_capital(told), _blamed(pain), _with_scenario(found, pain.what), _sharpest(pains)))


def _blamed(pain: Pain) -> str:
    """The touchpoint that let down most often in a pain point."""
    blame = _clearest(pain)
    if blame is None:
        return ""
    text = _("In {below} % of these ({low} to {high}) it was {touchpoint} that weighed worst.")
    return text.format(touchpoint=words.touchpoint(blame.touchpoint), **_per_cent(blame.share))


def _clearest(pain: Pain) -> Blame | None:
    """The touchpoint that let down most often; None where too few orders tell, or none is logged."""
    first = pain.blames[0] if pain.blames else None
    return first if first and first.share.occasions >= FEWEST and words.known(first.share.low) else None


def _with_scenario(found: Map, what: str) -> str:
    """The same pain point in the other arm."""
    pain = next((one for one in found.pains[found.arms[-1]] if one.what == what), None)
    if len(found.arms) == 1 or pain is None or not words.known(pain.depth):
        return ""
    text = _("With the scenario it is {below} % of {occasions}.")
    return text.format(occasions=f"{pain.occasions:,}", below=_per_cent(pain.below)["below"])


def _sharpest(pains: list[Pain]) -> str:
    """The pain point that falls below neutral most often, where it is another than the worst in all."""
    often = [pain for pain in pains if pain.occasions >= FEWEST]
    if not often:
        return ""
    sharp = max(often, key=lambda pain: pain.below.value)
    if sharp is pains[0]:
        return ""
    text = _("Disappointment is likeliest with {what} ({below} % of {occasions}).")
    return text.format(
        what=_(EXPERIENCE_WORDS[sharp.what]), occasions=f"{sharp.occasions:,}", below=_per_cent(sharp.below)["below"]
    )


def _per_cent(share: Mean, places: int = 1) -> dict[str, str]:
    ends = {"below": share.value, "low": max(share.low, 0.0), "high": min(share.high, 1.0)}
    return {name: words.number(100 * value, places) for name, value in ends.items()}


def pain_text(found: Map, what: str) -> tuple[str, str]:
    """A pain point for the wall: what it is, and its numbers in all arms."""
    each = {name: next((one for one in found.pains[name] if one.what == what), None) for name in found.arms}
    known = [one for one in each.values() if one is not None and one.occasions]
    below = " → ".join(words.number(100 * one.below.value, 1) for one in known)
    depth = " → ".join(words.number(-one.depth, 2) for one in known)
    text = _("{below} % of {occasions} below neutral,\nby {depth} su on average")
    occasions = f"{known[0].occasions:,}" if known else "0"
    numbers = text.format(below=below, occasions=occasions, depth=depth)
    return _capital(_(EXPERIENCE_WORDS[what])), "\n".join(filter(None, (numbers, *map(_pain_blame, known[:1]))))


def _pain_blame(pain: Pain) -> str:
    """What weighed worst as it is, for the wall; empty where that cannot be told."""
    blame = _clearest(pain)
    if blame is None:
        return ""
    text = _("{touchpoint} worst: {below} % ({low} to {high})")
    told = _capital(words.touchpoint(blame.touchpoint))
    return text.format(touchpoint=told, **_per_cent(blame.share, places=0))


def let_down(found: Map) -> list[tuple[str, ...]]:
    """A row per touchpoint, in %: of all orders in both arms, the difference with its interval, of those below
    neutral as it is with its interval."""
    return [(words.touchpoint(name), *_let_down_cells(one)) for name, one in found.let_down.items()]


def _let_down_cells(one: LetDown) -> Iterator[str]:
    yield from (_share_with_span(share) for share in one.every.values())
    if one.moved is not None:
        yield words.signed(100 * one.moved.value, 2)
        yield words.span(100 * one.moved.low, 100 * one.moved.high, 2)
    yield _share_with_span(next(iter(one.below.values())))


def _share_with_span(share: Mean) -> str:
    ends = _per_cent(share)
    return _("{below} ({low} to {high})").format(**ends) if words.known(share.low) else ends["below"]


def moment(one: Moment) -> str:
    """A moment of truth in a sentence."""
    share = one.changed != "satisfaction"
    values = {"after": one.after.value, "low": one.after.low, "high": one.after.high, "usual": one.usually}
    if share:
        values |= {"low": max(one.after.low, 0.0), "high": min(one.after.high, 1.0)}
    told = {name: words.number(100 * value, 1) if share else words.signed(value, 2) for name, value in values.items()}
    return _(CHANGE_WORDS[one.changed]).format(what=_(EXPERIENCE_WORDS[one.what]), days=AFTER_DAYS, **told)


def fact(one: Fact) -> tuple[str, str, str]:
    """A fact's name, its value in both arms with the unit, and the interval of the difference."""
    name, unit = FACT_WORDS[one.name]
    places = min(words.decimals(one.baseline), 1 if unit == "%" else 2) if abs(one.baseline) < 100 else 0
    value = words.number(one.baseline, places)
    if words.known(one.scenario):
        value = _("{before} → {after}").format(before=value, after=words.number(one.scenario, places))
    if unit:
        value = _("{value} {unit}").format(value=value, unit=_(unit))
    return _(name), value, _interval(one, places)


def _interval(one: Fact, places: int) -> str:
    if not words.known(one.low):
        return ""
    if words.known(one.effect):
        text = _("{effect} ({span})").format(
            effect=words.signed(one.effect, places), span=words.span(one.low, one.high, places)
        )
    else:
        text = _("{low} to {high}").format(low=words.number(one.low, places), high=words.number(one.high, places))
    return text if one.sampled else f"◦ {text}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def stage(name: str) -> tuple[str, str]:
    """A stage, and what the curve shows there."""
    return _(STAGES[name]), _(FEELINGS[name])
