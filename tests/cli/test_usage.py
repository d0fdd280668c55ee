"""Wrong words on the command line: the exit code, and the words that were probably meant."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from promptctl import diagnose, open_workspace
from promptctl.cli.options import JudgeOptions
from promptctl.errors import WorkspaceNotFound
from tests.cli.conftest import Cli, write
from tests.cli.support import inside_support, support_workspace
from tests.evaluation_lab import Lab

__all__ = ["inside_support", "support_workspace"]


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        ("run chat --log ful", 2, "`ful` is not one of `full`", "did you mean `full`? "),
        ("list --jsn", 2, "no such option: --jsn", "did you mean `--json`? "),
        ("log list --status ERROR", 2, "`ERROR` is not one of `ok`", "did you mean `error`? "),
        ("eval chat --replies ASK", 2, "`ASK` is not one of `ask`", "did you mean `ask`? "),
        ("cost --by MODEL", 2, "--by cannot be `MODEL`", "did you mean `model`?"),
        ("results list --prompt a --prompt b", 2, "--prompt is given twice, with `a` and `b`", "give it once; a glob "),
        ("log prune --prompt a --prompt b --rows-older 1d", 2, "--prompt is given twice", "give it once; a glob "),
        ("cost reprice --prompt a --prompt b", 2, "--prompt is given twice", "give it once; a glob "),
        ("log export --format csv", 2, "no such option: --format", "did you mean `--output`? "),
        ("log prune --older-than 1d", 2, "--older-than", "did you mean `--content-older` or `--rows-older`? "),
        (
            "list --snapshot x",
            2,
            "no such option: --snapshot",
            " --snapshot FILE list …",
        ),
        ("label list -C x", 2, "no such option: -C", " -C DIR label list …"),
        ("list -C=", 2, "no such option: -C", " -C DIR list …"),
        ("versions chat", 2, "no such command `versions`", "did you mean `history`?"),
        ("tag", 2, "no such command `tag`", "did you mean `label`?"),
        ("evaluate", 2, "no such command `evaluate`", "did you mean `eval`? "),
        ("it's", 2, 'no such command "it\'s"', "--help"),
        ("dataset versions", 2, "no such command `versions`", "dataset --help"),
        ("git instal", 2, "no such command `instal`", "did you mean `install`"),
        ("eval chat --sample x", 2, "`x` is not a whole number", "eval --help"),
        ("eval chat --min-pass x", 2, "`x` is not a number", "eval --help"),
        ("render chat -i name", 2, "-i takes name=value, not `name`", ""),
        ("show", 2, "missing argument `REF`", "A prompt's id; after it"),
        ("label history chat@production", 2, "no such command `history`", "did you mean `log`?"),
        ("log history", 2, "no such command `history`", " log --help"),
        ("cost chat", 2, "no such command `chat`", "did you mean `--prompt chat`?"),
        ("cost sugest", 2, "no such command `sugest`", "did you mean `suggest`?"),
        (
            "log list chat",
            2,
            "`chat` is one argument too many",
            "did you mean `--prompt chat`?",
        ),
        ("list more", 2, "`more` is one argument too many", "list --help"),
        ("eval -j", 2, "option `-j` requires an argument", " eval --help"),
        ("label set --reason", 2, "option `--reason` requires an argument", " label set --help"),
        ("cost --by", 2, "option `--by` requires an argument", " cost --help"),
        ("init promptctl.yaml", 2, "`promptctl.yaml` is a file", "name a folder"),
        ("eval --changed-since mian", 3, "no commit is named `mian`", "did you mean `main`?"),
        ("eval --changed-since v9", 3, "no commit is named `v9`", "bring it here: git fetch origin v9"),
        ("eval resume chta", 3, "there is no prompt `chta`", "did you mean `chat`?"),
        ("review mian", 3, "no commit `mian`", "did you mean `main`? bring it here"),
        (
            "validate prompts/caht.prompt.yaml",
            2,
            "`prompts/caht.prompt.yaml` is no file",
            "`prompts/chat.prompt.yaml`?",
        ),
        ("validate chat", 2, "`chat` is no file", "did you mean `prompts/chat.prompt.yaml`?"),
        ("lint prompts/chat", 2, "`prompts/chat` is no file", "did you mean `prompts/chat.prompt.yaml`?"),
        ("fmt prompts/caht.prompt.yaml", 2, "`prompts/caht.prompt.yaml` is no prompt", "`prompts/chat.prompt.yaml`?"),
        ("run chat -m opnai/x", 4, "unknown provider `opnai` in the model's id `opnai/x`", "did you mean `openai/…`?"),
    ],
)
def test_the_words_meant_are_named(cli: Cli, arguments: str, code: int, message: str, hint: str) -> None:
    ran = cli(*arguments.split())
    assert ran.exit_code == code, ran.err
    assert message in ran.err
    assert f"  hint: {hint}" in ran.err or hint in ran.err.partition("hint: ")[2]


def test_a_base_that_is_no_prompt_is_told_with_the_nearest(cli: Cli, lab: Lab) -> None:
    lab.many(1)
    ran = cli("eval", "triage", "--against", "triag")
    assert ran.exit_code == 3
    assert "nothing to compare with: there is no prompt `triag`\n  hint: did you mean `triage`?" in ran.err


@pytest.mark.usefixtures("inside")
def test_a_base_that_is_a_revision_is_told_with_its_sign(cli: Cli, inside: Path) -> None:
    write(
        inside,
        "datasets/triage.yaml",
        "prompts: [support/triage]\ncases: [{id: a, inputs: {ticket: x, urgent: true}, expected: x}]\n",
    )
    ran = cli("eval", "support/triage", "--against", "HEAD")
    assert "nothing to compare with: there is no prompt `HEAD`\n  hint: did you mean `@HEAD`?" in ran.err


@pytest.mark.usefixtures("inside")
def test_a_label_in_the_place_of_a_commit_is_told_with_how_to_find_one(cli: Cli) -> None:
    assert cli("label", "set", "support/triage@staging", "v1").exit_code == 0
    one, every = "promptctl show support/triage@staging", "promptctl label list"
    for name, hint in (("support/triage@staging", one), ("staging", every), ("@staging", every)):
        for command in (["review", name], ["eval", "--changed-since", name]):
            assert cli(*command).err.endswith(f": {hint}\n")


@pytest.mark.usefixtures("inside")
def test_options_that_belong_together_are_read_one_by_one(cli: Cli, inside: Path) -> None:
    (inside / "document.yaml").write_text("ticket: x\nproduct: Beta\n")
    ran = cli(
        "render", "support/triage", "--inputs", "document.yaml", "-i", "product=Gamma", "-i", "urgent=true", "--json"
    )
    assert "You triage tickets for Gamma." in ran.json["messages"][0]["content"]
    for command in (["eval"], ["eval", "resume"], ["review"]):
        words = cli(*command, "--help").out
        assert all(f"{option} " in words for option in ("--concurrency", "--case-timeout", "--max-cost")), words


LONG = "a" * 300


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["-C", "", "list"], "-C"),
        (["--snapshot=", "list"], "--snapshot"),
        (["run", "triage", "--user", ""], "--user"),
        (["run", "triage", "-m", "", "-i", "ticket=x"], "-m"),
        (["eval", "triage", "--judge="], "--judge"),
        (["eval", "resume", "--max-cost", ""], "--max-cost"),
        (["log", "list", "--prompt", "triage", "--prompt", ""], "--prompt"),
        (["label", "set", "triage@production", "--reason="], "--reason"),
        (["export", "triage", "--to", "py", "-o", ""], "-o"),
        (["cost", "--by", ""], "--by"),
    ],
)
def test_no_option_is_empty(cli: Cli, arguments: list[str], option: str) -> None:
    ran = cli(*arguments)
    assert (ran.exit_code, ran.out) == (2, "")
    assert ran.err == f"error: {option} is empty\n  hint: give it a value, or leave it out\n"


@pytest.mark.usefixtures("workspace")
def test_a_value_may_be_empty_where_it_means_something(cli: Cli) -> None:
    assert cli("run", "triage", "-i", "ticket=").exit_code == 0
    assert "is empty" not in cli("feedback", "0" * 32, "--expected", "").err
    assert "-m is empty" not in cli("serve", "--echo", "--", "true", "-m", "").err


@pytest.mark.usefixtures("workspace")
def test_any_number_of_rows_and_any_length_of_text_is_taken(cli: Cli) -> None:
    assert cli("run", "triage", "-i", "ticket=x", "--meta", f"x={'[' * 100_000}").exit_code == 0
    for command in ("log list", "results list", "budget history", "log search x"):
        assert cli(*command.split(), "-n", "9" * 20).exit_code == 0
    ran = cli("generate", "a/b", "--describe", "x", "--context", "word " * 60, "--dry-run")
    assert "echo/echo cannot write" in ran.err


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize(
    ("arguments", "said", "hint"),
    [
        (["--json", "list"], "no such option: --json", "it goes after the command:"),
        (["--content", "log", "list"], "no such option: --content", "--help"),
        (["run", "triage", "hello"], "`hello` is one argument too many", "-i NAME=hello"),
        (["run", "triage", "hello world"], "`hello world` is one argument too many", "-i NAME='hello world'"),
        (["render", "triage", "ticket=it's"], "`ticket=it's` is one argument too many", """-i 'ticket=it'"'"'s'"""),
        (["help", "render", "x"], "has no command `x`", "render --help"),
        (["cost", "supp*"], "no such command `supp*`", "did you mean `--prompt 'supp*'`?"),
        (["cost", ""], "no such command ``", "--help"),
        (["log", "list", "--", "--json"], "`--json` is one argument too many", "--help"),
        (["eval", "triage", "-o", "."], ". is a folder", "name a file in it: report.html"),
        (["eval", "triage", "-o", f"{LONG}.md"], "File name too long", ""),
        (["review", "--no-eval", "-o", f"{LONG}.md"], "File name too long", ""),
        (["review", "--no-eval", "-o", "promptctl.yaml/x.md"], "cannot be written in", ""),
        (["log", "export", "-o", f"{LONG}.csv"], "the name is too long", ""),
        (["import", LONG], "the name is too long", ""),
        (["eval", "triage", "--max-cost", "1e300"], "is not in the range", ""),
        (["run", "triage", "--meta", "x=[1e999]"], "`[1e999]` is no number that JSON has", ""),
        (["run", "triage", "--meta", "x=NaN"], "`NaN` is no number that JSON has", ""),
        (["run", "triage", "-p", "top_p=1", "-p", "top_p=0"], "--param gives `top_p` twice", "give it once"),
        (["log", "rules", "set", "x", "content=full", "content=off"], "gives `content` twice", "give it once"),
        (["eval", "triage", "--gate", "strict"], "--gate compares two versions: give it with --against", ""),
        (["eval", "triage", "--reruns", "1"], "--reruns compares two versions: give it with --against", ""),
        (["eval", "triage", "--seed", "0"], "--seed draws the cases of --sample", ""),
        (["eval", "triage", "--against", "--sequential", "--until-decided"], "and --sequential cannot be given", ""),
        (["eval", "--against", "triage"], "say what to evaluate", "--against took `triage`"),
        (["eval", "--", "--against"], "`--against` cannot be a prompt", ""),
        (["review", "--no-eval", "-m", "echo/echo"], "--model and --no-eval cannot be given together", ""),
        (["review", "--no-eval", "-j", "1"], "--concurrency and --no-eval cannot be given together", ""),
        (["run", "triage", "--key", "k"], "--key is what an experiment draws by: give it with --experiment", ""),
        (["dashboard", "-o", "-"], "`-` is no file", "-o dashboard.html"),
        (["log", "list", "--experiment", "x"], "no experiment `x`", "promptctl.yaml has no `experiments:`"),
        (["cost", "--json", "suggest"], "--json is before `suggest`", "cost suggest --help"),
        (
            ["log", "rules", "--kept", "off", "set", "x", "content=full"],
            "--kept is before `set`",
            "log rules set --help",
        ),
        (["serve", "--echo", "--json", "--", "true"], "--json goes without a COMMAND", ""),
        (["serve", "--echo", "-m", "a/b"], "--model and --echo cannot be given together", ""),
        (["serve", "--replay", "--as", "x"], "--as goes with --record", ""),
        (["review-comment", "--report", "x", "--annotate", "--author", "x"], "--author is for a comment", ""),
        (["add", "--verify", "--as", "x"], "--as and --verify cannot be given together", ""),
        (["dashboard", "--with-content"], "--with-content goes with -o or --json", ""),
        (["export", "--to", "json", "--replace"], "--replace is about files", "-o FOLDER"),
        (["run", "triage", "--dry-run", "--record"], "--record and --dry-run cannot be given together", ""),
        (["judge", "label", "triage", "--import", "x", "--seed", "1"], "--seed and --import cannot be given", ""),
        (["run", "triage", "-i", "ticket=x", "-m", "lo\x1bcal/m"], "it holds a character", "hint:"),
        (["render", "triage", "ticket=x", "y"], "`ticket=x` is one argument too many", "-i ticket=x"),
        (["run", "triage", "-i", "ticket"], "-i takes name=value, not `ticket`", "-I ticket=FILE"),
        (["run", "triage", "-p", "seed"], "--param takes name=value, not `seed`", "--param seed=…"),
        (
            ["run", "triage", "-i", "ticket=x", "-m", "gpt4o"],
            "`gpt4o` is not a model's id",
            "did you mean `openai/gpt-4o`?",
        ),
        (
            ["run", "triage", "-i", "ticket=x", "-m", "gpt-4o-mni"],
            "not a model's id",
            "did you mean `openai/gpt-4o-mini`?",
        ),
    ],
)
def test_a_typing_mistake_says_what_to_type(cli: Cli, arguments: list[str], said: str, hint: str) -> None:
    ran = cli(*arguments)
    assert ran.exit_code in (2, 3, 4)
    assert said in ran.err
    assert hint in ran.err


def test_paths_are_of_the_folder_that_the_command_works_in(
    cli: Cli, workspace: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    assert cli("-C", str(workspace), "validate", "prompts/triage.prompt.yaml").exit_code == 0
    assert cli("-C", str(workspace / "prompts"), "fmt", "--check", "triage.prompt.yaml").exit_code in (0, 1)
    (workspace / "ticket.txt").write_text("Help!")
    assert cli("-C", str(workspace), "render", "triage", "-I", "ticket=ticket.txt").exit_code == 0
    assert Path.cwd() == elsewhere


def test_a_folder_that_may_not_be_entered_is_said(cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "chdir", refuse)
    ran = cli("-C", str(workspace), "list")
    assert (ran.exit_code, ran.err) == (3, f"error: cannot enter {workspace}: Permission denied\n")


@pytest.mark.parametrize("command", ["cost", "list", "doctor"])
def test_a_folder_that_is_not_there_is_said(cli: Cli, workspace: Path, command: str) -> None:
    for missing in ("nope", str(workspace / "promptctl.yaml"), str(workspace / "nope/deep")):
        ran = cli("-C", missing, command)
        assert (ran.exit_code, ran.err.splitlines()[0]) == (2, f"error: there is no folder `{missing}`")
    for look in (open_workspace, diagnose):
        with pytest.raises(WorkspaceNotFound, match="there is no folder "):
            look(workspace / "nope")


def test_a_current_folder_that_was_deleted_is_said(
    cli: Cli, workspace: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path_factory.mktemp("gone")
    monkeypatch.chdir(gone)
    gone.rmdir()
    ran = cli("list")
    assert (ran.exit_code, "the current folder was deleted" in ran.err) == (3, True)
    with pytest.raises(WorkspaceNotFound, match="was deleted"):
        open_workspace()
    assert cli("-C", str(workspace), "list").exit_code == 0


def test_an_empty_judge_is_none_that_was_named() -> None:
    assert JudgeOptions(judge="").asked == {"judge": None, "judge_parameters": {}}
