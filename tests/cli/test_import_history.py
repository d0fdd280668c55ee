"""`promptctl import` of what a registry kept: the commits and labels that it shows, and makes."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.json_schemas import fits
from tests.repositories import Repo

VERSIONS = [
    {"name": "greet", "version": 1, "template": "Hello {{ name }}", "tags": {}, "aliases": [],
     "creation_timestamp": 1_740_000_000_000, "commit_message": "First", "user_id": "ada@example.com"},
    {"name": "greet", "version": 2, "template": "Hi {{ name }}", "tags": {}, "aliases": ["Prod"],
     "creation_timestamp": 1_741_000_000_000, "commit_message": "Shorter", "user_id": None},
]  # fmt: skip


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    repo = Repo(tmp_path / "repo")
    repo.path.mkdir()
    repo.git("init", "--quiet", "--initial-branch=main")
    repo.commit("Begin", {"promptctl.yaml": "model: echo/echo\n", ".gitignore": ".promptctl/\nexport.jsonl\n"})
    repo.write("export.jsonl", "".join(json.dumps(each) + "\n" for each in VERSIONS))
    monkeypatch.chdir(repo.path)
    return repo


def test_a_dry_run_lists_commits_and_labels(cli: Cli, repo: Repo) -> None:
    head, ran = repo.head, cli("import", "export.jsonl", "--dry-run")
    assert ran.exit_code == 0
    assert ran.out.splitlines() == [
        "date\tprompt\tversion\tby\tlabels\tcommit",
        "2025-02-19T21:20:00Z\tgreet\t1\tada\t\tFirst",
        "2025-03-03T11:06:40Z\tgreet\t2\tunknown\tprod\tShorter",
    ]
    assert ran.err.splitlines()[-1] == "nothing was written"
    assert (repo.head, repo.git("status", "--porcelain")) == (head, "")
    assert "nothing was written: --yes makes these commits" in cli("import", "export.jsonl").err


def test_commits_and_labels_are_made_and_said(cli: Cli, repo: Repo) -> None:
    ran = cli("import", "export.jsonl", "--yes")
    assert ran.exit_code == 0
    assert ran.err.splitlines()[-2:] == [
        f"made 2 commits on main, up to {repo.head[:7]}",
        "moved 1 label: greet@prod",
    ]
    assert cli("render", "greet@prod", "-i", "name=Ada", "--json").json["messages"][0]["content"] == "Hi Ada"
    again = cli("import", "export.jsonl", "--yes")
    assert again.err.splitlines()[-1] == "nothing to write: 2 versions are here already"


def test_commits_and_other_files_are_shown_together_and_asked_for_once(
    cli: Cli, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.write("sum.md", "---\nmodel: openai/gpt-4o\n---\nHi\n")
    asked: list[str] = []

    def confirm(text: str, **_: object) -> bool:
        asked.append(text)
        return len(asked) > 1

    monkeypatch.setattr("promptctl.cli.proposing.is_at_terminal", lambda: True)
    monkeypatch.setattr("typer.confirm", confirm)
    ran = cli("import", "export.jsonl", "sum.md")
    assert ran.out.index("First") < ran.out.index("+++ b/prompts/sum.prompt.yaml")
    assert (asked, ran.err.splitlines()[-1]) == (["Write this?"], "nothing was written")
    ran = cli("import", "export.jsonl", "sum.md")
    assert "made 2 commits" in ran.err
    assert (repo.path / "prompts/sum.prompt.yaml").is_file()
    ran = cli("import", "export.jsonl", "sum.md", "--yes")
    assert ran.err.splitlines()[-1] == "nothing to write: 2 versions are here already, and so are the other files"


def test_the_document_says_what_was_made(cli: Cli, repo: Repo) -> None:
    shown = cli("import", "export.jsonl", "--json").json
    assert shown["written"] is False
    assert shown["history"]["labels"] == [{"prompt": "greet", "label": "prod", "version": 2}]
    assert [each["subject"] for each in shown["history"]["commits"]] == ["First", "Shorter"]
    made = cli("import", "export.jsonl", "--json", "--yes").json
    assert made["written"] is True
    assert made["history"]["made"][-1] == repo.head
    assert made["history"]["moved"] == ["greet@prod"]


def test_labels_that_have_to_wait_are_commands_on_stdout(cli: Cli, repo: Repo, tmp_path: Path) -> None:
    repo.git("init", "--quiet", "--bare", str(tmp_path / "origin"))
    repo.git("remote", "add", "origin", str(tmp_path / "origin"))
    repo.commit("Rule", {"promptctl.yaml": "model: echo/echo\nlabels: {remote: origin}\n"})
    repo.git("push", "--quiet", "origin", "main")
    ran = cli("import", "export.jsonl", "--yes")
    first, move = ran.out.splitlines()[-2:]
    assert first == "git push origin main"
    assert move == f"promptctl label set greet@prod {repo.head[:12]} --reason 'imported from MLflow, version 2'"
    assert "1 label not moved yet; run these later:" in ran.err
    repo.git("push", "--quiet", "origin", "main")
    assert cli(*shlex.split(move)[1:]).exit_code == 0


def test_the_newest_version_alone_is_a_file(cli: Cli, repo: Repo) -> None:
    head, ran = repo.head, cli("import", "export.jsonl", "--latest", "--yes")
    assert ran.exit_code == 0
    assert repo.head == head
    assert "Hi {{ name }}" in (repo.path / "prompts/greet.prompt.yaml").read_text()


def test_the_document_has_the_shape_that_is_promised(cli: Cli, repo: Repo) -> None:
    fits("import", cli("import", "export.jsonl", "--json").json)
    fits("import", cli("import", "export.jsonl", "--json", "--yes").json)
    fits("import", cli("import", "export.jsonl", "--json").json)


def test_no_commit_is_made_with_a_secret_in_a_partial_or_an_author(cli: Cli, repo: Repo) -> None:
    key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
    main = {"name": "main", "type": "text", "version": 1, "labels": [], "tags": [], "config": {}}
    partial = {**main, "name": "part", "prompt": f"key {key}"}
    including = {**main, "prompt": "Hello @@@langfusePrompt:name=part|version=1@@@"}
    by_a_bot = {**main, "prompt": "Hello", "createdBy": f"Bot {key}"}
    for number, given in enumerate(([including, partial], [by_a_bot])):
        repo.write(f"lf{number}.json", json.dumps(given))
        ran = cli("import", f"lf{number}.json", "--yes")
        assert ran.exit_code == 3
        assert "Git would keep it for good" in ran.err
        assert key not in repo.git("log", "-p", "--format=%an %s")
