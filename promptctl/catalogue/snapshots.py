"""Snapshots of a repository: taken from its labels, checked against it, and compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from promptctl.context import Context
from promptctl.differences.diff import diff_prompts
from promptctl.errors import GitError, InvalidFiles, PromptNotFound, RevisionNotFound, WorkspaceError
from promptctl.files.names import SETTINGS, did_you_mean, did_you_mean_glob
from promptctl.git.kept_trees import TREES_KEPT
from promptctl.git.trees import CommitTree
from promptctl.labels.chains import LabelState
from promptctl.versions.former_ids import Former, all_former_ids
from promptctl.versions.prompt_at_version import PromptAtVersion
from promptctl.versions.snapshot import Snapshot, SnapshotEntry, snapshot_bytes

_PARTS = ("messages", "partials", "inputs", "model", "engine", "parameters", "output", "response_format", "tools",
          "metadata")  # fmt: skip
_EVENT = ("event", "action", "actor", "date", "reason", "evaluation")


@dataclass(frozen=True, slots=True)
class SnapshotChange:
    """One entry that differs between two snapshots; `old` or `new` is None where one does not have it.

    `parts` are the parts of the prompt that differ; none if only the label moved.
    """

    ref: str
    old: SnapshotEntry | None
    new: SnapshotEntry | None
    parts: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the change JSON-able, with stable keys."""
        sides = {side: entry and entry.version_as_dict() for side, entry in (("old", self.old), ("new", self.new))}
        return {"ref": self.ref, **sides, "parts": list(self.parts)}


@dataclass(frozen=True, slots=True)
class SnapshotDifference:
    """The differences from one snapshot to another: the entries that differ, and whether the settings are the same."""

    old: Snapshot
    new: Snapshot
    changes: tuple[SnapshotChange, ...]

    @property
    def has_same_settings(self) -> bool:
        """True if both have the same promptctl.yaml."""
        return self.old.settings == self.new.settings

    def as_dict(self) -> dict[str, Any]:
        """Return the differences JSON-able, with stable keys."""
        return {
            "old": f"sha256:{self.old.digest}",
            "new": f"sha256:{self.new.digest}",
            "settings_changed": not self.has_same_settings,
            "changes": [change.as_dict() for change in self.changes],
        }


def take(context: Context, states: Iterable[LabelState], labels: Sequence[str], globs: Sequence[str]) -> bytes:
    """Return the content of a snapshot of the versions that live labels name, and that arms of experiments name.

    Without `labels` each label counts. Raises `RevisionNotFound` and `PromptNotFound` for a label or a glob that means
    nothing, `WorkspaceError` if a file holds a secret, and what resolving a ref raises.
    """
    live = {f"{state.prompt}@{state.label}": state for state in states if state.is_live}
    work = _Texts(context, all_former_ids(context.now()))
    refs = _chosen(live, labels, globs)
    chosen: dict[str, SnapshotEntry] = {}
    for at in range(0, len(refs), TREES_KEPT):
        some = refs[at : at + TREES_KEPT]
        context.now().read_ahead([live[ref] for ref in some])
        chosen |= {ref: work.entry(ref, live) for ref in some}
    ids = {entry.prompt for entry in chosen.values()}
    for experiment in context.settings.experiments:
        arms = experiment.arms if experiment.stopped is None else (experiment.control,)
        id_ = context.repository.id_of_today(experiment.prompt)
        for arm in arms if id_ in ids else ():
            ref = f"{id_}{arm.ref}"
            try:
                chosen.setdefault(ref, chosen.get(ref) or work.entry(ref, live))
            except (GitError, PromptNotFound) as error:
                context.warn(f"the arm {arm.name} of {experiment.name} is not in the snapshot: {error.message}")
    settings = work.checked(SETTINGS, context.repository.work_tree.read(SETTINGS))
    return snapshot_bytes(labels, globs, settings, chosen.values(), work.texts)


def _chosen(live: Mapping[str, LabelState], labels: Sequence[str], globs: Sequence[str]) -> list[str]:
    """Return the refs of those live labels that are meant."""
    if not live:
        hint = "promptctl label fetch, or promptctl label set PROMPT@production"
        raise RevisionNotFound("no label names a version, so a snapshot would hold nothing", hint=hint)
    known = {state.label for state in live.values()}
    for label in labels:
        if label not in known:
            hint = did_you_mean(label, known) or f"the labels are {', '.join(sorted(known))}"
            raise RevisionNotFound(f"no prompt has a label `{label}`", hint=hint)
    meant = {ref: state.prompt for ref, state in live.items() if not labels or state.label in labels}
    for glob in globs:
        if not any(fnmatchcase(id_, glob) for id_ in meant.values()):
            which = f"the label {' or '.join(labels)}" if labels else "a label"
            hint = did_you_mean_glob(glob, meant.values()) or "promptctl label list"
            raise PromptNotFound(f"no prompt with {which} matches `{glob}`", hint=hint)
    return [ref for ref, id_ in meant.items() if not globs or any(fnmatchcase(id_, glob) for glob in globs)]


class _Texts:
    """The texts of a snapshot while it is taken."""

    def __init__(self, context: Context, former: Former) -> None:
        self._context = context
        self._former = former
        self._notes: set[str] = set()
        self.texts: dict[str, str] = {}
        self._keys: dict[str, str | None] = {}

    def entry(self, ref: str, live: Mapping[str, LabelState]) -> SnapshotEntry:
        """Return the entry of what a ref names, once its files are among the texts."""
        found = self._context.prompt(ref)
        prompt, version, state = found.prompt, found.version, live.get(ref)
        assert found.ref.at is not None
        assert version.commit is not None
        if version.note and version.note not in self._notes:
            self._notes.add(version.note)
            self._context.warn(f"the snapshot does not say which version it holds: {version.note}")
        files = {path: key for path in sorted({*prompt.closure, SETTINGS}) if (key := self._key(found, path))}
        entry = SnapshotEntry(
            prompt=prompt.id,
            at=found.ref.at,
            label=version.label,
            version=version.number,
            version_display=version.display,
            commit=version.commit,
            digest=version.digest,
            path=prompt.path,
            files=files,
            sensitive=prompt.sensitive,
            event=None if state is None else {key: state.as_dict()[key] for key in _EVENT},
            formerly=tuple(self._former.get(prompt.id, ())),
        )
        self._check(entry)
        return entry

    def _check(self, entry: SnapshotEntry) -> None:
        """Raise `WorkspaceError` if what an entry says beside its files holds a secret: a move's reason can."""
        told = {**entry.as_dict(), **(entry.event or {})}
        secret = [name for name, value in told.items() if self._context.redactor.holds_secret(str(value))]
        if secret:
            ref = f"{entry.prompt}@{entry.at}"
            is_of_move = secret[-1] in (entry.event or {})
            raise WorkspaceError(
                f"the {secret[-1]} of {ref} holds a secret, which no snapshot may: nothing was written",
                hint=f"revoke the key; then promptctl label remove {ref}, and set it again" if is_of_move else None,
            )

    def _key(self, found: PromptAtVersion, path: str) -> str | None:
        """Return the key of a file's text, which is read if no entry before had the same; None if it has no part."""
        assert isinstance(found.tree, CommitTree)
        blob = found.tree.blob(path)
        if blob is not None and blob not in self._keys:
            is_own = path == found.prompt.path  # its text was kept
            data = found.prompt.text.encode() if is_own else found.tree.read(path)
            key = self._keys[blob] = hashlib.sha256(data).hexdigest()
            if path == SETTINGS and b"prompt_paths" not in data:  # else it says where prompts were at that commit
                self._keys[blob] = None
            else:
                self.texts[key] = self.checked(path, data, f" of {found.ref}")
        return None if blob is None else self._keys[blob]

    def checked(self, path: str, data: bytes, whose: str = "") -> str:
        """Return the text of a file. Raises `WorkspaceError` if it holds a secret."""
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            from promptctl.files.yaml_problems import not_utf8

            raise InvalidFiles([not_utf8(path, data, error)]) from error
        if self._context.redactor.holds_secret(text):
            raise WorkspaceError(
                f"{path}{whose} holds a secret, which no snapshot may: nothing was written",
                hint="take it out of the file and move the label; a key is named by `api_key_env`",
            )
        return text


def compare_snapshots(old: Snapshot, new: Snapshot) -> SnapshotDifference:
    """Return what differs between two snapshots, sorted by refs."""
    before, after = ({f"{each.prompt}@{each.at}": each for each in side.entries} for side in (old, new))
    changes = []
    for ref in sorted({*before, *after}):
        one, other = before.get(ref), after.get(ref)
        parts: list[str] = []
        if one is not None and other is not None:
            if (one.version_as_dict(), one.files) == (other.version_as_dict(), other.files):
                continue
            diff = diff_prompts(old.resolve(ref).prompt, new.resolve(ref).prompt)
            parts = [part for part in _PARTS if getattr(diff, part)]
        changes.append(SnapshotChange(ref, one, other, tuple(parts)))
    return SnapshotDifference(old, new, tuple(changes))
