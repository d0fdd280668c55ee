"""The pages of a workspace, by their address: what is asked for is read anew each time, and shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from importlib import import_module, resources
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from promptctl import errors
from promptctl.browse.rendering import Rendering
from promptctl.browse.views import Answer, PageRequest, View
from promptctl.reports.offline_page import asset

if TYPE_CHECKING:
    from promptctl import PromptSummary
    from promptctl.workspace import Workspace


class PageNotFound(errors.UsageError):
    """An address that no page has."""


_SETTINGS = "promptctl.yaml"
_MOST_FIELDS = 100
_STATIC = {
    "look.css": "text/css",
    "browse.css": "text/css",
    "browse.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_MISSING = (
    *(errors.PromptNotFound, errors.RevisionNotFound, errors.DatasetNotFound, errors.ExperimentNotFound),
    *(errors.BudgetNotFound, errors.CaseNotFound, PageNotFound),
)
Open = Callable[[Callable[[str], None]], "Workspace"]


@dataclass(frozen=True, slots=True)
class PageReply:
    """The answer to an address: a status, a content type, and the content in pieces."""

    status: int
    content_type: str
    pieces: Iterator[bytes]


class Site:
    """Answers one address after another, on one thread.

    `open_` opens the workspace, with what takes its warnings; it is opened again if `promptctl.yaml` changed.
    """

    def __init__(self, open_: Open, program: str) -> None:
        self._open = open_
        self._notes: list[str] = []
        self._workspace = open_(self._notes.append)
        self._stamp = self._stamp_of_settings()
        root = self._workspace.root
        self._rendering = Rendering(root.name or str(root), program, NAVIGATION)

    def reply(self, page: str, query: str) -> PageReply:
        """Return what an address holds, by its page and what stands after `?`."""
        if (name := page.removeprefix("static/")) != page:
            return self._static(name)
        self._notes.clear()
        try:
            return self._begun(page, self._view(page, query))
        except Exception as error:
            return self._begun(page, self._failed(error))

    def _begun(self, page: str, view: View) -> PageReply:
        """Return a page whose beginning is rendered. Raises what its first values raise."""
        pieces = self._rendering.write(view, page, SECTIONS.get(page), self._taken_notes())
        return PageReply(view.status, "text/html", self._to_the_end(next(pieces), pieces))

    def warm_up(self) -> Iterator[Callable[[], None]]:
        """Return steps after which the first pages are as fast as later ones: most of what they read is kept then."""
        found: list[PromptSummary] = []

        def read_all() -> None:
            found.extend(self._current().prompts())

        def read_one() -> None:
            for each in found[:1]:
                self._current().page(each.id)

        steps: list[Callable[[], object]] = [read_all, read_one, *(partial(answer_of, page) for page in ROUTES)]
        return (partial(_quietly, step) for step in steps)

    def close(self) -> None:
        """Close the workspace."""
        self._workspace.close()

    def _view(self, page: str, query: str) -> View:
        if page not in ROUTES:
            raise PageNotFound(f"there is no page `{errors.printable(page)}`")
        try:
            values = parse_qs(query, max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise errors.UsageError("the address has too many values") from None
        return answer_of(page)(PageRequest(self._current(), values))

    def _current(self) -> Workspace:
        """Return the workspace with the settings as they are now."""
        stamp = self._stamp_of_settings()
        if stamp != self._stamp:
            self._workspace.close()
            self._workspace, self._stamp = self._open(self._notes.append), stamp
        return self._workspace

    def _stamp_of_settings(self) -> tuple[int, ...] | None:
        try:
            found = Path(self._workspace.root, _SETTINGS).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _taken_notes(self) -> tuple[str, ...]:
        notes = tuple(dict.fromkeys(self._notes))
        self._notes.clear()
        return notes

    def _to_the_end(self, first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
        """Yield a page that has begun; it says so if it cannot be ended."""
        yield first
        try:
            yield from rest
        except Exception as error:
            yield self._rendering.end(self._failed(error).values["words"])

    def _failed(self, error: Exception) -> View:
        return _failure(error) if isinstance(error, errors.PromptctlError) else self._bug(error)

    def _bug(self, error: Exception) -> View:
        from promptctl.reports.bug import save_traceback

        root = self._workspace.root
        words = f"{type(error).__name__}: this is a bug of promptctl."
        try:
            path = save_traceback(error, self._workspace.context.environ, [str(root)])
            hint = f"please report it with the traceback saved in {path}"
        except OSError as failure:
            hint = f"its traceback could not be saved ({failure.strerror})"
        return View("failure.html", "This page failed", {"words": words, "problems": (), "hint": hint}, 500)

    def _static(self, name: str) -> PageReply:
        if name not in _STATIC:
            return PageReply(HTTPStatus.NOT_FOUND, "text/plain", iter((b"There is no such file.\n",)))
        text = asset(name) if name == "look.css" else _own(name)
        return PageReply(HTTPStatus.OK, _STATIC[name], iter((text.encode(),)))


def _quietly(step: Callable[[], object]) -> None:
    with suppress(Exception):  # the page says it
        step()


def _own(name: str) -> str:
    return (resources.files("promptctl.browse") / "static" / name).read_text(encoding="utf-8")


def _failure(error: errors.PromptctlError) -> View:
    """Return the page about an error: what it says, where, and what to do next."""
    is_missing = isinstance(error, _MISSING) or type(error) is errors.LogError
    status = HTTPStatus.NOT_FOUND if is_missing else HTTPStatus.BAD_REQUEST
    problems = error.problems if isinstance(error, errors.InvalidFiles) else ()
    values = {"words": str(error), "hint": error.hint, "problems": problems}
    title = "Not found" if is_missing else "These files are wrong" if problems else "This cannot be shown"
    return View("failure.html", title, values, status)


ROUTES: Mapping[str, str] = {
    "": "prompts.catalogue",
    "prompt": "prompts.prompt",
    "diff": "comparing.diff",
    "label": "makers.label",
    "file": "prompts.file",
    "executions": "executions.executions",
    "execution": "executions.execution",
    "blame": "makers.blame",
    "evaluations": "evaluations.evaluations",
    "evaluation": "evaluations.evaluation",
    "case": "evaluations.case",
    "datasets": "evaluations.datasets",
    "dataset": "evaluations.dataset",
    "costs": "spending.costs",
    "budgets": "spending.budgets",
    "budget": "spending.budget",
    "rules": "spending.rules",
    "experiments": "experiments.experiments",
    "experiment": "experiments.experiment",
    "feedback": "executions.feedback",
}
"""The module of each page, and its function there: a page is imported when it is first asked for."""

NAVIGATION: Mapping[str, str] = {
    "": "Prompts",
    "executions": "Calls",
    "evaluations": "Evaluations",
    "datasets": "Datasets",
    "costs": "Costs",
    "budgets": "Budgets",
    "experiments": "Experiments",
    "feedback": "Feedback",
    "rules": "Log rules",
}
"""The pages that every page names, in this order, by their address."""

SECTIONS: Mapping[str, str] = {
    **dict.fromkeys(("prompt", "diff", "label", "file"), ""),
    **dict.fromkeys(("execution", "blame"), "executions"),
    **dict.fromkeys(("evaluation", "case"), "evaluations"),
    "dataset": "datasets",
    "budget": "budgets",
    "experiment": "experiments",
}
"""The page of the navigation that a page stands below, by its address."""


def answer_of(page: str) -> Answer:
    """Return what answers an address, imported if nobody asked for it before."""
    module, _, name = ROUTES[page].partition(".")
    found: Answer = getattr(import_module(f"promptctl.browse.{module}"), name)
    return found
