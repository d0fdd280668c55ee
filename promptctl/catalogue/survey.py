"""A look over a workspace: what was changed, is behind, failed and was spent, and the commands that are useful next.

It is made for a prompt of the shell: nothing is asked of a model or a remote, and of many prompts only those are read
that differ from the index.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from promptctl.catalogue.budgets import BudgetStatus, budget_statuses
from promptctl.catalogue.standing import LabelBehind, NextStep, Standing
from promptctl.errors import LogError, Problem, UsageError, WorkspaceError, quote
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
    from promptctl.formats.settings_file import LabelRule
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
        evaluations, spent, of_evaluations = _logged(context, log)
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


def _logged(context: Context, log: Store) -> tuple[tuple[EvaluationRow, ...], CallTotals | None, int]:
    """Return the evaluations of the last command, what was called today, and how many calls evaluations made."""
    if log.is_new:
        return (), None, 0
    from promptctl.evaluations.claims import is_claimed
    from promptctl.evaluations.earlier import last_command
    from promptctl.evaluations.evaluation import load

    rows: list[EvaluationRow] = []
    with suppress(UsageError):
        rows = last_command(log)
    # One whose process was killed has no totals: its results are counted.
    is_left = bool(rows) and not is_claimed(context.state_folder, rows[0].group)
    evaluations = tuple(
        replace(row, totals=load(log, row).totals) if is_left and row.status == "running" else row for row in rows
    )
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
        is_of_rows = path.startswith(f"{DATASETS}/") and not is_dataset(path)  # a file that `cases:` names
        if each.severity == "error" and (path in paths or is_of_rows) and path not in seen:
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


_MOST_STEPS = 4
_MOST_EVALUATIONS = 100


def next_steps(
    context: Context, moment: Moment, found: Standing, ids: Sequence[str], log: Store | None
) -> tuple[NextStep, ...]:
    """Return the first useful commands, the most pressing first; without a log nothing was called yet."""
    unlike: dict[str, NextStep] = {}
    for step in _steps(context, moment, found, ids, log):
        unlike.setdefault(step.command, step)
        if len(unlike) == _MOST_STEPS:
            break
    return tuple(unlike.values())


def _steps(
    context: Context, moment: Moment, found: Standing, ids: Sequence[str], log: Store | None
) -> Iterator[NextStep]:
    if not ids:
        yield NextStep("promptctl new support/triage", "begin a prompt and its dataset as a form")
        yield NextStep('promptctl generate support/triage --describe "…"', "let a model write them")
        return
    if found.problems or found.problems is None:
        why = "say what is wrong, and where" if found.problems else "check every file"
        yield NextStep("promptctl validate", why)
    for budget in found.budgets[:1]:
        name = quote(budget.rule.name)
        yield NextStep(f"promptctl budget show {name}", f"see why the budget {budget.rule.name} is {budget.state}")
    yield from _evaluation_steps(found)
    datasets = [] if context.is_bare else [each for each in moment.work_tree.paths(DATASETS) if is_dataset(each)]
    broken = {each.place.path for each in found.problems or () if each.place}
    sound = [id_ for id_ in found.changed if broken.isdisjoint(moment.work_tree.places.paths_of(id_))]
    if sound and datasets:
        one = f"eval {quote(sound[0])}" if len(found.changed) == 1 else "eval --changed-since HEAD"
        yield NextStep(f"promptctl {one}", "try what was changed on its cases")
    elif sound:
        yield NextStep(f"promptctl diff {quote(sound[0])}", "see what was changed, and who breaks")
    if not moment.is_versioned:
        yield NextStep("git init && git add . && git commit -m 'Add prompts'", "have versions and labels")
    elif moment.head is None:
        yield NextStep("git add . && git commit -m 'Add prompts'", "have versions and labels")
    yield from _label_steps(context, found, log, datasets)
    if not found.evaluations and not found.changed and datasets:
        yield NextStep("promptctl eval --all --dry-run", "see what evaluating every prompt would ask and cost")
    usable = (id_ for id_ in ids if broken.isdisjoint(moment.work_tree.places.paths_of(id_)))
    if log is None and (first := next(usable, None)) is not None:
        yield NextStep(f"promptctl show {quote(first)}", "see what a prompt takes, then run it")
    elif found.calls_today:
        source = "" if found.calls_today > found.evaluation_calls_today else " --source all"
        yield NextStep(f"promptctl log list --since today{source}", "see today's calls")
    yield NextStep("promptctl list", "see every prompt, with its version and labels")


def _evaluation_steps(found: Standing) -> Iterator[NextStep]:
    unfinished = next((row for row in found.evaluations if row.totals.verdict == "incomplete"), None)
    failed = next((row for row in found.evaluations if row.totals.verdict == "failed"), None)
    goes_on = unfinished is not None and unfinished.totals.never_run and not unfinished.spec.needs_its_comparison
    if unfinished is not None and goes_on:
        bound = " --max-cost USD" if unfinished.totals.stopped == "max-cost" else ""
        yield NextStep(f"promptctl eval resume {unfinished.id[-8:]}{bound}", "go on with the last evaluation")
    elif unfinished is not None:
        yield NextStep(f"promptctl results show {unfinished.id[-8:]}", "see which cases could not be graded")
    if failed is not None:
        yield NextStep(f"promptctl results show {failed.id[-8:]}", "see which cases failed, and why")


def _label_steps(context: Context, found: Standing, log: Store | None, datasets: Collection[str]) -> Iterator[NextStep]:
    """Yield what one label needs to move on: by its rule, a label that it comes after has moved before.

    The newest evaluation of the version over each dataset, whole, decides. Without one the version is first compared
    with the one that the label names; one that failed moves no label, and says why if no other label has a step.
    """
    rules: Mapping[str, LabelRule] = context.settings.labels.rules
    behind = {(each.prompt, each.label): each for each in found.behind}
    failed: NextStep | None = None
    for each in found.behind:
        rule = rules.get(each.label)
        earlier = behind.get((each.prompt, rule.after)) if rule is not None and rule.after is not None else None
        if earlier is not None and earlier.version <= each.version:
            continue  # the other label comes first
        to, digest = (each.newest, each.digest) if earlier is None else (earlier.version, earlier.digest_live)
        deciding = _deciding(context, f"{each.prompt}@v{to}", digest, datasets) if log is not None else {}
        verdicts = {row.totals.verdict for row in deciding.values()}
        if "failed" in verdicts:
            row = next(row for row in deciding.values() if row.totals.verdict == "failed")
            why = f"see why v{to} failed: {each.label} stays at v{each.version}"
            failed = failed or NextStep(f"promptctl results show {row.id[-8:]}", why)
            continue
        if datasets and verdicts != {"passed"}:
            ref = quote(f"{each.prompt}@v{to}")
            command = f"promptctl eval {ref} --against @{each.label}"
            yield NextStep(command, f"see if v{to} may take the place of v{each.version}, {each.label}")
        else:
            reason = ' --reason "…"' if rule is not None and rule.reason else ""
            name = quote(f"{each.prompt}@{each.label}")
            yield NextStep(f"promptctl label set {name} v{to}{reason}", f"move it from v{each.version}")
        return
    if failed is not None:
        yield failed


def _deciding(context: Context, ref: str, digest: str, datasets: Collection[str]) -> dict[str, EvaluationRow]:
    """Return, by dataset, the newest evaluation of a version that counts for a label."""
    from promptctl.datasets.index import DatasetIndex
    from promptctl.evaluations.evidence import lack_of, open_sound

    found: dict[str, EvaluationRow] = {}
    rows = [
        row
        for row in context.log.evaluations(digest=digest, limit=_MOST_EVALUATIONS)
        if row.spec.dataset in datasets and not row.spec.is_part_of_comparison
    ]
    if not rows:
        return found
    here, settings = context.repository.work_tree, context.settings
    with suppress(WorkspaceError), closing(context.at(here, settings, here, needs_keys=False)) as of:
        prompt = context.prompt(ref).prompt
        index = DatasetIndex(here, limits=settings.limits)
        opened = {path: open_sound(index, path, prompt) for path in {row.spec.dataset for row in rows}}
        for row in rows:
            dataset = opened[row.spec.dataset]
            if dataset and lack_of(of, row, dataset, prompt, prompt.model or settings.model) is None:
                found.setdefault(row.spec.dataset, row)
    return found
