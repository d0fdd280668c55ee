"""The first page: the prompts of the workspace, searched and filtered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from promptctl import PromptFilter, PromptSummary
from promptctl.browse.views import PageRequest, View

_ON_A_PAGE = 100
_BROKEN = "broken"


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
