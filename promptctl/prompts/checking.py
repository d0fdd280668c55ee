"""Everything that is wrong with a prompt, or with all files of a workspace, found without running anything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TypeVar

from promptctl.errors import InvalidFiles, Place, Problem, WorkspaceError, in_reading_order, printable
from promptctl.files import names
from promptctl.files.names import did_you_mean, id_problem, prompt_id, prompt_stem
from promptctl.files.sources import Sources
from promptctl.files.tree import Tree
from promptctl.formats.dataset_file import DatasetFile, read_dataset_file
from promptctl.formats.settings_file import Settings, read_settings
from promptctl.prompts.case_inputs import check_dataset_against
from promptctl.prompts.closure import resolve
from promptctl.prompts.loading import try_prompt_file, two_files
from promptctl.prompts.partials import Partials, decode_partial
from promptctl.prompts.prompt import Prompt
from promptctl.prompts.prompt_checks import problems_of_partial, problems_of_prompt
from promptctl.schemas.checks import check_schema_file

__all__ = ["check_dataset_against", "check_prompt", "check_workspace", "files_of"]


def files_of(tree: Tree) -> list[str]:
    """The files of the workspace that `check_workspace` looks at: settings, prompts, schemas, partials, datasets."""
    settings = [names.SETTINGS] if _exists(tree, names.SETTINGS) else []
    ours = (path for path in tree.paths(names.PROMPTS) if _is_ours(path))
    return [*settings, *ours, *(path for path in tree.paths(names.DATASETS) if names.is_dataset(path))]


def check_prompt(tree: Tree, path: str) -> list[Problem]:
    """Every problem of the prompt at `path` and of the files it names, in reading order."""
    check = _WorkspaceCheck(tree)
    return in_reading_order(
        dict.fromkeys(problem for file in [path, *check.named_by(path)] for problem in check.file(file))
    )


def check_workspace(tree: Tree, only: Collection[str] | None = None) -> list[Problem]:
    """Every problem of every file of the workspace, in reading order.

    With `only`, those of these files and of the files that they name. Rows of .jsonl and .csv files are not looked at.
    """
    check = _WorkspaceCheck(tree)
    files = files_of(tree)
    if only is not None:
        chosen = [path for path in files if path in only]
        files = list(dict.fromkeys([*chosen, *(named for path in chosen for named in check.named_by(path))]))
    problems = [problem for path in files for problem in check.file(path)]
    among = check.among_files()
    problems += [each for each in among if only is None or (each.place is not None and each.place.path in files)]
    return in_reading_order(dict.fromkeys(problems))


class _WorkspaceCheck:
    """The workspace under check: each prompt is loaded once, however many datasets name it."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._prompt_paths = [path for path in tree.paths(names.PROMPTS) if prompt_stem(path) is not None]
        self._by_id = {id_: path for path in self._prompt_paths if (id_ := prompt_id(path)) is not None}
        self._dataset_paths = list(tree.paths(names.DATASETS))
        self._loaded: dict[str, Prompt | None] = {}

    def file(self, path: str) -> Iterable[Problem]:
        """Every problem of one file."""
        if path == names.SETTINGS:
            return self._settings()
        if prompt_stem(path) is not None:
            return _problems_of_prompt_file(self._tree, path)
        if names.is_schema(path):
            return check_schema_file(self._tree, path)
        return self._partial(path) if names.is_partial(path) else self._dataset(path)

    def named_by(self, path: str) -> list[str]:
        """The schemas and partials that a prompt names; none for any other file."""
        if prompt_stem(path) is None:
            return []
        sources = Sources(self._tree)
        resolve(path, sources)
        return [named for named in sources.paths if _is_ours(named) and named != path and _exists(self._tree, named)]

    def among_files(self) -> Iterator[Problem]:
        """What is wrong between files: ids that collide, names that two prompts claim."""
        yield from _colliding(self._prompt_paths)
        yield from self._claims()
        yield from self._stray()

    def _settings(self) -> Iterator[Problem]:
        settings = _read(self._tree, names.SETTINGS, read_settings)
        if not isinstance(settings, Settings):
            yield from settings
            return
        for label, rule in settings.labels.rules.items():
            known = [path.removeprefix(names.DATASETS + "/") for path in self._dataset_paths]
            if rule.dataset is not None and rule.dataset.removeprefix("./") not in known:
                message = f"the label `{label}` asks for the dataset {rule.dataset}, and there is none"
                yield Problem(message, Place(names.SETTINGS), _near_hint(rule.dataset, known), "missing-dataset")

    def _partial(self, path: str) -> Iterator[Problem]:
        text = _read(self._tree, path, decode_partial)
        if isinstance(text, Problem):
            yield text
        elif isinstance(text, str):
            sources = Sources(self._tree)
            Partials(sources).include_all(text, path, lambda line: Place(path, line))
            yield from sources.problems
            yield from problems_of_partial(text, path)
        else:
            yield from text

    def _dataset(self, path: str) -> Iterator[Problem]:
        dataset = _read(self._tree, path, read_dataset_file)
        if not isinstance(dataset, DatasetFile):
            yield from dataset
            return
        if dataset.cases_path is not None and dataset.cases_path not in self._dataset_paths:
            known = [path.removeprefix(names.DATASETS + "/") for path in self._dataset_paths]
            hint = _near_hint(dataset.cases_path.removeprefix(names.DATASETS + "/"), known)
            message = f"there is no file of cases {dataset.cases_path}"
            yield Problem(message, dataset.document.place("cases"), hint, "missing-cases")
        for index, id_ in enumerate(dataset.prompts):
            if id_ not in self._by_id:
                message = f"the dataset tests `{id_}`, and there is no such prompt"
                place = dataset.document.place("prompts", index)
                yield Problem(message, place, _near_hint(id_, self._by_id), "missing-prompt")
                continue
            prompt = self._prompt(id_)
            if prompt is not None:
                yield from check_dataset_against(prompt, dataset)

    def _prompt(self, id_: str) -> Prompt | None:
        """The prompt; None where it cannot be loaded, which its own check tells."""
        if id_ not in self._loaded:
            self._loaded[id_] = try_prompt_file(self._tree, self._by_id[id_])[0]
        return self._loaded[id_]

    def _claims(self) -> Iterator[Problem]:
        """Earlier ids that are another prompt's now, or that two prompts claim."""
        claimed: dict[str, str] = {}
        for id_ in sorted(self._by_id):
            prompt = self._prompt(id_)
            for former in prompt.formerly if prompt is not None else ():
                place = Place(self._by_id[id_])
                if former == id_:
                    continue
                if former in self._by_id:
                    message = f"`{id_}` says that it was `{former}`, which is a prompt of its own"
                    yield Problem(message, place, "remove one of the two", "former-id-in-use")
                elif former in claimed:
                    message = f"`{id_}` and `{claimed[former]}` both say that they were `{former}`"
                    yield Problem(message, place, "let only one of them say so", "former-id-twice")
                claimed.setdefault(former, id_)

    def _stray(self) -> Iterator[Problem]:
        """YAML below prompts/ that is no prompt by its name, and that no prompt names: most often misnamed."""
        prompts = [self._prompt(id_) for id_ in self._by_id]
        if None in prompts:
            return
        named = {path for prompt in prompts if prompt is not None for path in prompt.closure}
        for path in self._tree.paths(names.PROMPTS):
            if path.endswith(names.DATASET_SUFFIXES) and not _is_ours(path) and path not in named:
                hint = "a prompt's file ends in .prompt.yaml, a schema's in .schema.yaml"
                yield Problem("the file is not read: no prompt names it", Place(path), hint, "stray-file", "warning")


def _problems_of_prompt_file(tree: Tree, path: str) -> Iterator[Problem]:
    stem = prompt_stem(path) or path
    unfit = id_problem(stem)
    if unfit is not None:
        yield Problem(f"`{printable(stem)}` cannot be a prompt's id: {unfit}", Place(path), "rename the file", "bad-id")
    sources = Sources(tree)
    resolved = resolve(path, sources)
    yield from sources.problems
    if resolved is not None:
        yield from problems_of_prompt(resolved, stem)


def _colliding(paths: Sequence[str]) -> Iterator[Problem]:
    """Files of one id, and ids that only differ in case: on many file systems they are one file."""
    seen: dict[str, str] = {}
    for path in paths:
        stem = prompt_stem(path) or path
        other = seen.setdefault(stem.casefold(), path)
        if other == path:
            continue
        if prompt_stem(other) == stem:
            yield two_files(other, path, stem)
        else:
            message = f"`{stem}` and `{prompt_stem(other)}` differ only in case: on some file systems they are one file"
            yield Problem(message, Place(path), "rename one of them", "colliding-ids")


_Made = TypeVar("_Made")


def _read(tree: Tree, path: str, make: Callable[[bytes, str], _Made]) -> _Made | Sequence[Problem]:
    """What `make` makes of the file's bytes, or what is wrong with them."""
    try:
        return make(tree.read(path), path)
    except InvalidFiles as error:
        return error.problems
    except WorkspaceError as error:
        return [Problem(error.message, error.place or Place(path), error.hint, "unreadable")]


def _exists(tree: Tree, path: str) -> bool:
    try:
        tree.read(path)
    except FileNotFoundError:
        return False
    except WorkspaceError:
        return True
    return True


def _is_ours(path: str) -> bool:
    return prompt_stem(path) is not None or names.is_schema(path) or names.is_partial(path)


def _near_hint(name: str, known: Iterable[str]) -> str:
    return did_you_mean(name, known) or "write it, or mend the name"
