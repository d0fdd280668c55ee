"""The prompts that model-graded assertions ask: ordinary prompt files, which a workspace can put its own in place of.

`judges/llm-rubric` is `llm-rubric.prompt.yaml` in this folder, unless the workspace has
`prompts/judges/llm-rubric.prompt.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptctl.formats.names import PROMPT_SUFFIXES, PROMPTS
from promptctl.prompts.loading import load_prompt, prompt_paths
from promptctl.prompts.prompt import Prompt
from promptctl.prompts.tree import Tree

FOLDER = f"{PROMPTS}/judges/"
_HERE = Path(__file__).parent


class ShippedJudges:
    """The judges' prompts of this package, as a tree with the paths that they would have in a workspace."""

    commit: str | None = None

    def read(self, path: str, *, max_bytes: int = 1 << 20) -> bytes:
        """The file's bytes; `FileNotFoundError` where there is none."""
        name = path.removeprefix(FOLDER)
        if not path.startswith(FOLDER) or "/" in name or not name.endswith(PROMPT_SUFFIXES):
            raise FileNotFoundError(path)
        return (_HERE / name).read_bytes()[:max_bytes]

    def paths(self, prefix: str) -> list[str]:
        """Every judge's prompt, sorted, where `prefix` is a folder that holds them."""
        if not FOLDER.startswith(prefix.rstrip("/") + "/"):
            return []
        return sorted(FOLDER + file.name for file in _HERE.iterdir() if file.name.endswith(PROMPT_SUFFIXES))


def load_judge(tree: Tree, prompt_id: str) -> Prompt:
    """The judge's prompt of that id: the workspace's own where it has one, else the one that ships.

    Raises what `load_prompt` does.
    """
    return load_prompt(ShippedJudges() if is_shipped(tree, prompt_id) else tree, prompt_id)


def is_shipped(tree: Tree, prompt_id: str) -> bool:
    """Whether the judge's prompt of that id is the one that ships, since the workspace has none of its own."""
    return prompt_id not in prompt_paths(tree) and f"{PROMPTS}/{prompt_id}{PROMPT_SUFFIXES[0]}" in _shipped_paths()


def inputs_for(prompt: Prompt, offered: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the offered values that the judge's prompt declares as inputs."""
    return {name: value for name, value in offered.items() if name in prompt.inputs}


def _shipped_paths() -> list[str]:
    return ShippedJudges().paths(PROMPTS)
