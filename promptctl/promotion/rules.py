"""The names that a label may have, and what `promptctl.yaml` asks of a version before a label may move to it.

These rules hold for users of promptctl; rules for tags at the Git server make them binding for everyone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptctl.errors import LabelRefused, Problem, UsageError, quote
from promptctl.files.names import LABEL, did_you_mean
from promptctl.formats.settings_file import LabelRule, LabelSettings

if TYPE_CHECKING:
    from promptctl.git.repository import Git
    from promptctl.labels.chains import LabelState
    from promptctl.labels.tags import Candidate, LabelName

_LIKE_A_VERSION = re.compile(r"v[0-9]")
_LIKE_A_COMMIT = re.compile(r"[0-9a-f]+\Z")
# A key of `labels:` in promptctl.yaml that names no label.
_RESERVED = ("remote",)


@dataclass(frozen=True, slots=True)
class Proof:
    """The passing evaluations of a version, named in one line; empty if there are none, and `missing` says why.

    `hint` is what to do then, unless that is to evaluate the version.
    """

    line: str = ""
    missing: str = "none is known here"
    hint: str | None = None


FindProof = Callable[[str | None], Proof]
"""Finds the evaluations of the version to be named: on one dataset, or with None on every dataset that tests it."""


def check_name(label: str) -> None:
    """Raise `UsageError` if this can be no label: it would be taken for a version, a commit or a setting."""
    if not LABEL.match(label):
        why = "a label is made of lower-case letters, digits and `-`, and begins with a letter"
    elif _LIKE_A_VERSION.match(label):
        why = "it would be taken for a version number"
    elif _LIKE_A_COMMIT.match(label):
        why = "it would be taken for a commit: it has only the digits and letters of hexadecimal numbers"
    elif label in _RESERVED:
        why = "it is a setting of its own in promptctl.yaml"
    else:
        return
    raise UsageError(f"`{label}` cannot be a label: {why}", hint="a label is a name such as production or staging")


def check_is_no_branch(git: Git, label: str) -> None:
    """Raise `LabelRefused` if a branch, here or of a remote, has the name that a new label is to get.

    A label that exists keeps its name, whatever branch is created later.
    """
    heads = [ref.name for ref in git.refs("refs/heads", "refs/remotes")]
    named = [name for name in heads if name == f"refs/heads/{label}" or _below_remote(name) == label]
    if named:
        raise LabelRefused(
            f"`{label}` cannot become a label: it is the name of the branch {named[0]}",
            hint="choose a different name; a label of that name would hide the branch",
        )


def _below_remote(ref: str) -> str:
    return ref.removeprefix("refs/remotes/").partition("/")[2] if ref.startswith("refs/remotes/") else ""


def check_is_allowed(settings: LabelSettings, label: str) -> None:
    """Raise `LabelRefused` if promptctl.yaml names labels, but not this one."""
    if not settings.rules or label in settings.rules:
        return
    raise LabelRefused(
        f"the label `{label}` is not among those that promptctl.yaml allows: {', '.join(settings.rules)}",
        hint=did_you_mean(label, settings.rules) or f"add it to `labels:` in promptctl.yaml:  {label}: {{}}",
    )


def rule_of(settings: LabelSettings, label: str) -> LabelRule:
    """Return the rule of a label; one that asks nothing if none is written."""
    return settings.rules.get(label, LabelRule())


def reason_problems(rule: LabelRule, label: str, reason: str) -> list[Problem]:
    """Return what `reason: required` has against a move."""
    if rule.reason != "required" or reason:
        return []
    return [Problem(f"a move of {label} needs a reason", hint='say why with --reason "…"', code="reason-required")]


def after_problems(rule: LabelRule, label: LabelName, target: Candidate, earlier: LabelState | None) -> list[Problem]:
    """Return what `after: staging` has against a move: staging, now at `earlier`, must name the same digest."""
    if rule.after is None or (earlier is not None and earlier.is_live and earlier.digest == target.digest):
        return []
    has = f"names {earlier.version}" if earlier is not None and earlier.is_live else "names nothing"
    return [
        Problem(
            f"{label.label} comes after {rule.after}, but {label.prompt}@{rule.after} {has}, not {target.version}",
            hint=f"promptctl label set {label.prompt}@{rule.after} {target.commit[:12]}",
            code="after-required",
        )
    ]


def evaluation_problems(
    rule: LabelRule, label: LabelName, target: Candidate, find_proof: FindProof | None
) -> tuple[str, list[Problem]]:
    """Return the passing evaluation that `evaluation: passed` asks for, and what the rule has against a move."""
    if rule.evaluation != "passed":
        return "", []
    found = find_proof(rule.dataset) if find_proof is not None else Proof()
    if found.line:
        return found.line, []
    on = f" on {rule.dataset}" if rule.dataset else ""
    dataset = f" --dataset {quote(rule.dataset)}" if rule.dataset else ""
    problem = Problem(
        f"{label.label} needs a passing evaluation of {target.version}{on}, and {found.missing}",
        hint=found.hint or f"promptctl eval {label.prompt}@{target.commit[:12]}{dataset}",
        code="evaluation-required",
    )
    return "", [problem]


def refuse(label: LabelName, problems: Sequence[Problem]) -> LabelRefused:
    """Return all that the rules have against a move as one error."""
    hints = dict.fromkeys(problem.hint for problem in problems if problem.hint)
    return LabelRefused(
        f"{label} was not moved: {'; '.join(problem.message for problem in problems)}", hint="\n".join(hints) or None
    )
