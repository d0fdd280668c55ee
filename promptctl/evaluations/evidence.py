"""The lack of an evaluation in the log that keeps it from being evidence for a version as it would run now."""

from __future__ import annotations

from dataclasses import replace

from promptctl.calls.call import make_target
from promptctl.context import Context
from promptctl.datasets.dataset import Dataset
from promptctl.datasets.index import DatasetIndex
from promptctl.errors import ModelError, WorkspaceError, printable
from promptctl.evaluations.request import EvaluationRequest
from promptctl.evaluations.rules import answering
from promptctl.files.wording import count, percent
from promptctl.log.results import EvaluationRow, EvaluationSpec
from promptctl.prompts.prompt import Prompt
from promptctl.versions.prompt_at_version import Version


def open_sound(index: DatasetIndex, path: str, prompt: Prompt) -> Dataset | None:
    """Return the dataset, counted; None if it is wrong or missing: then nothing can have passed on it."""
    try:
        return index.checked(path, prompt)
    except (FileNotFoundError, WorkspaceError):
        return None


def lack_of(context: Context, row: EvaluationRow, dataset: Dataset, prompt: Prompt, model: str | None) -> str | None:
    """Return why an evaluation says nothing of the prompt on a dataset, as the end of a sentence; None if it does.

    It must have covered all cases with the prompt's own model, parameters and judges at their own servers, and asked no
    less than the dataset asks. `model` is the one that would run.
    """
    spec = row.spec
    if row.model != model:
        return f"asked {printable(row.model or 'no model')}, where {printable(model or 'no model')} would run"
    if not spec.is_whole:
        return f"was not of the whole dataset: {_part_of(spec)}"
    if spec.dataset_digest != dataset.digest:
        return "was of other cases: the dataset has changed since"
    if spec.judge is not None or spec.judge_parameters:
        return f"had its judges changed ({'--judge' if spec.judge is not None else '--judge-param'})"
    if spec.passes_needed < spec.repeats:
        return f"let a case pass with {spec.passes_needed} of {spec.repeats} repeats"
    if spec.min_pass < dataset.header.min_pass:
        asked, wanted = percent(spec.min_pass, 1), percent(dataset.header.min_pass, 1)
        return f"asked less of the cases than the dataset does: {asked}, not {wanted}"
    if (other := _unlike(context, spec, dataset, prompt, model)) is not None:
        return other
    return None if row.is_conclusive else "was not finished"


def _part_of(spec: EvaluationSpec) -> str:
    """Return which part of its dataset an evaluation was of."""
    if spec.code_left_out:
        return "assertions that run code were left out"
    if spec.left_out:
        return f"{count(len(spec.left_out), 'case')} were left out"
    options = {
        "--case": spec.ids is not None,
        **{f"--tag {printable(tag)}": True for tag in spec.tags},
        f"--sample {spec.sample}": spec.sample is not None,
        f"--first {spec.first}": spec.first is not None,
        "--split": spec.split is not None,
        "--shard": spec.shard is not None,
    }
    given = " ".join(option for option, is_given in options.items() if is_given)
    return count(spec.cases, "case") + (f" ({given})" if given else "")


def _unlike(context: Context, spec: EvaluationSpec, dataset: Dataset, prompt: Prompt, model: str | None) -> str | None:
    """Return what was asked that the settings do not say; of an earlier program's only the parameters tell."""
    request = EvaluationRequest(refs=None, replies=spec.replies)
    try:
        target = make_target(context, prompt, Version(prompt.digest), model, needs_key=request.needs_keys)
        now = answering(context, request, dataset, target)
    except (WorkspaceError, ModelError) as error:
        return f"cannot be compared with what would run: {error.message}"
    then, set_ = dict(spec.parameters), dict(target.parameters)
    names = [name for name in {**then, **set_} if name not in then or name not in set_ or then[name] != set_[name]]
    if names:
        return f"asked with other parameters ({', '.join(map(printable, names))})"
    unlike = spec.unlike(replace(spec, **now))
    if not unlike:
        return None
    if "dataset_beside" in unlike:
        return "asked something else of its cases: an `output`, `must_pass` or strict `xfail` has changed since"
    if "server" in unlike:
        return "asked another server"
    if "judge_model" in unlike:
        return "was judged by another model"
    return "was graded by other rules or judges than those of now"
