"""A snapshot: prompts of labels in one file, a second source of refs beside Repository, for a process without Git.

The file is JSON in lines of a fixed order. The first has the scheme and a digest of all that follows; then come the
selection, the settings, the entries, and the texts of their files, each once. A text is decoded when it is needed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from promptctl.errors import GitError, PromptNotFound, RevisionNotFound, WorkspaceError, WorkspaceNotFound, printable
from promptctl.files.names import LABEL, PromptPlaces, did_you_mean, id_problem
from promptctl.files.tree import MAX_BYTES, places_of, read_file
from promptctl.prompts.loading import load_prompt_file
from promptctl.versions.prompt_at_version import PromptAtVersion, Ref, Version, parse_ref

if TYPE_CHECKING:
    import os

    from promptctl.prompts.prompt import Prompt
    from promptctl.versions.history import VersionEntry
    from promptctl.versions.moment import Moment

SCHEME = 1
SUFFIX = ".snapshot.json"
MAX_SNAPSHOT = 64 << 20
NAME_DIGITS = 16  # of the digest, in the file's name
_MAX_ROWS = 50_000
_MAX_HEAD = 200  # bytes of the first line
_SHORTEST_COMMIT = 4

_HEAD = re.compile(rb'\{"snapshot": ([0-9]{1,9}), "digest": "sha256:([0-9a-f]{64})",\n')
_TOP = re.compile(rb'"selection": (\{[^\n]{2,65536}\}),\n"settings": ("[^\n]*"),\n"entries": \[\n')
_ENTRY = re.compile(rb'(\{"prompt": "([A-Za-z0-9._/-]{1,140})", "at": ("[^"\n]{1,999}"), [^\n]{2,65536}\})(,?)\n')
_TEXT = re.compile(rb'("([0-9a-f]{64})": ("[^\n]*"))(,?)\n')
_NAMED = re.compile(rf"-([0-9a-f]{{{NAME_DIGITS}}}){re.escape(SUFFIX)}\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_DIGEST = re.compile(r"[0-9]{1,9}:[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class SnapshotEntry:
    """One prompt at what its ref named when the snapshot was written.

    `at` is what follows `@`: a label, or the revision of an experiment's arm. `files` are the prompt's closure, each
    with the key of its text. `sensitive` are the inputs that were marked then. `event` is the label's last move.
    `formerly` are the ids that the prompt had before; the file leaves it out if there is none.
    """

    prompt: str
    at: str
    label: str | None
    version: int | None
    version_display: str
    commit: str
    digest: str
    path: str
    files: Mapping[str, str]
    sensitive: tuple[str, ...] = ()
    event: Mapping[str, Any] | None = None
    formerly: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the entry JSON-able, with stable keys."""
        return asdict(self)

    def version_as_dict(self) -> dict[str, str | int | None]:
        """Return which version it is, JSON-able, with stable keys."""
        return {name: getattr(self, name) for name in ("version", "version_display", "commit", "digest")}


class Snapshot:
    """The content of one snapshot file. Threads may share it.

    `labels` and `globs` are what was asked for: labels, none for all of them, and globs of prompt ids. `entries` are
    sorted by prompt and `at`. `default_model` is what its settings say, for whoever reads them.
    """

    git = None
    default_model: str | None = None
    notices: tuple[str, ...] = ()

    def __init__(self, data: bytes, name: str = "the snapshot") -> None:
        """Check the content of a file that messages call `name`. Raises `WorkspaceError` if it is not as written."""
        self.name = name
        self.digest = _checked_digest(data, name)
        self._data = data
        top = _TOP.match(data, data.index(b"\n") + 1)
        if top is None:
            raise self._foreign("it does not begin as one")
        selection = self._value(top[1], dict)
        self.labels, self.globs = (_names(selection.get(key)) for key in ("labels", "prompts"))
        self.settings: str = self._value(top[2], str)
        rows, at = self._rows(_ENTRY, top.end(), b'],\n"texts": {\n')
        self._spans = {(row[2].decode(), self._value(row[3], str)): row.span(1) for row in rows}
        keys = list(self._spans)
        if len(keys) < len(rows) or any(after <= before for before, after in pairwise(keys)):
            raise self._foreign("its entries are not in order")
        rows, at = self._rows(_TEXT, at, b"}}\n")
        self._texts = {row[2].decode(): row.span(3) for row in rows}
        if at < len(data):
            raise self._foreign("something follows its end")
        self._entries: dict[tuple[str, str], SnapshotEntry] = {}
        self._resolved: dict[Ref | str, PromptAtVersion] = {}

    @classmethod
    def read(cls, file: str | os.PathLike[str]) -> Snapshot:
        """Read a snapshot file. Raises `WorkspaceNotFound` if it is not there, `WorkspaceError` if it was changed."""
        path = Path(file)
        shown = printable(str(path))
        try:
            data = read_file(path, MAX_SNAPSHOT, follows_links=True)
        except (FileNotFoundError, NotADirectoryError) as error:
            hint = "write it where the repository is: promptctl snapshot write FILE"
            raise WorkspaceNotFound(f"there is no snapshot {shown}", hint=hint) from error
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise WorkspaceError(f"cannot read the snapshot {shown}: {why}") from error
        found = cls(data, shown)
        named = _NAMED.search(path.name)
        if named and not found.digest.startswith(named[1]):
            words = f"{shown} is named after a different snapshot: its digest is sha256:{found.digest}"
            raise WorkspaceError(words, hint="copy the one that was meant, or give it its own name")
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return its digest, what was asked for, and the entries, JSON-able, with stable keys."""
        return {
            "digest": f"sha256:{self.digest}",
            "labels": list(self.labels),
            "prompts": list(self.globs),
            "entries": [entry.as_dict() for entry in self.entries],
        }

    @property
    def file_name(self) -> str:
        """The name of a file that says which snapshot it holds."""
        return f"prompts-{self.digest[:NAME_DIGITS]}{SUFFIX}"

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of its prompts, sorted."""
        return tuple(dict.fromkeys(prompt for prompt, _ in self._spans))

    @property
    def work_tree(self) -> SnapshotTree:
        """The files of all prompts, each as the first entry that has it."""
        files: dict[str, str] = {}
        for entry in reversed(self.entries):
            files.update(entry.files)
        return SnapshotTree(self, files)

    def now(self) -> Moment:
        """Return a moment without history."""
        from promptctl.versions.moment import Moment

        moment = Moment(cast("Any", self.work_tree))
        moment.refusal = self.refusal("a label")
        return moment

    def refusal(self, task: str, hint: str = "do it in a clone; a snapshot renders, runs, and keeps a log") -> GitError:
        """Return the error for a task that needs more than a snapshot holds."""
        return GitError(f"{self.name} is a snapshot, and {task} needs the repository", hint=hint)

    def id_of_today(self, prompt: str) -> str:
        """Return the id that a prompt had when the snapshot was written, by one that it had before."""
        if prompt in self.ids:
            return prompt
        return next((each.prompt for each in self.entries if prompt in each.formerly), prompt)

    def versions_of(self, *_: object) -> list[VersionEntry]:
        """Return nothing: a snapshot has no history."""
        return []

    def close(self) -> None:
        """Do nothing: no file is open."""

    @property
    def entries(self) -> tuple[SnapshotEntry, ...]:
        """Every entry, sorted."""
        return tuple(self._entry(key) for key in self._spans)

    def text(self, key: str) -> bytes:
        """Return the bytes of a file by the key of its text. Raises `WorkspaceError` if they are not the key's."""
        begin, end = self._texts.get(key, (0, 0))
        try:
            data: bytes = json.loads(self._data[begin:end]).encode()
        except ValueError:
            data = b""
        if len(data) > MAX_BYTES or hashlib.sha256(data).hexdigest() != key:
            raise self._foreign(f"the text {key[:NAME_DIGITS]}… is missing, or not its own")
        return data

    def resolve(self, ref: Ref | str, **_: Any) -> PromptAtVersion:
        """Return the prompt that a ref names: by a label, or by the number or the commit of a version that is here.

        Raises `PromptNotFound`, `RevisionNotFound`, and `InvalidFiles` for a prompt that this promptctl cannot read.
        """
        if not isinstance(ref, Ref | str) or ref not in self._resolved:
            parsed = ref if isinstance(ref, Ref) else parse_ref(ref)
            entry = self._meant(parsed)
            version = Version(
                entry.digest, entry.commit, number=entry.version, label=entry.label, display=entry.version_display
            )
            tree = SnapshotTree(self, entry.files, entry.commit)
            self._resolved[ref] = PromptAtVersion(parsed, self._load(entry, tree), version, tree, self.default_model)
        return self._resolved[ref]

    def _meant(self, ref: Ref) -> SnapshotEntry:
        if ref.at is not None and (ref.prompt, ref.at) in self._spans:
            return self._entry((ref.prompt, ref.at))
        mine = {at: self._entry((prompt, at)) for prompt, at in self._spans if prompt == ref.prompt}
        if not mine:
            hint = did_you_mean(ref.prompt, self.ids) or f"promptctl snapshot show {self.name}"
            raise PromptNotFound(f"{self.name} holds no prompt `{ref.prompt}`", hint=hint)
        here = " or ".join(f"{ref.prompt}@{at}" for at in mine)
        if ref.at is None:
            words = f"`{ref.prompt}` names the files of a work tree, and {self.name} is a snapshot"
            raise RevisionNotFound(words, hint=f"name a version that it holds: {here}")
        for entry in mine.values():
            is_commit = len(ref.at) >= _SHORTEST_COMMIT and entry.commit.startswith(ref.at)
            if is_commit or (ref.number is not None and ref.number == entry.version):
                return replace(entry, label=None)
        hint = did_you_mean(ref.at, mine, f"{ref.prompt}@{{}}") or f"it holds {here}"
        raise RevisionNotFound(f"{self.name} holds no `{ref}`", hint=hint)

    def _load(self, entry: SnapshotEntry, tree: SnapshotTree) -> Prompt:
        prompt = load_prompt_file(tree, entry.path)
        schemes = {digest.partition(":")[0] for digest in (prompt.digest, entry.digest)}
        if len(schemes) == 1 and prompt.digest != entry.digest:
            words = f"`{entry.prompt}@{entry.at}` has digest {prompt.digest[:14]}…, not {entry.digest[:14]}… as it says"
            raise self._foreign(words)
        inputs = {
            name: replace(each, is_sensitive=each.is_sensitive or name in entry.sensitive)
            for name, each in prompt.inputs.items()
        }
        return replace(prompt, id=entry.prompt, inputs=inputs)

    def _entry(self, key: tuple[str, str]) -> SnapshotEntry:
        """Return an entry, read on first use, each of its fields checked."""
        if key not in self._entries:
            begin, end = self._spans[key]
            given = self._value(self._data[begin:end], dict)
            wrong = [name for name in {**_FIELDS, **given} if not _FIELDS.get(name, _never)(given.get(name))]
            if not wrong and (given["prompt"], given["at"]) != key:
                wrong = ["prompt"]  # a second one in its line, which names another
            if wrong or given["label"] not in (None, given["at"]):
                raise self._foreign(f"`{printable(wrong[0] if wrong else 'label')}` of {key[0]} is not valid")
            lists = {name: tuple(given.get(name, ())) for name in ("sensitive", "formerly")}
            self._entries[key] = SnapshotEntry(**{**given, **lists})
        return self._entries[key]

    def _rows(self, form: re.Pattern[bytes], at: int, end: bytes) -> tuple[list[re.Match[bytes]], int]:
        """Return the lines of a form from a position on, until the one that has no comma, and where the end ends."""
        rows: list[re.Match[bytes]] = []
        while (not rows or rows[-1][4]) and len(rows) < _MAX_ROWS and (row := form.match(self._data, at)):
            rows.append(row)
            at = row.end()
        if not self._data.startswith(end, at):
            raise self._foreign(f"byte {at:,} is not as promptctl writes it")
        return rows, at + len(end)

    def _value(self, text: bytes, kind: type) -> Any:
        """Return the JSON value of a text, which has to be of that kind."""
        try:
            found = json.loads(text)
            if isinstance(found, str):
                found.encode()  # half a character is no text
        except (ValueError, RecursionError):
            found = None
        if type(found) is not kind:
            raise self._foreign("a value is not of its kind")
        return found

    def _foreign(self, why: str) -> WorkspaceError:
        """Return the error for a file that has its digest, but is not as promptctl writes one."""
        return WorkspaceError(f"{self.name} was not written by promptctl: {why}", hint="do not use it")


class SnapshotTree:
    """The files of one entry. Paths are names alone: nothing on the disk is looked at."""

    def __init__(self, snapshot: Snapshot, files: Mapping[str, str], commit: str | None = None) -> None:
        self._snapshot = snapshot
        self._files = files
        self.commit = commit

    @cached_property
    def places(self) -> PromptPlaces:
        """The places of its prompts, as the `promptctl.yaml` of its commit says."""
        return places_of(self)

    def read(self, path: str, *, max_bytes: int = MAX_BYTES) -> bytes:  # noqa: ARG002 - a text is bounded already
        """Return the file's bytes; `FileNotFoundError` if there is none."""
        if path not in self._files:
            raise FileNotFoundError(path)
        return self._snapshot.text(self._files[path])

    def paths(self, prefix: str) -> list[str]:
        """Return every file below `prefix`, sorted."""
        return sorted(path for path in self._files if path.startswith(f"{prefix}/"))


def is_snapshot(file: Path) -> bool:
    """Return True if a file begins as a snapshot of any scheme, whole or not. Raises `WorkspaceError`."""
    try:
        with file.open("rb") as opened:
            return _HEAD.match(opened.read(_MAX_HEAD)) is not None
    except OSError as error:
        raise WorkspaceError(f"cannot read {file}: {error.strerror}") from error


def snapshot_bytes(
    labels: Iterable[str],
    globs: Iterable[str],
    settings: str,
    entries: Iterable[SnapshotEntry],
    texts: Mapping[str, str],
) -> bytes:
    """Return the content of a snapshot file: the same bytes for the same parts. `texts` are by SHA-256."""
    selection = {"labels": sorted(set(labels)), "prompts": sorted(set(globs))}
    rows = sorted(entries, key=lambda entry: (entry.prompt, entry.at))
    body = "\n".join(
        [
            f'"selection": {_json(selection)},',
            f'"settings": {_json(settings)},',
            '"entries": [',
            *([",\n".join(_json(_row(entry)) for entry in rows)] if rows else []),
            "],",
            '"texts": {',
            *([",\n".join(f"{_json(key)}: {_json(texts[key])}" for key in sorted(texts))] if texts else []),
            "}}\n",
        ]
    ).encode()
    digest = hashlib.sha256(body).hexdigest()
    return f'{{"snapshot": {SCHEME}, "digest": "sha256:{digest}",\n'.encode() + body


def _row(entry: SnapshotEntry) -> dict[str, Any]:
    return {name: value for name, value in entry.as_dict().items() if value or name != "formerly"}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _checked_digest(data: bytes, name: str) -> str:
    """Return the digest of a file's content. Raises `WorkspaceError` if the file does not say the same."""
    again = "write it again: promptctl snapshot write FILE"
    head = _HEAD.match(data)
    if head is None:
        raise WorkspaceError(f"{name} is {'empty' if not data else 'no snapshot of promptctl'}", hint=again)
    if int(head[1]) != SCHEME:
        words = f"{name} is a snapshot of scheme {int(head[1])}, and this promptctl reads scheme {SCHEME}"
        raise WorkspaceError(words, hint="write it with this version of promptctl, or upgrade")
    found, said = hashlib.sha256(memoryview(data)[head.end() :]).hexdigest(), head[2].decode()
    if found != said:
        words = f"{name} was changed or cut after it was written: its digest is {found[:NAME_DIGITS]}…"
        raise WorkspaceError(f"{words}, and it says {said[:NAME_DIGITS]}…", hint=f"copy it anew, or {again}")
    return found


def _names(given: Any) -> tuple[str, ...]:
    return tuple(each for each in given if _is_text(each)) if isinstance(given, list) else ()


def _never(_: object) -> bool:
    return False


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and {"", ".", ".."}.isdisjoint(value.split("/"))


def _is_event(value: object) -> bool:
    return value is None or (
        isinstance(value, dict)
        and all(_is_text(key) and (each is None or type(each) is int or _is_text(each)) for key, each in value.items())
    )


_FIELDS: Mapping[str, Callable[[Any], bool]] = {
    "prompt": lambda value: isinstance(value, str) and id_problem(value) is None,
    "at": lambda value: _is_text(value) and value != "" and value == value.strip(),
    "label": lambda value: value is None or (isinstance(value, str) and bool(LABEL.match(value))),
    "version": lambda value: value is None or (type(value) is int and value > 0),
    "version_display": _is_text,
    "commit": lambda value: isinstance(value, str) and bool(_COMMIT.match(value)),
    "digest": lambda value: isinstance(value, str) and bool(_DIGEST.match(value)),
    "path": _is_path,
    "files": lambda value: isinstance(value, dict) and all(_is_path(k) and _is_text(v) for k, v in value.items()),
    "sensitive": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "event": _is_event,
    "formerly": lambda value: (
        value is None or (isinstance(value, list) and all(isinstance(k, str) and id_problem(k) is None for k in value))
    ),
}
