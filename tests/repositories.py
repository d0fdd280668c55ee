"""Real repositories, bare remotes and clones in a temporary folder, apart from the machine's Git configuration."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from stat import S_IMODE, S_ISDIR, S_ISLNK
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

TRIAGE = """\
name: Support triage
inputs:
  ticket: {type: string}
messages:
  - role: user
    content: |
      {{ ticket }}
"""
PATH = "prompts/support/triage.prompt.yaml"


def prompt_text(content: str = "{{ ticket }}", **keys: str) -> str:
    """A small native prompt whose one message is `content`; `keys` are further top-level lines."""
    lines = [f"{key}: {value}" for key, value in keys.items()]
    body = "\n".join(f"      {line}" for line in content.splitlines())
    inputs = "inputs:\n  ticket: {type: string, default: none}"
    return "\n".join([*lines, inputs, "messages:", "  - role: user", "    content: |", body]) + "\n"


class Repo:
    """A repository on disk, driven by the git program itself; each commit is a minute after the one before."""

    clock = 1_700_000_000

    def __init__(self, path: Path) -> None:
        self.path = path

    def git(
        self, *args: str, stdin: str | None = None, check: bool = True, environ: Mapping[str, str] | None = None
    ) -> str:
        """What `git ARGS` writes, without its last line end."""
        done = subprocess.run(
            ["git", "-C", str(self.path), *args],
            input=stdin,
            capture_output=True,
            text=True,
            env={**os.environ, **(environ or {})},
        )
        assert not check or done.returncode == 0, f"git {args}: {done.stderr}"
        return done.stdout.rstrip("\n")

    def write(self, path: str, text: str | bytes) -> Path:
        """Write one file of the work tree."""
        file = self.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def commit(self, message: str = "Change", files: dict[str, str | bytes] | None = None) -> str:
        """Write `files`, commit everything in the work tree, and return the commit's full id."""
        for path, text in (files or {}).items():
            self.write(path, text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message, environ=self.tick())
        return self.head

    def tick(self) -> dict[str, str]:
        """The dates of the next commit, as environment variables."""
        Repo.clock += 60
        return {"GIT_AUTHOR_DATE": f"{Repo.clock} +0000", "GIT_COMMITTER_DATE": f"{Repo.clock} +0000"}

    def merge(self, branch: str, *options: str) -> str:
        """Merge with a merge commit and return its id."""
        self.git("merge", "--quiet", "--no-ff", "--no-edit", *options, branch, environ=self.tick())
        return self.head

    @property
    def head(self) -> str:
        """HEAD's full commit id."""
        return head_of(self.path)


def head_of(folder: Path) -> str:
    """Read HEAD's full commit id, without a process if it is a branch that was committed to since refs were packed."""
    try:
        head = (folder / ".git/HEAD").read_text().strip()
        return (folder / ".git" / head.removeprefix("ref: ")).read_text().strip()
    except OSError:
        words = ["git", "-C", str(folder), "rev-parse", "HEAD"]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def add_versions(repo: Repo, count: int = 4) -> list[str]:
    """Commit versions v1 … of the prompt, each tagged with its number for the tests' convenience."""
    commits = []
    for number in range(1, count + 1):
        commits.append(repo.commit(f"Version {number}", {PATH: f"messages: [{{role: user, content: say {number}}}]\n"}))
        (repo.path / f".git/refs/tags/v{number}").write_text(commits[-1] + "\n")
    return commits


def copied(made: Path, folder: Path) -> None:
    """Copy repositories that were made once, to where nothing is: they name each other's new places."""
    for path, found, content in _read(made):
        place = f"{folder}/{path}"
        if S_ISDIR(found.st_mode):
            os.makedirs(place, exist_ok=True)
        elif S_ISLNK(found.st_mode):
            os.symlink(content, place)
        else:
            file = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, S_IMODE(found.st_mode))
            is_naming = path.endswith("config")
            os.write(file, content.replace(os.fsencode(made), os.fsencode(folder)) if is_naming else content)
            os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
            os.close(file)


@cache
def _read(made: Path) -> list[tuple[str, os.stat_result, bytes]]:
    """Read what is below the folder. Objects of repositories are packed before: fewer files to write each time."""
    for git in (*made.rglob(".git"), *made.glob("*.git")):
        subprocess.run(["git", f"--git-dir={git}", "repack", "-adq"], check=True)
    entries = []
    for path in sorted(made.rglob("*")):
        found = path.lstat()
        content = os.fsencode(path.readlink()) if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
        entries.append((str(path.relative_to(made)), found, content))
    return entries


@pytest.fixture(autouse=True)
def isolated_git(tmp_path: Path, git_template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A HOME and a Git configuration of the test's own; returns the configuration file."""
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    configuration = home / ".gitconfig"
    configuration.write_text(
        "[user]\n name = Ada Example\n email = ada@example.org\n"
        f"[init]\n defaultBranch = main\n templateDir = {git_template}\n"
        '[protocol "file"]\n allow = always\n[commit]\n gpgSign = false\n[maintenance]\n auto = false\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return configuration


@pytest.fixture
def empty_repo(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """A repository with a work tree and no commit, but what the other fixtures of the test begin with."""
    grown = next((name for name in ("ada", "alone", "remote", "repo") if name in request.fixturenames), "empty")
    copied(_made(tmp_path_factory.getbasetemp() / grown), tmp_path)
    return Repo(tmp_path / "work")


@pytest.fixture
def repo(empty_repo: Repo) -> Repo:
    """A repository whose one commit holds a workspace with the prompt `support/triage`."""
    return empty_repo


@pytest.fixture
def remote(repo: Repo, tmp_path: Path) -> Repo:
    """A bare repository that `repo` has pushed its main branch to, under the name `origin`."""
    bare = Repo(tmp_path / "remote.git")
    if repo.head != (bare.path / "refs/heads/main").read_text().strip():  # another fixture went on from there
        repo.git("push", "--quiet", "origin", "main")
    return bare


@cache
def _made(folder: Path) -> Path:
    """What the fixture of the folder's name begins with; each test gets a copy."""
    repo = Repo(folder / "work")
    repo.path.mkdir(parents=True)
    repo.git("init", "--quiet")
    if folder.name not in ("alone", "empty"):
        repo.commit("Begin", {"promptctl.yaml": "{}\n", PATH: TRIAGE})
    if folder.name in ("ada", "remote"):
        bare = Repo(folder / "remote.git")
        subprocess.run(["git", "init", "--quiet", "--bare", str(bare.path)], check=True)
        bare.git("config", "uploadpack.allowFilter", "true")
        bare.git("config", "uploadpack.allowAnySHA1InWant", "true")
        repo.git("remote", "add", "origin", str(bare.path))
        repo.git("push", "--quiet", "--set-upstream", "origin", "main")
        repo.git("remote", "set-head", "origin", "main")
    if folder.name in ("ada", "alone"):
        add_versions(repo)
    if folder.name == "ada":
        repo.git("push", "--quiet", "origin", "main", "--tags")
    return folder


@pytest.fixture
def clone(tmp_path: Path) -> Callable[..., Repo]:
    """`clone(remote, "name", "--depth=1")`: a clone through the file protocol, so that its options hold."""

    def make(source: Repo, name: str, *options: str) -> Repo:
        path = tmp_path / name
        subprocess.run(["git", "clone", "--quiet", *options, f"file://{source.path}", str(path)], check=True)
        return Repo(path)

    return make
