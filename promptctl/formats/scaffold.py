"""Makes a new workspace: the first files, each written only if there is none yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from promptctl.errors import WorkspaceError
from promptctl.files.names import SETTINGS, STATE_FOLDER, STATE_IGNORE
from promptctl.files.writing import replace_file
from promptctl.formats.schemas import KINDS, schema_text

_FIRST = Path(__file__).parent / "first"


@dataclass(frozen=True, slots=True)
class Scaffold:
    """A new workspace: the files written, relative to the folder, and those that were there already.

    `is_new_repository` is True if a Git repository was made for it.
    """

    folder: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]
    is_new_repository: bool = False


def scaffold(folder: Path) -> Scaffold:
    """Make a workspace in `folder`, creating it if needed. A file that exists is never touched, but for our schemas.

    An example prompt and its dataset are written only if the folder has no prompts yet.
    """
    files = {SETTINGS: _first("promptctl.yaml"), f"{STATE_FOLDER}/.gitignore": STATE_IGNORE}
    if not any((folder / "prompts").rglob("*.prompt.y*ml")):
        # The prompt last: if this is ended in between, the next time finds no prompt, and writes what is missing.
        files["datasets/welcome.yaml"] = _first("welcome.yaml")
        files["prompts/welcome.prompt.yaml"] = _first("welcome.prompt.yaml")
    schemas = {f"{STATE_FOLDER}/schemas/{kind}.schema.json": schema_text(kind) for kind in KINDS}
    written: list[str] = []
    kept: list[str] = []
    for path, text in {**files, **schemas}.items():
        is_written = _write(folder, path, text, is_ours=path in schemas)
        (written if is_written else kept).append(path)
    return Scaffold(folder, tuple(written), tuple(kept))


def _first(name: str) -> str:
    return (_FIRST / name).read_text(encoding="utf-8")


def _write(folder: Path, path: str, text: str, *, is_ours: bool) -> bool:
    """Write the file whole or not at all; False if it is there already, one of ours as it should be."""
    target = folder / path
    if link := next((each for each in target.parents if folder in each.parents and each.is_symlink()), None):
        raise WorkspaceError(f"{link} is a symbolic link", hint="put the folder itself there, then run promptctl init")
    if target.is_file() and (not is_ours or target.read_bytes() == text.encode()):
        return False
    if target.exists() and not target.is_file():
        raise WorkspaceError(f"{target} is in the way", hint="move it, then run promptctl init again")
    replace_file(target, [text.encode()])
    return True
