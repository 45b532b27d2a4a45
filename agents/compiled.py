"""How rules are compiled: the markers, their options, and the folder of the cache.

Rules are plain Python functions marked `rule`: the Mesa engine runs them as they stand, the compiled loop compiles
the same text. `compiled` and `loop` mark the few functions that always run compiled. Fast-math stays off everywhere:
fused multiply-adds alone would change the last bit, and the two engines would no longer agree.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., object])

SOURCES = ("agents", "sim")


def sources_hash(root: Path) -> str:
    """Hash of every Python source that a compiled function may reach, and of the compiler's version."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in reachable(root):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def reachable(root: Path) -> list[Path]:
    """Sorted paths of the modules with compiled functions and of all of ours that they import, directly or not.

    A compiled function sees what its own module sees: rules and constants of the modules it imports.
    """
    sources = {path: path.read_text(encoding="utf-8") for folder in SOURCES for path in (root / folder).rglob("*.py")}
    found = {path for path, text in sources.items() if "agents.compiled" in text}
    new = set(found)
    while new:
        named = {root.joinpath(*name.split(".")) for path in new for name in _imported(sources[path])}
        files = {name.with_suffix(".py") for name in named} | {name / "__init__.py" for name in named}
        new = (files & set(sources)) - found
        found |= new
    return sorted(found)


COMMENT = re.compile(r"#.*")
IMPORT = re.compile(r"^[ \t]*(?:from ([\w.]+) )?import (\([^)]*\)|(?:.*\\\n)*.*)", re.MULTILINE)
"""A statement that imports; what only looks like one, in a docstring, names too many modules, never too few."""


def _imported(source: str) -> Iterator[str]:
    """Dotted names that a module imports: of `from a import b` both a and a.b, since b may be a module."""
    for package, names in IMPORT.findall(COMMENT.sub("", source)):
        if package:
            yield package
        yield from (f"{package}.{name}" if package else name for name in re.findall(r"[\w.]+", names))


KEPT, KEPT_DAYS = 4, 7
"""Folders of older compiled code are removed beyond the newest KEPT, if unused for KEPT_DAYS days."""


def cache_folder(root: Path) -> Path:
    """Folder for the compiled code of the present sources: in the user's cache or, if that cannot be written, in the
    system's temporary folder, under a name that the next command finds again."""
    name = sources_hash(root)
    try:
        return _kept(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cxsim", name)
    except (OSError, RuntimeError):  # nothing can be written there; or there is no home at all
        user = os.getuid() if hasattr(os, "getuid") else "user"
        folder = Path(tempfile.gettempdir()) / f"cxsim-cache-{user}"
        if not folder.is_dir():
            print(f"cxsim: no cache can be kept at home; compiled code goes to {folder}", file=sys.stderr)
        try:
            return _kept(folder, name)
        except OSError:
            return _passing()


def _passing() -> Path:
    """A folder for this command and its workers, which inherit its name, removed when the command ends."""
    folder = Path(tempfile.mkdtemp(prefix="cxsim-"))
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _kept(caches: Path, name: str) -> Path:
    """The folder of one version's code in a folder of caches, made if need be. Raises OSError.

    Compiled code runs, so a folder that belongs to somebody else is refused, and one in which others may write.
    """
    caches.mkdir(mode=0o700, parents=True, exist_ok=True)
    owners = {caches.lstat().st_uid, caches.stat().st_uid}
    if hasattr(os, "getuid") and (owners != {os.getuid()} or caches.stat().st_mode & 0o022):
        raise PermissionError(f"{caches} belongs to another user, or others may write in it")
    folder = caches / name
    folder.mkdir(exist_ok=True)
    os.utime(folder)
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{folder} cannot be written")
    for old in sorted(caches.iterdir(), key=_used, reverse=True)[KEPT:]:
        if _used(old) < time.time() - 86_400 * KEPT_DAYS:
            shutil.rmtree(old, ignore_errors=True)
    return folder


def _used(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # another process took it away meanwhile
        return 0.0


def use_cache_for_these_sources() -> None:
    """Point Numba at `cache_folder`, unless the user has set NUMBA_CACHE_DIR."""
    if "NUMBA_CACHE_DIR" not in os.environ:
        numba.config.CACHE_DIR = str(cache_folder(Path(__file__).resolve().parent.parent))


def rule(function: Function) -> Function:
    """Mark a scalar rule: it runs as Python in the Mesa engine, and is inlined into compiled code that calls it.

    Inlined always: passing tuples of arrays from rule to rule costs more than the rules' arithmetic.
    """

    @overload(function, jit_options={"forceinline": True}, strict=False)
    def compiled_alike(*_: object, **__: object) -> Function:
        return function

    return function


def compiled(function: Function) -> Function:
    """Compile a function: it releases the GIL, is cached on disk and keeps IEEE arithmetic as written."""
    return _compile(function)


def loop(function: Function) -> Function:
    """Compile as `compiled` does, without counting references: for functions that make no arrays of their own.

    Counting them wherever arrays pass from rule to rule took half the time of a loop over visitors.
    """
    return _compile(function, _nrt=False)


def _compile(function: Function, **options: bool) -> Function:
    compiler = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy", **options)
    return cast(Function, compiler(function))


def of_one_type(function: Function) -> Function:
    """A compiled function that looks at the types of its arguments in the first call, and then takes them for granted.

    Looking takes ten times as long as the call itself where tuples of arrays are handed over. For functions called
    every day from one place: later arguments must have the first ones' types, layout in memory included.
    """
    entry: Callable[..., Any] | None = None

    def call(*given: Any) -> Any:
        nonlocal entry
        if entry is not None:
            return entry(*given)
        answer = function(*given)
        dispatcher = cast(Any, function)
        entry = dispatcher.overloads[tuple(dispatcher.typeof_pyval(one) for one in given)].entry_point
        return answer

    return cast(Function, call)


CACHE_LINE = 64
"""Bytes that memory delivers at once."""


def _prefetch(typing: Any, records: Any, row: Any) -> Any:
    """How a call of `prefetch` compiles: as LLVM's instruction of that name, once for each of two lines."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        array = context.make_array(records)(context, builder, given[0])
        record = builder.gep(array.data, [context.cast(builder, given[1], row, numba.intp)])
        first = builder.bitcast(record, ir.IntType(8).as_pointer())
        write, keep, data = (ir.Constant(ir.IntType(32), flag) for flag in (1, 3, 1))
        shape = ir.FunctionType(ir.VoidType(), [first.type, write.type, keep.type, data.type])
        ask = builder.module.declare_intrinsic("llvm.prefetch", [first.type], shape)
        for line in (0, CACHE_LINE):
            builder.call(ask, [builder.gep(first, [ir.Constant(ir.IntType(64), line)]), write, keep, data])
        return context.get_dummy_value()

    return numba.void(records, row), code


prefetch = cast(Callable[[NDArray[Any], int], None], intrinsic(_prefetch))
"""prefetch(records, row): ask memory for a record's first two cache lines (records in C order), and do not wait.

In compiled code only. Whoever needs the record later finds it there; nothing else changes.
"""
