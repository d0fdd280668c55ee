"""The linter: applies its rules to one prompt or to all files of a workspace, and mends what can be mended safely."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TypedDict, Unpack

from promptctl.counting import counted
from promptctl.errors import InvalidFiles, Place, Problem, UsageError, WorkspaceError, in_reading_order
from promptctl.files import names
from promptctl.files.document import Document, Key
from promptctl.files.names import did_you_mean, is_prompt_file
from promptctl.files.proposal import FileEdit, Proposal
from promptctl.files.sources import Cache, Sources
from promptctl.files.tree import Tree, is_there, prompt_files
from promptctl.files.yaml_editing import Remove, edit_yaml
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.lint_rules import level_of
from promptctl.formats.settings_file import Settings
from promptctl.linting import branches, inputs, model_checks, parameters, replies, texts
from promptctl.linting.models import ModelList
from promptctl.linting.partials import Includes
from promptctl.linting.prompt import LintedPrompt
from promptctl.linting.rules import DOCS, RULES, Findings, LintFinding
from promptctl.linting.silencing import Silences, without_needless
from promptctl.prompts.checking import chosen_files
from promptctl.prompts.closure import Declared, resolve
from promptctl.prompts.loading import prompts_not_checked_out
from promptctl.templates import BadTemplate
from promptctl.templates.uses import uses

_CHECKS: tuple[Callable[[LintedPrompt], Findings], ...] = (
    inputs.unused,
    inputs.needed,
    branches.unreachable,
    inputs.undelimited,
    inputs.uncached,
    parameters.contradictory,
    parameters.too_short,
    model_checks.refused,
    model_checks.unknown,
    model_checks.over_the_window,
    replies.in_words,
    replies.refused,
    replies.contradicting,
    texts.emails,
    texts.repeated,
    texts.hidden,
)


@dataclass(frozen=True, slots=True)
class LintReport:
    """The number of prompts that were read, and what was found, in reading order.

    `prompts` is 0 if only other files were asked for, of which `files` counts all. Problems that keep a prompt from
    being read are among the findings. `proposal` has the files without what can be mended.
    """

    prompts: int
    files: int
    findings: tuple[Problem, ...]
    proposal: Proposal = field(default_factory=Proposal)

    @property
    def has_errors(self) -> bool:
        """True if anything found is an error."""
        return any(each.severity == "error" for each in self.findings)


def lint_prompt(tree: Tree, path: str, settings: Settings, today: date) -> list[Problem]:
    """Return what the rules find in the prompt at `path` and the files it names, in reading order.

    If it cannot be read, the problems that keep it from being read.
    """
    linter = _Linter(tree, settings, today)
    linter.add(path)
    return in_reading_order(linter.found([path], is_whole=False))


class LintOptions(TypedDict, total=False):
    """Options of `Workspace.lint`: the rules alone that count, those that do not, by code or name; the day of today."""

    select: Collection[str]
    ignore: Collection[str]
    today: date


def lint_workspace(
    tree: Tree, settings: Settings, paths: Sequence[str] = (), **options: Unpack[LintOptions]
) -> LintReport:
    """Return what the rules find in every prompt, or in the files at or below `paths`, and how it can be mended.

    Raises `UsageError` for a path that names no such file, and for a rule that there is not.
    """
    select, ignore = frozenset(_codes(options.get("select", ()))), frozenset(_codes(options.get("ignore", ())))
    today = options.get("today") or date.today()  # noqa: DTZ011 - the day here
    files = [*([names.SETTINGS] if is_there(tree, names.SETTINGS) else []), *prompt_files(tree)]
    kinds = "those are promptctl.yaml, prompts, schemas and partials"
    wanted = chosen_files(files, paths, "file of the workspace that can be linted", kinds)
    prompts = [path for path in files if is_prompt_file(path)]
    is_whole = not paths
    if all(map(is_prompt_file, wanted)):
        prompts = wanted
    linter = _Linter(tree, settings, today)
    for path in counted(prompts, "checking prompts", len(prompts)):
        linter.add(path)
    found = in_reading_order(
        each
        for each in linter.found(wanted, is_whole=is_whole)
        if not isinstance(each, LintFinding) or (each.code not in ignore and (not select or each.code in select))
    )
    return LintReport(sum(map(is_prompt_file, wanted)), len(wanted), tuple(found), mended(tree, found))


class _Linter:
    """One run over prompts of a workspace. Files that several prompts share are read once."""

    def __init__(self, tree: Tree, settings: Settings, today: date) -> None:
        self._tree = tree
        self._settings = settings
        self._today = today
        self._models = ModelList(settings)
        self._partials: Cache = {}
        self._includes = Includes()
        self._silences: dict[str, Silences] = {}
        self._secrets: dict[str, list[LintFinding]] = {}
        self._found: dict[Problem, None] = {}
        self._unread = 0

    def add(self, path: str) -> None:
        """Lint a prompt."""
        sources = Sources(self._tree, partials=self._partials)
        try:
            declared = resolve(path, sources)
            problems = [each for each in sources.problems if each.severity == "error"]
            if declared is None or problems or (problems := list(_bad_templates(declared))):
                self._unread += 1
                self._found |= dict.fromkeys(problems)
                return
            self._lint(declared, sources.paths)
        except RecursionError:
            self._unread += 1
            message = "the prompt is nested too deeply to be linted"
            self._found[Problem(message, Place(path), "flatten its templates and schemas", "too-deep")] = None

    def _lint(self, declared: Declared, closure: Iterable[str]) -> None:
        self._includes.add(declared)
        path = declared.file.path
        ids = (self._tree.places.stem(path) or path, *declared.file.data.get("formerly", ()))
        self._read(path, declared.source, declared.file.document, is_jinja=declared.is_jinja)
        for named in closure:
            if named not in self._silences:
                with suppress(FileNotFoundError, WorkspaceError):
                    self._read(named, self._tree.read(named), None)
        prompt = LintedPrompt(declared, self._settings, self._models, self._today)
        for check in _CHECKS:
            self._keep(check(prompt), ids)
        for named in closure:
            self._keep(self._secrets.get(named, ()), ids)

    def _read(self, path: str, data: bytes, document: Document | None, *, is_jinja: bool = True) -> None:
        """Read a file's comments and secrets."""
        text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
        if document is None and not path.endswith(names.PARTIAL_SUFFIX) and "promptctl:" in text:
            with suppress(InvalidFiles):
                document = read_yaml(data, path)
        self._silences[path] = Silences(text, path, document, is_jinja=is_jinja)
        self._secrets[path] = list(texts.secrets(text, path))

    def _keep(self, found: Iterable[LintFinding], ids: Sequence[str]) -> None:
        for each in found:
            paths = {place.path for place in (each.place, *each.also) if place is not None}
            silenced = [self._silences[path].are_for(each) for path in paths & self._silences.keys()]
            if any(silenced):
                continue
            level = level_of(self._settings.lint, ids, each.code, each.severity)
            if level != "off":
                kept = replace(each, severity="error" if level == "error" else "warning")
                self._found[kept] = None

    def found(self, wanted: Sequence[str], *, is_whole: bool) -> list[Problem]:
        """Return what was found in these files and in those that they name, also what only all prompts can tell."""
        prompts = [path for path in wanted if is_prompt_file(path)]
        others = [path for path in wanted if not is_prompt_file(path)]
        if others and not self._unread and not prompts_not_checked_out(self._tree):
            self._keep_of(self._includes.findings(others))
        if names.SETTINGS in wanted and self._settings.model:
            self._keep_of(self._of_default())
        for path in self._silences if is_whole else prompts:
            if path in self._silences:
                self._keep_of(list(self._silences[path].needless()))
        # What is found in a partial is an error if it is one to any prompt.
        errors = {replace(each, severity="warning") for each in self._found if each.severity == "error"}
        kept = [each for each in self._found if each not in errors]
        if is_whole or not others:
            return kept
        return [each for each in kept if each.place is not None and each.place.path in wanted]

    def _keep_of(self, found: Iterable[LintFinding]) -> None:
        for each in found:
            path = each.place.path if each.place is not None else ""
            self._keep([each], (self._tree.places.stem(path) or path,))

    def _of_default(self) -> Iterator[LintFinding]:
        data = self._tree.read(names.SETTINGS)
        document = read_yaml(data, names.SETTINGS)
        self._read(names.SETTINGS, data, document)
        facts = self._models.facts_of(self._settings.model)
        yield from model_checks.of_model(facts, document.place("model"), self._today, self._models)


def _bad_templates(declared: Declared) -> Iterator[Problem]:
    """Yield the fault of each template that does not parse: what it does is not known."""
    for text, _, place_of in declared.templates() if declared.is_jinja else ():
        try:
            uses(text)
        except BadTemplate as error:
            yield Problem(error.message, place_of(error.line), error.hint, "bad-template")


def _codes(given: Iterable[str]) -> Iterator[str]:
    """Yield codes of rules, each as the rules are written: `p103, unused-input`. Raises `UsageError` for others."""
    by_name = {rule.name: rule.code for rule in RULES.values()}
    for code in (each.strip() for text in given for each in text.split(",")):
        known = by_name.get(code.lower(), code.upper())
        if known not in RULES:
            hint = did_you_mean(code.upper(), RULES) or did_you_mean(code.lower(), by_name)
            raise UsageError(f"there is no rule `{code}`", hint=hint or f"{DOCS} lists the rules")
        yield known


def mended(tree: Tree, found: Iterable[Problem]) -> Proposal:
    """Return the files without what these findings are about, as far as that is safe. Others stay as they are."""
    by_path: dict[str, list[LintFinding]] = {}
    for each in found:
        if isinstance(each, LintFinding) and each.place is not None and (each.removes or each.needless):
            by_path.setdefault(each.place.path, []).append(each)
    return Proposal(tuple(_edits(tree, by_path)))


def _edits(tree: Tree, by_path: dict[str, list[LintFinding]]) -> Iterator[FileEdit]:
    for path, found in by_path.items():
        with suppress(InvalidFiles, WorkspaceError):
            before = tree.read(path)
            # First the comments: their lines are those of the file as it is.
            after = without_needless(before.decode(), found).encode()
            for keys in _without_empty(dict.fromkeys(keys for each in found for keys in each.removes), before, path):
                with suppress(WorkspaceError):
                    after = edit_yaml(after, path, [Remove(keys)])
            yield FileEdit(path, before, after)


def _without_empty(removes: Iterable[tuple[Key, ...]], data: bytes, path: str) -> list[tuple[Key, ...]]:
    """Return what is removed, a mapping as a whole if nothing would be left in it."""
    removes = list(removes)
    for parent in {keys[:-1] for keys in removes}:
        own = [keys for keys in removes if keys[:-1] == parent]
        if len(own) == len(read_yaml(data, path).part(*parent).data):
            removes = [*(keys for keys in removes if keys not in own), parent]
    return removes
