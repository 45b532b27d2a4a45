"""One place for what is compiled: where the cache lives, and with which options.

Rules are plain Python functions marked `rule`: the Mesa engine runs them as they stand, the compiled loop compiles
the same text. `compiled` marks the few functions that always run compiled. Fast-math stays off everywhere, since
contraction alone would change the last bit and with it the identity of the two engines.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import numba
from numba.extending import overload

Function = TypeVar("Function", bound=Callable[..., object])

SOURCES = ("agents", "sim")


def sources_hash(root: Path) -> str:
    """Hash of every Python source that a compiled function may reach, and of the compiler's version."""
    digest = hashlib.sha256(numba.__version__.encode())
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder(root: Path) -> Path:
    """Folder of the compiled code of these very sources; a private temporary one where no cache can be kept."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "cxsim" / sources_hash(root)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="cxsim-"))
    return folder


def use_cache_for_these_sources() -> None:
    """Point Numba at the cache of the sources as they are now; a folder the user chose is left alone."""
    if "NUMBA_CACHE_DIR" not in os.environ:
        numba.config.CACHE_DIR = str(cache_folder(Path(__file__).resolve().parent.parent))  # type: ignore[attr-defined]


def rule(function: Function) -> Function:
    """Mark a scalar rule: Python as written in the Mesa engine, compiled into whatever compiled code calls it.

    Always inlined: passing tuples of arrays from rule to rule costs more than the rules' arithmetic.
    """

    @overload(function, jit_options={"forceinline": True}, strict=False)
    def compiled_alike(*_: object, **__: object) -> Function:
        return function

    return function


def compiled(function: Function) -> Function:
    """Compile without the GIL, cached on disk, IEEE arithmetic as written."""
    compiler = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
    return cast(Function, compiler(function))
