"""What is written appears whole or not at all, and what was changed afterwards is noticed."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from cxsim import cli
from sim.files import disk, manifest
from sim.files.signals import uninterrupted
from sim.phrases import ConfigError
from tests.folders import files


def below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(disk, "tell", lambda phrase: lines.append(str(phrase)))
    return lines


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 64 kB."""
    place = tmp_path / "volume"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def _written(folder: Path, contents: dict[str, bytes]) -> None:
    with disk.together(folder):
        for name, content in contents.items():
            disk.write_bytes(folder / name, content)


# -- files together ---------------------------------------------------------------------------------------------------


def test_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    def written(divisor: int) -> None:
        with disk.together(tmp_path):
            disk.write_text(tmp_path / "old", "new")
            disk.write_text(tmp_path / "figures" / "new", "new")
            assert not (tmp_path / "figures").exists()
            1 // divisor

    disk.write_text(tmp_path / "old", "old")
    with pytest.raises(ZeroDivisionError):
        written(0)
    assert below(tmp_path) == {"old"}
    assert (tmp_path / "old").read_text() == "old"
    written(1)
    assert below(tmp_path) == {"old", "figures", "figures/new"}
    assert (tmp_path / "old").read_text() == "new"


def test_folders_made_for_what_failed_are_removed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), disk.together(tmp_path / "a" / "b"):
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), disk.drafted(tmp_path / "c" / "d", exact=True):
        raise ZeroDivisionError
    assert below(tmp_path) == set()


@pytest.mark.parametrize("name", ["it's", "what?", "100 %", "#1", "in{}t", "line\nbreak", "顧客", "x" * 240])
def test_any_name_will_do(tmp_path: Path, name: str) -> None:
    with disk.drafted(tmp_path / name, exact=True) as draft:
        (draft.path / "file").touch()
        assert draft.publish() == tmp_path / name
    disk.write_text(tmp_path / name / name, "text")
    assert below(tmp_path) == {name, f"{name}/file", f"{name}/{name}"}


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=re.escape(f"--out {tmp_path}/file/a: cannot be written: Not a directory")):
        disk.together(tmp_path / "file" / "a", "--out ").__enter__()
    (tmp_path / "map").touch()
    with pytest.raises(NotADirectoryError, match="map"):
        _written(tmp_path, {"a": b"text", "map/b": b"text"})
    assert below(tmp_path) == {"file", "map"}


def test_no_text_of_a_csv_is_a_formula(tmp_path: Path) -> None:
    disk.write_csv(tmp_path / "a.csv", pd.DataFrame({"text": ["=1+1", "-0.5"], "number": [-1.5, 2.0]}))
    assert (tmp_path / "a.csv").read_text() == "text,number\n'=1+1,-1.5\n-0.5,2.0\n"


# -- drafts of the dead -----------------------------------------------------------------------------------------------


def test_only_what_nobody_holds_is_removed(tmp_path: Path, told: list[str]) -> None:
    dead, living = tmp_path / ".out.0123abcd.part", tmp_path / ".out.4567abcd.part"
    for draft in (dead, living):
        draft.mkdir()
        (draft / "file").touch()
    handle = os.open(living, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    disk.write_text(tmp_path / "new", "text")
    assert below(tmp_path) == {"new", living.name, f"{living.name}/file"}
    assert told == [f"{tmp_path}: removed 1 draft(s) that killed commands had left"]
    os.close(handle)


def test_a_draft_is_held_while_it_is_written(tmp_path: Path, told: list[str]) -> None:
    with disk.drafted(tmp_path / "out", exact=True) as draft:
        disk.remove_dead_drafts(tmp_path)
        assert draft.path.is_dir()
    assert told == []


def test_what_a_killed_move_had_begun_is_taken_back(tmp_path: Path) -> None:
    draft = tmp_path / ".0123abcd.part"
    for name in ("a", "figures/b", "c"):
        (draft / name).parent.mkdir(parents=True, exist_ok=True)
        (draft / name).write_text(name)
    (draft / manifest.NAME).write_text(manifest.text(manifest.listed(draft)))
    (tmp_path / "figures").mkdir()
    for name in ("figures/b", "c"):
        os.replace(draft / name, tmp_path / name)
    (tmp_path / "a").write_text("somebody else's")
    disk.remove_dead_drafts(tmp_path)
    assert below(tmp_path) == {"a"}


# -- mount points and full disks --------------------------------------------------------------------------------------


def test_a_mount_point_is_filled_file_by_file(small_disk: Path) -> None:
    with disk.drafted(small_disk, exact=True) as draft:
        assert draft.path.parent == small_disk
        disk.write_text(draft.path / "figures" / "a", "text")
        assert draft.publish() == small_disk
    assert below(small_disk) == {"figures", "figures/a"}
    with pytest.raises(ConfigError, match="is not empty"):
        disk.drafted(small_disk, exact=True).__enter__()


def test_a_full_disk_is_named_and_nothing_stays(small_disk: Path) -> None:
    with pytest.raises(OSError, match=re.escape(str(small_disk))) as raised:
        _written(small_disk, {"small": b"text", "map/large": bytes(100_000)})
    assert raised.value.errno == errno.ENOSPC
    assert below(small_disk) == set()
    line = "hydra.run.dir=.*: 0.1 MB are free there, and at least 1.0 MB are needed"
    with pytest.raises(ConfigError, match=line):
        disk.drafted(small_disk / "out", exact=True, needs=1e6).__enter__()


# -- signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_command_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, number: int, status: int
) -> None:
    def stopped(_words: list[str]) -> int:
        with disk.drafted(tmp_path / "a" / "out", exact=True):
            signal.raise_signal(number)
        return 0

    monkeypatch.setattr(cli, "_function", lambda _place: stopped)
    before = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)]
    assert cli.main(["run"]) == status
    assert capsys.readouterr().err == "cxsim: interrupted; nothing was left behind\n"
    assert below(tmp_path) == set()
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)] == before


def test_a_signal_that_a_library_turned_into_an_error_still_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def turned(_words: list[str]) -> int:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise ConfigError("something else") from None
        return 0

    monkeypatch.setattr(cli, "_function", lambda _place: turned)
    assert cli.main(["run"]) == 143
    assert capsys.readouterr().err == "cxsim: interrupted; nothing was left behind\n"


def test_a_signal_that_comes_where_nothing_can_be_raised_comes_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Held:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    def lets_go(_words: list[str]) -> int:
        held = Held()
        del held
        time.sleep(5.0)
        return 0

    monkeypatch.setattr(cli, "_function", lambda _place: lets_go)
    assert cli.main(["run"]) == 143
    assert capsys.readouterr().err == "cxsim: interrupted; nothing was left behind\n"


def test_a_signal_waits_for_what_must_not_be_interrupted() -> None:
    done = []

    def cleared() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("cleared")

    with pytest.raises(KeyboardInterrupt):
        cleared()
    assert done == ["cleared"]


# -- the manifest -----------------------------------------------------------------------------------------------------


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """A folder with a manifest."""
    folder = tmp_path / "out"
    (folder / "figures").mkdir(parents=True)
    for name in ("config.yaml", "kpis.csv", "figures/a.png"):
        (folder / name).write_text(f"{name}: 0\n")
    (folder / manifest.PROVENANCE).write_text(json.dumps(manifest.sealed({"folder_version": 3})))
    (folder / manifest.NAME).write_text(manifest.text(manifest.listed(folder)))
    return folder


def test_a_folder_as_it_was_written_is_in_order(sealed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", str(sealed)]) == 0
    assert capsys.readouterr().out == f"{sealed}: 3 files, all as they were written\n"


@pytest.mark.parametrize("name", ["config.yaml", "kpis.csv", "figures/a.png", manifest.PROVENANCE, manifest.NAME])
@pytest.mark.parametrize("how", ["missing", "cut", "changed", "[]"])
def test_whatever_is_missing_cut_or_changed_is_named(
    sealed: Path, name: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content = (sealed / name).read_text()
    if how == "missing":
        (sealed / name).unlink()
    else:
        changed = {"cut": content[:9], "changed": content.replace("0", "1").replace("3", "4"), "[]": "[]"}
        (sealed / name).write_text(changed[how])
    assert cli.main(["verify", str(sealed)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 1
    assert all(line.startswith("cxsim: ") for line in lines)
    assert any(name in line for line in lines) or name == manifest.NAME


def test_what_is_written_later_is_known_too(sealed: Path) -> None:
    with disk.together(sealed):
        disk.write_text(sealed / "figures" / "a.png", "again")
        disk.write_csv(sealed / "funnel.csv", pd.DataFrame({"stage": ["buy"]}))
    assert list(manifest.troubles(sealed)) == []
    assert set(manifest.read(sealed) or ()) == {"config.yaml", "kpis.csv", "figures/a.png", "funnel.csv"}


def test_a_manifest_that_begins_knows_what_is_written_with_it(tmp_path: Path) -> None:
    (tmp_path / "before").write_text("nobody's")
    with disk.together(tmp_path):
        disk.begin_manifest(tmp_path)
        _written(tmp_path, {"shop.yaml": b"a", "shop_learning/report.html": b"b"})
    assert set(manifest.read(tmp_path) or ()) == {"shop.yaml", "shop_learning/report.html"}
    assert list(manifest.troubles(tmp_path)) == []


@pytest.mark.parametrize("name", ["../kpis.csv", "/etc/hostname"])
def test_a_manifest_names_no_place_outside(sealed: Path, name: str) -> None:
    (sealed / manifest.NAME).write_text(json.dumps({"files": {name: {"size": 1, "sha256": ""}}}))
    with pytest.raises(ConfigError, match="cannot be read"):
        manifest.read(sealed)


def test_the_manifest_is_the_same_wherever_it_is_written(tmp_path: Path, sealed: Path) -> None:
    other = Path(shutil.copytree(sealed, tmp_path / "other"))
    (other / manifest.PROVENANCE).write_text(json.dumps(manifest.sealed({"folder": "other"})))
    assert manifest.text(manifest.listed(other)) == (sealed / manifest.NAME).read_text()
    assert files(other) == files(sealed)
