"""The table of all pages: the address of each, and what answers it."""

from __future__ import annotations

from collections.abc import Mapping

from promptctl.browse.blamed import blame
from promptctl.browse.catalogue import catalogue
from promptctl.browse.comparing import diff
from promptctl.browse.datasets import dataset, datasets
from promptctl.browse.evaluations import case, evaluation, evaluations
from promptctl.browse.execution import execution
from promptctl.browse.executions import executions, feedback
from promptctl.browse.experiments import experiment, experiments
from promptctl.browse.files import file
from promptctl.browse.labels import label
from promptctl.browse.prompts import prompt
from promptctl.browse.spending import budget, budgets, costs, rules
from promptctl.browse.views import Answer

ROUTES: Mapping[str, Answer] = {
    "": catalogue,
    "prompt": prompt,
    "diff": diff,
    "label": label,
    "file": file,
    "executions": executions,
    "execution": execution,
    "blame": blame,
    "evaluations": evaluations,
    "evaluation": evaluation,
    "case": case,
    "datasets": datasets,
    "dataset": dataset,
    "costs": costs,
    "budgets": budgets,
    "budget": budget,
    "rules": rules,
    "experiments": experiments,
    "experiment": experiment,
    "feedback": feedback,
}

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
