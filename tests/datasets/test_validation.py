from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptctl.datasets.validation import validate_workspace
from promptctl.errors import InvalidFiles, Problem
from promptctl.files.tree import MAX_BYTES, MemoryTree
from promptctl.git.trees import WorkTree
from promptctl.prompts.checking import files_of
from promptctl.prompts.loading import closure_of, load_prompt, prompt_paths
from tests.prompts.workspaces import TRIAGE_SCHEMA, tree_with

HI = "messages: [{role: user, content: Hi}]\n"


def check(tree: MemoryTree | WorkTree, *paths: str) -> list[Problem]:
    return list(validate_workspace(tree, paths).problems)


def told(problems: list[Problem]) -> list[tuple[str, str, str]]:
    return [(str(each.place).removeprefix("prompts/"), each.code, each.message) for each in problems]


def test_a_sound_workspace_has_no_problems() -> None:
    tree = tree_with(
        {
            "promptctl.yaml": "model: a/b\n",
            "datasets/d.yaml": "prompts: [support/triage]\ncases: [{id: a, inputs: {ticket: x}, expected: x}]\n",
        }
    )
    assert check(tree) == []
    assert files_of(tree) == [
        "promptctl.yaml", "prompts/support/tone.j2", "prompts/support/triage.prompt.yaml",
        "prompts/support/triage.schema.yaml", "datasets/d.yaml",
    ]  # fmt: skip


def test_a_linked_folder_of_recordings_is_reported(tmp_path: Path) -> None:
    for folder in ("prompts", "datasets", "elsewhere"):
        (tmp_path / folder).mkdir()
    (tmp_path / "datasets/recordings").symlink_to(tmp_path / "elsewhere")
    (problem,) = validate_workspace(WorkTree(tmp_path)).problems
    assert (str(problem.place), problem.code) == ("datasets/recordings", "unreadable")


class TestDatasets:
    def against(self, text: str) -> list[tuple[str, str, str]]:
        problems = check(tree_with({"datasets/d.yaml": f"{text}prompts: [support/triage]\n"}), "datasets/d.yaml")
        found = [(at.removeprefix("datasets/"), code, message) for at, code, message in told(problems)]
        return [each for each in found if each[1] != "no-assertion"]

    def test_give_what_is_required_and_nothing_else(self) -> None:
        found = self.against(
            "defaults: {inputs: {produkt: x}}\ncases:\n- id: a\n  inputs: {ticket: x}\n"
            "- {id: b, inputs: {tone: kind}}\n- {id: c, matrix: {ticket: [x, y]}}\n"
        )
        assert found == [
            ("d.yaml:1:21", "extra-input", "`produkt`, given by the defaults, is no input of support/triage"),
            ("d.yaml:5:3", "missing-input", "case `b` does not give `ticket`, which support/triage requires"),
        ]

    def test_only_their_first_typos_get_a_suggestion(self) -> None:
        typos = ", ".join(f"ticket{letter}: x" for letter in "abcdefghijklmnopqrstuvwxyz")
        text = f"cases: [{{id: a, expected: x, inputs: {{ticket: x, {typos}}}}}]\nprompts: [support/triage]\n"
        hints = [each.hint for each in check(tree_with({"datasets/d.yaml": text}), "datasets/d.yaml")]
        assert hints[:20] == ["did you mean `ticket`?"] * 20
        assert set(hints[20:]) == {"remove it, or declare it in prompts/support/triage.prompt.yaml"}

    def test_may_give_it_in_the_defaults(self) -> None:
        assert self.against("defaults: {inputs: {ticket: x}}\ncases: [{id: a}]\n") == []
        assert self.against("defaults: {matrix: {ticket: [x]}}\ncases: [{id: a}]\n") == []

    def test_give_values_of_the_right_kind(self) -> None:
        found = self.against("cases: [{id: a, inputs: {ticket: [x]}}, {id: b, matrix: {ticket: [x, true]}}]\n")
        assert [(at, code) for at, code, _ in found] == [("d.yaml:1:26", "wrong-input"), ("d.yaml:1:58", "wrong-input")]

    def test_give_numbers_as_text_where_text_is_asked_for(self) -> None:
        assert self.against("cases: [{id: a, inputs: {ticket: 1.10}}, {id: b, matrix: {ticket: [1, 2]}}]\n") == []

    def test_are_checked_against_each_prompt_they_name(self) -> None:
        tree = tree_with({
            "prompts/other.prompt.yaml": "inputs: {x: {}}\nmessages: [{role: user, content: '{{ x }}'}]\n",
            "datasets/d.yaml": "prompts: [support/triage, other, suport/triage]\n"
            "cases: [{id: a, inputs: {ticket: x}, expected: x}]\n",
        })  # fmt: skip
        assert told(check(tree)) == [
            (
                "datasets/d.yaml:1:34",
                "missing-prompt",
                "the dataset tests `suport/triage`, and there is no such prompt",
            ),
            ("datasets/d.yaml:2:9", "missing-input", "case `a` does not give `x`, which other requires"),
            ("datasets/d.yaml:2:26", "extra-input", "`ticket`, given by case `a`, is no input of other"),
        ]

    def test_name_files_of_cases_that_are_there(self) -> None:
        tree = MemoryTree({"datasets/d.yaml": "cases: big.jsonl\n", "datasets/bug.jsonl": ""})
        (problem,) = check(tree)
        assert (problem.message, problem.hint) == (
            "there is no file of cases datasets/big.jsonl",
            "did you mean `bug.jsonl`?",
        )


class TestWorkspaces:
    def test_every_problem_of_every_file_is_told_in_reading_order(self) -> None:
        tree = tree_with({
            "promptctl.yaml": "modle: x\n",
            "prompts/a.prompt.yaml": "a: &x 1\n",
            "prompts/b.prompt.yaml": "statsu: active\n" + HI,
            "prompts/c.j2": "{{",
            "prompts/d.schema.yaml": "type: nothing\n",
            "datasets/d.yaml": "cases: [{id: a, asert: []}, {id: a}]\n",
            "datasets/recordings/x.yaml": "not: a dataset\n",
        })  # fmt: skip
        assert [(at, code) for at, code, _ in told(check(tree))] == [
            ("datasets/d.yaml:1:17", "unknown-key"),
            ("datasets/d.yaml:1:34", "duplicate-id"),
            ("promptctl.yaml:1:1", "unknown-key"),
            ("a.prompt.yaml:1:4", "anchor"),
            ("b.prompt.yaml:1:1", "unknown-key"),
            ("c.j2:1", "bad-template"),
            ("d.schema.yaml:1:1", "invalid-schema"),
        ]

    def test_a_problem_of_a_shared_file_is_told_once(self) -> None:
        include = "messages: [{role: user, content: '{% include \"x.j2\" %}'}]\n"
        files = {f"prompts/{name}.prompt.yaml": include for name in "abc"}
        assert len(check(MemoryTree({**files, "prompts/x.j2": "{{"}))) == 1

    def test_some_files_can_be_chosen(self) -> None:
        tree = tree_with({
            "prompts/support/triage.schema.yaml": TRIAGE_SCHEMA + "minProperties: x\n",
            "prompts/other.prompt.yaml": "nothing\n",
        })  # fmt: skip
        found = told(check(tree, "prompts/support/triage.prompt.yaml"))
        assert [(at, code) for at, code, _ in found] == [("support/triage.schema.yaml:9:16", "invalid-schema")]
        assert check(tree, "prompts/support/tone.j2") == []

    @pytest.mark.parametrize(
        ("first", "second", "code"),
        [
            ("a.prompt.yaml", "a.prompt.yml", "duplicate-id"),
            ("Support/Triage.prompt.yaml", "support/triage.prompt.yaml", "colliding-ids"),
        ],
    )
    def test_ids_that_collide_are_refused(self, first: str, second: str, code: str) -> None:
        tree = MemoryTree({f"prompts/{first}": HI, f"prompts/{second}": HI})
        assert [(at, each) for at, each, _ in told(check(tree))] == [(second, code)]

    def test_names_that_can_be_no_id_are_told(self) -> None:
        ((at, code, message),) = told(check(MemoryTree({"prompts/my prompt.prompt.yaml": HI})))
        assert (at, code) == ("my prompt.prompt.yaml", "bad-id")
        assert "the letters A to Z and a to z, digits" in message

    def test_an_earlier_id_belongs_to_one_prompt(self) -> None:
        tree = MemoryTree({
            "prompts/a.prompt.yaml": "formerly: [old, b]\n" + HI,
            "prompts/b.prompt.yaml": "formerly: [b]\n" + HI,
            "prompts/c.prompt.yaml": "formerly: [old]\n" + HI,
        })  # fmt: skip
        assert [(at, code) for at, code, _ in told(check(tree))] == [
            ("a.prompt.yaml", "former-id-in-use"),
            ("b.prompt.yaml:1:11", "formerly-itself"),
            ("c.prompt.yaml", "former-id-twice"),
        ]

    def test_a_file_with_another_name_than_a_prompt_has_is_pointed_out(self) -> None:
        tree = MemoryTree({
            "prompts/a.yaml": HI,
            "prompts/b.prompt.yaml": "tools: [{$ref: tool.yaml}]\n" + HI,
            "prompts/tool.yaml": "type: web_search\n",
        })  # fmt: skip
        (problem,) = check(tree)
        assert (str(problem.place), problem.code, problem.severity) == ("prompts/a.yaml", "stray-file", "warning")

    def test_a_workspace_among_the_prompts_of_another_is_an_error_unless_its_repository_is_its_own(
        self, tmp_path: Path
    ) -> None:
        for place in ("evil", "shared"):
            (tmp_path / "prompts" / place).mkdir(parents=True)
            (tmp_path / "prompts" / place / "promptctl.yaml").write_text("model: echo/echo\n")
        (tmp_path / "prompts/shared/.git").write_text("gitdir: ../../.git/modules/shared\n")
        assert [(str(each.place), each.code, each.severity) for each in check(WorkTree(tmp_path))] == [
            ("prompts/evil/promptctl.yaml", "nested-workspace", "error"),
            ("prompts/shared/promptctl.yaml", "stray-file", "warning"),
        ]

    def test_a_label_asks_for_datasets_that_are_there(self) -> None:
        tree = MemoryTree({
            "promptctl.yaml": "labels: {production: {evaluation: passed, dataset: smok.yaml}}\n",
            "datasets/smoke.yaml": "cases: [{id: a, expected: x}]\n",
        })  # fmt: skip
        (problem,) = check(tree)
        assert (problem.code, problem.hint) == ("missing-dataset", "did you mean `smoke.yaml`?")


_keys = st.sampled_from(
    ["name", "messages", "role", "content", "inputs", "output", "schema", "tools", "type", "text", "when",
     "placeholder", "default", "required", "$ref", "$defs", "properties", "items", "anyOf", "enum", "function",
     "parameters", "x", "template",
     "formerly", "testData", "cases", "id", "prompts", "matrix", "defaults", "assert", "labels", "after", "dataset"]
)  # fmt: skip
_values = st.recursive(
    st.sampled_from(
        [None, True, 0, 1.5, "", "x", "user", "{{x}}", "{{ x }}", "{% include 'a.j2' %}", "{% include './p.j2' %}",
         "./a.schema.yaml", "a.schema.yaml#/$defs/x", "#", "#/properties", "string", "array", "function", "simple",
         "none", "p", "d.jsonl", "{%"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=14,
)  # fmt: skip


@st.composite
def _workspaces(draw: st.DrawFn) -> dict[str, str | bytes]:
    def spoilt(text: dict[str, Any]) -> str:
        return json.dumps({**text, **draw(st.dictionaries(_keys, _values, max_size=2))})

    prompt = {"messages": [{"role": "user", "content": "{{ x }}{% include 'a.j2' %}"}], "inputs": {"x": {}}}
    schema = {"properties": {"x": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"type": "string"}}}
    return {
        "prompts/p.prompt.yaml": spoilt({**prompt, "output": {"schema": {"$ref": "a.schema.yaml"}}}),
        "prompts/q.prompt.yml": json.dumps(draw(_values)),
        "prompts/a.schema.yaml": spoilt(schema),
        "prompts/a.j2": draw(st.sampled_from(["", "{{ y }}", "{% include 'a.j2' %}", "{% if", "{% set x = 1 %}"])),
        "datasets/d.yaml": spoilt({"prompts": ["p", "q"], "cases": [{"id": "a", "inputs": {"x": 1}}]}),
        "promptctl.yaml": spoilt({}),
    }


@settings(max_examples=150, deadline=None)
@given(_workspaces())
def test_any_workspace_is_checked_and_agrees_with_loading(files: dict[str, str | bytes]) -> None:
    """What loads has no error that loading could have told, and every way of loading gives the one digest."""
    tree = MemoryTree(files)
    problems = check(tree)
    assert all(
        problem.place and problem.message and problem.hint for problem in problems if problem.severity == "error"
    )
    for id_, path in prompt_paths(tree).items():
        closure = closure_of(tree, path)
        assert closure_of(tree, path, cache={}).digest == closure.digest
        if closure.digest is None:
            with pytest.raises(InvalidFiles):
                load_prompt(tree, id_)
            assert any(problem.severity == "error" for problem in problems)
        else:
            assert load_prompt(tree, id_).digest == closure.digest


def test_a_question_mark_without_quotes_in_braces_is_a_warning() -> None:
    text = (
        "messages:\n- {role: user, content: Is it?}\n- {role: user, content: 'Is it?'}\n- role: user\n  content: Why?\n"
    )
    (problem,) = check(MemoryTree({"prompts/p.prompt.yaml": text}))
    assert (problem.severity, problem.code, str(problem.place)) == (
        "warning",
        "bare-question",
        "prompts/p.prompt.yaml:2:25",
    )


def test_a_delimiter_is_for_csv_alone() -> None:
    tree = {"datasets/d.yaml": 'delimiter: ";"\ncases: [{id: a, expected: b}]\n'}
    assert [(code, at) for at, code, _ in told(check(MemoryTree(tree)))] == [("misplaced-key", "datasets/d.yaml:1:1")]


def test_a_csv_of_excel_is_read_with_a_note_and_evaluated() -> None:
    files = {
        "prompts/p.prompt.yaml": "inputs: {q: {}}\n" + HI.replace("Hi", "'{{ q }}'"),
        "datasets/d.csv": "q;expected\na;b\n",
    }
    (problem,) = check(MemoryTree({**files, "datasets/d.yaml": "prompts: [p]\ncases: d.csv\n"}))
    assert (problem.severity, problem.code) == ("warning", "delimiter")
    assert check(MemoryTree({**files, "datasets/d.yaml": 'prompts: [p]\ncases: d.csv\ndelimiter: ";"\n'})) == []
    tsv = {**files, "datasets/d.tsv": "q\texpected\na\tb\n", "datasets/d.yaml": "prompts: [p]\ncases: d.tsv\n"}
    assert check(MemoryTree(tsv)) == []


@pytest.mark.parametrize(
    ("settings", "said", "hint"),
    [
        ("log: [{prompts: suport/*}]", "the rule of `log` for `suport/*` matches no prompt of the files", None),
        (
            "{models: {local/*: {api_base: 'http://127.0.0.1:1/v1'}}, prices: {locl/*: {input: 1, output: 1}}}",
            "the price of `locl/*` is of no model",
            "did you mean `local/…`?",
        ),
        (
            "log: [{prompts: chatt}]",
            "the rule of `log` for `chatt` matches no prompt of the files",
            "did you mean `chat`?",
        ),
        (
            "labels: {staging: {reason: required}, production: {after: stagin}}",
            "`production` comes after `stagin`, which is nearly another label",
            "did you mean `staging`?",
        ),
        (
            "budgets: [{name: a, prompts: [chta], limit: {usd: 5}}]",
            "`chta` of the budget `a` matches no prompt of the files",
            "did you mean `chat`?",
        ),
        (
            "budgets: [{name: a, models: [opnai/*], limit: {usd: 5}}]",
            "`opnai/*` of the budget `a` matches no model",
            "did you mean `openai/…`?",
        ),
        (
            "{labels: {production: {}}, budgets: [{name: a, labels: [prodution, p*], limit: {usd: 5}}]}",
            "`prodution` of the budget `a` matches no label that `labels` names",
            "did you mean `production`?",
        ),
        (
            "prices: {opnai/*: {input: 1, output: 1}}",
            "the price of `opnai/*` is of no model",
            "did you mean `openai/…`?",
        ),
        (
            "prices: {gpt-4o: [{input: 1, output: 1}]}",
            "the price of `gpt-4o` is of no model",
            "did you mean `openai/gpt-4o`?",
        ),
    ],
)
def test_a_setting_that_holds_for_nothing_is_a_warning(settings: str, said: str, hint: str | None) -> None:
    tree = MemoryTree({"promptctl.yaml": settings + "\n", "prompts/chat.prompt.yaml": HI})
    (problem,) = check(tree)
    assert validate_workspace(tree, ["promptctl.yaml"]).problems == (problem,)
    assert problem.place is not None
    assert problem.place.line == 1 or settings.startswith("labels")
    assert (problem.severity, problem.message, problem.hint) == ("warning", said, hint)


def test_settings_that_hold_for_something_are_sound() -> None:
    text = "log: [{prompts: '*'}, {prompts: 'cha?'}, {prompts: judges/*}, {prompts: authoring/generate}]\n"
    text += "labels: {production: {after: staging}}\n"
    text += "models: {own/*: {api_base: http://127.0.0.1:1/v1}}\n"
    globs = ("own/*", "'*'", "o*/x", "openai/gpt-*", "echo/echo", "azure/team-4o")
    text += f"prices: {{{', '.join(f'{glob}: {{input: 1, output: 1}}' for glob in globs)}}}\n"
    assert check(MemoryTree({"promptctl.yaml": text, "prompts/chat.prompt.yaml": HI})) == []


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["summary.prompt.yml"], "1 prompt file outside prompts/ is not read: summary.prompt.yml"),
        ([".github/prompts/a.prompt.yml", "summary.prompt.yml"], "2 prompt files outside prompts/ are not read"),
    ],
)
def test_prompts_in_other_folders_are_found(paths: list[str], said: str) -> None:
    (problem,) = check(MemoryTree(dict.fromkeys(paths, HI)))
    assert (problem.severity, problem.code) == ("warning", "prompt-elsewhere")
    assert problem.message.startswith(said)
    line = f'prompt_paths: [prompts, {".github/prompts, " if len(paths) > 1 else ""}"*.prompt.yml"]'
    assert problem.hint == f"write in promptctl.yaml: {line}; or move each: git mv {paths[0]} prompts/"


def test_prompts_of_a_workspace_inside_this_one_are_its_own() -> None:
    files = {".github/promptctl.yaml": "", ".github/prompts/a.prompt.yml": HI, "prompts/chat.prompt.yaml": HI}
    assert check(MemoryTree(files)) == []
    (problem,) = check(MemoryTree(files | {"promptctl.yaml": "prompts: [.github/prompts]\n"}))
    assert (problem.message, problem.hint) == ("unknown key `prompts`", "use `prompt_paths`")


UNSIGNED = "promptctl.yaml: `signed: required` lets no move of a label count, as .promptctl.signers"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNvdW50ZXJmZWl0IGtleSBvZiBub2JvZHkgYXQgYWxs"


@pytest.mark.parametrize(
    ("signers", "said"),
    [
        (f"# Ada\n\nada@example.org {KEY} laptop\n", []),
        (f'ada@example.org cert-authority,namespaces="git" {KEY}\n', []),
        (None, [f"{UNSIGNED} is not there"]),
        ("# nobody\n", [f"{UNSIGNED} has no signer"]),
        (f"{KEY} ada@example.org\n", [".promptctl.signers:1: the line begins with no address"]),
        (f"\nada@example.org {KEY[:-1]}\n", [".promptctl.signers:2: the line names no public key of SSH"]),
        ("ada@example.org ssh-ed25519 AAAA\n", [".promptctl.signers:1: the line names no public key of SSH"]),
        ("ada@example.org\n", [".promptctl.signers:1: the line names no public key of SSH"]),
    ],
)  # fmt: skip
def test_signers_are_checked(signers: str | None, said: list[str]) -> None:
    files = {"promptctl.yaml": "labels: {signed: required}\n", "prompts/chat.prompt.yaml": HI}
    found = check(MemoryTree(files | ({".promptctl.signers": signers} if signers is not None else {})))
    assert [f"{each.place}: {each.message}" for each in found] == said
    assert all("ADDRESS ssh-ed25519 KEY" in (each.hint or "") for each in found)


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        ("scheme: 1\nvendored: {}\n", []),
        ("scheme: 1\nlabels:\n  {}\n", []),
        ("scheme: 1\n<<<<<<< HEAD\nlabels:\n=======\n>>>>>>> main\nvendored: {}\n", ["promptctl.lock.yaml:2:1: "]),
        ("scheme: 1\nvendored: [\n", ["promptctl.lock.yaml:2:11: this `[` is not closed"]),
        ("scheme: 1\nlabels:\n  a@b: {}\n", ["promptctl.lock.yaml:3:3: `a@b` is not as `label lock` writes it"]),
    ],
)
def test_the_lock_is_checked(lock: str, said: list[str]) -> None:
    for paths in ((), ("promptctl.lock.yaml",)):
        found = validate_workspace(MemoryTree({"promptctl.yaml": "", "promptctl.lock.yaml": lock}), paths)
        assert found.files == (1 if paths else 2)
        assert [str(each)[: len(words)] for each, words in zip(found.problems, said, strict=True)] == said
    files = {"promptctl.yaml": "", "promptctl.lock.yaml": lock, ".promptctl.signers": ""}
    assert set(map(str, found.problems)) <= set(map(str, validate_workspace(MemoryTree(files)).problems))


def test_the_file_of_signers_is_checked_by_its_name() -> None:
    tree = MemoryTree({"promptctl.yaml": "labels: {signed: required}\n", ".promptctl.signers": "# nobody\n"})
    report = validate_workspace(tree, [".promptctl.signers"])
    assert (report.files, [each.message for each in report.problems]) == (
        1,
        ["`signed: required` lets no move of a label count, as .promptctl.signers has no signer"],
    )


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        ("gpt4o", "did you mean `openai/gpt-4o`?"),
        ("gpt-4o-mni", "did you mean `openai/gpt-4o-mini`?"),
        ("nothing-like-it", "ids are"),
    ],
)
def test_a_model_that_no_provider_has_is_a_warning(model: str, hint: str) -> None:
    settings = f"models:\n  openai/*: {{timeout_s: 9}}\nmodel: {model}\n"
    files = {"promptctl.yaml": settings, "prompts/p.prompt.yaml": f"name: P\nmodel: {model}\n{HI}"}
    found = check(MemoryTree(files))
    assert [(each.code, each.severity, str(each.place)) for each in found] == [
        ("unknown-model", "warning", "promptctl.yaml:3"),
        ("unknown-model", "warning", "prompts/p.prompt.yaml:2"),
    ]
    assert all((each.hint or "").startswith(hint) for each in found)


@pytest.mark.parametrize(
    "model", ["gpt-4o", "openai/gpt-4o", "openai/not-yet-known", "local/x", "echo/echo", "replay/a/b"]
)
def test_a_model_that_can_be_asked_given_a_key_is_none(model: str) -> None:
    settings = "models: {'local/*': {api_base: 'http://127.0.0.1:1/v1', api_key_env: NO_SUCH}}\n"
    assert check(MemoryTree({"promptctl.yaml": settings, "prompts/p.prompt.yaml": f"model: {model}\n{HI}"})) == []


class CountingTree(MemoryTree):
    """A tree that counts how often each file is read."""

    def __init__(self, files: dict[str, str]) -> None:
        super().__init__(files)
        self.reads: Counter[str] = Counter()

    def read(self, path: str, *, max_bytes: int = MAX_BYTES) -> bytes:
        self.reads[path] += 1
        return super().read(path, max_bytes=max_bytes)


def test_a_sound_partial_is_not_read_again_for_each_that_includes_it() -> None:
    files = {f"prompts/a{n}.j2": '{% include "shared.j2" %}' for n in range(20)}
    files |= {"prompts/shared.j2": '{% include "zz.j2" %}', "prompts/zz.j2": "Hi"}
    tree = CountingTree(files)
    assert check(tree) == []
    assert max(tree.reads.values()) <= 3
    chain = {f"prompts/a{n:02}.j2": f'{{% include "a{n - 1:02}.j2" %}}' for n in range(1, 14)}
    found = {str(each.place): each.message for each in check(MemoryTree({**chain, "prompts/a00.j2": "Hi"}))}
    deep = "partials include each other more than"
    assert [place for place, words in found.items() if words.startswith(deep)] == ["prompts/a10.j2:1"]
    circle = {"prompts/a.j2": '{% include "b.j2" %}', "prompts/b.j2": '{% include "a.j2" %}'}
    assert {each.message for each in check(MemoryTree(circle))} == {f"prompts/{n}.j2 includes itself" for n in "ab"}
