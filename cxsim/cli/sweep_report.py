"""`cxsim sweep-report`: a sweep's folder to a decision."""

from __future__ import annotations

from analysis.style.language import _
from cxsim.cli.terminal import OK, folder_asked, language_asked, run_errors_in_words, shown


def sweep_report(words: list[str]) -> int:
    """Make the report of a sweep's folder and print the answer."""
    description = _("Make report.html, figures and tables of a sweep's folder, finished or not.")
    folder = folder_asked(words, "sweep-report", description, "DIR", _("a sweep's folder"))
    from analysis.decisions.sweep_page import write_sweep_report

    with run_errors_in_words():
        answer = write_sweep_report(folder, language_asked(words))
    print(answer)
    print(f"\n{shown(folder / 'report.html')}")
    return OK
