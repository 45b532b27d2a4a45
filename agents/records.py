"""What the parts of a customer's day read and fill in: shared tables, and records of visits, episodes, messages."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.columns import NO_ORDER


class Today(NamedTuple):
    """What all customers share on a day: factors of rates, and the mean stock of talk at the end of the day before."""

    seed: int
    day: int
    base: int  # day before the first simulated one: index 0 of the public series
    season: float
    ad_intensity: float
    public_volume: float


VARIANT = np.dtype(
    [
        ("lift", np.float64),  # utility of an order, logits: on impression on the site, on a click elsewhere
        ("appeal", np.float64),  # logit of a click at a match of one half
        ("slope", np.float64),  # logit of a click per unit of match
        ("fit", np.float64),  # match of somebody without orders, as a share of the way from the floor to one
        ("depth", np.float64),  # what a long order history adds to that share
        ("opt_out", np.float64),  # probability of opting out per unit of fatigue, where not clicked
        ("asks", np.uint8),  # 1: a click answers a question about one's likes and brings no visit
        ("wakes", np.float64),  # probability that it brings back somebody who has lapsed
        ("bit", np.uint8),  # off-site channel, as in `consent`; 0 on the site
    ],
    align=True,
)
"""dtype of a row of the variant table: what one variant of a campaign sends."""


OPTION = np.dtype(
    [
        ("owner", np.uint8),  # number of the intervention
        ("extra", np.uint8),  # days beyond no-rush's lead
        ("face", np.int32),  # yen of the coupon
    ],
    align=True,
)
"""dtype of one option of waiting: days that no-rush delivery may take longer, and the coupon for them."""


VariantTable = NDArray[Any]
"""The variant table: all variants of all campaigns, records of VARIANT."""


WaitingOptions = NDArray[Any]
"""The options of waiting of all interventions, records of OPTION."""


NO_VARIANTS: VariantTable = np.zeros(1, VARIANT)
"""Variant table of one blank row, for an arm without campaigns: compiled code always needs a table."""


NO_WAITING_OPTIONS: WaitingOptions = np.zeros(0, OPTION)


class Surroundings(NamedTuple):
    """Tables that all customers share and only read."""

    decay: NDArray[np.float64]  # share of a talk stock left after n days
    public_weight: NDArray[np.float64]  # prefix sums of the public fields, from `Today.base`
    public_score: NDArray[np.float64]
    gamma: NDArray[np.float64]  # quantiles of Gamma(basket_shape, 1), mean preserved
    topics: NDArray[np.float64]  # cumulated shares of search topics
    persona_price: NDArray[np.float64]
    quality: NDArray[np.float64]  # su by persona and touchpoint, as in force today
    usual: NDArray[np.float64]  # su by persona: what satisfaction returns to
    usual_quality: NDArray[np.float64]  # su by persona and touchpoint: what expectations return to


VISIT = np.dtype(
    [
        ("row", np.int32),
        ("channel", np.uint8),
        ("times", np.uint8),  # visits of the day
        # a push or an e-mail clicked on the way
        ("forced", np.uint8),
        ("boost", np.float64),  # logit
        # offers, filled in by the company
        ("popup", np.uint8),  # 0 none, else number of the variant
        ("variant_row", np.uint8),  # its row in the variant table
        ("relevant", np.uint8),  # the rule itself ensures that the popup fits
        ("welcome", np.uint8),  # likewise for the message at an app's first launch
        ("welcome_row", np.uint8),
        ("message_cost", np.int32),  # yen
        ("norush_coupon", np.int32),  # yen for choosing no-rush
        ("waiting_options", np.uint8),  # 0, or 1 + number of the intervention that offers options of waiting
        ("extra", np.uint8),  # days beyond no-rush's lead that the customer chose
        ("coupon_last", np.int16),  # last good day of the no-rush coupon
        ("breakage", np.float32),  # probability that it is never used
        # outcome
        ("clicked", np.uint8),
        ("linked", np.uint8),  # onboarded on this visit
        ("kind", np.uint8),  # delivery class, NO_ORDER without an order
        ("first", np.uint8),
        ("basket", np.int32),  # yen
        ("discount", np.int32),  # yen
        ("redeemed", np.uint8),
        # as booked
        ("paid", np.int32),  # yen, delivery fee included
        ("earned", np.int32),  # yen of profit with the order
    ],
    align=True,
)
"""dtype of a visit: who comes where, what is offered, what comes of it."""


EPISODE = np.dtype(
    [
        ("row", np.int32),
        ("order_day", np.int16),
        ("kind", np.uint8),
        ("extra", np.int8),  # days promised beyond the usual lead: chosen, or by new terms; negative: fewer
        ("late", np.int16),  # days after the promised one, negative: early
        ("first", np.uint8),
        ("saved", np.float32),  # discount as a share of the mean basket
        ("basket", np.int32),  # yen
        ("discount", np.int32),  # yen
        ("paid", np.int32),  # yen, delivery fee included
        ("earned", np.int32),  # yen of profit with the order
        ("cancelled", np.uint8),  # while it waited to be shipped: nothing was handed over
        # after `experience`
        ("score", np.float64),
        ("contact", np.uint8),
        # from the desk
        ("wait", np.float64),  # minutes
        ("served", np.uint8),
        ("resolved", np.uint8),
        ("made_good", np.float64),  # share of a bad score that an apology makes good
        # after `conclude`
        ("talk", np.int8),  # sign, 0 none
        ("talk_volume", np.int32),  # increments of the talker's stock, in 2^-20
        ("talk_weight", np.int32),
        ("talk_score", np.int32),
        ("lapsed", np.uint8),
        ("returned", np.uint8),  # sent back
    ],
    align=True,
)
"""dtype of an episode, a delivery, cancelled order or store purchase: what happened, then what came of it."""


MESSAGE = np.dtype(
    [
        ("row", np.int32),
        ("campaign", np.uint8),
        ("variant", np.uint8),  # from 1
        ("variant_row", np.uint8),
        ("relevant", np.uint8),  # the rule itself ensures that it fits
        ("cost", np.int32),  # yen
        # outcome
        ("clicked", np.uint8),
        ("boost", np.float64),  # logit of an order on the visit a click brings
        ("opted_out", np.uint8),
        ("came_back", np.uint8),  # somebody who had lapsed
    ],
    align=True,
)
"""dtype of a push or an e-mail: who gets which, and what came of it."""


Messages = NDArray[Any]
"""The day's off-site messages in row order, at most one a customer: records of MESSAGE."""


Visits = NDArray[Any]
"""The day's visitors in row order: records of VISIT."""


Episodes = NDArray[Any]
"""The day's deliveries and store purchases by (customer, order day), a customer's cancelled orders last: records of
EPISODE."""


def new_visits(rows: NDArray[np.int32]) -> Visits:
    """Visits of these rows with nothing offered and nothing done."""
    visits = np.zeros(len(rows), VISIT)
    visits["row"] = rows
    visits["kind"] = NO_ORDER
    return visits
