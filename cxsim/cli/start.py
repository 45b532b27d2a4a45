"""`cxsim` alone: what one would do next."""

from __future__ import annotations

from pathlib import Path

from analysis.style.language import N_, _
from cxsim.compose import shown

SMALL = "customers=1500 days=180 replications=32"
"""Words of a first exploration."""

STEPS = (
    (N_("Describe your firm in ten answers:"), "cxsim new shop"),
    (N_("See what could be tried, as a page:"), "cxsim scenarios --html scenarios.html"),
    (N_("Ask a first question, a minute or two:"), "cxsim run scenario=norush_coupon days=365 replications=32"),
    (
        N_("Move its levers by sliders, a small market first, a few minutes:"),
        f"cxsim explore scenario=norush_coupon 'levers=[face,valid_days]' {SMALL}",
    ),
    (N_("All commands:"), "cxsim --help"),
)


def what_next() -> str:
    """The steps, each with its command; a report that is there comes first."""
    steps = [(_(text), command) for text, command in STEPS]
    report = _latest()
    if report is not None:
        steps.insert(0, (_("Read the latest answer in a browser:"), shown(report)))
    return "\n".join(f"{text}\n  {command}" for text, command in steps)


def _latest() -> Path | None:
    """The report of the run that was written last below the usual folder."""
    reports = list(Path("runs").glob("*/report.html"))
    return max(reports, key=lambda path: path.stat().st_mtime, default=None)
