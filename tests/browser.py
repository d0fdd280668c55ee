"""A real browser for pages: Chromium, held by Playwright, which sees what goes wrong in them.

One browser serves a process. Pages are opened without a network, but for servers on this machine.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "headless_shell")
_OPTIONS = (
    *("--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update"),
    *("--disable-gpu", "--in-process-gpu"),
    *("--renderer-process-limit=1", "--process-per-site"),  # one process draws all pages, one by one
)
# Everything within the page that is wider than the window, but for what scrolls in a box of its own.
_TOO_WIDE = """() => {
  const root = document.documentElement, boxes = ["auto", "scroll", "hidden", "clip"];
  const scrolls = (node) => node && node !== root && (boxes.includes(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
  const isWide = (node) => node.getBoundingClientRect().right > root.clientWidth + 1;
  const isSeen = (node) => !scrolls(node.parentElement) && !node.closest(".unseen");
  const wide = [...document.querySelectorAll("body *")].filter((node) => isWide(node) && isSeen(node));
  const names = wide.map((node) => `${node.tagName}.${node.className}`);
  return root.scrollWidth > root.clientWidth + 1 ? [`page ${root.scrollWidth} of ${root.clientWidth}`, ...names] : names;
}"""  # noqa: E501


@dataclass
class Opened:
    """A page in the browser, and what went wrong in it so far: errors, warnings, and requests that left the page."""

    page: Page
    problems: list[str] = field(default_factory=list)

    def violations(self) -> list[str]:
        """What axe-core finds wrong, with the first place of each."""
        self.page.evaluate(_axe())
        found = self.page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
        return [f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]}" for each in found]

    def until(self, claim: str) -> None:
        """Wait until an expression is true; Playwright's own waiting asks for an eval that our pages forbid."""
        for _ in range(1_000):
            if self.page.evaluate(claim):
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"{claim} is not true after 20 s")

    def too_wide(self) -> list[str]:
        """What is wider than the window."""
        found: list[str] = self.page.evaluate(_TOO_WIDE)
        return found[:5]

    def faults(self) -> list[str]:
        """Everything that is wrong with how the page is now."""
        return [*self.problems, *self.violations(), *self.too_wide()]


class Browser:
    """Opens pages: files, and addresses on this machine."""

    def __init__(self, chromium: Chromium) -> None:
        self._chromium = chromium
        self._context = chromium.new_context(
            locale="en-US", timezone_id="UTC", reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
        )  # fmt: skip
        # One window stays, with the process that draws it: the next needs none of its own.
        self._context.new_page()
        self._loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)

    @contextmanager
    def open(self, place: Path | str, *, width: int = 1280, height: int = 900, dark: bool = False) -> Iterator[Opened]:
        """Open a page, by its path or address, in a window of its own; nothing is kept from one to the next."""
        address = place if isinstance(place, str) else place.absolute().as_uri()
        home = address.partition("#")[0] if address.startswith("file:") else "/".join(address.split("/")[:3]) + "/"
        # Playwright leaves its loop running in this thread, where other tests have loops of their own.
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self._loop)
        page = self._context.new_page()
        opened = Opened(page)
        problems = opened.problems
        page.on("console", lambda said: problems.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: problems.append(f"{error.name}: {error.message}"))
        page.on("request", lambda asked: None if _is_within(asked.url, home) else problems.append(f"asks {asked.url}"))
        page.route(lambda url: not _is_within(url, home), lambda route: route.abort())
        try:
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme="dark" if dark else "light")
            page.goto(address)
            yield opened
        finally:
            if page.url.startswith(("file:", "http:")):
                page.evaluate("localStorage.clear()")
            self._context.clear_cookies()
            page.close()
            asyncio._set_running_loop(before)

    def close(self) -> None:
        """End the browser."""
        asyncio._set_running_loop(self._loop)
        self._chromium.close()


def _is_within(address: str, home: str) -> bool:
    return (
        address.partition("#")[0] == home
        or (home.startswith("http") and address.startswith(home))
        or address.startswith(("blob:", "data:"))
    )


@cache
def _axe() -> str:
    found = find_spec("axe_playwright_python")
    assert found is not None
    assert found.origin is not None
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """The browser; where there is none, the tests that ask for it are skipped."""
    found: Any = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser is installed ({', '.join(BROWSERS)}): pages are not drawn")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=list(_OPTIONS))
        opens = Browser(chromium)
        yield opens
        opens.close()
