"""Schemas inferred from templates, from calls, from cases and from replies, and proposed as a change of the file."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from promptctl import Inferred, Workspace, open_workspace
from promptctl.errors import InvalidFiles, PromptNotFound, UsageError
from promptctl.files.yaml_editing import Remove, edit_yaml
from promptctl.files.yaml_reader import read_yaml
from promptctl.log.records import Entry, Execution
from promptctl.log.stamps import new_id
from tests.cli.conftest import write

ROOT = Path(__file__).parents[2]
SETTINGS = "model: echo/echo\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    write(tmp_path, "promptctl.yaml", SETTINGS)
    with open_workspace(tmp_path, {}) as opened:
        yield opened


def _inferred(workspace: Workspace, template: str, **more: str) -> Mapping[str, Any]:
    """What is inferred of each input of a prompt of one message."""
    lines = "".join(f"      {line}\n" for line in template.split("\n"))
    _write(workspace, f"messages:\n  - role: user\n    content: |\n{lines}", **more)
    return workspace.authoring.infer("p").inputs


def _write(workspace: Workspace, text: str, **partials: str) -> None:
    write(workspace.root, "prompts/p.prompt.yaml", text)
    for name, partial in partials.items():
        write(workspace.root, f"prompts/{name}.j2", partial)


def _log(workspace: Workspace, *calls: tuple[Mapping[str, Any], str], **fields: Any) -> None:
    """Append calls of `p`: what they were given, and what was replied."""
    entries = []
    for inputs, reply in calls:
        id_ = new_id()
        execution = Execution(
            id=id_,
            call_id=id_,
            started_at="2026-05-04T09:00:00.000Z",
            prompt="p",
            prompt_name="p",
            digest="1:" + "0" * 64,
            model="echo/echo",
            inputs=inputs,
            messages=[{"role": "user", "content": "x"}],
            reply=reply,
            **{"source": "api", "status": "ok", **fields},
        )
        entries.append(Entry(execution, "full"))
    assert workspace.context.log.append(entries) is None


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ a }}", {"a": {"type": "string"}}),
        ("{{ a | upper }}{{ b.strip() }}", {"a": {"type": "string"}, "b": {"type": "string"}}),
        ("{{ a * 2 }}", {"a": {"type": "number"}}),
        ("{% if a > 3 %}x{% endif %}", {"a": {"type": "number"}}),
        ("{% if a + b > c %}x{% endif %}", {name: {"type": "number"} for name in "abc"}),
        ("{% for i in range(n) %}x{% endfor %}", {"n": {"type": "integer"}}),
        (
            "{% for t in a | sort %}{{ t }}{% endfor %}{{ b | sort | join }}",
            {name: {"type": "array", "items": {"type": "string"}} for name in "ab"},
        ),
        (
            "{{ a | max }}{{ (b | min) + 1 }}",
            {"a": {"type": "array"}, "b": {"type": "array", "items": {"type": "number"}}},
        ),
        (
            '{% for p in a | sort(attribute="name") %}x{% endfor %}{{ (b | max(attribute="age")).name }}',
            {
                "a": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"name": {}}, "required": ["name"]},
                },
                "b": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"age": {}, "name": {"type": "string"}},
                        "required": ["age", "name"],
                    },
                },
            },
        ),
        ('{% if "bug" in a %}x{% endif %}', {"a": {}}),
        ('{{ a.strftime("%d") }}', {"a": {}}),
        ("{% if a %}x{% endif %}", {"a": {"type": "boolean", "default": False}}),
        ("{% if a == true %}x{% endif %}", {"a": {"type": "boolean"}}),
        ("{% if a %}Say {{ a }}{% endif %}", {"a": {"type": "string", "default": ""}}),
        ("{% if a %}{{ a | join }}{% endif %}", {"a": {"type": "array", "items": {"type": "string"}, "default": []}}),
        ("{{ a | default('x') }}", {"a": {"type": "string", "required": False}}),
        ("{{ a | default(3) }}", {"a": {"type": "integer", "required": False}}),
        ("{{ a | default('x') }}{{ a }}", {"a": {"type": "string", "default": "x"}}),
        ("{% if a is defined %}{{ a }}{% endif %}", {"a": {"type": "string", "required": False}}),
        ("{% if a is not defined %}x{% else %}{{ a }}{% endif %}", {"a": {"type": "string", "required": False}}),
        ("{% if a is none %}x{% else %}{{ a }}{% endif %}", {"a": {"type": ["string", "null"]}}),
        (
            "{% if a is string %}{{ a }}{% else %}{{ a | join }}{% endif %}",
            {"a": {"type": ["array", "string"], "items": {"type": "string"}}},
        ),
        ("{{ a | tojson }}", {"a": {}}),
        (
            "{% if a == 'x' %}1{% elif a == 'y' %}2{% endif %}",
            {"a": {"type": "string", "enum": ["x", "y"]}},
        ),
        ("{% if a in ['x', 'y'] %}1{% endif %}", {"a": {"type": "string", "enum": ["x", "y"]}}),
        # Other values mean something here: what is compared is not all there may be.
        ("{% if a == 'x' %}1{% elif a == 'y' %}2{% else %}3{% endif %}", {"a": {"type": "string"}}),
        ("{% if a == 'x' %}1{% elif a == 'y' %}2{% endif %}{{ a }}", {"a": {"type": "string"}}),
        ("{% if a == 'x' %}1{% endif %}", {"a": {"type": "string"}}),
        ("{{ 1 if a in ['x', 'y'] else 2 }}", {"a": {"type": "string"}}),
        ("{% if a != 'x' and a != 'y' %}1{% endif %}", {"a": {"type": "string"}}),
        (
            "{{ u.name }}{{ u.age + 1 }}{% if u.mail is defined %}{{ u.mail }}{% endif %}",
            {
                "u": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}, "age": {"type": "number"}, "mail": {"type": "string"}},
                    "required": ["name", "age"],
                }
            },
        ),
        (
            "{% for r in rows %}{{ r.id }}{% for t in r.tags %}{{ t }}{% endfor %}{% endfor %}",
            {
                "rows": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "id": {"type": "string"},
                            "tags": {"type": "array", "items": {"type": "string"}},
                        },
                        "required": ["id", "tags"],
                    },
                }
            },
        ),
        (
            "{% for k, v in prices.items() %}{{ k }}{{ v | round }}{% endfor %}",
            {"prices": {"type": "object", "additionalProperties": {"type": "number"}}},
        ),
        ("{{ u.get('a', 'b') }}", {"u": {"type": "object", "properties": {"a": {"type": "string"}}}}),
    ],
)
def test_a_template_shows_what_its_inputs_are(workspace: Workspace, template: str, expected: Mapping[str, Any]) -> None:
    assert _inferred(workspace, template) == expected


def test_uses_are_followed_through_partials_and_macros(workspace: Workspace) -> None:
    found = _inferred(
        workspace,
        "{% macro line(x) %}{{ x.text | trim }}{% endmacro %}"
        "{% for each in rows %}{{ line(each) }}{% include 'row.j2' %}{% endfor %}",
        row="{% if each.done %}done{% endif %}{{ total - 1 }}",
    )
    assert found["total"] == {"type": "number"}
    assert found["rows"]["items"]["properties"] == {"text": {"type": "string"}, "done": {"type": "boolean"}}


def test_placeholders_and_parts_declare_their_inputs(workspace: Workspace) -> None:
    _write(
        workspace,
        "messages:\n"
        "  - placeholder: history\n"
        "  - role: user\n"
        "    content:\n"
        "      - {type: text, text: '{{ q }}'}\n"
        "      - {type: image_url, when: image, image_url: {url: '{{ image }}'}}\n",
    )
    assert workspace.authoring.infer("p").inputs == {
        "history": {"type": "array", "default": []},
        "q": {"type": "string"},
        "image": {"type": "string", "required": False},
    }


def test_calls_refine_types(workspace: Workspace) -> None:
    _log(
        workspace, *(({"n": n, "t": "a" * n, "x": {"k": [1.5]}, "opt": None if n % 2 else "s"}, "") for n in range(25))
    )
    found = _inferred(workspace, "{{ n }}{{ t }}{{ x | tojson }}{% if opt %}{{ opt }}{% endif %}")
    assert found["n"] == {"type": "integer"}
    assert found["t"] == {"type": "string"}
    assert found["x"]["properties"] == {"k": {"type": "array", "items": {"type": "number"}}}
    assert found["opt"]["type"] == ["null", "string"]


def test_calls_refine_what_is_inside_of_objects(workspace: Workspace) -> None:
    def given(n: int) -> dict[str, Any]:
        return {"o": {"n": n, **({"p": "x"} if n % 2 else {})}, "m": {f"k{n}": n}, "z": n if n % 2 else None}

    template = "{{ o.n + 1 }}{{ o.p | default('y') }}{% for k, v in m.items() %}{{ v + 1 }}{% endfor %}{{ z - 1 }}"
    _log(workspace, *((given(n), "") for n in range(3)))
    few = _inferred(workspace, template)
    assert few["o"]["properties"]["n"] == {"type": "number"}, "whole numbers by chance"
    _log(workspace, *((given(n), "") for n in range(3, 45)))
    found = _inferred(workspace, template)
    assert found["o"]["properties"] == {"n": {"type": "integer"}, "p": {"type": "string"}}
    assert found["m"] == {"type": "object", "additionalProperties": {"type": "integer"}}
    assert found["z"] == {"type": ["integer", "null"]}


def test_calls_that_were_refused_show_nothing(workspace: Workspace) -> None:
    _log(workspace, ({"n": "not a number"}, ""), status="error")
    assert _inferred(workspace, "{{ n - 1 }}") == {"n": {"type": "number"}}


def test_every_recorded_value_fits(workspace: Workspace) -> None:
    _log(workspace, ({"a": 3, "b": "z"}, ""), ({"a": "x", "b": "x"}, ""))
    found = _inferred(workspace, "{{ a | upper }}{% if b == 'x' %}1{% elif b == 'y' %}2{% endif %}")
    assert sorted(found["a"]["type"]) == ["integer", "string"]
    assert found["b"] == {"type": "string"}


@pytest.mark.parametrize(
    ("values", "enum"),
    [
        (["low", "high"] * 12, ["high", "low"]),
        (["low", "high"] * 3, None),  # few calls
        ([f"w{n}" for n in range(30)], None),  # many values
        (["low"] * 24, None),  # one value alone
        (["low"] * 23 + ["high"], None),  # one seen once
        (["Ada Lovelace", "Alan Turing"] * 12, None),  # people, not words of a vocabulary
        (["a@b.example", "c@d.example"] * 12, None),
    ],
)
def test_few_words_of_many_calls_are_an_enum(
    workspace: Workspace, values: Sequence[str], enum: list[str] | None
) -> None:
    _log(workspace, *(({"level": value}, "") for value in values))
    assert _inferred(workspace, "{{ level }}")["level"].get("enum") == enum


def test_values_of_sensitive_inputs_are_shown_nowhere(workspace: Workspace) -> None:
    _log(workspace, *(({"kind": kind, "api_key": kind, "other": kind}, "") for kind in ("alpha", "beta") * 12))
    write(workspace.root, "datasets/p.yaml", "prompts: [p]\ncases: [{id: a, inputs: {kind: gamma, n: 3}}]\n")
    _write(
        workspace,
        "inputs: {kind: {sensitive: true}}\n"
        "messages: [{role: user, content: '{{ kind }}{{ api_key }}{{ other }}{{ n }}'}]\n",
    )
    found = workspace.authoring.infer("p")
    # Beside a mark, undeclared inputs may be marked ones renamed: only their uses are read.
    assert found.inputs == {name: {"type": "string"} for name in ("kind", "api_key", "other", "n")}
    assert not any(word in found.proposal.diff() for word in ("alpha", "beta", "gamma"))
    (workspace.root / "datasets/p.yaml").unlink()
    _write(workspace, "messages: [{role: user, content: '{{ kind }}{{ api_key }}'}]\n")
    found = workspace.authoring.infer("p")
    assert found.inputs == {"kind": {"type": "string", "enum": ["alpha", "beta"]}, "api_key": {"type": "string"}}


def test_cases_show_types_and_no_enum(workspace: Workspace) -> None:
    rows = "".join(f"  - {{id: c{n}, inputs: {{n: {n}, level: low}}}}\n" for n in range(30))
    write(workspace.root, "datasets/p.yaml", f"prompts: [p]\ncases:\n{rows}")
    write(workspace.root, "datasets/broken.yaml", "prompts: [p]\ncases: 3\n")
    assert _inferred(workspace, "{{ n }}{{ level }}") == {"n": {"type": "integer"}, "level": {"type": "string"}}
    assert workspace.authoring.infer("p", uses_log=False).inputs["n"] == {"type": "string"}


def test_replies_show_the_output(workspace: Workspace) -> None:
    _write(workspace, "messages: [{role: user, content: hi}]\nmetadata: {owner: me}  # us\n")
    replies = ['{"label": "bug", "score": 1, "why": "it broke", "tags": ["ui"]}'] * 12
    replies += [
        '{"label": "billing", "score": 0.5, "why": "paid twice"}',
        '```json\n{"label": "billing", "score": 2, "why": null}\n```',
    ] * 6
    _log(workspace, *(({}, reply) for reply in replies))
    found = workspace.authoring.infer("p")
    assert found.output == {
        "type": "object",
        "properties": {
            "label": {"type": "string", "enum": ["billing", "bug"]},
            "score": {"type": "number"},
            "why": {"type": ["null", "string"]},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["label", "score", "why"],
    }
    workspace.write(found.proposal)
    text = (workspace.root / "prompts/p.prompt.yaml").read_text()
    assert text.endswith("metadata: {owner: me}  # us\n")
    assert not workspace.validate().problems
    assert workspace.authoring.infer("p").proposal.is_empty


def test_recorded_replies_show_the_output_too(workspace: Workspace) -> None:
    _write(workspace, "messages: [{role: user, content: hi}]\n")
    lines = [
        {"request": f"{n:064x}", "model": "m", "prompt": prompt, "reply": json.dumps({"a": n})}
        for n, prompt in enumerate(["p"] * 5 + ["q"] * 3)
    ]
    text = "".join(json.dumps({**line, "recorded_at": "2026-11-01T00:00:00Z"}) + "\n" for line in lines)
    write(workspace.root, "datasets/recordings/p.jsonl", text)
    found = workspace.authoring.infer("p")
    assert found.replies == 5
    assert found.output == {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    assert workspace.authoring.infer("p", uses_log=False).output is None


@pytest.mark.parametrize(
    ("replies", "note"),
    [
        (['{"a": 1}'] * 4, "5 replies are needed, and there are 4"),
        (['{"a": 1}'] * 9 + ["I cannot."], "of 10 replies 1 are not JSON"),
        (["yes"] * 9, None),
        (["3"] * 9, None),
    ],
)
def test_replies_that_are_no_data_make_no_schema(
    workspace: Workspace, replies: Sequence[str], note: str | None
) -> None:
    _write(workspace, "messages: [{role: user, content: hi}]\n")
    _log(workspace, *(({}, reply) for reply in replies))
    found = workspace.authoring.infer("p")
    assert found.output is None
    assert found.notes == (() if note is None else (f"no output schema: {note}",))


def test_what_is_declared_stays_as_it_is(workspace: Workspace) -> None:
    text = (
        "inputs:  # by hand\n"
        "  a: {type: integer, minimum: 1}\n"
        "  b: {description: The rows}  # of the table\n"
        "  c: {type: array}\n"
        "  d: {enum: [x]}\n"
        "  e: {items: {maxLength: 3}}\n"
        "  f: {type: object}\n"
        "  g: {type: string}\n"
        "  userr: {type: string}\n"
        "messages:\n"
        "  - role: user\n"
        "    content: |\n"
        "      {{ a | upper }}{% for x in b %}{{ x.y }}{% endfor %}{% for x in c %}{{ x }}{% endfor %}\n"
        "      {{ d }}{{ user }}{% for x in e %}{{ x.y }}{% endfor %}{{ f.k }}\n"
        "      {% if g == 'x' %}1{% elif g == 'y' %}2{% endif %}\n"
    )
    _write(workspace, text)
    found = workspace.authoring.infer("p")
    assert found.inputs.keys() == {"b", "c", "e", "f", "user"}
    assert (found.inputs["e"], found.inputs["f"]) == ({"type": "array"}, {"properties": {"k": {"type": "string"}}})
    assert found.notes == (
        "`a` is declared `integer`, and the templates use it as `string`",
        "`user` is new, and `userr` is used nowhere: is one of them misspelt?",
    )
    workspace.write(found.proposal)
    after = (workspace.root / "prompts/p.prompt.yaml").read_text()
    assert "inputs:  # by hand\n  a: {type: integer, minimum: 1}\n" in after
    assert "# of the table" in after
    assert "  c: {type: array, items: {type: string}}\n" in after
    data = read_yaml(after.encode(), "p").data
    assert list(data["inputs"]["b"]) == ["description", "type", "items"]
    assert workspace.authoring.infer("p").proposal.is_empty


def test_names_that_no_input_can_have_are_told(workspace: Workspace) -> None:
    assert _inferred(workspace, "{{ été }}{{ loop }}{{ a }}").keys() == {"a"}
    assert len(workspace.authoring.infer("p").notes) == 2


def test_bad_input_is_refused(workspace: Workspace) -> None:
    _write(workspace, "messages:\n  - role: user\n    content: |\n      {{ a }\n")
    with pytest.raises(InvalidFiles) as raised:
        workspace.authoring.infer("p")
    assert str(raised.value.problems[0].place) == "prompts/p.prompt.yaml:4:7"
    with pytest.raises(UsageError, match="no version"):
        workspace.authoring.infer("p@production")
    with pytest.raises(UsageError, match="is a file; a prompt is named by its id"):
        workspace.authoring.infer("./p.prompt.yaml")
    for wrong in ("p*", ""):
        with pytest.raises(UsageError, match="an id is made of"):
            workspace.authoring.infer(wrong)
    with pytest.raises(PromptNotFound):
        workspace.authoring.infer("q")
    write(workspace.root, "prompts/g.prompt.yml", "messages: [{role: user, content: '{{a}}'}]\ntestData: []\n")
    with pytest.raises(UsageError, match="GitHub"):
        workspace.authoring.infer("g")


# What no template and no case shows, as the author decided it. All other keys are inferred as they are written by hand.
_EXCEPTIONS = {
    # Bounds, of values that are printed.
    "minLength": """
        judges/answer-relevance.question judges/factuality.reference judges/llm-rubric.rubric
        authoring/generate.describe
        chat-assistant.message content/file-metadata.file_name content/page-metadata.text content/tag-selection.text
        github/auto-issue.analysis github/documentation.code github/feedback-issue.feedback github/readme-update.readme
        github/readme-update.issue_body github/sub-issues.body tutor/video.transcript tutor/video.question
        issues/feedback.feedback tutor/quiz.material tutor/quiz.question tutor/video.material
    """,
    "minItems": "judges/classify.choices content/tag-selection.tags",
    "minimum": """
        content/file-metadata.size_bytes content/tag-selection.limit github/auto-issue.limit github/sub-issues.limit
    """,
    "maximum": "content/tag-selection.limit github/auto-issue.limit github/sub-issues.limit",
    "format": "content/page-metadata.url",
    # Words that are only printed, with too few calls to know that there are no more.
    "enum": "content/image-layout.reading_direction tutor/video.level issues/feedback.feedback_type",
    "type": "issues/feedback.feedback_type",  # its enum says it
    # Items of which only `object` is written down: their keys are inferred.
    "items": "authoring/improve.cases authoring/improve.prompt",
    # Values that the template does not hold.
    "default": """
        judges/classify.asked judges/factuality.asked judges/llm-rubric.asked
        authoring/generate.context authoring/generate.examples
        authoring/cases.known authoring/cases.needs_check authoring/improve.is_template
        authoring/cases.mark authoring/generate.mark authoring/improve.mark
        chat-assistant.product content/image-layout.reading_direction content/tag-selection.limit
        github/auto-issue.limit github/documentation.audience github/feedback-issue.product github/sub-issues.limit
        tutor/video.level chat/assistant.repo issues/feedback.feedback_type welcome.team
        judges/answer-relevance.mark judges/classify.mark judges/factuality.mark
        judges/github-coherence.mark judges/github-fluency.mark
        judges/github-groundedness.mark judges/github-relevance.mark
        judges/github-similarity.mark judges/llm-rubric.mark
    """,
}
_WORKSPACES = {
    ".": ("prompts", "datasets"),
    "examples/django-ai-service/sandbox": ("prompts", "datasets"),
    "examples/fastapi-chat/demo/workspace": ("prompts", "datasets"),
    "promptctl/shipped": ("prompts", "datasets"),
    "promptctl/formats": ("first",),
}


def test_schemas_are_inferred_as_they_are_written_by_hand(tmp_path: Path) -> None:
    differing: dict[str, set[str]] = defaultdict(set)
    count = 0
    for number, (folder, parts) in enumerate(_WORKSPACES.items()):
        root = tmp_path / str(number)
        for part in parts:
            if (ROOT / folder / part).is_dir():
                shutil.copytree(ROOT / folder / part, root / (part if len(parts) > 1 else "prompts"))
        write(root, "promptctl.yaml", SETTINGS)
        written = {}
        for file in sorted(root.rglob("*.prompt.y*ml")):
            data = file.read_bytes()
            written[file] = read_yaml(data, file.name).data["inputs"]
            file.write_bytes(edit_yaml(data, file.name, [Remove(("inputs",))]))
        with open_workspace(root, {}) as workspace:
            for file, by_hand in written.items():
                prompt = file.relative_to(root / "prompts").as_posix().partition(".prompt.")[0]
                found = workspace.authoring.infer(prompt)
                assert found.inputs.keys() == by_hand.keys()
                for name, keys in _differing(found, by_hand):
                    count += 1
                    for key in keys:
                        differing[key].add(f"{prompt}.{name}")
    assert differing == {key: set(names.split()) for key, names in _EXCEPTIONS.items()}
    assert count > 0


def _differing(found: Inferred, by_hand: Mapping[str, Any]) -> Iterator[tuple[str, set[str]]]:
    for name, wanted in by_hand.items():
        got, wanted = dict(found.inputs[name]), {key: value for key, value in wanted.items() if key != "description"}
        yield name, {key for key in got.keys() | wanted.keys() if got.get(key) != wanted.get(key)}


def test_nothing_is_proposed_for_prompts_that_declare_everything() -> None:
    with open_workspace(ROOT, {}) as workspace:
        for summary in workspace.prompts():
            found = workspace.authoring.infer(summary.id, uses_log=False)
            assert found.inputs == {}, summary.id
            assert not found.notes


def test_the_form_of_a_new_prompt_says_nothing_of_what_its_inputs_hold(workspace: Workspace) -> None:
    form = workspace.authoring.new("x", inputs={"data": "object", "tags": "array"})
    workspace.write(form.proposal)
    assert workspace.authoring.infer("x").inputs == {}
