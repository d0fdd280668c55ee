"""GitHub Models' prompt files: imported they do what they did, and an export says what it cannot say."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from promptctl.assertions.assertion import Subject, grade
from promptctl.datasets.dataset import Dataset
from promptctl.errors import InvalidFiles
from promptctl.evaluations.request import EvaluationRequest
from promptctl.exchange.exporting import ExportRequest
from promptctl.exchange.github.reading import is_one as is_github
from promptctl.exchange.github.reading import read as read_github
from promptctl.exchange.github.writing import write as write_github
from promptctl.exchange.imported import ImportRequest
from promptctl.files.tree import MemoryTree
from promptctl.files.yaml_reader import read_yaml
from promptctl.files.yaml_writing import yaml_text
from promptctl.prompts.loading import load_prompt
from promptctl.prompts.rendering import Renderer
from promptctl.workspace import open_workspace
from tests.exchange.drafted import files_of, notes_of, only_dataset, only_prompt, source, to_write

FILE = """\
name: Spam
description: Tells spam from ham.
model: openai/gpt-4o-mini
modelParameters:
  temperature: 0
  maxTokens: 20
responseFormat: json_schema
jsonSchema: '{"name": "verdict", "strict": true, "schema": {"type": "object"}}'
messages:
  - role: system
    content: Answer spam or ham. {% not jinja %}
  - role: user
    content: |
      Is this spam: {{input}} {{unknown}}
testData:
  - {input: "Buy NOW {{input}}", expected: spam, why: money}
  - {input: hello, expected: ham, why: greets}
  - {input: hello, expected: ham, why: greets}
evaluators:
  - {name: says it, string: {contains: "buy now"}}
  - {name: reason, string: {contains: "{{why}}"}}
  - {name: begins, string: {startsWith: "IS THIS (spam)?"}}
  - {name: ends, string: {endsWith: "{{input}} {{unknown}}"}}
  - {name: whole, string: {equals: "{{expected}}"}}
"""


def read(text: str, path: str = "spam.prompt.yml") -> Any:
    return read_github(source(path, text))


def gradings(dataset: Dataset, prompt: Any, reply: str) -> list[Any]:
    """The metric, pass and score of each assertion of each case, by the case's id."""
    assert dataset.check(prompt) == []
    found = []
    for case in dataset.cases(prompt):
        subject = Subject(reply, case.inputs, case.expected, variables=case.variables)
        graded = [asyncio.run(grade(each, subject)) for each in case.assertions]
        verdicts = sorted((each.metric or "", each.outcome.passed, each.outcome.score) for each in graded)
        messages = Renderer(prompt).render(case.inputs).messages
        found.append((case.id, messages, verdicts))
    return found


def both(text: str, reply: str) -> tuple[list[Any], list[Any]]:
    """The gradings of a reply by GitHub's file as it stands, and by what is imported of it."""
    tree = MemoryTree({"prompts/spam.prompt.yml": text})
    prompt = load_prompt(tree, "spam")
    as_it_stands = Dataset.of_prompt(prompt, tree)
    assert as_it_stands is not None
    imported = MemoryTree(files_of(read(text)))
    native = Dataset.open(imported, "datasets/spam.yaml")
    return gradings(as_it_stands, prompt, reply), gradings(native, load_prompt(imported, "spam"), reply)


def test_a_file_is_a_native_prompt_and_a_dataset() -> None:
    contents = read(FILE)
    assert only_prompt(contents) == {
        "name": "Spam",
        "description": "Tells spam from ham.",
        "model": "openai/gpt-4o-mini",
        "parameters": {"temperature": 0, "max_tokens": 20},
        "output": {"schema": {"type": "object"}, "name": "verdict", "strict": True},
        "template": "simple",
        "inputs": {"input": {}, "unknown": {"required": False}},
        "messages": [
            {"role": "system", "content": "Answer spam or ham. {% not jinja %}"},
            {"role": "user", "content": "Is this spam: {{input}} {{unknown}}\n"},
        ],
    }
    cases = only_dataset(contents)["cases"]
    assert [case["inputs"] for case in cases] == [
        {"input": "Buy NOW {{input}}"},
        {"input": "hello"},
        {"input": "hello"},
    ]
    assert cases[2]["id"] == f"{cases[1]['id']}-2"
    assert [case["metadata"] for case in cases] == [{"why": "money"}, {"why": "greets"}, {"why": "greets"}]


def test_every_part_has_a_note_with_its_line() -> None:
    assert notes_of(read(FILE)) == [
        ("kept", "name", 1),
        ("kept", "description", 2),
        ("kept", "model", 3),
        ("kept", "modelParameters.temperature", 5),
        ("changed", "modelParameters.maxTokens", 6),
        ("changed", "responseFormat", 7),
        ("changed", "jsonSchema", 8),
        ("kept", "messages", 9),
        ("changed", "variables", 9),
        ("kept", "testData", 15),
        ("changed", "testData", 15),
        ("changed", "evaluators: says it", 20),
        ("changed", "evaluators: reason", 21),
        ("changed", "evaluators: begins", 22),
        ("changed", "evaluators: ends", 23),
        ("changed", "evaluators: whole", 24),
    ]


@pytest.mark.parametrize("reply", ["spam", "Is this (SPAM)? money: buy now hello {{unknown}}", "", "ham", "x\nmoney "])
def test_the_imported_file_renders_and_grades_as_it_stood(reply: str) -> None:
    as_it_stands, imported = both(FILE, reply)
    assert imported == as_it_stands


TEXTS = st.text("abAB {}()[]\\.*?^$|%#\n{{input}}ß", max_size=12)
EVALUATORS = st.sampled_from(
    ["{{expected}}", "{{why}}", "{{expected}} {{why}}", "{{input}}x", "a", "(?i)[b", "{% x %}", "{{nothing}}", "{{n}}"]
)


@example("", "endsWith", "{{expected}} {{why}}", "", "?", "")
@example("", "startsWith", "{{why}} {{expected}}", "", "?", "")
@settings(max_examples=120, deadline=None, derandomize=True)
@given(TEXTS, st.sampled_from(["equals", "startsWith", "endsWith"]), EVALUATORS, TEXTS, TEXTS, st.text(max_size=3))
def test_any_string_evaluator_grades_as_it_did(
    reply: str, test: str, text: str, expected: str, why: str, around: str
) -> None:
    filled = text.replace("{{expected}}", expected).replace("{{why}}", why)
    file = {
        "messages": [{"role": "user", "content": "{{input}}"}],
        "testData": [{"input": "ab", "expected": expected, "why": why, "n": 5}],
        "evaluators": [{"name": "e", "string": {test: text}}],
    }
    if (not filled and test != "equals") or (test == "equals" and filled != filled.strip()):
        return  # an error, or a failure of every reply, which the import says
    for said in (reply, filled, filled.upper(), f"{filled}{around}", f"{around}{filled}"):
        as_it_stands, imported = both(yaml_text(file), said)
        assert imported == as_it_stands


def test_a_row_that_an_evaluator_could_not_grade_has_no_assertion_of_it() -> None:
    text = FILE.split("evaluators:")[0].replace("expected: spam", "expected: ''")
    contents = read(text + "evaluators: [{name: b, string: {startsWith: '{{expected}}'}}]\n")
    assert len(only_dataset(contents)["cases"]) == 2
    assert ("dropped", "testData", 15) in notes_of(contents)


def test_on_the_echo_model_both_evaluate_alike(tmp_path: Path) -> None:
    """The same through a whole evaluation, with the log's rows."""
    text = FILE.replace("openai/gpt-4o-mini", "echo/echo").replace("responseFormat: json_schema\n", "")
    files = {"promptctl.yaml": "", "prompts/theirs.prompt.yml": text, **files_of(read(text))}
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    rows = {}
    with open_workspace(tmp_path, {}) as workspace:
        for id_ in ("theirs", "spam"):
            (evaluation,) = workspace.evaluate(EvaluationRequest(refs=(id_,)))
            rows[id_] = [
                (row.case_id, row.status, row.score, row.output)
                for row in workspace.context.log.results(evaluation.row.id)
            ]
    assert rows["spam"] == rows["theirs"]
    assert len(rows["spam"]) == 3


JUDGED = """\
messages: [{role: user, content: "{{input}}"}]
testData: [{input: Hi, expected: Hello, tone: kind}]
evaluators:
"""


def judged(evaluator: str) -> tuple[Any, dict[str, Any]]:
    contents = read(JUDGED + f"  - {evaluator}\n")
    tree = MemoryTree(files_of(contents))
    dataset = Dataset.open(tree, "datasets/spam.yaml")
    assert dataset.check(load_prompt(tree, "spam")) == []
    data = contents.datasets[0].data
    return contents, (data.get("defaults") or {"assert": data["cases"][0]["assert"]})["assert"][0]


@pytest.mark.parametrize("name", ["coherence", "relevance"])
def test_a_rating_of_githubs_is_asked_of_the_judge_that_ships(name: str) -> None:
    _, assertion = judged(f"{{name: rated, uses: github/{name}}}")
    assert assertion["type"] == "answer-relevance"
    assert assertion["threshold"] == 0.25
    assert assertion.get("prompt") in (None, "judges/github-coherence")
    assert assertion["value"] == "{{ input }}"


def test_an_llm_evaluator_becomes_a_judges_prompt() -> None:
    llm = """{name: Is kind?, llm: {modelId: openai/gpt-4o, systemPrompt: Judge.,
      prompt: "{{input}}: {{completion}} {x}", choices:
      [{choice: good, score: 1}, {choice: fair, score: 0.5}, {choice: bad, score: 0}]}}"""
    contents, assertion = judged(llm)
    assert assertion == {
        "type": "classify",
        "value": ["good", "fair"],
        "choices": ["good", "fair", "bad"],
        "prompt": "judges/is-kind",
        "metric": "Is kind?",
    }
    judge = contents.prompts[1].data
    assert judge["model"] == "openai/gpt-4o"
    assert judge["messages"][1]["content"] == "{{ inputs.input }}: {{ output }} {x}"


def test_a_field_that_is_no_input_reaches_the_judge_as_its_question() -> None:
    choices = "[{choice: a, score: 1}, {choice: b, score: 0}]"
    llm = f"{{name: j, llm: {{modelId: m, prompt: '{{{{tone}}}}? {{{{completion}}}}', choices: {choices}}}}}"
    contents, assertion = judged(llm)
    assert assertion["question"] == "kind"
    assert contents.prompts[1].data["messages"][0]["content"] == "{{ question }}? {{ output }}"


def test_tests_that_nothing_would_grade_are_dropped_and_said() -> None:
    text = JUDGED + "  - {type: accuracy}\n"
    contents = read(text)
    assert contents.datasets == ()
    dropped = [note for note in contents.notes if note.fate == "dropped"]
    assert [note.part for note in dropped] == ["testData", "tests"] or len(dropped) == 2
    assert any("nothing would grade" in note.message for note in dropped)


def test_what_githubs_tools_could_not_run_is_refused() -> None:
    with pytest.raises(InvalidFiles, match="jsonSchema"):
        read("messages: [{role: user, content: '{{a}}'}]\nresponseFormat: json_schema\n")


@pytest.mark.parametrize(
    ("path", "text", "is_one"),
    [
        ("a.prompt.yml", FILE, True),
        ("a.prompt.yaml", "messages: [{role: user, content: '{{ a }}'}]\n", False),
        ("a.prompt.yaml", "messages: [{role: user, content: '{{a}}'}]\ninputs: {a: {}}\n", False),
        ("a.yml", "messages: {a: b}\n", False),
        ("a.yml", "messages: [{role: user, content: '{{a}}'}]\nx: [\n", False),
        ("a.yml", "messages: &b [{role: user, content: '{{a}}'}]\n", True),
    ],
)
def test_a_file_is_told_from_its_content(path: str, text: str, is_one: bool) -> None:
    assert is_github(source(path, text)) is is_one


def test_a_loss_in_a_partial_is_placed_at_its_include() -> None:
    native = """\
inputs: {x: {type: string}}
messages:
  - role: user
    content: |
      One
      {% include 'c.j2' %}
      {% for a in x %}{% endfor %}
"""
    files = {"prompts/c.prompt.yaml": native, "prompts/c.j2": "a\nb\nc\n{% if x %}d{% endif %}\ne"}
    losses = [str(each) for each in write_github([to_write("c", files)]).losses]
    assert [each.split(" ")[0] for each in losses if "condition" in each] == ["prompts/c.prompt.yaml:6:"]
    assert [each.split(" ")[0] for each in losses if "loop" in each] == ["prompts/c.prompt.yaml:7:"]


class TestExport:
    NATIVE = """\
name: Spam
status: deprecated
tags: [a]
model: openai/gpt-4o-mini
parameters: {temperature: 0, top_k: 3, max_completion_tokens: 5}
inputs:
  input: {type: string}
  tone: {default: kind}
messages:
  - {role: system, content: "{% include 'tone.j2' %}"}
  - {role: user, content: "Spam? {{ input | upper }}"}
  - {placeholder: tone}
output: {schema: {type: object}, retries: 1, name: verdict}
"""
    DATASET = """\
prompts: [spam]
min_pass: 0.9
defaults:
  assert:
    - {type: icontains, value: "{{ expected }}", metric: says it, weight: 2}
    - {type: llm-rubric, value: It is kind.}
cases:
  - {id: a, tags: [x], inputs: {input: hi}, expected: ham}
  - {id: b, matrix: {input: [x, y]}, expected: spam, assert: [{type: is-json}]}
"""

    def written(self, dataset: str = DATASET) -> tuple[dict[str, Any], list[str]]:
        files = {"prompts/spam.prompt.yaml": self.NATIVE, "prompts/tone.j2": "Be {{ tone }}."}
        found = write_github([to_write("spam", {**files, "datasets/spam.yaml": dataset})])
        data = read_yaml(found.files["spam.prompt.yml"], "spam.prompt.yml").data
        return data, [str(loss) for loss in found.losses]

    def test_what_can_be_said_is_said(self) -> None:
        data, _ = self.written()
        assert data["modelParameters"] == {"temperature": 0, "maxCompletionTokens": 5}
        assert data["messages"][0] == {"role": "system", "content": "Be {{tone}}."}
        assert json.loads(data["jsonSchema"])["name"] == "verdict"
        assert data["testData"] == [
            {"tone": "kind", "input": "hi", "expected": "ham"},
            {"tone": "kind", "input": "x", "expected": "spam"},
            {"tone": "kind", "input": "y", "expected": "spam"},
        ]
        assert data["evaluators"] == [{"name": "says it", "string": {"contains": "{{expected}}"}}]
        data, _ = self.written("prompts: [spam]\ncases: [{id: a, inputs: {input: hi}, expected: ham}]\n")
        assert data["evaluators"] == [{"name": "expected", "string": {"equals": "{{expected}}"}}]

    def test_every_other_part_is_a_loss_with_its_place(self) -> None:
        _, losses = self.written()
        lost = [loss.partition("` ")[0] for loss in losses]
        assert lost == [
            "prompts/spam.prompt.yaml:5:30: `parameters.top_k",
            "prompts/spam.prompt.yaml:13:34: `output.retries",
            "prompts/spam.prompt.yaml:10:30: `messages.0.content",
            "prompts/spam.prompt.yaml:11:28: `messages.1.content",
            "prompts/spam.prompt.yaml:12:5: `messages.2",
            "prompts/spam.prompt.yaml:2:1: `status",
            "prompts/spam.prompt.yaml:3:1: `tags",
            "prompts/spam.prompt.yaml:7:11: `inputs.input.type",
            "prompts/spam.prompt.yaml:8:10: `inputs.tone.default",
            "datasets/spam.yaml:2:1: `min_pass",
            "datasets/spam.yaml:8:13: `cases.tags",
            "datasets/spam.yaml:9:54: `cases.assert",
            "datasets/spam.yaml:9:5: `cases.matrix",
            "datasets/spam.yaml:8:5: `cases.id",
            "datasets/spam.yaml:5:67: `defaults.assert.0 (icontains).weight",
            "datasets/spam.yaml:6:7: `defaults.assert.1 (llm-rubric)",
        ]

    def test_an_imported_file_exports_to_itself(self) -> None:
        files = files_of(read(FILE))
        found = write_github([to_write("spam", files)])
        again = read(found.files["spam.prompt.yml"].decode())
        assert only_prompt(again) == only_prompt(read(FILE))


@pytest.mark.parametrize(("test", "text"), [("endsWith", " me?"), ("startsWith", "Re: "), ("startsWith", "Re:")])
def test_an_anchored_text_comes_back_as_it_was(test: str, text: str) -> None:
    file = {
        "messages": [{"role": "user", "content": "{{q}}"}],
        "testData": [{"q": "x"}],
        "evaluators": [{"name": "e", "string": {test: text}}],
    }
    found = write_github([to_write("spam", files_of(read(yaml_text(file))))])
    assert read_yaml(found.files["spam.prompt.yml"], "spam").data["evaluators"] == file["evaluators"]


def test_a_prompt_without_variables_comes_back_as_it_was() -> None:
    prompt = {"name": "Greeting", "messages": [{"role": "user", "content": "Say {hello}."}]}
    found = write_github([to_write("p", {"prompts/p.prompt.yaml": yaml_text(prompt)})])
    contents = read(found.files["p.prompt.yml"].decode())
    assert only_prompt(contents) == prompt
    assert "kept `messages`: 1 message" in [str(each) for each in contents.notes]


NAMES = st.from_regex(r"[a-z]{1,3}", fullmatch=True)
CONTENTS = st.lists(
    st.one_of(NAMES.map("{{{{{}}}}}".format), st.sampled_from(["a ", "{x} ", "{% x %}", "{{ x|y }}", "\n"])), min_size=1
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), CONTENTS), min_size=1, max_size=3),
    st.fixed_dictionaries({}, optional={"temperature": st.sampled_from([0, 0.5]), "seed": st.integers(0, 9)}),
    st.lists(st.tuples(st.sampled_from(["x", "y z"]), st.sampled_from(["a", "b\nc"])), max_size=3, unique=True),
    st.lists(st.sampled_from(["equals", "icontains"]), max_size=2),
)
def test_what_github_can_say_comes_back(
    messages: list[tuple[str, list[str]]], parameters: dict[str, Any], rows: list[tuple[str, str]], types: list[str]
) -> None:
    texts = [{"role": role, "content": "".join(parts)} for role, parts in messages]
    names = dict.fromkeys(part[2:-2] for _, parts in messages for part in parts if part[2:-2].isalpha())
    prompt = {"template": "simple", "messages": texts, "inputs": {name: {} for name in names}}
    prompt |= {"parameters": parameters} if parameters else {}
    cases = [{"id": f"{n}", "inputs": dict.fromkeys(names, given), "expected": e} for n, (given, e) in enumerate(rows)]
    checks = [{"type": type_, "value": "{{ expected }}", "metric": f"m{n}"} for n, type_ in enumerate(types)]
    dataset = {"prompts": ["p"], "defaults": {"assert": checks}, "cases": cases}
    files = {"prompts/p.prompt.yaml": yaml_text(prompt)}
    files |= {"datasets/p.yaml": yaml_text(dataset)} if cases else {}
    found = write_github([to_write("p", files)])
    assert {loss.part for loss in found.losses} <= {"cases.id"}
    text = found.files["p.prompt.yml"].decode()
    assert is_github(source("p.prompt.yml", text))
    contents = read(text, "p.prompt.yml")
    is_plain = not any(sign in each["content"] for each in texts for sign in ("{{", "{%", "{#"))
    prompt = {key: value for key, value in prompt.items() if value and not (key == "template" and is_plain)}
    assert only_prompt(contents) == prompt
    if cases:
        data = only_dataset(contents)
        assert [(each["inputs"], each["expected"]) for each in data["cases"]] == [
            (each["inputs"], each["expected"]) for each in cases
        ]
        assert [each["type"] for each in data["defaults"]["assert"]] == (types or ["equals"])


@pytest.mark.parametrize("format_", ["promptfoo", "openai", "github"])
def test_a_file_that_runs_as_it_is_exports_with_its_tests(tmp_path: Path, format_: str) -> None:
    (tmp_path / "promptctl.yaml").touch()
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/spam.prompt.yml").write_text(FILE)
    with open_workspace(tmp_path, {}) as workspace:
        found = workspace.exchange.export(ExportRequest(refs=["spam"], format=format_, allows_losses=True))
    whole = b"".join(found.files.values()).decode()
    assert "Buy NOW" in whole
    assert whole.count("greets") or format_ == "openai"


@pytest.mark.parametrize(("id_", "prompt"), [(None, "support/spam"), ("mail/junk", "mail/junk")])
def test_a_dataset_names_the_judge_where_the_import_puts_it(tmp_path: Path, id_: str | None, prompt: str) -> None:
    llm = "{modelId: openai/gpt-4o, prompt: x, choices: [{choice: a, score: 1}, {choice: b, score: 0}]}"
    (tmp_path / "promptctl.yaml").touch()
    (tmp_path / "spam.prompt.yml").write_text(f"{JUDGED}  - {{name: Kind, llm: {llm}}}\n")
    with open_workspace(tmp_path, {}) as workspace:
        request = ImportRequest(paths=[tmp_path / "spam.prompt.yml"], into="support", id=id_)
        report = workspace.exchange.import_files(request)
    assert report.refused == ()
    written = {change.path: change.after for change in report.proposal.changes}
    assert b"prompt: support/judges/kind\n" in (written["datasets/support/spam.yaml"] or b"")
    assert [source.prompts for source in report.sources] == [(prompt, "support/judges/kind")]


def test_evaluators_with_names_alike_have_a_judge_each() -> None:
    llm = "modelId: openai/gpt-4o, choices: [{choice: a, score: 1}, {choice: b, score: 0}]"
    text = f"""\
messages: [{{role: user, content: '{{{{q}}}}'}}]
testData: [{{q: x}}]
evaluators:
  - {{name: Is kind, llm: {{{llm}, prompt: first}}}}
  - {{name: is-kind, llm: {{{llm}, prompt: second}}}}
  - {{name: both, string: {{startsWith: a, endsWith: b}}}}
"""
    contents = read(text)
    judges = {each.wish: each.data["messages"][0]["content"] for each in contents.prompts if each.is_judge}
    asked = [each["prompt"] for each in only_dataset(contents)["defaults"]["assert"] if "prompt" in each]
    assert [judges[wish] for wish in asked] == ["first", "second"]
    assert any("without `endsWith`" in note.message for note in contents.notes)
