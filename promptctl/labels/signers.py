"""Signatures of labels' tags: which count by the file of signers, what is wrong with that file, and how to sign.

`git mktag` signs nothing, and `git tag` makes the reference at once, before a remote has accepted the event. So
`git tag`, which signs by the user's own settings, runs with a hook that stops it when the object is written and the
reference is not.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from promptctl.errors import GitError, LabelRefused, Place, Problem, WorkspaceError
from promptctl.files.names import SETTINGS
from promptctl.files.writing import replace_file, temporary_folder
from promptctl.git.commands import refusal
from promptctl.git.objects import GitObject, is_object_id
from promptctl.labels.tags import SIGNATURE, TAGS

if TYPE_CHECKING:
    from promptctl.git.repository import Git
    from promptctl.labels.trust import LabelTrust

SIGNERS = ".promptctl.signers"
_BEGIN, _SSH = SIGNATURE.encode(), f"{SIGNATURE}SSH SIGNATURE-----".encode()
# The signature is SSH's in any case: no other program is started, and no keyring is asked.
_VERIFY = ("-c", "gpg.format=ssh", "-c", "gpg.program=false", "-c", "gpg.x509.program=false")
# What has a meaning in a line of signers, and so cannot be an address there.
_SPECIAL = frozenset(' \t",*?!#')
_KEY_TYPE = re.compile(r"(sk-)?(ssh|ecdsa)-[\w@.-]+\Z")
# Beside Git's own files, where no checkout writes: the tags whose signature was accepted, and by which signers.
_VERIFIED = "promptctl/labels-signed.json"
HOW_TO_SIGN = (
    "sign with an SSH key: git config gpg.format ssh && git config user.signingKey KEY.pub; "
    f"for `signed: required`, {SIGNERS} of the default branch must name your address and that key"
)
_HOOK = '#!/bin/sh\n[ -e "$0.refs" ] || cat >"$0.refs"\nexit 1\n'


def unsigned(git: Git, trust: LabelTrust, tags: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return why the signature of a tag does not count, by the tag's object; empty if all do.

    `tags` are pairs of a tag object and the address of who made it. A signature counts if `git verify-tag` accepts it
    with those lines of the file of signers that name this address, each read as if it named no other. There must be
    one alone: Git verifies the last of several, of any kind.
    """
    if trust.signers is None:
        return {}
    objects = git.objects.read_all([oid for oid, _ in tags])
    found: dict[str, str] = {}
    asked: dict[str, list[str]] = {}
    for (oid, address), tag in zip(tags, objects, strict=True):
        begun = [line for line in ((tag and tag.data) or b"").split(b"\n") if line.startswith(_BEGIN)]
        if _SSH not in begun:
            found[oid] = "it has no SSH signature"
        elif len(begun) != 1:
            found[oid] = "it has more than one signature"
        else:
            asked.setdefault(address, []).append(oid)
    if not asked:
        return found
    kept = _Verified(git)
    for address, oids in asked.items():
        # A line of many stands for this one: with an authority's certificates SSH would take one made for another.
        named = [line.rstrip() for line in trust.signers.split("\n") if _names(line, address)]
        lines = [f"{address} {line.split(maxsplit=1)[-1]}" for line in named]
        if not lines:
            found |= dict.fromkeys(oids, f"{SIGNERS} of {trust.line} does not name {address}")
        elif new := kept.lacking(lines, oids):
            bad = _not_verified(git, lines, new)
            kept.add(lines, [oid for oid in new if oid not in bad])
            by = f"its signature is not by a key that {SIGNERS} of {trust.line} has for {address}"
            found |= {oid: f"its signature cannot be checked here: {why}" if why else by for oid, why in bad.items()}
    return found


def _not_verified(git: Git, lines: Sequence[str], oids: Sequence[str]) -> dict[str, str]:
    """Return the tags whose signature these lines of signers do not accept, and why it cannot be checked if so."""
    bad = {}
    with _signers(lines) as options:
        if git.run([*options, "verify-tag", *oids], check=False).status == 0:
            return {}
        for oid in oids:
            checked = git.run([*options, "verify-tag", oid], check=False)
            if checked.status != 0:
                unable = next((line for line in checked.stderr.splitlines() if "cannot run" in line), "")
                bad[oid] = unable.partition(": ")[2]
    return bad


class _Verified:
    """The tags whose signature was accepted before by the same lines of signers: asking again takes 50 ms or more."""

    def __init__(self, git: Git) -> None:
        by = git.run(["config", "--get-regexp", r"^gpg\.ssh\.(program|revocationfile)$"], check=False).text
        # Keys that the user revokes are no lines of ours.
        self._file = git.shared_folder / _VERIFIED if "revocationfile" not in by else None
        self._by = by
        self._signers: dict[str, str] = {}
        with suppress(OSError, ValueError):
            read = json.loads(self._file.read_text("utf-8")) if self._file else {}
            self._signers = read if isinstance(read, dict) else {}

    def lacking(self, lines: Sequence[str], oids: Sequence[str]) -> list[str]:
        """Return the tags that these lines have not accepted yet."""
        signers = self._digest(lines)
        return [oid for oid in oids if self._signers.get(oid) != signers]

    def add(self, lines: Sequence[str], oids: Sequence[str]) -> None:
        """Keep that these lines accept the tags."""
        self._signers |= dict.fromkeys(oids, self._digest(lines))
        if self._file is not None and oids:
            with suppress(WorkspaceError):  # a repository may only be read
                replace_file(self._file, [json.dumps(self._signers).encode()])

    def _digest(self, lines: Sequence[str]) -> str:
        return hashlib.sha256("\n".join([self._by, *lines]).encode("utf-8", "replace")).hexdigest()


def signer_problems(text: str | None, *, is_asked: bool) -> list[Problem]:
    """Return what is wrong with the file of signers (None: there is none): a line that SSH would pass over.

    With `is_asked` the settings ask for signatures, and there must be a signer.
    """
    problems = []
    written = [(number, line.split()) for number, line in enumerate((text or "").split("\n"), 1)]
    written = [(number, fields) for number, fields in written if fields and not fields[0].startswith("#")]
    hint = "write: ADDRESS ssh-ed25519 KEY, as ADDRESS and the line of KEY.pub"
    for number, fields in written:
        at = next((index for index, field in enumerate(fields) if _KEY_TYPE.match(field)), None)
        if at is None or not _is_key(fields[at], *fields[at + 1 : at + 2]):
            words = "the line names no public key of SSH"
        elif at == 0:
            words = "the line begins with no address"
        else:
            continue
        problems.append(Problem(words, Place(SIGNERS, number), hint, "bad-signer"))
    if is_asked and not written:
        lacking = "is not there" if text is None else "has no signer"
        words = f"`signed: required` lets no move of a label count, as {SIGNERS} {lacking}"
        problems.append(Problem(words, Place(SETTINGS), f"in {SIGNERS}, {hint}", "no-signers"))
    return problems


def _is_key(kind: str, data: str = "") -> bool:
    """Return True if the data of a public key is of the kind that it says."""
    try:
        return base64.b64decode(data, validate=True)[4:].startswith(kind.encode())
    except binascii.Error:
        return False


@contextmanager
def _signers(lines: Sequence[str]) -> Iterator[list[str]]:
    """Yield Git's options for verifying with these signers alone, whatever the user's configuration names."""
    with temporary_folder("signers") as folder:
        file = folder / "signers"
        file.write_text("\n".join([*lines, ""]), encoding="utf-8")
        yield [*_VERIFY, "-c", f"gpg.ssh.allowedSignersFile={file}"]


def _names(line: str, address: str) -> bool:
    """Return True if a line of the file of signers is for this address: its first field is a list of patterns."""
    if not address or not _SPECIAL.isdisjoint(address):
        return False
    first = line.split(maxsplit=1)[:1]
    patterns = first[0].strip('"').casefold().split(",") if first and not line.lstrip().startswith("#") else []
    is_named = any(fnmatchcase(address.casefold(), each) for each in patterns if not each.startswith("!"))
    return is_named and not any(fnmatchcase(address.casefold(), each[1:]) for each in patterns if each[:1] == "!")


def is_signing(git: Git) -> bool:
    """Return True if `git tag -a` would sign by the user's settings."""
    ask = ["config", "--type=bool", "--get-regexp", r"^tag\.(gpgsign|forcesignannotated)$"]
    last = dict(line.split(" ", 1) for line in git.run(ask, check=False).lines())
    return "true" in last.values()


def has_signature(tag: GitObject | None) -> bool:
    """Return True if a tag object has a signature, of any format and by anybody."""
    return tag is not None and f"\n{SIGNATURE}".encode() in (tag.data or b"")


def signed_tag(git: Git, ref: str, commit: str, data: bytes) -> str:
    """Return the id of a new tag object with the message of `data`, signed; no reference is made.

    Raises `LabelRefused` with Git's words if it cannot be signed.
    """
    message = data.partition(b"\n\n")[2]
    with temporary_folder("sign", git.shared_folder) as folder:
        hook = folder / "reference-transaction"
        hook.write_text(_HOOK)
        hook.chmod(0o700)
        if not os.access(hook, os.X_OK):  # Git would leave it out, and make the tag
            raise GitError(f"a label cannot be signed here: no program can be started in {folder}")
        command = ["tag", "--annotate", "--sign", "--force", "--cleanup=verbatim", "--file=-"]
        options = ["-c", f"core.hooksPath={folder}"]
        output = git.run([*options, *command, ref.removeprefix(TAGS), commit], input=message, check=False)
        found = Path(f"{hook}.refs")
        fields = found.read_text().split() if found.exists() else []
    made = git.objects.read(fields[1]) if len(fields) > 1 and is_object_id(fields[1]) else None
    # Git 2.39 makes an unsigned tag if it finds no key.
    if made is None or not has_signature(made):
        words = refusal(output).message
        raise LabelRefused(f"no label was moved: the move could not be signed: {words}", hint=HOW_TO_SIGN)
    return made.id
