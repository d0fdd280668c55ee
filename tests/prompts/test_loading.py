from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from promptctl.errors import InvalidFiles, Place, Problem, PromptNotFound, WorkspaceError
from promptctl.files.sources import MAX_FILES
from promptctl.files.tree import MemoryTree
from promptctl.git.trees import WorkTree
from promptctl.prompts.loading import LoadedPrompts, closure_of, load_prompt, prompt_paths
from promptctl.prompts.prompt import MISSING, Input, Message, Output, Placeholder
from tests.cli.conftest import write
from tests.prompts.workspaces import TRIAGE, one, tree_with

INCLUDES = "messages: [{role: user, content: '{% include \"b.j2\" %}'}]\n"
HI = "messages: [{role: user, content: Hi}]\n"


def problems_of(tree: MemoryTree, prompt_id: str = "p") -> list[Problem]:
    with pytest.raises(InvalidFiles) as refused:
        load_prompt(tree, prompt_id)
    return list(refused.value.problems)


def told(tree: MemoryTree, prompt_id: str = "p") -> list[tuple[str, str]]:
    return [(str(problem.place).removeprefix("prompts/"), problem.message) for problem in problems_of(tree, prompt_id)]


def test_a_prompt_is_loaded_with_everything_it_declares() -> None:
    prompt = load_prompt(tree_with({}), "support/triage")
    path = "prompts/support/triage.prompt.yaml"
    assert (prompt.id, prompt.path, prompt.dialect, prompt.text) == ("support/triage", path, "native", TRIAGE)
    assert (prompt.name, prompt.description[:8], prompt.status) == ("Support triage", "Classify", "active")
    assert (prompt.formerly, prompt.tags, prompt.metadata["owner"]) == (("triage",), ("support",), "support")
    assert (prompt.model, prompt.parameters) == ("openai/gpt-4o-mini", {"temperature": 0, "max_tokens": 400})
    assert prompt.engine == "jinja2"
    assert prompt.messages == (
        Message(
            "system",
            'You triage tickets for {{ product }}. Be {{ tone | default("kind") }}.\n{% include "support/tone.j2" %}\n',
            Place(path, 17, 7),
        ),
        Placeholder("history", Place(path, 19, 18)),
        Message("user", "{{ ticket }}\n", Place(path, 22, 7)),
    )
    assert prompt.inputs == {
        "ticket": Input("ticket", {"type": "string", "description": "Raw ticket text"}, place=Place(path, 9, 3)),
        "product": Input("product", {"type": "string"}, "Acme", is_required=False, place=Place(path, 10, 3)),
        "tone": Input("tone", {"type": "string"}, MISSING, is_required=False, place=Place(path, 11, 3)),
        "history": Input("history", {"type": "array"}, [], is_required=False, place=Place(path, 12, 3)),
    }
    assert prompt.output.schema_path == "prompts/support/triage.schema.yaml"
    assert (prompt.output.retries, prompt.output.name, prompt.output.is_strict) == (2, "output", False)
    assert prompt.output.schema is not None
    assert list(prompt.output.schema) == ["title", "type", "additionalProperties", "required", "properties"]
    assert prompt.partials == {"support/tone.j2": "Never promise a refund.\n"}
    assert prompt.closure == (path, "prompts/support/tone.j2", "prompts/support/triage.schema.yaml")
    assert prompt.problems == ()


def test_what_is_not_declared_has_its_default() -> None:
    prompt = load_prompt(one(HI), "p")
    assert (prompt.name, prompt.description, prompt.model, prompt.status, prompt.engine) == (
        "p", "", None, "active", "jinja2",
    )  # fmt: skip
    assert prompt.output == Output()
    assert (prompt.inputs, prompt.tools, prompt.partials, prompt.response_format) == ({}, (), {}, None)


def test_a_github_prompt_runs_as_it_stands() -> None:
    text = "model: openai/x\nmodelParameters: {maxTokens: 5}\ntestData: [{a: 1, expected: b}]\nschemaRef: x\n"
    text += "messages:\n- role: user\n  content: |\n    Hi {{a}}\n"
    prompt = load_prompt(MemoryTree({"prompts/p.prompt.yml": text}), "p")
    assert (prompt.dialect, prompt.engine, prompt.parameters) == ("github", "simple", {"max_tokens": 5})
    assert prompt.messages == (Message("user", "Hi {{a}}\n", Place("prompts/p.prompt.yml", 8, 5)),)
    assert prompt.inputs["a"].is_required
    assert prompt.inline_dataset == {"testData": [{"a": 1, "expected": "b"}], "evaluators": []}
    assert [problem.severity for problem in prompt.problems] == ["warning"]


def test_messages_keep_the_protocols_further_keys_and_the_places_of_their_parts() -> None:
    prompt = load_prompt(
        one(
            "inputs: {shot: {type: string, required: false}}\n"
            "messages:\n"
            "- {role: assistant, tool_calls: [{id: a}], name: bot}\n"
            "- role: user\n"
            "  content:\n"
            "  - type: text\n"
            "    text: |\n"
            "      One\n"
            "      two\n"
            "  - {type: image_url, when: shot, image_url: {url: '{{ shot }}'}}\n"
            "- role: user\n"
            "  content: >\n"
            "    One\n"
            "    one\n"
            "\n"
            "    two\n"
        ),
        "p",
    )
    bot, parts, folded = prompt.messages
    assert isinstance(bot, Message)
    assert isinstance(parts, Message)
    assert isinstance(folded, Message)
    assert (bot.content, bot.extra) == ("", {"tool_calls": [{"id": "a"}], "name": "bot"})
    assert isinstance(parts.content, tuple)
    assert parts.content[1] == {"type": "image_url", "when": "shot", "image_url": {"url": "{{ shot }}"}}
    assert [str(parts.place_of(line, part)).rpartition("yaml:")[2] for line, part in [(2, 0), (1, 1)]] == ["9", "10:53"]
    assert [folded.place_of(line).line for line in (1, 2) if folded.place_of(line)] == [13, 16]  # type: ignore[union-attr]


class TestFindingAPrompt:
    def test_all_prompts_by_id(self) -> None:
        tree = MemoryTree(
            dict.fromkeys(
                ["prompts/b.prompt.yml", "prompts/a/x.prompt.yaml", "prompts/no name.prompt.yaml", "prompts/t.j2",
                 "prompts/t.schema.yaml", "datasets/d.prompt.yaml", "prompts/b.prompt.yaml"],
                "",
            )
        )  # fmt: skip
        assert prompt_paths(tree) == {"a/x": "prompts/a/x.prompt.yaml", "b": "prompts/b.prompt.yaml"}

    @pytest.mark.parametrize(
        ("asked", "hint"),
        [
            ("support/triag", "did you mean `support/triage`?"),
            ("triage", "did you mean `support/triage`?"),
            ("prompts/support/triage.prompt.yaml", "a prompt is named by its id: support/triage"),
            ("support/triage.prompt.yaml", "a prompt is named by its id: support/triage"),
            ("nothing like it", "promptctl list shows all prompts"),
            ("../x", "promptctl list shows all prompts"),
        ],
    )
    def test_a_prompt_that_is_not_there_names_the_nearest(self, asked: str, hint: str) -> None:
        with pytest.raises(PromptNotFound) as missing:
            load_prompt(tree_with({}), asked)
        assert missing.value.hint == hint

    def test_in_an_empty_workspace_the_first_step_is_named(self) -> None:
        with pytest.raises(PromptNotFound) as missing:
            load_prompt(MemoryTree({}), "a")
        assert missing.value.hint == "write one to prompts/<id>.prompt.yaml"

    def test_two_files_of_one_id_are_refused(self) -> None:
        tree = MemoryTree({"prompts/a.prompt.yaml": HI, "prompts/a.prompt.yml": HI})
        (problem,) = problems_of(tree, "a")
        assert problem.message == "prompts/a.prompt.yaml and prompts/a.prompt.yml are both the prompt `a`"


class TestPartials:
    def test_are_read_with_what_they_include(self) -> None:
        tree = tree_with({
            "prompts/support/tone.j2": 'A {% include "./deep/b.j2" %} {% include "shared.j2" %}',
            "prompts/support/deep/b.j2": "B {%- include 'shared.j2' -%}",
            "prompts/shared.j2": "C",
        })  # fmt: skip
        prompt = load_prompt(tree, "support/triage")
        assert list(prompt.partials) == ["shared.j2", "support/deep/b.j2", "support/tone.j2"]
        assert prompt.closure[:4] == (
            "prompts/support/triage.prompt.yaml", "prompts/support/tone.j2", "prompts/support/deep/b.j2",
            "prompts/shared.j2",
        )  # fmt: skip

    def test_in_parts_count_as_well(self) -> None:
        text = "messages: [{role: user, content: [{type: text, text: '{% include \"a.j2\" %}'}]}]"
        assert load_prompt(one(text, a_j2="A"), "p").partials == {"a.j2": "A"}

    def test_where_there_is_no_jinja_nothing_is_included(self) -> None:
        for engine in ("simple", "none"):
            text = f"template: {engine}\nmessages: [{{role: user, content: '{{% include \"a.j2\" %}}'}}]"
            assert load_prompt(one(text), "p").partials == {}

    @pytest.mark.parametrize(
        "text",
        [
            "{# {% include 'no.j2' %} #}", "{% raw %}{% include 'no.j2' %}{% endraw %}",
            "{{ \"{% include 'no.j2' %}\" }}",
            "{{ {'a': {'b': 1}} }}", "{% set x = \"{% include 'no.j2' %}\" %}", "{{ '}}' }}",
            "{% if '%}' %}{% endif %}",
        ],
    )  # fmt: skip
    def test_only_what_jinja_would_include_is_included(self, text: str) -> None:
        """What can be told without the parser agrees with it."""
        prompt = one("messages:\n- role: user\n  content: |\n    " + text + "{% include 'a.j2' %}\n", a_j2="A")
        assert load_prompt(prompt, "p").partials == {"a.j2": "A"}

    @pytest.mark.parametrize(
        ("content", "line", "said"),
        [
            ("x\n{% include 'b.j2' %}", 5, "there is no partial prompts/b.j2"),
            ("{% include '../b.j2' %}", 4, "`../b.j2` climbs with `..`"),
            ("{% include '/etc/passwd' %}", 4, "`/etc/passwd` is an absolute path"),
            ("x\n\n{% include name %}", 6, "literal"),
            ("{% include ['a.j2', 'b.j2'] %}", 4, "literal"),
            ("{% extends 'a.j2' %}", 4, "include"),
            ("{% import 'a.j2' as a %}", 4, "include"),
        ],
    )
    def test_what_cannot_be_included_is_told_at_its_line(self, content: str, line: int, said: str) -> None:
        block = content.replace("\n", "\n    ")
        ((at, message),) = told(one(f"messages:\n- role: user\n  content: |\n    {block}\n", a_j2="A"))
        assert at.split(":")[1] == str(line)
        assert said in message

    def test_a_missing_partial_names_the_nearest(self) -> None:
        text = "messages: [{role: user, content: '{% include \"support/ton.j2\" %}'}]"
        tree = tree_with({"prompts/p.prompt.yaml": text})
        (problem,) = problems_of(tree)
        assert (problem.code, problem.hint) == ("missing-partial", "did you mean `support/tone.j2`?")

    def test_in_a_partial_the_place_is_the_partials(self) -> None:
        tree = tree_with({"prompts/support/tone.j2": "one\n{% include 'b.j2' %}\n"})
        assert told(tree, "support/triage") == [("support/tone.j2:2", "there is no partial prompts/b.j2")]

    def test_circles_and_towers_are_refused(self) -> None:
        include = "messages: [{role: user, content: '{% include \"a.j2\" %}'}]"
        circle = one(include, a_j2="{% include 'b.j2' %}", b_j2="{% include 'a.j2' %}")
        assert told(circle) == [("b.j2:1", "prompts/a.j2 includes itself")]
        tower = {f"prompts/{n}.j2": f"{{% include '{n + 1}.j2' %}}" for n in range(20)}
        tree = MemoryTree({"prompts/p.prompt.yaml": include.replace("a.j2", "0.j2"), **tower})
        assert told(tree) == [("9.j2:1", "partials include each other more than 10 deep")]

    def test_no_prompt_pulls_in_the_whole_world(self) -> None:
        many = "".join(f"{{% include '{n}.j2' %}}" for n in range(MAX_FILES + 5))
        files = {f"prompts/{n}.j2": "x" for n in range(MAX_FILES + 5)}
        tree = MemoryTree({"prompts/p.prompt.yaml": f'messages: [{{role: user, content: "{many}"}}]', **files})
        assert {problem.code for problem in problems_of(tree)} == {"too-many-files"}

    def test_what_a_prompt_pulls_in_is_bounded_in_all(self) -> None:
        files = {f"prompts/{n}.j2": "x" * 1_000_000 for n in range(6)}
        many = "".join(f"{{% include '{n}.j2' %}}" for n in range(6))
        tree = MemoryTree({"prompts/p.prompt.yaml": f'messages: [{{role: user, content: "{many}"}}]', **files})
        assert len(load_prompt(tree, "p").closure) == 7, "a version that was one stays one, however large"
        inputs = {f"i{n}": {"$ref": "big.schema.yaml"} for n in range(1000)}
        prompt = json.dumps({"inputs": inputs, "messages": [{"role": "user", "content": "a"}]})
        big = json.dumps({"enum": ["x" * 100] * 9000})
        begun = time.process_time()
        tree = MemoryTree({"prompts/p.prompt.yaml": prompt, "prompts/big.schema.yaml": big})
        (found,) = problems_of(tree)
        assert found.message == "the prompt pulls in schemas of more than 4 MiB in all"
        assert time.process_time() - begun < 5

    def test_bytes_that_are_no_text_are_refused(self) -> None:
        tree = tree_with({"prompts/support/tone.j2": b"a\n\xff"})
        assert told(tree, "support/triage") == [("support/tone.j2:2:1", "byte 0xff is not valid UTF-8")]
        tree = tree_with({"prompts/support/tone.j2": b"a\n\0"})
        assert told(tree, "support/triage") == [("support/tone.j2:2", "the file holds a NUL character")]


class TestTools:
    TOOL = "type: function\nfunction: {name: lookup, parameters: {$ref: ./order.schema.yaml}}\n"

    def test_stand_in_the_prompt_or_in_files(self) -> None:
        text = "tools: [{$ref: tools/one.yaml}, {type: web_search}, {$ref: tools/more.yaml}]\n" + HI
        tree = MemoryTree({
            "prompts/p.prompt.yaml": text,
            "prompts/tools/one.yaml": self.TOOL,
            "prompts/tools/more.yaml": "[{type: function, function: {name: a}}, {type: function, function: {name: b}}]",
            "prompts/tools/order.schema.yaml": "type: object\n",
        })  # fmt: skip
        prompt = load_prompt(tree, "p")
        assert prompt.tools == (
            {"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}},
            {"type": "web_search"},
            {"type": "function", "function": {"name": "a"}},
            {"type": "function", "function": {"name": "b"}},
        )
        assert prompt.closure[1:] == (
            "prompts/tools/one.yaml", "prompts/tools/order.schema.yaml", "prompts/tools/more.yaml",
        )  # fmt: skip

    def test_in_files_are_checked_there(self) -> None:
        tree = one("tools: [{$ref: a.yaml}]\n" + HI, a_yaml="type: function\nfunction: {nam: x}\n")
        assert told(tree) == [("a.yaml:2:12", "unknown key `nam` in `function`")]

    def test_of_one_name_are_refused(self) -> None:
        tool = "{type: function, function: {name: f}}"
        assert told(one(f"tools: [{tool}, {tool}]\n{HI}")) == [("p.prompt.yaml:1:8", "two tools are named `f`")]

    def test_that_are_not_there_are_told_where_they_are_named(self) -> None:
        assert told(one("tools: [{$ref: a.yaml}]\n" + HI)) == [
            ("p.prompt.yaml:1:16", "there is no tool prompts/a.yaml")
        ]


class TestInputs:
    def test_a_list_under_required_is_the_schemas_own(self) -> None:
        text = "inputs: {order: {type: object, required: [id]}, tone: {type: string, required: false}}\n" + HI
        inputs = load_prompt(one(text), "p").inputs
        assert (inputs["order"].schema, inputs["order"].is_required) == ({"type": "object", "required": ["id"]}, True)
        assert (inputs["tone"].schema, inputs["tone"].is_required) == ({"type": "string"}, False)

    def test_null_is_a_default(self) -> None:
        declared = load_prompt(one("inputs: {x: {default: null}}\n" + HI), "p").inputs["x"]
        assert (declared.default, declared.is_required) == (None, False)

    def test_schemas_may_stand_in_files(self) -> None:
        tree = one("inputs: {x: {$ref: a.schema.yaml, default: 1}}\n" + HI, a_schema_yaml="type: integer\n")
        assert load_prompt(tree, "p").inputs["x"].schema == {"type": "integer"}

    @pytest.mark.parametrize("name", ["a-b", "a.b", "true", "loop", "not"])
    def test_names_that_jinja_cannot_say_are_refused(self, name: str) -> None:
        assert told(one(f"inputs: {{{name}: {{}}}}\n{HI}")) == [
            ("p.prompt.yaml:1:10", f"`{name}` cannot be the name of a Jinja variable")
        ]
        assert load_prompt(one(f"template: simple\ninputs: {{{name}: {{}}}}\n{HI}"), "p").inputs

    def test_placeholders_and_conditions_name_inputs(self) -> None:
        text = "messages:\n- placeholder: history\n- {role: user, content: [{type: text, text: Hi, when: shot}]}\n"
        found = problems_of(one(text))
        assert [(str(each.place), each.message, each.hint) for each in found] == [
            (
                "prompts/p.prompt.yaml:2:16",
                "`history` is not declared under `inputs`",
                "declare it: `inputs: {history: {type: array}}`",
            ),
            (
                "prompts/p.prompt.yaml:3:55",
                "`shot` is not declared under `inputs`",
                "declare it: `inputs: {shot: {type: string}}`",
            ),
        ]


def test_all_problems_of_all_files_are_told_at_once() -> None:
    tree = one(
        "inputs: {x: {$ref: no.schema.yaml}}\noutput: {schema: {$ref: a.schema.yaml}}\n"
        "tools: [{$ref: no.yaml}]\nmessages: [{role: user, content: '{% include \"no.j2\" %}'}, {placeholder: y}]\n",
        a_schema_yaml="a: 1\na: 2\n",
    )
    assert sorted(problem.code for problem in problems_of(tree)) == [
        "duplicate-key", "missing-partial", "missing-schema", "missing-tool", "undeclared",
    ]  # fmt: skip


def test_a_file_that_the_tree_refuses_is_told_where_it_is_named() -> None:
    class Linked(MemoryTree):
        def read(self, path: str, *, max_bytes: int = 0) -> bytes:
            if path.endswith(".j2"):
                raise WorkspaceError(f"{path} is reached through a symbolic link", hint="put the file itself there")
            return super().read(path)

    tree = Linked({"prompts/p.prompt.yaml": "messages: [{role: user, content: '{% include \"a.j2\" %}'}]"})
    (problem,) = problems_of(tree)
    assert (str(problem.place), problem.message, problem.hint) == (
        "prompts/p.prompt.yaml:1:35",
        "prompts/a.j2 is reached through a symbolic link",
        "put the file itself there",
    )


class TestClosures:
    def test_hold_what_the_index_of_versions_needs(self) -> None:
        closure = closure_of(tree_with({}), "prompts/support/triage.prompt.yaml")
        prompt = load_prompt(tree_with({}), "support/triage")
        assert (closure.digest, closure.paths, closure.formerly) == (prompt.digest, prompt.closure, ("triage",))

    def test_of_what_cannot_be_loaded_have_no_digest_and_the_paths_that_would_mend_it(self) -> None:
        tree = tree_with({"prompts/support/tone.j2": None})
        closure = closure_of(tree, "prompts/support/triage.prompt.yaml")
        assert closure.digest is None
        assert "prompts/support/tone.j2" in closure.paths
        assert closure_of(tree, "prompts/none.prompt.yaml").paths == ("prompts/none.prompt.yaml",)

    def test_are_the_same_with_a_cache_that_has_seen_other_moments(self) -> None:
        moments = [
            tree_with({}),
            tree_with({"prompts/support/tone.j2": "B"}),
            tree_with({"prompts/support/tone.j2": "{% include 'x.j2' %}"}),
            tree_with({"prompts/support/triage.schema.yaml": "a: &x"}),
            tree_with({"prompts/support/triage.prompt.yaml": TRIAGE + "name: twice\n"}),
            tree_with({"prompts/support/triage.prompt.yaml": TRIAGE.replace("Acme", "Globex")}),
            tree_with({}),
        ]
        path = "prompts/support/triage.prompt.yaml"
        cache: dict[tuple[str, str], tuple[bytes, object]] = {}
        for moment in moments:
            cached, fresh = closure_of(moment, path, cache=cache), closure_of(moment, path)
            assert (cached.digest, cached.paths, cached.formerly) == (fresh.digest, fresh.paths, fresh.formerly)


def test_a_prompt_is_loaded_again_once_one_of_its_files_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "prompts/a.prompt.yaml", INCLUDES)
    partial = write(tmp_path, "prompts/b.j2", "one")
    tree, loaded = WorkTree(tmp_path), LoadedPrompts()
    later = time.time_ns() + 10_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)
    first = loaded.load(tree, "prompts/a.prompt.yaml")
    assert loaded.load(tree, "prompts/a.prompt.yaml") is first
    before = partial.stat()
    partial.write_text("two")
    os.utime(partial, ns=(before.st_atime_ns, before.st_mtime_ns))
    for _ in range(2):
        assert loaded.load(tree, "prompts/a.prompt.yaml").digest != first.digest
    monkeypatch.undo()
    partial.write_text("six")
    loaded.load(tree, "prompts/a.prompt.yaml")
    assert loaded.kept(tree, "prompts/a.prompt.yaml") is None, "it may be written again within a tick of the clock"
    partial.unlink()
    with pytest.raises(InvalidFiles):
        loaded.load(tree, "prompts/a.prompt.yaml")
