"""Completion of words on the command line: what could be meant, read from files and the log, and nothing asked.

A shell waits for every answer, so files are read for the words alone, and what is wrong in them is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from promptctl.errors import WorkspaceError
from promptctl.files.names import DATASETS, is_dataset
from promptctl.files.tree import Tree, prompt_files
from promptctl.git.commands import list_refs

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.versions.snapshot import Snapshot

Word = Literal[
    "ref", "blamed", "shown", "shared", "version", "label", "base", "revision", "input", "model", "dataset", "tag",
    "case", "judge", "prompt_tag", "execution", "evaluation", "budget", "experiment",
]  # fmt: skip
"""The kinds of words that can be completed.

`blamed` are refs and ids of executions, `shown` refs and the files that prompts share, `shared` those files alone. A
`version` is what follows `@` in a ref, a `base` a label or branch with its `@`.
"""

# Nobody reads more of them.
_MOST_FILES = 500
_MOST_CASES = 2000
_MOST_IDS = 50
_HEX = frozenset("0123456789abcdef-")
_TAGS_OF_PROMPT = re.compile(rb"^tags:[ \t]*(?:\[([^\]\n]*)\]|\n((?:[ \t]*-[ \t].*\n?)+))", re.MULTILINE)
_MODEL = re.compile(rb"^model:[ \t]*[\"']?([^\s\"'#]+)", re.MULTILINE)


def candidates(context: Context, kind: Word, refs: Sequence[str], start: str) -> Iterator[str]:
    """Yield the words of a kind; `refs` are the prompts that the command names already, `start` begins the word."""
    snapshot: Snapshot | None = getattr(context, "snapshot", None)
    words = _Words(context, refs) if snapshot is None else _SnapshotWords(context, refs, snapshot)
    if of_kind := getattr(words, kind, None):
        yield from dict.fromkeys(of_kind(start))


class _LogWords:
    """Words of the log and the settings: a method for each kind, of its name, which is given how the word begins."""

    def __init__(self, context: Context, refs: Sequence[str]) -> None:
        self.context = context
        self.refs = refs

    def execution(self, _start: str) -> Iterator[str]:
        from promptctl.log.filter import Filter

        for found in self.context.log.executions(Filter(limit=_MOST_IDS)):
            yield from (found.id[-8:], found.id)

    def budget(self, _start: str) -> Iterator[str]:
        yield from (rule.name for rule in self.context.settings.budgets)

    def experiment(self, _start: str) -> Iterator[str]:
        yield from (each.name for each in self.context.settings.experiments)


class _Words(_LogWords):
    """Words of a workspace with files."""

    @cached_property
    def tree(self) -> Tree:
        if self.context.is_bare:
            return self.context.repository.work_tree
        from promptctl.git.trees import WorkTree

        return WorkTree(self.context.root)  # without the settings that a repository needs

    @cached_property
    def prompts(self) -> dict[str, str]:
        """The path of each prompt by its id."""
        return {id_: path for path in prompt_files(self.tree) if (id_ := self.tree.places.id(path)) is not None}

    def ref(self, start: str) -> Iterator[str]:
        prompt, at, _ = start.partition("@")
        context = self.context
        if not at:
            yield from self.prompts
        elif prompt in self.prompts and not context.is_bare and (known := self._known_versions(prompt)):
            yield from known
        elif context.repository.git is not None:
            from promptctl.versions.former_ids import labels_here

            moment = context.repository.now()
            for state in labels_here(moment).states.values():
                if state.is_live:
                    yield f"{state.prompt}@{state.label}"
            if prompt in self.prompts:
                for entry in reversed(context.repository.versions_of(prompt, moment)):
                    yield f"{prompt}@v{entry.number}"

    def shown(self, start: str) -> Iterator[str]:
        yield from self.ref(start)
        yield from self.shared(start)

    def blamed(self, start: str) -> Iterator[str]:
        yield from self.ref(start)
        if start and _HEX.issuperset(start):
            yield from self.execution(start)

    def shared(self, _start: str) -> Iterator[str]:
        return (path for path in prompt_files(self.tree) if self.tree.places.id(path) is None)

    def version(self, _start: str) -> Iterator[str]:
        for ref in self.refs[:1]:
            begin = f"{ref.partition('@')[0]}@"
            yield from (found.partition("@")[2] for found in self.ref(begin) if found.startswith(begin))

    def label(self, _start: str) -> Iterator[str]:
        for name in list_refs(self.context.root, "%(refname)", ["refs/tags/prompt"]):
            yield name.rpartition("/")[0].rpartition("@")[2]

    def revision(self, _start: str) -> Iterator[str]:
        for name in list_refs(self.context.root, "%(refname)", ["refs/heads", "refs/remotes"]):
            yield name.split("/", 2)[2]

    def base(self, start: str) -> Iterator[str]:
        yield from (f"@{name}" for name in (*self.label(start), *self.revision(start)))

    def judge(self, start: str) -> Iterator[str]:
        from promptctl.calls.shipped import shipped_judges

        yield from (id_.removeprefix("judges/") for id_ in shipped_judges())
        yield from self.ref(start)

    def _known_versions(self, prompt: str) -> list[str]:
        """Return a prompt's labels and versions by the names of tags and the index as it is; none if it is not current.

        Nothing is verified: whoever uses a label does that.
        """
        from promptctl.versions.index_store import INDEX_FILE, known_versions

        found = known_versions(self.context.state_folder / INDEX_FILE, prompt)
        if found is None:
            return []
        tip, rows = found
        places = self.tree.places
        ids = dict.fromkeys([prompt, *(id_ for row in rows if (id_ := places.id(row.path)) is not None)])
        patterns = ["refs/heads", "refs/remotes", *(f"refs/tags/prompt/{id_}@*/*" for id_ in ids)]
        lines = [
            line.split(" ") for line in list_refs(self.context.root, "%(objectname) %(refname) %(subject)", patterns)
        ]
        if not rows or not any(line[0] == tip and not line[1].startswith("refs/tags/") for line in lines):
            return []
        newest: dict[str, tuple[int, bool]] = {}
        for _, ref, verb, *_ in lines:
            if ref.startswith("refs/tags/prompt/") and (n := ref.rpartition("/")[2]).isdecimal():
                label = ref.rpartition("/")[0].rpartition("@")[2]
                newest[label] = max(newest.get(label, (0, False)), (int(n), verb != "Remove"))
        live = sorted(label for label, (_, is_live) in newest.items() if is_live)
        return [f"{prompt}@{name}" for name in (*live, *(f"v{row.number}" for row in reversed(rows)))]

    def input(self, _start: str) -> Iterator[str]:
        for ref in self.refs[:1]:
            declared = self._read(self.prompts.get(ref, "")).get("inputs")
            for name in declared if isinstance(declared, dict) else self.context.prompt(ref).prompt.inputs:
                yield f"{name}="

    def model(self, _start: str) -> Iterator[str]:
        settings = self.context.settings
        yield from filter(None, (settings.model, settings.gate.judge))
        yield from (rule.pattern for rule in settings.models if "*" not in rule.pattern)
        for path in islice(self.prompts.values(), _MOST_FILES):
            for found in _MODEL.findall(self.tree.read(path)):  # reading YAML takes ten times as long
                yield found.decode(errors="replace")
        yield "echo/echo"

    def prompt_tag(self, _start: str) -> Iterator[str]:
        for path in islice(self.prompts.values(), _MOST_FILES):
            for on_a_line, below in _TAGS_OF_PROMPT.findall(self.tree.read(path)):
                tags = (on_a_line or below).replace(b"\n", b",").split(b",")
                yield from filter(None, (tag.strip(b" \t-\"'").decode(errors="replace") for tag in tags))

    def dataset(self, _start: str) -> Iterator[str]:
        return filter(is_dataset, self.tree.paths(DATASETS))

    def tag(self, _start: str) -> Iterator[str]:
        for _, tags in self._cases():
            yield from tags

    def case(self, _start: str) -> Iterator[str]:
        return (id_ for id_, _ in self._cases())

    def evaluation(self, _start: str) -> Iterator[str]:
        for found in self.context.log.evaluations(limit=_MOST_IDS):
            yield from (found.id[-8:], found.id)

    def _cases(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield id and tags of each case of the datasets that test the prompts."""
        prompts = {ref.partition("@")[0] for ref in self.refs}
        for path in self.dataset(""):
            data = self._read(path)
            cases, tested = data.get("cases"), data.get("prompts")
            if prompts and not (isinstance(tested, list) and prompts.intersection(map(str, tested))):
                continue
            if isinstance(cases, list) and not any("matrix" in each for each in cases if isinstance(each, dict)):
                shared = _tags_of(data.get("defaults"))
                for case in cases[:_MOST_CASES]:
                    if isinstance(case, dict):
                        yield str(case.get("id", "")), [*shared, *_tags_of(case)]
            else:  # in a file of its own, or unfolded
                from promptctl.datasets.index import dataset_index

                for made in islice(dataset_index(self.context).open(path).cases(), _MOST_CASES):
                    yield made.id, made.tags

    def _read(self, path: str) -> Mapping[str, Any]:
        """Return the mapping in a YAML file; an empty one if there is none that can be read."""
        from promptctl.files.yaml_reader import read_yaml

        try:
            data = read_yaml(self.tree.read(path), path).data
        except (WorkspaceError, OSError):
            return {}
        return data if isinstance(data, dict) else {}


class _SnapshotWords(_LogWords):
    """Words of a snapshot."""

    def __init__(self, context: Context, refs: Sequence[str], snapshot: Snapshot) -> None:
        super().__init__(context, refs)
        self.snapshot = snapshot

    def ref(self, start: str) -> Iterator[str]:
        if "@" not in start:
            yield from self.snapshot.ids
            return
        for each in self.snapshot.entries:
            yield f"{each.prompt}@{each.at}"
            if each.version is not None:
                yield f"{each.prompt}@v{each.version}"

    def input(self, _start: str) -> Iterator[str]:
        meant = (found for ref in self.refs for found in self.ref("@") if ref in (found, found.partition("@")[0]))
        for ref in islice(meant, 1):
            yield from (f"{name}=" for name in self.context.prompt(ref).prompt.inputs)

    def model(self, _start: str) -> Iterator[str]:
        yield from filter(None, (self.context.settings.model,))
        yield "echo/echo"


def _tags_of(data: Any) -> list[str]:
    tags = data.get("tags") if isinstance(data, dict) else None
    return [str(tag) for tag in tags] if isinstance(tags, list) else []
