"""The makers of what a model saw: of each line of a version, of what filled in the rest, and who put it live."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from promptctl.catalogue.blamed import Blame, BlamedLine, BlamedPart, FilledInput, LiveMove, Origin
from promptctl.catalogue.executed_version import ExecutedVersion
from promptctl.errors import GitError, WorkspaceError
from promptctl.files.names import SETTINGS
from promptctl.files.tree import Tree
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.settings_file import sent_parameters
from promptctl.git.line_history import LineChange, carried, file_lines, line_changes
from promptctl.git.trees import CommitTree
from promptctl.prompts.loading import path_in
from promptctl.prompts.prompt import MISSING, Input
from promptctl.prompts.seen_parts import SeenPart, seen_parts
from promptctl.versions.at_time import LabelPast, commit_at, label_pasts
from promptctl.versions.former_ids import earlier_ids
from promptctl.versions.moment import NOT_IN_GIT, Moment
from promptctl.versions.prompt_at_version import PromptAtVersion, Version, note

if TYPE_CHECKING:
    from promptctl.catalogue.page import UnaskedThen
    from promptctl.context import Context
    from promptctl.labels.chains import Unasked
    from promptctl.labels.tags import LabelEvent
    from promptctl.log.records import Execution


_LIKE_AN_ID = re.compile(r"[0-9a-f][0-9a-f-]{3,35}")


def blame(context: Context, wanted: str, unasked: UnaskedThen) -> Blame:
    """Return who made each line of what a model saw, by a ref or an execution, and what put it live.

    An execution is named by its id or a unique beginning or end of at least 4 characters. Nothing is asked of a remote.
    Raises what resolving a ref raises, and `LogError` for an execution that is not in the log.
    """
    moment = context.now()
    execution = None if _is_ref(context, wanted) else context.log.execution(wanted)
    notes: list[str] = []
    if execution is None:
        found: PromptAtVersion | None = context.resolve(wanted)
        assert found is not None
        ref, prompt, version = wanted, context.repository.id_of_today(found.prompt.id), found.version
        if version.note:
            notes.append(f"the version's number is not known: {version.note}")
    else:
        ref = execution.prompt + (f"@{execution.label}" if execution.label else "")
        prompt = context.repository.id_of_today(execution.prompt)
        version = _version_of(execution)
        found = ExecutedVersion(context, moment, execution, notes).found()
    ids = (prompt, *earlier_ids(moment, prompt)) if moment.is_versioned else (prompt,)
    if execution is not None and execution.prompt not in ids:
        ids = (*ids, execution.prompt)
    files = BlamedFiles(moment, ids, notes)
    sent = _SentParts(context, moment, files, found, execution) if found is not None else None
    blamed = sent.all() if sent is not None else []
    inputs = _inputs(found, execution, blamed, sent.defaults() if sent is not None else {})
    moves = _moves(moment, ids, version, execution, partial(unasked, moment), notes) if moment.is_versioned else ()
    if moment.is_shallow and any(line.change and line.change.is_cut for part in blamed for line in part.lines):
        notes.append("this clone is shallow: a line of its oldest commit may be older; git fetch --unshallow tells")
    rows = [] if context.log.is_new else context.log.evaluations(digest=version.digest)
    evaluations = tuple(row for row in rows if row.prompt in ids)
    return Blame(ref, prompt, version, execution, tuple(blamed), inputs, moves, evaluations, tuple(notes))


def _is_ref(context: Context, wanted: str) -> bool:
    is_id = not context.log.is_new and _LIKE_AN_ID.fullmatch(wanted) is not None
    return not is_id or path_in(context.repository.work_tree, wanted) is not None


def _version_of(execution: Execution) -> Version:
    return Version(
        execution.digest,
        execution.commit,
        execution.is_dirty,
        execution.version,
        execution.label,
        execution.version_display or "unversioned",
    )


@dataclass
class _SentParts:
    """The parts of a version, with their lines and, of an execution, what was sent in their place."""

    context: Context
    moment: Moment
    files: BlamedFiles
    found: PromptAtVersion
    execution: Execution | None

    def all(self) -> list[BlamedPart]:
        """Return every part, the model and the parameters first."""
        tree, prompt = self.found.tree, self.found.prompt
        seen, _ = self._seen
        self.files.read(tree, [prompt.path, *(part.path for part in seen)])
        made = [self._blamed(part) for part in seen]
        own = {(part.kind, part.key): part for part in made if part.kind in ("model", "parameter")}
        sent = self.execution
        model = sent.model if sent is not None else self.found.prompt.model or self.context.settings.model
        first = [self._model(own.get(("model", "model")), model)] if model else []
        parameters = dict(sent.parameters if sent is not None else prompt.parameters)
        if sent is None and model is not None:
            parameters = sent_parameters(self.context.settings.model_rule(model).parameters, parameters)
        for name, value in parameters.items():
            said = own.get(("parameter", name)) if prompt.parameters.get(name) == value else None
            first.append(replace(said, value=value) if said is not None else self._parameter(name, value, model))
        return [*first, *(part for part in made if part.kind not in ("model", "parameter"))]

    @cached_property
    def _seen(self) -> tuple[list[SeenPart], Mapping[str, SeenPart]]:
        return seen_parts(self.found.tree, self.found.prompt)

    def defaults(self) -> dict[str, BlamedLine]:
        """Return the line of the default of each input that has one."""
        blamed = {name: self._blamed(part).lines for name, part in self._seen[1].items()}
        return {name: lines[0] for name, lines in blamed.items() if lines}

    def _blamed(self, part: SeenPart) -> BlamedPart:
        lines = self.files.of(self.found.tree, part.path, part.lines)
        return BlamedPart(part.kind, part.key, part.path, lines, part.inputs)

    def _model(self, own: BlamedPart | None, model: str) -> BlamedPart:
        named = self.found.prompt.model
        if own is not None and named is not None and model.removeprefix("replay/") == named.removeprefix("replay/"):
            return replace(own, value=model)
        if named is None and (said := self._in_settings(lambda data: ("model",) if data.get("model") == model
                                                         else None)):  # fmt: skip
            return BlamedPart("model", "model", SETTINGS, said, value=model, note="the workspace's default")
        why = f"chosen by the call, and the prompt names {named}" if named else "chosen by the call"
        return BlamedPart("model", "model", "", value=model, note=why)

    def _parameter(self, name: str, value: Any, model: str | None) -> BlamedPart:
        def place(data: Mapping[str, Any]) -> tuple[str, ...] | None:
            rules = data.get("models") or {}
            globs = [glob for glob, rule in rules.items() if fnmatchcase((model or "").removeprefix("replay/"), glob)
                     and name in ((rule or {}).get("parameters") or {})]  # fmt: skip
            is_said = globs and rules[globs[-1]]["parameters"][name] == value
            return ("models", globs[-1], "parameters", name) if is_said else None

        if said := self._in_settings(place):
            return BlamedPart("parameter", name, SETTINGS, said, value=value, note="a rule for the model")
        return BlamedPart("parameter", name, "", value=value, note="given with the call")

    def _in_settings(self, place: Callable[[Mapping[str, Any]], tuple[str, ...] | None]) -> tuple[BlamedLine, ...]:
        """Return the lines of `promptctl.yaml` at a place: as it was at the call, or else as it is now.

        Which commit's settings a call went by is not on record: those that say what was sent are meant.
        """
        for tree in self._settings_trees():
            try:
                document = read_yaml(tree.read(SETTINGS), SETTINGS)
            except (WorkspaceError, FileNotFoundError):
                continue
            keys = place(document.data) if isinstance(document.data, Mapping) else None
            if keys is not None:
                self.files.read(tree, [SETTINGS])
                return self.files.of(tree, SETTINGS, document.value_lines(*keys))
        return ()

    def _settings_trees(self) -> list[Tree]:
        trees: list[Tree] = []
        if self.execution is not None and self.moment.is_versioned:
            try:
                commit = commit_at(self.moment, datetime.fromisoformat(self.execution.started_at))
                trees.append(self.moment.tree_at(commit))
            except GitError:
                pass
        return [*trees, self.context.repository.work_tree]


def _inputs(
    found: PromptAtVersion | None,
    execution: Execution | None,
    parts: Sequence[BlamedPart],
    defaults: Mapping[str, BlamedLine],
) -> tuple[FilledInput, ...]:
    kept = execution.inputs if execution is not None else None
    if found is None:
        return tuple(FilledInput(name, "call", value, is_kept=True) for name, value in (kept or {}).items())
    filled = []
    for name, declared in found.prompt.inputs.items():
        used_in = tuple(dict.fromkeys(part.key for part in parts if name in part.inputs))
        has_default = declared.default is not MISSING
        value, origin = None, _origin(declared, execution)
        if kept is not None and name in kept:
            value = kept[name]
            origin = "default" if has_default and value == declared.default else "call"
        elif execution is None and has_default:
            value = declared.default
        is_kept = kept is not None and name in kept
        filled.append(FilledInput(name, origin, value, is_kept, used_in, defaults.get(name)))
    return tuple(filled)


def _origin(declared: Input, execution: Execution | None) -> Origin:
    """Return the origin of the value of an input that is not on record."""
    has_default = declared.default is not MISSING
    if execution is None:
        return "default" if has_default else "call" if declared.is_required else "none"
    if execution.inputs is not None:
        return "none"
    return "call" if declared.is_required else "unknown"


def _moves(
    moment: Moment,
    ids: Sequence[str],
    version: Version,
    execution: Execution | None,
    unasked: Unasked,
    notes: list[str],
) -> tuple[LiveMove, ...]:
    """Return the moves by which labels named this content: at the time of the call, or now."""
    time = datetime.fromisoformat(execution.started_at) if execution is not None else None
    moves = []
    try:
        pasts = label_pasts(moment, ids, time, unasked)
    except GitError as error:
        notes.append(f"the labels are not known: {note(error)}")
        return ()
    for past in pasts:
        is_asked = past.label == version.label
        if is_asked and past.live.doubtful:
            notes.append(f"when {past.label} was moved is not sure: clocks contradict the order of its moves")
        at = next((index for index, each in enumerate(past.events) if each == past.live.event), -1)
        last = at
        # Tags tell whole seconds; and what a call asked for by name was given to it.
        while last >= 0 and not _names(past.events[last], version.digest):
            is_same_second = time is not None and past.events[last].date >= time.replace(microsecond=0)
            last = last - 1 if is_same_second or (is_asked and time is not None) else -1
        if is_asked and (last < at or last < 0) and time is not None:
            _tell_other(past, at, last, time, version, notes)
        if last >= 0:
            first = last
            while first and _names(past.events[first - 1], version.digest):
                first -= 1
            until = next((each for each in past.events[last + 1 :] if not _names(each, version.digest)), None)
            moves.append(LiveMove(past.events[first], until, is_asked=is_asked))
    if not pasts and (unknown := moment.unknown_labels()):
        notes.append(note(unknown))
    return tuple(sorted(moves, key=lambda move: not move.is_asked))


def _names(event: LabelEvent, digest: str) -> bool:
    return event.is_live and event.digest == digest


def _tell_other(past: LabelPast, at: int, last: int, time: datetime, version: Version, notes: list[str]) -> None:
    """Say that a label named other content at the time of a call that asked for it, unless in the same second."""
    event = past.events[at] if at >= 0 else None
    since = (time - past.events[last + 1].date).total_seconds() if last >= 0 else None
    if since is not None and since < 1:
        return
    now = f"named {event.version}" if event is not None and event.is_live else "named nothing"
    after = f", {since:.0f} s after it was moved on" if since is not None else ""
    notes.append(f"by the clocks {past.label} {now} then, and the call ran {version.display}{after}")


class BlamedFiles:
    """The lines of files with the commits that made them, of any tree; each tree's files are asked for at once."""

    def __init__(self, moment: Moment, ids: Sequence[str], notes: list[str]) -> None:
        self._moment = moment
        self._ids = ids
        self._notes = notes
        self._known: dict[tuple[str | None, str], list[BlamedLine]] = {}

    def read(self, tree: Tree, paths: Sequence[str]) -> None:
        """Read these files of a tree."""
        texts = {path: file_lines(tree.read(path)) for path in dict.fromkeys(paths)}
        try:
            changes = self._changes(tree, texts)
        except GitError as error:
            self._tell(note(error))
            changes = None
        for path, lines in texts.items():
            made = (changes or {}).get(path) or [None] * len(lines)
            self._known[tree.commit, path] = [
                BlamedLine(at + 1, text, change, is_uncommitted=change is None and changes is not None)
                for at, (text, change) in enumerate(zip(lines, made, strict=True))
            ]

    def _tell(self, why: str) -> None:
        words = f"who made the lines is not known: {why}"
        if words not in self._notes:
            self._notes.append(words)

    def of(self, tree: Tree, path: str, lines: range | None = None) -> tuple[BlamedLine, ...]:
        """Return lines of a file that was read; all of them by default."""
        known = self._known[tree.commit, path]
        return tuple(known if lines is None else known[lines.start - 1 : lines.stop - 1])

    def _changes(self, tree: Tree, texts: Mapping[str, list[str]]) -> Mapping[str, Sequence[LineChange | None]] | None:
        """Return who made the lines, by path, with None for a line that no commit has; None if nobody knows."""
        if not self._moment.is_versioned:
            self._tell(NOT_IN_GIT)
            return None
        git = self._moment.git
        if isinstance(tree, CommitTree):
            found = line_changes(git, tree.commit, map(tree.from_root, texts), self._earlier)
            return {path: found[tree.from_root(path)] for path in texts}
        if self._moment.head is None:
            return {}
        head = self._moment.tree_at(self._moment.head)
        olds = {path: path if head.blob(path) else self._earlier_here(head, path) for path in texts}
        committed = {path: head.from_root(old) for path, old in olds.items() if old is not None}
        found = line_changes(git, head.commit, committed.values(), self._earlier)
        changes: dict[str, Sequence[LineChange | None]] = {}
        for path, old in committed.items():
            before = file_lines(head.read(old.removeprefix(head.from_root(""))))
            changes[path] = [None if at is None else found[old][at] for at in carried(before, texts[path])]
        return changes

    def _earlier(self, parent: str, path: str) -> str | None:
        """Return the file, in a commit's parent, of an earlier id of the prompt whose file the commit added."""
        tree = self._moment.tree_at(parent)
        found = self._earlier_here(tree, path.removeprefix(tree.from_root("")))
        return None if found is None else tree.from_root(found)

    def _earlier_here(self, tree: CommitTree, path: str) -> str | None:
        if tree.places.id(path) not in self._ids:
            return None
        paths = (each for id_ in self._ids for each in tree.places.paths_of(id_))
        return next((each for each in paths if tree.blob(each) is not None), None)
