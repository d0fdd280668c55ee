"""Completion of words on the command line: what could be meant, read from files and the log, and nothing asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.datasets.cases import Case

Word = Literal["ref", "input", "model", "dataset", "tag", "case", "execution", "evaluation"]
"""The kinds of words that can be completed."""

# A shell waits for every answer, and nobody reads more of them.
_MOST_FILES = 500
_MOST_CASES = 2000
_MOST_IDS = 50
_MODEL = re.compile(rb"^model:[ \t]*[\"']?([^\s\"'#]+)", re.MULTILINE)


def candidates(context: Context, kind: Word, refs: Sequence[str], start: str) -> Iterator[str]:
    """Yield the words of a kind; `refs` are the prompts that the command names already, `start` begins the word."""
    yield from dict.fromkeys(_KINDS[kind](context, refs, start))


def _refs(context: Context, _refs: Sequence[str], start: str) -> Iterator[str]:
    prompt, at, _ = start.partition("@")
    if not at:
        yield from context.prompt_ids()
    elif context.repository.git is not None:
        from promptctl.catalogue.history import history
        from promptctl.promotion.labelling import Labelling

        for state in Labelling(context).here().states.values():
            if state.is_live:
                yield f"{state.prompt}@{state.label}"
        if prompt in context.prompt_ids():
            for entry in history(context, prompt):
                if entry.number is not None:
                    yield f"{prompt}@v{entry.number}"


def _inputs(context: Context, refs: Sequence[str], _start: str) -> Iterator[str]:
    for ref in refs[:1]:
        for name in context.prompt(ref).prompt.inputs:
            yield f"{name}="


def _models(context: Context, _refs: Sequence[str], _start: str) -> Iterator[str]:
    from promptctl.prompts.loading import prompt_paths

    settings, tree = context.settings, context.repository.work_tree
    yield from filter(None, (settings.model, settings.gate.judge))
    yield from (rule.pattern for rule in settings.models if "*" not in rule.pattern)
    for path in islice(prompt_paths(tree).values(), _MOST_FILES):
        for found in _MODEL.findall(tree.read(path)):  # reading YAML takes ten times as long
            yield found.decode(errors="replace")
    yield "echo/echo"


def _datasets(context: Context, _refs: Sequence[str], _start: str) -> Iterator[str]:
    from promptctl.datasets.index import dataset_index

    yield from dataset_index(context).paths()


def _tags(context: Context, refs: Sequence[str], _start: str) -> Iterator[str]:
    for case in _cases(context, refs):
        yield from case.tags


def _case_ids(context: Context, refs: Sequence[str], _start: str) -> Iterator[str]:
    return (case.id for case in _cases(context, refs))


def _cases(context: Context, refs: Sequence[str]) -> Iterator[Case]:
    from promptctl.datasets.index import dataset_index

    index = dataset_index(context)
    prompts = [ref.partition("@")[0] for ref in refs] or None
    paths = {path for of_prompt in index.testing(prompts, skips_broken=True).values() for path in of_prompt}
    for path in sorted(paths):
        yield from islice(index.open(path).cases(), _MOST_CASES)


def _executions(context: Context, _refs: Sequence[str], _start: str) -> Iterator[str]:
    from promptctl.log.filter import Filter

    for found in context.log.executions(Filter(limit=_MOST_IDS)):
        yield from (found.id[-8:], found.id)


def _evaluations(context: Context, _refs: Sequence[str], _start: str) -> Iterator[str]:
    for found in context.log.evaluations(limit=_MOST_IDS):
        yield from (found.id[-8:], found.id)


_KINDS: Mapping[Word, Callable[[Context, Sequence[str], str], Iterator[str]]] = {
    "ref": _refs,
    "input": _inputs,
    "model": _models,
    "dataset": _datasets,
    "tag": _tags,
    "case": _case_ids,
    "execution": _executions,
    "evaluation": _evaluations,
}
