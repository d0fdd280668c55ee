from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import promptctl
from tests.cli.conftest import TRIAGE, Cli, write
from tests.openai_server import OpenAIServer, reply

SCHEMA = "output:\n  schema: {type: object, required: [label], properties: {label: {enum: [billing, bug]}}}\n"


@pytest.mark.usefixtures("workspace")
def test_the_reply_is_data_and_the_rest_is_words(cli: Cli) -> None:
    ran = cli("run", "triage", "-i", "ticket=Help!")
    assert (ran.exit_code, ran.out) == (0, "Help!\n")
    assert "triage · v1" in ran.err


@pytest.mark.usefixtures("workspace")
def test_run_sends_what_render_shows(cli: Cli) -> None:
    shown = cli("render", "triage", "-i", "ticket=Help!", "--json").json
    sent = cli("run", "triage", "-i", "ticket=Help!", "--json").json
    assert sent["messages"] == shown["messages"]
    assert (sent["digest"], sent["commit"], sent["version"]) == (shown["digest"], shown["commit"], shown["version"])


@pytest.mark.usefixtures("workspace")
def test_what_is_recorded_can_be_found_again(cli: Cli) -> None:
    made = cli(
        "run", "triage", "-i", "ticket=Help!", "--user", "u1", "--session", "s1", "--meta", "ticket_id=7",
        "--content-type", "text", "--json",
    ).json  # fmt: skip
    for option in (["--user", "u1"], ["--session", "s1"], ["--prompt", "tri*"], ["--status", "ok"], ["--since", "1h"]):
        found = cli("log", "list", *option, "--json").json
        assert [each["execution"] for each in found] == [made["execution"]]
    assert cli("log", "list", "--user", "nobody", "--json").json == []
    shown = cli("log", "show", made["execution"][-8:], "--json").json
    assert shown["reply"] == "Help!\n"
    assert shown["call_metadata"] == {"ticket_id": 7}
    stats = cli("log", "stats", "--json").json
    assert (stats[0]["prompt"], stats[0]["calls"], stats[0]["cost_nano_usd"]) == ("triage", 1, 0)


@pytest.mark.usefixtures("workspace")
def test_a_stream_prints_the_same_and_records_the_same(cli: Cli) -> None:
    streamed = cli("run", "triage", "-i", "ticket=One two three", "--stream")
    assert (streamed.exit_code, streamed.out) == (0, "One two three\n")
    (row,) = cli("log", "list", "--json").json
    assert row["status"] == "ok"


@pytest.mark.usefixtures("workspace")
def test_a_streamed_reply_is_recorded_for_replay_too(cli: Cli) -> None:
    cli("run", "triage", "-i", "ticket=Help!", "--stream", "--record")
    assert cli("run", "triage", "-i", "ticket=Help!", "--model", "replay/echo/echo").out == "Help!\n"


def test_a_recording_is_written_without_secrets(cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_API_KEY", "correct-horse")
    ran = cli("run", "triage", "-i", "ticket=Take correct-horse", "--record")
    assert ran.out == "Take correct-horse\n"
    assert "warning: 5 texts were written as [redacted]: the value of SHOP_API_KEY" in ran.err
    recorded = (workspace / "datasets/recordings/triage.jsonl").read_text()
    assert "Take [redacted]" in recorded
    assert "correct-horse" not in recorded
    assert '"note":"not the reply itself: a secret in it was replaced"' in recorded
    dataset = workspace / "datasets/triage.yaml"
    dataset.parent.mkdir(exist_ok=True)
    dataset.write_text("prompts: [triage]\ncases:\n  - {id: a, inputs: {ticket: a}, expected: a}\n")
    [logged] = json.loads(cli("log", "list", "--json").out)
    added = cli("dataset", "add", "triage", "--execution", logged["execution"], "--expect-reply")
    assert "holds [redacted]: the log replaced a secret there" in added.err


@pytest.mark.usefixtures("workspace")
def test_a_word_that_is_a_password_is_neither_replaced_nor_told(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", "postgres")
    monkeypatch.setenv("PARTITION_KEY", "customer_id")
    text = "postgresql by customer_id, postgres"
    ran = cli("run", "triage", "-i", f"ticket={text}", "--record")
    assert "redacted" not in ran.err
    assert cli("run", "triage", "-i", f"ticket={text}", "--model", "replay/echo/echo").out == f"{text}\n"


@pytest.mark.parametrize(("log", "rows", "content"), [("full", 1, True), ("metadata", 1, False), ("off", 0, False)])
def test_a_call_can_say_what_is_kept_of_it(cli: Cli, workspace: Path, log: str, rows: int, content: bool) -> None:
    cli("run", "triage", "-i", "ticket=Help!", "--log", log)
    found = cli("log", "list", "--json").json
    assert len(found) == rows
    if rows:
        assert (cli("log", "show", found[0]["execution"], "--json").json["reply"] is not None) is content
    assert cli("log", "stats", "--json").json[0]["calls"] == 1, "totals are kept whatever the rule says"


def test_rules_decide_where_the_call_does_not(cli: Cli, workspace: Path) -> None:
    write(workspace, "promptctl.yaml", "model: echo/echo\nlog:\n  - {prompts: 'tri*', active: false}\n")
    cli("run", "triage", "-i", "ticket=Help!")
    assert cli("log", "list", "--json").json == []
    cli("run", "triage", "-i", "ticket=Help!", "--log", "metadata")
    assert len(cli("log", "list", "--json").json) == 1


def test_an_empty_model_is_the_prompts_own(workspace: Path) -> None:
    with promptctl.open_workspace(workspace, {}) as opened:
        assert opened.run("triage", {"ticket": "Help!"}, model="").model == "echo/echo"


def test_an_output_schema_is_met_by_the_echo_model(cli: Cli, workspace: Path) -> None:
    write(workspace, "prompts/triage.prompt.yaml", TRIAGE + SCHEMA)
    ran = cli("run", "triage", "-i", "ticket=Help!", "--json")
    assert ran.json["output"] == {"label": "billing"}


def test_a_recorded_reply_is_replayed_and_another_request_is_refused(cli: Cli, workspace: Path) -> None:
    cli("run", "triage", "-i", "ticket=Help!", "--record")
    (line,) = (workspace / "datasets/recordings/triage.jsonl").read_text().splitlines()
    assert json.loads(line)["reply"] == "Help!\n"

    replayed = cli("run", "triage", "-i", "ticket=Help!", "--model", "replay/echo/echo", "--json").json
    assert (replayed["reply"], replayed["reply_source"]) == ("Help!\n", "replay")
    refused = cli("run", "triage", "-i", "ticket=Else", "--model", "replay/echo/echo")
    assert refused.exit_code == 4
    assert "no reply" in refused.err
    assert "--record" in refused.err


def test_an_invalid_reply_is_printed_and_fails(cli: Cli, workspace: Path) -> None:
    cli("run", "triage", "-i", "ticket=Help!", "--record")
    write(workspace, "prompts/triage.prompt.yaml", TRIAGE + SCHEMA)
    rendered = cli("run", "triage", "-i", "ticket=Help!", "--record", "--json").json
    file = workspace / "datasets/recordings/triage.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert rendered["reply"] == lines[-1]["reply"]
    lines[-1]["reply"] = "not json"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))

    failed = cli("run", "triage", "-i", "ticket=Help!", "--model", "replay/echo/echo")
    assert (failed.exit_code, failed.out) == (1, "not json\n")
    assert "output schema" in failed.err
    assert cli("log", "list", "--status", "invalid_output", "--json").json[0]["error_type"] == "InvalidOutput"


@pytest.mark.usefixtures("workspace")
def test_a_refused_call_is_logged_as_blocked(cli: Cli) -> None:
    assert cli("run", "triage").exit_code == 2
    (row,) = cli("log", "list", "--json").json
    assert (row["status"], row["error_type"]) == ("blocked", "InputError")


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["--model", "nosuch"], 4, "provider/model"),
        (["--model", "openai/gpt-4o-mini"], 4, "OPENAI_API_KEY"),
        (["--model", "anthropic/claude-sonnet-4-6"], 4, "ANTHROPIC_API_KEY"),
        (["--model", "echo/nosuch"], 4, "echo/echo"),
        (["--param", "temperature"], 2, "name=value"),
        (["--stream", "--json"], 2, "--stream"),
        (["--log", "some"], 2, "--log"),
        (["--nosuch"], 2, "--nosuch"),
    ],
)
def test_wrong_options_are_explained(cli: Cli, arguments: list[str], exit_code: int, words: str) -> None:
    ran = cli("run", "triage", "-i", "ticket=x", *arguments)
    assert ran.exit_code == exit_code
    assert words in ran.err


def test_an_inactive_prompt_refuses_and_a_deprecated_one_warns(cli: Cli, workspace: Path) -> None:
    write(workspace, "prompts/triage.prompt.yaml", "status: inactive\n" + TRIAGE)
    refused = cli("run", "triage", "-i", "ticket=x")
    assert refused.exit_code == 3
    assert "inactive" in refused.err
    write(workspace, "prompts/triage.prompt.yaml", "status: deprecated\n" + TRIAGE)
    assert "deprecated" in cli("run", "triage", "-i", "ticket=x").err


def test_a_broken_log_never_costs_the_answer(cli: Cli, workspace: Path) -> None:
    cli("run", "triage", "-i", "ticket=first")
    log = workspace / ".git/promptctl/log.db"
    for side in (".git/promptctl/log.db-wal", ".git/promptctl/log.db-shm"):
        (workspace / side).unlink(missing_ok=True)
    log.write_bytes(b"this is no database, whatever its name says" * 100)
    ran = cli("run", "triage", "-i", "ticket=second")
    assert (ran.exit_code, ran.out) == (0, "second\n")
    assert "warning" in ran.err
    (row,) = cli("log", "list", "--json", "--content").json
    assert row["reply"] == "second\n"


def test_the_log_holds_no_secret_of_the_environment(cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "canary-1234567890")
    cli("run", "triage", "-i", "ticket=my key is canary-1234567890")
    with closing(sqlite3.connect(workspace / ".git/promptctl/log.db")) as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert "canary-1234567890" not in dump
    files = [path.read_bytes() for path in (workspace / ".git/promptctl").rglob("*") if path.is_file()]
    assert not any(b"canary-1234567890" in data for data in files)


@pytest.mark.parametrize(
    ("parameter", "said", "hint"),
    [
        ("temprature=0", "unknown key `temprature`", "did you mean `temperature`?"),
        ("temperature=hot", "`temperature` must be a number, not the text `hot`", ""),
        ("maxTokens=5", "unknown key `maxTokens`", "use `max_tokens`"),
        ("model=openai/gpt-5", "unknown key `model`", "use the prompt's own `model`"),
    ],
)
def test_a_parameter_that_no_file_could_have_is_refused(
    cli: Cli, workspace: Path, parameter: str, said: str, hint: str
) -> None:
    write(workspace, "datasets/t.yaml", "prompts: [triage]\ncases: [{id: a, inputs: {ticket: x}, expected: y}]\n")
    for ran in (cli("run", "triage", "-i", "ticket=x", "-p", parameter), cli("eval", "triage", "-p", parameter)):
        assert ran.exit_code == 2
        assert f"error: parameters: {said}" in ran.err
        assert hint in ran.err


def test_python_parameters_are_checked_too_and_none_leaves_one_out(workspace: Path) -> None:
    opened = promptctl.open_workspace(workspace)
    with pytest.raises(promptctl.UsageError, match="unknown key `temprature`"):
        opened.run("triage", {"ticket": "x"}, parameters={"temprature": 0})
    assert opened.run("triage", {"ticket": "x"}, parameters={"temperature": None}).reply


@pytest.mark.parametrize("option", [(), ("--stream",), ("--json",)])
def test_a_reply_that_is_not_whole_is_said(cli: Cli, workspace: Path, option: tuple[str, ...]) -> None:
    with OpenAIServer() as server:
        write(workspace, "promptctl.yaml", f'models:\n  "local/*": {{api_base: "{server.url}"}}\n')
        server.script(reply("Half a", finish_reason="length"), reply("", finish_reason="content_filter"))
        asked = ("run", "triage", "-i", "ticket=Help!", "-p", "max_tokens=5", "-m", "local/m", *option)
        cut, withheld = cli(*asked), cli(*asked)
    assert (cut.exit_code, withheld.exit_code) == (1, 1)
    assert "Half a" in cut.out
    assert "cut at max_tokens=5\n  hint: raise it, or ask for a shorter reply\n" in cut.err
    assert "withheld by the provider (content_filter)\n  hint: change the prompt or its inputs\n" in withheld.err
    rows = cli("log", "list", "--json").json
    assert [each["status"] for each in rows] == ["invalid_output"] * 2
    assert {each["error_type"] for each in rows} == {"ReplyCut", "ReplyWithheld"}


def test_a_price_that_begins_later_is_said(cli: Cli, workspace: Path) -> None:
    with OpenAIServer() as server:
        prices = 'prices:\n  "local/*":\n    - {from: 2999-01-01, input: 1, output: 2}\n'
        write(workspace, "promptctl.yaml", f'models:\n  "local/*": {{api_base: "{server.url}"}}\n{prices}')
        ran = cli("run", "triage", "-i", "ticket=Help!", "-m", "local/m")
    assert "cost unknown" in ran.err
    assert "no price holds yet: promptctl.yaml:5 from 2999-01-01 begins after this call\n" in ran.err


def test_impossible_numbers_of_tokens_are_said_once_and_cost_no_reply(cli: Cli, workspace: Path) -> None:
    with OpenAIServer() as server:
        write(workspace, "promptctl.yaml", f'models:\n  "local/*": {{api_base: "{server.url}"}}\n')
        server.script(reply("Hello", tokens={"prompt_tokens": -10, "completion_tokens": 10**30}))
        ran = cli("run", "triage", "-i", "ticket=Help!", "-m", "local/m")
    assert (ran.exit_code, ran.out) == (0, "Hello\n")
    assert ran.err.count("cannot be and is taken as unknown") == 1
    assert "cost unknown" in ran.err
    (row,) = cli("log", "list", "--json").json
    assert (row["input_tokens"], row["output_tokens"], row["cost_nano_usd"]) == (None, None, None)


def test_a_file_of_an_image_or_a_sound_is_given_as_it_is_sent(cli: Cli, workspace: Path) -> None:
    text = """model: echo/echo
inputs: {image: {type: string}, sound: {type: string}}
messages:
- role: user
  content:
  - {type: text, text: Look}
  - {type: image_url, image_url: {url: "{{ image }}"}}
  - {type: input_audio, input_audio: {data: "{{ sound }}", format: wav}}
"""
    write(workspace, "prompts/see.prompt.yaml", text)
    (workspace / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (workspace / "a.wav").write_bytes(b"RIFF\0\0\0\0WAVE")
    (workspace / "a.zip").write_bytes(b"PK\3\4\xff")
    given = ["-I", f"image={workspace}/a.png", "-I", f"sound={workspace}/a.wav"]
    ran = cli("render", "see", *given, "--json")
    (message,) = ran.json["messages"]
    assert "image is sent as a data URL: image/png, 8 bytes" in ran.err
    assert message["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="
    assert message["content"][2]["input_audio"]["data"] == "UklGRgAAAABXQVZF"
    ran = cli("render", "see", "-I", f"image={workspace}/a.zip")
    assert (ran.exit_code, "neither UTF-8 text" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("paramters", "`parameters`"),
        ("modle", "`model`"),
        ("deadline_ms", "the options"),
        ("ticket", 'the inputs of a prompt are one mapping, after its ref: {"ticket": …}'),
        ("provider", 'model="openai/gpt-4o-mini"'),
        ("version", "it is part of the ref: support/triage@v7"),
        ("label", "support/triage@production"),
        ("temperature", 'parameters={"temperature": …}'),
    ],
)
def test_a_misspelt_option_of_a_call_is_refused(workspace: Path, name: str, hint: str) -> None:
    options: dict[str, Any] = {name: None}
    with promptctl.open_workspace(workspace) as opened:
        for call in (opened.run, lambda *given, **more: list(opened.stream(*given, **more))):
            with pytest.raises(promptctl.UsageError, match=f"a call has no option `{name}`") as refused:
                call("triage", {"ticket": "x"}, **options)
            assert hint in (refused.value.hint or "")


def test_the_id_of_a_user_as_a_number_is_refused_with_the_way_to_give_it(workspace: Path) -> None:
    user: Any = 7
    with promptctl.open_workspace(workspace) as opened, pytest.raises(promptctl.UsageError) as refused:
        opened.run("triage", {"ticket": "x"}, user=user)
    assert (refused.value.message, refused.value.hint) == ("`user` is a text, not 7", "user=str(…)")
