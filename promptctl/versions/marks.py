"""Marks of sensitive inputs: an earlier version of a prompt has those of today too."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from promptctl.errors import WorkspaceError
from promptctl.prompts.loading import path_in, with_marks_of
from promptctl.versions.moment import Moment
from promptctl.versions.prompt_at_version import PromptAtVersion


def with_todays_marks(found: PromptAtVersion, moment: Moment) -> PromptAtVersion:
    """Return the version with the inputs also sensitive that the prompt's file marks now, whatever its id is today."""
    id_ = found.ref.prompt
    if path_in(moment.work_tree, id_) is None:
        from promptctl.versions.former_ids import id_of_today

        id_ = id_of_today(moment, id_)
    committed = [moment.tree_at(moment.head)] if moment.head is not None else []
    for tree in (moment.work_tree, *committed):  # a sparse checkout may leave the file out
        with suppress(WorkspaceError):
            return replace(found, prompt=with_marks_of(tree, id_, found.prompt))
    return found
