"""Prompts from a tree: one file and everything it names, all read from one moment."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from promptctl.errors import InvalidFiles, Place, Problem, PromptNotFound, WorkspaceError, printable
from promptctl.files.document import Document
from promptctl.files.names import (
    DEFAULT_PLACES,
    PROMPT_SUFFIXES,
    PROMPTS,
    PromptPlaces,
    did_you_mean,
    id_problem,
    nearest,
)
from promptctl.files.sources import Cache, Sources
from promptctl.files.tree import TICK_NS, FileStamp, Tree, file_stamp, is_there, prompt_files
from promptctl.files.wording import count, name_some
from promptctl.files.yaml_reader import read_yaml
from promptctl.prompts.closure import Declared, digest, part_texts, resolve
from promptctl.prompts.prompt import Message, Placeholder, Prompt

# A mark, as it may also be misspelt: most files have none, and are not parsed for it.
_LIKE_A_MARK = re.compile(rb"(?i)sens|itiv")
_MESSAGE_KEYS = ("role", "content")


@dataclass(frozen=True, slots=True)
class Closure:
    """A prompt's digest and the files that decide it, as the index of versions needs them.

    `digest` is None if the prompt cannot be loaded. `paths` are all files read or looked for, the prompt's own first:
    the digest can change only when one of them does.
    """

    digest: str | None
    paths: tuple[str, ...]
    formerly: tuple[str, ...] = ()


def prompt_paths(tree: Tree, files: Iterable[str] | None = None) -> dict[str, str]:
    """Prompt id to path, for each prompt file of the tree whose name can be an id, sorted by id.

    If two files have one id, the first by their paths is the one listed; loading it tells of the other. `files` are
    those of `prompt_files`, if they are known.
    """
    found: dict[str, str] = {}
    id_of = tree.places.id
    for path in prompt_files(tree) if files is None else files:
        id_ = id_of(path)
        if id_ is not None:
            found.setdefault(id_, path)
    return dict(sorted(found.items()))


def wrongly_named(tree: Tree, files: Iterable[str]) -> Iterator[Problem]:
    """Yield the problem of each prompt file of the tree whose name can be no id, so that nothing lists it."""
    for path in files:
        stem = tree.places.stem(path)
        if stem is not None and (why := id_problem(stem)) is not None:
            yield bad_id(path, stem, why)


def bad_id(path: str, stem: str, why: str) -> Problem:
    """Return the problem of a prompt's file whose name can be no id, with one that can be."""
    from promptctl.files.free_names import plain_id

    plain = plain_id(stem)
    as_to = f", as to {path.replace(f'{stem}.prompt.', f'{plain}.prompt.')}" if plain else ""
    hint = f"rename the file{as_to}"
    return Problem(f"`{printable(stem)}` cannot be a prompt's id: {why}", Place(path), hint, "bad-id")


def warn_of_wrongly_named(tree: Tree, warn: Callable[[str], None]) -> list[str]:
    """Say which prompt files are passed over by what looks at all prompts, as their names can be no ids.

    Returns all that are in the tree's places of prompts.
    """
    files = prompt_files(tree)
    found = [printable(each.place.path) for each in wrongly_named(tree, files) if each.place is not None]
    if found:
        told = f"{count(len(found), 'file')} cannot be {'a prompt' if len(found) == 1 else 'prompts'} by the name"
        warn(f"{told}: {name_some(found)} (promptctl validate says what to do)")
    return files


def prompts_not_checked_out(tree: Tree) -> tuple[str, ...]:
    """Return the ids of the prompts that Git knows and a sparse checkout left out, sorted."""
    from promptctl.git.trees import WorkTree

    paths = tree.not_checked_out() if isinstance(tree, WorkTree) else ()
    return tuple(sorted({id_ for path in paths if (id_ := tree.places.id(path)) is not None}))


def load_prompt(tree: Tree, prompt_id: str) -> Prompt:
    """Return the prompt of that id with its whole closure.

    Raises `PromptNotFound` with the nearest ids, and `InvalidFiles` with every problem of the prompt and the files it
    names. Warnings are in `Prompt.problems`.
    """
    return load_prompt_file(tree, _path_of(tree, prompt_id))


def load_prompt_file(tree: Tree, path: str) -> Prompt:
    """Return the prompt at that path of the tree. Raises `InvalidFiles`, as `load_prompt` does."""
    sources = Sources(tree)
    prompt = prompt_of(path, resolve(path, sources), sources)
    if prompt is None:
        raise InvalidFiles(sources.problems)
    return prompt


class LoadedPrompts:
    """The prompts of a work tree as they were loaded, each until one of its files is written."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[PromptPlaces, list[FileStamp | None], Prompt]] = {}

    def load(self, tree: Tree, path: str) -> Prompt:
        """Return what `load_prompt_file` does; a sound prompt is loaded again if one of its files was written since."""
        if (found := self.kept(tree, path)) is not None:
            return found
        root = getattr(tree, "root", None)
        begun = time.time_ns()
        prompt = load_prompt_file(tree, path)
        stamps = [file_stamp(f"{root}/{each}") for each in prompt.closure]
        # What was written a moment ago may be written again within the same tick of the clock.
        if root is not None and all(stamp and stamp[0] < begun - TICK_NS for stamp in stamps):
            self._kept[path] = tree.places, stamps, prompt
        return prompt

    def kept(self, tree: Tree, path: str) -> Prompt | None:
        """Return what was loaded before, if it is what the files say now; of a commit, nothing is kept."""
        root, kept = getattr(tree, "root", None), self._kept.get(path)
        if root is None or kept is None:
            return None
        places, stamps, prompt = kept
        is_same = places == tree.places and stamps == [file_stamp(f"{root}/{each}") for each in prompt.closure]
        return prompt if is_same else None


def prompt_of(path: str, resolved: Declared | None, sources: Sources) -> Prompt | None:
    """Return the prompt that was resolved from the file at `path`; None if `sources` holds an error."""
    problems = tuple(sources.problems)
    if resolved is None or any(problem.severity == "error" for problem in problems):
        return None
    stem = path.removeprefix(f"{resolved.base}/")
    id_ = stem[: stem.rindex(".prompt.")] if stem.endswith(PROMPT_SUFFIXES) else stem
    return _prompt(id_, resolved, tuple(sources.paths), problems)


def closure_of(tree: Tree, path: str, *, cache: Cache | None = None) -> Closure:
    """Return the digest of the prompt at `path` and the files it comes from; their faults raise nothing.

    For many: hand in one dict as `cache` for all calls, in whatever order of commits. Files that have not changed
    since are then not parsed again.
    """
    sources = Sources(tree, cache)
    resolved = resolve(path, sources)
    paths = tuple(sources.paths)
    if resolved is None or any(problem.severity == "error" for problem in sources.problems):
        return Closure(None, paths)
    return Closure(digest(resolved), paths, tuple(resolved.file.data.get("formerly", ())))


def path_in(tree: Tree, id_: str) -> str | None:
    """Return the path of the prompt's file in the tree; None if it has none."""
    paths = tree.places.paths_of(id_) if id_problem(id_) is None else ()
    return next((path for path in paths if is_there(tree, path)), None)


def declared_ids(tree: Tree, prompt: str) -> tuple[str, ...]:
    """Return what the file has under `formerly`. Most files do not have the word, and are not parsed for it."""
    for path in tree.places.paths_of(prompt):
        with suppress(WorkspaceError, OSError):
            if b"formerly" in tree.read(path):
                return load_prompt(tree, prompt).formerly
    return ()


def with_marks_of(tree: Tree, id_: str, prompt: Prompt) -> Prompt:
    """Return a version of a prompt whose inputs are also sensitive if its file in the tree marks them so today.

    The mark is no part of a version: an earlier one gets it at once, with no label moved. Beside a mark, inputs that
    the file does not declare are sensitive too, for they may be marked ones renamed; so is every input while the marks
    cannot be read.
    """
    path = path_in(tree, id_)
    if path is None or _LIKE_A_MARK.search(data := tree.read(path)) is None:
        return prompt
    marks = _marks_in(data, path)
    others = marks is None or any(marks.values())
    inputs = {
        name: replace(each, is_sensitive=each.is_sensitive or (marks or {}).get(name, others))
        for name, each in prompt.inputs.items()
    }
    return replace(prompt, inputs=inputs)


def _marks_in(data: bytes, path: str) -> Mapping[str, bool] | None:
    """Return the names of a file's inputs with True for each that is marked, whatever else is wrong with the file.

    A misspelt mark counts. None if the file cannot be read so far.
    """
    try:
        whole = read_yaml(data, path).data
    except InvalidFiles:
        return None
    given = whole.get("inputs", {}) if isinstance(whole, Mapping) else None
    if not isinstance(given, Mapping):
        return None
    return {
        name: not isinstance(each, Mapping)
        or any(value is not False and nearest(str(key), ["sensitive"]) for key, value in each.items())
        for name, each in given.items()
    }


def _path_of(tree: Tree, id_: str) -> str:
    """Return the path of the prompt's file. Raises `PromptNotFound`."""
    if id_problem(id_) is None:
        found = [path for path in tree.places.paths_of(id_) if is_there(tree, path)]
        if len(found) > 1:
            tree.read(found[0])  # in a submodule both seem to be there: it says so
            raise InvalidFiles([two_files(found[0], found[1], id_)])
        if found:
            return found[0]
    raise no_such_prompt(id_, prompt_paths(tree), tree.places)


def two_files(first: str, second: str, id_: str) -> Problem:
    """Return the problem of two files with one id."""
    return Problem(f"{first} and {second} are both the prompt `{id_}`", Place(second), "remove one", "duplicate-id")


def no_such_prompt(id_: str, known: Iterable[str], places: PromptPlaces = DEFAULT_PLACES) -> PromptNotFound:
    """Return the error for a prompt that is not among those known, with the nearest names."""
    return PromptNotFound(f"there is no prompt `{id_}`", hint=_not_found_hint(id_, sorted(known), places))


def _not_found_hint(id_: str, ids: list[str], places: PromptPlaces) -> str:
    stem = places.stem(id_) or DEFAULT_PLACES.stem(f"{PROMPTS}/{id_}")
    if stem in ids:
        return f"a prompt is named by its id: {stem}"
    if meant := did_you_mean(id_, ids):
        return meant
    return "promptctl list shows all prompts" if ids else f"write one to {places.new_path('<id>')}"


def _prompt(id_: str, resolved: Declared, closure: tuple[str, ...], problems: tuple[Problem, ...]) -> Prompt:
    file, data = resolved.file, resolved.file.data
    return Prompt(
        id=id_,
        path=file.path,
        digest=digest(resolved),
        name=data.get("name", id_),
        messages=_messages(data["messages"], file.document),
        description=data.get("description", ""),
        status=data.get("status", "active"),
        successor=data.get("successor"),
        formerly=tuple(data.get("formerly", ())),
        copied_from=data.get("copied_from"),
        tags=tuple(data.get("tags", ())),
        model=data.get("model"),
        parameters=data.get("parameters", {}),
        inputs=resolved.inputs,
        engine=data.get("template", "jinja2"),
        output=resolved.output,
        response_format=data.get("response_format"),
        tools=resolved.tools,
        metadata=data.get("metadata", {}),
        partials=resolved.partials,
        closure=closure,
        dialect=file.dialect,
        inline_dataset=file.inline_dataset,
        problems=problems,
        text=resolved.source.decode("utf-8", "replace"),
        base=resolved.base,
    )


def _messages(given: Sequence[Mapping[str, Any]], document: Document) -> tuple[Message | Placeholder, ...]:
    messages: list[Message | Placeholder] = []
    for index, message in enumerate(given):
        keys = ("messages", index)
        if "placeholder" in message:
            messages.append(Placeholder(message["placeholder"], document.place(*keys, "placeholder")))
            continue
        content = message.get("content", "")
        parts = content if isinstance(content, list) else []
        messages.append(
            Message(
                role=message["role"],
                content=content if isinstance(content, str) else tuple(content),
                place=document.text_place(*keys, "content"),
                extra={key: value for key, value in message.items() if key not in _MESSAGE_KEYS},
                part_places=tuple(_part_place(part, document, (*keys, "content", n)) for n, part in enumerate(parts)),
                lines=document.text_lines(*keys, "content") if isinstance(content, str) else (),
            )
        )
    return tuple(messages)


def _part_place(part: Mapping[str, Any], document: Document, keys: tuple[str | int, ...]) -> Place:
    """Return the beginning of the part's text; of several texts, of the first."""
    text = next(part_texts(part), None)
    return document.place(*keys) if text is None else document.text_place(*keys, *text[1])
