"""The prompts that model-graded assertions ask: ordinary prompt files, which a workspace can put its own in place of.

`judges/llm-rubric` is `llm-rubric.prompt.yaml` in this folder, unless the workspace has
`prompts/judges/llm-rubric.prompt.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptctl.files.names import PROMPT_SUFFIXES, PROMPTS
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


def load_judge(tree: Tree, prompt_id: str) -> Prompt:
    """Return the judge's prompt of that id: the workspace's own if it has one, else the one that ships.

    Raises what `load_prompt` does.
    """
    return load_prompt(ShippedJudges() if is_shipped(tree, prompt_id) else tree, prompt_id)


def find_judge(context: Context, prompt_id: str) -> PromptAtVersion:
    """Return a judge's prompt at its version: the workspace's own, or else the one that ships.

    It is looked up once for each context, so that all verdicts of a command are of one version. What ships has no
    number; its digest names it, together with the version of the program. Raises what `Context.prompt` raises.
    """
    found = context.shared(_found)
    if prompt_id not in found:
        tree = context.tree
        if is_shipped(tree, prompt_id):
            prompt = load_judge(tree, prompt_id)
            version = Version(prompt.digest, display="built-in")
            found[prompt_id] = PromptAtVersion(Ref(prompt_id), prompt, version, ShippedJudges())
        else:
            found[prompt_id] = context.prompt(prompt_id if tree.commit is None else f"{prompt_id}@{tree.commit}")
    return found[prompt_id]


def _found(_context: Context) -> dict[str, PromptAtVersion]:
    return {}


def is_shipped(tree: Tree, prompt_id: str) -> bool:
    """Return True if the judge's prompt of that id is the one that ships: the workspace has none of its own."""
    return prompt_id not in prompt_paths(tree) and f"{PROMPTS}/{prompt_id}{PROMPT_SUFFIXES[0]}" in _shipped_paths()


def inputs_for(prompt: Prompt, offered: Mapping[str, Any]) -> dict[str, Any]:
    """Return the offered values that the judge's prompt declares as inputs."""
    return {name: value for name, value in offered.items() if name in prompt.inputs}


def _shipped_paths() -> list[str]:
    return ShippedJudges().paths(PROMPTS)
