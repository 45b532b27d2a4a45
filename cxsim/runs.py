"""`cxsim.run`: from keys of the configuration to a run folder; and `Run`, from a run folder to tables.

`cxsim run` calls what a script or a notebook calls, so that the same keys give the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.style.language import told_in
from cxsim.compose import CONFIG_NAME, Asked, asked, shown, threads_of, words_of
from cxsim.foreign import of_the_system
from cxsim.progress import progress_here
from sim.phrases import ConfigError, Phrase

if TYPE_CHECKING:
    import pandas as pd

    from analysis.folders.run_folder import Run as RunFolder

PathLike = str | Path


def run(
    *words: str,
    folder: PathLike | None = None,
    config_dir: PathLike | None = None,
    config_name: str = CONFIG_NAME,
    **keys: Any,
) -> Run:
    """Run scenarios against the baseline into a new run folder, as `cxsim run` does, and return the run.

    `words` are the command line's, `"company.capacity_ratio=1.5"`; `keys` are the same keys as keywords,
    `company={"capacity_ratio": 1.5}`. `folder` is where the run folder is made, a new or empty one; without it, it is
    `runs/DATE_TIME` below the current folder. `config_dir` is a folder with files of your own, in `scenario/`,
    `company/` and the like; `config_name` another top-level file than `config`.

    Raises ConfigError, of one line, for whatever the caller can mend.
    """
    with one_line_errors():
        wanted = asked(words_of(words, keys), config_dir, config_name)
        return Run(_answered(wanted if folder is None else wanted._replace(folder=Path(folder), exact=True)))


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn every error that the caller can mend into a ConfigError of one line, but not a broken pipe."""
    try:
        yield
    except (ConfigError, BrokenPipeError):
        raise
    except OSError as error:
        problem = of_the_system(error)
        raise ConfigError(problem.message, **problem.values) from None
    except MemoryError:
        raise ConfigError("not enough memory; take fewer customers, threads or events") from None


class Interrupted(Phrase, KeyboardInterrupt):
    """Ctrl-C has stopped what was asked for. What is done is kept in `folder`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            "interrupted; the same command or call goes on with what is missing in {folder}", folder=shown(folder)
        )
        self.folder = folder


def _answered(wanted: Asked) -> Path:
    """Run the settings and write answer and report; returns the run folder."""
    from scenarios.intervention import treated_arms
    from sim.files.disk import drafted
    from sim.run.provenance import write_provenance
    from sim.run.writing import least_bytes

    settings = wanted.settings
    with told_in(settings.language):
        treated_arms(settings)  # here already, so that a bad intervention is told before any work
        threads = threads_of(settings)
        started = time.monotonic()
        with drafted(wanted.folder, wanted.exact, needs=least_bytes(settings)) as draft:
            from analysis.effects import answer
            from analysis.report import page
            from sim.run.experiment import run_experiment

            with progress_here() as progress:
                run_experiment(settings, treated_arms, draft.path, threads, progress, answer.stable)
            answer.write_effects(draft.path)
            page.write_report(draft.path)
            seconds = time.monotonic() - started
            return draft.publish(lambda place: write_provenance(draft.path, settings, threads, place, seconds))


class Run:
    """One run folder. Tables are read when they are first asked for and kept.

    Columns, units and which tables there are: docs/run-folder.md. A table or text that cannot be had raises
    ConfigError when it is asked for.
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder = Path(folder)
        """Path of the run folder."""

    @cached_property
    def _read(self) -> RunFolder:
        from analysis.folders.run_folder import Run as RunFolder

        with one_line_errors():
            return RunFolder(self.folder)

    def _table(self, name: str) -> pd.DataFrame:
        with one_line_errors():
            table: pd.DataFrame = getattr(self._read, name)
            return table

    @property
    def effects(self) -> pd.DataFrame:
        """effects.csv: a row per intervention, metric, segment and estimand, with a 90 % interval."""
        return self._table("effects")

    @property
    def daily(self) -> pd.DataFrame:
        """daily.parquet: a row per arm, replication and day of the horizon."""
        return self._table("daily")

    @property
    def customers(self) -> pd.DataFrame:
        """customers.parquet: a row per customer and arm, of the first replication; empty under `arms="total"`."""
        return self._table("customers")

    @property
    def events(self) -> pd.DataFrame:
        """events.parquet: a row per event of a customer's journey, of the first replication; empty likewise."""
        return self._table("events")

    @property
    def config(self) -> dict[str, Any]:
        """The configuration as it was run, as plain dictionaries and lists."""
        with one_line_errors():
            return self._read.config

    @cached_property
    def verdict(self) -> str:
        """The answer in words, in the run's language, a paragraph per intervention: what to do comes first."""
        from analysis.decisions import verdict

        with one_line_errors(), told_in(self._language):
            return verdict.told(self.folder)

    @cached_property
    def summary(self) -> str:
        """The main metrics as the command line prints them: aligned columns, in the run's language."""
        from analysis.effects import answer

        with one_line_errors(), told_in(self._language):
            return answer.summary_table(self.folder)

    @property
    def report(self) -> Path:
        """Path of report.html. A job of a sweep has none until it is asked for here."""
        from analysis.report import page

        path = self.folder / "report.html"
        if not path.is_file():
            with one_line_errors(), told_in(self._language):
                page.write_report(self._read.folder)
        return path

    @property
    def _language(self) -> str:
        return str(self.config.get("language", "en"))

    def __repr__(self) -> str:
        return f"cxsim.load({shown(self.folder)!r})"

    def _repr_html_(self) -> str:
        """The answer as a notebook shows it: the verdict, the main metrics, where the report is."""
        paragraphs = (escape(paragraph).replace("\n", "<br>") for paragraph in self.verdict.split("\n\n"))
        said = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
        return f"{said}<pre>{escape(self.summary)}</pre><p><code>{escape(shown(self.folder))}</code></p>"

