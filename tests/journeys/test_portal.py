"""One image's way through the portal in a real browser: ordered, watched, decided, published."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from generation.jobs import selectors as jobs
from tests.integration.web import world as worlds
from tests.integration.web.world import World

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """Start Chromium; its driver keeps an event loop in this thread, which Django must not mind."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def world(
    transactional_db: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    """Return the demo's brand, committed, so that the server's thread sees it."""
    return worlds.build(settings, tmp_path, monkeypatch)


class Desk:
    """One person at one browser; collects whatever the console complains about."""

    def __init__(self, browser: Browser, world: World, url: str, **context: Any) -> None:
        self.complaints: list[str] = []
        self._world, self._url = world, url
        self.page: Page = browser.new_context(viewport=DESK, locale="en-GB", **context).new_page()
        self.page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type == "error" else None,
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def sign_in(self, username: str) -> Page:
        self.page.goto(f"{self._url}/sign-in/")
        self.page.get_by_label("User name").fill(username)
        self.page.get_by_label("Password").fill(self._world.passwords[username])
        self.page.get_by_label("Password").press("Enter")
        expect(self.page.get_by_role("heading", level=1)).to_contain_text("Hello")
        return self.page


class TestOneImage:
    def test_is_ordered_watched_decided_and_published(
        self, browser: Browser, world: World, live_server: Any
    ) -> None:
        marketer = Desk(browser, world, live_server.url)
        page = marketer.sign_in("marta")
        page.get_by_role("link", name="Order images").click()
        page.get_by_role("link", name="Hero shot").click()
        page.get_by_label("Color").select_option("red")
        expect(page.locator("#preview .prompt")).to_contain_text("red")
        page.get_by_role("button", name="Order", exact=True).press("Enter")
        expect(page.get_by_text("3 images wait for a worker.")).to_be_visible()

        job_id = page.url.rstrip("/").rsplit("/", 1)[1]
        job = jobs.get_job(world.actor("marta"), UUID(job_id))
        made = world.make(job)
        sheet = page.locator("#sheet")
        expect(sheet.get_by_text("3 of 3 images are made.")).to_be_visible(timeout=10_000)
        expect(page.locator("#sheet").get_by_role("link", name="Review")).to_have_count(3)

        case = world.cases(made)[0]
        for username in ("bruno", "clara"):
            desk = Desk(browser, world, live_server.url)
            review = desk.sign_in(username)
            review.goto(f"{live_server.url}/reviews/{case.id}/")
            review.get_by_role("radio", name="Approve", exact=True).focus()
            review.keyboard.press("Space")
            review.get_by_role("button", name="Record decision").press("Enter")
            expect(review.get_by_role("status")).to_contain_text("pproved")
            assert desk.complaints == []

        world.record_release(case)
        page.get_by_role("link", name="Published").click()
        page.get_by_role("button", name="Publish").click()
        expect(page.get_by_role("status")).to_contain_text("Ordered")
        expect(page.get_by_role("cell", name="Waiting")).to_be_visible()
        assert marketer.complaints == []

    def test_is_ordered_and_reviewed_without_script(
        self, browser: Browser, world: World, live_server: Any
    ) -> None:
        desk = Desk(browser, world, live_server.url, java_script_enabled=False)
        page = desk.sign_in("marta")
        page.goto(f"{live_server.url}/templates/{world.template().id}/order/")
        page.get_by_label("Color").select_option("red")
        page.get_by_role("button", name="Show the prompt").click()
        expect(page.locator("#preview .prompt")).to_contain_text("red")
        page.get_by_role("button", name="Order", exact=True).click()
        expect(page.get_by_role("link", name="Look again")).to_be_visible()
        job_id = page.url.rstrip("/").rsplit("/", 1)[1]
        made = world.make(jobs.get_job(world.actor("marta"), UUID(job_id)))
        page.get_by_role("link", name="Look again").click()
        expect(page.locator("#sheet").get_by_text("3 of 3 images are made.")).to_be_visible()

        case = world.cases(made)[0]
        reviewer = Desk(browser, world, live_server.url, java_script_enabled=False)
        review = reviewer.sign_in("bruno")
        review.goto(f"{live_server.url}/reviews/{case.id}/")
        review.get_by_role("radio", name="Reject").check(force=True)
        review.get_by_label("Reason").fill("The horizon tilts.")
        review.get_by_role("button", name="Record decision").click()
        expect(review.get_by_role("status")).to_contain_text("Recorded: Rejected")


class TestEveryPage:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_fits_a_phone_and_complains_of_nothing(
        self, browser: Browser, world: World, live_server: Any, scheme: str
    ) -> None:
        job = world.make(world.order(2), verdict="flag")
        case = world.cases(job)[0]
        desk = Desk(browser, world, live_server.url, color_scheme=scheme)
        page = desk.sign_in("bruno")
        page.set_viewport_size(PHONE)
        for path in (
            "/",
            "/templates/",
            "/orders/",
            f"/orders/{job.id}/",
            "/reviews/",
            f"/reviews/{case.id}/",
            "/published/",
        ):
            page.goto(f"{live_server.url}{path}")
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, path
            assert page.locator("h1").count() == 1, path
        assert desk.complaints == []
