"""Everything that is wrong with a prompt, or with all files of a workspace, found without running anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TypeVar

from promptctl.errors import Place, Problem, UsageError, WorkspaceError, quote
from promptctl.files import names
from promptctl.files.document import Document
from promptctl.files.merges import unresolved_merge
from promptctl.files.names import PromptPlaces, did_you_mean, did_you_mean_glob, id_problem, is_prompt_file
from promptctl.files.sources import Cache, Sources
from promptctl.files.tree import ListedTree, Tree, is_there, prompt_files
from promptctl.files.wording import count, name_some
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.foreign import foreign_file, foreign_shape
from promptctl.formats.settings_file import Settings, read_settings
from promptctl.git.trees import WorkTree
from promptctl.prompts.closure import Partials, decode_partial, resolve
from promptctl.prompts.loading import bad_id, prompt_of, prompts_not_checked_out, two_files
from promptctl.prompts.prompt import Prompt
from promptctl.prompts.prompt_checks import problems_of_partial, problems_of_prompt
from promptctl.schemas.checks import check_schema_file

NESTED = "a workspace cannot lie among the prompts of another one"


def files_of(tree: Tree) -> list[str]:
    """Return the files of the workspace that are checked, settings first: all that stand in it for people to change."""
    settings = [names.SETTINGS] if is_there(tree, names.SETTINGS) else []
    ours = (path for path in prompt_files(tree) if _is_ours(path))
    kinds = (names.is_dataset, names.is_human_labels, names.is_calibration)
    datasets = (path for path in tree.paths(names.DATASETS) if any(is_one(path) for is_one in kinds))
    return [*settings, *ours, *datasets]


def chosen_files(files: Sequence[str], paths: Sequence[str], what: str, otherwise: str) -> list[str]:
    """Return the files at or below `paths`, or all without any.

    Raises `UsageError` for a path that is no `what`, with the file or folder that is meant, or `otherwise` as the hint.
    """
    folders = [path if not path or path.endswith("/") else f"{path}/" for path in paths]
    for path, folder in zip(paths, folders, strict=True):
        if path not in files and not any(file.startswith(folder) for file in files):
            known = [*files, *filter(None, dict.fromkeys(file.rpartition("/")[0] for file in files))]
            # An id, or a path without its suffix, means the prompt.
            stems = path, f"{names.PROMPTS}/{path}"
            meant = [each for each in files if is_prompt_file(each) and each.rpartition(".prompt.")[0] in stems]
            hint = f"did you mean `{meant[0]}`?" if meant else did_you_mean(path.rstrip("/"), known)
            raise UsageError(f"`{path}` is no {what}", hint=hint or otherwise)
    return [file for file in files if not paths or file in paths or file.startswith(tuple(folders))]


class WorkspaceCheck:
    """The files of one workspace under check, all but its datasets. Each prompt is read once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._paths = prompt_files(tree)
        self._prompt_paths = [path for path in self._paths if is_prompt_file(path)]
        self._read: dict[str, _ReadPrompt] = {}
        self._partials: Cache = {}
        self._sound: dict[str, int] = {}
        self.prompts = {id_: path for path in self._prompt_paths if (id_ := tree.places.id(path)) is not None}

    def file(self, path: str) -> Iterable[Problem]:
        """Return every problem of one file that is not a dataset."""
        if path == names.SETTINGS:
            return self._settings()
        if is_prompt_file(path):
            return self._prompt_file(path).problems
        return check_schema_file(self._tree, path) if path.endswith(names.SCHEMA_SUFFIXES) else self._partial(path)

    def named_by(self, path: str) -> list[str]:
        """Return the schemas and partials that a prompt names; none for any other file."""
        if not is_prompt_file(path):
            return []
        closure = self._prompt_file(path).closure
        return [named for named in closure if _is_ours(named) and named != path and is_there(self._tree, named)]

    def prompt(self, id_: str) -> Prompt | None:
        """Return the prompt of one of the ids in `prompts`; None if it cannot be loaded, which `file` reports."""
        return self._prompt_file(self.prompts[id_]).prompt

    def prompt_at(self, path: str) -> Prompt | None:
        """Return the prompt in the file at `path`; None if it holds none, or one that cannot be loaded."""
        return self._prompt_file(path).prompt if is_prompt_file(path) else None

    def bare_questions(self, path: str) -> tuple[Place, ...] | None:
        """Return the places of unquoted texts with `?` in a prompt's file; None for any other, or one not read."""
        return self._prompt_file(path).bare_questions if is_prompt_file(path) else None

    @cached_property
    def known(self) -> frozenset[str]:
        """The ids of all prompts, those that a sparse checkout leaves out among them."""
        return frozenset((*self.prompts, *prompts_not_checked_out(self._tree)))

    @cached_property
    def settings(self) -> Settings:
        """The settings of the workspace; the built-in defaults if they cannot be read."""
        found = _read(self._tree, names.SETTINGS, read_settings) if is_there(self._tree, names.SETTINGS) else None
        return found if isinstance(found, Settings) else Settings()

    def among_files(self) -> Iterator[Problem]:
        """Yield the problems between files: ids that collide, names that two prompts claim."""
        yield from colliding(self._prompt_paths, self._tree.places)
        yield from self._claims()
        yield from self._successors()
        yield from self._stray()
        yield from self._elsewhere()

    def _settings(self) -> Iterator[Problem]:
        settings = _read(self._tree, names.SETTINGS, read_settings)
        if not isinstance(settings, Settings):
            yield from settings
            return
        yield from self._names_in(settings)
        yield from self._missing_folders()
        for label, rule in settings.labels.rules.items():
            known = [path.removeprefix(names.DATASETS + "/") for path in self._tree.paths(names.DATASETS)]
            if rule.dataset is not None and rule.dataset.removeprefix("./") not in known:
                message = f"the label `{label}` asks for the dataset {rule.dataset}, and there is none"
                yield Problem(message, Place(names.SETTINGS), _near_hint(rule.dataset, known), "missing-dataset")

    def _missing_folders(self) -> Iterator[Problem]:
        """Yield the warning of each place of prompts that holds nothing: a typo would hide them all."""
        for folder in self._tree.places.folders:
            if folder != names.PROMPTS and not any(path.startswith(folder + "/") for path in self._paths):
                known = {path.rpartition("/")[0] for path in self._tree.paths("") if is_prompt_file(path)}
                hint = did_you_mean(folder, sorted(known - {""})) or "write a prompt there, or leave the folder out"
                message = f"`prompt_paths` names {folder}/, and there is no file below it"
                yield Problem(message, Place(names.SETTINGS), hint, "no-match", "warning")

    def _names_in(self, settings: Settings) -> Iterator[Problem]:
        """Yield warnings of names that nothing has: a rule that a typo keeps from holding would be lost in silence."""
        place = Place(names.SETTINGS)
        globs = [
            (rule.prompts, f"the rule of `log` for `{rule.prompts}`", rule.place or place) for rule in settings.log
        ]
        globs += [
            (rule.prompts, f"the rule of `lint` for `{rule.prompts}`", rule.place or place) for rule in settings.lint
        ]
        for budget in settings.budgets:
            globs += [
                (glob, f"`{glob}` of the budget `{budget.name}`", budget.place or place) for glob in budget.prompts
            ]
        for glob, what, where in globs:
            is_idle = self.prompts and not glob.startswith(names.BUILT_IN)
            if is_idle and not any(fnmatchcase(id_, glob) for id_ in self._ids()):
                hint = did_you_mean_glob(glob, self.prompts) or None
                yield Problem(f"{what} matches no prompt of the files", where, hint, "no-match", "warning")
        yield from self._names_in_budgets(settings)
        for label, label_rule in settings.labels.rules.items():
            others = [each for each in settings.labels.rules if each not in (label_rule.after, label)]
            if label_rule.after is not None and (meant := did_you_mean(label_rule.after, others, mistakes=1)):
                message = f"`{label}` comes after `{label_rule.after}`, which is nearly another label"
                yield Problem(message, place, meant, "near-label", "warning")

    def _ids(self) -> Iterator[str]:
        """Yield the ids that prompts have, and then those that they had."""
        yield from self.prompts
        for prompt in map(self.prompt, self.prompts):
            yield from prompt.formerly if prompt is not None else ()

    def _names_in_budgets(self, settings: Settings) -> Iterator[Problem]:
        """Yield warnings of labels that nothing can have, as `labels` names others."""
        for budget in settings.budgets:
            for label in budget.labels if settings.labels.rules else ():
                if not any(fnmatchcase(each, label) for each in settings.labels.rules):
                    message = f"`{label}` of the budget `{budget.name}` matches no label that `labels` names"
                    hint = did_you_mean(label, settings.labels.rules) or None
                    yield Problem(message, budget.place, hint, "no-match", "warning")

    def _partial(self, path: str) -> Iterator[Problem]:
        text = _read(self._tree, path, decode_partial)
        if isinstance(text, Problem):
            yield text
        elif isinstance(text, str) and (merge := unresolved_merge(text, path)) is not None:
            yield merge
        elif isinstance(text, str):
            sources = Sources(self._tree, partials=self._partials)
            partials = Partials(sources, sources.base_of(path), self._sound)
            partials.include_all(text, path, lambda line: Place(path, line))
            yield from sources.problems
            yield from problems_of_partial(text, path)
        else:
            yield from text

    def _prompt_file(self, path: str) -> _ReadPrompt:
        if path not in self._read:
            self._read[path] = _read_prompt(self._tree, path, self._partials)
        return self._read[path]

    def _claims(self) -> Iterator[Problem]:
        """Earlier ids that are another prompt's now, or that two prompts claim."""
        claimed: dict[str, str] = {}
        for id_ in sorted(self.prompts):
            prompt = self.prompt(id_)
            for former in prompt.formerly if prompt is not None else ():
                place = Place(self.prompts[id_])
                if former == id_:
                    continue
                if former in self.prompts:
                    message = f"`{id_}` says that it was `{former}`, which is a prompt of its own"
                    yield Problem(message, place, "remove one of the two", "former-id-in-use")
                elif former in claimed:
                    message = f"`{id_}` and `{claimed[former]}` both say that they were `{former}`"
                    yield Problem(message, place, "let only one of them say so", "former-id-twice")
                claimed.setdefault(former, id_)

    def _successors(self) -> Iterator[Problem]:
        """Yield prompts named for use in place of a retired one that are not there, or are retired themselves."""
        for id_, path in self.prompts.items():
            prompt = self.prompt(id_)
            if prompt is None or prompt.successor in (None, id_):
                continue
            named, place = str(prompt.successor), self._prompt_file(path).successor_place
            other = self.prompt(named) if named in self.prompts else None
            if named not in self.known:
                hint = did_you_mean(named, self.prompts) or "promptctl list shows all prompts"
                yield Problem(f"there is no prompt `{named}` to use in its place", place, hint, "wrong-successor")
            elif other is not None and other.status != "active":
                hint = f"name {other.successor}" if other.successor else "name a prompt that is active"
                yield Problem(f"`{named}` is {other.status} itself", place, hint, "wrong-successor", "warning")

    def _stray(self) -> Iterator[Problem]:
        """Files below prompts/ that are no prompts by their name, and that no prompt names."""
        yield from filter(None, map(foreign_file, self._paths))
        # Files that a prompt names which cannot be loaded are not known; one of another tool is told by its content.
        are_known = all(self.prompt(id_) is not None for id_ in self.prompts)
        named = {path for id_ in self.prompts for path in self._prompt_file(self.prompts[id_]).closure}
        for path in self._paths:
            if path.endswith(f"/{names.SETTINGS}") and not self._is_of_another_repository(path):
                hint = "remove it, or move it to a folder of its own: every command in this folder is refused"
                yield Problem(NESTED, Place(path), hint, "nested-workspace")
            elif path.endswith((*names.DATASET_SUFFIXES, ".json")) and not _is_ours(path) and path not in named:
                foreign = _foreign_content(self._tree, path)
                if foreign is not None:
                    yield foreign
                elif are_known:
                    hint = "a prompt's file ends in .prompt.yaml, a schema's in .schema.yaml"
                    message = "the file is not read: no prompt names it"
                    yield Problem(message, Place(path), hint, "stray-file", "warning")

    def _is_of_another_repository(self, path: str) -> bool:
        return isinstance(self._tree, WorkTree) and self._tree.repository_inside(path) is not None

    def _elsewhere(self) -> Iterator[Problem]:
        """Yield the warning of prompt files where GitHub's tools had them, or if none is in place, anywhere."""
        paths = [*self._tree.paths(".github" if self._prompt_paths else "")]
        paths += self._tree.top_files() if self._prompt_paths and isinstance(self._tree, ListedTree) else ()
        others = tuple(path.removesuffix(names.SETTINGS) for path in paths if path.endswith("/" + names.SETTINGS))
        named = (path for path in paths if is_prompt_file(path) and self._tree.places.folder_of(path) is None)
        # A workspace inside this one reads its own.
        if found := sorted({path for path in named if not path.startswith(others)}):
            from promptctl.files.prompt_places import line_for

            places = self._tree.places
            noun = f"{count(len(found), 'prompt file')} outside {places.words} {'is' if len(found) == 1 else 'are'}"
            line = line_for(found, places)
            hint = f"move each: git mv {quote(found[0])} {places.new_path('').rpartition('/')[0] or '.'}/"
            hint = f"write in promptctl.yaml: {line}; or {hint}" if line else hint
            message = f"{noun} not read: {name_some(found)}"
            yield Problem(message, Place(found[0]), hint, "prompt-elsewhere", "warning")


@dataclass(frozen=True, slots=True)
class _ReadPrompt:
    """A prompt's file as it was read: its problems, the files it names, and the prompt unless it cannot be loaded.

    `bare_questions` is None for a file that could not be read as a prompt's.
    """

    problems: tuple[Problem, ...]
    closure: tuple[str, ...]
    prompt: Prompt | None
    bare_questions: tuple[Place, ...] | None
    successor_place: Place


def _read_prompt(tree: Tree, path: str, partials: Cache) -> _ReadPrompt:
    stem = tree.places.stem(path) or path
    problems: list[Problem] = []
    unfit = id_problem(stem)
    if unfit is not None:
        problems.append(bad_id(path, stem, unfit))
    sources = Sources(tree, partials=partials)
    resolved = resolve(path, sources)
    prompt = prompt_of(path, resolved, sources)
    problems += sources.problems
    questions = None
    if resolved is not None:
        problems += problems_of_prompt(resolved, stem)
        questions = tuple(resolved.file.document.bare_questions())
    successor = resolved.file.document.place("successor") if resolved is not None else Place(path)
    return _ReadPrompt(tuple(problems), tuple(sources.paths), prompt, questions, successor)


def _foreign_content(tree: Tree, path: str) -> Problem | None:
    """Return the warning of a stray file that looks like a file of another tool, or like a prompt by another name."""
    document = _read(tree, path, read_yaml)
    if not isinstance(document, Document) or not isinstance(document.data, list | dict):
        return None
    if isinstance(document.data, dict) and "messages" in document.data:
        message, hint = "the file is not read, and it looks like a prompt", "name it <id>.prompt.yaml"
        return Problem(message, Place(path), hint, "stray-file", "warning")
    found = foreign_shape(document)
    if found is None or "JSON Schema" in found.message:
        return None
    return replace(found, message=f"the file is not read: {found.message}", severity="warning")


def colliding(paths: Iterable[str], places: PromptPlaces) -> Iterator[Problem]:
    """Yield a problem for files of one id, and for ids that only differ in case: on many file systems they are one."""
    seen: dict[str, str] = {}
    for path in paths:
        stem = places.stem(path) or path
        other = seen.setdefault(stem.casefold(), path)
        if other == path:
            continue
        if places.stem(other) == stem:
            yield two_files(other, path, stem)
        else:
            message = f"`{stem}` and `{places.stem(other)}` differ only in case: on some file systems they are one file"
            yield Problem(message, Place(path), "rename one of them", "colliding-ids")


_Made = TypeVar("_Made")


def _read(tree: Tree, path: str, make: Callable[[bytes, str], _Made]) -> _Made | Sequence[Problem]:
    """Return what `make` makes of the file's bytes, or their problems."""
    try:
        return make(tree.read(path), path)
    except WorkspaceError as error:
        return error.problems_of(path)


def _is_ours(path: str) -> bool:
    return path.endswith((*names.PROMPT_SUFFIXES, *names.SCHEMA_SUFFIXES, names.PARTIAL_SUFFIX))


def _near_hint(name: str, known: Iterable[str]) -> str:
    return did_you_mean(name, known) or "write it, or mend the name"
