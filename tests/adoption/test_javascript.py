from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import promptctl
from promptctl.adoption.found import FoundPrompt
from promptctl.adoption.javascript.finding import find
from promptctl.adoption.rewriting import javascript_call
from promptctl.files.tree import MemoryTree
from promptctl.formats.formatting import file_of
from promptctl.prompts.loading import load_prompt
from promptctl.prompts.rendering import Renderer

TRIAGE = """\
import OpenAI from "openai";

const TONE = "kind";
const SYSTEM = `You triage tickets. Be ${TONE}.\\nAnswer {"label": "x"} or {{none}}.`;

export class Desk {
  async triage(client: OpenAI, user: { name: string }, ticket: string, history: Message[]) {
    const about = "From " + user.name + ": ";
    return client.chat.completions.create({
      model: "gpt-4o-mini",
      temperature: 0,
      max_tokens: limit(),
      messages: [
        { role: "system", content: SYSTEM },
        ...history,
        { role: "user", content: about + ticket.trim() }, // the ticket
      ] as Message[],
      tools,
    });
  }
}
"""


def one(text: str, path: str = "src/desk.ts") -> FoundPrompt:
    finds = find(path, text)
    assert finds.left == ()
    [prompt] = finds.prompts
    return prompt


def rendered(prompt: FoundPrompt, **inputs: Any) -> list[dict[str, Any]]:
    tree = MemoryTree({"prompts/it.prompt.yaml": file_of("prompts/it.prompt.yaml", prompt.data, "prompt")})
    return list(Renderer(load_prompt(tree, "it")).render(inputs).messages)


def called(options: str, callee: str = "client.chat.completions.create") -> str:
    return f"const x = await {callee}({{{options}}});\n"


def test_a_call_is_found_with_its_texts_values_and_settings() -> None:
    prompt = one(TRIAGE)
    assert (prompt.place.line, prompt.what, prompt.language) == (9, "client.chat.completions.create", "typescript")
    assert prompt.names == ("desk/triage", "src/desk/triage")
    assert prompt.data["model"] == "openai/gpt-4o-mini"
    assert prompt.data["parameters"] == {"temperature": 0}
    assert prompt.values == {"history": "history", "name": "user.name", "ticket": "ticket.trim()"}
    assert prompt.notes == ("`max_tokens` is no literal, and stays in the call", "`tools` stays in the call")
    history = [{"role": "user", "content": "{{x}}"}]
    assert rendered(prompt, history=history, name="Ada", ticket="Help {{ name }}") == [
        {"role": "system", "content": 'You triage tickets. Be kind.\nAnswer {"label": "x"} or {{none}}.'},
        {"role": "user", "content": "{{x}}"},
        {"role": "user", "content": "From Ada: Help {{ name }}"},
    ]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (called('system: "S", prompt: `P`, model: openai("gpt-4o")', "generateText"), ["S", "P"]),
        (called('instructions: "S", input: "P", model: "gpt-4o"', "client.responses.create"), ["S", "P"]),
        (
            called(
                'system: "S", messages: [{role: "user", content: "P"}], model: "claude"', "anthropic.messages.create"
            ),
            ["S", "P"],
        ),
        (called('messages: [{"role": "user", content: ("a" + `b\\u0041`) as string}]'), ["abA"]),
        (called(r'messages: [{role: "user", content: "\ud83d\ude00" + `Oh x\ud83d\ude00\r\n`}]'), ["😀Oh x😀\r\n"]),
        ('const list = [{role: "user", content: "P"}] as const;\n' + called("messages: list"), ["P"]),
    ],
)
def test_the_kinds_of_calls(text: str, messages: list[str]) -> None:
    assert [each["content"] for each in rendered(one(text))] == messages


@pytest.mark.parametrize("callee", ["chat.completions.create", "this.client?.chat!.completions.create"])
def test_calls_are_known_however_they_are_reached(callee: str) -> None:
    assert rendered(one(called("messages: [{role: 'user', content: 'P'}]", callee)))[0]["content"] == "P"


def test_an_input_is_named_by_what_methods_are_called_on() -> None:
    text = '${user.tags.map((tag) => "- " + f(tag)).join()} ${(ticket as string).trim()} ${n + 1} ${f(q)} ${a.b(c).d}'
    prompt = one(called(f"messages: [{{role: 'user', content: `Say {text}`}}]"))
    assert list(prompt.values) == ["tags", "ticket", "n", "q", "d"]


def test_the_provider_stands_before_the_model() -> None:
    models = [
        one(called(f"prompt: 'P', model: {model}", "streamText")).data.get("model")
        for model in ('anthropic("claude-sonnet-4")', "openai.chat('gpt-4o')", "model", "'x/y'")
    ]
    assert models == ["anthropic/claude-sonnet-4", "openai/gpt-4o", None, "x/y"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("async function pirate(q) { const r = await CALL }", ("desk/pirate", "src/desk/pirate")),
        ("export const greet = async (name) => CALL", ("desk/greet", "src/desk/greet")),
        (
            "function chat() { const reply = async () => { const r = await CALL } }",
            ("desk/chat-reply", "src/desk/chat-reply"),
        ),
        ("const top = await CALL", ("desk/top", "src/desk/top")),
    ],
)
def test_ids_are_of_functions_and_never_of_what_holds_a_reply(text: str, names: tuple[str, ...]) -> None:
    call = "client.chat.completions.create({messages: [{role: 'user', content: 'P'}]});"
    assert one(text.replace("CALL", call)).names == names


def test_a_choice_of_two_texts_is_in_the_file() -> None:
    content = '`Be kind to ${admin ? "an admin" : "a user"}. ${tone ? `Be ${tone}` : "Be kind"} ${admin}`'
    prompt = one(called(f"messages: [{{role: 'system', content: {content}}}]"))
    assert prompt.values == {
        "admin": "Boolean(admin)", "tone": 'tone ? `Be ${tone}` : "Be kind"', "admin_2": "admin"
    }  # fmt: skip
    assert prompt.data["inputs"]["admin"] == {"type": "boolean"}
    [message] = rendered(prompt, admin=True, tone="Be brief", admin_2="x")
    assert message["content"] == "Be kind to an admin. Be brief x"
    [message] = rendered(prompt, admin=False, tone="Be brief", admin_2="x")
    assert message["content"] == "Be kind to a user. Be brief x"


def test_prompts_of_langchain() -> None:
    pairs = '["system", "Be {tone}."], ["placeholder", "{history}"], ["human", "{q}"]'
    text = f"const p = ChatPromptTemplate.fromMessages([{pairs}]);"
    assert [each["content"] for each in rendered(one(text), tone="kind", q="{tone}")] == ["Be kind.", "{tone}"]


def test_mappings_that_are_posted() -> None:
    body = 'model: "gpt-4o", messages: [{role: "system", content: "Be kind."}, {role: "user", content: `Q: ${q}`}]'
    posted = one(f"await fetch(url, {{method: 'POST', body: JSON.stringify({{{body}}})}});")
    assert [each["content"] for each in rendered(posted, q="why")] == ["Be kind.", "Q: why"]
    assert "model" not in posted.data
    assert posted.notes == ('the file names no model, as nothing says whose `"gpt-4o"` is',)
    assert "const messages = " in javascript_call(posted, "x")
    named = 'const messages = [{role: "user", content: "P"}];\nconst b = JSON.stringify({system: "S", messages});'
    assert [each["content"] for each in rendered(one(named))] == ["S", "P"]
    assert "const [{ content: system }, ...messages] = " in javascript_call(one(named), "x")
    assert (
        find("a.js", "JSON.stringify({role, messages}); JSON.stringify({messages: [1]}); JSON.stringify(x)").left == ()
    )


def test_lists_of_messages_of_langchain() -> None:
    text = "llm.invoke([new SystemMessage('Be kind.'), ...history, new messages.HumanMessage(q)]);"
    prompt = one(text)
    assert rendered(prompt, q="{{x}}") == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "{{x}}"},
    ]
    assert javascript_call(prompt, "x").endswith("const messages = x.render({ history, q });")


def test_a_nearer_name_hides_a_constant_and_a_function_may_have_changed_a_value() -> None:
    hidden = "const S = 'a';\nfunction f(S) { " + called("messages: [{role: 'user', content: 'Say ' + S}]") + "}\n"
    assert one(hidden).values == {"S": "S"}
    changed = (
        "const now = `at ${Date.now()}`;\nfunction f() { "
        + called("messages: [{role: 'user', content: 'Say ' + now}]")
        + "}\n"
    )
    assert one(changed).values == {"now": "now"}
    variable = "let S = 'a';\n" + called("messages: [{role: 'user', content: 'Say ' + S}]")
    assert one(variable).values == {"S": "S"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (called("messages"), "its messages are made elsewhere"),
        ("client.chat.completions.create(options);", "what it is given is not written here"),
        (called("...options, messages: []"), "its options are spread from elsewhere"),
        (
            called("messages: [{role, content: 'x'}]"),
            "the role of the message `{role, content: 'x'}` is not written out",
        ),
        (called("prompt: `Say ${q}`", "client.completions.create"), "it completes one text"),
        ("const p = await langfuse.getPrompt('x');", "Langfuse keeps its prompt"),
        ("const p = await new LangfuseClient().prompt.get('x');", "Langfuse keeps its prompt"),
        ("llm.invoke([new HumanMessage({ content: q })])", "the message `new HumanMessage({ content: q })` is made of"),
        ("llm.invoke([new HumanMessage(q)])", "no words of its messages stand here"),
        (called("messages: [message(1)]"), "the message `message(1)` is made elsewhere"),
        (called("messages: [{role: 'user', content: prompts.triage + q}]"), "no words of its messages stand here"),
        (called("messages: [{role: 'user', content: html`x`}]"), "a tagged template is a call of a function"),
        (called("messages: [{role: 'tool', content: 'x', tool_call_id: id}]"), "a message of the role `tool`"),
    ],
)
def test_what_is_too_dynamic_says_where_and_why(text: str, why: str) -> None:
    finds = find("a.js", text)
    assert finds.prompts == ()
    assert finds.left[0].why.startswith(why)
    assert finds.left[0].place.line == 1


@pytest.mark.parametrize(
    "change",
    [
        "messages.push({role: 'user', content: q});",
        "if (q) { (messages as any[]).splice(0, 1); }",
        "messages[0].content = q;",
        "addTo(messages);",
        "delete messages[0].name;",
    ],
)
def test_a_list_that_is_changed_later_is_left(change: str) -> None:
    for made, use in (
        ("[{role: 'system', content: 'Be brief.'}]", called("messages")),
        ("[new SystemMessage('Be brief.')]", "llm.invoke(messages);"),
    ):
        finds = find("a.ts", f"const messages = {made};\nfunction f(q) {{\n{change}\n{use}}}")
        assert finds.prompts == ()
        assert [each.why for each in finds.left] == ["`messages` is made in line 1, and line 3 may change it"]


def test_a_list_that_is_read_is_followed() -> None:
    code = "const messages = [{role: 'system', content: 'P'}];\nconsole.log(messages); messages.map(f); "
    other = "function g() { const messages = []; messages.push(1); }\n"
    assert rendered(one(other + "function f() { " + code + called("messages") + "}"))[0]["content"] == "P"


def test_a_file_with_broken_syntax_is_named() -> None:
    [broken] = find("a.ts", "\nclient.chat.completions.create({messages: [{role: 'user', content: `Hi`}]\n").left
    assert (broken.place.line, broken.what) == (2, "the file")


@pytest.mark.parametrize(
    "text", ["", "const a = (", "client.chat.completions.create({messages: [{" + "[" * 3000, "\x00"]
)
def test_a_broken_file_ends(text: str) -> None:
    assert find("a.ts", text).prompts == ()


def test_the_command_proposes_files_and_shows_the_calls(tmp_path: Path) -> None:
    (tmp_path / "promptctl.yaml").write_text("model: echo/echo\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/desk.ts").write_text(TRIAGE)
    (tmp_path / "src/desk.d.ts").write_text(TRIAGE)
    (tmp_path / "src/claude.mjs").write_text(
        called("system: 'S', messages: [{role: 'user', content: q}], model: 'claude'", "client.messages.create")
    )
    with promptctl.open_workspace(tmp_path) as workspace:
        found = workspace.adopt([tmp_path])
        assert [(each.id, each.prompt.language) for each in found.prompts] == [
            ("claude/x", "javascript"),
            ("desk/triage", "typescript"),
        ]
        assert found.prompts[0].call == (
            'import x from "./prompts/claude/x.js";\nconst [{ content: system }, ...messages] = x.render({ q });'
        )
        assert found.prompts[1].call == (
            'import triage from "./prompts/desk/triage.js";\n'
            "const messages = triage.render({ history, name: user.name, ticket: ticket.trim() });"
        )
        assert [change.path for change in found.proposal.changes] == [
            "prompts/claude/x.prompt.yaml",
            "prompts/desk/triage.prompt.yaml",
        ]


def test_no_code_is_read_through_a_link(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.py").write_text('SYSTEM = "You are the secret one."\n')
    (tmp_path / "promptctl.yaml").write_text("model: echo/echo\n")
    (tmp_path / "ext").symlink_to(outside)
    call = 'create(messages=[{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Hi"}])'
    (tmp_path / "app.py").write_text(f"from ext.secret import SYSTEM\n\nclient.chat.completions.{call}\n")
    with promptctl.open_workspace(tmp_path) as workspace:
        assert "secret one" not in workspace.adopt([tmp_path]).proposal.diff()


@pytest.mark.parametrize("ending", ["py", "ts"])
def test_texts_that_double_again_and_again_are_left(tmp_path: Path, ending: str) -> None:
    (tmp_path / "promptctl.yaml").write_text("model: echo/echo\n")
    words = ("", "") if ending == "py" else ("const ", ";")
    lines = [f"{words[0]}v{n} = v{n - 1} + v{n - 1}{words[1]}" for n in range(1, 60)]
    message = '{"role": "user", "content": v59}'
    given = f"messages=[{message}]" if ending == "py" else f"{{messages: [{message}]}}"
    text = "\n".join([f"{words[0]}v0 = 'a'{words[1]}", *lines, f"client.chat.completions.create({given})"])
    (tmp_path / f"a.{ending}").write_text(text + "\n")
    with promptctl.open_workspace(tmp_path) as workspace:
        found = workspace.adopt([tmp_path])
    assert found.prompts == ()
    assert "in too many steps" in found.left[0].why


def test_settings_go_by_every_name_that_imports_know_and_hold_what_a_prompt_may_have() -> None:
    options = 'messages: [{role: "user", content: "Hi"}], topK: 3, stopSequences: ["END"], temperature: "warm"'
    prompt = one(called(f"model: 'gpt-5', {options}"))
    assert prompt.data["parameters"] == {"top_k": 3, "stop": ["END"]}
    [note] = prompt.notes
    assert note.startswith("`temperature` has a value that it cannot have: ")
    assert note.endswith(", and stays in the call")


def test_calls_of_calls_take_no_time_by_the_square_of_their_number() -> None:
    begun = time.process_time()
    found = find(
        "a.ts",
        "a" + ".then(`x`)" * 5000 + ";\nclient.chat.completions.create({messages: [{role: 'user', content: 'Hi'}]});\n",
    )
    assert len(found.prompts) == 1
    assert time.process_time() - begun < 8
