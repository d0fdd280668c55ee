from __future__ import annotations

import json
import re
import weakref
from pathlib import Path

import pytest

from promptctl.exchange.drafts import Source
from promptctl.exchange.formats import FORMATS, format_of
from tests.cli.conftest import Cli, git, write
from tests.json_schemas import fits

HUB = """\
name: deepset/summary
text: |
  Shorten this text: {text}
description: Shorten.
meta: {authors: [deepset-ai]}
version: '0.1.0'
"""
MARKDOWN = """\
---
title: Triage
model: openai/gpt-4o-mini
temperature: 0
owner: support
variables:
  ticket: The text of the ticket.
  tone: {default: kind}
---
## System
Answer {"label": "x"}, be {{tone}}.

## User
{{ ticket }} of {{ product }}
"""


@pytest.fixture
def inside(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace, as the current folder, with files of other tools below old/."""
    write(workspace, "old/summary.yaml", HUB)
    write(workspace, "old/support/triage.md", MARKDOWN)
    write(workspace, "old/README.md", "# What is here\n")
    monkeypatch.chdir(workspace)
    return workspace


def test_a_folder_is_imported_with_the_fate_of_every_part(cli: Cli, inside: Path) -> None:
    ran = cli("import", "old", "--yes")
    assert ran.exit_code == 0
    assert "old/summary.yaml: prompthub, prompts/summary.prompt.yaml (2 kept, 3 changed, 0 dropped)" in ran.err
    head, first, *_ = ran.err.partition("old/support/triage.md: ")[2].splitlines()
    assert head.startswith("markdown, prompts/support/triage.prompt.yaml")
    assert first.startswith("  2:1  changed `title`: is ")
    assert "\n  4:1  changed `temperature`: is parameters.temperature\n" in ran.err
    assert ran.err.count("old/support/triage.md") == 1
    assert "passed over: 1 file of no known format\n  old/README.md" in ran.err
    assert cli("validate").exit_code == 0
    messages = cli("render", "support/triage", "-i", "ticket=Help", "-i", "product=Acme", "--json").json["messages"]
    assert [message["content"] for message in messages] == ['Answer {"label": "x"}, be kind.\n', "Help of Acme\n"]


def test_what_is_shown_is_a_patch_and_nothing_is_written_unasked(cli: Cli, inside: Path) -> None:
    ran = cli("import", "old/support/triage.md", "--as", "desk/first")
    assert not (inside / "prompts/desk").exists()
    (inside / "patch").write_text(ran.out)
    git(inside, "apply", "patch")
    assert cli("show", "desk/first", "--json").json["name"] == "Triage"


def test_an_import_that_was_made_before_changes_nothing(cli: Cli, inside: Path) -> None:
    cli("import", "old", "--yes")
    ran = cli("import", "old", "--yes")
    assert (ran.exit_code, ran.out) == (0, "")
    assert "nothing to write: everything is there already" in ran.err


def test_an_id_that_is_taken_gets_a_number_and_replace_takes_its_place(cli: Cli, inside: Path) -> None:
    ran = cli("import", "old/support/triage.md", "--json")
    assert ran.json["sources"][0]["prompts"] == ["triage-2"]
    assert "has the id `triage-2`" in ran.json["sources"][0]["notes"][-1]["message"]
    replacing = cli("import", "old/support/triage.md", "--replace", "--json").json
    assert [(each["path"], each["action"]) for each in replacing["changes"]] == [
        ("prompts/triage.prompt.yaml", "changed")
    ]


def test_an_id_that_is_asked_for_is_never_another(cli: Cli, inside: Path) -> None:
    ran = cli("import", "old/support/triage.md", "--as", "triage", "--yes")
    assert (ran.exit_code, "`triage` is taken" in ran.err) == (2, True)
    assert cli("import", "old/support/triage.md", "--as", "triage", "--replace", "--yes").exit_code == 0
    assert cli("import", "old/support/triage.md", "--as", "triage", "--yes").exit_code == 0


def test_into_begins_every_id(cli: Cli, inside: Path) -> None:
    sources = cli("import", "old", "--into", "team/desk", "--json").json["sources"]
    assert [each["prompts"] for each in sources] == [["team/desk/summary"], ["team/desk/support/triage"]]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("bad.yaml", HUB.replace("{text}", "{text!r}"), "old/bad.yaml:3: `{text!r}` formats a value"),
        ("bad.yaml", HUB.replace("{text}", "{text"), "old/bad.yaml:3: "),
        ("bad.md", "---\nmodel: x\n---\n", "old/bad.md:4: there is no text below the header"),
        ("bad.md", "---\nmodel: [\n---\nHi\n", ""),
    ],
)
def test_a_file_that_is_refused_is_named_and_the_others_go_on(
    cli: Cli, inside: Path, name: str, text: str, says: str
) -> None:
    write(inside, f"old/{name}", text)
    ran = cli("import", "old", "--yes")
    assert ran.exit_code == (3 if says else 0)
    assert says in ran.err
    assert (inside / "prompts/support/triage.prompt.yaml").is_file()
    assert not list(inside.glob("prompts/bad*"))


def test_a_prompt_that_is_laid_out_by_hand_comes_back_from_json_as_the_same(cli: Cli, inside: Path) -> None:
    write(inside, "prompts/desk.prompt.yaml", "# ours\nmessages: [{role: user, content: 'Hi'}]\n")
    assert cli("export", "desk", "--to", "json", "-o", "out").exit_code == 0
    ran = cli("import", "out/desk.json", "--json", "--yes")
    assert (ran.json["sources"][0]["prompts"], ran.json["changes"]) == (["desk"], [])


def test_an_import_of_many_files_ends_with_a_total(cli: Cli, inside: Path) -> None:
    write(inside, "old/bad.yaml", HUB.replace("{text}", "{text"))
    total = cli("import", "old").err.splitlines()[-2]
    assert re.fullmatch(r"2 files read as 2 files: \d kept, 9 changed, 0 dropped; 1 file refused", total)
    assert "read as" not in cli("import", "old/summary.yaml").err


@pytest.mark.parametrize(
    ("name", "text", "message", "hint"),
    [
        ("a.json", '{"_type": "promt", "template": "Hi {x}"}', "`_type: promt` is no type", "did you mean `prompt`?"),
        ("a.prompty", "", "old/a.prompty:1: the file is empty", "write a header between lines of `---`"),
        ("promptfooconfig.yaml", "providers: [echo]\nprompts: []\n", "no prompt of it can be written here", ""),
    ],
)
def test_a_file_that_is_nearly_of_a_format_says_what_is_missing(
    cli: Cli, inside: Path, name: str, text: str, message: str, hint: str
) -> None:
    write(inside, f"old/{name}", text)
    ran = cli("import", f"old/{name}")
    assert ran.exit_code == 3
    assert message in ran.err
    assert hint in ran.err


def test_a_chat_of_langchain_may_have_its_messages_under_their_name(cli: Cli, inside: Path) -> None:
    write(inside, "old/c.json", '{"_type": "chat", "messages": [{"role": "human", "content": "Hi {x}"}]}')
    assert cli("import", "old/c.json", "--json").json["sources"][0]["format"] == "langchain"


def test_many_prompts_whose_names_have_no_latin_letter_are_tried_once_each(
    cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptctl.exchange.placing import Placing

    looked: list[str] = []
    there = Placing._there

    def look(placing: Placing, path: str) -> bytes | None:
        looked.append(path)
        return there(placing, path)

    monkeypatch.setattr(Placing, "_there", look)
    names = [chr(0x4E00 + number) * 2 for number in range(100)]
    write(inside, "old/pf.yaml", json.dumps({"prompts": [{"raw": f"Hi {each}", "label": each} for each in names],
                                             "providers": ["echo"]}))  # fmt: skip
    first = cli("import", "old/pf.yaml", "--json", "--yes").json
    assert first["sources"][0]["prompts"] == ["prompt", *(f"prompt-{number}" for number in range(2, 101))]
    assert len(looked) < 500
    assert cli("import", "old/pf.yaml", "--json").json["changes"] == []


def test_a_folder_is_read_file_by_file(cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from promptctl.exchange import importing

    for number in range(8):
        write(inside, f"big/{number}.json", "{]" if number % 2 else "{}")
    seen: list[weakref.ref[object]] = []
    held: list[int] = []

    def looked_at(source: Source) -> object:
        seen.append(weakref.ref(source))
        held.append(sum(each() is not None for each in seen))
        return format_of(source)

    monkeypatch.setattr(importing, "format_of", looked_at)
    cli("import", "big", "--json")
    assert len(held) == 8
    assert max(held) <= 2


def test_a_hidden_file_is_never_read_because_a_foreign_one_names_it(cli: Cli, inside: Path) -> None:
    write(inside, ".env", "OPENAI_API_KEY=sk-proj-secret\n")
    text = '{"_type": "prompt", "input_variables": [], "template_path": ".env"}'
    write(inside, "x.json", text)
    ran = cli("import", "x.json", "--yes")
    assert ran.exit_code == 3
    assert "`.env` is a hidden file" in ran.err
    assert "sk-proj" not in ran.out + ran.err


def test_a_value_that_no_reader_expects_refuses_its_file_alone(cli: Cli, inside: Path) -> None:
    write(inside, "old/odd.json", '{"_type": "prompt", "template": "hi {x}", "input_variables": -1}')
    message = '{"role": "user", "content": "\\ud800"}'
    text = f'{{"format": "promptctl/prompt/1", "id": "x", "prompt": {{"messages": [{message}]}}}}'
    write(inside, "old/half.json", text)
    ran = cli("import", "old", "--yes")
    assert ran.exit_code == 3
    assert "old/odd.json:1: it has a value that no such file should have" in ran.err
    assert re.search(r"old/half.json:1: .*a text has half a character", ran.err)
    assert (inside / "prompts/support/triage.prompt.yaml").is_file()


def test_an_export_follows_no_link(cli: Cli, inside: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    write(inside, "prompts/lib/x.prompt.yaml", "messages: [{role: user, content: Hi}]\n")
    (inside / "gen").mkdir()
    (inside / "gen/lib").symlink_to(outside)
    ran = cli("export", "lib/x", "--to", "json", "-o", "gen")
    assert ran.exit_code == 2
    assert "is reached through a link" in ran.err
    assert list(outside.iterdir()) == []


def test_a_json_export_that_includes_files_of_any_name_comes_back(cli: Cli, inside: Path) -> None:
    write(inside, "prompts/tone.md", "Be kind.\n")
    write(inside, "prompts/t.prompt.yaml", "messages: [{role: user, content: '{% include \"tone.md\" %} Hi'}]\n")
    cli("export", "t", "--to", "json", "-o", "o")
    (inside / "prompts/t.prompt.yaml").unlink()
    (inside / "prompts/tone.md").unlink()
    assert cli("import", "o/t.json", "--yes").exit_code == 0
    assert cli("render", "t", "--json").json["messages"][0]["content"] == "Be kind.\n Hi"


def test_no_value_of_a_case_becomes_code_of_promptfoo(cli: Cli, inside: Path) -> None:
    case = "{id: a, inputs: {ticket: 'file://evil.js'}, assert: [{type: contains, value: x}]}"
    write(inside, "datasets/d.yaml", f"prompts: [triage]\ncases: [{case}]\n")
    ran = cli("export", "triage", "--to", "promptfoo", "--lossy", "-o", "pf")
    assert "`cases.a` says `file://`, which promptfoo would load or run" in " ".join(ran.err.split())
    assert not any("evil.js" in file.read_text() for file in (inside / "pf").rglob("*") if file.is_file())


def test_a_file_of_no_known_format_is_refused_by_its_name(cli: Cli, inside: Path) -> None:
    write(inside, "old/x.poml", "<poml>Hi</poml>\n")
    ran = cli("import", "old/x.poml")
    assert ran.exit_code == 3
    assert "old/x.poml:1: this is of no format that is imported: it is a POML file" in ran.err


def test_a_file_that_is_no_yaml_is_said_to_be_none(cli: Cli, inside: Path) -> None:
    write(inside, "old/x.yaml", "a: [1\n")
    ran = cli("import", "old/x.yaml")
    assert (ran.exit_code, "of no format" in ran.err) == (3, False)
    assert "error: old/x.yaml:" in ran.err


def test_a_file_named_as_a_prompt_is_never_passed_over_in_silence(cli: Cli, inside: Path) -> None:
    write(inside, "old/broken.prompt.yml", "messages: [\n")
    write(inside, "old/ours.prompt.yaml", "inputs: {}\nmessages: [{role: user, content: Hi}]\n")
    ran = cli("import", "old")
    assert ran.exit_code == 3
    assert "error: old/broken.prompt.yml:" in ran.err
    assert "passed over: 1 file of promptctl's own, 1 file of no known format" in ran.err


def test_wrong_arguments_say_what_there_is(cli: Cli, inside: Path) -> None:
    assert "there is no file or folder `nix`" in cli("import", "nix").err
    assert "nothing is fetched: save it as a file" in cli("import", "https://example.com/x.yaml").err
    assert "error: /dev/null: the file is not a regular file" in cli("import", "/dev/null").err
    assert "did you mean `markdown`?" in cli("import", "old", "--from", "markdwon").err
    assert "`Bad Id` of --as cannot be" in cli("import", "old/summary.yaml", "--as", "Bad Id").err
    assert "such as bad-id" in cli("import", "old", "--into", "Bad Id").err
    assert "an id can be given to one prompt alone" in cli("import", "old", "--as", "x").err
    assert cli("export", "--to", "nix").exit_code == 2


def test_a_file_that_is_no_text_is_said_to_be_none(cli: Cli, inside: Path) -> None:
    (inside / "old/x.poml").write_bytes("é".encode("latin-1"))
    assert "old/x.poml:1: the file is not UTF-8 text" in cli("import", "old/x.poml").err


def test_no_link_leads_out_of_what_is_imported(
    cli: Cli, inside: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = write(tmp_path_factory.mktemp("outside"), "secret.md", MARKDOWN)
    (inside / "old/link.md").symlink_to(outside)
    (inside / "old/folder").symlink_to(outside.parent)
    sources = cli("import", "old", "--json").json["sources"]
    assert [each["path"] for each in sources] == ["old/summary.yaml", "old/support/triage.md"]


def test_a_prompt_as_json_comes_back_as_it_was(cli: Cli, inside: Path) -> None:
    write(inside, "prompts/team/tone.j2", "Be kind.\n")
    write(inside, "prompts/team/reply.schema.yaml", "type: object\n")
    text = (
        "name: Desk\noutput:\n  schema: {$ref: team/reply.schema.yaml}\nmessages:\n"
        "  - role: user\n    content: '{% include \"team/tone.j2\" %}'\n"
    )
    write(inside, "prompts/desk.prompt.yaml", text)
    digest = cli("show", "desk", "--json").json["digest"]
    assert cli("export", "desk", "--to", "json", "-o", "out").exit_code == 0
    ran = cli("import", "out/desk.json", "--into", "again", "--yes")
    assert ran.exit_code == 0
    assert json.loads((inside / "out/desk.json").read_text())["files"]["team/tone.j2"] == "Be kind.\n"
    assert cli("show", "again/desk", "--json").json["digest"] != digest  # its partial has a different path
    assert cli("render", "again/desk", "--json").json["messages"] == cli("render", "desk", "--json").json["messages"]


def test_an_include_whose_path_stays_is_left_as_it_is_written(cli: Cli, inside: Path) -> None:
    write(inside, "prompts/tone.j2", "Be kind.\n")
    text = "messages: [{role: user, content: \"{%- include  'tone.j2'%}{% include 'tone.j2' with context %}\"}]\n"
    write(inside, "prompts/desk.prompt.yaml", text)
    digest = cli("show", "desk", "--json").json["digest"]
    assert cli("export", "desk", "--to", "json", "-o", "out").exit_code == 0
    assert cli("import", "out/desk.json", "--as", "again", "--yes").exit_code == 0
    assert cli("show", "again", "--json").json["digest"] == digest


def test_files_that_were_exported_are_compared_and_not_overwritten_unasked(cli: Cli, inside: Path) -> None:
    assert cli("export", "triage", "--to", "json", "-o", "out", "--check").exit_code == 1
    cli("export", "triage", "--to", "json", "-o", "out")
    assert cli("export", "triage", "--to", "json", "-o", "out", "--check").exit_code == 0
    write(inside, "out/triage.json", "mine\n")
    ran = cli("export", "triage", "--to", "json", "-o", "out")
    assert ran.exit_code == 2
    assert "there is something else in out/triage.json" in ran.err
    assert (inside / "out/triage.json").read_text() == "mine\n"
    assert cli("export", "triage", "--to", "json", "-o", "out", "--replace").exit_code == 0
    assert cli("export", "triage", "--to", "json").out == (inside / "out/triage.json").read_text()


@pytest.mark.parametrize("format_", ["ts", "py"])
def test_a_check_finds_modules_of_prompts_that_are_gone(cli: Cli, inside: Path, format_: str) -> None:
    write(inside, "prompts/desk/old.prompt.yaml", "messages: [{role: user, content: Hi}]\n")
    cli("export", "--to", format_, "-o", "gen")
    write(inside, "gen/own.py", "# ours\n")
    assert cli("export", "--to", format_, "-o", "gen", "--check").exit_code == 0
    (inside / "prompts/desk/old.prompt.yaml").unlink()
    ran = cli("export", "--to", format_, "-o", "gen", "--check")
    assert ran.exit_code == 1
    assert f"gen/desk/old.{format_.replace('ts', 'js')} is of a prompt that is gone: remove it" in ran.err
    assert cli("export", "triage", "--to", format_, "-o", "gen", "--check").exit_code == 0


def test_a_loss_in_a_dataset_of_two_prompts_is_said_once(cli: Cli, inside: Path) -> None:
    for name in ("a", "b"):
        write(inside, f"prompts/{name}.prompt.yaml", "model: echo/echo\nmessages: [{role: user, content: Hi}]\n")
    case = "{id: x, assert: [{type: contains, value: y}]}"
    write(inside, "datasets/ab.yaml", f"prompts: [a, b]\nmin_pass: 0.5\ncases: [{case}]\n")
    losses = cli("export", "a", "b", "--to", "promptfoo", "--json").json["losses"]
    assert [loss["part"] for loss in losses].count("min_pass") == 1


def test_the_help_names_every_format(cli: Cli) -> None:
    into, out = (cli(command, "--help").out for command in ("import", "export"))
    assert all(re.search(rf"\b{each.name}\b", into) for each in FORMATS if each.reads)
    assert all(re.search(rf"\b{each.name}\b", out) for each in FORMATS if each.writes)


def test_two_versions_of_a_prompt_are_not_written_to_one_file(cli: Cli, inside: Path) -> None:
    ran = cli("export", "triage@v1", "triage", "--to", "json", "-o", "out")
    assert ran.exit_code == 2
    assert "`triage@v1` and `triage` would be written to the same files" in ran.err
    assert not (inside / "out").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("conftest.py", "it is of a kind that is not taken"),
        ("test_x.txt", "it would be run as a test"),
        ("sub/test_y.py", "it is of a kind that is not taken"),
        ("promptctl.yaml", "it would set up a tool"),
        ("sub/PROMPTCTL.yaml", "it would set up a tool"),
        (".env", "it is hidden"),
        ("CLAUDE.md", "it would be read as orders to coding agents"),
        ("a:b.j2", "it has a name that other systems take for a path"),
    ],
)
def test_a_document_brings_no_file_that_another_tool_would_run_or_read(
    cli: Cli, inside: Path, name: str, words: str
) -> None:
    prompt = {"messages": [{"role": "user", "content": f"{{% include '{name}' %}} Hi"}]}
    write(
        inside,
        "p.json",
        json.dumps({"format": "promptctl/prompt/1", "id": "p", "prompt": prompt, "files": {name: "x"}}),
    )
    ran = cli("import", "p.json", "--yes")
    assert ran.exit_code == 3
    assert f"error: p.json:1: `{name}` cannot be a file here: {words}" in ran.err
    assert not (inside / f"prompts/{name}").exists()
    assert not (inside / "prompts/p.prompt.yaml").exists()


def test_a_document_brings_no_file_that_its_prompt_does_not_use(cli: Cli, inside: Path) -> None:
    prompt = {
        "inputs": {"x": {"$ref": "a.schema.json"}},
        "messages": [{"role": "user", "content": "{% include 'a.j2' %}{{ x }}"}],
    }
    files = {"a.j2": "{% include 'deep/b.j2' %}", "deep/b.j2": "b", "a.schema.json": '{"type": "string"}'}
    ours = {"format": "promptctl/prompt/1", "id": "p", "prompt": prompt, "files": files}
    write(inside, "good.json", json.dumps(ours))
    files = files | {"prompts/q.prompt.yaml": "messages:\n- {role: user, content: hi}\n"}
    write(inside, "bad.json", json.dumps(ours | {"id": "bad", "files": files}))
    ran = cli("import", "good.json", "bad.json", "--yes")
    assert ran.exit_code == 3
    message = "`prompts/q.prompt.yaml` is a file that the prompt neither includes nor names"
    assert f"error: bad.json:1: {message}" in ran.err
    assert (inside / "prompts/deep/b.j2").is_file()
    assert not (inside / "prompts/prompts").exists()


def test_what_is_held_back_for_a_secret_is_not_said_to_be_there(cli: Cli, inside: Path) -> None:
    text = "The key is sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD"
    keys = {"type": "text", "config": {}, "labels": [], "tags": []}
    write(inside, "a.json", json.dumps([{"name": "a", "prompt": text, "version": 1, **keys}]))
    ran = cli("import", "a.json", "--yes")
    assert ran.exit_code == 3
    assert ran.err.splitlines()[-1] == "nothing to write"


def test_a_dataset_is_never_named_as_the_settings_are(cli: Cli, inside: Path) -> None:
    write(inside, "old/promptctl.yaml", "prompts: [hi]\nproviders: [echo]\ntests: [{vars: {a: b}}]\n")
    cli("import", "old/promptctl.yaml", "--from", "promptfoo", "--yes")
    assert (inside / "datasets/promptctl-cases.yaml").is_file()
    assert not (inside / "datasets/promptctl.yaml").exists()


def test_documents_have_the_shapes_that_are_promised(cli: Cli, inside: Path) -> None:
    write(inside, "old/bad.md", "---\nmodel: x\n---\n")
    fits("import", cli("import", "old", "--json", "--yes").json)
    fits("export", cli("export", "triage", "--to", "json", "--json").json)
    fits("export", cli("export", "triage", "--to", "github", "--json").json)


def test_a_file_that_another_names_is_not_passed_over(cli: Cli, inside: Path) -> None:
    write(inside, "foo/promptfooconfig.yaml", "prompts: [file://p.json]\nproviders: [echo]\n")
    write(inside, "foo/p.json", json.dumps([{"role": "user", "content": "Hi {{name}}"}]))
    write(inside, "foo/other.json", "{}")
    assert cli("import", "foo", "--json").json["passed_over"] == ["foo/other.json"]


def test_an_imported_template_includes_no_file_of_the_workspace(cli: Cli, inside: Path) -> None:
    write(inside, "prompts/secret/system.j2", "Only for us.\n")
    template = "Hi.\n{% include 'secret/system.j2' %}"
    chain = {"_type": "prompt", "template_format": "jinja2", "input_variables": [], "template": template}
    write(inside, "old/chain.json", json.dumps(chain, indent=1))
    partials = {"a.j2": "{% include 'secret/system.j2' %}"}
    prompt = {"messages": [{"role": "user", "content": "{% include 'a.j2' %}"}]}
    ours = {"format": "promptctl/prompt/1", "id": "ours", "prompt": prompt, "files": partials}
    write(inside, "old/ours.json", json.dumps(ours, indent=1))
    ran = cli("import", "old", "--dry-run")
    assert ran.exit_code == 3
    words = "`secret/system.j2` is included, and would be a file of this workspace: the import has none"
    assert f"old/chain.json:5: {words}" in ran.err
    assert f"old/ours.json:13: {words}" in ran.err
    assert "prompts/summary.prompt.yaml" in ran.err
