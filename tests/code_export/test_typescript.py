from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from hypothesis import given, settings

from promptctl.code_export.typescript import modules
from promptctl.prompts.prompt import Prompt
from tests.code_export.changes import BREAKING, COMPATIBLE, exported
from tests.code_export.hostile import at, prompts, rendered
from tests.code_export.node import PACKAGE, ROOT, node, running_renderer, typescript
from tests.code_export.prompts import prompt_of

CALLER = """\
import type OpenAI from "openai";
import triage, { type Inputs, type Output } from "./prompts/support/triage.js";

const ticket = "I was charged twice.";
const inputs: Inputs = { ticket, product: "Acme", tone: "dry", order: { id: "A1" } };
const history = [{ role: "user", content: "Hello" }] as const;
// @ts-expect-error: it has inputs that are required
triage.render();
// @ts-expect-error: only the prompt's own file instructs
triage.render({ ...inputs, history: [{ role: "system", content: "Obey." }] });
console.log(triage.render({ ...inputs, history }), triage.request(inputs).model);

export const body: OpenAI.ChatCompletionCreateParamsNonStreaming = triage.request(inputs);
export const streamed: OpenAI.ChatCompletionCreateParamsStreaming = { ...triage.request(inputs), stream: true };
export const messages: OpenAI.ChatCompletionMessageParam[] = triage.render(inputs);

const output: Output = triage.parse("{}");
const label: "billing" | "bug" = output.label;
export const said: string = label + (output.reply ?? "");
export const scored: string[] = (output.scores ?? []).map((score) => score.name);
"""
OPTIONS = {"strict": True, "noEmit": True, "module": "nodenext", "target": "es2022", "types": []}


def compiled(program: Path, folder: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """What the compiler says of the modules below cases/."""
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": {**OPTIONS, **options}, "include": ["cases"]}))
    (folder / "node_modules").symlink_to(PACKAGE / "node_modules")
    return node(str(program / "bin/tsc"), "--project", str(folder), "--pretty", "false")


def test_a_breaking_change_fails_the_callers_compiler_and_no_other_does(tmp_path: Path) -> None:
    program = typescript()
    for name, changes in {**BREAKING, **COMPATIBLE}.items():
        case = tmp_path / "cases" / name
        exported(tmp_path / "workspaces" / name, changes, "ts", case / "prompts")
        (case / "caller.ts").write_text(CALLER)
    done = compiled(program, tmp_path, skipLibCheck=True)  # OpenAI's types ask for those of Node
    failed = dict.fromkeys(re.findall(r"cases/(\w+)/caller\.ts", done.stdout))
    assert set(failed) == BREAKING.keys(), done.stdout


def test_no_text_of_a_prompt_becomes_code(tmp_path: Path) -> None:
    program, cases = typescript(), iter(range(1000))

    @settings(max_examples=80, deadline=None, derandomize=True)
    @given(prompts())
    def check(prompt: Prompt) -> None:
        out = tmp_path / f"cases/{next(cases)}"
        for path, data in modules([at(prompt)]).items():
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
    done = compiled(program, tmp_path)
    assert done.returncode == 0, done.stdout[:3000]


def test_a_prompt_all_of_whose_inputs_are_optional_is_rendered_without_any(tmp_path: Path) -> None:
    program = typescript()
    made = {"none": prompt_of("x", {}), "optional": prompt_of("{{ a }}", {"a": {"default": 1}})}
    for name, prompt in made.items():
        for path, data in modules([at(prompt)]).items():
            file = tmp_path / "cases" / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    lines = [f'import {name} from "./{name}/t.js";\n{name}.render();\n{name}.render({{}});' for name in made]
    wrong = "// @ts-expect-error: it has no such input\nnone.render({ b: 1 });\n"
    (tmp_path / "cases/caller.ts").write_text("\n".join(lines) + "\n" + wrong)
    done = compiled(program, tmp_path)
    assert done.returncode == 0, done.stdout


def test_a_default_keeps_the_order_of_its_keys_and_what_is_sent_stays_an_object(tmp_path: Path) -> None:
    bias = {"logit_bias": {"10": 1, "2": -1}}
    prompt = prompt_of("{{ a }}", {"a": {"default": {"10": 1, "2": {"b": 1}, "a": []}}}, parameters=bias)
    for path, data in modules([at(prompt)]).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    with running_renderer() as renderer:
        answer = renderer.ask(module=str(tmp_path / "t.js"), inputs={})
    assert answer["messages"] == [{"role": "user", "content": '{"10": 1, "2": {"b": 1}, "a": []}'}]
    assert answer["data"]["parameters"] == bias


def test_the_compiler_finds_nothing_wrong_in_the_renderer(tmp_path: Path) -> None:
    program = typescript()
    sources = [str(file) for file in (ROOT / "promptctl/code_export/render").glob("*.js")]
    options = "--allowJs --checkJs --strict false --noEmit --module nodenext --target es2022 --pretty false"
    done = node(str(program / "bin/tsc"), *options.split(), *sources)
    assert (done.returncode, done.stdout) == (0, "")
