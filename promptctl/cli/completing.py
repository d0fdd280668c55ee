"""The words that a shell completes, answered without Typer where they are a workspace's: its import takes 40 ms."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, cast

from promptctl.errors import PromptctlError
from promptctl.workspace import open_workspace

if TYPE_CHECKING:
    from promptctl.workspace.completion import Word

# An option means the same in each of the commands below, but where its command is named. Others are left to Typer, and with them the whole line.
OPTIONS: Mapping[str, Word] = {
    "-i": "input", "--input": "input", "-I": "input", "--input-file": "input", "-m": "model", "--model": "model",
    "--judge": "model", "-d": "dataset", "--dataset": "dataset", "--case": "case", "--tag": "tag", "--prompt": "ref",
    "--experiment": "experiment", "--label": "label", "--version": "version", "--to": "version", "--against": "base",
    "--changed-since": "revision", "--execution": "execution", "--evaluation": "evaluation", "--use": "ref",
    "--labels": "dataset", "--uses": "shared", "list --tag": "prompt_tag",
}  # fmt: skip
# Those that take no value, in each of the commands that have them.
FLAGS = frozenset({
    "--json", "--all", "--failed", "--fail-fast", "--until-decided", "--sequential", "--dry-run", "--allow-code",
    "--leave-out-code", "--afresh", "--yes", "--stream", "--no-stream", "--retry-errors", "--watch",
})  # fmt: skip
EVERY = "…"
"""Stands for more arguments of the kind before."""


def _of(kinds: str, commands: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(commands.split(", "), tuple(kinds.split()))


# The kinds of a command's arguments in their order; those that are none of these words come last, and are not named.
ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    **_of("ref", "run, render, copy, history, improve, shorten, rename, activate, deprecate, deactivate, delete"),
    **_of("ref", "schema infer, label remove, label rollback, label list, label log, label at, log latest"),
    **_of("ref", "cost suggest, results trend, dataset generate"),
    **_of("shown", "show"),
    **_of("blamed", "blame"),
    **_of("ref version", "label set"),
    **_of("ref ref", "diff, cost compare"),
    **_of("ref …", "eval, eval resume"),
    **_of("execution", "log show, feedback"),
    **_of("evaluation", "results show"),
    **_of("evaluation evaluation", "compare"),
    **_of("evaluation …", "results export, results delete"),
    **_of("budget", "budget show, budget history, budget enable"),
    **_of("dataset", "dataset show, dataset validate, dataset add, dataset from-log, dataset dedupe, dataset split"),
    **_of("dataset", "judge label, judge agreement"),
    **_of("judge", "judge calibrate"),
    **_of("experiment", "experiment show, experiment report, experiment stop, experiment promote"),
    **_of("experiment …", "experiment step"),
    **_of("revision revision", "review"),
    **_of(
        "",
        "log list, log stats, log search, log export, log redact, log prune, cost, cost reprice, list, results list, dashboard",
    ),
    **_of("", "snapshot write"),
}
# What a shell may be given to evaluate: ids of cases, tags and models are a branch's to choose.
_PLAIN = re.compile(r"[\w./@:=+~,%-]+")
# Where bash parts words beside blanks, as far as ours have it, and hands over the parts as words.
_BREAKS = frozenset("@=:")


def rejoin(environ: MutableMapping[str, str]) -> str:
    """Make whole the words that bash has parted; return what it leaves out of the last one, and of its answers."""
    if environ.get("_PROMPTCTL_COMPLETE") != "complete_bash":
        return ""
    try:
        parts = [*shlex.split(environ["COMP_WORDS"]), ""][: int(environ["COMP_CWORD"]) + 1]
    except (KeyError, ValueError):
        return ""
    words, left_out, before = list[str](), "", ""
    for part in parts:
        is_break = part != "" and _BREAKS.issuperset(part)
        # What stands alone after an option is its value, as in `--against @main`; only `=` belongs to the option.
        goes_on = is_break and not (words and words[-1].startswith("-") and not part.startswith("="))
        if words and part and (goes_on or (before and _BREAKS.issuperset(before))):
            left_out = words[-1]
            words[-1] += part
        else:
            left_out = ""
            words.append(part)
        if is_break:
            left_out = words[-1]
        before = part
    if len(words) < len(parts):
        environ["COMP_WORDS"], environ["COMP_CWORD"] = shlex.join(words), str(len(words) - 1)
    return left_out


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


def offered(place: Mapping[str, str], kind: Word, start: str, words: Sequence[str]) -> list[str]:
    """Return the words of a kind that begin so; outside a workspace, and in a broken one, there are none.

    `place` has the folder or snapshot that the line names. `words` are others of the line: those that are prompts are
    the ones that inputs, tags, cases and versions are of.
    """
    folder, snapshot = place.get("workspace"), place.get("snapshot")
    try:
        file = None if snapshot is None else os.path.join(folder or "", snapshot)  # noqa: PTH118 - for a shell that waits
        with open_workspace(folder, snapshot=file, on_warning=lambda _: None) as workspace:
            known = set(workspace.complete("")) if kind in ("input", "tag", "case", "version") else set()
            found = workspace.complete(start, kind, [ref for ref in words if ref.partition("@")[0] in known])
            return [word for word in found if _PLAIN.fullmatch(word)]
    except (PromptctlError, OSError):
        return []


def _asked(words: Sequence[str]) -> tuple[Mapping[str, str], Word, str, list[str]] | None:
    """Return the place, the kind of the last word, its beginning, and the words before; None if not known here."""
    *before, start = words or [""]
    place: dict[str, str] = {}
    command, given, named, kind = "", list[str](), list[str](), None
    left = iter(before)
    for word in left:
        if word in _PLACES and not command:
            if (value := next(left, None)) is None:
                return None
            place[_PLACES[word]] = value
        elif word in FLAGS:
            continue
        elif word.startswith("-"):
            if word not in OPTIONS:
                return None
            if (value := next(left, None)) is None:
                kind = OPTIONS.get(f"{command} {word}", OPTIONS[word])
            else:
                named.append(value)
        elif not given and _is_command(longer := f"{command} {word}".lstrip()):
            command = longer
        else:
            given.append(word)
    kind = kind or _kind_at(len(given), ARGUMENTS.get(command, ()))
    if kind is None or start.startswith("-") or command not in ARGUMENTS:
        return None
    return place, kind, start, given + named


_PLACES = {"-C": "workspace", "--workspace": "workspace", "--snapshot": "snapshot"}


def _kind_at(position: int, kinds: Sequence[str]) -> Word | None:
    if kinds[-1:] == (EVERY,):
        position = min(position, len(kinds) - 2)
    return cast("Word", kinds[position]) if position < len(kinds) else None


def _is_command(name: str) -> bool:
    return any(each == name or each.startswith(f"{name} ") for each in ARGUMENTS)
