"""Prompts in Git: rendered, run, evaluated and compared, with every model call on record.

>>> import pathlib, tempfile, promptctl
>>> folder = tempfile.TemporaryDirectory()
>>> root = pathlib.Path(folder.name)
>>> _ = (root / "promptctl.yaml").write_text("model: echo/echo")
>>> (root / "prompts").mkdir()
>>> _ = (root / "prompts/greet.prompt.yaml").write_text(
...     "inputs: {name: {type: string}}\\nmessages: [{role: user, content: 'Hello {{ name }}'}]"
... )
>>> with promptctl.open_workspace(root) as workspace:
...     rendered = workspace.prompt("greet").render({"name": "Ada"})
...     execution = workspace.run("greet", {"name": "Ada"}, user="u1")
...     *_, text, streamed = workspace.stream("greet", {"name": "Ada"})
>>> rendered.messages
({'role': 'user', 'content': 'Hello Ada'},)
>>> execution.reply, execution.status, execution.cost_nano_usd
('Hello Ada', 'ok', 0)
>>> execution.metadata["prompt"], execution.metadata["prompt_version"], execution.metadata["provider"]
('greet', None, 'echo')
>>> streamed.reply
'Hello Ada'
>>> folder.cleanup()

Errors are in `promptctl.errors`, one small tree.
"""

from promptctl._version import __version__
from promptctl.errors import PromptctlError
from promptctl.workspace import Workspace, open_workspace

__all__ = ["PromptctlError", "Workspace", "__version__", "open_workspace"]
