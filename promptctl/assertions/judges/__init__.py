"""The prompts that model-graded assertions ask: ordinary prompt files, which a workspace can put its own in place of.

`judges/llm-rubric` is `llm-rubric.prompt.yaml` in this folder, unless the workspace has
`prompts/judges/llm-rubric.prompt.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptctl.files.names import DEFAULT_PLACES, PROMPT_SUFFIXES, PROMPTS
from promptctl.files.tree import Tree
from promptctl.prompts.loading import load_prompt, prompt_paths
from promptctl.prompts.prompt import Prompt
from promptctl.versions.prompt_at_version import PromptAtVersion, Version
from promptctl.versions.refs import Ref

if TYPE_CHECKING:
    from promptctl.context import Context

FOLDER = f"{PROMPTS}/judges/"
_HERE = Path(__file__).parent


class ShippedJudges:
    """The judges' prompts of this package, as a tree with the paths that they would have in a workspace."""

    commit: str | None = None
    places = DEFAULT_PLACES

    def read(self, path: str, *, max_bytes: int = 1 << 20) -> bytes:
        """The file's bytes; `FileNotFoundError` if there is none."""
        name = path.removeprefix(FOLDER)
        if not path.startswith(FOLDER) or "/" in name or not name.endswith(PROMPT_SUFFIXES):
            raise FileNotFoundError(path)
        return (_HERE / name).read_bytes()[:max_bytes]

    def paths(self, prefix: str) -> list[str]:
        """Return every judge's prompt below the folder `prefix`, sorted."""
        if not FOLDER.startswith(prefix.rstrip("/") + "/"):
            return []
        return sorted(FOLDER + file.name for file in _HERE.iterdir() if file.name.endswith(PROMPT_SUFFIXES))


def load_judge(tree: Tree, prompt_id: str, trusted: Tree | None = None) -> Prompt:
    """Return the judge's prompt of that id: the workspace's own if it has one, else the one that ships.

    Judges that `trusted` has, and those that ship, stand before the tree's own. Raises what `load_prompt` does.
    """
    return load_prompt(_tree_of(tree, prompt_id, trusted), prompt_id)


def find_judge(context: Context, prompt_id: str) -> PromptAtVersion:
    """Return a judge's prompt at its version: the workspace's own, or else the one that ships.

    It is looked up once for each context, so that all verdicts of a command are of one version. What ships has no
    number; its digest names it, together with the version of the program. Raises what `Context.prompt` raises.
    """
    found = context.shared(_found)
    if prompt_id not in found:
        tree = _tree_of(context.tree, prompt_id, context.trusted_judges)
        if isinstance(tree, ShippedJudges):
            prompt = load_prompt(tree, prompt_id)
            version = Version(prompt.digest, display="built-in")
            found[prompt_id] = PromptAtVersion(Ref(prompt_id), prompt, version, tree)
        else:
            found[prompt_id] = context.prompt(prompt_id if tree.commit is None else f"{prompt_id}@{tree.commit}")
        if found[prompt_id].prompt.status == "deprecated":
            context.warn(found[prompt_id].prompt.retirement)
    return found[prompt_id]


def _found(_context: Context) -> dict[str, PromptAtVersion]:
    return {}


def is_shipped(prompt_id: str) -> bool:
    """Return True if a judge's prompt of that id ships."""
    return f"{PROMPTS}/{prompt_id}{PROMPT_SUFFIXES[0]}" in ShippedJudges().paths(PROMPTS)


def _tree_of(tree: Tree, prompt_id: str, trusted: Tree | None) -> Tree:
    """Return the tree to read the judge's prompt from."""
    first = tree if trusted is None else trusted
    if prompt_id in prompt_paths(first):
        return first
    return ShippedJudges() if is_shipped(prompt_id) else tree


def inputs_for(prompt: Prompt, offered: Mapping[str, Any]) -> dict[str, Any]:
    """Return the offered values that the judge's prompt declares as inputs."""
    return {name: value for name, value in offered.items() if name in prompt.inputs}
