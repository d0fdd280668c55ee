"""Completion of words on the command line: what could be meant, read from files and the log, and nothing asked.

A shell waits for every answer, so files are read for the words alone, and what is wrong in them is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from promptctl.files.names import DATASETS, is_dataset
from promptctl.files.tree import prompt_files

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.files.tree import Tree
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
    of_kind = _KINDS[kind] if snapshot is None else _IN_SNAPSHOT.get(kind, _none)
    yield from dict.fromkeys(of_kind(context, refs, start))


def _refs(context: Context, _refs: Sequence[str], start: str) -> Iterator[str]:
    prompt, at, _ = start.partition("@")
    prompts = _prompts(_tree(context))
    if not at:
        yield from prompts
    elif prompt in prompts and not context.is_bare and (known := _known_versions(context, prompt)):
        yield from known
    elif context.repository.git is not None:
        from promptctl.versions.former_ids import labels_here

        moment = context.repository.now()
        for state in labels_here(moment).states.values():
            if state.is_live:
                yield f"{state.prompt}@{state.label}"
        if prompt in prompts:
            for entry in reversed(context.repository.versions_of(prompt, moment)):
                yield f"{prompt}@v{entry.number}"


def _shown(context: Context, refs: Sequence[str], start: str) -> Iterator[str]:
    yield from _refs(context, refs, start)
    yield from _shared(context, refs, start)


def _blamed(context: Context, refs: Sequence[str], start: str) -> Iterator[str]:
    yield from _refs(context, refs, start)
    if start and _HEX.issuperset(start):
        yield from _executions(context, refs, start)


def _shared(context: Context, _refs: Sequence[str], _start: str) -> Iterator[str]:
    tree = _tree(context)
    return (path for path in prompt_files(tree) if tree.places.id(path) is None)


def _versions(context: Context, refs: Sequence[str], _start: str) -> Iterator[str]:
    for ref in refs[:1]:
        prompt = ref.partition("@")[0]
        yield from (
            found.partition("@")[2] for found in _refs(context, (), f"{prompt}@") if found.startswith(f"{prompt}@")
        )


def _labels(context: Context, _refs: Sequence[str], _start: str) -> Iterator[str]:
    from promptctl.git.commands import list_refs

    for name in list_refs(context.root, "%(refname)", ["refs/tags/prompt"]):
        yield name.rpartition("/")[0].rpartition("@")[2]


def _revisions(context: Context, _refs: Sequence[str], _start: str) -> Iterator[str]:
    from promptctl.git.commands import list_refs

    for name in list_refs(context.root, "%(refname)", ["refs/heads", "refs/remotes"]):
        yield name.split("/", 2)[2]


def _bases(context: Context, refs: Sequence[str], start: str) -> Iterator[str]:
    yield from (f"@{name}" for name in (*_labels(context, refs, start), *_revisions(context, refs, start)))


def _judges(context: Context, refs: Sequence[str], start: str) -> Iterator[str]:
    from promptctl.calls.shipped import shipped_judges

    yield from (id_.removeprefix("judges/") for id_ in shipped_judges())
    yield from _refs(context, refs, start)


def _known_versions(context: Context, prompt: str) -> list[str]:
    """Return a prompt's labels and versions by the names of tags and the index as it is; none if that is not current.

    Nothing is verified: whoever uses a label does that.
    """
    from promptctl.git.commands import list_refs
    from promptctl.versions.index_store import INDEX_FILE, known_versions

    found = known_versions(context.state_folder / INDEX_FILE, prompt)
    if found is None:
        return []
    tip, rows = found
    places = _tree(context).places
    ids = dict.fromkeys([prompt, *(id_ for row in rows if (id_ := places.id(row.path)) is not None)])
    patterns = ["refs/heads", "refs/remotes", *(f"refs/tags/prompt/{id_}@*/*" for id_ in ids)]
    lines = [line.split(" ") for line in list_refs(context.root, "%(objectname) %(refname) %(subject)", patterns)]
    if not rows or not any(line[0] == tip and not line[1].startswith("refs/tags/") for line in lines):
        return []
    newest: dict[str, tuple[int, bool]] = {}
    for _, ref, verb, *_ in lines:
        if ref.startswith("refs/tags/prompt/") and (n := ref.rpartition("/")[2]).isdigit():
            label = ref.rpartition("/")[0].rpartition("@")[2]
            newest[label] = max(newest.get(label, (0, False)), (int(n), verb != "Remove"))
    live = sorted(label for label, (_, is_live) in newest.items() if is_live)
    return [f"{prompt}@{name}" for name in (*live, *(f"v{row.number}" for row in reversed(rows)))]


def _inputs(context: Context, refs: Sequence[str], _start: str) -> Iterator[str]:
    for ref in refs[:1]:
        tree = _tree(context)
        data = _read(tree, _prompts(tree).get(ref, ""))
        declared = data.get("inputs")
        for name in declared if isinstance(declared, dict) else context.prompt(ref).prompt.inputs:
            yield f"{name}="


def _models(context: Context, _refs: Sequence[str], _start: str) -> Iterator[str]:
    settings, tree = context.settings, _tree(context)
    yield from filter(None, (settings.model, settings.gate.judge))
    yield from (rule.pattern for rule in settings.models if "*" not in rule.pattern)
    for path in islice(_prompts(tree).values(), _MOST_FILES):
        for found in _MODEL.findall(tree.read(path)):  # reading YAML takes ten times as long
            yield found.decode(errors="replace")
    yield "echo/echo"


def _prompt_tags(context: Context, _refs: Sequence[str], _start: str) -> Iterator[str]:
    tree = _tree(context)
    for path in islice(_prompts(tree).values(), _MOST_FILES):
        for on_a_line, below in _TAGS_OF_PROMPT.findall(tree.read(path)):
            tags = (on_a_line or below).replace(b"\n", b",").split(b",")
            yield from filter(None, (tag.strip(b" \t-\"'").decode(errors="replace") for tag in tags))


def _datasets(context: Context, _refs: Sequence[str], _start: str) -> Iterator[str]:
    return filter(is_dataset, _tree(context).paths(DATASETS))


def _tags(context: Context, refs: Sequence[str], _start: str) -> Iterator[str]:
    for _, tags in _cases(context, refs):
        yield from tags


def _case_ids(context: Context, refs: Sequence[str], _start: str) -> Iterator[str]:
    return (id_ for id_, _ in _cases(context, refs))


def _cases(context: Context, refs: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield id and tags of each case of the datasets that test the prompts."""
    tree, prompts = _tree(context), {ref.partition("@")[0] for ref in refs}
    for path in _datasets(context, (), ""):
        data = _read(tree, path)
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

            for made in islice(dataset_index(context).open(path).cases(), _MOST_CASES):
                yield made.id, made.tags


def _tags_of(data: Any) -> list[str]:
    tags = data.get("tags") if isinstance(data, dict) else None
    return [str(tag) for tag in tags] if isinstance(tags, list) else []


def _tree(context: Context) -> Tree:
    if context.is_bare:
        return context.repository.work_tree
    from promptctl.git.trees import WorkTree

    return WorkTree(context.root)  # without the settings that a repository needs


def _prompts(tree: Tree) -> dict[str, str]:
    return {id_: path for path in prompt_files(tree) if (id_ := tree.places.id(path)) is not None}


def _read(tree: Tree, path: str) -> Mapping[str, Any]:
    """Return the mapping in a YAML file; an empty one if there is none that can be read."""
    from promptctl.errors import WorkspaceError
    from promptctl.files.yaml_reader import read_yaml

    try:
        data = read_yaml(tree.read(path), path).data
    except (WorkspaceError, OSError):
        return {}
    return data if isinstance(data, dict) else {}


def _executions(context: Context, _refs: Sequence[str], _start: str) -> Iterator[str]:
    from promptctl.log.filter import Filter

    for found in context.log.executions(Filter(limit=_MOST_IDS)):
        yield from (found.id[-8:], found.id)


def _evaluations(context: Context, _refs: Sequence[str], _start: str) -> Iterator[str]:
    for found in context.log.evaluations(limit=_MOST_IDS):
        yield from (found.id[-8:], found.id)


def _budgets(context: Context, _refs: Sequence[str], _start: str) -> Iterator[str]:
    yield from (rule.name for rule in context.settings.budgets)


def _experiments(context: Context, _refs: Sequence[str], _start: str) -> Iterator[str]:
    yield from (each.name for each in context.settings.experiments)


def _none(_context: Context, _refs: Sequence[str], _start: str) -> Iterator[str]:
    return iter(())


def _snapshot_refs(context: Context, _refs: Sequence[str], start: str) -> Iterator[str]:
    snapshot: Snapshot = context.snapshot  # type: ignore[attr-defined]  # of a SnapshotContext
    if "@" not in start:
        yield from snapshot.ids
        return
    for each in snapshot.entries:
        yield f"{each.prompt}@{each.at}"
        if each.version is not None:
            yield f"{each.prompt}@v{each.version}"


def _snapshot_inputs(context: Context, refs: Sequence[str], _start: str) -> Iterator[str]:
    ids = context.prompt_ids()
    for ref in [ref for ref in refs if ref.partition("@")[0] in ids][:1]:
        at = next(found for found in _snapshot_refs(context, (), f"{ref}@") if found.startswith(ref))
        yield from (f"{name}=" for name in context.prompt(at).prompt.inputs)


def _snapshot_models(context: Context, _refs: Sequence[str], _start: str) -> Iterator[str]:
    yield from filter(None, (context.settings.model,))
    yield "echo/echo"


_KINDS: Mapping[Word, Callable[[Context, Sequence[str], str], Iterator[str]]] = {
    "ref": _refs,
    "blamed": _blamed,
    "shown": _shown,
    "shared": _shared,
    "version": _versions,
    "label": _labels,
    "base": _bases,
    "revision": _revisions,
    "judge": _judges,
    "prompt_tag": _prompt_tags,
    "input": _inputs,
    "model": _models,
    "dataset": _datasets,
    "tag": _tags,
    "case": _case_ids,
    "execution": _executions,
    "evaluation": _evaluations,
    "budget": _budgets,
    "experiment": _experiments,
}
_IN_SNAPSHOT: Mapping[Word, Callable[[Context, Sequence[str], str], Iterator[str]]] = {
    "ref": _snapshot_refs,
    "input": _snapshot_inputs,
    "model": _snapshot_models,
    "execution": _executions,
    "budget": _budgets,
    "experiment": _experiments,
}
