"""How a customer lapses, silently: the hazard, its clock, and what is got over (docs/ODD.md, 7.12).

Arguments are named as in `agents.day`: `c` the columns, `row` a customer, `me` its record, `r` the rules' numbers.
"""

from __future__ import annotations

from agents import behaviour
from agents.behaviour import Rules
from agents.columns import (
    CUSTOMER,
    FAR,
    LAPSED,
    NEVER,
    Columns,
)
from agents.compiled import rule


@rule
def recover(c: Columns, r: Rules, row: int, day: int) -> None:
    """Get over messages up to `day`: fatigue fades, and so does what they did to satisfaction.

    Without it a weekly e-mail would wear satisfaction down for ever: between episodes nothing else moves it. The hazard
    must be consumed before, and the lapse scheduled after.
    """
    me = c.more[row]
    if int(me.fatigue_day) == NEVER or int(me.fatigue_day) == day:
        return
    days = day - int(me.fatigue_day)
    left = behaviour.fatigue_after(r, float(me.mood), days)
    me.satisfaction = float(me.satisfaction) + (left - float(me.mood))
    me.mood = left
    me.fatigue = behaviour.fatigue_after(r, float(me.fatigue), days)
    me.fatigue_day = day


@rule
def felt(c: Columns, r: Rules, row: int, day: int) -> float:
    """Satisfaction on `day`, once what messages did to it has faded so far; su."""
    me = c.more[row]
    if me.mood == 0.0:  # most have none: its day is not looked up
        return float(me.satisfaction)
    left = behaviour.fatigue_after(r, float(me.mood), day - int(me.fatigue_day))
    return float(me.satisfaction) + (left - float(me.mood))


@rule
def consume_hazard(c: Columns, r: Rules, row: int, day: int) -> None:
    """Spend the lapse budget up to the day before `day`, before anything that moves the hazard changes."""
    me = c.more[row]
    if int(c.status[row]) != CUSTOMER or r.episode_clock > 0.5 or me.lapse_synced >= day:
        return
    hazard = behaviour.lapse_hazard(r, float(me.lapse_trait), float(me.satisfaction), int(me.activated) == 1)
    spent = behaviour.hazard_consumed(r, hazard, float(me.rate), int(me.last_order), int(me.lapse_synced), day - 1)
    me.lapse_budget = max(1e-12, float(me.lapse_budget) - spent)
    me.lapse_synced = day


@rule
def schedule_lapse(c: Columns, r: Rules, row: int, day: int) -> None:
    """Set the day the relation ends if nothing changes any more."""
    me = c.more[row]
    if int(c.status[row]) != CUSTOMER or r.episode_clock > 0.5:
        return
    hazard = behaviour.lapse_hazard(r, float(me.lapse_trait), float(me.satisfaction), int(me.activated) == 1)
    c.lapse_day[row] = behaviour.day_of_lapse(
        r, float(me.lapse_budget), hazard, float(me.rate), int(me.last_order), int(me.lapse_synced), FAR
    )


@rule
def lapse(c: Columns, row: int, day: int) -> bool:
    """End the relation if this is the day."""
    if int(c.lapse_day[row]) != day or int(c.status[row]) != CUSTOMER:
        return False
    _become_lapsed(c, row, day)
    return True


@rule
def _become_lapsed(c: Columns, row: int, day: int) -> None:
    c.status[row] = LAPSED
    c.bound[row] = -1.0
    c.lapse_day[row] = day


@rule
def get_over(c: Columns, r: Rules, row: int, day: int) -> None:
    """Let what messages did fade in a week's step, at its end: from the next day on the hazard of lapse follows."""
    if c.more[row].mood == 0.0:
        return
    consume_hazard(c, r, row, day + 1)
    recover(c, r, row, day)
    schedule_lapse(c, r, row, day + 1)
