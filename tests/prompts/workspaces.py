"""Small workspaces for the tests of loading, digests and checks."""

from __future__ import annotations

from promptctl.files.tree import MemoryTree

TRIAGE = """\
name: Support triage
description: Classify an inbound ticket and draft a reply.
status: active
formerly: [triage]
tags: [support]
model: openai/gpt-4o-mini
parameters: {temperature: 0, max_tokens: 400}
inputs:
  ticket: {type: string, description: Raw ticket text}
  product: {type: string, default: Acme}
  tone: {type: string, required: false}
  history: {type: array, default: []}
template: jinja2
messages:
  - role: system
    content: |
      You triage tickets for {{ product }}. Be {{ tone | default("kind") }}.
      {% include "support/tone.j2" %}
  - placeholder: history
  - role: user
    content: |
      {{ ticket }}
output:
  schema: {$ref: support/triage.schema.yaml}
  retries: 2
tools: []
metadata: {owner: support, content_type: text}
"""

TRIAGE_SCHEMA = """\
$schema: https://json-schema.org/draft/2020-12/schema
title: triage
type: object
additionalProperties: false
required: [label, reply]
properties:
  label: {enum: [billing, bug, other]}
  reply: {type: string, maxLength: 600}
"""

FILES: dict[str, str | bytes] = {
    "prompts/support/triage.prompt.yaml": TRIAGE,
    "prompts/support/triage.schema.yaml": TRIAGE_SCHEMA,
    "prompts/support/tone.j2": "Never promise a refund.\n",
}


def tree_with(changes: dict[str, str | bytes | None]) -> MemoryTree:
    """The workspace of `FILES`, with files added, replaced, or removed (None)."""
    return MemoryTree({path: text for path, text in {**FILES, **changes}.items() if text is not None})


def one(text: str, **others: str) -> MemoryTree:
    """A workspace of one prompt, `p`, and of further files below prompts/ (`a_schema_yaml` is `a.schema.yaml`)."""
    return MemoryTree(
        {"prompts/p.prompt.yaml": text, **{f"prompts/{k.replace('_', '.')}": v for k, v in others.items()}}
    )
