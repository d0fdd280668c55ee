"""Repositories that are damaged: said in Git's words or ours, with what to run, and never with a traceback."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, git
from tests.cli.support import PATH, inside_support, support_workspace  # noqa: F401

NAME = "support/triage"
COMMANDS = (
    ("list",),
    ("history", NAME),
    ("show", NAME),
    ("render", f"{NAME}@v1", "-i", "ticket=x"),
    ("render", f"{NAME}@production", "-i", "ticket=x"),
    ("diff", f"{NAME}@v1", NAME),
    ("review", "main~1", "--no-eval"),
    ("label", "list"),
    ("label", "verify"),
    ("label", "set", f"{NAME}@staging", "v1"),
)


def remove(revision: str) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        id_ = git(root, "rev-parse", revision)
        [pack] = (root / ".git/objects/pack").glob("*.pack")
        pack.with_suffix(".idx").unlink()
        with pack.rename(root / ".git/pack").open("rb") as packed:
            subprocess.run(["git", "unpack-objects", "-q"], stdin=packed, check=True)
        (root / ".git/objects" / id_[:2] / id_[2:]).unlink()

    return damage


def overwrite(path: str, data: str) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        (root / ".git" / path).write_text(data)

    return damage


def break_pack(root: Path) -> None:
    git(root, "gc", "--quiet")
    [pack] = (root / ".git/objects/pack").glob("*.pack")
    pack.chmod(0o600)
    data = bytearray(pack.read_bytes())
    data[60:64] = b"XXXX"
    pack.write_bytes(data)


DAMAGES = {
    "a commit is missing": remove("main~1"),
    "the first commit is missing": remove("main~2"),
    "a tree is missing": remove("main^{tree}"),
    "a file is missing": remove(f"main:{PATH}"),
    "a label's tag is missing": remove(f"refs/tags/prompt/{NAME}@production/2"),
    "a branch is empty": overwrite("refs/heads/main", ""),
    "a branch is cut short": overwrite("refs/heads/main", "0123456"),
    "a label is cut short": overwrite(f"refs/tags/prompt/{NAME}@production/2", "0123456"),
    "HEAD is no reference": overwrite("HEAD", "garbage\n"),
    "the index is cut short": overwrite("index", "DIRC"),
    "the settings are wrong": overwrite("config", "[core"),
    "packed references are wrong": overwrite("packed-refs", "xx yy\n"),
    "a pack has a wrong byte": break_pack,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_repository_is_said_to_be_one(cli: Cli, inside: Path, damage: str) -> None:
    cli("label", "set", f"{NAME}@production", "v1")
    cli("label", "set", f"{NAME}@production", "v2")
    cli("list")  # the index of versions knows every commit
    DAMAGES[damage](inside)

    for command in COMMANDS:
        ran = cli(*command)
        assert ran.exit_code in (0, 1, 3), (command, ran.err)
        assert "bug:" not in ran.err, (command, ran.err)
        if ran.exit_code == 3:
            assert ran.err.startswith("error: ") or "is damaged" in ran.out, (command, ran.err)


def test_a_damaged_branch_is_in_the_way_of_nothing_but_itself(cli: Cli, inside: Path) -> None:
    for ref in ("refs/heads/other", "refs/tags/other", "refs/remotes/origin/other"):
        file = inside / ".git" / ref
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    for command in (
        ("label", "set", f"{NAME}@production", "v1"),
        ("render", f"{NAME}@production", "-i", "ticket=x"),
        ("label", "list"),
        ("list",),
    ):
        ran = cli(*command)
        assert ran.exit_code == 0, (command, ran.err)
    assert cli("render", f"{NAME}@other", "-i", "ticket=x").exit_code == 3
    (inside / ".git/HEAD").write_text("ref: refs/heads/other\n")
    assert "other is damaged" in cli("list").err


def test_a_label_that_is_cut_short_is_not_what_it_was_before(cli: Cli, inside: Path) -> None:
    cli("label", "set", f"{NAME}@production", "v1")
    cli("label", "set", f"{NAME}@production", "v2")
    overwrite(f"refs/tags/prompt/{NAME}@production/2", "0123456")(inside)
    ran = cli("render", f"{NAME}@production", "-i", "ticket=x")
    assert (ran.exit_code, "@production/2 is damaged" in ran.err, "git fsck" in ran.err) == (3, True, True)
