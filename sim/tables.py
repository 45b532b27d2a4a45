"""The run folder's tables: name, unit, dtype and meaning of every column, once.

A run folder is the product. `sim` writes these tables, `analysis` reads them and imports nothing else of ours.

Arms of one replication share customers, luck and burn-in and differ in who is treated and in which interfaces are
replayed from the baseline (MODEL: estimands):

=====================  ==========================================================================
`baseline`             nobody treated
`X`                    everybody treated by scenario X; all four interfaces live: the total effect
`X/direct`             everybody treated, every interface replayed from the baseline
`X/wom`                word of mouth live, congestion replayed
`X/congestion`         congestion live, word of mouth replayed
`X/ab`                 a fair coin treats each customer; all interfaces live
`X*FACE`               X with every coupon face multiplied by FACE (break-even curve), total effect only
=====================  ==========================================================================

With several scenarios, X also runs over their combination, named `A+B`.
"""

from __future__ import annotations

from typing import NamedTuple

BASELINE = "baseline"
EVERYBODY = "everybody"
ELIGIBLE = "eligible"
ESTIMANDS = ("total", "direct", "spillover", "wom", "congestion", "company", "ab_test", "ab_bias")
"""`ab_test` is the raw difference a 50/50 field test would see; `ab_bias` is that difference, less the same split's
difference in the untreated world, less the total effect (per-customer means only)."""
PARTS = ("direct", "wom", "congestion")


class Column(NamedTuple):
    """One column of a table."""

    name: str
    dtype: str
    unit: str
    meaning: str


class Metric(NamedTuple):
    """One measured quantity of an arm.

    `kind` says how it forms: `mean` is averaged over all potential customers of the segment (so the average over a
    segment is per potential customer), `ratio` is a statistic of the arm of its own, `sum` is a total over the
    horizon of the simulated market (segment sums add up).
    """

    name: str
    unit: str
    kind: str
    label: str
    meaning: str


METRICS = (
    Metric("ltv", "yen", "mean", "LTV over the horizon", "discounted profit per potential customer over the horizon"),
    Metric("residual", "yen", "mean", "Residual value", "expected discounted profit beyond the horizon per potential customer, state frozen, less open coupons"),
    Metric("profit", "yen", "mean", "Profit", "undiscounted profit per potential customer over the horizon"),
    Metric("revenue", "yen", "mean", "Revenue", "baskets less discounts plus fees per potential customer"),
    Metric("margin", "yen", "mean", "Margin", "baskets times margin less discounts plus fees less delivery per potential customer"),
    Metric("cost", "yen", "mean", "Intervention cost", "coupons redeemed and messages paid, discounted, per potential customer"),
    Metric("ltv_acquired", "yen", "ratio", "LTV per acquired customer", "discounted profit of those first ordering within the horizon, per such customer (descriptive: total effect only)"),
    Metric("nps", "points", "ratio", "NPS (true)", "% promoters less % detractors among current customers, mean of the last four weekly censuses"),
    Metric("nps_surveyed", "points", "ratio", "NPS (surveyed)", "the same from those sampled who answered, on the same days"),
    Metric("nps_stayers", "points", "ratio", "NPS (customers in both arms)", "the census among those who are customers in both arms on that day"),
    Metric("csat", "%", "ratio", "CSAT", "share of survey answers with four or five stars, same days"),
    Metric("conversion", "%", "ratio", "Conversion", "orders per visit"),
    Metric("repeat_rate", "%", "ratio", "Repeat rate", "share of those who bought within the horizon who had bought before or bought again"),
    Metric("churn", "%", "ratio", "Churn", "share of those who were customers at day 0 or became so who lapsed silently by the end"),
    Metric("acquired", "customers", "sum", "Acquisitions", "customers whose first order falls within the horizon"),
    Metric("orders", "orders", "sum", "Orders", "orders placed within the horizon"),
    Metric("visits", "visits", "sum", "Visits", "visits within the horizon"),
    Metric("coupons_issued", "coupons", "sum", "Coupons issued", "within the horizon"),
    Metric("coupons_redeemed", "coupons", "sum", "Coupons redeemed", "within the horizon"),
    Metric("coupons_expired", "coupons", "sum", "Coupons expired", "within the horizon; everybody only"),
    Metric("norush_share", "%", "ratio", "No-rush share", "share of online orders that chose no-rush delivery"),
    Metric("lead_time", "days", "ratio", "Lead time", "mean days from online order to delivery, over deliveries within the horizon"),
    Metric("on_time", "%", "ratio", "On-time rate", "share of online deliveries no later than promised"),
    Metric("backlog", "orders", "ratio", "Backlog", "mean over days of online orders not shipped at the end of the day; everybody only"),
    Metric("contacts", "contacts", "sum", "Support contacts", "within the horizon"),
)  # fmt: skip
METRIC = {metric.name: metric for metric in METRICS}

AB_METRICS = (
    Metric("ab_conversion_14d", "%", "ratio", "Buyers among visitors, first 14 days", "distinct buyers per distinct visitor by day 14"),
    Metric("ab_profit_per_visitor_14d", "yen", "ratio", "Profit per visitor, first 14 days", "profit of visitors by day 14 per distinct visitor"),
)  # fmt: skip

MEASURES = (
    Column("replication", "int32", "1", "number of the draw of the uncertain parameters, from 0"),
    Column("twin", "int8", "1", "0: the draw's first seed; 1: its second seed, for the Monte Carlo error only"),
    Column("arm", "str", "", "arm (see above)"),
    Column("group", "str", "", "all; in `X/ab` and for its split of the baseline: `X/ab` treated and control"),
    Column("segment", "str", "", "everybody, eligible, or a persona"),
    Column("metric", "str", "", "a name of METRICS, or of AB_METRICS in A/B groups"),
    Column("value", "float64", "see metric", "the arm's value"),
)
"""measures.parquet: the base of every answer. Long: a row per replication, twin, arm, group, segment and metric.

`group` is `all` everywhere but for field tests: arm `X/ab` has groups `treated` and `control`, and arm `baseline` has
`X/ab:treated` and `X/ab:control`, the same split of customers in the untreated world, which the bias is adjusted by.
"""

EFFECTS = (
    Column("metric", "str", "", "a name of METRICS or AB_METRICS, or roi (total effect only, levels blank)"),
    Column("unit", "str", "", "unit of baseline, scenario, effect, interval and error"),
    Column("segment", "str", "", "everybody, eligible in the baseline, or a persona"),
    Column("estimand", "str", "", "one of ESTIMANDS"),
    Column("baseline", "float64", "unit", "mean over draws of the baseline's value"),
    Column("scenario", "float64", "unit", "baseline plus effect"),
    Column("effect", "float64", "unit", "mean over draws"),
    Column("ci_low", "float64", "unit", "lower end of the 90 % interval over the draws: what is not known"),
    Column("ci_high", "float64", "unit", "upper end"),
    Column("mc_se", "float64", "unit", "Monte Carlo standard error of the effect: what more computing would remove"),
    Column("p_positive", "float64", "1", "probability that the effect is above zero"),
    Column("replications", "int32", "1", "number of draws"),
    Column("intervention", "str", "", "the scenario answered for: X, or `A+B`, or `A x B` for the interaction"),
)

KPIS_KEYS = (
    Column("arm", "str", "", "arm"),
    Column("replication", "int32", "1", "draw"),
    Column("twin", "int8", "1", "which seed of the draw"),
)
"""kpis.csv: these keys, then a column per metric of METRICS (everybody). A row per arm and replication."""

DAILY = (
    Column("arm", "str", "", "arm"),
    Column("replication", "int32", "1", "draw"),
    Column("twin", "int8", "1", "which seed of the draw"),
    Column("day", "int16", "days", "day, 0 is the first of the horizon"),
    Column("unaware", "int32", "customers", "status at the end of the day"),
    Column("aware", "int32", "customers", "status: aware prospects"),
    Column("customer", "int32", "customers", "status: customers (active)"),
    Column("lapsed", "int32", "customers", "status: silently lapsed"),
    Column("visits", "int32", "visits", ""),
    Column("orders", "int32", "orders", ""),
    Column("orders_express", "int32", "orders", "online orders by class chosen"),
    Column("orders_standard", "int32", "orders", ""),
    Column("orders_norush", "int32", "orders", ""),
    Column("acquired", "int32", "customers", "first orders"),
    Column("new_lapsed", "int32", "customers", "customers lapsing this day (the firm does not see it)"),
    Column("revenue", "int64", "yen", "baskets less discounts plus fees, booked on order day"),
    Column("profit", "int64", "yen", "booked on order day; support on the day of contact"),
    Column("discount", "int64", "yen", "coupons redeemed"),
    Column("coupons_issued", "int32", "coupons", ""),
    Column("coupons_redeemed", "int32", "coupons", ""),
    Column("coupons_expired", "int32", "coupons", ""),
    Column("coupons_open", "int32", "coupons", "at the end of the day"),
    Column("impressions", "int32", "impressions", "popups shown"),
    Column("clicks", "int32", "clicks", ""),
    Column("capacity", "int32", "orders", "online orders that could be shipped"),
    Column("shipped", "int32", "orders", ""),
    Column("backlog", "int32", "orders", "ordered online and not shipped at the end of the day"),
    Column("open_orders", "int32", "orders", "ordered and not delivered, at the end of the day"),
    Column("delivered", "int32", "orders", "online deliveries"),
    Column("late", "int32", "orders", "of them after the promised day"),
    Column("contacts", "int32", "contacts", "support contacts"),
    Column("abandoned", "int32", "contacts", "of them given up"),
    Column("wait_minutes", "float64", "minutes", "sum of waits of the day's contacts"),
    Column("talk_positive", "int32", "talks", ""),
    Column("talk_negative", "int32", "talks", ""),
    Column("satisfaction", "float64", "su", "mean latent satisfaction of customers; weekly, blank on other days"),
    Column("nps", "float64", "points", "census of customers; weekly, blank on other days"),
    Column("nps_surveyed", "float64", "points", "survey answers; weekly, blank on other days"),
    Column("stage_shop", "int32", "customers", "visited within 14 days without buying; weekly, -1 on other days"),
    Column("stage_purchase", "int32", "customers", "has an open order; weekly, -1 on other days"),
    Column("stage_experience", "int32", "customers", "other customers; weekly, -1 on other days"),
    Column("stage_aware", "int32", "customers", "other aware prospects; weekly, -1 on other days"),
)
"""daily.parquet. Unaware and lapsed are stages of their own; the four `stage_*` columns split the rest."""

CUSTOMERS = (
    Column("arm", "str", "", "baseline or X"),
    Column("customer", "int32", "", "row number"),
    Column("persona", "str", "", "the true persona"),
    Column("segment", "str", "", "the declared one, which targeting sees"),
    Column("eligible", "bool", "", "eligible in the baseline"),
    Column("status", "str", "", "unaware, aware, customer or lapsed at the end"),
    Column("satisfaction", "float32", "su", "at the end"),
    Column("expectation", "float32", "su", "mean over touchpoints, at the end"),
    Column("acquired_day", "int16", "days", "day of first order; -32768 if none"),
    Column("lapsed_day", "int16", "days", "-32768 if not lapsed"),
    Column("visits", "int32", "visits", "within the horizon"),
    Column("orders", "int32", "orders", "within the horizon"),
    Column("revenue", "int64", "yen", "within the horizon"),
    Column("profit", "int64", "yen", "within the horizon"),
    Column("ltv", "float64", "yen", "discounted, within the horizon"),
    Column("residual", "float64", "yen", "beyond the horizon"),
    Column("twin_orders", "int32", "orders", "the same customer's in the other arm; only means over customers are identified"),
    Column("twin_profit", "int64", "yen", "likewise"),
    Column("twin_ltv", "float64", "yen", "likewise"),
    Column("twin_status", "str", "", "likewise"),
)
"""customers.parquet: first replication, baseline and the (last, combined) scenario."""

EVENTS = (
    Column("case:concept:name", "int32", "", "customer"),
    Column("concept:name", "str", "", "one of EVENT_NAMES"),
    Column("time:timestamp", "datetime64[us]", "", "date of the day"),
    Column("arm", "str", "", "baseline or X"),
    Column("value", "float32", "see event", "yen, days, su, points or minutes as EVENT_NAMES says"),
)
EVENT_NAMES = {
    "aware": "1 by advertising, 2 by word of mouth",
    "visit": "1",
    "popup shown": "number of the variant",
    "popup clicked": "number of the variant",
    "order": "basket, yen",
    "coupon redeemed": "discount, yen",
    "coupon issued": "face, yen",
    "delivered": "days late (negative: early), 0 in the store",
    "support contact": "wait, minutes (negative: given up after)",
    "episode": "score, su",
    "talk": "score told, su",
    "lapsed": "days since the last order",
    "survey answer": "0 to 10",
}

PARAMETERS = (
    Column("name", "str", "", "dotted path of the key in the configuration"),
    Column("value", "str", "see unit", "central value"),
    Column("low", "float64", "see unit", "lower end of the prior range; blank where taken as known"),
    Column("high", "float64", "see unit", "upper end"),
    Column("unit", "str", "", ""),
    Column("grade", "str", "", "measured, claimed, judgement, or known (a plain number)"),
    Column("source", "str", "", ""),
)
"""parameters.csv: every assumption with its grade."""

DRAWS = (
    Column("replication", "int32", "1", "draw"),
    Column("name", "str", "", "dotted path"),
    Column("value", "float64", "see parameters.csv", "drawn value; for a choice its index in the options"),
)
"""draws.parquet: the point of the Latin hypercube each replication was run at."""

PROBES = (
    Column("intervention", "str", "", "X"),
    Column("name", "str", "", "what was moved: `face` (share of the stated face), or the dotted path of a parameter"),
    Column("value", "float64", "", "where it was put"),
    Column("effect", "float64", "yen", "total effect on LTV there, everything else central"),
    Column("mc_se", "float64", "yen", "its Monte Carlo error, from the same scenario's draws"),
)
"""probes.csv: what would flip the answer. One thing moved at a time."""
