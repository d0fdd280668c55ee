"""The evaluation in the log that proves a version good enough for a label."""

from __future__ import annotations

from collections.abc import Iterable

from promptctl.context import Context
from promptctl.datasets.cases import Case
from promptctl.datasets.dataset import Dataset
from promptctl.datasets.index import DatasetIndex
from promptctl.errors import WorkspaceError, quote
from promptctl.evaluations.evidence import lack_of, open_sound
from promptctl.files.names import DATASETS, SETTINGS, resolve_path
from promptctl.files.tree import Tree
from promptctl.files.wording import name_some
from promptctl.log.results import EvaluationRow, ResultDetail
from promptctl.log.store import Store
from promptctl.promotion.rules import Proof
from promptctl.prompts.prompt import Prompt


def find_proof(
    context: Context, committed: DatasetIndex, here_now: DatasetIndex, prompt: Prompt, dataset: str | None
) -> Proof:
    """Return what proves a version of a prompt, or what is missing.

    On `dataset`, or on every committed dataset that tests the prompt, the last evaluation of the version's digest must
    have passed. It counts where it covered all cases as they are committed, with the version's own model, parameters
    and judges at their own servers, asked no less than the dataset's `min_pass` and the same of each case, and of each
    to pass at every repeat. No judge may have decided nothing in it if all decided in an earlier one that passed.
    `dataset` is a path as `promptctl.yaml` names it, below `datasets/`; `here_now` is what an evaluation reads now. The
    settings and the judges' prompts of `context` are those that hold for all.
    """
    wanted = [resolve_path(dataset, SETTINGS, DATASETS)] if dataset else _testing(committed, prompt)
    log = context.log
    rows = log.evaluations(digest=prompt.digest)
    if not wanted:
        new = _testing(here_now, prompt)
        return (
            _uncommitted(new, "no dataset that tests it is committed") if new else Proof(missing="no dataset tests it")
        )
    lines = []
    for path in wanted:
        on = "" if dataset else f" on {path}"
        opened, here = open_sound(committed, path, prompt), open_sound(here_now, path, prompt)
        if opened is None and here is None:
            return Proof(missing=f"{path} is missing or wrong: promptctl validate")
        asked = _lacks(context, rows, opened, prompt) if opened is not None else []
        counting = [row for row, lack in asked if lack is None]
        row = counting[0] if counting else None
        if row is None and opened is not None and here is None:
            return _unusable_here(here_now.tree, path)
        if row is None and (opened and opened.asks) != (here and here.asks):
            return _uncommitted([path], f"{path} is not here as it is committed")
        if row is None:
            told = ((each, lack) for each, lack in asked if not each.spec.is_part_of_comparison)
            last, lack = next(told, (None, None))
            return Proof(missing=f"the last one{on} ({last.id[-8:]}) {lack}" if last else f"none is known here{on}")
        if row.totals.verdict != "passed":
            return Proof(missing=f"in the last one{on} ({row.id[-8:]}) {row.totals.reason}")
        if (decided := _decided_before(log, row)) is not None:
            missing = (
                f"in the last one{on} ({row.id[-8:]}) judges decided nothing that did in an earlier ({decided[-8:]})"
            )
            return Proof(missing=missing, hint="promptctl judge list says why, and what to do")
        lines.append(_line(row, counting[1:]))
    return Proof("; ".join(lines))


def _uncommitted(paths: list[str], missing: str) -> Proof:
    named = " ".join(map(quote, paths))
    hint = f"commit the dataset first: git add {named} && git commit -m 'Change the dataset' -- {named}"
    return Proof(missing=missing, hint=hint)


def _unusable_here(tree: Tree, path: str) -> Proof:
    """Return what to do if the committed dataset is sound: committing what is here would lose it."""
    try:
        tree.read(path)
    except FileNotFoundError:
        restore = f"git restore --staged --worktree -- {quote(path)}"
        return Proof(missing=f"{path} is committed and missing here", hint=restore)
    except WorkspaceError as error:
        return Proof(missing=f"{path} cannot be read here: {error.message}", hint=error.hint or "promptctl validate")
    return Proof(missing=f"{path} is wrong here, and not as it is committed", hint="promptctl validate")


def _demands(cases: Iterable[tuple[str, Case | ResultDetail]]) -> set[tuple[str, str]]:
    """Return which cases, by id, must pass, and which must fail as a strict `xfail` says."""
    names = ("must_pass", "is_xfail_strict")
    return {(id_, name) for id_, case in cases for name in names if getattr(case, name)}


def _testing(index: DatasetIndex, prompt: Prompt) -> list[str]:
    return index.tested_prompts([prompt.id]).get(prompt.id, [])


def _lacks(
    context: Context, rows: list[EvaluationRow], dataset: Dataset, prompt: Prompt
) -> list[tuple[EvaluationRow, str | None]]:
    """Return the evaluations on a dataset, the newest first, each with what it lacks to count."""
    asked, log = _demands((case.id, case) for case in dataset.cases()), context.log
    model = prompt.model or context.settings.model
    return [
        (row, lack_of(context, row, dataset, prompt, model) or _lack_of_demands(log, row, asked))
        for row in rows
        if row.spec.dataset == dataset.header.path
    ]


def _lack_of_demands(log: Store, row: EvaluationRow, asked: set[tuple[str, str]]) -> str | None:
    """Return what is missing if the evaluation did not ask all this of its cases.

    Its spec says so, but for one of an earlier version of the program. One that failed, and ended there, counts
    whatever it left out.
    """
    is_said = row.spec.dataset_beside is not None
    if is_said or not asked or (row.status != "finished" and row.totals.verdict == "failed"):
        return None
    lacking = asked - _demands((each.case_id, each.detail) for each in log.results(row.id))
    names = {"must_pass": "`must_pass`", "is_xfail_strict": "a strict `xfail`"}
    told = " and ".join(text for name, text in names.items() if any(name == each for _, each in lacking))
    return f"did not ask {told} of every case that has it now" if told else None


def _decided_before(log: Store, row: EvaluationRow) -> str | None:
    """Return an evaluation of the prompt that passed on the dataset with every judge, if one decided nothing in `row`.

    A rubric that was edited, say, takes the word of its judge: what is left may say nothing of the prompt.
    """
    if not _has_undecided(row):
        return None
    for each in log.evaluations(prompt=row.prompt):
        is_evidence = each.spec.dataset == row.spec.dataset and each.spec.is_whole and each.totals.verdict == "passed"
        if is_evidence and each.totals.judged and not _has_undecided(each):
            return each.id
    return None


def _has_undecided(row: EvaluationRow) -> bool:
    return any(each["undecided"] for each in row.totals.judged)


def _line(row: EvaluationRow, earlier: list[EvaluationRow]) -> str:
    """Return the evidence in a line; evaluations of the same that did not pass before are part of it."""
    totals = row.totals
    line = f"{row.id} passed {totals.passed} of {totals.cases} on {row.spec.dataset}"
    if _is_recorded(row):
        line += " (recorded replies)"
    if _has_undecided(row):
        line += " (uncalibrated judges decided nothing)"
    if refused := [each for each in earlier if each.totals.verdict != "passed"]:
        told = name_some([f"{each.id[-8:]} {each.totals.passed} of {each.totals.cases}" for each in refused])
        line += f" (of {len(earlier) + 1} evaluations of it {len(refused)} did not pass: {told})"
    return line


def _is_recorded(row: EvaluationRow) -> bool:
    """Return True if any reply was read from a file that anybody could have written, not given by a model."""
    sources = row.totals.reply_sources
    return bool(row.spec.replies == "replay" or sources.keys() & {"replay", "recorded", "dataset"})
