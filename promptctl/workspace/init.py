"""A new workspace."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from promptctl.formats.scaffold import Scaffold, scaffold
from promptctl.git.repository import Git, init_repository, refuse_bare


def init_workspace(folder: str | os.PathLike[str]) -> Scaffold:
    """Make a workspace in a folder, and a Git repository if it is in none. No file that exists is touched."""
    refuse_bare(Path(folder).absolute(), "a new workspace")
    made = scaffold(Path(folder).absolute())
    git = Git.open(made.folder)
    if git is None:
        init_repository(made.folder)
    else:
        git.close()
    return replace(made, is_new_repository=git is None)
