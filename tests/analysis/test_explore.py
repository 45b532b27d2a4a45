"""The page of an exploration: its numbers and sentences are the report's, wherever its sliders stand."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import yaml

from analysis.decisions.verdict import effect_of, lines_by_points
from analysis.studies.explore import NORMAL_90, Explored, predicted
from analysis.studies.explore_page import told, write_report
from analysis.studies.surrogate import gaussian, quadratic, rms
from analysis.style import words
from analysis.style.language import told_in
from cxsim import cli
from cxsim.cli.serve import Server
from tests.analysis.browser import computed, shown
from tests.analysis.fake_explored import COMMAND, FACE, VALID, make_explored, truth

SETTING = {FACE: 210, VALID: 90}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_explored(tmp_path_factory.mktemp("explored") / "one")


def data_of(folder: Path, language: str = "en") -> dict[str, Any]:
    """What the page carries."""
    text = write_report(folder, language).read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, flags=re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


def address(folder: Path) -> str:
    return (folder / "explore.html").as_uri()


# -- numbers ----------------------------------------------------------------------------------------------------


def test_the_surrogate_tells_the_truth_between_settings(folder: Path) -> None:
    found = predicted(Explored(folder), "ltv", SETTING)
    expected = [truth(210, 90, replication, 64, -4.0) for replication in range(64)]
    np.testing.assert_allclose(found.effect, expected, atol=1e-3)
    assert found.error < 0.01


@pytest.mark.parametrize(
    ("level", "language", "kind"),
    [(-4.0, "en", "norush_coupon"), (-12.0, "ja", "norush_coupon"), (6.0, "en", "outage"), (-5.0, "en", "staff")],
)
def test_the_page_says_what_the_report_would(tmp_path: Path, level: float, language: str, kind: str) -> None:
    folder = make_explored(tmp_path / "one", level=level, kind=kind)
    data = data_of(folder, language)
    found = Explored(folder)
    settings = SETTING, {FACE: 100, VALID: 30}, {FACE: 150, VALID: 60}
    said = computed(
        "given.settings.map((setting) => { const weight = page.weights(given.data, {}), data = given.data; "
        "return page.verdict(data, page.answer(data, data.metrics.ltv, setting, weight), weight).lines; })",
        data=data, settings=settings,
    )  # fmt: skip
    for setting, lines in zip(settings, said, strict=True):
        effect = predicted(found, "ltv", setting).effect
        by_seed = math.sqrt(found.share_of_luck("ltv")) * float(np.std(effect, ddof=1))
        own = effect_of("No-rush coupon", data["members"], 112, effect, by_seed)
        with told_in(language):
            assert lines == lines_by_points(own, {kind})


def test_numbers_are_written_as_in_the_report() -> None:
    values = [0.0, 0.5, 1.5, 2.5, 0.125, -0.0004, 0.00004, 1234567.891, -99.995, 0.045, 1e9, -3.1, 12.345]
    assert computed("given.values.map((value) => page.signed(value))", values=values) == list(map(words.signed, values))
    shares = [0.0, 0.004, 0.125, 0.345, 0.995, 1.0]
    texts = {"most": "> 99 %", "least": "< 1 %", "percent": "{share} %"}
    found = computed("given.shares.map((share) => page.percent(share, given.texts))", shares=shares, texts=texts)
    assert found == list(map(words.percent, shares))


def test_what_is_held_counts_the_worlds_near_it(folder: Path) -> None:
    data = data_of(folder)
    slider = data["sliders"][0]
    high = max(slider["values"])
    weight = computed("page.weights(given.data, given.held)", data=data, held={slider["key"]: high})
    assert sum(weight) == pytest.approx(1)
    near = np.array(slider["values"]) > np.quantile(slider["values"], 0.6)
    assert np.array(weight)[near].sum() > 0.95
    assert 10 < computed("page.effective(given.weight)", weight=weight) < 30
    free = computed("page.weights(given.data, {})", data=data)
    assert computed("page.effective(given.weight)", weight=free) == pytest.approx(64)


def test_an_option_of_a_choice_counts_the_worlds_that_have_it(folder: Path) -> None:
    data = data_of(folder)
    data["sliders"] = [{"key": "clock", "options": ["a", "b"], "values": [0, 1] * 32}]
    weight = computed("page.weights(given.data, {clock: 1})", data=data)
    assert weight == [0, 1 / 32] * 32


@pytest.mark.parametrize("metric", ["ltv", "nps"])
def test_the_error_stated_is_that_of_settings_left_out(folder: Path, metric: str) -> None:
    data, found = data_of(folder), Explored(folder)
    rough = found.effects_of(metric) + np.random.default_rng(1).normal(0, 2, (17, 1))
    for model in (quadratic(found.at), gaussian(found.at, 1.0, 0.1)):
        data["metrics"]["ltv"] |= {"values": rough.tolist(), "model": 0}
        data["models"] = [{"kind": model.kind, "length": model.length, "fit": model.fit.tolist()}]
        ask = "page.answer(given.data, given.data.metrics.ltv, given.setting, page.weights(given.data, {})).surrogate"
        stated = NORMAL_90 * rms(model.left_out(rough.mean(axis=1, keepdims=True)))
        assert computed(ask, data=data, setting=SETTING) == pytest.approx(stated)


def test_what_was_not_run_is_said(folder: Path) -> None:
    data = data_of(folder)
    ask = "page.answer(given.data, given.data.metrics.ltv, given.setting, page.weights(given.data, {})).unsure"
    assert computed(ask, data=data, setting={FACE: 310, VALID: 60})
    assert not computed(ask, data=data, setting=SETTING)
    rough = np.random.default_rng(0).normal(0, 20, (17, 1)) * np.ones((17, 64))
    data["metrics"]["ltv"]["values"] = rough.tolist()
    assert computed(ask, data=data, setting=SETTING)


# -- the page ---------------------------------------------------------------------------------------------------


def test_the_page_is_small_and_the_same_each_time(folder: Path) -> None:
    first = write_report(folder).read_bytes()
    assert write_report(folder).read_bytes() == first
    assert len(first) < 2_000_000
    assert re.findall(rb'(?:src|href)="(?!#|data:)[^"]', first) == []


def test_report_makes_the_page_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(folder), "language=ja"]) == cli.OK
    assert capsys.readouterr().out.strip().endswith("explore.html")
    assert "操作変数" in (folder / "explore.html").read_text(encoding="utf-8")


def test_the_terminal_says_the_verdict_and_the_curves_error(folder: Path) -> None:
    *lines, error = told(folder)
    assert lines[0].startswith(("Go with", "Stop"))
    assert error.startswith("Between the 17 settings")


WILD = '<script>alert("x")</script> & \'quoted\' "שלום'


def test_names_appear_as_text(tmp_path: Path, browser: Any) -> None:
    folder = make_explored(tmp_path / "wild", title=WILD)
    page = write_report(folder).read_text(encoding="utf-8")
    assert page.count("<script") == 2
    assert data_of(folder)["name"] == WILD
    with shown(browser, address(folder)) as found:
        assert WILD in found.inner_text("h1")
        assert WILD in found.inner_text("#verdict")


def test_the_file_that_is_saved_is_a_scenario(folder: Path) -> None:
    file = data_of(folder)["file"]
    text = file["parts"][0] + "".join(
        f"{[210, 90][lever]}{part}" for lever, part in zip(file["levers"], file["parts"][1:], strict=True)
    )
    assert text.startswith("# @package scenario.norush_coupon_chosen\n")
    assert yaml.safe_load(text)["interventions"]["norush_coupon"] == {
        "kind": "norush_coupon", "face": 210, "valid_days": 90
    }  # fmt: skip


@pytest.mark.parametrize(("width", "language"), [(390, "ja"), (1280, "en"), (1600, "ja")])
def test_a_key_moves_what_is_told(folder: Path, browser: Any, width: int, language: str) -> None:
    write_report(folder, language)
    with shown(browser, address(folder), width) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        before = page.inner_text("#verdict")
        page.focus("#lever0")
        for _ in range(30):
            page.keyboard.press("ArrowRight")
        assert page.inner_text("#verdict") != before
        assert page.inner_text("#lever0-value").startswith("180")
        assert page.get_attribute("#lever0", "aria-valuetext").startswith("180")
        assert page.inner_text("#command") == f"{COMMAND} {FACE}=180 {VALID}=60"
        assert "180" in page.evaluate("location.hash")
        seconds = page.evaluate(
            "(() => { const start = performance.now(); for (let i = 0; i < 20; i++) moved(); "
            "return (performance.now() - start) / 20; })()"
        )
        assert seconds < 50  # milliseconds
        assert page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") < 1000


def test_an_address_brings_a_setting_back(folder: Path, browser: Any) -> None:
    write_report(folder, "en")
    slider = data_of(folder)["sliders"][0]
    fragment = f"#{FACE}=210&{VALID}=90&{slider['key']}={slider['values'][3]}"
    with shown(browser, f"{address(folder)}{fragment}") as page:
        assert page.inner_text("#lever0-value") == "210 yen"
        assert page.is_checked("#hold0")
        count = int(page.inner_text("#effective").split()[0])
        assert count < 64
        page.click("#reset")
        assert page.inner_text("#effective").startswith("64 of 64")
        assert page.inner_text("#lever0-value") == "150 yen"


def test_every_control_and_figure_has_a_name(folder: Path, browser: Any) -> None:
    write_report(folder, "en")
    with shown(browser, address(folder)) as page:
        nameless = page.evaluate(
            "[...document.querySelectorAll('input, select, button')].filter((one) => "
            "!(one.labels && one.labels.length) && !one.textContent.trim()).map((one) => one.id)"
        )
        assert nameless == []
        assert all(page.locator("svg").nth(i).get_attribute("aria-label") for i in range(page.locator("svg").count()))
        assert page.locator("output[aria-live]").count() >= 2
        assert len(page.pdf()) > 10_000


def test_a_served_page_simulates_a_setting_and_tells_the_gap(folder: Path, browser: Any) -> None:
    write_report(folder, "en")
    asked: list[Any] = []

    def check(setting: Any) -> dict[str, Any]:
        asked.append(setting)
        return {"effects": dict.fromkeys(("ltv", "year_1", "tail", "nps", "orders", "on_time", "cost"), 1.5)}

    with Server(folder / "explore.html", check) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with shown(browser, server.address) as page:
            page.click("#run")
            page.wait_for_selector("#checked p")
            assert page.inner_text("#checked p:first-child").startswith("LTV: simulated +1.5")
            assert page.locator("svg .real").count() == 2
        server.shutdown()
    assert asked == [{FACE: 150, VALID: 60}]
    with shown(browser, address(folder)) as page:
        assert not page.is_visible("#run")
