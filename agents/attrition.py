"""How a customer silently lapses, and how satisfaction returns to the usual between events (docs/ODD.md, 7.12).

Arguments are named as in `agents.day`: `c` the columns, `row` a customer, `me` its record, `r` the rules' numbers,
`w` the surroundings.
"""

from __future__ import annotations

from agents import behaviour
from agents.behaviour import Rules
from agents.columns import CUSTOMER, FAR, LAPSED, Columns
from agents.compiled import rule
from agents.records import Surroundings


@rule
def recover(c: Columns, r: Rules, w: Surroundings, row: int, day: int) -> None:
    """Bring satisfaction up to `day`: let it return to the usual, and let fatigue and mood fade.

    Call `consume_hazard` before and `schedule_lapse` after.
    """
    me = c.more[row]
    days = day - int(me.felt_day)
    if days == 0:
        return
    me.satisfaction = satisfaction_on(c, r, w, row, day)
    if me.mood != 0.0 or me.fatigue != 0.0:
        left = behaviour.share_left(r.fatigue_half_life, days)
        me.mood = float(me.mood) * left
        me.fatigue = float(me.fatigue) * left
    me.felt_day = day


@rule
def satisfaction_on(c: Columns, r: Rules, w: Surroundings, row: int, day: int) -> float:
    """Satisfaction on `day`, su: what episodes made has returned towards the usual, what messages made has faded."""
    me = c.more[row]
    days = day - int(me.felt_day)
    left = behaviour.share_left(r.return_half_life, days)
    usual: float = w.usual[int(me.persona)]
    satisfaction = usual + (float(me.satisfaction) - usual) * left
    if me.mood != 0.0:  # most have none
        satisfaction += float(me.mood) * (behaviour.share_left(r.fatigue_half_life, days) - left)
    return satisfaction


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
    """Make the customer lapsed on `day`: no further visits, and none that could be."""
    c.status[row] = LAPSED
    c.bound[row] = -1.0
    c.lapse_day[row] = day


@rule
def feel_weekly(c: Columns, r: Rules, w: Surroundings, row: int, day: int) -> None:
    """Call once a week: bring satisfaction up to `day`, and set the lapse by the hazard from then on.

    In between the hazard stays as it was, so that it is late by three or four days of a return that takes months.
    """
    if int(c.status[row]) != CUSTOMER:
        return
    consume_hazard(c, r, row, day + 1)
    recover(c, r, w, row, day)
    schedule_lapse(c, r, row, day + 1)
