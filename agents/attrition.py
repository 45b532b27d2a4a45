"""How a customer silently lapses, and how the effect of messages on satisfaction fades (docs/ODD.md, 7.12).

Arguments are named as in `agents.day`: `c` the columns, `row` a customer, `me` its record, `r` the rules' numbers.
"""

from __future__ import annotations

from agents import behaviour
from agents.behaviour import Rules
from agents.columns import CUSTOMER, FAR, LAPSED, NEVER, Columns
from agents.compiled import rule


@rule
def recover(c: Columns, r: Rules, row: int, day: int) -> None:
    """Let fatigue fade up to `day`, and with it the part of satisfaction that messages made (`mood`).

    Without it a weekly e-mail would wear satisfaction down for ever: between episodes nothing else moves it. Call
    `consume_hazard` before and `schedule_lapse` after.
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
def satisfaction_on(c: Columns, r: Rules, row: int, day: int) -> float:
    """Satisfaction on `day`, su: the stored value with the part that messages made faded up to then."""
    me = c.more[row]
    if me.mood == 0.0:  # most have none: its day is not looked up
        return float(me.satisfaction)
    left = behaviour.fatigue_after(r, float(me.mood), day - int(me.fatigue_day))
    return float(me.satisfaction) + (left - float(me.mood))


@rule
def consume_hazard(c: Columns, r: Rules, row: int, day: int) -> None:
    """Take the hazard up to the day before `day` off the lapse budget; call it before anything moves the hazard."""
    me = c.more[row]
    if int(c.status[row]) != CUSTOMER or r.episode_clock > 0.5 or me.lapse_synced >= day:
        return
    hazard = behaviour.lapse_hazard(r, float(me.lapse_trait), float(me.satisfaction), int(me.activated) == 1)
    spent = behaviour.hazard_consumed(r, hazard, float(me.rate), int(me.last_order), int(me.lapse_synced), day - 1)
    me.lapse_budget = max(1e-12, float(me.lapse_budget) - spent)
    me.lapse_synced = day


@rule
def schedule_lapse(c: Columns, r: Rules, row: int, day: int) -> None:
    """Set `lapse_day`: the day on which the customer lapses if the hazard stays as it is from `day` on."""
    me = c.more[row]
    if int(c.status[row]) != CUSTOMER or r.episode_clock > 0.5:
        return
    hazard = behaviour.lapse_hazard(r, float(me.lapse_trait), float(me.satisfaction), int(me.activated) == 1)
    c.lapse_day[row] = behaviour.day_of_lapse(
        r, float(me.lapse_budget), hazard, float(me.rate), int(me.last_order), int(me.lapse_synced), FAR
    )


@rule
def lapse(c: Columns, row: int, day: int) -> bool:
    """Make the customer lapsed if `day` is the `lapse_day`; returns whether it is."""
    if int(c.lapse_day[row]) != day or int(c.status[row]) != CUSTOMER:
        return False
    become_lapsed(c, row, day)
    return True


@rule
def become_lapsed(c: Columns, row: int, day: int) -> None:
    c.status[row] = LAPSED
    c.bound[row] = -1.0
    c.lapse_day[row] = day


@rule
def fade_weekly(c: Columns, r: Rules, row: int, day: int) -> None:
    """Call once a week: let the effect of messages fade up to `day`, and set the lapse by the hazard from then on."""
    if c.more[row].mood == 0.0:
        return
    consume_hazard(c, r, row, day + 1)
    recover(c, r, row, day)
    schedule_lapse(c, r, row, day + 1)
