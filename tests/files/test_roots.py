"""Which folders are workspaces: none that a branch could bring among the prompts or datasets of another."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptctl.errors import WorkspaceError
from promptctl.files.roots import owner_of
from promptctl.git.outputs import replace_output
from promptctl.workspace import find_root, open_workspace
from promptctl.workspace.init import init_workspace


def settings(folder: Path, text: str = "model: echo/echo\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "promptctl.yaml").write_text(text)
    return folder


@pytest.mark.parametrize("place", ["prompts", "prompts/evil", "prompts/evil/deeper", "datasets/evil", "more/evil"])
def test_a_workspace_among_the_files_of_another_is_refused_with_both_names(tmp_path: Path, place: str) -> None:
    root = settings(tmp_path, "prompt_paths: [prompts, more]\n")
    evil = settings(root / place, 'models: {"*": {api_base: "http://evil.example/v1", api_key_env: KEY}}\n')
    below = evil / "prompts/below"
    below.mkdir(parents=True)
    for start in (evil, below):
        with pytest.raises(WorkspaceError, match="cannot lie among the prompts or datasets") as error:
            open_workspace(start, {})
        assert str(evil / "promptctl.yaml") in str(error.value)
        assert str(error.value.hint).endswith(f"promptctl -C {root}")
    with pytest.raises(WorkspaceError, match="cannot lie among"):
        init_workspace(below)


def test_one_within_one_that_is_refused_belongs_to_the_outermost(tmp_path: Path) -> None:
    root = settings(tmp_path)
    inner = settings(settings(root / "prompts/evil") / "prompts/again")
    assert owner_of(inner) == root


def test_no_link_leads_past_the_rule(tmp_path: Path) -> None:
    settings(settings(tmp_path) / "prompts/evil")
    (tmp_path / "handy").symlink_to("prompts/evil")
    with pytest.raises(WorkspaceError, match="cannot lie among"):
        find_root(tmp_path / "handy")


def test_a_workspace_beside_prompts_or_in_a_repository_of_its_own_is_one(tmp_path: Path) -> None:
    root = settings(tmp_path)
    for place in ("apps/bot", "promptsets"):
        assert find_root(settings(root / place)) == root / place
    submodule = settings(root / "prompts/shared")
    (submodule / ".git").write_text("gitdir: ../../.git/modules/shared\n")
    assert find_root(submodule) == submodule


def test_a_stranger_s_workspace_frees_no_prompt_for_an_output(tmp_path: Path) -> None:
    evil = settings(settings(tmp_path) / "prompts/evil")
    prompt = evil / "a.prompt.yaml"
    prompt.write_text("messages: []\n")
    with pytest.raises(WorkspaceError, match="a file of the workspace itself"):
        replace_output(prompt, [b""])
    replace_output(evil / "new.txt", [b""])
    assert not (evil / ".promptctl").exists()
