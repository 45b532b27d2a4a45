"""`cxsim run -m`: a line for every job as it ends, then what is not done and where everything is."""

from __future__ import annotations

from analysis.style import words
from analysis.style.language import N_, _, translated
from analysis.style.lines import padded
from cxsim.cli import BAD_INPUT, MOVED, OK
from cxsim.cli.terminal import say
from cxsim.compose import shown
from cxsim.sweeps import NoRunPossible, swept
from sim.phrases import Phrase
from sim.studies.sweep import DIED, FAILED, MISSING, Ending

LOST = {
    FAILED: N_("job {key} failed: {problem}"),
    DIED: N_("job {key} died: {problem}"),
    MISSING: N_("job {key} missing: {problem}"),
}
"""Lines on jobs that are not done, by how they ended."""


def sweep(overrides: list[str], config_dir: str | None, name: str) -> int:
    """Make the runs of a sweep. Returns exit status 0, or 1 if a job failed, died or was not run."""
    try:
        sweep = swept(overrides, None, config_dir, name, _tell)
    except NoRunPossible as error:
        for refusal in error.refusals:
            say(refusal)
        return BAD_INPUT
    for job in sweep.lost:
        say(Phrase(LOST[job.status], key=job.key, problem=job.why))
    told, place = _("{done} of {total} jobs done; cxsim sweep-report {folder} shows them"), shown(sweep.folder)
    print(told.format(done=len(sweep.jobs) - len(sweep.lost), total=len(sweep.jobs), folder=place))
    print(place)
    return MOVED if sweep.lost else OK


def _tell(done: int, total: int, label: str, ending: Ending) -> None:
    """A line of the table of finished jobs."""
    status, line = padded(words.status(ending.status), 6), translated(ending.line)
    print(f"{done:>{len(str(total))}}/{total}  {status}  {label}  {line}".rstrip(), flush=True)
