"""Pages about what ran in a real browser: narrow and dark, wide and light, with hostile text in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from promptctl.browse.site import Site
from promptctl.reports.offline_page import asset
from promptctl.workspace import open_workspace
from tests.browse.conftest import serve_pages
from tests.browse.logged_workspace import make_workspace
from tests.browse.test_looks import entered, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browse.conftest import Served
    from tests.browser import Browser


@pytest.fixture(name="logged", scope="module")
def served_with_calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, dict[str, str]]]:
    folder = tmp_path_factory.mktemp("logged")
    ids = make_workspace(folder)
    site = Site(lambda warn: open_workspace(folder, {}, on_warning=warn, refresh_s=0), "promptctl")
    with serve_pages(site) as served:
        yield served, ids


@pytest.mark.parametrize(
    ("width", "dark", "addresses"),
    [
        (
            400,
            True,
            (
                "executions?source=all",
                "execution?id={nasty}",
                "evaluation?id={head}&against={base}",
                "dataset?path=datasets/support/triage.yaml",
                "experiment?name=tone",
                "blame?of={nasty}",
            ),
        ),
        (
            1280,
            False,
            ("executions?status=okay", "feedback"),
        ),
    ],
)
def test_each_page_is_sound(
    width: int, dark: bool, addresses: tuple[str, ...], browser: Browser, logged: tuple[Served, dict[str, str]]
) -> None:
    served, ids = logged
    with entered(browser, served, width=width, dark=dark) as opened:
        opened.page.on("dialog", lambda dialog: opened.problems.append(dialog.message))
        for address in addresses:
            show(opened, served, address.format(**ids))
            if "okay" in address:
                opened.problems.clear()  # the browser reports the page's status 400
            assert (address, opened.faults()) == (address, [])


def test_calls_are_found_by_keyboard_alone(browser: Browser, logged: tuple[Served, dict[str, str]]) -> None:
    served, ids = logged
    with entered(browser, served) as opened:
        page = opened.page
        show(opened, served, "executions")
        page.focus("input[name=words]")
        page.keyboard.type("triage alert")
        page.keyboard.press("Enter")
        page.wait_for_url("**words=triage**")
        page.focus("table a")
        page.keyboard.press("Enter")
        page.wait_for_url("**/execution?**")
        assert ids["nasty"] in page.url
        page.focus("summary")
        page.keyboard.press("Enter")
        assert page.get_attribute("details", "open") is not None


def test_every_rule_of_the_styles_is_closed() -> None:
    """Braces that are lost would take all rules after them along."""
    import promptctl.browse.site as site

    for text in (asset("look.css"), site._own("browse.css")):
        assert text.count("{") == text.count("}")
