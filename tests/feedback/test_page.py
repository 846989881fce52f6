"""The live page in a real browser."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_participants import FOCUS
from live_service import TOKEN, LiveService
from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
SHOTS = os.environ.get("FOCUSLOOP_SCREENSHOTS")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LiveService]:
    with LiveService(tmp_path) as live:
        yield live


@pytest.fixture
def page(service: LiveService) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            opened = browser.new_page(viewport={"width": 1100, "height": 1000})
            said: list[str] = []
            asked: list[str] = []
            opened.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
            opened.on("pageerror", lambda error: said.append(str(error)))
            opened.on("request", lambda request: asked.append(request.url))
            yield opened
            assert not [text for text in said if "409" not in text], said
            outside = [url for url in asked if not re.match(rf"(http|ws)://127\.0\.0\.1:{service.port}/|data:", url)]
            assert not outside
            assert not any(TOKEN in url.partition("#")[0] for url in asked)
        finally:
            browser.close()


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def publish_quality(service: LiveService) -> None:
    channels = [
        {"label": "Fp1", "contact": True, "flags": [], "usable": 1.0},
        {"label": "AF8", "contact": False, "flags": ["railed", "line"], "usable": 0.1},
    ]
    service.hub.publish("p01", "quality", {"channels": channels})


def test_a_person_sees_score_reason_electrodes_and_that_it_is_simulated(service: LiveService, page: Page) -> None:
    page.goto(f"{service.url}/#token={TOKEN}")
    expect(page.locator("#link")).to_have_text("connected")
    assert "token" not in page.url
    for i in range(100):
        service.hub.publish("p01", "focus", FOCUS | {"value": 0.5 + 0.2 * (i % 10) / 10, "raw": 0.6})
    service.hub.publish("p01", "focus", FOCUS)
    publish_quality(service)
    expect(page.locator("#value")).to_have_text("71")
    expect(page.locator("#value")).to_have_attribute("aria-valuenow", "71")
    expect(page.locator("#origin")).to_contain_text("SIMULATED")
    expect(page.locator("#channels li")).to_have_count(2)
    expect(page.locator("#channels li").nth(1)).to_contain_text("at its limit, mains hum")
    expect(page.locator("#device")).to_contain_text("Simulated headset")
    shoot(page, "light")
    page.emulate_media(color_scheme="dark")
    shoot(page, "dark")
    invalid = {"value": None, "raw": None, "steady": None, "valid": False, "reason": "not_worn"}
    service.hub.publish("p01", "focus", FOCUS | invalid)
    expect(page.locator("#reason")).to_have_text("The headset is not being worn.")
    expect(page.locator("#value")).to_have_text("–")


def test_what_the_score_rests_on_is_shown_and_goes_with_the_score(service: LiveService, page: Page) -> None:
    page.goto(f"{service.url}/#token={TOKEN}")
    expect(page.locator("#link")).to_have_text("connected")
    service.hub.publish("p01", "focus", FOCUS)
    bands = [
        {"low_hz": 6.0, "high_hz": 8.0, "share": 0.25, "logit": -0.4},
        {"low_hz": 10.0, "high_hz": 13.0, "share": 0.75, "logit": 1.2},
    ]
    regions = [{"region": "back", "share": 1.0, "logit": 0.8}]
    told = {"valid": True, "reason": None, "bands": bands, "regions": regions, "ocular": 0.1, "muscular": 0.02}
    service.hub.publish("p01", "explanation", told)
    rows = page.locator("#explanation li")
    expect(rows).to_have_text(
        [
            "6–8 Hz25 %, lowers it",
            "10–13 Hz75 %, raises it",
            "back100 %, raises it",
            "eyes, at most10 %",
            "muscle, at most2 %",
        ]
    )
    assert rows.nth(1).locator(".bar span").get_attribute("style") == "width: 75%;"
    shoot(page, "explanation")
    invalid = {"value": None, "raw": None, "steady": None, "valid": False, "reason": "not_worn"}
    service.hub.publish("p01", "focus", FOCUS | invalid)
    expect(rows).to_have_count(0)


def test_silence_is_never_an_old_score(service: LiveService, page: Page) -> None:
    page.goto(f"{service.url}/#token={TOKEN}")
    expect(page.locator("#link")).to_have_text("connected")
    service.hub.publish("p01", "focus", FOCUS)
    expect(page.locator("#value")).to_have_text("71")
    expect(page.locator("#value")).to_have_text("–", timeout=8000)
    expect(page.locator("#reason")).to_have_text("The service sends no scores.")


def test_without_a_token_it_asks_for_one(service: LiveService, page: Page) -> None:
    page.goto(service.url)
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Connect").click()
    expect(page.locator("#door-why")).to_contain_text("wrong or has expired")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Connect").click()
    expect(page.locator("#link")).to_have_text("connected")
    expect(page.locator("#live")).to_be_visible()


def test_calibration_pause_and_the_simulator_are_at_hand(service: LiveService, page: Page) -> None:
    page.goto(f"{service.url}/#token={TOKEN}")
    page.get_by_role("button", name="Record a baseline").click()
    expect(page.get_by_role("heading", name="Look at the cross")).to_be_visible()
    shoot(page, "rest")
    service.hub.publish("p01", "calibration", {"state": "done", "message": "30 s of clean rest"} | {"progress": 1.0})
    expect(page.locator("#calibration-said")).to_have_text("Baseline recorded: 30 s of clean rest")
    expect(page.locator("#rest")).not_to_be_visible()
    page.get_by_role("button", name="Pause scoring").click()
    expect(page.get_by_role("button", name="Resume scoring")).to_be_visible()
    page.get_by_role("button", name="stale").click()
    expect(page.get_by_role("button", name="stale")).to_have_attribute("aria-pressed", "true")
    page.locator("#attention").fill("80")
    page.locator("#attention").dispatch_event("change")
    expect(page.locator("#attention-shown")).to_have_text("80 %")
