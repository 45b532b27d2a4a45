"""What is shown: a terminal obeys no character, a spreadsheet no text, and no error of ours is a traceback."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pandas as pd
import pytest

from cxsim.cli import folders, main
from cxsim.progress import Progress
from cxsim.shown import Shown
from sim.files.spreadsheet import as_text, as_written
from sim.phrases import Phrase

OBEYED = "a\x1b]0;OWNED\x07\x1b[31m b\x9b31m \u202ec\rd\u2028\ud800"


class Ascii(io.StringIO):
    encoding = "ascii"


def test_nothing_that_is_printed_is_obeyed() -> None:
    stream = io.StringIO()
    print(OBEYED, file=Shown(stream))  # type: ignore[arg-type]
    assert stream.getvalue() == (
        r"a\x1b]0;OWNED\x07\x1b[31m b\x9b31m \u202ec\rd\u2028\ud800" + "\n"
    )


def test_what_an_encoding_lacks_is_written_out() -> None:
    stream = Ascii()
    Shown(stream).write("\rtab\t漢\n")
    assert stream.getvalue() == "\rtab\t\\u6f22\n"


def test_progress_shows_a_name_and_does_not_obey_it() -> None:
    stream = io.StringIO()
    Progress(stream)(1, 2, Phrase(OBEYED))
    assert stream.getvalue().startswith(r"a\x1b]0;OWNED")
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("words", [["story", OBEYED, "1"], [OBEYED], ["run", f"{OBEYED}=1"], ["gate", OBEYED]])
def test_no_command_lets_it_through(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([word.replace("\ud800", "") for word in words]) == 2
    told = capsys.readouterr()
    assert not set("\x1b\x07\x9b\r\u202e\u2028") & set(told.out + told.err)
    assert r"\x1b" in told.err or "U+001B" in told.err


def test_an_error_of_ours_is_a_line_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> NoReturn:
        raise RuntimeError("unforeseen \x1b")

    monkeypatch.setattr(folders, "scenarios", fails)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main(["scenarios"]) == 70
    line = capsys.readouterr().err
    file = Path(line.rpartition(" is in ")[2].strip())
    assert line.startswith("cxsim: an unexpected error (RuntimeError); the traceback is in ")
    assert line.count("\n") == 1
    assert "in fails" in file.read_text(encoding="utf-8")
    assert file.is_relative_to(tmp_path)


def test_files_of_errors_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cxsim import unexpected

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = tmp_path / "cxsim" / "errors"
    folder.mkdir(parents=True)
    for year in range(1990, 2020):
        (folder / f"{year}.txt").touch()
    unexpected.told(RuntimeError("x"))
    assert len(list(folder.iterdir())) == unexpected.KEPT


def test_an_answer_that_cannot_be_written_out_is_told() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no full device here")
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "cxsim", "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "cxsim: No space left on device\n")


def test_a_text_is_no_formula_and_is_read_back() -> None:
    texts = ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "'=x", "''-x", "it's", "-0.5", "1e3", "-inf", "", "x=1"]
    table = pd.DataFrame({"text": texts, "number": range(len(texts))})
    written = as_text(table)
    assert list(written["text"]) == [
        "'=1+1", "'+x", "'-x", "'@x", "'\tx", "'\rx", "''=x", "'''-x", "it's", "-0.5", "1e3", "-inf", "", "x=1",
    ]  # fmt: skip
    assert list(as_written(written)["text"]) == texts
    assert written["number"].dtype == table["number"].dtype
