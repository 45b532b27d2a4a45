"""What cxsim stands on is pinned, hashed and listed with its licence; and at run time it speaks to nobody."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from cxsim import cli
from tests.docs.dependencies import CONSTRAINTS, HASHED, SBOM, components, pins


def test_every_pin_has_hashes() -> None:
    assert pins(HASHED) == pins(CONSTRAINTS)
    parts = HASHED.read_text(encoding="utf-8").split("==")[1:]
    assert all("--hash=sha256:" in part for part in parts)


def test_every_pin_is_listed_with_its_licence() -> None:
    sbom = json.loads(SBOM.read_text(encoding="utf-8"))
    assert components(sbom) == pins(CONSTRAINTS)
    assert [one["name"] for one in sbom["components"] if not one.get("licenses")] == ["antlr4-python3-runtime", "partd"]


def test_a_run_and_its_report_open_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    small = ["customers=400", "days=28", "burn_in=30", "replications=2", "arms=total", "threads=1"]
    assert cli.main(["run", *small, f"hydra.run.dir={tmp_path / 'out'}"]) == 0
    assert cli.main(["report", str(tmp_path / "out")]) == 0
