"""Files of Prompty 2, rendered by Prompty's own runtime and by promptctl once they are imported: the same messages."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptctl.exchange.prompty.reading import read as read_prompty
from tests.exchange.conftest import rendered, source

runtime = pytest.importorskip("prompty")

HEADER = """\
---
name: it
inputs:
  - {name: question, kind: string, required: true}
  - {name: tone, kind: string, default: kind}
  - {name: facts, kind: array, items: {kind: string}, required: true}
  - {name: user, kind: object, required: true}
  - {name: count, kind: integer, required: true}
  - {name: history, kind: thread}
  - {name: photo, kind: image, required: true}
template: {format: {kind: jinja2, strict: false}, parser: {kind: prompty}}
---
"""
GIVEN: dict[str, Any] = {
    "question": "Why? {{ x }}",
    "facts": ["a", "b"],
    "user": {"name": "Ada"},
    "count": 3,
    "history": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes."}],
    "photo": "https://example.com/a.png",
}
LINES = st.sampled_from((
    "You help {{tone}}ly.", "{{ question }}", "{{question | upper}}", "# Title", "", "  indented  ", "a: b", "user: x",
    "{% for fact in facts %}{{ loop.index }}. {{ fact }};{% endfor %} end", "{# nothing #}text",
    '{{ tone | default("x") }}', "{% if count > 2 and user.name == 'Ada' %}many{% else %}few{% endif %} of them",
    "{{ facts | join(', ') }} {{ facts | length }}", "![image](https://example.com/x.png)", "is ${env:HOME}", "a \\n b",
    "system :x", "The user:",
))  # fmt: skip
ROLES = st.sampled_from((
    "system:", "user:", "assistant:", "developer:", " User:",
     "# system:", 'user[name="Ada"]:', "SYSTEM :", " assistant: ",
))  # fmt: skip
# One input that stands for more than text in a message, which is what Prompty's own runtime can tell apart.
RICH = st.sampled_from(("{{history}}", "{{ history }}", "{{photo}}"))


@st.composite
def bodies(draw: Any) -> str:
    lines: list[str] = draw(st.lists(LINES, max_size=2))
    for _ in range(draw(st.integers(0 if any(map(str.strip, lines)) else 1, 3))):
        lines.append(draw(ROLES))
        block = draw(st.lists(LINES, min_size=1, max_size=4))
        if draw(st.booleans()):
            block.insert(draw(st.integers(0, len(block))), draw(RICH))
        lines += block
    return "\n".join(lines)


def _theirs(text: str) -> list[dict[str, Any]]:
    with TemporaryDirectory() as folder:
        file = Path(folder, "it.prompty")
        file.write_text(text)
        return [
            {
                "role": each.role,
                "content": [part.value if hasattr(part, "value") else part.source for part in each.parts],
                **{key: value for key, value in each.metadata.items() if key == "name"},
            }
            for each in runtime.prepare(runtime.load(file), GIVEN)
        ]


def _ours(text: str) -> list[dict[str, Any]]:
    contents = read_prompty(source("it.prompty", text))
    used = contents.prompts[0].data.get("inputs", {})
    messages = rendered(contents, {name: value for name, value in GIVEN.items() if name in used})
    for message in messages:
        content = message["content"]
        parts = [content] if isinstance(content, str) else content
        message["content"] = [
            part if isinstance(part, str) else part["text"] if "text" in part else part["image_url"]["url"]
            for part in parts
        ]
    return messages


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(body=bodies())
def test_promptctl_sends_what_prompty_sends(body: str) -> None:
    text = HEADER + body
    assert _ours(text) == _theirs(text)
