"""The report's section on campaigns: a dashboard with who would have ordered anyway, and readings of claimed lifts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.effects.estimands import ltv_by_point, spread
from analysis.folders.run_folder import Run
from analysis.report.campaigns import ALL, ANYWAY, LIFTS, campaign_rows, found_untreated, rates, write_campaigns
from analysis.report.tables import Cell, Table
from analysis.style import look, words
from analysis.style.language import N_, _
from analysis.style.page import picture
from sim.tables import CAMPAIGN_RATES

GOALS = {"popup": "order", "welcome": "link", "push": "click", "email": "click"}
"""What a campaign's variants are judged by, by channel."""

SHOWN_RATES = {
    "popup": ("click", "order", "order_anyway", "order_lift"),
    "welcome": ("link", "link_anyway", "link_lift"),
    "push": ("click", "order", "order_anyway", "order_lift", "opt_out"),
    "email": ("click", "order", "order_anyway", "order_lift", "opt_out"),
}
"""Columns of the dashboard, by channel."""

RATE_WORDS = {
    "click": N_("Clicked"),
    "order": N_("Ordered"),
    "order_anyway": N_("Would have ordered anyway"),
    "order_lift": N_("Difference"),
    "link": N_("Linked"),
    "link_anyway": N_("Would have linked anyway"),
    "link_lift": N_("Difference"),
    "opt_out": N_("Opted out"),
}

CHANNEL_WORDS = {"popup": N_("popup"), "welcome": N_("welcome"), "push": N_("push"), "email": N_("e-mail")}

CAPTION = N_(
    "Each variant's rate with its 90 % interval over replications; dashed: what the same people do anyway. Where "
    "there are several, the share of the traffic each has at the end; dotted: the equal shares that all began with."
)


class Rates(NamedTuple):
    """Rows of CAMPAIGN_RATES of one campaign."""

    name: str
    channel: str
    table: pd.DataFrame

    @property
    def variants(self) -> list[int]:
        """Numbers of its variants."""
        return sorted(map(int, self.table["variant"].dropna().unique()))

    def of(self, quantity: str, variant: int = ALL) -> pd.Series:
        """value, ci_low, ci_high and points of one quantity of a variant, or of all of them."""
        chosen = self.table["variant"].isna() if variant == ALL else self.table["variant"].eq(variant).fillna(False)
        return self.table[(self.table["quantity"] == quantity) & chosen].iloc[0]


def section(run: Run, name: str) -> dict[str, Any] | None:
    """What the report says of the campaigns of intervention `name`; None where it has none."""
    if not run.has("campaigns.parquet"):
        return None
    table = write_campaigns(run)
    table = table[table["intervention"] == name]
    if table.empty:
        return None
    found = [Rates(str(key), str(own["channel"].iloc[0]), own) for key, own in table.groupby("campaign", sort=False)]
    stem = run.folder / "figures" / f"{look.file_name(name)}_campaigns"
    return {
        "campaigns": [_dashboard(run, name, one) for one in found],
        "shrink": shrink_sentence(run),
        "readings": readings(run, name),
        "picture": picture(variants(found), stem, _(CAPTION)),
    }


def tables(run: Run, name: str) -> list[Table]:
    """Every campaign's rates, and the readings of claimed numbers, unrounded; empty where it has no campaigns."""
    if not run.has("campaigns.parquet"):
        return []
    own = rates(run)
    own = own[own["intervention"] == name]
    heads = tuple(column.name for column in CAMPAIGN_RATES)
    found = [
        Table(f"campaign_{look.file_name(str(key))}", _("Campaign: {name}").format(name=key), heads, _cells(rows))
        for key, rows in own.groupby("campaign", sort=False)
    ]
    heads = (_("Claimed number"), _("Read as"), _("Replications"), _("Difference, % points"), _("Effect on LTV, yen"))
    claimed = [(one.name, one.option, one.points, one.lift, one.ltv) for one in readings(run, name)]
    return [*found, Table("readings", _("Readings of claimed numbers"), heads, claimed)]


def _cells(rows: pd.DataFrame) -> list[tuple[Cell, ...]]:
    """A data frame's rows, blanks as None."""
    return [*map(tuple, rows.astype(object).where(rows.notna(), None).to_numpy().tolist())]


def _dashboard(run: Run, name: str, one: Rates) -> dict[str, Any]:
    columns = SHOWN_RATES[one.channel]
    learns = one.of("revisions")["value"] > 0
    rows = [_row(one, variant, columns, learns) for variant in (*one.variants, ALL)]
    return {
        "name": one.name,
        "csv": f"campaign_{look.file_name(one.name)}",
        "channel": _(CHANNEL_WORDS[one.channel]),
        "head": [_(RATE_WORDS[column]) for column in columns],
        "learns": learns,
        "rows": rows if len(one.variants) > 1 else rows[-1:],
        "sentence": words.sentences(
            (
                _goal_sentence(one),
                _winner_sentence(one) if learns else "",
                _opt_out_sentence(run, name, one),
                _cost_sentence(run, one),
            )
        ),
    }


def _row(one: Rates, variant: int, columns: tuple[str, ...], learns: bool) -> list[str]:
    cells = [_("all") if variant == ALL else str(variant), words.number(one.of("shown", variant)["value"], 0)]
    cells += [told(one.of(column, variant), signed=column in LIFTS.values()) for column in columns]
    if not learns:
        return cells
    share, wins = (float(one.of(quantity, variant)["value"]) for quantity in ("share", "wins"))
    return [
        *cells,
        words.number(share, 0),
        "" if variant == ALL else _("{share} %").format(share=words.number(wins, 0)),
    ]


def told(cell: pd.Series, signed: bool = False) -> str:
    """A value with its interval."""
    value, low, high = (float(cell[part]) for part in ("value", "ci_low", "ci_high"))
    if not words.known(value):
        return "-"
    places = 1 if max(abs(value), abs(high) if words.known(high) else 0) >= 1 else 2
    show = words.signed if signed else words.number
    if not words.known(low):
        return show(value, places)
    return _("{value} ({low} to {high})").format(
        value=show(value, places), low=show(low, places), high=show(high, places)
    )


def _goal_sentence(one: Rates) -> str:
    """What those shown do, and what they would have done anyway."""
    goal = "link" if one.channel == "welcome" else "order"
    if not one.of("shown")["value"] > 0:
        return _("Its rule finds nobody, so that it is shown to nobody.")
    if not words.known(float(one.of(ANYWAY[goal])["value"])):
        return _(
            "In the baseline its rule finds nobody, since it rests on what only the scenario brings about: what would "
            "have happened anyway is not known."
        )
    values = {
        "rate": told(one.of(goal)),
        "anyway": told(one.of(ANYWAY[goal])),
        "lift": told(one.of(LIFTS[goal]), signed=True),
    }
    text = {
        "order": _(
            "Of every hundred times it is shown, {rate} end in an order; whom its rule finds in the baseline orders "
            "anyway {anyway} times in a hundred: a difference of {lift} percentage points, replication by replication."
        ),
        "link": _(
            "Of every hundred who are shown it, {rate} link an account; in the baseline {anyway} in a hundred do so "
            "anyway: a difference of {lift} percentage points, replication by replication."
        ),
    }[goal]
    return text.format(**values)


def _winner_sentence(one: Rates) -> str:
    """Which variant has the traffic at the end."""
    best = max(one.variants, key=lambda variant: float(one.of("wins", variant)["value"]))
    wins = one.of("wins", best)
    return _(
        "Variant {best} ends most often with the largest share of the traffic: in {wins} % of {points} replications, "
        "after {revisions} revisions."
    ).format(
        best=best, wins=words.number(float(wins["value"]), 0), points=int(wins["points"]),
        revisions=words.number(one.of("revisions")["value"], 0),
    )  # fmt: skip


def _opt_out_sentence(run: Run, name: str, one: Rates) -> str:
    """The addresses lost, beside what the scenario does to LTV: what is bought by annoying people."""
    left = one.of("opted_out")
    if not left["value"] > 0:
        return ""
    return _(
        "Receivers who opt out in the simulated market over {days} days: {left}. Over the same days the scenario as a "
        "whole changes LTV by {ltv} yen per member."
    ).format(left=told(left), days=run.days, ltv=_ltv(run, name, pd.Index(run.measures["replication"].unique())))


def _cost_sentence(run: Run, one: Rates) -> str:
    cost, revision = float(one.of("cost")["value"]), _revision_cost(run, one.name)
    told_cost = (
        _("Its messages cost {cost} yen in the simulated market over {days} days.")
        if cost > 0
        else _("Its messages cost nothing.")
    ).format(cost=words.number(cost, 0), days=run.days)
    text = _("A revision costs the firm {cost} yen.").format(cost=words.number(revision, 0)) if revision else ""
    return words.sentences((told_cost, text))


def _revision_cost(run: Run, campaign: str) -> float:
    """Yen per revision of a campaign's shares, as configured."""
    scenarios = run.config.get("scenario") or {}
    paths = (f"scenario.{name}.interventions.{campaign}.cycle.cost" for name in scenarios)
    return float(next((cost for cost in map(run.setting, paths) if cost is not None), 0.0))


def shrink_sentence(run: Run) -> str:
    """A sentence on the factor by which published lifts are multiplied."""
    node = run.node("behaviour.messages.shrink")
    value = run.setting("behaviour.messages.shrink")
    if value is None:
        return ""
    told_value = words.plain(float(value))
    low, high = node.get("range", (None, None)) if isinstance(node, Mapping) else (None, None)
    if low is None or high is None or low == high:
        return _("Published lifts are multiplied by {shrink}: what is published are winners.").format(shrink=told_value)
    text = _(
        "Published lifts are multiplied by {shrink} (drawn between {low} and {high}): what is published are winners. "
        "At 1 they would be taken at their word."
    )
    return text.format(shrink=told_value, low=words.plain(float(low)), high=words.plain(float(high)))


class Reading(NamedTuple):
    """One way to read a claimed number, and the answer under it."""

    name: str
    option: str
    points: int
    lift: str
    ltv: str


def readings(run: Run, name: str) -> list[Reading]:
    """The answer under each reading of a claimed number that a campaign of `name` leaves open."""
    found = []
    for path, option, points in run.choices():
        group, scenario, *parts = path.split(".")
        if group == "scenario" and scenario in name.split("+"):
            lift, ltv = _lift(run, name, parts[1], points), _ltv(run, name, points)
            found.append(Reading(words.parameter(path), option, len(points), lift, ltv))
    return found


def _lift(run: Run, name: str, campaign: str, points: pd.Index) -> str:
    """The difference to the baseline of what the campaign is for, over some points; of pushes, orders."""
    counts = run.table("campaigns.parquet")
    counts = counts[(counts["second_seed"] == 0) & counts["replication"].isin(points)]
    own = counts[(counts["arm"] == name) & (counts["campaign"] == campaign)]
    if own.empty:
        return "-"
    rows = pd.DataFrame(
        campaign_rows(name, own, found_untreated(counts, campaign)), columns=[c.name for c in CAMPAIGN_RATES]
    )
    goal = LIFTS["link" if rows["channel"].iloc[0] == "welcome" else "order"]
    return told(rows[(rows["quantity"] == goal) & rows["variant"].isna()].iloc[0], signed=True)


def _ltv(run: Run, name: str, points: pd.Index) -> str:
    effect = ltv_by_point(run.measures, name).reindex(points).dropna().to_numpy()
    if not len(effect):
        return "-"
    over = spread(effect)
    return words.effect(over.mean, over)


# -- the figure ---------------------------------------------------------------------------------------------------


def variants(found: list[Rates]) -> Figure:
    """A row per campaign: what its variants come to, and the traffic they have at the end."""
    several = any(len(one.variants) > 1 for one in found)
    with look.style():
        rows = [max(len(one.variants), 2) for one in found]
        figure = Figure(figsize=(look.WIDTH, sum(0.9 + 0.36 * number for number in rows)))
        widths = [1.7, 1] if several else [1]
        grid = figure.subplots(len(found), len(widths), squeeze=False, width_ratios=widths, height_ratios=rows)
        for panels, one in zip(grid, found, strict=True):
            _rate_panel(panels[0], one)
            for right in panels[1:]:
                _share_panel(right, one)
    return figure


def _rate_panel(axes: Axes, one: Rates) -> None:
    goal = GOALS[one.channel]
    y = np.array(one.variants)[::-1]
    cells = pd.DataFrame([one.of(goal, variant) for variant in one.variants]).astype(
        {"value": float, "ci_low": float, "ci_high": float}
    )
    look.dots(axes, cells.rename(columns={"value": "effect"}), y, look.BLUE, "o", _("shown"))
    if goal in ANYWAY:
        level = float(one.of(ANYWAY[goal])["value"])
        axes.axvline(level, color=look.GREY, linestyle="--", label=_("anyway, in the baseline"))
    axes.set_yticks(y, [_("variant {number}").format(number=variant) for variant in one.variants])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(y.min() - 0.6, y.max() + 0.6)
    what = {"order": _("orders per hundred times shown"), "link": _("accounts linked per hundred shown"),
            "click": _("clicks per hundred sent")}[goal]  # fmt: skip
    axes.set_xlabel(what)
    axes.set_title(one.name, pad=20)
    look.grid_lines(axes, "x")
    look.legend_above(axes)


def _share_panel(axes: Axes, one: Rates) -> None:
    if len(one.variants) == 1:
        axes.set_visible(False)
        return
    y = np.array(one.variants)[::-1]
    shares = [float(one.of("share", variant)["value"]) for variant in one.variants]
    axes.barh(y, shares, height=0.6, color=look.BLUE, alpha=0.85)
    axes.axvline(100 / len(y), color=look.GREY, linestyle=":")
    axes.set_yticks([])
    axes.set_xlim(0, 100)
    axes.set_ylim(y.min() - 0.6, y.max() + 0.6)
    axes.set_xlabel(_("share of the traffic at the end, %,\nmean over replications"))
    look.grid_lines(axes, "x")
