"""`promptctl dataset`: the cases that prompts are evaluated on."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

import typer

from promptctl import errors
from promptctl.cli import options
from promptctl.cli.output import say, say_json, say_table, tell, tell_problem
from promptctl.datasets.adding import add_case
from promptctl.datasets.cases import Case
from promptctl.datasets.dataset import Dataset
from promptctl.datasets.index import DatasetIndex
from promptctl.prompts.loading import load_prompt
from promptctl.prompts.prompt import MISSING
from promptctl.workspace import Workspace

app = typer.Typer(help="The cases that prompts are evaluated on.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="DATASET", help="Its path, or its name below datasets/.")]


@app.command("list")
def list_datasets(context: typer.Context, as_json: options.Json = False) -> None:
    """List the datasets of the workspace, and the prompts they test."""
    workspace = options.workspace_of(context)
    found = DatasetIndex(workspace.repository.work_tree).datasets()
    counts = {dataset.header.path: _count(dataset) for dataset in found}
    if as_json:
        say_json([_header_as_dict(dataset) | {"cases": counts[dataset.header.path]} for dataset in found])
    elif found:
        rows = [
            (
                dataset.header.path,
                counts[dataset.header.path],
                ", ".join(dataset.header.prompts),
                dataset.header.description,
            )
            for dataset in found
        ]
        say_table(["Dataset", "Cases", "Prompts", "Description"], rows, right=["Cases"])
    else:
        tell("no datasets yet: write one to datasets/<name>.yaml")


@app.command("show")
def show_dataset(context: typer.Context, name: Name, as_json: options.Json = False) -> None:
    """Show the cases of a dataset."""
    workspace = options.workspace_of(context)
    index = DatasetIndex(workspace.repository.work_tree)
    dataset = index.open(index.named(name, workspace.inside))
    cases = _cases(workspace, dataset)
    if as_json:
        say_json(_header_as_dict(dataset) | {"cases": [_case_as_dict(case) for case in cases]})
        return
    rows = [
        (case.id, " ".join(case.tags), ", ".join(assertion.type for assertion in case.assertions), _short(case.inputs))
        for case in cases
    ]
    say_table(["Case", "Tags", "Assertions", "Inputs"], rows)


@app.command("validate")
def validate_dataset(context: typer.Context, name: Name, as_json: options.Json = False) -> None:
    """Check a dataset to its last case, with every prompt that it tests. Exit code 1 on any error."""
    workspace = options.workspace_of(context)
    index = DatasetIndex(workspace.repository.work_tree)
    path = index.named(name, workspace.inside)
    dataset = index.open(path)
    prompts: list[Any] = [workspace.prompt(prompt).prompt for prompt in dataset.header.prompts] or [None]
    problems = list(dict.fromkeys(problem for prompt in prompts for problem in dataset.check(prompt)))
    if as_json:
        say_json({"dataset": path, "cases": dataset.count, "problems": [each.as_dict() for each in problems]})
    else:
        for problem in problems:
            tell_problem(problem)
        if dataset.count is not None:
            say(f"{path}: {dataset.count} case{'s' * (dataset.count != 1)}")
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(errors.CHECK_FAILED)


@app.command("add")
def add_to_dataset(
    context: typer.Context,
    name: Name,
    execution: Annotated[str, typer.Option("--execution", metavar="ID", help="The execution that becomes a case.")],
    case: Annotated[
        str | None, typer.Option("--id", metavar="CASE", help="The case's id; without it, one made of the execution's.")
    ] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag of the case. Repeatable.")
    ] = None,
    expects_reply: Annotated[
        bool, typer.Option("--expect-reply", help="What was answered then is what is expected from now on.")
    ] = False,
) -> None:
    """Add a case from a logged execution; comments and order of the file stay as they are."""
    workspace = options.workspace_of(context)
    path = DatasetIndex(workspace.repository.work_tree).named(name, workspace.inside)
    added = add_case(
        workspace.root,
        path,
        workspace.log,
        execution,
        case_id=case,
        tags=tuple(tags or ()),
        expects_reply=expects_reply,
    )
    tell(f"added    {added.case_id} to {added.path}")


def _cases(workspace: Workspace, dataset: Dataset) -> list[Case]:
    """The cases with their inputs as the first prompt that they test takes them, where it can."""
    with suppress(errors.WorkspaceError):
        for prompt in dataset.header.prompts[:1]:
            return list(dataset.cases(load_prompt(workspace.repository.work_tree, prompt)))
    return list(dataset.cases())


def _count(dataset: Dataset) -> Any:
    try:
        return sum(1 for _ in dataset.cases())
    except errors.InvalidFiles:
        return "invalid"


def _header_as_dict(dataset: Dataset) -> dict[str, Any]:
    header = dataset.header
    return {
        "dataset": header.path,
        "prompts": list(header.prompts),
        "description": header.description,
        "min_pass": header.min_pass,
    }


def _case_as_dict(case: Any) -> dict[str, Any]:
    return {
        "id": case.id,
        "tags": list(case.tags),
        "inputs": dict(case.inputs),
        "expected": None if case.expected is MISSING else case.expected,
        "assertions": [assertion.type for assertion in case.assertions],
        "must_pass": case.must_pass,
        "content_hash": case.content_hash,
    }


def _short(inputs: Any) -> str:
    import json

    text = json.dumps(dict(inputs), ensure_ascii=False)
    return text if len(text) <= 100 else text[:99] + "…"
