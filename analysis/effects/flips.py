"""What would turn the answer: where the LTV effect crosses zero as one thing at a time is moved (probes.csv)."""

from __future__ import annotations

import itertools
import math
from functools import reduce
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.folders.run_folder import Run
from analysis.style.language import _
from analysis.style.words import listed, moved, plain

BEYOND = 2.0
"""Monte Carlo standard errors from zero beyond which the sign of a probed effect is established."""


class Flip(NamedTuple):
    """One thing moved from `low` to `high`.

    `crossing`: where the effect turns, None where no turn is established. `sign`: the established sign
    at every probed point (0: at some point it cannot be told from Monte Carlo noise); with a crossing,
    the sign above it.
    `central`: its value in the run.
    """

    name: str
    words: str
    unit: str
    low: float
    high: float
    central: float
    crossing: float | None
    sign: int


def flips(run: Run, name: str) -> list[Flip]:
    """What was probed for intervention `name`, in the order of probes.csv."""
    rows = run.probes[run.probes["intervention"] == name]
    return [_flip(run, name, str(what), rows[rows["name"] == what]) for what in pd.unique(rows["name"])]


def curve(run: Run, name: str, what: str) -> tuple[pd.DataFrame, str, float]:
    """Columns value, effect, mc_se by value; the unit of `value`; its central value."""
    rows = run.probes[(run.probes["intervention"] == name) & (run.probes["name"] == what)]
    table = rows[["value", "effect", "mc_se"]].astype(float).sort_values("value", ignore_index=True)
    return table, _unit(run, what), float(run.setting(what, math.nan))


def stated_face(run: Run, name: str) -> float | None:
    """The face value in yen of the first coupon of scenario `name`, None when it has none."""
    scenario = (run.config.get("scenario") or {}).get(name) or {}
    for intervention in (scenario.get("interventions") or {}).values():
        face = intervention.get("face") if isinstance(intervention, dict) else None
        face = face.get("value", face.get("mean")) if isinstance(face, dict) else face
        if face is not None:
            return float(face)
    return None


def crossings(values: np.ndarray, effects: np.ndarray, errors: np.ndarray) -> list[tuple[float, int]]:
    """Where the effect changes sign, with the sign above it; inputs (points,) sorted by value.

    A change is claimed only between two neighbouring points that lie beyond BEYOND errors on opposite
    sides of zero; in between, the curve is taken as piecewise linear. A blank error establishes nothing.
    """
    sure = np.flatnonzero(np.abs(effects) > BEYOND * errors)
    found = []
    for a, b in itertools.pairwise(sure):
        if effects[a] * effects[b] > 0:
            continue
        for i in range(a, b):
            if effects[i] * effects[i + 1] <= 0 and effects[i] != effects[i + 1]:
                share = effects[i] / (effects[i] - effects[i + 1])
                found.append((float(values[i] + share * (values[i + 1] - values[i])), int(np.sign(effects[b]))))
                break
    return found


def sentence(run: Run, name: str) -> str:
    """What would turn the answer for `name`, in one sentence."""
    found = flips(run, name)
    if not found:
        return _("What would turn the answer was not probed.")
    still = [flip for flip in found if flip.crossing is None]
    clauses = [
        (
            _("the effect on LTV turns from gain to loss, or back, at {places}"),
            [_turn(flip) for flip in found if flip.crossing is not None],
        ),
        (_("it does not turn within the range of the {places}"), [_range(flip) for flip in still if flip.sign != 0]),
        (
            _("over the {places} the effect is too small beside the luck of the draw to say whether it turns"),
            [_range(flip) for flip in still if flip.sign == 0],
        ),
    ]
    told = [clause.format(places=listed(places)) for clause, places in clauses if places]
    clauses_in_one = reduce(lambda one, next: _("{one}; {next}").format(one=one, next=next), told)
    return _("Moving one thing at a time, {clauses}.").format(clauses=clauses_in_one)


def _flip(run: Run, name: str, what: str, rows: pd.DataFrame) -> Flip:
    table, unit, central = curve(run, name, what)
    values, effects, errors = (table[column].to_numpy() for column in ("value", "effect", "mc_se"))
    found = crossings(values, effects, errors)
    signs = {int(np.sign(e)) if abs(e) > BEYOND * se else 0 for e, se in zip(effects, errors, strict=True)}
    low, high = float(np.min(values, initial=np.inf)), float(np.max(values, initial=-np.inf))
    if found:
        middle = central if math.isfinite(central) else (low + high) / 2
        crossing, sign = min(found, key=lambda pair: abs(pair[0] - middle))
        return Flip(what, moved(what), unit, low, high, central, crossing, sign)
    return Flip(what, moved(what), unit, low, high, central, None, signs.pop() if len(signs) == 1 else 0)


def _unit(run: Run, what: str) -> str:
    node = run.node(what)
    unit = str(node.get("unit", "")) if isinstance(node, dict) else ""
    return "" if unit == "1" else unit


def _turn(flip: Flip) -> str:
    if not math.isfinite(flip.central):
        text = {1: _("a {what} of about {place} (better above)"), -1: _("a {what} of about {place} (better below)")}[
            flip.sign
        ]
    else:
        text = {
            1: _("a {what} of about {place} (better above; here {here})"),
            -1: _("a {what} of about {place} (better below; here {here})"),
        }[flip.sign]
    place = plain(flip.crossing or 0.0)
    place = _("{amount} yen").format(amount=place) if flip.unit == "yen" else place
    return text.format(what=flip.words, place=place, here=plain(flip.central))


def _range(flip: Flip) -> str:
    text = {
        1: _("{what} ({range}, always a gain)"),
        -1: _("{what} ({range}, always a loss)"),
        0: _("{what} ({range})"),
    }[flip.sign]
    ends = _("{low} to {high} yen") if flip.unit == "yen" else _("{low} to {high}")
    return text.format(what=flip.words, range=ends.format(low=plain(flip.low), high=plain(flip.high)))
