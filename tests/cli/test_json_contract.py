"""Every `--json` document fits the JSON Schema that ships for its command."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import typer
from jsonschema import Draft202012Validator

from promptctl.cli.main import app
from tests.cli.conftest import Cli, commit, git, write
from tests.evaluation_lab import PROMPT, Lab, answering
from tests.json_schemas import DOCUMENTS, NO_COMMANDS, check_keys, command_of, fits, texts
from tests.openai_server import OpenAIServer, failure
from tests.repositories import copied

FOLDER = resources.files("promptctl.reports") / "json"
DATASET = """\
prompts: [triage]
cases:
  - {id: a, inputs: {ticket: a}, expected: a, tags: [smoke], must_pass: true}
  - {id: b, inputs: {ticket: b}, assert: [{type: contains, value: b, metric: tone}]}
  - {id: c, inputs: {ticket: c}, expected: c}
"""


def test_the_schemas_are_made_from_the_shapes() -> None:
    assert {file.name for file in FOLDER.iterdir() if file.name.endswith(".json")} == texts().keys()
    for name, text in texts().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, "run make docs"
        Draft202012Validator.check_schema(json.loads(text))


def test_every_command_has_a_document_and_every_document_a_test() -> None:
    root: Any = typer.main.get_command(app)
    commands = {name.split(" --")[0] for name in DOCUMENTS - NO_COMMANDS - {"show file"}}
    assert commands == {*_with_json(root, "promptctl", None)}
    tests = Path(__file__).parent.parent
    printed = {name for file in tests.rglob("*.py") for name in _printed(file, is_of_all=file == Path(__file__))}
    assert DOCUMENTS - printed == set()


def _with_json(command: Any, name: str, parent: Any) -> Iterator[str]:
    """Yield the commands that have `--json`."""
    context = command.make_context(name, ["--help"], parent=parent, resilient_parsing=True)
    if any("--json" in each.opts for each in command.params):
        yield context.command_path.partition(" ")[2]
    for below in command.list_commands(context) if hasattr(command, "list_commands") else ():
        yield from _with_json(command.get_command(context, below), below, context)


def _printed(file: Path, *, is_of_all: bool) -> Iterator[str | None]:
    """Yield the documents that a file of tests holds to their schemas: by `fits`, or as `Ran.json` does."""
    text = file.read_text(encoding="utf-8")
    if "fits(" not in text and "--json" not in text:
        return
    for node in ast.walk(ast.parse(text)):
        if is_of_all and isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield command_of(node.value.split())
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("cli", "fits"):
            texts = [str(each.value) for each in node.args if isinstance(each, ast.Constant)]
            if node.func.id == "fits":
                yield from texts[:1]
            elif "--json" in texts:
                yield command_of(texts)


@pytest.mark.parametrize(
    "key",
    [
        {"is_cut": {"type": "boolean"}},
        {"has_file": {"type": ["boolean", "null"]}},
        {"version": {"type": "string"}},
        {"version": {}},
        {"version_display": {"type": "string"}},
        {"mean_cost_nano_usd": {"type": ["number", "null"]}},
        {"cost_nano_usd": {"type": "array", "items": {"type": "number"}}},
        {"id": {"type": "string"}},
        {"execution_id": {"type": ["string", "null"]}},
    ],
)
def test_a_key_says_the_same_in_every_document(key: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(key))):
        check_keys(key)


@pytest.fixture
def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A committed workspace with a remote."""
    copied(_begun(tmp_path_factory.getbasetemp() / "desk", lab.server), lab.root)
    monkeypatch.chdir(lab.root)
    lab.server.default = answering({})
    return lab


@cache
def _begun(folder: Path, server: OpenAIServer) -> Path:
    lab = Lab(folder, server)
    git(lab.root, "init", "-q", "-b", "main")
    lab.write("datasets/triage.yaml", DATASET)
    commit(lab.root, "Begin")
    bare = folder / "remote.git"
    git(lab.root, "init", "-q", "--bare", str(bare))
    git(lab.root, "remote", "add", "origin", str(bare))
    git(lab.root, "push", "-q", "origin", "main")
    return folder


_USED: set[Path] = set()


@pytest.fixture
def used(lab: Lab, cli: Cli, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The desk with a label, a logged call and an evaluation, and a second version of `triage` that does worse."""
    made = tmp_path_factory.getbasetemp() / "used"
    if made not in _USED:
        copied(_begun(tmp_path_factory.getbasetemp() / "desk", lab.server), made)
        monkeypatch.chdir(made)
        for command in ("label set triage@production", "run triage -i ticket=y", "eval triage --repeat 2"):
            ran = cli(*command.split(), "--json")
            assert ran.exit_code == 0, ran.err
            fits(" ".join(command.split()[:2]) if command.startswith("label") else command.split()[0], ran.json)
        _USED.add(made)
    copied(made, lab.root)
    monkeypatch.chdir(lab.root)
    lab.write("prompts/triage.prompt.yaml", PROMPT.replace("{{ ticket }}", "Hi {{ ticket }}") + "tools: []\n")
    lab.server.default = answering({"Hi a": failure(400), "Hi c": "c", "Hi b": "b"})
    return lab


@pytest.mark.parametrize(
    "arguments",
    [
        "list",
        "status",
        "show triage",
        "history triage",
        "blame triage",
        "new support/sort",
        "schema infer triage",
        "copy triage other",
        "diff triage@v1 triage",
        "render triage -i ticket=x",
        "run triage -i ticket=x",
        "run triage -i ticket=x --dry-run",
        "validate",
        "lint",
        "lint --fix",
        "fmt --check",
        "label list",
        "label verify",
        "log list",
        "log verify",
        "log redact --user nobody --yes",
        "log stats",
        "log show",
        "log latest triage",
        "log rules",
        "cost --by day,metadata.customer",
        "log rules set triage active=false --dry-run",
        "dataset list",
        "dataset show triage",
        "dataset validate triage",
        "eval triage",
        "eval --all --dry-run",
        "eval triage --against @v1",
        "results list",
        "results trend triage",
        "review",
    ],
)
@pytest.mark.usefixtures("used")
def test_a_document_fits_its_schema(cli: Cli, arguments: str) -> None:
    if arguments == "log show":
        arguments += " " + cli("log", "list", "--json").json[0]["execution"]
    ran = cli(*arguments.split(), "--json")
    assert ran.exit_code in (0, 1, 5), ran.err
    words = arguments.split()
    groups = ("label", "log", "dataset", "results", "schema")
    command = " ".join(words[:2]) if words[0] in groups else words[0]
    command += next((f" {option}" for option in ("set", "--dry-run", "--against") if option in words), "")
    fits(command, ran.json)


def test_the_documents_of_the_care_of_the_log_fit(desk: Lab, cli: Cli) -> None:
    assert cli("run", "triage", "-i", "ticket=lost").exit_code == 0
    for arguments in ("doctor", "log backup copy.db", "log search lost", "log prune --content-older now"):
        ran = cli(*arguments.split(), "--json")
        assert (ran.exit_code, bool(ran.json)) == (0, True), ran.err
        fits(" ".join(arguments.split()[:2]) if arguments.startswith("log") else arguments, ran.json)


def test_the_documents_of_labels_fit(desk: Lab, cli: Cli) -> None:
    fits("label set", cli("label", "set", "triage@production", "--json").json)
    desk.write("prompts/triage.prompt.yaml", PROMPT + "parameters: {temperature: 0}\n")
    commit(desk.root, "Be exact")
    git(desk.root, "push", "-q", "origin", "main")
    fits("label set", cli("label", "set", "triage@production", "--reason", "better", "--json").json)
    for command in ("log triage@production", "at triage@production 2020-01-01", "at triage@production now"):
        fits(f"label {command.split()[0]}", cli("label", *command.split(), "--json").json)
    fits("label lock", cli("label", "lock", "--json").json)
    fits("label lock --check", cli("label", "lock", "--check", "--json").json)
    fits("label push", cli("label", "push", "--remote", "origin", "--json").json)
    fits("label fetch", cli("label", "fetch", "--remote", "origin", "--json").json)
    fits("snapshot write", cli("snapshot", "write", "a.json", "--json").json)
    fits("snapshot show", cli("snapshot", "show", "a.json", "--json").json)
    fits("snapshot verify", cli("snapshot", "verify", "a.json", "--json").json)
    fits("snapshot diff", cli("snapshot", "diff", "a.json", "--json").json)
    fits("label rollback", cli("label", "rollback", "triage@production", "--json").json)
    fits("label remove", cli("label", "remove", "triage@production", "--json").json)


def test_the_documents_of_results_fit(desk: Lab, cli: Cli) -> None:
    ids = [cli("eval", "triage", "--json").json[0]["evaluation"] for _ in range(2)]
    assert [each["evaluation"] for each in cli("eval", "resume", ids[0], "--json").json] == ids[:1]
    fits("results show", cli("results", "show", ids[0], "--json").json)
    fits("results show --case", cli("results", "show", ids[0], "--case", "b", "--json").json)
    fits("compare", cli("compare", *ids, "--json").json)


def test_a_failed_call_fits_too(desk: Lab, cli: Cli) -> None:
    desk.server.default = failure(400)
    assert cli("run", "triage", "-i", "ticket=x", "--json").exit_code == 4
    fits("log list", cli("log", "list", "--json").json)


def test_a_broken_prompt_is_listed(desk: Lab, cli: Cli) -> None:
    write(desk.root, "prompts/broken.prompt.yaml", "messages: 1\n")
    fits("list", cli("list", "--json").json)
    for command in ("validate", "fmt"):
        ran = cli(command, "--json")
        assert ran.exit_code == (3 if command == "fmt" else 1)
        fits(command, ran.json)
