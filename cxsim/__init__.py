"""The front: `cxsim run` for a terminal and `cxsim.run` for Python put all other packages together.

May import everything. What is heavy is imported when it is used, so that `cxsim --help` answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxsim.runs import Run, run
    from cxsim.sweeps import Sweep, load, sweep
    from sim.phrases import ConfigError

__all__ = ["run", "sweep", "load", "Run", "Sweep", "ConfigError"]

_PLACES = {
    "run": "cxsim.runs", "Run": "cxsim.runs",
    "sweep": "cxsim.sweeps", "Sweep": "cxsim.sweeps", "load": "cxsim.sweeps",
    "ConfigError": "sim.phrases",
}  # fmt: skip
"""The module of each public name, imported when the name is first used."""


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'cxsim' has no attribute {name!r}")
    from cxsim.guard import refuse_strangers

    refuse_strangers()
    globals()[name] = getattr(import_module(_PLACES[name]), name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
