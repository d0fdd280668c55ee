"""Checkouts as people have them: sparse ones, other line ends, filters, ignored files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli, commit, git, write
from tests.cli.support import PATH, SETTINGS, inside_support, support_workspace  # noqa: F401

ONE = "support/triage"


@pytest.fixture
def sparse(inside: Path) -> Path:
    write(inside, "datasets/triage.yaml", f"prompts: [{ONE}]\ncases: [{{id: a, inputs: {{ticket: x}}, expected: y}}]\n")
    commit(inside, "Add cases")
    git(inside, "sparse-checkout", "set", "--no-cone", "/*", "!/prompts/support")
    assert not (inside / PATH).exists()
    return inside


def test_prompts_that_are_not_checked_out_are_counted_and_not_taken_for_missing(cli: Cli, sparse: Path) -> None:
    for command in ("list", "validate"):
        ran = cli(command)
        assert (ran.exit_code, "1 prompt is not checked out" in ran.err) == (0, True), ran.err
        assert "git sparse-checkout add" in ran.err
    ran = cli("render", ONE, "-i", "ticket=x")
    assert (ran.exit_code, f"{PATH}: the file is not checked out" in ran.err) == (3, True)
    assert cli("render", f"{ONE}@v1", "-i", "ticket=x").exit_code == 0
    assert "no prompt or dataset changed" in cli("review", "main").out

    git(sparse, "sparse-checkout", "set", "--no-cone", "/*", "!/prompts")
    assert "no prompts yet" not in cli("list").err
    assert "2 prompts are not checked out" in cli("list").err


def test_datasets_that_are_not_checked_out_are_counted_wherever_they_would_test(cli: Cli, sparse: Path) -> None:
    git(sparse, "sparse-checkout", "set", "--no-cone", "/*", "!/datasets")
    told = "1 dataset is not checked out: this is a sparse checkout; git sparse-checkout add"
    write(sparse, "prompts/support/tone.j2", "Be brisk.\n")
    for command in (("eval", ONE), ("eval", "--all"), ("eval", "--changed-since", "HEAD")):
        assert cli(*command).err.count(told) == 1, command
    assert told in cli("review", "HEAD").out
    case = "{id: a, inputs: {ticket: x, urgent: true}, expected: y}"
    write(sparse, "datasets/more.yaml", f"prompts: [{ONE}]\ncases: [{case}]\n")
    assert cli("eval", "--changed-since", "HEAD", "--dry-run").err.count(told) == 1
    git(sparse, "sparse-checkout", "disable")
    assert "not checked out" not in cli("eval", ONE, "--dry-run").err


def test_a_checkout_with_other_line_ends_is_clean_and_stays_as_it_is(
    cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("fmt")
    commit(inside, "Format")
    copy = inside.parent / "windows"
    git(inside.parent, "clone", "--quiet", "-c", "core.autocrlf=true", str(inside), str(copy))
    monkeypatch.chdir(copy)
    assert b"\r\n" in (copy / PATH).read_bytes()
    assert cli("fmt", "--check").exit_code == 0
    assert "no prompt or dataset changed" in cli("review", "main").out
    assert cli("show", ONE, "--json").json["dirty"] is False
    assert cli("label", "set", f"{ONE}@staging").exit_code == 0

    text = (copy / PATH).read_bytes()
    (copy / PATH).write_bytes(b"status: active\r\n" + text)  # in the wrong order
    cli("fmt")
    assert (copy / PATH).read_bytes().count(b"\r\n") == text.count(b"\r\n") + 1
    assert "\n" not in (copy / PATH).read_bytes().decode().replace("\r\n", "")


def test_what_a_filter_of_git_calls_clean_is_clean(cli: Cli, inside: Path) -> None:
    git(inside, "config", "filter.product.clean", "sed s/Acme/PRODUCT/")
    git(inside, "config", "filter.product.smudge", "sed s/PRODUCT/Acme/")
    write(inside, ".gitattributes", "*.yaml filter=product\n")
    write(inside, "prompts/hello.prompt.yaml", "messages: [{role: user, content: Hello}]\n")
    cases = "cases: [{id: a, expected: Hello}, {id: b, assert: [{type: not-contains, value: Acme}]}]\n"
    write(inside, "datasets/hello.yaml", "prompts: [hello]\n" + cases)
    write(inside, "promptctl.yaml", SETTINGS + "labels: {staging: {}, production: {evaluation: passed}}\n")
    git(inside, "add", "--renormalize", ".")
    commit(inside, "Filter")
    assert "PRODUCT" in git(inside, "cat-file", "blob", f"HEAD:{PATH}")
    assert "Acme" in (inside / PATH).read_text()

    assert {each["dirty"] for each in cli("list", "--json").json} == {False}
    assert cli("show", ONE, "--json").json["dirty"] is False
    assert "no prompt or dataset changed" in cli("review", "main").out
    assert cli("label", "set", f"{ONE}@staging").exit_code == 0
    assert "PRODUCT" in cli("render", f"{ONE}@staging", "-i", "ticket=x", "-i", "urgent=true").out

    assert "PRODUCT" in git(inside, "cat-file", "blob", "HEAD:datasets/hello.yaml")
    assert cli("eval", "hello").exit_code == 0
    assert cli("label", "set", "hello@production").exit_code == 0


@pytest.mark.parametrize(
    ("name", "key", "file"),
    [("evil", "clean", "config"), ("ev=il", "clean", "config.worktree"), ("evil", "process", "included")],
)
def test_a_filter_that_a_repository_configures_is_never_run(
    cli: Cli, inside: Path, tmp_path: Path, name: str, key: str, file: str
) -> None:
    ran = tmp_path / "ran"
    write(inside, ".gitattributes", f"*.yaml filter={name}\n")
    commit(inside, "Ask for a filter")
    git(inside, "config", "include.path", "included")
    git(inside, "config", "extensions.worktreeConfig", "true")
    for setting, value in ((key, f"touch {ran}; cat"), ("required", "true")):
        git(inside, "config", "--file", f".git/{file}", f"filter.{name}.{setting}", value)
    (inside / PATH).write_text((inside / PATH).read_text().replace("Acme", "Another"))

    assert {each["prompt"]: each["dirty"] for each in cli("list", "--json").json}[ONE] is True
    assert cli("show", ONE, "--json").json["dirty"] is True
    assert ONE in cli("review", "main", "--no-eval").out
    assert not ran.exists()


def test_a_filter_of_the_user_is_run(cli: Cli, inside: Path) -> None:
    git(inside, "config", "--global", "filter.product.clean", "sed s/Acme/PRODUCT/")
    write(inside, ".gitattributes", "*.yaml filter=product\n")
    git(inside, "add", "--renormalize", ".")
    commit(inside, "Filter")
    (inside / PATH).touch()
    assert "Acme" in (inside / PATH).read_text()
    assert cli("show", ONE, "--json").json["dirty"] is False
    (inside / PATH).write_text((inside / PATH).read_text().replace("Acme", "Another"))
    assert cli("show", ONE, "--json").json["dirty"] is True


def test_ignored_files_are_no_part_of_a_review(cli: Cli, inside: Path) -> None:
    write(inside, ".gitignore", ".promptctl/\nprompts/private/\n")
    commit(inside, "Ignore")
    write(inside, "prompts/private/mine.prompt.yaml", "messages: [{role: user, content: x}]\n")
    assert "no prompt or dataset changed" in cli("review", "main").out
    write(inside, "prompts/new.prompt.yaml", "messages: [{role: user, content: x}]\n")
    changed = cli("review", "main", "--no-eval").out
    assert ("new" in changed, "private" in changed) == (True, False)


def test_prompts_in_a_submodule_belong_to_its_commits(cli: Cli, inside: Path) -> None:
    other = inside.parent / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    write(other, "a.prompt.yaml", "messages: [{role: user, content: Hello}]\n")
    commit(other, "Begin")
    git(inside, "submodule", "--quiet", "add", str(other), "prompts/shared")
    commit(inside, "Add a submodule")
    said = "prompts/shared is a submodule"

    listed = cli("list", "--json")
    row = next(each for each in listed.json if each["prompt"] == "shared/a")
    assert (row["version_display"], row["dirty"], said in listed.err) == ("v?", None, True)
    for asked in ("render shared/a", "run shared/a -m echo/echo", "show shared/a"):
        ran = cli(*asked.split())
        assert (ran.exit_code, said in ran.err) == (0, True), ran.err
    for asked in ("label set shared/a@staging", "history shared/a"):
        ran = cli(*asked.split())
        assert (ran.exit_code != 0, said in ran.err) == (True, True), ran.err
    for asked in ("render shared/a@HEAD", "diff shared/a"):
        ran = cli(*asked.split())
        assert (ran.exit_code, "lies in prompts/shared, a submodule in commit" in ran.err) == (3, True), ran.err
    assert "no prompt or dataset changed" in cli("review", "main").out


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def test_a_pointer_of_git_lfs_is_clean_and_never_sent(cli: Cli, inside: Path) -> None:
    for path in ("prompts/big.prompt.yaml", "datasets/rows.jsonl", "datasets/recordings/chat.jsonl", "ticket.txt"):
        write(inside, path, POINTER)
    commit(inside, "Keep files in LFS")
    assert "no prompt or dataset changed" in cli("review", "main").out
    asked = (f"run {ONE} -I ticket=ticket.txt -m echo/echo", "run chat -m replay/openai/gpt-4o-mini")
    for command in ("render big", "render big@HEAD", *asked):
        ran = cli(*command.split())
        assert (ran.exit_code in (2, 3), "a Git LFS pointer" in ran.err, ran.out) == (True, True, ""), ran.err
    write(inside, "promptctl.yaml", POINTER)
    assert "promptctl.yaml: the file is a Git LFS pointer" in cli("list").err


def test_the_log_of_a_checkout_that_cannot_be_written_is_kept_elsewhere(
    cli: Cli, inside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inside / ".promptctl").write_text("in the way, as a folder that cannot be written")
    asked = ("run", "chat", "--model", "echo/echo")
    write(inside, "datasets/chat.yaml", "prompts: [chat]\ncases: [{id: a, expected: Hello}]\n")
    refused = cli("eval", "chat", "--model", "echo/echo")
    assert (refused.exit_code, "PROMPTCTL_STATE=FOLDER" in refused.err) == (3, True), refused.err

    monkeypatch.setenv("PROMPTCTL_STATE", str(tmp_path / "state"))
    assert cli(*asked).exit_code == 0
    assert (tmp_path / "state/log.db").is_file()
    assert cli("log", "list", "--json", "--source", "all").json[0]["prompt"] == "chat"

    monkeypatch.delenv("PROMPTCTL_STATE")
    write(inside, "promptctl.yaml", f"{SETTINGS}state: {tmp_path / 'other'}\n")
    assert "use the variable PROMPTCTL_STATE" in cli("list").err, "a branch could choose where promptctl writes"
    assert not (tmp_path / "other").exists()
