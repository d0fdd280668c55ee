"""The state of a workspace at a glance, as records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from promptctl.catalogue.blamed import evaluation_in_short
from promptctl.catalogue.budgets import BudgetStatus
from promptctl.errors import Problem
from promptctl.files.plain import record_data
from promptctl.files.wording import version_keys
from promptctl.log.results import EvaluationRow


@dataclass(frozen=True, slots=True)
class LabelBehind:
    """A live label whose prompt has newer versions on the default branch; `version` and `newest` are their numbers.

    `digest` is that of the newest, `digest_live` that of the label's.
    """

    prompt: str
    label: str
    version: int
    newest: int
    digest: str
    digest_live: str

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return {"prompt": self.prompt, "label": self.label, "version": self.version, "newest": self.newest}


@dataclass(frozen=True, slots=True)
class NextStep:
    """A command that is useful now, and why."""

    command: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The state of a workspace.

    `branch` is that of HEAD, None outside Git and for a detached HEAD. `vendored` of the prompts are of other
    repositories. `changed` are the ids of prompts with changes
    that are not committed, `labels` counts live labels. `problems` are the first ones of files that cannot be used;
    None if there are too many files to look at. `evaluations` are those of the last command. Costs are of this
    machine's day; `unpriced` counts replies whose price is unknown. `calls_today` is None if the log cannot be read;
    those of evaluations are among them, and counted by themselves too.
    `budgets` are those that are near their end or past it. `notes` say what is not known here.
    """

    root: str
    branch: str | None = None
    prompts: int = 0
    vendored: int = 0
    changed: tuple[str, ...] = ()
    problems: tuple[Problem, ...] | None = ()
    labels: int = 0
    behind: tuple[LabelBehind, ...] = ()
    evaluations: tuple[EvaluationRow, ...] = ()
    calls_today: int | None = 0
    evaluation_calls_today: int = 0
    cost_today_nano_usd: int | None = 0
    unpriced_today: int = 0
    budgets: tuple[BudgetStatus, ...] = ()
    notes: tuple[str, ...] = ()
    next: tuple[NextStep, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        data = record_data(
            self,
            without=("root",),
            problems=None if self.problems is None else [str(each) for each in self.problems],
            evaluations=[
                {"prompt": row.prompt, **version_keys(row.version_display), **evaluation_in_short(row)}
                for row in self.evaluations
            ],
            budgets=[{"budget": each.rule.name, "state": each.state, "reason": each.reason} for each in self.budgets],
        )
        return {"workspace": self.root, **data}
