"""A prompt file copied to a new id: references relative to its folder are rewritten, nothing is overwritten."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from promptctl.catalogue.new_ids import new_prompt_path
from promptctl.context import Context
from promptctl.errors import InvalidFiles, WorkspaceError
from promptctl.files.document import Document, Key
from promptctl.files.names import PROMPT_SUFFIXES, STATE_FOLDER, PathRefused, resolve_path
from promptctl.files.plain import record_data
from promptctl.files.proposal import FileEdit, Proposal
from promptctl.files.tree import Overlay, Tree
from promptctl.files.yaml_editing import Edit, Remove, Set, edit_yaml
from promptctl.formats.prompt_file import PromptFile, read_prompt_file
from promptctl.prompts.closure import message_texts
from promptctl.prompts.loading import load_prompt_file
from promptctl.prompts.prompt import Prompt
from promptctl.templates import BadTemplate
from promptctl.templates.reading import includes
from promptctl.versions.prompt_at_version import PromptAtVersion

# The keys of a prompt file that stand after those of its life, in the schema's order.
KEYS_BELOW = ("tags", "model", "parameters", "inputs", "template", "messages")
_HERE = "./"
_EDITOR_SCHEMA = re.compile(rb"\A(# yaml-language-server: *\$schema=)(?:\.\./)*%b/" % re.escape(STATE_FOLDER).encode())


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
        version, prompt = self.source.version, self.source.prompt
        return record_data(
            self,
            without=("proposal",),
            source=prompt.id,
            source_path=prompt.path,
            version=version.number,
            version_display=version.display,
            commit=version.commit,
        )


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
    draft = moved_text(source.tree.read(old.path), old, path)
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
        raise not_rewritable(f"{source.ref} cannot be copied", old.base) from error
    if set(copied.closure[1:]) != named:
        raise not_rewritable(f"{source.ref} cannot be copied", old.base)
    differing = [each for each in sorted(named) if source.tree.read(each) != tree.read(each)]
    return Copied(
        source=source,
        prompt=new_id,
        path=path,
        proposal=Proposal((FileEdit(path, None, data),)),
        rewritten=draft.rewritten,
        differing=tuple(differing),
    )


class MovedText(NamedTuple):
    """A prompt's file as it is written at a different path; `rewritten` are its references, as they were and are.

    `keys` are the file's at the top.
    """

    data: bytes
    keys: Collection[str]
    rewritten: tuple[str, ...]


def moved_text(data: bytes, prompt: Prompt, path: str) -> MovedText:
    """Return a prompt's file at a different path: references to its folder are written relative to that of prompts."""
    file, base = read_prompt_file(data, prompt.path), prompt.base
    changes: list[tuple[str, str, int]] = []
    if prompt.path.rpartition("/")[0] != path.rpartition("/")[0]:
        for reference, line in dict.fromkeys(references_of(file)):
            if reference.startswith(_HERE):
                with suppress(PathRefused):  # loading has reported it
                    target = resolve_path(reference.partition("#")[0], prompt.path, base)
                    changes.append((reference, reference_to(target, reference.removeprefix(_HERE), path, base), line))
    rewritten = tuple(f"{reference} → {wanted}" for reference, wanted, _ in changes)
    return MovedText(with_editor_schema(with_references(data, changes), path), file.data.keys(), rewritten)


def reference_to(target: str, written: str, holder: str, base: str) -> str:
    """Return a reference to `target` in the file at `holder`, in the form of the one that is `written` now.

    With a leading `./` and its target in the folder of the file or below, it stays relative to the file; any other is
    relative to `base`. What it names within the file, after `#`, stays.
    """
    name, mark, part = written.partition("#")
    folder = f"{holder.rpartition('/')[0]}/"
    is_beside = name.startswith(_HERE) and target.startswith(folder)
    return (_HERE + target.removeprefix(folder) if is_beside else target.removeprefix(f"{base}/")) + mark + part


def with_references(data: bytes, changes: Iterable[tuple[str, str, int]]) -> bytes:
    """Return a file in which references are written differently: each as it is, as it is wanted, and its line."""
    lines = re.split(r"(?<=\n)", data.decode("utf-8", "surrogateescape"))
    for reference, wanted, line in changes:
        if 0 < line <= len(lines):
            lines[line - 1] = _with_reference(lines[line - 1], reference, wanted)
    return "".join(lines).encode("utf-8", "surrogateescape")


def _with_reference(line: str, reference: str, wanted: str) -> str:
    """Write a reference differently on its line; the same words in the text beside it stay."""
    name = re.escape(reference)
    for pattern in (
        rf"(\binclude\s+(?:\\?[\"']|''))({name})(?=\\?[\"'])",
        rf"(\$ref[\"']?\s*:\s*[\"']?)({name})(?![\w./-])",
    ):
        line, count = re.subn(pattern, lambda found: found[1] + wanted, line)
        if count:
            return line
    return re.sub(rf"(?<![\w./-]){name}(?![\w./-])", lambda _: wanted, line)


def with_editor_schema(data: bytes, path: str) -> bytes:
    """Return a file whose first line, a comment, names the editor's schema by its way from that path."""
    way = "../" * path.count("/") + f"{STATE_FOLDER}/"
    return _EDITOR_SCHEMA.sub(rb"\g<1>%b" % way.encode(), data, count=1)


def _parent_of(source: PromptAtVersion) -> str:
    """Return what the copy says it was copied from: the prompt, and its commit unless the text is in none."""
    version = source.version
    at = f"@{version.commit[:12]}" if version.commit and not version.is_dirty else ""
    return f"{source.prompt.id}{at}"


def references_of(file: PromptFile) -> Iterator[tuple[str, int]]:
    """Yield every `$ref` of a prompt's file, and every partial that its messages include, with its line."""
    yield from refs_of(file.document.data, file.document)
    if file.data.get("template", "jinja2") == "jinja2":
        for text, keys in message_texts(file.document.data.get("messages", ())):
            with suppress(BadTemplate):
                for reference, line in includes(text):
                    yield reference, file.document.line_place(line, *keys).line or 1


def refs_of(value: Any, document: Document, keys: tuple[Key, ...] = ()) -> Iterator[tuple[str, int]]:
    """Yield every `$ref` of a file, with its line."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if key == "$ref" and isinstance(item, str):
            yield item, document.place(*keys, key).line or 1
        else:
            yield from refs_of(item, document, (*keys, key))


def _is_there(tree: Tree, path: str) -> bool:
    try:
        tree.read(path)
    except (FileNotFoundError, WorkspaceError):
        return False
    return True


def not_rewritable(what: str, base: str) -> WorkspaceError:
    """Return the error that something would not name the same files, such as `support/triage cannot be copied`."""
    return WorkspaceError(
        f"{what}: what it names relative to its folder cannot be rewritten",
        hint=f"write its references relative to {base}/, without the leading ./",
    )


def _lacking(source: PromptAtVersion, missing: list[str]) -> WorkspaceError:
    commit = source.version.commit
    return WorkspaceError(
        f"{source.ref} cannot be copied: the work tree lacks {', '.join(missing)}, which it names",
        hint=f"git restore --source={(commit or 'COMMIT')[:12]} -- {' '.join(missing)}",
    )
