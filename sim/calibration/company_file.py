"""A calibration written as a company file: each number with its grade, what the log cannot tell from the default.

The file has the keys of any company, so that it is read, checked and changed by hand like one. The raw fit stands
beside each corrected number, in its source, and in full in the comment at the top.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from sim.calibration import lapse
from sim.calibration.calibrate import LABEL, Calibration, Clock, mean_basket_se
from sim.calibration.cohort import CLOCK
from sim.calibration.log import CleanLog
from sim.calibration.repeat_buying import Fit, GammaGamma
from sim.config.parameters import is_parameter
from sim.config.sections import Facts
from sim.phrases import ConfigError
from sim.world.constants import YEAR

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
WORDS_OF_YAML = ("true", "false", "null", "nan", "inf")
"""Words that `company=NAME` would not read as a name."""
BASE, DEFAULT = "general", "cdnow"
MEMBERS_PER_BUYER = 10
"""Members written for each customer of a log, which does not know who has not bought yet."""
UNTOLD = "the default company's; the log does not tell"
SHIPPED = resources.files("conf") / "company"


def place_for(name: str, folder: Path) -> Path:
    """Where the company file of this name goes below `folder`. Raises ConfigError for a name that cannot be used."""
    if not NAME.fullmatch(name) or name.lower() in WORDS_OF_YAML:
        raise ConfigError("--name {name}: is not a name; letters, digits, _ and - of ASCII, a letter first", name=name)
    if (SHIPPED / f"{name}.yaml").is_file():
        raise ConfigError("--name {name}: cxsim ships a company of that name; give yours another", name=name)
    place = folder / "company" / f"{name}.yaml"
    if place.exists():
        raise ConfigError(
            "{place}: is there already and may hold changes by hand; remove it or give another --name", place=place
        )
    return place


def company_text(found: Calibration) -> str:
    """The company file as YAML text."""
    shipped = _shipped()
    evidence = found.evidence
    members = MEMBERS_PER_BUYER * found.clean.customers
    own: dict[str, Any] = {"name": found.name, "members": members, "purchase": dict(_purchase(found))}
    known = {"active_customers": _active(found.clean), "on_time": evidence.on_time}
    own["facts"] = dict.fromkeys(Facts.model_fields) | known
    if evidence.channels:
        own["channels"] = evidence.channels
    if evidence.on_time:
        own["capacity_ratio"] = None
    lines = [*_head(found)]
    for key, value in shipped.items():
        # A plain value cannot carry a grade: it is told in a comment.
        comment = f"judgement: {UNTOLD}" if key not in own and not is_parameter(value) else ""
        if key == "members":
            comment = f"judgement: {MEMBERS_PER_BUYER} for each of the log's customers; put in the firm's own number"
        lines += written(key, own.get(key, value), 0, comment)
    if evidence.behaviour:
        lines.append("# The firm's own evidence, laid over the shared behaviour.")
        lines += written("behaviour", evidence.behaviour, 0)
    return "\n".join(lines) + "\n"


def _active(clean: CleanLog) -> dict[str, Any] | None:
    """Customers who bought in the log's last year, as a fact; None of a log that is shorter than that."""
    since = pd.Timestamp(clean.last) - pd.Timedelta(days=YEAR - 1)
    if since < pd.Timestamp(clean.first):
        return None
    bought = clean.purchases.loc[clean.purchases["date"] >= since, "customer"].nunique()
    source = f"who bought within {YEAR} days up to {clean.last}"
    return {"value": int(bought), "unit": "customers", "grade": "measured", "source": source}


def _shipped() -> dict[str, Any]:
    """The shipped company whose keys a calibration fills, its facts left out."""
    general, own = (yaml.safe_load((SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")) for name in (BASE, DEFAULT))
    return {key: own.get(key, value) for key, value in general.items()}


def _head(found: Calibration) -> Iterator[str]:
    clean = found.clean
    yield f"# Calibrated to {plain_line(found.log.name)}: {clean.customers} customers,"
    yield f"# {len(clean.purchases)} purchase days, {clean.first} to {clean.last}."
    kept = len(found.observed) - found.fitted_weeks
    if kept:
        yield f"# The last {kept} weeks were kept out of the fit; calibrate without --holdout for use."
    rate = f" at {found.yen:g} yen per unit of the log" if found.yen != 1.0 else ""
    yield f"# Weeks and yen{rate}. Raw maximum-likelihood fits, before the correction to the simulated baseline:"
    for clock in found.clocks:
        label = f"{LABEL[clock.key]} (dropout clock {CLOCK[clock.key]})"
        yield f"#   {label}: log-likelihood {clock.fit.log_likelihood:.2f}"
        yield from _fit_comment(clock.fit)
        end = found.fitted_weeks - 1
        yield (
            f"#     repeats by week {end + 1}: log {found.observed[end]:.0f}, fit {clock.closed[end]:.0f}, simulated "
            f"{clock.before[end]:.0f} before and {clock.after[end]:.0f} after correction"
        )
    if found.spend is not None:
        yield f"#   gamma-gamma: log-likelihood {found.spend.log_likelihood:.2f}"
        yield from _fit_comment(found.spend)
    yield "# The parameters of a fit err together. Runs draw one of each fit: alpha, with the error that gives a"
    yield "# year's repeats their joint error, and gamma, with that of the mean basket; lapse too where it is open."


def _fit_comment(fit: Fit[Any]) -> Iterator[str]:
    for name in fit.names:
        error = "open: the log does not tell" if name in fit.unidentified else f"se {fit.standard_errors[name]:.4g}"
        yield f"#     {name} {getattr(fit.model, name):.5g} ({error})"
    rows = "; ".join(" ".join(f"{value:.4g}" for value in row) for row in np.asarray(fit.covariance))
    yield f"#     covariance of the logarithms: {rows}"


def _purchase(found: Calibration) -> Iterator[tuple[str, Any]]:
    for clock in found.clocks:
        yield clock.key, dict(_clock(clock))
    yield "gamma_gamma", dict(_spend(found.spend))
    clean = found.clean
    yield "source", (
        f"maximum likelihood on {plain_line(found.log.name)} ({found.summary.customers} customers, "
        f"{found.fitted_weeks} weeks from {clean.first}), corrected so that the simulated baseline repeats the fit"
    )
    yield "grade", "measured"


def _spend(fit: Fit[GammaGamma] | None) -> Iterator[tuple[str, Any]]:
    """Gamma-gamma: fitted; of one price; or, without values, the default company's."""
    if fit is None:
        for name, value in _shipped()["purchase"]["gamma_gamma"].items():
            yield name, {"value": value, "grade": "judgement", "source": f"{UNTOLD} what an order is worth"}
        return
    error = mean_basket_se(fit)
    how = "maximum likelihood" if error else "all orders of the log have one value"
    yield "p", _measured(fit.model.p, how)
    yield "q", _measured(fit.model.q, how)
    if error:
        carried = f"maximum likelihood; carries the {100 * error:.1f} % error of the mean basket"
        yield "gamma", _drawn(fit.model.gamma, error * fit.model.gamma, carried)
    else:
        yield "gamma", _measured(fit.model.gamma, how)


def _clock(clock: Clock) -> Iterator[tuple[str, Any]]:
    """One fit's parameters as corrected. Alpha has a range, and so has the shape of a lapse that is open."""
    shape, scale = ("a", "b") if clock.key == "bg_nbd" else ("s", "beta")
    model, raw = clock.corrected, clock.fit.model
    yield "r", _measured(model.r, "maximum likelihood" if model.r == raw.r else f"fit {raw.r:.5g}")
    carried = f"fit {raw.alpha:.5g}; carries the {100 * clock.year_se:.1f} % joint error of a year's repeats"
    yield "alpha", _drawn(model.alpha, clock.alpha_se, carried)
    if clock.open_lapse is None:
        for key in (shape, scale):
            fitted = getattr(raw, key)
            yield key, _measured(getattr(model, key), f"fit {fitted:.5g} (se {clock.fit.standard_errors[key]:.2g})")
        return
    opened = clock.open_lapse
    factor = lapse.mean_lapse(model) / opened.median
    ends = [lapse.shape_for(model, factor * end) for end in (opened.low, opened.high)]
    what = "an order" if clock.key == "bg_nbd" else "a week"
    source = (
        f"lapse is open in the log; a weak prior leaves {100 * opened.low:.2g} to {100 * opened.high:.2g} % {what}, "
        f"to which {shape} is proportional"
    )
    low, high = map(_short, ends)
    yield shape, {"value": _short(getattr(model, shape)), "range": [low, high], "grade": "judgement", "source": source}
    source = "weak prior and the log's likelihood"
    yield scale, {"value": _short(getattr(model, scale)), "grade": "judgement", "source": source}


def _measured(value: float, source: str) -> dict[str, Any]:
    return {"value": _short(value), "grade": "measured", "source": source}


def _drawn(mean: float, se: float, source: str) -> dict[str, Any]:
    return {"mean": _short(mean), "se": _short(se), "source": source}


def plain_line(text: str) -> str:
    """A name from outside as one line that neither ends a comment nor asks for a value from elsewhere."""
    return " ".join(text.split()).replace("${", "$ {")


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def written(key: str, value: Any, depth: int, comment: str = "") -> list[str]:
    """One key as YAML lines: groups in blocks, parameters on one line."""
    pad = "  " * depth
    note = f"  # {comment}" if comment else ""
    if isinstance(value, Mapping) and not is_parameter(value) and any(isinstance(v, Mapping) for v in value.values()):
        below = [line for name, part in value.items() for line in written(name, part, depth + 1)]
        return [f"{pad}{key}:{note}", *below]
    flow = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
    return [f"{pad}{key}: {flow.removesuffix('...' + chr(10)).strip()}{note}"]
