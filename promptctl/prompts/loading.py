"""Prompts from a tree: one file and everything it names, all read from one moment."""

from __future__ import annotations

from promptctl.prompts.prompt import Prompt
from promptctl.prompts.tree import Tree


def prompt_paths(tree: Tree) -> dict[str, str]:
    """Prompt id to path, for each prompt file of the tree whose name can be an id, sorted by id."""
    raise NotImplementedError


def load_prompt(tree: Tree, prompt_id: str) -> Prompt:
    """The prompt of that id with its whole closure.

    Raises `PromptNotFound` with the nearest ids, and `InvalidFiles` with every problem of the prompt and the files it
    names. Warnings are in `Prompt.problems`.
    """
    raise NotImplementedError
