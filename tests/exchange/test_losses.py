"""Every feature of a prompt file in every format: it comes back as it was, or the export says that it is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from promptctl.errors import InvalidFiles
from promptctl.exchange.drafts import PromptDraft, Source, Together
from promptctl.exchange.formats import FORMATS, named
from promptctl.exchange.written import ExportLoss, PromptToWrite
from promptctl.files.names import PLACEHOLDER
from promptctl.files.tree import MemoryTree
from promptctl.files.yaml_reader import read_yaml
from promptctl.files.yaml_writing import yaml_text
from promptctl.prompts.loading import load_prompt
from promptctl.template_languages.jinja import first_comment, jinja_text, pieces_of
from promptctl.template_languages.pieces import TextPiece, VariablePiece
from promptctl.versions.prompt_at_version import PromptAtVersion, Version, parse_ref
from tests.exchange.drafted import to_write

# ts and py are code that is never read back; requests of OpenAI are rendered, so that nothing of the template is left.
_ROUND = [each.name for each in FORMATS if each.reads and each.writes]
_PARTIAL = {"prompts/parts/rules.j2": "Be kind to {{ a }}.{# why #}\n"}
_FUNCTION = {
    "name": "look",
    "description": "Looks.",
    "parameters": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]},
}
_SCHEMA = {"type": "object", "properties": {"label": {"enum": ["a", "b"]}}, "required": ["label"]}
_TEXTS = {
    "filter": "Hi {{ a | upper }}",
    "filters": "Hi {{ a | trim | truncate(9) }}",
    "key": "Hi {{ a.name }}",
    "item": "Hi {{ a[0] }}",
    "condition": "{% if a %}Yes{% else %}No{% endif %}",
    "set": "{% set b = a %}Hi {{ b }}",
    "loop": "{% for each in a %}{{ loop.index }}: {{ each }}\n{% endfor %}",
    "literals": "{% for i in [1, 2] %}{{ i }}{% endfor %} {{ a }}",
    "calculation": "Charge {{ a * 2 }} for {{ 'VIP' if a else 'all' }}.",
    "or": "{% if a and a or a %}x{% endif %}",
    "concat": "{{ a ~ '!' }}",
    "macro": "{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(a) }}",
    "comment": "Hi {# why #}{{ a }}",
    "default": "Hi {{ a | default('you') }}",
    "raw": "{% raw %}{{ no }} {% if %}{% endraw %} {{ a }}",
    "braces": 'Say {"x": {{ a }}} {',
    "control": "Hi  {%- if a %} x {%- endif %}\n  {{- a }}\n",
    "end": "Hi {{ a }}\n",
    "ends": "Hi {{ a }}\n\n",
    "block end": "{% if a %}x{% endif %}\n",
    "blanks": "  Hi {{ a }}  ",
    "include": '{% include "parts/rules.j2" %} Hi {{ a }}',
    "with": "{% with b = a %}{{ b }}{% endwith %}",
    "filter block": "{% filter upper %}{{ a }}{% endfilter %}",
    "test": "{% if a is defined %}{{ a }}{% endif %}",
    "empty": "",
    "tojson": "{{ a | tojson }}",
    "roles": "system:\nuser:\n{{ a }}",
    "handlebars": "{{ '{{#if x}}' }} {{ a }}",
    "dollar": "${env:HOME} $a {{ a }}",
    "rule": "---\n{{ a }}\n---\n",
    "pairs": "{% for k, v in a.items() %}{{ k }}={{ v }}{% else %}none{% endfor %}",
    "escape": "{{ a | e }}\\n \\{{ a }}",
    "mark": "<<<dotprompt:role:system>>> {{ a }}",
    "reference": "@@@langfusePrompt:name=x|label=y@@@ {{ a }}",
}
_KEYS: dict[str, dict[str, Any]] = {
    "name": {"name": "A title"},
    "description": {"description": "What for."},
    "tags": {"tags": ["x", "y z"]},
    "deprecated": {"status": "deprecated", "successor": "other"},
    "formerly": {"formerly": ["old"]},
    "copied": {"copied_from": "old@3f2a9c1"},
    "model": {"model": "openai/gpt-4o"},
    "other model": {"model": "anthropic/claude-sonnet-4-5"},
    "bare model": {"model": "gpt-4o"},
    "metadata": {"metadata": {"owner": "me"}},
    "deep metadata": {"metadata": {"a": {"b": [1, None, True]}}},
    "schema": {"output": {"schema": _SCHEMA}},
    "strict": {"output": {"schema": _SCHEMA, "strict": True}},
    "named schema": {"output": {"schema": _SCHEMA, "name": "label"}},
    "retries": {"output": {"schema": _SCHEMA, "retries": 2}},
    "open schema": {"output": {"schema": {"properties": {"a": {}}, "$defs": {"x": {"type": "string"}}}}},
    "described schema": {
        "output": {"schema": {**_SCHEMA, "title": "T", "description": "D", "additionalProperties": False}}
    },
    "json": {"response_format": {"type": "json_object"}},
    "text": {"response_format": {"type": "text"}},
    "tool": {"tools": [{"type": "function", "function": _FUNCTION}]},
    "strict tool": {"tools": [{"type": "function", "function": {**_FUNCTION, "strict": True}}]},
    "bare tool": {"tools": [{"type": "function", "function": {"name": "now"}}]},
    "cached tool": {"tools": [{"type": "function", "function": _FUNCTION, "cache_control": {"type": "ephemeral"}}]},
    "other tool": {"tools": [{"type": "web_search", "depth": 2}]},
    "typed": {"inputs": {"a": {"type": "integer"}}},
    "described": {"inputs": {"a": {"description": "A thing."}}},
    "default": {"inputs": {"a": {"default": "x"}}},
    "null": {"inputs": {"a": {"default": None}}},
    "optional": {"inputs": {"a": {"required": False}}},
    "sensitive": {"inputs": {"a": {"sensitive": True}}},
    "choice": {"inputs": {"a": {"enum": ["x", "y"]}}},
    "bounded": {"inputs": {"a": {"type": "string", "maxLength": 9, "pattern": "^x"}}},
    "object": {"inputs": {"a": {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]}}},
    "list": {"inputs": {"a": {"type": "array", "items": {"type": "string"}}}},
    "two types": {"inputs": {"a": {"type": ["string", "null"]}}},
    "unused": {"inputs": {"a": {}, "b": {"type": "string"}}},
    "unused bare": {"inputs": {"a": {}, "b": {}}},
    "simple": {"template": "simple"},
    "none": {"template": "none", "inputs": {}},
    "simple logic": {
        "template": "simple",
        "messages": [{"role": "user", "content": "{% if a %} {{a}} {{ b.c }} {# x #}"}],
    },
    "none logic": {
        "template": "none",
        "inputs": {},
        "messages": [{"role": "user", "content": "{% if a %} {{a}} {{#x}} {# x #}\n"}],
    },
}
_CALL = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
_TURNS: dict[str, list[dict[str, Any]]] = {
    "system": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "{{ a }}"}],
    "developer": [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "{{ a }}"}],
    "system alone": [{"role": "system", "content": "{{ a }}"}],
    "shots": [
        {"role": "user", "content": "1"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "{{ a }}"},
    ],
    "assistant last": [{"role": "user", "content": "{{ a }}"}, {"role": "assistant", "content": "{"}],
    "same role": [{"role": "user", "content": "1"}, {"role": "user", "content": "{{ a }}"}],
    "name": [{"role": "user", "name": "ada", "content": "{{ a }}"}],
    "calls": [
        {"role": "assistant", "tool_calls": [_CALL]},
        {"role": "tool", "tool_call_id": "1", "content": "{{ a }}"},
    ],
    "placeholder": [{"role": "system", "content": "Hi"}, {"placeholder": "h"}, {"role": "user", "content": "{{ a }}"}],
    "two placeholders": [{"placeholder": "h"}, {"role": "user", "content": "{{ a }}"}, {"placeholder": "i"}],
    "placeholder alone": [{"placeholder": "h"}],
    "parts": [{"role": "user", "content": [{"type": "text", "text": "{{ a }}"}, {"type": "text", "text": "x"}]}],
    "one part": [{"role": "user", "content": [{"type": "text", "text": "{{ a }}"}]}],
    "cached": [
        {"role": "user", "content": [{"type": "text", "text": "{{ a }}", "cache_control": {"type": "ephemeral"}}]}
    ],
    "image": [
        {
            "role": "user",
            "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "{{ a }}"}}],
        }
    ],
    "fine image": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "{{ a }}", "detail": "low"}}]}
    ],
    "when": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "x"},
                {"type": "image_url", "when": "a", "image_url": {"url": "{{ a }}"}},
            ],
        }
    ],
    "audio": [
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "{{ a }}", "format": "wav"}}]}
    ],
    "file": [{"role": "user", "content": [{"type": "file", "file": {"file_data": "{{ a }}", "filename": "x.pdf"}}]}],
}
_PARAMETERS: dict[str, Any] = {
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "min_p": 0.1,
    "max_tokens": 9,
    "max_completion_tokens": 9,
    "stop": ["x", "y"],
    "seed": 3,
    "frequency_penalty": 0.5,
    "presence_penalty": 0.5,
    "repetition_penalty": 1.1,
    "logit_bias": {"5": 1},
    "logprobs": True,
    "top_logprobs": 2,
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning_effort": "low",
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "verbosity": "low",
    "service_tier": "flex",
    "modalities": ["text"],
    "audio": {"voice": "alloy", "format": "wav"},
    "prediction": {"type": "content", "content": "x"},
    "web_search_options": {"search_context_size": "low"},
    "prompt_cache_key": "k",
    "safety_settings": [{"category": "x", "threshold": "y"}],
    "extra_body": {"transforms": ["x"], "deep": {"a": 1}},
}


def _with_inputs(data: dict[str, Any]) -> dict[str, Any]:
    places = {each["placeholder"]: {"type": "array"} for each in data["messages"] if "placeholder" in each}
    declared: dict[str, Any] = {"a": {}} if not places or len(data["messages"]) > 1 else {}
    return {"model": "openai/gpt-4o", "inputs": {**declared, **places}, **data}


def _features() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, text in _TEXTS.items():
        yield f"text {name}", {"messages": [{"role": "user", "content": text}]}
        yield f"texts {name}", {"messages": [{"role": "system", "content": text}, {"role": "user", "content": "x\n"}]}
    for name, turns in _TURNS.items():
        yield f"messages {name}", {"messages": turns}
    for name, keys in _KEYS.items():
        yield f"keys {name}", {"messages": [{"role": "user", "content": "Hi {{ a }}"}], **keys}
    for name, value in _PARAMETERS.items():
        given: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi {{ a }}"}], "parameters": {name: value}}
        yield f"parameters {name}", given
        yield f"parameters {name} of another provider", {**given, "model": "anthropic/claude-sonnet-4-5"}


_FEATURES = dict(_features())
_UNSAID_OUTPUT = (("strict", False), ("name", "output"), ("retries", 0))
_TYPED = "what may only be a text says so"
_EMPTY = "Dotprompt prints nothing for a value that is not there, and so does what comes back"
_OPTIONAL = "promptfoo leaves variables out or fills them in by its tests, which become a dataset"
_EXPECTED = {
    **{
        (f"messages {each}", "prompty", "inputs.a"): _TYPED for each in ("image", "fine image", "when", "audio", "file")
    },
    ("keys choice", "prompty", "inputs.a"): _TYPED,
    ("keys name", "promptfoo", "description"): "is the name, as its loss says",
    **{(f"keys {each}", "dotprompt", "messages.0"): _EMPTY for each in ("optional", "two types")},
    **{(f"keys {each}", "promptfoo", "inputs.a"): _OPTIONAL for each in ("default", "null", "optional")},
}


def _same(source: Source) -> Source:
    return source


def _round(format_: str, data: Mapping[str, Any]) -> tuple[dict[str, Any] | None, tuple[ExportLoss, ...]]:
    """The prompt as an import reads it from what an export wrote, and what that says is lost."""
    path = "prompts/support/it.prompt.yaml"
    tree = MemoryTree({path: yaml_text(data), **_PARTIAL})
    prompt, document = load_prompt(tree, "support/it"), read_yaml(tree.read(path), path)
    at = PromptAtVersion(parse_ref("support/it"), prompt, Version(prompt.digest), tree)
    written = named(format_).write([PromptToWrite(at, document.data, document)])
    there = MemoryTree(written.files)
    drafts: list[PromptDraft] = []
    together = Together()
    sources = [Source(each, there.read(each), there, together=together) for each in written.files]
    together.files += [partial(_same, each) for each in sources]
    for source in sources:
        if source.path.startswith("_") or source.path.endswith("/prompt.json"):
            continue
        try:
            drafts += named(format_).reader().read(source).prompts
        except InvalidFiles:
            if not written.losses:
                raise
    assert len(drafts) <= 1
    return dict(drafts[0].data) if drafts else None, written.losses


def _said(text: Any, engine: str) -> Any:
    """A text as what it prints, however it is written; texts with code that has no other writing as they are."""
    if isinstance(text, list) and len(text) == 1 and text[0].keys() == {"type", "text"}:
        text = text[0]["text"]
    if not isinstance(text, str):
        return text
    for other, ours in (("key_2", "k"), ("a | items", "a.items()"), ("| escape", "| e")):
        text = text.replace(other, ours)
    if engine == "none":
        return jinja_text((TextPiece(text),))
    if engine == "simple":
        parts = enumerate(PLACEHOLDER.split(text))
        return jinja_text(VariablePiece((part,)) if at % 2 else TextPiece(part) for at, part in parts)
    pieces = pieces_of(text)
    return text if "CodePiece" in repr(pieces) or first_comment(text) else jinja_text(pieces)


def _parts(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a prompt file says, part by part; what is written differently and says the same is the same."""
    engine, found = data.get("template", "jinja2"), dict[str, Any]()
    for key, value in data.items():
        if key == "messages":
            for at, message in enumerate(value):
                found[f"messages.{at}"] = {
                    name: _said(each, engine) if name == "content" else each for name, each in message.items()
                }
        elif key == "inputs":
            for name, schema in value.items():
                found[f"inputs.{name}"] = {
                    key: each for key, each in schema.items() if (key, each) != ("required", True)
                }
        elif key == "output":
            found |= {f"{key}.{name}": each for name, each in value.items() if (name, each) not in _UNSAID_OUTPUT}
        elif value == {"type": "text"}:
            pass  # the form that a reply has without it
        elif isinstance(value, dict):
            found |= {f"{key}.{name}": each for name, each in value.items()}
        elif key != "template":
            found[key] = value
    return found


def _unsaid(given: Mapping[str, Any], back: Mapping[str, Any] | None, losses: tuple[ExportLoss, ...]) -> list[str]:
    """The parts that are not as they were, and of which no loss tells."""
    if back is None:
        return [] if losses else ["everything"]
    before, after = _parts(given), _parts(back)
    lost = [each.part.replace("[", ".").replace("]", "") for each in losses]
    lost = ["messages" if each.endswith(".j2") else each for each in lost]
    changed = {part for part in before | after if before.get(part, {}) != after.get(part, {})}
    if any(part.startswith("messages") for part in lost):  # those after it may have moved up, and their inputs be gone
        places = {f"inputs.{each['placeholder']}" for each in given["messages"] if "placeholder" in each}
        changed = {each for each in changed if not each.startswith("messages") and each not in places}
        changed = {each for each in changed if not (each.startswith("inputs.") and each not in before)}
    return sorted(
        part
        for part in changed
        if not any(f"{each}.".startswith(f"{part}.") or f"{part}.".startswith(f"{each}.") for each in lost)
    )


def _without_end(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    return {**message, "content": content.removesuffix("\n")} if isinstance(content, str) else message


@pytest.mark.parametrize("format_", _ROUND)
@pytest.mark.parametrize("feature", _FEATURES)
def test_what_does_not_come_back_is_said_to_be_lost(feature: str, format_: str) -> None:
    data = _with_inputs(_FEATURES[feature])
    back, losses = _round(format_, data)
    if format_ == "prompty":  # it strips one line end at the end of each text, as its page here says
        data["messages"] = [_without_end(each) for each in data["messages"]]
    unsaid = [each for each in _unsaid(data, back, losses) if (feature, format_, each) not in _EXPECTED]
    assert unsaid == [], back
    for loss in losses:
        assert loss.place is None or loss.place.line, loss


def test_text_that_langfuse_would_fill_in_is_a_loss() -> None:
    message = {"role": "user", "content": "Write {{x}}\nas {{y}}."}
    _, losses = _round("langfuse", {"template": "simple", "inputs": {"x": {}}, "messages": [message]})
    [loss] = losses
    assert (loss.part, loss.message) == (
        "messages[0].content",
        "is text that would be taken for a variable: `{{…}}`",
    )


@pytest.mark.parametrize("format_", ["mlflow", "github", "promptfoo", "prompty"])
def test_a_partial_that_is_written_out_is_a_loss_at_the_line_of_its_include(format_: str) -> None:
    message = {"role": "user", "content": 'Hi.\n{% include "parts/rules.j2" %}\n'}
    _, losses = _round(format_, {"inputs": {"a": {"type": "string"}}, "messages": [message]})
    [loss] = [each for each in losses if "is written out" in each.message]
    assert loss.message.startswith("`parts/rules.j2` is written out: ")
    assert loss.place is not None
    assert loss.place.line == 7


@pytest.mark.parametrize("format_", ["dotprompt", "prompty", "github"])
def test_a_lost_key_of_a_message_is_placed_where_it_stands(format_: str) -> None:
    text = "messages:\n  - role: user\n    content: |\n      Hi\n    name: ann\n"
    losses = named(format_, is_written=True).write([to_write("p", {"prompts/p.prompt.yaml": text})]).losses
    assert [str(each.place) for each in losses if each.part.endswith("name")] == ["prompts/p.prompt.yaml:5:5"]
