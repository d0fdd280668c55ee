"""Proposed changes of files: the patch that Git takes, and writing all of them or none."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest

from promptctl.errors import WorkspaceError
from promptctl.files.proposal import FileEdit, Proposal, change_of
from promptctl.files.tree import MemoryTree

CHANGES = Proposal(
    (
        FileEdit("prompts/a.prompt.yaml", b"one\ntwo\nthree", b"one\n2\nthree"),
        FileEdit("prompts/sub dir/new.prompt.yaml", None, b"new\n"),
        FileEdit("prompts/empty.j2", None, b""),
        FileEdit("prompts/gone.prompt.yaml", b"gone\n", None),
        FileEdit('prompts/"\u00fc".j2', "\u00fc\r\nb\r\n".encode(), b"b\r\n"),
        FileEdit("prompts/b/new.prompt.yaml", b"a: 1\nb: 2\n", b"a: 1\nb: 3\n", moved_from="prompts/old/o.prompt.yaml"),
        FileEdit("datasets/long.jsonl", b"x\n" * 500 + b"y\n" + b"x\n" * 500, b"x\n" * 500 + b"z\n" + b"x\n" * 500),
    )
)


def lay_out(root: Path, proposal: Proposal) -> None:
    for change in proposal.changes:
        if change.before is not None:
            file = root / (change.moved_from or change.path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(change.before)


def files(root: Path) -> Mapping[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def after(proposal: Proposal) -> Mapping[str, bytes]:
    return {change.path: change.after for change in proposal.changes if change.after is not None}


def apply(root: Path, patch: str) -> None:
    command = ["git", "apply", "-p1", "--unsafe-paths", "--directory=", "-"]
    subprocess.run(command, cwd=root, input=patch.encode("utf-8", "surrogateescape"), check=True, capture_output=True)


def test_the_patch_and_writing_make_the_same_files(tmp_path: Path) -> None:
    written, patched = tmp_path / "written", tmp_path / "patched"
    for root in (written, patched):
        lay_out(root, CHANGES)
    CHANGES.write(written)
    apply(patched, CHANGES.diff())
    assert files(written) == files(patched) == after(CHANGES)
    assert not (written / "prompts/old").exists()
    assert (written / "prompts").is_dir()
    assert len(CHANGES.diff().splitlines()) < 70  # of the long file, the lines around the change


def test_any_two_texts_make_hunks_that_lead_from_one_to_the_other(tmp_path: Path) -> None:
    draw = Random(7)
    pieces = ["a\n", "b\n", "\n", "c\r\n"]
    texts = ["".join(draw.choices(pieces, k=draw.randrange(20))) + draw.choice(["", "d"]) for _ in range(400)]
    pairs = zip(texts[::2], texts[1::2], strict=True)
    many = Proposal(tuple(FileEdit(f"f{number}", a.encode(), b.encode()) for number, (a, b) in enumerate(pairs)))
    lay_out(tmp_path, many)
    apply(tmp_path, many.diff())
    assert files(tmp_path) == after(many)


def test_a_change_knows_what_the_tree_has() -> None:
    tree = MemoryTree({"a": "x"})
    assert change_of(tree, "a", b"y") == FileEdit("a", b"x", b"y")
    assert change_of(tree, "b", b"y") == FileEdit("b", None, b"y")
    moved = FileEdit("c", b"x", b"z", moved_from="a")
    over = Proposal((moved, FileEdit("d", None, b"d"))).over(tree)
    assert list(over.paths("")) == ["c", "d"]
    assert over.read("c") == b"z"
    with pytest.raises(FileNotFoundError):
        over.read("a")
    assert [each.action for each in (moved, *CHANGES.changes[:4])] == [
        "renamed",
        "changed",
        "created",
        "created",
        "deleted",
    ]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("prompts/a.prompt.yaml", "was changed meanwhile"),
        ("prompts/sub dir/new.prompt.yaml", "is there by now"),
        ("prompts/b/new.prompt.yaml", "is there already"),
    ],
)
def test_what_was_changed_meanwhile_is_kept_and_nothing_is_written(tmp_path: Path, path: str, said: str) -> None:
    lay_out(tmp_path, CHANGES)
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_bytes(b"mine")
    before = files(tmp_path)
    with pytest.raises(WorkspaceError, match=said):
        CHANGES.write(tmp_path)
    assert files(tmp_path) == before


@pytest.mark.parametrize(("step", "name"), [("unlink", "o.prompt.yaml"), ("replace", "long.jsonl")])
def test_an_error_half_way_puts_every_file_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, name: str
) -> None:
    lay_out(tmp_path, CHANGES)
    before = files(tmp_path)
    real = getattr(Path, step)

    def fails(*paths: Path, **options: bool) -> None:
        if paths[-1].name == name:
            raise OSError(5, "the disk is broken")
        real(*paths, **options)

    monkeypatch.setattr(Path, step, fails)
    with pytest.raises(WorkspaceError, match="the disk is broken"):
        CHANGES.write(tmp_path)
    assert files(tmp_path) == before


@pytest.mark.parametrize("path", ["../a", "/etc/a", "a/../b", ".git/config", "x/.GIT/hooks/a", ".", "prompts//a"])
def test_no_file_outside_the_workspace_is_touched(tmp_path: Path, path: str) -> None:
    with pytest.raises(WorkspaceError, match="does not lie in the workspace"):
        Proposal((FileEdit(path, None, b"x"),)).write(tmp_path / "w")
    assert files(tmp_path) == {}


def test_no_link_is_followed(tmp_path: Path) -> None:
    root, other = tmp_path / "w", tmp_path / "other"
    root.mkdir()
    other.mkdir()
    os.symlink(other, root / "prompts")
    with pytest.raises(WorkspaceError, match="symbolic link"):
        Proposal((FileEdit("prompts/a", None, b"x"),)).write(root)
    (root / "datasets").mkdir()
    (other / "real").write_bytes(b"x")
    os.symlink(other / "real", root / "datasets/a")
    with pytest.raises(WorkspaceError):
        Proposal((FileEdit("datasets/a", b"x", b"y"),)).write(root)
    assert (other / "real").read_bytes() == b"x"
