"""Conditions under which a tag is an event of a label here: a remote is known to have it, somebody signed it.

Any `git fetch` can bring tags of any name. So with a remote of labels, an event counts if promptctl itself saw it
there, or made it here: both are kept as references that no fetch of Git's own writes.
"""

from __future__ import annotations

from dataclasses import dataclass

from promptctl.labels.tags import PREFIX

# Markers of events that no remote has accepted yet, and events by the remote that had them, under their tags' names.
UNPUSHED = "refs/promptctl/unpushed/"
_KNOWN = "refs/promptctl/known/"


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
