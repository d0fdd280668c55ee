"""Values that a prompt was given and replies that it got: from the calls in the log and the cases of its datasets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from promptctl.datasets.index import DatasetIndex
from promptctl.errors import WorkspaceError
from promptctl.files.tree import Tree
from promptctl.log.filter import Filter
from promptctl.log.records import WITH_REPLY
from promptctl.models.reading import read_data
from promptctl.models.recordings import RecordedReplies
from promptctl.prompts.loading import declared_ids
from promptctl.prompts.prompt import SENSITIVE_MARKS
from promptctl.versions.former_ids import logged_renames

if TYPE_CHECKING:
    from promptctl.context import Context

_MOST_CALLS = 2_000
_MOST_CASES = 2_000


@dataclass(slots=True)
class Observed:
    """Values by the name of the input, newest first, those of calls and those of cases; and the replies.

    `replies` are those of the version called last, and of recordings, that are JSON; `texts` counts the others.
    """

    by_calls: dict[str, list[Any]] = field(default_factory=dict)
    by_cases: dict[str, list[Any]] = field(default_factory=dict)
    replies: list[Any] = field(default_factory=list)
    texts: int = 0
    calls: int = 0
    cases: int = 0


def observe(context: Context, tree: Tree, prompt_id: str, hidden: Collection[str]) -> Observed:
    """Return what log, datasets and recordings show of a prompt, without the inputs that are `hidden`.

    Evaluations repeat the cases of datasets, so their calls tell replies alone.
    """
    seen = Observed()
    if not context.log.is_new:
        wanted = Filter(prompt=prompt_id, renames=logged_renames(context.log, context.now()), limit=_MOST_CALLS)
        digest = None
        for execution in context.log.executions(wanted, with_content=True):
            if execution.status not in WITH_REPLY:
                continue
            digest = digest or execution.digest
            if execution.digest == digest and execution.status == "ok" and execution.reply and not execution.tool_calls:
                _add_reply(seen, execution.reply)
            if execution.source != "eval" and execution.inputs is not None:
                seen.calls += 1
                _add(seen.by_calls, execution.inputs, hidden)
    _add_cases(seen, tree, prompt_id, hidden)
    with suppress(WorkspaceError):
        ids = {prompt_id, *declared_ids(tree, prompt_id)}
        for reply in islice(RecordedReplies(context.recordings_folder).replies_to(ids), _MOST_CALLS):
            _add_reply(seen, reply)
    return seen


def _add_cases(seen: Observed, tree: Tree, prompt_id: str, hidden: Collection[str]) -> None:
    index = DatasetIndex(tree)
    for path in index.testing([prompt_id], skips_broken=True).get(prompt_id, ()):
        # What a broken dataset says until its fault is taken; `validate` reports the fault.
        with suppress(WorkspaceError):
            for case in index.open(path).cases():
                if seen.cases >= _MOST_CASES:
                    return
                seen.cases += 1
                _add(seen.by_cases, case.inputs, hidden)


def _add(values: dict[str, list[Any]], inputs: Mapping[str, Any], hidden: Collection[str]) -> None:
    for name, value in inputs.items():
        is_mark = isinstance(value, str) and value.startswith(SENSITIVE_MARKS)
        if name not in hidden and not is_mark:
            values.setdefault(name, []).append(value)


def _add_reply(seen: Observed, text: str) -> None:
    try:
        reply = read_data(text)
    except (ValueError, RecursionError):
        reply = None
    if isinstance(reply, dict | list):
        seen.replies.append(reply)
    else:
        seen.texts += 1
