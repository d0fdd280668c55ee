from __future__ import annotations

import json
import re
from pathlib import Path

from hypothesis import given, settings

from promptctl.exchange.typed.typescript import write
from promptctl.prompts.prompt import Prompt
from tests.exchange.typed.changes import BREAKING, COMPATIBLE, exported
from tests.exchange.typed.hostile import prompts, rendered, to_write
from tests.exchange.typed.node import node, running_renderer, typescript

CALLER = """\
import triage, { type Inputs, type Output } from "./prompts/support/triage.js";

const ticket = "I was charged twice.";
const inputs: Inputs = { ticket, product: "Acme", tone: "dry", order: { id: "A1" } };
const history = [{ role: "user", content: "Hello" }] as const;
console.log(triage.render({ ...inputs, history }), triage.request(inputs).model);

const output: Output = triage.parse("{}");
const label: "billing" | "bug" = output.label;
export const said: string = label + (output.reply ?? "");
export const scored: string[] = (output.scores ?? []).map((score) => score.name);
"""
OPTIONS = {"strict": True, "noEmit": True, "module": "nodenext", "target": "es2022", "types": []}


def test_a_breaking_change_fails_the_callers_compiler_and_no_other_does(tmp_path: Path) -> None:
    program = typescript()
    for name, changes in {**BREAKING, **COMPATIBLE}.items():
        case = tmp_path / "cases" / name
        exported(tmp_path / "workspaces" / name, changes, "ts", case / "prompts")
        (case / "caller.ts").write_text(CALLER)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": OPTIONS, "include": ["cases"]}))
    done = node(str(program / "bin/tsc"), "--project", str(tmp_path), "--pretty", "false")
    failed = dict.fromkeys(re.findall(r"cases/(\w+)/caller\.ts", done.stdout))
    assert set(failed) == BREAKING.keys(), done.stdout
    assert not re.findall(r"cases/\w+/prompts/.*error", done.stdout), done.stdout


def test_no_text_of_a_prompt_becomes_code(tmp_path: Path) -> None:
    program, cases = typescript(), iter(range(1000))

    @settings(max_examples=80, deadline=None, derandomize=True)
    @given(prompts())
    def check(prompt: Prompt) -> None:
        out = tmp_path / f"cases/{next(cases)}"
        for path, data in write([to_write(prompt)]).files.items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_bytes(data)
        answer = renderer.ask(module=str(out / f"{prompt.id}.js"), inputs={})
        assert answer["messages"] == rendered(prompt)
        assert answer["data"] == {
            "id": prompt.id,
            "model": prompt.model,
            "parameters": prompt.parameters,
            "tools": list(prompt.tools),
            "responseFormat": prompt.declared_response_format,
        }

    with running_renderer() as renderer:
        check()
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": OPTIONS, "include": ["cases"]}))
    done = node(str(program / "bin/tsc"), "--project", str(tmp_path), "--pretty", "false")
    assert done.returncode == 0, done.stdout[:3000]
