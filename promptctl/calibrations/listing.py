"""The judges that a workspace asks, each with what is known of its agreement with people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from promptctl.assertions.assertion import AskedJudge
from promptctl.assertions.judging import EMBEDDER, JudgeTerms
from promptctl.assertions.licences import Licences, judged
from promptctl.calibrations.agreement import labelled_replies
from promptctl.context import Context
from promptctl.datasets.index import DatasetIndex
from promptctl.datasets.questions import have_labels_changed
from promptctl.errors import ModelError, WorkspaceError
from promptctl.evaluations.rules import calibration_rule_of
from promptctl.files.plain import record_data
from promptctl.formats.calibration_file import Calibration, read_calibrations
from promptctl.formats.settings_file import CalibrationRule


@dataclass(frozen=True, slots=True)
class JudgeStatus:
    """A judge with one model on one rubric: where it is asked, and whether it has shown that it agrees with people.

    `lack` says why it decides nothing where `judge: calibrated` is asked, in one of the datasets at least; None if it
    decides in all. `rubric` is for people.
    `labels` are those of people that count now; `labels_changed` that those it was measured on differ now.
    """

    judge: str
    model: str | None
    type: str
    rubric: str
    datasets: tuple[str, ...]
    calibration: Calibration | None
    lack: str | None
    labels: int = 0
    labels_changed: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return record_data(self)


def list_judges(context: Context) -> list[JudgeStatus]:
    """Return the judges that sound datasets ask, and those whose calibrations nothing asks for any more."""
    terms = JudgeTerms(context, needs_key=False)
    rules: dict[str, CalibrationRule] = {}
    licences: dict[CalibrationRule, Licences] = {}
    index = DatasetIndex(context.repository.work_tree, limits=context.settings.limits)
    asked: dict[tuple[AskedJudge, str], tuple[str, str, dict[str, None]]] = {}
    labels: Counter[str] = Counter()
    for path in index.paths():
        try:
            dataset = index.open(path)
            assertions = [each for case in dataset.cases() for each in case.assertions]
            rule = rules[path] = calibration_rule_of(context, dataset) or CalibrationRule()
            if rule not in licences:
                licences[rule] = Licences(terms, rule)
            labels.update(_labelled_rubrics(context, path))
        except WorkspaceError:
            continue
        for each in judged(assertions):
            key = AskedJudge(each.judge_prompt, each.options.get("model")), each.rubric
            text = each.ready if isinstance(each.ready, str) else ""
            asked.setdefault(key, (each.type, text, {}))[2][path] = None
    found = []
    for (judge, rubric), (type_, text, paths) in asked.items():
        by_rule = [licences[rule] for rule in dict.fromkeys(rules[path] for path in paths)]
        calibration = by_rule[0].calibration(judge, rubric)
        lack = next((lack for each in by_rule if (lack := each.of(judge, rubric).lack) is not None), None)
        try:
            model: str | None = terms.model_of(judge)
        except ModelError:
            model = None
        text = text or (calibration.rubric_text if calibration is not None else "")
        found.append(
            JudgeStatus(
                judge.prompt_id or EMBEDDER.id,
                model,
                type_,
                text,
                tuple(paths),
                calibration,
                lack,
                labels[rubric],
                calibration is not None and _have_changed(index, calibration),
            )
        )
    held = {each.calibration.key for each in found if each.calibration is not None}
    for kept in read_calibrations(context.repository.work_tree):
        if kept.key not in held:
            idle = f"no dataset asks {kept.judge} with {kept.model} what it was measured for"
            found.append(JudgeStatus(kept.judge, kept.model, kept.rubric_type, kept.rubric_text, (), kept, idle))
    return sorted(found, key=lambda each: (each.judge, each.model or "", each.type, each.rubric, each.datasets))


def _labelled_rubrics(context: Context, path: str) -> list[str]:
    """Return the rubric of each label of a dataset that counts."""
    counting = labelled_replies(context, path).counting
    return [rubric for each in counting for rubric in {asks.assertion.rubric for asks in each.question.each}]


def _have_changed(index: DatasetIndex, calibration: Calibration) -> bool:
    try:
        return have_labels_changed(index, calibration)
    except WorkspaceError:
        return False  # a dataset or its labels are wrong, which `validate` says
