"""`URL//PATH@REF`: where prompts of another repository are, as a user names them and as the lock keeps it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from promptctl.errors import UsageError, printable
from promptctl.git.outside import PROTOCOLS

FORM = "URL//PATH@REF, such as https://example.com/acme/prompts//support/triage@v1.2"
_MOST = 2000
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HELPER = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*::")
# `git@example.com:acme/prompts`: a colon before the first slash.
_SCP = re.compile(r"(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9][A-Za-z0-9._-]*:(?!/{2})[^\s]+")
_HOST = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9][A-Za-z0-9._-]*)(?::[0-9]{1,5})?")
_NOT_IN_REFS = re.compile(r"[\s\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]|\.\.|@\{|//|/\.|\.lock(?:/|\Z)")


@dataclass(frozen=True, slots=True)
class LibraryAddress:
    """A repository as it is written in the lock: an address with a protocol, `user@host:path`, or a path.

    `asked` is what Git is given: a relative path of this machine is made one from the workspace.
    """

    url: str
    asked: str

    @property
    def words(self) -> list[str]:
        """The names in it that could name what comes from it: the repository's, then those around it."""
        path = self.url.partition("://")[2].partition("/")[2] if "://" in self.url else self.url.rpartition(":")[2]
        return [each.removesuffix(".git") for each in reversed(path.split("/")) if each.removesuffix(".git")]


@dataclass(frozen=True, slots=True)
class NamedPrompts:
    """Part of a repository that a user names: a path or an id in it, and a ref; each may be left out."""

    address: LibraryAddress
    path: str
    ref: str | None


def read_named(text: str, root: Path, start: Path) -> NamedPrompts:
    """Return what an argument `URL//PATH@REF` names. Raises `UsageError`."""
    scheme = _SCHEME.match(text)
    begin = scheme.end() if scheme else 0
    at = text.find("//", begin)
    url, rest = (text, "") if at < 0 else (text[:at], text[at + 2 :])
    if at < 0:
        is_scp = scheme is None and not text.startswith((".", "/", "~")) and _SCP.fullmatch(text)
        host = text.find(":" if is_scp else "/", begin)  # an `@` before its end is a user's
        if 0 <= host < (mark := text.rfind("@")):
            url, rest = text[:mark], text[mark:]
    path, has_ref, ref = rest.partition("@")
    if has_ref:
        check_ref(ref)
    path = path.strip("/").removeprefix("./")
    if (any(segment in ("", ".", "..") for segment in path.split("/")) and path) or not path.isprintable():
        raise UsageError(f"`{printable(path)}` is no path in a repository", hint=f"write {FORM}")
    return NamedPrompts(read_address(url, root, start), path, ref if has_ref else None)


def read_address(url: str, root: Path, start: Path | None = None) -> LibraryAddress:
    """Return the address of a repository; a relative path is from `start`, or as a lock has it from the root.

    That a folder is there is asked of one that is typed; Git says it of one in a lock. Raises `UsageError` for a
    protocol that is not spoken and for an address with a password in it, which is not shown.
    """
    if not url or len(url) > _MOST or not url.isprintable() or url != url.strip() or url.startswith("-"):
        raise UsageError("this is no address of a repository", hint=f"write {FORM}")
    if _HELPER.match(url):
        raise _protocol(url.partition("::")[0])
    if (scheme := _SCHEME.match(url)) is not None:
        return _with_protocol(url, scheme[1].lower(), is_typed=start is not None)
    if not url.startswith((".", "/", "~")) and _SCP.fullmatch(url):
        if url.partition(":")[2].startswith("-"):
            raise UsageError("this is no address of a repository", hint=f"write {FORM}")
        return LibraryAddress(url, url)
    given = Path(url).expanduser()
    folder = os.path.normpath((start or root) / given)
    if start is not None and not Path(folder).is_dir():
        raise UsageError(f"there is no folder `{printable(url)}`", hint=f"write {FORM}, or the path of a repository")
    kept = folder if given.is_absolute() else os.path.relpath(folder, root)
    return LibraryAddress(kept, folder)


def check_ref(ref: str) -> None:
    """Raise `UsageError` for what can be neither a branch, nor a tag, nor a commit's full id."""
    if not ref or _NOT_IN_REFS.search(ref) or ref.startswith(("-", "/", ".")) or ref.endswith(("/", ".")) or ref == "@":
        raise UsageError(f"`{printable(ref)}` is no name of a tag or a branch", hint="name a tag, a branch or a commit")


def _with_protocol(url: str, scheme: str, *, is_typed: bool) -> LibraryAddress:
    if scheme not in PROTOCOLS:
        raise _protocol(scheme)
    rest = url.partition("://")[2]
    if scheme == "file":
        if not rest.startswith("/") or (is_typed and not Path(rest).is_dir()):
            raise UsageError(
                f"there is no folder `{printable(url)}`", hint="write file:// and the path of a repository"
            )
        return LibraryAddress(url, f"file://{os.path.normpath(rest)}")
    user, has_user, host = rest.partition("/")[0].rpartition("@")
    if (has_user and (":" in user or scheme != "ssh")) or (scheme == "https" and re.search(r"[?#]", rest)):
        raise UsageError(
            "the address holds a user, a password or a key, which would be in the lock for everybody to read",
            hint="leave it out: Git takes it from its credential helper (git help credentials), or use ssh",
        )
    if not _HOST.fullmatch(host) or user.startswith("-") or not rest.partition("/")[2].strip("/"):
        raise UsageError(f"`{printable(url)}` is no address of a repository", hint=f"write {FORM}")
    return LibraryAddress(url.rstrip("/"), url.rstrip("/"))


def _protocol(name: str) -> UsageError:
    hint = f"use {', '.join(PROTOCOLS[:-1])} or a local path"
    return UsageError(f"the protocol `{printable(name)}` is not spoken", hint=hint)
