"""The table of all pages: the address of each, and what answers it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptctl.browse.views import Answer

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
    "datasets": "datasets.datasets",
    "dataset": "datasets.dataset",
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
