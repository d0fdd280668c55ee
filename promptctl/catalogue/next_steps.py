"""The commands that are useful where a workspace stands, each with why."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from promptctl.catalogue.standing import NextStep, Standing
from promptctl.errors import WorkspaceError, quote
from promptctl.files.names import DATASETS, is_dataset

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.formats.settings_file import LabelRule
    from promptctl.log.results import EvaluationRow
    from promptctl.log.store import Store
    from promptctl.versions.moment import Moment

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
