"""`cxsim explore --serve`: the page from this machine to this machine, with a button that simulates a setting.

It listens on 127.0.0.1 alone. The address holds a token that nobody can guess; a request from another page or under
another name of the host is refused, so that no page elsewhere can set anything going. There is one endpoint beside the
page.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from analysis.style.language import translated
from sim.phrases import ConfigError

HOST = "127.0.0.1"
MOST_BYTES = 10_000
"""Of a request: a number for each lever is far less."""

Check = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Simulates a setting, by key of the levers, and returns what the page shows of it. Raises ConfigError."""


class Server(HTTPServer):
    """Serves one page below a token, and one endpoint, `check`."""

    def __init__(self, page: Path, check: Check, port: int = 0) -> None:
        super().__init__((HOST, port), _Handler)
        self.page, self.check = page, check
        self.base = f"/{secrets.token_urlsafe(24)}/"
        self.origin = f"http://{HOST}:{self.server_port}"

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"{self.origin}{self.base}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if not self._admitted(self.server.base):
            return
        page = self.server.page.read_text(encoding="utf-8")
        page = page.replace("<html ", '<html data-served="yes" ', 1)
        page = page.replace("default-src 'none'", "default-src 'none'; connect-src 'self'", 1)
        self._answer(HTTPStatus.OK, "text/html", page.encode())

    def do_POST(self) -> None:
        if not self._admitted(f"{self.server.base}check"):
            return
        try:
            length = int(self.headers.get("Content-Length", ""))
            content = self.rfile.read(min(max(length, 0), MOST_BYTES + 1))
            if len(content) > MOST_BYTES:
                raise ValueError
            setting = json.loads(content)
            if not isinstance(setting, dict):
                raise ValueError
        except (ValueError, RecursionError):
            self._answer(HTTPStatus.BAD_REQUEST)
            return
        try:
            found: Mapping[str, Any] = self.server.check(setting)
        except ConfigError as error:
            found = {"error": translated(error)}
        self._answer(HTTPStatus.OK, "application/json", json.dumps(found, ensure_ascii=False).encode())

    def _admitted(self, path: str) -> bool:
        """Whether a request is for this path, under our own name and from no other page; else it is answered."""
        mine = self.headers.get("Host") == self.server.origin.removeprefix("http://")
        from_us = self.headers.get("Origin", self.server.origin) == self.server.origin
        if mine and from_us and secrets.compare_digest(self.path.encode(), path.encode()):
            return True
        self._answer(HTTPStatus.NOT_FOUND)
        return False

    def _answer(self, status: HTTPStatus, kind: str = "text/plain", content: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"),
                            ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY")):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing: the address is a secret."""
