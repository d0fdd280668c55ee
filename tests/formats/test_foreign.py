"""Files of other tools are told what they are, by name, text and keys."""

from __future__ import annotations

import pytest

from promptctl.datasets.validation import validate_workspace
from promptctl.errors import Problem
from promptctl.files.tree import MemoryTree
from promptctl.formats.foreign import foreign_file

HEADER = "---\n{header}\n---\nsystem:\nYou help: {{{{text}}}}\n"


def check(path: str, text: str, **others: str) -> list[Problem]:
    files = {f"prompts/{path}": text, **others}
    return list(validate_workspace(MemoryTree(files)).problems)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.prompt", "Dotprompt"),
        ("a.prompty", "Prompty"),
        ("a.poml", "POML"),
        ("a.baml", "BAML"),
        ("a.promptl", "PromptL"),
        ("a/skprompt.txt", "Semantic Kernel"),
        ("a.prompt.md", "an editor"),
        ("a.hbs", "Handlebars"),
        ("a.jinja2", "template by its name"),
    ],
)
def test_by_the_end_of_a_name(name: str, kind: str) -> None:
    (problem,) = check(name, "anything")
    assert (problem.severity, str(problem.place)) == ("warning", f"prompts/{name}")
    assert problem.message.startswith("the file is not read: ")
    assert kind in problem.message
    assert problem.hint


@pytest.mark.parametrize("name", ["README.md", "notes.txt", "photo.png", ".gitkeep"])
def test_files_that_no_tool_takes_for_prompts_are_left_alone(name: str) -> None:
    assert check(name, "anything") == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('function Classify(text: string) -> string {\n  prompt #"\n    Classify {{ text }}\n  "#\n}\n', "a BAML file"),
        ("// ours\nclass Label {\n  name string\n}\n", "a BAML file"),
        ("<poml><role>x</role></poml>\n", "a POML file"),
        ("<!-- x -->\n<poml>\n<role>a: b: c</role>\n</poml>\n", "a POML file"),
        ("<system>\n  Help: now: {{ x }}\n</system>\n", "a prompt written in tags, such as PromptL"),
        ('define user greet\n  "hi"\n', "a Colang file of NeMo Guardrails"),
        ("prompts:\n- task: self_check_input\n  content: Check it.\n", "a configuration of NeMo Guardrails"),
        ("{{#system~}}\nHelp\n{{~/system}}\n", "a Handlebars or Guidance template"),
        (HEADER.format(header="name: x\nauthors: [a]\nmodel:\n  api: chat"), "a Prompty file"),
        (HEADER.format(header="model: googleai/x\ninput:\n  schema: {text: string}"), "a Dotprompt file"),
        (HEADER.format(header="model: gpt-4o\ntemperature: 0"), "a text below a header, as other tools have it"),
        ("prompt:\n- {role: user, content: x}\n", "a prompt with its messages under `prompt`"),
        ("writer:\n  role: x\n  goal: y\n  backstory: z\n", "the agents or tasks of CrewAI"),
        ("inputs: {}\noutputs: {}\nnodes: []\n", "a flow of Prompt flow"),
        ("providers: [x]\nprompts: [a]\ntests: []\n", "a promptfoo configuration"),
    ],
)
def test_by_its_text_with_a_name_of_ours(text: str, kind: str) -> None:
    (problem,) = check("p.prompt.yaml", text)
    assert (problem.code, problem.severity) == ("foreign-format", "error")
    assert problem.message == f"this looks like {kind}, not like a prompt of promptctl"
    assert problem.hint


def test_a_broken_prompt_of_ours_is_none_of_another_tool() -> None:
    (problem,) = check("p.prompt.yaml", "---\nmessages:\n- {role: user, content: x}\n---\nmore: text\n")
    assert problem.code == "multi-document"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", '{"messages": []}', "the file is not read, and it looks like a prompt"),
        ("a.json", '[{"role": "user", "content": "x"}]', "this is a list of messages without a prompt around it"),
        ("a.yaml", "messages: []", "the file is not read, and it looks like a prompt"),
        ("promptfooconfig.yaml", "prompts: [a]\nproviders: [b]\ntests: []\n", "a promptfoo configuration"),
    ],
)
def test_stray_files_are_told_what_they_are_even_beside_a_broken_prompt(name: str, text: str, said: str) -> None:
    found = check(name, text, **{"prompts/broken.prompt.yaml": "messages: ["})
    (problem,) = [each for each in found if each.severity == "warning"]
    assert said in problem.message


def test_what_can_be_imported_says_how() -> None:
    problem = foreign_file("prompts/my desk.prompty")
    assert problem is not None
    assert problem.hint == "promptctl import 'prompts/my desk.prompty' writes it as one of promptctl's"
    other = foreign_file("prompts/x.poml")
    assert other is not None
    assert other.hint is not None
    assert "import" not in other.hint
