"""Repositories that mean harm, and addresses that do: nothing of them is run, followed, written or shown."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from promptctl import AddRequest
from promptctl.browse.prompts import _template_pieces
from promptctl.errors import GitError, PromptctlError, UsageError, WorkspaceError
from promptctl.files.strangers import unsafe
from promptctl.git import bounded, outside
from promptctl.git.outside import OutsideRepository
from promptctl.labels.lock import vendored_part
from promptctl.vendoring.address import check_ref, read_address, read_named
from promptctl.vendoring.licences import spdx_of
from promptctl.vendoring.offering import _HEADING
from promptctl.workspace import Workspace, open_workspace
from tests.cli.conftest import Cli, commit, git, write
from tests.repositories import head_of
from tests.vendoring.conftest import files_of

PROMPT = "messages: [{role: user, content: Hello}]\n"
SECRET = "ghp_aaaaaaaaaaaaaaaaaaaa"


def refused(workspace: Workspace, address: str) -> PromptctlError:
    """The error of adding, after which the files are as they were."""
    before = files_of(workspace.root)
    with pytest.raises(PromptctlError) as caught:
        workspace.write(workspace.vendoring.add(AddRequest(address)).proposal)
    assert files_of(workspace.root) == before
    return caught.value


@pytest.mark.parametrize(
    "address",
    [
        "ext::sh -c touch% pwned//x@main",
        "ext::touch pwned//x",
        "fd::17//x",
        "http://example.com/a//x",
        "ftp://example.com/a//x",
        "git+ssh://example.com/a//x",
        "-oProxyCommand=x//x",
        "--upload-pack=x//x",
        "ssh://-oProxyCommand=touch/a//x",
        "ssh://-x@example.com/a//x",
        "git@example.com:-x//x",
        "https://example.com//x",
        "https:///a//x",
        "ht\ntps://example.com/a//x",
        "file://relative/a//x",
        "file:///nowhere/at/all//x",
        "../nowhere//x",
        "",
        "//x@main",
    ],
)
def test_addresses_that_are_refused(workspace: Workspace, address: str) -> None:
    assert isinstance(refused(workspace, address), UsageError)
    assert not (workspace.root / "pwned").exists()


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{SECRET}@example.com/a",
        f"https://{SECRET}@example.com/a",
        f"https://example.com/a?access_token={SECRET}",
        f"ssh://user:{SECRET}@example.com/a",
        f"git://{SECRET}@example.com/a",
        f"https://user:{SECRET}@-bad-host-/a",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_shown(here: Path, cli: Cli, url: str) -> None:
    for arguments in (["add", f"{url}//x@main"], ["add", f"{url}//x", "--json"], ["library", url]):
        ran = cli(*arguments)
        assert ran.exit_code == 2
        assert SECRET not in ran.out + ran.err
        assert "holds a user, a password or a key" in ran.err


@pytest.mark.parametrize(
    ("text", "url", "path", "ref"),
    [
        ("https://example.com/a/b//support/x@v1", "https://example.com/a/b", "support/x", "v1"),
        ("https://example.com:8443/a.git//x", "https://example.com:8443/a.git", "x", None),
        ("git@example.com:acme/kit.git//x@feature/y", "git@example.com:acme/kit.git", "x", "feature/y"),
        ("ssh://git@example.com:22/acme/kit//x@refs/tags/v1", "ssh://git@example.com:22/acme/kit", "x", "refs/tags/v1"),
        ("git://[::1]:9418/kit//*@main", "git://[::1]:9418/kit", "*", "main"),
        ("https://example.com/a@v1", "https://example.com/a", "", "v1"),
        ("git@example.com:acme/kit", "git@example.com:acme/kit", "", None),
        ("git@example.com:acme/kit@v1", "git@example.com:acme/kit", "", "v1"),
    ],
)
def test_addresses_are_read(tmp_path: Path, text: str, url: str, path: str, ref: str | None) -> None:
    named = read_named(text, tmp_path, tmp_path)
    assert (named.address.url, named.path, named.ref) == (url, path, ref)


@pytest.mark.parametrize(
    "ref", ["", "-x", "a..b", "a b", "a^", "a~1", "a:b", "*", "a.lock", "@", "/a", "a/", "@{u}", "a\x00"]
)
def test_refs_that_are_none(ref: str) -> None:
    with pytest.raises(UsageError):
        check_ref(ref)


@pytest.mark.parametrize(
    "path",
    [
        *("../x", "a/../b", "/a", "a//b", "a/.", ".git/config", "a/.GIT/hooks/x", "git~1/config", ".git /x", ".git./x"),
        *("a\nb", "a\x1bb", "a\u202eb", "a\u200bb", "a\\b", "C:x", "a./b", "a /b", ".git::$INDEX_ALLOCATION/x"),
    ],
)
def test_names_that_are_never_written(path: str) -> None:
    assert unsafe(path) is not None


@pytest.mark.parametrize("path", ["prompts/a.j2", "größe.j2", "a b/c-d_e.txt", "git/x", "legit.j2", ".github/x"])
def test_names_that_are_plain(path: str) -> None:
    assert unsafe(path) is None


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A repository with the prompt `hello`."""
    folder = tmp_path / "stranger"
    write(folder, "promptctl.yaml", "{}\n")
    write(folder, "prompts/hello.prompt.yaml", PROMPT)
    git(folder, "init", "--quiet")
    commit(folder, "Begin")
    return folder


def test_hooks_filters_and_configuration_are_not_run(stranger: Path, workspace: Workspace, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    for hook in ("post-checkout", "pre-receive", "post-update", "reference-transaction", "post-upload-pack"):
        file = write(stranger, f".git/hooks/{hook}", f"#!/bin/sh\ntouch {trap}\n")
        file.chmod(0o755)
    write(stranger, ".gitattributes", "* filter=evil diff=evil merge=evil\n")
    for key in ("filter.evil.smudge", "filter.evil.process", "core.fsmonitor", "uploadpack.packObjectsHook"):
        git(stranger, "config", key, f"touch {trap}; cat")
    git(stranger, "-c", "filter.evil.process=", "-c", "core.fsmonitor=false", "add", ".gitattributes")
    git(stranger, "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "commit", "--quiet", "-m", "Trap")
    trap.unlink(missing_ok=True)
    workspace.write(workspace.vendoring.add(AddRequest("../stranger//hello")).proposal)
    assert not trap.exists()


def test_links_and_submodules_are_not_followed(stranger: Path, workspace: Workspace, tmp_path: Path) -> None:
    write(tmp_path, "outside.j2", "Secret\n")
    (stranger / "prompts/linked.j2").symlink_to(tmp_path / "outside.j2")
    (stranger / "prompts/linked.prompt.yaml").symlink_to("hello.prompt.yaml")
    (stranger / "prompts/folder").symlink_to(tmp_path)
    write(stranger, "prompts/a.prompt.yaml", "messages: [{role: user, content: \"{% include 'linked.j2' %}\"}]\n")
    write(stranger, "prompts/b.prompt.yaml", "messages: [{role: user, content: \"{% include 'sub/x.j2' %}\"}]\n")
    write(
        stranger, "prompts/c.prompt.yaml", "messages: [{role: user, content: \"{% include 'folder/outside.j2' %}\"}]\n"
    )
    git(stranger, "add", "--all")
    git(stranger, "update-index", "--add", "--cacheinfo", f"160000,{head_of(stranger)},prompts/sub")
    git(stranger, "commit", "--quiet", "-m", "Links")
    assert "is a symbolic link" in refused(workspace, "../stranger//a").message
    assert "a submodule" in refused(workspace, "../stranger//b").message
    assert "is a symbolic link" in refused(workspace, "../stranger//c").message
    assert "is a symbolic link" in refused(workspace, "../stranger//prompts/linked.prompt.yaml").message


def tree_with(folder: Path, *entries: tuple[str, str, str]) -> str:
    """Write a tree object as it is given, with no check: mode, name, id of each entry; give its id."""
    data = b"".join(f"{mode} {name}".encode() + b"\0" + bytes.fromhex(id_) for mode, name, id_ in entries)
    done = subprocess.run(
        ["git", "-C", str(folder), "hash-object", "-t", "tree", "--literally", "-w", "--stdin"],
        input=data, capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout.decode().strip()


def test_trees_that_lead_elsewhere_write_nothing(stranger: Path, workspace: Workspace) -> None:
    prompt = git(stranger, "hash-object", "-w", "prompts/hello.prompt.yaml")
    evil = tree_with(stranger, ("100644", "evil.prompt.yaml", prompt))
    up = tree_with(stranger, ("40000", "..", evil), ("100644", "hello.prompt.yaml", prompt))
    prompts = tree_with(
        stranger,
        ("40000", ".git", evil), ("40000", "..", up), ("40000", "GIT~1", evil), ("100644", "x\ny.prompt.yaml", prompt),
        ("100644", "hello.prompt.yaml", prompt),
    )  # fmt: skip
    root = tree_with(stranger, ("40000", "prompts", prompts))
    git(stranger, "update-ref", "refs/heads/evil", git(stranger, "commit-tree", "-m", "Evil", root))
    workspace.write(workspace.vendoring.add(AddRequest("../stranger//*@evil")).proposal)
    assert [path for path in files_of(workspace.root) if "evil" in path] == []
    assert "prompts/stranger/hello.prompt.yaml" in files_of(workspace.root)
    assert not list(workspace.root.parent.glob("*.prompt.yaml"))


def test_a_git_that_opens_no_bare_repository_by_itself_does(
    stranger: Path, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = (Path.home() / ".gitconfig").read_text() + "[safe]\n\tbareRepository = explicit\n"
    write(tmp_path, "home/.gitconfig", config)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    workspace.write(workspace.vendoring.add(AddRequest("../stranger//hello")).proposal)
    assert "prompts/stranger/hello.prompt.yaml" in files_of(workspace.root)


@pytest.mark.parametrize(("one", "other"), [("a", "A"), ("caf\u00e9", "cafe\u0301"), ("caf\u00e9", "CAFE\u0301")])
def test_two_names_of_one_file_are_refused(stranger: Path, workspace: Workspace, one: str, other: str) -> None:
    write(stranger, f"prompts/{one}.j2", "A\n")
    both = f"{{% include '{one}.j2' %}}{{% include '{other}.j2' %}}"
    write(stranger, "prompts/b.prompt.yaml", f'messages: [{{role: user, content: "{both}"}}]\n')
    git(stranger, "add", "--all")
    git(
        stranger,
        "update-index",
        "--add",
        "--cacheinfo",
        f"100644,{git(stranger, 'hash-object', f'prompts/{one}.j2')},prompts/{other}.j2",
    )
    git(stranger, "commit", "--quiet", "-m", "Two")
    assert "the same file on many file systems" in refused(workspace, "../stranger//b").message


def test_a_pointer_of_lfs_is_no_file(stranger: Path, workspace: Workspace) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 1\n"
    write(stranger, "prompts/hello.prompt.yaml", pointer)
    commit(stranger, "Point")
    assert "Git LFS pointer" in refused(workspace, "../stranger//hello").message


def test_what_is_large_is_refused(stranger: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    write(stranger, "prompts/big.prompt.yaml", PROMPT + "#" + "x" * (1 << 20) + "\n")
    commit(stranger, "Grow")
    assert "at most 1,048,576 are read" in refused(workspace, "../stranger//big").message
    monkeypatch.setattr(outside, "MOST_ENTRIES", 2)
    assert "at most 2 are looked through" in refused(workspace, "../stranger//hello").message


def test_a_flood_is_ended(stranger: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    (stranger / "noise").write_bytes(os.urandom(4 << 20))
    commit(stranger, "Flood")
    monkeypatch.setattr(outside, "MOST_BYTES", 1 << 16)
    assert "were sent: the fetch was ended" in refused(workspace, "../stranger//hello").message


def _bomb(base: bytes, times: int) -> bytes:
    """A pack of a commit whose prompt `big` is some bytes many times over, as one delta of a few."""

    def number(value: int) -> bytes:
        found = []
        while value > 0x7F:
            found.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes([*found, value])

    def entry(kind: int, size: int, data: bytes, before: bytes = b"") -> bytes:
        head = kind << 4 | size & 15
        rest = size >> 4
        return (bytes([head | 0x80]) + number(rest) if rest else bytes([head])) + before + zlib.compress(data, 9)

    def name(kind: str, data: bytes) -> bytes:
        return hashlib.sha1(f"{kind} {len(data)}\0".encode() + data).digest()

    copy = bytes([0x80 | 0x70]) + len(base).to_bytes(3, "little")
    delta = number(len(base)) + number(len(base) * times) + copy * times
    prompts = b"100644 big.prompt.yaml\0" + name("blob", base * times)
    top = b"40000 prompts\0" + name("tree", prompts)
    made = f"tree {name('tree', top).hex()}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n".encode()
    objects = [entry(1, len(made), made), entry(2, len(top), top), entry(2, len(prompts), prompts)]
    objects += [entry(3, len(base), base), entry(7, len(delta), delta, name("blob", base))]
    pack = b"PACK" + struct.pack(">II", 2, len(objects)) + b"".join(objects)
    return pack + hashlib.sha1(pack).digest()


ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the memory of a process that runs")


@pytest.mark.parametrize("bound", ["_MOST_OBJECT", pytest.param("_MOST_MEMORY", marks=ON_LINUX)])
def test_a_few_bytes_that_unpack_to_much_are_not_unpacked(
    tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    stranger = tmp_path / "bomb"
    stranger.mkdir()
    git(stranger, "init", "--quiet", "--bare", "--initial-branch=main")
    pack = _bomb(b"#" + b" " * ((8 << 20) - 2) + b"\n", 24)
    assert len(pack) < 20_000
    subprocess.run(["git", "-C", stranger, "index-pack", "--stdin"], input=pack, check=True, capture_output=True)
    lines = subprocess.run(
        ["git", "-C", stranger, "cat-file", "--batch-all-objects", "--batch-check"], check=True, capture_output=True
    ).stdout.decode()
    (tip,) = (line.split()[0] for line in lines.splitlines() if " commit " in line)
    git(stranger, "update-ref", "refs/heads/main", tip)
    monkeypatch.setattr(bounded, bound, 128 << 20)
    assert "unpacks to more than 128 MiB" in refused(workspace, "../bomb//big").message


@ON_LINUX
def test_a_smaller_bound_of_the_users_own_stays() -> None:
    command = ["sh", "-c", 'ulimit -S -d 200000; exec "$@"', "sh", *bounded._less_memory(), "sh", "-c", "ulimit -S -d"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "200000\n"


@pytest.fixture
def mute() -> Iterator[int]:
    """A port at which somebody takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_server_that_says_nothing_is_given_up(
    workspace: Workspace, mute: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "_SILENT_S", 0.3)
    error = refused(workspace, f"git://127.0.0.1:{mute}/kit//hello@main")
    assert "nothing was sent for 0.3 s" in error.message


def test_without_a_place_for_a_temporary_folder_that_is_said(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    assert refused(workspace, "git://127.0.0.1:9/kit//hello").message.startswith("no temporary folder can be written: ")


def test_a_server_that_is_not_there(workspace: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = refused(workspace, f"git://127.0.0.1:{port}/kit//hello@main")
    assert isinstance(error, GitError)
    assert f"git://127.0.0.1:{port}/kit cannot be reached" in error.message
    assert error.hint == "look at the network and the address"


def test_a_folder_that_is_no_repository(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "empty-403").mkdir()
    assert refused(workspace, "../empty-403//hello").message.startswith("there is no repository at ../empty-403")
    git(tmp_path, "init", "--quiet", "bare")
    assert "has no default branch" in refused(workspace, "../bare//hello").message


def test_no_password_is_asked_for(workspace: Workspace, tmp_path: Path) -> None:
    """A server that wants a password gets none, and no program that could ask for one is started."""
    trap = tmp_path / "asked"
    ask = write(tmp_path, "ask.sh", f"#!/bin/sh\ntouch {trap}\necho x\n")
    ask.chmod(0o755)
    environ = {**os.environ, "GIT_ASKPASS": str(ask), "SSH_ASKPASS": str(ask)}
    with open_workspace(workspace.root, environ) as quiet, _PasswordServer() as port:
        with OutsideRepository(f"http://127.0.0.1:{port}/kit", "kit", environ) as repository:
            repository._environment["GIT_ALLOW_PROTOCOL"] = "http"
            repository._commands._environment["GIT_ALLOW_PROTOCOL"] = "http"
            with pytest.raises(GitError, match="kit does not exist, or asks for a password"):
                repository.refs("HEAD")
        assert quiet.root == workspace.root
    assert not trap.exists()


class _PasswordServer:
    """A web server on loopback that answers everything with 401."""

    def __enter__(self) -> int:
        self._server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        port: int = self._server.getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _serve(self) -> None:
        answer = (
            b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
        )
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)


def test_the_lock_cannot_make_git_run_something(library: Path, workspace: Workspace) -> None:
    workspace.write(workspace.vendoring.add(AddRequest("../acme-kit//unrelated@v1.0")).proposal)
    lock = workspace.root / "promptctl.lock.yaml"
    text = lock.read_text()
    for url in ("ext::touch pwned", "--upload-pack=touch pwned", f"https://user:{SECRET}@127.0.0.1/a"):
        lock.write_text(text.replace("url: ../acme-kit", f"url: '{url}'"))
        for ask in (workspace.vendoring.outdated, lambda: workspace.vendoring.verify(asks_remote=True)):
            with pytest.raises((UsageError, WorkspaceError)) as caught:
                ask()
            assert SECRET not in str(caught.value)
    assert not list(workspace.root.rglob("pwned"))


@pytest.mark.parametrize("after", [0, 24, 54])
def test_a_process_that_is_killed_leaves_nothing_half_done(library: Path, here: Path, after: int) -> None:
    """Whenever it is killed, the files are as before, or as after, or a new try makes them so."""
    script = (
        "import os, sys, promptctl\n"
        "from promptctl.files import proposal\n"
        "put, count = proposal._put, [0]\n"
        "def counted(*args, **named):\n"
        "    put(*args, **named)\n"
        "    count[0] += 1\n"
        f"    count[0] * 6 > {after} and os.kill(os.getpid(), 9)\n"
        "proposal._put = counted\n"
        "with promptctl.open_workspace() as workspace:\n"
        "    workspace.write(workspace.vendoring.add(promptctl.AddRequest('../acme-kit//support@v1.0')).proposal)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=here, check=False)
    assert done.returncode in (0, -signal.SIGKILL)
    with open_workspace(here) as workspace:
        left = files_of(here)
        whole = workspace.vendoring.add(AddRequest("../acme-kit//support@v1.0"))
        assert "promptctl.lock.yaml" not in left or whole.proposal.is_empty
        workspace.write(whole.proposal)
        assert not workspace.vendoring.verify().problems


def test_a_process_that_is_killed_while_it_fetches_changes_nothing(library: Path, here: Path, mute: int) -> None:
    before = files_of(here)
    process = subprocess.Popen(
        [sys.executable, "-m", "promptctl", "add", f"git://127.0.0.1:{mute}/kit//x@main", "--yes"],
        cwd=here, stderr=subprocess.PIPE,
    )  # fmt: skip
    time.sleep(1)
    process.kill()
    process.communicate()
    assert files_of(here) == before
    assert read_address("../acme-kit", here).asked == str(library)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("conftest.py", "is of a kind that is not taken"),
        ("Makefile", "is of a kind that is not taken"),
        (".gitattributes", "is hidden"),
        (".github/workflows/x.yml", "is hidden"),
        ("promptctl.yaml", "would set up a tool"),
        ("package.json", "would set up a tool"),
        ("recordings/r.jsonl", "would be read as recordings or labels"),
        ("test_ticket.txt", "would be run as a test"),
        ("TestTicket.TXT", "would be run as a test"),
        ("deep/PromptCtl.yaml", "would set up a tool"),
        ("Package.json", "would set up a tool"),
        ("requirements.txt", "would set up a tool"),
        ("CMakeLists.txt", "would set up a tool"),
        ("pnpm-workspace.yaml", "would set up a tool"),
        ("MAKEFILE", "is of a kind that is not taken"),
        ("CLAUDE.md", "would be read as orders to coding agents"),
        ("agents.md", "would be read as orders to coding agents"),
        ("SKILL.md", "would be read as orders to coding agents"),
    ],
)
def test_a_file_that_another_tool_would_run_or_read_is_not_taken(
    library: Path, workspace: Workspace, name: str, why: str
) -> None:
    write(library, f"datasets/{name}", "x = 1\n")
    case = f"{{id: c, inputs: {{}}, files: {{x: {name}}}, assert: [{{type: contains, value: x}}]}}"
    write(library, "datasets/bad.yaml", f"prompts: [unrelated]\ncases: [{case}]\n")
    commit(library, "Bad")
    added = workspace.vendoring.add(AddRequest("../acme-kit//unrelated"))
    assert any(f"datasets/bad.yaml is left out: datasets/{name} {why}" in note for note in added.notes)
    assert not any(change.path.endswith(name) for change in added.proposal.changes)


@pytest.mark.parametrize("name", ["test_part.txt", "claude.md", "promptctl.yaml"])
def test_a_partial_that_another_tool_would_run_or_read_is_not_taken(
    library: Path, workspace: Workspace, name: str
) -> None:
    write(library, f"prompts/{name}", '>>> open("ran", "w")\n')
    write(library, "prompts/bad.prompt.yaml", f"messages: [{{role: user, content: \"{{% include '{name}' %}}\"}}]\n")
    commit(library, "Bad")
    error = refused(workspace, "../acme-kit//bad")
    assert error.message.startswith(f"`prompts/acme-kit/{name}` would ")
    assert error.hint == "its owners can rename it there"


def test_what_is_named_after_a_test_is_taken_where_nothing_would_run_it(library: Path, workspace: Workspace) -> None:
    names = ("tests.j2", "test_tone.yaml", "my_test.json")
    for name in names:
        write(library, f"prompts/{name}", "{type: string}\n")
    inputs = ", ".join(f"i{at}: {{$ref: {name}}}" for at, name in enumerate(names[1:]))
    messages = "messages: [{role: user, content: \"{% include 'tests.j2' %}{{ i0 }}{{ i1 }}\"}]\n"
    write(library, "prompts/test-reply.prompt.yaml", f"inputs: {{{inputs}}}\n{messages}")
    write(library, "datasets/test_reply.yaml", "prompts: [test-reply]\ncases: [{id: c, inputs: {i0: a, i1: b}}]\n")
    commit(library, "Good")
    added = workspace.vendoring.add(AddRequest("../acme-kit//test-reply"))
    paths = {change.path for change in added.proposal.changes}
    assert {f"prompts/acme-kit/{name}" for name in (*names, "test-reply.prompt.yaml")} <= paths
    assert "datasets/acme-kit/test_reply.yaml" in paths


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ("d.jsonl", '{"id": "c", "assert": [{"type": "\\u0070ython", "value": "./evil.py:check"}]}\n'),
        ("d.csv", "id,__expected\nc,not-python:./evil.py:check\n"),
        ("d.csv", "id,__expected\nc,Python (x):./evil.py\n"),
    ],
)
def test_code_in_rows_is_found_however_it_is_spelt(library: Path, workspace: Workspace, rows: str, text: str) -> None:
    write(library, f"datasets/{rows}", text)
    write(library, "datasets/bad.yaml", f"prompts: [unrelated]\ncases: {rows}\n")
    commit(library, "Bad")
    added = workspace.vendoring.add(AddRequest("../acme-kit//unrelated"))
    assert any("datasets/bad.yaml is left out: " in note and "code or schemas" in note for note in added.notes)


def test_globs_without_end_are_not_matched(library: Path, workspace: Workspace) -> None:
    write(library, "promptctl.yaml", "model: echo/echo\nshare:\n" + "".join(f"  - z{n}*\n" for n in range(1001)))
    commit(library, "Share")
    error = refused(workspace, "../acme-kit//support/triage")
    assert (error.message, error.exit_code) == ("its `share` has 1,001 globs; at most 1,000 are read", 3)
    assert str(error.place) == "promptctl.yaml"
    write(library, "promptctl.yaml", f"model: echo/echo\nshare: [support/*, {'z*a' * 67}]\n")
    commit(library, "Share")
    error = refused(workspace, "../acme-kit//support/triage")
    assert (error.message, error.exit_code) == ("its `share` has a glob of 201 characters; at most 200 are read", 3)


@pytest.mark.parametrize("name", [b"a\xe3\x80\x80b", b"a\xc2\x85b", b"a\xffb"])
def test_a_default_branch_of_a_name_that_no_lock_holds_is_refused(
    library: Path, workspace: Workspace, name: bytes
) -> None:
    for words in ([b"update-ref", b"refs/heads/" + name, b"HEAD"], [b"symbolic-ref", b"HEAD", b"refs/heads/" + name]):
        subprocess.run([b"git", *words], cwd=library, check=True)
    error = refused(workspace, f"{library}//support/triage")
    assert "is no name of a tag or a branch" in error.message


@pytest.mark.parametrize(
    "read",
    [
        lambda: spdx_of(b"SPDX-License-Identifier: a" + b"." * 250_000 + b" x"),
        lambda: _HEADING.fullmatch("# a" + " " * 250_000 + "b"),
        lambda: vendored_part(b"#\n" * 200_000 + b"vendored:\n"),
        lambda: list(_template_pieces("{{ " * 300_000, "jinja")),
    ],
    ids=["licence", "heading", "lock", "template"],
)
def test_no_text_of_a_stranger_takes_time_by_the_square_of_its_length(read: Callable[[], object]) -> None:
    begun = time.process_time()
    read()
    assert time.process_time() - begun < 2
