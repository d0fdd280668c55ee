"""Workspaces to look at: one with a history, labels, tests and calls, and one whose every text is hostile."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from promptctl.workspace import open_workspace
from tests.cli.conftest import commit, git, write
from tests.repositories import copied

SETTINGS = """\
model: echo/echo
log:
  - {prompts: "*", content: full}
budgets:
  - {name: daily, prompts: ["support/*"], limit: {usd: 5}, per: day}
"""
TRIAGE = """\
name: Support triage
description: Classify an inbound ticket.
tags: [support, tickets]
parameters: {temperature: 0}
inputs:
  ticket: {type: string, description: Raw ticket text}
  product: {type: string, default: Acme}
messages:
  - role: system
    content: |
      You triage tickets for {{ product }}.
      {% include "support/tone.j2" %}
      Answer with one label.
  - role: user
    content: |
      {{ ticket }}
output:
  schema: {$ref: ./triage.schema.yaml}
"""
URGENT = TRIAGE.replace("  product:", "  urgent: {type: boolean}\n  product:").replace(
    "one label", "one label, and why"
)
SCHEMA = "type: object\nrequired: [label]\nproperties:\n  label: {enum: [billing, bug], description: The subject}\n"
CHAT = (
    "name: Chat\nstatus: deprecated\ntags: [chat]\nmodel: openai/gpt-4o-mini\nmessages: [{role: user, content: Hi}]\n"
)
CASES = "prompts: [support/triage]\ncases: [{id: a, inputs: {ticket: x, urgent: true}, assert: [{type: is-json}]}]\n"
EVIL = "\"'><script>alert(1)</script>&lt;\u202e`$(id)`" + "x" * 120


def lively(folder: Path, base: Path) -> Path:
    """A copy of a repository with three versions of `support/triage`, two labels, a call and an evaluation."""
    copied(_lively(base / "lively"), folder)
    return folder


@cache
def _lively(folder: Path) -> Path:
    folder.mkdir()
    git(folder, "init", "--quiet")
    write(folder, "promptctl.yaml", SETTINGS)
    write(folder, "prompts/chat.prompt.yaml", CHAT)
    write(folder, "prompts/support/triage.prompt.yaml", TRIAGE)
    write(folder, "prompts/support/triage.schema.yaml", SCHEMA)
    write(folder, "prompts/support/tone.j2", "Be kind.\n")
    write(folder, "datasets/triage.yaml", CASES)
    commit(folder, "Add triage")
    write(folder, "prompts/support/tone.j2", "Be kind and honest.\n")
    commit(folder, "Be honest")
    with open_workspace(folder, {}) as workspace:
        workspace.labels.set("support/triage@staging", "v1", reason="first try")
        workspace.labels.set("support/triage@production", "v1", reason="it works")
        workspace.labels.set("support/triage@staging", "v2", reason="honest replies")
        write(folder, "prompts/support/triage.prompt.yaml", URGENT)
        commit(folder, "Ask for urgency")
        workspace.run("support/triage", {"ticket": "I was charged twice.", "urgent": True})
    return folder


def hostile(folder: Path) -> Path:
    """A workspace in which whatever people can write tries to be mark-up, a script or a command."""
    quoted = EVIL.replace("\\", "\\\\").replace('"', '\\"')
    text = f'"{quoted}"'
    write(folder, "promptctl.yaml", f"model: echo/echo\nlog: [{{prompts: {text}, content: full}}]\n")
    prompt = f"name: {text}\ndescription: {text}\ntags: [{text}]\nmetadata: {{owner: {text}}}\n"
    prompt += f"parameters: {{stop: {text}}}\ninputs: {{x: {{type: string, description: {text}, default: {text}}}}}\n"
    prompt += f"messages: [{{role: user, content: {text}}}]\ntemplate: none\n"
    git(folder, "init", "--quiet")
    write(folder, "prompts/evil.prompt.yaml", prompt)
    write(folder, "prompts/part.j2", EVIL)
    write(folder, "prompts/uses.prompt.yaml", "messages: [{role: user, content: '{% include \"part.j2\" %}'}]\n")
    commit(folder, EVIL)
    write(folder, "prompts/part.j2", f"{EVIL}\n{EVIL}")
    commit(folder, f"{EVIL} again")
    write(folder, "prompts/wrong.prompt.yaml", f"{text}: 1\nmessages: []\n")
    with open_workspace(folder, {}) as workspace:
        workspace.labels.set("evil@production", "v1", reason=EVIL)
        workspace.run("evil", user=EVIL, session=EVIL)
    return folder
