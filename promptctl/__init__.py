"""Prompts in Git: rendered, run, evaluated and compared, with every model call on record.

    import promptctl

    with promptctl.open_workspace("path/to/repository") as workspace:
        execution = workspace.run("support/triage@production", {"ticket": "I was charged twice."}, user="u1")
        print(execution.reply, execution.cost_nano_usd, execution.metadata)

Errors are in `promptctl.errors`, one small tree.
"""

from promptctl._version import __version__
from promptctl.errors import PromptctlError
from promptctl.workspace import Workspace, open_workspace

__all__ = ["PromptctlError", "Workspace", "__version__", "open_workspace"]
