"""The served page: one machine, one token, one endpoint; nobody else sets anything going."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from cxsim.cli.serve import HOST, MOST_BYTES, Server
from sim.phrases import ConfigError

PAGE = """<html lang="en"><meta content="default-src 'none'; script-src 'x'">"""


def check(setting: Mapping[str, Any]) -> dict[str, Any]:
    if setting.get("face") == "x":
        raise ConfigError("{value} is not a number", value="x")
    return {"effects": {"ltv": 2 * float(setting["face"])}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "explore.html").write_text(PAGE, encoding="utf-8")
    with Server(tmp_path / "explore.html", check) as found:
        thread = Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def asked(server: Server, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str]:
    connection = HTTPConnection(HOST, server.server_port, timeout=10)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_it_listens_to_this_machine_alone(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert len(server.base) > 30


def test_the_page_may_ask_its_own_host_and_no_other(server: Server) -> None:
    status, page = asked(server, "GET", server.base)
    assert status == 200
    assert "default-src 'none'; connect-src 'self'; script-src" in page
    assert page.startswith('<html data-served="yes" ')


def test_a_setting_is_simulated(server: Server) -> None:
    status, found = asked(server, "POST", f"{server.base}check", json.dumps({"face": 100}), Origin=server.origin)
    assert (status, json.loads(found)) == (200, {"effects": {"ltv": 200.0}})


def test_what_is_wrong_with_a_setting_is_told(server: Server) -> None:
    status, found = asked(server, "POST", f"{server.base}check", json.dumps({"face": "x"}))
    assert (status, json.loads(found)) == (200, {"error": "x is not a number"})


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {}),
        ("GET", "/other/", {}),
        ("GET", "{base}../etc/passwd", {}),
        ("POST", "/check", {}),
        ("POST", "{base}check", {"Origin": "http://evil.example"}),
        ("POST", "{base}check", {"Origin": "null"}),
        ("GET", "{base}", {"Host": "evil.example"}),
    ],
)
def test_nobody_else_gets_an_answer(server: Server, method: str, path: str, headers: dict[str, str]) -> None:
    status, said = asked(server, method, path.format(base=server.base), '{"face": 1}', **headers)
    assert (status, said) == (404, "")


@pytest.mark.parametrize("body", ["", "[]", "{", "1", "x" * (MOST_BYTES + 1), "[" * 5000])
def test_what_is_no_setting_is_refused(server: Server, body: str) -> None:
    assert asked(server, "POST", f"{server.base}check", body)[0] == 400


def test_other_methods_are_unknown(server: Server) -> None:
    assert asked(server, "PUT", server.base)[0] == 501
