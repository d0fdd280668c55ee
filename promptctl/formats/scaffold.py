"""Makes a new workspace: the first files, each written only if there is none yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from promptctl.errors import WorkspaceError
from promptctl.files.names import SETTINGS, STATE_FOLDER, STATE_IGNORE, is_prompt_file
from promptctl.files.prompt_places import line_for
from promptctl.files.roots import places_at, refuse_inside
from promptctl.files.writing import replace_file
from promptctl.formats.schemas import KINDS, schema_text

_FIRST = Path(__file__).parent / "first"
_PLACES = "# The places of prompts. An id is the path below its folder without the suffix."


@dataclass(frozen=True, slots=True)
class Scaffold:
    """A new workspace: the files written, relative to the folder, and those that were there already.

    `elsewhere` are prompts outside its places of prompts, and `line` is what `promptctl.yaml` would say to have them
    read; a new one says it. `is_new_repository` is True if a Git repository was made for it.
    """

    folder: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]
    elsewhere: tuple[str, ...] = ()
    line: str | None = None
    is_new_repository: bool = False


def scaffold(folder: Path) -> Scaffold:
    """Make a workspace in `folder`, creating it if needed. A file that exists is never touched, but for our schemas.

    An example prompt and its dataset are written only if the folder has no prompts yet. Prompts where GitHub's tools
    have them stay there: a new `promptctl.yaml` names their places.
    """
    refuse_inside(folder)
    elsewhere = _elsewhere(folder)
    line = line_for(elsewhere, places_at(folder)) if elsewhere else None
    settings = _first("promptctl.yaml")
    if line is not None:
        settings = settings.replace("\n\n", f"\n\n{_PLACES}\n{line}\n\n", 1)
    files = {SETTINGS: settings, f"{STATE_FOLDER}/.gitignore": STATE_IGNORE}
    if not elsewhere and not any((folder / "prompts").rglob("*.prompt.y*ml")):
        # The prompt last: if this is ended in between, the next time finds no prompt, and writes what is missing.
        files["datasets/welcome.yaml"] = _first("welcome.yaml")
        files["prompts/welcome.prompt.yaml"] = _first("welcome.prompt.yaml")
    schemas = {f"{STATE_FOLDER}/schemas/{kind}.schema.json": schema_text(kind) for kind in KINDS}
    written: list[str] = []
    kept: list[str] = []
    for path, text in {**files, **schemas}.items():
        is_written = _write(folder, path, text, is_ours=path in schemas)
        (written if is_written else kept).append(path)
    return Scaffold(folder, tuple(written), tuple(kept), elsewhere, line)


def _elsewhere(folder: Path) -> tuple[str, ...]:
    """List the prompts where GitHub's tools have them and no settings name; those of a workspace of their own are not.

    The folder may be large: it is not searched further.
    """
    places = places_at(folder)
    found = [*folder.glob("*.prompt.y*ml"), *folder.glob(".github/**/*.prompt.y*ml")]
    others = [path.parent for path in folder.glob(".github/**/promptctl.yaml")]
    own = [path.relative_to(folder).as_posix() for path in found if not any(map(path.is_relative_to, others))]
    return tuple(sorted(path for path in own if is_prompt_file(path) and places.folder_of(path) is None))


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
