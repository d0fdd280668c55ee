"""A look over a workspace: what was changed, what is behind, what failed, what was spent.

It is made for a prompt of the shell: nothing is asked of a model or a remote, and of many prompts only those are read
that differ from the index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from promptctl.catalogue.budgets import BudgetStatus, budget_statuses
from promptctl.catalogue.next_steps import next_steps
from promptctl.catalogue.standing import LabelBehind, Standing
from promptctl.errors import LogError, Problem, UsageError, WorkspaceError
from promptctl.files.names import DATASETS, is_dataset
from promptctl.files.tree import prompt_files
from promptctl.files.wording import count
from promptctl.git.tree_changes import is_changed
from promptctl.log.filter import Filter
from promptctl.log.stamps import parse_moment
from promptctl.prompts.loading import load_prompt, prompt_paths, wrongly_named
from promptctl.versions.former_ids import labels_elsewhere, labels_here

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.labels.chains import LabelState
    from promptctl.log.call_totals import CallTotals
    from promptctl.log.results import EvaluationRow
    from promptctl.log.store import Store
    from promptctl.versions.index_store import IndexStore, PromptState
    from promptctl.versions.moment import Moment

# So many files are read where nothing says that they are as they were committed.
_MOST_READ = 100
_MOST_PROBLEMS = 20


def survey(context: Context) -> Standing:
    """Return where the workspace stands now. Raises `InvalidFiles` if `promptctl.yaml` is wrong."""
    _ = context.settings
    notes: list[str] = []
    moment = context.now()
    files = prompt_files(context.repository.work_tree)
    paths = prompt_paths(context.repository.work_tree, files)
    changed, problems = _files(context, moment, files, paths, notes)
    live, behind = _labels(context, moment, notes)
    evaluations: tuple[EvaluationRow, ...] = ()
    budgets: tuple[BudgetStatus, ...] = ()
    log, spent, of_evaluations, is_read = context.log, None, 0, False
    try:
        evaluations, spent, of_evaluations = _logged(log)
        off = any(not rule.is_active for rule in context.settings_now.log)
        if off and not log.is_new and (left := log.without_row(Filter(since=parse_moment("today", zone=None)), ())):
            calls = count(left.calls, "call")
            notes.append(f"{calls} kept no row, so it is not known which are today's: promptctl cost counts them")
        budgets = tuple(each for each in budget_statuses(context, with_prompts=False) if each.state != "ok")
        is_read = True
    except LogError as error:
        notes.append(f"{error.message}: see promptctl doctor")
    found = Standing(
        root=str(context.root),
        branch=_branch(moment),
        prompts=len(paths),
        changed=changed,
        problems=problems,
        labels=len(live),
        behind=behind,
        evaluations=evaluations,
        calls_today=(spent.calls if spent else 0) if is_read else None,
        evaluation_calls_today=of_evaluations,
        cost_today_nano_usd=spent.cost_nano_usd if spent else 0,
        unpriced_today=spent.unpriced if spent else 0,
        budgets=budgets,
        notes=tuple(notes),
    )
    return replace(
        found, next=next_steps(context, moment, found, sorted(paths), log if is_read and not log.is_new else None)
    )


def _logged(log: Store) -> tuple[tuple[EvaluationRow, ...], CallTotals | None, int]:
    """Return the evaluations of the last command, what was called today, and how many calls evaluations made."""
    if log.is_new:
        return (), None, 0
    from promptctl.evaluations.earlier import last_command

    evaluations: tuple[EvaluationRow, ...] = ()
    with suppress(UsageError):
        evaluations = tuple(last_command(log))
    today = Filter(since=parse_moment("today", zone=None))
    spent = next(iter(log.totals(today, (), costs_only=True)), None)
    of_evaluations = log.totals(replace(today, source="eval"), (), costs_only=True) if spent else []
    return evaluations, spent, sum(each.calls for each in of_evaluations)


def _branch(moment: Moment) -> str | None:
    if not moment.is_versioned:
        return None
    return moment.git.run(["symbolic-ref", "--short", "--quiet", "HEAD"], check=False).text or None


def _files(
    context: Context, moment: Moment, files: Sequence[str], paths: Mapping[str, str], notes: list[str]
) -> tuple[tuple[str, ...], tuple[Problem, ...] | None]:
    """Return the ids of changed prompts, and the first problems of prompts and datasets."""
    numbers = context.repository.numbers(moment)
    if not moment.is_versioned:
        notes.append("in no Git repository: there are no versions and no labels")
    elif moment.head is None:
        notes.append("no commit yet: there are no versions")
    elif note := next((each.note for each in numbers.values() if each.note), None):
        notes.append(f"versions are not known: {note}")
    changed = tuple(id_ for id_, each in numbers.items() if each.is_dirty) if moment.head is not None else ()
    wrong = [id_ for id_ in paths if id_ not in numbers or not numbers[id_].is_sound]
    datasets = None if context.is_bare else _changed_datasets(moment)
    if datasets is None:
        datasets = [] if context.is_bare else [each for each in moment.work_tree.paths(DATASETS) if is_dataset(each)]
    unknown = sum(id_ not in numbers or numbers[id_].is_sound is None for id_ in wrong)
    if max(unknown, len(datasets)) > _MOST_READ:
        return changed, None
    problems = [
        *_prompt_problems(moment, {id_: paths[id_] for id_ in wrong}),
        *wrongly_named(moment.work_tree, files),
        *_dataset_problems(moment, datasets),
    ]
    return changed, tuple(problems[:_MOST_PROBLEMS])


def _prompt_problems(moment: Moment, paths: Mapping[str, str]) -> Iterator[Problem]:
    for id_, path in paths.items():
        try:
            load_prompt(moment.work_tree, id_)
        except WorkspaceError as error:
            problems = error.problems_of(path)
            yield next((each for each in problems if each.severity == "error"), problems[0])


def _dataset_problems(moment: Moment, paths: Sequence[str]) -> Iterator[Problem]:
    if not paths:
        return
    from promptctl.datasets.validation import validate_workspace

    problems = validate_workspace(moment.work_tree, paths).problems
    seen: set[str] = set()
    for each in problems:
        path = each.place.path if each.place else ""
        if each.severity == "error" and path in paths and path not in seen:
            seen.add(path)
            yield each


def _changed_datasets(moment: Moment) -> list[str] | None:
    """Return the datasets that differ from HEAD; None if nothing says so. What Git has is taken to be checked."""
    if not moment.is_versioned or moment.head is None:
        return None
    git = moment.git
    folder = ["--", DATASETS]
    differing = git.run(["diff-index", "--name-only", "--relative", "--diff-filter=d", "-z", moment.head, *folder])
    new = git.run(["ls-files", "--others", "--exclude-standard", "-z", *folder])
    names = {name for each in (differing, new) for name in each.text.split("\0")}
    here = (path for path in moment.work_tree.paths(DATASETS) if path in names and is_dataset(path))
    # After a copy or a checkout Git's index knows the times of no file, and lists them all.
    committed = moment.tree_at(moment.head)
    changed = (path for path in here if is_changed(committed, moment.work_tree, path))
    return list(islice(changed, _MOST_READ + 1))


def _labels(context: Context, moment: Moment, notes: list[str]) -> tuple[list[LabelState], tuple[LabelBehind, ...]]:
    """Return the live labels, and those that are behind the default branch."""
    if not moment.is_versioned:
        return [], ()
    try:
        listing = labels_here(moment)
        live = [state for state in listing.states.values() if state.is_live]
        notes += [f"a label does not count: {each.message} (promptctl label verify)" for each in listing.problems[:1]]
        if error := labels_elsewhere(moment):
            notes.append(f"{error.message} ({error.hint})")
        behind = moment.ask(lambda store: tuple(_behind(moment, store, live))) if live else ()
    except WorkspaceError as error:
        notes.append(f"labels are not known: {error.message}")
        return [], ()
    order = {name: number for number, name in enumerate(context.settings.labels.rules)}
    return live, tuple(sorted(behind, key=lambda each: (each.prompt, order.get(each.label, -1))))


def _behind(moment: Moment, store: IndexStore, live: Sequence[LabelState]) -> Iterator[LabelBehind]:
    newest: dict[str, PromptState] = {each.id: each for each in store.states() if each.path is not None}
    for state in live:
        now = newest.get(state.prompt) or newest.get(moment.id_on_line(store, state.prompt))
        if now is None or now.digest in (None, state.digest):
            continue
        rows = store.versions(now.id)
        number = max((row.number for row in rows if row.digest == state.digest), default=None)
        if number is not None:  # one beside the line is neither behind nor ahead
            yield LabelBehind(state.prompt, state.label, number, rows[-1].number, rows[-1].digest, state.digest)
