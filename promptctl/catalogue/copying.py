"""A prompt file copied to a new id: references relative to its folder are rewritten, nothing is overwritten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptctl.catalogue.new_ids import new_prompt_path
from promptctl.errors import InvalidFiles, Place, WorkspaceError
from promptctl.files.document import Document, Key
from promptctl.files.names import PROMPT_SUFFIXES, STATE_FOLDER, PathRefused, resolve_path
from promptctl.files.proposal import FileEdit, Proposal
from promptctl.files.tree import Overlay, Tree
from promptctl.files.yaml_editing import Edit, Remove, Set, edit_yaml
from promptctl.formats.prompt_file import read_prompt_file
from promptctl.prompts.closure import message_texts
from promptctl.prompts.loading import load_prompt_file
from promptctl.templates import BadTemplate
from promptctl.templates.reading import includes

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.prompts.prompt import Prompt
    from promptctl.versions.prompt_at_version import PromptAtVersion

# The keys of a prompt file that stand after those of its life, in the schema's order.
KEYS_BELOW = ("tags", "model", "parameters", "inputs", "template", "messages")
_HERE = "./"
_EDITOR_SCHEMA = re.compile(rf"^(# yaml-language-server: *\$schema=)(?:\.\./)+{re.escape(STATE_FOLDER)}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """The result of a copy.

    `rewritten` are the references that were relative to the file's folder, as they are written now. `differing` are
    files that the copy names and that are not, in the work tree, what they were at the version copied.
    """

    source: PromptAtVersion
    prompt: str
    path: str
    proposal: Proposal
    rewritten: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        version = self.source.version
        return {
            "prompt": self.prompt,
            "path": self.path,
            "source": self.source.prompt.id,
            "source_path": self.source.prompt.path,
            "version": version.number,
            "version_display": version.display,
            "commit": version.commit,
            "rewritten": list(self.rewritten),
            "differing": list(self.differing),
        }


def copy(parts: Context, ref: str, new_id: str) -> Copied:
    """Return the prompt file that a ref names, at any version, under a new id of the work tree. Nothing is written.

    The copy is a prompt of its own: what the file says under `formerly` is left out, and `copied_from` names its
    parent, but in a file of GitHub's dialect. Raises `UsageError` if the new id is wrong or taken, and
    `WorkspaceError` if the copy would not name the same files.
    """
    tree = parts.work_tree_for("a copy")
    source = parts.prompt(ref)
    old = source.prompt  # the copy lies beside its partials
    suffix = next(suffix for suffix in PROMPT_SUFFIXES if old.path.endswith(suffix))
    path = new_prompt_path(tree, new_id, old.base, suffix)
    draft = MovedText(source.tree.read(old.path), old, path)
    data = draft.data
    if old.dialect == "native":
        edits: list[Edit] = [Set(("copied_from",), _parent_of(source), before=KEYS_BELOW)]
        edits += [Remove(("formerly",))] if "formerly" in draft.keys else []
        data = edit_yaml(data, path, edits)
    overlay = Overlay(tree, {path: data})
    named = set(source.prompt.closure[1:])
    try:
        copied = load_prompt_file(overlay, path)
    except InvalidFiles as error:
        missing = [each for each in sorted(named) if not _is_there(tree, each)]
        if missing:
            raise _lacking(source, missing) from error
        if any(problem.place is not None and problem.place.path != path for problem in error.problems):
            raise  # a file that it names is wrong by now
        raise _not_rewritable(source) from error
    if set(copied.closure[1:]) != named:
        raise _not_rewritable(source)
    differing = [each for each in sorted(named) if source.tree.read(each) != tree.read(each)]
    return Copied(
        source=source,
        prompt=new_id,
        path=path,
        proposal=Proposal((FileEdit(path, None, data),)),
        rewritten=tuple(draft.rewritten),
        differing=tuple(differing),
    )


class MovedText:
    """A prompt's file as it is written at a different path.

    References relative to its folder are written relative to the place of prompts, if the folder is a different one;
    `rewritten` are those, as they were and as they are. `keys` are the file's at the top.
    """

    def __init__(self, data: bytes, prompt: Prompt, path: str) -> None:
        self._old, self._base = prompt.path, prompt.base
        self._lines = re.split(r"(?<=\n)", data.decode("utf-8", "surrogateescape"))
        self.rewritten: list[str] = []
        file = read_prompt_file(data, self._old)
        self.keys = file.data.keys()
        if self._old.rpartition("/")[0] != path.rpartition("/")[0]:
            is_jinja = file.data.get("template", "jinja2") == "jinja2"
            named = [
                *references_of(file.document.data, file.document),
                *(includes_of(file.document) if is_jinja else ()),
            ]
            for reference, place in dict.fromkeys(named):
                if reference.startswith(_HERE):
                    self._rewrite(reference, place)
        # The comment that names the editor's schema, by its path from the file.
        there = "/".join([".."] * path.count("/"))
        self._lines[0] = _EDITOR_SCHEMA.sub(rf"\g<1>{there}/{STATE_FOLDER}/", self._lines[0])

    @property
    def data(self) -> bytes:
        """The bytes of the file."""
        return "".join(self._lines).encode("utf-8", "surrogateescape")

    def _rewrite(self, reference: str, place: Place) -> None:
        try:
            wanted = resolve_path(reference.partition("#")[0], self._old, self._base).removeprefix(f"{self._base}/")
        except PathRefused:
            return  # loading has reported it
        wanted += reference[len(reference.partition("#")[0]) :]
        write_reference(self._lines, (place.line or 1) - 1, reference, wanted)
        self.rewritten.append(f"{reference} → {wanted}")


def write_reference(lines: list[str], line: int, reference: str, wanted: str) -> None:
    """Write a reference differently on its line, counted from 0; the same words in the text beside it stay."""
    name = re.escape(reference)
    for pattern in (
        rf"(\binclude\s+(?:\\?[\"']|''))({name})(?=\\?[\"'])",
        rf"(\$ref[\"']?\s*:\s*[\"']?)({name})(?![\w./-])",
    ):
        lines[line], count = re.subn(pattern, lambda found: found[1] + wanted, lines[line])
        if count:
            return
    lines[line] = re.sub(rf"(?<![\w./-]){name}(?![\w./-])", lambda _: wanted, lines[line])


def _parent_of(source: PromptAtVersion) -> str:
    """Return what the copy says it was copied from: the prompt, and its commit unless the text is in none."""
    version = source.version
    at = f"@{version.commit[:12]}" if version.commit and not version.is_dirty else ""
    return f"{source.prompt.id}{at}"


def references_of(value: Any, document: Document, keys: tuple[Key, ...] = ()) -> Iterator[tuple[str, Place]]:
    """Return every `$ref` of the file, with its place."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if key == "$ref" and isinstance(item, str):
            yield item, document.place(*keys, key)
        else:
            yield from references_of(item, document, (*keys, key))


def includes_of(document: Document) -> Iterator[tuple[str, Place]]:
    """Return every partial that the messages include, with its place."""
    for text, keys in message_texts(document.data.get("messages", ())):
        with suppress(BadTemplate):
            yield from ((reference, document.line_place(line, *keys)) for reference, line in includes(text))


def _is_there(tree: Tree, path: str) -> bool:
    try:
        tree.read(path)
    except (FileNotFoundError, WorkspaceError):
        return False
    return True


def _not_rewritable(source: PromptAtVersion) -> WorkspaceError:
    return WorkspaceError(
        f"{source.ref} cannot be copied: what it names relative to its folder cannot be rewritten",
        hint=f"write its references relative to {source.prompt.base}/, without the leading ./",
    )


def _lacking(source: PromptAtVersion, missing: list[str]) -> WorkspaceError:
    commit = source.version.commit
    return WorkspaceError(
        f"{source.ref} cannot be copied: the work tree lacks {', '.join(missing)}, which it names",
        hint=f"git restore --source={(commit or 'COMMIT')[:12]} -- {' '.join(missing)}",
    )
