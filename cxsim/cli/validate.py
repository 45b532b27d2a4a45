"""`cxsim validate`: a log's last weeks forecast from those before, and held against what came."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.style.language import _, translated
from cxsim.cli import OK
from cxsim.cli.log import NAME, add_log, choices_of, columns_taken
from cxsim.cli.terminal import Parser, without_language
from cxsim.compose import compose, composer, settings_of, shown
from sim.phrases import ConfigError

if TYPE_CHECKING:
    from sim.config.seasons import Calendar

OUT = "--out "
CALENDAR = "flat"


def validate(words: list[str]) -> int:
    """Forecast the weeks kept out, compare, print the answer and write the folder."""
    given = vars(_parser().given(without_language(words)))
    if (given["until"] is None) == (given["holdout"] is None):
        raise ConfigError("validate: either --until DATE or --holdout WEEKS is needed")
    until = _day(given["until"])
    choices = choices_of(given)
    columns = columns_taken(given, choices, NAME)
    calendar = _calendar(given["calendar"])
    import pyarrow as pa

    from analysis.studies.validation import Tables, summary, write_page
    from sim.calibration.validation import validate
    from sim.files.disk import drafted, write_csv, write_parquet

    with drafted(given["out"], exact=True, key=OUT) as draft:
        found = validate(
            given["log"], columns, choices=choices, until=until, holdout=given["holdout"],
            older=OLDER[given["older"]], calendar=calendar, say=lambda phrase: print(translated(phrase), flush=True),
        )  # fmt: skip
        tables = Tables(found.weeks, found.groups, found.methods, found.season)
        for name, table in tables._asdict().items():
            write_csv(draft.path / f"{name}.csv", table)
            write_parquet(draft.path / f"{name}.parquet", pa.Table.from_pandas(table, preserve_index=False))
        write_page(draft.path, tables, given["log"].name, str(found.until))
        place = draft.publish()
    print(f"\n{summary(tables)}\n\n{shown(place / 'report.html')}")
    return OK


OLDER = {"auto": None, "yes": True, "no": False}


def _parser() -> Parser:
    parser = Parser(
        prog="cxsim validate",
        description=_(
            "Keep the last weeks of a log out, forecast them from those before, week by week with a 90 %% interval, "
            "and hold the forecast against what came, beside simpler ones. Writes tables and report.html into DIR."
        ),
    )
    add_log(parser)
    parser.add_argument("--yes", action="store_true", help=_("take the columns that a look at the log suggests"))
    parser.add_argument("--until", metavar="DATE", help=_("the fit's last day, such as 2024-12-31; full weeks count"))
    parser.add_argument("--holdout", type=int, metavar="WEEKS", help=_("or: how many last weeks are kept out"))
    parser.add_argument(
        "--older", choices=tuple(OLDER), default="auto",
        help=_("are there customers who bought before the log began? yes, no, or auto: as it looks"),
    )  # fmt: skip
    parser.add_argument(
        "--calendar", default=CALENDAR, metavar="NAME",
        help=_("the calendar from which the season departs: flat, jp_retail"),
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("validation"), metavar="DIR",
        help=_("folder to write into, which is not there yet (default: validation)"),
    )  # fmt: skip
    return parser


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise ConfigError("--until {until}: is not a date; write it as 2024-12-31", until=text) from None


def _calendar(name: str) -> Calendar:
    """A shipped calendar. Raises ConfigError where there is none of this name."""
    with composer(None) as hydra:
        config: Any = compose(hydra, [f"calendar={name}", "scenario=baseline"])
        return settings_of(config, config.hydra).calendar
