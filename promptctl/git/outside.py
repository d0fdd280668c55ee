"""One commit of a repository of others, fetched into a bare one of our own that is gone afterwards.

That repository is a stranger's. Nothing of it is checked out or run: no hook, no filter, no submodule, no template, no
configuration. Only the protocols of `PROTOCOLS` are spoken, and a password is asked for only where a person is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from promptctl.counting import counting
from promptctl.errors import GitError, printable
from promptctl.files.writing import temporary_folder
from promptctl.git.bounded import memory_limit, run_bounded
from promptctl.git.commands import Commands, GitOutput, refusal
from promptctl.git.objects import Objects, is_object_id

PROTOCOLS = ("https", "ssh", "git", "file")

MOST_BYTES = 256 << 20  # of objects, packed
MOST_ENTRIES = 200_000  # of a commit's tree
_SILENT_S = 60.0

_GIT = (
    *("-c", "fetch.negotiationAlgorithm=noop"),
    *("-c", "fetch.recurseSubmodules=false"),
    *("-c", "transfer.bundleURI=false"),  # a server must not name a further place to fetch from
    *("-c", "core.bigFileThreshold=1m"),  # a large blob is written as it comes, not held
    *("-c", "http.followRedirects=false"),  # nor a different host
    *("-c", "http.lowSpeedLimit=1"),
    *("-c", "http.lowSpeedTime=30"),
)
_FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no",
          "--no-auto-maintenance")  # fmt: skip
# No name that a user's own configuration would have refspecs for.
_REMOTE, _HERE = "promptctl-outside", "refs/promptctl/wanted"
_WHOLE = "--no-filter"
_PARTIAL = "--filter=blob:none"

_SSH = "ssh -o BatchMode=yes"

_ENTRY = re.compile(rb"(\d+) (\w+) ([0-9a-f]+)\t(.*)", re.DOTALL)
_USER = re.compile(r"(?<=://)[^/@\s]*@")
_DENIED = re.compile(
    r"(?i)authentication failed|could not read (username|password)|terminal prompts disabled|permission denied"
    r"|(error:|http) 40[13]\b|host key verification failed"
)
_GONE = re.compile(r"(?i)not found|does not appear to be a git repository|repository not exported|access denied or")
_NOT_GIVEN = re.compile(r"(?i)not our ref|unadvertised object")
_OFFLINE = re.compile(
    r"(?i)could not resolve|unable to look up|connection (refused|reset|timed out)|failed to connect|timed out"
    r"|network is unreachable|unable to connect|no route to host|temporary failure in name"
)


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A file of a commit: its mode (`100644`, a link's `120000`, a submodule's `160000`), its object, its path."""

    mode: str
    id: str
    path: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """The objects that were fetched, by kind; `is_partial` says that the server left the files' contents out."""

    commits: int
    trees: int
    blobs: int
    is_partial: bool

    def as_dict(self) -> dict[str, int | bool]:
        """Return a JSON object with stable keys."""
        return {"commits": self.commits, "trees": self.trees, "blobs": self.blobs, "partial": self.is_partial}


class OutsideRepository:
    """Asks the repository at an address for names, for one commit and for files of it. Use it as a context manager.

    `url` is what Git takes, a local path in full; `shown` stands for it in errors. With `is_interactive`, Git may ask
    for a password on the terminal. `environ` is the user's environment. Raises `WorkspaceError` without a place for a
    temporary folder.
    """

    def __init__(self, url: str, shown: str, environ: Mapping[str, str], *, is_interactive: bool = False) -> None:
        self._url, self.shown = url, shown
        self._is_interactive = is_interactive
        self._environment = _environment(environ, is_interactive=is_interactive)
        self._opened = ExitStack()
        self._folder = self._opened.enter_context(temporary_folder("outside"))
        self._format = ""
        self._objects: Objects | None = None
        self._wanted = ""
        self._here: dict[str, str] = {}
        self._is_partial = False
        here = Commands(self._folder, environment=self._environment)
        if not is_interactive and not _has_own_ssh(environ, here):
            self._environment["GIT_SSH_COMMAND"] = _SSH
        self._make("sha1")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._opened.close()

    def close(self) -> None:
        """End the process that reads objects."""
        if self._objects is not None:
            self._objects.close()

    def refs(self, *patterns: str) -> dict[str, str]:
        """Return the ids of the references there that match; the commit of a tag is under its name with `^{}`.

        If `HEAD` is asked for, the branch that it stands for is under `HEAD`, where the server says which it is.
        """
        with counting(f"asking {self.shown}"):
            output = self._run("ls-remote", "--quiet", "--symref", "--end-of-options", self._url, *patterns)
        if output.status != 0:
            raise self._error(output)
        lines = [line.partition("\t") for line in output.lines()]
        found = {name: id_ for id_, _, name in lines if is_object_id(id_)}
        head = found.pop("HEAD", None)
        for branch in (id_[5:] for id_, _, name in lines if name == "HEAD" and id_.startswith("ref: ")):
            found |= {"HEAD": branch, branch: head} if head is not None else {}
        return found

    def fetch(self, commit: str, ref: str | None = None) -> None:
        """Fetch this one commit with its folders, and no file yet if the server can leave them out.

        `ref` names it there, for servers that give nothing by its id. Raises `GitError`.
        """
        self._make("sha1" if len(commit) == 40 else "sha256")
        with counting(f"fetching from {self.shown}"):
            self._wanted = f"+{commit}:{_HERE}"
            output = self._fetch("--depth=1", _PARTIAL, "--end-of-options", _REMOTE, self._wanted)
            if ref is not None and _may_be_asked_again(output):
                self._wanted = f"+{ref}:{_HERE}"
                output = self._fetch("--depth=1", _PARTIAL, "--end-of-options", _REMOTE, self._wanted)
            if _may_be_asked_again(output):  # of a server that refuses a filter
                output = self._fetch("--depth=1", _WHOLE, "--end-of-options", _REMOTE, self._wanted)
        if output.status != 0 and _NOT_GIVEN.search(output.stderr):
            message = f"{self.shown} does not give commit {commit[:12]}"
            raise GitError(message, hint="its owners may have rewritten its history: git ls-remote shows what it has")
        if output.status != 0:
            raise self._error(output)
        self._look()
        if self._here.get(commit) != "commit":
            kind = self._here.get(commit)
            why = f"is a {kind}, not a commit" if kind else "is not what was sent: it was moved just now"
            raise GitError(f"{commit[:12]} of {self.shown} {why}", hint="ask again")

    def entries(self, commit: str) -> list[TreeEntry]:
        """Return the files of a fetched commit at any depth. Raises `GitError` if they are too many."""
        output = self._run("ls-tree", "-r", "-z", "--full-tree", "--end-of-options", commit)
        if output.status != 0:
            raise refusal(output)
        lines = output.stdout.split(b"\0")[:-1]
        if len(lines) > MOST_ENTRIES:
            raise GitError(f"{self.shown} has {len(lines):,} files; at most {MOST_ENTRIES:,} are looked through")
        found = (_ENTRY.fullmatch(line) for line in lines)
        return [TreeEntry(each[1].decode(), each[3].decode(), each[4]) for each in found if each is not None]

    def bring(self, blobs: Collection[str]) -> None:
        """Fetch the contents of files that are not here yet, in one request."""
        wanted = [id_ for id_ in dict.fromkeys(blobs) if id_ not in self._here]
        if not wanted:
            return
        asked = "".join(f"{id_}\n" for id_ in wanted).encode()
        with counting(f"fetching from {self.shown}"):
            output = self._fetch(_PARTIAL, "--stdin", "--end-of-options", _REMOTE, input=asked)
            if output.status != 0:  # a server that gives no file by its id
                output = self._fetch("--depth=1", _WHOLE, "--refetch", "--end-of-options", _REMOTE, self._wanted)
        self._look()
        if any(id_ not in self._here for id_ in wanted):
            raise self._error(output)

    def read(self, blob: str, most_bytes: int) -> bytes | int:
        """Return a file's bytes, or their number if there are more than `most_bytes`. It is fetched if need be."""
        self.bring([blob])
        assert self._objects is not None
        found = self._objects.read(blob, max_bytes=most_bytes)
        if found is None:
            raise GitError(f"object {blob} of {self.shown} was not sent")
        return found.size if found.data is None else found.data

    @property
    def received(self) -> Received:
        """The objects that were fetched so far."""
        kinds = list(self._here.values())
        return Received(kinds.count("commit"), kinds.count("tree"), kinds.count("blob"), self._is_partial)

    def _make(self, format_: str) -> None:
        """Make the repository that is fetched into, with ids of this format; there is none before."""
        if self._format == format_:
            return
        self.close()
        self._format = format_
        folder = self._folder / format_
        folder.mkdir()
        environment = {
            **self._environment,
            "GIT_DIR": str(folder),
        }  # a bare one that a user's Git may not find by itself
        self._commands = Commands(folder, is_interactive=self._is_interactive, is_bare=True, environment=environment)
        self._objects = Objects(self._commands)
        init = ("init", "--quiet", "--bare", "--template=", f"--object-format={format_}", "--initial-branch=none")
        self._commands.run([*_GIT, *init])
        config = folder / "config"
        url = self._url.replace("\\", "\\\\").replace('"', '\\"')
        remote = f'[remote "{_REMOTE}"]\n\turl = "{url}"\n\tpromisor = true\n\tpartialclonefilter = blob:none\n'
        config.write_text(config.read_text("utf-8") + remote, encoding="utf-8")

    def _fetch(self, *args: str, input: bytes = b"") -> GitOutput:  # noqa: A002
        return self._run(*_FETCH, *args, input=input)

    def _run(self, *args: str, input: bytes = b"") -> GitOutput:  # noqa: A002
        return run_bounded(self._commands, [*_GIT, *args], input=input, most_bytes=MOST_BYTES, silent_s=_SILENT_S)

    def _look(self) -> None:
        """Learn which objects are here: one that is not must not be asked for, or Git would fetch it by itself."""
        form = "--batch-check=%(objectname) %(objecttype)"
        lines = self._run("cat-file", "--batch-all-objects", "--unordered", form).lines()
        self._is_partial = (not self._here and not any(line.endswith(" blob") for line in lines)) or self._is_partial
        self._here = {id_: kind for id_, _, kind in (line.partition(" ") for line in lines)}

    def _error(self, output: GitOutput) -> GitError:
        """Return Git's words as an error that says what can be done. No user and password of an address is in it."""
        words = _USER.sub("", output.stderr)
        found = refusal(output)
        message = printable(_USER.sub("", found.message).removeprefix("Git refused: ").replace(self._url, self.shown))
        if _OFFLINE.search(words):
            return GitError(f"{self.shown} cannot be reached: {message}", hint="look at the network and the address")
        if _DENIED.search(words):
            hint = "let Git know the password (git credential), or use ssh with a key; then ask again"
            return GitError(f"{self.shown} does not exist, or asks for a password: {message}", hint=hint)
        if _GONE.search(words):
            return GitError(f"there is no repository at {self.shown}: {message}", hint="look at the address")
        hint = "\n".join(map(printable, _USER.sub("", found.hint or "").replace(self._url, self.shown).splitlines()))
        return GitError(f"{self.shown} cannot be fetched from: {message}", hint=hint or None)


def _may_be_asked_again(output: GitOutput) -> bool:
    """Return True for a refusal of what was asked for, not of us, and not by a network."""
    return output.status != 0 and not any(sign.search(output.stderr) for sign in (_OFFLINE, _DENIED, _GONE))


def _environment(environ: Mapping[str, str], *, is_interactive: bool) -> dict[str, str]:
    """Return what commands see in addition: the protocols, and no program that would ask for a password."""
    allowed = environ.get("GIT_ALLOW_PROTOCOL")
    protocols = [each for each in PROTOCOLS if allowed is None or each in allowed.split(":")]
    added = {"GIT_ALLOW_PROTOCOL": ":".join(protocols), "GIT_LFS_SKIP_SMUDGE": "1", **memory_limit()}
    if is_interactive:
        return added
    return added | {"GIT_ASKPASS": "", "SSH_ASKPASS": "", "SSH_ASKPASS_REQUIRE": "never", "GCM_INTERACTIVE": "0"}


def _has_own_ssh(environ: Mapping[str, str], commands: Commands) -> bool:
    """Return True if the user says which program speaks SSH: then it is started as it is."""
    is_named = {"GIT_SSH", "GIT_SSH_COMMAND"} & environ.keys()
    return bool(is_named or commands.run(["config", "core.sshCommand"], check=False).stdout)
