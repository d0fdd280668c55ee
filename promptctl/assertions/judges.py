"""The prompts that model-graded assertions ask: a workspace's own, or else those that ship."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptctl.calls.shipped import ShippedFiles, is_shipped, shipped_prompt
from promptctl.context import Context
from promptctl.files.tree import Tree
from promptctl.prompts.loading import load_prompt, prompt_paths
from promptctl.prompts.prompt import Prompt
from promptctl.versions.prompt_at_version import PromptAtVersion


def load_judge(tree: Tree, prompt_id: str, trusted: Tree | None = None) -> Prompt:
    """Return the judge's prompt of that id: the workspace's own if it has one, else the one that ships.

    Judges that `trusted` has, and those that ship, stand before the tree's own. Raises what `load_prompt` does.
    """
    return load_prompt(_tree_of(tree, prompt_id, trusted), prompt_id)


def find_judge(context: Context, prompt_id: str) -> PromptAtVersion:
    """Return a judge's prompt at its version: the workspace's own, or else the one that ships.

    It is looked up once for each context, so that all verdicts of a command are of one version. Raises what
    `Context.prompt` raises.
    """
    found = context.shared(_found)
    if prompt_id not in found:
        tree = _tree_of(context.tree, prompt_id, context.trusted_judges)
        if isinstance(tree, ShippedFiles):
            found[prompt_id] = shipped_prompt(prompt_id)
        else:
            found[prompt_id] = context.prompt(prompt_id if tree.commit is None else f"{prompt_id}@{tree.commit}")
        if found[prompt_id].prompt.status == "deprecated":
            context.warn(found[prompt_id].prompt.retirement)
    return found[prompt_id]


def _found(_context: Context) -> dict[str, PromptAtVersion]:
    return {}


def _tree_of(tree: Tree, prompt_id: str, trusted: Tree | None) -> Tree:
    """Return the tree to read the judge's prompt from."""
    first = tree if trusted is None else trusted
    if prompt_id in prompt_paths(first):
        return first
    return ShippedFiles() if is_shipped(prompt_id) else tree


def inputs_for(prompt: Prompt, offered: Mapping[str, Any]) -> dict[str, Any]:
    """Return the offered values that the judge's prompt declares as inputs."""
    return {name: value for name, value in offered.items() if name in prompt.inputs}
