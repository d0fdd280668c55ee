"""A prompt, changes of it that break a caller and changes that break none; for compilers of both languages."""

from __future__ import annotations

from pathlib import Path

import promptctl
from promptctl import ExportRequest

TRIAGE = """\
name: Support triage
description: Classify a ticket.
model: openai/gpt-4o-mini
parameters: {temperature: 0}
inputs:
  ticket: {type: string, description: Raw ticket text}
  product: {type: string, default: Acme}
  tone: {enum: [kind, dry], required: false}
  order:
    type: object
    required: [id]
    properties: {id: {type: string}, paid: {type: [boolean, 'null']}}
  totals: {type: object, additionalProperties: {type: number}, default: {}}
  history: {type: array, default: []}
messages:
  - role: system
    content: You triage tickets for {{ product }}, {{ tone | default('kind') }}, of {{ order.id }} and {{ totals }}.
  - placeholder: history
  - {role: user, content: "{{ ticket }}"}
output:
  schema:
    type: object
    required: [label]
    properties:
      label: {enum: [billing, bug]}
      reply: {type: string}
      scores: {type: array, items: {type: object, required: [name], properties: {name: {type: string}}}}
"""
# What is replaced by what.
Change = tuple[str, str]
BREAKING: dict[str, tuple[Change, ...]] = {
    "input_renamed": (("  ticket: {", "  text: {"), ("{{ ticket }}", "{{ text }}")),
    "optional_input_renamed": (("  product: {", "  brand: {"), ("{{ product }}", "{{ brand }}")),
    "input_added": (("  history:", "  locale: {type: string}\n  history:"),),
    "input_removed": (("  product: {type: string, default: Acme}\n", ""), ("{{ product }}", "Acme")),
    "input_made_required": ((", default: {}}", "}"),),
    "enum_narrowed": (("[kind, dry]", "[kind]"),),
    "type_changed": (("ticket: {type: string", "ticket: {type: integer"),),
    "key_of_input_required": (("required: [id]", "required: [id, paid]"),),
    "output_key_removed": (("      reply: {type: string}\n", ""),),
    "output_key_made_optional": (("required: [label]", "required: [reply]"),),
    "output_enum_widened": (("[billing, bug]", "[billing, bug, other]"),),
    "output_item_renamed": (("required: [name], properties: {name:", "required: [title], properties: {title:"),),
}
COMPATIBLE: dict[str, tuple[Change, ...]] = {
    "as_it_was": (),
    "words_changed": (("You triage tickets", "Sort the tickets"),),
    "optional_input_added": (("  history:", "  locale: {type: string, default: en}\n  history:"),),
    "input_made_optional": (("Raw ticket text}", "Raw ticket text, default: ''}"),),
    "enum_of_input_widened": (("[kind, dry]", "[kind, dry, warm]"),),
    "output_key_added": (("      reply: {", "      urgency: {type: integer}\n      reply: {"),),
    "output_enum_narrowed": (("[billing, bug]", "[billing]"),),
}


def exported(folder: Path, changes: tuple[Change, ...], to: str, out: Path) -> None:
    """Export the prompt after its changes from a workspace made in a folder."""
    text = TRIAGE
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    (folder / "prompts/support").mkdir(parents=True)
    (folder / "promptctl.yaml").write_text("model: echo/echo\n")
    (folder / "prompts/support/triage.prompt.yaml").write_text(text)
    with promptctl.open_workspace(folder) as workspace:
        workspace.exchange.export(ExportRequest(refs=["support/triage"], format=to)).write(out)
