"""promptfoo's configs as prompts and datasets: what is kept, what is changed, and what is refused by name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptctl.assertions.assertion import Subject, grade
from promptctl.datasets.dataset import Dataset
from promptctl.errors import InvalidFiles
from promptctl.evaluations.request import EvaluationRequest
from promptctl.exchange.drafts import ForeignContents
from promptctl.exchange.imported import ImportRequest
from promptctl.exchange.promptfoo import reading, writing
from promptctl.exchange.promptfoo.named_files import is_match
from promptctl.exchange.promptfoo.providers import model_of
from promptctl.files.tree import MemoryTree
from promptctl.files.yaml_reader import read_yaml
from promptctl.files.yaml_writing import yaml_text
from promptctl.prompts.loading import load_prompt
from promptctl.prompts.rendering import Renderer
from promptctl.templates.uses import variables
from promptctl.workspace import open_workspace
from tests.exchange.drafted import files_of, only_dataset, only_prompt, source, to_write

PATH = "promptfooconfig.yaml"


def read(config: str, files: Mapping[str, str] | None = None) -> ForeignContents:
    return reading.read(source(PATH, {PATH: config, **(files or {})}))


def sound(contents: ForeignContents) -> MemoryTree:
    """What is imported as a workspace, of which every prompt loads and every dataset fits its prompts."""
    tree = MemoryTree(files_of(contents))
    for path in tree.paths("datasets"):
        dataset = Dataset.open(tree, path)
        for id_ in dataset.header.prompts:
            problems = dataset.check(load_prompt(tree, id_))
            assert [str(each) for each in problems if each.severity == "error"] == []
    return tree


def said(contents: ForeignContents, fate: str = "dropped") -> list[tuple[str, str, int | None]]:
    return [(n.part, n.message, n.place.line if n.place else None) for n in contents.notes if n.fate == fate]


def assertions(contents: ForeignContents) -> list[dict[str, Any]]:
    return [each for case in only_dataset(contents)["cases"] for each in case.get("assert", ())]


def test_a_config_is_a_prompt_and_a_dataset() -> None:
    contents = read("""\
description: Triage
prompts: ["Triage {{ticket}} for {{product}}."]
providers: [openai:gpt-4o-mini]
defaultTest:
  vars: {product: Acme}
  assert: [{type: is-json}]
  threshold: 0.5
tests:
  - description: Charged twice
    vars: {ticket: "I was charged twice\\n"}
    assert: [{type: icontains, value: "{{ticket}}", weight: 2, metric: m}]
    metadata: {area: money}
  - vars: {ticket: [a, b]}
    providerOutput: '{}'
""")
    assert only_prompt(contents) == {
        "description": "Triage",
        "model": "openai/gpt-4o-mini",
        "inputs": {"ticket": {}, "product": {}},
        "messages": [{"role": "user", "content": "Triage {{ticket}} for {{product}}."}],
    }
    assert only_dataset(contents) == {
        "prompts": ["triage"],
        "description": "Triage",
        "defaults": {"inputs": {"product": "Acme"}, "assert": [{"type": "is-json"}], "threshold": 0.5},
        "cases": [
            {
                "id": "charged-twice",
                "description": "Charged twice",
                "inputs": {"ticket": "I was charged twice"},
                "assert": [{"type": "icontains", "value": "{{ticket}}", "weight": 2, "metric": "m"}],
                "metadata": {"area": "money"},
            },
            {"id": "test-2", "matrix": {"ticket": ["a", "b"]}, "output": "{}"},
        ],
    }
    sound(contents)


FILES = {
    "prompts/one.txt": "First {{q}}\n---\n\nSecond {{q}}\n",
    "prompts/two.md": "# Three {{q}}\n",
    "prompts/chat.json": '[{"role": "system", "content": "Be \\"kind\\"."}, {"role": "user", "content": "{{q}}"}]',
    "prompts/chat.yaml": "- role: user\n  content: [{type: text, text: '{{q}}'}]\n",
    "prompts/table.csv": 'prompt,label\n"Four, {{q}}",four\nFive\u2028{{q}},\n',
    "prompts/lines.jsonl": '[{"role": "user", "content": "Six {{q}}"}]\n\nSeven {{q}}\n',
}


@pytest.mark.parametrize(
    ("entry", "wishes", "first"),
    [
        ("file://prompts/one.txt", ["one", "one-2"], "First {{q}}"),
        ("prompts/two.md", ["two"], "# Three {{q}}"),
        ("file://prompts/chat.json", ["chat"], 'Be "kind".'),
        ("file://prompts/chat.yaml", ["chat"], [{"type": "text", "text": "{{q}}"}]),
        ("file://prompts/table.csv", ["four", "table"], "Four, {{q}}"),
        ("file://prompts/lines.jsonl", ["lines", "lines-2"], "Six {{q}}"),
        ("file://prompts/*.md", ["two"], "# Three {{q}}"),
        ("{id: file://prompts/two.md, label: My prompt}", ["My prompt"], "# Three {{q}}"),
        ("{raw: 'Raw {{q}}', label: raw}", ["raw"], "Raw {{q}}"),
        ("|-\n    - role: system\n      content: Inline\n", ["prompt"], "Inline"),
        ('\'[{"role": "user", "content": "x {{q}}"}]\'', ["prompt"], "x {{q}}"),
    ],
)
def test_prompts_are_read_from_wherever_they_stand(entry: str, wishes: list[str], first: Any) -> None:
    contents = read(f"prompts:\n  - {entry}\nproviders: [echo]\n", FILES)
    assert [draft.wish for draft in contents.prompts] == wishes
    assert contents.prompts[0].data["messages"][0]["content"] == first
    assert contents.prompts[0].data["model"] == "echo/echo"


@pytest.mark.parametrize(("path", "lines"), [("one.txt", [1, 4]), ("long.csv", [2, 5])])
def test_the_line_of_a_part_of_a_file_is_its_own(path: str, lines: list[int]) -> None:
    long = {"prompts/long.csv": f'prompt\n"One\n{"x" * 200_000}\n{{{{q}}}}"\nTwo {{{{q}}}}\n'}
    contents = read(f"prompts: file://prompts/{path}\nproviders: []\n", FILES | long)
    assert [str(draft.place) for draft in contents.prompts] == [f"prompts/{path}:{line}" for line in lines]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("file://prompts/gen.js", "is code of that project"),
        ("file://gen.py:make", "is code of that project"),
        ("exec:./gen.sh", "is a program"),
        ("langfuse://triage@production", "is a prompt of Langfuse"),
        ("https://example.com/p.txt", "is an address"),
        ("'{{ env.HOME }}'", "`env` reads the environment"),
        ("'{{ q | shout }}'", "the filter `shout`"),
        ("'{{ q.split(1) }}'", "`.split()` is a method of JavaScript"),
        ("'{% include \"x\" %}'", "`{% include %}` reads a different template"),
        ("'{{ _conversation }}'", "`_conversation` is what promptfoo keeps"),
        ("'[{\"role\": {{ r }} }]'", "JSON with template code outside of its texts"),
        ('\'[{"role": "robot", "content": "x"}]\'', "has the role `robot`"),
    ],
)
def test_what_cannot_be_a_prompt_is_dropped_by_name_and_the_rest_goes_on(entry: str, why: str) -> None:
    contents = read(f"prompts:\n  - Hi {{{{q}}}}\n  - {entry}\nproviders: [echo]\n")
    [(part, message, line)] = said(contents)
    assert part.startswith("prompts: ")
    assert why in message
    assert line == 3
    assert len(contents.prompts) == 1
    with pytest.raises(InvalidFiles, match="no prompt of it can be written here"):
        read(f"prompts:\n  - {entry}\nproviders: [echo]\n")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("file://x.txt", "there is no file `x.txt`"),
        ("file://../x.txt", "does not lie in the folder"),
        ("file:///etc/passwd", "does not lie"),
        ("file://p/*.txt", "no file is named as"),
    ],
)
def test_a_file_that_is_not_there_or_elsewhere_is_refused(reference: str, message: str) -> None:
    with pytest.raises(InvalidFiles, match=message.replace("*", ".")) as raised:
        read(f"providers: []\nprompts: ['{reference}']\n")
    assert raised.value.problems[0].place is not None
    assert raised.value.problems[0].place.line == 2


def test_every_file_of_tests_that_is_missing_is_told() -> None:
    with pytest.raises(InvalidFiles) as raised:
        read("prompts: [hi]\ntests:\n  - file://a.yaml\n  - file://b.csv\n")
    assert [(each.place.line, each.message) for each in raised.value.problems if each.place] == [
        (3, "there is no file `a.yaml`"),
        (4, "there is no file `b.csv`"),
    ]


def test_the_first_provider_is_the_model_and_the_others_are_said() -> None:
    contents = read("""\
prompts: [{raw: 'a {{q}}', label: one}, {raw: 'b {{q}}', label: two}]
providers:
  - id: azure:chat:gpt4
    prompts: [two]
    config: {temperature: 0.5, apiKey: secret, response_format: {type: json_schema, json_schema: {name: v, strict: true,
      schema: {type: object}}}, tools: [{type: function, function: {name: f}}], passthrough: {a: 1}, frobs: 1}
  - openai:gpt-4o: {config: {max_output_tokens: 5}}
  - file://provider.mjs
  - {id: anthropic:messages:claude-sonnet-4-5, config: {temperature: 0.25}}
""")
    one, two = (draft.data for draft in contents.prompts)
    assert (one["model"], one["parameters"]) == ("openai/gpt-4o", {"max_tokens": 5})
    assert two["model"] == "azure/gpt4"
    assert two["parameters"] == {"temperature": 0.5, "extra_body": {"a": 1}}
    assert two["output"] == {"schema": {"type": "object"}, "name": "v", "strict": True}
    assert two["tools"] == [{"type": "function", "function": {"name": "f"}}]
    assert [part for part, _, _ in said(contents)] == [
        "providers: azure:chat:gpt4: apiKey",
        "providers: azure:chat:gpt4: frobs",
        "providers: file://provider.mjs",
        "providers: anthropic:messages:claude-sonnet-4-5",
        "providers: anthropic:messages:claude-sonnet-4-5: temperature",
    ]
    assert "secret" not in str(contents.notes)
    assert "0.25" not in str(contents.prompts)
    sound(contents)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai:chat:gpt-4o", "openai/gpt-4o"),
        ("google:gemini-2.5-pro", "gemini/gemini-2.5-pro"),
        ("vertex:gemini-2.5-pro", "vertex_ai/gemini-2.5-pro"),
        ("bedrock:us.amazon.nova-lite-v1:0", "bedrock/us.amazon.nova-lite-v1:0"),
        ("ollama:chat:llama3.3:70b", "ollama_chat/llama3.3:70b"),
        ("litellm:gpt-4", "gpt-4"),
        ("openrouter:meta/llama", "openrouter/meta/llama"),
        ("github:openai/gpt-4.1", "github/openai/gpt-4.1"),
        ("vertex:embedding:text-embedding-005", "vertex_ai/text-embedding-005"),
        ("webhook:http://x", None),
        ("python:p.py", None),
        ("openai:", None),
        ("promptfoo:redteam", None),
    ],
)
def test_a_provider_is_a_model_of_litellm(provider: str, model: str | None) -> None:
    assert model_of(provider) == model


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("{type: equals, value: {a: 1}}", {"type": "equals", "value": {"a": 1}}),
        ("{type: not-contains-any, value: 'a, b'}", {"type": "not-contains-any", "value": ["a", "b"]}),
        ("{type: is-json, value: file://s.json}", {"type": "is-json", "value": {"type": "object"}}),
        ("{type: contains-json, value: '{type: array}'}", {"type": "contains-json", "value": {"type": "array"}}),
        ("{type: contains, value: file://t.txt}", {"type": "contains", "value": "text"}),
        ("{type: similar, value: x, threshold: 0.9}", {"type": "similar", "value": "x", "threshold": 0.9}),
        ("{type: model-graded-closedqa, value: x}", {"type": "llm-rubric", "value": "x"}),
        ("{type: g-eval, value: [a, b]}", {"type": "llm-rubric", "value": "- a\n- b", "threshold": 0.7}),
        (
            "{type: factuality, value: x, provider: openai:gpt-4o}",
            {"type": "factuality", "value": "x", "model": "openai/gpt-4o"},
        ),
        ("{type: latency, threshold: 500}", {"type": "latency", "threshold": 500}),
        ("{type: equals, value: '5'}", {"type": "equals", "value": "5"}),
        ("{type: word-count, value: {min: 1, max: 5}}", {"type": "word-count", "value": {"min": 1, "max": 5}}),
        (
            "{type: equals, value: billing, transform: 'JSON.parse(output).label'}",
            {"type": "equals", "value": "billing", "path": "$.label"},
        ),
        (
            "{type: javascript, value: \"output.includes('{{x}}')\"}",
            {"type": "contains", "value": "{% raw %}{{x}}{% endraw %}"},
        ),
        (
            "{type: not-javascript, value: 'JSON.parse(output).n === 3'}",
            {"type": "not-equals", "value": 3, "path": "$.n"},
        ),
        ("{type: javascript, value: output.length <= 20}", {"type": "regex", "value": r"(?s)\A.{0,20}\z"}),
        ("{type: contains, value: '{{ q | dump }}'}", {"type": "contains", "value": "{{ q | tojson }}"}),
        ("{$ref: '#/assertionTemplates/short'}", {"type": "word-count", "value": 3}),
    ],
)
def test_an_assertion_stays_what_it_is(written: str, made: dict[str, Any]) -> None:
    config = "prompts: ['{{q}}']\nassertionTemplates: {short: {type: word-count, value: 3}}\n"
    files = {"s.json": '{"type": "object"}', "t.txt": "text\n"}
    contents = read(f"{config}tests:\n  - vars: {{q: a}}\n    assert:\n      - {written}\n", files)
    assert assertions(contents) == [made]
    assert said(contents) == []
    sound(contents)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("{type: javascript, value: 'check(output)'}", "is code of that project"),
        ("{type: javascript, value: \"!output === 'x'\"}", "is code of that project"),
        ("{type: python, value: file://check.py}", "is code of that project"),
        ("{type: webhook, value: 'https://example.com'}", "is code of that project"),
        ("{type: equals, value: file://check.js}", "is in a file of code"),
        ("{type: equals, value: 'https://example.com/x'}", "names an address"),
        ("{type: rouge-n, value: x}", "is no assertion here"),
        ("{type: contians, value: x}", "is no assertion here"),
        ("{type: regex, value: '(?=a)'}", "is not a regular expression of RE2"),
        ("{type: contains, value: '{{ q.split(1) }}'}", "is a template: `.split()`"),
        ("{type: equals, value: x, transform: 'f(output)'}", "is code, which is not run here"),
        ("{$ref: '#/assertionTemplates/none'}", "has no type"),
        ("{type: contains}", "has no value to compare with"),
    ],
)
def test_an_assertion_that_is_not_there_is_dropped_by_name_with_its_line(written: str, why: str) -> None:
    contents = read(f"prompts: ['{{{{q}}}}']\ntests:\n  - vars: {{q: a}}\n    assert:\n      - {written}\n")
    assert contents.datasets == (), "a case that nothing decides is no case"
    assert any(message.startswith("nothing is left") for _, message, _ in said(contents))
    assert [line for _, message, line in said(contents) if why in message] == [5]


def test_sets_options_and_templates_of_tests() -> None:
    contents = read("""\
prompts: ['{{q}}']
defaultTest:
  options: {transform: JSON.parse(output), provider: {id: 'openai:gpt-4o'}, rubricPrompt: x}
  assert: [{type: equals, value: '{{ want }}', transform: output.label}]
tests:
  - vars: {q: a, want: x}
    assert:
      - type: assert-set
        threshold: 0.5
        metric: s
        assert: [{type: llm-rubric, value: '{{want}}'}, {type: javascript, value: f()}]
  - vars: {q: b, want: y, more: z}
    options: {transform: output.trim()}
""")
    data = only_dataset(contents)
    assert "defaults" not in data, "a test with a transform of its own has the defaults' assertions in its own way"
    first, second = data["cases"]
    assert first["assert"][0] == {"type": "equals", "value": "{{ expected.want }}", "path": "$.label"}
    judged = {"type": "llm-rubric", "value": "{{expected.want}}", "path": "$", "model": "openai/gpt-4o"}
    assert first["assert"][1] == {"type": "assert-set", "threshold": 0.5, "metric": "s", "assert": [judged]}
    assert second["assert"][0]["path"] == "$.label"
    assert (second["expected"], second["metadata"]) == ({"want": "y"}, {"vars": {"more": "z"}})
    assert "defaultTest.options.rubricPrompt" in [part for part, _, _ in said(contents)]
    sound(contents)


def test_prompts_with_other_variables_have_datasets_of_their_own() -> None:
    contents = read("prompts: ['{{a}}', '{{a}} {{b}}', 'x {{a}}']\ntests: [{vars: {a: 1, b: 2}}, {vars: {a: 3}}]\n")
    sound(contents)
    assert [each.data["prompts"] for each in contents.datasets] == [["prompt-1", "prompt-3"], ["prompt-2"]]
    assert contents.prompts[1].data["inputs"] == {"a": {}, "b": {"default": ""}}
    assert "metadata" not in contents.datasets[0].data["cases"][0]


class TestTables:
    CSV = """\
q,want,__expected,__expected2,__description,__metric,__threshold,__metadata:tags[],__config:__expected2:threshold,
"a, b",x,contains:a,similar:y,First,acc,0.5,"k,l\\,m",0.9,unnamed
c,z,"javascript: output.includes('c')",grade:It is {{want}}.,,,,,
d,z,fn:f(),rouge-n(0.5):x,,,,,
"""

    def test_magic_columns_are_read(self) -> None:
        contents = read("prompts: ['{{q}}']\ntests: file://t.csv\n", {"t.csv": self.CSV})
        first, second = only_dataset(contents)["cases"]
        assert first["assert"] == [
            {"type": "contains", "value": "a", "metric": "acc"},
            {"type": "similar", "value": "y", "threshold": 0.9, "metric": "acc"},
        ]
        assert (first["id"], first["threshold"]) == ("First", 0.5)
        assert (first["tags"], first["metadata"]) == (["k", "l,m"], {"vars": {"want": "x"}})
        assert second["assert"] == [
            {"type": "contains", "value": "c"},
            {"type": "llm-rubric", "value": "It is {{expected.want}}."},
        ]
        assert [(part, line) for part, _, line in said(contents)] == [
            ("assert: javascript", 4),
            ("assert: rouge-n", 4),
            ("tests", 4),
        ]
        sound(contents)

    def test_every_kind_of_file_of_tests_is_read(self) -> None:
        files = {
            "a.yaml": "- vars: {q: yaml}\n",
            "b.json": '[{"vars": {"q": "json"}}]',
            "c.jsonl": '{"vars": {"q": "jsonl"}}\n\n',
            "d.csv": "q;x\nc\u2028sv;1\n",
            "v.yaml": "q: vars\n",
            "q.txt": "text\n",
        }
        tests = "[file://a.yaml, b.json, 'file://c.jsonl', d.csv, {vars: file://v.yaml}, {vars: {q: file://q.txt}}]"
        contents = read(f"prompts: ['{{{{q}}}}']\ntests: {tests}\n", files)
        assert [case["inputs"]["q"] for case in only_dataset(contents)["cases"]] == [
            "yaml", "json", "jsonl", "c\u2028sv", "vars", "text",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "entry",
        ["file://gen.py:make", "https://docs.google.com/spreadsheets/d/x", "huggingface://datasets/x", "t.xlsx#2",
         "{path: file://gen.js, config: {}}", "{vars: {q: file://v.js}}", "{vars: {q: file://cat.png}}"],
    )  # fmt: skip
    def test_tests_from_code_the_net_and_spreadsheets_are_dropped_by_name(self, entry: str) -> None:
        contents = read(f"prompts: ['{{{{q}}}}']\ntests:\n  - {entry}\n  - vars: {{q: a}}\n")
        assert any(part.startswith(("tests", "vars")) and line == 3 for part, _, line in said(contents))
        assert len(only_dataset(contents)["cases"]) == 1

    def test_a_broken_line_or_table_is_refused_with_its_line(self) -> None:
        for name, text in (("t.jsonl", '{"vars": {}}\n{x\n'), ("t.csv", 'q\n"open\n')):
            with pytest.raises(InvalidFiles) as raised:
                read(f"prompts: [a]\ntests: [{name}]\n", {name: text})
            assert str(raised.value.problems[0].place) == f"{name}:2"


def test_many_tests_are_lines_of_a_file_that_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "promptctl.yaml").touch()
    (tmp_path / PATH).write_text("prompts: ['{{q}}']\nproviders: [echo]\ntests: t.csv\n")
    (tmp_path / "t.csv").write_text("q,__expected\n" + "".join(f"q{n},contains:q{n}\n" for n in range(300)))
    with open_workspace(tmp_path, {}) as workspace:
        report = workspace.exchange.import_files(ImportRequest(paths=[tmp_path / PATH]))
        assert report.refused == ()
        assert [change.path for change in report.proposal.changes] == [
            "datasets/prompt.jsonl",
            "datasets/prompt.yaml",
            "prompts/prompt.prompt.yaml",
        ]
        report.proposal.write(tmp_path)
        (evaluation,) = workspace.evaluate(EvaluationRequest(refs=("prompt",)))
    assert evaluation.totals.passed == 300


def test_scenarios_are_every_config_by_every_test() -> None:
    contents = read("""\
prompts: ['{{q}} {{l}}']
scenarios:
  - config: [{vars: {l: de}, assert: [{type: contains, value: a}]}, {vars: {l: fr}}]
    tests: [{vars: {q: one}}, {vars: {q: two, l: own}, assert: [{type: is-json}]}]
""")
    cases = only_dataset(contents)["cases"]
    assert [(case["inputs"], len(case.get("assert", ()))) for case in cases] == [
        ({"l": "de", "q": "one"}, 1),
        ({"l": "own", "q": "two"}, 2),
        ({"l": "fr", "q": "one"}, 1),
        ({"l": "own", "q": "two"}, 1),
    ]


def test_values_are_data_after_the_import() -> None:
    contents = read("""\
prompts: ['{{q}}']
tests:
  - vars: {name: Ada, q: 'Hello {{name}}, {{ other }}', n: {a: [1]}}
""")
    (case,) = only_dataset(contents)["cases"]
    assert case["assert"] == [{"type": "regex", "value": r"\S"}], "promptfoo passes a test that asserts nothing"
    assert case["inputs"] == {"q": "Hello Ada, {{ other }}"}
    assert "is kept as text: a value is never a template here" in [
        message for _, message, _ in said(contents, "changed")
    ]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("scenarios: [{{config: [{many}], tests: [{many}]}}]\nprompts: [a]\n", "the scenario makes 250,000 tests"),
        ("prompts: [{prompts}]\ntests: [{many}]\n", "its prompts use different variables, so that it makes"),
    ],
)
def test_tests_cannot_multiply_without_end(config: str, message: str) -> None:
    many = ", ".join(f"{{vars: {{a{n}: b}}}}" for n in range(500))
    prompts = ", ".join(f'"{{{{a{n}}}}}"' for n in range(500))
    with pytest.raises(InvalidFiles, match=message):
        read(config.format(many=many, prompts=prompts))


def test_values_cannot_grow_without_end() -> None:
    text = "prompts: ['{{a}}']\ntests: [{vars: {a: '" + "{{b}}" * 2000 + "', b: '" + "{{c}}" * 2000 + "', c: cc}}]\n"
    contents = read(text)
    assert any("grows without end" in message for _, message, _ in said(contents))


@pytest.mark.parametrize(
    "key", ["nunjucksFilters: {a: ./a.js}", "extensions: [file://x.js]", "env: {A: b}", "redteam: {a: b}", "frobs: 1"]
)
def test_other_keys_are_dropped_by_name(key: str) -> None:
    contents = read(f"prompts: [a]\nproviders: [echo]\n{key}\n")
    assert [(part, line) for part, _, line in said(contents)] == [(key.partition(":")[0], 3)]


@pytest.mark.parametrize(
    ("path", "text", "is_one"),
    [
        (PATH, "prompts: [a]\nproviders: [b]\n", True),
        ("x.json", '{"prompts": "a", "tests": []}', True),
        (PATH, "providers: [b]\ntests: [{vars: {}}]\n", True),
        ("x.yaml", "prompts: [triage]\ncases: []\n", False),
        ("x.yaml", "prompts: [triage]\n", False),
        ("x.yaml", "- prompts\n", False),
        ("x.yaml", "prompts: [\n", False),
        (PATH, "prompts: [\n", True),
        ("x.txt", "prompts: [a]\nproviders: [b]\n", False),
    ],
)
def test_a_config_is_told_from_its_content(path: str, text: str, is_one: bool) -> None:
    assert reading.is_one(source(path, text)) is is_one


@pytest.mark.parametrize(
    ("path", "pattern", "matches"),
    [
        ("a/b.txt", "a/*.txt", True),
        ("a/b/c.txt", "a/*.txt", False),
        ("a/b/c.txt", "a/**/*.txt", True),
        ("a/c.txt", "a/**/c.txt", True),
        ("a/b/c", "**", True),
        ("a/b", "a/**/b/**", True),
        ("ab/c", "a?/[cd]", True),
        ("a" * 200, "*a" * 60 + "b", False),
    ],
)
def test_wildcards_name_files(path: str, pattern: str, matches: bool) -> None:
    assert is_match(path, pattern) is matches


def test_what_is_imported_renders_and_grades_as_promptfoo_did() -> None:
    """The rendered text and the verdicts were seen with promptfoo 0.123.1 on the provider `echo`."""
    contents = read("""\
prompts:
  - |-
    {% if tone === "kind" %}Dear {{ name | upper }}{% else %}{{ name }}{% endif %}: {{ extra | dump }}
providers: [echo]
tests:
  - vars: {tone: kind, name: Ada, extra: {a: 1}}
    options: {disableVarExpansion: true}
    assert:
      - {type: equals, value: 'Dear ADA: {"a":1}'}
      - {type: icontains, value: dear}
      - {type: not-contains, value: ada}
      - {type: regex, value: 'D..r'}
      - {type: contains-all, value: [Dear, ADA]}
""")
    tree = sound(contents)
    prompt = load_prompt(tree, "prompt")
    dataset = Dataset.open(tree, "datasets/prompt.yaml")
    (case,) = dataset.cases(prompt)
    reply = Renderer(prompt).render(case.inputs).messages[0]["content"]
    assert reply == 'Dear ADA: {"a": 1}', "JSON is written with blanks here"
    graded = [asyncio.run(grade(each, Subject(reply.replace(": 1", ":1"), case.inputs))) for each in case.assertions]
    assert [each.outcome.passed for each in graded] == [True] * 5


class TestExport:
    NATIVE = """\
name: Support triage
description: Classify tickets.
tags: [a]
model: openai/gpt-4o-mini
parameters: {temperature: 0, top_k: 4}
inputs:
  ticket: {type: string}
  tone: {type: string, default: kind}
  items: {type: array, default: []}
messages:
  - role: system
    content: |
      Be {{ tone | upper }}. {% include "./x.j2" %}
  - placeholder: items
  - role: user
    content: |
      {% for k, v in items.items() %}{{ v | tojson }}{% endfor %}{{ items }}{{ tone | unique }}{% if items %}{% endif %}
output: {schema: {type: object}, name: v, retries: 1}
tools: [{type: function, function: {name: f}}]
"""
    DATASET = """\
prompts: [support/triage]
min_pass: 0.5
defaults:
  inputs: {tone: formal}
  threshold: 0.9
  metadata: {of: all}
  assert: [{type: icontains, value: "{{ expected.label }}"}, {type: python, value: "c.py:f"}]
cases:
  - {id: a, inputs: {items: [x]}, expected: {label: b}, tags: [t], xfail: no,
     assert: [{type: equals, path: $.a, value: 1}, {type: is-json}]}
  - {id: b, description: Words, matrix: {ticket: [x, y]}, expected: {label: c}, output: '{}'}
  - {id: c, inputs: {ticket: z}, matrix: {items: [[p], [q, r]]}, expected: {label: d}, threshold: 0.5}
"""

    def written(self, native: str = NATIVE, dataset: str = DATASET) -> tuple[Any, Any, list[str]]:
        files = {"prompts/support/triage.prompt.yaml": native, "prompts/support/x.j2": "Partial {{ tone }}."}
        found = writing.write([to_write("support/triage", {**files, "datasets/triage.yaml": dataset})])
        folder = "support/triage"
        assert set(found.files) == {f"{folder}/prompt.json", f"{folder}/promptfooconfig.yaml"}
        config = read_yaml(found.files[f"{folder}/promptfooconfig.yaml"], "promptfooconfig.yaml").data
        return json.loads(found.files[f"{folder}/prompt.json"]), config, [str(loss) for loss in found.losses]

    def test_what_can_be_said_is_said(self) -> None:
        messages, config, _ = self.written()
        assert messages[0] == {"role": "system", "content": "Be {{ tone | upper }}. Partial {{ tone }}.\n"}
        assert messages[1]["content"].startswith("{% for k, v in items %}{{ v | dump }}{% endfor %}")
        (provider,) = config["providers"]
        assert provider["id"] == "openai:chat:gpt-4o-mini"
        assert provider["config"]["passthrough"] == {"top_k": 4}
        assert provider["config"]["response_format"]["json_schema"]["name"] == "v"
        first, second, third, fourth = config["tests"]
        assert first["vars"] == {"items": ["x"], "expected": {"label": "b"}}
        assert first["options"] == {"disableVarExpansion": True}
        assert first["assert"][0]["transform"].endswith(".a")
        assert first["assert"][1] == {"type": "is-json"}
        assert second["vars"]["ticket"] == ["x", "y"]
        assert (second["metadata"], second["providerOutput"]) == ({"id": "b"}, "{}")
        assert [each["vars"]["items"] for each in (third, fourth)] == [["p"], ["q", "r"]]
        assert fourth["threshold"] == 0.5
        default = config["defaultTest"]
        assert (default["vars"], default["threshold"]) == ({"tone": "formal", "items": []}, 0.9)
        assert (first["metadata"], default["metadata"]) == ({"tags": ["t"]}, {"of": "all"})

    def test_a_value_that_promptfoo_would_fill_in_is_a_loss(self) -> None:
        case = '{id: a, inputs: {ticket: "{{ tone }}"}, assert: [{type: contains, value: x}]}'
        _, _, losses = self.written(dataset=f"prompts: [support/triage]\ncases:\n  - {case}\n  - {case}\n")
        words = "`cases.inputs.ticket` has braces in a value, which is text here: promptfoo fills them in"
        assert [loss for loss in losses if "braces" in loss] == [f"datasets/triage.yaml:3:5: {words}"]

    def test_a_condition_on_what_is_looped_over_is_a_loss_whatever_is_declared(self) -> None:
        text = "{% if found %}{% for x in found %}{{ x }}{% endfor %}{% endif %}"
        native = f"inputs: {{found: {{}}}}\nmessages: [{{role: user, content: '{text}'}}]\n"
        _, _, losses = self.written(native, "prompts: [support/triage]\ncases: [{id: a, inputs: {found: []}}]\n")
        assert any("asks if `found` is true" in loss for loss in losses)

    def test_every_other_part_is_a_loss_with_its_place(self) -> None:
        lost = [loss.partition(": `")[2] for loss in self.written()[2]]
        assert [each.partition("`")[0] for each in lost] == [
            "messages.0.content",
            "messages.1",
            "messages.2.content",
            "messages.2.content",
            "messages.2.content",
            "name",
            "output.retries",
            "tags",
            "inputs.ticket.type",
            "inputs.tone.type",
            "inputs.items.type",
            "min_pass",
            "cases.xfail",
            "assert (python)",
            "cases.matrix",
        ]

    def test_an_unknown_model_goes_through_a_proxy_and_none_is_said(self) -> None:
        plain = "messages: [{role: user, content: hi}]\n"
        _, config, losses = self.written(
            f"model: own/x\n{plain}", "prompts: [support/triage]\ncases: [{id: a, expected: b}]\n"
        )
        assert config["providers"] == ["litellm:own/x"]
        assert len(losses) == 1
        _, config, losses = self.written(plain, "prompts: [support/triage]\ncases: [{id: a, expected: b}]\n")
        assert config["providers"] == ["echo"]
        assert config["tests"][0]["assert"] == [{"type": "equals", "value": "{{ expected }}"}]


NAMES = st.sampled_from(["a", "b", "long_name"])
PIECES = st.one_of(
    NAMES.map("{{{{ {} }}}}".format),
    NAMES.map("{{{{ {} | upper }}}}".format),
    NAMES.map("{{% if {} == 'x' %}}yes{{% else %}}no{{% endif %}}".format),
    st.sampled_from(
        ["text ", '"quoted" ', "{x} ", "\n", "[1] ", "- role: user", "---\n", "{% raw %}{{ x }}{% endraw %}"]
    ),
)
SAYINGS = st.text('ab "{}', max_size=4).map(lambda text: f"{text}.")
VALUES = st.one_of(SAYINGS, st.integers(0, 5), st.just([1, 2]), st.just(["x", "y"]))
CHECKS = st.sampled_from(
    [
        {"type": "icontains", "value": "{{ a }}"},
        {"type": "not-regex", "value": "zzz", "weight": 2},
        {"type": "is-json", "value": {"type": "object"}},
        {"type": "equals", "value": 1, "path": "$.x[0].y"},
        {"type": "llm-rubric", "value": "Kind.", "model": "openai/gpt-4o", "threshold": 0.5},
        {
            "type": "assert-set",
            "threshold": 0.5,
            "assert": [{"type": "contains-any", "value": ["x", "y"], "metric": "m"}],
        },
        {"type": "latency", "threshold": 100},
    ]
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from(["system", "user"]), st.lists(PIECES, min_size=1, max_size=5)), min_size=1, max_size=3
    ),
    st.sampled_from(["openai/gpt-4o", "anthropic/claude-sonnet-4-5", "echo/echo", "bedrock/x:y"]),
    st.lists(st.tuples(VALUES, st.lists(CHECKS, min_size=1, max_size=3)), min_size=1, max_size=3),
    st.lists(CHECKS, max_size=2),
)
def test_what_promptfoo_can_say_comes_back(
    messages: list[tuple[str, list[str]]], model: str, cases: list[tuple[Any, list[Any]]], common: list[Any]
) -> None:
    texts = [{"role": role, "content": "".join(parts)} for role, parts in messages]
    names: dict[str, Any] = {
        name: {} for name in sorted({found for each in texts for found in variables(each["content"])})
    }
    given_inputs = dict.fromkeys({*names} - {"a"}, "value")
    prompt: dict[str, Any] = {"model": model, "parameters": {"temperature": 0}, "messages": texts}
    prompt |= {"inputs": {**names, "a": {}}}
    rows = [
        {"id": f"case-{n}", "inputs": {**given_inputs, "a": value}, "assert": checks, "tags": ["t"], "threshold": 0.5}
        for n, (value, checks) in enumerate(cases)
    ]
    texts[-1]["content"] += "{{ a }}"
    dataset = {"prompts": ["p"], **({"defaults": {"assert": common}} if common else {}), "cases": rows}
    files = {"prompts/p.prompt.yaml": yaml_text(prompt), "datasets/p.yaml": yaml_text(dataset)}
    found = writing.write([to_write("p", files)])
    are_filled_in = any("{{" in value for value, _ in cases if isinstance(value, str))
    assert [loss.part for loss in found.losses] == ["cases.inputs.a"] * are_filled_in
    tree = {path.removeprefix("p/"): data for path, data in found.files.items()}
    contents = reading.read(source(PATH, tree))
    again = dict(only_prompt(contents))
    again["inputs"] = dict(sorted(again["inputs"].items()))
    assert again == {**prompt, "inputs": dict(sorted(prompt["inputs"].items()))}
    expected = {key: value for key, value in dataset.items() if key != "prompts"}
    assert {key: value for key, value in only_dataset(contents).items() if key != "prompts"} == expected


ANY_KEYS = st.one_of(
    st.sampled_from(["prompts", "providers", "tests", "defaultTest", "scenarios", "vars", "assert", "options", "id"]),
    st.sampled_from(["label", "raw", "config", "type", "value", "threshold", "metadata", "description", "transform"]),
    st.sampled_from(["provider", "$ref", "path"]),
)
ANY_TEXTS = st.one_of(
    st.sampled_from(["a", "{{a}}", "{{a", "file://x.yaml", "file://*", "file://x.csv", "equals", "output", "openai:x"]),
    st.sampled_from(["echo", "python", "assert-set", "tests", "[{", "- role: x"]),
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-1, 2), ANY_TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(ANY_KEYS, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.dictionaries(ANY_KEYS, ANYTHING, max_size=6), ANYTHING)
def test_anything_that_looks_like_a_config_is_read_or_refused(config: dict[str, Any], beside: Any) -> None:
    files = {PATH: json.dumps({"prompts": ["hi {{a}}"], **config}), "x.yaml": json.dumps(beside), "x.csv": 'a,"b\n'}
    with suppress(InvalidFiles):
        contents = reading.read(source(PATH, files))
        assert all(note.place for note in contents.notes)


def test_a_model_judges_only_what_it_can() -> None:
    contents = read("""\
prompts: ["{{q}}"]
providers: [openai:gpt-4o]
defaultTest: {options: {provider: openai:chat:gpt-4o-mini}}
tests:
  - vars: {q: a}
    assert:
      - {type: similar, value: x}
      - {type: llm-rubric, value: x}
      - {type: similar, value: x, provider: openai:embedding:text-embedding-3-small}
      - {type: similar, value: x, provider: {id: openai:gpt-4o}}
  - vars: {q: b}
    options: {provider: openai:embeddings:text-embedding-3-large}
    assert:
      - {type: similar, value: y}
      - {type: llm-rubric, value: y}
""")
    assert [each.get("model") for each in assertions(contents)] == [
        None,
        "openai/gpt-4o-mini",
        "openai/text-embedding-3-small",
        None,
        "openai/text-embedding-3-large",
        "openai/gpt-4o-mini",
    ]
    assert [(part, line) for part, _, line in said(contents)] == [("assert: similar.provider", 10)]
