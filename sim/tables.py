"""The run folder's tables: name, unit, dtype and meaning of every column, once.

A run folder is the product. `sim` writes these tables, `analysis` reads them and imports nothing else of ours.

Arms of one replication share customers, luck and burn-in and differ in who is treated and in which interfaces are
replayed from the baseline (docs/ODD.md 4):

=====================  ==========================================================================
`baseline`             nobody treated
`X`                    everybody treated by scenario X; all four interfaces live: the total effect
`X/direct`             everybody treated, every interface replayed from the baseline
`X/wom`                word of mouth live, congestion replayed
`X/congestion`         congestion live, word of mouth replayed
`X/company`            company state live, the others replayed; this arm and those of two live interfaces
                       (`X/wom_congestion`, ...) only where a campaign of X learns
`X/ab`                 a fair coin treats each customer; all interfaces live
`X*NAME`               X with the options of its variant NAME, everybody treated: total effect only, at the points and
                       with the luck of `X`; where arms=all
=====================  ==========================================================================

A scenario that acts on the company as a whole (a meeting, better service, an outage) can be neither replayed nor
tested on half of the customers: it has the arm `X` only.

With several scenarios, X also runs over their combination, named `A+B`.
"""

from __future__ import annotations

from typing import NamedTuple

FOLDER_VERSION = 3
"""Version of the tables below, in provenance.json as `folder_version`. A folder that states none is of version 1."""

RENAMED = {
    "mc_se": "se",
    "residual": "tail",
    "twin": "second_seed",
    "draw": "point",
    "draws": "points",
    "draws_run": "replications_run",
    "worlds": "points",
    "wrong_worlds": "wrong_points",
    "world": "option_group",
    "rule": "region",
    "board": "meeting",
    "twin_orders": "other_orders",
    "twin_profit": "other_profit",
    "twin_ltv": "other_ltv",
    "twin_status": "other_status",
    "draws.parquet": "points.parquet",
    "drivers.csv": "sensitivity.csv",
    "rules.csv": "regions.csv",
    "trial_draws.parquet": "trial_points.parquet",
    "fresh_draws.parquet": "fresh_points.parquet",
}
"""Columns and files of earlier versions that have another name since."""

BASELINE = "baseline"
EVERYBODY = "everybody"
ELIGIBLE = "eligible"
VARIANT = "*"
"""Stands between a scenario's name and its variant's in the name of an arm."""
TOUCHPOINTS = ("site", "store", "delivery", "product")
"""What an order meets, by the number that an event `let down` gives as its value; as `agents.columns` has them."""
_NUMBERED = ", ".join(f"{number} {name}" for number, name in enumerate(TOUCHPOINTS))
_TOUCHPOINTS, _ONE_TOUCHPOINT = ", ".join(TOUCHPOINTS), f"{', '.join(TOUCHPOINTS[:-1])} or {TOUCHPOINTS[-1]}"
ESTIMANDS = ("total", "direct", "spillover", "wom", "congestion", "company", "ab_test", "ab_bias")
"""`ab_test` is the raw difference a 50/50 field test would see; `ab_bias` is that difference, less the same split's
difference in the untreated market, less the total effect (per-customer means only)."""
PARTS = ("direct", "wom", "congestion")
"""Arms of the split where no company lever acts: everything replayed, then all but one interface."""
ADAPTIVE_PARTS = (*PARTS, "company", "wom_congestion", "wom_company", "congestion_company")
"""Arms of the split where the company learns: every set of live interfaces but the full one."""
VARIANTS_UNTIL = 64
"""The variants of a plan run at the first so many points: enough to compare them point by point."""

PARTS_UNTIL = 16
"""The split and the field test are run at the first so many points only."""
SHOCKS = ("competitor_move", "outage", "supplier_delay", "viral_complaint")
"""Shipped kinds of intervention that nobody chooses."""
COMPANY_WIDE = (*SHOCKS, "capacity", "delivery_terms", "staff", "voice_of_customer")
"""Kinds that act on the company as a whole. A run folder's reader cannot import the classes in scenarios/, so both lists
are written out here; a test compares them with the classes."""


class Column(NamedTuple):
    """One column of a table."""

    name: str
    dtype: str
    unit: str
    meaning: str


class Metric(NamedTuple):
    """One measured quantity of an arm.

    `kind` says how it forms: `mean` is averaged over all members of the segment (so the average over a
    segment is per member), `ratio` is a statistic of the arm of its own, `sum` is a total over the
    horizon of the simulated market (segment sums add up).
    """

    name: str
    unit: str
    kind: str
    label: str
    meaning: str


METRICS = (
    Metric("ltv", "yen", "mean", "LTV", "discounted profit per member over the horizon with the interventions in force, and what customers are worth afterwards with them withdrawn"),
    Metric("year_1", "yen", "mean", "LTV: first year", "the part of LTV from days 0 to 364"),
    Metric("year_2", "yen", "mean", "LTV: second year", "the part from days 365 to 729"),
    Metric("year_3", "yen", "mean", "LTV: third year", "the part from day 730 to the end of the horizon"),
    Metric("tail", "yen", "mean", "LTV: tail", "the part after the horizon, interventions withdrawn: expected discounted profit of customers and prospects"),
    Metric("profit", "yen", "mean", "Profit", "undiscounted profit per member over the horizon"),
    Metric("profit_sd", "yen", "ratio", "Spread of profit", "standard deviation of undiscounted profit over members: what a field test has to see through"),
    Metric("revenue", "yen", "mean", "Revenue", "baskets less discounts plus fees per member"),
    Metric("margin", "yen", "mean", "Margin", "baskets times margin less discounts plus fees less delivery per member"),
    Metric("cost", "yen", "mean", "Intervention cost", "coupons redeemed, messages, recoveries by staff, projects and revisions, discounted, per member"),
    Metric("ltv_acquired", "yen", "ratio", "LTV per acquired customer", "discounted profit of those first ordering within the horizon, per such customer (descriptive: total effect only)"),
    Metric("nps", "points", "ratio", "NPS (true)", "% promoters less % detractors among current customers, mean of the last four weekly censuses"),
    Metric("nps_surveyed", "points", "ratio", "NPS (surveyed)", "the same from those sampled who answered, on the same days"),
    Metric("nps_stayers", "points", "ratio", "NPS (customers in both arms)", "the census among those who are customers in both arms on that day"),
    Metric("csat", "%", "ratio", "CSAT", "share of survey answers with four or five stars, same days"),
    Metric("conversion", "%", "ratio", "Conversion", "orders per visit"),
    Metric("repeat_rate", "%", "ratio", "Repeat rate", "share of those who bought within the horizon who had bought before or bought again"),
    Metric("churn", "%", "ratio", "Churn", "share of those who were customers at day 0 or became so who lapsed silently by the end"),
    Metric("acquired", "customers", "sum", "Acquisitions", "customers whose first order falls within the horizon"),
    Metric("orders", "orders", "sum", "Orders", "orders placed within the horizon, cancelled ones too"),
    Metric("visits", "visits", "sum", "Visits", "visits within the horizon"),
    Metric("coupons_issued", "coupons", "sum", "Coupons issued", "within the horizon"),
    Metric("coupons_redeemed", "coupons", "sum", "Coupons redeemed", "within the horizon"),
    Metric("coupons_expired", "coupons", "sum", "Coupons expired", "within the horizon; everybody only"),
    Metric("norush_share", "%", "ratio", "No-rush share", "share of online orders that chose no-rush delivery"),
    Metric("lead_time", "days", "ratio", "Lead time", "mean days from online order to delivery, over deliveries within the horizon"),
    Metric("on_time", "%", "ratio", "On-time rate", "share of online orders handed over no later than promised, of those handed over or cancelled"),
    Metric("cancelled", "orders", "sum", "Cancelled orders", "online orders cancelled within the horizon while they waited to be shipped"),
    Metric("backlog", "orders", "ratio", "Backlog", "mean over days of online orders not shipped at the end of the day; everybody only"),
    Metric("contacts", "contacts", "sum", "Support contacts", "within the horizon"),
)  # fmt: skip
YEARS = ("year_1", "year_2", "year_3")
"""Parts of LTV within the horizon; with `tail` they add up to it."""
METRIC = {metric.name: metric for metric in METRICS}

AB_METRICS = (
    Metric("ab_conversion_14d", "%", "ratio", "Buyers among visitors, first 14 days", "distinct buyers per distinct visitor by day 14"),
    Metric("ab_profit_per_visitor_14d", "yen", "ratio", "Profit per visitor, first 14 days", "profit of visitors by day 14 per distinct visitor"),
)  # fmt: skip

MEASURES = (
    Column("replication", "int32", "1", "number of the point of the uncertain parameters, from 0"),
    Column("second_seed", "int8", "1", "0: the point's first seed; 1: the same point with other luck, for the Monte Carlo error only"),
    Column("arm", "str", "", "arm (see above)"),
    Column("group", "str", "", "all; in `X/ab` and for its split of the baseline: `X/ab` treated and control"),
    Column("segment", "str", "", "everybody, eligible, or a persona"),
    Column("metric", "str", "", "a name of METRICS, or of AB_METRICS in A/B groups"),
    Column("value", "float64", "see metric", "the arm's value"),
)
"""measures.parquet: the base of every answer. Long: a row per replication, second seed, arm, group, segment and metric.

`group` is `all` everywhere but for field tests: arm `X/ab` has groups `treated` and `control`, and arm `baseline` has
`X/ab:treated` and `X/ab:control`, the same split of customers in the untreated market, which the bias is adjusted by.
"""

ROI = Metric("roi", "1", "ratio", "ROI", "change in LTV, net of the intervention's cost, per yen of that cost: mean over mean, with the interval of that ratio (resampled points)")
"""Of effects, not of arms: its arms are one another's comparison."""

PROMOTER, DETRACTOR = 9, 6
"""From this answer up a promoter, up to that one a detractor (Reichheld 2003)."""

EFFECTS = (
    Column("metric", "str", "", "a name of METRICS or AB_METRICS, or roi (total effect only, levels blank)"),
    Column("unit", "str", "", "unit of baseline, scenario, effect, interval and error"),
    Column("segment", "str", "", "everybody, eligible in the baseline, or a persona"),
    Column("estimand", "str", "", "one of ESTIMANDS"),
    Column("baseline", "float64", "unit", "mean over points of the baseline's value"),
    Column("scenario", "float64", "unit", "baseline plus effect"),
    Column("effect", "float64", "unit", "mean over points; of ROI, of means"),
    Column("median", "float64", "unit", "median over points, the luck of the seed taken out where second seeds tell it"),
    Column("ci_low", "float64", "unit", "lower end of the 90 % interval over the points, likewise: what is not known; blank below 30 points"),
    Column("ci_high", "float64", "unit", "upper end"),
    Column("least", "float64", "unit", "smallest of the points, likewise"),
    Column("most", "float64", "unit", "largest of them"),
    Column("se", "float64", "unit", "standard error of the mean over points, luck of the seed included"),
    Column("p_positive", "float64", "1", "probability that the effect is above zero: (k + 1/2)/(n + 1) for k of n points"),
    Column("replications", "int32", "1", "number of points; parts and field tests have those of the first 16 only"),
    Column("intervention", "str", "", "the scenario answered for: X, or `A+B`, or `A x B` for the interaction, or `X*NAME` for a variant (everybody, total effect only)"),
)

SWEEP_NAMES = {"scenario": "with_scenario", "replications": "replications_run"}
"""Columns of EFFECTS that sweep.parquet calls otherwise: configuration keys that are swept bear their names."""

SWEEP = (
    Column("job", "str", "", "key of the job; its run folder is jobs/KEY"),
    *(column._replace(name=SWEEP_NAMES.get(column.name, column.name)) for column in EFFECTS),
)
"""sweep.parquet: a row per finished job, metric, segment and estimand; after `job` a column per swept key."""

ANSWERS = SWEEP[1:]
"""answers.csv: the same by configuration, jobs that are blocks of its points put together. Everybody only."""

OPTION = (
    Column("option_group", "int32", "", "options with the same number were run at the same points with the same luck"),
    Column("option", "str", "", "scenario, and the swept values it was run at"),
)
"""The first columns of what follows: tables beside answers.csv, for options with enough points."""

SENSITIVITY = (
    *OPTION,
    Column("metric", "str", "", "ltv or profit: whose total effect is explained"),
    Column("name", "str", "", "dotted path of an uncertain parameter"),
    Column("rank_correlation", "float64", "1", "Spearman's, of parameter and effect over points"),
    Column("chance", "float64", "1", "what the largest rank correlation of so many parameters stays below 95 times in 100 by chance alone"),
    Column("first_order", "float64", "1", "share of the effect's variance over points that the parameter explains alone (Sobol, RBD-FAST)"),
    Column("first_order_error", "float64", "1", "half-width of its 90 % interval"),
    Column("points", "int32", "1", "number of points"),
)

PROBABILITIES = (
    *OPTION,
    Column("metric", "str", "", "ltv, profit or roi: the probability is that its total effect is above zero"),
    Column("given", "str", "", "blank: over all points; else dotted path of the parameter that is restricted"),
    Column("value", "str", "", "option of a choice, or low, middle, high: a third of the points each, by the parameter's value"),
    Column("low", "float64", "see parameters.csv", "lower end of the third, the smallest of the points' values in the first"),
    Column("high", "float64", "see parameters.csv", "upper end"),
    Column("points", "int32", "1", "points there, the luck of the seed taken out of their effects where second seeds tell it"),
    Column("positive", "int32", "1", "of them with an effect above zero"),
    Column("probability", "float64", "1", "(positive + 1/2) / (points + 1); an effect of zero counts half"),
    Column("ci_low", "float64", "1", "lower end of the 90 % interval of a probability counted at so many points (Wilson)"),
    Column("ci_high", "float64", "1", "upper end"),
)

REGRET = (
    *OPTION,
    Column("points", "int32", "1", "points common to all options of the group"),
    Column("mean_effect", "float64", "yen", "effect on LTV per member, mean over these points"),
    Column("expected_regret", "float64", "yen", "mean over points of the best option's effect less this one's"),
    Column("maximum_regret", "float64", "yen", "largest over points"),
    Column("p_best", "float64", "1", "share of points at which no option is better; ties are shared"),
)

REGIONS = (
    *OPTION,
    Column("outcome", "str", "", "gain: effect on LTV above zero; loss: not above zero; best: no other option, doing nothing included, is better"),
    Column("region", "str", "", "conditions on uncertain parameters, joined by `and`; blank: no region beats the base rate out of sample"),
    Column("base_rate", "float64", "1", "share of all points with the outcome"),
    Column("support", "float64", "1", "share of points that the region covers"),
    Column("coverage", "float64", "1", "share of the points with the outcome that it covers"),
    Column("density", "float64", "1", "share of the points it covers that have the outcome: in sample, too good"),
    Column("held_out", "float64", "1", "the same at points held out while a region was sought (cross-validation)"),
    Column("held_out_low", "float64", "1", "lower end of its 90 % interval (Wilson)"),
    Column("held_out_high", "float64", "1", "upper end"),
    Column("elsewhere", "float64", "1", "share of the other points with the outcome, in sample"),
    Column("points", "int32", "1", "number of points"),
)

_RUN = (
    Column("replication", "int32", "1", "number of the point"),
    Column("second_seed", "int8", "1", "1: the same point with other luck"),
)
"""Which world a row is of."""

KPIS_KEYS = (Column("arm", "str", "", "arm"), *_RUN)
"""kpis.csv: these keys, then a column per metric of METRICS (everybody). A row per arm and replication."""

DAILY = (
    *KPIS_KEYS,
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
    Column("profit", "int64", "yen", "orders on the day of order; messages, contacts, recoveries, projects and revisions on their own"),
    Column("discount", "int64", "yen", "coupons redeemed"),
    Column("coupons_issued", "int32", "coupons", ""),
    Column("coupons_redeemed", "int32", "coupons", ""),
    Column("coupons_expired", "int32", "coupons", ""),
    Column("coupons_open", "int32", "coupons", "at the end of the day"),
    Column("impressions", "int32", "impressions", "popups shown, pushes and e-mails sent; no welcomes"),
    Column("clicks", "int32", "clicks", "of these"),
    Column("capacity", "int32", "orders", "online orders that could be shipped"),
    Column("shipped", "int32", "orders", ""),
    Column("backlog", "int32", "orders", "ordered online and not shipped at the end of the day"),
    Column("open_orders", "int32", "orders", "ordered and not delivered, at the end of the day"),
    Column("delivered", "int32", "orders", "online deliveries"),
    Column("late", "int32", "orders", "of them after the promised day"),
    Column("cancelled", "int32", "orders", "online orders cancelled while they waited to be shipped; the refund is booked on this day"),
    Column("contacts", "int32", "contacts", "support contacts"),
    Column("abandoned", "int32", "contacts", "of them given up"),
    Column("wait_minutes", "float64", "minutes", "sum of waits of the day's contacts"),
    Column("talk_positive", "int32", "talks", ""),
    Column("talk_negative", "int32", "talks", ""),
    Column("satisfaction", "float64", "su", "mean latent satisfaction of customers; weekly, null on other days"),
    Column("nps", "float64", "points", "census of customers; weekly, null on other days"),
    Column("nps_surveyed", "float64", "points", "survey answers; weekly, null on other days"),
    Column("stage_shop", "Int32", "customers", "visited within 14 days without buying; weekly, null on other days"),
    Column("stage_purchase", "Int32", "customers", "has an open order; weekly, null on other days"),
    Column("stage_experience", "Int32", "customers", "other customers; weekly, null on other days"),
    Column("stage_aware", "Int32", "customers", "other aware prospects; weekly, null on other days"),
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
    Column("acquired_day", "Int16", "days", "day of first order, below zero before the horizon; null if none"),
    Column("lapsed_day", "Int16", "days", "day of lapsing, below zero before the horizon; null if not lapsed"),
    Column("visits", "int32", "visits", "within the horizon"),
    Column("orders", "int32", "orders", "within the horizon"),
    Column("revenue", "int64", "yen", "within the horizon"),
    Column("profit", "int64", "yen", "within the horizon; fixed costs, projects and revisions are booked to no customer"),
    Column("ltv", "float64", "yen", "discounted, likewise"),
    Column("tail", "float64", "yen", "the part of it after the horizon"),
    Column("style", "float32", "SD", "answering style: how much higher than others one answers, equally satisfied"),
    *(
        Column(f"census_{week}", "Int8", "points", f"answer, 0 to 10, in week {week} of the last four; null if no customer on that day")
        for week in range(1, 5)
    ),
    Column("other_orders", "int32", "orders", "the same customer's under the other arm; only means over customers are identified"),
    Column("other_profit", "int64", "yen", "likewise"),
    Column("other_ltv", "float64", "yen", "likewise"),
    Column("other_status", "str", "", "likewise"),
)
"""customers.parquet: first replication, baseline and the (last, combined) scenario."""

CENSUSES = tuple(column.name for column in CUSTOMERS if column.name.startswith("census_"))
"""Columns of customers.parquet whose NPS, each week's taken by itself, have the mean `nps` of measures.parquet."""

EVENTS = (
    Column("case:concept:name", "str", "", "arm and customer, as `baseline/123`: a case is one customer's life in one arm"),
    Column("concept:name", "str", "", "one of EVENT_NAMES"),
    Column("time:timestamp", "datetime64[us]", "", "date of the day"),
    Column("customer", "int32", "", "row number in customers.parquet"),
    Column("arm", "str", "", "baseline or X"),
    Column("value", "float32", "see event", "yen, days, su, points or minutes as EVENT_NAMES says"),
)
EVENT_NAMES = {
    "aware": "1 by advertising, 2 by word of mouth",
    "message sent": "number of the variant",
    "message clicked": "number of the variant",
    "opted out": "number of the variant",
    "linked": "number of the variant, 0 without a message",
    "preference told": "number of the variant",
    "visit": "channel: 0 website, 1 app, 2 store",
    "popup shown": "number of the variant",
    "popup clicked": "number of the variant",
    "order": "basket, yen",
    "coupon redeemed": "discount, yen",
    "coupon issued": "face, yen",
    "delivered": "days late (negative: early), 0 in the store",
    "support contact": "wait, minutes (negative: given up after)",
    "episode": "score, su",
    "let down": "touchpoint that weighed worst in a day's last episode, where that scored below neutral and so did the "
    f"touchpoint itself: {_NUMBERED}",
    "talk": "score told, su",
    "heard": "score told by a tie, su",
    "lapsed": "days since the last order",
    "survey answer": "0 to 10",
    "cancelled": "days beyond the promised day, the order not yet shipped",
}
"""Events number the variants of an arm from 1 on through all its campaigns, in the order in which its rows stand in
campaigns.parquet, variant 0 left out: with one campaign, the number is the variant."""

VARIANT_EVENTS = tuple(name for name, value in EVENT_NAMES.items() if value.startswith("number of the variant"))

STATES = (
    Column("customer", "int32", "", "row number"),
    Column("day", "int16", "days", "day of the visit, of the push or e-mail, or of the orders handed over"),
    Column("arm", "str", "", "baseline or X"),
    Column("satisfaction", "float32", "su", "latent satisfaction after it"),
    Column("expectation", "float32", "su", "mean over touchpoints, after it"),
)
"""states.parquet: how the customers of events.parquet felt after each of their visits, on days without one after a push
or an e-mail, and at the end of each day on which orders were handed over to them; by customer and in the order of time.
Nobody can see this in a real firm. Who has lapsed does not look at messages, and has no state after one."""

FUNNEL = (
    Column("arm", "str", "", "baseline or X"),
    Column("kind", "str", "", "what customers are grouped by: everybody, start, persona, segment (the declared one) or channel"),
    Column("group", "str", "", "which of them"),
    Column("stage", "str", "", "potential, aware, visit, order, second order, third order"),
    Column("customers", "int32", "customers", "of the group that reached the stage within the horizon"),
    Column("share", "float64", "1", "of the group's members"),
    Column("drop_off", "float64", "1", "share of the stage before that did not reach this one; blank for the first"),
    Column("ci_low", "float64", "1", "lower end of its 90 % interval (Wilson): chance among the customers of one replication only"),
    Column("ci_high", "float64", "1", "upper end"),
)
"""funnel.csv: first replication, customers whose journeys were kept and who had not lapsed before day 0. Each stage holds part
of the one before; a channel's visits and orders are those made through it."""

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

POINTS = (
    Column("replication", "int32", "1", "number of the point"),
    Column("name", "str", "", "dotted path"),
    Column("value", "float64", "see parameters.csv", "value there; for a choice its index in the options"),
)
"""points.parquet: the point of the Latin hypercube each replication was run at."""

CAMPAIGNS = (
    *_RUN,
    Column("arm", "str", "", "baseline, X or X/ab"),
    Column("campaign", "str", "", "key of the intervention in the scenario file"),
    Column("channel", "str", "", "popup, welcome, push or email"),
    Column("variant", "int16", "", "from 1; 0: found by the targeting rule and shown nothing (untreated, held out, over the cap)"),
    Column("shown", "int64", "times", "times shown or sent within the horizon; for variant 0 times found"),
    Column("clicked", "int64", "times", "of them clicked"),
    Column("ordered", "int64", "times", "of them with an order on the same visit, or by the receiver on the same day"),
    Column("linked", "int64", "times", "of them linked at the app's first launch"),
    Column("opted_out", "int64", "times", "of them answered by opting out of the channel"),
    Column("cost", "int64", "yen", "of messages"),
    Column("share", "float64", "1", "share of the traffic the variant is given at the end of the horizon"),
    Column("revisions", "int32", "1", "times the shares were revised"),
)
"""campaigns.parquet: what a dashboard of campaigns would show; a row per arm, campaign and variant. Only in runs that
have campaigns."""

PROJECTS = (
    *_RUN,
    Column("arm", "str", "", "X"),
    Column("meeting", "int16", "", "number of the meeting's intervention within the arm"),
    Column("day", "int16", "days", "day of the meeting that started the project"),
    Column("touchpoint", "str", "", _ONE_TOUCHPOINT),
)
"""projects.parquet: what the meetings on voice of the customer started; a row per project. Only in runs that have them."""

JOURNEY_MAP = (
    Column("persona", "str", "", "everybody or a true persona"),
    Column("arm", "str", "", "baseline (as-is) or X (to-be)"),
    Column("stage", "str", "", "learn, shop, buy, receive or return"),
    Column("touchpoint", "str", "", f"advertising, friends, messages, {_TOUCHPOINTS} or support"),
    Column("events", "int64", "events", "within the horizon, of customers whose journeys were kept"),
    Column("customers", "int64", "customers", "of them with at least one"),
    Column("score", "float64", "su", "mean score of what was told or experienced there; blank where nothing is scored"),
    Column("ci_low", "float64", "su", "lower end of its 90 % interval: chance among the customers of one replication only"),
    Column("ci_high", "float64", "su", "upper end"),
    Column("below", "float64", "1", "share of the scores below neutral"),
    Column("depth", "float64", "su", "mean of those"),
)
"""map/map.csv, written by `cxsim map`: what the first replication's customers met, stage by touchpoint."""

CAMPAIGN_RATES = (
    Column("intervention", "str", "", "X"),
    *CAMPAIGNS[3:5],
    Column("variant", "int16", "", "from 1; blank: all of them together"),
    Column("quantity", "str", "", "click, order, order_anyway, order_lift, link, link_anyway, link_lift, opt_out, share (of the traffic at the end), wins (points at which that is the largest), shown, opted_out, cost or revisions"),
    Column("unit", "str", "", "%, % points, times, receivers or yen"),
    Column("value", "float64", "unit", "mean over points"),
    Column("ci_low", "float64", "unit", "lower end of the 90 % interval over points; with one point Wilson's, of a share counted in so many"),
    Column("ci_high", "float64", "unit", "upper end"),
    Column("points", "int32", "1", "points that have a value"),
)
"""campaigns.csv, written with the report where there is campaigns.parquet. `_anyway` is the rate of those whom the
targeting rule finds in the baseline, where nobody is shown anything; `_lift` is the rate less that one, point by
point."""

RECOVERY = (
    Column("intervention", "str", "", "X, where its effect begins after day 0"),
    Column("metric", "str", "", "nps, customer (active customers) or profit"),
    Column("unit", "str", "", "unit of the depth"),
    Column("begins", "int32", "days", "day on which the effect begins"),
    Column("quantity", "str", "", "depth, deepest, half or tenth"),
    Column("value", "float64", "unit, or days", "depth: largest weekly shortfall, mean over points; deepest: days from the beginning to the middle of that week; half, tenth: until the shortfall is first down to this share of it. Days are medians over points"),
    Column("ci_low", "float64", "likewise", "lower end of the 90 % interval over points; of days the 5 % quantile"),
    Column("ci_high", "float64", "likewise", "upper end; blank where it lies beyond the horizon"),
    Column("reached", "int32", "points", "points at which it gets there within the horizon"),
    Column("points", "int32", "1", "number of points"),
)
"""recovery.csv, written with the report: how deep a shock goes and how long it lasts, against the same world without
it, in weeks counted from its beginning."""

PROBES = (
    Column("intervention", "str", "", "X"),
    Column("name", "str", "", "what was moved: the dotted path of a parameter"),
    Column("value", "float64", "", "where it was put"),
    Column("effect", "float64", "yen", "total effect on LTV there, everything else central"),
    Column("mc_se", "float64", "yen", "its Monte Carlo error, from the same scenario's replications"),
)
"""probes.csv: what would flip the answer. One thing moved at a time."""

DASHBOARD = (
    Column("fact", "str", "", "name of the fact, as in `company.facts`; `express` and `norush` are its classes"),
    Column("unit", "str", "", "of the columns that follow, but for `within`"),
    Column("given", "float64", "", "what the firm states, median over points; empty: not known"),
    Column("tolerance", "float64", "", "how far off a simulated figure may be, beside two standard errors of its own"),
    Column("median", "float64", "", "what the untreated market shows in its first year, median over points"),
    Column("low", "float64", "", "5 % quantile over points"),
    Column("high", "float64", "", "95 % quantile over points"),
    Column("within", "float64", "share", "share of points within the tolerance; empty: not known"),
)
"""dashboard.csv: the firm on its dashboard, as given and as simulated. Established markets only."""

TEST_METRICS = (
    Metric("profit_per_customer", "yen", "mean", "Profit per customer", "profit booked since the start per member"),
    Metric("revenue_per_customer", "yen", "mean", "Revenue per customer", "baskets less discounts plus fees since the start per member"),
    Metric("orders_per_thousand", "orders", "ratio", "Orders per thousand customers", "orders since the start per thousand members"),
    Metric("buyers_per_visitor", "%", "ratio", "Buyers among visitors", "distinct buyers per distinct visitor since the start"),
)  # fmt: skip
"""What a planned test is read for; the first one decides. All but the last are extrapolated to the horizon in proportion
(times horizon over days so far), so that readings of any week stand beside one another."""

TESTS = (
    Column("point", "int32", "1", "number of the point of the uncertain parameters: one market, one truth"),
    Column("design", "str", "", "customer: a coin per customer; cluster: whole clusters, a fixed number of them"),
    Column("test", "int32", "1", "number of the assignment"),
    Column("metric", "str", "", "a name of TEST_METRICS"),
    Column("weeks", "int32", "weeks", "when the test is read"),
    Column("estimate", "float64", "see metric", "treated less control, as the field would see it"),
    Column("se", "float64", "see metric", "its standard error as an analyst would compute it"),
    Column("freedom", "float64", "1", "degrees of freedom of the analyst's t (Welch)"),
    Column("p_value", "float64", "1", "two-sided; blank where there is no standard error"),
    Column("split", "float64", "see metric", "the same split's difference in the untreated market: chance that the field cannot see"),
    Column("split_p_value", "float64", "1", "its p-value: what a test of nothing would have reported"),
    Column("truth_window", "float64", "see metric", "everybody treated less nobody, over the same weeks"),
    Column("truth", "float64", "see metric", "everybody treated less nobody, over the whole horizon: what is asked"),
)
"""tests.parquet of a pre-mortem: a row per point, design, test, metric and reading."""

PREMORTEM = (
    Column("design", "str", "", "customer or cluster"),
    Column("metric", "str", "", "a name of TEST_METRICS"),
    Column("weeks", "int32", "weeks", "when the test is read"),
    Column("unit", "str", "", "unit of what follows up to truth_size"),
    Column("estimate", "float64", "unit", "mean over points and tests of what the test reports, its split's chance difference taken off"),
    Column("truth", "float64", "unit", "mean over points of the full rollout's effect over the horizon"),
    Column("bias", "float64", "unit", "estimate less truth"),
    Column("bias_mc_se", "float64", "unit", "its standard error over points"),
    Column("interference", "float64", "unit", "part of the bias: estimate less the full rollout's effect over the same weeks"),
    Column("interference_mc_se", "float64", "unit", "its standard error over points"),
    Column("early", "float64", "unit", "the other part: the full rollout's effect over these weeks less that over the horizon"),
    Column("spread", "float64", "unit", "standard deviation of the raw estimate over the tests at one point"),
    Column("se", "float64", "unit", "the analyst's standard error, root mean square"),
    Column("error", "float64", "unit", "root mean square of raw estimate less truth, over points and tests"),
    Column("error_at_members", "float64", "unit", "the same for a test on all members of the firm, chance scaled with 1 / sqrt(size)"),
    Column("truth_size", "float64", "unit", "root mean square of the truth over points: the error of taking the effect for zero"),
    Column("coverage_window", "float64", "1", "share of the analyst's intervals that hold the rollout's effect over the same weeks"),
    Column("coverage", "float64", "1", "share that hold the truth"),
    Column("power", "float64", "1", "share of tests that are significant, whatever their sign"),
    Column("power_mc_se", "float64", "1", "its standard error over points"),
    Column("power_at_members", "float64", "1", "the same for a test on all members, from each point's mean estimate (normal)"),
    Column("wrong_sign", "float64", "1", "share of estimates whose sign is not the truth's"),
    Column("wrong_sign_if_significant", "float64", "1", "the same among significant ones (type S error)"),
    Column("wrong_points", "int32", "1", "points at which the mean estimate, chance apart, has the wrong sign"),
    Column("exaggeration", "float64", "1", "mean size of significant estimates over the mean size of their truths (type M error)"),
    Column("false_alarm", "float64", "1", "share of the same splits that are significant with nobody treated"),
    Column("false_alarm_mc_se", "float64", "1", "its binomial standard error"),
    Column("needed_customers", "float64", "customers", "in both arms together, for the wanted power at the truth, chance scaled with 1 / sqrt(size): median over points"),
    Column("needed_customers_high", "float64", "customers", "the same for nine points in ten"),
    Column("points", "int32", "1", "number of points"),
    Column("tests", "int32", "1", "number of tests in all"),
)
"""premortem.csv: a row per design, metric and reading."""

_POINT = (Column("point", "int32", "1", "number of the point of the uncertain parameters"), _RUN[1])

FIELD_FINDINGS = (
    Column("experiment", "str", "", "its file's name"),
    Column("finding", "str", "", "name of what it found on one metric"),
    Column("metric", "str", "", "what was measured"),
    Column("unit", "str", "", "of estimate and se; share: of the level without treatment"),
    Column("delay", "float64", "days", "of deliveries that were late; blank otherwise"),
    Column("design", "str", "", "held_back, rollout, late, cohort or newcomers"),
    Column("use", "str", "", "anchor: a range of the model was set with it; test: none was"),
    Column("reading", "str", "", "of the source: opened, abstract, recalled or data"),
    Column("estimate", "float64", "unit", "published"),
    Column("se", "float64", "unit", "its standard error"),
    Column("level", "float64", "unit", "published level without treatment; 1 for a relative estimate, blank where none is stated"),
    Column("source", "str", "", "author, year, journal"),
)
"""field_findings.csv of a field suite: what was published."""

FIELD_POINTS = (
    Column("experiment", "str", "", "its file's name"),
    Column("finding", "str", "", "name of the finding"),
    *_POINT,
    Column("effect", "float64", "as the finding's", "what the experiment would find at this point, its own error apart"),
    Column("level", "float64", "of the metric", "level without treatment"),
)
"""field_points.parquet: a row per finding, point and seed."""

FIELD = (
    *FIELD_FINDINGS[:11],
    Column("low", "float64", "unit", "published 90 % interval, lower end"),
    Column("high", "float64", "unit", "upper end"),
    Column("median", "float64", "unit", "predicted, median over points"),
    Column("predicted_low", "float64", "unit", "5 % quantile over points, the luck of the seed taken out"),
    Column("predicted_high", "float64", "unit", "95 % quantile"),
    Column("sign_right", "float64", "share", "of points whose effect has the published sign; blank where the published interval spans zero"),
    Column("inside", "float64", "1", "1: the published value lies within the predicted interval, else 0"),
    Column("width_ratio", "float64", "1", "width of the predicted interval over that of the published one"),
    Column("score_nothing", "float64", "nats", "log density that the prediction gives the published value, less what no effect gives it"),
    Column("score_constant", "float64", "nats", "less what a constant lift gives it: the mean and spread of the other experiments' relative lifts; blank where no level is published"),
    Column("points", "int32", "1", "points with a value"),
    Column("verdict", "str", "", "agrees, vague, unsettled, small, large or opposite"),
)
"""field.csv, written by `cxsim field`: a row per finding, as published and as predicted."""

REPAIRED, BROKEN, STEP = "repaired", "broken", "step"
"""What is done to a touchpoint: a step better, a step worse; and half the difference between the two."""

DRIVEN = ("ltv", "tail", "nps")
"""Metrics that touchpoints are judged by; the first one ranks."""

EXPLORED = (
    Column("setting", "int32", "1", "number of the setting of the levers, 0 is the plan as stated; its values stand in a column per lever, by dotted path"),
    *_RUN,
    Column("metric", "str", "", "a name of METRICS; everybody"),
    Column("baseline", "float64", "see metric", "the baseline's value, the same at every setting"),
    Column("scenario", "float64", "see metric", "the value with the scenario at this setting"),
)
"""explore.parquet: a row per setting, point, seed and metric; second seeds at setting 0 alone."""

KEY_DRIVER_FILES = ("key_drivers.parquet", "complaints.parquet", "ratings.parquet")
"""What `cxsim key-drivers` simulates: KEY_DRIVER_ARMS, COMPLAINTS, RATINGS."""

KEY_DRIVER_ARMS = (
    *_POINT,
    Column("touchpoint", "str", "", f"{_TOUCHPOINTS} or support; blank for the baseline"),
    Column("persona", "str", "", "for whom it is moved: everybody or a true persona; blank for the baseline"),
    Column("change", "str", "", "baseline, repaired (a step better) or broken (a step worse)"),
    Column("metric", "str", "", "ltv, tail or nps"),
    Column("value", "float64", "see metric", "the arm's value over everybody, whoever it is moved for"),
)
"""key_drivers.parquet: a row per point, seed, arm and metric."""

COMPLAINTS = (
    *_POINT,
    Column("persona", "str", "", "declared persona of those who complain: the true one the firm does not see"),
    Column("touchpoint", "str", "", f"{_ONE_TOUCHPOINT}: what weighed worst in their last episode"),
    Column("comments", "int64", "comments", "contacts with support, and surveyed detractors who comment, over the horizon"),
)
"""complaints.parquet: what the firm hears in the baseline. Nobody names support: it is heard of itself."""

RATINGS = (
    *_POINT,
    Column("persona", "str", "", "declared persona of the respondent"),
    Column("answer", "int8", "points", "would you recommend us, 0 to 10"),
    Column(TOUCHPOINTS[0], "int8", "points", "rating of the touchpoint, 0 to 10: made of the quality expected there as the answer is of satisfaction"),
    *(Column(name, "int8", "points", "likewise") for name in TOUCHPOINTS[1:]),
)
"""ratings.parquet: a row per answered survey of the baseline."""

KEY_DRIVERS = (
    Column("persona", "str", "", "everybody or a persona: for whom the touchpoint is moved, whose complaints and answers count"),
    Column("touchpoint", "str", "", f"{_TOUCHPOINTS} or support"),
    Column("measure", "str", "", "ltv, tail or nps: effect on everybody; complaints: share of the complaints; survey: standardised regression weight of the rating"),
    Column("change", "str", "", "of an effect: repaired, broken, or step (half the difference between the two)"),
    Column("unit", "str", "", "unit of value, interval and error"),
    Column("value", "float64", "unit", "mean over points"),
    Column("ci_low", "float64", "unit", "lower end of the 90 % interval over the points; of a survey, its sampling is in it; blank below 30 points"),
    Column("ci_high", "float64", "unit", "upper end"),
    Column("least", "float64", "unit", "smallest of the points"),
    Column("most", "float64", "unit", "largest of them"),
    Column("mc_se", "float64", "unit", "Monte Carlo standard error of the value: what more computing would remove"),
    Column("rank", "int32", "1", "place within persona, measure and change, 1 for the largest value; of broken, for the smallest"),
    Column("points", "int32", "1", "number of points with a value"),
)
"""key_drivers.csv: ranked within persona, measure and change; steps first, for everybody first."""
