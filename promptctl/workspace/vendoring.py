"""Prompts of other repositories: added, updated, removed, checked; and what this workspace offers others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.vendoring.adding import AddedPrompts, AddRequest


class Vendoring:
    """Proposes what comes from other repositories, and says how it stands. No method writes anything.

    Each that asks another repository fetches one commit at most, and only the contents of files that are taken.
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
