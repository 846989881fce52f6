"""The live page in a real browser."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_participants import FOCUS
from guessed_tokens import Guesser
from live_service import TOKEN, LiveService
from playwright.sync_api import APIResponse, Page, Route, expect, sync_playwright

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
            assert not [text for text in said if not re.search("40[49]", text)], said
            outside = [url for url in asked if not re.match(rf"(http|ws)://127\.0\.0\.1:{service.port}/|data:", url)]
            assert not outside
            assert not any(TOKEN in url.partition("#")[0] for url in asked)
        finally:
            browser.close()


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def visit(page: Page, service: LiveService) -> None:
    page.goto(f"{service.url}/#token={TOKEN}")
    expect(page.locator("#link")).to_have_text("connected")  # and subscribed: nothing that comes now is missed


def tell(service: LiveService, **status: object) -> None:
    """Let the headset's state be another, for who asks and for who listens."""
    service.participants.view("p01").update(status)
    usual = {"state": "streaming", "detail": "", "rate_hz": 250.0, "lost_samples": 0, "battery": None}
    service.hub.publish("p01", "status", usual | status)


def publish_quality(service: LiveService) -> None:
    channels = [
        {"label": "Fp1", "contact": True, "flags": [], "usable": 1.0},
        {"label": "AF8", "contact": False, "flags": ["railed", "line"], "usable": 0.1},
    ]
    service.hub.publish("p01", "quality", {"channels": channels})


def test_a_person_sees_score_reason_electrodes_and_that_it_is_simulated(service: LiveService, page: Page) -> None:
    visit(page, service)
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


def test_how_well_a_person_can_be_read_stands_beside_the_score(service: LiveService, page: Page) -> None:
    visit(page, service)
    service.hub.publish("p01", "focus", FOCUS)
    expect(page.locator("#certificate")).to_have_text("not measured")
    measured = {"auc": 0.81, "low": 0.74, "high": 0.87, "age_days": 12.2}
    service.hub.publish("p01", "focus", FOCUS | {"certificate": measured})
    expect(page.locator("#certificate")).to_have_text(".81 [.74–.87], 12 days ago")
    shoot(page, "certificate")
    invalid = {"value": None, "raw": None, "steady": None, "valid": False, "reason": "artifact"}
    service.hub.publish("p01", "focus", FOCUS | invalid)
    expect(page.locator("#certificate")).to_have_text("–")


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
    visit(page, service)
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


def test_a_good_token_is_kept_while_others_guess_and_comes_again(service: LiveService, page: Page) -> None:
    guesser = Guesser(service)
    page.goto(f"{service.url}/#token={TOKEN}")
    expect(page.locator("#link")).to_contain_text("too many wrong tokens from 127.0.0.1; try again in")
    guesser.forgive()
    expect(page.locator("#link")).to_have_text("connected", timeout=20_000)
    expect(page.locator("#live")).to_be_visible()


def test_calibration_pause_and_the_simulator_are_at_hand(service: LiveService, page: Page) -> None:
    visit(page, service)
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


def test_a_stalled_stream_keeps_no_green_electrode_and_no_rate(service: LiveService, page: Page) -> None:
    visit(page, service)
    tell(service, rate_hz=250.0)
    publish_quality(service)
    first = page.locator("#channels li").first
    expect(first).to_have_attribute("data-kind", "good")
    expect(page.locator("#device")).to_contain_text("250.0 Hz")
    tell(service, state="stalled", detail="no samples for more than a second")
    for row in page.locator("#channels li").all():
        expect(row).to_have_attribute("data-kind", "none")
        expect(row.locator(".said")).to_have_text("–")
        expect(row.locator(".bar span")).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    expect(page.locator("#device")).not_to_contain_text("Hz")
    expect(page.locator("#detail")).to_have_text("no samples for more than a second")
    shoot(page, "stalled")
    tell(service, state="streaming", detail="")
    publish_quality(service)
    expect(first).to_have_attribute("data-kind", "good")


def test_quality_that_no_longer_comes_is_not_shown_as_if_it_were_fresh(service: LiveService, page: Page) -> None:
    visit(page, service)
    publish_quality(service)
    first = page.locator("#channels li").first
    expect(first).to_have_attribute("data-kind", "good")
    expect(first).to_have_attribute("data-kind", "none", timeout=8000)


def test_a_participant_without_signal_shows_that_there_is_none(service: LiveService, page: Page) -> None:
    with service.http() as http:
        http.post("/v1/streams", json={"id": "p02", "sources": ["brainflow:synthetic"]}).raise_for_status()
    visit(page, service)
    publish_quality(service)
    expect(page.locator("#channels li")).to_have_count(2)
    page.locator("#stream").select_option("p02")
    expect(page.get_by_text("No signal yet.")).to_be_visible()
    expect(page.locator("#channels li")).to_have_count(0)
    expect(page.locator("#simulator")).to_be_hidden()
    shoot(page, "no-signal")
    page.locator("#stream").select_option("p01")
    expect(page.locator("#channels li")).to_have_count(2)
    expect(page.get_by_text("No signal yet.")).to_be_hidden()


@pytest.mark.parametrize("width", [1100, 390])
def test_a_long_list_of_flags_leaves_the_bar_its_room(service: LiveService, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    visit(page, service)
    flags = ["railed", "flat", "line", "muscle", "blink", "pop", "contact", "missing"]
    channels = [{"label": label, "contact": False, "flags": flags, "usable": 0.5} for label in ("Fp1", "EXG 12")]
    service.hub.publish("p01", "quality", {"channels": channels})
    expect(page.locator("#channels li").last).to_contain_text("samples missing")
    for row in page.locator("#channels li").all():
        bar, said = row.locator(".bar").bounding_box(), row.locator(".said").bounding_box()
        assert bar is not None
        assert said is not None
        assert bar["width"] >= 60
        assert said["x"] >= bar["x"] + bar["width"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shoot(page, f"flags-{width}")


@pytest.mark.parametrize(
    ("button", "said", "baseline"),
    [
        (
            "Still sits the same: use the baseline again",
            "in use again",
            "In use: 30 s with eyes open, taken 2 min ago.",
        ),
        ("Forget the baseline", "is deleted", "None in use"),
    ],
)
def test_a_baseline_that_ended_is_confirmed_or_forgotten_before_ones_eyes(
    service: LiveService, page: Page, button: str, said: str, baseline: str
) -> None:
    service.participants.view("p01").update(baseline=None, baseline_ended=True)
    visit(page, service)
    expect(page.locator("#baseline")).to_contain_text("ended, because the headset was off")
    page.get_by_role("button", name=button).click()
    expect(page.locator("#calibration-said")).to_contain_text(said)
    expect(page.locator("#baseline")).to_contain_text(baseline)
    expect(page.get_by_role("button", name="Still sits the same")).to_be_hidden()


def test_a_defect_of_ours_is_shown_with_its_stream(service: LiveService, page: Page) -> None:
    error = {"count": 2, "last": "close: OSError: usb stuck"}
    service.participants.view("p01")["internal_errors"] = error
    visit(page, service)
    expect(page.locator("#internal")).to_contain_text("2 internal errors")
    expect(page.locator("#internal")).to_contain_text("usb stuck")
    service.participants.view("p01")["internal_errors"] = {"count": 0, "last": None}
    tell(service, state="stalled")
    expect(page.locator("#internal")).to_be_hidden()


def test_an_ended_source_stays_and_a_removed_participant_goes(service: LiveService, page: Page) -> None:
    with service.http() as http:
        http.post("/v1/streams", json={"id": "p02", "sources": ["simulator:focus"]}).raise_for_status()
        visit(page, service)
        tell(service, state="closed", detail="rest.edf has ended")
        expect(page.locator("#detail")).to_have_text("rest.edf has ended")
        stale = {"value": None, "raw": None, "steady": None, "valid": False, "reason": "stale"}
        service.hub.publish("p01", "focus", FOCUS | stale)
        expect(page.locator("#reason")).to_have_text("The source has ended.")
        expect(page.locator("#stream option")).to_have_text(["p01", "p02"])
        http.delete("/v1/streams/p01").raise_for_status()
        service.hub.publish("p01", "status", {"state": "closed", "detail": "removed"})
        expect(page.locator("#reason")).to_have_text("p01 was closed; this is p02.")
        expect(page.locator("#chooser")).to_be_hidden()


def test_faults_and_slider_show_what_holds_after_a_reload_and_survive_each_other(
    service: LiveService, page: Page
) -> None:
    service.participants.view("p01")["simulator"] = {"attention": 0.2, "fault": "stale"}
    visit(page, service)
    stale = page.get_by_role("button", name="stale")
    expect(stale).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#attention-shown")).to_have_text("20 %")
    page.locator("#attention").fill("80")
    page.locator("#attention").dispatch_event("change")
    expect(page.locator("#attention-shown")).to_have_text("80 %")
    expect(stale).to_have_attribute("aria-pressed", "true")
    stale.click()
    expect(stale).to_have_attribute("aria-pressed", "false")
    assert service.participants.simulated["p01"] == (None, None)


def test_a_proposal_is_shown_with_its_reason_and_can_be_refused(service: LiveService, page: Page) -> None:
    visit(page, service)
    expect(page.locator("#proposal")).to_be_hidden()
    told = {"kind": "rest", "text": "25 minutes without a rest: time for one.", "evidence": {"worked_s": 1500.0}}
    service.hub.publish("p01", "proposal", {"t_unix_s": 1.0, "t_lsl_s": 1.0, **told})
    expect(page.locator("#proposal-text")).to_have_text("25 minutes without a rest: time for one.")
    again = {"kind": "recalibration", "text": "The baseline is old.", "evidence": {}}
    service.hub.publish("p01", "proposal", {"t_unix_s": 2.0, "t_lsl_s": 2.0, **again})
    expect(page.locator("#proposal-said")).to_have_text("1 more after this")
    expect(page.locator("#proposal-text")).to_have_text("25 minutes without a rest: time for one.")
    shoot(page, "proposal")
    page.get_by_role("button", name="Not now").click()
    expect(page.locator("#proposal-text")).to_have_text("The baseline is old.")
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("#proposal")).to_be_hidden()
    assert service.participants.loop.answers == [("p01", "rest", False), ("p01", "recalibration", True)]


def test_a_new_baseline_ends_the_proposal_of_one(service: LiveService, page: Page) -> None:
    visit(page, service)
    told = {"t_unix_s": 1.0, "t_lsl_s": 1.0, "evidence": {}}
    service.hub.publish("p01", "proposal", {**told, "kind": "recalibration", "text": "There is no baseline."})
    expect(page.locator("#proposal-text")).to_have_text("There is no baseline.")
    ended = {"phase": "eyes_open", "progress": 1.0, "code": None, "message": ""}
    service.hub.publish("p01", "calibration", {**ended, "state": "refused"})
    service.hub.publish("p01", "proposal", {**told, "kind": "rest", "text": "Time for a rest."})
    expect(page.locator("#proposal-said")).to_have_text("1 more after this")  # refused: it is still proposed
    service.hub.publish("p01", "calibration", {**ended, "state": "done"})
    expect(page.locator("#proposal-text")).to_have_text("Time for a rest.")


def test_neurofeedback_is_shown_with_its_thresholds_and_goes_when_it_ends(service: LiveService, page: Page) -> None:
    visit(page, service)
    expect(page.locator("#neurofeedback")).to_be_hidden()
    alpha = {"name": "8-13 Hz", "side": "reward", "unit": "dB", "reading": 1.5, "threshold": 0.4, "met": True}
    told = {"t_unix_s": 1.0, "t_lsl_s": 1.0, "origin": "simulator", "state": "running", "valid": True, "reason": None}
    more = {
        "detail": "At rest all criteria held 60% of the time.",
        "warnings": [],
        "progress": 1.0,
        "share_met": 0.7,
        "predicted": 0.6,
    }
    now = {**told, **more, "rewarded": True, "brightness": None, "rewards": 3, "criteria": [alpha]}
    service.hub.publish("p01", "neurofeedback", now)
    card = page.locator("#neurofeedback")
    expect(card).to_contain_text("SIMULATED: All criteria hold.")
    expect(card).to_contain_text("1.5 dB, at least 0.4 dB")
    expect(card).to_contain_text("3 rewards, all criteria held 70 % of the time")
    shoot(page, "neurofeedback")
    unread = {"valid": False, "reason": "not_worn", "criteria": [{**alpha, "reading": None, "met": None}]}
    service.hub.publish("p01", "neurofeedback", now | unread)
    expect(card).to_contain_text("Nothing is rewarded: The headset is not being worn.")
    expect(card).to_be_hidden()


def test_what_was_told_while_an_answer_was_on_its_way_is_newer_than_that(service: LiveService, page: Page) -> None:
    visit(page, service)
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/v1/streams/p01", lambda route: held.append((route, route.fetch())))
    tell(service, state="connecting", detail="looking for the headset")  # another state: the page asks for all of it
    while not held:
        expect(page.locator("#detail")).to_have_text("looking for the headset")
    tell(service, state="connecting", detail="two headsets match")
    expect(page.locator("#detail")).to_have_text("two headsets match")
    route, answer = held[0]
    route.fulfill(json=answer.json() | {"model": "as asked"})
    expect(page.locator("#device")).to_contain_text("as asked")
    assert page.locator("#detail").inner_text() == "two headsets match"


def test_what_is_waited_for_is_said_where_the_score_would_be(service: LiveService, page: Page) -> None:
    visit(page, service)
    tell(service, state="connecting", detail="the signal path is being compiled (once; up to a minute)")
    expect(page.locator("#detail")).to_contain_text("being compiled")
    nothing = {"value": None, "raw": None, "steady": None, "valid": False, "reason": "no_data"}
    service.hub.publish("p01", "focus", FOCUS | nothing)
    expect(page.locator("#reason")).to_contain_text("No sample has come yet: the signal path is being compiled")
    listing = "no LSL stream with type EEG. These are here:\n  lsl:name=A\n  lsl:name=B"
    tell(service, state="connecting", detail=listing)
    service.hub.publish("p01", "focus", FOCUS | nothing)
    expect(page.locator("#reason")).to_have_text("No sample has come yet; below it says what is looked for.")
    assert page.locator("#detail").inner_text() == listing
    shoot(page, "connecting")
