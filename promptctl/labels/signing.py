"""Signed tags of labels, as `git tag` signs: by the user's own settings, whatever the format.

`git mktag` signs nothing, and `git tag` makes the reference at once, before a remote has accepted the event. So
`git tag` runs with a hook that stops it when the object is written and the reference is not.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from promptctl.errors import GitError, LabelRefused
from promptctl.git.commands import refusal
from promptctl.git.objects import is_object_id
from promptctl.labels.signers import SIGNERS
from promptctl.labels.tags import SIGNATURE, TAGS

if TYPE_CHECKING:
    from promptctl.git.objects import GitObject
    from promptctl.git.repository import Git

HOW_TO_SIGN = (
    "sign with an SSH key: git config gpg.format ssh && git config user.signingKey KEY.pub; "
    f"for `signed: required`, {SIGNERS} of the default branch must name your address and that key"
)
_HOOK = '#!/bin/sh\n[ -e "$0.refs" ] || cat >"$0.refs"\nexit 1\n'


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
    with tempfile.TemporaryDirectory(prefix="promptctl-sign-", dir=git.shared_folder) as folder:
        hook = Path(folder, "reference-transaction")
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
