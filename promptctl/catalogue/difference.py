"""Two versions of a prompt, or two prompts, side by side: what differs and what breaks."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptctl.differences.diff import PromptDiff, diff_prompts
from promptctl.errors import GitError, PromptctlError, PromptNotFound, RevisionNotFound
from promptctl.prompts.checking import WorkspaceCheck
from promptctl.versions.prompt_at_version import PromptAtVersion, parse_ref

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.log.results import EvaluationRow
    from promptctl.prompts.prompt import Prompt


@dataclass(frozen=True, slots=True)
class Difference:
    """The differences from `old` to `new`."""

    old: PromptAtVersion
    new: PromptAtVersion
    diff: PromptDiff

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return {"old": _side(self.old), "new": _side(self.new), **self.diff.to_data()}


def compare(parts: Context, old: str, new: str | None = None) -> Difference:
    """Compare one ref with a different one; without `new`, with the work tree.

    A bare prompt without `new` means what was committed against the work tree. A `new` such as `@v7` is a version of
    the same prompt. Errors of the newer side that keep no prompt from being loaded, such as a variable that no input
    declares, are warned of.
    """
    first = parse_ref(old)
    if new is None:
        before = _committed(parts, first.prompt) if first.at is None else parts.prompt(old)
        after = parts.prompt(first.prompt)
    else:
        before = parts.prompt(old)
        after = parts.prompt(f"{first.prompt}{new}" if new.startswith("@") else new)
    for problem in WorkspaceCheck(after.tree).file(after.prompt.path):
        if problem.severity == "error":
            parts.warn(str(problem))
    return Difference(before, after, diff_prompts(before.prompt, after.prompt))


def evaluated_prompt(parts: Context, row: EvaluationRow) -> Prompt | None:
    """Return the prompt that an evaluation measured; None if its commit, its ref and the work tree have it no more."""
    for ref in (f"{row.prompt}@{row.commit}", row.spec.ref, row.prompt):
        with suppress(PromptctlError):
            found = parts.repository.resolve(ref, is_numbered=False, moment=parts.now()).prompt
            if found.digest == row.digest:
                return found
    return None


def _committed(parts: Context, prompt: str) -> PromptAtVersion:
    """Return the prompt at HEAD."""
    at_work = parts.prompt(prompt)
    if not parts.now().is_versioned:
        raise GitError(
            f"there is nothing to compare `{prompt}` with: the workspace is not in a Git repository",
            hint=f"name a different prompt: promptctl diff {prompt} OTHER",
        )
    try:
        return parts.prompt(f"{prompt}@HEAD")
    except (PromptNotFound, RevisionNotFound) as error:
        raise PromptNotFound(
            f"`{prompt}` is not committed yet: there is nothing to compare it with",
            hint=f"git add {at_work.prompt.path} && git commit",
        ) from error


def _side(at_version: PromptAtVersion) -> dict[str, Any]:
    return {
        "ref": str(at_version.ref),
        "prompt": at_version.prompt.id,
        **at_version.version.as_dict(),
    }
