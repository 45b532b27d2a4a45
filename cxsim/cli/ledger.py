"""`cxsim ledger`: predictions kept in a file that is added to only, what happened, and how well they did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from analysis.style.language import _
from cxsim.cli import OK
from cxsim.cli.terminal import Parser, without_language
from cxsim.compose import shown
from sim.phrases import ConfigError

OUT = "--out "
LEDGER = Path("ledger.sqlite")


def ledger(words: list[str]) -> int:
    """Add predictions, bring in what happened, report, or verify."""
    uses: dict[str, Callable[[list[str]], int]] = {"add": add, "actual": actual, "report": report, "verify": verify}
    words = without_language(words)
    if not words or words[0] not in uses:
        parser = Parser(prog="cxsim ledger", description=_(
            "Keep predictions and hold them to account: add RUN, actual, report, verify. Each has its own --help."
        ))  # fmt: skip
        parser.add_argument("use", choices=tuple(uses), help=_("what to do with the ledger"))
        parser.given(words)
    return uses[words[0]](words[1:])


def _parser(use: str, description: str) -> Parser:
    parser = Parser(prog=f"cxsim ledger {use}", description=description)
    parser.add_argument(
        "--ledger", type=Path, default=LEDGER, metavar="FILE", help=_("the ledger (default: ledger.sqlite)")
    )
    return parser


def _added(parser: Parser) -> None:
    parser.add_argument("--made", metavar="DATE", help=_("the date of the entry (default: today)"))


# --- predictions --------------------------------------------------------------------------------------------


def add(words: list[str]) -> int:
    """Keep what a run predicts: effects with an interval, and the dashboard of the untreated market."""
    parser = _parser("add", _("Keep what a run predicts: total effects with their intervals, and its dashboard."))
    parser.add_argument("folder", type=Path, metavar="RUN", help=_("a run folder"))
    _added(parser)
    given = parser.given(words)
    from analysis.folders.predictions import predictions
    from sim.learning import ledger

    made = _date("--made", given.made)
    rows = [ledger.Prediction(**row) for row in predictions(given.folder)]
    late = [row for row in rows if row.last < made.isoformat()]
    if late:
        raise ConfigError(
            "{folder}: predicts up to {last}, which is over on {made}; a run with a later start_date predicts",
            folder=given.folder, last=late[0].last, made=made,
        )  # fmt: skip
    last = ledger.add(given.ledger, rows, made)
    print(_("{n} predictions added to {place}; its last hash is {hash}").format(
        n=len(rows), place=shown(given.ledger), hash=last,
    ))  # fmt: skip
    return OK


# --- what happened ------------------------------------------------------------------------------------------


def actual(words: list[str]) -> int:
    """Bring in what happened: one figure by hand, or a table of them."""
    parser = _parser("actual", _("Bring in what happened: a figure by hand, or a table (--results)."))
    for option, metavar, told in (
        ("--metric", "NAME", _("as it was predicted, such as nps or orders_a_month")),
        ("--what", "NAME", _("the scenario whose effect it is (default: baseline, a level of the firm)")),
        ("--period", "FIRST..LAST", _("its days, such as 2027-01-01..2027-12-31")),
    ):
        parser.add_argument(option, metavar=metavar, help=told)
    parser.add_argument("--value", type=float, help=_("what it was, in the unit of the prediction"))
    parser.add_argument("--se", type=float, default=0.0, help=_("its standard error (default: 0, counted)"))
    parser.add_argument(
        "--results", type=Path, metavar="FILE",
        help=_("a table with columns metric, period, value, and what, se if any"),
    )  # fmt: skip
    _added(parser)
    given = parser.given(words)
    from sim.learning import ledger

    rows = [ledger.Actual(**row) for row in _figures(given)]
    ledger.refuse_unpredicted(ledger.verified(given.ledger), rows)
    last = ledger.add(given.ledger, rows, _date("--made", given.made))
    print(_("{n} figures added to {place}; its last hash is {hash}").format(
        n=len(rows), place=shown(given.ledger), hash=last,
    ))  # fmt: skip
    return OK


BASELINE = "baseline"


def _figures(given: Any) -> Iterator[dict[str, Any]]:
    by_hand = (given.metric, given.period, given.value)
    if given.results is not None:
        if any(part is not None for part in by_hand):
            raise ConfigError("--results: holds metric, period and value; leave the options out")
        yield from _of_table(given.results)
        return
    if None in by_hand:
        raise ConfigError("ledger actual: --metric, --period and --value are needed, or --results FILE")
    yield _figure("", given.what or BASELINE, *by_hand, given.se)


def _of_table(path: Path) -> Iterator[dict[str, Any]]:
    from sim.files.reading.table import read_table

    needed = ["metric", "period", "value"]
    table = read_table(path, needed)
    places = [table.place(part, part) for part in needed]
    for row, cells in enumerate(table.columns.to_pylist(), start=1):
        metric, period, value = (cells[place] for place in places)
        what, se = _text(cells.get("what")) or BASELINE, _text(cells.get("se")) or 0.0
        yield _figure(f"{path}, row {row}: ", what, metric, period, value, se)


def _text(cell: Any) -> str:
    return "" if cell is None or cell != cell else str(cell).strip()


def _figure(place: str, what: str, metric: Any, period: Any, value: Any, se: Any) -> dict[str, Any]:
    first, dots, last = str(period).strip().partition("..")
    if not dots:
        raise ConfigError("{place}period: {period} is not allowed; FIRST..LAST", place=place, period=period)
    days = [_date(f"{place}period", end) for end in (first, last)]
    try:
        numbers = float(value), float(se)
    except ValueError:
        numbers = float("nan"), 0.0
    if not (abs(numbers[0]) < float("inf") and 0 <= numbers[1] < float("inf")):
        raise ConfigError(
            "{place}value: {value} with se {se} is not allowed; a number, and from 0", place=place, value=value, se=se
        )
    return dict(what=what, metric=_text(metric), first=days[0].isoformat(), last=days[1].isoformat(),
                value=numbers[0], se=numbers[1])  # fmt: skip


def _date(key: str, text: str | None) -> date:
    try:
        return date.today() if text is None else date.fromisoformat(text)
    except ValueError:
        raise ConfigError("{key}: {text} is not a date; write it as 2027-12-31", key=key, text=text) from None


# --- how well they did --------------------------------------------------------------------------------------


def report(words: list[str]) -> int:
    """Score what has happened: coverage, bias, sharpness; write tables, a page, and evidence for `learn`."""
    parser = _parser("report", _(
        "Score predictions whose time is over: coverage, bias and sharpness by metric and horizon. Writes tables, a "
        "page and, of effects that lay outside their interval, evidence.yaml for cxsim learn."
    ))  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("ledger_report"), metavar="DIR",
        help=_("folder to write into, which is not there yet (default: ledger_report)"),
    )  # fmt: skip
    given = parser.given(words)
    import yaml

    from analysis.studies.ledger import METRICS_OF_TESTS, scores, summary, write_page
    from sim.files.disk import drafted, write_csv, write_text
    from sim.learning import ledger

    both = ledger.matched(ledger.verified(given.ledger))
    if both.empty:
        raise ConfigError(
            "{ledger}: nothing that was predicted has happened yet; cxsim ledger actual", ledger=given.ledger
        )
    pieces = dict(ledger.evidence(both, METRICS_OF_TESTS))
    with drafted(given.out, exact=True, key=OUT) as draft:
        write_csv(draft.path / "predictions.csv", both)
        write_csv(draft.path / "scores.csv", scores(both))
        if pieces:
            write_text(draft.path / "evidence.yaml", yaml.safe_dump(pieces, sort_keys=False, allow_unicode=True))
        write_page(draft.path, both, given.ledger.name, len(pieces))
        place = draft.publish()
    print(f"{summary(both)}\n\n{shown(place / 'report.html')}")
    if pieces:
        print(_("now: {command}").format(command=f"cxsim learn {shown(place / 'evidence.yaml')} --name NAME"))
    return OK


def verify(words: list[str]) -> int:
    """Say whether every row is as it was written: exit status 0, or 2."""
    parser = _parser("verify", _("Say whether every row of the ledger is as it was written."))
    parser.add_argument("--head", metavar="HASH", help=_("a hash noted before, which a row must have"))
    given = parser.given(words)
    from sim.learning import ledger

    entries = ledger.verified(given.ledger)
    if given.head is not None and given.head not in {entry.hash for entry in entries}:
        raise ConfigError("{ledger}: no row has the hash {hash}; rows at the end are missing", ledger=given.ledger,
                          hash=given.head)  # fmt: skip
    print(_("{ledger}: {n} rows, all as they were written; the last hash is {hash}").format(
        ledger=shown(given.ledger), n=len(entries), hash=entries[-1].hash if entries else "-",
    ))  # fmt: skip
    return OK
