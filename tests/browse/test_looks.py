"""Every page in a real browser: wide and narrow, light and dark, by keyboard alone, with hostile text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.browse.conftest import Pages, Served, serve_pages
from tests.browse.workspaces import hostile, lively

if TYPE_CHECKING:
    from tests.browser import Browser, Opened

ADDRESSES = (
    "",
    "?tag=nothing",
    "prompt?ref=support/triage",
    "diff?old=support/triage@v1&new=@v3",
    "label?name=support/triage@staging",
    "file?path=prompts/support/tone.j2",
)
HOSTILE = (
    "",
    "prompt?ref=evil",
    "diff?old=uses@v1&new=uses",
    "label?name=evil@production",
    "file?path=prompts/part.j2",
)


@pytest.fixture(name="served", scope="module")
def lively_served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve_pages(Pages(lively(tmp_path_factory.mktemp("looks"), tmp_path_factory.getbasetemp())).site) as server:
        yield server


@contextmanager
def entered(browser: Browser, served: Served, *, width: int = 1280, dark: bool = False) -> Iterator[Opened]:
    """A window that came in by the printed address."""
    with browser.open(served.gate.address, width=width, dark=dark) as opened:
        opened.page.wait_for_url(f"**{served.gate.folder}")
        yield opened


def show(opened: Opened, served: Served, address: str) -> None:
    opened.page.goto(f"http://{served.gate.host}{served.gate.folder}{address}")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_each_page_is_sound(width: int, dark: bool, browser: Browser, served: Served) -> None:
    with entered(browser, served, width=width, dark=dark) as opened:
        for address in ADDRESSES if width < 1280 else ADDRESSES[:4]:
            show(opened, served, address)
            assert (address, opened.faults()) == (address, [])


def test_hostile_text_runs_nothing_and_asks_for_nothing(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        serve_pages(Pages(hostile(tmp_path_factory.mktemp("hostile"))).site) as served,
        entered(browser, served, width=400) as opened,
    ):
        opened.page.on("dialog", lambda dialog: opened.problems.append(dialog.message))
        for address in HOSTILE:
            show(opened, served, address)
            assert "alert(1)" in opened.page.inner_text("main")
            assert (address, [*opened.problems, *opened.too_wide()]) == (address, [])


def test_the_keyboard_alone_finds_and_compares(browser: Browser, served: Served) -> None:
    with entered(browser, served) as opened:
        page = opened.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.name") == "search"
        page.keyboard.type("triage")
        page.keyboard.press("Enter")
        page.wait_for_url("**search=triage**")
        page.focus("a.name")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        page.wait_for_url("**/prompt?**")
        page.focus("select[name=old]")
        page.keyboard.type("v1")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/diff?**")
        assert "v1 → " in page.inner_text("h1")
        assert opened.problems == []


def test_a_command_is_copied_as_it_stands(browser: Browser, served: Served) -> None:
    with entered(browser, served) as opened:
        show(opened, served, "diff?old=support/triage@v1&new=@v3")
        refuse = "navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', 'NotAllowedError'))"
        for way in ("", refuse):
            opened.page.evaluate(f"navigator.clipboard.writeText('nothing yet').then(() => {{ {way} }})")
            opened.page.click("button.copy")
            opened.page.wait_for_selector("text=Copied")
            copied = opened.page.evaluate("navigator.clipboard.readText()")
            assert copied == "promptctl diff support/triage@v1 @v3"
            opened.page.reload()
        opened.page.emulate_media(media="print")
        assert opened.page.locator("nav.top, form, button.copy").filter(visible=True).count() == 0
        assert opened.problems == []
