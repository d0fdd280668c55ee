"""A review as JSON; equal for equal reviews, to the byte."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

from promptctl.comparisons.compared import Compared
from promptctl.errors import Problem
from promptctl.files.plain import bare_keys
from promptctl.files.wording import version_keys, version_number
from promptctl.labels.times import LabelMove
from promptctl.reports.comparison_json import comparison_as_dict, joint_as_dict
from promptctl.reports.review import OF_TIME, edit_lines, is_timed_pair, readable, reproduce, stable_head, warnings
from promptctl.reviews.review import DatasetReview, Measurement, PromptReview, Review


def review_as_dict(review: Review) -> dict[str, Any]:
    """JSON-able, with stable keys, and without secrets."""
    head = review.head
    found: dict[str, Any] = {
        "base": {"commit": review.base.commit, "tip": review.tip.commit, "tip_name": review.tip.name},
        "head": {"commit": head.commit, "name": head.name, "work_tree": head.commit is None},
        "passed": review.decision.is_passed,
        "state": review.state,
        "exit_code": review.decision.exit_code,
        "decision": review.decision.reason,
        "gate": review.rule.gate,
        "margin": review.rule.margin,
        "settings_changed": review.settings_differ,
        "settings": {each.name: {"before": each.before, "after": each.after} for each in review.settings},
        "recorded": review.uses_recordings,
        "notes": list(review.notes),
        "taken_away": list(review.taken_away),
        "warnings": warnings(review),
        "prompts": [_prompt(prompt) for prompt in review.prompts],
        "datasets": [_dataset(dataset) for dataset in review.datasets],
        "files": [{"path": path, "prompts": list(ids)} for path, ids in review.files.items()],
        "lines": dict(review.lines),
        "recordings": list(review.recordings),
        "evaluations": [_measurement(found) for found in review.measurements],
        "together": [joint_as_dict(found) for found in review.together],
        "label_moves": [_move(move) for move in review.moves],
        "reproduce": reproduce(review),
    }
    return cast("dict[str, Any]", review.hide(found))


def _prompt(prompt: PromptReview) -> dict[str, Any]:
    return {
        "prompt": prompt.id,
        "kind": prompt.kind,
        "formerly": prompt.former_id,
        "path": prompt.path,
        "through": list(prompt.through),
        "behaviour_changed": prompt.is_other_behaviour,
        "base_digest": prompt.base.digest if prompt.base else None,
        "head_digest": prompt.head.digest if prompt.head else None,
        "breaks_callers": [asdict(each, dict_factory=bare_keys) for each in prompt.breaks_callers],
        "breaks_consumers": [asdict(each, dict_factory=bare_keys) for each in prompt.breaks_consumers],
        "base_problems": [_problem(each) for each in prompt.base_problems],
        "head_problems": [_problem(each) for each in prompt.head_problems],
        "diff": prompt.diff.to_data() if prompt.diff else None,
    }


def _dataset(dataset: DatasetReview) -> dict[str, Any]:
    return {
        "dataset": dataset.path,
        "kind": dataset.kind,
        "former_path": dataset.former_path,
        "prompts": list(dataset.prompts),
        "added": list(dataset.added),
        "removed": list(dataset.removed),
        "changed": list(dataset.changed),
        "unchanged": dataset.unchanged,
        "edits": [{"cases": list(each.cases), "diff": edit_lines(each)} for each in dataset.edits],
        "header": {name: {"before": old, "after": new} for name, (old, new) in dataset.header.items()},
        "problems": [_problem(each) for each in dataset.problems],
    }


def _measurement(found: Measurement) -> dict[str, Any]:
    return {
        "prompt": found.prompt,
        "evaluated": found.is_made,
        "why_not": found.why_not,
        "exit_code": found.decision.exit_code,
        "decision": found.decision.reason or None,
        "notes": list(found.notes),
        "problems": [_problem(each) for each in found.problems],
        "comparisons": [_compared(each) for each in found.compared],
        "evaluations": [stable_head(each) for each in found.evaluations],
    }


def _compared(found: Compared) -> dict[str, Any]:
    data = comparison_as_dict(readable(found))
    data |= {"base": stable_head(found.base), "head": stable_head(found.head), "edited": list(found.edited)}
    if not is_timed_pair(found):
        for pair in (*data["regressed"], *data["improved"]):
            for side in ("base", "head"):
                pair[side] = {key: value for key, value in pair[side].items() if key not in OF_TIME}
    return data


def _move(move: LabelMove) -> dict[str, Any]:
    event = move.event
    return {
        "prompt": event.prompt,
        "label": event.label,
        "event": event.n,
        "action": event.action,
        "from_version": version_number(move.from_version or ""),
        "from_version_display": move.from_version,
        **version_keys(event.version if event.is_live else None),
        "commit": event.commit,
        "actor": event.actor,
        "date": event.utc_date,
        "reason": event.reason or None,
        "evaluation": event.evaluation or None,
    }


def _problem(problem: Problem) -> dict[str, Any]:
    """Return a problem as the JSON of a review has it: without its severity."""
    return {key: value for key, value in problem.as_dict().items() if key != "severity"}
