"""Ids that a prompt of a program asks for: by its function and its file."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from promptctl.adoption.source import SourceFile
from promptctl.files.free_names import plain_letters

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHER = re.compile(r"[^a-z0-9]+")
_ENDINGS = ("prompt", "prompts", "template", "messages", "message", "text", "content", "instructions", "system", "user")
_PLAIN_FILES = ("__init__", "__main__")


def wishes(file: SourceFile, node: ast.expr, names: Sequence[str]) -> tuple[str, ...]:
    """Return ids for a prompt, the best first: the file's and the function's name, then with the folders before it.

    At the top of a file, the name of what the text is kept in stands for the function's. `names` are those of the
    definitions that the text was followed to.
    """
    *folders, name = file.path.removesuffix(".py").split("/")
    parts = [*folders, name] if name not in _PLAIN_FILES else folders or [name]
    slugs = [each for part in parts if (each := slug(part))]
    last = _without(slugs[-1] if slugs else "", _function_of(file, node)) or next(
        (each for name in names if (each := _without_endings(name))), ""
    )
    if not slugs:
        return (last or "prompt",)
    return ids(slugs, last if last != slugs[-1] else "")


def ids(folders: Sequence[str], last: str) -> tuple[str, ...]:
    """Return ids that end with a word: below the last of the folders, then with those before it, too."""
    tail = [last] if last else []
    return tuple("/".join([*folders[-count:], *tail]) for count in range(1, len(folders) + 1))


def slug(name: str) -> str:
    """Return a name of Python as a segment of an id.

    >>> slug("TicketTriage"), slug("größe_prüfen")
    ('ticket-triage', 'grosse-prufen')
    """
    return _OTHER.sub("-", _CAMEL.sub("-", plain_letters(name)).lower()).strip("-")


def _function_of(file: SourceFile, node: ast.expr) -> str:
    above = list(file.above(node))
    function = next((each.name for each in above if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)), "")
    owner = next((each.name for each in above if isinstance(each, ast.ClassDef)), "")
    return "-".join(each for each in (slug(owner), slug(function)) if each)


def _without(stem: str, name: str) -> str:
    """Return a name without the words of its file: `triage` for `TriageBot.triage` of triage_bot.py."""
    plain, words = stem.replace("-", ""), name.split("-")
    for count in range(1, len(words)):
        if "".join(words[:count]) == plain:
            return "-".join(words[count:])
    return name


def _without_endings(name: str) -> str:
    words = slug(name.rpartition(".")[2]).split("-")
    while words and words[-1] in _ENDINGS:
        words.pop()
    return "-".join(words)
