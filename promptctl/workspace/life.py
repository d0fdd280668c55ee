"""The life of a prompt: renamed, activated, deactivated, deprecated, deleted, with everything that names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptctl.errors import WorkspaceError

if TYPE_CHECKING:
    from promptctl.catalogue.copying import Copied
    from promptctl.catalogue.renaming import Renamed
    from promptctl.catalogue.retiring import Deleted, Retired
    from promptctl.catalogue.shared_files import SharedFile
    from promptctl.context import Context
    from promptctl.labels.chains import LabelState
    from promptctl.prompts.prompt import Status


class Life:
    """Proposes what happens to a prompt's file and to the files that name it.

    Each method but `write` returns a proposal, and writes nothing.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def copy(self, ref: str, new_id: str) -> Copied:
        """Return a copy of the prompt that a ref names, at any version. `Workspace.copy` writes it, too."""
        from promptctl.catalogue.copying import copy

        copied = copy(self._context.fresh(), ref, new_id)
        self._warn_of_built_in(new_id)
        return copied

    def rename(self, old: str, new: str) -> Renamed:
        """Return the rename of a prompt, with the files that name it. Versions, labels, totals and rules follow.

        A path of a partial, a schema or a file of tools moves that file, with each reference to it. Raises
        `PromptNotFound`, `UsageError` for an id that is wrong or taken, and `WorkspaceError` for a file that cannot be
        edited in place.
        """
        from promptctl.catalogue.renaming import move_file, rename
        from promptctl.vendoring.moving import with_lock

        context = self._context.fresh()
        move = move_file if self.is_shared(old) else rename
        renamed = with_lock(context.work_tree_for("a rename"), move(context, old, new))
        self._warn_of_built_in(new)
        return renamed

    def _warn_of_built_in(self, new: str) -> None:
        from promptctl.calls.shipped import is_shipped

        if is_shipped(new):
            self._context.warn(f"`{new}` is a built-in prompt: the workspace's own is asked in its place from now on")

    def activate(self, prompt: str) -> Retired:
        """Return the change that lets a prompt run again, without a warning. Raises `PromptNotFound`."""
        return self._set_status(prompt, "active")

    def deactivate(self, prompt: str) -> Retired:
        """Return the change after which a prompt refuses to run. Raises `PromptNotFound`."""
        return self._set_status(prompt, "inactive")

    def deprecate(self, prompt: str, use: str | None = None) -> Retired:
        """Return the change after which a prompt runs with a warning, which names the one to `use` in its place.

        Raises `PromptNotFound` for either, and `UsageError` for a successor that is not active.
        """
        return self._set_status(prompt, "deprecated", use)

    def _set_status(self, prompt: str, status: Status, use: str | None = None) -> Retired:
        from promptctl.catalogue.retiring import set_status

        return set_status(self._context.fresh(), prompt, status, use)

    def delete(self, prompt: str, *, reason: str = "", is_forced: bool = False) -> Deleted:
        """Return the deletion of a prompt, of the datasets that test it alone, and of what else names it.

        The labels' remote is asked first. Raises `PromptNotFound`; `LabelRefused` if a label names a version of it,
        unless `is_forced` for a reason; and `WorkspaceError` if a judge, an experiment or a prompt needs it.
        """
        from promptctl.catalogue.retiring import delete
        from promptctl.promotion.labelling import check_reason

        context = self._context.fresh()
        check_reason(context, reason)
        return delete(context, prompt, _live_labels(context, prompt), reason=reason, is_forced=is_forced)

    def shared_file(self, name: str) -> SharedFile:
        """Return a partial, a schema or a file of tools, with the prompts that use it. Raises `PromptNotFound`."""
        from promptctl.catalogue.shared_files import shared_file

        return shared_file(self._context.fresh(), name)

    @staticmethod
    def is_shared(name: str) -> bool:
        """Return True for what can only name a file that prompts share, not a prompt."""
        from promptctl.catalogue.shared_files import is_shared

        return is_shared(name)

    def write(self, deleted: Deleted) -> None:
        """Remove the labels that named the prompt, for the reason given, and then write the deletion.

        Raises `WorkspaceError` if a file was changed meanwhile, and `LabelRefused` if a label was set meanwhile: then
        nothing has changed; and `LabelRefused` if a rule or the remote stops the removal of a label: then no file has.
        """
        from promptctl.catalogue.retiring import named_by_labels
        from promptctl.promotion.labelling import Labelling

        tree, _ = self._context.work_tree_for("writing files"), self._context.state_folder
        deleted.proposal.check(tree.root)
        live = {f"{each.prompt}@{each.label}": each for each in _live_labels(self._context.fresh(), deleted.prompt)}
        if new := [each for label, each in live.items() if label not in deleted.labels]:
            raise named_by_labels(deleted.prompt, new)
        for label in deleted.labels:
            if label in live:
                Labelling(self._context).remove(label, reason=deleted.reason)
        try:
            deleted.proposal.write(tree.root)
        except WorkspaceError:
            for label in deleted.labels:
                self._context.warn(f"{label} is removed already: promptctl label rollback {label}")
            raise


def _live_labels(context: Context, prompt: str) -> list[LabelState]:
    """Return the labels that name a version of the prompt; their remote is asked."""
    from promptctl.promotion.labelling import Labelling

    if not context.now().is_versioned:
        return []
    return [each for each in Labelling(context).all().states.values() if each.prompt == prompt and each.is_live]
