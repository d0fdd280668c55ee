"""The prompts that ship with promptctl: those of judges, and those by which models are asked to write.

They are ordinary prompt files in `promptctl/shipped/`, a workspace with their datasets and recordings. A workspace can
put its own in their place: `judges/llm-rubric` is `prompts/judges/llm-rubric.prompt.yaml` there, if it has that file.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from promptctl.files.names import DEFAULT_PLACES
from promptctl.prompts.loading import load_prompt, path_in, prompt_paths
from promptctl.versions.prompt_at_version import PromptAtVersion, Ref, Version

SHIPPED = Path(__file__).parent.parent / "shipped"


class ShippedFiles:
    """Tree of the workspace that ships. Its files may be links, as some installers make them."""

    commit: str | None = None
    places = DEFAULT_PLACES

    def read(self, path: str, *, max_bytes: int = 1 << 20) -> bytes:
        """The file's bytes; `FileNotFoundError` if there is none."""
        if path not in shipped_files():
            raise FileNotFoundError(path)
        return (SHIPPED / path).read_bytes()[:max_bytes]

    def paths(self, prefix: str) -> list[str]:
        """Return every file below the folder `prefix`, sorted."""
        return [path for path in shipped_files() if path.startswith(prefix.rstrip("/") + "/")]


@cache
def shipped_files() -> tuple[str, ...]:
    """Return the paths of all that ships, sorted."""
    return tuple(sorted(file.relative_to(SHIPPED).as_posix() for file in SHIPPED.rglob("*.*") if file.is_file()))


def is_shipped(prompt_id: str) -> bool:
    """Return True if a prompt of that id ships."""
    return path_in(ShippedFiles(), prompt_id) is not None


def shipped_judges() -> list[str]:
    """Return the ids of the judges' prompts that ship, sorted."""
    return [id_ for id_ in prompt_paths(ShippedFiles()) if id_.startswith("judges/")]


def shipped_prompt(prompt_id: str, default_model: str | None = None) -> PromptAtVersion:
    """Return a prompt that ships. It has no number: its digest names it, together with the version of the program."""
    tree = ShippedFiles()
    prompt = load_prompt(tree, prompt_id)
    return PromptAtVersion(Ref(prompt_id), prompt, Version(prompt.digest, display="built-in"), tree, default_model)
