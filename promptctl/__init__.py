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

Every public name is here, and is imported on first use; `__init__.pyi` is their list, for type checkers too. Errors are
one small tree, drawn in `promptctl.errors`.
"""

import re
from importlib import import_module
from typing import Any
from weakref import finalize

__version__ = "0.1.0"

# The loader reads it, as the package may lie in a zip.
_STUB = __loader__.get_data(f"{__file__.rpartition('.')[0]}.pyi").decode()
_HOMES = {name: home for home, name in re.findall(r"^from (\S+) import (\w+)", _STUB, re.MULTILINE)}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("promptctl.errors")
    if name not in _HOMES:
        raise AttributeError(f"module 'promptctl' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "errors"})


# The first finalizer of a program decides when all run: after what is registered with `atexit` from here on.
finalize(__getattr__, int)
