"""Conditions under which a tag is an event of a label here: a remote is known to have it, somebody signed it.

Any `git fetch` can bring tags of any name. So with a remote of labels, an event counts if promptctl itself saw it
there, or made it here: both are kept as references that no fetch of Git's own writes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from promptctl.labels.tags import PREFIX, SIGNATURE

if TYPE_CHECKING:
    from promptctl.git.repository import Git

# Markers of events that no remote has accepted yet, and events by the remote that had them, under their tags' names.
UNPUSHED = "refs/promptctl/unpushed/"
_KNOWN = "refs/promptctl/known/"
SIGNERS = ".promptctl.signers"
_BEGIN, _SSH = SIGNATURE.encode(), f"{SIGNATURE}SSH SIGNATURE-----".encode()
# The signature is SSH's in any case: no other program is started, and no keyring is asked.
_VERIFY = ("-c", "gpg.format=ssh", "-c", "gpg.program=false", "-c", "gpg.x509.program=false")
# What has a meaning in a line of signers, and so cannot be an address there.
_SPECIAL = frozenset(' \t",*?!#')


@dataclass(frozen=True, slots=True)
class LabelTrust:
    """The remote that must be known to have an event (None: every tag counts), and who must have signed it.

    `signers` is the content of the default branch's file of signers, as Git takes it under
    `gpg.ssh.allowedSignersFile`; None if no signature is asked for. `line` is that branch's name, for messages.
    """

    remote: str | None = None
    signers: str | None = None
    line: str = ""

    def places(self, prefix: str = PREFIX) -> list[str]:
        """Return the references to look through for the tags that begin so: the tags, markers and what is known."""
        found = (
            [prefix, marker(prefix)] if self.remote is None else [prefix, marker(prefix), known(prefix, self.remote)]
        )
        return [place.rstrip("/") for place in found]


def marker(ref: str) -> str:
    """Return the reference that marks a tag which no remote has accepted yet."""
    return ref.replace(PREFIX, UNPUSHED, 1)


def known(ref: str, remote: str) -> str:
    """Return the reference that keeps a tag which a remote is known to have."""
    # A slash in the remote's name would make the end of it look like the beginning of a prompt's id.
    name = remote.replace("%", "%25").replace("/", "%2F")
    return ref.replace(PREFIX, f"{_KNOWN}{name}/", 1)


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
    for address, oids in asked.items():
        # A line of many stands for this one: with an authority's certificates SSH would take one made for another.
        named = [line for line in trust.signers.splitlines() if _names(line, address)]
        lines = [f"{address} {line.split(maxsplit=1)[-1]}" for line in named]
        if not lines:
            found |= dict.fromkeys(oids, f"{SIGNERS} of {trust.line} does not name {address}")
            continue
        with _signers(lines) as options:
            if git.run([*options, "verify-tag", *oids], check=False).status == 0:
                continue
            for oid in oids:
                checked = git.run([*options, "verify-tag", oid], check=False)
                unable = next((line for line in checked.stderr.splitlines() if "cannot run" in line), None)
                if unable is not None:
                    found[oid] = f"its signature cannot be checked here: {unable.partition(': ')[2]}"
                elif checked.status != 0:
                    found[oid] = f"its signature is not by a key that {SIGNERS} of {trust.line} has for {address}"
    return found


@contextmanager
def _signers(lines: Sequence[str]) -> Iterator[list[str]]:
    """Yield Git's options for verifying with these signers alone, whatever the user's configuration names."""
    with tempfile.TemporaryDirectory(prefix="promptctl-signers-") as folder:
        file = Path(folder, "signers")
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
