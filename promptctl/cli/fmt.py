"""`promptctl fmt`: files as everybody writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptctl import errors
from promptctl.cli import options
from promptctl.cli.output import say, tell, tell_error
from promptctl.errors import InvalidFiles, UsageError
from promptctl.files.names import SETTINGS, is_dataset, prompt_stem
from promptctl.files.writing import replace_file
from promptctl.formats.formatting import format_file
from promptctl.formats.schemas import Kind
from promptctl.prompts.checking import files_of


def fmt(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATHS]...", help="Files or folders; the whole workspace by default."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 where a file would change.")
    ] = False,
) -> None:
    """Format prompts, datasets and settings: literal blocks, stable key order; comments and data stay."""
    workspace = options.workspace_of(context)
    known = [
        path
        for path in files_of(workspace.repository.work_tree)
        if kind_of(path) is not None and not (workspace.root / path).is_symlink()
    ]
    wanted = [workspace.inside(path) for path in paths or ()]
    for path in wanted:
        if path and not any(_is_below(each, path) for each in known):
            raise UsageError(f"{path} is no prompt, dataset or settings file of the workspace")
    chosen = [each for each in known if not wanted or any(not path or _is_below(each, path) for path in wanted)]
    changed, failed = 0, False
    for path in chosen:
        file = workspace.root / path
        kind = kind_of(path)
        assert kind is not None, "only files of a kind are listed"
        try:
            old = file.read_bytes()
            new = format_file(old, path, kind)
        except InvalidFiles as error:
            tell_error(error)
            failed = True
            continue
        if new != old:
            changed += 1
            say(f"{'would format' if check else 'formatted'}  {path}")
            if not check:
                replace_file(file, [new])
    tell(f"{len(chosen)} files, {changed} {'to be formatted' if check else 'formatted'}")
    if failed:
        raise typer.Exit(errors.CHECK_FAILED if check else errors.WORKSPACE)
    if check and changed:
        raise typer.Exit(errors.CHECK_FAILED)


def kind_of(path: str) -> Kind | None:
    """What kind of file this is by its place; None for one that is not formatted."""
    if path == SETTINGS:
        return "promptctl"
    if prompt_stem(path) is not None:
        return "prompt"
    return "dataset" if is_dataset(path) else None


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
