"""All files of a workspace checked, with the prompts and versions that its experiments name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from promptctl.catalogue.listing import warned_of_sparse_checkout
from promptctl.context import Context
from promptctl.datasets.validation import ValidationReport, validate_workspace
from promptctl.errors import HistoryIncomplete, InvalidFiles, Place, Problem, WorkspaceError, in_reading_order
from promptctl.experiments.drawing import of_today
from promptctl.files.document import Document
from promptctl.files.names import SETTINGS, did_you_mean
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.experiment_rules import Experiment
from promptctl.git.trees import WorkTree
from promptctl.versions.former_ids import check_label
from promptctl.versions.prompt_at_version import is_label


def validate(context: Context, paths: Sequence[str] = ()) -> ValidationReport:
    """Return what `validate_workspace` finds, and what is wrong with the experiments if the settings are checked."""
    experiments: Sequence[Experiment] = ()
    try:
        tree = warned_of_sparse_checkout(context).repository.work_tree
        if not paths or not {"", SETTINGS}.isdisjoint(paths):
            experiments = context.settings.experiments
    except InvalidFiles:  # the report has what is wrong with the settings, as with any other file
        if context.is_bare:
            raise
        tree = WorkTree(context.root)
    report = validate_workspace(tree, paths)
    if not experiments:
        return report
    document = read_yaml(tree.read(SETTINGS), SETTINGS)
    found = [problem for each in experiments for problem in _problems(context, document, each)]
    return ValidationReport(report.files, tuple(in_reading_order([*report.problems, *found])))


def _problems(context: Context, document: Document, experiment: Experiment) -> Iterator[Problem]:
    def place(*keys: str) -> Place:
        return document.place("experiments", experiment.name, *keys)

    written, prompts = experiment.prompt, context.prompt_ids()
    experiment = of_today(context, experiment)
    if experiment.prompt not in prompts:
        hint = did_you_mean(experiment.prompt, prompts) or "promptctl list shows all"
        yield Problem(f"there is no prompt `{experiment.prompt}`", place("prompt"), hint, "unknown-prompt")
        return
    digests: dict[str, str] = {}
    for arm in experiment.arms if experiment.stopped is None else (experiment.control,):
        try:
            found = context.prompt(f"{experiment.prompt}{arm.ref}")
        except WorkspaceError as error:
            unknown = isinstance(error, HistoryIncomplete)
            at = place("arms", arm.name, "ref")
            severity = "warning" if unknown else "error"
            yield Problem(error.message, at, error.hint, "unknown-version", severity)  # type: ignore[arg-type]
            continue
        if (same := digests.setdefault(found.version.digest, arm.name)) != arm.name:
            message = f"`{same}` and `{arm.name}` are the same version, {found.version.display}"
            yield Problem(message, place("arms", arm.name, "ref"), "no difference can be found", "no-effect", "warning")
    if experiment.label is not None and not (context.now().is_versioned and context.now().unknown_labels()):
        named = (arm.ref[1:] for arm in experiment.arms)  # what is wrong with those was said
        try:
            check_label(context.now(), experiment.label, [*context.settings.labels.rules, *named])
        except WorkspaceError as error:
            yield Problem(error.message, place("only", "label"), error.hint, "unknown-label", "warning")
    if experiment.ends is not None and experiment.ends.then == "promote" and not is_label(experiment.control.ref[1:]):
        message = f"`{experiment.control.ref}` is no label that could be moved"
        yield Problem(message, place("ends", "then"), "write `control`, or let control name a label", "contradiction")
    rule = context.settings_now.log_rule(experiment.prompt, written)
    if not rule.is_active and experiment.stopped is None:
        message = f"the log rule at {rule.place} keeps no row of {experiment.prompt}: the experiment learns nothing"
        yield Problem(
            message,
            place("prompt"),
            f"promptctl log rules set {experiment.prompt} content=metadata active=true",
            "no-effect",
            "warning",
        )
