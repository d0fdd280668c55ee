"""Programs run before and after their prompts were adopted, against a client that keeps what it is sent."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import promptctl
from promptctl import Adoption


class Client:
    """A client of any library: whatever is called on it is kept, with its arguments as they are at that moment."""

    def __init__(self, sent: list[str], name: str = "client") -> None:
        self._sent = sent
        self._name = name

    def __getattr__(self, name: str) -> Client:
        return Client(self._sent, f"{self._name}.{name}")

    def __call__(self, *args: Any, **given: Any) -> str:
        self._sent.append(json.dumps([self._name, list(args), given], sort_keys=True, default=_as_json))
        return f"reply {len(self._sent)}"


class ChatMessage:
    """A message as LangChain has it."""

    def __init__(self, content: Any) -> None:
        self.content = content


class SystemMessage(ChatMessage):
    pass


class HumanMessage(ChatMessage):
    pass


class AIMessage(ChatMessage):
    pass


def _as_json(value: Any) -> Any:
    return [type(value).__name__, value.content] if isinstance(value, ChatMessage) else list(value)


def write(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text.encode())


def adopt(root: Path, files: dict[str, str], *paths: str) -> Adoption:
    """Write a program, and adopt its prompts: the files are written too."""
    write(root, {"promptctl.yaml": "model: echo/echo\n", **files})
    with promptctl.open_workspace(root) as workspace:
        found = workspace.adopt([root / path for path in paths or ("app",)])
        workspace.write(found.proposal)
    return found


def sent(root: Path, path: str, drive: Callable[[Any, Client], object]) -> list[str]:
    """Return what a program sends when it is run; its own folder is where its imports are looked for."""
    requests: list[str] = []
    module = types.ModuleType("program")
    module.__dict__["__file__"] = str(root / path)
    langchain = types.ModuleType("langchain_core.messages")
    langchain.__dict__.update(SystemMessage=SystemMessage, HumanMessage=HumanMessage, AIMessage=AIMessage)
    before = dict(sys.modules)
    sys.modules |= {"langchain_core": types.ModuleType("langchain_core"), "langchain_core.messages": langchain}
    sys.path.insert(0, str(root))
    try:
        exec(compile((root / path).read_bytes(), str(root / path), "exec"), module.__dict__)
        drive(module, Client(requests))
    finally:
        sys.path.remove(str(root))
        for name in set(sys.modules) - set(before):
            if name.startswith(("app", "langchain")):
                del sys.modules[name]
        for value in module.__dict__.values():
            if isinstance(value, promptctl.Workspace):
                value.close()
    return requests
