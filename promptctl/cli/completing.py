"""The words that a shell completes, answered without Typer where they are a workspace's: its import takes 40 ms."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from promptctl.errors import PromptctlError
from promptctl.workspace import open_workspace

if TYPE_CHECKING:
    from promptctl.workspace.completion import Word

# An option means the same in each of the commands below. Others are left to Typer, and with them the whole line.
OPTIONS: Mapping[str, Word] = {
    "-i": "input", "--input": "input", "-I": "input", "--input-file": "input", "-m": "model", "--model": "model",
    "-d": "dataset", "--dataset": "dataset", "--case": "case", "--tag": "tag", "--prompt": "ref", "--experiment": "experiment",
}  # fmt: skip
ARGUMENTS: Mapping[str, Word] = {
    "run": "ref", "render": "ref", "show": "ref", "copy": "ref", "history": "ref", "diff": "ref", "eval": "ref",
    "eval resume": "ref", "label set": "ref", "label rollback": "ref", "label remove": "ref", "label list": "ref",
    "label log": "ref", "label at": "ref", "log latest": "ref", "cost compare": "ref", "cost suggest": "ref",
    "results trend": "ref", "log show": "execution", "feedback": "execution", "compare": "evaluation",
    "results show": "evaluation", "results export": "evaluation", "results delete": "evaluation",
    "budget show": "budget", "budget history": "budget", "budget enable": "budget", "dataset show": "dataset",
    "dataset validate": "dataset", "dataset add": "dataset", "experiment show": "experiment",
    "experiment report": "experiment", "experiment stop": "experiment", "experiment promote": "experiment",
    "experiment step": "experiment",
}  # fmt: skip
# Those that have such options, and whose arguments are none of these words.
OTHERS = ("log list", "log stats", "log search", "log export", "cost", "results list", "review")
# What a shell may be given to evaluate: ids of cases, tags and models are a branch's to choose.
_PLAIN = re.compile(r"[\w./@:=+~,%-]+")
# Those whose second argument is of the same kind.
SEVERAL = (
    "diff",
    "eval",
    "eval resume",
    "cost compare",
    "compare",
    "results export",
    "results delete",
    "experiment step",
)


def answer(environ: Mapping[str, str]) -> str | None:
    """Return what a shell is to read of us; None for what Typer completes: commands, options, and lines it knows best.

    The variables are those of Typer's scripts, and the answers are written as it writes them.
    """
    shell = environ.get("_PROMPTCTL_COMPLETE")
    try:
        if shell == "complete_bash":
            words = shlex.split(environ["COMP_WORDS"])
            words = [*words, ""][: int(environ["COMP_CWORD"]) + 1]
        elif shell in ("complete_zsh", "complete_fish"):
            line = environ["_TYPER_COMPLETE_ARGS"]
            words = shlex.split(line) + ([""] if line.endswith(" ") else [])
        else:
            return None
    except (KeyError, ValueError):
        return None
    asked = _asked(words[1:])
    if asked is None or (shell == "complete_fish" and environ.get("_TYPER_COMPLETE_FISH_ACTION") != "get-args"):
        return None
    found = offered(*asked)
    if shell != "complete_zsh":
        return "\n".join(found)
    quoted = "\n".join('"{}"'.format(each.replace(":", r"\\:")) for each in found)
    return f"_arguments '*: :(({quoted}))'" if found else "_files"


def offered(folder: str | None, kind: Word, start: str, words: Sequence[str]) -> list[str]:
    """Return the words of a kind that begin so; outside a workspace, and in a broken one, there are none.

    `words` are others of the line: those that are prompts are the ones that inputs, tags and cases are of.
    """
    try:
        with open_workspace(folder, on_warning=lambda _: None) as workspace:
            known = set(workspace.complete("")) if kind in ("input", "tag", "case") else set()
            found = workspace.complete(start, kind, [ref for ref in words if ref.partition("@")[0] in known])
            return [word for word in found if _PLAIN.fullmatch(word)]
    except (PromptctlError, OSError):
        return []


def _asked(words: Sequence[str]) -> tuple[str | None, Word, str, list[str]] | None:
    """Return the folder, the kind of the last word, its beginning, and the arguments before; None if not known here."""
    *before, start = words or [""]
    folder, command, given, kind = None, "", list[str](), None
    left = iter(before)
    for word in left:
        if word in ("-C", "--workspace"):
            folder = next(left, None)
            if folder is None:
                return None
        elif word.startswith("-"):
            if word not in OPTIONS:
                return None
            if next(left, None) is None:
                kind = OPTIONS[word]
        elif not given and _is_command(longer := f"{command} {word}".lstrip()):
            command = longer
        else:
            given.append(word)
    if kind is None and (not given or command in SEVERAL):
        kind = ARGUMENTS.get(command)
    if kind is None or start.startswith("-") or command not in (*ARGUMENTS, *OTHERS):
        return None
    return folder, kind, start, given


def _is_command(name: str) -> bool:
    return any(each == name or each.startswith(f"{name} ") for each in (*ARGUMENTS, *OTHERS))
