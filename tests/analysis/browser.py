"""A browser to look at pages with, Chromium driven by Playwright (extra `browser`), and an engine for their scripts."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sim.run.provenance import ROOT

MODEL = ROOT / "analysis" / "templates" / "explore_model.js"


def engine() -> str:
    """An engine that runs a script: Node, the machine's or the one that Playwright brings."""
    if found := shutil.which("node"):
        return found
    driver = pytest.importorskip("playwright._impl._driver", reason="needs node, or the extra browser")
    return str(driver.compute_driver_executable()[0])


def computed(expression: str, **values: Any) -> Any:
    """What an expression over the page's functions (`page.answer(...)`) gives, with these values at hand."""
    script = (
        f"const page = require({json.dumps(str(MODEL))});"
        f"const given = JSON.parse(require('fs').readFileSync(0)); console.log(JSON.stringify({expression}))"
    )
    given = json.dumps(values)
    done = subprocess.run([engine(), "-e", script], input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def launched() -> Iterator[Any]:
    """Chromium, without a window. Skips the test where Playwright or Chromium is missing."""
    api = pytest.importorskip("playwright.sync_api", reason="needs the extra browser")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("needs Chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def shown(browser: Any, address: str, width: int = 1280) -> Iterator[Any]:
    """A page in the browser; whatever it asks of another host or complains of fails the test."""
    faults: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.on("console", lambda said: faults.append(said.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    own = address.partition("#")[0], "data:"
    page.on("request", lambda one: None if one.url.startswith(own) else faults.append(one.url))
    page.goto(address)
    page.wait_for_load_state()
    yield page
    page.close()
    assert faults == []
