"""Campaigns: popups, welcomes, pushes, e-mails (docs/ODD.md 7.10).

All of them are campaigns on one engine (`sim.company.campaigns`) and draw on one budget of attention: whoever sends a
message tires the customer for the next. Kinds differ in where a message meets the customer, whom the targeting rule
finds, and how its content is chosen: not (`uniform`), by what sells best or is new, by the receiver's order history, by
what the receiver has told the firm, or such that the rule ensures that it fits (`relevant`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Self

import numpy as np

from agents.behaviour import logit
from scenarios.intervention import Intervention, Mask, is_claimed, register, uncertain
from scenarios.rules import EVERYBODY, Targeting, check_known
from sim.company.campaigns import Channel, Cycle, MailedCoupon, Message
from sim.company.offers import Observed, Offers
from sim.config.parameters import Reader, Share, Text, number, real, rounded, show, whole, word
from sim.config.sections import Section
from sim.config.settings import Settings
from sim.phrases import ConfigError, Phrase, keyed

FITS = {
    # content: (fit of somebody without orders, what a long history adds), as shares of the way from the match floor to
    # one. Judgement: nobody has measured how well a best seller fits a stranger.
    "uniform": (0.0, 0.0),
    "best_sellers": (0.2, 0.0),
    "new_arrivals": (0.1, 0.2),
    "preference": (0.0, 0.0),
    "relevant": (1.0, 0.0),
}
INNER = real(1e-6, 1.0 - 1e-6)
"""Reader of a probability whose logit is taken."""

LOGITS = real(-10.0, 10.0)
"""Reader of what is added to a logit."""

Content = Annotated[str, word(*FITS, "history")]
"""What a message may hold; `history` takes its depth from `behaviour.messages.match_depth`."""

MOST_VARIANTS = 26


def _multiples(value: object) -> tuple[float, ...]:
    """Reader of one number per variant."""
    if isinstance(value, str) or not isinstance(value, list | tuple) or not 1 <= len(value) <= MOST_VARIANTS:
        raise ConfigError(
            "{value} is not allowed; a list of one number per variant, at most {most}",
            value=show(value), most=MOST_VARIANTS,
        )
    return tuple(number(one) for one in value)


def _shares(value: object) -> tuple[float, ...]:
    """Reader of one share per variant."""
    shares = _multiples(value)
    for share in shares:
        if not 0.0 <= share <= 1.0:
            raise ConfigError("{share:g} is not allowed; each variant's share lies from 0 to 1", share=share)
    if abs(sum(shares) - 1.0) > 1e-6:
        named = ", ".join(f"{share:g}" for share in shares)
        raise ConfigError("{parts} sum to {total:g}; shares must sum to 1", parts=named, total=sum(shares))
    return shares


class CycleOptions(Section):
    """Days between revisions of the shares, impressions needed of each variant, share of the others, yen a revision."""

    every: Annotated[int, whole(1, 3650)] = 7
    least: Annotated[int, whole(1, 1_000_000_000)] = 200
    explore: Share = 0.2
    cost: Annotated[int, rounded(0, 2**40)] = 0


def _cycle(stated: object) -> Cycle | None:
    """Reader of a cycle, or of none."""
    if stated is None or isinstance(stated, Cycle):
        return stated
    if not isinstance(stated, Mapping):
        raise ConfigError(
            "{value} is no cycle; a group of {names}", value=show(stated), names=', '.join(CycleOptions.model_fields)
        )
    return Cycle(**CycleOptions.read(stated).model_dump())


def _can_choose(cycle: Cycle, variants: int) -> None:
    """Raise ConfigError where a cycle has nothing to choose from, or gives the best one less than an equal share."""
    if variants == 1:
        raise ConfigError("cycle: 1 variant leaves nothing to choose from; at least 2")
    most = (variants - 1) / variants
    if cycle.explore > most + 1e-6:
        problem = Phrase("{value:g} is not allowed; at most {most:g}", value=cycle.explore, most=most)
        raise keyed("cycle.explore", problem)


class Campaign(Intervention):
    """Base of all campaigns: a targeting rule, a content in one or more variants, a cost, and a holdout.

    `lift` is what a message adds to the logit of an order on the visit (for a welcome: of linking an account). A
    claimed lift is multiplied by `shrink`. Each variant multiplies `lift` by its entry of `variants` and adds its entry
    of `appeals` to the logit of a click. Customers keep their variant; `shares` divides them among the variants, evenly
    unless stated, and `cycle` revises the shares. `slope`, of clicks on match, is that of `behaviour.messages` unless
    the campaign states its own.
    """

    channel: ClassVar[Channel]

    lift: Annotated[float, LOGITS] = 0.0
    rule: Targeting = EVERYBODY
    content: Content = "uniform"
    variants: Annotated[tuple[float, ...], Reader(_multiples)] = (1.0,)
    appeals: Annotated[tuple[float, ...], Reader(lambda stated: tuple(map(LOGITS, _multiples(stated))))] = ()
    shares: Annotated[tuple[float, ...], Reader(_shares)] = ()
    slope: Annotated[float | None, LOGITS] = None
    cost: Annotated[int, rounded(0, 100_000)] = 0  # yen per message
    holdout: Share = 0.0
    cycle: Annotated[Cycle | None, Reader(_cycle)] = None
    depth: float = 0.0  # of the match on order history
    appeal: float = 0.0  # logit of a click at a match of one half

    @classmethod
    def configured(cls, name: str, options: Mapping[str, Any], settings: Settings) -> Self:
        """Fill in depth, slope and appeal from `behaviour.messages`, and shrink claimed numbers. Raises ConfigError."""
        campaign, messages = super().configured(name, options, settings), settings.behaviour.messages
        known = {"depth": messages.match_depth.value}
        if "slope" not in options:
            known["slope"] = messages.match_slope.value
        for key in ("lift", "slope"):
            if is_claimed(options.get(key)):
                known[key] = getattr(campaign, key) * messages.shrink.value
        campaign = campaign.model_copy(update=known)
        campaign = campaign.model_copy(update={"appeal": campaign.appeal_in(settings)})
        campaign.rule.agree(settings)
        campaign._agrees_with_itself()
        return campaign

    def _agrees_with_itself(self) -> None:
        """Raise ConfigError for a list that is not one number per variant, a lift too large, a cycle without choice."""
        for option in ("appeals", "shares"):
            numbers = getattr(self, option)
            if numbers and len(numbers) != len(self.variants):
                raise ConfigError(
                    "{option}: {numbers} numbers for {variants} variants",
                    option=option, numbers=len(numbers), variants=len(self.variants),
                )
        for variant in self.variants:
            lift = self.lift * variant
            if not LOGITS.bounds.hold(lift):
                raise ConfigError(
                    "variants: {variant:g} times the lift is {lift:g} logits; {allowed}",
                    variant=variant, lift=lift, allowed=LOGITS.bounds.in_words,
                )
        if self.cycle is not None:
            _can_choose(self.cycle, len(self.variants))

    def appeal_in(self, settings: Settings) -> float:
        """Logit of a click at a match of one half."""
        raise NotImplementedError

    def fits(self, seen: Observed) -> Mask:
        """Whom the message is sure to fit: all if `relevant`, those who told what they like if `preference`."""
        told = seen.preference == 1 if self.content == "preference" else np.zeros(len(seen), bool)
        return np.asarray(told | (self.content == "relevant"))

    @property
    def message(self) -> Message:
        """What the engine sends."""
        fit, depth = FITS.get(self.content, (0.0, self.depth))
        return Message(
            self.channel,
            lifts=tuple(self.lift * share for share in self.variants),
            appeals=tuple(self.appeal + more for more in self.appeals or (0.0,) * len(self.variants)),
            slope=self.slope or 0.0,
            fit=fit,
            depth=depth,
            cost=self.cost,
            holdout=self.holdout,
            shares=self.shares,
            cycle=self.cycle._replace(first=self.start, last=self.start + self.days) if self.cycle else None,
        )


@register("popup")
class Popup(Campaign):
    """An on-site popup: information, so it lifts on impression; the click is a read-out."""

    channel = "popup"

    def appeal_in(self, settings: Settings) -> float:
        """From `behaviour.messages.popup_click`, the click rate at a match of one."""
        return float(logit(settings.behaviour.messages.popup_click.value) - (self.slope or 0.0) * (1.0 - 0.5))

    def on_visits(self, seen: Observed, offers: Offers) -> None:
        """Offer the popup to the visitors online whom the rule finds."""
        if self.active(seen.day):
            offers.popup(seen.online & self.found(seen), self.fits(seen))

    def found(self, seen: Observed) -> Mask:
        """Which of the visitors the rule finds."""
        return self.rule.finds(seen)


@register("searched_popup")
class SearchedPopup(Popup):
    """A popup for visitors who searched a topic lately and have not ordered since: so the rule ensures relevance."""

    topic: Text
    within_days: Annotated[int, rounded(0, 3650)]
    content: Content = "relevant"

    @classmethod
    def configured(cls, name: str, options: Mapping[str, Any], settings: Settings) -> Self:
        """Refuse a topic that nobody searches. Raises ConfigError."""
        popup, topics = super().configured(name, options, settings), settings.market.topics
        check_known("topic", popup.topic, topics, Phrase("search topic of market.topics"))
        return popup

    def found(self, seen: Observed) -> Mask:
        """Which of the visitors searched, have not ordered since, and are found by the rule."""
        searched = seen.searched(self.topic, self.within_days) & ~seen.ordered_since_search()
        return searched & self.rule.finds(seen)


@register("welcome")
class Welcome(Campaign):
    """A message at the app's first launch, about what linking an account brings.

    It needs `company.onboarding`, which says how many link without it. Who links visits more and lapses less.
    """

    channel = "welcome"

    @classmethod
    def configured(cls, name: str, options: Mapping[str, Any], settings: Settings) -> Self:
        """Refuse options about clicks, and a company without onboarding. Raises ConfigError."""
        for option in ("content", "slope", "appeals"):
            if option in options:
                raise ConfigError(
                    "{option}: a welcome is not clicked, so that this does nothing; leave it out", option=option
                )
        if settings.company.onboarding is None:
            raise ConfigError("kind: welcome needs company.onboarding; give the scenario both_arms {link: 0.3}, say")
        return super().configured(name, options, settings)

    def appeal_in(self, settings: Settings) -> float:
        """Zero: a welcome is not clicked."""
        return 0.0

    def on_visits(self, seen: Observed, offers: Offers) -> None:
        """Offer the welcome to those who open the app for the first time and whom the rule finds."""
        if self.active(seen.day):
            offers.welcome(seen.launches & self.rule.finds(seen))


class OffSite(Campaign):
    """Base of pushes and e-mails: sent in the morning every so many days; a click brings a visit, or one opts out."""

    every: Annotated[int, whole(1, 3650)] = 7  # days
    opt_out: Share = uncertain(0.002, 0.0005, 0.008, "1/unclicked message and unit of fatigue")
    click: Annotated[float, INNER] = 0.5  # each channel has its own prior

    def appeal_in(self, settings: Settings) -> float:
        """From the channel's click rate."""
        return float(logit(self.click))

    @property
    def message(self) -> Message:
        """What the engine sends."""
        return replace(super().message, opt_out=self.opt_out)

    def writes_on(self, day: int) -> bool:
        """Whether it sends on `day`: on its first day, then every `every` days."""
        return self.active(day) and (day - self.start) % self.every == 0

    def chooses(self, seen: Observed) -> tuple[Mask, Mask]:
        """Masks: (whom the rule finds, whom the message is sure to fit)."""
        return self.rule.finds(seen), self.fits(seen)


@register("push")
class Push(OffSite):
    """A push to those who have the app and agreed to pushes."""

    channel = "push"
    click: Annotated[float, INNER] = uncertain(
        0.10, 0.05, 0.40, "1/push at a match of one half", "vendor guides", "claimed"
    )


@register("email")
class Email(OffSite):
    """An e-mail to those who have ordered and agreed to e-mails."""

    channel = "email"
    click: Annotated[float, INNER] = uncertain(
        0.03, 0.01, 0.09, "1/e-mail at a match of one half", "vendor guides; docs/email-pattern.md", "claimed"
    )


@register("mailed_coupon")
class MailedCouponEmail(Email):
    """An e-mail with a coupon; few of its receivers keep it, and those who do may redeem it from the same day on.

    Coupons that one has earned are redeemed far more often than those that come by mail: hence the share who keep it.
    """

    face: Annotated[int, rounded(0, 100_000)]  # yen
    valid_days: Annotated[int, rounded(1, 3650)] = 30
    kept: Share = uncertain(
        0.05, 0.02, 0.15, "share of receivers who keep it",
        "tuned to .5-3 % redeemed of those a grocer mailed (dunnhumby, The Complete Journey)",
    )  # fmt: skip

    @property
    def message(self) -> Message:
        """What the engine sends."""
        return replace(super().message, coupon=MailedCoupon(self.face, self.valid_days, self.kept))


@register("win_back")
class WinBack(MailedCouponEmail):
    """An e-mail with a coupon to buyers without an order for so long; it brings back some of those who have left.

    The firm cannot tell who has left from who is only slow: the rule finds both.
    """

    after_days: Annotated[int, whole(1, 3650)] = 180  # days without an order
    every: Annotated[int, whole(1, 3650)] = 90
    wakes: Share = uncertain(0.003, 0.001, 0.01, "1/message to somebody who has left")

    @property
    def message(self) -> Message:
        """What the engine sends."""
        return replace(super().message, wakes=self.wakes)

    def chooses(self, seen: Observed) -> tuple[Mask, Mask]:
        """As of any e-mail, but only those without an order for so long."""
        found, fits = super().chooses(seen)
        return found & seen.between("days_since_order", self.after_days, np.inf), fits


@register("ask")
class Ask(OffSite):
    """A question about what one likes, by push: who answers can be sent what fits (`content: preference`).

    Answering brings no visit. It takes attention like any message, and whoever has answered is not asked again.
    """

    channel = "push"
    click: Annotated[float, INNER] = uncertain(0.15, 0.05, 0.30, "answers/question at a match of one half")

    @classmethod
    def configured(cls, name: str, options: Mapping[str, Any], settings: Settings) -> Self:
        """Refuse a company in which nobody agrees to pushes. Raises ConfigError."""
        if settings.company.opt_in.push == 0.0:
            raise ConfigError("kind: ask asks nobody where company.opt_in.push is 0; above 0")
        return super().configured(name, options, settings)

    @property
    def message(self) -> Message:
        """What the engine sends."""
        return replace(super().message, asks=True)

    def chooses(self, seen: Observed) -> tuple[Mask, Mask]:
        """As of any push, but only those who have not answered yet."""
        found, fits = super().chooses(seen)
        return found & (seen.preference == 0), fits
