"""The `sh` blocks of the pages, and a sandbox in which a page is typed from top to bottom.

Two ways to hold a block. *Refused*: each command is given one word more, which makes it stop before any work; it must
stop for that word and for nothing else, so everything else it was given is in order. *Typed*: bash runs the page's
blocks as they are printed, in a folder that looks like a checkout. There `.venv/bin/cxsim` is cxsim with a smaller
market and horizon, and what installs, or runs this test suite, only looks at its arguments.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import NamedTuple

from sim.run.provenance import ROOT

PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")],
    key=lambda page: page.relative_to(ROOT).as_posix(),
)
SMALL = ["customers=2000", "days=60", "burn_in=60", "replications=2", "threads=1", "events=100"]

TINY = [
    "customers=5000", "days=56", "burn_in=30", "replications=4", "threads=1", "events=5000",
    "calendar=flat",
]  # fmt: skip
"""For a typed page: as many customers as a run has by default, and every day alike."""

SHRUNK = {
    "run": TINY,
    "premortem": [*TINY, "tests=2", "replications=2"],
    "key-drivers": [*TINY, "customers=2000", "replications=2"],
    "optimise": [*TINY, "customers=500", "optimise.trials=4", "optimise.points=2", "optimise.fresh_points=4"],
    "explore": [*TINY, "customers=400", "replications=2", "size=8"],
    "learn": [*TINY, "customers=2000", "--draws", "48"],
    "field": ["customers=400", "burn_in=30", "replications=2", "threads=1", "calendar=flat"],
}
"""Words that each command is given last, so that they win."""

SIZES = {"customers", "days", "replications"}


class Fence(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str
    file: str | None
    """The file that the paragraph above it names last, where it shows one."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def fences(page: str) -> list[Fence]:
    """Every fenced block of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Fence(page, text.count("\n", 0, one.start()) + 1, one[1], one[2], _file_above(text[: one.start()]))
        for one in re.finditer(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    ]


def _file_above(text: str) -> str | None:
    named = re.findall(r"[`(\[]([\w./-]+\.(?:py|yaml))[`)\]]", text.rstrip("\n").rpartition("\n\n")[2])
    return named[-1] if named else None


def blocks(language: str, page: str = "README.md") -> list[str]:
    """Code blocks of a page in one language, "" for those in none."""
    return [one.text for one in fences(page) if one.language == language]


def lines(block: str) -> list[list[str]]:
    """Words of each command of an `sh` block."""
    parts = [part.strip() for line in block.replace("\\\n", " ").splitlines() for part in line.split("&&")]
    return [words for part in parts if (words := shlex.split(part, comments=True))]


def commands(page: str = "README.md") -> list[list[str]]:
    """Words of every `cxsim` command of a page, without the program's own."""
    return [words[1:] for block in blocks("sh", page) for words in lines(block) if words[0] == CXSIM]


CXSIM = ".venv/bin/cxsim"


# -- refused ---------------------------------------------------------------------------------------------------------


def stopped(words: list[str]) -> tuple[list[str], str]:
    """A command with a word more that stops it before any work, and what the line says that tells so."""
    if "sweep=uncertainty" in words:
        words = [*words, "replications=10"]  # one job a scenario instead of twenty
    match words[0]:
        case "run" | "premortem" | "key-drivers" | "optimise" | "learn" | "explore" | "field":
            return [*words, "customers=1"], "customers: 1 "
        case "new":
            return [*words, "margin=x"], "margin: 'x' "
        case "log":
            return [*words, "--decimal", "x"], "--decimal x: "
        case "calibrate":
            return [*words, "--yen", "0"], "--yen 0: "
        case "validate":
            return [*words, "--older", "x"], "--older: 'x' "
        case "ledger":
            return words, words[2] if words[1] == "add" else "ledger.sqlite"  # which is not there
        case "examples":
            return [*words, "--more"], "--more"
        case "check":
            return [*words, "--records", __file__], f"--records {__file__}: "
        case "story" | "map" | "funnel" | "report" | "sweep-report" | "gate" | "verify":
            return words, words[1]  # the folder is not there, since nothing was run
    raise AssertionError(f"{words[0]}: how is it stopped?")


def company(words: list[str]) -> Path | None:
    """The company file that `calibrate` or `learn` writes."""
    if words[0] not in ("calibrate", "learn"):
        return None
    name, out = (words[words.index(option) + 1] for option in ("--name", "--out"))
    return Path(out) / "company" / f"{name}.yaml"


def made(words: list[str]) -> str | None:
    """The folder that a run or a sweep is told to write."""
    found = [word.partition("=")[2] for word in words if word.startswith(("hydra.run.dir=", "hydra.sweep.dir="))]
    return found[-1] if found else None


# -- typed -----------------------------------------------------------------------------------------------------------


def small(words: list[str]) -> list[str]:
    """A command's words with those that make it small."""
    if {"--help", "--cfg", "-sc"} & set(words):
        return words
    if "-m" in words:
        words = [*words, "hydra/launcher=basic", "arms=total"]
    if words[0] == "check":
        return _small_check(words)
    if {word.partition("=")[0] for word in words} >= SIZES:
        return words  # the page asks for a small one itself
    return [*words, *SHRUNK.get(words[0], [])]


def _small_check(words: list[str]) -> list[str]:
    named = any(word in SHIPPED for word in words) or "--config-dir" in words
    words = words if named else [words[0], "norush_coupon", *words[1:]]
    own = "--update" not in words or "--config-dir" in words
    return words if own else [*words, "--records", "."]  # the checkout's records stay as they are


SHIPPED = frozenset(path.stem for path in (ROOT / "conf" / "regression").glob("*.yaml"))

PROGRAMS = {
    "cxsim": "load(); sys.exit(main(small(sys.argv[1:])))",
    "pip": "assert {*sys.argv[1:]} <= PIP, sys.argv",
    "pytest": "os.chdir(ROOT); sys.exit(pytest.main(['-p', 'no:cacheprovider', '--collect-only', *sys.argv[1:]]))",
    "python3.11": "assert sys.argv[1:] == ['-m', 'venv', '.venv'], sys.argv",
}
"""What each program of the sandbox does."""

PIP = {
    *("install", "uninstall", "wheel", "-q", "--quiet", "-y", "-c", "constraints.txt", "-e", "-w", "dist"),
    *("--require-hashes", "-r", "constraints-hashed.txt"),
    *("wheelhouse", "--no-deps", "--no-index", "--find-links", "cxsim", "cxsim[decide,ja,office]"),
    *("setuptools>=77", "openai-agents", ".", ".[test]", ".[decide]", ".[ja]", ".[ja,decide]", ".[decide,ja,office]"),
    ".[cluster]",
}
"""Words that pip is given on the pages; tests/config/test_install.py installs for real."""


def load() -> None:
    """Import what the page puts into scenarios/, as cxsim would find it there."""
    for file in sorted(Path("scenarios").glob("*.py")):
        spec = spec_from_file_location(f"scenarios.{file.stem}", file.resolve())
        assert spec is not None
        assert spec.loader is not None
        sys.modules[spec.name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[spec.name])


def sandbox(folder: Path) -> None:
    """Make a folder look like a checkout that takes what is written."""
    for name in ("examples", "conf", "constraints.txt", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "scenarios").mkdir()
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name, does in PROGRAMS.items():
        program = folder / ".venv" / "bin" / name
        program.write_text(
            f"#!{sys.executable}\nimport os, sys\nsys.path.insert(0, {str(ROOT)!r})\n"
            "if __name__ == '__main__':\n    import pytest\n    from cxsim.cli import main\n"
            f"    from tests.docs.commands import PIP, ROOT, load, small\n    {does}\n",
            encoding="utf-8",
        )
        program.chmod(0o755)
    (folder / ".venv" / "bin" / "activate").touch()  # the sandbox's programs are found already


def typed(page: str) -> Iterator[Fence]:
    """What a reader types or writes of a page, in order: its `sh` blocks, and the files it shows."""
    for one in fences(page):
        if one.language == "sh" or (one.language in ("python", "yaml") and one.file):
            yield one


def write(shown: Fence) -> None:
    """Write the file that a page shows, below the current folder; one that the checkout has must hold the same."""
    assert shown.file is not None
    place = Path(shown.file)
    if place.exists():
        assert shown.text == place.read_text(encoding="utf-8"), f"{shown}: {place} is another"
        return
    assert place.resolve().is_relative_to(Path.cwd()), place
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(shown.text, encoding="utf-8")
