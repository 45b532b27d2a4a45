"""explore.html: a slider for each lever, and what the firm would get there; one file that needs nothing else.

The page carries the effects at every setting and point and computes the rest as its sliders move, by the rules of the
report (analysis/templates/explore_model.js). Its sentences are the catalogue's, in the language of the page.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from analysis.decisions import verdict
from analysis.decisions.variants import option_named
from analysis.effects import answer as effects
from analysis.effects.estimands import NORMAL_90
from analysis.report.sheet import questions
from analysis.studies.explore import Explored
from analysis.studies.surrogate import Surrogate, rms
from analysis.style import dates, page, words
from analysis.style.language import N_, _, told_in
from sim.files.disk import together

PAGE = "explore.html"
SCRIPTS = ("explore_model.js", "explore.js")

BEYOND = 0.1
"""Share of a lever's range by which its slider goes on at either end, where the page says that nothing was run."""

REVERSED = {"on_time": N_("Late parcels")}
"""Metrics that are shown as 100 % less themselves, under another name."""

SHORT = {"year_1": N_("1st year"), "year_2": N_("2nd year"), "year_3": N_("3rd year"), "tail": N_("after")}
"""Years as a figure has room for them."""

DIGITS = 6
"""Significant digits of an effect in the page: its own error is larger by far."""


def write_report(folder: Path | str, language: str | None = None) -> Path:
    """Write explore.html into an exploration's folder, in `language` or its own; the path.

    Raises RunError for a folder that is none, LanguageError.
    """
    found = Explored(folder)
    with told_in(language or str(found.config.get("language", "en"))), together(found.folder):
        return page.write(found.folder, "explore.html.j2", _context(found), PAGE)


def told(folder: Path | str) -> list[str]:
    """For the terminal: the verdict on the plan as stated, and how well the page knows what lies between settings."""
    found = Explored(folder)
    values = found.effects_of("ltv")
    own = verdict.effect_of(
        found.title(found.scenario), verdict.members_of(found), found.days, values[0], found.luck("ltv")
    )
    error = NORMAL_90 * rms(found.surrogate("ltv").left_out(values.mean(axis=1, keepdims=True)))
    text = _("Between the {n} settings that were run the page's curve errs by ± {error} yen of LTV per member (90 %).")
    return [*verdict.lines_by_points(own, _kinds(found)), text.format(n=len(found.settings), error=words.number(error))]


def simulated(table: pd.DataFrame) -> dict[str, float]:
    """Mean effects by metric of a table as explore.parquet, of one setting, as the page shows them."""
    rows = table.assign(effect=table["scenario"] - table["baseline"]).groupby("metric")["effect"].mean()
    return {str(name): float(-mean if name in REVERSED else mean) for name, mean in rows.dropna().items()}


# -- the page ---------------------------------------------------------------------------------------------------


def _context(found: Explored) -> dict[str, Any]:
    script = page.script(*SCRIPTS)
    data = Data(found)
    name = found.title(found.scenario)
    places = [*(f"lever{i}" for i in range(len(found.levers))), *(f"slider{i}" for i in range(len(found.sliders)))]
    return {
        "title": _("What if: {name}").format(name=name),
        "questions": questions(found, found.scenario),
        "facts": _facts(found),
        "ids": " ".join(places),
        "levers": [data.lever_shown(one) for one in found.levers],
        "sliders": [data.slider_shown(key) for key in found.sliders],
        "rows": [{"name": one, **data.named(one)} for one in found.metrics],
        "settings": _settings(found),
        "points": len(found.replications),
        "file": data.file is not None,
        "file_path": f"scenario/{_file_name(found)}.yaml",
        "file_name": f"{_file_name(found)}.yaml",
        "data": page.as_data(data.everything()),
        "script": script,
        "digest": f"sha256-{base64.b64encode(hashlib.sha256(str(script).encode()).digest()).decode()}",
    }


def _facts(found: Explored) -> list[tuple[str, str]]:
    first = found.date(0)
    span = _("{days} days").format(days=f"{found.days:,}")
    if first is not None:
        span = _("{days} days from {start}").format(days=f"{found.days:,}", start=dates.told(first))
    return [
        (_("Company"), str(found.setting("company.name", _("not named")))),
        (_("Simulated market"), _("{customers} members").format(customers=f"{int(found.config['customers']):,}")),
        (_("Horizon"), span),
        (_("Settings run"), str(len(found.settings))),
        (_("Replications of the unknowns"), str(len(found.replications))),
        (_("Seed"), str(found.config["seed"])),
    ]


def _settings(found: Explored) -> list[list[str]]:
    effect = found.effects_of("ltv").mean(axis=1)
    return [
        [*(words.plain(float(value)) for value in row), words.signed(float(mean))]
        for row, mean in zip(found.settings, effect, strict=True)
    ]


def _named(lever: str) -> str:
    return option_named(lever) or words.moved(lever)


def _file_name(found: Explored) -> str:
    return re.sub(r"\W", "_", f"{found.scenario}_chosen")


class Data:
    """What the page's script computes with."""

    def __init__(self, found: Explored) -> None:
        self._found = found
        self._models: list[Surrogate] = []

    def everything(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        found, usual = self._found, verdict.usual()
        metrics = {name: self._metric(name) for name in found.metrics}
        return {
            "name": found.title(found.scenario),
            "members": verdict.members_of(found), "days": found.days, "points": len(found.replications),
            "likely": effects.LIKELY, "shock": verdict.is_shock(_kinds(found)),
            "thresholds": {"go": usual.go_probability, "stop": usual.stop_probability, "regret": usual.regret_share},
            "levers": [self._lever(one, word) for one, word in zip(found.levers, found.plan["words"], strict=True)],
            "sliders": [self._slider(key) for key in found.sliders],
            "at": _rounded(found.at, 12), "years": [name for name in metrics if name in SHORT],
            "metrics": metrics, "models": [_model(one) for one in self._models],
            "command": found.plan["command"], "file": self.file, "texts": _texts(_kinds(found)),
        }  # fmt: skip

    def _metric(self, name: str) -> dict[str, Any]:
        found, share = self._found, self._found.share_of_luck(name)
        sign = -1.0 if name in REVERSED else 1.0
        return {
            **self.named(name), "meaning": words.meaning(name), "short": _(SHORT.get(name, "")),
            "values": _rounded(sign * found.effects_of(name), DIGITS), "model": self._model_of(found.surrogate(name)),
            "luck": None if math.isnan(share) else share,
        }

    def _model_of(self, one: Surrogate) -> int:
        """Place of a surrogate among those that the page carries: metrics may share one."""
        for place, other in enumerate(self._models):
            if one.kind == other.kind and np.array_equal(one.fit, other.fit):
                return place
        self._models.append(one)
        return len(self._models) - 1

    def named(self, metric: str) -> dict[str, str]:
        """A metric's name and unit in words."""
        label = _(REVERSED[metric]) if metric in REVERSED else words.label(metric)
        return {"label": label, "unit": words.unit(metric)}

    def _lever(self, one: Mapping[str, Any], word: str) -> dict[str, Any]:
        kept = {key: one[key] for key in ("key", "low", "high", "present")}
        return {**kept, "word": word, "name": _named(one["key"]), "unit": self._unit(one["key"])}

    def _unit(self, key: str) -> str:
        stated = self._found.about(key)["unit"] or words.option_unit(key)
        return "" if stated.startswith(("share", "ratio")) else words.parameter_unit(stated)

    def lever_shown(self, one: Mapping[str, Any]) -> dict[str, Any]:
        """A lever as its slider shows it."""
        low, high = float(one["low"]), float(one["high"])
        step = 1.0 if one["whole"] else 10.0 ** math.floor(math.log10((high - low) / 200))
        room = BEYOND * (high - low)
        present = float(one["present"])
        least, most = min(max(low - room, min(low, 0.0)), present), max(high + room, present)
        least, most = (round(math.ceil(end / step - 1e-9) * step, 12) for end in (least, most))
        note = _("run from {low} to {high}; at present {present}").format(
            low=words.plain(low), high=words.plain(high),
            present=words.amount(present, self._unit(one["key"])),
        )  # fmt: skip
        return {
            "name": _named(one["key"]), "least": _tidy(least), "most": _tidy(most), "step": _tidy(round(step, 12)),
            "present": _tidy(present), "note": note,
        }

    def _slider(self, key: str) -> dict[str, Any]:
        values = self._found.values_at[key].to_numpy(dtype=float)
        about = {"key": key, "name": words.moved(key), "unit": self._unit(key), "values": _rounded(values, DIGITS)}
        return about | ({"options": self._options[key]} if key in self._options else {})

    @cached_property
    def _options(self) -> dict[str, list[str]]:
        """Options of what is a choice between structures, in words, by key."""
        found: dict[str, list[str]] = {}
        for path, option, _replications in self._found.choices():
            found.setdefault(path, []).append(_(option))
        return found

    def slider_shown(self, key: str) -> dict[str, Any]:
        """A parameter as its slider shows it."""
        values = self._found.values_at[key].to_numpy(dtype=float)
        grade = _(self._found.about(key)["grade"] or "judgement")
        role = _("a fact of your dashboard, known with an error")
        note = role if key.startswith("company.facts.") else _("not known: {grade}").format(grade=grade)
        ends = {"least": float(values.min()), "most": float(values.max()), "middle": float(np.median(values))}
        return {"name": words.moved(key), "options": self._options.get(key), "note": note, **ends}

    @cached_property
    def file(self) -> dict[str, Any] | None:
        """A scenario file in parts, between which the levers' values stand, and which lever's each; None of several
        scenarios, whose levers would stand in several files."""
        files = self._found.plan["files"]
        if len(files) != 1:
            return None
        node, keys = next(iter(files.values())), [one["key"] for one in self._found.levers]
        copied = yaml.safe_load(yaml.safe_dump(node))
        for number, key in enumerate(keys):
            _put(copied, key.split(".")[2:], f"lever-{number}-here")
        header = f"# @package scenario.{_file_name(self._found)}\n"
        text = header + yaml.safe_dump(copied, sort_keys=False, allow_unicode=True)
        parts = re.split(r"lever-(\d+)-here", text)
        return {"parts": parts[::2], "levers": [int(number) for number in parts[1::2]]}


def _put(node: dict[str, Any], path: list[str], value: str) -> None:
    for part in path[:-1]:
        node = node.setdefault(part, {})
    node[path[-1]] = value


def _model(one: Surrogate) -> dict[str, Any]:
    return {"kind": one.kind, "length": one.length, "fit": _rounded(one.fit, 12)}


def _rounded(values: Any, digits: int) -> Any:
    """Numbers to so many significant digits, as nested lists."""
    if isinstance(values, np.ndarray):
        return [_rounded(one, digits) for one in values]
    return _tidy(float(f"{float(values):.{digits}g}"))


def _tidy(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _kinds(found: Explored) -> set[str]:
    return verdict.kinds_in(found, found.scenario)


def _texts(kinds: set[str]) -> dict[str, Any]:
    """Sentences of the page, with places for what changes; those of the verdict are the report's."""
    by_points = verdict.heads_by_points(kinds)
    heads = {f"{decision} {str(clear).lower()}": _(text) for (decision, clear), text in by_points.items()}
    return {
        "heads": heads, "value": _(verdict.VALUE), "pays": _(verdict.PAYS), "regrets": _(verdict.REGRETS),
        "set_up": _(verdict.SET_UP), "no_set_up": _(verdict.NO_SET_UP), "size": _(verdict.INTERVAL),
        "skewed": _(verdict.INTERVAL_SKEWED),
        "likelihoods": {str(sign): _(text) for sign, text in verdict.LIKELIHOODS.items()},
        "span": _("{low} to {high}"), "few": _("{points} points, from {low} to {high}"),
        "interval90": _("90 % interval {span}"),
        "percent": _("{share} %"), "most": _("> 99 %"), "least": _("< 1 %"),
        "with_unit": _("{amount} {unit}"), "axis": "{text}" + _(", {unit}"),
        "any": _("any value"),
        "effective": _("{n} of {points} worlds count: those near the values that are held."),
        "none": _("No world has these values together: let go of one."),
        "errors": _(
            "Three errors of the mean effect on LTV, yen per member, told apart. What is not known: {interval}. Luck "
            "of the draw: ± {luck}. Between the settings that were run: ± {surrogate}."
        ),
        "unsure": _("between settings it errs too much"),
        "outside": _("Outside the settings that were run: the figures are a guess. Check this point."),
        "too_large": _("Between settings the curve errs by more than a fifth of half the interval: check this point."),
        "running": _("Simulating {points} worlds ..."), "failed": _("It could not be simulated: {problem}"),
        "checked": _("{metric}: simulated {size}, the curve says {curve}; it is off by {gap}, and states ± {error}."),
        "along": _("Effect on LTV over {lever}"), "by_year": _("Effect on LTV by year and after the horizon"),
    }  # fmt: skip
