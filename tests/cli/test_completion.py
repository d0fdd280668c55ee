"""Completion as a shell asks for it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
import typer

from promptctl.cli.commands import completing
from promptctl.cli.completing import ARGUMENTS, EVERY, FLAGS, OPTIONS, answer, offered, rejoin
from promptctl.cli.main import app, command
from promptctl.errors import UsageError
from promptctl.workspace import open_workspace
from promptctl.workspace.completion import Word
from tests.cli.conftest import Cli, commit, write
from tests.cli.support import inside_support, support_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["inside_support", "support_workspace"]
CASES = """\
prompts: [chat]
cases:
  - {id: first, tags: [smoke], assert: [{type: contains, value: Hello}]}
  - {id: second, tags: [smoke, slow], assert: [{type: contains, value: Hello}]}
"""
WORDS: tuple[tuple[Word, tuple[str, ...], str, list[str]], ...] = (
    ("ref", (), "c", ["chat"]),
    ("ref", (), "support/triage@", [f"support/triage@{name}" for name in ("production", "v3", "v2", "v1")]),
    ("ref", (), "support/triage@v", [f"support/triage@{name}" for name in ("v3", "v2", "v1")]),
    ("ref", (), "nothing@", []),
    ("input", ("support/triage@v1",), "", ["ticket=", "product=", "tone=", "history="]),
    ("input", (), "", []),
    ("model", (), "", ["echo/echo", "openai/gpt-4o-mini"]),
    ("dataset", (), "datasets/c", ["datasets/chat.yaml"]),
    ("tag", ("chat@v1",), "s", ["smoke", "slow"]),
    ("case", ("chat",), "", ["first", "second"]),
    ("case", ("support/triage",), "", ["a"]),
    ("version", ("support/triage@v1",), "", ["production", "v3", "v2", "v1"]),
    ("version", (), "", []),
    ("label", (), "", ["production"]),
    ("base", (), "", ["@production", "@main"]),
    ("revision", (), "m", ["main"]),
    ("shared", (), "", ["prompts/support/tone.j2", "prompts/support/triage.schema.yaml"]),
    ("shown", (), "prompts/support/to", ["prompts/support/tone.j2"]),
    ("shown", (), "ch", ["chat"]),
    ("prompt_tag", (), "", ["chat", "slow", "in-house", "support", "tickets"]),
    ("blamed", (), "ch", ["chat"]),
    ("judge", (), "l", ["llm-rubric"]),
)
LINES = (
    ("run c", True),
    ("run chat@", True),
    ("-C . label set ", True),
    ("eval chat support/triage --case ", True),
    ("run support/triage -m echo/echo -i ", True),
    ("log list --prompt ", True),
    ("results sh", False),
    ("list --tag ", True),
    ("run --jso", False),
    ("run --json c", True),
    ("label set support/triage@production ", True),
    ("eval --all --against ", True),
    ("show ", True),
    ("run chat ", False),
    ("-C ", False),
    ("", False),
    ("run 'c", False),
)


@pytest.fixture
def desk(inside: Path, cli: Cli) -> Path:
    write(inside, "datasets/chat.yaml", CASES)
    write(inside, "prompts/other.prompt.yaml", "tags:\n  - slow\n  - 'in-house'\nmessages: []\n")
    cli("label", "set", "support/triage@production", "v2")
    return inside


def as_bash_parts(line: str) -> dict[str, str]:
    """What Bash hands over for a line: its words are parted at `@`, `=` and `:`, and an empty last one begins anew."""
    words = [part for word in line.split(" ") for part in re.findall("[@=:]+|[^@=:]+", word) or [""]]
    return {"_PROMPTCTL_COMPLETE": "complete_bash", "COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}


def shell(folder: Path, words: str) -> list[str]:
    """What Bash is offered after these words, the last of which may be empty."""
    environ = as_bash_parts(words)
    script = "import sys; sys.argv[0] = 'promptctl'; from promptctl.cli.program import main; main()"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_a_shell_is_offered_what_fits_the_place(desk: Path) -> None:
    assert shell(desk, "promptctl run supp") == ["support/triage"]
    assert shell(desk, "promptctl run support/triage -i t") == ["ticket=", "tone="]
    assert shell(desk.parent, f"promptctl -C {desk.name} eval chat --case ") == ["first", "second"]
    assert shell(desk, "promptctl eval --rep") == ["--replies", "--repeat"]
    # These two are Typer's to answer.
    assert shell(desk, "promptctl run -p temperature=0 support/triage@pr") == ["production"]
    assert shell(desk, "promptctl eval --dataset=datasets/c") == ["datasets/chat.yaml"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("show support/triage@", ["production", "v3", "v2", "v1"]),
        ("show support/triage@pr", ["production"]),
        ("show support/triage@v1 --json", None),
        ("diff support/triage@v1 support/triage@v", ["v3", "v2", "v1"]),
        ("blame support/triage@p", ["production"]),
        ("label set support/triage@production v", ["v3", "v2", "v1"]),
        ("label set support/triage@production ", ["production", "v3", "v2", "v1"]),
        ("eval support/triage@v1 --against @", ["production", "main"]),
        ("eval support/triage@v1 --against @m", ["main"]),
        ("run support/triage@v1 -i ti", ["ticket="]),
        ("run support/triage@v1 -i ticket=a:b -m ec", ["echo/echo"]),
        ("run support/triage@v1 -i ticket=", [""]),
        ("eval chat@v1 --case ", ["first", "second"]),
    ],
)
def test_words_that_bash_parts_are_completed_after_the_last_break(
    desk: Path, line: str, words: list[str] | None
) -> None:
    environ = as_bash_parts(f"promptctl {line}")
    left_out = rejoin(environ)
    assert environ["COMP_WORDS"].replace("\n", " ").removesuffix("''") == f"promptctl {line}"
    found = answer(environ)
    assert (None if found is None else [word.removeprefix(left_out) for word in found.split("\n")]) == words


def test_bash_that_does_not_part_words_is_given_them_whole(desk: Path) -> None:
    environ = as_bash_parts("promptctl show ch") | {"COMP_WORDS": "promptctl\nshow\nsupport/triage@pr"}
    assert rejoin(environ) == ""
    assert answer(environ) == "support/triage@production"


def test_words_of_each_kind(desk: Path) -> None:
    with open_workspace(desk) as workspace:
        for kind, refs, start, words in WORDS:
            assert (kind, start, workspace.complete(start, kind, refs)) == (kind, start, words)


def test_a_snapshot_is_completed_as_it_is(desk: Path, cli: Cli) -> None:
    assert cli("snapshot", "write", "s.snapshot.json").exit_code == 0
    assert shell(desk.parent, f"promptctl -C {desk.name} --snapshot s.snapshot.json run supp") == ["support/triage"]
    place = {"workspace": str(desk), "snapshot": "s.snapshot.json"}
    assert offered(place, "ref", "support/triage@", []) == ["support/triage@production", "support/triage@v2"]
    assert offered(place, "input", "p", ["support/triage"]) == ["product="]
    assert offered(place, "model", "", []) == ["echo/echo"]
    assert offered(place, "case", "", []) == []
    assert offered(place, "input", "", ["support/triage@nope"]) == []
    assert offered({"snapshot": "none.json"}, "ref", "", []) == []


def test_cases_of_a_file_and_of_a_matrix_are_those_that_are_evaluated(desk: Path) -> None:
    write(desk, "datasets/rows.yaml", "prompts: [chat]\ncases: rows.jsonl\n")
    write(desk, "datasets/rows.jsonl", '{"id": "r1", "tags": ["slow"]}\n{"id": "r2"}\n')
    write(desk, "datasets/matrix.yaml", "prompts: [chat]\ncases: [{id: m, matrix: {model: [a, b]}}]\n")
    write(desk, "datasets/broken.yaml", "prompts: [chat]\ncases: [{id: x\n")
    with open_workspace(desk) as workspace:
        offered = workspace.complete("", "case", ["chat"])
        assert {"first", "second", "r1", "r2"} < set(offered)
        assert sum(each.startswith("m") for each in offered) == 2


def test_a_shell_waits_for_little(desk: Path, cli: Cli) -> None:
    """Reading the settings, Git's history or the assertions took most of the time of an answer."""
    cli("list")
    heavy = ("typer", "git.", "promptctl.calls", "promptctl.assertions", "promptctl.labels", "promptctl.evaluations")
    for words, also in (
        ("promptctl run sup", ("yaml", "promptctl.formats", "promptctl.versions")),
        ("promptctl eval chat --case f", ()),
        ("promptctl run support/triage@", ("yaml", "promptctl.formats")),
    ):
        script = "from promptctl.cli.program import main; main()"
        environ = as_bash_parts(words)
        command = [sys.executable, "-X", "importtime", "-c", script]
        done = subprocess.run(command, cwd=desk, env={**os.environ, **environ}, capture_output=True, text=True)
        loaded = {line.rpartition("| ")[2].strip() for line in done.stderr.splitlines()}
        assert "promptctl.workspace.completion" in loaded
        assert done.stdout.split()
        assert not {name for name in loaded if name.startswith((*heavy, *also))}


def commands(command: Any, name: str, parent: Any = None) -> Iterator[tuple[str, Any]]:
    context = command.make_context(name, ["--help"], parent=parent, resilient_parsing=True)
    yield context.command_path.partition(" ")[2], command
    for below in command.list_commands(context) if hasattr(command, "list_commands") else ():
        yield from commands(command.get_command(context, below), below, context)


def kind_of(parameter: Any) -> str | None:
    """The kind of word that a parameter is completed with."""
    found: Any = getattr(parameter, "_custom_shell_complete", None)
    while found is not None and found.__closure__ is not None:
        cells = dict(zip(found.__code__.co_freevars, found.__closure__, strict=True))
        if "kind" in cells:
            return str(cells["kind"].cell_contents)
        found = next((each.cell_contents for each in cells.values() if hasattr(each.cell_contents, "__code__")), None)
    return None


def test_what_is_completed_without_the_library_is_what_the_commands_say() -> None:
    there = dict(commands(typer.main.get_command(app), "promptctl"))
    for name, kinds in ARGUMENTS.items():
        for each in there[name].params:
            for option in set(each.opts) & OPTIONS.keys():
                assert (name, option, kind_of(each)) == (name, option, OPTIONS.get(f"{name} {option}", OPTIONS[option]))
            assert (name, each.is_flag if FLAGS.intersection(each.opts) else True) == (name, True)
        arguments = [each for each in there[name].params if each.param_type_name == "argument"]
        said = [kind for each in arguments if (kind := kind_of(each)) is not None]
        assert (name, kinds) == (name, (*said, EVERY) if said and arguments[0].nargs == -1 else tuple(said))


def test_both_ways_offer_the_same(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for line, is_ours in LINES:
        given = {
            "complete_bash": {"COMP_WORDS": f"promptctl {line}", "COMP_CWORD": str(f"promptctl {line}".count(" "))},
            "complete_zsh": {"_TYPER_COMPLETE_ARGS": f"promptctl {line}"},
            "complete_fish": {"_TYPER_COMPLETE_ARGS": f"promptctl {line}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
        }
        for shell_name, environ in given.items():
            with monkeypatch.context() as patch:
                patch.setenv("_PROMPTCTL_COMPLETE", shell_name)
                for name, value in environ.items():
                    patch.setenv(name, value)
                found = answer(os.environ)
                assert (line, found is not None) == (line, is_ours)
                if found is not None:
                    with pytest.raises(SystemExit):
                        app(prog_name="promptctl", standalone_mode=False)
                    assert (line, capsys.readouterr().out.rstrip("\n")) == (line, found)


def test_a_branch_offers_nothing_that_a_shell_would_obey(desk: Path) -> None:
    ids = ["plain", "$(touch x)", "`x`", "\\\\$(x)", 'a"b', "two words", "a;b"]
    write(desk, "datasets/odd.yaml", json.dumps({"prompts": ["chat"], "cases": [{"id": each} for each in ids]}))
    assert set(offered({"workspace": str(desk)}, "case", "", ["chat"])) == {"first", "second", "plain"}


def test_what_the_index_does_not_know_yet_is_looked_up(desk: Path, cli: Cli) -> None:
    def refs() -> list[str]:
        return offered({"workspace": str(desk)}, "ref", "support/triage@", [])

    three = [f"support/triage@{name}" for name in ("production", "v3", "v2", "v1")]
    assert refs() == three
    text = (desk / "prompts/support/triage.prompt.yaml").read_text().replace("You triage", "You sort")
    write(desk, "prompts/support/triage.prompt.yaml", text)
    commit(desk, "Sort\N{LINE SEPARATOR}all")
    assert refs() == [three[0], "support/triage@v4", *three[1:]]
    cli("label", "remove", "support/triage@production", "--reason", "gone")
    assert refs() == ["support/triage@v4", *three[1:]]


def test_ids_are_those_of_the_log_newest_first(desk: Path, cli: Cli) -> None:
    made = [cli("run", "chat", "-m", "echo/echo", "--json").json["execution"] for _ in range(2)]
    evaluated = cli("eval", "chat", "-m", "echo/echo", "--json").json[0]["evaluation"]
    with open_workspace(desk) as workspace:
        offered = workspace.complete("", "execution")
        assert [each for each in offered if each in made] == made[::-1]
        assert made[0][-8:] in offered
        assert workspace.complete(evaluated[-8:], "evaluation") == [evaluated[-8:]]


def test_nothing_is_offered_where_nothing_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    context = typer.Context(typer.main.get_command(typer.Typer(callback=lambda: None)))
    for kind in get_args(Word):
        assert completing(kind)(context, "") == []
    write(folder, "promptctl.yaml", "modle: x\n")
    assert completing("model")(context, "") == []


def test_the_shell_to_complete_is_the_one_that_it_is_given_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for option in ("--install-completion", "--show-completion"):
        monkeypatch.setattr("sys.argv", ["promptctl", option, "zsh"])
        with pytest.raises(UsageError, match="takes no shell, `zsh`"):
            command()
