"""OpenAI's files: evals and their samples, conversations, requests alone and in batches."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptctl.assertions.assertion import Subject, grade
from promptctl.datasets.dataset import Dataset
from promptctl.errors import InvalidFiles
from promptctl.exchange.drafts import ForeignContents
from promptctl.exchange.openai import chat, evals, requests
from promptctl.exchange.openai.conversations import late_instruction
from promptctl.files.tree import MemoryTree
from promptctl.files.yaml_writing import yaml_text
from promptctl.prompts.loading import load_prompt
from promptctl.prompts.rendering import Renderer
from tests.exchange.drafted import files_of, only_dataset, only_prompt, source, to_write


def lines(*rows: Mapping[str, Any]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


def asked(contents: ForeignContents) -> list[list[dict[str, Any]]]:
    """The messages of each case, rendered; everything that is imported is sound."""
    tree = MemoryTree(files_of(contents))
    found = []
    for draft in contents.datasets:
        dataset = Dataset.open(tree, f"datasets/{draft.wish}.yaml")
        prompt = load_prompt(tree, dataset.header.prompts[0])
        problems = dataset.check(prompt)
        assert [str(each) for each in problems if each.severity == "error"] == []
        found += [list(Renderer(prompt).render(case.inputs).messages) for case in dataset.cases(prompt)]
    return found


def parts(contents: ForeignContents, fate: str) -> list[tuple[str, int | None]]:
    return [(note.part, note.place.line if note.place else None) for note in contents.notes if note.fate == fate]


class TestConversations:
    def read(self, *rows: Mapping[str, Any]) -> ForeignContents:
        return chat.read(source("talks.jsonl", lines(*rows)))

    def test_a_common_beginning_and_a_question_are_a_prompt_with_one_input(self) -> None:
        rows = [
            {"messages": [system("Be {{kind}}."), user(question), {"role": "assistant", "content": answer}]}
            for question, answer in (("{{q}}", "x"), ("r", "y"))
        ]
        contents = self.read(*rows)
        assert only_prompt(contents) == {
            "inputs": {"input": {"type": "string"}},
            "messages": [system("{% raw %}Be {{kind}}.{% endraw %}"), user("{{ input }}")],
        }
        assert only_dataset(contents)["cases"] == [
            {"id": "line-1", "expected": "x", "inputs": {"input": "{{q}}"}},
            {"id": "line-2", "expected": "y", "inputs": {"input": "r"}},
        ]
        assert asked(contents) == [row["messages"][:2] for row in rows]

    def test_conversations_that_differ_more_are_given_whole(self) -> None:
        rows = [
            {"messages": [system("Be kind."), user("a"), {"role": "assistant", "content": "b"}, user("c")]},
            {"messages": [system("Be kind."), user("d")]},
        ]
        contents = self.read(*rows)
        assert only_prompt(contents)["messages"] == [system("Be kind."), {"placeholder": "conversation"}]
        assert asked(contents) == [row["messages"] for row in rows]
        checks = [case["assert"] for case in only_dataset(contents)["cases"]]
        assert checks == [[{"type": "regex", "value": r"\S"}]] * 2

    def test_instructions_that_differ_are_an_input_and_never_messages_of_one(self) -> None:
        rows = [
            {"messages": [system("a"), user("x")]},
            {"messages": [system("b"), user("x")]},
            {"messages": [user("x")]},
            {"messages": [user("x"), system("late"), user("y")]},
        ]
        contents = self.read(*rows)
        assert [draft.data["messages"] for draft in contents.prompts] == [
            [system("{{ system }}"), user("x")],
            [user("x")],
        ]
        assert asked(contents) == [row["messages"] for row in rows[:3]]
        assert parts(contents, "dropped") == [("messages", 4)]

    def test_one_conversation_is_a_prompt_that_nothing_is_filled_into(self) -> None:
        contents = self.read({"messages": [user("{{ x }}")]})
        assert only_prompt(contents) == {"template": "none", "messages": [user("{{ x }}")]}
        assert asked(contents) == [[user("{{ x }}")]]

    def test_a_batch_keeps_its_ids_model_and_parameters(self) -> None:
        body = {"model": "gpt-4o", "temperature": 0, "n": 1, "frobs": 2, "response_format": {"type": "json_object"}}
        post = {"method": "POST", "url": "/v1/chat/completions"}
        contents = self.read(
            {"custom_id": "a", **post, "body": {**body, "messages": [user("x")]}},
            {"custom_id": "b", **post, "body": {**body, "messages": [user("y")], "seed": 1}},
        )
        data = only_prompt(contents)
        assert (data["model"], data["parameters"]) == ("openai/gpt-4o", {"temperature": 0})
        assert data["response_format"] == {"type": "json_object"}
        assert [case["id"] for case in only_dataset(contents)["cases"]] == ["a", "b"]
        assert parts(contents, "dropped") == [("n", 1), ("frobs", 1)]
        assert ("requests", 2) in parts(contents, "changed")

    def test_samples_alone_say_that_their_class_is_missing(self) -> None:
        contents = self.read({"input": "2+2?", "ideal": "4"}, {"input": [user("3+3?")], "ideal": ["6", "six"]})
        first, second = only_dataset(contents)["cases"]
        assert (first["expected"], second["assert"]) == ("4", [{"type": "contains-any", "value": ["6", "six"]}])
        assert ("ideal", 1) in parts(contents, "changed")

    @pytest.mark.parametrize(
        ("line", "why"),
        [
            ("{", "the line is not a JSON object"),
            ("[]", "the line is not a JSON object"),
            ('{"messages": [], "messages": []}', "the key `messages` is there twice"),
            ('{"messages": [{"role": "user", "content": "\\ud800"}]}', "a text has half a character"),
            ('{"temperature": NaN}', "NaN is no number of JSON"),
            ('{"temperature": 1e999}', "the number 1e999 is too large to be read"),
            (f'{{"temperature": 1{"0" * 400}.5}}', f"the number 1{'0' * 18}… is too large to be read"),
            ('{"messages": []}', "there is no list of messages"),
            ('{"messages": [{"role": "robot", "content": "x"}]}', "has the role `robot`"),
            ('{"messages": [{"role": "user"}]}', "message 1 has no content"),
        ],
    )
    def test_a_line_that_is_no_conversation_is_refused_with_its_place(self, line: str, why: str) -> None:
        with pytest.raises(InvalidFiles) as raised:
            chat.read(source("talks.jsonl", lines({"messages": [user("a")]}) + line + "\n"))
        (problem,) = raised.value.problems
        assert why in problem.message
        assert str(problem.place) == "talks.jsonl:2"

    def test_one_request_is_a_prompt(self) -> None:
        body = {"model": "gpt-4o", "messages": [system("{x}"), user("hi")], "max_tokens": 5, "stream": True}
        form = {"type": "json_schema", "json_schema": {"name": "v", "strict": True, "schema": {"type": "object"}}}
        contents = chat.read(source("body.json", json.dumps({**body, "response_format": form})))
        assert only_prompt(contents) == {
            "model": "openai/gpt-4o",
            "parameters": {"max_tokens": 5},
            "output": {"schema": {"type": "object"}, "name": "v", "strict": True},
            "template": "none",
            "messages": [system("{x}"), user("hi")],
        }
        assert parts(contents, "dropped") == [("stream", 1)]

    @pytest.mark.parametrize(
        ("path", "text", "is_one"),
        [
            ("a.jsonl", '\n{"messages": [{"role": "user", "content": "x"}]}\n', True),
            ("a.jsonl", '{"custom_id": "a", "body": {"messages": []}}\n', True),
            ("a.jsonl", '{"input": "a", "ideal": "b"}\n', True),
            ("a.jsonl", '{"vars": {}}\n', False),
            ("a.jsonl", "", False),
            ("a.json", '{"model": "m", "messages": [{"role": "user", "content": "x"}]}', True),
            ("a.json", '{"messages": [{"role": "user", "content": "x"}]}', False),
            ("a.yaml", '{"model": "m", "messages": [{"role": "user", "content": "x"}]}', False),
        ],
    )
    def test_a_file_is_told_from_its_content(self, path: str, text: str, is_one: bool) -> None:
        assert chat.is_one(source(path, text)) is is_one


MESSAGES = st.lists(
    st.tuples(st.sampled_from(["system", "user", "assistant"]), st.sampled_from(["a", "{{ b }}", "{% c", "d\n"])).map(
        lambda pair: {"role": pair[0], "content": pair[1]}
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(MESSAGES, min_size=1, max_size=4))
def test_whatever_the_conversations_each_case_asks_its_own(conversations: list[list[dict[str, Any]]]) -> None:
    without_answer = [
        each[:-1] if each[-1]["role"] == "assistant" and len(each) > 1 else each for each in conversations
    ]
    file = source("talks.jsonl", lines(*({"messages": each} for each in conversations)))
    if all(map(late_instruction, without_answer)):
        with pytest.raises(InvalidFiles):
            chat.read(file)
        return
    contents = chat.read(file)
    sound = [each for each in without_answer if not late_instruction(each)]
    assert sorted(map(str, asked(contents))) == sorted(map(str, sound))


class TestEvals:
    REGISTRY = """\
arithmetic:
  id: arithmetic.dev.v0
  description: Sums.
  metrics: [accuracy]
arithmetic.dev.v0:
  class: evals.elsuite.basic.match:Match
  args:
    samples_jsonl: arithmetic/samples.jsonl
"""
    SAMPLES = lines(
        {"input": [system("Answer."), user("2+2?")], "ideal": "4"},
        {"input": [system("Answer."), user("3+3?")], "ideal": ["6", "six."]},
    )

    def read(self, registry: str = REGISTRY, samples: str = SAMPLES, at: str = "data/arithmetic/samples.jsonl") -> Any:
        return evals.read(source("evals/arithmetic.yaml", {"evals/arithmetic.yaml": registry, at: samples}))

    def test_an_eval_is_a_prompt_and_a_dataset(self) -> None:
        contents = self.read()
        (draft,) = contents.prompts
        assert draft.wish == "arithmetic"
        assert draft.data == {
            "description": "Sums.",
            "inputs": {"input": {"type": "string"}},
            "messages": [system("Answer."), user("{{ input }}")],
        }
        assert [case["assert"] for case in only_dataset(contents)["cases"]] == [
            [{"type": "starts-with", "value": "4"}],
            [{"type": "regex", "value": r"\A\s*(?:6|six\.)"}],
        ]
        assert asked(contents) == [[system("Answer."), user("2+2?")], [system("Answer."), user("3+3?")]]
        assert parts(contents, "kept") == [("arithmetic.dev.v0: description", 5), ("arithmetic", 1)]

    @pytest.mark.parametrize(
        ("class_", "args", "ideal", "good", "bad"),
        [
            ("basic.match:Match", "", "4", "4, of course", "It is 4"),
            ("basic.match:Match", "", ["a", "b."], "b. Yes", "bc"),
            ("basic.includes:Includes", "", "4", "It is 4", "five"),
            ("basic.includes:Includes", "ignore_case: true", ["YES", "ok"], "oh yes", "no"),
            ("basic.fuzzy_match:FuzzyMatch", "", "Paris", "it is paris.", "Rome"),
            ("basic.json_match:JsonMatch", "", '{"a": 1}', '{"a": 1.0}', '{"a": 2}'),
            ("basic.json_match:JsonMatch", "", ['{"a": 1}', "[2]", "3"], "[2]", "[3]"),
            ("basic.json_validator:JsonValidator", "", None, "{}", "x"),
            ("basic.includes:Includes", "", "{{x}}", "say {{x}}", "x"),
        ],
    )
    def test_a_class_grades_as_it_did(self, class_: str, args: str, ideal: Any, good: str, bad: str) -> None:
        registry = self.REGISTRY.replace("basic.match:Match", class_) + (f"    {args}\n" if args else "")
        contents = self.read(registry, lines({"input": "q", **({"ideal": ideal} if ideal is not None else {})}))
        tree = MemoryTree(files_of(contents))
        (case,) = Dataset.open(tree, "datasets/arithmetic.yaml").cases(load_prompt(tree, "arithmetic"))
        for reply, verdict in ((good, True), (bad, False)):
            graded = [asyncio.run(grade(each, Subject(reply, case.inputs))) for each in case.assertions]
            assert [each.outcome.passed for each in graded] == [verdict], reply

    def test_two_model_graded_specs_have_a_judge_here(self) -> None:
        rubric = {"type": "llm-rubric", "value": "It is 4."}
        for spec, made in (("fact", {"type": "factuality", "value": "4"}), ("closedqa", rubric)):
            registry = self.REGISTRY.replace("basic.match:Match", "modelgraded.classify:ModelBasedClassify")
            contents = self.read(
                f"{registry}    modelgraded_spec: {spec}\n",
                lines({"input": "q", "ideal": "4", **({"criteria": "It is 4."} if spec == "closedqa" else {})}),
            )
            assert only_dataset(contents)["cases"][0]["assert"] == [made]

    @pytest.mark.parametrize("class_", ["evals.elsuite.make_me_say.eval:MakeMeSay", "my_code.own:Eval"])
    def test_a_class_with_code_of_its_own_is_refused_by_name(self, class_: str) -> None:
        registry = self.REGISTRY.replace("evals.elsuite.basic.match:Match", class_)
        with pytest.raises(InvalidFiles, match=class_):
            self.read(registry)

    def test_samples_may_lie_beside_and_are_never_fetched(self) -> None:
        assert self.read(at="evals/data/arithmetic/samples.jsonl").prompts
        with pytest.raises(InvalidFiles, match="there is no file `arithmetic/samples") as raised:
            self.read(at="x")
        assert raised.value.problems[0].place is not None
        assert raised.value.problems[0].place.line == 8
        with pytest.raises(InvalidFiles, match="nothing is ever fetched"):
            self.read(self.REGISTRY.replace("arithmetic/samples", "https://example.com/samples"))
        with pytest.raises(InvalidFiles, match="not a JSON object"):
            self.read(samples="x\n")

    def test_a_registry_is_told_from_its_content(self) -> None:
        assert evals.is_one(source("a.yaml", self.REGISTRY))
        assert not evals.is_one(source("a.yaml", "class: a\nargs: b\n"))
        assert not evals.is_one(source("a.yaml", "a: {class: b}\n"))


class TestRequests:
    PROMPT = """\
name: Triage
model: openai/gpt-4o
parameters: {temperature: 0, extra_body: {own: 1}}
inputs:
  ticket: {type: string}
  tone: {default: kind}
messages:
  - {role: system, content: "Be {{ tone }}."}
  - {role: user, content: "{{ ticket }}"}
output: {schema: {type: object}, retries: 1}
"""
    DATASET = """\
prompts: [p]
defaults: {inputs: {tone: formal}}
cases:
  - {id: a, inputs: {ticket: x}, expected: y}
  - {id: b, matrix: {ticket: [z, w]}, assert: [{type: is-json}]}
"""

    def test_a_prompt_with_a_dataset_is_a_batch_of_rendered_requests(self) -> None:
        files = {"prompts/p.prompt.yaml": self.PROMPT, "datasets/p.yaml": self.DATASET}
        found = requests.write([to_write("p", files)])
        rows = [json.loads(line) for line in found.files["p.jsonl"].decode().splitlines()]
        assert [row["custom_id"] for row in rows] == ["a", "b[ticket=z]", "b[ticket=w]"]
        assert {(row["method"], row["url"]) for row in rows} == {("POST", "/v1/chat/completions")}
        assert rows[0]["body"] == {
            "model": "gpt-4o",
            "temperature": 0,
            "own": 1,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "output", "schema": {"type": "object"}, "strict": False},
            },
            "messages": [system("Be formal."), user("x")],
        }
        assert [loss.part for loss in found.losses] == [
            "name",
            "output.retries",
            "inputs.ticket.type",
            "cases.expected",
            "cases.assert",
        ]
        again = chat.read(source("p.jsonl", found.files["p.jsonl"].decode()))
        assert asked(again) == [row["body"]["messages"] for row in rows]

    def test_a_prompt_alone_is_one_body(self) -> None:
        plain = "model: own/x\nmessages: [{role: user, content: hi}]\n"
        found = requests.write([to_write("p", {"prompts/p.prompt.yaml": plain})])
        assert json.loads(found.files["p.json"]) == {"model": "own/x", "messages": [user("hi")]}
        assert [loss.part for loss in found.losses] == ["model"]
        found = requests.write([to_write("p", {"prompts/p.prompt.yaml": self.PROMPT})])
        assert json.loads(found.files["p.json"])["messages"][1] == user("{{ ticket }}")
        assert "inputs.ticket" in [loss.part for loss in found.losses]
        filled_in = self.PROMPT.replace("{type: string}", "{type: string, default: x}")
        found = requests.write([to_write("p", {"prompts/p.prompt.yaml": filled_in})])
        assert json.loads(found.files["p.json"])["messages"] == [system("Be kind."), user("x")]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(MESSAGES, st.fixed_dictionaries({}, optional={"temperature": st.just(0), "stop": st.just(["x"])}))
def test_a_request_comes_back_from_what_it_became(messages: list[dict[str, Any]], parameters: dict[str, Any]) -> None:
    prompt: dict[str, Any] = {"model": "openai/gpt-4o", **({"parameters": parameters} if parameters else {})}
    prompt |= {"template": "none", "messages": messages}
    found = requests.write([to_write("p", {"prompts/p.prompt.yaml": yaml_text(prompt)})])
    assert found.losses == ()
    assert only_prompt(chat.read(source("p.json", found.files["p.json"].decode()))) == prompt
