"""Prompts: the first page, searched and filtered; one at a version, with what is known around it; a shared file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from promptctl import (
    BudgetStatus,
    CallTotals,
    EvaluationRow,
    Filter,
    LabelState,
    Message,
    Page,
    Placeholder,
    Prompt,
    PromptFilter,
    PromptSummary,
    VersionEntry,
    Workspace,
)
from promptctl.browse.views import PageRequest, View, tried
from promptctl.reports.asked import content_texts
from promptctl.reports.wording import as_text, count, without_commit

_ON_A_PAGE = 100
_BROKEN = "broken"
_VERSIONS, _MOST_REFS = 30, 500
_EVALUATIONS = 200
_MODELS = 5
# A part of a template that is no text of the prompt: an expression, a statement, a comment. One that never ends is
# looked through only as far as the next begins.
_TEMPLATE = re.compile(r"(\{\{(?:(?!\{\{).)*?\}\}|\{%(?:(?!\{%).)*?%\}|\{#(?:(?!\{#).)*?#\})", re.DOTALL)


def catalogue(request: PageRequest) -> View:
    """Return the prompts that the address asks for, with what they can be filtered by."""
    category, status = request.one("category"), request.one("status")
    wanted = PromptFilter(
        search=request.one("search"),
        tags=request.all("tag"),
        status=None if status == _BROKEN else status,
        provider=request.one("provider"),
        label=request.one("label"),
    )
    everything = request.workspace.prompts()
    found = [
        each
        for each in everything
        if wanted.admits(each)
        and (category is None or each.id.startswith(f"{category}/"))
        and (status != _BROKEN or each.prompt is None)
    ]
    asked = {name: request.all(name) for name in ("search", "category", "tag", "status", "provider", "label")}
    shown, pages = request.part_of(found, _ON_A_PAGE, "", asked)
    values = {
        "everything": len(everything),
        "broken": sum(each.prompt is None for each in everything),
        "found": shown,
        "count": len(found),
        "pages": pages,
        "asked": {name: values[0] if values else None for name, values in asked.items()},
        "choices": _choices(everything),
        "meant": [] if found else request.workspace.suggest(wanted),
    }
    return View("catalogue.html", "Prompts", values)


def _choices(everything: Sequence[PromptSummary]) -> dict[str, list[tuple[str, int]]]:
    """Return what prompts can be filtered by: each value with the number of its prompts."""
    prompts = [each.prompt for each in everything if each.prompt is not None]
    statuses = Counter[str](prompt.status for prompt in prompts)
    if len(prompts) < len(everything):
        statuses[_BROKEN] = len(everything) - len(prompts)
    return {
        "category": _counted(folder for each in everything for folder in _folders(each.id)),
        "tag": _counted(tag for prompt in prompts for tag in prompt.tags),
        "status": list(statuses.items()),
        "provider": _counted(each.provider for each in everything if each.provider),
        "label": _counted(state.label for each in everything for state in each.labels),
    }


def _counted(values: Iterable[str]) -> list[tuple[str, int]]:
    return sorted(Counter(values).items())


def _folders(prompt: str) -> Iterator[str]:
    """Yield the folders that a prompt is in, by its id: `a` and `a/b` of `a/b/c`."""
    parts = prompt.split("/")[:-1]
    return ("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))


def prompt(request: PageRequest) -> View:
    """Return the page about what a ref names."""
    workspace, ref = request.workspace, request.needed("ref")
    page = workspace.page(ref)
    found = page.prompt
    versions, no_history = tried(lambda: workspace.history(found.id), list[VersionEntry]())
    most = len(versions) if request.one("versions") == "all" else _VERSIONS
    results, _ = tried(lambda: _last_results(workspace, found.id), dict[str, list[EvaluationRow]]())
    totals = _totals(workspace, page)
    budgets, _ = tried(workspace.budgets.all, list[BudgetStatus]())
    values = {
        "page": page,
        "ref": ref,
        "item": found,
        "messages": [_message(item, found.engine) for item in found.messages],
        "versions": versions[:most],
        "more_versions": len(versions) - len(versions[:most]),
        "no_history": no_history,
        "refs": _refs(page, versions[: max(most, _MOST_REFS)]),
        "ref_of": lambda entry: _ref_of(found.id, entry),
        "labels": _labels(workspace, found.id),
        "datasets": [(path, _own_first(results.get(path, ()), page.at_version.model)) for path in page.datasets],
        "totals": totals,
        "budgets": [each for each in budgets if found.id in each.prompts],
        "changes": list(_changes(page)),
        "standing": list(_standing(page, versions, totals)),
    }
    return View("prompt.html", found.name, values)


def file(request: PageRequest) -> View:
    """Return the page about a partial, a schema or a file of tools: its text, and who uses it."""
    found = request.workspace.life.shared_file(request.needed("path"))
    engine = "jinja2" if found.kind == "partial" else "none"
    return View("file.html", found.path, {"file": found, "pieces": list(_template_pieces(found.text, engine))})


def _ref_of(prompt_id: str, entry: VersionEntry) -> str:
    """Return the ref that names a version of a prompt's history."""
    if entry.number is not None:
        return f"{prompt_id}@v{entry.number}"
    return prompt_id if entry.made is None else f"{prompt_id}@{entry.made.commit}"


def _standing(page: Page, versions: Sequence[VersionEntry], totals: CallTotals | None) -> Iterator[str]:
    """Yield where the prompt stands, in sentences: what its labels name, what is not committed, how its calls went."""
    newest = max((entry.number or 0 for entry in versions), default=0)
    for state in page.labels:
        number = next((entry.number for entry in versions if state.label in entry.labels), None)
        behind = newest - number if number is not None else 0
        where = f", {count(behind, 'version')} behind" if behind else ", the newest" if number else ""
        yield f"{state.label} names {without_commit(state.version)}{where}."
    if newest and not page.labels:
        yield "No label names a version of it."
    if page.at_version.version.is_dirty:
        yield "Its files are not committed as they are."
    if totals is not None:
        failed = f"{totals.failed:,} of them failed" if totals.failed else "none failed"
        of = " of this version" if page.asked else ""
        yield f"{count(totals.calls, 'call')}{of}, {failed}."


def _totals(workspace: Workspace, page: Page) -> CallTotals | None:
    """Return the totals of the page's calls but those of evaluations, under every id that the prompt had."""
    if workspace.log.is_new:
        return None
    digest = page.at_version.version.digest if page.asked else None
    wanted = Filter(prompt=page.prompt.id, digest=digest, source="app")
    return next(iter(workspace.log.totals(wanted, ("prompt",))), None)


def _refs(page: Page, versions: Sequence[VersionEntry]) -> list[tuple[str, str]]:
    """Return what can be compared: each ref with its words, the newest first."""
    prompt_id = page.prompt.id
    refs = [(f"{prompt_id}@{state.label}", f"{state.label} ({state.version})") for state in page.labels]
    return [
        (prompt_id, "the files as they are now"),
        *refs,
        *((_ref_of(prompt_id, entry), without_commit(entry.display)) for entry in versions if entry.number),
    ]


def _last_results(workspace: Workspace, prompt_id: str) -> dict[str, list[EvaluationRow]]:
    """Return the last evaluation with each model, newest first, by the path of the dataset that it used."""
    found: dict[str, list[EvaluationRow]] = {}
    if not workspace.log.is_new:
        for row in workspace.results.evaluations(prompt=prompt_id, limit=_EVALUATIONS):
            rows = found.setdefault(row.spec.dataset, [])
            if all(row.model != each.model for each in rows):
                rows.append(row)
    return found


def _own_first(rows: Sequence[EvaluationRow], model: str | None) -> Sequence[EvaluationRow | None]:
    """Return the results to show, that of the prompt's own model first; None alone without any."""
    return sorted(rows, key=lambda row: row.model != model)[:_MODELS] or [None]


def _labels(workspace: Workspace, prompt_id: str) -> list[LabelState]:
    """Return every label that the prompt has or had; outside Git there are none."""
    found, _ = tried(lambda: [*workspace.labels.here().states.values()], list[LabelState]())
    return [state for state in found if state.prompt == prompt_id]


def _message(item: Message | Placeholder, engine: str) -> Mapping[str, Any]:
    if isinstance(item, Placeholder):
        return {"role": "messages", "placeholder": item.input, "parts": (), "extra": {}}
    return {
        "role": item.role,
        "placeholder": None,
        "parts": [list(_template_pieces(part.rstrip("\n"), engine)) for part in content_texts(item.content)],
        "extra": {name: as_text(value) for name, value in item.extra.items()},
    }


def _template_pieces(text: str, engine: str) -> Iterator[tuple[bool, str]]:
    """Yield the pieces of a template in their order, each with True for an expression, a statement or a comment."""
    if engine == "none":
        yield False, text
        return
    for number, piece in enumerate(_TEMPLATE.split(text)):
        if piece:
            yield number % 2 == 1, piece


def _changes(page: Page) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield what can be done with the prompt: in words, and as the words of a command."""
    found, version = page.prompt, page.at_version.version
    at = page.asked if version.number is None else f"v{version.number}"
    ref = found.id if version.is_dirty or at is None else f"{found.id}@{at}"
    yield "Run it", ("run", ref, *found.needed_options)
    yield "See the messages as they would be sent", ("render", ref, *found.needed_options)
    if page.datasets:
        yield "Evaluate it", ("eval", ref)
    if version.number is not None and not version.is_dirty:
        for label in dict.fromkeys((*(state.label for state in page.labels), "production")):
            if not any(state.label == label and state.version == f"v{version.number}" for state in page.labels):
                move = ("label", "set", f"{found.id}@{label}", f"v{version.number}", "--reason", "…")
                yield f"Let {label} name this version", move
    for state in page.labels:
        yield (
            f"Take the last move of {state.label} back",
            ("label", "rollback", f"{found.id}@{state.label}", "--reason", "…"),
        )
    yield "Copy it", ("copy", ref, f"{found.id}-2")
    yield "Rename it", ("rename", found.id, f"{found.id}-2")
    yield from _life(found)
    kept = "metadata" if page.log_rule is not None and page.log_rule.kept == "full" else "full"
    words = "Keep no more than numbers of its calls" if kept == "metadata" else "Keep its calls with all that was said"
    yield words, ("log", "rules", "set", found.id, f"content={kept}")


def _life(found: Prompt) -> Iterator[tuple[str, Sequence[str]]]:
    if found.status != "active":
        yield "Let it run without a warning", ("activate", found.id)
    if found.status == "active":
        yield "Let it warn whenever it runs", ("deprecate", found.id)
    if found.status != "inactive":
        yield "Let it refuse to run", ("deactivate", found.id)
