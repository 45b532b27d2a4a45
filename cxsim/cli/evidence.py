"""The smaller commands: `cxsim scenarios`, `calibrate` and `report`."""

from __future__ import annotations

import shlex
from pathlib import Path

from analysis.style.language import N_, _, retold
from cxsim.cli.terminal import OK, Parser, shown, without_language
from cxsim.compose import compose, composer, settings_of

COLUMNS = {"customer": N_("customer"), "date": N_("date"), "value": N_("value")}
OPTIONAL_COLUMNS = {
    "delivery-class": N_("delivery class"),
    "promised": N_("promised"),
    "delivered": N_("delivered"),
    "coupon": N_("coupon"),
    "channel": N_("channel"),
}
"""Columns of a log, and words for what each holds."""


def calibrate(words: list[str]) -> int:
    """Fit a company to a real log."""
    given = vars(_calibrate_parser().parse_args(without_language(words)))
    from sim.config.parameters import ConfigError

    if not 0 < given["yen"] < float("inf"):
        raise ConfigError(f"--yen {given['yen']:g}: is not allowed; above 0")
    from sim.calibration.company_file import company_text, place_for

    place = place_for(given["name"], given["out"])
    with composer(None) as hydra:
        config = compose(hydra, ["scenario=baseline"])
        settings = settings_of(config, config.hydra)
    from analysis.studies.calibration import write_picture
    from sim.calibration.calibrate import calibrate
    from sim.calibration.log import LogColumns

    columns = LogColumns(*(given[part.replace("-", "_")] for part in (*COLUMNS, *OPTIONAL_COLUMNS)))
    found = calibrate(
        given["log"], columns, given["name"], settings, holdout=given["holdout"], yen=given["yen"],
        say=lambda line: print(retold(line), flush=True),
    )  # fmt: skip
    place.parent.mkdir(parents=True, exist_ok=True)
    write_picture(found.weekly(), found.fitted_weeks, place.with_suffix(""))
    place.write_text(company_text(found), encoding="utf-8", newline="\n")
    beside = _("{place} (picture beside it: {stem}.png, {stem}.svg)").format(place=shown(place), stem=place.stem)
    command = f"cxsim run --config-dir {shlex.quote(shown(given['out']))} company={given['name']}"
    print(f"\n{beside}")
    print(_("now: {command}").format(command=command))
    return OK


def _calibrate_parser() -> Parser:
    parser = Parser(
        prog="cxsim calibrate", description=_("Fit purchase, dropout and spend to a log of purchases.")
    )
    parser.add_argument("log", type=Path, help=_("CSV, CSV.gz or Parquet, a row per purchase"))
    for column, what in COLUMNS.items():
        told = _("column with the {what}").format(what=_(what))
        parser.add_argument(f"--{column}", required=True, metavar="COL", help=told)
    parser.add_argument("--name", required=True, help=_("writes company/NAME.yaml, for company=NAME"))
    parser.add_argument(
        "--holdout", type=int, default=0, metavar="WEEKS", help=_("keep the last weeks out and test on them")
    )
    parser.add_argument(
        "--yen", type=float, default=1.0, metavar="RATE", help=_("yen per unit of the log's currency (default 1)")
    )
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help=_("folder to write into (default: the current one)")
    )
    for column, what in OPTIONAL_COLUMNS.items():
        told = _("column with the {what}").format(what=_(what))
        parser.add_argument(f"--{column}", metavar="COL", help=told)
    return parser


