"""Calls: the list, filtered, searched, a page at a time; and one call with all that the log has of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

from promptctl import Execution, ExecutionPage, Filter, Workspace
from promptctl.browse.contents import indented, message_parts
from promptctl.browse.links import link
from promptctl.browse.views import PageRequest, View, check_word, tried, with_moments
from promptctl.errors import PromptctlError, PromptNotFound
from promptctl.reports.hidden_parts import ABOUT, pieces
from promptctl.reports.wording import as_text, count

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
_MOST_PARTS = 200
_WITH_REPLY = ("ok", "invalid_output")
_SHOWN_APART = frozenset((
    "inputs", "messages", "reply", "tool_calls", "output", "reasoning", "feedback", "scores", "corrections", "metadata",
    "parameters", "call_metadata", "usage_details", "error_message",
))  # fmt: skip


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
        "chips": [(name, value, link("executions", **{**given, name: None})) for name, value in given.items()],
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
        return f"at least {count(shown, 'attempt')}"
    return count(number, "attempt")


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


def execution(request: PageRequest) -> View:
    """Return the page of one execution. Raises `LogError` for an id that is not in the log."""
    workspace = request.workspace
    found = workspace.log.execution(request.needed("id"))
    values = {
        "call": found,
        "ref": _page_of(workspace, found),
        "messages": _messages(found),
        "attempts": list(workspace.log.executions(Filter(call_id=found.call_id)))[::-1],
        "tool_calls": found.tool_calls[:_MOST_PARTS],
        "is_indented": indented(found.reply or "") != (found.reply or ""),
        "hidden": hidden_in(found),
        "tools": _tools(workspace, found),
        "later_price": workspace.costs.later_price(found),
        "fields": [(name, value) for name, value in found.as_dict().items() if _is_field(name, value)],
        "has_reply": found.status in _WITH_REPLY,
    }
    return View("execution.html", f"Call of {found.prompt}", values)


def _page_of(workspace: Workspace, found: Execution) -> str | None:
    """Return the ref whose page has the version that ran; None for a prompt that no file has."""
    ref = ref_of(found)
    try:
        workspace.prompt(ref)
    except PromptNotFound:
        return None
    except PromptctlError:
        return ref  # its page says what is wrong
    return ref


def ref_of(found: Execution) -> str:
    """Return the ref of the version that ran, as far as it has a name: `support/triage@v7`."""
    if found.version is not None and not found.is_dirty:
        return f"{found.prompt}@v{found.version}"
    return f"{found.prompt}@{found.commit[:12]}" if found.commit and not found.is_dirty else found.prompt


def _messages(found: Execution) -> Sequence[tuple[str, Sequence[tuple[str, Any]]]]:
    """Return the messages that were sent, as many as a page can show: the role and the contents of each."""
    shown, left = [], _MOST_PARTS
    for message in found.messages or ():
        if left > 0:
            parts = list(islice(message_parts(message), left))
            shown.append((str(message.get("role")), parts))
            left -= max(1, len(parts))
    return shown


def hidden_in(found: Execution) -> list[str]:
    """Return what the marks for hidden parts mean that stand in the contents of a call; none if nothing is hidden."""
    texts = (found.inputs, found.messages, found.reply, found.reasoning, list(found.tool_calls), found.error_message)
    kinds = {kind for text in texts if text for _, kind in pieces(as_text(text))}
    return [about for kind, about in ABOUT.items() if kind in kinds]


def _tools(workspace: Workspace, found: Execution) -> Sequence[Any]:
    """Return the tools that the version declares: a log keeps none. None are known if Git has the version no more."""
    if found.commit is None or found.is_dirty:
        return ()
    with suppress(PromptctlError):
        return tuple(workspace.prompt(f"{found.prompt}@{found.commit}").prompt.tools)
    return ()


def _is_field(name: str, value: object) -> bool:
    return name not in _SHOWN_APART and value not in (None, "", [], {})
