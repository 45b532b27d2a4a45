"""Builds wheels from the sources alone: modules that an earlier build has left in build/ are taken away first.

All else stands in pyproject.toml.
"""

from __future__ import annotations

import shutil

from setuptools import setup
from setuptools.command.build_py import build_py


class FreshBuild(build_py):
    """The modules, copied into an empty folder."""

    def run(self) -> None:
        """Copy them."""
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


setup(cmdclass={"build_py": FreshBuild})
