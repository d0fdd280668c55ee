"""Imports files of other tools: finds and reads them, gives what is in them ids and paths, checks it as ours."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from promptctl.context import Context
from promptctl.counting import counted
from promptctl.datasets.validation import validate_workspace
from promptctl.errors import InvalidFiles, Place, Problem, UsageError, WorkspaceError, printable
from promptctl.exchange.drafts import MAX_BYTES, ForeignContents, Source, Together
from promptctl.exchange.formats import FORMATS, ForeignFormat, format_of, named
from promptctl.exchange.history.gathering import gathered
from promptctl.exchange.history.plan import PlacedPast, RegistryHistory, plan_history
from promptctl.exchange.imported import ImportedSource, ImportReport, ImportRequest
from promptctl.exchange.placing import Placing
from promptctl.exchange.wishes import id_for
from promptctl.files.names import (
    DATASET_SUFFIXES,
    MADE_ELSEWHERE,
    ROW_SUFFIXES,
    did_you_mean,
    id_problem,
    is_prompt_file,
)
from promptctl.files.proposal import Proposal, change_of
from promptctl.formats.foreign import foreign_file, foreign_shape, foreign_text
from promptctl.formats.prompt_file import read_prompt_file
from promptctl.git.trees import WorkTree
from promptctl.prompts.checking import files_of

# Words of what a file looks like, and the format that they name.
_LOOKS = {"Prompty": "prompty", "Dotprompt": "dotprompt", "promptfoo": "promptfoo", "LangChain": "langchain",
          "Semantic Kernel": "semantic-kernel"}  # fmt: skip

_Read = tuple[Source, ForeignFormat, ForeignContents]


def import_files(context: Context, request: ImportRequest) -> ImportReport:
    """Return the files that foreign ones become; nothing is written.

    A file that cannot be imported is refused as a whole, and the others go on. Raises `UsageError` for a path, a format
    or an id that is none.
    """
    tree = context.work_tree_for("an import")
    _check_names(request)
    collected = _Collected(None if request.format is None else named(request.format))
    found = found_files(request.paths, context.start)
    for file in counted(found, "reading files", len(found)):
        collected.add(file.read(), is_named=file.is_named)
    read = collected.gathered()
    wishes = [{draft.wish for draft in contents.prompts if not draft.is_judge} for _, _, contents in read]
    if request.id is not None and sum(map(len, wishes)) != 1:
        raise UsageError(
            "an id can be given to one prompt alone", hint="import one file with one prompt, or use --into"
        )
    placed = _placed(context, tree, request, read)
    pasts, files = placed.placing.pasts, placed.placing.past_files
    secret, sound = _without_secrets(context, pasts, files)
    in_commits = {past.path for past in pasts} | files.keys()
    return ImportReport(
        tuple(placed.sources),
        (*collected.refused(), *placed.refused, *secret),
        tuple(each for each in placed.problems if each.severity == "warning"),
        collected.passed_over,
        collected.ours,
        Proposal(tuple(each for each in placed.proposal.changes if each.path not in in_commits)),
        _history(context, sound, {path: files[path] for past in sound for path in past.partials}),
    )


@dataclass(frozen=True, slots=True)
class _Placed:
    """Foreign files with their places here, the files that they become, and what is wrong with these or with others."""

    placing: Placing
    sources: Sequence[ImportedSource]
    proposal: Proposal
    problems: Sequence[Problem]
    refused: Sequence[Problem]


def _placed(context: Context, tree: WorkTree, request: ImportRequest, read: Sequence[_Read]) -> _Placed:
    """Place what was read; without the foreign files of which a file would come that is not sound here."""
    left_out: dict[str, Sequence[Problem]] = {}
    while True:
        placing = Placing(tree, request, partial(_messages_at, context))
        sources: list[ImportedSource] = []
        for source, format_, contents in read:
            if source.shown not in left_out:
                try:
                    sources.append(placing.place(source, format_, contents))
                except InvalidFiles as error:
                    left_out[source.shown] = error.problems
        proposal = Proposal(tuple(change_of(tree, path, data) for path, data in sorted(placing.files.items())))
        problems = _problems(proposal, context) if not proposal.is_empty else ()
        unsound = dict(_unsound(sources, problems))
        left_out |= {path: [problem] for path, problem in unsound.items()}
        if not unsound:
            refused = [problem for each in left_out.values() for problem in each]
            return _Placed(placing, sources, proposal, problems, refused)


def _messages_at(context: Context, path: str) -> str:
    from promptctl.exchange.history.writing import messages_at

    return messages_at(context, path)


def _history(context: Context, pasts: Sequence[PlacedPast], files: Mapping[str, bytes]) -> RegistryHistory:
    """Return the commits that the versions of registries become. Raises `GitError` if there can be none."""
    if not pasts:
        return RegistryHistory()
    from promptctl.exchange.history.writing import files_on_branch

    with files_on_branch(context, [*(past.path for past in pasts), *files]) as there:
        return plan_history(pasts, files, there, datetime.now(UTC))


def _without_secrets(
    context: Context, pasts: Iterable[PlacedPast], files: Mapping[str, bytes]
) -> tuple[list[Problem], list[PlacedPast]]:
    """Return why prompts become no commits that hold a secret in any version, and the others: Git forgets nothing.

    A secret in a partial holds back all prompts of the foreign files that it is of.
    """
    problems: list[Problem] = []
    sound: list[PlacedPast] = []
    secret: set[str] = set()
    for path, data in files.items():
        if context.redactor.holds_secret(data.decode("utf-8", "replace")):
            message = f"{path}, which prompts of it include, holds a secret, and Git would keep it for good"
            problems.append(Problem(message, None, "take it out of the file that is imported", "holds-secret"))
            secret.add(path)
    for past in pasts:
        if not secret.isdisjoint(past.partials):
            continue
        texts = (
            (registry, f"{registry.message}\n{registry.author}\n{data.decode()}") for registry, data in past.versions
        )
        number = next((each.number for each, text in texts if context.redactor.holds_secret(text)), None)
        if number is None:
            sound.append(past)
            continue
        message = f"version {number} of `{past.wish}` holds a secret, and Git would keep it for good"
        hint = "take it out of the file; or use --latest, which writes files and no commits"
        problems.append(Problem(message, past.place, hint, "holds-secret"))
    return problems, sound


class _Collected:
    """Foreign files as they are read, and what became of the others."""

    def __init__(self, format_: ForeignFormat | None) -> None:
        self._format = format_
        self.read: list[_Read] = []
        self._refused: list[tuple[Source, Sequence[Problem]]] = []
        self._unknown: list[Source] = []  # each without its bytes, as are the others
        self.ours = 0

    @property
    def passed_over(self) -> tuple[str, ...]:
        """Files of no known format that are no part of a different file."""
        return tuple(source.shown for source in self._unknown if source.path not in source.named)

    def add(self, source: Source, *, is_named: bool) -> None:
        """Read a file, if it is of a known format."""
        format_, bare = self._format or format_of(source), replace(source, data=b"", together=None)
        try:
            if format_ is not None:
                self.read.append((bare, format_, format_.reader().read(source)))
            elif is_prompt_file(source.path):
                read_prompt_file(source.data, source.shown)
                self.ours += 1
            elif is_named or foreign_file(source.path) is not None:
                raise _unknown(source)
            else:
                self._unknown.append(bare)
        except InvalidFiles as error:
            self._refused.append((bare, error.problems))
        except UnicodeEncodeError:
            self._refused.append((bare, bare.refuse_half_a_character().problems))
        except Exception as error:
            self._refused.append((bare, _failed(bare, error).problems))

    def gathered(self) -> list[_Read]:
        """Return what was read, without parts of a different file; versions of one prompt are with its first file."""
        read = [each for each in self.read if each[0].path not in each[0].named]

        def refuse(at: int, error: InvalidFiles) -> None:
            self._refused.append((read[at][0], error.problems))

        contents = gathered([(format_.name, each) for _, format_, each in read], refuse)
        return [(source, format_, each) for (source, format_, _), each in zip(read, contents, strict=True)]

    def refused(self) -> Iterator[Problem]:
        """Yield why files were refused; a part of a different file is that one's affair."""
        for source, problems in self._refused:
            if source.path not in source.named:
                yield from problems


def _check_names(request: ImportRequest) -> None:
    """Raise `UsageError` for an id, or a folder of ids, that none can be."""
    for option, name in (("--as", request.id), ("--into", request.into.strip("/") or None)):
        if name is not None and (why := id_problem(name)) is not None:
            raise UsageError(f"`{printable(name)}` of {option} cannot be: {why}", hint=f"such as {id_for(name)}")


def _unknown(source: Source) -> InvalidFiles:
    """Return the error of a file that no format knows: what is missing, if it looks like one of a format."""
    from promptctl.exchange.markdown import TEXTS

    _ = source.text  # what is no text is said to be none
    kind = foreign_file(source.path)
    if kind is None:
        try:
            kind = foreign_text(source.text, source.shown) or foreign_shape(source.document)
        except InvalidFiles as error:
            if source.path.endswith((".yaml", ".yml", ".json")):
                return error
    told = "" if kind is None else f": {kind.message.partition(': ')[2] or kind.message}"
    like = next((name for word, name in _LOOKS.items() if word in told or word in source.path), None)
    hint = f"formats that are read: {', '.join(each.name for each in FORMATS if each.reads)}; --from names one"
    if source.path.endswith(TEXTS):
        hint = "--from markdown takes it whole as a message, or as one below each heading such as `## System`"
    if like is not None:
        from promptctl.exchange.langchain import TYPES

        try:
            named(like).reader().read(source)
        except InvalidFiles as error:
            return error
        type_ = str(source.mapping.get("_type"))
        meant = "" if type_ in TYPES else did_you_mean(type_, TYPES)
        told = f": `_type: {printable(type_)}` is no type of LangChain's prompts" if meant else told
        hint = meant or f"--from {like} reads it as one"
    return InvalidFiles(
        [Problem(f"this is of no format that is imported{told}", source.place(1), hint, "unknown-format")]
    )


def _failed(source: Source, error: Exception) -> InvalidFiles:
    """Return the error of a file with values that its reader was not made for."""
    message = f"it has a value that no such file should have ({type(error).__name__}: {error})"
    hint = "look for a number or a list where a text belongs, and for what is nested very deep"
    return source.refuse(printable(message), 1, hint, "odd-value")


def _problems(proposal: Proposal, context: Context) -> tuple[Problem, ...]:
    tree = proposal.over(context.repository.work_tree)
    # Rows are checked with the dataset that names them, which has the same name.
    rows, header = ROW_SUFFIXES, DATASET_SUFFIXES[0]
    paths = [
        each.path.rpartition(".")[0] + header if each.path.endswith(rows) else each.path for each in proposal.changes
    ]
    # A file of any other name is checked with the prompts that include or name it.
    checked = {*files_of(tree)}
    return validate_workspace(tree, [path for path in dict.fromkeys(paths) if path in checked]).problems


def _unsound(imported: Iterable[ImportedSource], problems: Iterable[Problem]) -> Iterator[tuple[str, Problem]]:
    """Yield each foreign file of which a file comes that is not sound, and the first reason."""
    errors = {each.place.path: each for each in reversed(list(problems)) if each.place and each.severity == "error"}
    for source in imported:
        for path in source.files:
            if path in errors:
                problem = errors[path]
                message = f"{posixpath.basename(path)}, which comes of it, would be wrong: {problem.message}"
                yield source.path, Problem(message, Place(source.path), problem.hint, problem.code)
                break


# Below a folder, only files whose names end so are looked at; a file that is named by itself may have any name.
_ENDINGS = (".yaml", ".yml", ".json", ".jsonl", ".prompt", ".prompty", ".md")
_MOST_FILES = 20_000


@dataclass(frozen=True)
class FoundFile:
    """A file that an import looks at; `is_named` if it was named itself, and not only its folder."""

    tree: WorkTree
    path: str
    prefix: str
    named: set[str]
    together: Together
    is_named: bool = False

    def read(self) -> Source:
        """Return the file with its bytes. Raises `WorkspaceError` if it cannot be read."""
        try:
            data = self.tree.read(self.path, max_bytes=MAX_BYTES)
        except FileNotFoundError:
            raise WorkspaceError(f"{printable(self.prefix + self.path)} was removed meanwhile") from None
        except WorkspaceError as error:
            place = Place(self.prefix + self.path)
            raise WorkspaceError(error.message, place=place, hint=error.hint or "name a file") from None
        return Source(self.path, data, self.tree, self.prefix, self.named, self.together)


def found_files(paths: Sequence[str | os.PathLike[str]], start: Path) -> list[FoundFile]:
    """Return each file at or below the paths, which are relative to the folder `start`; none of them is read yet.

    Raises `UsageError` for a path that is not there.
    """
    together = Together()
    found: list[FoundFile] = []
    for given in paths:
        path = os.fspath(given)
        file = start / path
        if file.is_dir():
            found += _below(file, path, together)
        elif os.path.lexists(file):
            prefix = path[: -len(file.name)]
            found.append(FoundFile(WorkTree(file.parent), file.name, prefix, set(), together, is_named=True))
        else:
            is_address = "://" in path
            hint = "nothing is fetched: save it as a file, and import that" if is_address else "name one that is there"
            raise UsageError(f"there is no file or folder `{printable(path)}`", hint=hint)
    together.files += [each.read for each in found]
    return found


def _below(folder: Path, shown: str, together: Together) -> Iterator[FoundFile]:
    tree, prefix = WorkTree(folder), "" if shown in (".", "./") else shown.rstrip("/") + "/"
    named: set[str] = set()
    paths = sorted(_paths(folder))
    if len(paths) > _MOST_FILES:
        hint = "import its folders one by one"
        raise UsageError(f"{printable(shown)} holds more than {_MOST_FILES:,} files that may be prompts", hint=hint)
    for path in paths:
        found = (folder / path).lstat()
        if stat.S_ISREG(found.st_mode) and found.st_size <= MAX_BYTES:
            yield FoundFile(tree, path, prefix, named, together)


def _paths(folder: Path) -> Iterator[str]:
    for inside, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in MADE_ELSEWHERE]
        below = os.path.relpath(inside, folder)
        start = "" if below == "." else below.replace(os.sep, "/") + "/"
        yield from (start + name for name in files if name.endswith(_ENDINGS))
