"""Judges in a review: those of HEAD's own, which it may not choose, and those that decide, now and once merged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from promptctl.assertions.assertion import AskedJudge, Assertion
from promptctl.assertions.judges import find_judge
from promptctl.assertions.judging import JudgeTerms
from promptctl.calls.shipped import shipped_judges
from promptctl.datasets.index import DatasetIndex
from promptctl.datasets.reached import datasets_reached
from promptctl.errors import WorkspaceError
from promptctl.evaluations.rules import calibration_rule_of
from promptctl.files.wording import count, name_some
from promptctl.models.gateway import recorded_model
from promptctl.prompts.loading import load_prompt
from promptctl.reviews.review import Judging, PromptReview
from promptctl.reviews.settings_changes import SettingsReview, asked_otherwise

if TYPE_CHECKING:
    from promptctl.assertions.licences import Licences
    from promptctl.context import Context
    from promptctl.datasets.cases import Case
    from promptctl.datasets.dataset import Dataset
    from promptctl.files.tree import Tree
    from promptctl.formats.settings_file import CalibrationRule, Settings
    from promptctl.reviews.changes import Changes
    from promptctl.reviews.dataset_changes import DatasetReading
    from promptctl.reviews.range import ReviewRange
    from promptctl.reviews.request import ReviewRequest


def judges_of_head(
    moments: ReviewRange, changes: Changes, named: Collection[str], reading: DatasetReading
) -> Iterator[str]:
    """Yield each judge of HEAD's own in a sentence without its full stop.

    `named` are models that settings or the command name, `reading` is how both sides' datasets were read.
    """
    differing = {id_: each for each in changes.prompts for id_ in _ids(each)}
    grading = (
        {each.prompt_id for tree in (moments.base, moments.head) for each in _asked(tree, differing, reading)}
        if differing
        else set()
    )
    shipped = shipped_judges()
    for prompt in {each.id: each for id_, each in differing.items() if id_ in grading or id_ in shipped}.values():
        if prompt.kind == "added" and prompt.id not in shipped:
            yield f"the judge {prompt.id} is HEAD's own"
        elif prompt.is_other_behaviour or prompt.kind != "changed":
            yield f"the judge {prompt.former_id or prompt.id} was {prompt.kind} (BASE's graded)"
    told: dict[str, str] = {}
    for dataset in changes.datasets:
        for asked in dataset.judges[1] - dataset.judges[0]:
            if asked.model is not None and asked.model not in named:
                told.setdefault(asked.model, dataset.path)
            if asked.prompt_id is not None and asked.prompt_id not in shipped and asked.prompt_id not in differing:
                told.setdefault(asked.prompt_id, dataset.path)
    if told:
        known = {name for each in _asked(moments.base, told, reading) for name in (each.prompt_id, each.model)}
        yield from (f"{path} names a judge of HEAD's own, {name}" for name, path in told.items() if name not in known)


def _ids(prompt: PromptReview) -> Iterator[str]:
    yield prompt.id
    if prompt.former_id is not None:
        yield prompt.former_id


def _asked(tree: Tree, names: Iterable[str], reading: DatasetReading) -> Iterator[AskedJudge]:
    """Yield the judges of every dataset that may name one of these prompts or models."""
    for path in datasets_reached(tree, names):
        side = reading.at(tree, path)
        if side is not None:
            yield from side.judges


class DecidingJudges:
    """The judges that may decide a case, with the settings and calibrations of a context.

    Nobody is asked, and no key is needed: servers, which only settings name, are not looked at.
    """

    def __init__(self, context: Context, request: ReviewRequest) -> None:
        self._terms = JudgeTerms(context, request.judge, request.judge_parameters, needs_key=False)
        self._known: dict[CalibrationRule, Licences | None] = {}

    def of(self, dataset: Dataset, case: Case) -> Judging:
        """Return who decides of the judges of a case's assertions, those of sets included."""
        asked = list(_weighing(case.assertions))
        rule = calibration_rule_of(self._terms.context, dataset) if asked else None
        if rule is None:
            return Judging(len(asked), len(asked))
        licences = self._licences(rule)
        if licences is None:
            return Judging(len(asked), 0, is_ruled=True)
        named = ((AskedJudge(each.judge_prompt, each.options.get("model")), each.rubric) for each in asked)
        deciding = sum(licences.of(judge, rubric).lack is None for judge, rubric in named)
        return Judging(len(asked), deciding, is_ruled=True)

    def _licences(self, rule: CalibrationRule) -> Licences | None:
        """Return the licences by a rule; None if the calibrations cannot be read: then nobody has one."""
        from promptctl.assertions.licences import Licences

        if rule not in self._known:
            try:
                self._known[rule] = Licences(self._terms, rule)
            except WorkspaceError:
                self._known[rule] = None
        return self._known[rule]


def _weighing(assertions: Iterable[Assertion]) -> Iterator[Assertion]:
    """Yield each assertion that asks a judge and weighs anything."""
    for each in assertions:
        if each.weight:
            if each.rubric:
                yield each
            yield from _weighing(each.assertions)


def undone_by_merging(
    context: Context, settings: Settings, head: Tree, now: DecidingJudges, request: ReviewRequest
) -> Iterator[str]:
    """Yield each dataset of HEAD of whose judges fewer decide once HEAD is merged, in a sentence without its full stop.

    A review reads settings, judges and calibrations from BASE: what HEAD does to them is seen nowhere else.
    """
    with closing(context.at(head, settings, head)) as merged:
        then = DecidingJudges(merged, request)
        index = DatasetIndex(head, trusted=context.trusted_judges, limits=settings.limits)
        has_rule = bool(settings.gate.calibrated or context.settings.gate.calibrated)
        for path in index.paths():
            try:
                if not has_rule and b"calibrated" not in head.read(path):
                    continue
                dataset = index.open(path)
                cases = dataset.cases()
                lost = [case.id for case in cases if now.of(dataset, case).is_undone(then.of(dataset, case))]
            except (WorkspaceError, FileNotFoundError):  # told where it is reviewed
                continue
            if lost:
                told = f"{count(len(lost), 'case')} of {path} ({name_some(lost)})"
                yield f"with HEAD's own settings, judges and calibrations fewer judges decide in {told}"


def otherwise_judged(
    context: Context, own: SettingsReview, index: DatasetIndex, request: ReviewRequest
) -> Iterator[str]:
    """Yield each judge of tested prompts that HEAD's settings replace, or have asked in a different way.

    Which judge decides, and where and how it is asked, is BASE's to say, so a review cannot tell what becomes of the
    results.
    """
    now, then = (request.judge or model for model in own.judging_model)
    if now == then and own.before.models == own.after.models:
        return
    replaced: list[str] = []
    judged: dict[str, list[str]] = {}
    for id_, judges in _judges_of_prompts(index):
        named = {each.model or _own_model(context, each) for each in judges}
        if None in named and now != then:
            replaced.append(id_)
        for model in {each or then for each in named}:
            if model is not None:
                judged.setdefault(recorded_model(model), []).append(id_)
    if replaced:
        which = f"{count(len(replaced), 'tested prompt')} ({name_some(replaced)})"
        yield f"HEAD has {then or 'no model'} judge {which}, which {now or 'no model'} judges for BASE"
    for model, ids in sorted(judged.items()):
        rules = (each.model_rule(model) for each in (own.before, own.after))
        sides = (each.of_replies | {"judge_parameters": each.judge_parameters} for each in rules)
        yield from asked_otherwise(model, "judges", ids, *sides)


def _judges_of_prompts(index: DatasetIndex) -> Iterator[tuple[str, set[AskedJudge]]]:
    """Yield each tested prompt of HEAD that is judged, with its judges."""
    known: dict[str, set[AskedJudge]] = {}
    for id_, paths in index.tested_prompts(skips_broken=True).items():
        for path in paths:
            if path in known:
                continue
            known[path] = set()
            try:
                prompt = None if path in index.files else load_prompt(index.tree, id_)
                for case in index.open(path, prompt).cases(prompt):
                    known[path].update(case.judges)
            except WorkspaceError:  # told where it is reviewed
                continue
        if judges := {each for path in paths for each in known[path]}:
            yield id_, judges


def _own_model(context: Context, asked: AskedJudge) -> str | None:
    """Return the model that a judge's prompt names."""
    try:
        return find_judge(context, asked.prompt_id).prompt.model if asked.prompt_id else None
    except WorkspaceError:  # told where it is asked
        return None
