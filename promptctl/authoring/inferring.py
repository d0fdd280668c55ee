"""Schemas of a prompt's inputs and output, inferred and proposed as a change of its file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from promptctl.authoring.shapes import UsedValue, declared_input, missing_keys, shapes_of
from promptctl.context import Context
from promptctl.datasets.index import DatasetIndex
from promptctl.errors import InvalidFiles, UsageError, WorkspaceError, printable
from promptctl.files.names import nearest
from promptctl.files.plain import record_data
from promptctl.files.proposal import Proposal, change_of
from promptctl.files.sources import Sources
from promptctl.files.tree import Tree
from promptctl.files.yaml_editing import Edit, Set, edit_yaml
from promptctl.log.filter import Filter
from promptctl.log.records import WITH_REPLY
from promptctl.models.reading import read_data
from promptctl.models.recordings import RecordedReplies
from promptctl.prompts.closure import JINJA_WORDS, Declared, resolve
from promptctl.prompts.inputs import is_secret
from promptctl.prompts.loading import declared_ids, load_prompt, path_in
from promptctl.prompts.prompt import SENSITIVE_MARKS, Input
from promptctl.prompts.prompt_checks import problems_of_prompt
from promptctl.prompts.variable_use import variable_uses
from promptctl.schemas.from_values import schema_of, with_enums
from promptctl.schemas.json_schema import types_of
from promptctl.versions.former_ids import logged_renames
from promptctl.versions.prompt_at_version import check_id

# Fewer replies would make a schema of what they happen to hold.
FEWEST_REPLIES = 5
_AFTER_INPUTS = ("template", "messages", "output", "response_format", "tools", "metadata")
_AFTER_OUTPUT = ("response_format", "tools", "metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inferred:
    """The schemas that a prompt's file lacks. `inputs` has what is added of each input, as it stands in the file.

    `output` is the schema of the replies, None if nothing is proposed for them. `calls` and `cases` count what the
    inputs were taken from, `replies` what the output was. `notes` say what was left as it is, and why.
    """

    prompt: str
    path: str
    inputs: Mapping[str, Mapping[str, Any]]
    output: Mapping[str, Any] | None
    calls: int
    cases: int
    replies: int
    notes: tuple[str, ...]
    proposal: Proposal

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return record_data(self, without=("proposal",))


def infer(context: Context, ref: str, *, uses_log: bool = True) -> Inferred:
    """Return the schemas that the templates of a prompt in the work tree, its calls and its replies show.

    Nothing that is declared is changed. Without `uses_log` neither log nor datasets nor recordings are read. Raises
    `PromptNotFound`, `InvalidFiles` for a file or template that cannot be read, and `UsageError` for a ref with a
    version or a file of GitHub's.
    """
    prompt_id, at, _ = ref.partition("@")
    if at:
        hint = f"promptctl schema infer {printable(prompt_id)}"
        raise UsageError("schemas are written into the file of the work tree, so no version is named", hint=hint)
    check_id(prompt_id)
    tree = context.work_tree_for("a schema that is written into a prompt")
    declared = _read(tree, prompt_id)
    shapes = shapes_of(each.event for each in variable_uses(declared))
    marked = [name for name, each in declared.inputs.items() if each.is_sensitive]
    # Beside a mark, an input that the file does not declare may be a marked one renamed.
    hidden = {*marked, *(shapes.keys() - declared.inputs.keys() if marked else ())}
    seen = observe(context, tree, prompt_id, hidden) if uses_log else Observed()
    notes: list[str] = []
    edits: list[Edit] = []
    inputs = _inputs(declared, shapes, seen, notes)
    if "inputs" not in declared.file.data and inputs:
        edits.append(Set(("inputs",), inputs, before=_AFTER_INPUTS))
    else:
        for name, added in inputs.items():
            is_new = name not in declared.inputs
            edits += (
                [Set(("inputs", name), added)]
                if is_new
                else [Set(("inputs", name, key), value) for key, value in added.items()]
            )
    output = _output(declared, seen, notes)
    if output is not None:
        edits.append(Set(("output",), {"schema": output}, before=_AFTER_OUTPUT))
    path = declared.file.path
    proposal = Proposal((change_of(tree, path, edit_yaml(declared.source, path, edits)),))
    return Inferred(
        prompt=prompt_id,
        path=path,
        inputs=inputs,
        output=output,
        calls=seen.calls,
        cases=seen.cases,
        replies=len(seen.replies),
        notes=tuple(notes),
        proposal=proposal,
    )


def _read(tree: Tree, prompt_id: str) -> Declared:
    """Return the prompt as its file declares it; that inputs lack is no fault here."""
    path = path_in(tree, prompt_id)
    if path is None:
        load_prompt(tree, prompt_id)  # says that there is none, and which is meant
    sources = Sources(tree)
    declared = resolve(path or "", sources)
    problems = [each for each in sources.problems if each.severity == "error" and each.code != "undeclared"]
    if declared is not None and not problems:
        found = problems_of_prompt(declared, prompt_id)
        problems = [each for each in found if each.code == "bad-template"]
    if declared is None or problems:
        raise InvalidFiles(problems)
    if declared.file.dialect != "native":
        words = f"{path} is in GitHub's dialect, which declares no inputs"
        raise UsageError(words, hint="write the prompt in promptctl's own format, which has `inputs`")
    return declared


def _inputs(
    declared: Declared, shapes: Mapping[str, UsedValue], seen: Observed, notes: list[str]
) -> dict[str, dict[str, Any]]:
    """Return what is to be added to each input."""
    inputs: dict[str, dict[str, Any]] = {}
    given: Mapping[str, Any] = declared.file.data.get("inputs", {})
    for name, shape in shapes.items():
        input_ = declared.inputs.get(name) or Input(name, {})
        has_words = not is_secret(input_)
        found = declared_input(shape, seen.by_calls.get(name, ()), seen.by_cases.get(name, ()), has_words=has_words)
        if name not in given:
            if declared.is_jinja and (not (name.isidentifier() and name.isascii()) or name in JINJA_WORDS):
                notes.append(f"`{name}` cannot be the name of an input: use letters, digits and `_`")
                continue
            if meant := nearest(name, given.keys() - shapes.keys()):
                notes.append(f"`{name}` is new, and `{meant[0]}` is used nowhere: is one of them misspelt?")
            inputs[name] = found
            continue
        if added := missing_keys(given[name], found):
            inputs[name] = added
        are = set(types_of(input_.schema))
        needed = set(shape.needed_types)
        if are and needed and not are & needed and not are | needed <= {"integer", "number"}:
            words = (
                " or ".join(f"`{each}`" for each in sorted(are)),
                " and ".join(f"`{each}`" for each in sorted(needed)),
            )
            notes.append(f"`{name}` is declared {words[0]}, and the templates use it as {words[1]}")
    return inputs


def _output(declared: Declared, seen: Observed, notes: list[str]) -> dict[str, Any] | None:
    """Return the schema of the replies if the prompt declares none and they are data."""
    data = declared.file.data
    if "output" in data or "response_format" in data or not seen.replies:
        return None
    if seen.texts:
        notes.append(f"no output schema: of {seen.texts + len(seen.replies)} replies {seen.texts} are not JSON")
        return None
    if len(seen.replies) < FEWEST_REPLIES:
        notes.append(f"no output schema: {FEWEST_REPLIES} replies are needed, and there are {len(seen.replies)}")
        return None
    return with_enums(schema_of(seen.replies), seen.replies)


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
    _add_cases(seen, DatasetIndex(tree, limits=context.settings.limits), prompt_id, hidden)
    with suppress(WorkspaceError):
        ids = {prompt_id, *declared_ids(tree, prompt_id)}
        for reply in islice(RecordedReplies(context.recordings_folder).replies_to(ids), _MOST_CALLS):
            _add_reply(seen, reply)
    return seen


def _add_cases(seen: Observed, index: DatasetIndex, prompt_id: str, hidden: Collection[str]) -> None:
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
