"""Kinds of interventions that are not ours: from installed packages, and from a folder that the user lets run.

A package names a module that registers its kinds, in its pyproject.toml:

    [project.entry-points."cxsim.interventions"]
    ours = "our_package.interventions"

A folder holds modules likewise, `DIR/interventions/*.py`; they run where a command says `--config-dir DIR --own-code`.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from sim.phrases import ConfigError, Phrase
from sim.run.provenance import OWN_CODE, kinds_of_packages


def allow(folder: Path) -> None:
    """Let the modules of a folder run, here and in worker processes. Raises ConfigError if it has none."""
    if not any(folder.glob("*.py")):
        raise ConfigError("--own-code: {folder} has no modules; write {name}/NAME.py", folder=folder, name=folder.name)
    os.environ[OWN_CODE] = str(folder.resolve())


def load_all() -> None:
    """Import the modules of packages and folder, which register their kinds. Raises ConfigError if one fails."""
    for point in kinds_of_packages():
        try:
            point.load()
        except Exception as error:  # whatever a stranger's module raises is theirs to mend
            raise ConfigError(
                "interventions of the package {package}: {problem}", package=point.value, problem=_in_words(error)
            ) from error
    if folder := os.environ.get(OWN_CODE):
        for path in sorted(Path(folder).glob("*.py")):
            _import(path)


@lru_cache
def _import(path: Path) -> None:
    name = f"own_interventions_{path.stem}"
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a user's own module raises is theirs to mend
        del sys.modules[name]
        raise ConfigError("{place}: {problem}", place=path, problem=_in_words(error)) from error


def _in_words(error: Exception) -> Phrase:
    problem = " ".join(str(error).split())
    return Phrase("cannot be imported: {kind}: {problem}", kind=type(error).__name__, problem=problem)
