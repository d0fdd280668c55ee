"""Prompts of other repositories: added, updated, removed, checked; and what this workspace offers others."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from promptctl.errors import WorkspaceError
from promptctl.files.names import LOCK

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.files.tree import Tree
    from promptctl.vendoring.adding import AddedPrompts, AddRequest
    from promptctl.vendoring.lock import Vendored
    from promptctl.vendoring.offering import Offering
    from promptctl.vendoring.outdated import SourceStanding
    from promptctl.vendoring.removing import RemovedPrompts
    from promptctl.vendoring.updating import Updated, UpdateRequest
    from promptctl.vendoring.verifying import LockCheck


def vendored_from(tree: Tree) -> dict[str, str]:
    """Return for each prompt of another repository the name and the ref of that; nothing if the lock is wrong."""
    with suppress(FileNotFoundError, WorkspaceError):  # others say what is wrong
        if b"vendored:" in tree.read(LOCK):
            from promptctl.vendoring.lock import read_sources  # here, since most workspaces have none

            return {
                id_: f"{name}@{source.ref if source.name else source.at}"
                for name, source in read_sources(tree).items()
                for id_ in source.prompts
            }
    return {}


class Vendoring:
    """Proposes what comes from other repositories, and says how it stands. No method writes anything.

    What asks another repository fetches one commit, or two for a merge, and only the contents of files that are taken.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def add(self, request: AddRequest) -> AddedPrompts:
        """Return prompts of another repository as files of this workspace, with all that they pull in, and the lock.

        Raises `UsageError` for an address, a ref or a name that cannot be, `GitError` if the repository cannot be
        asked, `PromptNotFound`, `InvalidFiles` for a prompt that is wrong there, and `WorkspaceError` for what it does
        not offer.
        """
        from promptctl.vendoring.adding import add

        return add(self._context.fresh(), request)

    def update(self, request: UpdateRequest) -> Updated:
        """Return sources as their refs name them now, merged with what was edited here.

        Raises `GitError` for a tag that was rewritten, and `InvalidFiles` with every place that both sides changed. Of
        several sources those that cannot be asked or taken stay as they are, and their errors are returned (`failed`).
        """
        from promptctl.vendoring.updating import update

        return update(self._context.fresh(), request)

    def remove(self, *names: str) -> RemovedPrompts:
        """Return the removal of prompts, or of all that sources of these names gave.

        Raises `UsageError` for a name that is none, and `WorkspaceError` or `LabelRefused` if something needs one.
        """
        from promptctl.vendoring.removing import remove

        return remove(self._context.fresh(), names)

    def outdated(self) -> Sequence[SourceStanding]:
        """Return how each source stands: their repositories are asked for names, and nothing is fetched."""
        from promptctl.vendoring.outdated import outdated

        return outdated(self._context.fresh())

    def source_of(self, prompt: str) -> Vendored | None:
        """Return the source that a prompt is of, as the lock has it; None for one of this workspace.

        Raises `InvalidFiles` for a lock that is wrong.
        """
        from promptctl.vendoring.lock import read_sources

        sources = read_sources(self._context.work_tree_for("a look at the lock"))
        return next((each for each in sources.values() if prompt in each.prompts), None)

    def verify(self, *, asks_remote: bool = False) -> LockCheck:
        """Return where files are not what the lock says; if it `asks_remote`, also where the lock is not what was."""
        from promptctl.vendoring.verifying import verify

        return verify(self._context.fresh(), asks_remote=asks_remote)

    def library(self, address: str | None = None) -> Offering:
        """Return what this workspace offers to others, or what the repository at an address `URL@REF` does."""
        from promptctl.vendoring.offering import offering, offering_of

        context = self._context.fresh()
        return offering(context) if address is None else offering_of(context, address)
