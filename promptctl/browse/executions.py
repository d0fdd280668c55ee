"""The list of calls: filtered, searched, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from promptctl import ExecutionPage, Filter
from promptctl.browse.links import link
from promptctl.browse.views import PageRequest, View, check_word, tried, with_moments
from promptctl.reports.wording import count_of

ROWS = 50
_ANY_SCORE = "<=1"
STATUSES = ("ok", "error", "invalid_output", "blocked", "cancelled")
_SOURCES: Mapping[str, str] = {
    "": "all but evaluations",
    "run": "the command run",
    "api": "the Python API",
    "eval": "evaluations",
    "all": "everything",
}
_TEXTS = ("prompt", "version", "label", "model", "user", "session", "feedback", "experiment", "arm", "since", "until")
# Names in the address, and what the same is called by `promptctl log list`; those without have none there.
NAMES = ("words", *_TEXTS[:6], "status", "error", "source", *_TEXTS[6:], "evaluation")


def executions(request: PageRequest) -> View:
    """Return the page of calls that the address asks for, newest first."""
    given, before = request.given(*NAMES), request.one("before")
    page, problem = tried(
        lambda: request.workspace.log.page(
            replace(wanted(given), before=before, limit=ROWS),
            words=given.get("words"),
            is_patient=request.one("look") is not None,
        ),
        ExecutionPage(),
    )
    values = {
        "given": given,
        "stretch": page,
        "problem": problem,
        "is_new": request.workspace.log.is_new,
        "said": said(page, is_first=before is None),
        "has_more_filters": bool(given.keys() - {"words", "prompt", "status", "since"}),
        "statuses": {"": "any", **{each: each.replace("_", " ") for each in STATUSES}},
        "sources": _SOURCES,
        "chips": [(name, value, link("executions", **_without(given, name))) for name, value in given.items()],
        "pages": request.pager("executions", given, page.older),
        "further": link("executions", **given, before=before, look="further"),
        "same": _command("list", given),
        "index": ("log", "search", *_searched(given.get("words", ""))),
        "as_file": (*_command("export", given), "-o", "calls.csv") if "words" not in given else None,
        "found": {each.execution.id: each for each in page.found},
    }
    return View("executions.html", "Calls", values, status=400 if problem else 200)


def wanted(given: Mapping[str, str]) -> Filter:
    """Return the filter that values of an address mean. Raises `UsageError` for a word that is none of its field."""
    check_word("status", given.get("status"), STATUSES)
    check_word("source", given.get("source"), _SOURCES)
    source = given.get("source", "eval" if "evaluation" in given else "app")
    meant = with_moments({name: value for name, value in given.items() if name in (*_TEXTS, "status")})
    meant |= {"error_type": given.get("error"), "evaluation_id": given.get("evaluation")}
    return Filter(**meant | {"source": None if source == "all" else source})


def said(page: ExecutionPage, *, is_first: bool) -> str:
    """Return how many attempts there are, as far as that is known."""
    shown = len(page.executions)
    if page.attempts is not None:
        number = page.attempts
    elif page.older is None and is_first and not page.is_cut:
        number = shown
    else:
        return f"at least {shown:,} attempts"
    return count_of(number, "attempt")


def _without(given: Mapping[str, str], name: str) -> dict[str, str]:
    return {other: value for other, value in given.items() if other != name}


def _command(verb: str, given: Mapping[str, str]) -> Sequence[str]:
    """Return the words of the command that lists or exports the same."""
    options = [
        word
        for name, value in given.items()
        if name not in ("words", "error", "evaluation")
        for word in (f"--{name}", value)
    ]
    return ["log", "search", *options, *_searched(given["words"])] if "words" in given else ["log", verb, *options]


def _searched(words: str) -> Sequence[str]:
    """Return the words of a search as an argument that is no option."""
    return ("--", words) if words.startswith("-") else (words,)


def feedback(request: PageRequest) -> View:
    """Return the newest calls that people scored, with what they said of each."""
    given, before = request.given("prompt", "feedback", "since"), request.one("before")

    def read() -> ExecutionPage:
        wanted = Filter(**{"feedback": _ANY_SCORE, **with_moments(given)})
        return request.workspace.log.page(replace(wanted, before=before, limit=ROWS))

    page, problem = tried(read, ExecutionPage())
    values = {
        "given": given,
        "stretch": page,
        "problem": problem,
        "said": said(page, is_first=before is None),
        "pages": request.pager("feedback", given, page.older),
        "condition": given.get("feedback", "<0.5"),
    }
    return View("feedback.html", "Feedback", values, status=400 if problem else 200)
