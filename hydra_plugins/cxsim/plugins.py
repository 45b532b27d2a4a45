"""A sweeper that knows sweep files, and the launchers `local` and `dask`.

Both leave what a job is to the task function (`cxsim.sweeps._Jobs`): the sweeper asks it for the jobs that are
missing, a launcher only says where they are sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SweepFiles(Sweeper):
    """What the command line lists times what a sweep file lists, less what is done already."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what a sweep needs, and make the launcher that was chosen."""
        from hydra.core.plugins import Plugins

        self.task: Any = task_function
        self.launcher = Plugins.instance().instantiate_launcher(hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> Any:
        """Run all jobs that are missing."""
        assert self.launcher is not None
        missing = self.task.missing(arguments)
        returns = self.launcher.launch(missing, initial_job_idx=0) if missing else []
        return [one.return_value for one in returns]  # which raises what a launcher caught


class LocalLauncher(Launcher):
    """Jobs side by side in processes of this machine, one thread each."""

    task: Any

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what a sweep needs."""
        self.task = task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run these jobs; each return value is how a job ended. A job that fails raises nothing here."""
        endings = self.task.side_by_side(job_overrides)
        returns = []
        for overrides, ending in zip(job_overrides, endings, strict=True):
            done = JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
            done.return_value = ending
            returns.append(done)
        return returns


class DaskLauncher(LocalLauncher):
    """Jobs on the workers of a Dask scheduler; without an address, of one that is started here."""

    def __init__(self, address: str | None = None) -> None:
        self._address = address

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run these jobs; each return value is how a job ended. A job that fails raises nothing here."""
        from cxsim.compose import processors
        from sim.run.cluster import local_cluster, working_at

        place = local_cluster(processors()) if self._address is None else working_at(self._address)
        with place:
            return super().launch(job_overrides, initial_job_idx)
