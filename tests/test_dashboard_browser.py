"""The dashboard in Debian's Chromium: every page and action, by eye (screenshots), by keyboard, by axe.

ELAAOMS_SCREENSHOTS=FOLDER keeps a picture of every page at 1280 and 390 pixels, light and dark.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from attrs import frozen
from conftest import ADMIN_TOKEN, ROBIN, Platform, started
from desk import MIA, Visitor, full_house

from elaaoms.config import Config

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

CHROMIUM = shutil.which("chromium")
pytest.importorskip("playwright", reason="playwright is not installed (the extra `e2e`)")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
    pytest.mark.asyncio(loop_scope="module"),
]
DESK, PHONE = {"width": 1280, "height": 850}, {"width": 390, "height": 850}
AXE = (
    "() => axe.run(document, {resultTypes: ['violations'], preload: false}).then(found => found.violations.map("
    "v => `${v.impact} ${v.id}: ${v.nodes.map(n => n.target.join(' ')).slice(0, 3).join(', ')}`))"
)

SEEKED = (
    "() => new Promise(done => { const look = () => document.getElementById('recording').currentTime >= 8"
    " ? done() : setTimeout(look, 20); look(); })"
)


@frozen
class House:
    """A daemon with callers, and the keys of what is in it."""

    platform: Platform
    keys: dict[str, str]

    @property
    def home(self) -> str:
        """The dashboard's address."""
        return f"{self.platform.admin_url}/dashboard"


@frozen
class Desk:
    """A logged-in browser before a full house; `complaints` are what it said against our pages."""

    page: Page
    home: str
    keys: dict[str, str]
    complaints: list[str]

    def paths(self) -> dict[str, str]:
        """Every page, by name."""
        return {
            "now": "",
            "calls": "/calls",
            "call": "/calls/conv_first",
            "hostile": "/calls/conv_hostile",
            "callers": "/callers",
            "search": "/callers?q=peanuts",
            "caller": f"/callers/{self.keys['robin']}",
            "mia": f"/callers/{self.keys['mia']}",
            "jobs": "/jobs",
            "job": f"/jobs/{self.keys['job']}",
            "storage": "/storage",
            "trail": "/audit",
            "error": "/nowhere",
        }

    async def go(self, path: str) -> None:
        await self.page.goto(self.home + path)

    async def says(self, text: str) -> None:
        """The notice after an action."""
        await self.page.locator(".notice", has_text=text).wait_for()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One browser for every test here; each has a context of its own."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One daemon with a full house for those who only look."""
    data = tmp_path_factory.mktemp("house") / "data"
    async with started(Config(data_dir=str(data))) as platform:
        yield House(platform, await full_house(platform))


@asynccontextmanager
async def visiting(browser: Browser, house: House, **view: Any) -> AsyncIterator[Desk]:
    """A page of somebody who is logged in; a login by hand takes its time and is one test's."""
    visitor = Visitor(house.platform)
    assert (await visitor.log_in()).status == 303
    cookies = [{"name": name, "value": value, "url": house.home} for name, value in visitor.jar.items()]
    context = await browser.new_context(**view)
    await context.add_cookies(cookies)
    try:
        page = await context.new_page()
        yield Desk(page, house.home, house.keys, _listening(page, house.home))
    finally:
        await context.close()


def _listening(page: Page, home: str) -> list[str]:
    """What the browser says against our pages, from now on."""
    page.set_default_timeout(30_000)
    complaints: list[str] = []

    def requested(url: str) -> None:
        if not url.startswith((home, "data:", "blob:")):
            complaints.append(f"asked elsewhere: {url}")

    page.on("request", lambda request: requested(request.url))
    page.on("pageerror", lambda error: complaints.append(f"a script failed: {error}"))
    page.on("dialog", lambda dialog: complaints.append(f"a dialog opened: {dialog.message}"))
    page.on(
        "console",
        lambda message: (
            complaints.append(f"console: {message.text}")
            if message.type in ("error", "warning") and "404" not in message.text
            else None
        ),
    )
    return complaints


async def test_every_page_is_whole_on_a_desk_and_on_a_phone_in_light_and_dark(
    browser: Browser, house: House
) -> None:
    axe = (resources.files("axe_playwright_python") / "axe.min.js").read_text()
    async with visiting(browser, house, reduced_motion="reduce") as desk:
        for name, path in desk.paths().items():
            await desk.page.emulate_media(color_scheme="light")
            await desk.page.set_viewport_size(DESK)
            await desk.go(path)
            if name == "now":
                await desk.page.locator(".plot canvas").first.wait_for()
            await _pictures(desk, name)
            await desk.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            await desk.page.evaluate(axe)
            for size, scheme in ((DESK, "light"), (PHONE, "dark")):
                await desk.page.emulate_media(color_scheme=scheme)
                await desk.page.set_viewport_size(size)
                wider = await desk.page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert wider <= 0, f"{name} is {wider} px wider than {size['width']}"
                if size is DESK or name in ("now", "call", "caller", "jobs"):
                    found = [line for line in await desk.page.evaluate(AXE) if not line.startswith("minor")]
                    assert not found, f"{name} at {size['width']}, {scheme}: {found}"
        assert not desk.complaints, desk.complaints


async def _pictures(desk: Desk, name: str) -> None:
    """The page as it stands, at both widths and in both schemes, if somebody wants to look at it."""
    folder = os.environ.get("ELAAOMS_SCREENSHOTS")
    if not folder:
        return
    for size in (PHONE, DESK):
        for scheme in ("dark", "light"):
            await desk.page.emulate_media(color_scheme=scheme)
            await desk.page.set_viewport_size(size)
            await desk.page.reload()
            if name == "now":
                await desk.page.locator(".plot canvas").first.wait_for()
            shot = Path(folder) / f"{name}-{size['width']}-{scheme}.png"
            await desk.page.screenshot(path=shot, full_page=True)


async def test_the_login_is_typed_and_leads_on(browser: Browser, house: House) -> None:
    context = await browser.new_context()
    try:
        page = await context.new_page()
        complaints = _listening(page, house.home)
        await page.goto(f"{house.home}/jobs")
        await page.locator("#token:focus").wait_for()
        await page.keyboard.type(ADMIN_TOKEN)
        await page.keyboard.press("Enter")
        await page.locator("h1", has_text="Jobs").wait_for()
        assert not complaints, complaints
    finally:
        await context.close()


async def test_every_action_is_done_in_the_browser(browser: Browser, tmp_path: Path) -> None:
    async with started(Config(data_dir=str(tmp_path / "data"))) as platform:
        house = House(platform, await full_house(platform))  # of its own, because everything in it is changed
        async with visiting(browser, house) as desk:
            await _every_action(desk, house)


async def _every_action(desk: Desk, house: House) -> None:
    page, platform, keys = desk.page, house.platform, house.keys
    # Search while typing, without a new page.
    await desk.go("/callers")
    await page.locator("#q").press_sequentially("robin b", delay=10)
    await page.locator("#results h2", has_text="Callers").wait_for()
    assert await page.locator("#results .who").all_inner_texts() == ["Robin Baker"]
    assert page.url.endswith("?q=robin+b") or page.url.endswith("?q=robin%20b")
    await page.locator("#results td a", has_text="Robin Baker").click()
    await page.locator("h1", has_text="Robin Baker").wait_for()

    # A memory: edit, pin, forget; the old words are restored.
    card = page.locator(".memory:not(.superseded)", has_text="Order XYZ-789").first
    await card.locator("summary", has_text="Edit").click()
    await card.locator("textarea").fill("Order XYZ-789 came at last.")
    await card.locator("button", has_text="Save").click()
    await desk.says("Changed")
    card = page.locator(".memory", has_text="came at last").first
    await card.locator("button", has_text="Pin").click()
    await desk.says("Pinned")
    assert await page.locator(".memory.pinned", has_text="came at last").count() == 1
    await page.locator(".memory.superseded", has_text="Leeds").locator("button", has_text="Restore").click()
    await desk.says("Restored")
    card = page.locator("article[id]", has_text="lives in Leeds").first
    await card.locator("summary", has_text="Forget").click()
    await card.locator("button", has_text="Forget this memory").click()
    await desk.says("Forgotten")
    assert await page.locator(".memory", has_text="lives in Leeds").count() == 0
    await page.locator(".versus button").first.click()
    await desk.says("Forgotten")
    assert await page.locator(".versus").count() == 0
    await page.locator("summary", has_text="Add a memory").click()
    await page.locator(".add textarea").fill("Collects stamps.")
    await page.locator(".add button").click()
    await desk.says("Remembered")

    # Files, merge, erase.
    async with page.expect_download() as download:
        await page.locator("a", has_text="Export as JSON").click()
    assert (await download.value).suggested_filename == f"{keys['robin']}.json"
    await desk.go(f"/callers/{keys['anna']}")
    await page.locator("summary", has_text="somebody known").click()
    await page.locator("input[name=into]").fill(ROBIN)
    await page.locator("input[name=sure]").check()
    await page.locator("button", has_text="Merge").click()
    await desk.says("one caller now")
    await desk.go(f"/callers/{keys['mia']}")
    await page.locator("summary", has_text="Erase this caller").click()
    await page.locator("input[name=typed]").fill(MIA)
    await page.locator("button", has_text="Erase for good").click()
    await desk.says("is erased")
    assert await page.locator("#erasures + table tbody tr").count() == 1

    # A call: the recording at the second of a turn, a quote and its memory, other readings.
    await desk.go("/calls/conv_first")
    await page.locator(".listen").nth(2).click()
    async with asyncio.timeout(30):
        await page.evaluate(SEEKED)
    await page.locator("mark a").first.click()
    assert "#mem_" in page.url
    await page.locator("summary", has_text="Compare").click()
    await page.locator("button", has_text="Compare").click()
    await page.locator("h1", has_text="Another reading").wait_for()
    await page.locator("button", has_text="keep the result").click()
    await desk.says("took the old one's place")
    await page.locator("button", has_text="Read it again").click()
    await desk.says("queued again")
    await platform.processed("conv_first")

    # Jobs: retry, cancel.
    await desk.go("/jobs")
    await page.get_by_role("button", name=f"Retry job {keys['job']}", exact=True).click()
    await desk.says("is due now")
    await platform.settled(int(keys["job"]))
    await page.reload()
    await page.get_by_role("button", name=f"Cancel job {keys['job']}", exact=True).click()
    await desk.says("is cancelled")

    # Now renews itself, and leads to the login once the session ended elsewhere.
    await desk.go("")
    before = await page.locator(".headline time").get_attribute("datetime")
    assert before
    async with page.expect_response("**/dashboard/now"):
        await page.evaluate("htmx.trigger('#now', 'every')")
    await page.locator(".headline").wait_for()
    assert not desk.complaints, desk.complaints
    await page.context.clear_cookies()
    await page.evaluate("htmx.trigger('#now', 'every')")
    await page.locator("#token").wait_for()


async def test_every_page_works_without_scripts_and_by_keyboard(browser: Browser, house: House) -> None:
    async with visiting(browser, house, java_script_enabled=False) as desk:
        await desk.go("/callers?q=robin")
        await desk.page.locator("#results td a", has_text="Robin Baker").click()
        await desk.page.locator("h1", has_text="Robin Baker").wait_for()
        await desk.page.keyboard.press("Tab")  # the first stop leads past the navigation
        focused = desk.page.locator(":focus")
        assert await focused.inner_text() == "Skip to the content"
        await desk.page.keyboard.press("Enter")
        await desk.page.keyboard.press("Tab")
        assert await desk.page.locator("main :focus").count() == 1
        pin = desk.page.locator("button", has_text="Pin").first
        await pin.focus()
        await desk.page.keyboard.press("Enter")
        await desk.says("Pinned")
