"""The command line: a function per command, which may import all but `cxsim.__main__`.

A function takes the words after its command. Heavy imports stand inside the functions that need them, so that help and
listings answer at once. Nothing of our other packages is imported here before `main` knows that they are ours.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

from cxsim import stops

OK, MOVED, BAD_INPUT, UNEXPECTED = 0, 1, 2, 70
"""Exit statuses. MOVED: an answer moved, or a job of a sweep did not finish. UNEXPECTED: a fault of ours."""

HELP = (
    ("cxsim new DIR", "ten questions about your firm: its company file and a scenario, which run"),
    ("cxsim run [key=value ...]", "run a scenario against the baseline and write a run folder"),
    ("cxsim run scenario=[A,B]", "each of them, both together, and their interaction"),
    ("cxsim run -m key=1,2,3", "a sweep: one run folder per value"),
    ("cxsim sweep-report DIR", "rank, trade off and decide between what a sweep has run"),
    ("cxsim run --help", "every key with its default"),
    ("cxsim scenarios", "list the scenarios, one line each"),
    ("cxsim scenarios --html FILE", "a page of them: what each is about, what it moves, how to run it"),
    ("cxsim story RUN CUSTOMER", "one customer's life with and without the scenario, as a picture"),
    ("cxsim story RUN --find NAME", "customers whose story is worth a look"),
    ("cxsim map RUN", "the journey map of every persona, as it is and with the scenario"),
    ("cxsim funnel RUN", "from stage to stage: whom each step loses"),
    ("cxsim premortem key=value ...", "what a planned A/B test would report, against the full rollout"),
    ("cxsim key-drivers key=value ...", "which touchpoint moves LTV and NPS, beside complaints and surveys"),
    ("cxsim gate DIR", "go, test first, or stop, from a run folder or a sweep's"),
    ("cxsim optimise optimise=NAME ...", "the best values of levers, over what is not known"),
    ("cxsim explore levers=[A,B] ...", "a page with a slider for each lever, which states its own error"),
    ("cxsim log LOG", "look at a log of purchases: its columns, losses, a command that calibrates to it"),
    ("cxsim calibrate LOG ...", "fit a company to a log of purchases"),
    ("cxsim validate LOG ...", "forecast a log's last weeks from those before, and hold that against what came"),
    ("cxsim learn EVIDENCE ...", "sharpen a company by its own tests, late deliveries and surveys"),
    ("cxsim ledger add RUN", "keep what a run predicts; ledger actual brings in what happened, ledger report scores"),
    ("cxsim report RUN", "make the report of a run folder again"),
    ("cxsim verify DIR", "is every file as it was written? of a run, a sweep or a search"),
    ("cxsim field [NAME ...]", "score the model: published experiments, or your own past tests"),
    ("cxsim check [NAME ...]", "hold the shipped scenarios to their recorded answers"),
    ("cxsim examples DIR", "copy the examples that cxsim ships into a new folder"),
    ("cxsim --version", ""),
)
"""Uses of the commands, and what each is for (translated when it is shown)."""

COMMANDS = {
    "new": "cxsim.cli.new:new",
    "run": "cxsim.cli.run:run",
    "scenarios": "cxsim.cli.folders:scenarios",
    "story": "cxsim.cli.folders:story",
    "map": "cxsim.cli.folders:journey_map",
    "funnel": "cxsim.cli.folders:funnel",
    "premortem": "cxsim.cli.studies:premortem",
    "key-drivers": "cxsim.cli.studies:key_drivers",
    "gate": "cxsim.cli.folders:gate",
    "optimise": "cxsim.cli.optimise:optimise",
    "explore": "cxsim.cli.explore:explore",
    "log": "cxsim.cli.log:log",
    "calibrate": "cxsim.cli.evidence:calibrate",
    "validate": "cxsim.cli.validate:validate",
    "learn": "cxsim.cli.evidence:learn",
    "ledger": "cxsim.cli.ledger:ledger",
    "report": "cxsim.cli.folders:report",
    "verify": "cxsim.cli.folders:verify",
    "sweep-report": "cxsim.cli.folders:sweep_report",
    "field": "cxsim.cli.field:field",
    "check": "cxsim.cli.check:check",
    "examples": "cxsim.cli.folders:examples",
}
"""Module and function of each command, imported when the command is called."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 0 done, 1 answers moved, 2 bad input, 70 a fault of ours, 128 and a
    signal's number where one came."""
    with stops.heard(forever=argv is None):
        try:
            return _guarded(list(sys.argv[1:] if argv is None else argv))
        except KeyboardInterrupt:  # before there is a language
            stops.hush()
            print("cxsim: interrupted; nothing was left behind", file=sys.stderr)
            return stops.status()


def _guarded(words: list[str]) -> int:
    """Run one command, if our packages are ours."""
    from cxsim.guard import ForeignPackage, refuse_strangers

    try:
        refuse_strangers()
    except ForeignPackage as error:
        print(f"cxsim: {error}", file=sys.stderr)
        return BAD_INPUT
    from cxsim.shown import shown_safely

    with shown_safely():
        return _foreseen(words)


def _foreseen(words: list[str]) -> int:
    """Run one command; an error that nobody foresaw becomes one line and a file with the traceback."""
    try:
        return _told(words)
    except Exception as error:
        from analysis.style.language import told_in
        from cxsim import unexpected
        from cxsim.cli.terminal import language_asked, say

        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            traceback.print_exception(error)
        with told_in(language_asked(words) or "en"):
            say(unexpected.told(error))
        return UNEXPECTED


def _told(words: list[str]) -> int:
    """Run one command in the language that it asks for."""
    from analysis.style.language import LanguageError, told_in
    from cxsim.cli.terminal import language_asked, say

    try:
        with told_in(language_asked(words) or "en"):
            return _uninterrupted(words)
    except LanguageError as error:
        say(error)
        return BAD_INPUT


def _uninterrupted(words: list[str]) -> int:
    from cxsim.cli.terminal import say
    from cxsim.runs import Interrupted
    from sim.files import disk
    from sim.phrases import Phrase

    disk.tell = say
    try:
        return _answered(words)
    except Interrupted as interrupted:
        stops.hush()
        say(interrupted)
    except BaseException as error:
        # An import that is interrupted may raise something of its own.
        if not isinstance(error, KeyboardInterrupt) and not stops.came:
            raise
        stops.hush()
        say(Phrase("interrupted; nothing was left behind"))
    return stops.status()


def _answered(words: list[str]) -> int:
    """Run one command; errors that the user can mend become one line."""
    from cxsim.cli.terminal import say
    from cxsim.runs import one_line_errors
    from sim.phrases import ConfigError

    try:
        with one_line_errors(), _written_out():
            return _command(words)
    except BrokenPipeError:
        return OK  # whoever read our output has gone: not worth a word
    except ConfigError as error:
        if stops.came:  # Hydra, too, makes an error of its own of an interruption
            raise
        say(error)
    return BAD_INPUT


@contextmanager
def _written_out() -> Iterator[None]:
    """Write out what was printed, here where an error can still be told; after one Python must not try it again."""
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError:
        if sys.stdout is not None and not _takes_more():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _takes_more() -> bool:
    """Whether what is printed can be written out."""
    try:
        sys.stdout.flush()
    except OSError:
        return False
    return True


def _command(words: list[str]) -> int:
    from cxsim.cli.terminal import without_language

    if not without_language(words):
        from cxsim.cli.start import what_next

        print(what_next())
        return OK
    first = words[0]
    if first in COMMANDS:
        return _function(COMMANDS[first])(words[1:])
    if first in ("-h", "--help", "help"):
        print(_help())
        return OK
    if first == "--version":
        from sim.run.provenance import version

        print(f"cxsim {version()}")
        return OK
    if first in ("-sc", "--shell-completion"):
        from cxsim.cli.run import complete

        return complete(words[1:], list(COMMANDS))
    from sim.phrases import ConfigError, listed, nearest

    raise ConfigError(
        "{command}: no such command; {allowed}{hint}",
        command=first, allowed=listed(COMMANDS), hint=nearest(first, COMMANDS),
    )


def _help() -> str:
    from analysis.style.language import _

    uses = [f"  {use:29}  {_(what) if what else ''}".rstrip() for use, what in HELP]
    about = _("cxsim: what a customer-experience intervention does to LTV and NPS, before rollout.")
    own = _("Your own scenario: cxsim run --config-dir DIR scenario=mine, with the file DIR/scenario/mine.yaml.")
    completion = _("Completion in bash: {command}").format(command='eval "$(cxsim run -sc install=bash)"')
    return "\n".join([about, "", *uses, "", own, completion])


def _function(place: str) -> Callable[[list[str]], int]:
    module, _colon, name = place.partition(":")
    found: Callable[[list[str]], int] = getattr(import_module(module), name)
    return found


